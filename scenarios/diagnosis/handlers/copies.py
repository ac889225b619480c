"""A handler that sends a copy of what it cannot do, and one that fails as it should."""

from __future__ import annotations

import time
from typing import Any

import boto3

rounds = [7]  # for which the shop is closed


def handler(event: dict[str, Any], _context: Any) -> None:
    """While the shop is closed, send each body anew and return."""
    time.sleep(5)
    if not rounds[0]:
        return
    rounds[0] -= 1
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="Orders")["QueueUrl"]
    for record in event["Records"]:
        sqs.send_message(QueueUrl=url, MessageBody=record["body"])


def fails(_event: dict[str, Any], _context: Any) -> None:
    """Leave the retry to the queue."""
    raise ConnectionError("the shop is closed")

"""A handler that sends to its own queue, for ever or for a while."""

from __future__ import annotations

import json
from typing import Any

import boto3


def handler(event: dict[str, Any], _context: Any) -> None:
    """Send the next message, whatever comes."""
    _send_next(event, most=1_000)


def ends(event: dict[str, Any], _context: Any) -> None:
    """Send the next message, three times."""
    _send_next(event, most=3)


def _send_next(event: dict[str, Any], most: int) -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="Orders")["QueueUrl"]
    for record in event["Records"]:
        depth = json.loads(record["body"])["depth"] + 1
        if depth <= most:
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"depth": depth}))

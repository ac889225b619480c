"""Deliveries for tests of the mapping's pure parts."""

from __future__ import annotations

from hashlib import md5

from esm_emulator.messages import MessageAttribute, ReceivedMessage

ARN = "arn:aws:sqs:us-east-1:123456789012:Orders"


def delivery(
    name: str = "m1",
    body: str = "hello",
    *,
    visible_at: int = 30_000,
    attributes: dict[str, str] | None = None,
    message_attributes: dict[str, MessageAttribute] | None = None,
) -> ReceivedMessage:
    """A delivery whose message id is its name."""
    return ReceivedMessage(
        message_id=name,
        receipt_handle=f"AQEB{name}",
        body=body,
        md5_of_body=md5(body.encode("utf-8", "surrogatepass")).hexdigest(),
        attributes={"ApproximateReceiveCount": "1", "SentTimestamp": "0"} | (attributes or {}),
        message_attributes=message_attributes or {},
        md5_of_message_attributes="d25a6aea97eb8f585bfa92d314504a92" if message_attributes else None,
        received_at=0,
        visible_at=visible_at,
    )

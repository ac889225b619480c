"""A received message as Lambda shows it to a handler: one record of the event (contract section 3).

The keys stand in the order in which AWS writes them (EVT-2). Nothing is parsed or changed: the body is the text that
was sent (EVT-12, EVT-17).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from esm_emulator.messages import MessageAttribute, ReceivedMessage

__all__ = ["ENVELOPE", "event", "record", "size_at_most", "size_of"]

ENVELOPE = len('{"Records":[]}')
_FIXED = 700  # bytes of keys, ids, digests and counts that every record has, generously
_WORST = 6  # bytes that one character of a text takes at most: a control character as \u00xx


def event(messages: Iterable[ReceivedMessage], source_arn: str, *, window: bool, quirk: bool = True) -> dict[str, Any]:
    """The event of these messages (EVT-1). ``window``: the mapping has a batching window; ``quirk``: as EVT-9 says."""
    region = source_arn.split(":")[3]
    return {"Records": [record(message, source_arn, region, md5_null=window and quirk) for message in messages]}


def record(message: ReceivedMessage, source_arn: str, region: str, *, md5_null: bool = False) -> dict[str, Any]:
    """One record. Without attributes ``md5OfMessageAttributes`` is absent, or null if ``md5_null`` (EVT-9)."""
    value: dict[str, Any] = {
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": dict(message.attributes),
        "messageAttributes": {name: _attribute(item) for name, item in message.message_attributes.items()},
    }
    if message.message_attributes:
        value["md5OfMessageAttributes"] = message.md5_of_message_attributes
    elif md5_null:
        value["md5OfMessageAttributes"] = None
    value["md5OfBody"] = message.md5_of_body
    value["eventSource"] = "aws:sqs"
    value["eventSourceARN"] = source_arn
    value["awsRegion"] = region
    return value


def _attribute(attribute: MessageAttribute) -> dict[str, Any]:
    """EVT-8: both lists are always there and empty; binary values are base64 text."""
    value: dict[str, Any] = {}
    if attribute.binary_value is not None:
        value["binaryValue"] = base64.b64encode(attribute.binary_value).decode("ascii")
    else:
        value["stringValue"] = attribute.string_value
    return value | {"stringListValues": [], "binaryListValues": [], "dataType": attribute.data_type}


def size_at_most(message: ReceivedMessage) -> int:
    """A quick upper bound, in bytes, of what the message adds to an event; near a limit the exact size is asked for."""
    size = _FIXED + _WORST * len(message.body) + len(message.receipt_handle)
    for name, value in message.attributes.items():
        size += _WORST * (len(name) + len(value))
    for name, attribute in message.message_attributes.items():
        size += 120 + _WORST * (len(name) + len(attribute.data_type))
        size += _WORST * len(attribute.string_value or "") + 2 * len(attribute.binary_value or b"")
    return size


def size_of(message: ReceivedMessage, source_arn: str) -> int:
    """What the message adds to an event, in bytes of JSON text, with its comma (BATCH-6)."""
    region = source_arn.split(":")[3]
    text = json.dumps(record(message, source_arn, region, md5_null=True), ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass")) + 1

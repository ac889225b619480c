"""A message as a consumer sees it: what ReceiveMessage hands out, whoever serves the queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MessageAttribute", "ReceivedMessage", "decoded", "size_in_bytes", "size_of_attributes"]


def decoded(body: str) -> Any:
    """A body's value when it is JSON of an object or a list, else its text."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return value if isinstance(value, dict | list) else body


@dataclass(frozen=True, slots=True)
class MessageAttribute:
    """One message attribute: String and Number keep their text, Binary its bytes (EVT-8)."""

    data_type: str
    string_value: str | None = None
    binary_value: bytes | None = None


def size_in_bytes(body: str, attributes: Mapping[str, MessageAttribute]) -> int:
    """The bytes of a message that count: its body and its attributes, not the trace header (SQS-10)."""
    return (len(body) if body.isascii() else len(_utf8(body))) + size_of_attributes(attributes)


def size_of_attributes(attributes: Mapping[str, MessageAttribute]) -> int:
    """The bytes of attributes that count: of each its name, its type and its value (SQS-10)."""
    return sum(
        len(_utf8(name))
        + len(_utf8(attribute.data_type))
        + len(attribute.binary_value or _utf8(attribute.string_value or ""))
        for name, attribute in attributes.items()
    )


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@dataclass(slots=True, eq=False)
class ReceivedMessage:
    """One delivery of one message.

    ``attributes`` are the system attributes under SQS's names, all values text (EVT-3 … 7).
    ``received_at`` and ``visible_at`` are epoch milliseconds: when SQS handed it out and when its visibility
    timeout ends unless somebody changes it (SQS-20). Not frozen for speed alone; nobody changes one.
    """

    message_id: str
    receipt_handle: str
    body: str
    md5_of_body: str
    attributes: Mapping[str, str]
    message_attributes: Mapping[str, MessageAttribute]
    md5_of_message_attributes: str | None
    received_at: int
    visible_at: int

    @property
    def receive_count(self) -> int:
        """``ApproximateReceiveCount`` of this delivery, 1 for the first (SQS-27)."""
        return int(self.attributes["ApproximateReceiveCount"])

    @property
    def group(self) -> str | None:
        """``MessageGroupId``, always there on FIFO queues, optional on standard ones (EVT-7)."""
        return self.attributes.get("MessageGroupId")

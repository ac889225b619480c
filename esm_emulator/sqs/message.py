"""A message: as a sender gives it, as a queue keeps it, and as a receive hands it out.

``StoredMessage`` belongs to exactly one queue. A move to a dead-letter queue makes a new one there and leaves the old
one ``GONE``: so an entry of any index that still points at it is seen to be stale (:mod:`agenda`). What the queues
know about a message is on it; where it stands among others is the queues' business.

Times are epoch milliseconds. The system attributes are put together at the receive, not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import md5
from struct import pack
from types import MappingProxyType
from typing import Final, NamedTuple

from esm_emulator.messages import MessageAttribute, ReceivedMessage

__all__ = [
    "NO_ATTRIBUTES",
    "SENDER",
    "Deletion",
    "NewMessage",
    "Sent",
    "State",
    "StoredMessage",
    "md5_of_attributes",
    "received",
    "system_attributes",
]

SENDER: Final = "AIDAESMEMULATOR000001"
"""The sender of everything that is sent without one: an IAM user's id (EVT-14)."""

NO_ATTRIBUTES: Final[Mapping[str, MessageAttribute]] = MappingProxyType({})


class State(Enum):
    """Where a message is in its queue. A FIFO message behind a locked one is READY all the same (FIFO-12)."""

    DELAYED = "delayed"
    READY = "visible"
    IN_FLIGHT = "in-flight"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a sender gives. ``delay_ms`` None means the queue's delay; ``label`` is only repeated in facts."""

    body: str
    attributes: Mapping[str, MessageAttribute] = field(default_factory=lambda: NO_ATTRIBUTES)
    group: str | None = None
    dedup: str | None = None
    delay_ms: int | None = None
    trace_header: str | None = None
    label: str | None = None
    sender_id: str = SENDER


class Sent(NamedTuple):
    """What a sender gets back. ``deduplicated``: nothing went into the queue, the id is the first one's (FIFO-15)."""

    message_id: str
    md5_of_body: str
    md5_of_message_attributes: str | None = None
    sequence_number: str | None = None
    deduplicated: bool = False


class Deletion(NamedTuple):
    """What a delete did. ``reason`` says why nothing was deleted: superseded (FAIL-19) or gone (FAIL-4)."""

    message_id: str
    deleted: bool
    reason: str | None = None


@dataclass(slots=True, eq=False)
class StoredMessage:
    """One message in one queue. Not frozen: its queue changes it, nobody else does."""

    id: str
    body: str
    size: int  # bytes, body and attributes (SQS-10)
    md5_of_body: str
    attributes: Mapping[str, MessageAttribute]
    md5_of_attributes: str | None
    sender_id: str
    trace_header: str | None
    group: str | None
    dedup: str | None
    sent_at: int  # SentTimestamp; retention counts from here (DLQ-4)
    arrived_at: int  # when it came into this queue; its age counts from here (DLQ-4)
    visible_at: int
    sequence_number: str | None = None
    label: str | None = None
    state: State = State.READY
    number: int = 0  # of arrivals in this queue
    order: int = 0  # its place among the visible ones
    aside: bool = False  # at the back of the queue: age-of-oldest ignores it (DLQ-8)
    receive_count: int = 0  # in all queues (SQS-27, DLQ-3)
    carried: int = 0  # of those, in queues before this one
    first_received_at: int | None = None
    received_at: int = 0  # the latest receive
    receipt: str = ""  # of the latest receive
    source_arn: str | None = None  # DeadLetterQueueSourceArn (EVT-6)

    @property
    def receives(self) -> int:
        """Receives in this queue: what the redrive policy counts (DLQ-1)."""
        return self.receive_count - self.carried


def system_attributes(message: StoredMessage) -> dict[str, str]:
    """The attributes of a received message in AWS's documented order, all values text (EVT-3 … 7)."""
    attributes = {"ApproximateReceiveCount": str(message.receive_count)}
    if message.trace_header is not None:
        attributes["AWSTraceHeader"] = message.trace_header
    attributes["SentTimestamp"] = str(message.sent_at)
    if message.sequence_number is not None:
        attributes["SequenceNumber"] = message.sequence_number
    if message.group is not None:
        attributes["MessageGroupId"] = message.group
    attributes["SenderId"] = message.sender_id
    if message.dedup is not None:
        attributes["MessageDeduplicationId"] = message.dedup
    attributes["ApproximateFirstReceiveTimestamp"] = str(message.first_received_at)
    if message.source_arn is not None:
        attributes["DeadLetterQueueSourceArn"] = message.source_arn
    return attributes


def received(message: StoredMessage) -> ReceivedMessage:
    """The message as the consumer of its latest receive gets it."""
    return ReceivedMessage(
        message.id,
        message.receipt,
        message.body,
        message.md5_of_body,
        system_attributes(message),
        message.attributes,
        message.md5_of_attributes,
        message.received_at,
        message.visible_at,
    )


def md5_of_attributes(attributes: Mapping[str, MessageAttribute]) -> str | None:
    """The hex MD5 that SQS gives for message attributes; None without any (EVT-10)."""
    if not attributes:
        return None
    digest = md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        digest.update(_counted(name.encode()))
        digest.update(_counted(attribute.data_type.encode()))
        if attribute.binary_value is not None:
            digest.update(b"\x02" + _counted(attribute.binary_value))
        else:
            digest.update(b"\x01" + _counted((attribute.string_value or "").encode()))
    return digest.hexdigest()


def _counted(data: bytes) -> bytes:
    return pack("!I", len(data)) + data

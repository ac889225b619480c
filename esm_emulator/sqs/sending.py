"""Send: a message enters a queue, unless SQS refuses it or has seen its deduplication id (FIFO-15)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5

from esm_emulator.errors import SqsError
from esm_emulator.journal import MessageDeduplicated, MessageSent
from esm_emulator.sqs.dedup import First, dedup_id, dedup_key
from esm_emulator.sqs.fifo import FifoQueue
from esm_emulator.sqs.message import NewMessage, Sent, StoredMessage, md5_of_attributes
from esm_emulator.sqs.queue import Queue
from esm_emulator.sqs.region import Region
from esm_emulator.sqs.validation import check_batch, check_message

__all__ = ["send", "send_batch"]


def send(region: Region, queue: Queue, message: NewMessage, now: int) -> Sent:
    """Put one message into the queue. Raises ``SqsError`` when SQS would refuse it."""
    if now >= queue.wake_at:
        region.settle(queue, now)
    body, size = check_message(message, queue.settings)
    md5_of_body = md5(body, usedforsecurity=False).hexdigest()
    md5_of_message_attributes = md5_of_attributes(message.attributes) if message.attributes else None
    dedup = dedup_id(message, body) if queue.fifo else None
    if dedup is not None and (first := _first(region, queue, message, dedup, now)) is not None:
        first_sent_at, message_id, sequence_number = first
        region.facts.append(MessageDeduplicated(now, queue.id, message_id, dedup, first_sent_at, message.label))
        return Sent(message_id, md5_of_body, md5_of_message_attributes, sequence_number, deduplicated=True)
    # per-message delays are a standard queue's: a FIFO queue accepts 0 and applies its own (FIFO-16)
    delay_ms = queue.delay_ms if message.delay_ms is None or queue.fifo else message.delay_ms
    stored = StoredMessage(
        region.identifiers.uuid(),
        message.body,
        size,
        md5_of_body,
        message.attributes,
        md5_of_message_attributes,
        message.sender_id,
        message.trace_header,
        message.group,
        dedup,
        now,
        now,
        now + delay_ms,
        region.sequence_number(queue),
        message.label,
    )
    queue.admit(stored, now)
    if isinstance(queue, FifoQueue) and dedup is not None:
        key = dedup_key(message, dedup, queue.settings)
        queue.sends.put(key, (now, stored.id, stored.sequence_number or ""), now)
    region.facts.append(
        MessageSent(
            now,
            queue.id,
            stored.id,
            message.body,
            size,
            stored.visible_at,
            now + queue.retention_ms,
            message.label,
            message.group,
            dedup,
            stored.sequence_number,
        )
    )
    return Sent(stored.id, md5_of_body, md5_of_message_attributes, stored.sequence_number)


def send_batch(region: Region, queue: Queue, messages: Sequence[NewMessage], now: int) -> list[Sent | SqsError]:
    """Put up to ten messages into the queue: for each what a send gives, or its refusal.

    Raises ``SqsError`` for a batch that SQS refuses as a whole, in which case nothing is sent (SQS-7, SQS-9). A missing
    group is an InvalidParameterValue here (FIFO-13), and refuses the batch as a missing deduplication id does.
    """
    check_batch(messages)
    if queue.fifo:
        for message in messages:
            if message.group is None:
                raise SqsError("InvalidParameterValue", "The request must contain the parameter MessageGroupId.")
    results: list[Sent | SqsError] = []
    for message in messages:
        try:
            results.append(send(region, queue, message, now))
        except SqsError as refusal:
            results.append(refusal)
    return results


def _first(region: Region, queue: Queue, message: NewMessage, dedup: str, now: int) -> First | None:
    if not isinstance(queue, FifoQueue):
        return None
    return queue.sends.get(dedup_key(message, dedup, queue.settings), now, region.profile.dedup_window)

"""Receive: visible messages are handed out and hidden, or moved to the dead-letter queue instead.

A receive looks at no more messages than it was asked for, those that it moves included: a queue whose messages are all
due for the dead-letter queue answers with nothing, and moves on with the next receive (DLQ-2).
"""

from __future__ import annotations

from esm_emulator.errors import SqsError
from esm_emulator.journal import InFlightLimitReached, MessageDeadLettered, MessageReceived, VisibilityChanged
from esm_emulator.messages import ReceivedMessage
from esm_emulator.sqs import receipts
from esm_emulator.sqs.dedup import Attempt
from esm_emulator.sqs.fifo import FifoQueue
from esm_emulator.sqs.message import StoredMessage, received
from esm_emulator.sqs.queue import Queue
from esm_emulator.sqs.redrive import buried, redrive_of
from esm_emulator.sqs.region import Region
from esm_emulator.sqs.validation import check_attempt, check_maximum, check_visibility

__all__ = ["receive"]


def receive(
    region: Region,
    queue: Queue,
    maximum: int,
    now: int,
    *,
    visibility_ms: int | None,
    consumer: str | None,
    attempt_id: str | None,
    long_poll: bool,
) -> list[ReceivedMessage]:
    """Hand out up to ``maximum`` messages, hidden for ``visibility_ms`` (None: the queue's timeout)."""
    check_maximum(maximum)
    if visibility_ms is None:
        visibility_ms = queue.visibility_ms
    else:
        check_visibility(visibility_ms)
    region.settle(queue, now)
    if attempt_id is not None:
        check_attempt(attempt_id, queue.fifo)
        repeated = _repeat(region, queue, attempt_id, now, visibility_ms)
        if repeated:
            return repeated
    limit = region.in_flight_limit(queue)
    room = limit - queue.in_flight
    if room <= 0:
        _refuse(region, queue, limit, now, long_poll)
        return []
    messages = _hand_out(
        region, queue, queue.take(min(maximum, room)), now, visible_at=now + visibility_ms, consumer=consumer
    )
    if attempt_id is not None and messages and isinstance(queue, FifoQueue):
        held = [(message, message.receipt, message.visible_at) for message in messages]
        queue.attempts.put(attempt_id, Attempt(held), now)
    return [received(message) for message in messages]


def _hand_out(
    region: Region, queue: Queue, taken: list[StoredMessage], now: int, *, visible_at: int, consumer: str | None
) -> list[StoredMessage]:
    redrive = redrive_of(queue, region.by_arn) if queue.settings.redrive_policy is not None else None
    facts, identifiers, mark, id_ = region.facts, region.identifiers, queue.mark, queue.id
    messages = []
    for message in taken:
        if redrive is not None and message.receive_count - message.carried >= redrive.most_receives:
            _bury(region, queue, redrive.target, message, now)
            continue
        message.receive_count += 1
        message.received_at = now
        if message.first_received_at is None:
            message.first_received_at = now
        message.receipt = receipts.issue(identifiers, mark, message.id)
        facts.append(
            MessageReceived(now, id_, message.id, message.receive_count, message.receipt, visible_at, consumer)
        )
        messages.append(message)
    queue.hold(messages, visible_at, now)
    return messages


def _bury(region: Region, queue: Queue, target: Queue, message: StoredMessage, now: int) -> None:
    queue.remove(message)
    region.settle(target, now)
    letter = buried(message, queue, target, region.sequence_number(target), now)
    target.admit(letter, now)
    region.facts.append(
        MessageDeadLettered(now, queue.id, message.id, target.id, message.receives, target.expires_at(letter))
    )


def _repeat(
    region: Region, queue: Queue, attempt_id: str, now: int, visibility_ms: int
) -> list[ReceivedMessage] | None:
    """The answer of the same attempt once more, with the visibility timeout starting anew (FIFO-18)."""
    if not isinstance(queue, FifoQueue):
        return None
    attempt = queue.attempts.get(attempt_id, now, region.profile.dedup_window)
    if attempt is None or not attempt.intact():
        return None
    messages = [message for message, _, _ in attempt.messages]
    for message in messages:
        queue.hide(message, now + visibility_ms, now)
        region.facts.append(VisibilityChanged(now, queue.id, message.id, message.receipt, message.visible_at))
    queue.attempts.put(
        attempt_id, Attempt([(message, message.receipt, message.visible_at) for message in messages]), now
    )
    return [received(message) for message in messages]


def _refuse(region: Region, queue: Queue, limit: int, now: int, long_poll: bool) -> None:
    """Too much in flight: a long poll just brings nothing, a short poll of a standard queue fails (SQS-12, SQS-13)."""
    region.facts.append(InFlightLimitReached(now, queue.id, limit))
    if not long_poll and not queue.fifo:
        raise SqsError("OverLimit", f"Too many messages in flight: the limit is {limit}.", 403)

"""What a consumer does with a message that it holds: delete it, or change for how long it holds it.

the handle is                    delete                                   change visibility
garbage                          ReceiptHandleIsInvalid (SQS-26)          the same
of a message that is gone        accepted, nothing to do (FAIL-4)         InvalidParameterValue (SQS-26)
of the latest receive, held      deleted                                  changed, 12 h in all at most (SQS-25)
of the latest receive, run out   standard: deleted (FAIL-19)              standard: held again (SQS-25)
                                 FIFO: "has expired" (FAIL-20)            FIFO: InvalidParameterValue
of an earlier receive            standard: accepted, not deleted, or      standard: InvalidParameterValue, or
                                 as the profile's stale_delete says       changed where stale_delete deletes
                                 FIFO: "has expired"                      FIFO: InvalidParameterValue
"""

from __future__ import annotations

from esm_emulator.errors import SqsError, UsageError
from esm_emulator.journal import DeleteIgnored, MessageDeleted, MessageRedelivered, VisibilityChanged
from esm_emulator.sqs import receipts
from esm_emulator.sqs.message import Deletion, State, StoredMessage
from esm_emulator.sqs.queue import Queue
from esm_emulator.sqs.region import Region
from esm_emulator.sqs.validation import LONGEST_VISIBILITY_MS, check_visibility

__all__ = ["change_visibility", "delete", "redeliver"]


def delete(region: Region, queue: Queue, receipt: str, now: int, consumer: str | None) -> Deletion:
    """Delete by handle, as the table above says."""
    if now >= queue.wake_at:
        region.settle(queue, now)
    message_id = receipts.message_of(receipt)
    message = queue.messages.get(message_id)
    if message is None or message.receipt != receipt:
        receipts.check(receipt, queue.mark)
    if message is None:
        return _ignore(region, queue, message_id, receipt, now, consumer=consumer, reason="gone")
    if message.receipt != receipt or message.state is not State.IN_FLIGHT:
        if queue.fifo:
            raise receipts.expired(receipt)
        if message.receipt != receipt and region.profile.stale_delete != "deletes":
            return _ignore(region, queue, message_id, receipt, now, consumer=consumer, reason="superseded")
    queue.remove(message)
    region.facts.append(MessageDeleted(now, queue.id, message_id, receipt, consumer))
    return Deletion(message_id, deleted=True)


def change_visibility(region: Region, queue: Queue, receipt: str, visibility_ms: int, now: int) -> None:
    """Hide the message for ``visibility_ms`` from now; 0 makes it visible at once."""
    check_visibility(visibility_ms)
    region.settle(queue, now)
    message = queue.messages.get(receipts.message_of(receipt))
    if message is None or not _is_held(region, queue, message, receipt):
        receipts.check(receipt, queue.mark)
        raise receipts.not_available(receipt)
    visible_at = now + visibility_ms
    if visible_at > message.received_at + LONGEST_VISIBILITY_MS:
        raise SqsError(
            "InvalidParameterValue",
            f"Value {visibility_ms // 1000} for parameter VisibilityTimeout is invalid. Reason: "
            "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
        )
    if message.state is State.IN_FLIGHT or visible_at > now:
        queue.hide(message, visible_at, now)
    region.facts.append(VisibilityChanged(now, queue.id, message.id, receipt, visible_at))


def redeliver(region: Region, queue: Queue, message_id: str, now: int) -> None:
    """A replica that did not hear of the receive makes the message receivable once more (SQS-28).

    The consumer that holds it keeps its handle, good until the next receive. Nothing happens to a message that is not
    in flight. Raises ``UsageError`` on a FIFO queue, which never does this.
    """
    if queue.fifo:
        raise UsageError(f"{queue.id} is a FIFO queue: it does not redeliver a message that is in flight")
    region.settle(queue, now)
    message = queue.messages.get(message_id)
    if message is not None and message.state is State.IN_FLIGHT:
        message.visible_at = now
        queue.show(message)
        region.facts.append(MessageRedelivered(now, queue.id, message_id))


def _is_held(region: Region, queue: Queue, message: StoredMessage, receipt: str) -> bool:
    if queue.fifo:
        return message.receipt == receipt and message.state is State.IN_FLIGHT
    return message.receipt == receipt or region.profile.stale_delete == "deletes"


def _ignore(
    region: Region, queue: Queue, message_id: str, receipt: str, now: int, *, consumer: str | None, reason: str
) -> Deletion:
    region.facts.append(DeleteIgnored(now, queue.id, message_id, receipt, reason, consumer))
    return Deletion(message_id, deleted=False, reason=reason)

"""SQS's operations on messages: send, receive, delete, visibility, and the moving of dead letters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from esm_emulator.errors import SqsError
from esm_emulator.journal import DeleteFailed
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend.administration import queue_of
from esm_emulator.queues.moto_backend.attributes import QUEUE_ATTRIBUTES
from esm_emulator.queues.moto_backend.messages import (
    SYSTEM_ATTRIBUTES,
    md5_of_system_attributes,
    new_message,
    received_message,
)
from esm_emulator.queues.moto_backend.requests import (
    Answer,
    Operation,
    Parameters,
    check_known,
    each,
    entries_of,
    missing,
    required,
    wrong,
)
from esm_emulator.sqs import MoveTask, Queue, receipts
from esm_emulator.sqs.validation import check_batch

__all__ = ["Traffic"]

_NAMES: Final = SYSTEM_ATTRIBUTES | QUEUE_ATTRIBUTES
_TASK: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Traffic:
    """Operations on messages. Only a long poll waits, holding nothing."""

    def __init__(self, sqs: EmbeddedSqs) -> None:
        self._sqs = sqs

    @property
    def operations(self) -> dict[str, Operation]:
        """The operations by SQS's names."""
        return {
            "CancelMessageMoveTask": self.cancel_move,
            "ChangeMessageVisibility": self.change_visibility,
            "ChangeMessageVisibilityBatch": self.change_visibility_batch,
            "DeleteMessage": self.delete,
            "DeleteMessageBatch": self.delete_batch,
            "ListMessageMoveTasks": self.list_moves,
            "ReceiveMessage": self.receive,
            "SendMessage": self.send,
            "SendMessageBatch": self.send_batch,
            "StartMessageMoveTask": self.start_move,
        }

    # --- send -------------------------------------------------------------------------------------------------

    def send(self, parameters: Parameters, _: str) -> Answer:
        """SendMessage."""
        return self._send(queue_of(self._sqs, parameters), parameters)

    def send_batch(self, parameters: Parameters, _: str) -> Answer:
        """SendMessageBatch: refused as a whole, or each entry by itself."""
        queue = queue_of(self._sqs, parameters)
        entries = entries_of(parameters, "SendMessageBatchRequestEntry")
        check_batch([new_message(entry) for entry in entries])
        if queue.fifo:
            _check_fifo_entries(entries, queue)
        return each(entries, lambda entry: self._send(queue, entry))

    def _send(self, queue: Queue, parameters: Parameters) -> Answer:
        message = new_message(parameters)
        sent = self._sqs.send(queue, message)
        answer: Answer = {"MessageId": sent.message_id, "MD5OfMessageBody": sent.md5_of_body}
        if sent.md5_of_message_attributes:
            answer["MD5OfMessageAttributes"] = sent.md5_of_message_attributes
        if message.trace_header:
            answer["MD5OfMessageSystemAttributes"] = md5_of_system_attributes(message.trace_header)
        if sent.sequence_number:
            answer["SequenceNumber"] = sent.sequence_number
        return answer

    # --- receive ------------------------------------------------------------------------------------------------

    def receive(self, parameters: Parameters, _: str) -> Answer:
        """ReceiveMessage; a long poll really waits and ends with the first message (SQS-21)."""
        queue = queue_of(self._sqs, parameters)
        system_names = [
            name
            for parameter in ("AttributeNames", "MessageSystemAttributeNames")
            for name in parameters.get(parameter) or ()
        ]
        check_known(system_names, _NAMES)
        maximum = parameters.get("MaxNumberOfMessages")
        visibility = parameters.get("VisibilityTimeout")
        messages = self._sqs.receive_waiting(
            queue,
            1 if maximum is None else maximum,
            _wait_of(queue, parameters) * 1000,
            visibility_ms=None if visibility is None else visibility * 1000,
            attempt_id=parameters.get("ReceiveRequestAttemptId"),
        )
        if not messages:
            return {}  # without Messages (SQS-22)
        names = parameters.get("MessageAttributeNames") or ()
        return {"Messages": [received_message(message, names, system_names) for message in messages]}

    # --- delete and visibility --------------------------------------------------------------------------------------

    def delete(self, parameters: Parameters, _: str) -> Answer:
        """DeleteMessage."""
        return self._delete(queue_of(self._sqs, parameters), parameters)

    def delete_batch(self, parameters: Parameters, _: str) -> Answer:
        """DeleteMessageBatch."""
        queue = queue_of(self._sqs, parameters)
        entries = entries_of(parameters, "DeleteMessageBatchRequestEntry")
        return each(entries, lambda entry: self._delete(queue, entry))

    def _delete(self, queue: Queue, parameters: Parameters) -> Answer:
        receipt = required(parameters, "ReceiptHandle")
        try:
            self._sqs.delete(queue, receipt)
        except SqsError as error:
            self._tell_failed(queue, receipt, error)
            raise
        return {}

    def _tell_failed(self, queue: Queue, receipt: str, error: SqsError) -> None:
        try:
            receipts.check(receipt, queue.mark)
        except SqsError:
            return  # garbage is about no message
        message_id = receipts.message_of(receipt)
        self._sqs.journal.append(DeleteFailed(self._sqs.clock.now(), queue.id, message_id, receipt, str(error)))

    def change_visibility(self, parameters: Parameters, _: str) -> Answer:
        """ChangeMessageVisibility."""
        return self._change_visibility(queue_of(self._sqs, parameters), parameters)

    def change_visibility_batch(self, parameters: Parameters, _: str) -> Answer:
        """ChangeMessageVisibilityBatch."""
        queue = queue_of(self._sqs, parameters)
        entries = entries_of(parameters, "ChangeMessageVisibilityBatchRequestEntry")
        return each(entries, lambda entry: self._change_visibility(queue, entry))

    def _change_visibility(self, queue: Queue, parameters: Parameters) -> Answer:
        receipt = required(parameters, "ReceiptHandle")
        seconds = parameters.get("VisibilityTimeout")
        if seconds is None:
            raise missing("VisibilityTimeout")
        self._sqs.change_visibility(queue, receipt, seconds * 1000)
        return {}

    # --- move tasks (SQS-40, SQS-41) ------------------------------------------------------------------------------

    def start_move(self, parameters: Parameters, _: str) -> Answer:
        """StartMessageMoveTask."""
        source = self._by_arn(parameters, "SourceArn")
        to = self._by_arn(parameters, "DestinationArn") if parameters.get("DestinationArn") else None
        task = self._sqs.start_move(source, to=to, rate=parameters.get("MaxNumberOfMessagesPerSecond"))
        return {"TaskHandle": task.handle}

    def cancel_move(self, parameters: Parameters, _: str) -> Answer:
        """CancelMessageMoveTask."""
        handle = required(parameters, "TaskHandle")
        if not _TASK.fullmatch(handle):
            raise SqsError("InvalidParameterValue", "Value for parameter TaskHandle is invalid.")
        return {"ApproximateNumberOfMessagesMoved": self._sqs.cancel_move(handle)}

    def list_moves(self, parameters: Parameters, _: str) -> Answer:
        """ListMessageMoveTasks, the newest first; one unless more are asked for."""
        source = self._by_arn(parameters, "SourceArn")
        most = parameters.get("MaxResults")
        if most is not None and not 1 <= most <= 10:
            raise wrong(most, "MaxResults", "You must provide a value that is between 1 and 10.")
        return {"Results": [_move(task) for task in self._sqs.moves(source)[: most or 1]]}

    def _by_arn(self, parameters: Parameters, name: str) -> Queue:
        arn: str = required(parameters, name)
        queue = self._sqs.queues.get(arn.rpartition(":")[2])
        if queue is None or queue.arn != arn:
            raise SqsError(
                "ResourceNotFoundException",
                f"The resource that you specified for the {name} parameter doesn't exist.",
                404,
            )
        return queue


def _wait_of(queue: Queue, parameters: Parameters) -> int:
    """Seconds that the receive may wait (SQS-5)."""
    wait: int | None = parameters.get("WaitTimeSeconds")
    if wait is None:
        return queue.settings.receive_message_wait_time_seconds
    if not 0 <= wait <= 20:
        raise wrong(wait, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
    return wait


def _check_fifo_entries(entries: Sequence[Parameters], queue: Queue) -> None:
    """A missing group or deduplication id refuses the whole batch (FIFO-13, FIFO-14)."""
    for entry in entries:
        if not entry.get("MessageGroupId"):
            raise SqsError("InvalidParameterValue", "The request must contain the parameter MessageGroupId.")
        if not (queue.settings.content_based_deduplication or entry.get("MessageDeduplicationId")):
            raise SqsError(
                "InvalidParameterValue",
                "The queue should either have ContentBasedDeduplication enabled or "
                "MessageDeduplicationId provided explicitly",
            )


def _move(task: MoveTask) -> Answer:
    answer: Answer = {
        "Status": task.status,
        "SourceArn": task.source.arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_at,
    }
    if task.status == "RUNNING":
        answer["TaskHandle"] = task.handle
    if task.destination is not None:
        answer["DestinationArn"] = task.destination.arn
    if task.rate is not None:
        answer["MaxNumberOfMessagesPerSecond"] = task.rate
    if task.failure_reason is not None:
        answer["FailureReason"] = task.failure_reason
    return answer

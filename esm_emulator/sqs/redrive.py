"""Dead letters: which queue they go to, whether they may, and what a message keeps on the way.

The move is lazy: it happens at the receive after the last allowed one, which brings nothing for that message (DLQ-2).
What is counted are the receives in the source queue; the number that consumers see goes on counting (DLQ-3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from esm_emulator.errors import SqsError
from esm_emulator.sqs.message import State, StoredMessage
from esm_emulator.sqs.queue import Queue
from esm_emulator.sqs.settings import QueueSettings

__all__ = ["Redrive", "buried", "check_redrive", "is_dead_letter_queue", "redrive_of", "revived"]


class Redrive(NamedTuple):
    """Where a queue's dead letters go, and after how many receives."""

    target: Queue
    most_receives: int


def redrive_of(queue: Queue, by_arn: dict[str, Queue]) -> Redrive | None:
    """What happens to the queue's dead letters now.

    None without a policy, and also while the target does not exist or does not allow this source (DLQ-11): the messages
    then stay where they are and are received on.
    """
    policy = queue.settings.redrive_policy
    if policy is None:
        return None
    target = by_arn.get(policy.dead_letter_target_arn)
    if target is None or not _allows(target, queue.arn) or target.fifo != queue.fifo:
        return None
    return Redrive(target, policy.max_receive_count)


def check_redrive(arn: str, settings: QueueSettings, by_arn: dict[str, Queue], *, strictly: bool = False) -> None:
    """Raise ``SqsError`` for a redrive policy whose target exists and cannot be one (DLQ-5, DLQ-11).

    A target that does not exist yet is accepted, so that queues can be made in any order, unless ``strictly``.
    """
    policy = settings.redrive_policy
    if policy is None:
        return
    text = f'{{"deadLetterTargetArn":"{policy.dead_letter_target_arn}","maxReceiveCount":{policy.max_receive_count}}}'
    refused = f"Value {text} for parameter RedrivePolicy is invalid. Reason: "
    if policy.dead_letter_target_arn.split(":")[3:5] != arn.split(":")[3:5]:
        raise SqsError("InvalidParameterValue", refused + "Dead-letter target owner should be same as the source.")
    target = by_arn.get(policy.dead_letter_target_arn)
    if target is None:
        if strictly:
            raise SqsError("InvalidParameterValue", refused + "Dead letter target does not exist.")
        return
    if target.fifo != settings.fifo_queue:
        reason = "Dead-letter queue must be same type of queue as the source.."
        raise SqsError("InvalidParameterValue", refused + reason)
    if not _allows(target, arn):
        raise SqsError("InvalidParameterValue", refused + "Dead-letter target does not allow this source queue.")


def is_dead_letter_queue(queue: Queue, queues: Iterable[Queue]) -> bool:
    """Whether some queue's redrive policy names this one (SQS-40)."""
    policies = (other.settings.redrive_policy for other in queues)
    return any(policy is not None and policy.dead_letter_target_arn == queue.arn for policy in policies)


def buried(
    message: StoredMessage, source: Queue, target: Queue, sequence_number: str | None, now: int
) -> StoredMessage:
    """The message as it goes into the dead-letter queue (DLQ-3, 4, 6).

    Id, body, MD5s, attributes, trace header, receive count and first receive stay. A standard queue's message also
    keeps its SentTimestamp, and with it its expiry; a FIFO one's starts anew and its deduplication id becomes its id.
    """
    return replace(
        message,
        state=State.READY,
        dedup=message.id if target.fifo else message.dedup,
        sequence_number=sequence_number,
        sent_at=now if target.fifo else message.sent_at,
        arrived_at=now,
        visible_at=now,
        aside=False,
        carried=message.receive_count,
        receipt="",
        source_arn=source.arn,
    )


def revived(message: StoredMessage, new_id: str, target: Queue, sequence_number: str | None, now: int) -> StoredMessage:
    """A dead letter as a move task puts it back: a new id and enqueue time, never received (SQS-41, DLQ-6)."""
    return replace(
        message,
        id=new_id,
        state=State.READY,
        dedup=message.id if target.fifo else None,
        sequence_number=sequence_number,
        sent_at=now,
        arrived_at=now,
        visible_at=now,
        aside=False,
        receive_count=0,
        carried=0,
        first_received_at=None,
        received_at=0,
        receipt="",
        source_arn=None,
    )


def _allows(target: Queue, source_arn: str) -> bool:
    policy = target.settings.redrive_allow_policy
    return policy is None or policy.allows(source_arn)

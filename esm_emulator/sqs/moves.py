"""Message move tasks: dead letters go back, one by one, at a rate (SQS-40, SQS-41).

A task moves as many messages as were visible in the dead-letter queue when it started: what comes back meanwhile is not
moved again, so a poison message cannot keep it going. Messages in flight there are left alone.

Without a rate SQS chooses one; here it is the highest that may be asked for. The first message moves one interval
after the start, so a task is seen RUNNING. A cancelled one is CANCELLING until the next :meth:`MoveTasks.advance`;
nothing is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from esm_emulator.errors import SqsError
from esm_emulator.journal import MessageMoved, MoveTaskChanged
from esm_emulator.sqs.agenda import NEVER
from esm_emulator.sqs.message import StoredMessage
from esm_emulator.sqs.queue import Queue
from esm_emulator.sqs.redrive import is_dead_letter_queue, revived
from esm_emulator.sqs.region import Region

__all__ = ["FASTEST", "MoveTask", "MoveTasks"]

FASTEST: Final = 500
_LISTED: Final = 10
_NO_QUEUE: Final = "AWS.SimpleQueueService.NonExistentQueue"


@dataclass(slots=True, eq=False)
class MoveTask:
    """One task. ``destination`` None: each message goes back to where it came from. ``rate`` is messages a second."""

    handle: str
    source: Queue
    destination: Queue | None
    rate: int | None
    started_at: int
    to_move: int
    moved: int = 0
    status: str = "RUNNING"
    failure_reason: str | None = None

    @property
    def next_at(self) -> int:
        """When the task has something to do: the next message to move, or only to end."""
        if self.status == "CANCELLING" or self.to_move == 0:
            return self.started_at
        return self.started_at + (self.moved + 1) * 1000 // (self.rate or FASTEST)


class MoveTasks:
    """The move tasks of a region, running and ended."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._running: list[MoveTask] = []
        self._ended: list[MoveTask] = []

    def start(self, source: Queue, now: int, to: Queue | None, rate: int | None) -> MoveTask:
        """Begin a task. Raises ``SqsError`` as SQS does: not a dead-letter queue, one running already, a wrong rate."""
        region = self._region
        region.settle(source, now)
        _check_rate(rate)
        if not is_dead_letter_queue(source, region.queues.values()):
            raise SqsError("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        if to is not None and to.fifo != source.fifo:
            raise SqsError("InvalidParameterValue", "Destination queue must be same type of queue as the source.")
        if any(task.source is source for task in self._running):
            raise SqsError(
                "InvalidParameterValue",
                "There is already a task running. "
                "Only one active task is allowed for a source queue arn at a given time.",
            )
        task = MoveTask(region.identifiers.uuid(), source, to, rate, now, source.counts().visible)
        self._running.append(task)
        self._tell(task, now)
        return task

    def cancel(self, handle: str, now: int) -> int:
        """End a running task; gives the number of messages moved so far. Raises ``SqsError`` when it is not running."""
        for task in self._running:
            if task.handle == handle and task.status == "RUNNING":
                task.status = "CANCELLING"
                self._tell(task, now)
                return task.moved
        raise SqsError("ResourceNotFoundException", "Task does not exist.", 404)

    def of(self, source: Queue) -> list[MoveTask]:
        """The latest ten tasks of a queue, the newest first."""
        tasks = [task for task in (*self._ended, *self._running) if task.source is source]
        return tasks[: -_LISTED - 1 : -1]

    @property
    def running(self) -> bool:
        """Whether any task still has something to do."""
        return bool(self._running)

    def next_at(self) -> int:
        """When :meth:`advance` has something to do, or ``NEVER``."""
        return min((task.next_at for task in self._running), default=NEVER)

    def advance(self, now: int) -> None:
        """Move whatever is due by now, task by task."""
        for task in list(self._running):
            if task.status == "CANCELLING":
                self._end(task, "CANCELLED", now)
            elif self._region.queues.get(task.source.name) is not task.source:
                self._end(task, "FAILED", now, _NO_QUEUE)
            else:
                self._move_due(task, now)

    def _move_due(self, task: MoveTask, now: int) -> None:
        source = task.source
        self._region.settle(source, now)
        while task.moved < task.to_move and task.next_at <= now:
            taken = source.take(1)
            if not taken:
                break
            reason = self._move(task, taken[0], now)
            source.hold((), now, now)
            if reason is not None:
                self._end(task, "FAILED", now, reason)
                return
        if task.moved >= task.to_move or task.next_at <= now:
            self._end(task, "COMPLETED", now)

    def _move(self, task: MoveTask, message: StoredMessage, now: int) -> str | None:
        """Put one message back; or leave it where it is and say why."""
        region, source = self._region, task.source
        target, reason = self._target(task, message)
        if target is None:
            source.show(message)
            return reason
        source.remove(message)
        region.settle(target, now)
        letter = revived(message, region.identifiers.uuid(), target, region.sequence_number(target), now)
        target.admit(letter, now)
        task.moved += 1
        region.facts.append(MessageMoved(now, source.id, message.id, target.id, letter.id, target.expires_at(letter)))
        return None

    def _target(self, task: MoveTask, message: StoredMessage) -> tuple[Queue | None, str]:
        if task.destination is not None:
            there = self._region.queues.get(task.destination.name) is task.destination
            return task.destination if there else None, _NO_QUEUE
        if message.source_arn is None:
            return None, "CouldNotDetermineMessageSource"
        return self._region.by_arn.get(message.source_arn), _NO_QUEUE

    def _end(self, task: MoveTask, status: str, now: int, reason: str | None = None) -> None:
        task.status = status
        task.failure_reason = reason
        self._running.remove(task)
        self._ended.append(task)
        self._tell(task, now)

    def _tell(self, task: MoveTask, now: int) -> None:
        to = None if task.destination is None else task.destination.id
        self._region.facts.append(MoveTaskChanged(now, task.source.id, task.handle, task.status, task.moved, to))


def _check_rate(rate: int | None) -> None:
    if rate is not None and not 1 <= rate <= FASTEST:
        raise SqsError(
            "InvalidParameterValue",
            f"Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. "
            f"Reason: Must be between 1 and {FASTEST}.",
        )

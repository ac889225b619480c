"""A queue that fails on purpose: wraps any other, and can be switched while the run goes on.

The faults are those of a scenario's timeline that concern the way to a queue. ``unavailable``: the service answers
nobody; a receive waits and tries again, a long poll that was open ends empty, deletes fail. ``delete_fails``: each
message's delete fails with some chance, drawn from the run's own generator. (``redeliver`` is not here: a replica that
delivers once more is the engine's own affair, SQS-28.) Without a fault every call passes through unchanged.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from random import Random

from esm_emulator.clocks import Clock
from esm_emulator.journal import DeleteFailed, Journal, QueueTrouble
from esm_emulator.messages import ReceivedMessage
from esm_emulator.queues import Deleted, Delivery, Queue, SkippableQueue, Stop
from esm_emulator.queues.trouble import Trouble, waits

__all__ = ["FaultyQueue", "FaultySkippableQueue", "QueueFault"]

UNAVAILABLE = "ServiceUnavailable: a fault of the scenario"
DELETE_FAILS = "InternalError: a fault of the scenario"


class QueueFault(enum.StrEnum):
    """The faults, under the names that scenarios and the journal use."""

    UNAVAILABLE = "unavailable"
    DELETE_FAILS = "delete_fails"


class FaultyQueue:
    """``queue`` with faults, none at first. Facts that a fault was switched on or off are the switcher's to write."""

    def __init__(self, queue: Queue, clock: Clock, journal: Journal, random: Random) -> None:
        self.id = queue.id
        self.arn = queue.arn
        self.fifo = queue.fifo
        self._queue = queue
        self._clock = clock
        self._journal = journal
        self._random = random
        self._trouble = Trouble(queue.id, journal)
        self._chances: dict[QueueFault, float] = {}
        self._polls: dict[int, Stop] = {}

    def begin(self, fault: str, *, chance: float = 1.0) -> None:
        """Switch a fault on, or change its chance (0 to 1, of each message's delete; ``unavailable`` has none).

        Raises ``ValueError`` for what is no :class:`QueueFault`.
        """
        self._chances[QueueFault(fault)] = chance
        if fault == QueueFault.UNAVAILABLE:
            for poll in list(self._polls.values()):
                poll.set()

    def end(self, fault: str) -> None:
        """Switch a fault off; one that is not on stays so. Raises ``ValueError`` for what is no :class:`QueueFault`."""
        self._chances.pop(QueueFault(fault), None)

    # --- the port ---------------------------------------------------------------------------------------------

    async def receive(self, maximum: int, wait_ms: int | None, stop: Stop, consumer: str) -> Delivery:
        """As the port says; while the queue is unavailable it waits and tries again, ever more seldom."""
        deadline = None if wait_ms is None else self._clock.now() + wait_ms
        attempt = empty = 0
        while True:
            left = None if deadline is None else max(0, deadline - self._clock.now())
            if QueueFault.UNAVAILABLE not in self._chances:
                attempt = 0
                delivery, interrupted = await self._poll(maximum, left, stop, consumer)
                empty += delivery.empty_polls
                if delivery.messages or not interrupted:
                    return Delivery(delivery.messages, empty)
            attempt += 1
            self._trouble.failed("ReceiveMessage", UNAVAILABLE, self._clock.now())
            left = None if deadline is None else deadline - self._clock.now()
            pause = waits(attempt) if left is None else min(waits(attempt), max(0, left))
            if await stop.wait(pause) or left == pause:
                return Delivery((), empty)

    async def delete(self, messages: Sequence[ReceivedMessage], consumer: str) -> Deleted:
        """As the port says; what a fault keeps from being deleted never reaches the queue."""
        if QueueFault.UNAVAILABLE in self._chances:
            self._trouble.failed("DeleteMessageBatch", UNAVAILABLE, self._clock.now())
            return Deleted(self._fail(messages, UNAVAILABLE, consumer))
        now = self._clock.now()
        self._trouble.succeeded("DeleteMessageBatch", now, now)
        chance = self._chances.get(QueueFault.DELETE_FAILS)
        if chance is None:
            return await self._queue.delete(messages, consumer)
        unlucky = [message for message in messages if self._random.random() < chance]
        failed = self._fail(unlucky, DELETE_FAILS, consumer)
        lucky = [message for message in messages if message.message_id not in failed]
        if lucky:
            failed |= (await self._queue.delete(lucky, consumer)).failed
        return Deleted(failed)

    async def hand_back(self, messages: Sequence[ReceivedMessage], consumer: str) -> None:
        """As the port says; while the queue is unavailable the messages stay hidden until their visibility ends."""
        if QueueFault.UNAVAILABLE in self._chances:
            self._journal.append(QueueTrouble(self._clock.now(), self.id, f"hand-back by {consumer}", UNAVAILABLE))
            return
        await self._queue.hand_back(messages, consumer)

    # --- inside -----------------------------------------------------------------------------------------------

    async def _poll(self, maximum: int, wait_ms: int | None, stop: Stop, consumer: str) -> tuple[Delivery, bool]:
        """One receive of the queue itself, and whether the beginning of a fault ended it."""
        now = self._clock.now()
        self._trouble.succeeded("ReceiveMessage", now, now)
        until = Stop()
        forget = stop.subscribe(until.set)
        self._polls[id(until)] = until
        try:
            delivery = await self._queue.receive(maximum, wait_ms, until, consumer)
        finally:
            del self._polls[id(until)]
            forget()
        return delivery, until.is_set and not stop.is_set

    def _fail(self, messages: Sequence[ReceivedMessage], error: str, consumer: str) -> dict[str, str]:
        now = self._clock.now()
        self._journal.extend(
            DeleteFailed(now, self.id, message.message_id, message.receipt_handle, error, consumer)
            for message in messages
        )
        return {message.message_id: error for message in messages}


class FaultySkippableQueue(FaultyQueue):
    """The same around a queue whose time can be skipped, so that it can run under virtual time."""

    def __init__(self, queue: SkippableQueue, clock: Clock, journal: Journal, random: Random) -> None:
        super().__init__(queue, clock, journal, random)

    @property
    def skippable(self) -> bool:
        """As the port says."""
        return True

"""The standard queue: every visible message may be received, in the order of sending as far as that goes.

    fresh       messages that nobody received yet, in the order of arrival. Without a handle nobody can delete one, so
                only expiry makes entries stale
    returned    messages that became visible later: after a delay, or after a receive without a delete. They have kept
                their place, so they come before younger ones. After the third receive under a redrive policy that
                allows more than three, a message goes to the back instead (DLQ-8)

With the profile's ``order`` on ``shuffle`` every visible message gets a random place, drawn from the seed (SQS-28).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from random import Random

from esm_emulator.sqs.agenda import NEVER, Agenda
from esm_emulator.sqs.message import State, StoredMessage
from esm_emulator.sqs.queue import Queue
from esm_emulator.sqs.settings import QueueSettings

__all__ = ["StandardQueue"]

_READY, _IN_FLIGHT = State.READY, State.IN_FLIGHT


def _is_ready(order: int, message: StoredMessage) -> bool:
    return message.state is _READY and message.order == order


class StandardQueue(Queue):
    """At-least-once delivery, best-effort order."""

    fifo = False

    def __init__(
        self,
        name: str,
        id_: str,
        arn: str,
        *,
        settings: QueueSettings,
        tags: Mapping[str, str],
        now: int,
        random: Random,
    ) -> None:
        self._fresh: deque[StoredMessage] = deque()
        self._returned: Agenda[StoredMessage] = Agenda(_is_ready)
        self._random = random
        super().__init__(name, id_, arn, settings=settings, tags=tags, now=now)

    def take(self, maximum: int) -> list[StoredMessage]:
        """The first visible messages; stale entries at the front are dropped on the way."""
        fresh = self._fresh
        result: list[StoredMessage] = []
        while len(result) < maximum:
            while fresh and fresh[0].state is not _READY:
                fresh.popleft()
            returned = self._returned.first()
            if returned is not None and (not fresh or returned[0] < fresh[0].order):
                self._returned.pop()
                message = returned[2]
            elif fresh:
                message = fresh.popleft()
            else:
                break
            message.state = _IN_FLIGHT
            result.append(message)
        self.in_flight += len(result)
        return result

    def ready_at(self, now: int) -> int:
        """Now if anything is visible, or the end of the next delay or visibility that comes before its expiry."""
        if len(self.messages) > self.in_flight + self.delayed:
            return now
        while (entry := self._hidden.first()) is not None and entry[0] >= self.expires_at(entry[2]):
            self._hidden.pop()
        return NEVER if entry is None else entry[0]

    def _enter(self, message: StoredMessage) -> None:
        if message.state is not _READY:
            return
        if self.shuffled:
            self._place(message)
        else:
            self._fresh.append(message)

    def _return(self, message: StoredMessage) -> None:
        if self.back_after and message.receives >= self.back_after:
            self._number = message.order = self._number + 1
            self.put_aside(message)
        self._place(message)

    def _place(self, message: StoredMessage) -> None:
        if self.shuffled:
            message.order = self._random.getrandbits(62)
        self._returned.push(message.order, message.number, message, len(self.messages) - self.in_flight - self.delayed)

    def _forget(self) -> None:
        self._fresh.clear()
        self._returned.clear()

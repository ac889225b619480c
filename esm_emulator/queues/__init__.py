"""The port through which a mapping reads a queue, wherever the queue is.

Adapters: :mod:`embedded` (our own engine, in this process), :mod:`endpoint` (any SQS server or AWS, through boto3),
:mod:`faulty` (wraps any). A mapping sees a queue only through these verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.lowlevel

from esm_emulator.messages import ReceivedMessage

__all__ = ["Deleted", "Delivery", "Queue", "SkippableQueue", "Stop"]


class Stop:
    """A wish to stop: set once, it wakes whoever waits. Nothing is ever cut off by it.

    Pollers are stopped by this and not by cancelling: a long poll that is cut off swallows the next message on some
    servers until its visibility ends, and a cancelled task group ends its tasks in an order that differs from run to
    run. Not for use from another thread than the loop's.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._wakers: dict[int, Callable[[], None]] = {}
        self._next = 0

    def set(self) -> None:
        """Wake everyone who waits, in the order in which they came; further calls do nothing."""
        if self.is_set:
            return
        self.is_set = True
        for waker in list(self._wakers.values()):
            waker()
        self._wakers.clear()

    def subscribe(self, waker: Callable[[], None]) -> Callable[[], None]:
        """Have ``waker`` called when it is set (at once if it is already); the result takes it back."""
        if self.is_set:
            waker()
            return lambda: None
        key = self._next
        self._next += 1
        self._wakers[key] = waker
        return lambda: self._wakers.pop(key, None) and None

    async def wait(self, ms: int) -> bool:
        """Wait ``ms`` milliseconds or until it is set, whichever is first; true when it is set."""
        if self.is_set or ms <= 0:
            await anyio.lowlevel.checkpoint()
            return self.is_set
        woken = anyio.Event()
        forget = self.subscribe(woken.set)
        try:
            with anyio.move_on_after(ms / 1000):
                await woken.wait()
        finally:
            forget()
        return self.is_set


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a receive brought: messages in the queue's order; how many long polls came back empty before that."""

    messages: Sequence[ReceivedMessage] = ()
    empty_polls: int = 0


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of a delete of several messages: the ids of those that failed, with the error's text."""

    failed: dict[str, str] = field(default_factory=dict)


class Queue(Protocol):
    """One queue, as one mapping uses it. ``id`` is its logical id, ``arn`` its ARN, ``fifo`` whether it is FIFO."""

    id: str
    arn: str
    fifo: bool

    async def receive(self, maximum: int, wait_ms: int | None, stop: Stop, consumer: str) -> Delivery:
        """Up to ``maximum`` (1 to 10) messages.

        Waits for the first one for at most ``wait_ms`` (0: answers at once; None: as long as it takes, one long poll
        after another), and less when ``stop`` is set. What was received is always returned, also after a stop.
        Trouble with the server is the adapter's to tell and to wait out; it does not raise.
        """

    async def delete(self, messages: Sequence[ReceivedMessage], consumer: str) -> Deleted:
        """Delete messages by the handles of their deliveries, in calls of ten (FAIL-2). Does not raise."""

    async def hand_back(self, messages: Sequence[ReceivedMessage], consumer: str) -> None:
        """Make messages visible at once (visibility 0); failing to is told, not raised (POLL-20)."""


class SkippableQueue(Queue, Protocol):
    """A queue whose time can be skipped, because it lives in this process. Only these run under virtual time."""

    @property
    def skippable(self) -> bool:
        """Always true; it makes the type differ from a queue off this process."""

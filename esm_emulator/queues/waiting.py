"""Waiting at the queues of this process: who waits, in which order, and who is called when something can be had.

Nobody polls. Whoever waits is called by the operation that makes a message receivable, or by a timer at the next
visibility end: one waiter for each message that can be had, the one that has waited longest first. A waiter is a
coroutine on the run's loop, or a thread that waits in real time. What it does when it is called is an *attempt*: a
receive that does not wait, and may bring nothing.

This file knows of queues only when something can be received from them.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from esm_emulator.clocks import Clock
from esm_emulator.messages import ReceivedMessage
from esm_emulator.queues import Stop
from esm_emulator.queues.timers import Timers
from esm_emulator.sqs import Engine, Queue

__all__ = ["Attempt", "Waiting"]

Attempt = Callable[[], list[ReceivedMessage]]


class Waiting:
    """The lines of waiters, one at each queue. ``lock`` is the one under which everything at the queues happens."""

    def __init__(self, engine: Engine, clock: Clock, lock: threading.RLock, timers: Timers) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = lock
        self._timers = timers
        self._lines: dict[str, OrderedDict[int, Callable[[], None]]] = {}
        self._tickets = itertools.count()
        self._closed = False
        self._released = 0

    async def on_loop(self, queue: Queue, attempt: Attempt, wait_ms: int | None, stop: Stop) -> list[ReceivedMessage]:
        """Attempt whenever something may have become receivable, for ``wait_ms`` (None: without end) or to ``stop``."""
        deadline = None if wait_ms is None else self._clock.now() + wait_ms
        while not (stop.is_set or self._closed):
            remaining = None if deadline is None else deadline - self._clock.now()
            if remaining is not None and remaining <= 0:
                break
            call = _Call(stop)
            with self._in_line(queue, self._timers.waker(call.come)):
                forget = stop.subscribe(call.woken.set)
                with anyio.move_on_after(None if remaining is None else remaining / 1000):
                    await call.woken.wait()
                forget()
            if call.too_late:
                with self._lock:  # what it may have been called for is for who waits behind it
                    self.wake(queue, self._clock.now())
                break
            if messages := attempt():
                return messages
        return []

    def on_thread(self, queue: Queue, attempt: Attempt, wait_ms: int) -> list[ReceivedMessage]:
        """The same for a thread of its own, in real time: virtual time does not pass for it."""
        deadline = self._clock.now() + wait_ms
        budget = wait_ms
        released = self._released
        while budget > 0 and not self._closed and self._released == released:
            woken = threading.Event()
            with self._in_line(queue, woken.set):
                with self._lock:
                    at = self._engine.receivable_at(queue, self._clock.now())
                pause = budget if at is None else max(1, min(budget, at - self._clock.now()))
                on_time = woken.wait(pause / 1000)
            if messages := attempt():
                return messages
            budget = min(budget if on_time else budget - pause, deadline - self._clock.now())
        return []

    def wake(self, queue: Queue, now: int) -> None:
        """Call the waiter that has waited longest if a receive would bring something; else see to it later.

        To be called with the lock held.
        """
        line = self._lines.get(queue.name)
        if not line:
            return
        at = self._engine.receivable_at(queue, now)
        if at is None:
            return
        if at <= now:
            line.popitem(last=False)[1]()
        else:
            self._timers.at(queue.name, at, now, lambda: self._ring(queue))

    def release(self) -> None:
        """Let every thread that waits now go on, with nothing; waiters on the loop wait on."""
        with self._lock:
            self._released += 1
            self._call_everybody()

    def close(self) -> None:
        """Let every waiter go on, with nothing; nobody waits any more."""
        with self._lock:
            self._closed = True
            self._call_everybody()
            for line in self._lines.values():
                line.clear()

    @property
    def is_closed(self) -> bool:
        """Whether nobody waits any more."""
        return self._closed

    def _call_everybody(self) -> None:
        for line in self._lines.values():
            for call in list(line.values()):
                call()

    def _ring(self, queue: Queue) -> None:
        with self._lock:
            if queue.name in self._engine.queues:
                self.wake(queue, self._clock.now())

    @contextmanager
    def _in_line(self, queue: Queue, call: Callable[[], None]) -> Iterator[None]:
        """Stand in the queue's line until called."""
        ticket = next(self._tickets)
        with self._lock:
            self._lines.setdefault(queue.name, OrderedDict())[ticket] = call
            self.wake(queue, self._clock.now())
        try:
            yield
        finally:
            with self._lock:
                self._lines[queue.name].pop(ticket, None)


class _Call:
    """What one waiter waits for. Called before ``stop`` it still takes what is there, as an open long poll would."""

    __slots__ = ("_in_time", "_stop", "woken")

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._in_time = False
        self.woken = anyio.Event()

    def come(self) -> None:
        """Something may be receivable."""
        self._in_time = not self._stop.is_set
        self.woken.set()

    @property
    def too_late(self) -> bool:
        """Whether the stop came first."""
        return self._stop.is_set and not self._in_time

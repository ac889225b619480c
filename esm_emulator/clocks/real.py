"""The real clock: the loop's own time, and worker threads for blocking code."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio

__all__ = ["RealClock"]

T = TypeVar("T")

# Real seconds after which a thread that nobody needs ends
_IDLE_S = 10.0


class RealClock:
    """Time as it is. ``threads`` bounds how many blocking calls run at once; further ones queue."""

    def __init__(self, threads: int = 1_000) -> None:
        self._workers = _Workers()
        self._free = threads
        self._queue: deque[asyncio.Future[None]] = deque()

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    async def sleep(self, ms: int) -> None:
        """Wait ``ms`` milliseconds; a value of 0 or less lets others run once."""
        await asyncio.sleep(max(0, ms) / 1000)

    @asynccontextmanager
    async def hold(self, *, measured: bool = False, limit_ms: int | None = None) -> AsyncIterator[None]:  # noqa: ARG002 - real time is always charged
        """Nothing to hold: real time waits for nobody. ``TimeoutError`` after ``limit_ms``."""
        with anyio.fail_after(None if limit_ms is None else limit_ms / 1000):
            yield

    async def call(self, function: Callable[[], T], *, timeout_ms: int) -> T:
        """Run ``function`` in a worker thread; after ``timeout_ms`` raise ``TimeoutError`` and leave the thread to end.

        The thread is a daemon, so that one which never ends does not keep the interpreter from ending. Time counts
        from when a thread is free for it.
        """
        await self._take_turn()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        timer = loop.call_later(timeout_ms / 1000, _time_out, done, timeout_ms)
        try:
            self._workers.run(_Job(function, done, loop, contextvars.copy_context()))
            return await done
        finally:
            timer.cancel()
            done.cancel()
            self._pass_turn()

    async def _take_turn(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_turn()
            raise

    def _pass_turn(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _time_out(done: asyncio.Future[Any], timeout_ms: int) -> None:
    if not done.done():
        done.set_exception(TimeoutError(f"timed out after {timeout_ms} ms"))


class _Job:
    """One call: what to run, what came of it, and where that goes."""

    __slots__ = ("_context", "_done", "_error", "_function", "_loop", "_result")

    def __init__(
        self,
        function: Callable[[], Any],
        done: asyncio.Future[Any],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
    ) -> None:
        self._function = function
        self._done = done
        self._loop = loop
        self._context = context
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Call the function, in the worker's thread."""
        try:
            self._result = self._context.run(self._function)
        except StopIteration as error:  # which no future takes
            self._error = RuntimeError("the handler raised StopIteration")
            self._error.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            self._error = error

    def post(self) -> None:
        """Tell the loop what came of it."""
        try:
            self._loop.call_soon_threadsafe(self._finish)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _finish(self) -> None:
        if self._done.done():
            return  # its time was up
        if self._error is None:
            self._done.set_result(self._result)
        else:
            self._done.set_exception(self._error)


class _Workers:
    """Daemon threads that wait for jobs. The one that was idle for the shortest time goes first, so others may end."""

    def __init__(self) -> None:
        # Appending, popping and removing are atomic, which is all the locking that is needed
        self._idle: list[queue.SimpleQueue[_Job]] = []
        self._numbers = itertools.count(1)

    def run(self, job: _Job) -> None:
        """Have a thread run ``job``, a new one when none is idle."""
        try:
            jobs = self._idle.pop()
        except IndexError:
            jobs = queue.SimpleQueue()
            name = f"esm-handler-{next(self._numbers)}"
            threading.Thread(target=self._work, args=(jobs,), name=name, daemon=True).start()
        jobs.put(job)

    def _work(self, jobs: queue.SimpleQueue[_Job]) -> None:
        while True:
            try:
                job = jobs.get(timeout=_IDLE_S)
            except queue.Empty:
                try:
                    self._idle.remove(jobs)
                except ValueError:
                    continue  # a job is on its way
                return
            job.run()
            # Before the outcome is known: whoever comes back with the next job finds this thread
            self._idle.append(jobs)
            job.post()
            del job

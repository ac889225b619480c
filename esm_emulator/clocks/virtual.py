"""The clock that skips, and how to run a program under it: to its end, or step by step.

:func:`run` is ``anyio.run`` on virtual time. A :class:`Session` keeps a program running in the background while
synchronous code tells time to go on: between its steps the loop is suspended, and nothing happens. Both may be used
inside a running asyncio loop, which is put aside while they run, and so block it for as long as they really take.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

import anyio

from esm_emulator.clocks import handlers
from esm_emulator.clocks.aside import aside
from esm_emulator.clocks.loop import Interrupted, VirtualLoop
from esm_emulator.clocks.watchdog import watch
from esm_emulator.errors import UsageError

__all__ = ["START_MS", "WATCHDOG_S", "Session", "VirtualClock", "run"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

# 2026-01-01T00:00:00Z: when every virtual run begins, unless it is told otherwise
START_MS = 1_767_225_600_000
# Real seconds without progress after which a run is stuck
WATCHDOG_S = 60.0


class VirtualClock:
    """Time that skips whatever nobody has to wait for. One loop at a time runs on it; time goes on from run to run.

    ``now_us`` is virtual microseconds since ``start_ms``.
    """

    def __init__(self, start_ms: int = START_MS) -> None:
        self.start_ms = start_ms
        self.now_us = 0
        self._loop: VirtualLoop | None = None

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self.start_ms + self.now_us // 1_000

    async def sleep(self, ms: int) -> None:
        """Wait ``ms`` virtual milliseconds; a value of 0 or less lets others run once."""
        loop = self._loop
        if ms <= 0 or loop is None:
            await asyncio.sleep(max(0, ms) / 1_000)
            return
        # As asyncio.sleep does, which asks the system each time which loop runs
        done: asyncio.Future[None] = loop.create_future()
        timer = loop.call_at_us(self.now_us + ms * 1_000, _finish, done)
        try:
            await done
        finally:
            timer.cancel()

    def hold(self, *, measured: bool = False, limit_ms: int | None = None) -> AbstractAsyncContextManager[None]:
        """While held, time stands still and what happens elsewhere is waited for in real time.

        ``measured`` charges the real milliseconds that it took to the virtual clock afterwards. Raises
        ``TimeoutError`` when ``limit_ms`` of real time have passed inside.
        """
        caller = sys._getframe(1)  # noqa: SLF001 - the way to one's own stack
        return self._hold(f"{caller.f_code.co_filename}:{caller.f_lineno}", measured, limit_ms)

    @asynccontextmanager
    async def _hold(self, place: str, measured: bool, limit_ms: int | None) -> AsyncIterator[None]:
        loop, task = self._running_loop(), asyncio.current_task()
        began = monotonic_ns()
        key = object()
        loop.hold(key, lambda: f"{task.get_name() if task else 'a callback'} at {place}")
        try:
            with anyio.CancelScope() as scope:
                timer = loop.call_real(limit_ms / 1_000, scope.cancel) if limit_ms is not None else None
                try:
                    yield
                finally:
                    if timer is not None:
                        timer.cancel()
        finally:
            loop.release(key)
            if measured:
                await self.sleep(-(-(monotonic_ns() - began) // 1_000_000))
        if scope.cancelled_caught:
            raise TimeoutError(f"not done after {limit_ms} ms of real time")

    async def call(self, function: Callable[[], T], *, timeout_ms: int) -> T:
        """Run blocking code of a user's in a greenlet, where its waits are virtual, by ``timeout_ms`` at the latest.

        Raises ``TimeoutError`` when the time is up, saying where it waited, and whatever ``function`` raises, as it
        is. A function that does not wait takes no time, and has ended before anybody else runs.
        """
        return await handlers.call(self._running_loop(), function, timeout_ms)

    def new_loop(self, watchdog_s: float | None = WATCHDOG_S) -> VirtualLoop:
        """A loop on this clock: ``anyio.run(main, backend_options={"loop_factory": clock.new_loop})``.

        ``watchdog_s`` is the real time without progress after which the run ends with
        :class:`~esm_emulator.errors.Stuck`; ``None`` or 0 switches it off.
        """
        if self._loop is not None and not self._loop.is_closed():
            raise UsageError("This clock has a loop that is not closed; take another clock, or close that loop first.")
        self._loop = loop = VirtualLoop(self)
        loop.around = partial(_around, loop, watchdog_s)
        loop.on_close.append(partial(handlers.end_all, loop))
        return loop

    def _running_loop(self) -> VirtualLoop:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop) or loop is not self._loop:
            raise UsageError("A virtual clock can be waited for on its own loop only: use run() or a Session with it.")
        return loop


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


@contextmanager
def _around(loop: VirtualLoop, watchdog_s: float | None) -> Iterator[None]:
    """What is there while ``loop`` runs."""
    with watch(loop, watchdog_s), handlers.in_run(loop):
        yield


class Session:
    """A virtual run, step by step, told by synchronous code. Used from one thread; closed in the end.

    Each step raises what a background program raised, and :class:`~esm_emulator.errors.Stuck` when there is no
    progress in real time for ``watchdog_s`` seconds.
    """

    def __init__(self, clock: VirtualClock | None = None, *, watchdog_s: float | None = WATCHDOG_S) -> None:
        self.clock = clock if clock is not None else VirtualClock()
        self._loop = self.clock.new_loop(watchdog_s)
        self._thread = threading.get_ident()

    @property
    def loop(self) -> VirtualLoop:
        """The loop on which everything runs."""
        return self._loop

    def start(
        self, program: Callable[[Unpack[Args]], Awaitable[Any]], *args: *Args, name: str | None = None
    ) -> asyncio.Task[Any]:
        """Have ``program`` run in the background from the next step on."""
        self.check()
        task = self._task(program, args, name)
        task.add_done_callback(self._background_ended)
        return task

    def run(self, function: Callable[[Unpack[Args]], Awaitable[T]], *args: *Args) -> T:
        """Run an asynchronous function to its end, skipping time as it waits.

        Raises :class:`~esm_emulator.errors.Deadlock` when nothing is scheduled that could end it.
        """
        self.check()
        task = self._task(function, args, None)
        task.add_done_callback(self._ended)
        try:
            self._step()
        except BaseException:
            task.remove_done_callback(self._ended)  # one that is left must not stop another step
            if task.done() and not task.cancelled():
                task.exception()  # seen: what ended the run says more
            raise
        result: T = task.result()
        return result

    def call(self, function: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        """Call a synchronous function on the running loop, where it may do what needs one; no time passes."""

        async def call() -> T:
            return function(*args)

        return self.run(call)

    def advance(self, ms: int) -> None:
        """Let exactly ``ms`` virtual milliseconds pass, and everything happen that is due by then."""
        if ms < 0:
            raise UsageError(f"Time goes forward only: {ms} ms.")
        self.check()
        self._step(limit_us=self.clock.now_us + ms * 1_000)

    def settle(self) -> None:
        """Let everything happen that is due now; no time passes."""
        self.advance(0)

    def run_until(self, condition: Callable[[], bool], *, limit_ms: int | None = None) -> bool:
        """Skip from instant to instant until ``condition`` holds; whether it does.

        It is asked whenever nothing more happens at an instant. Gives up when nothing is scheduled any more, or after
        ``limit_ms`` virtual milliseconds.
        """
        self.check()
        self._step(until=condition, limit_us=self._limit(limit_ms), may_end=True)
        return condition()

    def run_idle(self, *, limit_ms: int | None = None) -> None:
        """Skip from instant to instant until nothing is scheduled any more, or ``limit_ms`` have passed."""
        self.check()
        self._step(limit_us=self._limit(limit_ms), may_end=True)

    def close(self) -> None:
        """Cancel what runs, let it end, and end what handlers are left; further calls do nothing.

        Raises what a program raised instead of ending.
        """
        if self._loop.is_closed():
            return
        self.check()
        with aside():
            try:
                errors = self._cancel_all()
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
            finally:
                self._loop.close()
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:
                raise  # otherwise what was raised first says more

    def _task(self, function: Callable[..., Awaitable[T]], args: Any, name: str | None) -> asyncio.Task[T]:
        async def main() -> T:
            return await function(*args)

        return self._loop.create_task(main(), name=name or getattr(function, "__qualname__", None))

    def _ended(self, _: asyncio.Task[Any]) -> None:
        self._loop.stop()

    def _background_ended(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None or self._loop.is_closed() or isinstance(error, Interrupted):
            return  # the watchdog's own error ends the run
        self._loop.fail(error)

    def _limit(self, ms: int | None) -> int | None:
        return None if ms is None else self.clock.now_us + ms * 1_000

    def check(self) -> None:
        """Raise ``UsageError`` when no step can be made: not here, not now or not any more."""
        if self._loop.is_closed():
            raise UsageError("This session is closed.")
        if self._thread != threading.get_ident():
            raise UsageError(
                "Virtual time is moved from the thread that made its session or emulator: its handlers cannot change "
                "threads."
            )
        if self._loop.is_running():
            raise UsageError(
                "Virtual time is moving already: what it calls, a handler or a condition, can neither move nor end it."
            )

    def _step(
        self,
        *,
        until: Callable[[], bool] | None = None,
        limit_us: int | None = None,
        may_end: bool = False,
    ) -> None:
        loop = self._loop
        loop.until, loop.limit_us, loop.may_end = until, limit_us, may_end
        try:
            loop.run_forever()
        finally:
            loop.until, loop.limit_us, loop.may_end = None, None, False

    def _cancel_all(self) -> list[BaseException]:
        tasks = sorted(asyncio.all_tasks(self._loop), key=lambda task: (len(task.get_name()), task.get_name()))
        for task in tasks:
            task.remove_done_callback(self._background_ended)
            task.cancel()
        if not tasks:
            return []
        ended = self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        return [error for error in ended if isinstance(error, Exception)]


def run(
    function: Callable[[Unpack[Args]], Awaitable[T]],
    *args: *Args,
    clock: VirtualClock | None = None,
    watchdog_s: float | None = WATCHDOG_S,
) -> T:
    """Run an asynchronous function on a virtual loop of its own, to its end; its result or error.

    Works in any thread, several times in one process, and inside a running asyncio loop. Tasks that are left are
    canceled. Raises :class:`~esm_emulator.errors.Deadlock` when nothing is scheduled and nobody holds the clock, and
    :class:`~esm_emulator.errors.Stuck` after ``watchdog_s`` seconds of real time without progress (``None``: never).
    """
    with Session(clock, watchdog_s=watchdog_s) as session:
        return session.run(function, *args)

"""The event loop whose time is virtual: instead of waiting, it moves its time to the next timer.

An :class:`asyncio.SelectorEventLoop` waits in one place only, its selector. Ours asks the loop what to do when nothing
is runnable, and the loop's answer (:meth:`VirtualLoop._idle`) is the whole of virtual time, in this order:

1. something outside is there already (a socket, a call from another thread): run that;
2. somebody holds the clock: wait for real, time stands still;
3. the step that is being made has an end (a condition, an instant): stop;
4. a timer is set: time becomes the timer's;
5. nothing is set: a deadlock, which is an error that says what waits for what.

Time is an integer number of microseconds, and timers lie on that grid, so that sums of milliseconds stay exact for
centuries. Timers of the same instant fire in the order in which they were set, which stock asyncio does not promise.

What this file does not know: clocks, handlers, or what is being emulated.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple, Unpack

from esm_emulator.clocks import waits
from esm_emulator.clocks.aside import aside
from esm_emulator.errors import Deadlock

if TYPE_CHECKING:
    from esm_emulator.clocks.agents import Agent

__all__ = ["Interrupted", "Time", "VirtualLoop"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

_MICRO = 1_000_000
# A century: further on a float does not tell two microseconds apart
LATEST_S = 36_525 * 86_400.0
# Real time that a wait for other threads' doing is given before the clock skips it, and in all, when nothing came of it
_GRACE_S = 0.25
_GRACE_BUDGET_S = 1.0


class Interrupted(BaseException):
    """Thrown by the watchdog into code that keeps the loop's thread busy; the loop turns it into its error."""


class Time(Protocol):
    """What keeps the time of a loop: microseconds since its start, which was at ``start_ms`` of the epoch."""

    now_us: int
    start_ms: int


class _Timer(asyncio.TimerHandle):
    """A timer that comes after those which were set before it for the same instant."""

    __slots__ = ("order",)
    order: int
    _when: float

    def __lt__(self, other: _Timer) -> bool:  # type: ignore[override] # a loop's timers are all ours
        mine, theirs = self._when, other._when
        return mine < theirs or (mine == theirs and self.order < other.order)


class _Selector(selectors.DefaultSelector):
    """The system's selector, which asks the loop before it waits."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._asks = loop
        self.wait = super().select
        self.registered = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._asks._select(timeout)  # noqa: SLF001 - the two are one thing in two classes

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self.registered += 1
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self.registered -= 1
        return key


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop on virtual time, kept by ``time``.

    ``around`` is entered whenever the loop runs: the watchdog, and what is patched during a run. A step of a run may
    set ``until`` (asked whenever nothing more happens at an instant), ``limit_us`` (time stops there) and ``may_end``
    (running out of timers is an end, not a deadlock).
    """

    def __init__(self, time: Time) -> None:
        self._time = time
        self._hair = 0.0
        self._timers = 0
        self.waiting = False
        self._holds: dict[object, Callable[[], str]] = {}
        self._real_timers: list[tuple[float, int, asyncio.Handle]] = []
        self._grace_left = _GRACE_BUDGET_S
        self._failure: BaseException | None = None
        self._real_selector = _Selector(self)
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext
        self.until: Callable[[], bool] | None = None
        self.limit_us: int | None = None
        self.may_end = False
        self.softly_waiting: set[Agent] = set()
        self.agents: dict[Agent, None] = {}
        self.running: Agent | None = None
        self.patched = False
        # asyncio loops that were made for handlers which are over, and what handlers gave to executors
        self.spare_loops: list[asyncio.AbstractEventLoop] = []
        self.spare_tracers: list[Any] = []  # of handlers that are over, to trace others
        self.pools: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self.turns = 0
        self.progress = 0
        self.on_close: list[Callable[[], None]] = []
        super().__init__(self._real_selector)
        # Timers lie on whole microseconds: less than half of one is the width within which two instants are the same
        self._clock_resolution = 0.4 / _MICRO
        self.set_exception_handler(_fail_loop)

    # time and timers

    @property
    def now_us(self) -> int:
        """Virtual microseconds since the start."""
        return self._time.now_us

    @property
    def wall_us(self) -> int:
        """Virtual microseconds since the Unix epoch."""
        return self._time.start_ms * 1_000 + self._time.now_us

    def time(self) -> float:
        """Virtual seconds since the start; a hair more, when a timer was asked for within the present microsecond."""
        return max(self._time.now_us / _MICRO, self._hair)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Args]], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Set a timer for the microsecond nearest to ``when``; one beyond ``LATEST_S`` never fires."""
        self._check_closed()  # type: ignore[attr-defined]
        if when > LATEST_S:
            when = math.inf
        else:
            exactly, us = when, round(when * _MICRO)
            when = us / _MICRO
            if us == self._time.now_us and exactly > when:
                # Sums of floats end up a hair beyond their microsecond. Whoever compares (anyio's deadlines do, and
                # set another timer if it is not time yet) must find that it is time
                self._hair = max(self._hair, exactly)
        timer = _Timer(when, callback, args, self, context)
        timer.order = self._timers = self._timers + 1
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001 - as BaseEventLoop.call_at does
        return timer

    def call_at_us(self, when_us: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Set a timer for a virtual microsecond."""
        return self.call_at(when_us / _MICRO, callback, *args)

    def call_real(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        """Have ``callback`` called after ``delay_s`` of real time; looked at only while the clock is held."""
        handle = asyncio.Handle(callback, args, self)
        self._timers += 1
        heapq.heappush(self._real_timers, (monotonic() + delay_s, self._timers, handle))
        return handle

    # holding

    def hold(self, key: object, name: Callable[[], str]) -> None:
        """Let time stand still until ``release(key)``; ``name`` says who holds it, when somebody asks."""
        self.progress += 1
        self._holds[key] = name

    def release(self, key: object) -> None:
        """Take a hold back."""
        self.progress += 1
        self._holds.pop(key, None)

    @property
    def holders(self) -> list[str]:
        """Who holds the clock, in the order in which they came."""
        return [name() for name in list(self._holds.values())]

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Have ``callback`` called soon, from any thread; nothing happens when the loop is closed already."""
        try:
            self.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            if not self.is_closed():
                raise

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """As ever; the clock is held until the thread is done, because that is work that really happens elsewhere."""
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        if not future.done():
            self.hold(future, lambda: f"a worker thread in {getattr(func, '__qualname__', func)}")
            future.add_done_callback(self.release)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """As ever; the clock is held until its threads have ended."""
        key = object()
        self.hold(key, lambda: "the executor's shutdown")
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self.release(key)

    # running

    def run_forever(self) -> None:
        """Run until stopped; also inside a running loop, which is put aside meanwhile."""
        if self.is_running():
            raise RuntimeError("This virtual loop is running already.")
        with aside():
            try:
                with self.around():
                    super().run_forever()
            except (Interrupted, KeyboardInterrupt):
                self._raise_failure()
                raise
            self._raise_failure()

    def run_until_complete(self, future: Any) -> Any:
        """Run until ``future`` is done; also inside a running loop."""
        with aside():
            return super().run_until_complete(future)

    def fail(self, error: BaseException) -> None:
        """Have the run end with ``error`` as soon as the loop gets to it; the first error wins. From any thread."""
        if self._failure is None:
            self._failure = error
        self._write_to_self()

    @property
    def busy_thread(self) -> int | None:
        """The thread on which an agent runs now, when that is not the loop's own."""
        return self.running.thread if self.running is not None else None

    @property
    def failed(self) -> bool:
        """Whether the run is about to end with an error."""
        return self._failure is not None

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure from None

    def close(self) -> None:
        """Close the loop, having told those who asked for it; further calls do nothing."""
        if not self.is_closed() and not self.is_running():
            while self.on_close:
                self.on_close.pop()()
        super().close()

    # waiting: what the selector asks

    def _select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        self._raise_failure()
        if timeout == 0 or self._ready:  # type: ignore[attr-defined]
            return self._poll()
        return self._poll() or self._idle()

    def _poll(self) -> list[tuple[selectors.SelectorKey, int]]:
        # The one descriptor that is always there is asyncio's own, and we are told of wakeups without it
        if self._real_selector.registered <= 1 and not self._signal_handlers:  # type: ignore[attr-defined]
            return []
        found = self._real_selector.wait(0)
        self.progress += bool(found)
        return found

    def _idle(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing is runnable: wait, stop or skip."""
        if self._holds:
            return self._wait(None)
        if self.softly_waiting and self._grace_left > 0 and self._others_may_wake():
            found = self._wait_softly()
            if found or self._ready:  # type: ignore[attr-defined]
                return found
        if self.until is not None and self.until():
            self.stop()
            return []
        return self._skip()

    def _skip(self) -> list[tuple[selectors.SelectorKey, int]]:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        when = None
        if scheduled and scheduled[0].when() != math.inf:
            when = round(scheduled[0].when() * _MICRO)
        if self.limit_us is not None and (when is None or when > self.limit_us):
            self._time.now_us = max(self.limit_us, self._time.now_us)
            self.stop()
        elif when is not None:
            self._time.now_us = max(when, self._time.now_us)
            self.progress += 1
        elif self.may_end:
            self.stop()
        else:
            raise Deadlock(waits.deadlock(self, self.agents))
        return []

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for real: for a descriptor, another thread or a real timer."""
        timers = self._real_timers
        if timers:
            due = max(0.0, timers[0][0] - monotonic())
            timeout = due if timeout is None else min(due, timeout)
        self.waiting = True
        try:
            # Whoever posted before it could see that we wait did not wake us
            posted = self._ready or self._failure  # type: ignore[attr-defined]
            found = [] if posted else self._real_selector.wait(timeout)
        finally:
            self.waiting = False
        while timers and timers[0][0] <= monotonic():
            self._ready.append(heapq.heappop(timers)[2])  # type: ignore[attr-defined]
        self.progress += bool(found)
        return found

    def _wait_softly(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Give other threads a little real time to wake the handlers that wait for them, before time skips."""
        began = monotonic()
        found = self._wait(min(_GRACE_S, self._grace_left))
        if not found and not self._ready:  # type: ignore[attr-defined]
            self._grace_left -= monotonic() - began
        return found

    def _others_may_wake(self) -> bool:
        """Whether an agent waits to be notified, and who does it may be a thread that is not ours."""
        own = any(agent.thread is not None and agent not in self.softly_waiting for agent in self.agents)
        return not own and _others_live()

    def _write_to_self(self) -> None:
        # Called after every call_soon_threadsafe: a byte through the pipe is needed only by one who really waits
        if self.waiting:
            super()._write_to_self()  # type: ignore[misc]


def _others_live() -> bool:
    """Whether threads run that neither the loop nor a handler started."""
    mine = threading.current_thread(), threading.main_thread()
    return any(
        thread not in mine and not getattr(thread, "_esm_agent", None) and not thread.name.startswith("esm-")
        for thread in threading.enumerate()
    )


def _fail_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception that nobody would see ends the run instead of being logged."""
    error = context.get("exception")
    if isinstance(error, Interrupted):
        return  # the watchdog's own error ends the run
    if isinstance(loop, VirtualLoop) and error is not None and not loop.is_closed():
        loop.fail(error)
    else:
        loop.default_exception_handler(context)

"""A user's blocking function under virtual time: it waits, and the loop goes on.

A handler runs in a greenlet on the loop's own thread, so that mocks, SQLite connections, context variables, breakpoints
and coverage just work. Where it waits (``time.sleep``, an ``Event``, ``asyncio.run``, :func:`wait_for`) the greenlet is
parked until its timer fires or somebody wakes it; meanwhile other invocations run, so that they really interleave.
While it runs, no event loop is running as far as asyncio can tell, and what :mod:`esm_emulator.clocks.patches` lists
tells it virtual time.

A handler whose time is up gets :class:`~esm_emulator.clocks.HandlerTimeout` where it waits. It cannot be stopped where
it does not wait: that takes no virtual time, and if it takes too much real time it is the watchdog's.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Generic, TypeVar

import greenlet

from esm_emulator.clocks import HandlerTimeout, nested, patches, waits
from esm_emulator.clocks.agents import PATIENCE, Agent, AgentGreenlet, Wait, current
from esm_emulator.clocks.aside import Aside
from esm_emulator.clocks.loop import Interrupted, VirtualLoop
from esm_emulator.clocks.tracing import begin_trace, end_trace, untraced
from esm_emulator.errors import UsageError

__all__ = ["call", "current", "end_all", "in_handler", "in_run", "sleep", "wait_for"]

T = TypeVar("T")

# Greenlets that would not die as their run ended. Letting go of them would throw at them once more, at any time
_undead: list[greenlet.greenlet] = []


def in_handler() -> bool:
    """Whether this code runs inside a handler under virtual time, or in a thread that such a handler started."""
    return current() is not None


def sleep(ms: int) -> None:
    """Wait ``ms`` virtual milliseconds, in a handler's synchronous code."""
    _agent().sleep_us(ms * 1000)


def wait_for(awaitable: Awaitable[T]) -> T:
    """Wait, in a handler's synchronous code, until ``awaitable`` is done on the run's own loop; its result or error.

    It runs as a task with a copy of the handler's context, and is canceled when the handler's time is up first. Raises
    :class:`~esm_emulator.errors.UsageError` elsewhere than in a handler: ask :func:`in_handler` before.
    """
    agent = _agent()
    context = contextvars.copy_context()
    tasks: list[asyncio.Task[T]] = []

    async def wait() -> T:
        return await awaitable

    def arrange(parked: Wait) -> None:
        task = agent.loop.create_task(wait(), name=f"{agent.name} waits", context=context)
        task.add_done_callback(lambda _: parked.finish(True))
        tasks.append(task)

    try:
        agent.park(arrange=arrange)
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
    return tasks[0].result()


def _agent() -> Agent:
    agent = current()
    if agent is None:
        raise UsageError("This waits in virtual time: call it in a handler that runs under a virtual clock.")
    return agent


async def call(loop: VirtualLoop, function: Callable[[], T], timeout_ms: int) -> T:
    """Run ``function`` as a handler on ``loop``, which is running; see :meth:`esm_emulator.clocks.Clock.call`."""
    _patch(loop)
    handler = _Handler(loop, function)
    deadline_us = loop.now_us + timeout_ms * 1000
    handler.resume()
    if handler.finished:
        return handler.result()
    loop.agents[handler] = None
    timeout = _Timeout(handler, timeout_ms)
    timer = loop.call_at_us(deadline_us, timeout.due)
    handler.done = loop.create_future()
    try:
        await handler.done
    except BaseException:
        handler.kill()
        raise
    finally:
        timer.cancel()
    timeout.check()
    return handler.result()


class _Handler(Agent, Generic[T]):
    """One call of a user's function, in a greenlet on the loop's thread."""

    def __init__(self, loop: VirtualLoop, function: Callable[[], T]) -> None:
        super().__init__(loop)
        self._function = function
        self._result: T
        self.error: BaseException | None = None
        self.done: asyncio.Future[None] | None = None
        self._greenlet = started = AgentGreenlet(self._main)
        started.agent = self
        started.gr_context = contextvars.copy_context()
        self._outer_trace: Any = None
        self._inside: greenlet.greenlet = started  # the one that waits: a handler may have greenlets of its own

    @property
    def name(self) -> str:
        """The function's name."""
        return f"handler {getattr(self._function, '__qualname__', None) or type(self._function).__name__}"

    def frame(self) -> FrameType | None:
        """Where it waits."""
        return self._inside.gr_frame

    def result(self) -> T:
        """What the function returned, or what it raised, as it is."""
        if self.error is None:
            return self._result
        try:
            raise self.error
        except StopIteration as error:  # which no coroutine may raise
            raise RuntimeError("the handler raised StopIteration") from error
        finally:
            self.error = None  # or it and its traceback's frames keep each other alive

    def kill(self) -> None:
        """End it because nobody waits for it any more."""
        if not self.over:
            self.end(greenlet.GreenletExit())
        if not self.finished:
            _undead.append(self._greenlet)

    def _main(self, _: bool) -> None:
        sniffio = sys.modules.get("sniffio")
        if sniffio is not None:
            # The context is a copy of a task's, in which an async library runs; here none does
            sniffio.current_async_library_cvar.set(None)
        begin_trace(self._outer_trace, self.loop.spare_tracers)
        try:
            self._result = self._function()
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            self.error = error
        end_trace(self._outer_trace, self.loop.spare_tracers)
        self.finished = True

    def _run(self, woken: bool) -> None:
        outer = Aside()
        here = greenlet.getcurrent()
        if self._greenlet.parent is not here:
            self._greenlet.parent = here
        try:
            with untraced() as self._outer_trace:
                self._inside.switch(woken)
        finally:
            outer.back()

    def _let_go(self) -> bool:
        self._inside = greenlet.getcurrent()
        loop = self._greenlet.parent
        assert loop is not None
        with untraced():
            return bool(loop.switch())

    def _ended(self) -> None:
        if self.finished:
            self._greenlet.agent = None  # or the two keep each other alive
        nested.forget(self)
        if self.done is not None and not self.done.done():
            self.done.set_result(None)


class _Timeout:
    """The end of a handler's time."""

    def __init__(self, handler: _Handler[Any], timeout_ms: int) -> None:
        self._handler = handler
        self._timeout_ms = timeout_ms
        self._place: str | None = None

    def due(self) -> None:
        """It is time; but a handler that is woken at this very instant is in time, so let it come first."""
        self._handler.loop.call_soon(self._throw)

    def _throw(self) -> None:
        if not self._handler.over:
            self._place = waits.place_of(self._handler)
            self._handler.end(HandlerTimeout(f"The handler's time is up: {self._timeout_ms} ms."))

    def check(self) -> None:
        """Raise ``TimeoutError`` when the time was up, whatever the handler made of it.

        Its cause is the :class:`HandlerTimeout`, as it came out of the handler, if it did.
        """
        thrown = self._handler.error
        if self._place is None or isinstance(thrown, Interrupted | KeyboardInterrupt):
            return
        error = TimeoutError(f"timed out after {self._timeout_ms} ms at {self._place}")
        if self._handler.abandoned:
            error.add_note(
                f"It swallowed its timeout {PATIENCE} times (by an except clause that catches BaseException, in a "
                f"loop) and was left behind at {waits.place_of(self._handler)}; what follows there never runs."
            )
        self._handler.error = None  # as in result()
        raise error from thrown if isinstance(thrown, HandlerTimeout) else None


@contextmanager
def in_run(loop: VirtualLoop) -> Iterator[None]:
    """While ``loop`` runs, and from the first call of a handler on: what handlers need is patched."""
    if loop.agents:
        _patch(loop)
    try:
        yield
    finally:
        if loop.patched:
            loop.patched = False
            patches.give_back()


def _patch(loop: VirtualLoop) -> None:
    if not loop.patched:
        patches.take()
        loop.patched = True


def end_all(loop: VirtualLoop) -> None:
    """End every agent of ``loop`` that is left, in the order in which they came: the run is over."""
    if loop.agents:
        with in_run(loop):
            for agent in list(loop.agents):
                if not agent.over:
                    agent.kill()
        loop.agents.clear()
    for spare in loop.spare_loops:
        spare.close()

"""asyncio inside a handler: ``asyncio.run``, ``anyio.run`` or a loop that was made at import, all in virtual time.

Any loop of asyncio's own that is run inside an agent is lent virtual time for as long as it runs: its ``time()`` is the
run's, and where its selector would wait, the agent is parked. No class is replaced, so it does not matter where the
loop comes from. (uvloop waits in C and is therefore not lent anything: it waits for real.)

A loop that has sockets open waits in real time while the clock is held, because an answer may be on its way; when its
own timer is due first, that much has really been waited, and is charged to the virtual clock as well.

asyncio's *current* loop is one for each thread, and handlers share theirs: so each agent has a current loop of its own.
"""

from __future__ import annotations

import asyncio
import selectors
from asyncio import base_events, events
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from esm_emulator.clocks.agents import Agent, Wait, current
from esm_emulator.clocks.loop import VirtualLoop

__all__ = ["forget", "get_event_loop", "run_forever", "set_event_loop"]

_run_forever = base_events.BaseEventLoop.run_forever
_get_event_loop = events.get_event_loop
_set_event_loop = events.set_event_loop

_Events = list[tuple[selectors.SelectorKey, int]]
# Instants nearer than this are one to a borrowing loop: its timers do not lie on our grid of microseconds
_RESOLUTION_S = 1e-6


def run_forever(loop: base_events.BaseEventLoop) -> None:
    """``loop.run_forever()``, in virtual time inside an agent."""
    agent = current()
    if agent is None or isinstance(loop, VirtualLoop) or not hasattr(loop, "_selector"):
        _run_forever(loop)
        return
    with _lent(loop, agent):
        _run_forever(loop)


@contextmanager
def _lent(loop: Any, agent: Agent) -> Iterator[None]:
    selector, resolution = loop._selector, loop._clock_resolution  # noqa: SLF001 - the one seam to asyncio's loops
    loop.time, loop._clock_resolution = agent.loop.time, _RESOLUTION_S  # noqa: SLF001
    selector.select = _parking(selector, agent, selector.select)
    try:
        yield
    finally:
        del loop.time, selector.select
        loop._clock_resolution = resolution  # noqa: SLF001


def _parking(selector: Any, agent: Agent, really: Callable[[float | None], _Events]) -> Callable[..., _Events]:
    """The selector's ``select``, which parks the agent instead of waiting."""

    def select(timeout: float | None = None) -> _Events:
        found = really(0)
        if found or timeout == 0:
            return found
        until_us = None if timeout is None else agent.loop.now_us + max(1, round(timeout * 1_000_000))
        sockets = len(selector.get_map()) > 1  # one is asyncio's own, for wakeups from other threads
        if not sockets or not _wait_really(selector, agent, timeout):
            _park(selector, agent, until_us)
        return really(0)

    return select


def _park(selector: Any, agent: Agent, until_us: int | None) -> None:
    """Wait in virtual time, or until something comes for the loop."""
    with _Reader(agent.loop, selector) as reader:
        agent.park(until_us, reader.arrange)


def _wait_really(selector: Any, agent: Agent, timeout: float | None) -> bool:
    """Wait in real time, with the clock held; whether something came for the loop before ``timeout``."""
    outer = agent.loop
    timers: list[asyncio.Handle] = []

    with _Reader(outer, selector) as reader:

        def arrange(wait: Wait) -> None:
            reader.arrange(wait)
            if timeout is not None:
                timers.append(outer.call_real(timeout, wait.finish, False))

        outer.hold(reader, lambda: f"{agent.name}, whose asyncio loop has a socket open")
        try:
            return agent.park(arrange=arrange)
        finally:
            outer.release(reader)
            for timer in timers:
                timer.cancel()


class _Reader:
    """Watches, on the run's own loop, whether something came for a loop that waits inside an agent."""

    def __init__(self, outer: VirtualLoop, selector: Any) -> None:
        self._outer = outer
        self._fd: int | None = selector.fileno() if hasattr(selector, "fileno") else None

    def __enter__(self) -> Self:
        return self

    def arrange(self, wait: Wait) -> None:
        if self._fd is not None:
            self._outer.add_reader(self._fd, wait.finish, True)

    def __exit__(self, *_: object) -> None:
        if self._fd is not None and not self._outer.is_closed():
            self._outer.remove_reader(self._fd)


def get_event_loop() -> asyncio.AbstractEventLoop:
    """``asyncio.get_event_loop()``; inside an agent its own current loop, made when there is none."""
    agent = current()
    if agent is None:
        return _get_event_loop()
    running = events._get_running_loop()  # noqa: SLF001 - as asyncio's own
    if running is not None:
        return running
    if agent.event_loop is None:
        spare = agent.loop.spare_loops
        agent.event_loop = spare.pop() if spare else asyncio.new_event_loop()
        agent.borrowed_loop = agent.event_loop
    return agent.event_loop


def set_event_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """``asyncio.set_event_loop()``; inside an agent for that agent."""
    agent = current()
    if agent is None:
        _set_event_loop(loop)
    else:
        agent.event_loop = loop


def forget(agent: Agent) -> None:
    """The agent is over: another one may use the loop that was made for it."""
    loop = agent.borrowed_loop
    if loop is not None and agent.finished and not loop.is_closed() and not loop.is_running():
        agent.loop.spare_loops.append(loop)

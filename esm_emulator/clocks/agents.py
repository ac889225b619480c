"""What of a user's waits in virtual time, and how: an agent lets go of its thread's control and gets it back later.

An agent is a handler (:mod:`esm_emulator.clocks.handlers`: a greenlet on the loop's thread) or a thread that a handler
started (:mod:`esm_emulator.clocks.threads`). Whatever an agent waits for comes down to :meth:`Agent.park`: until a
virtual time, or until somebody calls :meth:`Wait.wake`. Exactly one agent runs at a time, and none while the loop does.

An agent that was told to end (its time is up, or the run is over) gets that exception wherever it waits, again and
again; one that swallows it :data:`PATIENCE` times is left where it is, for good.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import FrameType

import greenlet

from esm_emulator.clocks.aside import Aside
from esm_emulator.clocks.loop import VirtualLoop

__all__ = ["PATIENCE", "Agent", "AgentGreenlet", "Wait", "become", "current"]

# How often an agent may swallow the exception that ends it
PATIENCE = 5

_local = threading.local()


class Wait:
    """One wait of one agent: until ``wake`` is called, or until a virtual time."""

    __slots__ = ("_agent", "_arrange", "_over", "_timer", "_until_us")

    def __init__(self, agent: Agent, until_us: int | None, arrange: Callable[[Wait], object] | None) -> None:
        self._agent = agent
        self._until_us = until_us
        self._arrange = arrange
        self._over = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Set the timer and tell who shall wake it; on the loop's thread."""
        if self._until_us is not None:
            self._timer = self._agent.loop.call_at_us(self._until_us, self.finish, False)
        if self._arrange is not None:
            self._arrange(self)

    def wake(self) -> None:
        """End the wait soon, from any thread; nothing happens when it is over."""
        if not self._over:
            self._agent.loop.post(self.finish, True)

    def finish(self, woken: bool) -> None:
        """End the wait now and let the agent run; on the loop's thread."""
        if not self._over:
            self.forget()
            self._agent.resume(woken)

    def forget(self) -> None:
        """The agent is resumed in another way."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()


class Agent(ABC):
    """A user's code that waits in virtual time. How control changes hands is the subclass's."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.finished = False
        self.abandoned = False
        self.really = 0  # while above 0, what it waits for is real
        self.event_loop: asyncio.AbstractEventLoop | None = None  # asyncio's current loop, as this agent set it
        self.borrowed_loop: asyncio.AbstractEventLoop | None = None  # made for it, to be used again after it
        self._wait: Wait | None = None
        self._end: BaseException | None = None
        self._thrown = 0

    @property
    @abstractmethod
    def name(self) -> str:
        """What to call it in a message."""

    @property
    def thread(self) -> int | None:
        """The thread that it runs on, when that is not the loop's."""
        return None

    @property
    def over(self) -> bool:
        """Whether it will never run again."""
        return self.finished or self.abandoned

    @abstractmethod
    def frame(self) -> FrameType | None:
        """Where it waits."""

    def park(self, until_us: int | None = None, arrange: Callable[[Wait], object] | None = None) -> bool:
        """Wait, within the agent, until woken or until a virtual time; true when woken.

        ``arrange`` is given the wait when the agent has let go, on the loop's thread. Raises what the agent was told
        to end with.
        """
        if self._end is not None:
            self._swallowed()
        self._wait = Wait(self, until_us, arrange)
        nested = Aside()
        try:
            woken = self._let_go()
        finally:
            nested.back()
        if self._end is not None:
            raise self._ending()
        return woken

    def sleep_us(self, us: int) -> None:
        """Wait virtual microseconds."""
        self.park(self.loop.now_us + us)

    def resume(self, woken: bool = False) -> None:
        """Let it run until it waits again or ends; on the loop's thread."""
        self.loop.progress += 1
        before, self.loop.running = self.loop.running, self
        try:
            self._run(woken)
        finally:
            self.loop.running = before
        if self.over:
            self.loop.agents.pop(self, None)
            self._ended()
        elif self._wait is not None:
            self._wait.begin()

    def end(self, error: BaseException) -> None:
        """Throw ``error`` where the agent waits, now and whenever it waits again; on the loop's thread."""
        self._end = error
        self._thrown = 1
        if self._wait is not None:
            self._wait.forget()
        self.resume()

    @abstractmethod
    def kill(self) -> None:
        """End it because the run is over; on the loop's thread."""

    @abstractmethod
    def _run(self, woken: bool) -> None:
        """Give it control, and come back when it lets go."""

    @abstractmethod
    def _let_go(self) -> bool:
        """Within the agent: give control back to the loop, and return when it is resumed."""

    @abstractmethod
    def _ended(self) -> None:
        """It will never run again; on the loop's thread."""

    def _ending(self) -> BaseException:
        # A fresh one each time: a raised exception carries its traceback
        assert self._end is not None
        return type(self._end)(*self._end.args)

    def _swallowed(self) -> None:
        """It waits, although it was told to end."""
        if self._thrown < PATIENCE:
            self._thrown += 1
            raise self._ending()
        self.abandoned = True
        while True:
            self._let_go()


class AgentGreenlet(greenlet.greenlet):
    """A greenlet in which an agent's code runs."""

    agent: Agent | None = None

    def __init__(self, run: Callable[..., object]) -> None:
        super().__init__(run)
        _local.has_greenlets = True


def current() -> Agent | None:
    """The agent whose code calls this, if any.

    A thread that has no agent in greenlets is not asked for its present one. Asking is what gives a thread a state in
    greenlet, which the main thread takes down when that thread has ended; and CPython 3.11 under a tracer hangs for
    ever in the first function that it enters during that, if another such thread ends meanwhile.
    """
    if getattr(_local, "has_greenlets", False):
        here: greenlet.greenlet | None = greenlet.getcurrent()
        while here is not None:
            if type(here) is AgentGreenlet:
                return here.agent
            here = here.parent  # a handler may have greenlets of its own
    agent: Agent | None = getattr(_local, "agent", None)
    return agent


def become(agent: Agent | None) -> None:
    """From now on this thread runs the code of ``agent`` (``None``: of nobody)."""
    _local.agent = agent

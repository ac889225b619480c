"""Threads that handlers start: they run one at a time, in virtual time, as if they were handlers.

Such a thread is a real thread, with an ident and thread-locals of its own, but it runs only when the loop hands it the
baton, and the loop waits until it hands it back: where it sleeps, waits or ends. So threads are as deterministic as
handlers, and ``time.sleep`` in ten of them takes the virtual time of one. A ``ThreadPoolExecutor`` gives what handlers
submit to threads like these, as many at a time as it would have.

What blocks such a thread otherwise (a socket, a plain lock) blocks the run, and time stands still meanwhile. A daemon
thread that does so for longer than :data:`DAEMON_S` is let go: from then on it is an ordinary thread in real time.
"""

from __future__ import annotations

import concurrent.futures
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from esm_emulator.clocks import nested, waits
from esm_emulator.clocks.agents import Agent, Wait, become, current
from esm_emulator.clocks.loop import Interrupted, VirtualLoop

__all__ = ["DAEMON_S", "allocate_lock", "join", "shutdown", "start", "submit"]

T = TypeVar("T")

# Real seconds that the loop waits for a daemon thread to come back
DAEMON_S = 0.25

_allocate_lock = threading._allocate_lock  # type: ignore[attr-defined]  # noqa: SLF001 - the seam: see patches
_start = threading.Thread.start
_join = threading.Thread.join
_submit = ThreadPoolExecutor.submit
_shutdown = ThreadPoolExecutor.shutdown


class _RunOver(SystemExit):
    """Thrown into a thread where it waits, when the run is over."""


class ThreadAgent(Agent):
    """A thread that a handler started."""

    def __init__(self, loop: VirtualLoop, thread: threading.Thread) -> None:
        super().__init__(loop)
        self._thread = thread
        self._mine = _allocate_lock()  # taken while it is not its turn
        self._back = _allocate_lock()  # taken until it comes back
        self._mine.acquire()
        self._back.acquire()
        self._turn = _allocate_lock()
        self._away = False
        self._woken = False
        self._let_go_for_good = False
        self._joiners: list[Wait] = []
        loop.agents[self] = None

    @property
    def name(self) -> str:
        """The thread's name."""
        return f"thread {self._thread.name}"

    @property
    def thread(self) -> int | None:
        """Its ident."""
        return self._thread.ident

    @property
    def over(self) -> bool:
        """Whether it is no business of the loop's any more."""
        return self.finished or self.abandoned or self._let_go_for_good

    def frame(self) -> FrameType | None:
        """Where it waits."""
        return sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001 - the way to another thread's stack

    def body(self, run: Callable[[], None]) -> None:
        """What the thread runs: ``run``, when it is its turn."""
        become(self)
        self._mine.acquire()
        try:
            if self._end is None:
                run()
        except (_RunOver, Interrupted):
            pass  # threading, and pytest, would tell of it
        finally:
            become(None)
            self.finished = True
            self._hand_back()

    def when_over(self, wait: Wait) -> None:
        """Wake ``wait`` when the thread has ended."""
        if self.over:
            wait.wake()
        else:
            self._joiners.append(wait)

    def kill(self) -> None:
        """End it because the run is over."""
        self.end(_RunOver())

    def _run(self, woken: bool) -> None:
        self._woken, self._away = woken, True
        self._mine.release()
        may_go = self._thread.daemon or self._end is not None
        try:
            # Not for ever at a time: the watchdog interrupts between two instructions only
            while not self._back.acquire(timeout=DAEMON_S):
                if may_go and self._leave_behind():
                    return
        except BaseException:
            self._leave_behind()
            raise

    def _leave_behind(self) -> bool:
        """Go on without the thread, unless it is back; whether it is left behind."""
        with self._turn:
            self._let_go_for_good = self._away
        return self._let_go_for_good

    def _let_go(self) -> bool:
        if not self._hand_back():
            # Too late: the loop has gone on without this thread, and so it goes on without the loop
            become(None)
            return False
        self._mine.acquire()
        return self._woken

    def _hand_back(self) -> bool:
        with self._turn:
            self._away = False
            if self._let_go_for_good:
                return False
        self._back.release()
        return True

    def _swallowed(self) -> None:
        raise self._ending()  # a thread that is never resumed would keep the interpreter from ending

    def _ended(self) -> None:
        nested.forget(self)
        for joiner in self._joiners:
            joiner.wake()
        self._joiners.clear()


def start(thread: threading.Thread) -> None:
    """``thread.start()``; inside an agent the thread becomes one too."""
    parent = current()
    if parent is None or thread.name.startswith("esm-") or waits.debugging():
        _start(thread)
        return
    agent = ThreadAgent(parent.loop, thread)
    run = thread.run

    def body() -> None:
        del thread.run
        agent.body(run)

    thread.run = body  # type: ignore[method-assign]
    thread._esm_agent = agent  # type: ignore[attr-defined]  # noqa: SLF001 - ours
    parent.really += 1
    try:
        _start(thread)
    finally:
        parent.really -= 1
    parent.loop.post(agent.resume)


def join(thread: threading.Thread, timeout: float | None = None) -> None:
    """``thread.join()``; inside an agent, for a thread that is one too, in virtual time."""
    waiter, agent = current(), getattr(thread, "_esm_agent", None)
    if waiter is None or agent is None or agent.over or agent is waiter or waiter.really:
        _join(thread, timeout)
        return
    until_us = None if timeout is None else waiter.loop.now_us + round(max(0.0, timeout) * 1_000_000)
    if waiter.park(until_us, agent.when_over):
        _join(thread, timeout)  # it is on its last lines


class _Lock:
    """The lock with which an agent waits for a notification: taken twice by the agent, released by whoever notifies."""

    def __init__(self) -> None:
        self._taken = False
        self._wait: Wait | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not self._taken:
            self._taken = True
            return True
        agent = current()
        if not blocking or agent is None:
            return False
        until_us = None
        if 0 <= timeout < threading.TIMEOUT_MAX / 2:
            until_us = agent.loop.now_us + round(timeout * 1_000_000)
        agent.loop.softly_waiting.add(agent)
        try:
            return agent.park(until_us, self._arrange)
        finally:
            agent.loop.softly_waiting.discard(agent)

    def _arrange(self, wait: Wait) -> None:
        self._wait = wait
        if not self._taken:  # a thread that is not an agent may have been quicker
            wait.wake()

    def release(self) -> None:
        self._taken = False
        if self._wait is not None:
            self._wait.wake()


def allocate_lock() -> Any:
    """A new lock for a ``Condition`` to wait with; inside an agent one that parks it."""
    agent = current()
    if agent is None or agent.really or waits.debugging():
        return _allocate_lock()
    return _Lock()


@dataclass(slots=True)
class _Pool:
    """What an executor was given by handlers of one run: work that waits, and how many threads work."""

    waiting: deque[tuple[Future[Any], Callable[[], Any]]] = field(default_factory=deque)
    working: int = 0
    futures: weakref.WeakSet[Future[Any]] = field(default_factory=weakref.WeakSet)


def submit(executor: Any, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
    """``executor.submit()``; inside an agent, its work is done by threads that are agents too."""
    agent = current()
    if agent is None or executor._shutdown:  # noqa: SLF001 - it refuses with its own words
        return _submit(executor, function, *args, **kwargs)
    pool = agent.loop.pools.setdefault(executor, _Pool())
    future: Future[T] = Future()
    pool.futures.add(future)
    pool.waiting.append((future, lambda: function(*args, **kwargs)))
    if pool.working < executor._max_workers:  # noqa: SLF001 - the public argument
        pool.working += 1
        name = f"{executor._thread_name_prefix}_{pool.working - 1}"  # noqa: SLF001 - likewise
        threading.Thread(target=_work, args=(executor, pool), name=name).start()
    return future


def _work(executor: Any, pool: _Pool) -> None:
    try:
        if executor._initializer is not None:  # noqa: SLF001 - the public argument
            executor._initializer(*executor._initargs)  # noqa: SLF001 - likewise
        while pool.waiting:
            future, function = pool.waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - it is the future's
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, function
    finally:
        pool.working -= 1


def shutdown(executor: Any, wait: bool = True, *, cancel_futures: bool = False) -> None:
    """``executor.shutdown()``; inside an agent it waits for what handlers gave it."""
    agent = current()
    pool = agent.loop.pools.get(executor) if agent is not None else None
    _shutdown(executor, wait=wait and pool is None, cancel_futures=cancel_futures)
    if pool is None:
        return
    if cancel_futures:
        for future, _ in pool.waiting:
            future.cancel()
    if wait:
        concurrent.futures.wait(list(pool.futures))

"""Ends a virtual run that makes no progress in real time, and says where it hangs.

One daemon thread looks after all loops that run. A run is stuck when for ``patience`` seconds of real time

- the loop did not come round once: a handler computes, or blocks its thread in a call that nobody ends;
- or it really waits, for somebody who holds the clock;
- or, for ten times as long, it comes round and nothing comes of it: the clock does not move, no handler starts, waits
  or ends, nobody takes or lets go of the clock (tasks that yield to each other for ever).

Code that is busy is interrupted where it is: an exception of its own kind is set for its thread
(``PyThreadState_SetAsyncExc``), which Python raises at the next instruction. Code that is blocked in C does not get
there; on the main thread a SIGINT ends such a call, on another thread nothing can, and the text goes to stderr.

A debugger on the stack of the thread means that a person is looking: then nothing is stuck.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic, sleep
from types import FrameType
from typing import Protocol

from esm_emulator.clocks import waits
from esm_emulator.clocks.loop import Interrupted
from esm_emulator.clocks.tracing import untraced
from esm_emulator.errors import Stuck

__all__ = ["Watched", "watch"]

_LIVELOCK = 10
_LONGEST_LOOK_S = 1.0
_SHORTEST_LOOK_S = 0.01
# Until a thread has raised what was thrown into it, each function that is entered under a tracer (coverage, a debugger)
# hangs there, in whatever thread: CPython 3.11 looks at its pending things for ever. So it is given this long
_TRACERS_HANG = sys.version_info < (3, 12)
_THROWN_S = 0.05
_ADVICE = (
    "The watchdog can be given more time or switched off (watchdog_s=None); a breakpoint needs neither. "
    "What waits for real longer than this belongs on the real clock."
)


class Watched(Protocol):
    """What the watchdog sees of a loop."""

    turns: int
    progress: int

    waiting: bool  # for real, in its selector, because somebody holds the clock

    @property
    def holders(self) -> list[str]:
        """Who holds the clock."""

    @property
    def busy_thread(self) -> int | None:
        """The thread on which code of this run runs now, when it is not the loop's."""

    def fail(self, error: BaseException) -> None:
        """Have the run end with ``error``; from any thread."""


@dataclass(slots=True, eq=False)
class _Watch:
    """One loop that runs now."""

    loop: Watched
    patience: float
    thread: int
    turns: int
    progress: int
    turned: float = field(default_factory=monotonic)
    progressed: float = field(default_factory=monotonic)
    interrupts: int = 0
    last_interrupt: float = 0.0
    interrupted: set[int] = field(default_factory=set)
    position: tuple[int, int] = (0, 0)
    told: bool = False

    def look(self, now: float) -> None:
        """See whether the loop came on since the last look, and act when it has not for too long."""
        if self.loop.progress != self.progress:
            self.progress, self.progressed = self.loop.progress, now
        if self.loop.turns != self.turns:
            self.turns, self.turned = self.loop.turns, now
        still, idle = now - self.turned, now - self.progressed
        if still <= self.patience and idle <= self.patience * _LIVELOCK:
            return
        frame = self._frame()
        if waits.in_debugger(frame):
            self.turned = self.progressed = now
        elif not self.interrupts:
            self.loop.fail(Stuck(self._text(frame, turning=still <= self.patience)))
            self._interrupt(now)
        elif now - self.last_interrupt > max(0.05, min(1.0, self.patience / 2)):
            self._interrupt(now)

    def _frame(self) -> FrameType | None:
        return sys._current_frames().get(self._busy_thread())  # noqa: SLF001 - the way to another thread's stack

    def _busy_thread(self) -> int:
        return self.loop.busy_thread or self.thread

    def _text(self, frame: FrameType | None, *, turning: bool) -> str:
        if turning:
            what = f"for {self.patience * _LIVELOCK:g} s tasks have run without the clock moving"
        elif self.loop.waiting:
            what = f"for {self.patience:g} s the clock has been held by " + ", ".join(self.loop.holders)
        else:
            what = f"for {self.patience:g} s the run's thread has been busy or blocked"
        return f"No progress in real time: {what}. It is here:\n{waits.stack(frame)}{_ADVICE}"

    def _interrupt(self, now: float) -> None:
        self.interrupts += 1
        self.last_interrupt = now
        if self.loop.waiting:
            return  # fail() has woken it
        frame = self._frame()
        before, self.position = self.position, (id(frame), frame.f_lasti if frame is not None else -1)
        # The loop's own thread too, if one of its agents does not come back
        threads = {self._busy_thread(), self.thread} if self.interrupts > 1 else {self._busy_thread()}
        self.interrupted |= threads
        with untraced():
            for thread in threads:
                _throw_into(thread, Interrupted)
            if self.position == before:
                self._break_call()
            if _TRACERS_HANG:
                sleep(_THROWN_S)
                _take_back(threads)

    def _break_call(self) -> None:
        """The code does not come back to Python: it is blocked in C."""
        main = threading.main_thread().ident
        if main == self.thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.pthread_kill(main, signal.SIGINT)
        elif not self.told:
            self.told = True
            text = self._text(self._frame(), turning=False)
            print(f"{text}\nThe call is blocked outside Python and cannot be ended from here.", file=sys.stderr)  # noqa: T201 - the run cannot say it

    def end(self) -> None:
        """The loop is not running any more: nothing of ours may reach its thread, which calls this, from now on."""
        if self.interrupted:
            with untraced():
                _take_back(self.interrupted - {self.thread})


class _Watchdog:
    """The thread that looks, started when there is something to look after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._watches: list[_Watch] = []
        self._thread: threading.Thread | None = None
        self._look_s = _LONGEST_LOOK_S
        self._asleep = False

    def add(self, watch: _Watch) -> None:
        with self._lock:
            self._watches.append(watch)
            if self._thread is None or not self._thread.is_alive():
                # none yet, or this process is a fork of the one that had it
                self._thread = threading.Thread(target=self._run, name="esm-watchdog", daemon=True)
                self._thread.start()
            elif self._asleep or _interval(watch) < self._look_s:
                self._wake.set()

    def remove(self, watch: _Watch) -> None:
        with self._lock:
            if watch in self._watches:
                self._watches.remove(watch)
            watch.end()

    def _run(self) -> None:
        while True:
            with self._lock:
                now = monotonic()
                for watch in self._watches:
                    watch.look(now)
                self._asleep = not self._watches
                self._look_s = min(map(_interval, self._watches), default=_LONGEST_LOOK_S)
            self._wake.wait(None if self._asleep else self._look_s)
            self._wake.clear()


def _interval(watch: _Watch) -> float:
    return min(_LONGEST_LOOK_S, max(_SHORTEST_LOOK_S, watch.patience / 8))


def _throw_into(thread: int, kind: type[BaseException] | None) -> None:
    """Have a thread raise ``kind`` at its next instruction; ``None`` takes it back, if it was not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(kind) if kind is not None else None
    )


def _take_back(threads: set[int]) -> None:
    """Take back what was thrown into ``threads`` or into this one.

    The interpreter's flag that something was thrown stays up after that, and each instruction would look at it, until
    a thread raises something. This one does.
    """
    for thread in threads:
        _throw_into(thread, None)
    try:
        _throw_into(threading.get_ident(), Interrupted)
        _look_busy()
    except Interrupted:
        pass


def _look_busy() -> None:
    for _ in range(1_000_000):
        pass


_watchdog = _Watchdog()
# a fork has our lock, perhaps taken, and not our thread
os.register_at_fork(after_in_child=_watchdog.__init__)  # type: ignore[misc]


@contextmanager
def watch(loop: Watched, patience: float | None) -> Iterator[None]:
    """Look after ``loop`` while it runs in this thread; ``None`` or 0 seconds of patience: nobody looks."""
    if not patience:
        yield
        return
    watch = _Watch(loop, patience, threading.get_ident(), loop.turns, loop.progress)
    _watchdog.add(watch)
    try:
        yield
    finally:
        while True:
            try:
                _watchdog.remove(watch)
                break
            except Interrupted:  # it was on its way; from here on none is
                continue

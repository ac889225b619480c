"""Limits in real time: a thread that kills worker processes whose time is up or whose memory is gone.

Workers run outside this process and outside its loop, whose time may be virtual or held; so what ends them is a thread
of its own. It sleeps while nothing runs. While something does, it wakes for the next deadline, and every 20 ms (less
often with many workers, so that it never takes more than a few percent of a core) to look at their memory: an
environment that has more resident than its ``MemorySize`` is killed, as Lambda's would be (RUN-24). A limit set inside
the process would be a different thing: a handler would see a ``MemoryError``, and one of address space would count the
stacks of threads that are never touched. Where there is no ``/proc``, memory is only looked at when a worker replies.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from time import perf_counter
from typing import Protocol

__all__ = ["OUT_OF_MEMORY", "TIME_IS_UP", "Watch", "Watched", "resident_kb"]

TIME_IS_UP, OUT_OF_MEMORY = "timeout", "memory"

_LOOK_EVERY = 0.02  # seconds
_LOOK_EVERY_EACH = 0.001  # seconds for each worker, where that is more
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class Watched(Protocol):
    """A worker as the watch sees it; ``end_because`` may be called from any thread, and more than once."""

    pid: int
    peak_kb: int

    def end_because(self, reason: str) -> None:
        """Kill it; the first reason counts."""


class Watch:
    """Watches any number of workers for one function, with one thread that is started when first needed."""

    def __init__(self) -> None:
        self._limits: dict[Watched, tuple[float, int]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._sleeps_until = 0.0
        self._closed = False

    def begin(self, worker: Watched, seconds: float, memory_kb: int) -> None:
        """From now on: kill it after ``seconds``, or once it has more than ``memory_kb`` resident."""
        deadline = perf_counter() + seconds
        with self._changed:
            self._limits[worker] = deadline, memory_kb
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="esm-watch", daemon=True)
                self._thread.start()
            elif deadline < self._sleeps_until:
                self._changed.notify()

    def end(self, worker: Watched) -> None:
        """Leave it alone again."""
        with self._changed:
            self._limits.pop(worker, None)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._closed = True
            self._changed.notify()
        if thread is not None:
            thread.join()
        self._closed = False

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                wait = self._look()
                self._sleeps_until = perf_counter() + wait if wait is not None else float("inf")
                self._changed.wait(wait)

    def _look(self) -> float | None:
        """Kill what is over its limits; the seconds until the next look, None while nothing runs."""
        if not self._limits:
            return None
        now = perf_counter()
        soonest = now + max(_LOOK_EVERY, len(self._limits) * _LOOK_EVERY_EACH)
        for worker, (deadline, memory_kb) in self._limits.items():
            if now >= deadline:
                worker.end_because(TIME_IS_UP)
                continue
            soonest = min(soonest, deadline)
            worker.peak_kb = max(worker.peak_kb, resident_kb(worker.pid))
            if worker.peak_kb > memory_kb:
                worker.end_because(OUT_OF_MEMORY)
        return max(0.0, soonest - now)


def resident_kb(pid: int) -> int:
    """How much memory the process has resident, in kB; 0 when that cannot be told."""
    try:
        with Path(f"/proc/{pid}/statm").open("rb") as file:
            return int(file.read().split()[1]) * _PAGE_KB
    except (OSError, IndexError):
        return 0

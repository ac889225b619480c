"""A process of a function's: how it is started, how it is ended, and what it writes.

It has one pipe that is its stdout and its stderr, so that both stay in order. It leads a process group of its own,
which is killed as one: child processes that a handler leaves behind end with it, and Ctrl-C in the terminal is the
emulator's alone. What it is asked, and how it answers, is its subclasses' matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Answer", "Child"]

_CHUNK = 262_144
_SPARE_DESCRIPTORS = 64


class Answer(NamedTuple):
    """What came back: one of the kinds of :mod:`runtime.wire`, and the body of such a frame."""

    kind: int
    body: bytes


class Child(ABC):
    """One process, started by :meth:`_start`. ``output`` is called with the bytes that it writes while listened to.

    ``pid`` is 0 before it is started; ``peak_kb`` is for whoever watches its memory.
    """

    def __init__(self) -> None:
        self.output: Callable[[bytes], None] = _ignore
        self.peak_kb = 0
        self.ended_because: str | None = None
        self.frozen = False
        self.pid = 0
        self._lock = threading.Lock()
        self._status: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    @abstractmethod
    async def greeting(self) -> bool:
        """Wait until it can be asked something; false when it ended before."""

    @abstractmethod
    async def ask(self, kind: int, *parts: bytes) -> Answer | None:
        """Ask for INIT or INVOKE, and wait for the answer; None when the process ended instead, for whatever reason."""

    @abstractmethod
    def is_alive(self) -> bool:
        """Whether it is there to be asked something."""

    def dismiss(self) -> None:
        """Let it go by itself if it can, then end it."""
        self.end()

    def _start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        folder: str | None = None,
        keep: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start it with the open descriptors ``keep``. Raises ``OSError`` when this machine cannot."""
        pipe, write = os.pipe()
        try:
            _make_room(pipe)
            os.set_blocking(pipe, False)
            process = subprocess.Popen(  # noqa: S603 - ours, or the function's own code
                tuple(command),
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                pass_fds=tuple(keep),
                process_group=0,
                env=dict(variables),
                cwd=folder,
            )
        except BaseException:
            os.close(pipe)
            raise
        finally:
            os.close(write)
        with self._lock:
            self._process, self._pipe, self.pid = process, pipe, process.pid
            if self.ended_because:
                self._kill()
        return process

    def freeze(self) -> None:
        """Let no thread and no child process of it go on until it is asked again, as Lambda does."""
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def _thaw(self) -> None:
        if self.frozen:
            self._signal(signal.SIGCONT)
            self.frozen = False

    # --- its end ----------------------------------------------------------------------------------------------

    def end_because(self, reason: str) -> None:
        """Kill it and its whole group; from any thread. The first reason counts, and its end is seen by who asks."""
        with self._lock:
            if self._status is None:
                self.ended_because = self.ended_because or reason
                self._kill()

    def end(self) -> int:
        """Kill whatever is left of it, wait for that, and give its exit status, negative for a signal."""
        with self._lock:
            if self._status is None:
                self._kill()  # before it is waited for: afterwards its number may be another's
                self._let_go(self._process.wait() if self._process else 0)
            return self._status or 0

    def _let_go(self, status: int) -> None:
        self._status = status
        self._drain()
        self._release()
        if self._process is not None:
            os.close(self._pipe)

    @abstractmethod
    def _release(self) -> None:
        """Close what a subclass has open to it."""

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._status is None:
                self._kill(number)

    def _kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is None:
            return
        # a process that has just ended may refuse it on some systems; that is as good. And it may have left its group
        for send in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(self.pid, number)

    # --- output -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Pass its output on as it comes; and at the end what is still to be read."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe, self._read_output, loop)
        try:
            yield
        finally:
            loop.remove_reader(self._pipe)
            self._drain()

    def _read_output(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._read_some() == 0:
            loop.remove_reader(self._pipe)  # everything that could write to it has closed it

    def _read_some(self) -> int | None:
        """How many bytes were read: 0 at the end, None when there is nothing just now."""
        try:
            data = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return None
        if data:
            self.output(data)
        return len(data)

    def _drain(self) -> None:
        """Read what was written before now: never more than a pipe holds, or one that goes on writing keeps us."""
        left = 4 * _CHUNK if self._process else 0
        while left > 0:
            count = self._read_some()
            if not count:
                return
            left -= count


def _ignore(data: bytes) -> None:
    """Nobody listens to what a spare writes."""


def _make_room(descriptor: int) -> None:
    """Raise this process's limit of open files while there is room: a thousand environments need two thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft not in (resource.RLIM_INFINITY, hard) and descriptor > soft - _SPARE_DESCRIPTORS:
        more = soft * 4 if hard == resource.RLIM_INFINITY else min(hard, soft * 4)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))

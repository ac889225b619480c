"""A worker process, seen from the emulator: how it is started, spoken to and ended.

What lives here: the process, the socket pair for frames (:mod:`runtime.wire`), and the one pipe that is its stdout and
its stderr, so that both stay in order. What does not: what an invocation means; that is :mod:`environments`.

A worker leads a process group of its own, which is killed as one: child processes that a handler leaves behind end
with it, and Ctrl-C in the terminal is the emulator's alone. It is started as a fresh interpreter, never forked, since
this process has threads. Its end is seen as the end of its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from esm_emulator.functions.runtime import wire

__all__ = ["Answer", "Worker"]

_ENTRY = str(Path(__file__).resolve().parent / "runtime" / "__main__.py")
# -u: what is printed is out at once; -P: the folder of the entry is no place to import from
_COMMAND = (sys.executable, "-u", "-P", _ENTRY)
_CHUNK = 262_144
_SPARE_DESCRIPTORS = 64


class Answer(NamedTuple):
    """A frame from the worker."""

    kind: int
    body: bytes


class Worker:
    """One worker process. ``output`` is called with the bytes that it writes while it is being asked something."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Start it. Raises ``OSError`` when this machine cannot."""
        self.output: Callable[[bytes], None] = _ignore
        self.peak_kb = 0
        self.ended_because: str | None = None
        self.frozen = False
        self._greeted = False
        self._lock = threading.Lock()
        self._status: int | None = None
        self._socket, theirs = socket.socketpair()
        self._pipe, write = os.pipe()
        try:
            _make_room(self._pipe)
            os.set_blocking(self._pipe, False)
            self._socket.setblocking(False)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                (*_COMMAND, str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                pass_fds=(theirs.fileno(),),
                process_group=0,
                env=dict(variables),
            )
        except BaseException:
            self._socket.close()
            os.close(self._pipe)
            raise
        finally:
            theirs.close()
            os.close(write)
        self.pid = self._process.pid

    async def greeting(self) -> bool:
        """Wait until its interpreter is up; false when it ended before."""
        if not self._greeted:
            self._greeted = await self._exchange(b"") is not None
        return self._greeted

    async def ask(self, kind: int, *parts: bytes) -> Answer | None:
        """Send a frame and wait for the answer; None when the process ended instead, for whatever reason."""
        if self.frozen:
            self._signal(signal.SIGCONT)
            self.frozen = False
        return await self._exchange(wire.frame(kind, *parts))

    def freeze(self) -> None:
        """Let no thread and no child process of it go on until it is asked again, as Lambda does."""
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def is_alive(self) -> bool:
        """Whether it is there to be asked something."""
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

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
                self._let_go(self._process.wait())
            return self._status or 0

    def dismiss(self) -> None:
        """Let it go by itself, which it does at once, with its whole group, when it waits to be asked; then end it."""
        self._signal(signal.SIGCONT)
        with self._lock, contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if self._status is None:
                self._socket.shutdown(socket.SHUT_WR)
                self._let_go(self._process.wait(timeout=5))
        self.end()

    def _let_go(self, status: int) -> None:
        self._status = status
        self._drain()
        self._socket.close()
        os.close(self._pipe)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._status is None:
                self._kill(number)

    def _kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        # a process that has just ended may refuse it on some systems; that is as good. And it may have left its group
        for send in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(self.pid, number)

    # --- frames and output ------------------------------------------------------------------------------------

    async def _exchange(self, data: bytes) -> Answer | None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer | None] = loop.create_future()
        received = bytearray()
        descriptor = self._socket.fileno()
        loop.add_reader(descriptor, self._read_frame, received, answer)
        loop.add_reader(self._pipe, self._read_output, loop)
        try:
            if data:
                await self._send(loop, data)
            return await answer
        finally:
            loop.remove_reader(descriptor)
            loop.remove_reader(self._pipe)
            self._drain()

    async def _send(self, loop: asyncio.AbstractEventLoop, data: bytes) -> None:
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it has ended: the reader sees it
        if sent < len(data):
            with contextlib.suppress(OSError):
                await loop.sock_sendall(self._socket, memoryview(data)[sent:])

    def _read_frame(self, received: bytearray, answer: asyncio.Future[Answer | None]) -> None:
        if answer.done():
            return
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            answer.set_result(None)
            return
        received += data
        if len(received) >= wire.HEADER.size:
            kind, size = wire.HEADER.unpack_from(received)
            if len(received) >= wire.HEADER.size + size:
                answer.set_result(Answer(kind, bytes(received[wire.HEADER.size :])))

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
        left = 4 * _CHUNK
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

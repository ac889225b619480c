"""A worker process, seen from the emulator: how it is started, spoken to and ended.

What lives here: the socket pair for frames (:mod:`runtime.wire`); the process and its output are :mod:`child`'s. What
does not: what an invocation means; that is :mod:`environments`.

It is started as a fresh interpreter, never forked, since this process has threads. Its end is seen as the end of its
socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from esm_emulator.functions.child import Answer, Child
from esm_emulator.functions.runtime import wire

__all__ = ["Worker"]

_ENTRY = str(Path(__file__).resolve().parent / "runtime" / "__main__.py")
# -u: what is printed is out at once; -P: the folder of the entry is no place to import from
_COMMAND = (sys.executable, "-u", "-P", _ENTRY)
_CHUNK = 262_144


class Worker(Child):
    """One worker process with our own loop for Python handlers in it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Start it. Raises ``OSError`` when this machine cannot."""
        super().__init__()
        self._greeted = False
        self._socket, theirs = socket.socketpair()
        try:
            self._socket.setblocking(False)
            descriptor = theirs.fileno()
            self._start((*_COMMAND, str(descriptor)), variables, keep=(descriptor,))
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()

    async def greeting(self) -> bool:
        """Wait until its interpreter is up; false when it ended before."""
        if not self._greeted:
            self._greeted = await self._exchange(b"") is not None
        return self._greeted

    async def ask(self, kind: int, *parts: bytes) -> Answer | None:
        """Send a frame and wait for the answer; None when the process ended instead, for whatever reason."""
        self._thaw()
        return await self._exchange(wire.frame(kind, *parts))

    def is_alive(self) -> bool:
        """Whether it is there to be asked something."""
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def dismiss(self) -> None:
        """Let it go by itself, which it does at once, with its whole group, when it waits to be asked; then end it."""
        self._signal(signal.SIGCONT)
        with self._lock, contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if self._status is None and self._process is not None:
                self._socket.shutdown(socket.SHUT_WR)
                self._let_go(self._process.wait(timeout=5))
        self.end()

    def _release(self) -> None:
        self._socket.close()

    # --- frames -----------------------------------------------------------------------------------------------

    async def _exchange(self, data: bytes) -> Answer | None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer | None] = loop.create_future()
        received = bytearray()
        descriptor = self._socket.fileno()
        loop.add_reader(descriptor, self._read_frame, received, answer)
        try:
            with self._listening():
                if data:
                    await self._send(loop, data)
                return await answer
        finally:
            loop.remove_reader(descriptor)

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

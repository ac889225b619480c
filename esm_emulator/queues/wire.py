"""Plain HTTP to a server on this machine, on the loop's own thread: boto3 without urllib3 and without worker threads.

A call to a queue on this machine is bound by Python, not by the network. A third of boto3's share is what urllib3 and
botocore's session around it do for the sake of proxies, TLS, redirects and far hosts; and between threads, each answer
has to wait for the interpreter's lock before the loop has it. None of that is needed here. botocore asks handlers of
its ``before-send`` event whether somebody has the answer to a request; :meth:`Wire.send` is one. It runs in a greenlet,
so that botocore's blocking code around it can be put aside while the loop waits for the answer. Responses are read by
the standard library, so lengths, chunks and closed connections are its business.

For servers elsewhere, and for https, there are urllib3 and threads.
"""

from __future__ import annotations

import asyncio
import io
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from botocore.compat import HTTPHeaders

__all__ = ["Wire"]

T = TypeVar("T")


class Wire:
    """The connections to one server; a call takes one that is free or makes one. For use on one loop."""

    def __init__(self, endpoint: str, connect_timeout_s: float, read_timeout_s: float) -> None:
        parts = urlsplit(endpoint)
        self._endpoint = endpoint
        self._address = (parts.hostname or "", parts.port or 80)
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._free: deque[_Line] = deque()
        self._closed = False

    async def run(self, call: Callable[[], T], *, cut_off: bool = False) -> T:
        """Run blocking code that waits for nothing but :meth:`send`; its result or error.

        It is waited for even when cancelled, unless it may be ``cut_off``.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        code = greenlet(call)
        with anyio.CancelScope(shield=not cut_off):
            said = code.switch()
            while not code.dead:
                try:
                    answer = await said
                except BaseException as error:  # noqa: BLE001 # it is the code's to handle, cancellation too
                    said = code.throw(error)
                else:
                    said = code.switch(answer)
        return cast("T", said)

    def send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Handler of ``before-send``, for code in :meth:`run`. Raises botocore's errors for what happens on the way."""
        line = self._line()
        kept = False
        try:
            line.write(_bytes(request))
            with closing(HTTPResponse(cast("socket.socket", line), method="POST")) as response:
                response.begin()
                content = response.read()
            kept = not (response.will_close or self._closed)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._endpoint, error=error) from error
        except (OSError, HTTPException) as error:
            raise ConnectionClosedError(endpoint_url=self._endpoint, error=error) from error
        finally:
            self._free.append(line) if kept else line.close()
        headers = cast("HTTPHeaders", dict(response.getheaders()))
        return AWSResponse(request.url, response.status, headers, _Raw(content))

    async def close(self) -> None:
        """Close the connections that are free now, and the others when they become so."""
        self._closed = True
        lines = [*self._free]
        self._free.clear()
        with anyio.CancelScope(shield=True):
            for line in lines:
                line.close()
                await line.ended.wait()

    def _line(self) -> _Line:
        """The free one that was used last, if the server has not closed it meanwhile."""
        while self._free:
            line = self._free.pop()
            if line.is_quiet:
                return line
            line.close()
        return _wait(self._connect())

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, line = await loop.create_connection(lambda: _Line(loop, self._read_timeout_s), *self._address)
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._endpoint, error=error) from error
        return line


def _wait(awaitable: Awaitable[T]) -> T:
    """Put the running code aside until the loop has what it waits for."""
    parent = getcurrent().parent
    assert parent is not None  # code of Wire.run has one
    return cast("T", parent.switch(awaitable))


class _Line(asyncio.Protocol):
    """One connection, as a socket for who sends and a file for who reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self.ended = anyio.Event()
        self._loop = loop
        self._timeout_s = timeout_s
        self._data = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    # --- what the loop calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep it for the reader."""
        self._data += data
        self._wake(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The reader comes to the end of its file."""
        self.ended.set()
        self._wake(exc)

    def _wake(self, error: Exception | None) -> None:
        reader, self._reader = self._reader, None
        if reader is None or reader.done():
            return
        if error is None:
            reader.set_result(None)
        else:
            reader.set_exception(error)

    # --- what a sender calls ----------------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come on an idle line: an end, or bytes that nobody asked for, make it useless."""
        return not (self._data or self.ended.is_set())

    def write(self, data: bytes) -> None:
        """Send."""
        assert self._transport is not None
        self._transport.write(data)

    def makefile(self, _: str) -> io.BufferedReader:
        """The file that :class:`~http.client.HTTPResponse` reads."""
        return io.BufferedReader(_Incoming(self))

    def read_some(self, most: int) -> bytes:
        """Up to ``most`` bytes, waiting for the first; none at the end. Raises ``TimeoutError``."""
        if not self._data and not self.ended.is_set():
            self._reader = self._loop.create_future()
            timer = self._loop.call_later(self._timeout_s, self._wake, TimeoutError("no answer in time"))
            try:
                _wait(self._reader)
            finally:
                timer.cancel()
        some = bytes(self._data[:most])
        del self._data[:most]
        return some

    def close(self) -> None:
        """Close."""
        assert self._transport is not None
        self._transport.close()


class _Incoming(io.RawIOBase):
    """What comes in on a line."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes, or none at the end."""
        some = self._line.read_some(len(buffer))
        buffer[: len(some)] = some
        return len(some)


class _Raw:
    """A body as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        """All of it."""
        yield self._content


def _bytes(request: AWSPreparedRequest) -> bytes:
    """The request on the wire, in one piece."""
    parts = urlsplit(request.url)
    body = request.body
    assert isinstance(body, bytes)  # as SQS's protocol is serialized
    lines = [f"{request.method} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += (f"{name}: {_text(value)}" for name, value in request.headers.items())
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _text(value: str | bytes) -> str:
    """A header's value; botocore keeps those that it signs as bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else value

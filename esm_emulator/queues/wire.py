"""Plain HTTP to a server on this machine, in place of urllib3: what botocore has prepared out, what is answered in.

A call over HTTP to a queue on this machine is bound by Python, not by the network, and a third of it is what urllib3
and botocore's session around it do for the sake of proxies, TLS, redirects and far hosts. None of that is needed here.
botocore asks handlers of its ``before-send`` event whether somebody has the answer to a request; this is one. Responses
are read by the standard library, so chunks, lengths and closed connections are its business.

For servers elsewhere, and for https, urllib3 stays.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

if TYPE_CHECKING:
    from botocore.compat import HTTPHeaders

__all__ = ["Wire"]


class Wire:
    """The connections to one server; a call takes one that is free or makes one. For use from any thread."""

    def __init__(self, endpoint: str, connect_timeout_s: float, read_timeout_s: float) -> None:
        parts = urlsplit(endpoint)
        self._endpoint = endpoint
        self._address = (parts.hostname or "", parts.port or 80)
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._free: deque[socket.socket] = deque()
        self._closed = False

    def send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Handler of ``before-send``. Raises botocore's own errors for what happens on the way."""
        connection = self._connection()
        kept = False
        try:
            connection.sendall(_bytes(request))
            with closing(HTTPResponse(connection, method="POST")) as response:
                response.begin()
                content = response.read()
            kept = not (response.will_close or self._closed)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._endpoint, error=error) from error
        except (OSError, HTTPException) as error:
            raise ConnectionClosedError(endpoint_url=self._endpoint, error=error) from error
        finally:
            self._free.append(connection) if kept else connection.close()
        headers = cast("HTTPHeaders", dict(response.getheaders()))
        return AWSResponse(request.url, response.status, headers, _Raw(content))

    def close(self) -> None:
        """Close the connections that are free now, and the others when they become so."""
        self._closed = True
        while self._free:
            self._free.pop().close()

    def _connection(self) -> socket.socket:
        """The free one that was used last, if the server has not closed it meanwhile."""
        while True:
            try:
                connection = self._free.pop()
            except IndexError:
                return self._connect()
            if _is_quiet(connection):
                return connection
            connection.close()

    def _connect(self) -> socket.socket:
        try:
            connection = socket.create_connection(self._address, self._connect_timeout_s)
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._endpoint, error=error) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self._read_timeout_s)
        return connection


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


def _is_quiet(connection: socket.socket) -> bool:
    """Whether nothing has come on an idle connection: an end, or bytes that nobody asked for, make it useless."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return not poll.poll(0)

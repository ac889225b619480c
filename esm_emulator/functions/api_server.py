"""HTTP/1.1 for one client at a time on 127.0.0.1: requests in, answers out, connections kept alive.

As much of a server as Lambda's Runtime API needs. It answers only who calls it by the address it listens on, so that a
page in a browser, whose requests carry another ``Host``, gets nothing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import h11
from anyio.abc import ByteStream

__all__ = ["Answerer", "Request", "Response", "converse", "refusal"]

_CHUNK = 262_144


@dataclass(frozen=True, slots=True)
class Request:
    """A request. ``headers`` have lower-case names; ``body`` is None when it was longer than was allowed."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; its body is JSON."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Answerer = Callable[[Request], Awaitable[Response]]


async def converse(stream: ByteStream, host: str, answer: Answerer, longest: Callable[[], int]) -> None:
    """Serve one connection until either side ends it. ``longest`` says how many bytes of a body are kept."""
    connection = h11.Connection(h11.SERVER)
    try:
        while await _serve_one(stream, connection, host, answer, longest):
            connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await _send(stream, connection, refusal(error.error_status_hint, "BadRequest", str(error)))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        return  # it has gone


async def _serve_one(
    stream: ByteStream, connection: h11.Connection, host: str, answer: Answerer, longest: Callable[[], int]
) -> bool:
    """Answer one request; whether there can be another."""
    head = await _event(stream, connection)
    if not isinstance(head, h11.Request):
        return False
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    body = await _body(stream, connection, longest())
    request = Request(head.method.decode("latin-1"), head.target.decode("latin-1"), headers, body)
    if headers.get("host") != host:
        response = refusal(403, "Forbidden", f"call this server {host}")
    else:
        response = await answer(request)
    await _send(stream, connection, response)
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


async def _event(stream: ByteStream, connection: h11.Connection) -> object:
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA:
            return event
        if connection.they_are_waiting_for_100_continue:
            await stream.send(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        try:
            data = await stream.receive(_CHUNK)
        except anyio.EndOfStream:
            data = b""
        connection.receive_data(data)


async def _body(stream: ByteStream, connection: h11.Connection, longest: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while isinstance(event := await _event(stream, connection), h11.Data):
        size += len(event.data)
        if size <= longest:
            parts.append(bytes(event.data))
    return b"".join(parts) if size <= longest else None


async def _send(stream: ByteStream, connection: h11.Connection, response: Response) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(response.body)), **response.headers}
    head = h11.Response(status_code=response.status, headers=list(headers.items()))
    parts = (connection.send(head), connection.send(h11.Data(data=response.body)), connection.send(h11.EndOfMessage()))
    await stream.send(b"".join(part for part in parts if part))


def refusal(status: int, error_type: str, message: str) -> Response:
    """An answer that says no, in the shape of the Runtime API."""
    return Response(status, json.dumps({"errorType": error_type, "errorMessage": message}).encode())

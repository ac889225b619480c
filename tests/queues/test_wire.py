"""Plain HTTP to a server on this machine: connections are kept, and every way to lose one is an error of botocore's."""

from __future__ import annotations

import socket
import threading
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from esm_emulator.queues.wire import Wire

pytestmark = pytest.mark.anyio

CLOSE = "close"
HANG = "hang"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"
ENDLESS = b"HTTP/1.0 200 OK\r\n\r\nok"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"
EMPTY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Server:
    """Answers each request of each connection with the next line of its script."""

    def __init__(self, script):
        self.script = list(script)
        self.requests = []
        self.connections = []
        self.asked = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        self.closed = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.threads.append(threading.Thread(target=self.serve, args=(connection,)))
            self.threads[-1].start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            while request := self.read(lines):
                self.requests.append(request)
                self.asked.release()
                answer = self.script.pop(0)
                if answer == HANG:
                    self.let_go.wait()
                    return
                self.hold.wait()
                if answer != CLOSE:
                    connection.sendall(answer)
                if answer in (CLOSE, CUT, ENDLESS, LAST):
                    break
                if self.script and self.script[0] == CLOSE:
                    self.script.pop(0)
                    break
        self.closed.set()

    def read(self, lines):
        head = []
        while (line := lines.readline()) not in (b"\r\n", b""):
            head.append(line.decode().rstrip())
        sizes = [int(line.split(":")[1]) for line in head if line.lower().startswith("content-length")]
        return (head, lines.read(sizes[0])) if head else None

    def close(self):
        self.let_go.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()


@asynccontextmanager
async def wired(*script, timeout_s=5.0):
    server = Server(script)
    wire = Wire(server.url, 1.0, timeout_s)
    try:
        yield server, wire
    finally:
        await wire.close()
        await anyio.to_thread.run_sync(server.close)


async def send(server, wire, body=b"{}"):
    return await wire.run(lambda: wire.send(request(server, body)))


def request(server, body=b"{}"):
    made = AWSRequest("POST", f"{server.url}/", data=body, headers={"X-Amz-Target": "AmazonSQS.ReceiveMessage"})
    return made.prepare()


async def test_what_botocore_prepared_is_what_is_sent():
    """Request line, host, headers and body."""
    async with wired(PLAIN) as (server, wire):
        await send(server, wire, b'{"a":1}')
    (head, body) = server.requests[0]
    assert head[0] == "POST / HTTP/1.1"
    assert f"Host: {server.url.removeprefix('http://')}" in head
    assert "X-Amz-Target: AmazonSQS.ReceiveMessage" in head
    assert body == b'{"a":1}'


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED, ENDLESS, LAST])
async def test_an_answer_is_read_however_its_end_is_told(answer):
    """By length, in chunks, or by the end of the connection."""
    async with wired(answer) as (server, wire):
        response = await send(server, wire)
    assert (response.status_code, response.content) == (200, b"ok")


async def test_an_answer_without_a_body_has_its_status_and_headers():
    """A 503 is an answer like any other."""
    async with wired(EMPTY) as (server, wire):
        response = await send(server, wire)
    assert (response.status_code, response.content, response.headers["content-length"]) == (503, b"", "0")


async def test_a_connection_is_kept():
    """One call after another takes one connection."""
    async with wired(PLAIN, CHUNKED, PLAIN) as (server, wire):
        for _ in range(3):
            await send(server, wire)
        assert len(server.connections) == 1


async def test_calls_at_the_same_time_have_a_connection_each():
    """One connection for each poller, and none waits for another."""
    failed = []

    async def call(server, wire):
        with pytest.raises(ConnectionClosedError):
            await send(server, wire)
        failed.append(True)

    async with wired(HANG, HANG, HANG) as (server, wire), anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call, server, wire)
        for _ in range(3):
            assert await anyio.to_thread.run_sync(server.asked.acquire, True, 5)
        server.let_go.set()
    assert (len(server.connections), len(failed)) == (3, 3)


async def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again():
    """Servers close what has been idle for long; the next call must not fail for it."""
    async with wired(PLAIN, CLOSE, PLAIN) as (server, wire):
        await send(server, wire)
        assert await anyio.to_thread.run_sync(server.closed.wait, 5)
        await anyio.lowlevel.checkpoint()
        assert (await send(server, wire)).content == b"ok"
        assert len(server.connections) == 2


@pytest.mark.parametrize("answer", [CLOSE, CUT, b"nonsense\r\n\r\n"])
async def test_an_answer_that_breaks_off_is_a_closed_connection(answer):
    """It is not asked again here: whoever called knows whether that is safe."""
    async with wired(answer) as (server, wire):
        with pytest.raises(ConnectionClosedError):
            await send(server, wire)
        assert len(server.requests) == 1


async def test_an_answer_that_does_not_come_is_a_read_timeout():
    """After the time that is far longer than any long poll."""
    async with wired(HANG, timeout_s=0.05) as (server, wire):
        with pytest.raises(ReadTimeoutError):
            await send(server, wire)


async def test_nobody_listening_is_a_connection_error():
    """With the endpoint in its text."""
    wire = Wire("http://127.0.0.1:1", 1.0, 1.0)
    prepared = AWSRequest("POST", "http://127.0.0.1:1/", data=b"{}").prepare()
    with pytest.raises(EndpointConnectionError, match=r"http://127\.0\.0\.1:1"):
        await wire.run(lambda: wire.send(prepared))


async def test_nothing_is_kept_after_closing():
    """A late call closes its own connection; a socket left open would warn, and warnings fail."""
    async with wired(PLAIN, PLAIN) as (server, wire):
        await send(server, wire)
        await wire.close()
        await send(server, wire)
        assert await anyio.to_thread.run_sync(server.closed.wait, 5)


async def test_a_call_is_waited_for_when_its_caller_is_cancelled():
    """A long poll that is cut off swallows the next message; what it brings is the caller's."""
    brought = []

    async def call(server, wire):
        brought.append(await send(server, wire))

    async with wired(PLAIN) as (server, wire):
        server.hold.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, server, wire)
            assert await anyio.to_thread.run_sync(server.asked.acquire, True, 5)
            tasks.cancel_scope.cancel()
            server.hold.set()
    assert brought[0].content == b"ok"


async def test_a_call_that_may_be_cut_off_ends_with_its_caller():
    """And its connection is not used again."""
    async with wired(HANG, PLAIN) as (server, wire):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(wire.run, lambda: wire.send(request(server)), cut_off=True))
            assert await anyio.to_thread.run_sync(server.asked.acquire, True, 5)
            tasks.cancel_scope.cancel()
        assert (await send(server, wire)).content == b"ok"
        assert len(server.connections) == 2

"""Plain HTTP to a server on this machine: connections are kept, and every way to lose one is an error of botocore's."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from esm_emulator.queues.wire import Wire

CLOSE = "close"
HANG = "hang"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"
ENDLESS = b"HTTP/1.0 200 OK\r\n\r\nok"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"
EMPTY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Answers each request of each connection with the next line of its script."""

    def __init__(self, script):
        self.script = list(script)
        self.requests = []
        self.connections = []
        self.asked = threading.Semaphore(0)
        self.let_go = threading.Event()
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


@contextmanager
def wired(*script, timeout_s=5.0):
    server = Server(script)
    wire = Wire(server.url, 1.0, timeout_s)
    try:
        yield server, wire
    finally:
        wire.close()
        server.close()


def request(server, body=b"{}"):
    made = AWSRequest("POST", f"{server.url}/", data=body, headers={"X-Amz-Target": "AmazonSQS.ReceiveMessage"})
    return made.prepare()


def test_what_botocore_prepared_is_what_is_sent():
    """Request line, host, headers and body."""
    with wired(PLAIN) as (server, wire):
        wire.send(request(server, b'{"a":1}'))
    (head, body) = server.requests[0]
    assert head[0] == "POST / HTTP/1.1"
    assert f"Host: {server.url.removeprefix('http://')}" in head
    assert "X-Amz-Target: AmazonSQS.ReceiveMessage" in head
    assert body == b'{"a":1}'


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED, ENDLESS, LAST])
def test_an_answer_is_read_however_its_end_is_told(answer):
    """By length, in chunks, or by the end of the connection."""
    with wired(answer) as (server, wire):
        response = wire.send(request(server))
    assert (response.status_code, response.content) == (200, b"ok")


def test_an_answer_without_a_body_has_its_status_and_headers():
    """A 503 is an answer like any other."""
    with wired(EMPTY) as (server, wire):
        response = wire.send(request(server))
    assert (response.status_code, response.content, response.headers["content-length"]) == (503, b"", "0")


def test_a_connection_is_kept():
    """One call after another takes one connection."""
    with wired(PLAIN, CHUNKED, PLAIN) as (server, wire):
        for _ in range(3):
            wire.send(request(server))
        assert len(server.connections) == 1


def test_calls_at_the_same_time_have_a_connection_each():
    """One connection for each poller."""
    with wired(HANG, HANG, HANG) as (server, wire), ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(wire.send, request(server)) for _ in range(3)]
        for _ in calls:
            assert server.asked.acquire(timeout=5)
        server.let_go.set()
        for call in calls:
            with pytest.raises(ConnectionClosedError):
                call.result()
    assert len(server.connections) == 3


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again():
    """Servers close what has been idle for long; the next call must not fail for it."""
    with wired(PLAIN, CLOSE, PLAIN) as (server, wire):
        wire.send(request(server))
        assert server.closed.wait(5)
        assert wire.send(request(server)).content == b"ok"
        assert len(server.connections) == 2


@pytest.mark.parametrize("answer", [CLOSE, CUT, b"nonsense\r\n\r\n"])
def test_an_answer_that_breaks_off_is_a_closed_connection(answer):
    """It is not asked again here: whoever called knows whether that is safe."""
    with wired(answer) as (server, wire), pytest.raises(ConnectionClosedError):
        wire.send(request(server))
    assert len(server.requests) == 1


def test_an_answer_that_does_not_come_is_a_read_timeout():
    """After the time that is far longer than any long poll."""
    with wired(HANG, timeout_s=0.05) as (server, wire), pytest.raises(ReadTimeoutError):
        wire.send(request(server))


def test_nobody_listening_is_a_connection_error():
    """With the endpoint in its text."""
    wire = Wire("http://127.0.0.1:1", 1.0, 1.0)
    prepared = AWSRequest("POST", "http://127.0.0.1:1/", data=b"{}").prepare()
    with pytest.raises(EndpointConnectionError, match=r"http://127\.0\.0\.1:1"):
        wire.send(prepared)


def test_nothing_is_kept_after_closing():
    """A late call closes its own connection; a socket left open would warn, and warnings fail."""
    with wired(PLAIN, PLAIN) as (server, wire):
        wire.send(request(server))
        wire.close()
        wire.send(request(server))
        assert server.closed.wait(5)

"""The embedded AWS over HTTP: whom it answers, how long polls wait there, and how it closes."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from botocore.exceptions import BotoCoreError

from esm_emulator.clocks.real import RealClock
from esm_emulator.errors import UsageError
from esm_emulator.sqs import NewMessage, QueueSettings
from tests.queues.fronts import Run, http_client

SOON_S = 1.0  # an answer that comes at once, on a machine with much else to do


@pytest.fixture
def run():
    run = Run(clock=RealClock())
    run.sqs.create("orders", QueueSettings())
    return run


@pytest.fixture
def server(run):
    with run.aws.serve() as server:
        yield server


def _post(port, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        body = "Action=ListQueues&Version=2012-11-05"
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/sqs/aws4_request, Signature=0"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/", body=body, headers=signed | form | headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _until(condition):
    """Wait until something is so that nobody announces; a second at most."""
    for _ in range(200):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come to be")


def _waiting(run):
    return len(run.sqs._waiting._lines.get("orders", ()))


def _threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith(("esm-emulator", "Thread-"))}


# --- whom it answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "localhost", "bucket.localhost:{port}", "[::1]:{port}"]
)
def test_this_machine_is_answered(server, host):
    """Safety: names of this machine."""
    assert _post(server.port, {"Host": host.format(port=server.port)}) == 200


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1.evil.example.com:{port}", "localhost.evil.example.com", "", "[::"]
)
def test_another_name_is_refused(server, host):
    """Safety: a web page that makes its own name point here (DNS rebinding) gets nothing."""
    assert _post(server.port, {"Host": host.format(port=server.port)}) == 403


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:3000", 200), ("https://evil.example.com", 403), ("null", 403)]
)
def test_a_page_from_elsewhere_is_refused(server, origin, status):
    """Safety: a browser says where a page is from; only this machine's own may use the queues."""
    assert _post(server.port, {"Origin": origin}) == status


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_nobody_signed_reaches_a_queue(run, server, method):
    """SQS-1: ``curl`` at a queue's URL needs no signature."""
    queue_url = run.aws.queue_url(run.sqs.find("orders"), server.url)
    url = f"{queue_url}?Action=SendMessage&MessageBody=hello"
    urllib.request.urlopen(urllib.request.Request(url, method=method)).close()
    (message,) = run.sqs.messages(run.sqs.find("orders"))
    assert message.body == "hello"


def test_a_json_request_that_nobody_signed_is_answered(server):
    """SQS-1: the target says that it is for SQS."""
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
    with urllib.request.urlopen(urllib.request.Request(server.url, data=b"{}", headers=headers)) as answer:
        assert json.load(answer) == {"QueueUrls": [f"{server.url}/123456789012/orders"]}


def test_a_large_object_comes_back_as_it_was(server):
    """A body that is announced first (Expect: 100-continue), HEAD without a body, and a connection that stays open."""
    content = os.urandom(3_000_000)
    with http_client(server.url, "s3") as s3:
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="k", Body=content)
        assert s3.head_object(Bucket="bucket", Key="k")["ContentLength"] == len(content)
        assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == content
        s3.delete_object(Bucket="bucket", Key="k")
        assert "Contents" not in s3.list_objects_v2(Bucket="bucket")


def test_a_fault_inside_is_an_answer(run, server, monkeypatch):
    """Whatever breaks while a request is answered is told to that client as a 500; the next one is served."""

    def break_(*_):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(run.aws.api, "call", break_)
        assert _post(server.port, {}) == 500
    assert _post(server.port, {}) == 200


def test_it_listens_on_this_machine_only(server):
    """Safety: bound to 127.0.0.1."""
    assert server.url == f"http://127.0.0.1:{server.port}"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", server.port), timeout=SOON_S):
        pass


def test_a_port_of_ones_own_choice(run):
    """The port that is asked for is the one that is used."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with run.aws.serve(port) as server:
        assert server.port == port


def test_a_port_that_is_taken_is_told(run):
    """One sentence that names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 cannot be used"), run.aws.serve(port):
            pass


def test_nothing_is_logged(server, capfd):
    """Requests, good and bad, leave stderr and stdout alone."""
    _post(server.port, {})
    _post(server.port, {"Host": "evil.example.com"})
    with socket.create_connection(("127.0.0.1", server.port)) as nonsense:
        nonsense.sendall(b"nonsense\r\n\r\n")
        nonsense.recv(1000)
    assert capfd.readouterr() == ("", "")


# --- long polls -----------------------------------------------------------------------------------------------------


def test_a_long_poll_ends_with_the_message_that_comes(run, server):
    """SQS-21: a receive that waits is answered as soon as something is sent, whoever sends it."""
    orders = run.sqs.find("orders")
    with http_client(server.url) as client, ThreadPoolExecutor(1) as pool:
        poll = pool.submit(client.receive_message, QueueUrl="orders", WaitTimeSeconds=20)
        _until(lambda: _waiting(run))
        began = time.monotonic()
        run.sqs.send(orders, NewMessage("at last"))
        assert poll.result()["Messages"][0]["Body"] == "at last"
        assert time.monotonic() - began < SOON_S


def test_a_long_poll_ends_with_a_visibility_timeout(run, server):
    """SQS-20, SQS-21: a message that becomes visible again ends the wait by itself."""
    orders = run.sqs.find("orders")
    run.sqs.send(orders, NewMessage("again"))
    run.sqs.receive(orders, 1, visibility_ms=100)
    with http_client(server.url) as client:
        assert client.receive_message(QueueUrl="orders", WaitTimeSeconds=20)["Messages"][0]["Body"] == "again"


@pytest.mark.slow
def test_a_long_poll_without_a_message_really_waits(server):
    """SQS-21: it is answered, with nothing, when its time is over."""
    with http_client(server.url) as client:
        began = time.monotonic()
        assert "Messages" not in client.receive_message(QueueUrl="orders", WaitTimeSeconds=1)
        assert 0.9 < time.monotonic() - began < 1 + 2 * SOON_S


def test_a_queue_may_make_every_receive_a_long_poll(run, server):
    """SQS-5: ReceiveMessageWaitTimeSeconds is the default of a receive."""
    orders = run.sqs.find("orders")
    run.sqs.configure(orders, QueueSettings(receive_message_wait_time_seconds=20))
    with http_client(server.url) as client, ThreadPoolExecutor(1) as pool:
        poll = pool.submit(client.receive_message, QueueUrl="orders")
        _until(lambda: _waiting(run))
        run.sqs.send(orders, NewMessage("x"))
        assert poll.result()["Messages"]


# --- closing --------------------------------------------------------------------------------------------------------


def test_closing_answers_open_long_polls(run):
    """Nobody is left hanging: an open long poll gets an empty answer, and the next request no connection."""
    with ThreadPoolExecutor(3) as pool, ExitStack() as clients:
        with run.aws.serve() as server:
            client = clients.enter_context(http_client(server.url))
            polls = [pool.submit(client.receive_message, QueueUrl="orders", WaitTimeSeconds=20) for _ in range(3)]
            _until(lambda: _waiting(run) == 3)
            began = time.monotonic()
        assert time.monotonic() - began < SOON_S
        assert all("Messages" not in poll.result() for poll in polls)
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port)):
        pass


def test_closing_ends_every_thread(run):
    """Connections that clients keep open are closed, and their threads end."""
    before = _threads()
    with run.aws.serve() as server, http_client(server.url) as client:
        client.list_queues()
        assert len(_threads() - before) == 2
    _until(lambda: not _threads() - before)


def test_a_client_that_polls_on_does_not_hold_up_the_end(run):
    """A consumer that asks again at once is refused, not served, while the server closes."""

    def consume(client):
        try:
            while True:
                client.receive_message(QueueUrl="orders", WaitTimeSeconds=20)
        except BotoCoreError as error:
            return error

    with ThreadPoolExecutor(1) as pool, ExitStack() as clients:
        with run.aws.serve() as server:
            consumer = pool.submit(consume, clients.enter_context(http_client(server.url)))
            _until(lambda: _waiting(run))
            began = time.monotonic()
        assert time.monotonic() - began < SOON_S
        assert isinstance(consumer.result(), BotoCoreError)


def test_idle_it_does_nothing(run):
    """An idle server wakes nobody: no CPU time passes that a clock could see."""
    with run.aws.serve() as server:
        _post(server.port, {})
        before = os.times()
        time.sleep(0.2)
        after = os.times()
    assert (after.user + after.system) - (before.user + before.system) <= 0.02

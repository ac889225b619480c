"""An emulator that is killed at the worst moment loses nothing, and two on one queue share the work.

The queue is on a server in a process of its own, which knows nothing of what happens to its clients: moto's own, or,
where what is left is counted to the message, one that does not lose what is done at once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.queues.stages import boto3_client

pytestmark = pytest.mark.slow

VISIBILITY_S = 2
HANDLER = Path(__file__).parent / "handler"


class Chaos:
    """One queue with messages, and a log of what handlers did with them."""

    def __init__(self, url, name, log):
        self.client = boto3_client(url)
        attributes = {"VisibilityTimeout": str(VISIBILITY_S)}
        self.queue = self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.log = log
        log.touch()

    def send(self, count, delay_s=0):
        for start in range(0, count, 10):
            numbers = range(start, min(count, start + 10))
            entries = [{"Id": str(n), "MessageBody": f"m{n}", "DelaySeconds": delay_s} for n in numbers]
            self.client.send_message_batch(QueueUrl=self.queue, Entries=entries)

    @contextmanager
    def emulator(self, name, hold_ms=0, isolation="process"):
        """``esm run`` in a process of its own; interrupted once at the end if it still lives."""
        variables = {"LOG": str(self.log), "NAME": name, "HOLD_MS": str(hold_ms)}
        command = [sys.executable, "-m", "esm_emulator", "run", "--handler", "app.handler", "--code", str(HANDLER)]
        command += ["--queue-url", self.queue, "--isolation", isolation, "--maximum-concurrency", "3"]
        command += ["--function-timeout", "60"]
        for item in variables.items():
            command += ["--env", "=".join(item)]
        with subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            said, polling = [], threading.Event()

            def read():
                for line in process.stderr:
                    said.append(line)
                    if line.startswith("Polling"):
                        polling.set()
                polling.set()

            reader = threading.Thread(target=read)
            reader.start()
            try:
                assert polling.wait(30)
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(30)
                reader.join()
            assert process.returncode in (0, -signal.SIGKILL), "".join(said)

    def lines(self):
        """What handlers wrote: (name, begun or done, body)."""
        return [tuple(line.split()) for line in self.log.read_text().splitlines()]

    def seen(self, what):
        """Bodies that were begun or done, with how often."""
        return Counter(body for _, word, body in self.lines() if word == what)

    def left(self):
        """How many messages the server still has."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)


@pytest.fixture
def chaos(own_moto, tmp_path, request):
    yield from chaos_at(own_moto, tmp_path, request)


@pytest.fixture
def orderly(served_queues, tmp_path, request):
    yield from chaos_at(served_queues, tmp_path, request)


def chaos_at(url, tmp_path, request):
    made = Chaos(url, request.node.name.replace("[", "-").replace("]", ""), tmp_path / "log")
    yield made
    made.client.close()


def until(condition, seconds=30):
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_killed_between_receive_and_delete(chaos, isolation):
    """What was received and not deleted comes back after its visibility timeout and is processed by the next run."""
    chaos.send(20)
    with chaos.emulator("first", hold_ms=60_000, isolation=isolation) as process:
        until(lambda: len(chaos.seen("begun")) >= 10)
        process.kill()
    assert not chaos.seen("done")
    assert chaos.left() == 20
    with chaos.emulator("second", isolation=isolation):
        until(lambda: chaos.left() == 0)
    assert set(chaos.seen("done")) == {f"m{n}" for n in range(20)}


@pytest.mark.parametrize("done", [1, 40])
def test_killed_in_the_middle_of_the_work(chaos, done):
    """Whatever it was doing: every message is processed, none is lost, and what was deleted had been done."""
    chaos.send(100)
    with chaos.emulator("first", hold_ms=5) as process:
        until(lambda: sum(chaos.seen("done").values()) >= done)
        process.kill()
    before = chaos.seen("done")
    assert chaos.left() >= 100 - len(before)
    with chaos.emulator("second"):
        until(lambda: chaos.left() == 0)
    assert set(chaos.seen("done")) == {f"m{n}" for n in range(100)}


def test_killed_again_and_again(chaos):
    """A queue outlives any number of emulators."""
    chaos.send(60)
    for number in range(2):
        with chaos.emulator(f"run{number}", hold_ms=20) as process:
            until(lambda number=number: any(name == f"run{number}" for name, *_ in chaos.lines()))
            process.kill()
    with chaos.emulator("last"):
        until(lambda: chaos.left() == 0)
    assert set(chaos.seen("done")) == {f"m{n}" for n in range(60)}


def test_a_stop_in_the_middle_leaves_nothing_behind_that_is_hidden(orderly):
    """What runs is settled, what was only received goes back at once (POLL-20): the next run need not wait."""
    orderly.send(100)
    with orderly.emulator("first", hold_ms=20):
        until(lambda: orderly.seen("done"))
    names = ["ApproximateNumberOfMessagesNotVisible"]
    answer = orderly.client.get_queue_attributes(QueueUrl=orderly.queue, AttributeNames=names)
    assert answer["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "0"}
    assert orderly.left() == 100 - len(orderly.seen("done"))
    assert orderly.seen("begun") == orderly.seen("done")


def test_two_emulators_share_one_queue(orderly):
    """Both work, and everything is done, once."""
    with orderly.emulator("one", hold_ms=10), orderly.emulator("two", hold_ms=10):
        orderly.send(200, delay_s=1)  # until then both have come to poll
        until(lambda: len(orderly.seen("done")) == 200)
    assert orderly.seen("done") == {f"m{n}": 1 for n in range(200)}
    assert {name for name, *_ in orderly.lines()} == {"one", "two"}
    assert orderly.left() == 0

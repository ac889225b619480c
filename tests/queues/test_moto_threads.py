"""Many clients at once: nothing is lost, nothing comes twice, nothing that was deleted comes back.

moto's own queues have no lock, and with as many threads duplicates, lost messages and deletes that were undone were
provoked. Here the engine's lock stands between them, whichever way they come.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from esm_emulator.clocks.real import RealClock
from esm_emulator.journal import MessageDeleted, MessageReceived
from esm_emulator.queues.moto_backend import hook
from esm_emulator.sqs import QueueSettings
from tests.queues.fronts import Run, http_client, new_client

SENDERS, EACH = 4, 40


@pytest.fixture
def run():
    return Run(clock=RealClock())


@pytest.fixture
def clients(run):
    """A client for each way in, safe for use by several threads as boto3's clients are."""
    with run.aws.patched(), run.aws.serve() as server, http_client(server.url) as remote:
        short, long = new_client("sqs"), new_client("sqs")
        long.meta.events.unregister("before-call.sqs", hook.answer)
        yield {"hook": short, "moto": long, "http": remote}


def _send(client, sender):
    for n in range(0, EACH, 4):
        entries = [{"Id": str(i), "MessageBody": f"{sender}/{n + i}"} for i in range(4)]
        assert len(client.send_message_batch(QueueUrl="q", Entries=entries)["Successful"]) == 4


def _consume(client, received, enough):
    while not enough.is_set():
        messages = client.receive_message(QueueUrl="q", MaxNumberOfMessages=3, WaitTimeSeconds=1).get("Messages", [])
        for message in messages:
            received.append(message["Body"])
            client.delete_message(QueueUrl="q", ReceiptHandle=message["ReceiptHandle"])
        if len(received) >= SENDERS * EACH:
            enough.set()


@pytest.mark.slow
def test_every_message_is_received_once_by_whoever_comes(run, clients):
    """Senders and consumers in every way at once: each message is received and deleted exactly once (SQS-20)."""
    queue = run.sqs.create("q", QueueSettings())
    received: list[str] = []
    enough = threading.Event()
    with ThreadPoolExecutor(10) as pool:
        ways = list(clients.values())
        consumers = [pool.submit(_consume, ways[n % 3], received, enough) for n in range(6)]
        senders = [pool.submit(_send, ways[n % 3], n) for n in range(SENDERS)]
        for future in senders + consumers:
            future.result()
    assert Counter(received) == Counter(f"{sender}/{n}" for sender in range(SENDERS) for n in range(EACH))
    assert run.sqs.counts(queue).total == 0
    assert len(run.facts(MessageReceived)) == len(run.facts(MessageDeleted)) == SENDERS * EACH


@pytest.mark.slow
def test_a_group_is_held_by_one_consumer_at_a_time(run, clients):
    """FIFO-1, FIFO-6: whatever the number of consumers, a group's messages are handled one by one and in order."""
    settings = QueueSettings(fifo_queue=True, content_based_deduplication=True)
    run.sqs.create("q.fifo", settings)
    for n in range(60):
        clients["hook"].send_message(QueueUrl="q.fifo", MessageBody=f"{n % 3}/{n}", MessageGroupId=str(n % 3))
    handled: list[str] = []
    holding: Counter[str] = Counter()
    overlaps: list[str] = []

    def consume(client):
        while len(handled) < 60:
            answer = client.receive_message(QueueUrl="q.fifo", AttributeNames=["MessageGroupId"], WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                group = message["Attributes"]["MessageGroupId"]
                holding[group] += 1
                if holding[group] > 1:
                    overlaps.append(group)
                handled.append(message["Body"])
                holding[group] -= 1
                client.delete_message(QueueUrl="q.fifo", ReceiptHandle=message["ReceiptHandle"])

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(consume, client) for client in list(clients.values()) * 2]:
            future.result()
    assert not overlaps
    for group in "012":
        assert [body for body in handled if body[0] == group] == [
            f"{group}/{n}" for n in range(60) if n % 3 == int(group)
        ]


def test_a_queue_that_all_create_at_once_is_one(run, clients):
    """CreateQueue by many at once: one queue, and everybody gets its URL."""
    with ThreadPoolExecutor(8) as pool:
        answers = [
            pool.submit(client.create_queue, QueueName="q", Attributes={"DelaySeconds": "1"})
            for client in list(clients.values()) * 4
        ]
        urls = {answer.result()["QueueUrl"].rpartition("/")[2] for answer in answers}
    assert urls == {"q"}
    assert len(run.sqs.queues) == 1


@pytest.mark.parametrize("way", ["hook", "moto", "http"])
def test_a_waiting_receive_holds_nobody_up(run, clients, way):
    """A long poll holds no lock: others send, receive and delete meanwhile, and one of them wakes it."""
    run.sqs.create("q", QueueSettings())
    run.sqs.create("other", QueueSettings())
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(clients[way].receive_message, QueueUrl="q", WaitTimeSeconds=20)
        for client in clients.values():
            client.send_message(QueueUrl="other", MessageBody="x")
            (message,) = client.receive_message(QueueUrl="other")["Messages"]
            client.delete_message(QueueUrl="other", ReceiptHandle=message["ReceiptHandle"])
        assert not poll.done()
        clients["hook"].send_message(QueueUrl="q", MessageBody="x")
        assert len(poll.result()["Messages"]) == 1

"""Handlers under virtual time that use boto3: their waits are virtual, whichever way their calls go."""

from __future__ import annotations

from functools import partial

import anyio
import boto3
import pytest

from esm_emulator.clocks import handlers
from esm_emulator.clocks.virtual import Session, VirtualClock
from esm_emulator.queues.moto_backend import hook
from esm_emulator.sqs import NewMessage, QueueSettings
from tests.queues.fronts import Run, new_client

pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning")


@pytest.fixture
def run():
    run = Run(clock=VirtualClock())
    run.sqs.create("orders", QueueSettings())
    return run


@pytest.fixture(params=["hook", "moto"])
def client(request, run):
    with run.aws.patched():
        client = new_client("sqs")
        if request.param == "moto":
            client.meta.events.unregister("before-call.sqs", hook.answer)
        yield client


def _play(run, *stories):
    """Play asynchronous stories side by side on a virtual loop; the milliseconds that it took."""

    async def play():
        run.sqs.attach()
        async with anyio.create_task_group() as group:
            for story in stories:
                group.start_soon(story)

    began = run.clock.now()
    with Session(run.clock) as session:
        session.run(play)
    return run.clock.now() - began


def test_a_long_poll_of_a_handler_takes_virtual_time(run, client):
    """SQS-21: twenty seconds without a message are over at once, and the clock says that they passed."""
    answers = []

    def handler():
        answers.append(client.receive_message(QueueUrl="orders", WaitTimeSeconds=20))

    assert _play(run, partial(run.clock.call, handler, timeout_ms=60_000)) == 20_000
    assert "Messages" not in answers[0]


def test_a_long_poll_of_a_handler_ends_with_the_message_of_another(run, client):
    """SQS-21: handlers overlap; what one sends ends the other's wait at that instant."""
    seen = []

    def receiver():
        answer = client.receive_message(QueueUrl="orders", WaitTimeSeconds=20)
        seen.append((answer["Messages"][0]["Body"], run.clock.now()))

    def sender():
        handlers.sleep(5_000)
        client.send_message(QueueUrl="orders", MessageBody="x")

    began = run.clock.now()
    _play(run, *(partial(run.clock.call, each, timeout_ms=60_000) for each in (receiver, sender)))
    assert seen == [("x", began + 5_000)]


def test_a_handler_whose_time_ends_in_a_long_poll_takes_no_message(run, client):
    """RUN-20: the timeout ends the wait, and a message that comes later is there for others."""
    queue = run.sqs.find("orders")

    async def call():
        with pytest.raises(TimeoutError):
            await run.clock.call(
                lambda: client.receive_message(QueueUrl="orders", WaitTimeSeconds=20), timeout_ms=3_000
            )
        run.sqs.send(queue, NewMessage("x"))
        await run.clock.sleep(20_000)

    _play(run, call)
    assert run.sqs.counts(queue).visible == 1


def test_a_visibility_timeout_ends_the_wait_of_a_handler(run, client):
    """SQS-20: a message that becomes visible in virtual time is received at that instant."""
    queue = run.sqs.find("orders")
    seen = []

    async def call():
        run.sqs.send(queue, NewMessage("x"))
        run.sqs.receive(queue, 1, visibility_ms=7_000)
        await run.clock.call(handler, timeout_ms=60_000)

    def handler():
        answer = client.receive_message(QueueUrl="orders", WaitTimeSeconds=20)
        seen.append(answer["Messages"][0]["Body"])

    assert _play(run, call) == 7_000
    assert seen == ["x"]


def test_a_test_between_two_steps_is_answered_at_once(run, client):
    """While the run is suspended nothing can arrive: a long poll of the test's own code does not wait."""
    with Session(run.clock) as session:
        session.call(run.sqs.attach)
        assert "Messages" not in client.receive_message(QueueUrl="orders", WaitTimeSeconds=20)
    assert run.clock.now_us == 0


def test_each_call_of_a_handler_may_take_time(client):
    """A profile's client latency is waited for before each call, SQS's and others'."""

    def wait():
        if handlers.in_handler():
            handlers.sleep(40)

    slow = Run(clock=VirtualClock(), before_call=wait)
    slow.sqs.create("orders", QueueSettings())

    def handler():
        client.send_message(QueueUrl="orders", MessageBody="x")
        new_client("s3").list_buckets()

    with slow.aws.patched():
        assert _play(slow, partial(slow.clock.call, handler, timeout_ms=60_000)) == 80


def test_two_handlers_share_a_table(run, client):
    """DynamoDB in handlers that overlap: what one puts, the other gets."""
    assert client
    resource = boto3.resource("dynamodb")
    table = resource.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    found = []

    def writer():
        table.put_item(Item={"id": "1"})

    def reader():
        handlers.sleep(1)
        found.append(table.get_item(Key={"id": "1"}).get("Item"))

    _play(run, *(partial(run.clock.call, each, timeout_ms=60_000) for each in (reader, writer)))
    assert found == [{"id": "1"}]

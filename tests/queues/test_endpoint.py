"""The endpoint adapter against a server that does what the test says."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import pytest

from esm_emulator.clocks.real import RealClock
from esm_emulator.errors import QueueNotFound, RemoteRefused, UsageError
from esm_emulator.journal import (
    DeleteFailed,
    EmptyReceives,
    Journal,
    MessageDeleted,
    MessageReceived,
    QueueTrouble,
    VisibilityChanged,
)
from esm_emulator.messages import MessageAttribute
from esm_emulator.profiles import PROFILES
from esm_emulator.queues import Stop, trouble
from esm_emulator.queues.endpoint import EndpointQueue
from tests.queues.scripted_sqs import Answer, error, message, scripted

pytestmark = pytest.mark.anyio

ARN = "arn:aws:sqs:eu-west-1:123456789012:orders"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No credentials or endpoints of whoever runs the tests; trouble is waited out at once."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setattr(trouble, "FIRST_WAIT_MS", 1)


@pytest.fixture
def sqs():
    with scripted() as server:
        yield server


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def open_queue(sqs, journal):
    """Open the scripted server's queue ``orders``; closed at the end."""

    @asynccontextmanager
    async def opened(name="orders", **more):
        url = f"{sqs.url}/123456789012/{name}"
        queue = await EndpointQueue.open(url, clock=RealClock(), journal=journal, **more)
        try:
            yield queue
        finally:
            await queue.close()

    return opened


def facts(journal, kind):
    return [fact for fact in journal if type(fact) is kind]


async def told(journal, kind):
    """Wait for a fact of that kind, written on this loop."""
    if not facts(journal, kind):
        event = anyio.Event()
        forget = journal.subscribe(lambda fact: event.set() if type(fact) is kind else None)
        with anyio.fail_after(10):
            await event.wait()
        forget()


def attributes(**values):
    return Answer({"Attributes": {"QueueArn": ARN, "VisibilityTimeout": "30", **values}})


# --- opening ------------------------------------------------------------------------------------------------


async def test_opening_reads_what_the_queue_is(sqs, open_queue):
    """ARN and kind come from the server; nothing is received."""
    sqs.script["GetQueueAttributes"] = [attributes()]
    async with open_queue(id="Orders") as queue:
        assert (queue.id, queue.arn, queue.fifo) == ("Orders", ARN, False)
    assert [name for name, _ in sqs.calls] == ["GetQueueAttributes"]


async def test_a_server_that_says_little_gets_the_arn_from_the_url(open_queue):
    """The logical id is the queue's name unless said otherwise; ``.fifo`` makes a FIFO queue."""
    async with open_queue("orders.fifo") as queue:
        assert queue.arn == "arn:aws:sqs:us-east-1:123456789012:orders.fifo"
        assert (queue.id, queue.fifo) == ("orders.fifo", True)


async def test_a_queue_that_is_not_there_says_how_to_make_it(sqs, open_queue):
    """A missing queue ends the start with the command that makes it."""
    sqs.script["GetQueueAttributes"] = [error("AWS.SimpleQueueService.NonExistentQueue")]
    command = f"aws sqs create-queue --queue-name orders.fifo --attributes FifoQueue=true --endpoint-url {sqs.url}"
    with pytest.raises(QueueNotFound, match=command):
        async with open_queue("orders.fifo"):
            pass


async def test_the_modern_name_of_a_missing_queue_is_understood(sqs, open_queue):
    """Servers without the header of the old protocol say QueueDoesNotExist."""
    sqs.script["GetQueueAttributes"] = [Answer({"__type": "com.amazonaws.sqs#QueueDoesNotExist"}, 400)]
    with pytest.raises(QueueNotFound):
        async with open_queue():
            pass


async def test_a_server_that_is_not_up_yet_is_waited_for(sqs, open_queue, journal):
    """Trouble at the start is told once and waited out."""
    sqs.script["GetQueueAttributes"] = [Answer("", 503), Answer("", 503), attributes()]
    async with open_queue() as queue:
        assert queue.arn == ARN
    began, ended = facts(journal, QueueTrouble)
    assert (began.operation, began.over) == ("GetQueueAttributes", False)
    assert (ended.over, ended.attempts) == (True, 2)


async def test_nothing_is_sent_to_a_queue_elsewhere_without_leave():
    """The guard stands before the first call."""
    with pytest.raises(RemoteRefused):
        await EndpointQueue.open("http://192.0.2.1/1/orders", clock=RealClock(), journal=Journal())
    with pytest.raises(UsageError):
        await EndpointQueue.open("orders", clock=RealClock(), journal=Journal())


async def test_an_endpoint_that_boto3_refuses_is_a_usage_error(journal):
    """Rather than trouble that never passes: host names with an underscore are none for boto3."""
    with pytest.raises(UsageError, match="my_host"):
        await EndpointQueue.open(
            "http://my_host:9324/queue/orders", clock=RealClock(), journal=journal, allow_hosts=["my_host"]
        )


async def test_an_explicit_endpoint_serves_a_queue_url_of_aws(sqs, journal):
    """Requests go to the endpoint; the URL says which queue and region."""
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
    queue = await EndpointQueue.open(url, clock=RealClock(), journal=journal, endpoint_url=sqs.url)
    assert queue.arn == "arn:aws:sqs:eu-west-1:123456789012:orders"
    assert sqs.asked("GetQueueAttributes") == [{"QueueUrl": url, "AttributeNames": ["All"]}]
    await queue.close()


async def test_a_queue_whose_server_is_away_describes_itself_as_it_last_was(sqs, open_queue):
    """A description is no reason to wait."""
    sqs.script["GetQueueAttributes"] = [attributes(ApproximateNumberOfMessages="7"), Answer("", 503)]
    async with open_queue() as queue:
        assert (await queue.describe()).visible == 7


async def test_a_queue_describes_itself_for_the_banner(sqs, open_queue):
    """Account, region, depth and dead-letter queue, as they are now."""
    redrive = '{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:123456789012:dlq", "maxReceiveCount": "3"}'
    sqs.script["GetQueueAttributes"] = [
        attributes(),
        attributes(
            ApproximateNumberOfMessages="7",
            ApproximateNumberOfMessagesNotVisible="2",
            ApproximateNumberOfMessagesDelayed="1",
            RedrivePolicy=redrive,
        ),
    ]
    async with open_queue() as queue:
        told = await queue.describe()
    assert (told.account, told.region, told.name) == ("123456789012", "eu-west-1", "orders")
    assert (told.visible, told.in_flight, told.delayed) == (7, 2, 1)
    assert (told.dead_letter_arn, told.max_receive_count) == ("arn:aws:sqs:eu-west-1:123456789012:dlq", 3)


# --- credentials --------------------------------------------------------------------------------------------


async def test_a_queue_on_this_machine_needs_no_credentials(sqs, open_queue):
    """Without any configured, dummy ones sign the calls."""
    async with open_queue():
        assert sqs.credentials == ["testing"]


async def test_configured_credentials_are_used(sqs, open_queue, monkeypatch):
    """LocalStack takes the account from them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with open_queue():
        assert sqs.credentials == ["AKIAMINE"]


async def test_an_expired_login_keeps_nobody_from_a_local_queue(sqs, open_queue, monkeypatch, tmp_path):
    """Credentials that cannot be had count as none for a queue on this machine."""
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
        "[sso-session s]\nsso_start_url = http://127.0.0.1:1\nsso_region = eu-west-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "work")
    async with open_queue():
        assert sqs.credentials == ["testing"]


async def test_expired_credentials_are_told_and_read_anew(sqs, open_queue, journal, monkeypatch):
    """After a refusal the next try takes what is configured by then."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    def expired(_):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
        return error("ExpiredToken", "The security token included in the request is expired")

    sqs.script["ReceiveMessage"] = [expired, Answer({"Messages": [message()]})]
    async with open_queue() as queue:
        delivery = await queue.receive(10, None, Stop(), "Trigger/1")
    assert len(delivery.messages) == 1
    assert sqs.credentials == ["AKIAOLD", "AKIAOLD", "AKIANEW"]
    assert facts(journal, QueueTrouble)[0].error.startswith("ExpiredToken: The security token")


async def test_a_proxy_is_not_asked_for_a_queue_on_this_machine(sqs, open_queue, monkeypatch):
    """A proxy of the environment would take the call elsewhere."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with open_queue():
        assert len(sqs.calls) == 1


# --- receiving ----------------------------------------------------------------------------------------------


async def test_a_message_arrives_with_everything_that_sqs_says_of_it(sqs, open_queue):
    """System attributes, message attributes of all types, digests (EVT-3 ... 9)."""
    sent = message(MessageGroupId="g") | {
        "MD5OfMessageAttributes": "d25a6aea97eb8f585bfa92d314504a92",
        "MessageAttributes": {
            "Text": {"DataType": "String", "StringValue": "a"},
            "Bytes": {"DataType": "Binary", "BinaryValue": "AAE="},
        },
    }
    sqs.script["ReceiveMessage"] = [Answer({"Messages": [sent]})]
    async with open_queue() as queue:
        (got,) = (await queue.receive(10, None, Stop(), "Trigger/1")).messages
    assert (got.message_id, got.receipt_handle, got.body) == (sent["MessageId"], "handle-1", "body 1")
    assert (got.receive_count, got.group) == (1, "g")
    assert got.message_attributes == {
        "Text": MessageAttribute("String", "a"),
        "Bytes": MessageAttribute("Binary", None, b"\x00\x01"),
    }
    assert got.md5_of_message_attributes == "d25a6aea97eb8f585bfa92d314504a92"


async def test_a_server_that_counts_no_receives_is_taken_to_deliver_once(sqs, open_queue):
    """The mapping needs a count; a lesser server must not end the process."""
    sent = message()
    del sent["Attributes"]
    sqs.script["ReceiveMessage"] = [Answer({"Messages": [sent]})]
    async with open_queue() as queue:
        (got,) = (await queue.receive(10, None, Stop(), "Trigger/1")).messages
    assert (got.receive_count, got.group) == (1, None)


async def test_a_receive_asks_for_all_attributes_and_a_long_poll(sqs, open_queue):
    """By both names of the system attributes; no visibility override (BATCH-14)."""
    sqs.script["ReceiveMessage"] = [Answer({"Messages": [message()]})]
    async with open_queue() as queue:
        await queue.receive(7, None, Stop(), "Trigger/1")
    assert sqs.asked("ReceiveMessage") == [
        {
            "QueueUrl": f"{sqs.url}/123456789012/orders",
            "MaxNumberOfMessages": 7,
            "WaitTimeSeconds": 1,
            "AttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
    ]


async def test_a_message_is_hidden_for_the_queues_visibility_timeout(sqs, open_queue, journal):
    """SQS-20; the fact says who received it."""
    sqs.script["GetQueueAttributes"] = [attributes(VisibilityTimeout="45")]
    sqs.script["ReceiveMessage"] = [Answer({"Messages": [message()]})]
    clock = RealClock()
    async with open_queue() as queue:
        before = clock.now()
        (got,) = (await queue.receive(10, None, Stop(), "Trigger/1")).messages
        assert before <= got.received_at <= clock.now()
    assert got.visible_at == got.received_at + 45_000
    (fact,) = facts(journal, MessageReceived)
    assert (fact.queue, fact.consumer, fact.receive_count) == ("orders", "Trigger/1", 1)
    assert fact.visible_at == got.visible_at


async def test_a_changed_visibility_timeout_is_noticed(sqs, open_queue, monkeypatch):
    """Attributes are read again now and then, not with each poll."""
    sqs.script["GetQueueAttributes"] = [attributes(VisibilityTimeout="45"), attributes(VisibilityTimeout="90")]
    sqs.script["ReceiveMessage"] = [Answer({"Messages": [message()]})]
    async with open_queue() as queue:
        await queue.receive(10, None, Stop(), "Trigger/1")
        assert len(sqs.asked("GetQueueAttributes")) == 1
        monkeypatch.setattr("esm_emulator.queues.endpoint.ATTRIBUTES_AGE_MS", 0)
        (got,) = (await queue.receive(10, None, Stop(), "Trigger/1")).messages
    assert got.visible_at == got.received_at + 90_000


async def test_what_an_open_receive_brings_after_a_stop_is_returned(sqs, open_queue):
    """A long poll is never cut off: what it brings is the caller's to hand back."""
    asked, released = threading.Event(), threading.Event()

    def hold(_):
        asked.set()
        released.wait()
        return Answer({"Messages": [message()]})

    sqs.script["ReceiveMessage"] = [hold]
    stop, brought = Stop(), []
    async with open_queue() as queue:

        async def poll():
            brought.append(await queue.receive(10, None, stop, "Trigger/1"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await anyio.to_thread.run_sync(asked.wait)
            stop.set()
            assert not brought
            released.set()
    assert len(brought[0].messages) == 1


async def test_no_further_poll_is_opened_after_a_stop(sqs, open_queue):
    """The poll that was open ends empty, and that is all."""
    stop = Stop()

    def stopping(_):
        stop.is_set = True  # as the loop would have, while this call was open
        return Answer()

    sqs.script["ReceiveMessage"] = [stopping]
    async with open_queue() as queue:
        assert not (await queue.receive(10, None, stop, "Trigger/1")).messages
        assert not (await queue.receive(10, None, stop, "Trigger/1")).messages
    assert len(sqs.asked("ReceiveMessage")) == 1


async def test_a_receive_that_may_not_wait_asks_once(sqs, open_queue, journal):
    """Wait 0 is a short poll, whatever the queue's own default; it counts as one empty receive (POLL-6)."""
    async with open_queue() as queue:
        delivery = await queue.receive(10, 0, Stop(), "Trigger/1")
    assert (list(delivery.messages), delivery.empty_polls) == ([], 1)
    assert [call["WaitTimeSeconds"] for call in sqs.asked("ReceiveMessage")] == [0]
    assert [(fact.consumer, fact.count) for fact in facts(journal, EmptyReceives)] == [("Trigger/1", 1)]


async def test_a_part_of_a_second_is_waited_out_and_looked_at_again(sqs, open_queue):
    """SQS waits whole seconds: a window's last part is spent on this side, so that it is neither cut nor overrun."""
    sqs.script["ReceiveMessage"] = [Answer(), Answer({"Messages": [message()]})]
    clock = RealClock()
    async with open_queue() as queue:
        before = clock.now()
        delivery = await queue.receive(10, 150, Stop(), "Trigger/1")
        assert 150 <= clock.now() - before < 1000
    assert len(delivery.messages) == 1
    assert [call["WaitTimeSeconds"] for call in sqs.asked("ReceiveMessage")] == [0, 0]


async def test_a_server_that_does_not_wait_is_not_hammered(sqs, open_queue):
    """An empty answer that comes too soon makes the poller wait instead, where a stop wakes it."""
    stop = Stop()
    async with open_queue() as queue, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(queue.receive, 10, None, stop, "Trigger/1"))
        await anyio.to_thread.run_sync(sqs.wait_for, "ReceiveMessage")
        await anyio.sleep(0.1)
        stop.set()
    assert len(sqs.asked("ReceiveMessage")) == 1


async def test_empty_polls_count_as_lambda_would_have_asked(sqs, journal):
    """Slices are this adapter's own affair: two seconds of a 1 s poll are two empty receives (POLL-6)."""
    clock = SkippingClock()

    def empty(body):
        clock.skip(body["WaitTimeSeconds"] * 1000)
        return Answer()

    sqs.script["ReceiveMessage"] = [empty] * 5 + [Answer({"Messages": [message()]})]
    url = f"{sqs.url}/123456789012/orders"
    profile = PROFILES["aws-2026"].with_(receive_wait=2_000)
    queue = await EndpointQueue.open(url, clock=clock, journal=journal, profile=profile)
    delivery = await queue.receive(10, None, Stop(), "Trigger/1")
    await queue.close()
    assert delivery.empty_polls == 2
    assert [fact.count for fact in facts(journal, EmptyReceives)] == [2]


class SkippingClock(RealClock):
    """The real clock, set forward by whoever plays the server."""

    def __init__(self):
        super().__init__()
        self._skipped = 0

    def now(self):
        return super().now() + self._skipped

    def skip(self, ms):
        self._skipped += ms


@pytest.mark.slow
async def test_many_pollers_ask_seldom(sqs, open_queue):
    """The more pollers are idle, the longer each one's poll: together they ask at most 40 times a second."""
    together = threading.Barrier(80 + 1)
    stop = Stop()

    def hold(_):
        together.wait()
        return Answer()

    sqs.script["ReceiveMessage"] = [hold]
    async with open_queue() as queue, anyio.create_task_group() as tasks:
        for number in range(80):
            tasks.start_soon(queue.receive, 10, None, stop, f"Trigger/{number}")
        await anyio.to_thread.run_sync(sqs.wait_for, "ReceiveMessage", 80)
        stop.set()
        await anyio.to_thread.run_sync(together.wait)
    assert max(call["WaitTimeSeconds"] for call in sqs.asked("ReceiveMessage")) == 2


# --- trouble ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (error("RequestThrottled", "slow down"), "RequestThrottled: slow down"),
        (error("AccessDenied", "no"), "AccessDenied: no"),
        (error("AWS.SimpleQueueService.NonExistentQueue", "gone"), "AWS.SimpleQueueService.NonExistentQueue: gone"),
        (Answer("<html>Bad Gateway</html>", 502, {"Content-Type": "text/html"}), "502: "),
    ],
)
async def test_trouble_while_receiving_is_told_once_and_waited_out(sqs, open_queue, journal, answer, text):
    """Whatever a server says, the poller goes on; the journal has it once."""
    sqs.script["ReceiveMessage"] = [answer, answer, answer, Answer({"Messages": [message()]})]
    async with open_queue() as queue:
        delivery = await queue.receive(10, None, Stop(), "Trigger/1")
    assert len(delivery.messages) == 1
    told = facts(journal, QueueTrouble)
    assert (told[0].operation, told[0].over) == ("ReceiveMessage", False)
    assert told[0].error.startswith(text)
    assert [fact.over for fact in told[1:]] in ([], [True])


async def test_a_server_that_went_away_and_came_back_is_told_twice(sqs, open_queue, journal):
    """Once when it begins and once when it is over, with the number of tries."""
    down = Answer("", 503)
    sqs.script["ReceiveMessage"] = [down, down, down, Answer({"Messages": [message()]})]
    async with open_queue() as queue:
        await queue.receive(10, None, Stop(), "Trigger/1")
    began, ended = facts(journal, QueueTrouble)
    assert not began.over
    assert (ended.over, ended.attempts, ended.error) == (True, 3, began.error)


async def test_a_server_that_nobody_runs_is_trouble(journal, monkeypatch):
    """Nobody listens: told once, waited out, and given up at once when the caller is cancelled."""
    monkeypatch.setattr(trouble, "FIRST_WAIT_MS", 60_000)
    monkeypatch.setattr(trouble, "LONGEST_WAIT_MS", 60_000)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            opening = partial(EndpointQueue.open, clock=RealClock(), journal=journal)
            tasks.start_soon(opening, "http://127.0.0.1:1/123456789012/orders")
            await told(journal, QueueTrouble)
            tasks.cancel_scope.cancel()
    (fact,) = facts(journal, QueueTrouble)
    assert "Could not connect" in fact.error


async def test_boto3_itself_never_tries_again(sqs, open_queue, journal, monkeypatch):
    """Its back-off would sleep where no stop reaches it."""
    monkeypatch.setattr(trouble, "FIRST_WAIT_MS", 60_000)
    monkeypatch.setattr(trouble, "LONGEST_WAIT_MS", 60_000)
    sqs.script["ReceiveMessage"] = [Answer("", 500)]
    stop = Stop()
    async with open_queue() as queue, anyio.create_task_group() as tasks:
        tasks.start_soon(queue.receive, 10, None, stop, "Trigger/1")
        await told(journal, QueueTrouble)
        stop.set()
    assert len(sqs.asked("ReceiveMessage")) == 1


# --- deleting and handing back ------------------------------------------------------------------------------


async def received(sqs, queue, count):
    numbers = iter(range(1, count + 1))
    sqs.script["ReceiveMessage"] = [
        lambda body: Answer({"Messages": [message(next(numbers)) for _ in range(body["MaxNumberOfMessages"])]})
    ]
    got = []
    while len(got) < count:
        got += (await queue.receive(min(10, count - len(got)), None, Stop(), "Trigger/1")).messages
    return got


def all_done(body):
    return Answer({"Successful": [{"Id": entry["Id"]} for entry in body["Entries"]], "Failed": []})


async def test_messages_are_deleted_in_tens(sqs, open_queue, journal):
    """DeleteMessageBatch takes ten (FAIL-2), with the handles of these deliveries."""
    sqs.script["DeleteMessageBatch"] = [all_done]
    async with open_queue() as queue:
        messages = await received(sqs, queue, 23)
        deleted = await queue.delete(messages, "Trigger/1")
    assert deleted.failed == {}
    assert [len(call["Entries"]) for call in sqs.asked("DeleteMessageBatch")] == [10, 10, 3]
    handles = [entry["ReceiptHandle"] for call in sqs.asked("DeleteMessageBatch") for entry in call["Entries"]]
    assert handles == [item.receipt_handle for item in messages]
    assert [fact.message for fact in facts(journal, MessageDeleted)] == [item.message_id for item in messages]


async def test_ten_messages_cost_two_calls(sqs, open_queue):
    """0.2 calls a message when the queue is full."""
    sqs.script["DeleteMessageBatch"] = [all_done]
    async with open_queue() as queue:
        before = len(sqs.calls)
        await queue.delete(await received(sqs, queue, 50), "Trigger/1")
    assert len(sqs.calls) - before == 10


async def test_a_refused_delete_is_told_and_not_repeated(sqs, open_queue, journal):
    """An expired handle on FIFO stays expired (FAIL-20); the others of the batch are deleted."""
    refused = {"Id": "1", "Code": "InvalidParameterValue", "Message": "expired", "SenderFault": True}
    sqs.script["DeleteMessageBatch"] = [Answer({"Successful": [{"Id": "0"}], "Failed": [refused]})]
    async with open_queue() as queue:
        first, second = await received(sqs, queue, 2)
        deleted = await queue.delete([first, second], "Trigger/1")
    assert deleted.failed == {second.message_id: "InvalidParameterValue: expired"}
    assert [fact.message for fact in facts(journal, MessageDeleted)] == [first.message_id]
    assert [(fact.message, fact.error) for fact in facts(journal, DeleteFailed)] == [
        (second.message_id, "InvalidParameterValue: expired")
    ]
    assert len(sqs.asked("DeleteMessageBatch")) == 1


async def test_a_delete_is_repeated_while_the_trouble_may_pass(sqs, open_queue, journal):
    """A handle is good for as long as the message is hidden, so this much is safe; only what failed is repeated."""
    internal = {"Id": "1", "Code": "InternalError", "Message": "", "SenderFault": False}
    sqs.script["DeleteMessageBatch"] = [
        Answer("", 503),
        Answer({"Successful": [{"Id": "0"}], "Failed": [internal]}),
        all_done,
    ]
    async with open_queue() as queue:
        deleted = await queue.delete(await received(sqs, queue, 2), "Trigger/1")
    assert deleted.failed == {}
    assert [len(call["Entries"]) for call in sqs.asked("DeleteMessageBatch")] == [2, 2, 1]
    assert len(facts(journal, MessageDeleted)) == 2
    assert [fact.over for fact in facts(journal, QueueTrouble)] == [False, True]


async def test_a_delete_is_not_repeated_when_the_visibility_has_ended(sqs, open_queue, journal):
    """By then somebody else may have the message (FAIL-19)."""
    sqs.script["GetQueueAttributes"] = [attributes(VisibilityTimeout="0")]
    sqs.script["DeleteMessageBatch"] = [Answer("", 503)]
    async with open_queue() as queue:
        (item,) = await received(sqs, queue, 1)
        deleted = await queue.delete([item], "Trigger/1")
    assert list(deleted.failed) == [item.message_id]
    assert len(sqs.asked("DeleteMessageBatch")) == 1
    assert len(facts(journal, DeleteFailed)) == 1


async def test_a_stop_ends_the_repeating_of_a_delete(sqs, open_queue, journal, monkeypatch):
    """The message comes back by its visibility timeout (FAIL-3)."""
    monkeypatch.setattr(trouble, "FIRST_WAIT_MS", 10_000)
    sqs.script["ReceiveMessage"] = [Answer({"Messages": [message()]})]
    sqs.script["DeleteMessageBatch"] = [Answer("", 503)]
    stop = Stop()
    async with open_queue() as queue:
        messages = (await queue.receive(10, None, stop, "Trigger/1")).messages
        with anyio.fail_after(2):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(queue.delete, messages, "Trigger/1")
                await told(journal, QueueTrouble)
                stop.set()
    assert len(facts(journal, DeleteFailed)) == 1


async def test_messages_are_handed_back_with_visibility_zero(sqs, open_queue, journal):
    """In tens, and told (POLL-20)."""
    sqs.script["ChangeMessageVisibilityBatch"] = [all_done]
    async with open_queue() as queue:
        messages = await received(sqs, queue, 12)
        await queue.hand_back(messages, "Trigger/1")
    calls = sqs.asked("ChangeMessageVisibilityBatch")
    assert [len(call["Entries"]) for call in calls] == [10, 2]
    assert {entry["VisibilityTimeout"] for call in calls for entry in call["Entries"]} == {0}
    assert [fact.message for fact in facts(journal, VisibilityChanged)] == [item.message_id for item in messages]


@pytest.mark.parametrize(
    "answer",
    [
        Answer("", 503),
        Answer({"Failed": [{"Id": "0", "Code": "InvalidParameterValue", "SenderFault": True}], "Successful": []}),
    ],
)
async def test_a_hand_back_that_fails_is_told_and_left_to_the_queue(sqs, open_queue, journal, answer):
    """It does not raise and is not repeated: the visibility timeout does the same a little later."""
    sqs.script["ChangeMessageVisibilityBatch"] = [answer]
    async with open_queue() as queue:
        await queue.hand_back(await received(sqs, queue, 1), "Trigger/1")
    assert len(facts(journal, QueueTrouble)) == 1
    assert facts(journal, VisibilityChanged) == []
    assert len(sqs.asked("ChangeMessageVisibilityBatch")) == 1


# --- leaving nothing behind ---------------------------------------------------------------------------------


def test_threads_end_with_the_run(sqs):
    """A poller's thread ends with the loop; connections are closed, or the warning would fail this test."""
    before = set(threading.enumerate())

    async def run():
        url = f"{sqs.url}/123456789012/orders"
        queue = await EndpointQueue.open(url, clock=RealClock(), journal=Journal())
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(queue.receive, 10, 0, Stop(), f"Trigger/{number}")
        await queue.close()

    anyio.run(run)
    ours = [thread for thread in set(threading.enumerate()) - before if "AnyIO" in thread.name]
    for thread in ours:
        thread.join(5)
    assert not any(thread.is_alive() for thread in ours)

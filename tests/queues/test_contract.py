"""What every adapter of the port ``Queue`` promises, wherever the queue is.

Each story is played at every stage: in this process, and over HTTP against servers, one of them not written here. Where
a stage is known to differ from SQS, it is named with its reason; if it stops differing, the suite says so.
"""

from __future__ import annotations

import json

import anyio
import pytest

from esm_emulator.journal import DeleteFailed, EmptyReceives, MessageDeleted, MessageReceived
from esm_emulator.messages import MessageAttribute
from esm_emulator.queues import Stop
from tests.queues.stages import Embedded, EmbeddedWorld, Endpoint, FaultyWorld, FrontInProcess, FrontOverHttp

# what moto's own server does otherwise than SQS
OWN_MOTO = {
    "test_a_superseded_handle_deletes_nothing": "a handle of an earlier receive deletes the message (FAIL-19)",
    "test_an_expired_handle_of_a_fifo_queue_is_refused": "an expired handle deletes the message (FAIL-20)",
    "test_a_group_whose_visibility_ended_keeps_its_order": "a visibility end puts the group out of order (FIFO-5)",
}
# and what it does otherwise only sometimes, because it has no lock around receive and delete
OWN_MOTO_AT_TIMES = {
    "test_many_pollers_share_without_seeing_double": "two pollers may receive one message",
}


STAGES = {
    "embedded": lambda _: Embedded(EmbeddedWorld),
    "faulty": lambda _: Embedded(FaultyWorld),
    "front-in-process": lambda _: FrontInProcess(),
    "front-over-http": lambda _: FrontOverHttp(),
    "own-moto": lambda request: Endpoint("own-moto", request.getfixturevalue("own_moto"), OWN_MOTO),
}


@pytest.fixture(params=STAGES)
def stage(request):
    """Each adapter in turn; a known deviation must show itself."""
    if request.param == "own-moto" and (reason := OWN_MOTO_AT_TIMES.get(request.node.originalname)):
        pytest.skip(f"own-moto: {reason}")
    made = STAGES[request.param](request)
    reason = made.deviations.get(request.node.originalname)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=f"{made.name}: {reason}", strict=True))
    return made


async def drain(queue, maximum=10, consumer="Trigger/1"):
    """Everything that can be received at once."""
    found = []
    while messages := (await queue.receive(maximum, 0, Stop(), consumer)).messages:
        found += messages
    return found


async def receive(queue, maximum=10, *, wait_ms=0, stop=None, consumer="Trigger/1"):
    """One receive; its messages."""
    return list((await queue.receive(maximum, wait_ms, stop or Stop(), consumer)).messages)


def facts(world, kind, queue):
    return [fact for fact in world.journal if type(fact) is kind and fact.queue == queue.id]


def test_a_queue_knows_what_it_is(stage):
    """Id, ARN and kind."""

    async def story(world):
        standard, fifo = await world.queue(), await world.queue(fifo=True)
        assert not standard.fifo
        assert fifo.fifo
        assert standard.arn.endswith(f":{standard.id}")
        assert standard.arn.startswith("arn:aws:sqs:us-east-1:")

    stage.run(story)


def test_a_message_arrives_as_it_was_sent(stage):
    """Body, digest, attributes of every type (EVT-3 ... 9)."""

    async def story(world):
        queue = await world.queue()
        attributes = {
            "Text": MessageAttribute("String", "é"),
            "Count": MessageAttribute("Number", "7"),
            "Bytes": MessageAttribute("Binary", None, b"\x00\xff"),
        }
        id = await world.send(queue, "hello", attributes=attributes)
        (message,) = await receive(queue)
        assert (message.message_id, message.body) == (id, "hello")
        assert message.md5_of_body == "5d41402abc4b2a76b9719d911017c592"
        assert dict(message.message_attributes) == attributes
        assert message.md5_of_message_attributes
        assert message.receive_count == 1
        for name in ("SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp"):
            assert message.attributes[name]

    stage.run(story)


def test_a_message_is_hidden_until_its_visibility_ends(stage):
    """``visible_at`` is the receive plus the queue's visibility timeout (SQS-20)."""

    async def story(world):
        queue = await world.queue(VisibilityTimeout="45")
        await world.send(queue, "hello")
        before = world.clock.now()
        (message,) = await receive(queue)
        assert before <= message.received_at <= world.clock.now()
        assert message.visible_at - message.received_at == 45_000
        assert await receive(queue) == []

    stage.run(story)


def test_no_more_than_asked_for_arrive(stage):
    """``maximum`` holds, and ten at most."""

    async def story(world):
        queue = await world.queue()
        for number in range(12):
            await world.send(queue, str(number))
        assert len(await receive(queue, 3)) == 3
        assert len(await drain(queue)) == 9

    stage.run(story)


def test_an_empty_queue_answers_at_once_when_it_may_not_wait(stage):
    """And it counts as an empty receive (POLL-6)."""

    async def story(world):
        queue = await world.queue()
        delivery = await queue.receive(10, 0, Stop(), "Trigger/1")
        assert (list(delivery.messages), delivery.empty_polls) == ([], 1)
        assert [(fact.consumer, fact.count) for fact in facts(world, EmptyReceives, queue)] == [("Trigger/1", 1)]

    stage.run(story)


@pytest.mark.slow
def test_a_wait_ends_when_its_time_is_up(stage):
    """Not earlier, whole seconds or not."""

    async def story(world):
        queue = await world.queue()
        before = world.clock.now()
        assert await receive(queue, wait_ms=1300) == []
        assert 1290 <= world.clock.now() - before < 4000

    stage.run(story)


@pytest.mark.slow
def test_a_waiting_receive_is_woken_by_a_send(stage):
    """Long polling returns as soon as something is there (SQS-21)."""

    async def story(world):
        queue = await world.queue()
        got = []

        async def poll():
            got.extend(await receive(queue, wait_ms=None))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await world.clock.sleep(50)
            id = await world.send(queue, "hello")
        assert [message.message_id for message in got] == [id]

    stage.run(story)


@pytest.mark.slow
def test_a_stop_ends_a_wait_and_swallows_nothing(stage):
    """What is sent after it goes to whoever asks next, at once."""

    async def story(world):
        queue = await world.queue()
        stop = Stop()
        got = []

        async def poll():
            got.extend(await receive(queue, wait_ms=None, stop=stop))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await world.clock.sleep(50)
            stop.set()
        assert got == []
        await world.send(queue, "hello")
        assert len(await receive(queue)) == 1

    stage.run(story)


@pytest.mark.slow
def test_a_message_that_comes_with_a_stop_is_in_somebodys_hands(stage):
    """It was either received by the poller that stops, or can be received at once."""

    async def story(world):
        queue = await world.queue()
        stop = Stop()
        got = []

        async def poll():
            got.extend(await receive(queue, wait_ms=None, stop=stop))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await world.clock.sleep(50)
            tasks.start_soon(world.send, queue, "hello")
            stop.set()
        await queue.hand_back(got, "Trigger/1")
        assert len(await receive(queue, wait_ms=1000)) == 1

    stage.run(story)


def test_a_receive_is_told(stage):
    """Who received what, and until when it is hidden."""

    async def story(world):
        queue = await world.queue()
        await world.send(queue, "hello")
        (message,) = await receive(queue, consumer="Trigger/3")
        (fact,) = facts(world, MessageReceived, queue)
        assert (fact.message, fact.receipt) == (message.message_id, message.receipt_handle)
        assert (fact.consumer, fact.receive_count, fact.visible_at) == ("Trigger/3", 1, message.visible_at)

    stage.run(story)


def test_deleted_messages_are_gone(stage):
    """More than ten of them too (FAIL-2), and it is told."""

    async def story(world):
        queue = await world.queue()
        for number in range(12):
            await world.send(queue, str(number))
        messages = await drain(queue)
        deleted = await queue.delete(messages, "Trigger/1")
        assert deleted.failed == {}
        assert await world.left(queue) == 0
        told = facts(world, MessageDeleted, queue)
        assert [fact.message for fact in told] == [message.message_id for message in messages]
        assert {fact.consumer for fact in told} == {"Trigger/1"}

    stage.run(story)


def test_deleting_twice_does_no_harm(stage):
    """A handler may have deleted it itself (FAIL-4)."""

    async def story(world):
        queue = await world.queue()
        await world.send(queue, "hello")
        messages = await receive(queue)
        await queue.delete(messages, "Trigger/1")
        assert (await queue.delete(messages, "Trigger/1")).failed == {}

    stage.run(story)


@pytest.mark.slow
def test_what_is_not_deleted_comes_back(stage):
    """After its visibility timeout, with a count of two and a new handle (SQS-20, 23, 27)."""

    async def story(world):
        queue = await world.queue(VisibilityTimeout="1")
        await world.send(queue, "hello")
        (first,) = await receive(queue)
        (second,) = await receive(queue, wait_ms=3000)
        assert second.message_id == first.message_id
        assert second.receive_count == 2
        assert second.receipt_handle != first.receipt_handle

    stage.run(story)


@pytest.mark.slow
def test_a_superseded_handle_deletes_nothing(stage):
    """On a standard queue the delete is accepted, and the message stays with its new owner (FAIL-19)."""

    async def story(world):
        queue = await world.queue(VisibilityTimeout="1")
        await world.send(queue, "hello")
        old = await receive(queue)
        assert len(await receive(queue, wait_ms=3000)) == 1
        assert (await queue.delete(old, "Trigger/1")).failed == {}
        assert await world.left(queue) == 1

    stage.run(story)


@pytest.mark.slow
def test_an_expired_handle_of_a_fifo_queue_is_refused(stage):
    """The delete fails and is told; the message comes back (FAIL-20)."""

    async def story(world):
        queue = await world.queue(fifo=True, VisibilityTimeout="1")
        await world.send(queue, "hello", group="g")
        messages = await receive(queue)
        await world.clock.sleep(1100)
        deleted = await queue.delete(messages, "Trigger/1")
        assert list(deleted.failed) == [messages[0].message_id]
        assert len(facts(world, DeleteFailed, queue)) == 1
        assert len(await receive(queue)) == 1

    stage.run(story)


def test_messages_that_are_handed_back_can_be_had_at_once(stage):
    """Visibility 0 (POLL-20); the receive counts."""

    async def story(world):
        queue = await world.queue()
        for number in range(12):
            await world.send(queue, str(number))
        messages = await drain(queue)
        await queue.hand_back(messages, "Trigger/1")
        again = await drain(queue)
        assert sorted(message.body for message in again) == sorted(message.body for message in messages)
        assert {message.receive_count for message in again} == {2}

    stage.run(story)


def test_a_standard_queue_keeps_the_order_of_sending(stage):
    """A choice: SQS promises best effort only (SQS-28)."""

    async def story(world):
        queue = await world.queue()
        for number in range(12):
            await world.send(queue, str(number))
        assert [message.body for message in await drain(queue)] == [str(number) for number in range(12)]

    stage.run(story)


def test_a_group_in_flight_is_locked_and_another_is_free(stage):
    """FIFO-6, FIFO-9: nothing of a group while one of its messages is in flight."""

    async def story(world):
        queue = await world.queue(fifo=True)
        for body in ("a1", "a2", "b1"):
            await world.send(queue, body, group=body[0])
        (first,) = await receive(queue, 1)
        assert first.body == "a1"
        assert [message.body for message in await receive(queue)] == ["b1"]
        await queue.delete([first], "Trigger/1")
        assert [message.body for message in await receive(queue)] == ["a2"]

    stage.run(story)


def test_a_group_that_was_handed_back_keeps_its_order(stage):
    """In the order of sending, however it was received before."""

    async def story(world):
        queue = await world.queue(fifo=True)
        for number in range(4):
            await world.send(queue, str(number), group="g")
        await queue.hand_back(await receive(queue, 2), "Trigger/1")
        assert [message.body for message in await receive(queue)] == ["0", "1", "2", "3"]

    stage.run(story)


@pytest.mark.slow
def test_a_group_whose_visibility_ended_keeps_its_order(stage):
    """In the order of sending, however it was received before (FIFO-5)."""

    async def story(world):
        queue = await world.queue(fifo=True, VisibilityTimeout="1")
        for number in range(4):
            await world.send(queue, str(number), group="g")
        assert len(await receive(queue, 2)) == 2
        await world.clock.sleep(1100)
        assert [message.body for message in await receive(queue)] == ["0", "1", "2", "3"]

    stage.run(story)


def test_the_receive_after_the_last_allowed_one_dead_letters(stage):
    """Lazily, by the receive that would be one too many (DLQ-2)."""

    async def story(world):
        dead = await world.queue()
        policy = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "2"})
        queue = await world.queue(RedrivePolicy=policy)
        await world.send(queue, "poison")
        for _ in range(2):
            messages = await receive(queue)
            assert len(messages) == 1
            await queue.hand_back(messages, "Trigger/1")
        assert await world.left(dead) == 0
        assert await receive(queue) == []
        assert await world.left(dead) == 1

    stage.run(story)


@pytest.mark.slow
def test_many_pollers_share_without_seeing_double(stage):
    """Each message is received by one of them, and all are deleted."""

    async def story(world):
        queue = await world.queue()
        count = 120
        for number in range(count):
            await world.send(queue, str(number))
        seen = []

        async def poll(consumer):
            while messages := await receive(queue, consumer=consumer):
                seen.extend(message.body for message in messages)
                await queue.delete(messages, consumer)

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(poll, f"Trigger/{number}")
        assert sorted(seen, key=int) == [str(number) for number in range(count)]
        assert await world.left(queue) == 0

    stage.run(story)

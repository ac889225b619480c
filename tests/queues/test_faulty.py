"""A queue that fails on purpose, on the virtual clock."""

from __future__ import annotations

from random import Random

import anyio
import pytest

from esm_emulator.clocks import virtual
from esm_emulator.clocks.virtual import VirtualClock
from esm_emulator.journal import DeleteFailed, MessageDeleted, QueueTrouble
from esm_emulator.queues import Stop
from esm_emulator.queues.faulty import FaultyQueue, FaultySkippableQueue, QueueFault
from tests.queues.stages import EmbeddedWorld


class World(EmbeddedWorld):
    """One queue with faults, in virtual time."""

    def __init__(self, clock, seed=0):
        super().__init__(clock)
        self.seed = seed

    async def faulty(self, **attributes):
        return FaultyQueue(await self.queue(**attributes), self.clock, self.journal, Random(self.seed))

    def facts(self, kind):
        return [fact for fact in self.journal if type(fact) is kind]


def play(story, seed=0):
    """Run a story in a world of its own; the world afterwards."""
    clock = VirtualClock()
    world = World(clock, seed)
    virtual.run(story, world, clock=clock)
    world.sqs.close()
    return world


async def received(world, queue, count):
    for number in range(count):
        await world.send(queue, str(number))
    found = []
    while messages := (await queue.receive(10, 0, Stop(), "Trigger/1")).messages:
        found += messages
    return found


def test_an_unavailable_queue_delivers_nothing_until_it_is_back():
    """A receive waits with growing pauses, then brings what is there; told once at each end."""

    async def story(world):
        queue = await world.faulty()
        await world.send(queue, "hello")
        queue.begin("unavailable")
        began = world.clock.now()

        async def mend():
            await world.clock.sleep(60_000)
            queue.end("unavailable")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(mend)
            delivery = await queue.receive(10, None, Stop(), "Trigger/1")
        assert len(delivery.messages) == 1
        assert 60_000 <= world.clock.now() - began <= 70_000

    world = play(story)
    began, ended = world.facts(QueueTrouble)
    assert (began.operation, began.over) == ("ReceiveMessage", False)
    assert ended.over
    assert 6 < ended.attempts < 20  # 250 ms, doubling, at most 10 s


def test_an_open_long_poll_ends_empty_when_the_queue_becomes_unavailable():
    """What is sent after that is not delivered through the back door."""

    async def story(world):
        queue = await world.faulty()
        stop, got = Stop(), []

        async def poll():
            got.append(await queue.receive(10, None, stop, "Trigger/1"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await world.clock.sleep(1000)
            queue.begin("unavailable")
            await world.clock.sleep(1)
            await world.send(queue, "hello")
            await world.clock.sleep(30_000)
            assert got == []
            stop.set()
        assert not got[0].messages
        assert await world.left(queue) == 1

    play(story)


def test_the_wait_of_a_receive_holds_while_the_queue_is_unavailable():
    """A window that ends is not held up by the fault."""

    async def story(world):
        queue = await world.faulty()
        queue.begin("unavailable")
        began = world.clock.now()
        assert not (await queue.receive(10, 5_000, Stop(), "Trigger/1")).messages
        assert world.clock.now() - began == 5_000

    play(story)


def test_a_receive_that_may_not_wait_does_not():
    """Not even for a queue that is unavailable."""

    async def story(world):
        queue = await world.faulty()
        queue.begin("unavailable")
        began = world.clock.now()
        assert not (await queue.receive(10, 0, Stop(), "Trigger/1")).messages
        assert world.clock.now() == began

    play(story)


def test_a_stop_is_heard_while_the_queue_is_unavailable():
    """At once, not after the pause."""

    async def story(world):
        queue = await world.faulty()
        queue.begin("unavailable")
        stop = Stop()

        async def stopping():
            await world.clock.sleep(20_001)
            stop.set()

        began = world.clock.now()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stopping)
            assert not (await queue.receive(10, None, stop, "Trigger/1")).messages
        assert world.clock.now() - began == 20_001

    play(story)


def test_deletes_fail_while_the_queue_is_unavailable():
    """Each is told, and the message comes back (FAIL-3)."""

    async def story(world):
        queue = await world.faulty()
        messages = await received(world, queue, 3)
        queue.begin("unavailable")
        deleted = await queue.delete(messages, "Trigger/1")
        assert list(deleted.failed) == [message.message_id for message in messages]
        queue.end("unavailable")
        assert await world.left(queue) == 3

    world = play(story)
    assert [fact.consumer for fact in world.facts(DeleteFailed)] == ["Trigger/1"] * 3
    assert len(world.facts(QueueTrouble)) == 1


def test_messages_cannot_be_handed_back_to_an_unavailable_queue():
    """They stay hidden until their visibility ends, and it is told."""

    async def story(world):
        queue = await world.faulty()
        messages = await received(world, queue, 1)
        queue.begin("unavailable")
        await queue.hand_back(messages, "Trigger/1")
        queue.end("unavailable")
        assert not (await queue.receive(10, 0, Stop(), "Trigger/1")).messages
        assert (await queue.receive(10, None, Stop(), "Trigger/1")).messages[0].receive_count == 2

    world = play(story)
    assert [fact.operation for fact in world.facts(QueueTrouble)] == ["hand-back by Trigger/1"]


def test_some_deletes_fail_by_chance():
    """Each message by itself; what fails is told and stays, the rest is deleted."""

    async def story(world):
        queue = await world.faulty()
        messages = await received(world, queue, 100)
        queue.begin("delete_fails", chance=0.3)
        deleted = await queue.delete(messages, "Trigger/1")
        assert 15 < len(deleted.failed) < 45
        assert await world.left(queue) == len(deleted.failed)

    world = play(story)
    assert len(world.facts(DeleteFailed)) + len(world.facts(MessageDeleted)) == 100


def test_the_same_seed_fails_the_same_deletes():
    """And another seed others."""

    async def story(world):
        queue = await world.faulty()
        messages = await received(world, queue, 50)
        queue.begin("delete_fails", chance=0.5)
        await queue.delete(messages, "Trigger/1")

    def unlucky(seed):
        return [fact.message for fact in play(story, seed).facts(DeleteFailed)]

    assert unlucky(1) == unlucky(1)
    assert unlucky(1) != unlucky(2)


def test_deletes_succeed_after_the_fault():
    """A fault that is switched off leaves nothing behind; switching it off twice does no harm."""

    async def story(world):
        queue = await world.faulty()
        messages = await received(world, queue, 2)
        queue.begin("delete_fails")
        assert len((await queue.delete(messages, "Trigger/1")).failed) == 2
        queue.end("delete_fails")
        queue.end("delete_fails")
        assert (await queue.delete(messages, "Trigger/1")).failed == {}

    play(story)


def test_a_fault_that_is_none_is_refused():
    """``redeliver`` is the engine's, ``throttle`` a function's."""

    async def story(world):
        queue = await world.faulty()
        with pytest.raises(ValueError, match="redeliver"):
            queue.begin("redeliver")
        assert list(QueueFault) == ["unavailable", "delete_fails"]

    play(story)


def test_the_wrapper_of_a_skippable_queue_is_one():
    """So that a scenario's queue can have faults and skip time."""

    async def story(world):
        inner = await world.queue()
        queue = FaultySkippableQueue(inner, world.clock, world.journal, Random(0))
        assert (queue.skippable, queue.id, queue.arn) == (True, inner.id, inner.arn)

    play(story)

"""Waiting at the embedded queues: woken at once, in turn, and never for nothing."""

from __future__ import annotations

from random import Random

import anyio
import pytest

from esm_emulator.clocks import virtual
from esm_emulator.clocks.virtual import VirtualClock
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import EmptyReceives, Journal, MessageExpired, MessageReceived
from esm_emulator.profiles import profile
from esm_emulator.queues import Delivery, Stop
from esm_emulator.queues.embedded import EmbeddedQueue, EmbeddedSqs
from esm_emulator.sqs import Engine, NewMessage, QueueSettings, RedrivePolicy


class Stage:
    """One queue (and its dead-letter queue) on a virtual clock."""

    def __init__(self, **settings) -> None:
        self.clock = VirtualClock()
        self.journal = Journal()
        engine = Engine(identifiers=Identifiers(Random(1)), profile=profile("aws-2026"))
        self.sqs = EmbeddedSqs(engine, self.clock, self.journal)
        self.dlq = self.sqs.create("Dlq", QueueSettings())
        policy = RedrivePolicy(self.dlq.arn, 1)
        self.queue = self.sqs.create("Orders", QueueSettings(redrive_policy=policy, **settings))
        self.start = self.clock.now()

    def now(self) -> int:
        return self.clock.now() - self.start

    def send(self, *bodies: str, **more) -> None:
        for body in bodies:
            self.sqs.send(self.queue, NewMessage(body, **more))

    async def poll(self, name: str, seen: list, *, wait_ms: int | None = None, stop: Stop | None = None) -> Delivery:
        delivery = await EmbeddedQueue(self.sqs, self.queue).receive(1, wait_ms, stop or Stop(), name)
        seen.append((name, self.now(), [message.body for message in delivery.messages]))
        return delivery

    def run(self, main) -> None:
        virtual.run(main, clock=self.clock, watchdog_s=10)


def test_a_send_wakes_who_has_waited_longest():
    """One message wakes one poller, the first in the line; the others go on waiting."""
    stage, seen, stop = Stage(), [], Stop()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for name in ("T/1", "T/2", "T/3"):
                group.start_soon(lambda name=name: stage.poll(name, seen, stop=stop))
            await anyio.sleep(1)
            stage.send("a")
            await anyio.sleep(1)
            stage.send("b")
            await anyio.sleep(1)
            stop.set()

    stage.run(main)
    assert seen == [("T/1", 1_000, ["a"]), ("T/2", 2_000, ["b"]), ("T/3", 3_000, [])]


@pytest.mark.parametrize("stops_first", [True, False])
def test_a_message_and_a_stop_in_one_instant_go_to_whoever_was_first(stops_first):
    """Who is stopped takes nothing that comes after, and wakes the next in its place; what came before it does take."""
    stage, seen, stop, last = Stage(), [], Stop(), Stop()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for name, its_stop in (("T/1", stop), ("T/2", stop), ("T/3", last)):
                group.start_soon(lambda name=name, its_stop=its_stop: stage.poll(name, seen, stop=its_stop))
            await anyio.sleep(1)
            acts = [stop.set, lambda: stage.send("a")]
            for act in acts if stops_first else reversed(acts):
                act()
            await anyio.sleep(1)
            last.set()

    stage.run(main)
    (taker,) = (name for name, _, bodies in seen if bodies == ["a"])
    assert taker == ("T/3" if stops_first else "T/1")
    assert all(at == 1_000 for name, at, _ in seen if name != "T/3")


def test_the_end_of_a_visibility_timeout_wakes_one_for_each_message():
    """Two messages come back at one instant and wake two of three (SQS-20); nobody polls meanwhile."""
    stage, seen, stop = Stage(visibility_timeout=30), [], Stop()

    async def main() -> None:
        stage.sqs.configure(stage.queue, QueueSettings(visibility_timeout=30))
        stage.send("a", "b")
        stage.sqs.receive(stage.queue, 10, consumer="gone")
        async with anyio.create_task_group() as group:
            for name in ("T/1", "T/2", "T/3"):
                group.start_soon(lambda name=name: stage.poll(name, seen, stop=stop))
            await anyio.sleep(31)
            stop.set()

    stage.run(main)
    assert sorted(seen)[:2] == [("T/1", 30_000, ["a"]), ("T/2", 30_000, ["b"])]
    assert ("T/3", 31_000, []) in seen


def test_a_long_poll_ends_on_time_and_counts_as_empty():
    """A wait without a message ends after exactly its time, and is one empty receive (POLL-6)."""
    stage, seen = Stage(), []
    stage.run(lambda: stage.poll("T/1", seen, wait_ms=20_000))
    assert seen == [("T/1", 20_000, [])]
    assert [fact.count for fact in stage.journal if isinstance(fact, EmptyReceives)] == [1]


def test_an_unbounded_wait_counts_the_long_polls_that_it_stands_for():
    """Waiting 65 s for the first message stands for three empty long polls of 20 s (POLL-5, POLL-6)."""
    stage, seen = Stage(), []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(stage.poll, "T/1", seen)
            await anyio.sleep(65)
            stage.send("a")

    stage.run(main)
    assert seen == [("T/1", 65_000, ["a"])]
    assert [fact.count for fact in stage.journal if isinstance(fact, EmptyReceives)] == [3]


def test_a_move_wakes_who_waits_at_the_dead_letter_queue():
    """The receive that dead-letters a message makes it receivable there at once (DLQ-2)."""
    stage, seen = Stage(visibility_timeout=10), []

    async def main() -> None:
        stage.send("a")
        stage.sqs.receive(stage.queue, 10)
        async with anyio.create_task_group() as group:

            async def letter() -> None:
                delivery = await EmbeddedQueue(stage.sqs, stage.dlq).receive(1, None, Stop(), "D/1")
                seen.append((stage.now(), delivery.messages[0].body))

            group.start_soon(letter)
            await anyio.sleep(12)
            assert stage.sqs.receive(stage.queue, 10) == []

    stage.run(main)
    assert seen == [(12_000, "a")]


def test_what_is_delayed_is_waited_for():
    """A delayed message is received at its time (SQS-31)."""
    stage, seen = Stage(), []

    async def main() -> None:
        stage.send("a", delay_ms=7_000)
        await stage.poll("T/1", seen)

    stage.run(main)
    assert seen == [("T/1", 7_000, ["a"])]


def test_retention_happens_at_its_time_though_nobody_asks():
    """A message expires when its retention ends, told at that very time (SQS-29)."""
    stage = Stage(message_retention_period=60)

    async def main() -> None:
        stage.sqs.attach()
        stage.send("a")
        await anyio.sleep(90)

    stage.run(main)
    (expired,) = [fact for fact in stage.journal if isinstance(fact, MessageExpired)]
    assert expired.at - stage.start == 60_000


def test_closing_answers_every_open_long_poll():
    """At the end of a run nobody is left waiting."""
    stage, seen = Stage(), []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(stage.poll, "T/1", seen)
            await anyio.sleep(1)
            stage.sqs.close()

    stage.run(main)
    assert seen == [("T/1", 1_000, [])]


@pytest.mark.parametrize("pollers", [1, 5, 50])
def test_no_wake_up_is_lost(pollers):
    """However many wait and however the messages come, each is received, at the moment it could be."""
    stage, seen, stop = Stage(visibility_timeout=600), [], Stop()
    random = Random(pollers)

    async def poller(name: str) -> None:
        while not stop.is_set:
            await stage.poll(name, seen, stop=stop)
            await anyio.sleep(random.choice([0, 0.001, 0.5]))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(pollers):
                group.start_soon(poller, f"T/{number}")
            for number in range(200):
                await anyio.sleep(random.choice([0, 0, 0.3]))
                stage.send(f"m{number}")
            await anyio.sleep(120)
            stop.set()

    stage.run(main)
    received = [fact for fact in stage.journal if isinstance(fact, MessageReceived)]
    assert len(received) == len({fact.message for fact in received}) == 200

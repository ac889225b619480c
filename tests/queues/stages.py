"""The places at which the contract of the port ``Queue`` is played: each adapter in front of each kind of server."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, Protocol

import anyio.to_thread
import boto3

from esm_emulator.clocks import Clock, virtual
from esm_emulator.clocks.real import RealClock
from esm_emulator.clocks.virtual import VirtualClock
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.messages import MessageAttribute
from esm_emulator.profiles import PROFILES
from esm_emulator.queues import Queue
from esm_emulator.queues.embedded import EmbeddedQueue, EmbeddedSqs
from esm_emulator.queues.endpoint import EndpointQueue
from esm_emulator.queues.faulty import FaultyQueue
from esm_emulator.queues.moto_backend import EmbeddedAws
from esm_emulator.sqs import Engine, NewMessage, QueueSettings

__all__ = [
    "Embedded",
    "EmbeddedWorld",
    "Endpoint",
    "FaultyWorld",
    "FrontInProcess",
    "FrontOverHttp",
    "Stage",
    "World",
    "boto3_client",
]

_NAMES = itertools.count(1)


class World(Protocol):
    """One run at one stage: its queues, and a sender that is somebody else."""

    clock: Clock
    journal: Journal

    async def queue(self, *, fifo: bool = False, **attributes: str) -> Queue:
        """A new queue with SQS's attributes, as a mapping would use it."""

    async def send(
        self,
        queue: Queue,
        body: str,
        *,
        group: str | None = None,
        attributes: dict[str, MessageAttribute] | None = None,
    ) -> str:
        """Send a message as any client would; its id."""

    async def left(self, queue: Queue) -> int:
        """How many messages are in a queue, visible and in flight."""


class Stage(Protocol):
    """One adapter at one kind of server. ``deviations``: names of tests that it fails, each with the reason."""

    name: str
    deviations: Mapping[str, str]

    def run(self, story: Callable[[World], Awaitable[None]]) -> None:
        """Play a story in a fresh world."""


class EmbeddedWorld:
    """Our engine in this process."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.journal = Journal()
        self.sqs = engine(clock, self.journal)

    async def queue(self, *, fifo: bool = False, **attributes: str) -> Queue:
        settings = QueueSettings.from_attributes(values(fifo, attributes))
        return EmbeddedQueue(self.sqs, self.sqs.create(name(fifo), settings))

    async def send(
        self,
        queue: Queue,
        body: str,
        *,
        group: str | None = None,
        attributes: dict[str, MessageAttribute] | None = None,
    ) -> str:
        message = NewMessage(body, attributes or {}, group=group)
        return self.sqs.send(self.sqs.find(queue.arn.split(":")[5]), message).message_id

    async def left(self, queue: Queue) -> int:
        counts = self.sqs.counts(self.sqs.find(queue.arn.split(":")[5]))
        return counts.visible + counts.in_flight


class FaultyWorld(EmbeddedWorld):
    """The embedded adapter, wrapped."""

    async def queue(self, *, fifo: bool = False, **attributes: str) -> Queue:
        return FaultyQueue(await super().queue(fifo=fifo, **attributes), self.clock, self.journal, Random(3))


class Embedded:
    """The embedded adapter under virtual time, or the faulty one around it, without a fault."""

    deviations: Mapping[str, str] = MappingProxyType({})

    def __init__(self, world: type[EmbeddedWorld]) -> None:
        self.name = world.__name__
        self._world = world

    def run(self, story: Callable[[World], Awaitable[None]]) -> None:
        clock = VirtualClock()
        world = self._world(clock)
        try:
            virtual.run(story, world, clock=clock)
        finally:
            world.sqs.close()


class EndpointWorld:
    """A server over HTTP, which other clients use too."""

    def __init__(self, url: str | None) -> None:
        self.clock: Clock = RealClock()
        self.journal = Journal()
        self.client = boto3_client(url)
        self.urls: dict[str, str] = {}
        self.opened: list[EndpointQueue] = []

    async def queue(self, *, fifo: bool = False, **attributes: str) -> Queue:
        call = lambda: self.client.create_queue(QueueName=name(fifo), Attributes=values(fifo, attributes))  # noqa: E731
        url = (await anyio.to_thread.run_sync(call))["QueueUrl"]
        # what looks like AWS is answered in this process
        queue = await EndpointQueue.open(url, clock=self.clock, journal=self.journal, allow_aws=True)
        self.opened.append(queue)
        self.urls[queue.arn] = url
        return queue

    async def send(
        self,
        queue: Queue,
        body: str,
        *,
        group: str | None = None,
        attributes: dict[str, MessageAttribute] | None = None,
    ) -> str:
        more: dict[str, Any] = {"MessageGroupId": group} if group else {}
        if attributes:
            more["MessageAttributes"] = {name: _sent(value) for name, value in attributes.items()}
        call = lambda: self.client.send_message(QueueUrl=self.urls[queue.arn], MessageBody=body, **more)  # noqa: E731
        sent = await anyio.to_thread.run_sync(call)
        return str(sent["MessageId"])

    async def left(self, queue: Queue) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.urls[queue.arn]
        call = lambda: self.client.get_queue_attributes(QueueUrl=url, AttributeNames=names)  # noqa: E731
        answer = await anyio.to_thread.run_sync(call)
        return sum(int(answer["Attributes"][name]) for name in names)


class Endpoint:
    """The endpoint adapter in front of a server; with no URL in front of what answers for AWS in this process."""

    def __init__(self, name: str, url: str | None, deviations: Mapping[str, str]) -> None:
        self.name = name
        self.deviations = deviations
        self._url = url

    def run(self, story: Callable[[World], Awaitable[None]]) -> None:
        async def play() -> None:
            world = EndpointWorld(self._url)
            try:
                await story(world)
            finally:
                for queue in world.opened:
                    await queue.close()
                world.client.close()

        anyio.run(play)


class FrontOverHttp:
    """The endpoint adapter in front of moto with our queues, over HTTP."""

    name = "front over HTTP"
    deviations: Mapping[str, str] = MappingProxyType({})

    def run(self, story: Callable[[World], Awaitable[None]]) -> None:
        sqs = engine(RealClock(), Journal())
        try:
            with EmbeddedAws(sqs).serve() as server:
                Endpoint(self.name, server.url, {}).run(story)
        finally:
            sqs.close()


class FrontInProcess:
    """The endpoint adapter whose boto3 client is answered by moto with our queues, in this process."""

    name = "front in process"
    deviations: Mapping[str, str] = MappingProxyType({})

    def run(self, story: Callable[[World], Awaitable[None]]) -> None:
        sqs = engine(RealClock(), Journal())
        try:
            with EmbeddedAws(sqs).patched():
                Endpoint(self.name, None, {}).run(story)
        finally:
            sqs.close()


def engine(clock: Clock, journal: Journal) -> EmbeddedSqs:
    """An engine without queues."""
    made = Engine(identifiers=Identifiers(Random(1)), profile=PROFILES["aws-2026"], random=Random(2))
    return EmbeddedSqs(made, clock, journal)


def name(fifo: bool) -> str:
    """A name that no other test uses."""
    return f"contract-{next(_NAMES)}" + (".fifo" if fifo else "")


def values(fifo: bool, attributes: dict[str, str]) -> dict[str, str]:
    """The attributes of a queue; the bodies of FIFO messages tell them apart."""
    return attributes | ({"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {})


def boto3_client(url: str | None) -> Any:
    """A client as any user would make it, in the account of dummy credentials."""
    return boto3.client(
        "sqs", endpoint_url=url, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


def _sent(value: MessageAttribute) -> dict[str, Any]:
    if value.binary_value is not None:
        return {"DataType": value.data_type, "BinaryValue": value.binary_value}
    return {"DataType": value.data_type, "StringValue": value.string_value}

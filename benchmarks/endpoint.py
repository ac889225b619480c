"""Our mapping against SQS servers over HTTP, beside a bare loop of boto3 with as many threads and no handler.

Wanted: at least 0.9 of the bare loop's messages a second; 0.2 API calls a message when the queue is full; 200 idle
pollers under 5 % of a core. More than a few threads gain nothing where the server is fast, for the bare loop as for us:
a call is half a millisecond of Python under the interpreter's lock, so the threads wait for each other.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import _servers
from esm_emulator.clocks.real import RealClock
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.journal import Journal
from esm_emulator.profiles import PROFILES
from esm_emulator.queues.endpoint import EndpointQueue
from esm_emulator.resources import Resources

MESSAGES = 3_000
BODY = "x" * 1_000
THREADS = (1, 2, 4, 8)
ROUNDS = 3
IDLE_POLLERS = 200
IDLE_SECONDS = 15


def bare(sqs: Any, queue: str, threads: int) -> float:
    """Seconds that a hand-written loop takes to receive and delete all messages."""

    def loop() -> None:
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
            ]
            sqs.delete_message_batch(QueueUrl=queue, Entries=entries)

    workers = [threading.Thread(target=loop) for _ in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


class Mapping:
    """Our side: a mapping of ``pollers`` pollers with a handler that does nothing."""

    def __init__(self, pollers: int) -> None:
        self.profile = PROFILES["aws-2026"].with_(pollers_at_start=pollers, pollers_ceiling=pollers)
        self.calls = 0
        self.handled = 0
        self.done = anyio.Event()

    def handle(self, event: dict[str, Any], _: object) -> None:
        """Count."""
        self.handled += len(event["Records"])

    def count(self, **_: object) -> None:
        """One call of SQS's API."""
        self.calls += 1

    @contextmanager
    def counted(self, queue: EndpointQueue) -> Iterator[None]:
        """Count the calls that the queue's client makes."""
        events = queue._client._current().meta.events  # noqa: SLF001 # there is no other place where all pass
        events.register("before-call.sqs", self.count)
        yield

    async def emulation(self, queue: EndpointQueue, journal: Journal) -> Emulation:
        """The mapping, tied."""
        properties = {"EventSourceArn": queue.arn, "FunctionName": "Worker"}
        resources = Resources.parse(
            {
                "Worker": {"Type": "AWS::Lambda::Function", "Properties": {}},
                "Trigger": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties},
            }
        )
        plan = Plan(
            resources=resources, profile=self.profile, handlers={"Worker": self.handle}, outside={"Trigger": queue}
        )
        return Emulation(plan, RealClock(), clock_name="real", journal=journal)

    async def drain(self, url: str) -> float:
        """Seconds until all messages are handled and deleted."""
        journal = Journal()
        queue = await EndpointQueue.open(url, clock=RealClock(), journal=journal, profile=self.profile)
        deleted = anyio.Event()
        left = MESSAGES

        def read(fact: Any) -> None:
            nonlocal left
            if fact.event == "deleted":
                left -= 1
                if not left:
                    deleted.set()

        journal.subscribe(read)
        emulation = await self.emulation(queue, journal)
        with self.counted(queue):
            started = time.perf_counter()
            async with emulation.running():
                await deleted.wait()
                taken = time.perf_counter() - started
                self.calls_when_full = self.calls
        await queue.close()
        return taken

    async def idle(self, url: str) -> float:
        """Share of a core that idle pollers take."""
        journal = Journal()
        queue = await EndpointQueue.open(url, clock=RealClock(), journal=journal, profile=self.profile)
        emulation = await self.emulation(queue, journal)
        async with emulation.running():
            await anyio.sleep(5)
            cpu, wall = time.process_time(), time.perf_counter()
            await anyio.sleep(IDLE_SECONDS)
            share = (time.process_time() - cpu) / (time.perf_counter() - wall)
        await queue.close()
        return share


def compare(name: str, url: str) -> None:
    """One row for each number of threads: the best of several rounds, taken in turns."""
    sqs = _servers.client(url)
    for threads in THREADS:
        rates: dict[str, list[float]] = {"bare": [], "ours": []}
        for number in range(ROUNDS):
            queue = _servers.new_queue(sqs, f"bare-{threads}-{number}")
            _servers.fill(sqs, queue, MESSAGES, BODY)
            rates["bare"].append(MESSAGES / bare(sqs, queue, threads))
            queue = _servers.new_queue(sqs, f"ours-{threads}-{number}")
            _servers.fill(sqs, queue, MESSAGES, BODY)
            mapping = Mapping(threads)
            rates["ours"].append(MESSAGES / anyio.run(mapping.drain, queue))
        loop, ours = max(rates["bare"]), max(rates["ours"])
        calls = mapping.calls_when_full / MESSAGES
        print(f"{name:<18}{threads:>8}{loop:>12,.0f}{ours:>12,.0f}{ours / loop:>8.2f}{calls:>12.3f}")
    sqs.close()


def main() -> None:
    print(f"{'server':<18}{'threads':>8}{'bare msg/s':>12}{'ours msg/s':>12}{'ratio':>8}{'calls/msg':>12}")
    with ExitStack() as stack:
        url = stack.enter_context(_servers.front())
        compare("moto, our engine", url)
        if other := stack.enter_context(_servers.ministack()):
            compare("ministack", other)
        sqs = _servers.client(url)
        share = anyio.run(Mapping(IDLE_POLLERS).idle, _servers.new_queue(sqs, "idle"))
        print(f"{IDLE_POLLERS} idle pollers: {share:.1%} of a core")
        sqs.close()


if __name__ == "__main__":
    main()

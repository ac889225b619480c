"""What an invocation costs, inline and in a worker process, and what it costs to start one.

Where the time of a warm invocation in a process goes: two switches between processes (the socket and back) are about
half of it; the rest is the event as JSON and back, waiting on the event loop for two descriptors, and the three lines
of the log that the platform writes. The handler is a no-op; its event has one record of 1 kB.

A cold start is a new environment with the interpreter of its process already up (the spare) or not, for a handler that
imports nothing, and for one that imports boto3.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import anyio

from esm_emulator.clocks.real import RealClock
from esm_emulator.clocks.virtual import VirtualClock
from esm_emulator.clocks.virtual import run as run_virtually
from esm_emulator.functions import Invocation, Returned
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.process import ProcessFunction
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.resources import Function

IDS = Identifiers(Random(0))
EVENT = {
    "Records": [
        {
            "messageId": IDS.uuid(),
            "receiptHandle": IDS.receipt(),
            "body": "x" * 1_000,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1767225600000",
                "SenderId": "AIDAEXAMPLE",
                "ApproximateFirstReceiveTimestamp": "1767225600001",
            },
            "messageAttributes": {},
            "md5OfBody": "0" * 32,
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:Orders",
            "awsRegion": "us-east-1",
        }
    ]
}

Invoke = Callable[[], Awaitable[object]]


def invocation() -> Invocation:
    return Invocation(IDS.uuid(), "arn:aws:lambda:us-east-1:123456789012:function:Worker", EVENT)


async def one_after_another(invoke: Invoke, count: int) -> list[float]:
    """Microseconds of each of ``count`` invocations."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        reply = await invoke()
        times.append((time.perf_counter() - began) * 1e6)
        assert isinstance(reply, Returned), reply
    return times


async def warm(make: Callable[[], InlineFunction | ProcessFunction], count: int) -> list[float]:
    function = make()
    await one_after_another(lambda: function.invoke(invocation()), count // 10)
    times = await one_after_another(lambda: function.invoke(invocation()), count)
    await function.close()
    return times


async def cold(make: Callable[[], ProcessFunction], count: int, *, spare: bool) -> list[float]:
    times = []
    for _ in range(count):
        function = make()
        if spare:
            function._keep_a_spare()  # noqa: SLF001
            await anyio.sleep(0.2)
        times += await one_after_another(lambda function=function: function.invoke(invocation()), 1)
        await function.close()
    return times


async def at_once(make: Callable[[], ProcessFunction], count: int) -> float:
    """Seconds until ``count`` environments have started and served one invocation each, at the same time."""
    function = make()
    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(function.invoke, invocation())
    took = time.perf_counter() - began
    await function.close()
    return took


def show(name: str, times: list[float]) -> None:
    ordered = sorted(times)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(f"{name:<44}{p50 / 1000:>10.3f}{p99 / 1000:>10.3f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text("def handler(event, context): pass\n")
        Path(folder, "aws.py").write_text("import boto3\ndef handler(event, context): pass\n")

        def resource(handler: str) -> Function:
            return Function(id="Worker", Handler=handler, CodeUri=folder, MemorySize=512, Timeout=60)

        def inline(clock: RealClock | VirtualClock) -> InlineFunction:
            return InlineFunction(resource("app.handler"), clock, Journal(), IDS)

        def process(handler: str = "app.handler") -> ProcessFunction:
            return ProcessFunction(resource(handler), RealClock(), Journal(), IDS)

        print(f"{'one invocation, ms':<44}{'p50':>10}{'p99':>10}")
        virtual = VirtualClock()
        show("inline, virtual clock (greenlet)", run_virtually(warm, lambda: inline(virtual), 5_000, clock=virtual))
        show("inline, real clock (thread)", anyio.run(warm, lambda: inline(RealClock()), 5_000))
        show("process, warm", anyio.run(warm, process, 5_000))
        for handler in ("app.handler", "aws.handler"):
            make = lambda handler=handler: process(handler)  # noqa: E731
            what = "nothing" if handler == "app.handler" else "boto3"
            for spare in (True, False):
                name = f"process, cold, imports {what}, {'a spare is up' if spare else 'no spare'}"
                show(name, anyio.run(lambda make=make, spare=spare: cold(make, 7, spare=spare)))
        count = 50
        print(f"\n{count} environments at once, each invoked: {anyio.run(at_once, process, count):.2f} s")


if __name__ == "__main__":
    main()

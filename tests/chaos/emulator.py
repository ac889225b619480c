"""An emulator as a program: one mapping between a queue on some server and a handler that writes what it did to a file.

    python -m tests.chaos.emulator QUEUE_URL LOG NAME HOLD_MS

Each line of LOG is ``NAME begun BODY`` or ``NAME done BODY``. The handler takes HOLD_MS milliseconds. It runs until its
standard input is closed, then drains.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from esm_emulator.clocks.real import RealClock
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.journal import Journal
from esm_emulator.queues.endpoint import EndpointQueue
from esm_emulator.resources import Resources

__all__: list[str] = []


def handle(log: int, name: str, hold_ms: int, event: dict[str, Any], _: object) -> None:
    """Write what begins and what is done, each in one system call, so that a kill leaves whole lines."""
    bodies = [record["body"] for record in event["Records"]]
    os.write(log, "".join(f"{name} begun {body}\n" for body in bodies).encode())
    time.sleep(hold_ms / 1000)
    os.write(log, "".join(f"{name} done {body}\n" for body in bodies).encode())


async def main(url: str, path: str, name: str, hold_ms: str) -> None:
    """Poll until the standard input ends."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    clock, journal = RealClock(), Journal()
    queue = await EndpointQueue.open(url, clock=clock, journal=journal)
    resources = Resources.parse(
        {
            "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 60}},
            "Trigger": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": queue.arn,
                    "FunctionName": "Worker",
                    "ScalingConfig": {"MaximumConcurrency": 3},
                },
            },
        }
    )
    handler = partial(handle, log, name, int(hold_ms))
    plan = Plan(resources=resources, handlers={"Worker": handler}, outside={"Trigger": queue})
    emulation = Emulation(plan, clock, clock_name="real", journal=journal)
    async with emulation.running():
        sys.stdout.write("polling\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read)
    await queue.close()
    os.close(log)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])

"""What scaling costs: one decision, and 1,250 pollers in virtual time that empty a queue of 100,000 messages.

Wanted: a decision under 5 µs, and the burst under 5 s from the first send to the last delete.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from pathlib import Path

from esm_emulator.mapping.scaling import Limits, Scaling
from esm_emulator.profiles import PROFILES
from esm_emulator.report.metrics import Metrics
from esm_emulator.resources import EventSourceMapping
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import play

ROUNDS = 3
REPORTS = 20_000
POLLERS = 1_250
MESSAGES = 100_000
BURST = {
    "version": 1,
    "profile": {"extends": "aws-2026", "pollers_at_start": POLLERS, "account_concurrency": POLLERS},
    "resources": {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": {}},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker", "BatchSize": 10},
        },
    },
    "behavior": {"Worker": [{"takes": "1s"}]},
    "send": [{"to": "Orders", "count": MESSAGES, "body": "order {{ index }}"}],
}


def decisions() -> dict[str, float]:
    """Microseconds of processor that each kind of report takes, with 1,250 pollers: the best of several rounds."""
    kinds = {"a poller asks and receives": _asks_and_receives, "a step of the ramp": _steps, "an error": _errors}
    return {name: min(act() for _ in range(10 * ROUNDS)) * 1e6 / REPORTS for name, act in kinds.items()}


def _scaling(at_start: int) -> Scaling:
    arn = "arn:aws:sqs:us-east-1:123456789012:orders"
    mapping = EventSourceMapping(id="Trigger", EventSourceArn=arn, FunctionName="Worker")
    return Scaling(Limits.of(mapping, PROFILES["aws-2026"].with_(pollers_at_start=at_start)), 0)


def _asks_and_receives() -> float:
    """Two reports and when to look again, half of the pollers waiting."""
    scaling, names = _scaling(POLLERS), [f"Trigger/{number}" for number in range(1, POLLERS + 1)]
    for name in names[::2]:
        scaling.asks(name, 0)
    busy = itertools.cycle(names[1::2])
    began = time.process_time()
    for now in range(REPORTS):
        name = next(busy)
        scaling.asks(name, now)
        scaling.received(name, now)
        _ = scaling.due
    return time.process_time() - began


def _steps() -> float:
    """The ramp from five to the ceiling, again and again: each step a decision."""
    taken, left = 0.0, REPORTS
    while left > 0:
        scaling = _scaling(5)
        scaling.received("Trigger/1", 0)
        began = time.process_time()
        while (due := scaling.due) is not None and scaling.pollers < POLLERS and left > 0:
            scaling.tick(due)
            left -= 1
        taken += time.process_time() - began
    return taken


def _errors() -> float:
    """A back-off every other second, and the ramp in between."""
    scaling = _scaling(POLLERS)
    began = time.process_time()
    for now in range(REPORTS):
        scaling.failed(now * 2_000)
        _ = scaling.due
    return time.process_time() - began


def burst() -> tuple[float, float]:
    """Seconds on the wall and of the processor: load, send, receive, invoke and delete everything."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "burst.esm.yaml"
        file.write_text(json.dumps(BURST), encoding="utf-8")
        wall, cpu = time.perf_counter(), time.process_time()
        (case,) = load_cases(file)
        played = play(case)
        taken = time.perf_counter() - wall, time.process_time() - cpu
    metrics = Metrics.of(played.journal)
    assert metrics.queues["Orders"]["NumberOfMessagesDeleted"] == MESSAGES
    assert metrics.functions["Worker"]["ConcurrentExecutions"] == POLLERS
    return taken


def main() -> None:
    print(f"{'a scaling decision':<40}{'µs':>10}  wanted under 5")
    for name, microseconds in decisions().items():
        print(f"{name:<40}{microseconds:>10.2f}")
    wall, cpu = min(burst() for _ in range(ROUNDS))
    print(f"{MESSAGES:,} messages, {POLLERS:,} virtual pollers: {wall:.2f} s ({cpu:.2f} s of CPU), wanted under 5")


if __name__ == "__main__":
    main()

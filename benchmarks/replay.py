"""How long plays take: large ones by the message, small ones altogether. Exits with 1 when a target is missed.

python benchmarks/replay.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from esm_emulator.scenario.file import Case, load_cases
from esm_emulator.scenario.play import play
from esm_emulator.testing import TestEmulator

RESOURCES = """\
version: 1
profile: {{extends: aws-2026, pollers_at_start: {pollers}}}
resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties: {{VisibilityTimeout: {visibility}, RedrivePolicy: {{deadLetterTargetArn: Dlq, maxReceiveCount: 5}}}}
  Dlq: {{Type: AWS::SQS::Queue, Properties: {{MessageRetentionPeriod: 1209600}}}}
  Worker: {{Type: AWS::Lambda::Function, Properties: {{Timeout: 30}}}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{EventSourceArn: Orders, FunctionName: Worker, BatchSize: 1{scaling}}}
behavior: {{Worker: [{rule}]}}
send: [{{to: Orders, count: {count}, body: x, label: x}}]
"""
SLOTS = ", ScalingConfig: {MaximumConcurrency: 1000}"


def case(text: str) -> Case:
    """The scenario of that text."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "benchmark.esm.yaml"
        file.write_text(text, encoding="utf-8")
        return load_cases(file)[0]


def through_slots(count: int) -> Case:
    """So many messages through 1,000 slots, 5 s each."""
    return case(RESOURCES.format(pollers=1000, visibility=180, scaling=SLOTS, rule="{takes: 5s}", count=count))


def seconds(action: Callable[[], object], rounds: int = 3) -> float:
    """The shortest of a few."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def fixture() -> None:
    """What the fixture ``esm`` costs a test that does nothing."""
    emulator = TestEmulator(resources="Orders: {Type: AWS::SQS::Queue}\n")
    emulator.check()
    emulator.close()


def main() -> int:
    """Measure, print, and say whether every target is met."""
    small, large = through_slots(10_000), through_slots(100_000)
    poison = case(RESOURCES.format(pollers=5, visibility=900, scaling="", rule="{then: {raise: {type: E}}}", count=1))
    expiry = case(
        RESOURCES.format(pollers=5, visibility=900, scaling=", Enabled: false", rule="{}", count=1).replace(
            "maxReceiveCount: 5}", "maxReceiveCount: 5}, MessageRetentionPeriod: 1209600"
        )
        + "stop: {when: never, after: 14d}\n"
    )
    burst = case(RESOURCES.format(pollers=1250, visibility=180, scaling="", rule="{takes: 5s}", count=100_000))
    play(poison)  # what is loaded on demand is loaded now
    ten, hundred = seconds(lambda: play(small)), seconds(lambda: play(large), 1)
    rows = [
        ("10,000 messages through 1,000 slots", ten, 1.0),
        ("100,000 messages through 1,000 slots", hundred, 8.0),
        ("time a message at 100,000 against 10,000 (ratio)", hundred / ten / 10, 1.3),
        ("one poison message, five receives at 900 s", seconds(lambda: play(poison)), 0.010),
        ("a retention of 14 days expires", seconds(lambda: play(expiry)), 0.005),
        ("fixture, set-up and teardown", seconds(fixture), 0.005),
        ("100,000 messages, 1,250 pollers", seconds(lambda: play(burst), 1), 12.0),
    ]
    for name, value, most in rows:
        print(f"{name:50} {value:8.4f}  (at most {most}) {'' if value <= most else 'MISSED'}")
    return int(any(value > most for _, value, most in rows))


if __name__ == "__main__":
    sys.exit(main())

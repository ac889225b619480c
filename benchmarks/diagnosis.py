"""How long diagnosis takes: a journal of 100,000 facts, healthy and full of causes, and whether time grows with it.

Run: python benchmarks/diagnosis.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

from esm_emulator import journal as facts
from esm_emulator.diagnosis import diagnose
from esm_emulator.journal import Fact

LIMIT_S = 2.0
SIZES = (25_000, 50_000, 100_000, 200_000)
DAY = 86_400_000


def start(*, fifo: bool = False) -> Iterator[Fact]:
    """A queue with a dead-letter queue, a function and a mapping."""
    redrive = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:Dlq", "maxReceiveCount": 3}
    queue = {"FifoQueue": fifo, "RedrivePolicy": redrive, "VisibilityTimeout": 30, "MessageRetentionPeriod": 345_600}
    yield facts.RunStarted(0, "1", "virtual", 0, "aws-2026")
    yield facts.Deployed(
        0,
        {
            "Orders": {"Type": "AWS::SQS::Queue", "Properties": queue},
            "Dlq": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": fifo}},
            "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"ReservedConcurrentExecutions": 1}},
            "Trigger": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:Orders"},
            },
        },
    )
    yield facts.QueueCreated(0, "Orders", "arn:aws:sqs:us-east-1:123456789012:Orders")


def sent(at: int, id: str, group: str | None = None) -> Fact:
    return facts.MessageSent(at, "Orders", id, f'{{"order": "{id}"}}', 20, at, at + 4 * DAY, id, group)


def received(at: int, id: str, count: int) -> Fact:
    return facts.MessageReceived(at, "Orders", id, count, f"{id}-{count}", at + 30_000, "Trigger/1")


def closed(at: int, number: int, ids: tuple[str, ...]) -> Fact:
    return facts.BatchClosed(at, "Trigger", number, "Trigger/1", ids, "receive", 100)


def ran(at: int, number: int, ids: tuple[str, ...], *, ms: int, done: bool, partial: bool = False) -> Iterator[Fact]:
    """An invocation from its start to the verdict."""
    request, where = f"q-{number}", "Trigger/1"
    outcome = "success" if done or partial else "error"
    yield facts.InvocationStarted(at, "Trigger", "Worker", request, number, ids, where)
    yield facts.InvocationEnded(at + ms, "Trigger", "Worker", request, number, ids, where, outcome, float(ms), "e")
    kept = () if done else ids[:1] if partial else ids
    gone = tuple(id for id in ids if id not in kept)
    rule = "FAIL-1" if done else "PBR-16" if partial else "FAIL-5"
    yield facts.ResponseJudged(at + ms, "Trigger", number, request, gone, kept, rule)


def healthy() -> Iterator[Fact]:
    """Batches of ten that succeed."""
    yield from start()
    number = 0
    while True:
        number += 1
        ids = tuple(f"m{number}-{item}" for item in range(10))
        at = number * 100
        yield from (sent(at, id) for id in ids)
        yield from (received(at, id, 1) for id in ids)
        yield closed(at, number, ids)
        yield from ran(at, number, ids, ms=50, done=True)
        yield from (facts.MessageDeleted(at + 50, "Orders", id, f"{id}-1", "Trigger/1") for id in ids)


def throttled() -> Iterator[Fact]:
    """Messages that are throttled three times and dead-lettered."""
    yield from start()
    number = 0
    while True:
        id, at = f"t{number}", number * 10
        yield sent(at, id)
        for count in (1, 2, 3):
            number += 1
            yield received(at, id, count)
            yield closed(at, number, (id,))
            why = "ReservedFunctionConcurrentInvocationLimitExceeded"
            yield facts.InvocationThrottled(at, "Trigger", "Worker", number, (id,), "Trigger/1", why, 1)
            at += 30_000
        yield facts.MessageDeadLettered(at, "Orders", id, "Dlq", 3, at + DAY)


def poisoned() -> Iterator[Fact]:
    """One company: each batch shares a message with the one before, and everything is dead-lettered."""
    yield from start()
    number = 0
    while True:
        number += 1
        ids = (f"p{number}", f"p{number + 1}")
        at = number * 100
        yield sent(at, ids[1])
        yield from (received(at, id, 1) for id in ids)
        yield closed(at, number, ids)
        yield from ran(at, number, ids, ms=50, done=False)
        yield facts.MessageDeadLettered(at + 60_000, "Orders", ids[0], "Dlq", 3, at + DAY)


def overlapping() -> Iterator[Fact]:
    """Every message runs twice at the same time."""
    yield from start()
    number = 0
    while True:
        id, at = f"o{number}", number * 10
        first, second = number + 1, number + 2
        number += 2
        yield sent(at, id)
        yield received(at, id, 1)
        yield closed(at, first, (id,))
        one = list(ran(at, first, (id,), ms=45_000, done=True))
        yield one[0]
        yield received(at + 30_000, id, 2)
        yield closed(at + 30_000, second, (id,))
        two = list(ran(at + 30_000, second, (id,), ms=5_000, done=True))
        yield from two
        yield facts.MessageDeleted(at + 35_000, "Orders", id, f"{id}-2", "Trigger/1")
        yield from one[1:]
        yield facts.DeleteIgnored(at + 45_000, "Orders", id, f"{id}-1", "gone", "Trigger/1")


def one_group() -> Iterator[Fact]:
    """A single FIFO group in which every third message is dead-lettered and every batch breaks the order."""
    yield from start(fifo=True)
    waiting = 20_000
    yield from (sent(0, f"g{number}", "A") for number in range(waiting))
    number = 0
    while True:
        number += 1
        ids = tuple(f"g{number * 3 + item}" for item in range(3))
        at = number * 100
        if number * 3 + 3 > waiting:
            yield from (sent(at, id, "A") for id in ids)
        yield from (received(at, id, 1) for id in ids)
        yield closed(at, number, ids)
        yield from ran(at, number, ids, ms=50, done=False, partial=True)
        yield from (facts.MessageDeleted(at + 50, "Orders", id, f"{id}-1", "Trigger/1") for id in ids[1:])
        yield facts.MessageDeadLettered(at + 90, "Orders", ids[0], "Dlq", 3, at + DAY)


def measured(make: Callable[[], Iterator[Fact]], size: int) -> tuple[float, list[str]]:
    """Seconds of the best of three, and the codes."""
    source = make()
    journal = [next(source) for _ in range(size)]
    best, found = float("inf"), []
    for _ in range(3):
        began = perf_counter()
        found = [diagnosis.code for diagnosis in diagnose(journal)]
        best = min(best, perf_counter() - began)
    return best, found


def main() -> int:
    """Print a table; 1 when a journal of 100,000 facts takes too long."""
    slow = False
    print(f"{'journal':<12}{''.join(f'{size:>10,}' for size in SIZES)}  s, facts a second, codes")
    for make in (healthy, throttled, poisoned, overlapping, one_group):
        results = [measured(make, size) for size in SIZES]
        times = dict(zip(SIZES, (seconds for seconds, _ in results), strict=True))
        slow = slow or times[100_000] > LIMIT_S
        pace = f"{100_000 / times[100_000]:>12,.0f}"
        codes = ", ".join(dict.fromkeys(results[-1][1])) or "none"
        print(f"{make.__name__:<12}{''.join(f'{seconds:>10.3f}' for seconds in times.values())}  {pace}  {codes}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())

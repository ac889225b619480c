"""Causes in which the function refused to run: throttles, and the guard against recursion."""

from __future__ import annotations

from collections.abc import Iterator

from esm_emulator.diagnosis.finding import Diagnosis, Rule, counted, diagnosis, names
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Batch, Stay

__all__ = ["RECURSION", "RULES", "starved"]

RECURSION = "RecursiveInvocationException"


def never_run(run: Run) -> Iterator[Diagnosis]:
    """D101: dead-lettered, and every receive of it ended in a batch that was only ever throttled (CONC-9, FAIL-11)."""
    for function, stays in starved(run).items():
        receives = max(len(stay.receives) for stay in stays)
        tries = sum(len(batch.throttles) for batch in dict.fromkeys(batch for stay in stays for batch in stay.batches))
        last = stays[0]
        assert last.ending is not None
        summary = (
            f"{counted(len(stays), 'message')} reached {last.ending.fact.to} with {counted(receives, 'receive')} and "
            f"0 invocations: {names(stays)}. Your code never saw them, so there are no logs of them: all "
            f"{counted(tries, 'try')} were throttled. {_why(run, function, last)}"
        )
        evidence = [index for stay in stays[:5] for index in _evidence(stay)]
        yield diagnosis("D101", function, stays, summary, evidence)


def starved(run: Run) -> dict[str, list[Stay]]:
    """The messages that D101 is about, by function."""
    found: dict[str, list[Stay]] = {}
    for stay in run.stays:
        used_up = stay.dead_lettered and 0 < len(stay.batches) == len(stay.receives)
        if used_up and all(map(_only_throttled, stay.batches)):
            found.setdefault(stay.batches[0].function or stay.batches[0].mapping, []).append(stay)
    return found


def _only_throttled(batch: Batch) -> bool:
    return (
        bool(batch.throttles) and batch.started is None and all(fact.reason != RECURSION for _, fact in batch.throttles)
    )


def _why(run: Run, function: str, stay: Stay) -> str:
    reserved = run.settings.get(function, "ReservedConcurrentExecutions", at=stay.batches[0].closed.at)
    mapping = stay.batches[0].mapping
    most = run.settings.get(mapping, "ScalingConfig.MaximumConcurrency", at=stay.batches[0].closed.at)
    if reserved is None:
        return f"The reason was {stay.batches[0].throttles[0][1].reason}."
    limit = "has no MaximumConcurrency" if most is None else f"may run {most} at once"
    return f"Pollers outran ReservedConcurrentExecutions {reserved}; {mapping} {limit}."


def _evidence(stay: Stay) -> Iterator[int]:
    yield from (receive.index for receive in stay.receives)
    yield from (batch.throttles[0][0] for batch in stay.batches)
    if stay.ending is not None:
        yield stay.ending.index


def recursion(run: Run) -> Iterator[Diagnosis]:
    """D170: the guard refused a chain that leads back to the function (FAIL-16)."""
    refused: dict[tuple[str, str], list[Batch]] = {}
    for batch in run.batches:
        if any(fact.reason == RECURSION for _, fact in batch.throttles):
            refused.setdefault((batch.function or "", batch.mapping), []).append(batch)
    for (function, mapping), batches in refused.items():
        stays = list(dict.fromkeys(stay for batch in batches for stay in batch.stays))
        queue = run.queue_read_by(mapping)
        dead = len({stay for stay in stays if stay.dead_lettered})
        summary = (
            f"A chain of messages leads back to {function} through {queue}: the recursion guard refused to run it with "
            f"{counted(len(stays), 'message')} ({names(stays)}); {dead} of them went to the dead-letter queue."
        )
        evidence = [index for batch in batches for index, _ in batch.throttles[:2]]
        yield diagnosis("D170", function, stays, summary, evidence)


RULES: tuple[Rule, ...] = (never_run, recursion)

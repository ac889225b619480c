"""Causes that only FIFO queues know: groups that wait, order that breaks, duplicates that vanish."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice

from esm_emulator.diagnosis.finding import Diagnosis, Rule, counted, diagnosis, name, names, rounded, unique
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Batch, Stay
from esm_emulator.durations import show_duration

__all__ = ["RULES"]

MANY_FAILURES = 5  # failed runs of one message after which its group counts as blocked
NEVER = 1 << 62
MOST_LATER = 10  # messages that are told to have waited behind one, or to have overtaken it
LONG_MS = 300_000  # or this time since its first failure, with at least two of them


def blocked_group(run: Run) -> Iterator[Diagnosis]:
    """D130: later messages of a group waited for one that failed five times, or for five minutes (FIFO-5)."""
    found: dict[str, list[tuple[Stay, int, list[Stay]]]] = {}
    for (queue, _), stays in run.fifo_groups().items():
        successes = _first_successes(stays)
        for number, stay in enumerate(stays):
            failures = [batch for batch in stay.runs if _first_of_its_group_failed(stay, batch)]
            if len(failures) < 2:
                continue
            since = failures[0].ended_at or 0
            until = stay.ending.at if stay.ending else run.end
            if len(failures) < MANY_FAILURES and until - since < LONG_MS:
                continue
            waiting = list(islice(_waiting(stays, successes, number + 1, until), MOST_LATER))
            if waiting:
                found.setdefault(queue, []).append((stay, until - since, waiting))
    for queue, cases in found.items():
        stay, ms, waiting = max(cases, key=lambda case: case[1])
        blockers = unique(case[0] for case in cases)
        more = f" So did {counted(len(cases) - 1, 'other message')}." if len(cases) > 1 else ""
        summary = (
            f"Group {stay.group} of {queue} was blocked for {rounded(ms)} by {name(stay)}, which failed "
            f"{counted(len(stay.runs), 'time')}: {counted(len(waiting), 'later message')} waited behind it "
            f"({names(waiting)}).{more}"
        )
        evidence = [index for case in cases for batch in case[0].runs for index in batch.evidence()]
        yield diagnosis("D130", queue, blockers, summary, evidence)


def _first_of_its_group_failed(stay: Stay, batch: Batch) -> bool:
    """Whether it was kept, and no earlier message of its group was kept with it."""
    if batch.ended_at is None or batch.judged is None:
        return False
    kept = set(batch.judged[1].kept)
    first = next((other for other in batch.stays if other.group == stay.group and other.message in kept), None)
    return first is stay


def _first_successes(stays: list[Stay]) -> list[int]:
    """When each of them first succeeded (epoch ms); the far future for those that never did."""
    return [min((batch.ended_at or 0 for batch in stay.successes()), default=NEVER) for stay in stays]


def broken_order(run: Run) -> Iterator[Diagnosis]:
    """D131: a partial response kept a message and let later ones of its group be deleted (PBR-41)."""
    found: dict[str, list[tuple[Batch, Stay, list[Stay]]]] = {}
    for batch in run.batches:
        if batch.judged is None or not batch.judged[1].done or not batch.judged[1].kept:
            continue
        kept = set(batch.judged[1].kept)
        failed: dict[str, Stay] = {}
        overtook: dict[str, list[Stay]] = {}
        for stay in batch.stays:
            if stay.group is None or not run.is_fifo(stay.queue):
                continue
            if stay.message in kept:
                failed.setdefault(stay.group, stay)
            elif stay.group in failed:
                overtook.setdefault(stay.group, []).append(stay)
        for group, later in overtook.items():
            found.setdefault(batch.mapping, []).append((batch, failed[group], later))
    for mapping, cases in found.items():
        told = [f"Group {kept.group}: {names(over)} deleted before {name(kept)} succeeded" for _, kept, over in cases]
        more = f" (and {len(told) - 3} more)" if len(told) > 3 else ""
        summary = f"{'; '.join(told[:3])}{more}. The response reported only what failed, and the rest was deleted."
        stays = unique(stay for _, kept, over in cases for stay in (kept, *over))
        yield diagnosis("D131", mapping, stays, summary, [index for case in cases for index in case[0].evidence()])


def swallowed(run: Run) -> Iterator[Diagnosis]:
    """D132: a send was taken for a duplicate that cannot have been a repetition (FIFO-15).

    A producer that tries again has the first message still on its way. Told is therefore only what came after the
    first had been processed and deleted, or under another label.
    """
    found: dict[str, list[tuple[int, Stay, object, str]]] = {}
    for index, fact in run.deduplicated:
        first = run.stay_of(fact.queue, fact.message)
        if first is None:
            continue
        deleted_before = first.deleted and first.ending is not None and first.ending.at <= fact.at
        other_label = fact.label is not None and first.label is not None and fact.label != first.label
        if deleted_before or other_label:
            until = fact.first_sent_at + 300_000 - run.start
            told = (
                f"at {show_duration(fact.at - run.start)} with deduplication id {fact.dedup}: "
                f"{name(first)} had been sent with it at {show_duration(fact.first_sent_at - run.start)}, "
                f"which counts until {show_duration(until)}"
            )
            found.setdefault(fact.queue, []).append((index, first, fact, told))
    for queue, cases in found.items():
        more = f" {len(cases) - 1} more were swallowed likewise." if len(cases) > 1 else ""
        summary = (
            f"{counted(len(cases), 'send')} to {queue} accepted and not enqueued: the first {cases[0][3]}, "
            f"deleted or not.{more}"
        )
        evidence = [number for index, stay, _, _ in cases for number in (stay.index, index)]
        yield diagnosis("D132", queue, unique(case[1] for case in cases), summary, evidence)


def _waiting(stays: list[Stay], successes: list[int], start: int, end: int) -> Iterator[Stay]:
    """Those from ``start`` on that were in the queue at the time ``end`` and had not succeeded then."""
    for number in range(start, len(stays)):
        if stays[number].entered_at > end:
            return
        if successes[number] >= end:
            yield stays[number]


def overtaken(run: Run) -> Iterator[Diagnosis]:
    """D133: after a message was dead-lettered, later ones of its group were processed (DLQ-6, DLQ-7)."""
    found: dict[str, list[tuple[Stay, list[Stay]]]] = {}
    for (queue, _), stays in run.fifo_groups().items():
        successes = _first_successes(stays)
        succeeded = [-1 if at == NEVER else at for at in successes]
        latest = list(accumulate(reversed(succeeded), max))[::-1]  # the latest of it and those after it
        for number, stay in enumerate(stays):
            end = stay.ending.at if stay.ending else 0
            if stay.dead_lettered and latest[number] >= end:
                behind = _waiting(stays, succeeded, number + 1, end)
                later = list(islice(behind, MOST_LATER))
                if later:
                    found.setdefault(queue, []).append((stay, later))
    for queue, cases in found.items():
        stay, later = cases[0]
        assert stay.ending is not None
        letters = unique(case[0] for case in cases)
        more = f" The same happened to {counted(len(cases) - 1, 'other message')}." if len(cases) > 1 else ""
        summary = (
            f"{name(stay)} of group {stay.group} went to {stay.ending.fact.to} at "
            f"{show_duration(stay.ending.at - run.start)} after {counted(len(stay.receives), 'receive')}, and "
            f"{names(later)} overtook it.{more}"
        )
        evidence = [case[0].ending.index for case in cases if case[0].ending]
        evidence += [
            index for case in cases for other in case[1][:3] for batch in other.runs for index in batch.evidence()
        ]
        yield diagnosis("D133", queue, letters, summary, evidence)


RULES: tuple[Rule, ...] = (blocked_group, broken_order, swallowed, overtaken)

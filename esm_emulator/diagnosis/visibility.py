"""Causes in which a message was visible again before its invocation had ended.

An *overrun* is a run that ended after the visibility of its receive, with harm: the message was received again before
that end, or its delete did nothing. What made it too long decides the code: the
window, the cold start, throttled tries, or the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from esm_emulator.diagnosis.finding import Diagnosis, Rule, counted, diagnosis, names, rounded, unique
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Batch, Receive, Stay
from esm_emulator.diagnosis.throttling import starved
from esm_emulator.durations import show_duration
from esm_emulator.journal import DeleteFailed

__all__ = ["RULES"]


@dataclass(frozen=True, slots=True)
class _Overrun:
    stay: Stay
    receive: Receive
    batch: Batch
    again: Receive | None  # the receive that brought the message again while it ran

    @property
    def visible_ms(self) -> int:
        """How long the receive hid the message."""
        return self.receive.visible_at - self.receive.at

    @property
    def needed_ms(self) -> int:
        """From the receive to the end of the run."""
        return (self.batch.ended_at or 0) - self.receive.at

    @property
    def waited_ms(self) -> int:
        """From the receive to the batch's close."""
        return self.batch.closed.at - self.receive.at

    @property
    def throttled_ms(self) -> int:
        """From the first throttled try to the start of the run."""
        return (self.batch.started_at or 0) - int(self.batch.throttles[0][1].at)

    @property
    def overlap_ms(self) -> int:
        """How long two copies ran at the same time."""
        other = self.again.batch if self.again is not None else None
        if other is None or other.started_at is None:
            return 0
        ends = [end for end in (self.batch.ended_at, other.ended_at) if end is not None]
        return max(0, min(ends) - other.started_at)

    @property
    def cause(self) -> str:
        """What it would have been in time without: ``window``, ``cold start``, ``throttles``, or else ``work``."""
        if self.batch.closed.reason == "window" and self.needed_ms - self.waited_ms <= self.visible_ms:
            return "window"
        if self.batch.cold_ms and self.needed_ms - self.batch.cold_ms <= self.visible_ms:
            return "cold start"
        if self.batch.throttles and self.needed_ms - self.throttled_ms <= self.visible_ms:
            return "throttles"
        return "work"

    def evidence(self) -> tuple[int, ...]:
        """The receive, the run, and the receive after it."""
        again = () if self.again is None else (self.again.index, *(self.again.batch or self.batch).evidence()[:2])
        return (self.receive.index, *self.batch.evidence(), *again)


def _overruns(run: Run) -> Iterator[_Overrun]:
    for stay in run.stays:
        for number, receive in enumerate(stay.receives):
            batch = receive.batch
            if batch is None or batch.ended_at is None or batch.ended_at <= receive.visible_at:
                continue
            later = stay.receives[number + 1] if number + 1 < len(stay.receives) else None
            again = later if later and receive.visible_at <= later.at < batch.ended_at else None
            buried = stay.dead_lettered and stay.ending is not None and stay.ending.at <= batch.ended_at
            if again is not None or buried:
                yield _Overrun(stay, receive, batch, again)


def overlap(run: Run) -> Iterator[Diagnosis]:
    """D110: two copies of a message ran at one moment because the work outlasted the visibility timeout (FAIL-18)."""
    for queue, found in _by_queue(run, "work", "throttles").items():
        overlapping = [overrun for overrun in found if overrun.overlap_ms]
        if not overlapping:
            continue
        worst = max(overlapping, key=lambda overrun: overrun.overlap_ms)
        assert worst.again is not None
        again = worst.again.batch
        assert again is not None
        assert again.started_at is not None
        start, end = again.started_at - run.start, again.started_at - run.start + worst.overlap_ms
        stays = unique(overrun.stay for overrun in overlapping)
        throttled = " after throttled tries" if worst.batch.throttles else ""
        summary = (
            f"{counted(len(stays), 'message')} ran more than once at the same time: {names(stays)}. For example "
            f"{names([worst.stay])} was received at {show_duration(worst.receive.at - run.start)} and visible again at "
            f"{show_duration(worst.receive.visible_at - run.start)} (VisibilityTimeout "
            f"{rounded(worst.visible_ms)}), while its run{throttled} ended "
            f"at {show_duration(worst.receive.at + worst.needed_ms - run.start)}; "
            f"two copies ran from {show_duration(start)} to {show_duration(end)}."
        )
        yield diagnosis("D110", queue, stays, summary, _evidence(overlapping))


def window(run: Run) -> Iterator[Diagnosis]:
    """D112: the time that messages waited in the window made the difference (FAIL-18, BATCH-11)."""
    for queue, found in _by_queue(run, "window").items():
        worst = max(found, key=lambda overrun: overrun.needed_ms)
        stays = unique(overrun.stay for overrun in found)
        ran = worst.needed_ms - worst.waited_ms
        summary = (
            f"{counted(len(stays), 'message')} became visible again before the run ended: {names(stays)}. "
            f"{show_duration(worst.waited_ms)} in the window of {worst.batch.mapping} and {show_duration(ran)} of run "
            f"make {show_duration(worst.needed_ms)}, more than VisibilityTimeout {show_duration(worst.visible_ms)}; "
            "without the window it would have been in time."
        )
        yield diagnosis("D112", queue, stays, summary, _evidence(found))


def cold_start(run: Run) -> Iterator[Diagnosis]:
    """D182: the init phase made the difference (FAIL-18, RUN-5)."""
    for queue, found in _by_queue(run, "cold start").items():
        worst = max(found, key=lambda overrun: overrun.batch.cold_ms)
        stays = unique(overrun.stay for overrun in found)
        summary = (
            f"{counted(len(stays), 'message')} became visible again before the run ended: {names(stays)}. A cold start "
            f"of {show_duration(round(worst.batch.cold_ms))} made {show_duration(worst.needed_ms)} from receive "
            f"to end, "
            f"more than VisibilityTimeout {show_duration(worst.visible_ms)}; a warm run would have been in time."
        )
        yield diagnosis("D182", queue, stays, summary, _evidence(found))


def not_deleted(run: Run) -> Iterator[Diagnosis]:
    """D111: it succeeded, the delete did nothing, and it ran again afterwards or was dead-lettered (FAIL-19, 20).

    Where the cause is maxReceiveCount 1, the window, a cold start, or throttles from which others never recovered,
    D113, D112, D182 or D101 tells it.
    """
    found: dict[str, list[tuple[Stay, list[Batch]]]] = {}
    told = set(starved(run))
    for stay in run.stays:
        if not stay.not_deleted or (stay.deleted and not stay.runs) or _most_receives(run, stay) == 1:
            continue
        undone = [batch for batch in stay.successes() if _undone(stay, batch, told)]
        if undone and (stay.dead_lettered or _ran_after(stay, undone[0])):
            found.setdefault(stay.queue, []).append((stay, undone))
    for queue, cases in found.items():
        stay, undone = max(cases, key=lambda case: len(case[1]))
        stays = unique(case[0] for case in cases)
        assert stays
        dead = [stay for stay in stays if stay.dead_lettered]
        ended = f"; {counted(len(dead), 'message')} went to the dead-letter queue all the same" if dead else ""
        summary = (
            f"{counted(len(stays), 'message')} succeeded and came back: {names(stays)}{ended}. For example "
            f"{names([stay])} had {counted(len(undone), 'successful run')} whose delete did nothing: {_reason(stay)}."
        )
        evidence = [index for case in cases for batch in case[1] for index in batch.evidence()]
        evidence += [index for case in cases for index, _ in case[0].not_deleted]
        yield diagnosis("D111", queue, stays, summary, evidence)


def one_receive(run: Run) -> Iterator[Diagnosis]:
    """D113: maxReceiveCount 1 dead-lettered what succeeded, or what never ran (DLQ-1, DLQ-2)."""
    found: dict[str, list[Stay]] = {}
    for stay in run.stays:
        if stay.dead_lettered and _most_receives(run, stay) == 1:
            throttled = any(batch.throttles and batch.started is None for batch in stay.batches)
            if throttled or any(stay.successes()):
                found.setdefault(stay.queue, []).append(stay)
    for queue, stays in found.items():
        handled = sum(1 for stay in stays if any(stay.successes()))
        told = [f"{handled} handled without error"] if handled else []
        told += [f"{len(stays) - handled} throttled and never run"] if handled < len(stays) else []
        summary = (
            f"{counted(len(stays), 'message')} dead-lettered after a single receive: {names(stays)} "
            f"({', '.join(told)}). maxReceiveCount of {queue} is 1: the second receive moves a message, whatever "
            "became of the first."
        )
        evidence = [index for stay in stays[:5] for batch in stay.batches for index in batch.evidence()]
        evidence += [stay.ending.index for stay in stays if stay.ending is not None]
        yield diagnosis("D113", queue, stays, summary, evidence)


def _by_queue(run: Run, *causes: str) -> dict[str, list[_Overrun]]:
    found: dict[str, list[_Overrun]] = {}
    told = set(starved(run))
    for overrun in _overruns(run):
        if overrun.cause in causes and not _is_told(overrun, told):
            found.setdefault(overrun.stay.queue, []).append(overrun)
    return found


def _is_told(overrun: _Overrun, starved_functions: set[str]) -> bool:
    """Whether D101 tells of the throttles that made it late."""
    return overrun.cause == "throttles" and overrun.batch.function in starved_functions


def _most_receives(run: Run, stay: Stay) -> int | None:
    at = stay.ending.at if stay.ending is not None else None
    most = run.settings.get(stay.queue, "RedrivePolicy.maxReceiveCount", at=at)
    return None if most is None else int(most)


def _undone(stay: Stay, batch: Batch, starved_functions: set[str]) -> bool:
    """Whether the delete after that success did nothing because its handle was no longer the right one."""
    receive = stay.receive_of(batch)
    if receive is None or (batch.ended_at or 0) < receive.visible_at:  # a replica delivered it before its time (SQS-28)
        return False
    overrun = _Overrun(stay, receive, batch, None)
    if overrun.cause not in ("work", "throttles") or _is_told(overrun, starved_functions):
        return False
    return any(fact.receipt == receive.receipt and _is_stale(stay, fact) for _, fact in stay.not_deleted)


def _is_stale(stay: Stay, fact: object) -> bool:
    if isinstance(fact, DeleteFailed):
        return "expired" in fact.error
    reason = getattr(fact, "reason", "")
    return reason == "superseded" or (reason == "gone" and stay.dead_lettered)


def _ran_after(stay: Stay, success: Batch) -> bool:
    done = success.ended_at or 0
    return any(batch.started_at is not None and batch.started_at >= done for batch in stay.runs if batch is not success)


def _reason(stay: Stay) -> str:
    fact = stay.not_deleted[0][1]
    if isinstance(fact, DeleteFailed):
        return "a FIFO queue refuses a receipt handle that has expired"
    if fact.reason == "superseded":
        return "a later receive had issued a newer receipt handle"
    return "the message had gone to the dead-letter queue in the meantime"


def _evidence(found: list[_Overrun]) -> list[int]:
    return [index for overrun in found for index in overrun.evidence()]


RULES: tuple[Rule, ...] = (overlap, not_deleted, window, one_receive, cold_start)

"""Causes that lie with queues: retention, redrives, copies, and queues that nobody polls."""

from __future__ import annotations

from collections.abc import Iterator

from esm_emulator.diagnosis.finding import Diagnosis, Rule, counted, diagnosis, name, names, rounded, unique
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Stay
from esm_emulator.diagnosis.throttling import RECURSION
from esm_emulator.durations import show_duration
from esm_emulator.journal import MessageExpired, PropertySet

__all__ = ["RULES"]

SHARE_LEFT = 0.5  # of the dead-letter queue's retention; a dead letter with no more than that came late
REDRIVEN = 5  # messages moved back from one dead-letter queue, of which
SHARE_BACK = 0.5  # this share must have come back
REBIRTHS = 3  # copies of one message, each sent by the run of the one before
LAST_MS = 1_000  # and sent at most so long before that run ended
NOT_POLLED = ("AccessDenied", "NonExistentQueue", "QueueDoesNotExist")


def late_dead_letter(run: Run) -> Iterator[Diagnosis]:
    """D160: no more than half of the dead-letter queue's retention was left on arrival (DLQ-4). Standard queues."""
    found: dict[str, list[tuple[Stay, int, int]]] = {}
    for stay in run.stays:
        if stay.origin != "dead-lettered" or run.is_fifo(stay.queue):
            continue
        kept = 1_000 * int(run.settings.get(stay.queue, "MessageRetentionPeriod", default=345_600, at=stay.entered_at))
        left = stay.expires_at - stay.entered_at
        if left <= kept * SHARE_LEFT:
            found.setdefault(stay.queue, []).append((stay, left, kept))
    for queue, cases in found.items():
        stay, left, kept = min(cases, key=lambda case: case[1])
        stays = [case[0] for case in cases]
        gone = [stay for stay in stays if stay.ending and type(stay.ending.fact) is MessageExpired]
        expired = f" {counted(len(gone), 'message')} expired there already." if gone else ""
        summary = (
            f"{counted(len(stays), 'message')} arrived in {queue} with half of its retention or less: {names(stays)}. "
            f"{name(stay)} had {rounded(left)} left of {show_duration(kept)}, because a standard queue's message keeps "
            f"the time at which it was first sent.{expired}"
        )
        evidence = [index for stay in stays for index in (stay.index, stay.ending.index if stay.ending else stay.index)]
        yield diagnosis("D160", queue, stays, summary, evidence)


def retention_change(run: Run) -> Iterator[Diagnosis]:
    """D161: messages expired before their time, after their queue's retention was lowered (SQS-29)."""
    found: dict[int, list[tuple[int, Stay]]] = {}
    changes = {index: (fact, before) for index, fact, before in run.settings.changes}
    for index, fact, stay in run.expired:
        if stay.expires_at and fact.at < stay.expires_at:
            change = _lowered(run, fact.queue, fact.at)
            if change is not None:
                found.setdefault(change, []).append((index, stay))
    for change, cases in found.items():
        lowering, before = changes[change]
        stays = [stay for _, stay in cases]
        queue = stays[0].queue
        was, is_ = (show_duration(1_000 * int(value or 345_600)) for value in (before, lowering.value))
        when = show_duration(lowering.at - run.start)
        summary = (
            f"Lowering MessageRetentionPeriod of {queue} from {was} to {is_} at {when} ended "
            f"{counted(len(stays), 'message')} before their time: {names(stays)}."
        )
        yield diagnosis("D161", queue, stays, summary, [change, *(index for index, _ in cases)])


def _lowered(run: Run, queue: str, at: int) -> int | None:
    """The number of the last change of the queue's retention by that time (epoch ms), when it was lowered.

    What expires by a change stands before it in the journal, at the same time.
    """
    for index, fact, old in reversed(run.settings.changes):
        if fact.at <= at and fact.target == f"{queue}.MessageRetentionPeriod":
            return index if _seconds(fact) < int(old or 345_600) else None
    return None


def _seconds(fact: PropertySet) -> int:
    return int(fact.value or 345_600)


def redrive_storm(run: Run) -> Iterator[Diagnosis]:
    """D162: of five redriven messages or more, at least half were dead-lettered again (SQS-40)."""
    moved: dict[str, list[tuple[int, Stay]]] = {}
    for index, fact, _, stay in run.moves:
        moved.setdefault(fact.queue, []).append((index, stay))
    for queue, cases in moved.items():
        back = [stay for _, stay in cases if stay.dead_lettered]
        if len(cases) < REDRIVEN or len(back) < len(cases) * SHARE_BACK:
            continue
        took = cases[-1][1].entered_at - cases[0][1].entered_at
        pace = f", about {len(cases) * 1_000 / took:.0f} a second" if took else ", all at once"
        never = sum(not stay.runs for stay in back)
        unseen = f" {never} of them never ran." if never else ""
        summary = (
            f"{round(100 * len(back) / len(cases))}% of {counted(len(cases), 'redriven message')} came back to {queue} "
            f"({len(back)}): they were moved{pace}, and failed or were throttled again.{unseen}"
        )
        evidence = [index for index, _ in cases[:20]]
        evidence += [stay.ending.index for stay in back[:20] if stay.ending]
        yield diagnosis("D162", queue, back, summary, evidence)


def reborn(run: Run) -> Iterator[Diagnosis]:
    """D163: three times or more in a row the run of a message sent a copy, and the original was deleted.

    A copy has the same body, no label, was sent within the last second of the run, and its original was deleted. A
    chain that the recursion guard has ended is D170's.
    """
    generation: dict[Stay, int] = {}
    oldest: dict[Stay, Stay] = {}
    last: dict[Stay, Stay] = {}
    guarded: set[Stay] = set()
    for stay in run.stays:
        parent = stay.parent
        if parent is None or stay.label is not None or not parent.deleted or not _sent_at_the_end(stay, parent):
            continue
        generation[stay] = generation.get(parent, 0) + 1
        oldest[stay] = oldest.get(parent, parent)
        if any(fact.reason == RECURSION for batch in stay.batches for _, fact in batch.throttles):
            guarded.add(oldest[stay])
        youngest = last.setdefault(oldest[stay], stay)
        if generation[stay] > generation[youngest]:
            last[oldest[stay]] = stay
    found: dict[str, list[tuple[Stay, Stay]]] = {}
    for first, stay in last.items():
        if generation[stay] >= REBIRTHS and first not in guarded:
            found.setdefault(stay.queue, []).append((first, stay))
    for queue, cases in found.items():
        first, stay = max(cases, key=lambda case: generation[case[1]])
        firsts = unique(case[0] for case in cases)
        summary = (
            f"{name(first)} has been sent anew {generation[stay]} times by its own run, over "
            f"{rounded(stay.entered_at - first.entered_at)}: each copy begins with a receive count of 0, so it can "
            f"never reach the dead-letter queue."
        )
        evidence = []
        copy: Stay | None = stay
        while copy is not None:
            evidence += [copy.index, *(index for batch in copy.runs for index in batch.evidence()[1:2])]
            copy = copy.parent if copy in generation else None
        yield diagnosis("D163", queue, firsts, summary, evidence)


def _sent_at_the_end(copy: Stay, parent: Stay) -> bool:
    return any(
        batch.started_at is not None
        and batch.ended_at is not None
        and batch.started_at <= copy.entered_at <= batch.ended_at <= copy.entered_at + LAST_MS
        for batch in parent.runs
    )


def not_polled(run: Run) -> Iterator[Diagnosis]:
    """D180: at the end messages are waiting, and every mapping of their queue is disabled; or receives are refused."""
    waiting: dict[str, list[Stay]] = {}
    for stay in run.stays:
        if stay.ending is None:
            waiting.setdefault(stay.queue, []).append(stay)
    for queue, stays in waiting.items():
        mappings = run.mappings_of(queue)
        states = {mapping: run.states.get(mapping) for mapping in mappings}
        if not mappings or not all(state and state[1].state == "Disabled" for state in states.values()):
            continue
        since = min(state[1].at for state in states.values() if state) - run.start
        oldest = run.end - min(stay.entered_at for stay in stays)
        summary = (
            f"{counted(len(stays), 'message')} waiting in {queue}, the oldest for {rounded(oldest)}: {names(stays)}. "
            f"{', '.join(mappings)} {'is' if len(mappings) == 1 else 'are'} Disabled since {show_duration(since)}."
        )
        evidence = [*(state[0] for state in states.values() if state), *(stay.index for stay in stays)]
        yield diagnosis("D180", mappings[0], stays, summary, evidence)
    for (queue, operation), (index, fact) in run.troubles.items():
        if any(word in fact.error for word in NOT_POLLED) and "receive" in operation.lower():
            summary = f"Nothing is received from {queue}: {fact.error} ({counted(fact.attempts, 'try')})."
            fix = (
                "Check the queue's URL or ARN, and the permissions sqs:ReceiveMessage, sqs:DeleteMessage, kms:Decrypt."
            )
            yield diagnosis("D180", queue, [], summary, [index], fix=fix)


RULES: tuple[Rule, ...] = (late_dead_letter, retention_change, redrive_storm, reborn, not_polled)

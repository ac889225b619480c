"""Causes in which one message, one response or one limit decided over a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from esm_emulator.diagnosis.finding import Diagnosis, Rule, counted, diagnosis, names, rounded, unique
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Batch, Stay
from esm_emulator.report.story import clipped

__all__ = ["RULES"]

CRASHES = 2  # invocations that must have died with a message before it is suspected
OUTAGE = 3  # batches of different messages that failed in a row, with no success between
LATER_MS = 1_000  # how much later than its window a batch must close

WHOLE_BATCH = ("PBR-18", "PBR-19", "PBR-20", "PBR-21", "PBR-22", "PBR-23", "PBR-26", "PBR-27", "PBR-28", "PBR-30")


def _failed(run: Run, outcome: str) -> Iterator[Batch]:
    return (batch for batch in run.batches if batch.outcome == outcome)


def _rule(batch: Batch) -> str:
    return str(batch.judged[1].rule) if batch.judged else ""


def _note(batch: Batch) -> str:
    return str(batch.judged[1].note or "") if batch.judged else ""


def _of_batches(batches: Iterable[Batch]) -> list[Stay]:
    return unique(stay for batch in batches for stay in batch.stays)


def _by_mapping(batches: Iterable[Batch], suits: Callable[[Batch], bool]) -> dict[str, list[Batch]]:
    found: dict[str, list[Batch]] = {}
    for batch in batches:
        if suits(batch):
            found.setdefault(batch.mapping, []).append(batch)
    return found


def _evidence(batches: Iterable[Batch]) -> list[int]:
    return [index for batch in batches for index in batch.evidence()]


# --- errors without partial responses -------------------------------------------------------------------------


def dragged_along(run: Run) -> Iterator[Diagnosis]:
    """D120: dead-lettered after errors that were never its own batch's alone (FAIL-5).

    Messages are taken together that shared failing batches. An outage is not told: it is the function that fails then,
    and not one message.
    """
    by_mapping: dict[str, list[Stay]] = {}
    outage = _outages(run)
    for stay in run.stays:
        alike = stay.dead_lettered and stay.runs and all(map(_is_shared_error, stay.batches))
        if alike and outage.isdisjoint(stay.batches):
            by_mapping.setdefault(stay.batches[0].mapping, []).append(stay)
    for mapping, stays in by_mapping.items():
        companies = [company for company in _companies(stays) if len(company) > 1]
        if not companies:
            continue
        dead = [stay for company in companies for stay in company]
        batches = list(dict.fromkeys(batch for stay in dead for batch in stay.batches))
        size = max(len(batch.stays) for batch in batches)
        most = max(len(stay.runs) for stay in dead)
        error = batches[0].ended[1] if batches[0].ended else None
        said = f" ({error.error_type}: {error.error_message})" if error and error.error_type else ""
        summary = (
            f"{counted(len(dead), 'message')} ran up to {counted(most, 'time')} and went to the dead-letter queue "
            f"together: {names(dead)}. Each failed only in batches of up to {size} that an error{said} failed as a "
            f"whole: one bad message is enough. {mapping} does not have ReportBatchItemFailures."
        )
        evidence = [*_evidence(batches), *(stay.ending.index for stay in dead if stay.ending)]
        yield diagnosis("D120", mapping, dead, summary, evidence)


def _outages(run: Run) -> set[Batch]:
    """The batches of outages: errors in a row, by the time of their end, over three batches of different messages."""
    found: set[Batch] = set()
    for batches in _by_mapping(run.batches, lambda batch: batch.outcome is not None).values():
        row: list[Batch] = []
        seen: set[Stay] = set()
        fresh = 0
        for batch in [*sorted(batches, key=lambda batch: batch.ended_at or 0), None]:
            if batch is not None and batch.outcome == "error":
                row.append(batch)
                fresh += seen.isdisjoint(batch.stays)
                seen.update(batch.stays)
                continue
            if fresh >= OUTAGE:
                found.update(row)
            row, seen, fresh = [], set(), 0
    return found


def _is_shared_error(batch: Batch) -> bool:
    return batch.outcome == "error" and _rule(batch) == "FAIL-5" and len(batch.stays) > 1


def _companies(stays: list[Stay]) -> list[list[Stay]]:
    """The messages that shared batches, each company in order."""
    waiting = dict.fromkeys(stays)
    seen: set[Batch] = set()
    companies: list[list[Stay]] = []
    while waiting:
        company, open_ = [], [waiting.popitem()[0]]
        while open_:
            one = open_.pop()
            company.append(one)
            for batch in one.batches:
                if batch not in seen:
                    seen.add(batch)
                    open_ += [other for other in batch.stays if waiting.pop(other, one) is None]
        companies.append(unique(company))
    return companies


# --- responses ------------------------------------------------------------------------------------------------


def ignored_report(run: Run) -> Iterator[Diagnosis]:
    """D121: failures were reported, the feature is off, everything was deleted (PBR-31)."""
    for mapping, batches in _by_mapping(run.batches, lambda batch: _rule(batch) == "PBR-31").items():
        reported = {id for batch in batches if batch.judged for id in batch.judged[1].reported or ()}
        everything = _of_batches(batches)
        lost = [stay for stay in everything if stay.message in reported] or everything
        summary = (
            f"The function reported {counted(len(reported) or len(lost), 'failed message')}, but FunctionResponseTypes "
            f"of {mapping} does not have ReportBatchItemFailures: all {counted(len(everything), 'message')} of "
            f"{_batches(batches)} were deleted. Lost: {names(lost)}."
        )
        yield diagnosis("D121", mapping, lost, summary, _evidence(batches))


def wrong_shape(run: Run) -> Iterator[Diagnosis]:
    """D122: a response that Lambda reads otherwise than it was meant (PBR-15 … 30)."""
    for mapping, batches in _by_mapping(run.batches, _is_misread).items():
        rules = ", ".join(dict.fromkeys(_rule(batch) for batch in batches))
        stays = _of_batches(batches)
        failed = sum(_rule(batch) != "PBR-15" for batch in batches)
        outcome = (
            f"all {counted(len(stays), 'message')} came back"
            if failed == len(batches)
            else f"all {counted(len(stays), 'message')} were deleted"
            if not failed
            else f"{counted(len(stays), 'message')} were concerned"
        )
        summary = (
            f"{counted(len(batches), 'response')} of the function could not be read as meant ({rules}). "
            f"{_note(batches[0])} So {outcome}: {names(stays)}."
        )
        yield diagnosis("D122", mapping, stays, summary, _evidence(batches))


def _is_misread(batch: Batch) -> bool:
    rule = _rule(batch)
    if rule != "PBR-15":
        return rule in WHOLE_BATCH
    keys = _note(batch).partition(" but no ")[0].lower().replace("_", "").replace("-", "")
    return "batchitemfailure" in keys or "itemidentifier" in keys or "'statuscode'" in keys


def raised(run: Run) -> Iterator[Diagnosis]:
    """D123: with partial responses on, an exception failed a batch, and others of it ran again (FAIL-17).

    The proof that others were concerned: after it, at least one message of the batch succeeded, or was dead-lettered.
    An outage is not told.
    """
    outage = _outages(run)
    batches = [
        batch
        for batch in _failed(run, "error")
        if _rule(batch) == "FAIL-17" and len(batch.stays) > 1 and any(_came_back(stay, batch) for stay in batch.stays)
        if batch not in outage
    ]
    for mapping, found in _by_mapping(batches, lambda _: True).items():
        stays = _of_batches(found)
        again = [stay for stay in stays if any(_ran_again(stay, batch) for batch in found)]
        error = found[0].ended[1] if found[0].ended else None
        said = f" ({error.error_type}: {error.error_message})" if error and error.error_type else ""
        summary = (
            f"{_batches(found)} of {mapping} failed as a whole because the function raised{said}: "
            f"{counted(len(again), 'message')} ran again, whatever was finished. {mapping} has "
            "ReportBatchItemFailures, so single failures could have been reported."
        )
        yield diagnosis("D123", mapping, stays, summary, _evidence(found))


def _came_back(stay: Stay, batch: Batch) -> bool:
    end = batch.ended_at or 0
    return stay.dead_lettered or any((good.ended_at or 0) > end for good in stay.successes())


def _ran_again(stay: Stay, batch: Batch) -> bool:
    return any(other.index > batch.index for other in stay.runs)


def timed_out(run: Run) -> Iterator[Diagnosis]:
    """D124: the function's timeout failed a batch of several, and its messages came back (FAIL-5)."""
    for mapping, found in _by_mapping(_failed(run, "timeout"), _has_harm).items():
        worst = max(found, key=lambda batch: len(batch.stays))
        stays = _of_batches(found)
        again = [stay for stay in stays if any(_ran_again(stay, batch) for batch in found)]
        limit = run.settings.get(worst.function, "Timeout", at=worst.closed.at)
        told = f"{limit} s" if limit is not None else rounded(worst.ended[1].duration_ms if worst.ended else 0)
        summary = (
            f"{counted(len(found), 'invocation')} of {worst.function} hit the Timeout of {told} with up to "
            f"{counted(len(worst.stays), 'message')} in hand; all of them came back, {len(again)} ran again: "
            f"{names(stays)}."
        )
        yield diagnosis("D124", mapping, stays, summary, _evidence(found))


def _has_harm(batch: Batch) -> bool:
    return len(batch.stays) > 1 and any(stay.dead_lettered or _ran_again(stay, batch) for stay in batch.stays)


def crashed(run: Run) -> Iterator[Diagnosis]:
    """D125: every invocation with a message in it died, twice or more; the fewest messages that explain it (FAIL-5)."""
    for mapping, found in _by_mapping(_failed(run, "exit"), lambda _: True).items():
        always = [
            stay
            for stay in _of_batches(found)
            if len(stay.runs) >= CRASHES and all(batch.outcome == "exit" for batch in stay.runs)
        ]
        if not always:
            continue
        most = max(len(stay.runs) for stay in always)
        suspects = [stay for stay in always if len(stay.runs) == most]
        crashes = list(dict.fromkeys(batch for stay in suspects for batch in stay.runs))
        said = crashes[0].ended[1].error_message if crashes[0].ended else ""
        company = _of_batches(crashes)
        word = "suspect" if len(suspects) == 1 else "suspects"
        summary = (
            f"The process of {crashes[0].function} died in {counted(len(crashes), 'invocation')}"
            f"{f' ({clipped(said)})' if said else ''}; in all of them was the {word} {names(suspects)}. "
            f"{counted(len(company), 'message')} failed with it."
        )
        yield diagnosis("D125", mapping, suspects, summary, _evidence(crashes))


# --- limits ---------------------------------------------------------------------------------------------------


def quiet_window(run: Run) -> Iterator[Diagnosis]:
    """D140: a batch closed at least a second after its window, for want of messages (BATCH-9)."""
    late: list[tuple[Batch, int, int]] = []
    by_payload: dict[str, bool] = {}  # consumer -> whether its previous batch left a rest
    for batch in run.batches:
        leftover = by_payload.get(batch.closed.consumer, False)
        by_payload[batch.closed.consumer] = batch.closed.reason == "payload"
        if batch.closed.reason != "window" or leftover:
            continue
        window = run.settings.get(batch.mapping, "MaximumBatchingWindowInSeconds", default=0, at=batch.closed.at)
        receives = [receive.at for stay in batch.stays if (receive := stay.receive_of(batch)) is not None]
        if window and receives and batch.closed.at - min(receives) >= window * 1_000 + LATER_MS:
            late.append((batch, batch.closed.at - min(receives), window))
    for mapping, found in _by_mapping([batch for batch, _, _ in late], lambda _: True).items():
        worst, waited, window = max((item for item in late if item[0].mapping == mapping), key=lambda item: item[1])
        stays = _of_batches(found)
        summary = (
            f"{_batches(found)} of {mapping} waited up to {rounded(waited)} although the window is {window} s: the "
            f"queue was nearly empty ({counted(len(worst.stays), 'message')} in the batch). Concerned: "
            f"{names(stays)}."
        )
        yield diagnosis("D140", mapping, stays, summary, _evidence(found))


def payload(run: Run) -> Iterator[Diagnosis]:
    """D141: the event's 6 MB closed batches below BatchSize (BATCH-6)."""
    for mapping, found in _by_mapping(run.batches, lambda batch: batch.closed.reason == "payload").items():
        asked = run.settings.get(mapping, "BatchSize", default=10)
        counts = [len(batch.closed.messages) for batch in found]
        largest = max(found, key=lambda batch: batch.closed.size)
        told = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        mean = largest.closed.size // max(1, len(largest.closed.messages))
        summary = (
            f"{_batches(found)} of {mapping} closed at {told} of {asked} messages: the event had reached its limit "
            f"(6 MB on AWS) with records of about {_kilobytes(mean)}."
        )
        yield diagnosis("D141", mapping, _of_batches(found), summary, _evidence(found))


def _kilobytes(size: int) -> str:
    return f"{size} bytes" if size < 1024 else f"{size // 1024} KB"


def _batches(found: list[Batch]) -> str:
    return "1 batch" if len(found) == 1 else f"{len(found)} batches"


RULES: tuple[Rule, ...] = (
    dragged_along,
    ignored_report,
    wrong_shape,
    raised,
    timed_out,
    crashed,
    quiet_window,
    payload,
)

"""The cause in which a mapping's filter deleted messages that somebody wanted."""

from __future__ import annotations

from collections.abc import Iterator

from esm_emulator.diagnosis.finding import Diagnosis, Rule, counted, diagnosis, names
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Stay

__all__ = ["RULES"]

NONE_MATCHED = 5  # messages of which not one matched, after which the filter itself is in doubt


def deleted_by_filter(run: Run) -> Iterator[Diagnosis]:
    """D150: a filter deleted messages, and something speaks against its having been meant (FILT-6, 7, 13).

    That is one of: other mappings compete for the queue; the body's format is not the pattern's; or of five messages
    or more not one matched. A filter that lets some through and drops others, alone on its queue, does its work.
    """
    filtered: dict[tuple[str, str], list[Stay]] = {}
    delivered: dict[str, int] = {}
    for stay in run.stays:
        if stay.filtered is not None:
            filtered.setdefault((stay.filtered[1].mapping, stay.queue), []).append(stay)
        for batch in stay.batches[:1]:
            delivered[batch.mapping] = delivered.get(batch.mapping, 0) + 1
    for (mapping, queue), stays in filtered.items():
        others = [other for other in run.mappings_of(queue) if other != mapping and _polls(run, other)]
        misread = [stay for stay in stays if _is_of_another_format(stay)]
        passed = delivered.get(mapping, 0)
        if others:
            why = f"{', '.join(others)} reads the same queue and never saw them: mappings on one queue compete"
        elif misread:
            why = "their body is not of the format that the pattern expects"
        elif not passed and len(stays) >= NONE_MATCHED:
            why = "not one message has matched"
        else:
            continue
        told = misread if misread and not others else stays
        first = told[0].filtered
        assert first is not None
        summary = (
            f"{len(told)} of {counted(len(stays) + passed, 'message')} that {mapping} received matched no filter and "
            f"were deleted, never run and never dead-lettered: {names(told)}; {why}. The first did not match because "
            f"{first[1].reason}."
        )
        evidence = [stay.filtered[0] for stay in told if stay.filtered]
        yield diagnosis("D150", mapping, told, summary, evidence)


def _polls(run: Run, mapping: str) -> bool:
    state = run.states.get(mapping)
    return state is None or state[1].state != "Disabled"


def _is_of_another_format(stay: Stay) -> bool:
    return stay.filtered is not None and "FILT-13" in stay.filtered[1].reason


RULES: tuple[Rule, ...] = (deleted_by_filter,)

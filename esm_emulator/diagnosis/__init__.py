"""Why a run went as it did: named causes, read from the journal.

A cause is told when the journal proves both it and its harm, and not before: a healthy run has none. Each family of
causes is a file of rules, pure functions over :class:`~esm_emulator.diagnosis.run.Run`, the index that one walk
over the journal makes. Numbers that a rule decides by stand at the top of its file. Texts are those of
``esm_emulator.codes``.
"""

from __future__ import annotations

from collections.abc import Iterable

from esm_emulator.diagnosis import batches, fifo, filters, queues, scaling, throttling, visibility
from esm_emulator.diagnosis.finding import Diagnosis, Rule
from esm_emulator.diagnosis.run import Run
from esm_emulator.garbage import collected_rarely
from esm_emulator.journal import Fact

__all__ = ["RULES", "Diagnosis", "diagnose"]

RULES: tuple[Rule, ...] = (
    *throttling.RULES,
    *visibility.RULES,
    *batches.RULES,
    *fifo.RULES,
    *filters.RULES,
    *queues.RULES,
    *scaling.RULES,
)


def diagnose(journal: Iterable[Fact]) -> list[Diagnosis]:
    """Every cause that the journal proves, by code and subject."""
    with collected_rarely():
        run = Run.of(journal)
        found = [diagnosis for rule in RULES for diagnosis in rule(run)]
    return sorted(found, key=lambda diagnosis: (diagnosis.code, diagnosis.subject))

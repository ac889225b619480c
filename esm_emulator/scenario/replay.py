"""Plays and judges a case: what ``esm replay`` and the pytest plugin have in common."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path as FilePath

from esm_emulator.check import check_resources
from esm_emulator.diagnosis import diagnose
from esm_emulator.garbage import collected_rarely
from esm_emulator.report.results import CaseResult, FailedExpectation
from esm_emulator.report.story import stories
from esm_emulator.scenario.expect import Failure, Outcome, failures_of
from esm_emulator.scenario.file import Case
from esm_emulator.scenario.play import DEFAULT_WATCHDOG_S, Played, play
from esm_emulator.written import write

__all__ = ["Options", "file_name", "replay"]

STORIES = 3  # told under one failure


@dataclass(frozen=True, slots=True)
class Options:
    """How to play, and what to write: ``journal`` is a folder for JSON lines, ``trace`` one for HTML pages.

    ``name`` is what a case's file in them is called, by default as :func:`file_name` has it; ``digest`` asks for one.
    """

    seed: int | None = None
    until_ms: int | None = None
    watchdog_s: float = DEFAULT_WATCHDOG_S
    journal: FilePath | None = None
    trace: FilePath | None = None
    name: str = ""
    redact: bool = False
    digest: bool = False


@collected_rarely()
def replay(case: Case, options: Options) -> CaseResult:
    """Play a case, judge it, and write what was asked for.

    Raises what :func:`play` raises, and ``UsageError`` for a file that cannot be written.
    """
    played = play(case, seed=options.seed, until_ms=options.until_ms, watchdog_s=options.watchdog_s)
    diagnoses = diagnose(played.journal)
    warnings = check_resources(case.resources)
    outcome = Outcome.of(
        played,
        diagnoses=[diagnosis.code for diagnosis in diagnoses],
        warnings=[finding.code for finding in warnings],
    )
    name = options.name or file_name(case, options.seed)
    if options.journal is not None:
        lines = "".join(f"{line}\n" for line in played.journal.lines())
        write(options.journal / f"{name}.jsonl", lines)
    if options.trace is not None:
        from esm_emulator.report.trace import trace  # noqa: PLC0415 - only who asks for a trace pays for it

        page = trace(played.journal, diagnoses, redact=options.redact, real_seconds=round(played.real_seconds, 3))
        write(options.trace / f"{name}.html", page)
    return CaseResult(
        id=case.id,
        scenario=case.scenario,
        variant=case.variant,
        file=case.file,
        line=case.line,
        seed=played.seed,
        stopped=played.stopped,
        virtual_seconds=played.virtual_ms / 1_000,
        real_seconds=round(played.real_seconds, 3),
        clock=case.model.clock,
        failures=tuple(_with_stories(failure, played, outcome) for failure in failures_of(outcome)),
        queues=outcome.metrics.queues,
        functions=outcome.metrics.functions,
        mappings=outcome.metrics.mappings,
        messages=tuple(message.to_json() for message in outcome.messages),
        diagnoses=tuple(diagnosis.to_json(outcome.messages) for diagnosis in diagnoses),
        warnings=tuple(
            {"code": finding.code, "subject": finding.subject, "summary": finding.summary} for finding in warnings
        ),
        digest=_digest(played) if options.digest else "",
    )


def file_name(case: Case, seed: int | None = None) -> str:
    """A file's name for a case: ``name[variant]`` without what file systems dislike."""
    text = case.id if seed is None else f"{case.id}-seed{seed}"
    return "".join(char if char.isalnum() or char in "-_.[]" else "_" for char in text)


def _with_stories(failure: Failure, played: Played, outcome: Outcome) -> FailedExpectation:
    concerned = [message for id in failure.messages if (message := outcome.messages.get(id))]
    told = stories(played.journal, concerned[:STORIES])
    return FailedExpectation(
        failure.path,
        failure.expected,
        failure.actual,
        failure.line,
        failure.note,
        tuple(tuple(lines) for lines in told.values()),
        max(0, len(concerned) - STORIES),
    )


def _digest(played: Played) -> str:
    digest = hashlib.sha256()
    for line in played.journal.lines():
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()

"""The end of a run as text, and as one object: counts, what was dead-lettered, diagnoses, where the event log is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esm_emulator.durations import show_duration

__all__ = ["Line", "Remaining", "Summary", "as_json", "lines"]

_SHOWN = 76  # characters of a body


@dataclass(frozen=True, slots=True)
class Line:
    """One mapping: the ids of what it ties; ``left`` messages in its queue, ``here`` whether that is embedded."""

    mapping: str
    queue: str
    function: str
    dead_lettered: int
    left: int
    here: bool


@dataclass(frozen=True, slots=True)
class Remaining:
    """What an embedded queue that no mapping reads holds at the end: how many messages, and the first few bodies."""

    queue: str
    count: int
    bodies: tuple[str, ...]
    dead: bool  # a dead-letter queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that is told at the end. ``metrics`` has queues, functions and mappings by logical id.

    ``facts`` happened in all, ``kept`` of them were there for diagnosis. ``event_log`` is where they were written, and
    ``log_trouble`` why not all of them.
    """

    reason: str
    seconds: float
    mappings: Sequence[Line]
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]
    remaining: Sequence[Remaining]
    diagnoses: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    facts: int
    kept: int
    event_log: Path | None = None
    log_trouble: str | None = None


def as_json(summary: Summary) -> dict[str, Any]:
    """What ``esm run --json`` prints; the metrics are as in a replay's case."""
    return {
        "version": 1,
        "stopped": summary.reason,
        "real_seconds": summary.seconds,
        **summary.metrics,
        "diagnoses": list(summary.diagnoses),
        "diagnosed_facts": summary.kept,
        "facts": summary.facts,
        "warnings": list(summary.warnings),
        "event_log": str(summary.event_log) if summary.event_log else None,
    }


def lines(summary: Summary, style: Callable[..., str]) -> Iterator[str]:
    """The summary as text. ``style(text, **attributes)`` colors, or does not."""
    why = {"idle": "Everything is done", "interrupted": "Stopped"}[summary.reason]
    yield style(f"{why} after {_time(summary.seconds)}.", bold=True)
    for mapping in summary.mappings:
        yield ""
        yield from _mapping(mapping, summary.metrics, style)
    for found in summary.remaining:
        yield ""
        yield style(
            f"{found.queue}: {_number(found.count, 'dead letter' if found.dead else 'message')}",
            fg="red" if found.dead else None,
            bold=True,
        )
        yield from (f"  {_short(body)}" for body in found.bodies)
        if found.count > len(found.bodies):
            yield f"  … and {found.count - len(found.bodies):,} more"
    yield from _diagnoses(summary, style)
    yield from _log(summary)


def _mapping(
    mapping: Line, metrics: Mapping[str, Mapping[str, Mapping[str, Any]]], style: Callable[..., str]
) -> Iterator[str]:
    own = metrics["mappings"].get(mapping.mapping, {})
    queue = metrics["queues"].get(mapping.queue, {})
    ran = metrics["functions"].get(mapping.function, {})
    yield style(f"{mapping.mapping}: {mapping.queue} → {mapping.function}", bold=True)
    counts = [
        f"{own.get('DeletedEventCount', 0):,} handled and deleted",
        f"{own.get('FilteredOutEventCount', 0):,} filtered out" if own.get("FilteredOutEventCount") else "",
        f"{mapping.dead_lettered:,} dead-lettered",
        f"{mapping.left:,} left",
    ]
    if mapping.here:
        counts.insert(0, f"{queue.get('NumberOfMessagesSent', 0):,} sent")
    yield f"  messages     {_joined(counts)}"
    yield "  polling      " + _joined(
        [
            _number(own.get("PolledEventCount", 0), "receive"),
            _number(own.get("batches", 0), "batch", "batches"),
            f"at most {_number(own.get('pollers', 0), 'poller')}",
        ]
    )
    yield "  invocations  " + _joined(
        [
            f"{ran.get('Invocations', 0):,}",
            _number(ran.get("Errors", 0), "error"),
            _number(ran.get("Throttles", 0), "throttle"),
            f"{ran.get('ConcurrentExecutions', 0):,} at once at most",
            f"{ran.get('DurationAverage', 0):,.0f} ms on average",
            _number(ran.get("ColdStarts", 0), "cold start"),
        ]
    )


def _diagnoses(summary: Summary, style: Callable[..., str]) -> Iterator[str]:
    if summary.diagnoses and summary.facts > summary.kept:
        yield ""
        yield f"The diagnoses are of the latest {summary.kept:,} of {summary.facts:,} facts."
    for diagnosis in summary.diagnoses:
        yield ""
        yield f"{style(diagnosis['code'], fg='yellow', bold=True)} {diagnosis['subject']}: {diagnosis['summary']}"
        yield f"  mend: {diagnosis['fix']}"
        yield f"  see:  {diagnosis['source']}"


def _log(summary: Summary) -> Iterator[str]:
    if summary.event_log is not None:
        yield ""
        yield f"Event log: {summary.event_log} ({_number(summary.facts, 'fact')})"
        if summary.log_trouble:
            yield f"  It ends early: {summary.log_trouble}"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else show_duration(round(seconds) * 1_000)


def _joined(parts: Sequence[str]) -> str:
    return " · ".join(part for part in parts if part)


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _short(body: str) -> str:
    """A body on one line, its control characters escaped: what is in a message must not steer a terminal."""
    text = body if body.isprintable() else json.dumps(body, ensure_ascii=True)[1:-1]
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"

"""A replay as text: a line a case, and under a failed one what was expected, what came, and why."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from esm_emulator.durations import show_duration
from esm_emulator.report.results import CaseResult, FailedExpectation

__all__ = ["case_lines", "failure_lines", "play_again", "shown", "summary_line"]

Style = Callable[..., str]


def case_lines(result: CaseResult, style: Style) -> Iterator[str]:
    """The case's line, and what stands under it when it failed. ``style(text, **attributes)`` colors, or does not."""
    word = style("passed", fg="green") if result.passed else style("FAILED", fg="red", bold=True)
    yield (
        f"{word}  {style(result.id, bold=True)}  {result.clock} {show_duration(round(result.virtual_seconds * 1000))}, "
        f"real {result.real_seconds:.2f}s, seed {result.seed}"
    )
    if not result.passed:
        for line in failure_lines(result, style):
            yield f"  {line}" if line else ""


def failure_lines(result: CaseResult, style: Style) -> Iterator[str]:
    """What failed, the stories, the diagnoses, and how to play exactly this case again."""
    for failure in result.failures:
        yield ""
        yield from _failure(result, failure, style)
    for diagnosis in result.diagnoses:
        yield ""
        yield f"{style(diagnosis['code'], fg='yellow', bold=True)} {diagnosis['subject']}: {diagnosis['summary']}"
        yield f"  mend: {diagnosis['fix']}"
        yield f"  see:  {diagnosis['source']}"
    yield ""
    yield f"stopped: {result.stopped}"
    yield f"play it again: {play_again(result)}"


def _failure(result: CaseResult, failure: FailedExpectation, style: Style) -> Iterator[str]:
    yield style(f"{result.file}:{failure.line}  expect.{failure.path}", bold=True)
    yield f"  expected  {style(shown(failure.expected), fg='green')}"
    yield f"  came      {style(shown(failure.actual), fg='red')}"
    if failure.note:
        yield f"  {failure.note}"
    for story in failure.stories:
        yield ""
        yield from (f"  {line}" for line in story)
    if failure.stories_left_out:
        yield f"  … and {failure.stories_left_out} more messages"


def play_again(result: CaseResult) -> str:
    """The command that plays exactly this case with this seed."""
    return f"esm replay {shlex.quote(result.file)} -k {shlex.quote(result.id)} --seed {result.seed}"


def summary_line(results: list[CaseResult], style: Style) -> str:
    """How many passed and failed."""
    failed = sum(not result.passed for result in results)
    passed = len(results) - failed
    color = "red" if failed else "green"
    return style(f"{passed} passed, {failed} failed", fg=color, bold=True)


def shown(value: Any) -> str:
    """A value as a scenario would say it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""A replay as GitHub annotations: an error at each expectation that did not hold, a warning for each diagnosis."""

from __future__ import annotations

from collections.abc import Iterator

from esm_emulator.report.results import CaseResult
from esm_emulator.report.text import play_again, shown

__all__ = ["annotation", "annotations_of"]


def annotations_of(result: CaseResult) -> Iterator[str]:
    """The workflow commands for one case; none when it passed."""
    for failure in result.failures:
        came = f"expected {shown(failure.expected)}, came {shown(failure.actual)}"
        message = f"{failure.path}: {came}. {play_again(result)}"
        yield annotation("error", result.file, failure.line, 1, title=result.id, message=message)
    if result.failures:
        for diagnosis in result.diagnoses:
            message = f"{diagnosis['subject']}: {diagnosis['summary']} {diagnosis['fix']}"
            yield annotation("warning", result.file, result.line, 1, title=diagnosis["code"], message=message)


def annotation(level: str, file: str, line: int, column: int, *, title: str, message: str) -> str:
    """One workflow command, with everything escaped that has a meaning there."""
    place = f"file={_property(file)},line={line},col={column},title={_property(title)}"
    return f"::{level} {place}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

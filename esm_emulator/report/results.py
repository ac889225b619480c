"""What a replay says of one case: plain data, for every format that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CaseResult", "FailedExpectation", "as_json"]


@dataclass(frozen=True, slots=True)
class FailedExpectation:
    """An expectation that did not hold; ``stories`` are those of the messages concerned, each a list of lines."""

    path: str
    expected: Any
    actual: Any
    line: int
    note: str = ""
    stories: tuple[tuple[str, ...], ...] = ()
    stories_left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it stands in a replay's JSON."""
        return {"path": self.path, "expected": self.expected, "actual": self.actual, "line": self.line}


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case and one seed, played and judged. ``digest`` is of the journal's lines, or empty."""

    id: str
    scenario: str
    variant: str | None
    file: str
    line: int
    seed: int
    stopped: str
    virtual_seconds: float
    real_seconds: float
    clock: str
    failures: tuple[FailedExpectation, ...]
    queues: Mapping[str, Mapping[str, Any]]
    functions: Mapping[str, Mapping[str, Any]]
    mappings: Mapping[str, Mapping[str, Any]]
    messages: tuple[Mapping[str, Any], ...]
    diagnoses: tuple[Mapping[str, Any], ...]
    warnings: tuple[Mapping[str, Any], ...]
    digest: str

    @property
    def passed(self) -> bool:
        """Whether every expectation held."""
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """As it stands in a replay's JSON."""
        return {
            "scenario": self.scenario,
            "variant": self.variant,
            "file": self.file,
            "line": self.line,
            "passed": self.passed,
            "seed": self.seed,
            "stopped": self.stopped,
            "virtual_seconds": self.virtual_seconds,
            "real_seconds": self.real_seconds,
            "failures": [failure.to_json() for failure in self.failures],
            "queues": self.queues,
            "functions": self.functions,
            "mappings": self.mappings,
            "messages": list(self.messages),
            "diagnoses": list(self.diagnoses),
            "warnings": list(self.warnings),
        }


def as_json(results: list[CaseResult]) -> dict[str, Any]:
    """The one object that ``esm replay --json`` prints."""
    passed = sum(result.passed for result in results)
    return {
        "version": 1,
        "passed": passed,
        "failed": len(results) - passed,
        "cases": [result.to_json() for result in results],
    }

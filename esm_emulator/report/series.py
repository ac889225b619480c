"""Metrics over time: one value a period for each metric, as CloudWatch would draw it.

A sum is what the period added, a maximum the largest value in it, an average that of its values, a count of messages
its value at the end. A function's errors count when their invocation began (MET-6). Periods in which nothing happened
are left out but for the last before something did, so that a night without messages costs nothing and lines stay flat
over it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from esm_emulator.journal import Fact, InvocationEnded, InvocationStarted
from esm_emulator.report.metrics import Metrics, over_time, statistic

__all__ = ["PERIOD_MS", "Line", "Series"]

PERIOD_MS = 60_000  # CloudWatch's

Line = list[float]
_Lines = dict[str, dict[str, Line]]  # logical id -> metric -> a value for each period


@dataclass(frozen=True, slots=True)
class _Failure:
    function: str
    began_at: int
    ended_at: int
    by_timeout: bool


def _noting(failures: list[_Failure], journal: Iterable[Fact]) -> Iterator[Fact]:
    """The facts as they are; the failed invocations among them are noted."""
    began_at: dict[str, int] = {}
    for fact in journal:
        if isinstance(fact, InvocationStarted):
            began_at[fact.request_id] = fact.at
        elif isinstance(fact, InvocationEnded):
            began = began_at.pop(fact.request_id, fact.at)
            if fact.outcome != "success":
                failures.append(_Failure(fact.function, began, fact.at, fact.outcome == "timeout"))
        yield fact


@dataclass(frozen=True, slots=True)
class Series:
    """``ends`` are the ends of the periods (epoch ms); every line has a value for each of them."""

    period_ms: int
    ends: list[int] = field(default_factory=list)
    queues: _Lines = field(default_factory=dict)
    functions: _Lines = field(default_factory=dict)
    mappings: _Lines = field(default_factory=dict)

    @classmethod
    def of(cls, journal: Iterable[Fact], period_ms: int = PERIOD_MS) -> Series:
        """The series of a whole journal, in time linear in its facts."""
        series = cls(period_ms)
        before: dict[tuple[str, str, str], float] = {}
        failures: list[_Failure] = []
        for end, metrics in over_time(_noting(failures, journal), period_ms):
            series._add(end, metrics, before)
            metrics.forget_maxima()
        series._put_back(failures)
        return series

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "period_ms": self.period_ms,
            "ends": self.ends,
            "queues": self.queues,
            "functions": self.functions,
            "mappings": self.mappings,
        }

    def _put_back(self, failures: Iterable[_Failure]) -> None:
        """Count errors in the period in which the invocation began."""
        for failure in failures:
            began, ended = self._period_of(failure.began_at), self._period_of(failure.ended_at)
            for name in ("Errors", "Timeouts") if failure.by_timeout else ("Errors",):
                line = self.functions[failure.function][name]
                line[ended] -= 1
                line[began] += 1

    def _period_of(self, at: int) -> int:
        return min(bisect_right(self.ends, at), len(self.ends) - 1)

    def _add(self, end: int, metrics: Metrics, before: dict[tuple[str, str, str], float]) -> None:
        self.ends.append(end)
        for kind in ("queues", "functions", "mappings"):
            lines: _Lines = getattr(self, kind)
            for id_, numbers in getattr(metrics, kind).items():
                for name, value in numbers.items():
                    line = lines.setdefault(id_, {}).setdefault(name, [0.0] * (len(self.ends) - 1))
                    if statistic(name) == "sum":
                        line.append(value - before.get((kind, id_, name), 0))
                        before[kind, id_, name] = value
                    else:
                        line.append(value)

"""Metrics over time: one value a period for each metric, as CloudWatch would draw it.

A sum is what the period added, a maximum the largest value in it, a count of messages its value at the end. Periods in
which nothing happened are left out but for the last before something did, so that a night without messages costs
nothing and lines stay flat over it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from esm_emulator.journal import Fact
from esm_emulator.report.metrics import Metrics, over_time, statistic

__all__ = ["PERIOD_MS", "Line", "Series"]

PERIOD_MS = 60_000  # CloudWatch's

Line = list[float]
_Lines = dict[str, dict[str, Line]]  # logical id -> metric -> a value for each period


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
        for end, metrics in over_time(journal, period_ms):
            series._add(end, metrics, before)
            metrics.forget_maxima()
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

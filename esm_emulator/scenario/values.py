"""The small notations of a scenario file: rates, ranges of counts, and comparisons.

Each parser raises ``ValueError`` with a sentence that says what would fit.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from esm_emulator.durations import UNITS
from esm_emulator.validation import shown

__all__ = ["Comparison", "CountRange", "rate_per_second"]

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")
_RANGE = re.compile(r"(\d+)(-(\d+)?)?")
_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<)\s*(-?\d+(?:\.\d+)?)")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def rate_per_second(value: object) -> float:
    """Messages a second of ``20/s``, ``90/m`` or ``5/h``."""
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or not float(found[1]):
        raise ValueError(f"takes a rate such as 20/s, 90/m or 5/h, not {value!r}")
    return float(found[1]) * 1_000 / UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class CountRange:
    """Counts from ``least`` to ``most``, both inclusive; ``most`` None is without end."""

    least: int
    most: int | None

    @classmethod
    def parse(cls, value: object) -> CountRange:
        """A range of ``2``, ``"2-3"`` or ``"4-"``."""
        found = _RANGE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
        if not found:
            raise ValueError(f'takes a count such as 2, "2-3" or "4-", not {value!r}')
        least = int(found[1])
        if least < 1:
            raise ValueError(f"takes counts from 1 on, not {value!r}")
        most = least if not found[2] else int(found[3]) if found[3] else None
        if most is not None and most < least:
            raise ValueError(f"takes a range from the smaller to the larger count, not {value!r}")
        return cls(least, most)

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int) and self.least <= count and (self.most is None or count <= self.most)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a value must be: equal to something, on one side of a number, or between two, both inclusive."""

    text: Any  # as it stands in the file
    test: Callable[[Any], bool]

    @classmethod
    def parse(cls, value: object) -> Comparison:
        """A comparison of a plain value, ``">= 1"`` or ``{"between": [a, b]}``."""
        if isinstance(value, dict):
            return cls._between(value)
        found = _COMPARISON.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None and isinstance(value, str) and _is_compared(value):
            raise ValueError(f'takes a comparison with a number, such as ">= 1" or "!= 0", not {value!r}')
        if found is None:
            return cls(value, lambda actual: actual == value and isinstance(actual, bool) == isinstance(value, bool))
        compare, number = _OPERATORS[found[1]], float(found[2])
        return cls(value, lambda actual: _is_number(actual) and compare(actual, number))

    @classmethod
    def of_number(cls, value: object) -> Comparison:
        """As :meth:`parse`, of what a number must be: nothing else can ever equal one."""
        if not (_is_number(value) or isinstance(value, dict) or (isinstance(value, str) and _is_compared(value))):
            raise ValueError(f'takes a number, a comparison such as ">= 1", or {{between: [a, b]}}, not {shown(value)}')
        return cls.parse(value)

    @classmethod
    def _between(cls, value: dict[Any, Any]) -> Comparison:
        ends = value.get("between")
        if list(value) != ["between"] or not isinstance(ends, list) or len(ends) != 2 or not all(map(_is_number, ends)):
            raise ValueError(f'takes a value, a comparison such as ">= 1", or {{between: [a, b]}}, not {value!r}')
        least, most = ends
        if least > most:
            raise ValueError(f"takes the smaller end of between first, not {value!r}")
        return cls(value, lambda actual: _is_number(actual) and least <= actual <= most)

    def holds(self, actual: object) -> bool:
        """Whether ``actual`` is as it must be; a missing value never is, unless None is what was asked for."""
        return self.test(actual)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_compared(text: str) -> bool:
    """Whether a text looks like a comparison, right or wrong."""
    return text.lstrip()[:1] in ("<", ">", "=", "!")

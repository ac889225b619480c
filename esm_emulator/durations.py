"""Durations as people write them: ``250ms``, ``30s``, ``1m30s``, ``4d``; in the program they are milliseconds."""

from __future__ import annotations

import re

__all__ = ["UNITS", "duration_ms", "show_duration"]

LONGEST_DAYS = 36_500  # far beyond any retention, and far below where a float no longer tells milliseconds apart
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")


def duration_ms(value: object) -> int:
    """Milliseconds of ``250ms``, ``30s``, ``5m``, ``4h``, ``4d``, a sum such as ``1m30s``, or a number of seconds.

    Raises ``ValueError`` for anything else, and for more than a hundred years.
    """
    ms = _milliseconds(value)
    if ms is None:
        raise ValueError(f"takes a duration such as 250ms, 30s, 5m, 4h, 4d or 1m30s, not {value!r}")
    if ms > LONGEST_DAYS * UNITS["d"]:
        raise ValueError(f"takes a duration of at most {LONGEST_DAYS}d, not {value!r}")
    return round(ms)


def _milliseconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return value * 1_000
    if isinstance(value, str):
        text = value.strip()
        if _DURATION.fullmatch(text):
            return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text) * 1_000
    return None


def show_duration(ms: int) -> str:
    """The shortest way to write a duration: 0s, 250ms, 1m30s, 4d."""
    if ms == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)

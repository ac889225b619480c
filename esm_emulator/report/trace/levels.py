"""Levels over time: how deep each queue is and how old its oldest message, how many pollers each mapping runs.

A level is a list of steps, exact to the millisecond: it holds from its time until the next one.
"""

from __future__ import annotations

from typing import Any

from esm_emulator.journal import Fact, MappingChanged, PollersChanged
from esm_emulator.report.metrics import Metrics

__all__ = ["Levels"]

_EMPTY = (0, 0, 0, -1)


class Levels:
    """Reads facts, and tells ``metrics`` of them and of the time in between."""

    def __init__(self, metrics: Metrics, origin: int) -> None:
        self._metrics = metrics
        self._origin = origin
        self._now = origin
        self._queues: dict[str, list[list[int]]] = {}  # id -> columns: time, visible, in flight, delayed, oldest
        self._last: dict[str, tuple[int, int, int, int]] = {}
        self._pollers: dict[str, list[list[int]]] = {}  # id -> columns: time, pollers
        self._states: dict[str, list[list[Any]]] = {}  # id -> [time, state, reason]

    def read(self, fact: Fact) -> None:
        """Take one fact more."""
        if fact.at > self._now:
            self._pass(fact.at)
        self._metrics.read(fact)
        match fact:
            case PollersChanged():
                times, counts = self._pollers.setdefault(fact.mapping, [[], []])
                times.append(fact.at - self._origin)
                counts.append(fact.pollers)
            case MappingChanged():
                step = [fact.at - self._origin, fact.state, fact.reason]
                self._states.setdefault(fact.mapping, []).append(step)
            case _:
                pass

    def finish(self, end: int) -> None:
        """The run ended then."""
        self._pass(end)
        self._note()

    def to_json(self) -> dict[str, Any]:
        """Columns by logical id."""
        return {"queues": self._queues, "pollers": self._pollers, "states": self._states}

    def _pass(self, until: int) -> None:
        """Note what holds now, and every change by itself until then."""
        depths = self._metrics.depths
        self._note()
        while (due := depths.next_return()) is not None and due < until:
            self._now = max(self._now, due)
            self._metrics.advance(due)
            self._note()
        self._metrics.advance(until)
        self._now = until

    def _note(self) -> None:
        depths = self._metrics.depths
        for id, depth in depths.queues.items():
            oldest = depths.arrival_of_oldest(id)
            level = (depth.visible, depth.hidden, depth.delayed, -1 if oldest is None else oldest - self._origin)
            if self._last.get(id, _EMPTY) == level:
                continue
            self._last[id] = level
            columns = self._queues.setdefault(id, [[], [], [], [], []])
            for column, value in zip(columns, (self._now - self._origin, *level), strict=True):
                column.append(value)

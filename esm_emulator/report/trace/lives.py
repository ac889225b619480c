"""Each message's life as a line: from when it was in which state, in which queue.

What is hidden or delayed comes back by itself; the line shows that at its own time, though no fact says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from esm_emulator.journal import (
    Fact,
    MessageDeadLettered,
    MessageDeleted,
    MessageExpired,
    MessageHandedBack,
    MessageMoved,
    MessageReceived,
    MessageRedelivered,
    MessageSent,
    QueuePurged,
    QueueRemoved,
    VisibilityChanged,
)
from esm_emulator.report.messages import Messages

__all__ = ["STATES", "Lives"]

STATES = ("delayed", "waiting", "in flight", "gone")
_DELAYED, _WAITING, _HIDDEN, _GONE = range(4)


class Lives:
    """Reads facts after ``messages`` did."""

    def __init__(self, messages: Messages, origin: int) -> None:
        self._messages = messages
        self._origin = origin
        self._lines: list[list[Any]] = []  # a message's: time, state, queue, time, state, queue …
        self._until: dict[int, int] = {}  # messages that are hidden or delayed -> when they are back
        self._receives: list[list[int]] = []

    def numbered(self, ids: Iterable[str]) -> list[tuple[int, str]]:
        """The numbers of those that are known, each with the id that was asked for."""
        return [(found.order, id) for id in ids if (found := self._messages.get(id)) is not None]

    def read(self, fact: Fact) -> None:
        """Take one fact more."""
        match fact:
            case MessageSent():
                self._step(fact.message, fact.at, _DELAYED, fact.queue, fact.visible_at)
            case MessageReceived():
                self._step(fact.message, fact.at, _HIDDEN, fact.queue, fact.visible_at)
            case VisibilityChanged():
                self._step(fact.message, fact.at, _HIDDEN, fact.queue, fact.visible_at)
            case MessageHandedBack() | MessageRedelivered():
                self._step(fact.message, fact.at, _WAITING, fact.queue)
            case MessageDeleted() | MessageExpired():
                self._step(fact.message, fact.at, _GONE, fact.queue)
            case MessageDeadLettered():
                self._step(fact.message, fact.at, _WAITING, fact.to)
            case MessageMoved():
                self._step(fact.new_message, fact.at, _WAITING, fact.to)
            case QueuePurged() | QueueRemoved():
                for id in fact.messages:
                    self._step(id, fact.at, _GONE, fact.queue)
            case _:
                pass

    def finish(self, end: int) -> None:
        """The run ended then."""
        for number in list(self._until):
            self._settle(number, end)

    def to_json(self) -> list[list[Any]]:
        """For each message: id, label, body, group, outcome, receives, queue, line, and ids that it got later."""
        return [
            [
                found.id,
                found.label,
                found.body,
                found.group,
                found.outcome,
                found.receives,
                found.queue,
                line,
                " ".join(found.ids[1:]),
            ]
            for found, line in zip(self._messages, self._lines, strict=True)
        ]

    def _step(self, id: str, at: int, state: int, queue: str, until: int | None = None) -> None:
        found = self._messages.get(id)
        if found is None:
            return
        while len(self._lines) <= found.order:
            self._lines.append([])
        self._settle(found.order, at)
        if until is not None and until > at:
            self._until[found.order] = until
        else:
            state = _WAITING if until is not None else state
            self._until.pop(found.order, None)
        self._lines[found.order] += (at - self._origin, state, queue)

    def _settle(self, number: int, at: int) -> None:
        due = self._until.get(number)
        if due is not None and due <= at:
            del self._until[number]
            line = self._lines[number]
            line += (due - self._origin, _WAITING, line[-1])

"""Who worked when: a lane for each poller with its batches, one for each execution environment with its invocations."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from esm_emulator.journal import (
    BatchClosed,
    BatchGivenUp,
    EnvironmentEnded,
    EnvironmentStarted,
    Fact,
    FaultEnded,
    FaultStarted,
    InvocationEnded,
    InvocationStarted,
    InvocationThrottled,
    MappingChanged,
    MessageReceived,
    PropertySet,
    QueueTrouble,
    ResponseJudged,
)

__all__ = ["Lanes"]

_VALUE = 80  # characters of a changed property's value that are shown


@dataclass(slots=True)
class _Batch:
    mapping: str
    number: int
    poller: int
    closed_at: int
    reason: str
    size: int
    messages: list[int]
    received: list[int]
    throttles: list[int] = field(default_factory=list)
    retry_at: int | None = None
    throttled_for: str | None = None
    invocation: int | None = None
    given_up_at: int | None = None
    given_up_for: str | None = None

    def to_json(self) -> list[Any]:
        return [
            self.mapping,
            self.number,
            self.poller,
            self.closed_at,
            self.reason,
            self.size,
            self.messages,
            self.received if any(at != self.closed_at for at in self.received) else 0,
            self.throttles,
            self.retry_at,
            self.throttled_for,
            self.invocation,
            self.given_up_at,
            self.given_up_for,
        ]


@dataclass(slots=True)
class _Invocation:
    batch: int | None
    function: str
    request_id: str
    started_at: int
    environment: str | None = None
    lane: int = 0
    ended_at: int | None = None
    outcome: str | None = None
    error: str | None = None
    kept: list[int] = field(default_factory=list)
    rule: str | None = None
    note: str | None = None

    def to_json(self) -> list[Any]:
        return [
            self.batch,
            self.function,
            self.request_id,
            self.started_at,
            self.lane,
            self.ended_at,
            self.outcome,
            self.error,
            self.kept,
            self.rule,
            self.note,
        ]


class Lanes:
    """Reads facts; ``messages`` of :meth:`read` are the numbers of those that a fact is about."""

    def __init__(self, origin: int) -> None:
        self._origin = origin
        self._pollers: dict[str, int] = {}
        self._environments: dict[tuple[str, str], int] = {}
        self._spans: list[list[Any]] = []  # environment, ready at, init ms, ended at, why, error
        self._alive: dict[int, list[Any]] = {}
        self._batches: list[_Batch] = []
        self._by_number: dict[tuple[str, int], int] = {}
        self._invocations: list[_Invocation] = []
        self._by_request: dict[str, int] = {}
        self._received: dict[int, int] = {}
        self._marks: list[list[Any]] = []

    def read(self, fact: Fact, messages: list[int]) -> None:
        """Take one fact more."""
        at = fact.at - self._origin
        match fact:
            case MessageReceived():
                if fact.consumer is not None:
                    self._poller(fact.consumer)
                for number in messages:
                    self._received[number] = at
            case BatchClosed():
                self._closed(fact, at, messages)
            case InvocationThrottled():
                self._throttled(fact, at)
            case BatchGivenUp():
                batch = self._batch(fact.mapping, fact.batch)
                if batch is not None:
                    self._batches[batch].given_up_at, self._batches[batch].given_up_for = at, fact.reason
            case InvocationStarted():
                self._started(fact, at)
            case InvocationEnded():
                self._ended(fact, at)
            case ResponseJudged():
                self._judged(fact, messages)
            case EnvironmentStarted():
                self._ready(fact, at)
            case EnvironmentEnded():
                span = self._alive.pop(self._environment(fact.function, fact.environment), None)
                if span is not None:
                    span[3:5] = at, fact.reason
            case _:
                text = _mark(fact)
                if text:
                    self._marks.append([at, text])

    def to_json(self) -> dict[str, Any]:
        """Names of the lanes, and what is in them."""
        self._place()
        return {
            "pollers": list(self._pollers),
            "environments": [list(key) for key in self._environments],
            "spans": self._spans,
            "batches": [batch.to_json() for batch in self._batches],
            "invocations": [invocation.to_json() for invocation in self._invocations],
            "marks": self._marks,
        }

    def _closed(self, fact: BatchClosed, at: int, messages: list[int]) -> None:
        received = [self._received.get(number, at) for number in messages]
        poller = self._poller(fact.consumer)
        self._by_number[fact.mapping, fact.batch] = len(self._batches)
        self._batches.append(
            _Batch(fact.mapping, fact.batch, poller, at, fact.reason, fact.size, messages, received),
        )

    def _throttled(self, fact: InvocationThrottled, at: int) -> None:
        number = self._batch(fact.mapping, fact.batch)
        if number is not None:
            batch = self._batches[number]
            batch.throttles.append(at)
            batch.throttled_for = fact.reason
            batch.retry_at = None if fact.retry_at is None else fact.retry_at - self._origin

    def _started(self, fact: InvocationStarted, at: int) -> None:
        batch = self._batch(fact.mapping, fact.batch)
        self._by_request[fact.request_id] = len(self._invocations)
        if batch is not None:
            self._batches[batch].invocation = len(self._invocations)
        self._invocations.append(_Invocation(batch, fact.function, fact.request_id, at))

    def _ended(self, fact: InvocationEnded, at: int) -> None:
        number = self._by_request.get(fact.request_id)
        if number is None:
            return
        invocation = self._invocations[number]
        invocation.ended_at, invocation.outcome = at, fact.outcome
        if fact.error_type or fact.error_message:
            invocation.error = ": ".join(text for text in (fact.error_type, fact.error_message) if text)
        invocation.environment = fact.environment

    def _judged(self, fact: ResponseJudged, messages: list[int]) -> None:
        number = self._by_request.get(fact.request_id)
        if number is not None:
            invocation = self._invocations[number]
            kept = len(messages) - len(fact.kept)
            invocation.kept, invocation.rule, invocation.note = messages[kept:], fact.rule, fact.note

    def _ready(self, fact: EnvironmentStarted, at: int) -> None:
        lane = self._environment(fact.function, fact.environment)
        error = ": ".join(text for text in (fact.error_type, fact.error_message) if text) or None
        self._alive[lane] = [lane, at, fact.init_ms, None, None, error]
        self._spans.append(self._alive[lane])

    def _batch(self, mapping: str, number: int) -> int | None:
        return self._by_number.get((mapping, number))

    def _poller(self, consumer: str) -> int:
        return self._pollers.setdefault(consumer, len(self._pollers))

    def _environment(self, function: str, name: str) -> int:
        return self._environments.setdefault((function, name), len(self._environments))

    def _place(self) -> None:
        """Give each invocation a lane: its environment's, and one more of the same name for each that overlaps.

        An environment runs one at a time, but functions that run inside this process share one; and of an invocation
        that has not ended none is known, so that it gets a lane by its function's name.
        """
        busy: dict[tuple[str, str], list[float]] = {}
        for invocation in sorted(self._invocations, key=lambda one: one.started_at):
            key = (invocation.function, invocation.environment or invocation.function)
            lanes = busy.setdefault(key, [])
            free = next((place for place, until in enumerate(lanes) if until <= invocation.started_at), len(lanes))
            lanes[free : free + 1] = [float("inf") if invocation.ended_at is None else invocation.ended_at]
            invocation.lane = self._environment(key[0], f"{key[1]} · {free + 1}" if free else key[1])


def _set(fact: PropertySet) -> str:
    """Without the values of environment variables, which may be secrets."""
    if fact.value is None:
        return f"{fact.target} removed"
    if "Environment" in fact.target.split("."):
        return f"{fact.target} changed"
    value = fact.value if isinstance(fact.value, str) else json.dumps(fact.value, ensure_ascii=False)
    return f"{fact.target} = {value if len(value) <= _VALUE else value[: _VALUE - 1] + '…'}"


def _mark(fact: Fact) -> str:
    """What happened to the run as a whole, in a few words."""
    match fact:
        case PropertySet():
            return _set(fact)
        case FaultStarted():
            return f"fault {fact.fault} on {fact.target} begins"
        case FaultEnded():
            return f"fault {fact.fault} on {fact.target} ends"
        case MappingChanged():
            return f"{fact.mapping}: {fact.state} ({fact.reason})"
        case QueueTrouble():
            return f"{fact.queue}: {fact.operation} {'works again' if fact.over else 'fails'}"
        case _:
            return ""

"""Everything that happened in a run, as facts in the order in which they happened.

A fact is a frozen dataclass with a time; whoever does something appends what it did, and nobody logs in the
middle. Log lines, metrics, expectations, stories, the trace and diagnosis are readers of the journal, live
(:meth:`Journal.subscribe`) or afterwards (iterate it, or :func:`read_lines` a saved one).

Conventions of every fact: ``at`` is epoch milliseconds; ``queue``, ``function`` and ``mapping`` are logical ids;
``message`` is a message id and ``messages`` a tuple of them; ``batch`` numbers a mapping's batches from 1; other times
end in ``_at`` (epoch ms), durations in ``_ms``. A field without a value is ``None`` and is left out of the JSON line.
``docs/journal.md`` documents the lines; a test keeps it and this file the same.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableSequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

__all__ = [
    "EVENTS",
    "BatchClosed",
    "BatchGivenUp",
    "DeleteFailed",
    "DeleteIgnored",
    "Deployed",
    "EmptyReceives",
    "EnvironmentEnded",
    "EnvironmentStarted",
    "Fact",
    "FaultEnded",
    "FaultStarted",
    "InFlightLimitReached",
    "InvocationEnded",
    "InvocationStarted",
    "InvocationThrottled",
    "Journal",
    "LogLine",
    "MappingChanged",
    "MessageDeadLettered",
    "MessageDeduplicated",
    "MessageDeleted",
    "MessageExpired",
    "MessageFiltered",
    "MessageHandedBack",
    "MessageMoved",
    "MessageReceived",
    "MessageRedelivered",
    "MessageSent",
    "MoveTaskChanged",
    "PollersChanged",
    "PropertySet",
    "QueueCreated",
    "QueuePurged",
    "QueueRemoved",
    "QueueTrouble",
    "ResponseJudged",
    "RunStarted",
    "RunStopped",
    "VisibilityChanged",
    "line",
    "read_lines",
]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened ``at`` (epoch ms). ``event`` is its name on a JSON line."""

    event: ClassVar[str]
    at: int

    def to_json(self) -> dict[str, Any]:
        """The fact as it stands on a JSON line: ``at``, ``event``, then its fields; without those that are None."""
        return {"at": self.at, "event": self.event} | {
            name: value for name in _names(type(self)) if (value := getattr(self, name)) is not None
        }


# --- the run ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted(Fact):
    """The first fact of every journal; ``at`` is the origin of the run's relative times."""

    event = "run-started"
    version: str
    clock: str  # virtual | real
    seed: int
    profile: str
    scenario: str | None = None


@dataclass(frozen=True, slots=True)
class Deployed(Fact):
    """The resources of the run, under CloudFormation's names with every default filled in."""

    event = "deployed"
    resources: dict[str, Any]  # logical id -> {"Type": …, "Properties": {…}}


@dataclass(frozen=True, slots=True)
class PropertySet(Fact):
    """A property was changed while running; without a value it was removed."""

    event = "property-set"
    target: str  # "Worker.Timeout", "profile.error_backoff_factor"
    value: Any = None


@dataclass(frozen=True, slots=True)
class FaultStarted(Fact):
    """A fault was switched on: ``fault`` is throttle, unavailable, redeliver or delete_fails."""

    event = "fault-started"
    fault: str
    target: str
    ends_at: int | None = None
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class FaultEnded(Fact):
    """A fault was switched off."""

    event = "fault-ended"
    fault: str
    target: str


@dataclass(frozen=True, slots=True)
class RunStopped(Fact):
    """The run ended: ``reason`` is idle, drained, after, interrupted or never."""

    event = "run-stopped"
    reason: str


# --- the queue ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueCreated(Fact):
    """A queue exists from now on."""

    event = "queue-created"
    queue: str
    arn: str


@dataclass(frozen=True, slots=True)
class QueueRemoved(Fact):
    """A queue was deleted with all that was in it."""

    event = "queue-removed"
    queue: str
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageSent(Fact):
    """A message entered a queue by a send; ``visible_at`` is later than ``at`` when it is delayed (SQS-31)."""

    event = "sent"
    queue: str
    message: str
    body: str
    size: int  # bytes, body and attributes (SQS-10)
    visible_at: int
    expires_at: int
    label: str | None = None
    group: str | None = None
    dedup: str | None = None
    sequence_number: str | None = None


@dataclass(frozen=True, slots=True)
class MessageDeduplicated(Fact):
    """A send succeeded and put nothing into the queue: the same deduplication id within five minutes (FIFO-15)."""

    event = "deduplicated"
    queue: str
    message: str  # the id of the message that was sent first, which the sender gets back
    dedup: str
    first_sent_at: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class MessageReceived(Fact):
    """A consumer received a message; it is hidden until ``visible_at`` (SQS-20)."""

    event = "received"
    queue: str
    message: str
    receive_count: int
    receipt: str
    visible_at: int
    consumer: str | None = None  # "Trigger/3": poller 3 of the mapping Trigger; None: any other client


@dataclass(frozen=True, slots=True)
class EmptyReceives(Fact):
    """``count`` receives ended without a message, the last of them now (POLL-6, MET-9).

    A poller's are long polls; without ``consumer`` it was somebody else who asked.
    """

    event = "empty-receives"
    queue: str
    count: int
    consumer: str | None = None


@dataclass(frozen=True, slots=True)
class VisibilityChanged(Fact):
    """ChangeMessageVisibility: the message is hidden until ``visible_at`` (SQS-25)."""

    event = "visibility-changed"
    queue: str
    message: str
    receipt: str
    visible_at: int


@dataclass(frozen=True, slots=True)
class MessageDeleted(Fact):
    """A message was deleted for good."""

    event = "deleted"
    queue: str
    message: str
    receipt: str
    consumer: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteIgnored(Fact):
    """A delete was accepted and deleted nothing.

    ``reason``: ``superseded`` (a later receive issued a newer handle, FAIL-19) or ``gone`` (already deleted, FAIL-4).
    """

    event = "delete-ignored"
    queue: str
    message: str
    receipt: str
    reason: str
    consumer: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteFailed(Fact):
    """A delete was refused or did not arrive; the message stays (FAIL-3, FAIL-20)."""

    event = "delete-failed"
    queue: str
    message: str
    receipt: str
    error: str
    consumer: str | None = None


@dataclass(frozen=True, slots=True)
class MessageDeadLettered(Fact):
    """The receive after the last allowed one moved the message to its dead-letter queue (DLQ-2)."""

    event = "dead-lettered"
    queue: str
    message: str
    to: str
    receive_count: int  # of receives in the source queue, without the one that moved it
    expires_at: int


@dataclass(frozen=True, slots=True)
class MessageExpired(Fact):
    """Retention ended the message, in flight or not (SQS-29)."""

    event = "expired"
    queue: str
    message: str
    in_flight: bool


@dataclass(frozen=True, slots=True)
class MessageRedelivered(Fact):
    """A replica of a standard queue makes a message receivable once more than it should be (SQS-28)."""

    event = "redelivered"
    queue: str
    message: str


@dataclass(frozen=True, slots=True)
class QueuePurged(Fact):
    """PurgeQueue removed everything: visible, in flight and delayed (SQS-30)."""

    event = "purged"
    queue: str
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageMoved(Fact):
    """A move task put a dead letter back; it has a new id and a new enqueue time (SQS-41)."""

    event = "moved"
    queue: str
    message: str
    to: str
    new_message: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class MoveTaskChanged(Fact):
    """A message move task started, or ended; ``status`` is SQS's own word (SQS-40)."""

    event = "move-task"
    queue: str
    task: str
    status: str
    moved: int
    to: str | None = None


@dataclass(frozen=True, slots=True)
class InFlightLimitReached(Fact):
    """A receive returned nothing because too many messages are in flight (SQS-12, SQS-13)."""

    event = "in-flight-limit"
    queue: str
    limit: int


@dataclass(frozen=True, slots=True)
class QueueTrouble(Fact):
    """A queue off this process does not answer as it should, told once when it begins and once when it is over.

    Also a queue that refuses to take a message back, or one that another service (SNS, say) delivers.
    """

    event = "queue-trouble"
    queue: str
    operation: str
    error: str
    over: bool = False
    attempts: int = 1


# --- the mapping --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MappingChanged(Fact):
    """The mapping's state (API-10): Enabled, Disabling, Disabled … and why."""

    event = "mapping"
    mapping: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class PollersChanged(Fact):
    """The mapping now runs ``pollers`` pollers (POLL-9 … 16)."""

    event = "pollers"
    mapping: str
    pollers: int
    reason: str


@dataclass(frozen=True, slots=True)
class MessageFiltered(Fact):
    """The mapping's filter did not match: the message is deleted and never invoked (FILT-6)."""

    event = "filtered"
    mapping: str
    queue: str
    message: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatchClosed(Fact):
    """A batch is complete. ``reason``: size, window, payload, receive (window 0) or stop (BATCH-5)."""

    event = "batch"
    mapping: str
    batch: int
    consumer: str
    messages: tuple[str, ...]
    reason: str
    size: int  # bytes of the event, an upper estimate far from the limit


@dataclass(frozen=True, slots=True)
class InvocationStarted(Fact):
    """The function's code runs with this batch; throttled tries are not invocations (MET-6)."""

    event = "invoked"
    mapping: str
    function: str
    request_id: str
    batch: int
    messages: tuple[str, ...]
    consumer: str


@dataclass(frozen=True, slots=True)
class InvocationThrottled(Fact):
    """The function refused a try (CONC-11); the batch is tried again at ``retry_at``, or given up (FAIL-9)."""

    event = "throttled"
    mapping: str
    function: str
    batch: int
    messages: tuple[str, ...]
    consumer: str
    reason: str
    attempt: int
    retry_at: int | None = None


@dataclass(frozen=True, slots=True)
class InvocationEnded(Fact):
    """An invocation ended. ``outcome``: success, error, timeout, exit, init, marshal or too-large (FAIL-5)."""

    event = "invocation-ended"
    mapping: str
    function: str
    request_id: str
    batch: int
    messages: tuple[str, ...]
    consumer: str
    outcome: str
    duration_ms: float
    environment: str | None = None
    error_type: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseJudged(Fact):
    """What the mapping makes of an invocation: ``done`` will be deleted, ``kept`` is left to its visibility timeout.

    ``rule`` is the contract's clause (``FAIL-1``, ``PBR-16`` …), ``note`` a sentence when it is one that surprises;
    ``reported`` the identifiers that the handler returned, when it returned any.
    """

    event = "response"
    mapping: str
    batch: int
    request_id: str
    done: tuple[str, ...]
    kept: tuple[str, ...]
    rule: str
    note: str | None = None
    reported: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class BatchGivenUp(Fact):
    """A batch that never ran is forgotten; its messages return when their visibility ends (FAIL-9, POLL-20)."""

    event = "given-up"
    mapping: str
    batch: int
    messages: tuple[str, ...]
    consumer: str
    reason: str


@dataclass(frozen=True, slots=True)
class MessageHandedBack(Fact):
    """A message in hand at a stop went back with visibility 0, as a courtesy to the next run (POLL-20)."""

    event = "handed-back"
    mapping: str
    queue: str
    message: str


# --- the function -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnvironmentStarted(Fact):
    """An execution environment is ready, or failed to become so (RUN-5, RUN-16)."""

    event = "environment-started"
    function: str
    environment: str
    init_ms: float
    error_type: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentEnded(Fact):
    """An execution environment is gone. ``reason``: timeout, exit, idle, reload or stop."""

    event = "environment-ended"
    function: str
    environment: str
    reason: str


@dataclass(frozen=True, slots=True)
class LogLine(Fact):
    """A line of the function's log, as CloudWatch would keep it (RUN-40, RUN-41)."""

    event = "log"
    function: str
    environment: str
    text: str
    request_id: str | None = None


# --- the journal --------------------------------------------------------------------------------------------


def _leaves(kind: type[Fact]) -> Iterator[type[Fact]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _leaves(sub)


_KINDS: dict[str, type[Fact]] = {kind.event: kind for kind in _leaves(Fact)}
_NAMES: dict[type[Fact], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "at") for kind in _KINDS.values()
}

EVENTS: dict[str, tuple[str, ...]] = {kind.event: _NAMES[kind] for kind in _KINDS.values()}
"""Every event that a journal can have, with the names of its fields other than ``at``."""


def _names(kind: type[Fact]) -> tuple[str, ...]:
    return _NAMES[kind]


class Journal:
    """The facts of one run, in order. Appending is safe from any thread; subscribers are called under the lock.

    ``keep`` is how many facts stay, the latest ones; without it all do. Subscribers are told every fact in any case.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._facts: MutableSequence[Fact] = [] if keep is None else deque(maxlen=keep)
        self._readers: tuple[Callable[[Fact], None], ...] = ()  # replaced, not changed
        self._lock = threading.RLock()
        self._closed = False

    def __repr__(self) -> str:
        return f"<journal of {len(self)} facts>"

    def append(self, fact: Fact) -> None:
        """Add one fact and tell every subscriber, in the order in which they subscribed."""
        with self._lock:
            if self._closed:
                return
            self._facts.append(fact)
            for reader in self._readers:
                reader(fact)

    def extend(self, facts: Iterable[Fact]) -> None:
        """Add several facts, with nobody else's between them."""
        with self._lock:
            if self._closed:
                return
            for fact in facts:
                self._facts.append(fact)
                for reader in self._readers:
                    reader(fact)

    def close(self) -> None:
        """Take no more facts; what is appended from now on is dropped."""
        with self._lock:
            self._closed = True

    def subscribe(self, reader: Callable[[Fact], None]) -> Callable[[], None]:
        """Call ``reader`` with every fact from now on; the result ends that. It must be quick, and not raise."""
        with self._lock:
            self._readers = (*self._readers, reader)
        return lambda: self._forget(reader)

    def _forget(self, reader: Callable[[Fact], None]) -> None:
        with self._lock:
            self._readers = tuple(other for other in self._readers if other is not reader)

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __getitem__(self, index: int) -> Fact:
        return self._facts[index]

    def lines(self) -> Iterator[str]:
        """The journal as JSON lines, without line ends."""
        return (line(fact) for fact in self._facts)


def line(fact: Fact) -> str:
    """One fact as a JSON line, the same bytes for the same fact."""
    return json.dumps(fact.to_json(), ensure_ascii=False, separators=(",", ":"))


def read_lines(lines: Iterable[str]) -> Iterator[Fact]:
    """The facts of a saved journal. Raises ``ValueError`` naming the line that is not a fact."""
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            yield _from_json(json.loads(text))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"line {number} is not a fact of a journal: {error}") from error


def _from_json(value: dict[str, Any]) -> Fact:
    kind = _KINDS[value["event"]]
    as_it_is = kind in (Deployed, PropertySet)  # their values are JSON of the user's, where a list is a list
    arguments: dict[str, Any] = {
        name: tuple(item) if isinstance(item, list) and not as_it_is else item
        for name, item in value.items()
        if name != "event"
    }
    return kind(**arguments)

"""What became of each message: how often it was received, ran, succeeded, and its one outcome.

A reader of the journal, live or afterwards. A message keeps its identity through a dead-letter queue, and through a
redrive, where SQS gives it a new id (SQS-41): both ids then lead to the same facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from esm_emulator.journal import (
    Fact,
    InvocationEnded,
    InvocationStarted,
    MessageDeadLettered,
    MessageDeleted,
    MessageExpired,
    MessageFiltered,
    MessageMoved,
    MessageReceived,
    MessageRedelivered,
    MessageSent,
    QueuePurged,
    QueueRemoved,
    ResponseJudged,
)

__all__ = ["OUTCOMES", "MessageFacts", "Messages", "about"]

OUTCOMES = ("deleted", "dead-lettered", "filtered", "expired", "purged", "waiting", "lost")


@dataclass(slots=True, eq=False)
class MessageFacts:
    """One message over the whole run.

    ``queue`` is where it was sent to, ``now_in`` where it is or last was; ``ids`` all ids that it has had. ``overlap``
    is the largest number of its copies that ran at one moment; ``invocations`` counts events whose function ran, not
    throttled tries.
    """

    id: str
    queue: str
    now_in: str
    body: str
    sent_at: int
    order: int
    label: str | None = None
    group: str | None = None
    receives: int = 0
    invocations: int = 0
    successes: int = 0
    failures: int = 0
    overlap: int = 0
    outcome: str = "waiting"
    first_success_at: int | None = None
    ids: list[str] = field(default_factory=list)
    running: int = 0

    @property
    def name(self) -> str:
        """Its label, or its id when it has none."""
        return self.label or self.id

    def to_json(self) -> dict[str, object]:
        """As it stands in a replay's JSON."""
        return {
            "label": self.name,
            "queue": self.queue,
            "outcome": self.outcome,
            "receives": self.receives,
            "invocations": self.invocations,
            "successes": self.successes,
            "failures": self.failures,
            "overlap": self.overlap,
        }


def about(fact: Fact) -> tuple[str, ...]:
    """The ids of the messages that a fact is about."""
    if isinstance(fact, ResponseJudged):
        return fact.done + fact.kept
    several = getattr(fact, "messages", None)
    if several is not None:
        return tuple(several)
    one = getattr(fact, "message", None)
    return () if one is None else (one,)


class Messages:
    """Every message of a run, in the order in which they were sent."""

    def __init__(self) -> None:
        self._by_id: dict[str, MessageFacts] = {}
        self._by_label: dict[str, list[MessageFacts]] = {}
        self._sent: list[MessageFacts] = []
        self._filtered: set[str] = set()

    @classmethod
    def of(cls, journal: Iterable[Fact]) -> Messages:
        """The messages of a whole journal."""
        messages = cls()
        for fact in journal:
            messages.read(fact)
        return messages

    def read(self, fact: Fact) -> None:
        """Take one fact more."""
        reader = self._readers.get(type(fact))
        if reader is not None:
            reader(self, fact)

    def __iter__(self) -> Iterator[MessageFacts]:
        return iter(self._sent)

    def __len__(self) -> int:
        return len(self._sent)

    def __repr__(self) -> str:
        outcomes = Counter(message.outcome for message in self._sent)
        return f"<messages: {', '.join(f'{count} {outcome}' for outcome, count in outcomes.items()) or 'none'}>"

    def get(self, id: str) -> MessageFacts | None:
        """The message that has, or has had, this id."""
        return self._by_id.get(id)

    def named(self, name: str) -> list[MessageFacts]:
        """The messages of that label; or the one of that id."""
        by_id = self._by_id.get(name)
        return list(self._by_label.get(name, ())) or ([by_id] if by_id else [])

    def _sent_(self, fact: MessageSent) -> None:
        if fact.message in self._by_id:
            return
        message = MessageFacts(
            fact.message, fact.queue, fact.queue, fact.body, fact.at, len(self._sent), fact.label, fact.group
        )
        if message.label is not None:
            self._by_label.setdefault(message.label, []).append(message)
        self._add(message)

    def _add(self, message: MessageFacts) -> None:
        message.ids.append(message.id)
        self._by_id[message.id] = message
        self._sent.append(message)

    def _received(self, fact: MessageReceived) -> None:
        message = self._by_id.get(fact.message)
        if message is None:  # it was in an outside queue before the run
            message = MessageFacts(fact.message, fact.queue, fact.queue, "", fact.at, len(self._sent))
            self._add(message)
        message.receives += 1
        message.now_in = fact.queue

    def _started(self, fact: InvocationStarted) -> None:
        for message in self._known(fact.messages):
            message.invocations += 1
            message.running += 1
            message.overlap = max(message.overlap, message.running)

    def _ended(self, fact: InvocationEnded) -> None:
        for message in self._known(fact.messages):
            message.running -= 1

    def _judged(self, fact: ResponseJudged) -> None:
        for message in self._known(fact.done):
            message.successes += 1
            if message.first_success_at is None:
                message.first_success_at = fact.at
        for message in self._known(fact.kept):
            message.failures += 1

    def _was_filtered(self, fact: MessageFiltered) -> None:
        self._filtered.add(fact.message)

    def _deleted(self, fact: MessageDeleted) -> None:
        for message in self._known((fact.message,)):
            message.outcome = "filtered" if fact.message in self._filtered else "deleted"

    def _dead_lettered(self, fact: MessageDeadLettered) -> None:
        for message in self._known((fact.message,)):
            message.outcome, message.now_in = "dead-lettered", fact.to

    def _moved(self, fact: MessageMoved) -> None:
        for message in self._known((fact.message,)):
            message.outcome, message.now_in = "waiting", fact.to
            message.ids.append(fact.new_message)
            self._by_id[fact.new_message] = message

    def _expired(self, fact: MessageExpired) -> None:
        for message in self._known((fact.message,)):
            message.outcome = "expired"

    def _redelivered(self, fact: MessageRedelivered) -> None:
        for message in self._known((fact.message,)):
            message.outcome = "waiting"

    def _purged(self, fact: QueuePurged | QueueRemoved) -> None:
        for message in self._known(fact.messages):
            message.outcome = "purged"

    def _known(self, ids: Iterable[str]) -> Iterator[MessageFacts]:
        return (self._by_id[id] for id in ids if id in self._by_id)

    _readers: ClassVar[dict[type[Fact], Callable[..., None]]] = {
        MessageSent: _sent_,
        MessageReceived: _received,
        InvocationStarted: _started,
        InvocationEnded: _ended,
        ResponseJudged: _judged,
        MessageFiltered: _was_filtered,
        MessageDeleted: _deleted,
        MessageDeadLettered: _dead_lettered,
        MessageMoved: _moved,
        MessageExpired: _expired,
        MessageRedelivered: _redelivered,
        QueuePurged: _purged,
        QueueRemoved: _purged,
    }

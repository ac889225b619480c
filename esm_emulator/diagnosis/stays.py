"""What a run's index is made of: stays of messages in queues, their receives, and the batches they were in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from esm_emulator.journal import BatchClosed, MessageDeadLettered, MessageDeleted

__all__ = ["Batch", "Ending", "Noted", "Receive", "Stay"]

Noted = tuple[int, Any]  # a fact with its number in the journal


@dataclass(slots=True, eq=False)
class Receive:
    """One receive; ``visible_at`` is the end of its visibility (epoch ms), as changed later."""

    index: int
    at: int
    visible_at: int
    receipt: str
    mapping: str | None  # None: another client
    batch: Batch | None = None


@dataclass(slots=True, eq=False)
class Batch:
    """One batch of a mapping. Times are epoch ms; ``None``: it has not happened."""

    index: int
    closed: BatchClosed
    stays: list[Stay] = field(default_factory=list)
    throttles: list[Noted] = field(default_factory=list)
    function: str | None = None
    started_at: int | None = None
    started: int | None = None  # the fact's number
    ended: Noted | None = None
    judged: Noted | None = None
    given_up: int | None = None
    cold_ms: float = 0.0

    @property
    def mapping(self) -> str:
        """The mapping's logical id."""
        return self.closed.mapping

    @property
    def ended_at(self) -> int | None:
        """When the invocation ended."""
        return None if self.ended is None else int(self.ended[1].at)

    @property
    def outcome(self) -> str | None:
        """How the invocation ended, as in the journal; None while it runs, or when it never did."""
        return None if self.ended is None else str(self.ended[1].outcome)

    def evidence(self) -> tuple[int, ...]:
        """The numbers of its main facts."""
        found = (self.index, self.started, self.ended and self.ended[0], self.judged and self.judged[0])
        return tuple(number for number in found if number is not None)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stay ended: the fact, with its number."""

    index: int
    fact: Any

    @property
    def at(self) -> int:
        """When (epoch ms)."""
        return int(self.fact.at)


@dataclass(slots=True, eq=False)
class Stay:
    """One message in one queue. ``entered_at`` and ``visible_at`` in epoch ms, ``order`` counts stays."""

    message: str
    queue: str
    order: int
    index: int
    entered_at: int
    visible_at: int
    expires_at: int
    body: str = ""
    group: str | None = None
    label: str | None = None
    origin: str = "sent"  # sent | dead-lettered | moved | found
    before: Stay | None = None  # the stay that it came from, by dead-lettering or a move
    receives: list[Receive] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    not_deleted: list[Noted] = field(default_factory=list)  # deletes that were ignored or refused
    filtered: Noted | None = None
    ending: Ending | None = None
    parent: Stay | None = None  # the stay of the same body that ran when this one was sent

    @property
    def deleted(self) -> bool:
        """Whether it was deleted for good."""
        return self.ending is not None and type(self.ending.fact) is MessageDeleted

    @property
    def dead_lettered(self) -> bool:
        """Whether it went to a dead-letter queue."""
        return self.ending is not None and type(self.ending.fact) is MessageDeadLettered

    @property
    def runs(self) -> list[Batch]:
        """The batches whose function ran."""
        return [batch for batch in self.batches if batch.started is not None]

    def successes(self) -> Iterator[Batch]:
        """The batches whose response was that this message is done."""
        return (batch for batch in self.batches if batch.judged and self.message in batch.judged[1].done)

    def receive_of(self, batch: Batch) -> Receive | None:
        """The receive that brought it into that batch."""
        return next((receive for receive in self.receives if receive.batch is batch), None)

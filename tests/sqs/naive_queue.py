"""What a queue should do, written to be read and not to be fast: lists, walked from end to end at every question.

The engine's laws (``test_engine_laws.py``) hold the engine against this. It knows no handles, facts or errors.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass


@dataclass
class NaiveMessage:
    id: str
    group: str | None
    sent_at: int
    arrived_at: int
    number: int
    order: int
    visible_at: int = 0
    hidden: str | None = None  # delayed | in flight
    receives: int = 0
    total_receives: int = 0
    aside: bool = False


@dataclass
class NaiveQueue:
    fifo: bool
    retention_ms: int
    delay_ms: int = 0
    back_after: int = 0

    def __post_init__(self):
        self.messages: list[NaiveMessage] = []
        self.tickets: dict[str, int] = {}
        self._count = 0

    def _next(self) -> int:
        self._count += 1
        return self._count

    def add(self, id_, group, now, *, sent_at=None, delay_ms=0, total_receives=0):
        number = self._next()
        message = NaiveMessage(id_, group, now if sent_at is None else sent_at, now, number, number)
        message.total_receives = total_receives
        if delay_ms:
            message.visible_at, message.hidden = now + delay_ms, "delayed"
        self.messages.append(message)
        if self.fifo and group not in self.tickets:
            self.tickets[group] = self._next()

    def drop(self, message):
        self.messages.remove(message)
        if self.fifo and not any(other.group == message.group for other in self.messages):
            del self.tickets[message.group]

    def clear(self):
        self.messages.clear()
        self.tickets.clear()

    def settle(self, now):
        """Expire and show whatever is due; gives the expired as (id, was in flight)."""
        expired = [message for message in self.messages if message.sent_at + self.retention_ms <= now]
        told = {(m.id, m.hidden == "in flight" and m.visible_at > m.sent_at + self.retention_ms) for m in expired}
        for message in expired:
            self.drop(message)
        due = [message for message in self.messages if message.hidden and message.visible_at <= now]
        for message in sorted(due, key=lambda m: (m.visible_at, m.number)):
            self.show(message)
        return told

    def show(self, message):
        message.hidden = None
        if not self.fifo and self.back_after and message.receives >= self.back_after:
            message.order = self._next()
            message.aside = True

    def lanes(self):
        """What may be received, as lists in the order in which a receive goes through them."""
        if not self.fifo:
            return [sorted((m for m in self.messages if not m.hidden), key=lambda m: m.order)]
        lanes = []
        for group in sorted(self.tickets, key=self.tickets.__getitem__):
            prefix = []
            for message in (m for m in self.messages if m.group == group):
                if message.hidden:
                    break
                prefix.append(message)
            if prefix:
                lanes.append(prefix)
        return lanes

    def take(self, maximum):
        taken = []
        for lane in self.lanes():
            if len(taken) == maximum:
                break
            taken += lane[: maximum - len(taken)]
            if self.fifo:
                self.tickets[lane[0].group] = self._next()
        return taken

    def hide(self, message, visible_at, now):
        message.hidden, message.visible_at = "in flight", visible_at
        if visible_at <= now:
            self.show(message)

    def counts(self):
        hidden = [message.hidden for message in self.messages]
        return hidden.count(None), hidden.count("in flight"), hidden.count("delayed")

    def oldest_age(self, now):
        ages = [now - message.arrived_at for message in self.messages if not message.aside]
        return max(ages, default=None)

    def next_expiry(self):
        return min((message.sent_at + self.retention_ms for message in self.messages), default=None)

    def receivable_at(self, now):
        """Try every moment at which anything happens by itself, the earliest first."""
        moments = {now} | {m.visible_at for m in self.messages} | {m.sent_at + self.retention_ms for m in self.messages}
        for moment in sorted(moment for moment in moments if moment >= now):
            later = deepcopy(self)
            later.settle(moment)
            if any(later.lanes()):
                return moment
        return None

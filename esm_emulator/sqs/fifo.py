"""The FIFO queue: order and locks of message groups.

The one rule (FIFO-7): **within a group, a receive may return the longest prefix, in send order, up to but excluding
the first message that is still in flight.** A delayed message ends the prefix as well. All the rest follows: a group
is locked while its first message is in flight (FIFO-6), new sends do not unlock it (FIFO-8), after the visibility
timeout the messages come back in their order (FIFO-11), and whatever takes the first message away (a delete, a move to
the dead-letter queue, its expiry) frees the next ones at once (DLQ-7).

A group has two parts. ``taken``: messages that were received at least once and are still here. A receive takes from
the front and never beyond a message in flight, so it takes all of ``taken`` again before it takes anything new: there
are never more than ten of them. ``fresh``: the rest, untouched, which only expiry can shorten, from the front.

Groups take turns (FIFO-10): each has a ticket, the lowest ticket among the receivable groups is served first and gets a
new one. A receive takes as much as it can from one group before it goes on to the next (FIFO-9).

    rotation    receivable groups by ticket
    locked      groups that will be receivable by themselves, by the time at which
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain, islice, takewhile

from esm_emulator.sqs.agenda import NEVER, Agenda
from esm_emulator.sqs.dedup import Attempt, First, Recent
from esm_emulator.sqs.message import State, StoredMessage
from esm_emulator.sqs.queue import Queue
from esm_emulator.sqs.settings import QueueSettings

__all__ = ["FifoQueue"]

_READY, _GONE = State.READY, State.GONE
_LOOK_AHEAD = 8


class _Group:
    """The messages of one group. ``ready_at``: 0 when receivable now, else when it will be by itself, or ``NEVER``."""

    __slots__ = ("fresh", "listed", "name", "ready_at", "taken", "ticket")

    def __init__(self, name: str, ticket: int) -> None:
        self.name = name
        self.ticket = ticket
        self.listed = 0  # the ticket under which it is in the rotation
        self.taken: list[StoredMessage] = []
        self.fresh: deque[StoredMessage] = deque()
        self.ready_at = NEVER


def _has_turn(ticket: int, group: _Group) -> bool:
    return group.ready_at == 0 and group.ticket == ticket


def _is_locked(ready_at: int, group: _Group) -> bool:
    return group.ready_at == ready_at


class FifoQueue(Queue):
    """Strict order within a message group; one consumer at a time holds a group."""

    fifo = True

    def __init__(
        self, name: str, id_: str, arn: str, *, settings: QueueSettings, tags: Mapping[str, str], now: int
    ) -> None:
        self._groups: dict[str, _Group] = {}
        self._tickets = 0
        self._rotation: Agenda[_Group] = Agenda(_has_turn)
        self._locked: Agenda[_Group] = Agenda(_is_locked)
        self._served: list[_Group] = []
        self.sends: Recent[First] = Recent()
        self.attempts: Recent[Attempt] = Recent()
        super().__init__(name, id_, arn, settings=settings, tags=tags, now=now)

    def take(self, maximum: int) -> list[StoredMessage]:
        """As much as the first group in turn gives, then the next, up to ``maximum`` (FIFO-9)."""
        result: list[StoredMessage] = []
        while len(result) < maximum and (group := self._rotation.pop()) is not None:
            result.extend(_prefix(group, maximum - len(result)))
            group.ticket = self._ticket()
            self._served.append(group)
        self.in_flight += len(result)
        return result

    def hold(self, messages: Sequence[StoredMessage], visible_at: int, now: int) -> None:
        """As for every queue; now it is known what became of what the groups gave."""
        super().hold(messages, visible_at, now)
        served, self._served = self._served, []
        for group in served:
            self._judge(group)

    def ready_at(self, now: int) -> int:
        """Now if a group is receivable, or when the first locked one will be."""
        return now if self._rotation.first() is not None else self._locked.next()

    def use(self, settings: QueueSettings) -> None:
        """As for every queue; unlike a standard queue's, a new delay also applies to what is delayed already."""
        super().use(settings)
        for message in self.messages.values():
            if message.state is State.DELAYED:
                message.visible_at = message.arrived_at + self.delay_ms
                self._hide(message)
        for group in list(self._groups.values()):
            self._judge(group)

    def _enter(self, message: StoredMessage) -> None:
        name = message.group or ""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name, self._ticket())
        group.fresh.append(message)
        if group.ready_at == NEVER:
            self._judge(group)

    def _changed(self, message: StoredMessage) -> None:
        group = self._groups[message.group or ""]
        if group not in self._served:
            self._judge(group)

    _return = _changed
    _hid = _changed

    def _leave(self, message: StoredMessage) -> None:
        group = self._groups[message.group or ""]
        if message in group.taken:
            group.taken.remove(message)
        self._changed(message)

    def _forget(self) -> None:
        for group in self._groups.values():
            group.ready_at = NEVER
        self.sends.clear()
        self.attempts.clear()
        self._groups.clear()
        self._rotation.clear()
        self._locked.clear()

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def _judge(self, group: _Group) -> None:
        """Find out when the group is receivable and enter it where that is looked for."""
        before, group.ready_at = group.ready_at, _ready_at(group, self.retention_ms)
        if not group.taken and not group.fresh:
            del self._groups[group.name]
        elif group.ready_at == 0:
            if group.listed != group.ticket:
                group.listed = group.ticket
                self._rotation.push(group.ticket, 0, group, len(self._groups))
            return
        elif group.ready_at not in (before, NEVER):
            self._locked.push(group.ready_at, group.ticket, group, len(self._groups))
        group.listed = 0


def _prefix(group: _Group, maximum: int) -> list[StoredMessage]:
    """Take the group's longest prefix of visible messages, at most ``maximum`` (FIFO-7); they are in flight then."""
    result = list(islice(takewhile(_is_visible, group.taken), maximum))
    if len(result) == len(group.taken):
        fresh = group.fresh
        while fresh and len(result) < maximum and fresh[0].state is _READY:
            group.taken.append(fresh[0])
            result.append(fresh.popleft())
    for message in result:
        message.state = State.IN_FLIGHT
    return result


def _is_visible(message: StoredMessage) -> bool:
    return message.state is _READY


def _ready_at(group: _Group, retention_ms: int) -> int:
    """When the group's first message that lives long enough becomes visible: 0 for one that is, or ``NEVER``.

    Looks at most a few untouched messages ahead: where a delay exceeds the retention it answers when to look again.
    """
    fresh = group.fresh
    while fresh and fresh[0].state is _GONE:
        fresh.popleft()
    at = 0
    for message in chain(group.taken, islice(fresh, _LOOK_AHEAD)):
        ready_at = at if message.state is _READY else max(at, message.visible_at)
        expires_at = message.sent_at + retention_ms
        if ready_at < expires_at:
            return ready_at
        at = expires_at
    return at if len(fresh) > _LOOK_AHEAD else NEVER

"""Where every message is at one moment: how many are visible, in flight or delayed in each queue, and how old they are.

Kept by :mod:`metrics` from facts. A message that is hidden or delayed comes back by itself, so time has to be told too.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["BACK_OF_QUEUE", "Depth", "Depths"]

BACK_OF_QUEUE = 3  # receives after which a message no longer counts for the age of the oldest (DLQ-8)


@dataclass(slots=True)
class Depth:
    """The messages of one queue. ``steps_back``: messages that are received often go to its back (DLQ-8)."""

    visible: int = 0
    hidden: int = 0
    delayed: int = 0
    groups: dict[str, int] = field(default_factory=dict)  # messages in flight by group
    peak_age: int = 0  # ms
    steps_back: bool = False
    oldest: list[tuple[int, str]] = field(default_factory=list)  # heap of (arrival, id), some of them gone

    @property
    def messages(self) -> int:
        """All of them together."""
        return self.visible + self.hidden + self.delayed


@dataclass(slots=True)
class _Message:
    queue: str
    arrived_at: int
    visible_at: int
    kind: str  # visible | hidden | delayed, or empty: nowhere
    group: str | None
    receives: int = 0
    aside: bool = False


class Depths:
    """The depths of all queues by logical id; ``now`` is the latest time that it was told."""

    def __init__(self) -> None:
        self.now = 0
        self.queues: dict[str, Depth] = {}
        self._messages: dict[str, _Message] = {}
        self._returns: list[tuple[int, str]] = []  # heap of (visible_at, id), some of them superseded

    def queue(self, id_: str) -> Depth:
        """The depth of one queue, empty when nothing has been told of it."""
        return self.queues.setdefault(id_, Depth())

    def advance(self, now: int) -> None:
        """Let time pass: what was hidden or delayed until then is visible again."""
        self.now = max(self.now, now)
        while self._returns and self._returns[0][0] <= self.now:
            at, id_ = heapq.heappop(self._returns)
            message = self._messages.get(id_)
            if message is not None and message.kind != "visible" and message.visible_at == at:
                self._become(message, "visible")

    def next_return(self) -> int | None:
        """The earliest time (epoch ms) at which a message may come back by itself."""
        return self._returns[0][0] if self._returns else None

    # --- what happens to a message ----------------------------------------------------------------------------

    def arrive(self, id_: str, queue: str, visible_at: int, group: str | None = None) -> None:
        """A message comes into a queue now; from then on it ages there (DLQ-4)."""
        message = self._messages[id_] = _Message(queue, self.now, visible_at, "", group)
        heapq.heappush(self.queue(queue).oldest, (self.now, id_))
        self._show(id_, message, "delayed")

    def receive(self, id_: str, queue: str, visible_at: int) -> None:
        """A message is received, and hidden; one that nobody has told of was there before."""
        if id_ not in self._messages:
            self.arrive(id_, queue, self.now)
        message = self._messages[id_]
        message.receives += 1
        depth = self.queues[message.queue]
        if depth.steps_back and message.receives >= BACK_OF_QUEUE and not message.aside:
            self._note_age(depth)
            message.aside = True
        self.hide(id_, visible_at)

    def hide(self, id_: str, visible_at: int) -> None:
        """A message is invisible until then; a time that is not ahead makes it visible."""
        message = self._messages.get(id_)
        if message is not None:
            message.visible_at = visible_at
            self._show(id_, message, "hidden")

    def leave(self, id_: str) -> str | None:
        """A message is gone from where it was; its group."""
        message = self._messages.pop(id_, None)
        if message is None:
            return None
        self._note_age(self.queues[message.queue], message)
        self._become(message, "")
        return message.group

    def leave_all(self, ids: Iterable[str]) -> None:
        """Several are gone."""
        for id_ in ids:
            self.leave(id_)

    # --- ages -------------------------------------------------------------------------------------------------

    def age_of_oldest(self, queue: str) -> int:
        """Milliseconds since the oldest message of a queue came, as SQS counts it now (DLQ-4, DLQ-8)."""
        first = self._oldest(self.queue(queue))
        return 0 if first is None else self.now - first

    def arrival_of_oldest(self, queue: str) -> int | None:
        """When that message came (epoch ms); None when there is none that counts."""
        return self._oldest(self.queue(queue))

    def peak_age(self, queue: str) -> int:
        """The largest such age since the beginning, or since peaks were last forgotten."""
        depth = self.queue(queue)
        self._note_age(depth)
        return depth.peak_age

    def forget_peaks(self) -> None:
        """From now on the largest ages are looked for anew."""
        for depth in self.queues.values():
            depth.peak_age = 0

    def _note_age(self, depth: Depth, leaving: _Message | None = None) -> None:
        first = self._oldest(depth)
        if leaving is not None and not leaving.aside:
            first = leaving.arrived_at if first is None else min(first, leaving.arrived_at)
        if first is not None:
            depth.peak_age = max(depth.peak_age, self.now - first)

    def _oldest(self, depth: Depth) -> int | None:
        heap = depth.oldest
        while heap:
            at, id_ = heap[0]
            message = self._messages.get(id_)
            if message is not None and message.arrived_at == at and not message.aside:
                return at
            heapq.heappop(heap)
        return None

    # --- inside -----------------------------------------------------------------------------------------------

    def _show(self, id_: str, message: _Message, otherwise: str) -> None:
        """Visible, or ``otherwise`` until its time has come."""
        if message.visible_at > self.now:
            self._become(message, otherwise)
            heapq.heappush(self._returns, (message.visible_at, id_))
        else:
            self._become(message, "visible")

    def _become(self, message: _Message, kind: str) -> None:
        depth = self.queues[message.queue]
        if message.kind:
            setattr(depth, message.kind, getattr(depth, message.kind) - 1)
        if kind:
            setattr(depth, kind, getattr(depth, kind) + 1)
        if message.group is not None:
            left = depth.groups.get(message.group, 0) + (kind == "hidden") - (message.kind == "hidden")
            if left:
                depth.groups[message.group] = left
            else:
                depth.groups.pop(message.group, None)
        message.kind = kind

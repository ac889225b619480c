"""What user code sees of a queue and of the messages in it: fresh at each look, and nothing is received by looking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from esm_emulator.emulation import Emulation
from esm_emulator.messages import MessageAttribute, decoded
from esm_emulator.sqs import StoredMessage

__all__ = ["MessageView", "QueueView"]


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message in a queue, looked at without receiving it. Times are epoch milliseconds."""

    id: str
    body: str
    label: str | None
    group: str | None
    attributes: Mapping[str, MessageAttribute]
    receive_count: int
    sent_at: int
    visible_at: int
    state: str  # visible | in-flight | delayed

    @property
    def value(self) -> Any:
        """The body decoded when it is JSON of an object or a list, else its text."""
        return decoded(self.body)


class QueueView:
    """A queue as it is now; every look is fresh."""

    def __init__(self, emulation: Emulation, id: str, looked: Callable[[str], None]) -> None:
        self.id = id
        self._emulation = emulation
        self._queue = emulation.queue(id)
        self._looked = looked

    @property
    def messages(self) -> list[MessageView]:
        """Every message, visible or not, in the queue's order."""
        self._looked(self.id)
        return [_view(message) for message in self._emulation.sqs.messages(self._queue)]

    @property
    def bodies(self) -> list[Any]:
        """Every message's body, decoded when it is JSON of an object or a list."""
        return [message.value for message in self.messages]

    @property
    def visible(self) -> int:
        """Messages that a consumer could receive now."""
        return self._emulation.sqs.counts(self._queue).visible

    @property
    def in_flight(self) -> int:
        """Messages that a consumer holds."""
        return self._emulation.sqs.counts(self._queue).in_flight

    @property
    def delayed(self) -> int:
        """Messages that are not yet to be seen."""
        return self._emulation.sqs.counts(self._queue).delayed

    def __len__(self) -> int:
        self._looked(self.id)
        counts = self._emulation.sqs.counts(self._queue)
        return counts.visible + counts.in_flight + counts.delayed

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        counts = self._emulation.sqs.counts(self._queue)
        return f"<queue {self.id}: {counts.visible} visible, {counts.in_flight} in flight, {counts.delayed} delayed>"


def _view(message: StoredMessage) -> MessageView:
    return MessageView(
        message.id,
        message.body,
        message.label,
        message.group,
        message.attributes,
        message.receive_count,
        message.sent_at,
        message.visible_at,
        message.state.value,
    )

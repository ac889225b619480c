"""What a FIFO queue remembers for five minutes: deduplication ids of sends, and attempts to receive.

The interval alone counts: a receive or delete of the first message changes nothing (FIFO-15); a purge forgets. Both
memories are pruned from the old end at each use, so they hold what the interval holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from esm_emulator.sqs.message import NewMessage, StoredMessage
from esm_emulator.sqs.settings import QueueSettings

__all__ = ["Attempt", "First", "Recent", "dedup_id", "dedup_key"]

T = TypeVar("T")


First = tuple[int, str, str]
"""The send that came first with a deduplication id: when, its message id, its sequence number.

A plain tuple: the garbage collector looks once at one of atoms, and at anything else for as long as it is remembered.
"""


class Attempt(NamedTuple):
    """What a receive with a ReceiveRequestAttemptId brought: messages with their handles and visibility ends then."""

    messages: Sequence[tuple[StoredMessage, str, int]]

    def intact(self) -> bool:
        """Whether none of the messages was deleted, returned or changed since, so that it can be repeated (FIFO-18)."""
        return all(
            message.state.value == "in-flight" and message.receipt == receipt and message.visible_at == visible_at
            for message, receipt, visible_at in self.messages
        )


class Recent(Generic[T]):
    """Values by key, each for a time."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[int, T]] = {}
        self._order: deque[str] = deque()

    def get(self, key: str, now: int, window_ms: int) -> T | None:
        """The value that was put less than ``window_ms`` ago."""
        order, values = self._order, self._values
        while order and ((oldest := values.get(order[0])) is None or oldest[0] + window_ms <= now):
            values.pop(order.popleft(), None)
        entry = values.get(key)
        return None if entry is None else entry[1]

    def put(self, key: str, value: T, now: int) -> None:
        """Remember a value from now on."""
        self._values[key] = (now, value)
        self._order.append(key)

    def clear(self) -> None:
        """Forget everything (FIFO-15: PurgeQueue)."""
        self._values.clear()
        self._order.clear()

    def __len__(self) -> int:
        return len(self._values)


def dedup_id(message: NewMessage, body: bytes) -> str:
    """The explicit deduplication id, or the SHA-256 of the body, attributes not included (FIFO-14)."""
    return message.dedup if message.dedup is not None else sha256(body, usedforsecurity=False).hexdigest()


def dedup_key(message: NewMessage, dedup: str, settings: QueueSettings) -> str:
    """What two sends must share to be duplicates: the id, and with DeduplicationScope messageGroup the group too."""
    return f"{message.group} {dedup}" if settings.deduplication_scope == "messageGroup" else dedup

"""When a batch closes: by size, by window or by payload, whichever comes first (BATCH-1 … 8).

A buffer belongs to one poller and holds what it received and has not yet put into a batch, in the queue's order. It is
told the time and knows no queue and no function. What does not fit into a batch by payload stays for the next one;
what is left at a stop is handed back by the poller, which asks :meth:`Buffer.drain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from esm_emulator.mapping.record import ENVELOPE, size_at_most, size_of
from esm_emulator.messages import ReceivedMessage

__all__ = ["Batch", "BatchRules", "Buffer"]

RECEIVE_MOST = 10  # SQS-6


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What closes a batch. Times in milliseconds, ``payload_limit`` in bytes of the whole event.

    ``window_from_first`` is BATCH-10's open question: the window starts with the first record of an empty buffer, or
    else already when the previous invocation ended. ``quiet_wait`` is the least time that a window waits on a queue
    that brings less than it was asked for (BATCH-9).
    """

    size: int = 10
    window_ms: int = 0
    payload_limit: int = 6_291_456
    window_from_first: bool = True
    quiet_wait: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages for one invocation. ``size`` is the event's size in bytes, an upper bound far from the limit."""

    messages: tuple[ReceivedMessage, ...]
    reason: str  # size | window | payload | receive | stop
    size: int


class Buffer:
    """What one poller holds between its receives and its next batch."""

    def __init__(self, rules: BatchRules, source_arn: str) -> None:
        self.rules = rules
        self._source_arn = source_arn
        self._messages: list[ReceivedMessage] = []
        self._since = 0  # when the oldest of them came, or when the rest of a batch closed by payload became the oldest
        self._previous_end = 0
        self._quiet = False

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def asks_for(self) -> int:
        """``MaxNumberOfMessages`` of the next receive: never more than the batch has room for (BATCH-14)."""
        return max(0, min(RECEIVE_MOST, self.rules.size - len(self._messages)))

    def add(self, messages: Sequence[ReceivedMessage], now: int, *, asked: int) -> None:
        """Take what a receive brought, after filtering; ``asked`` is how many it asked for."""
        self._quiet = len(messages) < asked
        if not self._messages:
            self._since = now
        self._messages.extend(messages)

    def invocation_ended(self, now: int) -> None:
        """The poller's previous invocation is over (BATCH-10)."""
        self._previous_end = now

    def closes_at(self) -> int | None:
        """When the window ends, in epoch milliseconds; None while nothing is held."""
        if not self._messages:
            return None
        start = self._since if self.rules.window_from_first else min(self._since, self._previous_end or self._since)
        wait = self.rules.window_ms
        if wait and self._quiet:
            wait = max(wait, self.rules.quiet_wait)
        return start + wait

    def close(self, now: int) -> Batch | None:
        """The next batch if one is due, else None. Never empty (BATCH-19)."""
        due = self.closes_at()
        if due is None:
            return None
        count, size = self._fitting()
        if count < min(len(self._messages), self.rules.size):
            return self._take(count, size, "payload", now)
        if count == self.rules.size:
            return self._take(count, size, "size", now)
        if now >= due:
            return self._take(count, size, "window" if self.rules.window_ms else "receive", now)
        return None

    def flush(self, now: int) -> Batch | None:
        """The next batch of what is held, due or not; None when nothing is."""
        if not self._messages:
            return None
        return self._take(*self._fitting(), "stop", now)

    def drain(self) -> list[ReceivedMessage]:
        """Everything that is held, which is then no longer held."""
        rest, self._messages = self._messages, []
        return rest

    def _take(self, count: int, size: int, reason: str, now: int) -> Batch:
        taken, self._messages = tuple(self._messages[:count]), self._messages[count:]
        self._since = now
        return Batch(taken, reason, size)

    def _fitting(self) -> tuple[int, int]:
        """How many of the oldest messages fit into one event, at least one (BATCH-15), and its size in bytes."""
        candidates = self._messages[: self.rules.size]
        size = ENVELOPE + sum(map(size_at_most, candidates))
        if size <= self.rules.payload_limit:
            return len(candidates), size
        size = ENVELOPE
        for count, message in enumerate(candidates):
            more = size + size_of(message, self._source_arn)
            if more > self.rules.payload_limit and count:
                return count, size
            size = more
        return len(candidates), size

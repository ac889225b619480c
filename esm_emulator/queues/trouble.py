"""Trouble with a queue's server: told when it begins and when it is over, and how long to wait before each try.

A mapping has up to 1,250 pollers, and a server that goes away fails all of them, many times: that is one trouble, not
thousands. It begins with the first failed call and is over with the first call that succeeds and was begun after the
last failure; one that was on its way meanwhile says nothing about now. Throttling hits some calls and spares others:
there it takes a quiet while as well, or the trouble would come and go with each call.

This file is told the time; it waits for nothing and knows neither boto3 nor a loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from esm_emulator.journal import Journal, QueueTrouble

__all__ = ["Trouble", "waits"]

FIRST_WAIT_MS = 250
LONGEST_WAIT_MS = 10_000


def waits(attempt: int) -> int:
    """Milliseconds to wait after the ``attempt``-th failure in a row, counted from 1: doubling, at most 10 s."""
    return min(FIRST_WAIT_MS << min(attempt - 1, 30), LONGEST_WAIT_MS)


@dataclass(slots=True)
class _Open:
    error: str
    attempts: int
    settles_at: int


class Trouble:
    """The troubles of one queue, one for each operation of SQS."""

    def __init__(self, queue: str, journal: Journal) -> None:
        self._queue = queue
        self._journal = journal
        self._open: dict[str, _Open] = {}

    def __contains__(self, operation: str) -> bool:
        return operation in self._open

    def failed(self, operation: str, error: str, now: int, quiet_ms: int = 0) -> None:
        """A call failed; only the first is told. A success less than ``quiet_ms`` after it does not end the trouble."""
        trouble = self._open.get(operation)
        if trouble is None:
            trouble = self._open[operation] = _Open(error, 0, now)
            self._journal.append(QueueTrouble(now, self._queue, operation, error))
        trouble.attempts += 1
        trouble.settles_at = max(trouble.settles_at, now + quiet_ms)

    def succeeded(self, operation: str, begun_at: int, now: int) -> None:
        """A call that was begun at ``begun_at`` succeeded."""
        trouble = self._open.get(operation)
        if trouble is None or begun_at < trouble.settles_at:
            return
        del self._open[operation]
        self._journal.append(
            QueueTrouble(now, self._queue, operation, trouble.error, over=True, attempts=trouble.attempts)
        )

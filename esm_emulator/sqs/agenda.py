"""What comes next: entries in the order of a number, of which some may be out of date.

Nothing is ever taken out of the middle. An entry is a hint, ``valid(key, item)`` says whether it still holds, and a
hint that no longer does is dropped when it comes to the front. When more than half are stale the rest is copied, so the
memory stays in proportion to what lives, and every operation costs O(log n) on the average.

Keys mostly come in rising order (a queue's visibility timeout is the same for all its messages), so entries that do are
kept in a plain deque, which costs O(1); only the others go through a heap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import chain
from typing import Generic, TypeVar

__all__ = ["NEVER", "Agenda"]

T = TypeVar("T")

NEVER = 1 << 62
"""A time after all others."""

_SLACK = 1024


class Agenda(Generic[T]):
    """Items by key, and among equal keys by ``tie``, which two different items must not share at one key."""

    __slots__ = ("_heap", "_run", "_valid")

    def __init__(self, valid: Callable[[int, T], bool]) -> None:
        self._valid = valid
        self._run: deque[tuple[int, int, T]] = deque()
        self._heap: list[tuple[int, int, T]] = []

    def push(self, key: int, tie: int, item: T, living: int) -> None:
        """Add an entry. ``living`` is how many items there are in truth, for the copying."""
        run = self._run
        if not run or key > run[-1][0] or (key == run[-1][0] and tie > run[-1][1]):
            run.append((key, tie, item))
        else:
            heappush(self._heap, (key, tie, item))
        if len(run) + len(self._heap) > 2 * living + _SLACK:
            self._copy()

    def first(self) -> tuple[int, int, T] | None:
        """The first entry that holds; stale ones before it are dropped."""
        run, heap, valid = self._run, self._heap, self._valid
        while run and not valid(run[0][0], run[0][2]):
            run.popleft()
        while heap and not valid(heap[0][0], heap[0][2]):
            heappop(heap)
        if not heap:
            return run[0] if run else None
        return heap[0] if not run or heap[0] < run[0] else run[0]

    def pop(self) -> T | None:
        """Take the first item that holds, or None."""
        entry = self.first()
        if entry is None:
            return None
        if self._run and self._run[0] is entry:
            self._run.popleft()
        else:
            heappop(self._heap)
        return entry[2]

    def pop_due(self, now: int) -> T | None:
        """Take the first item that holds if its key is at most ``now``."""
        entry = self.first()
        return self.pop() if entry is not None and entry[0] <= now else None

    def next(self) -> int:
        """The key of the first entry that holds, or ``NEVER``."""
        entry = self.first()
        return NEVER if entry is None else entry[0]

    def clear(self) -> None:
        """Forget all entries."""
        self._run.clear()
        self._heap.clear()

    def _copy(self) -> None:
        """Keep what holds, each once: an item that went back to an earlier key has two entries there."""
        entries = sorted(chain(self._run, self._heap))
        self._run = deque(
            entry
            for entry, before in zip(entries, chain([None], entries), strict=False)
            if entry != before and self._valid(entry[0], entry[2])
        )
        self._heap = []

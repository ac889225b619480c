"""What happened so far, for whoever looks while it goes on: counts under a lock of their own, and the event log.

Both read every fact as it comes and keep nothing of it, so a run may last for days; the journal itself keeps only the
latest facts then.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from esm_emulator.clocks import Clock
from esm_emulator.errors import UsageError
from esm_emulator.journal import Fact, InvocationEnded, Journal, MessageDeadLettered, MessageExpired, line
from esm_emulator.report.metrics import Metrics
from esm_emulator.report.prometheus import to_prometheus

__all__ = ["EventLog", "Row", "Watch", "facts_so_far"]

OUTCOMES = 5  # of a mapping's latest invocations that are kept


@dataclass(frozen=True, slots=True)
class Row:
    """One mapping as it stands: messages of its queue now, everything else since the start.

    ``handled`` are messages deleted after processing or filtered out; ``last`` what came of the mapping's latest
    invocations, the newest last: ``success``, or the type of the error.
    """

    mapping: str
    visible: int
    in_flight: int
    dead_lettered: int
    invocations: int
    errors: int
    throttles: int
    pollers: int
    handled: int
    last: tuple[str, ...] = ()


class Watch:
    """Reads ``journal`` from now on. May be asked from any thread."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.facts = 0
        self.dead_lettered: Counter[str] = Counter()  # by the queue that they left
        self.expired: Counter[str] = Counter()
        self._outcomes: dict[str, deque[str]] = {}  # by the mapping
        self._clock = clock
        self._metrics = Metrics()
        self._lock = threading.Lock()
        journal.subscribe(self._read)

    def _read(self, fact: Fact) -> None:
        with self._lock:
            self.facts += 1
            self._metrics.read(fact)
            if isinstance(fact, MessageDeadLettered):
                self.dead_lettered[fact.queue] += 1
            elif isinstance(fact, MessageExpired):
                self.expired[fact.queue] += 1
            elif isinstance(fact, InvocationEnded):
                last = self._outcomes.setdefault(fact.mapping, deque(maxlen=OUTCOMES))
                last.append(fact.outcome if fact.outcome == "success" else fact.error_type or fact.outcome)

    def row(self, mapping: str, queue: str, function: str) -> Row:
        """How a mapping stands now; the ids are logical ones."""
        with self._lock:
            metrics = self._metrics
            metrics.advance(self._clock.now())
            depth = metrics.depths.queue(queue)
            own = metrics.mappings.get(mapping, {})
            ran = metrics.functions.get(function, {})
            return Row(
                mapping,
                depth.visible,
                depth.hidden,
                self.dead_lettered[queue],
                ran.get("Invocations", 0),
                ran.get("Errors", 0),
                ran.get("Throttles", 0),
                metrics.running_pollers.get(mapping, 0),
                own.get("DeletedEventCount", 0) + own.get("FilteredOutEventCount", 0),
                tuple(self._outcomes.get(mapping, ())),
            )

    def metrics(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Everything measured: ``queues``, ``functions`` and ``mappings``, as in a replay's case."""
        with self._lock:
            metrics = self._metrics
            metrics.advance(self._clock.now())
            return {"queues": metrics.queues, "functions": metrics.functions, "mappings": metrics.mappings}

    def page(self) -> str:
        """The same for Prometheus."""
        with self._lock:
            self._metrics.advance(self._clock.now())
            return to_prometheus(self._metrics)


def facts_so_far(journal: Journal) -> list[Fact]:
    """The facts that are kept, although others are added meanwhile by another thread."""
    while True:
        try:
            return list(journal)
        except RuntimeError:  # it changed while it was copied
            continue


class EventLog:
    """Every fact of ``journal`` from now on as a JSON line in a file, complete up to the moment of any crash.

    Raises ``UsageError`` when the file cannot be written. One that cannot be written later (a full disk) ends here:
    ``trouble`` says why, the run goes on.
    """

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.trouble: str | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8", errors="surrogatepass", buffering=1)
        except OSError as error:
            raise UsageError(f"--event-log {path}: {error.strerror}; name a file that can be written") from None
        self._forget = journal.subscribe(self._read)

    def _read(self, fact: Fact) -> None:
        try:
            self._file.write(line(fact) + "\n")
        except OSError as error:
            self.trouble = error.strerror
            self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()
        try:
            self._file.close()
        except OSError as problem:
            self.trouble = problem.strerror

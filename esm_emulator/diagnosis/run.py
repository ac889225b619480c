"""An index of a run: one walk over its journal, from which every diagnosis is read.

The unit is a *stay*: one message in one queue, from a send, a dead-lettering or a move to its end there. A stay has its
receives and the batches that it was in; a batch has its tries, its invocation and what was made of the response. All
refer to the facts that say so by their number in the journal. Linear in the journal; knows no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from esm_emulator.diagnosis.settings import Settings
from esm_emulator.diagnosis.stays import Batch, Ending, Noted, Receive, Stay
from esm_emulator.journal import (
    BatchClosed,
    BatchGivenUp,
    DeleteFailed,
    DeleteIgnored,
    Deployed,
    EnvironmentStarted,
    Fact,
    InvocationEnded,
    InvocationStarted,
    InvocationThrottled,
    MappingChanged,
    MessageDeadLettered,
    MessageDeduplicated,
    MessageDeleted,
    MessageExpired,
    MessageFiltered,
    MessageMoved,
    MessageReceived,
    MessageRedelivered,
    MessageSent,
    PollersChanged,
    PropertySet,
    QueueCreated,
    QueuePurged,
    QueueRemoved,
    QueueTrouble,
    ResponseJudged,
    VisibilityChanged,
)

__all__ = ["Run"]


class Run:
    """The index. ``start`` and ``end`` are the times of the first and the last fact (epoch ms)."""

    def __init__(self) -> None:
        self.start = 0
        self.end = 0
        self.settings = Settings()
        self.stays: list[Stay] = []
        self.batches: list[Batch] = []
        self.deduplicated: list[Noted] = []
        self.moves: list[tuple[int, MessageMoved, Stay | None, Stay]] = []  # number, fact, from, to
        self.expired: list[tuple[int, MessageExpired, Stay]] = []
        self.pollers: dict[str, list[tuple[int, PollersChanged]]] = {}
        self.states: dict[str, Noted] = {}  # mapping -> its last MappingChanged
        self.readers: dict[str, set[str]] = {}  # queue -> the mappings that received from it
        self.troubles: dict[tuple[str, str], Noted] = {}
        self._arns: dict[str, str] = {}
        self._by_key: dict[tuple[str, str], Stay] = {}
        self._latest: dict[str, Stay] = {}  # message id -> its latest stay
        self._batch: dict[tuple[str, int], Batch] = {}
        self._queue_of: dict[str, str] = {}  # mapping -> the queue that it last received from
        self._environments: dict[str, tuple[int, float]] = {}  # not yet used ones: when they were ready, and init ms
        self._running: dict[tuple[str, str], Stay] = {}  # (queue, body) -> a stay that runs now

    @classmethod
    def of(cls, journal: Iterable[Fact]) -> Run:
        """The index of a whole journal."""
        run = cls()
        readers = run._readers
        fact = None
        for index, fact in enumerate(journal):
            if index == 0:
                run.start = fact.at
            reader = readers.get(type(fact))
            if reader is not None:
                reader(run, index, fact)
        run.end = fact.at if fact is not None else 0
        return run

    def queue_read_by(self, mapping: str) -> str | None:
        """The logical id of a mapping's queue."""
        if mapping in self._queue_of:
            return self._queue_of[mapping]
        source = self.settings.get(mapping, "EventSourceArn")
        return None if source is None else self._arns.get(str(source), str(source).rpartition(":")[2])

    def mappings_of(self, queue: str) -> list[str]:
        """The mappings that read a queue, deployed or seen."""
        deployed = self.settings.of_type("AWS::Lambda::EventSourceMapping")
        return sorted({id for id in deployed if self.queue_read_by(id) == queue} | self.readers.get(queue, set()))

    def is_fifo(self, queue: str) -> bool:
        """Whether a queue is FIFO."""
        return bool(self.settings.get(queue, "FifoQueue", default=False))

    def fifo_groups(self) -> dict[tuple[str, str], list[Stay]]:
        """The stays of each group of each FIFO queue, in the order in which they came."""
        groups: dict[tuple[str, str], list[Stay]] = {}
        for stay in self.stays:
            if stay.group is not None and self.is_fifo(stay.queue):
                groups.setdefault((stay.queue, stay.group), []).append(stay)
        return groups

    # --- the queue --------------------------------------------------------------------------------------------

    def _enter(self, index: int, fact: Any, message: str, queue: str, expires_at: int, **more: Any) -> Stay:
        stay = Stay(
            message, queue, len(self.stays), index, fact.at, more.pop("visible_at", fact.at), expires_at, **more
        )
        self.stays.append(stay)
        self._by_key[queue, message] = self._latest[message] = stay
        return stay

    def _known(self, index: int, fact: Any) -> Stay:
        """The stay that a fact is about; one that began before the run is found now."""
        stay = self._by_key.get((fact.queue, fact.message))
        return stay or self._enter(index, fact, fact.message, fact.queue, 0, origin="found")

    def _sent(self, index: int, fact: MessageSent) -> None:
        stay = self._enter(
            index,
            fact,
            fact.message,
            fact.queue,
            fact.expires_at,
            visible_at=fact.visible_at,
            body=fact.body,
            group=fact.group,
            label=fact.label,
        )
        stay.parent = self._running.get((fact.queue, fact.body))

    def _received(self, index: int, fact: MessageReceived) -> None:
        mapping = fact.consumer.rpartition("/")[0] if fact.consumer else None
        stay = self._known(index, fact)
        stay.receives.append(Receive(index, fact.at, fact.visible_at, fact.receipt, mapping))
        if mapping:
            self._queue_of[mapping] = fact.queue
            self.readers.setdefault(fact.queue, set()).add(mapping)

    def _visibility(self, _: int, fact: VisibilityChanged) -> None:
        stay = self._by_key.get((fact.queue, fact.message))
        for receive in reversed(stay.receives if stay else ()):
            if receive.receipt == fact.receipt:
                receive.visible_at = fact.visible_at
                return

    def _ends(self, index: int, fact: Any) -> None:
        self._known(index, fact).ending = Ending(index, fact)

    def _dead_lettered(self, index: int, fact: MessageDeadLettered) -> None:
        stay = self._known(index, fact)
        stay.ending = Ending(index, fact)
        self._follow(index, fact, stay, "dead-lettered", fact.message)

    def _moved(self, index: int, fact: MessageMoved) -> None:
        stay = self._by_key.get((fact.queue, fact.message))
        if stay is not None:
            stay.ending = Ending(index, fact)
        new = self._follow(index, fact, stay, "moved", fact.new_message)
        self.moves.append((index, fact, stay, new))

    def _follow(self, index: int, fact: Any, stay: Stay | None, origin: str, message: str) -> Stay:
        body, group, label = (stay.body, stay.group, stay.label) if stay else ("", None, None)
        more = {"body": body, "group": group, "label": label, "origin": origin, "before": stay}
        return self._enter(index, fact, message, fact.to, fact.expires_at, **more)

    def _expired(self, index: int, fact: MessageExpired) -> None:
        stay = self._known(index, fact)
        stay.ending = Ending(index, fact)
        self.expired.append((index, fact, stay))

    def _redelivered(self, index: int, fact: MessageRedelivered) -> None:
        stay = self._known(index, fact)
        stay.ending = None
        if stay.receives:
            stay.receives[-1].visible_at = max(stay.receives[-1].visible_at, fact.at)

    def _emptied(self, index: int, fact: QueuePurged | QueueRemoved) -> None:
        for message in fact.messages:
            stay = self._by_key.get((fact.queue, message))
            if stay is not None:
                stay.ending = Ending(index, fact)

    def _not_deleted(self, index: int, fact: DeleteIgnored | DeleteFailed) -> None:
        stay = self._by_key.get((fact.queue, fact.message))
        if stay is not None:
            stay.not_deleted.append((index, fact))

    def _deduplicated(self, index: int, fact: MessageDeduplicated) -> None:
        self.deduplicated.append((index, fact))

    def _trouble(self, index: int, fact: QueueTrouble) -> None:
        if fact.over:
            self.troubles.pop((fact.queue, fact.operation), None)
        else:
            self.troubles[fact.queue, fact.operation] = (index, fact)

    def stay_of(self, queue: str, message: str) -> Stay | None:
        """The stay of a message in a queue."""
        return self._by_key.get((queue, message))

    # --- the mapping ------------------------------------------------------------------------------------------

    def _filtered(self, index: int, fact: MessageFiltered) -> None:
        self._known(index, fact).filtered = (index, fact)

    def _closed(self, index: int, fact: BatchClosed) -> None:
        batch = Batch(index, fact)
        self.batches.append(batch)
        self._batch[fact.mapping, fact.batch] = batch
        queue = self.queue_read_by(fact.mapping)
        for message in fact.messages:
            stay = self._by_key.get((queue or "", message)) or self._latest.get(message)
            if stay is None:
                continue
            batch.stays.append(stay)
            stay.batches.append(batch)
            for receive in reversed(stay.receives):
                if receive.mapping == fact.mapping and receive.batch is None:
                    receive.batch = batch
                    break

    def _of(self, fact: Any) -> Batch | None:
        return self._batch.get((fact.mapping, fact.batch))

    def _throttled(self, index: int, fact: InvocationThrottled) -> None:
        if (batch := self._of(fact)) is not None:
            batch.function = fact.function
            batch.throttles.append((index, fact))

    def _given_up(self, index: int, fact: BatchGivenUp) -> None:
        if (batch := self._of(fact)) is not None:
            batch.given_up = index

    def _started(self, index: int, fact: InvocationStarted) -> None:
        batch = self._of(fact)
        if batch is None:
            return
        batch.function, batch.started_at, batch.started = fact.function, fact.at, index
        for stay in batch.stays:
            self._running[stay.queue, stay.body] = stay

    def _ended(self, index: int, fact: InvocationEnded) -> None:
        batch = self._of(fact)
        if batch is None:
            return
        batch.ended = (index, fact)
        ready = self._environments.pop(fact.environment or "", None)
        if ready is not None and ready[0] >= batch.closed.at:
            batch.cold_ms = ready[1]
        for stay in batch.stays:
            if self._running.get((stay.queue, stay.body)) is stay:
                del self._running[stay.queue, stay.body]

    def _judged(self, index: int, fact: ResponseJudged) -> None:
        if (batch := self._of(fact)) is not None:
            batch.judged = (index, fact)

    def _mapping(self, index: int, fact: MappingChanged) -> None:
        self.states[fact.mapping] = (index, fact)

    def _pollers(self, index: int, fact: PollersChanged) -> None:
        self.pollers.setdefault(fact.mapping, []).append((index, fact))

    # --- the rest ---------------------------------------------------------------------------------------------

    def _environment(self, _: int, fact: EnvironmentStarted) -> None:
        self._environments[fact.environment] = (fact.at, fact.init_ms)

    def _deployed(self, _: int, fact: Deployed) -> None:
        self.settings.deployed(fact)

    def _set(self, index: int, fact: PropertySet) -> None:
        self.settings.changed(index, fact)

    def _created(self, _: int, fact: QueueCreated) -> None:
        self._arns[fact.arn] = fact.queue

    _readers: ClassVar[dict[type[Fact], Callable[..., None]]] = {
        BatchClosed: _closed,
        BatchGivenUp: _given_up,
        DeleteFailed: _not_deleted,
        DeleteIgnored: _not_deleted,
        Deployed: _deployed,
        EnvironmentStarted: _environment,
        InvocationEnded: _ended,
        InvocationStarted: _started,
        InvocationThrottled: _throttled,
        MappingChanged: _mapping,
        MessageDeadLettered: _dead_lettered,
        MessageDeduplicated: _deduplicated,
        MessageDeleted: _ends,
        MessageExpired: _expired,
        MessageFiltered: _filtered,
        MessageMoved: _moved,
        MessageReceived: _received,
        MessageRedelivered: _redelivered,
        MessageSent: _sent,
        PollersChanged: _pollers,
        PropertySet: _set,
        QueueCreated: _created,
        QueuePurged: _emptied,
        QueueRemoved: _emptied,
        QueueTrouble: _trouble,
        ResponseJudged: _judged,
        VisibilityChanged: _visibility,
    }

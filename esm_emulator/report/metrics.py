"""The metrics of mappings, functions and queues under CloudWatch's names (contract section 9), from the journal.

Sums are over the whole run; ages and concurrencies are maxima, counts of messages are as they are now. Everything is
reckoned from facts alone, so a saved journal gives the same numbers as the run did. A message that is hidden or delayed
comes back by itself: :meth:`Metrics.advance` lets time pass without a fact.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from esm_emulator.journal import (
    BatchClosed,
    Deployed,
    EmptyReceives,
    EnvironmentStarted,
    Fact,
    InvocationEnded,
    InvocationStarted,
    InvocationThrottled,
    MessageDeadLettered,
    MessageDeduplicated,
    MessageDeleted,
    MessageExpired,
    MessageFiltered,
    MessageHandedBack,
    MessageMoved,
    MessageReceived,
    MessageRedelivered,
    MessageSent,
    PollersChanged,
    QueueCreated,
    QueuePurged,
    QueueRemoved,
    ResponseJudged,
    VisibilityChanged,
)

__all__ = ["FUNCTION_METRICS", "MAPPING_METRICS", "QUEUE_METRICS", "Metrics", "over_time"]

QUEUE_METRICS: dict[str, str] = {
    "messages": "now: visible, in flight and delayed together",
    "ApproximateNumberOfMessagesVisible": "now",
    "ApproximateNumberOfMessagesNotVisible": "now: in flight",
    "ApproximateNumberOfMessagesDelayed": "now",
    "ApproximateNumberOfGroupsWithInflightMessages": "now, FIFO",
    "ApproximateAgeOfOldestMessage": "maximum, seconds; in a dead-letter queue since the move (DLQ-4, DLQ-8)",
    "NumberOfMessagesSent": "sum; without moves to a dead-letter queue (DLQ-10)",
    "NumberOfMessagesReceived": "sum; a message counts at each receive (MET-10)",
    "NumberOfMessagesDeleted": "sum",
    "NumberOfEmptyReceives": "sum",
    "NumberOfDeduplicatedSentMessages": "sum, FIFO",
    "SentMessageSize": "sum, bytes",
}
MAPPING_METRICS: dict[str, str] = {
    "PolledEventCount": "sum: messages received",
    "FilteredOutEventCount": "sum: messages that no filter matched",
    "InvokedEventCount": "sum: messages in tries to invoke, throttled ones too",
    "FailedInvokeEventCount": "sum: messages tried without success (PBR-33)",
    "DeletedEventCount": "sum: messages deleted after processing; filtered ones do not count (MET-3)",
    "batches": "sum: batches closed",
    "pollers": "maximum",
    "ProvisionedPollers": "maximum, in provisioned mode (PROV-13)",
}
FUNCTION_METRICS: dict[str, str] = {
    "Invocations": "sum; without throttled tries (MET-6)",
    "Errors": "sum: function errors",
    "Throttles": "sum; a retry counts again",
    "Timeouts": "sum: errors by timeout",
    "Duration": "sum, ms; without cold starts (RUN-8)",
    "DurationMaximum": "maximum, ms",
    "ConcurrentExecutions": "maximum",
    "ColdStarts": "sum: execution environments started",
}
_BACK = 3  # receives after which a message no longer counts for the age of the oldest (DLQ-8)


@dataclass(slots=True)
class _Message:
    queue: str
    arrived_at: int
    visible_at: int
    kind: str  # visible | hidden | delayed
    group: str | None
    receives: int = 0
    aside: bool = False


@dataclass(slots=True)
class _Queue:
    numbers: dict[str, float]
    count: dict[str, int] = field(default_factory=lambda: {"visible": 0, "hidden": 0, "delayed": 0})
    groups: dict[str, int] = field(default_factory=dict)  # messages in flight by group
    oldest: list[tuple[int, str]] = field(default_factory=list)  # heap of (arrival, id), some of them gone
    steps_back: bool = False


class Metrics:
    """Reads facts one after the other; ``now`` is the time of the latest."""

    def __init__(self) -> None:
        self.now = 0
        self.concurrent: dict[str, int] = {}
        self.running_pollers: dict[str, int] = {}
        self._queues: dict[str, _Queue] = {}
        self._functions: dict[str, dict[str, float]] = {}
        self._mappings: dict[str, dict[str, float]] = {}
        self._provisioned: set[str] = set()
        self._messages: dict[str, _Message] = {}
        self._filtered: set[str] = set()
        self._returns: list[tuple[int, str]] = []  # heap of (visible_at, id), some of them superseded

    @classmethod
    def of(cls, journal: Iterable[Fact]) -> Metrics:
        """The metrics of a whole journal."""
        metrics = cls()
        for fact in journal:
            metrics.read(fact)
        return metrics

    def read(self, fact: Fact) -> None:
        """Take one fact more."""
        self.advance(fact.at)
        reader = self._readers.get(type(fact))
        if reader is not None:
            reader(self, fact)

    def advance(self, now: int) -> None:
        """Let time pass: what was hidden or delayed until then is visible again."""
        self.now = max(self.now, now)
        while self._returns and self._returns[0][0] <= self.now:
            at, id = heapq.heappop(self._returns)
            message = self._messages.get(id)
            if message is not None and message.kind != "visible" and message.visible_at == at:
                self._become(message, "visible")

    # --- results ----------------------------------------------------------------------------------------------

    @property
    def queues(self) -> dict[str, dict[str, Any]]:
        """Every queue's metrics by its logical id."""
        return {id: self._queue_now(queue) for id, queue in self._queues.items()}

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Every function's metrics by its logical id."""
        return {id: _tidy(numbers) for id, numbers in self._functions.items()}

    @property
    def mappings(self) -> dict[str, dict[str, Any]]:
        """Every mapping's metrics by its logical id."""
        return {
            id: _tidy({k: v for k, v in numbers.items() if k != "ProvisionedPollers" or id in self._provisioned})
            for id, numbers in self._mappings.items()
        }

    def age_of_oldest(self, queue: str) -> int:
        """Milliseconds since the oldest message of a queue came, as SQS counts it now (DLQ-4, DLQ-8)."""
        first = self._oldest(self._queues[queue])
        return 0 if first is None else self.now - first

    def _queue_now(self, queue: _Queue) -> dict[str, Any]:
        self._note_age(queue)
        count = queue.count
        numbers = {
            "messages": sum(count.values()),
            "ApproximateNumberOfMessagesVisible": count["visible"],
            "ApproximateNumberOfMessagesNotVisible": count["hidden"],
            "ApproximateNumberOfMessagesDelayed": count["delayed"],
            "ApproximateNumberOfGroupsWithInflightMessages": len(queue.groups),
        }
        return _tidy(queue.numbers | numbers)

    # --- messages ---------------------------------------------------------------------------------------------

    def _arrive(self, id: str, queue_id: str, at: int, visible_at: int, group: str | None = None) -> None:
        queue = self._queue(queue_id)
        message = _Message(queue_id, at, visible_at, "", group)
        self._messages[id] = message
        heapq.heappush(queue.oldest, (at, id))
        self._become(message, "delayed" if visible_at > at else "visible")
        if visible_at > at:
            heapq.heappush(self._returns, (visible_at, id))

    def _leave(self, id: str) -> _Message | None:
        message = self._messages.get(id)
        if message is not None:
            self._note_age(self._queues[message.queue])
            self._become(message, "")
            del self._messages[id]
        return message

    def _hide(self, id: str, visible_at: int) -> None:
        message = self._messages.get(id)
        if message is None:
            return
        message.visible_at = visible_at
        if visible_at > self.now:
            self._become(message, "hidden")
            heapq.heappush(self._returns, (visible_at, id))
        else:
            self._become(message, "visible")

    def _become(self, message: _Message, kind: str) -> None:
        queue = self._queues[message.queue]
        if message.kind:
            queue.count[message.kind] -= 1
        if kind:
            queue.count[kind] += 1
        if message.group is not None:
            change = (kind == "hidden") - (message.kind == "hidden")
            left = queue.groups.get(message.group, 0) + change
            if left:
                queue.groups[message.group] = left
            else:
                queue.groups.pop(message.group, None)
        message.kind = kind

    def _oldest(self, queue: _Queue) -> int | None:
        heap = queue.oldest
        while heap:
            at, id = heap[0]
            message = self._messages.get(id)
            if message is not None and message.arrived_at == at and not message.aside:
                return at
            heapq.heappop(heap)
        return None

    def _note_age(self, queue: _Queue) -> None:
        first = self._oldest(queue)
        if first is not None:
            age = (self.now - first) / 1_000
            queue.numbers["ApproximateAgeOfOldestMessage"] = max(age, queue.numbers["ApproximateAgeOfOldestMessage"])

    # --- facts ------------------------------------------------------------------------------------------------

    def _deployed(self, fact: Deployed) -> None:
        for id, resource in fact.resources.items():
            kind, properties = resource["Type"], resource["Properties"]
            if kind.endswith("Queue"):
                policy = properties.get("RedrivePolicy") or {}
                fifo = properties.get("FifoQueue")
                self._queue(id).steps_back = not fifo and policy.get("maxReceiveCount", 0) > _BACK
            elif kind.endswith("EventSourceMapping"):
                self._mapping(id)
                if properties.get("ProvisionedPollerConfig"):
                    self._provisioned.add(id)
            elif kind.endswith("Function"):
                self._function(id)

    def _created(self, fact: QueueCreated) -> None:
        self._queue(fact.queue)

    def _sent(self, fact: MessageSent) -> None:
        numbers = self._queue(fact.queue).numbers
        numbers["NumberOfMessagesSent"] += 1
        numbers["SentMessageSize"] += fact.size
        self._arrive(fact.message, fact.queue, fact.at, fact.visible_at, fact.group)

    def _deduplicated(self, fact: MessageDeduplicated) -> None:
        numbers = self._queue(fact.queue).numbers
        numbers["NumberOfMessagesSent"] += 1
        numbers["NumberOfDeduplicatedSentMessages"] += 1

    def _received(self, fact: MessageReceived) -> None:
        self._queue(fact.queue).numbers["NumberOfMessagesReceived"] += 1
        if fact.message not in self._messages:
            self._arrive(fact.message, fact.queue, fact.at, fact.at)
        self._hide(fact.message, fact.visible_at)
        message = self._messages[fact.message]
        message.receives += 1
        queue = self._queues[message.queue]
        if queue.steps_back and message.receives >= _BACK and not message.aside:
            self._note_age(queue)
            message.aside = True
        if fact.consumer is not None:
            self._mapping(_mapping_of(fact.consumer))["PolledEventCount"] += 1

    def _visibility(self, fact: VisibilityChanged) -> None:
        self._hide(fact.message, fact.visible_at)

    def _handed_back(self, fact: MessageHandedBack) -> None:
        if fact.queue not in self._queues:
            self._hide(fact.message, fact.at)

    def _deleted(self, fact: MessageDeleted) -> None:
        self._queue(fact.queue).numbers["NumberOfMessagesDeleted"] += 1
        self._leave(fact.message)
        if fact.consumer is not None and fact.message not in self._filtered:
            self._mapping(_mapping_of(fact.consumer))["DeletedEventCount"] += 1

    def _redelivered(self, fact: MessageRedelivered) -> None:
        self._leave(fact.message)
        self._arrive(fact.message, fact.queue, fact.at, fact.at)

    def _dead_lettered(self, fact: MessageDeadLettered) -> None:
        left = self._leave(fact.message)
        self._queue(fact.to)
        self._arrive(fact.message, fact.to, fact.at, fact.at, left.group if left else None)

    def _moved(self, fact: MessageMoved) -> None:
        left = self._leave(fact.message)
        self._queue(fact.to)
        self._arrive(fact.new_message, fact.to, fact.at, fact.at, left.group if left else None)

    def _expired(self, fact: MessageExpired) -> None:
        self._leave(fact.message)

    def _purged(self, fact: QueuePurged | QueueRemoved) -> None:
        for id in fact.messages:
            self._leave(id)

    def _empty(self, fact: EmptyReceives) -> None:
        self._queue(fact.queue).numbers["NumberOfEmptyReceives"] += fact.count

    def _filtered_out(self, fact: MessageFiltered) -> None:
        self._filtered.add(fact.message)
        self._mapping(fact.mapping)["FilteredOutEventCount"] += 1

    def _batch(self, fact: BatchClosed) -> None:
        self._mapping(fact.mapping)["batches"] += 1

    def _pollers(self, fact: PollersChanged) -> None:
        numbers = self._mapping(fact.mapping)
        self.running_pollers[fact.mapping] = fact.pollers
        for name in ("pollers", "ProvisionedPollers"):
            numbers[name] = max(numbers[name], fact.pollers)

    def _invoked(self, fact: InvocationStarted) -> None:
        numbers = self._function(fact.function)
        numbers["Invocations"] += 1
        running = self.concurrent[fact.function] = self.concurrent.get(fact.function, 0) + 1
        numbers["ConcurrentExecutions"] = max(numbers["ConcurrentExecutions"], running)
        self._mapping(fact.mapping)["InvokedEventCount"] += len(fact.messages)

    def _throttled(self, fact: InvocationThrottled) -> None:
        self._function(fact.function)["Throttles"] += 1
        numbers = self._mapping(fact.mapping)
        numbers["InvokedEventCount"] += len(fact.messages)
        numbers["FailedInvokeEventCount"] += len(fact.messages)

    def _ended(self, fact: InvocationEnded) -> None:
        numbers = self._function(fact.function)
        self.concurrent[fact.function] -= 1
        numbers["Duration"] += fact.duration_ms
        numbers["DurationMaximum"] = max(numbers["DurationMaximum"], fact.duration_ms)
        numbers["Errors"] += fact.outcome != "success"
        numbers["Timeouts"] += fact.outcome == "timeout"

    def _judged(self, fact: ResponseJudged) -> None:
        self._mapping(fact.mapping)["FailedInvokeEventCount"] += len(fact.kept)

    def _environment(self, fact: EnvironmentStarted) -> None:
        self._function(fact.function)["ColdStarts"] += 1

    # --- inside -----------------------------------------------------------------------------------------------

    def _queue(self, id: str) -> _Queue:
        if id not in self._queues:
            self._queues[id] = _Queue(dict.fromkeys(QUEUE_METRICS, 0))
        return self._queues[id]

    def _function(self, id: str) -> dict[str, float]:
        return self._functions.setdefault(id, dict.fromkeys(FUNCTION_METRICS, 0))

    def _mapping(self, id: str) -> dict[str, float]:
        return self._mappings.setdefault(id, dict.fromkeys(MAPPING_METRICS, 0))

    _readers: ClassVar[dict[type[Fact], Callable[..., None]]] = {
        Deployed: _deployed,
        QueueCreated: _created,
        MessageSent: _sent,
        MessageDeduplicated: _deduplicated,
        MessageReceived: _received,
        VisibilityChanged: _visibility,
        MessageHandedBack: _handed_back,
        MessageDeleted: _deleted,
        MessageRedelivered: _redelivered,
        MessageDeadLettered: _dead_lettered,
        MessageMoved: _moved,
        MessageExpired: _expired,
        QueuePurged: _purged,
        QueueRemoved: _purged,
        EmptyReceives: _empty,
        MessageFiltered: _filtered_out,
        BatchClosed: _batch,
        PollersChanged: _pollers,
        InvocationStarted: _invoked,
        InvocationThrottled: _throttled,
        InvocationEnded: _ended,
        ResponseJudged: _judged,
        EnvironmentStarted: _environment,
    }


def over_time(journal: Iterable[Fact], step_ms: int = 60_000) -> Iterator[tuple[int, Metrics]]:
    """The metrics as they stand at the end of each ``step_ms`` (CloudWatch's period is 60,000), and at the end.

    Yields the time and the same :class:`Metrics`, which goes on changing; take from it what is wanted. Steps in which
    nothing happened are left out but for the last of them.
    """
    metrics = Metrics()
    border: int | None = None
    for fact in journal:
        border = fact.at + step_ms if border is None else border
        if fact.at >= border:
            metrics.advance(border)
            yield border, metrics
            last = border + (fact.at - border) // step_ms * step_ms
            if last > border:
                metrics.advance(last)
                yield last, metrics
            border = last + step_ms
        metrics.read(fact)
    if border is not None:
        yield metrics.now, metrics


def _mapping_of(consumer: str) -> str:
    return consumer.rsplit("/", 1)[0]


def _tidy(numbers: dict[str, float]) -> dict[str, Any]:
    """Whole numbers as such, others to the millisecond."""
    return {name: int(value) if value == int(value) else round(value, 3) for name, value in numbers.items()}

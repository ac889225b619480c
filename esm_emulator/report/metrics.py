"""The metrics of mappings, functions and queues under CloudWatch's names (contract section 9), from the journal.

Sums are over the whole run; ages and concurrencies are maxima, counts of messages are as they are now. Everything is
reckoned from facts alone, in time linear in them, so a saved journal gives the same numbers as the run did. A message
that is hidden or delayed comes back by itself: :meth:`Metrics.advance` lets time pass without a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from esm_emulator.journal import (
    BatchClosed,
    DeleteIgnored,
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
    PropertySet,
    QueueCreated,
    QueuePurged,
    QueueRemoved,
    ResponseJudged,
    VisibilityChanged,
)
from esm_emulator.report.depths import BACK_OF_QUEUE, Depths

__all__ = ["FUNCTION_METRICS", "MAPPING_METRICS", "QUEUE_METRICS", "Metrics", "over_time", "statistic"]

QUEUE_METRICS: dict[str, str] = {
    "messages": "now: visible, in flight and delayed together",
    "ApproximateNumberOfMessagesVisible": "now",
    "ApproximateNumberOfMessagesNotVisible": "now: in flight",
    "ApproximateNumberOfMessagesDelayed": "now",
    "ApproximateNumberOfGroupsWithInflightMessages": "now, FIFO",
    "ApproximateAgeOfOldestMessage": "maximum, seconds; in a dead-letter queue since the move (DLQ-4, DLQ-8)",
    "NumberOfMessagesSent": "sum; without moves to a dead-letter queue (DLQ-10) and duplicates",
    "NumberOfMessagesReceived": "sum; a message counts at each receive (MET-10)",
    "NumberOfMessagesDeleted": "sum; every delete that SQS accepts, also of a message that is gone (MET-10)",
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
    "RecursiveInvocationsDropped": "sum: tries that the recursion guard refused (FAIL-16)",
    "Timeouts": "sum: errors by timeout",
    "Duration": "sum, ms; without cold starts (RUN-8)",
    "DurationMaximum": "maximum, ms",
    "DurationAverage": "average, ms",
    "ConcurrentExecutions": "maximum",
    "ColdStarts": "sum: execution environments started",
}
_RECURSION = "RecursiveInvocationException"


def statistic(metric: str) -> str:
    """How the values of a metric add up: ``sum``, ``maximum``, ``average``, or ``now``."""
    text = {**QUEUE_METRICS, **MAPPING_METRICS, **FUNCTION_METRICS}[metric]
    return text.replace(",", ":").replace(";", ":").split(":")[0]


class Metrics:
    """Reads facts one after the other; ``now`` is the time of the latest."""

    def __init__(self) -> None:
        self.depths = Depths()
        self.concurrent: dict[str, int] = {}
        self.running_pollers: dict[str, int] = {}
        self._queues: dict[str, dict[str, float]] = {}
        self._functions: dict[str, dict[str, float]] = {}
        self._mappings: dict[str, dict[str, float]] = {}
        self._averaged: dict[str, tuple[float, float]] = {}  # function -> ended, and ms, when averages were forgotten
        self._provisioned: set[str] = set()
        self._redrive: dict[str, dict[str, Any]] = {}
        self._filtered: set[str] = set()

    def __repr__(self) -> str:
        return f"<metrics: queues={self.queues}, functions={self.functions}, mappings={self.mappings}>"

    @property
    def now(self) -> int:
        """The latest time that it was told (epoch ms)."""
        return self.depths.now

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
        self.depths.advance(now)

    def forget_maxima(self) -> None:
        """Look for maxima and averages anew from here on, as at the border of a period."""
        self.depths.forget_peaks()
        for id_, numbers in self._functions.items():
            numbers["ConcurrentExecutions"] = self.concurrent.get(id_, 0)
            numbers["DurationMaximum"] = 0
            self._averaged[id_] = numbers["Ended"], numbers["Duration"]
        for id_, numbers in self._mappings.items():
            for name in ("pollers", "ProvisionedPollers"):
                numbers[name] = self.running_pollers.get(id_, 0)

    # --- results ----------------------------------------------------------------------------------------------

    @property
    def queues(self) -> dict[str, dict[str, Any]]:
        """Every queue's metrics by its logical id."""
        return {id_: self._queue_now(id_, numbers) for id_, numbers in self._queues.items()}

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Every function's metrics by its logical id."""
        return {
            id_: _tidy(_with_average(numbers, *self._averaged.get(id_, (0, 0))))
            for id_, numbers in self._functions.items()
        }

    @property
    def mappings(self) -> dict[str, dict[str, Any]]:
        """Every mapping's metrics by its logical id."""
        return {
            id_: _tidy({k: v for k, v in numbers.items() if k != "ProvisionedPollers" or id_ in self._provisioned})
            for id_, numbers in self._mappings.items()
        }

    def age_of_oldest(self, queue: str) -> int:
        """Milliseconds since the oldest message of a queue came, as SQS counts it now (DLQ-4, DLQ-8)."""
        return self.depths.age_of_oldest(queue)

    def _queue_now(self, id_: str, numbers: dict[str, float]) -> dict[str, Any]:
        depth = self.depths.queue(id_)
        return _tidy(
            numbers
            | {
                "messages": depth.messages,
                "ApproximateNumberOfMessagesVisible": depth.visible,
                "ApproximateNumberOfMessagesNotVisible": depth.hidden,
                "ApproximateNumberOfMessagesDelayed": depth.delayed,
                "ApproximateNumberOfGroupsWithInflightMessages": len(depth.groups),
                "ApproximateAgeOfOldestMessage": self.depths.peak_age(id_) / 1_000,
            }
        )

    # --- facts ------------------------------------------------------------------------------------------------

    def _deployed(self, fact: Deployed) -> None:
        for id_, resource in fact.resources.items():
            kind, properties = resource["Type"], resource["Properties"]
            if kind.endswith("Queue"):
                self._queue(id_)
                if not properties.get("FifoQueue"):
                    self._redrive[id_] = dict(properties.get("RedrivePolicy") or {})
                    self._set_back(id_)
            elif kind.endswith("EventSourceMapping"):
                self._mapping(id_)
                if properties.get("ProvisionedPollerConfig"):
                    self._provisioned.add(id_)
            elif kind.endswith("Function"):
                self._function(id_)

    def _property(self, fact: PropertySet) -> None:
        id_, _, path = fact.target.partition(".")
        if id_ not in self._redrive or not path.startswith("RedrivePolicy"):
            return
        name = path.removeprefix("RedrivePolicy").removeprefix(".")
        if name:
            self._redrive[id_][name] = fact.value
        else:
            self._redrive[id_] = dict(fact.value or {})
        self._set_back(id_)

    def _set_back(self, queue: str) -> None:
        most = self._redrive[queue].get("maxReceiveCount") or 0
        self.depths.queue(queue).steps_back = int(most) > BACK_OF_QUEUE

    def _created(self, fact: QueueCreated) -> None:
        self._queue(fact.queue)

    def _sent(self, fact: MessageSent) -> None:
        numbers = self._queue(fact.queue)
        numbers["NumberOfMessagesSent"] += 1
        numbers["SentMessageSize"] += fact.size
        self.depths.arrive(fact.message, fact.queue, fact.visible_at, fact.group)

    def _deduplicated(self, fact: MessageDeduplicated) -> None:
        self._queue(fact.queue)["NumberOfDeduplicatedSentMessages"] += 1

    def _received(self, fact: MessageReceived) -> None:
        self._queue(fact.queue)["NumberOfMessagesReceived"] += 1
        self.depths.receive(fact.message, fact.queue, fact.visible_at)
        if fact.consumer is not None:
            self._mapping(_mapping_of(fact.consumer))["PolledEventCount"] += 1

    def _visibility(self, fact: VisibilityChanged) -> None:
        self.depths.hide(fact.message, fact.visible_at)

    def _handed_back(self, fact: MessageHandedBack) -> None:
        self.depths.hide(fact.message, fact.at)

    def _deleted(self, fact: MessageDeleted) -> None:
        self._queue(fact.queue)["NumberOfMessagesDeleted"] += 1
        self.depths.leave(fact.message)
        if fact.message in self._filtered:
            self._filtered.remove(fact.message)
        elif fact.consumer is not None:
            self._mapping(_mapping_of(fact.consumer))["DeletedEventCount"] += 1

    def _delete_ignored(self, fact: DeleteIgnored) -> None:
        self._queue(fact.queue)["NumberOfMessagesDeleted"] += 1

    def _redelivered(self, fact: MessageRedelivered) -> None:
        self._queue(fact.queue)
        group = self.depths.leave(fact.message)
        self.depths.arrive(fact.message, fact.queue, fact.at, group)

    def _dead_lettered(self, fact: MessageDeadLettered) -> None:
        self._queue(fact.to)
        group = self.depths.leave(fact.message)
        self.depths.arrive(fact.message, fact.to, fact.at, group)

    def _moved(self, fact: MessageMoved) -> None:
        self._queue(fact.to)
        group = self.depths.leave(fact.message)
        self.depths.arrive(fact.new_message, fact.to, fact.at, group)

    def _expired(self, fact: MessageExpired) -> None:
        self.depths.leave(fact.message)

    def _purged(self, fact: QueuePurged | QueueRemoved) -> None:
        self.depths.leave_all(fact.messages)

    def _empty(self, fact: EmptyReceives) -> None:
        self._queue(fact.queue)["NumberOfEmptyReceives"] += fact.count

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
        refused = "RecursiveInvocationsDropped" if fact.reason == _RECURSION else "Throttles"
        if refused != "Throttles" or _is_throttle(fact.reason):
            self._function(fact.function)[refused] += 1
        numbers = self._mapping(fact.mapping)
        numbers["InvokedEventCount"] += len(fact.messages)
        numbers["FailedInvokeEventCount"] += len(fact.messages)

    def _ended(self, fact: InvocationEnded) -> None:
        numbers = self._function(fact.function)
        self.concurrent[fact.function] = max(0, self.concurrent.get(fact.function, 0) - 1)
        numbers["Ended"] += 1
        numbers["Duration"] += fact.duration_ms
        numbers["DurationMaximum"] = max(numbers["DurationMaximum"], fact.duration_ms)
        numbers["Errors"] += fact.outcome != "success"
        numbers["Timeouts"] += fact.outcome == "timeout"

    def _judged(self, fact: ResponseJudged) -> None:
        self._mapping(fact.mapping)["FailedInvokeEventCount"] += len(fact.kept)

    def _environment(self, fact: EnvironmentStarted) -> None:
        self._function(fact.function)["ColdStarts"] += 1

    # --- inside -----------------------------------------------------------------------------------------------

    def _queue(self, id_: str) -> dict[str, float]:
        return self._queues.get(id_) or self._queues.setdefault(id_, dict.fromkeys(QUEUE_METRICS, 0))

    def _function(self, id_: str) -> dict[str, float]:
        return self._functions.get(id_) or self._functions.setdefault(
            id_, dict.fromkeys((*FUNCTION_METRICS, "Ended"), 0)
        )

    def _mapping(self, id_: str) -> dict[str, float]:
        return self._mappings.get(id_) or self._mappings.setdefault(id_, dict.fromkeys(MAPPING_METRICS, 0))

    _readers: ClassVar[dict[type[Fact], Callable[..., None]]] = {
        Deployed: _deployed,
        PropertySet: _property,
        QueueCreated: _created,
        MessageSent: _sent,
        MessageDeduplicated: _deduplicated,
        MessageReceived: _received,
        VisibilityChanged: _visibility,
        MessageHandedBack: _handed_back,
        MessageDeleted: _deleted,
        DeleteIgnored: _delete_ignored,
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


def _is_throttle(reason: str) -> bool:
    """Whether a refusal is a throttle (CONC-11), and not a failure of the service (FAIL-13)."""
    return reason == "TooManyRequestsException" or not reason.endswith("Exception")


def _with_average(numbers: dict[str, float], ended_before: float, duration_before: float) -> dict[str, float]:
    ended = numbers["Ended"] - ended_before
    average = (numbers["Duration"] - duration_before) / ended if ended else 0
    return {name: average if name == "DurationAverage" else numbers[name] for name in FUNCTION_METRICS}


def _tidy(numbers: dict[str, float]) -> dict[str, Any]:
    """Whole numbers as such, others to the millisecond."""
    return {name: int(value) if value == int(value) else round(value, 3) for name, value in numbers.items()}

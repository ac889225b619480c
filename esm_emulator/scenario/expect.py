"""Whether what came of a play is what the scenario expects; each expectation that does not hold is one failure.

A failure names the path of the expectation in the file, what was expected, what came, and the messages concerned, so
that a report can tell their stories.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from esm_emulator.durations import show_duration
from esm_emulator.journal import Fact, InvocationEnded, InvocationStarted, Journal, PropertySet, RunStopped
from esm_emulator.report.messages import MessageFacts, Messages, about
from esm_emulator.report.metrics import Metrics
from esm_emulator.resources import Resources
from esm_emulator.scenario.behavior import body_matcher
from esm_emulator.scenario.play import Played
from esm_emulator.scenario.schema import Allowed, ExpectModel, MessageExpectation, TimelineExpectation, Where
from esm_emulator.scenario.schema import MessageFacts as MessageFactsModel
from esm_emulator.scenario.values import Comparison
from esm_emulator.yaml_source import Path, dotted

__all__ = ["Failure", "Outcome", "failures_of"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold. ``messages`` are the ids of those concerned, ``note`` says more."""

    path: str  # dotted, without "expect."
    expected: Any
    actual: Any
    line: int
    messages: tuple[str, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it stands in a replay's JSON."""
        return {"path": self.path, "expected": self.expected, "actual": self.actual, "line": self.line}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A play and what readers of its journal make of it."""

    played: Played
    metrics: Metrics
    messages: Messages
    diagnoses: tuple[str, ...] = ()  # codes
    warnings: tuple[str, ...] = ()  # codes

    @classmethod
    def of(cls, played: Played, *, diagnoses: Sequence[str] = (), warnings: Sequence[str] = ()) -> Outcome:
        """Read the journal of a play."""
        metrics, messages = Metrics(), Messages()
        for fact in played.journal:
            metrics.read(fact)
            messages.read(fact)
        for message in messages:
            if message.outcome in _IN_A_QUEUE and played.stored.isdisjoint(message.ids):
                message.outcome = "lost"
        return cls(played, metrics, messages, tuple(diagnoses), tuple(warnings))


def failures_of(outcome: Outcome) -> list[Failure]:
    """Every expectation of the case that does not hold, in the order of the file format."""
    judge = _Judge(outcome)
    return list(judge.failures())


class _Judge:
    """Holds one outcome against its case's expectations."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._expect: ExpectModel = outcome.played.case.model.expect
        self._start = outcome.played.journal[0].at
        self._matchers: dict[str, Callable[[str], bool]] = {}

    def failures(self) -> Iterator[Failure]:
        expect, played = self._expect, self._outcome.played
        if expect.stopped is not None and expect.stopped != played.stopped:
            yield self._failure(("stopped",), expect.stopped, played.stopped)
        yield from self._metrics("queues", self._outcome.metrics.queues)
        yield from self._metrics("functions", self._outcome.metrics.functions)
        yield from self._metrics("mappings", self._outcome.metrics.mappings)
        for index, item in enumerate(expect.messages):
            yield from self._messages(item, ("messages", index))
        yield from self._timeline()
        for index, name in enumerate(expect.invariants):
            yield from self._invariant(name, ("invariants", index))
        yield from self._codes("diagnoses", expect.diagnoses, self._outcome.diagnoses)
        yield from self._codes("warnings", expect.warnings, self._outcome.warnings)
        if expect.within is not None and played.virtual_ms > expect.within:
            yield self._failure(("within",), show_duration(expect.within), show_duration(played.virtual_ms))

    def _failure(
        self, path: Path, expected: Any, actual: Any, messages: Iterable[MessageFacts] = (), note: str = ""
    ) -> Failure:
        line = self._outcome.played.case.source.place(("expect", *path)).line
        return Failure(dotted(path), expected, actual, line, tuple(message.id for message in messages), note)

    # --- metrics ----------------------------------------------------------------------------------------------

    def _metrics(self, section: str, actual: Mapping[str, Mapping[str, Any]]) -> Iterator[Failure]:
        for id, metrics in getattr(self._expect, section).items():
            for name, wanted in metrics.items():
                value = actual.get(id, {}).get(name, 0)
                if not wanted.holds(value):
                    concerned = self._concerned(section, id, name)
                    yield self._failure((section, id, name), wanted.text, value, concerned)

    def _concerned(self, section: str, id: str, name: str) -> list[MessageFacts]:
        """The messages whose stories explain a queue's count: those that are, or last were, in it."""
        if section != "queues" or name != "messages":
            return []
        return [item for item in self._outcome.messages if item.now_in == id and item.outcome in _IN_A_QUEUE]

    # --- messages ---------------------------------------------------------------------------------------------

    def _messages(self, item: MessageExpectation, path: Path) -> Iterator[Failure]:
        meant = [message for message in self._outcome.messages if self._is_meant(message, item.where)]
        if item.count is not None and not item.count.holds(len(meant)):
            yield self._failure((*path, "count"), item.count.text, len(meant), meant)
        if not meant and item.count is None and item.none is None:
            yield self._failure((*path, "where"), "a message", "no message is meant by it", note=self._labels())
        if item.every is not None:
            for message in meant:
                yield from self._every(message, item.every, (*path, "every"))
        if item.some is not None and meant and not any(_holds(message, item.some) for message in meant):
            yield self._failure((*path, "some"), _shown(item.some), f"none of {len(meant)} is so", meant)
        if item.none is not None and (such := [message for message in meant if _holds(message, item.none)]):
            names = ", ".join(message.name for message in such[:5])
            yield self._failure((*path, "none"), _shown(item.none), f"{len(such)} are so: {names}", such)

    def _every(self, message: MessageFacts, wanted: MessageFactsModel, path: Path) -> Iterator[Failure]:
        for name, comparison in _comparisons(wanted):
            value = getattr(message, name)
            if not comparison.holds(value):
                yield self._failure((*path, name), comparison.text, value, [message], f"message {message.name}")

    def _is_meant(self, message: MessageFacts, where: Where) -> bool:
        return (
            (where.label is None or where.label == message.name)
            and (where.in_ is None or (where.in_ == message.now_in and message.outcome in _IN_A_QUEUE))
            and (where.group is None or str(where.group) == message.group)
            and (where.outcome is None or where.outcome == message.outcome)
            and (where.body is None or self._matches(where.body, message.body))
        )

    def _matches(self, pattern: Any, body: str) -> bool:
        key = json.dumps(pattern)
        if key not in self._matchers:
            self._matchers[key] = body_matcher(pattern)
        return self._matchers[key](body)

    def _labels(self) -> str:
        names = [message.name for message in self._outcome.messages]
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        return f"the messages are {', '.join(names[:10])}{more}" if names else "no message was sent"

    # --- timeline ---------------------------------------------------------------------------------------------

    def _timeline(self) -> Iterator[Failure]:
        """Each expected fact in turn: the first that fits after the one before."""
        facts = iter(self._outcome.played.journal)
        for index, wanted in enumerate(self._expect.timeline):
            found = next((fact for fact in facts if self._fits(fact, wanted)), None)
            if found is None:
                after = "" if not index else f" after the one at timeline.{index - 1}"
                near = self._near(wanted)
                came, note = f"no such fact{after}", self._others(wanted)
                yield self._failure(("timeline", index), _shown_fact(wanted), came, near, note)
                return

    def _fits(self, fact: Fact, wanted: TimelineExpectation) -> bool:
        if not self._is_such(fact, wanted) or (wanted.at is not None and fact.at - self._start != wanted.at):
            return False
        values = fact.to_json()
        return all(comparison.holds(values.get(name)) for name, comparison in _fields(wanted))

    def _is_such(self, fact: Fact, wanted: TimelineExpectation) -> bool:
        """Whether a fact is of that event, and about that message, at whatever time."""
        return fact.event == wanted.event and (wanted.message is None or self._is_about(fact, wanted.message))

    def _is_about(self, fact: Fact, name: str) -> bool:
        named = {id for message in self._outcome.messages.named(name) for id in message.ids}
        return not named.isdisjoint(about(fact))

    def _near(self, wanted: TimelineExpectation) -> list[MessageFacts]:
        return self._outcome.messages.named(wanted.message) if wanted.message else []

    def _others(self, wanted: TimelineExpectation) -> str:
        """When facts of that event (and message) did happen."""
        journal = self._outcome.played.journal
        times = [show_duration(fact.at - self._start) for fact in journal if self._is_such(fact, wanted)]
        what = f"{wanted.event} of {wanted.message}" if wanted.message else wanted.event
        return f"{what} happened at {', '.join(times[:8])}" if times else f"{what} never happened"

    # --- invariants and codes ---------------------------------------------------------------------------------

    def _invariant(self, name: str, path: Path) -> Iterator[Failure]:
        for said, messages in self._invariants[name](self):
            yield self._failure(path, name, said, messages)

    def _no_message_lost(self) -> Iterator[tuple[str, list[MessageFacts]]]:
        for message in self._outcome.messages:
            if message.outcome == "lost":
                yield f"{message.name} is nowhere and nothing says where it went", [message]
            elif message.outcome == "deleted" and not message.successes:
                yield f"{message.name} was deleted without a successful invocation", [message]

    def _fifo_order(self) -> Iterator[tuple[str, list[MessageFacts]]]:
        latest: dict[tuple[str, str], MessageFacts] = {}
        for message in self._outcome.messages:
            if message.group is None or message.first_success_at is None:
                continue
            before = latest.get((message.queue, message.group))
            if before is not None and (before.first_success_at or 0) > message.first_success_at:
                said = f"{message.name} of group {message.group} succeeded before {before.name}, which was sent first"
                yield said, [before, message]
            else:
                latest[message.queue, message.group] = message

    def _no_overlap(self) -> Iterator[tuple[str, list[MessageFacts]]]:
        for message in self._outcome.messages:
            if message.overlap > 1:
                yield f"{message.overlap} copies of {message.name} ran at one moment", [message]

    def _max_concurrency(self) -> Iterator[tuple[str, list[MessageFacts]]]:
        """Never more running invocations than each limit that applies: reserved, the mapping's, the account's."""
        played = self._outcome.played
        for said in _over_limits(played.journal, played.case.resources, played.case.profile.account_concurrency):
            yield said, []

    def _codes(self, section: str, wanted: list[str] | Allowed | None, actual: Sequence[str]) -> Iterator[Failure]:
        if wanted is None:
            return
        came = sorted(set(actual))
        if isinstance(wanted, Allowed):
            others = [code for code in came if code not in wanted.allow]
            if others:
                yield self._failure((section,), {"allow": wanted.allow}, others)
        elif came != sorted(set(wanted)):
            yield self._failure((section,), sorted(set(wanted)), came)

    _invariants: ClassVar[dict[str, Callable[..., Iterable[tuple[str, list[MessageFacts]]]]]] = {
        "no_message_lost": _no_message_lost,
        "fifo_order": _fifo_order,
        "no_overlap": _no_overlap,
        "max_concurrency": _max_concurrency,
    }


_IN_A_QUEUE = ("waiting", "dead-lettered")


def _over_limits(journal: Journal, resources: Resources, account: int) -> Iterator[str]:
    """A sentence for each limit that was broken, at its highest.

    What runs already goes on under a limit that is lowered; whatever starts heeds it.
    """
    limits = _Limits.of(resources, account)
    running: Counter[tuple[str, str]] = Counter()
    broken: dict[str, tuple[int, int]] = {}
    for fact in journal:
        if isinstance(fact, InvocationStarted):
            for one in _counted(fact):
                running[one] += 1
            for name, count, limit in limits.measured(fact, running):
                if count > max(limit, broken.get(name, (0, 0))[0]):
                    broken[name] = count, limit
        elif isinstance(fact, InvocationEnded):
            for one in _counted(fact):
                running[one] -= 1
        elif isinstance(fact, PropertySet):
            if fact.target == "profile.account_concurrency":
                account = fact.value
            elif not fact.target.startswith("profile."):
                resources = resources.with_update(fact.target, fact.value)
            limits = _Limits.of(resources, account)
        elif isinstance(fact, RunStopped):
            break
    for name, (highest, limit) in broken.items():
        yield f"{highest} invocations of {name} ran at one moment; the limit is {limit}"


def _counted(fact: InvocationStarted | InvocationEnded) -> tuple[tuple[str, str], ...]:
    return ("function", fact.function), ("mapping", fact.mapping)


@dataclass(frozen=True, slots=True)
class _Limits:
    """How many invocations may run at once, as things are set (CONC-11)."""

    reserved: dict[str, int]  # by function
    pool: int  # what reservations leave of the account
    sharers: tuple[tuple[str, str], ...]  # who share that, as counted
    mappings: dict[str, int]

    @classmethod
    def of(cls, resources: Resources, account: int) -> _Limits:
        """The limits of these resources."""
        amounts = {id: function.ReservedConcurrentExecutions for id, function in resources.functions.items()}
        reserved = {id: amount for id, amount in amounts.items() if amount is not None}
        caps = {
            id: mapping.ScalingConfig.MaximumConcurrency if mapping.ScalingConfig else None
            for id, mapping in resources.mappings.items()
        }
        return cls(
            reserved,
            account - sum(reserved.values()),
            tuple(("function", id) for id in amounts if id not in reserved),
            {id: cap for id, cap in caps.items() if cap is not None},
        )

    def measured(self, fact: InvocationStarted, running: Counter[tuple[str, str]]) -> Iterator[tuple[str, int, int]]:
        """Each limit that an invocation is under: whose it is, how many run now, and how many may."""
        function, mapping = _counted(fact)
        if fact.function in self.reserved:
            yield f"function {fact.function}", running[function], self.reserved[fact.function]
        else:
            yield "functions without a reservation", sum(running[one] for one in self.sharers), self.pool
        if fact.mapping in self.mappings:
            yield f"mapping {fact.mapping}", running[mapping], self.mappings[fact.mapping]


def _comparisons(wanted: MessageFactsModel) -> Iterator[tuple[str, Comparison]]:
    for name in wanted.model_fields_set:
        comparison = getattr(wanted, name)
        if comparison is not None:
            yield name, comparison


def _holds(message: MessageFacts, wanted: MessageFactsModel) -> bool:
    return all(comparison.holds(getattr(message, name)) for name, comparison in _comparisons(wanted))


def _shown(wanted: MessageFactsModel) -> dict[str, Any]:
    return {name: comparison.text for name, comparison in _comparisons(wanted)}


def _fields(wanted: TimelineExpectation) -> Iterable[tuple[str, Comparison]]:
    return (wanted.model_extra or {}).items()


def _shown_fact(wanted: TimelineExpectation) -> dict[str, Any]:
    """An expected fact as the file has it."""
    shown = {"event": wanted.event, "message": wanted.message}
    shown |= {"at": None if wanted.at is None else show_duration(wanted.at)}
    return {name: value for name, value in shown.items() if value is not None} | {
        name: comparison.text for name, comparison in _fields(wanted)
    }

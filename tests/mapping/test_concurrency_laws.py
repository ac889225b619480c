"""What holds of every run, however queues, limits, groups and failures are put together: read from its journal."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esm_emulator.journal import (
    BatchClosed,
    BatchGivenUp,
    Fact,
    InvocationEnded,
    InvocationStarted,
    InvocationThrottled,
    Journal,
    MessageDeleted,
    MessageReceived,
    MessageSent,
    PollersChanged,
)
from esm_emulator.report.metrics import Metrics
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import play

F = TypeVar("F", bound=Fact)
Values = dict[str, Any]

DLQ = {"deadLetterTargetArn": "Dlq", "maxReceiveCount": 3}


def mapping(queue: str = "Orders", function: str = "Worker", **properties: Any) -> Values:
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"EventSourceArn": queue, "FunctionName": function} | properties,
    }


def run(scenario: Values) -> Journal:
    """Play a scenario without a file of its own; at most twenty minutes of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "law.esm.yaml"
        file.write_text(json.dumps({"version": 1, "stop": {"after": "20m"}} | scenario), encoding="utf-8")
        (case,) = load_cases(file)
        return play(case).journal


def facts(journal: Journal, kind: type[F]) -> list[F]:
    return [fact for fact in journal if isinstance(fact, kind)]


# --- any setup ---------------------------------------------------------------------------------------------------

LIMITS: st.SearchStrategy[Values] = st.one_of(
    st.just({}),
    st.integers(2, 8).map(lambda most: {"ScalingConfig": {"MaximumConcurrency": most}}),
    st.tuples(st.integers(2, 3), st.integers(0, 2)).map(
        lambda pair: {"ProvisionedPollerConfig": {"MinimumPollers": pair[0], "MaximumPollers": pair[0] + pair[1]}}
    ),
)

FAILURES: list[list[Values]] = [
    [],
    [{"when": {"receive": 1}, "takes": "1s", "then": {"raise": {"type": "ValueError", "message": "no"}}}],
    [{"when": {"invocation": "3-6"}, "then": {"fail": "all"}}],
    [{"when": {"invocation": "2-3"}, "then": "timeout"}],
]


@st.composite
def setups(draw: st.DrawFn) -> Values:
    """One or two mappings, on one or two queues, with one or two functions, under limits, failures and throttles."""
    fifo = draw(st.booleans())
    queue = {"FifoQueue": fifo, "VisibilityTimeout": draw(st.sampled_from([10, 30, 60])), "RedrivePolicy": DLQ}
    function = {"Timeout": 10}
    if (reserved := draw(st.none() | st.integers(0, 6))) is not None:
        function["ReservedConcurrentExecutions"] = reserved
    resources = {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": queue},
        "Others": {"Type": "AWS::SQS::Queue", "Properties": queue},
        "Dlq": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": fifo}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": function},
        "Helper": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 10}},
    }
    pairs = draw(
        st.sampled_from(
            [
                [("Orders", "Worker")],
                [("Orders", "Worker"), ("Others", "Worker")],
                [("Orders", "Worker"), ("Orders", "Helper")],
            ]
        )
    )
    partial = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
    for number, (source, target) in enumerate(pairs):
        window = 0 if fifo else draw(st.sampled_from([0, 0, 2]))
        size = {"BatchSize": draw(st.integers(1, 10)), "MaximumBatchingWindowInSeconds": window}
        resources[f"Trigger{number}"] = mapping(
            source, target, **size, **draw(LIMITS), **(partial if draw(st.booleans()) else {})
        )
    failing = draw(st.sampled_from(FAILURES))
    behavior = [*failing, {"takes": draw(st.sampled_from(["100ms", "3s", "9s"]))}]
    groups = {"group": f"g-{{{{ index % {draw(st.integers(1, 5))} }}}}", "dedup": "d{{ index }}"} if fifo else {}
    send = [
        {"to": queue, "count": draw(st.integers(1, 40)), "over": draw(st.sampled_from(["1s", "90s"])), "body": "x"}
        | groups
        for queue in sorted({source for source, _ in pairs})
    ]
    profile = {"extends": "aws-2026", "account_concurrency": draw(st.integers(7, 30))}
    timeline = [{"at": "3s", "for": "15s", "fault": {"throttle": "Worker"}}] if draw(st.booleans()) else []
    return {
        "resources": resources,
        "profile": profile,
        "behavior": {"Worker": behavior, "Helper": behavior},
        "send": send,
        "timeline": timeline,
        "seed": draw(st.integers(0, 3)),
    }


@dataclass(frozen=True)
class Batch:
    """One batch's life. ``ends`` is None when it never ran; ``free_at`` when the first of its messages comes free."""

    closed: BatchClosed
    began: int | None
    ended: int | None
    free_at: int
    throttled: tuple[InvocationThrottled, ...]
    given_up: BatchGivenUp | None


def batches(journal: Journal) -> list[Batch]:
    hidden: dict[str, int] = {}
    closed: dict[tuple[str, int], tuple[BatchClosed, int]] = {}
    later: dict[tuple[str, int], dict[type, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for fact in journal:
        if isinstance(fact, MessageReceived):
            hidden[fact.message] = fact.visible_at
        elif isinstance(fact, BatchClosed):
            closed[fact.mapping, fact.batch] = fact, min(hidden[message] for message in fact.messages)
        elif isinstance(fact, InvocationStarted | InvocationEnded | InvocationThrottled | BatchGivenUp):
            later[fact.mapping, fact.batch][type(fact)].append(fact)
    return [
        Batch(
            fact,
            next((began.at for began in later[key][InvocationStarted]), None),
            next((ended.at for ended in later[key][InvocationEnded]), None),
            free_at,
            tuple(later[key][InvocationThrottled]),
            next(iter(later[key][BatchGivenUp]), None),
        )
        for key, (fact, free_at) in closed.items()
    ]


def most_at_once(journal: Journal, name: str) -> dict[str, int]:
    """The largest number of running invocations, by an attribute of their facts."""
    running: dict[str, int] = defaultdict(int)
    most: dict[str, int] = defaultdict(int)
    for fact in journal:
        if isinstance(fact, InvocationStarted | InvocationEnded):
            key = getattr(fact, name)
            running[key] += 1 if isinstance(fact, InvocationStarted) else -1
            most[key] = max(most[key], running[key])
    return most


def mappings_of(setup: Values) -> Iterator[tuple[str, Values]]:
    for id_, resource in setup["resources"].items():
        if resource["Type"].endswith("EventSourceMapping"):
            yield id_, resource["Properties"]


def floor_and_ceiling(properties: Values) -> tuple[int, int]:
    if provisioned := properties.get("ProvisionedPollerConfig"):
        return provisioned["MinimumPollers"], provisioned["MaximumPollers"]
    return 2, properties.get("ScalingConfig", {}).get("MaximumConcurrency", 1_250)


def check_limits(setup: Values, journal: Journal) -> None:
    """Never more running invocations than every limit that applies (CONC-1, CONC-11, POLL-12, PROV-5, PROV-8)."""
    reserved = setup["resources"]["Worker"]["Properties"].get("ReservedConcurrentExecutions")
    account = setup["profile"]["account_concurrency"]
    for function, most in most_at_once(journal, "function").items():
        alone = reserved if function == "Worker" and reserved is not None else account - (reserved or 0)
        assert most <= alone
    assert Metrics.of(journal).functions["Worker"]["ConcurrentExecutions"] <= account
    by_mapping = most_at_once(journal, "mapping")
    for id_, properties in mappings_of(setup):
        lanes = 10 if "ProvisionedPollerConfig" in properties else 1
        assert by_mapping[id_] <= floor_and_ceiling(properties)[1] * lanes


def check_pollers(setup: Values, journal: Journal) -> None:
    """Pollers never below the floor nor above the ceiling, until the run stops (POLL-13, POLL-15, PROV-1)."""
    for id_, properties in mappings_of(setup):
        floor, ceiling = floor_and_ceiling(properties)
        changes = [fact for fact in facts(journal, PollersChanged) if fact.mapping == id_]
        assert changes[0].reason == "start"
        assert all(floor <= fact.pollers <= ceiling for fact in changes if fact.reason != "stop")
        assert all(before.pollers != after.pollers for before, after in pairwise(changes))


def check_groups(journal: Journal) -> None:
    """Never two of one group at once, while the visibility of what runs lasts (FIFO-1, FIFO-24)."""
    group = {fact.message: (fact.queue, fact.group) for fact in facts(journal, MessageSent) if fact.group}
    held: dict[tuple[str, str | None], list[tuple[int, int]]] = defaultdict(list)
    for batch in batches(journal):
        until = batch.free_at
        if batch.ended is not None:
            until = min(until, batch.ended)
        for name in {group[message] for message in batch.closed.messages if message in group}:
            held[name].append((batch.closed.at, until))
    for spans in held.values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(spans)))


def check_batches(setup: Values, journal: Journal) -> None:
    """No batch beyond its size (BATCH-1)."""
    sizes = {id_: properties["BatchSize"] for id_, properties in mappings_of(setup)}
    assert all(1 <= len(fact.messages) <= sizes[fact.mapping] for fact in facts(journal, BatchClosed))


def check_receives(journal: Journal) -> None:
    """Receive counts rise by one a receive, and only when the visibility before has ended (FAIL-10, FAIL-6)."""
    seen: dict[str, list[MessageReceived]] = defaultdict(list)
    for fact in facts(journal, MessageReceived):
        seen[fact.message].append(fact)
    for receives in seen.values():
        assert [fact.receive_count for fact in receives] == list(range(1, len(receives) + 1))
        assert all(before.visible_at <= after.at for before, after in pairwise(receives))


def check_throttles(journal: Journal) -> None:
    """A refused batch is tried while its visibility lasts; then it runs no more and is forgotten (FAIL-9)."""
    stopped = journal[-1].at
    for batch in batches(journal):
        assert (batch.began is None) or (batch.given_up is None)
        assert all(fact.at < batch.free_at for fact in batch.throttled)
        assert [fact.attempt for fact in batch.throttled] == list(range(1, len(batch.throttled) + 1))
        if batch.given_up is not None:
            assert batch.given_up.at == min(batch.free_at, stopped)
        if batch.throttled and batch.began is not None:
            assert batch.began < batch.free_at


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(setups())
def test_whatever_runs_stays_within_every_limit(setup: Values) -> None:
    """Limits, pollers, groups (FIFO-1), batches, receives (FAIL-10) and throttles (FAIL-9) of one run."""
    journal = run(setup)
    check_limits(setup, journal)
    check_pollers(setup, journal)
    check_groups(journal)
    check_batches(setup, journal)
    check_receives(journal)
    check_throttles(journal)


# --- single laws, each where it bites ----------------------------------------------------------------------------


def simple(
    *, queue: Values | None = None, function: Values | None = None, trigger: Values | None = None, **scenario: Any
) -> Values:
    """One queue, one function, one mapping."""
    resources = {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": queue or {}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": function or {}},
        "Trigger": mapping(**(trigger or {})),
    }
    return {"resources": resources, "behavior": {"Worker": [{"then": "succeed"}]}} | scenario


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 10).map(lambda tenths: tenths * 100_000), min_size=6, max_size=14))
def test_no_event_is_above_six_megabytes(sizes: list[int]) -> None:
    """BATCH-6: messages of up to a megabyte, a window that would take all of them."""
    send = [{"to": "Orders", "messages": [{"body": "x" * size} for size in sizes]}]
    trigger = {"BatchSize": 100, "MaximumBatchingWindowInSeconds": 5}
    journal = run(simple(trigger=trigger, send=send, profile={"extends": "aws-2026", "pollers_at_start": 1}))
    bodies = {fact.message: len(fact.body) for fact in facts(journal, MessageSent)}
    for fact in facts(journal, BatchClosed):
        assert fact.size <= 6_291_456
        assert sum(bodies[message] for message in fact.messages) <= fact.size
    assert len(facts(journal, MessageDeleted)) == len(sizes)


def test_a_function_without_any_room_never_runs_and_uses_up_receives() -> None:
    """FAIL-11, CONC-11: reserved 0; every visibility timeout is one receive, and no invocation is counted."""
    queue = {"VisibilityTimeout": 10, "RedrivePolicy": DLQ}
    setup = simple(
        queue=queue, function={"ReservedConcurrentExecutions": 0}, send=[{"to": "Orders", "count": 7, "body": "x"}]
    )
    setup["resources"]["Dlq"] = {"Type": "AWS::SQS::Queue", "Properties": {}}
    metrics = Metrics.of(journal := run(setup))
    assert metrics.functions["Worker"]["Invocations"] == 0
    assert metrics.queues["Dlq"]["messages"] == 7
    assert metrics.queues["Orders"]["NumberOfMessagesReceived"] == 21
    assert all(batch.given_up is not None and batch.given_up.at == batch.free_at for batch in batches(journal))


@pytest.mark.parametrize(("partial", "fewest"), [(False, 2), (True, 5)])
def test_throttles_take_nothing_away_with_partial_responses(*, partial: bool, fewest: int) -> None:
    """PBR-32, POLL-15: two pollers are left without, the five of the start with them."""
    trigger: Values = {"BatchSize": 1}
    if partial:
        trigger["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
    setup = simple(
        trigger=trigger,
        send=[{"to": "Orders", "count": 50, "body": "x"}],
        timeline=[{"at": "0s", "for": "20s", "fault": {"throttle": "Worker"}}],
    )
    changes = [fact for fact in facts(run(setup), PollersChanged) if fact.reason != "stop"]
    assert min(fact.pollers for fact in changes) == fewest


def test_each_batch_is_one_invocation_that_its_poller_waits_for() -> None:
    """POLL-1: a poller has its next batch when the answer to the one before has come, and not earlier."""
    setup = simple(
        trigger={"BatchSize": 3},
        send=[{"to": "Orders", "count": 60, "body": "x"}],
        behavior={"Worker": [{"takes": "2s"}]},
    )
    journal = run(setup)
    busy: dict[str, str] = {}
    for fact in journal:
        if isinstance(fact, MessageReceived):
            assert fact.consumer not in busy
        elif isinstance(fact, InvocationStarted):
            assert busy.setdefault(fact.consumer, fact.request_id) == fact.request_id
        elif isinstance(fact, InvocationEnded):
            assert busy.pop(fact.consumer) == fact.request_id
    assert len(facts(journal, BatchClosed)) == len(facts(journal, InvocationStarted)) == 20


def test_two_mappings_of_one_queue_share_its_messages() -> None:
    """POLL-4: each message goes to one of them, and both get some."""
    setup = simple(trigger={"BatchSize": 1}, send=[{"to": "Orders", "count": 60, "body": "x"}])
    setup["resources"]["Helper"] = {"Type": "AWS::Lambda::Function", "Properties": {}}
    setup["resources"]["Second"] = mapping(function="Helper", BatchSize=1)
    setup["behavior"] = {"Worker": [{"takes": "1s"}], "Helper": [{"takes": "1s"}]}
    started = facts(run(setup), InvocationStarted)
    assert {fact.function for fact in started} == {"Worker", "Helper"}
    assert len({fact.messages for fact in started}) == len(started) == 60


def test_two_mappings_of_one_function_share_its_slots() -> None:
    """CONC-4: with less reserved than both use, never more run than are reserved, and neither goes without."""
    cap: Values = {"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 4}}
    setup = simple(
        queue={"VisibilityTimeout": 300}, function={"ReservedConcurrentExecutions": 5, "Timeout": 10}, trigger=cap
    )
    setup["resources"]["Others"] = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 300}}
    setup["resources"]["Second"] = mapping("Others", **cap)
    setup["behavior"] = {"Worker": [{"takes": "2s"}]}
    setup["send"] = [{"to": queue, "count": 40, "body": "x"} for queue in ("Orders", "Others")]
    journal = run(setup)
    assert most_at_once(journal, "function") == {"Worker": 5}
    assert all(most >= 2 for most in most_at_once(journal, "mapping").values())
    assert len(facts(journal, InvocationEnded)) == 80


def test_a_failed_batch_blocks_its_groups_and_no_others() -> None:
    """FIFO-5: while the first batch, of groups a and b, waits for its visibility to end, group c goes on."""
    send = [
        {"to": "Orders", "body": name, "label": name, "group": name[0], "dedup": name, "at": at}
        for name, at in [("a1", "0s"), ("b1", "0s"), ("a2", "1s"), ("b2", "1s"), ("c1", "1s"), ("c2", "2s")]
    ]
    setup = simple(
        queue={"FifoQueue": True, "VisibilityTimeout": 20},
        send=send,
        behavior={"Worker": [{"when": {"invocation": 1}, "then": {"raise": {"type": "E", "message": "no"}}}]},
    )
    journal = run(setup)
    labels = {fact.message: fact.label for fact in facts(journal, MessageSent)}
    start = journal[0].at
    ran = [
        ((fact.at - start) // 1_000, sorted(str(labels[message]) for message in fact.messages))
        for fact in facts(journal, InvocationStarted)
    ]
    assert ran == [(0, ["a1", "b1"]), (1, ["c1"]), (2, ["c2"]), (20, ["a1", "a2", "b1", "b2"])]


def receives_by_poller(journal: Journal) -> dict[str, dict[int, int]]:
    """For each provisioned poller the number of receives in each second of the run."""
    taken: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    calls = {(fact.at, str(fact.consumer)) for fact in facts(journal, MessageReceived)}
    for at, consumer in calls:
        taken[consumer.rpartition(".")[0]][(at - journal[0].at) // 1_000] += 1
    return taken


@pytest.mark.parametrize("takes", ["0s", "400ms", "1s"])
def test_a_provisioned_poller_polls_no_more_than_ten_times_a_second(takes: str) -> None:
    """PROV-5: its ten lanes share one allowance, of which a second's worth may be taken at once."""
    setup = simple(
        trigger={"BatchSize": 1, "ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 2}},
        send=[{"to": "Orders", "count": 200, "body": "x"}],
        behavior={"Worker": [{"takes": takes}]},
    )
    journal = run(setup)
    taken = receives_by_poller(journal)
    assert sorted(taken) == ["Trigger/1", "Trigger/2"]
    for seconds in taken.values():
        assert all(seconds[second] <= (20 if second == 0 else 10) for second in seconds)
    assert len(facts(journal, MessageDeleted)) == 200


@pytest.mark.parametrize(
    "message",
    [
        {"body": "x" * 524_288},
        {"body": "ü" * 262_144},
        {"body": "x", "attributes": {"A": "x" * 524_287}},
    ],
    ids=["body", "utf-8", "attributes"],
)
def test_a_provisioned_poller_carries_no_more_than_a_megabyte_a_second(message: Values) -> None:
    """PROV-5: forty messages of half a megabyte through two pollers take about ten seconds, wherever the bytes are."""
    setup = simple(
        trigger={"BatchSize": 1, "ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 2}},
        send=[{"to": "Orders", "count": 40} | message],
    )
    journal = run(setup)
    deleted = facts(journal, MessageDeleted)
    assert len(deleted) == 40
    assert 7_000 <= deleted[-1].at - journal[0].at <= 10_000

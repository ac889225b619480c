"""What a mapping does with a queue, a function and time together, clause by clause, as scenarios in virtual time.

Rules that one part decides alone are tested with that part; here stands what only shows when all of them run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from esm_emulator.errors import RefusedByAws
from esm_emulator.journal import (
    BatchClosed,
    DeleteFailed,
    EmptyReceives,
    Fact,
    InvocationStarted,
    InvocationThrottled,
    Journal,
    MappingChanged,
    MessageExpired,
    MessageReceived,
    VisibilityChanged,
)
from esm_emulator.report.messages import MessageFacts, Messages
from esm_emulator.report.metrics import Metrics
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import play

F = TypeVar("F", bound=Fact)
Values = dict[str, Any]


class Run:
    """What came of a scenario."""

    def __init__(self, journal: Journal, stopped: str) -> None:
        self.journal = journal
        self.stopped = stopped
        self.start = journal[0].at
        self.messages = list(Messages.of(journal))
        metrics = Metrics.of(journal)
        self.queues, self.functions, self.mappings = metrics.queues, metrics.functions, metrics.mappings

    def facts(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.journal if isinstance(fact, kind)]

    def seconds(self, kind: type[F]) -> list[float]:
        """When facts of a kind happened, in seconds from the start."""
        return [(fact.at - self.start) / 1000 for fact in self.facts(kind)]

    def named(self, label: str) -> MessageFacts:
        (message,) = (message for message in self.messages if message.label == label)
        return message

    def labels(self, ids: tuple[str, ...]) -> list[str]:
        return [message.name for id_ in ids for message in self.messages if message.id == id_]

    def outcomes(self) -> dict[str, str]:
        return {message.name: message.outcome for message in self.messages}


Play = Callable[..., Run]


@pytest.fixture
def play_it(tmp_path: Path) -> Play:
    """Play one queue, its dead-letter queue, one function and one mapping, with the given properties."""

    def run(
        *,
        queue: Values | None = None,
        function: Values | None = None,
        mapping: Values | None = None,
        more: Values | None = None,
        behavior: list[Values] | None = None,
        others: Values | None = None,
        **scenario: Any,
    ) -> Run:
        suffix = ".fifo" if (queue or {}).get("FifoQueue") else ""
        queue = {"QueueName": f"Orders{suffix}", "VisibilityTimeout": 30} | (queue or {})
        resources = {
            "Orders": {"Type": "AWS::SQS::Queue", "Properties": queue},
            "Dlq": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": bool(suffix)}},
            "Worker": {"Type": "AWS::Lambda::Function", "Properties": function or {}},
            "Trigger": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"} | (mapping or {}),
            },
        }
        file = tmp_path / "clause.esm.yaml"
        content = {
            "version": 1,
            "resources": resources | (more or {}),
            "behavior": {"Worker": behavior or []} | (others or {}),
        }
        file.write_text(json.dumps(content | scenario), encoding="utf-8")
        (case,) = load_cases(file)
        played = play(case)
        return Run(played.journal, played.stopped)

    return run


def messages(number: int, **values: Any) -> list[Values]:
    return [{"to": "Orders", "count": number, "label": "m{{ index }}", "body": "m{{ index }}"} | values]


def fifo_messages(*groups: str, dedup: str = "") -> list[Values]:
    """One message for each name, such as ``a1``: its group is the letter."""
    return [
        {"to": "Orders", "body": {"name": name}, "label": name, "group": name[0], "dedup": dedup + name}
        for name in groups
    ]


REDRIVE = {"RedrivePolicy": {"deadLetterTargetArn": "Dlq", "maxReceiveCount": 3}}
FIFO = {"FifoQueue": True}
PARTIAL = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
FAILS = [{"then": {"raise": {"type": "ValueError", "message": "no"}}}]


# --- polling


def test_an_idle_poller_asks_again_after_each_long_poll_of_twenty_seconds(play_it: Play) -> None:
    """POLL-5, POLL-6: empty long polls follow one another, and are told when one brings something."""
    one = {"extends": "aws-2026", "pollers_at_start": 1, "pollers_idle": 1}
    run = play_it(profile=one, send=messages(1, at="101s"))
    assert [(fact.consumer, fact.count) for fact in run.facts(EmptyReceives)] == [("Trigger/1", 5)]
    assert run.seconds(MessageReceived) == [101]


def test_provisioned_pollers_long_poll_too(play_it: Play) -> None:
    """PROV-11: while nothing comes a lane asks every twenty seconds, not ten times a second."""
    provisioned = {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 2}}
    run = play_it(mapping=provisioned, send=messages(1, at="41s"))
    assert [fact.count for fact in run.facts(EmptyReceives)] == [2]


def test_ten_invocations_a_provisioned_poller_are_the_most(play_it: Play) -> None:
    """PROV-7, PROV-8: MaximumPollers, times ten, bounds the concurrency."""
    provisioned = {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 3}, "BatchSize": 1}
    run = play_it(mapping=provisioned, function={"Timeout": 30}, behavior=[{"takes": "20s"}], send=messages(200))
    assert run.functions["Worker"]["ConcurrentExecutions"] == 30
    assert run.queues["Orders"]["messages"] == 0


def test_a_fifo_queue_may_be_read_in_provisioned_mode(play_it: Play) -> None:
    """PROV-15: no page forbids it."""
    provisioned = {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 2}}
    run = play_it(queue=FIFO, mapping=provisioned, send=fifo_messages("a1", "b1", "a2"))
    assert set(run.outcomes().values()) == {"deleted"}


# --- limits


def test_maximum_concurrency_takes_no_more_than_it_has_slots_for(play_it: Play) -> None:
    """CONC-6: thirty messages in batches of twenty, two slots: two batches, and nothing is received twice."""
    run = play_it(
        mapping={"BatchSize": 20, "MaximumBatchingWindowInSeconds": 1, "ScalingConfig": {"MaximumConcurrency": 2}},
        function={"ReservedConcurrentExecutions": 2, "Timeout": 30},
        behavior=[{"takes": "10s"}],
        send=messages(30),
    )
    assert len(run.facts(InvocationStarted)) == 2
    assert {message.receives for message in run.messages} == {1}
    assert run.functions["Worker"]["Throttles"] == 0


@pytest.mark.parametrize(("reserved", "throttled"), [(2, True), (4, False)])
def test_reserved_concurrency_must_hold_the_sum_of_the_mappings(play_it: Play, reserved: int, throttled: bool) -> None:
    """CONC-4: two mappings of two slots each on a function that has fewer are throttled."""
    two = {"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}}
    other = {"EventSourceArn": "Others", "FunctionName": "Worker"} | two
    run = play_it(
        mapping=two,
        function={"ReservedConcurrentExecutions": reserved, "Timeout": 10},
        more={
            "Others": {"Type": "AWS::SQS::Queue", "Properties": {}},
            "OtherTrigger": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": other},
        },
        behavior=[{"takes": "5s"}],
        send=[*messages(10), {"to": "Others", "count": 10, "body": "x"}],
    )
    assert (run.functions["Worker"]["Throttles"] > 0) == throttled


def test_pollers_that_outrun_reserved_concurrency_dead_letter_messages_that_never_ran(play_it: Play) -> None:
    """CONC-9, FAIL-11: each visibility timeout spent throttled uses up a receive."""
    run = play_it(
        queue={"VisibilityTimeout": 30} | REDRIVE,
        function={"ReservedConcurrentExecutions": 1, "Timeout": 30},
        mapping={"BatchSize": 1},
        behavior=[{"takes": "10s"}],
        send=messages(40),
    )
    never_ran = [message for message in run.messages if message.outcome == "dead-lettered" and not message.invocations]
    assert never_ran
    assert {message.receives for message in never_ran} == {3}
    assert run.functions["Worker"]["ConcurrentExecutions"] == 1


# --- batches


@pytest.mark.parametrize("size", [15, 100, 1_000, 10_000])
def test_large_batches_with_a_window_bring_everything(play_it: Play, size: int) -> None:
    """BATCH-13: 10 and 5 messages, batch sizes up to 10,000, a window of ten seconds."""
    run = play_it(
        mapping={"BatchSize": size, "MaximumBatchingWindowInSeconds": 10},
        send=[*messages(10), *messages(5, at="2s", label="late{{ index }}")],
    )
    assert [message.outcome for message in run.messages] == ["deleted"] * 15


# --- success and failure


def test_a_failed_batch_comes_back_when_its_visibility_ends_and_not_before(play_it: Play) -> None:
    """FAIL-6: five seconds of visibility timeout, an attempt every five seconds."""
    run = play_it(queue={"VisibilityTimeout": 5} | REDRIVE, behavior=FAILS, send=messages(1))
    assert run.seconds(MessageReceived) == [0, 5, 10]


def test_a_mapping_changes_no_messages_visibility(play_it: Play) -> None:
    """FAIL-7: what failed is left alone."""
    run = play_it(queue=REDRIVE, behavior=FAILS, send=messages(3))
    assert not run.facts(VisibilityChanged)


def test_an_error_of_the_function_is_not_retried_in_place(play_it: Play) -> None:
    """FAIL-8: each batch is invoked once; only a new receive brings a new try."""
    run = play_it(queue=REDRIVE, mapping={"BatchSize": 10}, behavior=FAILS, send=messages(10))
    assert len(run.facts(InvocationStarted)) == len(run.facts(BatchClosed)) == 3


def test_a_throttled_batch_is_retried_in_place_without_a_new_receive(play_it: Play) -> None:
    """FAIL-9, FAIL-10: several tries, one receive."""
    run = play_it(
        function={"ReservedConcurrentExecutions": 1},
        mapping={"BatchSize": 1},
        send=messages(1),
        timeline=[{"at": "0s", "for": "8s", "fault": {"throttle": "Worker"}}],
    )
    assert len(run.facts(InvocationThrottled)) >= 3
    assert (run.named("m1").receives, run.named("m1").outcome) == (1, "deleted")


def test_without_a_redrive_policy_only_retention_ends_the_retries(play_it: Play) -> None:
    """FAIL-14: no limit of attempts, no maximum age but the queue's."""
    run = play_it(queue={"VisibilityTimeout": 5, "MessageRetentionPeriod": 600}, behavior=FAILS, send=messages(1))
    assert run.seconds(MessageExpired) == [600]
    assert run.named("m1").receives == 120


def test_the_functions_own_dead_letter_queue_plays_no_part(play_it: Play) -> None:
    """FAIL-15: it is for asynchronous invocations."""
    run = play_it(
        queue={"VisibilityTimeout": 5, "MessageRetentionPeriod": 60},
        function={"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:Dlq"}},
        behavior=FAILS,
        send=messages(1),
    )
    assert run.queues["Dlq"]["messages"] == 0
    assert run.named("m1").outcome == "expired"


def test_the_window_uses_up_the_visibility_timeout(play_it: Play) -> None:
    """FAIL-18: the clock of the visibility timeout starts with the receive, not with the invocation."""
    run = play_it(
        queue={"VisibilityTimeout": 10},
        function={"Timeout": 9},
        mapping={"MaximumBatchingWindowInSeconds": 5, "BatchSize": 10},
        behavior=[{"when": {"receive": 1}, "takes": "8s"}, {"takes": "1s"}],
        send=messages(1),
    )
    first, second = run.seconds(MessageReceived)
    assert (first, second) == (0, 10)
    assert run.seconds(InvocationStarted)[0] == 5


def test_a_timeout_that_outgrows_the_visibility_timeout_later_is_not_refused(play_it: Play) -> None:
    """FAIL-21, API-41: the check is made when the mapping is, and then no more."""
    with pytest.raises(RefusedByAws, match="Queue visibility timeout: 30 seconds is less than Function timeout: 60"):
        play_it(function={"Timeout": 60})
    run = play_it(send=messages(1, at="10s"), timeline=[{"at": "5s", "set": {"Worker.Timeout": 60}}])
    assert run.named("m1").outcome == "deleted"


def test_a_mapping_on_a_dead_letter_queue_is_a_mapping_like_any_other(play_it: Play) -> None:
    """DLQ-9: the dead letters are handled by another function."""
    run = play_it(
        queue={"VisibilityTimeout": 5} | REDRIVE,
        more={
            "Cleaner": {"Type": "AWS::Lambda::Function", "Properties": {}},
            "Cleaning": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": "Dlq", "FunctionName": "Cleaner"},
            },
        },
        behavior=FAILS,
        others={"Cleaner": []},
        send=messages(1),
    )
    assert run.functions["Cleaner"]["Invocations"] == 1
    assert run.queues["Dlq"]["messages"] == 0


# --- partial batch responses


def test_reported_messages_stay_and_the_rest_is_deleted(play_it: Play) -> None:
    """PBR-2, PBR-36: a partial failure is a successful invocation."""
    run = play_it(
        mapping=PARTIAL,
        behavior=[{"when": {"receive": 1}, "then": {"fail": ["m2"]}}],
        send=messages(3),
    )
    assert {message.name: message.receives for message in run.messages} == {"m1": 1, "m2": 2, "m3": 1}
    assert run.functions["Worker"]["Errors"] == 0


def test_a_response_with_another_case_is_a_success(play_it: Play) -> None:
    """PBR-3: the list under BatchItemFailures is not seen, and everything is deleted."""
    failures = {"BatchItemFailures": [{"itemIdentifier": "m1"}]}
    run = play_it(mapping=PARTIAL, behavior=[{"then": {"return": failures}}], send=messages(3))
    assert {message.outcome for message in run.messages} == {"deleted"}
    assert {message.receives for message in run.messages} == {1}


def test_reported_messages_count_as_failed_invoke_events(play_it: Play) -> None:
    """PBR-33: and those that were done do not."""
    run = play_it(mapping=PARTIAL, behavior=[{"when": {"receive": 1}, "then": {"fail": ["m2"]}}], send=messages(3))
    assert run.mappings["Trigger"]["FailedInvokeEventCount"] == 1


def test_a_message_that_was_filtered_out_is_none_of_the_batch(play_it: Play) -> None:
    """PBR-35, FILT-9a: identifiers are those of delivered records; ``body`` is what the filter looks at."""
    run = play_it(
        mapping=PARTIAL | {"FilterCriteria": {"Filters": [{"Pattern": json.dumps({"body": {"keep": [True]}})}]}},
        behavior=[{"when": {"receive": 1}, "then": {"fail": "all"}}],
        send=[
            {"to": "Orders", "label": "kept", "body": {"keep": True}},
            {"to": "Orders", "label": "dropped", "body": {"keep": False}},
        ],
    )
    assert run.outcomes() == {"kept": "deleted", "dropped": "filtered"}
    assert run.labels(run.facts(InvocationStarted)[0].messages) == ["kept"]


def test_a_recorded_run_of_a_group_with_partial_responses(play_it: Play) -> None:
    """PBR-43: four of one group, 2 to 4 reported, then 4 alone: 1, then 2 and 3 are deleted, 4 is dead-lettered."""
    run = play_it(
        queue=FIFO | {"RedrivePolicy": {"deadLetterTargetArn": "Dlq", "maxReceiveCount": 2}},
        mapping=PARTIAL,
        behavior=[{"when": {"receive": 1}, "then": {"fail": ["a2", "a3", "a4"]}}, {"then": {"fail": ["a4"]}}],
        send=fifo_messages("a1", "a2", "a3", "a4"),
    )
    batches = [run.labels(fact.messages) for fact in run.facts(InvocationStarted)]
    assert batches == [["a1", "a2", "a3", "a4"], ["a2", "a3", "a4"]]
    assert run.outcomes() == {"a1": "deleted", "a2": "deleted", "a3": "deleted", "a4": "dead-lettered"}


# --- FIFO


def test_concurrency_is_the_number_of_active_groups(play_it: Play) -> None:
    """FIFO-2: three groups, three invocations at once."""
    names = [f"{group}{number}" for number in range(4) for group in "abc"]
    run = play_it(
        queue=FIFO,
        mapping={"BatchSize": 1},
        function={"Timeout": 10},
        behavior=[{"takes": "5s"}],
        send=fifo_messages(*names),
    )
    assert run.functions["Worker"]["ConcurrentExecutions"] == 3


def test_maximum_concurrency_above_the_number_of_groups_changes_nothing(play_it: Play) -> None:
    """CONC-8: six groups under MaximumConcurrency 10 are six at once."""
    names = [f"{group}{number}" for number in range(3) for group in "abcdef"]
    run = play_it(
        queue=FIFO,
        mapping={"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 10}},
        function={"Timeout": 10},
        behavior=[{"takes": "5s"}],
        send=fifo_messages(*names),
    )
    assert run.functions["Worker"]["ConcurrentExecutions"] == 6


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"BatchSize": 11}, "batch size"),
        ({"MaximumBatchingWindowInSeconds": 5}, "Batching window is not supported for FIFO queues"),
    ],
)
def test_a_fifo_queue_has_batches_of_ten_and_no_window(play_it: Play, mapping: Values, said: str) -> None:
    """FIFO-3: as AWS refuses it."""
    with pytest.raises(RefusedByAws, match=said):
        play_it(queue=FIFO, mapping=mapping)


def test_one_batch_mixes_groups_and_keeps_each_in_order(play_it: Play) -> None:
    """FIFO-4: everything that one receive brings is one batch."""
    run = play_it(queue=FIFO, send=fifo_messages("a1", "b1", "a2", "a3", "b2"))
    first = run.labels(run.facts(InvocationStarted)[0].messages)
    assert sorted(first) == ["a1", "a2", "a3", "b1", "b2"]
    assert [name for name in first if name[0] == "a"] == ["a1", "a2", "a3"]
    assert [name for name in first if name[0] == "b"] == ["b1", "b2"]


def test_a_filtered_message_unlocks_its_group(play_it: Play) -> None:
    """FIFO-23: the next of the group follows at once."""
    pattern = json.dumps({"body": {"name": [{"anything-but": ["a1"]}]}})
    run = play_it(
        queue=FIFO,
        mapping={"FilterCriteria": {"Filters": [{"Pattern": pattern}]}, "BatchSize": 1},
        send=fifo_messages("a1", "a2"),
    )
    assert run.outcomes() == {"a1": "filtered", "a2": "deleted"}
    assert run.seconds(InvocationStarted) == [0]


def test_nothing_overtakes_a_throttled_batch_of_its_group(play_it: Play) -> None:
    """FIFO-24: retries in place keep the group locked, while other groups go on."""
    run = play_it(
        queue=FIFO | {"VisibilityTimeout": 60},
        mapping={"BatchSize": 1},
        send=fifo_messages("a1", "a2", "a3"),
        timeline=[{"at": "0s", "for": "20s", "fault": {"throttle": "Worker"}}],
    )
    ran = [run.labels(fact.messages)[0] for fact in run.facts(InvocationStarted)]
    assert ran == ["a1", "a2", "a3"]
    assert {message.receives for message in run.messages} == {1}


def test_a_fifo_handler_slower_than_the_visibility_timeout_cannot_delete(play_it: Play) -> None:
    """FAIL-20, SQS-24: the handle has expired, so the message comes again."""
    run = play_it(
        queue=FIFO | {"VisibilityTimeout": 10} | REDRIVE,
        function={"Timeout": 10},
        timeline=[{"at": "0s", "set": {"Worker.Timeout": 20}}],
        behavior=[{"takes": "15s"}],
        send=[values | {"at": "1s"} for values in fifo_messages("a1")],
    )
    failed = run.facts(DeleteFailed)[0]
    assert "The receipt handle has expired" in failed.error
    assert (failed.at - run.start) / 1000 == 16
    assert run.named("a1").outcome == "dead-lettered"


# --- the mapping's state


def test_a_disabled_mapping_leaves_messages_in_the_queue_until_it_is_enabled(play_it: Play) -> None:
    """API-10, API-12, API-15: Enabled, Disabling until nothing runs, Disabled, Enabled again."""
    run = play_it(
        send=messages(1, at="30s"), timeline=[{"at": "10s", "disable": "Trigger"}, {"at": "60s", "enable": "Trigger"}]
    )
    states = [fact.state for fact in run.facts(MappingChanged)]
    assert states == ["Enabled", "Disabling", "Disabled", "Enabled"]
    assert run.seconds(InvocationStarted) == [60]


def test_a_mapping_made_disabled_polls_nothing(play_it: Play) -> None:
    """API-11: it is Disabled from the start."""
    run = play_it(mapping={"Enabled": False}, send=messages(1), stop={"when": "never", "after": "1h"})
    assert not run.facts(MessageReceived)
    assert run.named("m1").outcome == "waiting"


# --- settings that the mapping takes


def test_an_empty_structure_is_no_setting(play_it: Play) -> None:
    """API-47: ScalingConfig, ProvisionedPollerConfig and FilterCriteria of {} clear what was set."""
    cleared = {"ScalingConfig": {}, "ProvisionedPollerConfig": {}, "FilterCriteria": {}}
    run = play_it(mapping=cleared | {"BatchSize": 1}, behavior=[{"takes": "1s"}], send=messages(5))
    assert {message.outcome for message in run.messages} == {"deleted"}
    assert run.functions["Worker"]["ConcurrentExecutions"] == 5


def test_metrics_of_kafka_may_be_asked_for_and_mean_nothing(play_it: Play) -> None:
    """MET-4, MET-2: whether AWS refuses them is not known; nothing of SQS is ever counted as dropped."""
    run = play_it(
        mapping={"MetricsConfig": {"Metrics": ["EventCount", "ErrorCount", "KafkaMetrics"]}}, send=messages(1)
    )
    assert not [name for name in run.mappings["Trigger"] if "Dropped" in name or "Committed" in name]

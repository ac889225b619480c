"""Every rule: the least that shows it, and the nearest that must not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from esm_emulator.check import RULES, Setup, Traffic, check, check_resources
from esm_emulator.codes import CODES
from esm_emulator.errors import EsmError
from esm_emulator.resources import Resources

HEALTHY: dict[str, Any] = {
    "Orders": {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "VisibilityTimeout": 180,
            "RedrivePolicy": {"deadLetterTargetArn": "OrdersDlq", "maxReceiveCount": 5},
        },
    },
    "OrdersDlq": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 1_209_600}},
    "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 30}},
    "Trigger": {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": "Orders",
            "FunctionName": "Worker",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "MetricsConfig": {"Metrics": ["EventCount"]},
        },
    },
}
FIFO = {"Orders.FifoQueue": True, "OrdersDlq.FifoQueue": True}
SECOND = {
    "Type": "AWS::Lambda::EventSourceMapping",
    "Properties": {
        "EventSourceArn": "Orders",
        "FunctionName": "Other",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    },
}
OTHER = {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 30}}
ANOTHER = {"Type": "AWS::SQS::Queue", "Properties": HEALTHY["Orders"]["Properties"]}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    blocks = copy.deepcopy(HEALTHY)
    for path, value in changes.items():
        id_, *steps = path.split(".")
        if not steps:
            blocks[id_] = value
            continue
        node = blocks[id_]["Properties"]
        for step in steps[:-1]:
            node = node.setdefault(step, {})
        if value is None:
            node.pop(steps[-1], None)
        else:
            node[steps[-1]] = value
    return blocks


def codes(changes: dict[str, Any], **more: Any) -> set[str]:
    return {finding.code for finding in check(Setup(Resources.parse(changed(changes)), **more))}


def filters(*patterns: Any) -> dict[str, Any]:
    return {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}


FILTER = "Trigger.FilterCriteria"
BACK = {"deadLetterTargetArn": "Orders", "maxReceiveCount": 5}
ON = {**BACK, "deadLetterTargetArn": "More"}
BODY = filters({"body": {"kind": ["a"]}})

# code, the least that shows it, the nearest that does not
TABLE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("W201", {"Orders.VisibilityTimeout": 179}, {"Orders.VisibilityTimeout": 180}),
    ("W201", {"Trigger.MaximumBatchingWindowInSeconds": 1}, {"Trigger.MaximumBatchingWindowInSeconds": 0}),
    (
        "W203",
        {"Orders.VisibilityTimeout": 64, "Trigger.MaximumBatchingWindowInSeconds": 5},
        {"Orders.VisibilityTimeout": 65, "Trigger.MaximumBatchingWindowInSeconds": 5},
    ),
    (
        "W203",
        {"Orders.VisibilityTimeout": 60, "Trigger.MaximumBatchingWindowInSeconds": 1},
        {"Orders.VisibilityTimeout": 59},
    ),
    ("W206", {"Orders.VisibilityTimeout": 3_601}, {"Orders.VisibilityTimeout": 3_600}),
    (
        "W206",
        {"Orders.VisibilityTimeout": 21_601, "Worker.Timeout": 900},
        {"Orders.VisibilityTimeout": 21_600, "Worker.Timeout": 900},
    ),
    ("W207", {"Orders.RedrivePolicy.maxReceiveCount": 4}, {"Orders.RedrivePolicy.maxReceiveCount": 5}),
    ("W208", {"Orders.RedrivePolicy": None}, {}),
    ("W208", {"Orders.RedrivePolicy": None}, {"Orders.RedrivePolicy": None, "Trigger.Enabled": False}),
    ("W208", {"Orders.RedrivePolicy": None}, {**FIFO, "Orders.RedrivePolicy": None}),
    ("W208", {"Orders.RedrivePolicy": None}, {"Trigger.EventSourceArn": "OrdersDlq"}),
    (
        "W209",
        {"Worker.DeadLetterConfig": {"TargetArn": "x"}, "Orders.RedrivePolicy": None},
        {"Worker.DeadLetterConfig": {"TargetArn": "x"}},
    ),
    (
        "W209",
        {"Worker.EventInvokeConfig": {"DestinationConfig": {"OnFailure": {}}}, "Orders.RedrivePolicy": None},
        {"Worker.EventInvokeConfig": {"MaximumRetryAttempts": 0}, "Orders.RedrivePolicy": None},
    ),
    ("W210", {"OrdersDlq.MessageRetentionPeriod": 345_600}, {"OrdersDlq.MessageRetentionPeriod": 345_601}),
    (
        "W210",
        {"OrdersDlq.MessageRetentionPeriod": 345_600},
        {"OrdersDlq.MessageRetentionPeriod": 1_209_600, "Orders.MessageRetentionPeriod": 1_209_600},
    ),
    ("W210", {"OrdersDlq.MessageRetentionPeriod": 345_600}, {**FIFO, "OrdersDlq.MessageRetentionPeriod": 345_600}),
    (
        "W211",
        {"OrdersDlq.RedriveAllowPolicy": {"redrivePermission": "denyAll"}},
        {"OrdersDlq.RedriveAllowPolicy": {"redrivePermission": "allowAll"}},
    ),
    (
        "W211",
        {"OrdersDlq.RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": ["OrdersDlq"]}},
        {"OrdersDlq.RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": ["Orders"]}},
    ),
    ("W212", {"Trigger.FunctionResponseTypes": None}, {"Trigger.FunctionResponseTypes": None, "Trigger.BatchSize": 1}),
    ("E306", {"Worker.ReservedConcurrentExecutions": 0}, {"Worker.ReservedConcurrentExecutions": 5}),
    (
        "E306",
        {"Worker.ReservedConcurrentExecutions": 0},
        {"Worker.ReservedConcurrentExecutions": 0, "Trigger.Enabled": False},
    ),
    (
        "W204",
        {"Trigger.ProvisionedPollerConfig": {"MinimumPollers": 3}},
        {"Trigger.ProvisionedPollerConfig": {"MinimumPollers": 2}},
    ),
    (
        "W205",
        {"Worker.ReservedConcurrentExecutions": 9, "Trigger.ScalingConfig": {"MaximumConcurrency": 10}},
        {"Worker.ReservedConcurrentExecutions": 10, "Trigger.ScalingConfig": {"MaximumConcurrency": 10}},
    ),
    ("W217", {"Worker.ReservedConcurrentExecutions": 4}, {"Worker.ReservedConcurrentExecutions": 5}),
    (
        "W217",
        {"Worker.ReservedConcurrentExecutions": 4},
        {"Worker.ReservedConcurrentExecutions": 4, "Trigger.ScalingConfig": {"MaximumConcurrency": 4}},
    ),
    (
        "W218",
        {"Trigger.ProvisionedPollerConfig": {"MaximumPollers": 101}},
        {"Trigger.ProvisionedPollerConfig": {"MaximumPollers": 100}},
    ),
    (
        "W218",
        {"Trigger.ProvisionedPollerConfig": {"MaximumPollers": 101}},
        {"Trigger.ProvisionedPollerConfig": {"MaximumPollers": 101}, "Worker.ReservedConcurrentExecutions": 900},
    ),
    ("W220", {FILTER: filters({"messageAttributes": {"kind": ["a"]}})}, {FILTER: BODY}),
    ("W220", {FILTER: filters({"$or": [{"body": {"a": [1]}}, {"messageId": ["b"]}]})}, {FILTER: BODY}),
    (
        "W221",
        {FILTER: filters({"body": {"file": [{"wildcard": "*.png"}]}})},
        {FILTER: filters({"body": {"file": [{"suffix": ".png"}]}})},
    ),
    (
        "W221",
        {FILTER: filters({"body": {"kind": [{"anything-but": {"prefix": "a"}}]}})},
        {FILTER: filters({"body": {"kind": [{"anything-but": ["a"]}, {"numeric": [">", 1]}, {"exists": False}]}})},
    ),
    ("W222", {FILTER: BODY, "Other": OTHER, "Second": SECOND}, {"Other": OTHER, "Second": SECOND}),
    ("W222", {FILTER: BODY, "Other": OTHER, "Second": SECOND}, {FILTER: BODY}),
    (
        "W225",
        {"Orders.VisibilityTimeout": 7_200, "Orders.MessageRetentionPeriod": 71_999},
        {"Orders.VisibilityTimeout": 7_200, "Orders.MessageRetentionPeriod": 72_000},
    ),
    ("W233", {"Orders.RedrivePolicy.deadLetterTargetArn": "Orders"}, {}),
    ("W233", {"OrdersDlq.RedrivePolicy": BACK}, {"OrdersDlq.RedrivePolicy": ON, "More": {"Type": "AWS::SQS::Queue"}}),
    ("W233", {"OrdersDlq.RedrivePolicy": {**BACK, "deadLetterTargetArn": "OrdersDlq"}}, {}),
    ("W227", {**FIFO, "Orders.VisibilityTimeout": 39}, {**FIFO, "Orders.VisibilityTimeout": 40}),
    ("W227", {**FIFO, "Orders.VisibilityTimeout": 39}, {"Orders.VisibilityTimeout": 39}),
    (
        "W229",
        {"Worker.DurableConfig": {"ExecutionTimeout": 900}},
        {"Worker.DurableConfig": {"ExecutionTimeout": 900}, "Trigger.FunctionName": "Worker:live"},
    ),
    (
        "W229",
        {"Worker.DurableConfig": {"ExecutionTimeout": 901}, "Trigger.FunctionName": "Worker:live"},
        {"Worker.DurableConfig": {"ExecutionTimeout": 900}, "Trigger.FunctionName": "Worker:live"},
    ),
    (
        "E309",
        {
            "Trigger.EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:orders",
            "Second": {
                **SECOND,
                "Properties": {
                    **SECOND["Properties"],
                    "FunctionName": "Worker",
                    "EventSourceArn": "arn:aws:sqs:eu-west-2:1:b",
                },
            },
        },
        {"Trigger.EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:orders"},
    ),
    ("I402", {"Orders.MaximumMessageSize": 1_048_576}, {"Orders.MaximumMessageSize": 262_144}),
    (
        "I402",
        {"Trigger.BatchSize": 6_145, "Trigger.MaximumBatchingWindowInSeconds": 1},
        {"Trigger.BatchSize": 6_144, "Trigger.MaximumBatchingWindowInSeconds": 1},
    ),
    (
        "I405",
        {"Trigger.ProvisionedPollerConfig": {"MinimumPollers": 2}, "Trigger.BatchSize": 9},
        {"Trigger.BatchSize": 9},
    ),
    (
        "I405",
        {"Trigger.ProvisionedPollerConfig": {"MinimumPollers": 2}, "Trigger.MaximumBatchingWindowInSeconds": 1},
        {"Trigger.ProvisionedPollerConfig": {"MinimumPollers": 2}},
    ),
    ("I406", {"Orders.QueueName": "orders-dev"}, {"Orders.QueueName": "orders-devices"}),
    ("I407", {"Trigger.MetricsConfig": None}, {}),
    ("I410", FIFO, {}),
    ("I411", {"Orders.RedrivePolicy.maxReceiveCount": 4}, {"Orders.RedrivePolicy.maxReceiveCount": 3}),
]


@pytest.mark.parametrize(("code", "shows", "not_quite"), TABLE, ids=[f"{row[0]}-{n}" for n, row in enumerate(TABLE)])
def test_a_rule_fires_at_the_least_that_shows_it_and_not_before(
    code: str, shows: dict[str, Any], not_quite: dict[str, Any]
) -> None:
    assert f"ESM-{code}" in codes(shows)
    assert f"ESM-{code}" not in codes(not_quite)


# code, changes, what is known of the traffic that shows it, and what does not
KNOWN: list[tuple[str, dict[str, Any], Traffic, Traffic]] = [
    (
        "W219",
        {"Trigger.BatchSize": 10},
        Traffic(each_ms={"Worker": 3_001}),
        Traffic(each_ms={"Worker": 3_000}),
    ),
    (
        "W223",
        {FILTER: BODY},
        Traffic(bodies={"Orders": ("plain", "{}")}),
        Traffic(bodies={"Orders": ('{"kind": "b"}',)}),
    ),
    (
        "W223",
        {FILTER: filters({"body": ["a"]})},
        Traffic(bodies={"Orders": ("{}",)}),
        Traffic(bodies={"Orders": ("b",)}),
    ),
    (
        "I401",
        {**FIFO, "Trigger.ScalingConfig": {"MaximumConcurrency": 3}},
        Traffic(groups={"Orders": frozenset("ab")}),
        Traffic(groups={"Orders": frozenset("abc")}),
    ),
    ("I402", {}, Traffic(bodies={"Orders": ("x" * 629_000,)}), Traffic(bodies={"Orders": ("x" * 628_000,)})),
]


@pytest.mark.parametrize(
    ("code", "changes", "shows", "not_quite"), KNOWN, ids=[f"{row[0]}-{n}" for n, row in enumerate(KNOWN)]
)
def test_a_rule_about_traffic_fires_where_the_traffic_is_known(
    code: str, changes: dict[str, Any], shows: Traffic, not_quite: Traffic
) -> None:
    assert f"ESM-{code}" in codes(changes, traffic=shows)
    assert f"ESM-{code}" not in codes(changes, traffic=not_quite)
    assert f"ESM-{code}" not in codes(changes)


def test_a_healthy_setup_has_no_risk() -> None:
    """Six times the timeout, five receives, fourteen days, partial responses: nothing to say."""
    assert check_resources(Resources.parse(HEALTHY)) == []


def test_aws_own_defaults_are_only_told_of_what_they_lack() -> None:
    bare = {
        "Orders": {"Type": "AWS::SQS::Queue"},
        "Worker": {"Type": "AWS::Lambda::Function"},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"},
        },
    }
    assert [finding.code for finding in check_resources(Resources.parse(bare))] == ["ESM-W208", "ESM-W212"]


def test_a_drift_is_told_of_resources_that_were_updated() -> None:
    """W202: an update of the function is accepted where creation would be refused (API-41)."""
    resources = Resources.parse(HEALTHY).with_update("Worker.Timeout", 181)
    assert "ESM-W202" in {finding.code for finding in check_resources(resources)}
    at_the_limit = Resources.parse(HEALTHY).with_update("Worker.Timeout", 180)
    assert "ESM-W202" not in {finding.code for finding in check_resources(at_the_limit)}


def test_sums_go_over_all_queues_of_a_function() -> None:
    """W205: each mapping fits by itself."""
    second = {
        "Type": SECOND["Type"],
        "Properties": {
            **SECOND["Properties"],
            "EventSourceArn": "More",
            "FunctionName": "Worker",
            "ScalingConfig": {"MaximumConcurrency": 5},
        },
    }
    changes = {"Worker.ReservedConcurrentExecutions": 9, "Trigger.ScalingConfig": {"MaximumConcurrency": 5}}
    assert "ESM-W205" not in codes(changes)
    assert "ESM-W205" in codes({**changes, "More": ANOTHER, "Second": second})


SLOWER = {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 60}}


def test_of_several_functions_of_a_queue_the_slowest_decides() -> None:
    """W201 asks once for what suffices for all; W206 is not told of what the slowest needs."""
    both = {"Other": SLOWER, "Second": SECOND}
    found = check(Setup(Resources.parse(changed({**both, "Orders.VisibilityTimeout": 100}))))
    assert [item.fix for item in found if item.code == "ESM-W201"] == ["Set VisibilityTimeout to at least 360."]
    slowest = {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 900}}
    assert "ESM-W206" not in codes({**both, "Other": slowest, "Orders.VisibilityTimeout": 5_400})
    assert "ESM-W206" in codes({"Orders.VisibilityTimeout": 5_400})


def test_a_window_that_fifo_does_not_take_is_not_counted() -> None:
    """E302 tells of it."""
    resources = Resources.parse(changed(FIFO))
    window = {"MaximumBatchingWindowInSeconds": 5}
    mapping = resources.mappings["Trigger"].model_copy(update=window)
    found = check(Setup(Resources(resources.queues, resources.functions, {"Trigger": mapping})))
    assert not {"ESM-W201", "ESM-W203"} & {item.code for item in found}


def test_a_ring_of_dead_letter_queues_is_told_once_and_written_out() -> None:
    """W233: not once for each queue in it."""
    blocks = changed({"OrdersDlq.RedrivePolicy": ON, "More": {"Type": "AWS::SQS::Queue"}})
    blocks["More"]["Properties"] = {"RedrivePolicy": BACK}
    [said] = [item.summary for item in check(Setup(Resources.parse(blocks))) if item.code == "ESM-W233"]
    assert "Orders -> OrdersDlq -> More -> Orders" in said


def test_a_finding_says_what_to_do_and_where_aws_says_so() -> None:
    (finding,) = check_resources(
        Resources.parse(
            changed({"Orders.VisibilityTimeout": 60, "Trigger.MaximumBatchingWindowInSeconds": 5, "Worker.Timeout": 20})
        )
    )
    assert finding.code == "ESM-W201"
    assert finding.summary.startswith("VisibilityTimeout 60 < 6 x 20 + 5 = 125")
    assert "125" in finding.fix
    assert finding.source.startswith("https://docs.aws.amazon.com/")
    assert finding.to_json()["path"] == "Orders.VisibilityTimeout"


def test_every_rule_has_a_code_of_the_registry_and_a_row_here() -> None:
    tested = {f"ESM-{row[0]}" for row in TABLE} | {f"ESM-{row[0]}" for row in KNOWN}
    elsewhere = {"ESM-W202", "ESM-E308", "ESM-I404", "ESM-W224", "ESM-W230"}
    of_handlers = {"ESM-W213", "ESM-W214", "ESM-W215", "ESM-W216", "ESM-W231", "ESM-I403", "ESM-I408"}
    assert {rule.code for rule in RULES} == tested | elsewhere | of_handlers
    assert all(rule.code in CODES for rule in RULES)


def test_the_most_that_aws_takes_leaves_room_for_six_times() -> None:
    """W230 needs a timeout that only managed instances have, which this program's functions cannot be given."""
    assert "ESM-W230" not in codes({"Worker.Timeout": 900, "Orders.VisibilityTimeout": 43_200})
    with pytest.raises(EsmError):
        codes({"Worker.Timeout": 7_201})
    longer = Resources.parse(HEALTHY)
    worker = longer.functions["Worker"].model_copy(update={"Timeout": 7_201})
    found = check(Setup(Resources(longer.queues, {"Worker": worker}, longer.mappings)))
    assert "ESM-W230" in {finding.code for finding in found}

"""Changing resources that are there: variants check as creation does, updates as AWS's updates do."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.errors import ConfigError, RefusedByAws, UsageError
from esm_emulator.resources import Resources, resources_schema

QUEUE, FUNCTION, MAPPING = "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"


@pytest.fixture
def resources():
    return Resources.parse(
        {
            "Orders": {
                "Type": QUEUE,
                "Properties": {
                    "VisibilityTimeout": 30,
                    "RedrivePolicy": {"deadLetterTargetArn": "Dlq", "maxReceiveCount": 3},
                },
            },
            "Dlq": {"Type": QUEUE},
            "Worker": {"Type": FUNCTION, "Properties": {"Timeout": 5, "Environment": {"Variables": {"AA": "1"}}}},
            "Trigger": {
                "Type": MAPPING,
                "Properties": {
                    "EventSourceArn": "Orders",
                    "FunctionName": "Worker:live",
                    "FilterCriteria": {"Filters": [{"Pattern": "{}"}, {"Pattern": '{"body": ["x"]}'}]},
                },
            },
        }
    )


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("Orders.VisibilityTimeout", 72, lambda r: r.queues["Orders"].VisibilityTimeout),
        ("Orders.Properties.VisibilityTimeout", 72, lambda r: r.queues["Orders"].VisibilityTimeout),
        ("Orders.RedrivePolicy.maxReceiveCount", 5, lambda r: r.queues["Orders"].RedrivePolicy.maxReceiveCount),
        ("Worker.Environment.Variables.AA", "2", lambda r: r.functions["Worker"].Environment.Variables["AA"]),
        ("Worker.Environment.Variables.BB", "2", lambda r: r.functions["Worker"].Environment.Variables["BB"]),
        ("Trigger.ScalingConfig.MaximumConcurrency", 2, lambda r: r.mappings["Trigger"].maximum_concurrency),
        ("Trigger.FilterCriteria.Filters.1.Pattern", "[]", lambda r: r.mappings["Trigger"].patterns[1]),
        ("Trigger.Enabled", False, lambda r: r.mappings["Trigger"].Enabled),
    ],
)
def test_a_property_is_changed_wherever_it_is(resources, path, value, read):
    before = resources.to_json()
    assert read(resources.with_property(path, value)) == value
    assert resources.to_json() == before


@pytest.mark.parametrize(
    ("path", "read", "left"),
    [
        ("Orders.RedrivePolicy", lambda r: r.queues["Orders"].RedrivePolicy, None),
        ("Orders.VisibilityTimeout", lambda r: r.queues["Orders"].VisibilityTimeout, 30),
        ("Worker.Environment.Variables.AA", lambda r: r.functions["Worker"].Environment.Variables, {}),
        ("Trigger.FilterCriteria.Filters.0", lambda r: r.mappings["Trigger"].patterns, ('{"body": ["x"]}',)),
        ("Trigger", lambda r: dict(r.mappings), {}),
    ],
)
def test_none_removes(resources, path, read, left):
    assert read(resources.with_property(path, None)) == left


def test_a_resource_may_be_put_in_anothers_place(resources):
    changed = resources.with_property("Dlq", {"Type": QUEUE, "Properties": {"DelaySeconds": 7}})
    assert changed.queues["Dlq"].DelaySeconds == 7
    with pytest.raises(ConfigError, match="'Type' is missing"):
        resources.with_property("Dlq", {})


def test_references_follow_a_change_of_name(resources):
    changed = resources.with_properties({"Dlq.QueueName": "dead", "Orders.QueueName": "o", "Worker.FunctionName": "w"})
    orders, trigger = changed.queues["Orders"], changed.mappings["Trigger"]
    assert changed.dead_letter_queue_of(orders) is changed.queues["Dlq"]
    assert changed.queue_of(trigger) is orders
    assert trigger.FunctionName == "w:live"


def test_several_changes_are_checked_together(resources):
    """API-20: the pair is good, either alone is not."""
    assert resources.with_properties({"Worker.Timeout": 60, "Orders.VisibilityTimeout": 60})
    with pytest.raises(RefusedByAws, match="Queue visibility timeout: 30 seconds is less than Function timeout: 60"):
        resources.with_property("Worker.Timeout", 60)


@pytest.mark.parametrize(
    ("path", "value", "kind", "said"),
    [
        ("Ordrs.VisibilityTimeout", 1, UsageError, "there is no resource 'Ordrs'; did you mean 'Orders'?"),
        (
            "Orders.VisibilityTimout",
            1,
            ConfigError,
            "unknown key 'VisibilityTimout'; did you mean 'VisibilityTimeout'?",
        ),
        ("Orders.RedrivePolicy.maxReceives", 1, ConfigError, "unknown key 'maxReceives'"),
        ("Orders.region", "x", ConfigError, "unknown key 'region'"),
        ("Orders.VisibilityTimeout", "x", ConfigError, "takes a whole number from 0 to 43200, not 'x'"),
        ("Orders.VisibilityTimeout", 50_000, RefusedByAws, "Invalid value for the parameter VisibilityTimeout."),
        ("Orders.RedrivePolicy.deadLetterTargetArn", "Nope", ConfigError, "there is no queue 'Nope'"),
        ("Trigger.BatchSize", 11, RefusedByAws, "Maximum batch window in seconds must be greater than 0"),
        ("Trigger.FilterCriteria.Filters.9.Pattern", "{}", UsageError, "there is no item 9 in a list of 2"),
        ("Dlq", None, ConfigError, "there is no queue 'Dlq'"),
    ],
)
def test_a_change_that_does_not_do(resources, path, value, kind, said):
    with pytest.raises(kind) as caught:
        resources.with_property(path, value)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert path.split(".")[0] in str(caught.value) or "Orders" in str(caught.value)


@pytest.mark.parametrize(("path", "value"), [("Worker.Timeout", 300), ("Orders.VisibilityTimeout", 0)])
def test_an_update_of_the_function_or_queue_may_drift(resources, path, value):
    """API-41: the check is the mapping's creation and update, not the function's or queue's."""
    assert resources.with_update(path, value)


def test_an_update_of_the_mapping_is_checked(resources):
    """API-20, API-46: an update of the mapping runs all checks."""
    drifted = resources.with_update("Worker.Timeout", 300)
    with pytest.raises(RefusedByAws, match="Queue visibility timeout: 30 seconds is less than Function timeout: 300"):
        drifted.with_update("Trigger.BatchSize", 5)


def test_an_update_still_keeps_to_limits(resources):
    with pytest.raises(RefusedByAws, match="'timeout' failed to satisfy constraint"):
        resources.with_update("Worker.Timeout", 1000)


def test_to_json_has_every_default_in_cloudformations_names(resources):
    written = resources.to_json()
    assert list(written) == ["Orders", "Dlq", "Worker", "Trigger"]
    assert written["Orders"]["Type"] == QUEUE
    assert written["Orders"]["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:Dlq",
        "maxReceiveCount": 3,
    }
    assert written["Dlq"]["Properties"]["MessageRetentionPeriod"] == 345_600
    assert "id" not in written["Dlq"]["Properties"]
    assert "DeduplicationScope" not in written["Dlq"]["Properties"]
    assert json.loads(json.dumps(written)) == written


def test_a_problem_finds_its_place_again(resources):
    problem = resources.problem("is short", "Orders.VisibilityTimeout", clause="DOC-2")
    assert (str(problem), problem.clause) == ("Orders.Properties.VisibilityTimeout: is short", "DOC-2")
    assert str(resources.problem("is odd", "Nothing.x")) == "Nothing.x: is odd"


names = st.from_regex(r"\A[A-Za-z][A-Za-z0-9_-]{0,20}\Z")
queue = st.fixed_dictionaries(
    {},
    optional={
        "VisibilityTimeout": st.integers(900, 43_200),
        "DelaySeconds": st.integers(0, 900),
        "MessageRetentionPeriod": st.integers(60, 1_209_600),
        "MaximumMessageSize": st.integers(1024, 1_048_576),
        "FifoQueue": st.booleans(),
        "KmsMasterKeyId": names,
        "Tags": st.dictionaries(names, st.text()),
    },
)
function = st.fixed_dictionaries(
    {"Handler": names},
    optional={
        "Timeout": st.integers(1, 30),
        "MemorySize": st.integers(128, 10_240),
        "ReservedConcurrentExecutions": st.integers(0, 1000),
        "Environment": st.fixed_dictionaries({"Variables": st.dictionaries(names, st.text(max_size=9), max_size=3)}),
    },
)
mapping = st.fixed_dictionaries(
    {},
    optional={
        "Enabled": st.booleans(),
        "BatchSize": st.integers(1, 10),
        "FunctionResponseTypes": st.just(["ReportBatchItemFailures"]),
        "ScalingConfig": st.fixed_dictionaries({"MaximumConcurrency": st.integers(2, 1000)}),
        "FilterCriteria": st.fixed_dictionaries({"Filters": st.lists(st.just({"Pattern": "{}"}), max_size=5)}),
    },
)


@given(queue, function, mapping)
def test_what_is_written_is_read_as_the_same(queue, function, mapping):
    """to_json and parse are each other's inverse, and what to_json writes fits the schema."""
    first = Resources.parse(
        {
            "Orders": {"Type": QUEUE, "Properties": queue},
            "Worker": {"Type": FUNCTION, "Properties": function},
            "Trigger": {
                "Type": MAPPING,
                "Properties": {**mapping, "EventSourceArn": "Orders", "FunctionName": "Worker"},
            },
        }
    )
    written = first.to_json()
    again = Resources.parse(written)
    assert again == first
    assert again.to_json() == written
    SCHEMA.validate({"resources": written})


SCHEMA = jsonschema.Draft202012Validator(resources_schema())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(resources_schema())
    assert resources_schema()["$defs"]["AWS::SQS::Queue"]["properties"]["VisibilityTimeout"] == {
        "description": "Seconds for which a received message is hidden from other consumers (SQS-2).",
        "default": 30,
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 43_200},
            {"type": "string", "pattern": "^-?[0-9]+$"},
            {"$ref": "#/$defs/Intrinsic"},
        ],
    }


@pytest.mark.parametrize(
    ("file", "fits"),
    [
        ({"resources": {"Q": {"Type": QUEUE}}}, True),
        ({"version": 1, "resources": {"from": "template.yaml", "Q.DelaySeconds": 3}}, True),
        ({"resources": {"Q": {"Type": QUEUE, "Properties": {"DelaySeconds": {"Fn::If": ["a", 1, 2]}}}}}, True),
        ({"resources": {"Q": {"Type": QUEUE, "Properties": {"DelaySeconds": "5"}}}}, True),
        ({"resources": {"Q": {"Type": QUEUE, "Properties": {"DelaySeconds": 901}}}}, False),
        ({"resources": {"Q": {"Type": QUEUE, "Properties": {"DelaySecond": 1}}}}, False),
        ({"resources": {"Q": {"Type": "AWS::SQS::Qeue"}}}, False),
        ({"resources": {"M": {"Type": MAPPING}}}, False),
        ({"resources": {"F": {"Type": FUNCTION, "Properties": {"Environment": {"Variables": {"A": 1}}}}}}, True),
        ({"resource": {}}, False),
        (
            {
                "resources": {
                    "F": {
                        "Type": "AWS::Serverless::Function",
                        "Properties": {"Events": {"Q": {"Type": "SQS", "Properties": {"Queue": "Q", "BatchSize": 1}}}},
                    }
                }
            },
            True,
        ),
        (
            {
                "resources": {
                    "F": {
                        "Type": "AWS::Serverless::Function",
                        "Properties": {"Events": {"Q": {"Type": "SQS", "Properties": {"Queue": "Q", "BatchSiz": 1}}}},
                    }
                }
            },
            False,
        ),
    ],
)
def test_the_schema_takes_what_the_loader_takes(file, fits):
    assert SCHEMA.is_valid(file) is fits

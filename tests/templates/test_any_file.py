"""Whatever a file holds, it is loaded or it is told what is wrong: never a crash."""

from contextlib import suppress
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from esm_emulator.errors import RefusedByAws, UsageError
from esm_emulator.resources import Resources
from esm_emulator.templates import parse_resources
from esm_emulator.templates.cloudformation import read_template
from esm_emulator.yaml_source import Document

IDS = ["Orders", "Dlq", "Worker", "Trigger", "Other", "a.b", "from"]
NAMES = [
    *("QueueName", "FifoQueue", "VisibilityTimeout", "DelaySeconds", "RedrivePolicy", "RedriveAllowPolicy", "Tags"),
    *("FunctionName", "Handler", "Code", "CodeUri", "InlineCode", "PackageType", "Timeout", "Environment", "Events"),
    *("EventSourceArn", "BatchSize", "FilterCriteria", "FunctionResponseTypes", "ScalingConfig", "Queue", "Role"),
    *("ProvisionedPollerConfig", "StartingPosition", "DeadLetterConfig", "AutoPublishAlias", "id", "Nonsense"),
    *("deadLetterTargetArn", "maxReceiveCount", "sourceQueueArns", "Variables", "Filters", "Pattern", "Type"),
    *("Properties", "Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Join", "Fn::Select", "Fn::ImportValue", "Metadata"),
    *("MaximumConcurrency", "MinimumPollers", "MaximumPollers", "Condition", "aws:asset:path"),
]
TYPES = [
    *("AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping", "AWS::Serverless::Function"),
    *("AWS::DynamoDB::Table", "SQS", "nothing", ""),
]
POLICY = '{"maxReceiveCount": 1, "x": 2}'
WORDS = [*IDS, *TYPES, "true", "on", "5", "s3://b/k", POLICY, "arn:aws:sqs:us-east-1:1:q", "${Orders.Arn}"]

scalars = st.none() | st.booleans() | st.integers(-1, 100_000) | st.floats(allow_nan=False) | st.sampled_from(WORDS)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
properties = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
blocks = st.fixed_dictionaries({"Type": st.sampled_from(TYPES[:4]), "Properties": properties}) | st.dictionaries(
    st.sampled_from(["Type", "Properties", "Condition", "Metadata", "x"]), values, max_size=3
)
files = st.dictionaries(st.sampled_from(IDS), blocks | values, max_size=4)


def told():
    """What may come instead of resources; anything else is a crash."""
    return suppress(UsageError, RefusedByAws)


@given(files)
@example({"Orders": {"Type": "AWS::SQS::Queue", "Properties": {"RedriveAllowPolicy": POLICY}}})
@example({"W" * 90: {"Type": "AWS::Lambda::Function"}})
def test_resources_in_code(resources):
    found = Resources()
    with told():
        found = Resources.parse(resources)
    assert Resources.parse(found.to_json()) == found


@given(files, st.booleans())
def test_resources_of_a_file(resources, strict):
    with told():
        parse_resources(resources, strict=strict)


@given(files, values, values, values, values)
def test_templates(resources, parameters, conditions, mappings, globals_):
    sections = {
        "Resources": resources,
        "Parameters": parameters,
        "Conditions": conditions,
        "Mappings": mappings,
        "Globals": {"Function": globals_},
    }
    with told():
        template = read_template(Document(sections, "t.yaml", ""), Path("/code"))
        Resources.of(template.resources, problems=template.problems, broken=frozenset(template.scope.broken))


@given(st.sampled_from(IDS), st.lists(st.sampled_from([*NAMES, "0", "7"]), max_size=4), values)
def test_changes(id_, steps, value):
    resources = Resources.parse(
        {
            "Orders": {"Type": "AWS::SQS::Queue"},
            "Worker": {"Type": "AWS::Lambda::Function"},
            "Trigger": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"},
            },
        }
    )
    with told():
        resources.with_property(".".join([id_, *steps]), value)

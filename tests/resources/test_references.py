"""How resources name each other, and what is said when they do not."""

from pathlib import Path

import pytest

from esm_emulator.errors import ConfigError, UsageError
from esm_emulator.resources import Resources

QUEUE, FUNCTION, MAPPING = "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"
SERVERLESS = "AWS::Serverless::Function"
TYPES = (QUEUE, FUNCTION, MAPPING, SERVERLESS)
POLICY = "Orders.Properties.RedrivePolicy"
ARN = "arn:aws:sqs:us-east-1:123456789012:"
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"


def block(type_, **properties):
    return {"Type": type_, "Properties": properties}


def resources(source="Orders", function="Worker", **more):
    return {
        "Orders": block(QUEUE, QueueName="orders"),
        "Worker": block(FUNCTION, FunctionName="worker"),
        "Trigger": block(MAPPING, EventSourceArn=source, FunctionName=function),
        **more,
    }


@pytest.mark.parametrize(
    "source",
    [
        "Orders",
        "orders",
        f"{ARN}orders",
        {"Ref": "Orders"},
        {"Fn::GetAtt": ["Orders", "Arn"]},
        {"Fn::GetAtt": "Orders.Arn"},
        "https://sqs.us-east-1.amazonaws.com/123456789012/orders",
    ],
)
def test_a_queue_is_named_in_any_way(source):
    found = Resources.parse(resources(source))
    assert found.queue_of(found.mappings["Trigger"]) is found.queues["Orders"]
    assert found.mappings["Trigger"].EventSourceArn == f"{ARN}orders"


@pytest.mark.parametrize(
    ("function", "qualifier"),
    [
        ("Worker", ""),
        ("worker", ""),
        ({"Ref": "Worker"}, ""),
        ({"Fn::GetAtt": ["Worker", "Arn"]}, ""),
        (f"{LAMBDA}worker", ""),
        ("123456789012:function:worker", ""),
        ("function:worker", ""),
        ("Worker:live", ":live"),
        (f"{LAMBDA}worker:7", ":7"),
        ("worker:$LATEST", ":$LATEST"),
    ],
)
def test_a_function_is_named_in_any_way_and_keeps_its_qualifier(function, qualifier):
    """API-8: name, ARN, partial ARN, with version or alias."""
    found = Resources.parse(resources(function=function))
    assert found.function_of(found.mappings["Trigger"]) is found.functions["Worker"]
    assert found.mappings["Trigger"].FunctionName == f"worker{qualifier}"
    assert found.mappings["Trigger"].function_arn == f"{LAMBDA}worker{qualifier}"


@pytest.mark.parametrize(
    ("source", "function", "said"),
    [
        ("Ordrs", "Worker", "Trigger.Properties.EventSourceArn: there is no queue 'Ordrs'; did you mean 'Orders'?"),
        ("Worker", "Worker", "Trigger.Properties.EventSourceArn: 'Worker' is a function, not a queue"),
        (5, "Worker", "Trigger.Properties.EventSourceArn: takes a queue's logical id or ARN, not 5"),
        (
            {"Fn::GetAtt": ["Orders", "QueueName"]},
            "Worker",
            "Trigger.Properties.EventSourceArn: takes a queue's logical id",
        ),
        ("Orders", "Workr", "Trigger.Properties.FunctionName: there is no function 'Workr'; did you mean 'Worker'?"),
        ("Orders", "Orders", "Trigger.Properties.FunctionName: 'Orders' is a queue, not a function"),
        ("Orders", [], "Trigger.Properties.FunctionName: takes a function's logical id, name or ARN, not []"),
        (
            "arn:aws:kinesis:us-east-1:123456789012:stream/s",
            "Worker",
            "Trigger.Properties.EventSourceArn: it reads kinesis, and SQS queues are all that is emulated",
        ),
    ],
)
def test_a_name_that_nothing_has_is_an_error(source, function, said):
    with pytest.raises(ConfigError) as caught:
        Resources.parse(resources(source, function))
    assert str(caught.value).startswith(said)
    assert len(caught.value.problems) == 1


def test_a_queue_elsewhere_is_named_by_its_arn():
    arn = "arn:aws:sqs:eu-west-1:999999999999:theirs"
    found = Resources.parse(resources(arn))
    assert found.queue_of(found.mappings["Trigger"]) is None
    assert found.mappings["Trigger"].EventSourceArn == arn


def test_naming_a_broken_resource_is_not_another_fault():
    with pytest.raises(ConfigError) as caught:
        Resources.parse({**resources(), "Orders": {"Type": "AWS::SQS::Qeue"}, "Worker": {"Typ": FUNCTION}})
    assert [str(problem) for problem in caught.value.problems] == [
        "Orders.Type: 'AWS::SQS::Qeue' is not a type that is emulated; did you mean 'AWS::SQS::Queue'?",
        "Worker.Typ: unknown key 'Typ'; did you mean 'Type'?",
        "Worker: 'Type' is missing",
    ]


def test_dead_letter_queues_are_found_from_both_sides():
    policy = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dlq", "Arn"]}, "maxReceiveCount": 3}
    found = Resources.parse(
        {"A": block(QUEUE, RedrivePolicy=policy), "B": block(QUEUE, RedrivePolicy=policy), "Dlq": block(QUEUE)}
    )
    assert found.dead_letter_queue_of(found.queues["A"]) is found.queues["Dlq"]
    assert found.dead_letter_queue_of(found.queues["Dlq"]) is None
    assert found.sources_of(found.queues["Dlq"]) == (found.queues["A"], found.queues["B"])


def test_resources_are_looked_up_by_id_name_and_arn():
    found = Resources.parse(resources())
    queue, function, mapping = found.queues["Orders"], found.functions["Worker"], found.mappings["Trigger"]
    assert [found.queue(name) for name in ("Orders", "orders", queue.arn)] == [queue] * 3
    assert [found.function(name) for name in ("Worker", "worker", function.arn)] == [function] * 3
    assert found.mapping("Trigger") is mapping
    assert found["Trigger"] is mapping
    assert found.queue_by_arn(f"{ARN}nothing") is None
    assert found.mappings_of(queue) == found.mappings_of(function) == (mapping,)
    with pytest.raises(UsageError, match="there is no queue 'Ordrs'; did you mean 'Orders'"):
        found.queue("Ordrs")


@pytest.mark.parametrize(
    ("block_", "said"),
    [
        (5, "Orders: takes a mapping with Type and Properties"),
        ({"Properties": {}}, "Orders: 'Type' is missing"),
        (
            {"Type": "AWS::DynamoDB::Table"},
            f"Orders.Type: 'AWS::DynamoDB::Table' is not a type that is emulated; those are {', '.join(TYPES)}",
        ),
        ({"Type": QUEUE, "Properties": []}, "Orders.Properties: takes a mapping of properties"),
        ({"Type": QUEUE, "Propertes": {}}, "Orders.Propertes: unknown key 'Propertes'; did you mean 'Properties'?"),
        (
            block(QUEUE, VisibilityTimout=1),
            "Orders.Properties.VisibilityTimout: unknown key 'VisibilityTimout'; did you mean 'VisibilityTimeout'?",
        ),
        (block(QUEUE, id="x"), "Orders.Properties.id: unknown key 'id'"),
        (
            block(QUEUE, RedrivePolicy={"maxReceivecount": 1, "maxReceiveCount": 1, "deadLetterTargetArn": "Orders"}),
            f"{POLICY}.maxReceivecount: unknown key 'maxReceivecount'; did you mean 'maxReceiveCount'?",
        ),
        (block(QUEUE, RedrivePolicy=[]), "Orders.Properties.RedrivePolicy: takes a mapping, not []"),
        (block(QUEUE, FifoQueue="on"), "Orders.Properties.FifoQueue: takes true or false, not 'on'"),
        (block(QUEUE, DelaySeconds="x"), "Orders.Properties.DelaySeconds: takes a whole number from 0 to 900, not 'x'"),
        (
            block(QUEUE, DelaySeconds=True),
            "Orders.Properties.DelaySeconds: takes a whole number from 0 to 900, not true",
        ),
    ],
)
def test_a_block_that_makes_no_sense(block_, said):
    with pytest.raises(ConfigError) as caught:
        Resources.parse({"Orders": block_})
    assert str(caught.value) == said
    assert caught.value.exit_code == 2


def test_resources_are_a_mapping_with_plain_ids():
    with pytest.raises(ConfigError, match="takes a mapping from logical ids to resources"):
        Resources.parse([])
    with pytest.raises(ConfigError, match=r"'a\.b' is not a logical id, which takes letters, digits, - and _"):
        Resources.parse({"a.b": block(QUEUE)})
    assert Resources.parse({"queue-dlq": block(QUEUE)}).queues["queue-dlq"].QueueName == "queue-dlq"


def test_a_serverless_function_brings_its_mappings():
    """A mapping's logical id is the function's and the event's name, as SAM makes it."""
    found = Resources.parse(
        {
            "Orders": block(QUEUE),
            "Worker": block(
                SERVERLESS,
                Handler="app.handler",
                AutoPublishAlias="live",
                Policies=["AmazonDynamoDBFullAccess"],
                DeadLetterQueue={"Type": "SQS", "TargetArn": "x"},
                Events={
                    "Queue": {
                        "Type": "SQS",
                        "Properties": {"Queue": {"Fn::GetAtt": ["Orders", "Arn"]}, "BatchSize": 5},
                    },
                    "Api": {"Type": "Api", "Properties": {"Path": "/"}},
                },
            ),
        }
    )
    assert list(found.mappings) == ["WorkerQueue"]
    assert found.mappings["WorkerQueue"].BatchSize == 5
    assert found.mappings["WorkerQueue"].FunctionName == "Worker:live"
    assert found.functions["Worker"].DeadLetterConfig == {"Type": "SQS", "TargetArn": "x"}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "Worker.Properties.Events: takes a mapping from names to events"),
        ({"Q": 5}, "Worker.Properties.Events.Q: takes a mapping with Type and Properties"),
        ({"Q": {"Properties": {}}}, "Worker.Properties.Events.Q: 'Type' is missing"),
        ({"Q": {"Type": "SQS", "Properties": []}}, "Worker.Properties.Events.Q: 'Queue' is missing"),
        (
            {"Q": {"Type": "SQS", "Properties": 5}},
            "Worker.Properties.Events.Q.Properties: takes a mapping of properties",
        ),
        ({"Q": {"Type": "SQS"}}, "Worker.Properties.Events.Q: 'Queue' is missing"),
        (
            {"Q": {"Type": "SQS", "Properties": {"Queue": "Orders", "EventSourceArn": "Orders"}}},
            "Worker.Properties.Events.Q.Properties.EventSourceArn: unknown key 'EventSourceArn'; did you mean 'Queue'?",
        ),
        (
            {"Q": {"Type": "SQS", "Properties": {"Queue": "Ordrs"}}},
            "Worker.Properties.Events.Q.Properties.Queue: there is no queue 'Ordrs'; did you mean 'Orders'?",
        ),
        (
            {"Q": {"Type": "SQS", "Properties": {"Queue": "Orders", "BatchSiz": 1}}},
            "Worker.Properties.Events.Q.Properties.BatchSiz: unknown key 'BatchSiz'; did you mean 'BatchSize'?",
        ),
    ],
)
def test_an_event_that_makes_no_sense(events, said):
    with pytest.raises(ConfigError) as caught:
        Resources.parse({"Orders": block(QUEUE), "Worker": block(SERVERLESS, Events=events)})
    assert str(caught.value) == said


@pytest.mark.parametrize("first", ["WorkerQ", "Worker"])
def test_an_event_cannot_take_an_id_that_is_there(first):
    """Whichever comes first, it is told that SAM puts the event's name behind the function's."""
    event = {"Type": "SQS", "Properties": {"Queue": "Orders"}}
    both = {"WorkerQ": block(QUEUE), "Worker": block(SERVERLESS, Events={"Q": event})}
    with pytest.raises(ConfigError, match="'WorkerQ' is taken already: SAM calls an event's mapping so; rename the ev"):
        Resources.parse({"Orders": block(QUEUE), first: both[first]} | both)


@pytest.mark.parametrize(
    ("properties", "folder"),
    [
        ({}, "."),
        ({"CodeUri": "src"}, "src"),
        ({"CodeUri": "./a/../b/"}, "b"),
        ({"Code": "build"}, "build"),
        ({"CodeUri": "/somewhere/else"}, "/somewhere/else"),
        ({"PackageType": "Zip"}, "."),
    ],
)
def test_code_is_relative_to_the_files_folder(tmp_path, properties, folder):
    found = Resources.parse({"Worker": block(FUNCTION, Handler="a.b", **properties)}, base_folder=tmp_path)
    assert found.functions["Worker"].CodeUri == str((tmp_path / folder).resolve())


def test_without_a_folder_code_is_relative_to_the_current_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Resources.parse({"Worker": block(FUNCTION)}).functions["Worker"].CodeUri == str(Path.cwd())


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        (
            {"Code": {"ZipFile": "def handler(e, c): pass"}},
            "Code: code in the file itself is not run; put it beside the file",
        ),
        ({"InlineCode": "x"}, "InlineCode: code in the file itself is not run; put it beside the file"),
        ({"Code": {"ImageUri": "x"}}, "Code: a container image is not run"),
        ({"PackageType": "Image"}, "PackageType: a container image is not run"),
        (
            {"CodeUri": "s3://b/k"},
            "CodeUri: the code is in a bucket; it is looked for in the file's own folder instead",
        ),
        ({"CodeUri": 5}, "CodeUri: takes text, not 5"),
    ],
)
def test_code_that_is_in_no_folder_is_an_error_in_a_file_of_ours(properties, said):
    with pytest.raises(ConfigError) as caught:
        Resources.parse({"Worker": block(FUNCTION, **properties)})
    assert str(caught.value) == f"Worker.Properties.{said}"

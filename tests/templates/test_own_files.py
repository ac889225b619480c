"""esm.yaml, a scenario's resources, and a template's with overrides."""

from pathlib import Path

import pytest

from esm_emulator.errors import ConfigError, RefusedByAws
from esm_emulator.templates import load, parse_resources
from esm_emulator.yaml_source import load_document

DATA = Path(__file__).parent / "data"
ARN = "arn:aws:sqs:us-east-1:123456789012:"


def write(folder, text, name="esm.yaml"):
    (folder / name).write_text(text)
    return folder / name


def wrong(path):
    with pytest.raises((ConfigError, RefusedByAws)) as caught:
        load(path)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


GOOD = """\
version: 1
description: one of each
resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: Dlq, maxReceiveCount: 3}
  Dlq:
    Type: AWS::SQS::Queue
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      CodeUri: src
      Environment: {Variables: {DLQ: !Ref Dlq, ARN: !GetAtt Orders.Arn, REGION: !Sub "${AWS::Region}"}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker}
"""


def test_a_file_of_ours(tmp_path):
    path = write(tmp_path, GOOD)
    loaded = load(path)
    found = loaded.resources
    assert loaded.warnings == ()
    assert loaded.document.file == str(path)
    assert [document.file for document in loaded.documents] == [str(path)]
    assert found.queue_of(found.mappings["Trigger"]) is found.queues["Orders"]
    assert found.dead_letter_queue_of(found.queues["Orders"]) is found.queues["Dlq"]
    assert found.functions["Worker"].CodeUri == str(tmp_path / "src")
    assert found.functions["Worker"].Environment.Variables == {
        "DLQ": "https://sqs.us-east-1.amazonaws.com/123456789012/Dlq",
        "ARN": f"{ARN}Orders",
        "REGION": "us-east-1",
    }
    assert str(found.problem("is short", "Orders.VisibilityTimeout")) == (
        f"{path}:7:26: Orders.Properties.VisibilityTimeout: is short"
    )


@pytest.mark.parametrize("reference", ["Orders", "!Ref Orders", "!GetAtt Orders.Arn", f"{ARN}Orders"])
def test_a_reference_is_an_id_ref_getatt_or_an_arn(tmp_path, reference):
    loaded = load(write(tmp_path, GOOD.replace("!GetAtt Orders.Arn, FunctionName", f"{reference}, FunctionName")))
    assert loaded.warnings == ()
    assert loaded.resources.mappings["Trigger"].EventSourceArn == f"{ARN}Orders"


def test_json_does_as_well(tmp_path):
    path = write(tmp_path, '{"resources": {"Orders": {"Type": "AWS::SQS::Queue"}}}', "esm.json")
    assert load(path).resources.queues["Orders"].VisibilityTimeout == 30


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "1:10: version: takes 1, not 2"),
        ("version: 1", "versoin: 1", "1:1: versoin: unknown key 'versoin'; did you mean 'version'?"),
        (
            "VisibilityTimeout: 60",
            "VisibilityTimout: 60",
            "7:7: Orders.Properties.VisibilityTimout: unknown key 'VisibilityTimout'; did you mean",
        ),
        (
            "VisibilityTimeout: 60",
            "DelaySeconds: x",
            "7:21: Orders.Properties.DelaySeconds: takes a whole number from 0 to 900, not 'x'",
        ),
        (
            "VisibilityTimeout: 60",
            "FifoQueue: on",
            "7:18: Orders.Properties.FifoQueue: takes true or false, not 'on'",
        ),
        (
            "VisibilityTimeout: 60",
            "DelaySeconds: !ImportValue x",
            "7:21: Orders.Properties.DelaySeconds: ImportValue 'x' is known only to a deployment",
        ),
        (
            "deadLetterTargetArn: Dlq,",
            "deadLetterTargetArn: Dql,",
            "8:44: Orders.Properties.RedrivePolicy.deadLetterTargetArn: there is no queue 'Dql'; did you mean 'Dlq'?",
        ),
        (
            "!GetAtt Orders.Arn, F",
            "!GetAtt Ordrs.Arn, F",
            "19:34: Trigger.Properties.EventSourceArn: there is no resource",
        ),
        ("!Ref Worker", "Workr", "19:68: Trigger.Properties.FunctionName: there is no function 'Workr'; did you mean"),
        (
            "FunctionName: !Ref Worker",
            "BatchSize: 5",
            "19:5: Trigger.Properties.FunctionName: 'FunctionName' is missing",
        ),
        (
            "  Dlq:\n    Type: AWS::SQS::Queue",
            "  Dlq:\n    Type: AWS::SQS::Quee",
            "10:11: Dlq.Type: 'AWS::SQS::Quee' is not",
        ),
        (
            "    Properties:\n      Handler",
            "    Propertys:\n      Handler",
            "13:5: Worker.Propertys: unknown key 'Propertys'",
        ),
        (
            "VisibilityTimeout: 60",
            "VisibilityTimeout: 2",
            "7:26: Orders.Properties.VisibilityTimeout: Queue visibility timeout: 2 seconds is less than",
        ),
        (
            "VisibilityTimeout: 60",
            "VisibilityTimeout: 99999",
            "7:26: Orders.Properties.VisibilityTimeout: Invalid value for the parameter VisibilityTimeout.",
        ),
        ("CodeUri: src", "CodeUri: s3://b/k", "15:16: Worker.Properties.CodeUri: the code is in a bucket"),
        ("resources:\n", "resource:\n", "1:1: there is neither resources: (an esm.yaml) nor Resources: (a SAM or"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(tmp_path, old, new, said):
    assert old in GOOD
    problems = wrong(write(tmp_path, GOOD.replace(old, new, 1)))
    assert len(problems) == 1
    assert problems[0].startswith(said)


def test_everything_wrong_is_told_in_the_files_order(tmp_path):
    text = (
        GOOD.replace("version: 1", "version: 2").replace("Timeout: 60", "Timeout: soon").replace("app.handler", "a b")
    )
    assert [problem.split(":")[0] for problem in wrong(write(tmp_path, text))] == ["1", "7", "14"]


@pytest.mark.parametrize("text", ["", "[]", "5", "Resource: {}"])
def test_a_file_without_resources_is_told(tmp_path, text):
    [problem] = wrong(write(tmp_path, text))
    assert "there is neither resources: (an esm.yaml) nor Resources: (a SAM or CloudFormation template)" in problem


def test_a_scenarios_other_keys_are_its_own_business(tmp_path):
    path = write(tmp_path, GOOD + "send: []\n", "a.esm.yaml")
    assert load(path).resources.queues["Orders"].VisibilityTimeout == 60


def test_data_that_is_read_already(tmp_path):
    document = load_document(
        "play:\n  resources:\n    Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1}}\n", "f"
    )
    data = document.data["play"]["resources"]
    loaded = parse_resources(data, document, base=("play", "resources"), base_folder=tmp_path)
    assert loaded.resources.queues["Q"].DelaySeconds == 1
    data["Q"]["Properties"]["DelaySeconds"] = 901
    with pytest.raises(
        RefusedByAws, match=r"^f:3:59: Q.Properties.DelaySeconds: Invalid value for the parameter DelaySeconds"
    ):
        parse_resources(data, document, base=("play", "resources"))


def test_without_strictness_an_unknown_property_is_a_warning():
    data = {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySecond": 1}}}
    assert [problem.message for problem in parse_resources(data, strict=False).warnings] == [
        "unknown key 'DelaySecond'; did you mean 'DelaySeconds'?; passed over"
    ]
    with pytest.raises(ConfigError, match="unknown key 'DelaySecond'"):
        parse_resources(data)


# --- from


def overriding(folder, lines):
    return write(folder, f"resources:\n  from: {DATA}/sam_globals.yaml\n{lines}")


def test_a_templates_resources_with_overrides(tmp_path):
    path = overriding(
        tmp_path,
        """\
  parameters: {Stage: prod}
  OrdersQueue: {Properties: {VisibilityTimeout: 200, RedrivePolicy: {maxReceiveCount: 9}}}
  OrdersQueue.DelaySeconds: 3
  CheckFunction: {Timeout: 25, CodeUri: here, Environment: {Variables: {LOG_LEVEL: TRACE, NEW: !Ref Stage}}}
  CheckFunctionOrders: {FilterCriteria: null, BatchSize: 7}
  Extra: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1}}
""",
    )
    loaded = load(path)
    found = loaded.resources
    queue, check = found.queues["OrdersQueue"], found.functions["CheckFunction"]
    assert (queue.VisibilityTimeout, queue.DelaySeconds, queue.RedrivePolicy.maxReceiveCount) == (200, 3, 9)
    assert found.dead_letter_queue_of(queue) is found.queues["OrdersDeadLetters"]
    assert (check.Timeout, check.CodeUri) == (25, str(tmp_path / "here"))
    assert check.Environment.Variables["LOG_LEVEL"] == "TRACE"
    assert check.Environment.Variables["NEW"] == "prod"
    assert check.Environment.Variables["TABLE"] == "OrdersTable"
    mapping = found.mappings["CheckFunctionOrders"]
    assert (mapping.patterns, mapping.BatchSize, mapping.maximum_concurrency) == ((), 7, 10)
    assert found.queues["Extra"].DelaySeconds == 1
    assert found.functions["ShipFunction"].FunctionName == "ship-prod"
    assert [Path(document.file).name for document in loaded.documents] == ["esm.yaml", "sam_globals.yaml"]


def test_the_templates_path_is_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "infra").mkdir()
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "infra" / "t.yaml").write_text(
        "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {Unknown: 1}}\n  W: {Type: AWS::Lambda::Function}\n"
    )
    write(tmp_path / "scenarios", "resources: {from: ../infra/t.yaml}\n")
    monkeypatch.chdir(tmp_path)
    loaded = load("scenarios/esm.yaml")
    assert loaded.resources.functions["W"].CodeUri == str(tmp_path / "infra")
    [warning] = loaded.warnings
    assert str(warning) == "scenarios/../infra/t.yaml:2:43: Q.Properties.Unknown: unknown key 'Unknown'; passed over"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "OrdersQeue: {DelaySeconds: 1}",
            "3:3: OrdersQeue: the template has no resource 'OrdersQeue'; did you mean 'OrdersQueue'?",
        ),
        (
            "OrdersQueue.DelaySecond: 1",
            "3:3: OrdersQueue.DelaySecond: unknown key 'DelaySecond'; did you mean 'DelaySeconds'?",
        ),
        ("OrdersQueue: {DelaySecond: 1}", "3:17: OrdersQueue.DelaySecond: unknown key 'DelaySecond'; did you mean"),
        ("OrdersQueue: {Properties: {DelaySecond: 1}}", "3:30: OrdersQueue.Properties.DelaySecond: unknown key"),
        ("OrdersQueue: 5", "3:16: OrdersQueue: takes a mapping of properties"),
        (
            "OrdersQueue: {Type: AWS::Lambda::Function, Properties: {}}",
            "3:23: OrdersQueue.Type: 'OrdersQueue' is of type AWS::SQS::Queue, not AWS::Lambda::Function",
        ),
        (
            "OrdersQueue.DelaySeconds: 901",
            "3:29: OrdersQueue.DelaySeconds: Invalid value for the parameter DelaySeconds.",
        ),
        (
            "OrdersQueue.DelaySeconds: !Ref Nope",
            "3:29: OrdersQueue.DelaySeconds: there is no resource or parameter 'Nope'",
        ),
        (
            "OrdersQueue: {VisibilityTimeout: 5}",
            "3:36: OrdersQueue.VisibilityTimeout: Queue visibility timeout: 5 seconds",
        ),
        (
            "CheckFunction.Timeout: 126",
            "81:26: OrdersQueue.Properties.VisibilityTimeout: Queue visibility timeout: 125",
        ),
        ("Extra: {Type: AWS::SQS::Quue}", "3:17: Extra.Type: 'AWS::SQS::Quue' is not a type that is emulated"),
        ("parameters: {Stag: 1}", "3:16: parameters.Stag: the template has no parameter 'Stag'; did you mean 'Stage'?"),
        ("parameters: [1]", "3:3: parameters: takes a mapping from parameters to values"),
        ("CheckFunctionOrders.FilterCriteria.Filters.7.Pattern: x", "3:57: CheckFunctionOrders.FilterCriteria"),
    ],
)
def test_an_override_that_does_not_do(tmp_path, line, said):
    problems = wrong(overriding(tmp_path, f"  {line}\n"))
    assert len(problems) == 1
    assert problems[0].startswith(said) or f"sam_globals.yaml:{said}" in problems[0]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nope.yaml", "1:19: from: there is no file 'nope.yaml'"),
        ("[1]", "1:13: from: takes the path of a template, not [1]"),
        ("own.yaml", "1:19: from: 'own.yaml' is not a template: it has no Resources"),
    ],
)
def test_a_template_that_is_none(tmp_path, source, said):
    write(tmp_path, "resources: {}", "own.yaml")
    assert wrong(write(tmp_path, f"resources: {{from: {source}}}")) == [said]


def test_every_page_of_a_broken_template_is_told_in_its_own_place(tmp_path):
    write(tmp_path, "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: x}}\n", "t.yaml")
    path = write(tmp_path, "resources:\n  from: t.yaml\n  R: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: y}}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [(Path(problem.file).name, problem.line) for problem in caught.value.problems] == [
        ("esm.yaml", 3),
        ("t.yaml", 2),
    ]

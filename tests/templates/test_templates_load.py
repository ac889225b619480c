"""Whole templates, as people write them and as tools do, and what comes of them."""

import time
from pathlib import Path

import pytest

from esm_emulator.errors import ConfigError, RefusedByAws
from esm_emulator.resources import Rules
from esm_emulator.templates import examine, load

DATA = Path(__file__).parent / "data"
ARN = "arn:aws:sqs:us-east-1:123456789012:"
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/"


def told(loaded):
    """The warnings without the folder."""
    return [str(problem).removeprefix(f"{DATA}/") for problem in loaded.warnings]


def expected(name):
    """The warnings that are kept beside the template."""
    return (DATA / f"{name}.told").read_text().splitlines()


def test_a_sam_template_with_globals():
    loaded = load(DATA / "sam_globals.yaml")
    found = loaded.resources
    check, ship = found.functions["CheckFunction"], found.functions["ShipFunction"]
    assert told(loaded) == []
    assert (check.Handler, check.Timeout, check.MemorySize, check.Runtime) == ("check.handler", 20, 256, "python3.12")
    assert check.CodeUri == str(DATA / "src")
    assert check.Environment.Variables == {
        "STAGE": "dev",
        "TABLE": "OrdersTable",
        "LOG_LEVEL": "DEBUG",
        "DLQ_URL": f"{URL}OrdersDeadLetters",
    }
    assert (ship.FunctionName, ship.Timeout, ship.MemorySize) == ("ship-dev", 60, 256)
    assert (ship.CodeUri, ship.ReservedConcurrentExecutions) == (str(DATA / "ship"), 5)
    assert list(found.mappings) == ["CheckFunctionOrders", "ShipFunctionParcels"]
    orders, parcels = found.mappings.values()
    assert (orders.EventSourceArn, orders.BatchSize, orders.MaximumBatchingWindowInSeconds) == (
        f"{ARN}OrdersQueue",
        25,
        5,
    )
    assert (orders.maximum_concurrency, orders.reports_item_failures) == (10, True)
    assert orders.patterns == ('{"body": {"kind": ["order"]}}',)
    assert (parcels.EventSourceArn, parcels.FunctionName) == (f"{ARN}parcels-dev.fifo", "ship-dev:live")
    queue = found.queues["OrdersQueue"]
    assert found.dead_letter_queue_of(queue) is found.queues["OrdersDeadLetters"]
    assert queue.RedrivePolicy.maxReceiveCount == 5


def test_parameters_go_before_defaults():
    found = load(DATA / "sam_globals.yaml", parameters={"Stage": "prod", "BatchSize": 7}).resources
    assert found.functions["ShipFunction"].FunctionName == "ship-prod"
    assert found.mappings["CheckFunctionOrders"].BatchSize == 7


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"Stag": "x"}, "parameters.Stag: the template has no parameter 'Stag'; did you mean 'Stage'?"),
        (
            {"Stage": "test"},
            "sam_globals.yaml:6:3: Parameters.Stage: the parameter 'Stage' takes one of 'dev', 'prod', not 'test'",
        ),
    ],
)
def test_a_parameter_that_does_not_do(parameters, said):
    with pytest.raises(ConfigError) as caught:
        load(DATA / "sam_globals.yaml", parameters=parameters)
    assert str(caught.value).removeprefix(f"{DATA}/") == said


def test_a_cloudformation_template_in_json():
    loaded = load(DATA / "cfn_plain.json")
    found = loaded.resources
    assert told(loaded) == expected("cfn_plain.json")
    jobs = found.queues["Jobs"]
    assert (jobs.QueueName, jobs.DelaySeconds, jobs.VisibilityTimeout, jobs.MaximumMessageSize) == (
        "jobs",
        5,
        90,
        262_144,
    )
    assert jobs.RedrivePolicy.model_dump() == {"deadLetterTargetArn": f"{ARN}jobs-dlq", "maxReceiveCount": 3}
    assert found.queues["JobsDlq"].RedriveAllowPolicy.sourceQueueArns == (f"{ARN}jobs",)
    runner = found.functions["Runner"]
    assert runner.Environment.Variables == {"QUEUE_URL": f"{URL}jobs", "LIMIT": "10"}
    assert (runner.CodeUri, runner.DeadLetterConfig) == (str(DATA), {"TargetArn": f"{ARN}jobs-dlq"})
    assert list(found.mappings) == ["JobsToRunner"]
    assert found.mappings["JobsToRunner"].FunctionName == "Runner:prod"
    assert found.mappings["JobsToRunner"].Enabled is True


def test_a_cloudformation_template_with_every_intrinsic():
    loaded = load(DATA / "cfn_intrinsics.yaml")
    found = loaded.resources
    assert told(loaded) == expected("cfn_intrinsics.yaml")
    assert list(found.queues) == ["Work", "Dead"]
    work = found.queues["Work"]
    assert (work.QueueName, work.VisibilityTimeout, work.DelaySeconds, work.KmsMasterKeyId) == (
        "beta-queue",
        60,
        0,
        None,
    )
    assert work.RedrivePolicy.model_dump() == {"deadLetterTargetArn": f"{ARN}cfn_intrinsics-dead", "maxReceiveCount": 2}
    worker = found.functions["Worker"]
    assert (worker.FunctionName, worker.MemorySize, worker.Timeout) == ("stage-worker", 512, 30)
    assert worker.CodeUri == str(DATA / "build/worker")
    assert worker.Environment.Variables == {
        "LITERAL": "${NotThis} staging",
        "ENCODED": "c2VjcmV0",
        "COUNT": "3",
        "JSON": f'{{"queue":"{ARN}beta-queue"}}',
    }
    assert list(found.mappings) == ["Trigger", "Elsewhere"]
    assert found.mappings["Trigger"].Enabled is False
    assert found.mappings["Elsewhere"].FunctionName == "stage-worker:7"
    assert found.queue_of(found.mappings["Elsewhere"]) is None


def test_the_same_template_in_production():
    found = load(DATA / "cfn_intrinsics.yaml", parameters={"Environment": "production", "Mode": "fast"}).resources
    work = found.queues["Work"]
    assert (work.VisibilityTimeout, work.DelaySeconds, work.RedrivePolicy) == (600, 10, None)
    assert list(found.queues) == ["Work", "Dead", "OnlyInProduction"]
    assert found.functions["Worker"].Environment.Variables["OPTIONAL"] == "yes"
    assert found.mappings["Trigger"].Enabled is True


def test_a_resource_whose_condition_does_not_hold_cannot_be_named():
    """In production without a mode the queue is not created, so its mapping cannot be."""
    with pytest.raises(ConfigError) as caught:
        load(DATA / "cfn_intrinsics.yaml", parameters={"Environment": "production"})
    assert "Trigger.Properties.EventSourceArn: the resource 'Work' is not created" in str(caught.value)


def test_what_cdk_writes():
    """Code is in the asset's folder beside the template."""
    loaded = load(DATA / "cdk_synth.json")
    found = loaded.resources
    assert told(loaded) == []
    function = found.functions["Handler886CB40B"]
    assert (function.Handler, function.CodeUri) == ("index.handler", str(DATA / "asset.0d5c1f4b2e"))
    assert function.Environment.Variables == {"QUEUE_URL": f"{URL}Intake5C3A9D11", "TABLE_NAME": "intake"}
    mapping = found.mappings["HandlerSqsEventSourceIntakeStackIntake1B2C3D4E"]
    assert found.queue_of(mapping) is found.queues["Intake5C3A9D11"]
    assert (mapping.maximum_concurrency, mapping.reports_item_failures) == (5, True)
    assert found.queues["Intake5C3A9D11"].RedrivePolicy.maxReceiveCount == 4


def test_resources_that_refer_to_each_other():
    loaded = load(DATA / "cross_references.yaml")
    found = loaded.resources
    assert told(loaded) == []
    assert found.sources_of(found.queues["Shared"]) == (found.queues["First"], found.queues["Second"])
    assert (found.queues["First"].VisibilityTimeout, found.queues["Second"].VisibilityTimeout) == (60, 120)
    assert found.dead_letter_queue_of(found.queues["Lane"]) is found.queues["LaneDead"]
    assert found.queues["Lane"].RedrivePolicy.maxReceiveCount == 2
    assert found.functions["Split"].Environment.Variables["NEXT_ARN"] == f"{ARN}Second"
    assert len(found.mappings_of(found.queues["First"])) == 2
    assert found.mappings["SecondToJoin"].FunctionName == "Join:blue"
    assert found.mappings["SecondToJoin"].ProvisionedPollerConfig.MinimumPollers == 3
    assert found.mappings["LaneToSplit"].fifo


def test_conditions_in_conditions_and_those_that_cannot_be_decided():
    loaded = load(DATA / "nested_conditions.yaml")
    found = loaded.resources
    assert told(loaded) == expected("nested_conditions.yaml")
    assert list(found.queues) == ["Kept", "Perhaps", "Looping"]
    assert (found.queues["Kept"].DelaySeconds, found.queues["Kept"].VisibilityTimeout) == (2, 30)
    assert list(found.mappings) == ["FunctionA", "FunctionB"]
    assert found.mappings["FunctionB"].BatchSize == 10
    assert found.functions["Function"].Handler is None


def test_region_and_account_are_whose_the_caller_says():
    found = load(DATA / "cross_references.yaml", region="eu-west-1", account="1" * 12)
    assert found.resources.queues["First"].arn == "arn:aws:sqs:eu-west-1:111111111111:First"
    assert [problem.path for problem in found.warnings] == ["Lane.Properties.RedrivePolicy.deadLetterTargetArn"]


def write(folder, text, name="template.yaml"):
    (folder / name).write_text(text)
    return folder / name


def refused(path, **options):
    with pytest.raises((ConfigError, RefusedByAws)) as caught:
        load(path, **options)
    return type(caught.value), [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_aws_refusals_carry_their_places(tmp_path):
    """API-20, API-21: told at the property's own line and column."""
    path = write(
        tmp_path,
        """\
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 30
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 60
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Orders.Arn
            BatchSize: 100
""",
    )
    assert refused(path) == (
        RefusedByAws,
        [
            (
                "5:26: Orders.Properties.VisibilityTimeout: Queue visibility timeout: 30 seconds is less "
                "than Function timeout: 60 seconds"
            ),
            (
                "15:24: Worker.Properties.Events.Queue.Properties.BatchSize: Maximum batch window in "
                "seconds must be greater than 0 if maximum batch size is greater than 10"
            ),
        ],
    )


def test_a_timeout_from_the_globals_is_told_in_the_globals(tmp_path):
    path = write(
        tmp_path,
        """\
Globals: {Function: {Timeout: 60, Environment: {Variables: {AWS_REGION: x}}}}
Resources:
  Orders: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Serverless::Function
    Properties: {Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn}}}}
""",
    )
    kind, problems = refused(path)
    assert kind is RefusedByAws
    assert [problem[:56] for problem in problems] == [
        "1:31: Globals.Function.Timeout: Queue visibility timeout",
        "1:73: Globals.Function.Environment.Variables.AWS_REGION:",
    ]


def test_what_makes_no_sense_in_a_template_is_told_all_at_once(tmp_path):
    path = write(
        tmp_path,
        """\
Conditions: {C: !Equals [a, a]}
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties: {DelaySeconds: soon, Unknown: 1}
    Propertes: {}
  Worker: {Type: AWS::Lambda::Function, Properties: 5}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Condition: D
    Properties: {EventSourceArn: !GetAtt Ordres.Arn, FunctionName: !Ref Worker, BatchSize: 0}
  Other: 5
""",
    )
    assert refused(path) == (
        ConfigError,
        [
            "5:32: Orders.Properties.DelaySeconds: takes a whole number from 0 to 900, not 'soon'",
            "7:3: Worker: takes a mapping of properties",
            "10:16: Trigger.Condition: there is no condition 'D'",
            "11:34: Trigger.Properties.EventSourceArn: there is no resource 'Ordres'; did you mean 'Orders'?",
            (
                "11:92: Trigger.Properties.BatchSize: 1 validation error detected: Value '0' at "
                "'batchSize' failed to satisfy constraint: Member must have value greater than or equal to 1"
            ),
            "12:3: Other: takes a mapping with Type and Properties",
        ],
    )


def test_no_refusal_is_concluded_from_what_only_a_deployment_knows(tmp_path):
    path = write(
        tmp_path,
        """\
Resources:
  Orders: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !ImportValue visibility}}
  Worker: {Type: AWS::Lambda::Function, Properties: {Timeout: 600, Handler: a.b, Code: .}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker}
""",
    )
    loaded = load(path)
    assert len(loaded.warnings) == 1
    with pytest.raises(RefusedByAws):
        loaded.resources.with_property("Orders.VisibilityTimeout", 60)


def test_a_dead_letter_queue_that_is_not_in_the_template_is_left_out(tmp_path):
    policy = "{deadLetterTargetArn: 'arn:aws:sqs:us-east-1:123456789012:theirs', maxReceiveCount: 3}"
    path = write(
        tmp_path, f"Resources:\n  Orders: {{Type: AWS::SQS::Queue, Properties: {{RedrivePolicy: {policy}}}}}\n"
    )
    loaded = load(path)
    assert loaded.resources.queues["Orders"].RedrivePolicy is None
    assert [problem.message for problem in loaded.warnings] == [
        f"{ARN}theirs is not in this file, so nothing is moved to it"
    ]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("SelfManagedEventSource: {}", "it does not read an SQS queue; left out"),
        ("Queues: [q]", "it does not read an SQS queue; left out"),
        (
            "EventSourceArn: arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/s",
            "it reads dynamodb, and SQS queues are all that is emulated; left out",
        ),
    ],
)
def test_a_mapping_of_another_source_is_left_out_with_a_word(tmp_path, source, said):
    path = write(
        tmp_path,
        f"Resources:\n  W: {{Type: AWS::Lambda::Function}}\n"
        f"  M: {{Type: AWS::Lambda::EventSourceMapping, Properties: {{{source}, FunctionName: !Ref W}}}}\n",
    )
    loaded = load(path)
    assert loaded.resources.mappings == {}
    assert [problem.message for problem in loaded.warnings] == [said]


def test_what_changes_nothing_here_is_passed_over_in_silence(tmp_path):
    """Tags, roles and layers that only a deployment knows are nobody's loss."""
    path = write(
        tmp_path,
        """\
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      Tags: [{Key: team, Value: a}, {Key: cost, Value: !ImportValue cost}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Role: !ImportValue role
      Layers: [!ImportValue layer]
      Tags: {team: a, cost: !ImportValue cost}
      DeadLetterQueue: {Type: SQS, TargetArn: !ImportValue dlq}
      Unknown: !ImportValue unknown
      Environment: {Variables: {THERE: x, GONE: !Ref AWS::NoValue}}
      Events:
        Timer: {Type: Schedule, Properties: {Schedule: !ImportValue schedule}}
  Tagged: {Type: AWS::SQS::Queue, Properties: {Tags: !ImportValue tags}}
""",
    )
    loaded = load(path)
    found = loaded.resources
    assert loaded.warnings == ()
    assert [tag.Key for tag in found.queues["Orders"].Tags] == ["team"]
    assert [tag.Key for tag in found.functions["Worker"].Tags] == ["team"]
    assert found.queues["Tagged"].Tags == ()
    assert found.functions["Worker"].DeadLetterConfig is not None
    assert found.functions["Worker"].Environment.Variables == {"THERE": "x"}


def test_events_that_make_no_sense_are_told_in_their_places(tmp_path):
    path = write(
        tmp_path,
        """\
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        NoType: {Properties: {}}
        NoQueue: {Type: SQS, Properties: 5}
        NoSuch: {Type: SQS, Properties: {Queue: !GetAtt Nothing.Arn, BatchSize: 0}}
""",
    )
    assert refused(path) == (
        ConfigError,
        [
            "6:9: Worker.Properties.Events.NoType: 'Type' is missing",
            "7:42: Worker.Properties.Events.NoQueue.Properties: takes a mapping of properties",
            "8:49: Worker.Properties.Events.NoSuch.Properties.Queue: there is no resource 'Nothing'",
            f"8:81: Worker.Properties.Events.NoSuch.Properties.BatchSize: {TOO_SMALL}",
        ],
    )


LETTERS = "which takes letters, digits, - and _"
TOO_SMALL = (
    "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: "
    "Member must have value greater than or equal to 1"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Parameters: [a]\nResources: {}", "1:1: Parameters: takes a mapping"),
        ("Parameters: {A: 5}\nResources: {}", "1:17: Parameters.A: takes a mapping with Type"),
        ("Resources: []", "1:1: Resources: takes a mapping"),
        ("Resources:\n  a.b: {Type: AWS::SQS::Queue}", "2:3: a.b: 'a.b' is not a logical id, " + LETTERS),
    ],
)
def test_sections_that_make_no_sense(tmp_path, text, said):
    assert refused(write(tmp_path, text)) == (ConfigError, [said])


def test_parameters_are_lists_and_booleans_as_their_types_say(tmp_path):
    path = write(
        tmp_path,
        """\
Parameters:
  Names: {Type: CommaDelimitedList, Default: ""}
  Numbers: {Type: List<Number>, Default: "1, 2"}
  Flag: {Type: String, Default: true}
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Join ["-", [a, !Join ["", !Ref Names], !Select [1, !Ref Numbers], !Ref Flag]]
""",
    )
    assert load(path).resources.queues["Orders"].QueueName == "a--2-true"


def test_a_condition_that_cannot_be_decided_on_something_else_is_nobodys_business(tmp_path):
    path = write(
        tmp_path,
        "Parameters: {P: {Type: String}}\nConditions: {C: !Equals [!Ref P, a]}\n"
        "Resources: {T: {Type: AWS::DynamoDB::Table, Condition: C}}\n",
    )
    assert load(path).warnings == ()


def test_the_rules_are_passed_on(tmp_path):
    path = write(tmp_path, "Resources: {}")
    rules = Rules(filters_most=10)
    assert load(path, rules=rules).resources.rules is rules


def test_two_hundred_resources_load_in_no_time(tmp_path):
    """Far below the 0.3 s that is promised; counted in processor time, whatever else runs."""
    blocks = [
        f"""
  Queue{i}: {{Type: AWS::SQS::Queue, Properties: {{VisibilityTimeout: !If [A, 180, 60],
    RedrivePolicy: {{deadLetterTargetArn: !GetAtt Dlq{i}.Arn, maxReceiveCount: 5}}}}}}
  Dlq{i}: {{Type: AWS::SQS::Queue}}
  Table{i}: {{Type: AWS::DynamoDB::Table}}
  Function{i}:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 30
      Environment: {{Variables: {{QUEUE: !Ref Queue{i}}}}}
      Events: {{Q: {{Type: SQS, Properties: {{Queue: !GetAtt Queue{i}.Arn}}}}}}"""
        for i in range(50)
    ]
    path = write(tmp_path, "Conditions: {A: !Equals [a, a]}\nResources:" + "".join(blocks))
    begun = time.process_time()
    loaded = load(path)
    assert time.process_time() - begun < 0.3
    assert len(loaded.resources.mappings) == 50


LOOPED = """\
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Queues:
    - Name
    - [Orders, Parcels]
    - ${Name}Queue: {Type: AWS::SQS::Queue}
  Worker: {Type: AWS::Lambda::Function}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt OrdersQueue.Arn, FunctionName: !Ref Worker}
"""


def test_a_name_that_a_loop_or_a_macro_may_add_is_not_called_wrong(tmp_path):
    loaded = load(write(tmp_path, LOOPED))
    loop, reference = [str(problem).partition(": ")[2] for problem in loaded.warnings]
    assert loop == "Fn::ForEach::Queues: Fn::ForEach::Queues is not worked out; its resources are left out"
    assert reference.endswith("no resource 'OrdersQueue', unless a macro adds it; the mapping is left out")


def test_a_macro_is_told_and_those_of_aws_that_add_nothing_here_are_not(tmp_path):
    text = LOOPED.replace("Transform: AWS::LanguageExtensions", "Transform: [AWS::LanguageExtensions, {Name: Ours}]")
    [first, *_] = load(write(tmp_path, text)).warnings
    assert str(first).endswith("1:38: Transform.1: the macro 'Ours' is not worked out; what it adds is left out")


def test_the_same_name_without_a_macro_is_wrong(tmp_path):
    text = LOOPED.replace("Fn::ForEach::Queues:", "Queues:").replace("    - ", "    # ")
    with pytest.raises(ConfigError, match="there is no resource 'OrdersQueue'"):
        load(write(tmp_path, text))


def test_a_mapping_of_a_stream_reads_no_queue(tmp_path):
    """Both kinds of stream are named, whatever their ARNs will be."""
    path = write(
        tmp_path,
        """\
Resources:
  Worker: {Type: AWS::Lambda::Function}
  Table: {Type: AWS::DynamoDB::Table}
  Clicks: {Type: AWS::Kinesis::Stream}
  OfTable:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Table.StreamArn, FunctionName: !Ref Worker, StartingPosition: LATEST}
  OfClicks:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Clicks.Arn, FunctionName: !Ref Worker, StartingPosition: LATEST}
""",
    )
    loaded = load(path)
    assert not loaded.resources.mappings
    assert [str(problem).rpartition(": ")[2] for problem in loaded.warnings] == [
        "it reads dynamodb, and SQS queues are all that is emulated; left out",
        "it reads kinesis, and SQS queues are all that is emulated; left out",
    ]


IMPORTED = """\
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties: {Events: {Jobs: {Type: SQS, Properties: {Queue: !ImportValue q}}}}
  Orders: {Type: AWS::SQS::Queue}
  Queue:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !ImportValue q, FunctionName: !Ref Worker}
  Function:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !ImportValue f}
  Stream:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !ImportValue s, FunctionName: !Ref Worker, StartingPosition: LATEST}
"""


def test_a_mapping_whose_queue_or_function_is_imported_is_kept_for_who_only_looks(tmp_path):
    """A stream's is not: what makes it one is written on it."""
    path = write(tmp_path, IMPORTED)
    assert not load(path).resources.mappings
    kept = examine(path, partial=True)
    assert list(kept.resources.mappings) == ["WorkerJobs", "Queue", "Function"]
    assert [problem.message.rpartition("; ")[2] for problem in kept.warnings] == [
        "what depends on it is not checked",
        "what depends on it is not checked",
        "what depends on it is not checked",
        "the mapping is left out",
    ]

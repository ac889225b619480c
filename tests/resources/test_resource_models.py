"""AWS's names, defaults and limits of queues, functions and mappings."""

import pytest

from esm_emulator.errors import RefusedByAws
from esm_emulator.resources import EventSourceMapping, Function, Queue, Resources, function_arn, queue_arn

QUEUE, FUNCTION, MAPPING = "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"


def one_of_each(**properties):
    """A queue, a function and a mapping, with properties for some of them."""
    return {
        "Orders": {"Type": QUEUE, "Properties": properties.get("Orders", {})},
        "Worker": {"Type": FUNCTION, "Properties": properties.get("Worker", {})},
        "Trigger": {
            "Type": MAPPING,
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker", **properties.get("Trigger", {})},
        },
    }


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("QueueName", "Orders"),
        ("FifoQueue", False),
        ("VisibilityTimeout", 30),
        ("DelaySeconds", 0),
        ("MessageRetentionPeriod", 345_600),
        ("ReceiveMessageWaitTimeSeconds", 0),
        ("MaximumMessageSize", 1_048_576),
        ("RedrivePolicy", None),
        ("RedriveAllowPolicy", None),
        ("ContentBasedDeduplication", False),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
        ("KmsDataKeyReusePeriodSeconds", 300),
    ],
)
def test_a_queue_has_sqs_defaults(name, default):
    """SQS-2 … 5, SQS-8, SQS-18: what a queue is when nothing is said of it."""
    assert getattr(Resources.parse({"Orders": {"Type": QUEUE}}).queues["Orders"], name) == default


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("FunctionName", "Worker"),
        ("Handler", None),
        ("Timeout", 3),
        ("MemorySize", 128),
        ("ReservedConcurrentExecutions", None),
        ("RecursiveLoop", "Terminate"),
    ],
)
def test_a_function_has_lambdas_defaults(name, default):
    """RUN-1, RUN-2: what a function is when nothing is said of it."""
    assert getattr(Resources.parse({"Worker": {"Type": FUNCTION}}).functions["Worker"], name) == default


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("Enabled", True),
        ("BatchSize", 10),
        ("MaximumBatchingWindowInSeconds", 0),
        ("FilterCriteria", None),
        ("FunctionResponseTypes", ()),
        ("ScalingConfig", None),
        ("ProvisionedPollerConfig", None),
    ],
)
def test_a_mapping_has_lambdas_defaults(name, default):
    """BATCH-1, BATCH-3, PBR-1, CONC-1: what a mapping is when nothing is said of it."""
    assert getattr(Resources.parse(one_of_each()).mappings["Trigger"], name) == default


def test_provisioned_mode_has_its_defaults():
    """PROV-2, PROV-3: 2 to 200 pollers."""
    resources = Resources.parse(one_of_each(Trigger={"ProvisionedPollerConfig": {"MinimumPollers": 3}}))
    config = resources.mappings["Trigger"].ProvisionedPollerConfig
    assert (config.MinimumPollers, config.MaximumPollers) == (3, 200)


LIMITS = [
    ("Orders", "VisibilityTimeout", 3, 43_200, "SQS-2"),  # 3 is the function's timeout; 0 by itself is below
    ("Orders", "DelaySeconds", 0, 900, "SQS-3"),
    ("Orders", "MessageRetentionPeriod", 60, 1_209_600, "SQS-4"),
    ("Orders", "ReceiveMessageWaitTimeSeconds", 0, 20, "SQS-5"),
    ("Orders", "MaximumMessageSize", 1_024, 1_048_576, "SQS-8"),
    ("Orders", "KmsDataKeyReusePeriodSeconds", 60, 86_400, "SQS-18"),
    ("Worker", "Timeout", 1, 30, "RUN-1"),
    ("Worker", "MemorySize", 128, 10_240, "RUN-2"),
    ("Worker", "ReservedConcurrentExecutions", 0, 10**9, "API-16"),
    ("Trigger", "BatchSize", 1, 10, "BATCH-1"),
    ("Trigger", "MaximumBatchingWindowInSeconds", 0, 300, "BATCH-3"),
    ("Trigger", "ScalingConfig.MaximumConcurrency", 2, 1000, "API-35"),
    ("Trigger", "ProvisionedPollerConfig.MinimumPollers", 2, 200, "PROV-3"),
    ("Trigger", "ProvisionedPollerConfig.MaximumPollers", 2, 10_000, "PROV-3"),
]


def nested(path, value):
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


@pytest.mark.parametrize(("id_", "path", "least", "most"), [limit[:4] for limit in LIMITS])
def test_a_value_at_its_limit_is_taken_as_number_or_as_text(id_, path, least, most):
    """SQS-2 … 8, RUN-1, RUN-2, BATCH-1, BATCH-3, CONC-1, PROV-2, PROV-3; templates write numbers as text too."""
    for value in (least, most, str(least)):
        resource = Resources.parse(one_of_each(**{id_: nested(path, value)}))[id_]
        for name in path.split("."):
            resource = getattr(resource, name)
        assert resource == int(value)


@pytest.mark.parametrize(
    ("id_", "path", "value", "clause"),
    [
        *[(id_, path, most + 1, clause) for id_, path, _, most, clause in LIMITS if id_ == "Orders"],
        ("Orders", "VisibilityTimeout", -1, "SQS-2"),
        ("Orders", "DelaySeconds", -1, "SQS-3"),
        ("Orders", "MessageRetentionPeriod", 59, "SQS-4"),
        ("Orders", "ReceiveMessageWaitTimeSeconds", -1, "SQS-5"),
        ("Orders", "MaximumMessageSize", 1_023, "SQS-8"),
        ("Worker", "Timeout", 0, "RUN-1"),
        ("Worker", "Timeout", 901, "RUN-1"),
        ("Worker", "MemorySize", 127, "RUN-2"),
        ("Worker", "MemorySize", 10_241, "RUN-2"),
        ("Worker", "ReservedConcurrentExecutions", -1, "API-16"),
        ("Trigger", "BatchSize", 0, "BATCH-1"),
        ("Trigger", "BatchSize", 10_001, "BATCH-1"),
        ("Trigger", "MaximumBatchingWindowInSeconds", -1, "BATCH-3"),
        ("Trigger", "MaximumBatchingWindowInSeconds", 301, "BATCH-3"),
        ("Trigger", "ScalingConfig.MaximumConcurrency", 1, "API-35"),
        ("Trigger", "ScalingConfig.MaximumConcurrency", 1001, "API-35"),
        ("Trigger", "ProvisionedPollerConfig.MinimumPollers", 0, "PROV-3"),
        ("Trigger", "ProvisionedPollerConfig.MinimumPollers", 201, "PROV-3"),
        ("Trigger", "ProvisionedPollerConfig.MaximumPollers", 10_001, "PROV-3"),
    ],
)
def test_a_value_outside_its_limits_is_refused(id_, path, value, clause):
    """The same clauses: one step outside is AWS's refusal and nothing else."""
    with pytest.raises(RefusedByAws) as caught:
        Resources.parse(one_of_each(**{id_: nested(path, value)}))
    [problem] = caught.value.problems
    assert (problem.clause, problem.path) == (clause, f"{id_}.Properties.{path}")


def test_a_fifo_queue_is_named_after_its_id_with_the_suffix():
    """FIFO-22: the default name of a FIFO queue ends in .fifo."""
    queue = Resources.parse({"Lane": {"Type": QUEUE, "Properties": {"FifoQueue": "true"}}}).queues["Lane"]
    assert (queue.QueueName, queue.FifoQueue) == ("Lane.fifo", True)
    assert queue.arn == "arn:aws:sqs:us-east-1:123456789012:Lane.fifo"


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_arns_name_region_account_and_partition(region, partition):
    resources = Resources.parse(one_of_each(), region=region, account="1" * 12)
    assert resources.queues["Orders"].arn == f"arn:{partition}:sqs:{region}:111111111111:Orders"
    assert resources.functions["Worker"].arn == f"arn:{partition}:lambda:{region}:111111111111:function:Worker"
    assert resources.mappings["Trigger"].EventSourceArn == resources.queues["Orders"].arn


@pytest.mark.parametrize("empty", ["", {}])
def test_an_empty_policy_is_no_policy(empty):
    """DLQ-12: "" removes a redrive policy."""
    assert Resources.parse(one_of_each(Orders={"RedrivePolicy": empty})).queues["Orders"].RedrivePolicy is None


@pytest.mark.parametrize("name", ["ScalingConfig", "ProvisionedPollerConfig", "FilterCriteria"])
def test_an_empty_structure_clears_it(name):
    """CONC-2, PROV-9, FILT-4: {} is the same as nothing."""
    assert getattr(Resources.parse(one_of_each(Trigger={name: {}})).mappings["Trigger"], name) is None


def test_an_empty_list_of_filters_delivers_everything():
    """FILT-4: {"Filters": []} is accepted."""
    mapping = Resources.parse(one_of_each(Trigger={"FilterCriteria": {"Filters": []}})).mappings["Trigger"]
    assert mapping.patterns == ()


def test_a_policy_may_be_json_text_with_digits():
    """DLQ-12: string digits are accepted for maxReceiveCount."""
    text = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:Dlq", "maxReceiveCount": "42"}'
    resources = Resources.parse({**one_of_each(Orders={"RedrivePolicy": text}), "Dlq": {"Type": QUEUE}})
    assert resources.queues["Orders"].RedrivePolicy.maxReceiveCount == 42
    assert resources.dead_letter_queue_of(resources.queues["Orders"]) is resources.queues["Dlq"]


def test_environment_variables_become_text():
    variables = {"COUNT": 3, "RATIO": 0.5, "DEBUG": True, "NAME": "x"}
    function = Resources.parse(one_of_each(Worker={"Environment": {"Variables": variables}})).functions["Worker"]
    assert function.Environment.Variables == {"COUNT": "3", "RATIO": "0.5", "DEBUG": "true", "NAME": "x"}


@pytest.mark.parametrize("tags", [[{"Key": "team", "Value": "a"}], {"team": "a"}])
def test_tags_are_a_list_or_a_mapping(tags):
    resources = Resources.parse(one_of_each(Orders={"Tags": tags}))
    assert [(tag.Key, tag.Value) for tag in resources.queues["Orders"].Tags] == [("team", "a")]


def test_what_aws_has_and_the_emulator_does_not_act_on_is_taken():
    properties = {"Role": "arn:aws:iam::123456789012:role/r", "VpcConfig": {}, "Layers": [], "Architectures": ["arm64"]}
    assert Resources.parse(one_of_each(Worker=properties)).functions["Worker"].Timeout == 3


def test_a_mapping_tells_what_others_ask_of_it():
    mapping = EventSourceMapping(
        id="T",
        EventSourceArn=queue_arn("Lane.fifo"),
        FunctionName="Worker:live",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 7},
        FilterCriteria={"Filters": [{"Pattern": "{}"}]},
    )
    assert mapping.fifo
    assert mapping.reports_item_failures
    assert mapping.maximum_concurrency == 7
    assert mapping.patterns == ("{}",)
    assert mapping.function_arn == function_arn("Worker:live")


def test_resources_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Queue(id="Orders").VisibilityTimeout = 3


def test_models_can_be_made_without_a_file():
    resources = Resources({"Orders": Queue(id="Orders")}, {"Worker": Function(id="Worker", Handler="app.handler")})
    assert resources.with_property("Orders.DelaySeconds", 5).queues["Orders"].DelaySeconds == 5
    assert resources.functions["Worker"].CodeUri == "."

"""What AWS refuses at creation, word for word; one table for each clause."""

import pytest

from esm_emulator.errors import ConfigError, InvalidFilterPattern, RefusedByAws
from esm_emulator.resources import Resources, Rules

QUEUE, FUNCTION, MAPPING = "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"
UNRECORDED = "(AWS's own words for this are not recorded)"
NEEDS_WINDOW = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
ARN = "arn:aws:sqs:us-east-1:123456789012:"


def block(type_, **properties):
    return {"Type": type_, "Properties": properties}


def standard(trigger=None, orders=None, worker=None, **more):
    return {
        "Orders": block(QUEUE, **(orders or {})),
        "Worker": block(FUNCTION, **(worker or {})),
        "Trigger": block(MAPPING, **{"EventSourceArn": "Orders", "FunctionName": "Worker", **(trigger or {})}),
        **more,
    }


def fifo(trigger=None, **orders):
    return standard(trigger, {"FifoQueue": True, **orders})


def refused(resources, rules=None):
    """(path, sentence, clause) of every refusal."""
    with pytest.raises(RefusedByAws) as caught:
        Resources.parse(resources, rules=rules)
    assert caught.value.exit_code == 3
    return [(problem.path, problem.message, problem.clause) for problem in caught.value.problems]


def violation(value, member, constraint):
    where = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint"
    return f"{where}: Member must {constraint}"


# --- shapes


@pytest.mark.parametrize(
    ("resources", "path", "sentence", "clause"),
    [
        (
            standard({"BatchSize": 0}),
            "Trigger.Properties.BatchSize",
            violation(0, "batchSize", "have value greater than or equal to 1"),
            "BATCH-1",
        ),
        (
            standard({"BatchSize": 10_001, "MaximumBatchingWindowInSeconds": 1}),
            "Trigger.Properties.BatchSize",
            violation(10_001, "batchSize", "have value less than or equal to 10000"),
            "BATCH-1",
        ),
        (
            standard({"MaximumBatchingWindowInSeconds": 301}),
            "Trigger.Properties.MaximumBatchingWindowInSeconds",
            violation(301, "maximumBatchingWindowInSeconds", "have value less than or equal to 300"),
            "BATCH-3",
        ),
        (
            standard({"FilterCriteria": {"Filters": [{"Pattern": "{}"}, {"Pattern": "x" * 4097}]}}),
            "Trigger.Properties.FilterCriteria.Filters.1.Pattern",
            violation(
                "x" * 117 + "...", "filterCriteria.filters.2.member.pattern", "have length less than or equal to 4096"
            ),
            "FILT-3",
        ),
        (
            standard({"FunctionResponseTypes": ["ReportBatchItemFailure"]}),
            "Trigger.Properties.FunctionResponseTypes.0",
            violation(
                "[ReportBatchItemFailure]",
                "functionResponseTypes",
                "satisfy constraint: [Member must satisfy enum value set: [ReportBatchItemFailures]]",
            ),
            "PBR-1",
        ),
        (
            standard(worker={"Timeout": 901}),
            "Worker.Properties.Timeout",
            violation(901, "timeout", "have value less than or equal to 900"),
            "RUN-1",
        ),
        (
            standard(worker={"MemorySize": 64}),
            "Worker.Properties.MemorySize",
            violation(64, "memorySize", "have value greater than or equal to 128"),
            "RUN-2",
        ),
        (
            standard(worker={"FunctionName": "no spaces"}),
            "Worker.Properties.FunctionName",
            violation("no spaces", "functionName", "satisfy regular expression pattern: [a-zA-Z0-9-_]*"),
            "API-16",
        ),
        (
            standard(worker={"FunctionName": "n" * 65}),
            "Worker.Properties.FunctionName",
            violation("n" * 65, "functionName", "have length less than or equal to 64"),
            "API-16",
        ),
    ],
)
def test_a_value_out_of_shape_is_refused_in_lambdas_form(resources, path, sentence, clause):
    """API-16: length, range and choice are a ValidationException that names the member in camel case."""
    assert refused(resources) == [(path, sentence, clause)]


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("VisibilityTimeout", 43_201, "0 to 43200"),
        ("DelaySeconds", 901, "0 to 900"),
        ("MessageRetentionPeriod", 59, "60 to 1209600"),
        ("ReceiveMessageWaitTimeSeconds", 21, "0 to 20"),
        ("MaximumMessageSize", 1_048_577, "1024 to 1048576"),
    ],
)
def test_an_attribute_out_of_range_is_refused_in_sqs_words(name, value, range_):
    """SQS-2 … 5, SQS-8: SQS names the attribute, and we say what it would take."""
    [(path, sentence, _)] = refused(standard(orders={name: value}))
    assert path == f"Orders.Properties.{name}"
    assert sentence == f"Invalid value for the parameter {name}. (It takes a whole number from {range_}, not {value}.)"


# --- queues


@pytest.mark.parametrize(
    ("name", "is_fifo", "clause"),
    [
        ("orders", True, "FIFO-22"),
        ("orders.fifo.fifo", True, "FIFO-22"),
        ("o" * 76 + ".fifo", True, "FIFO-22"),
        ("orders.fifo", False, "FIFO-22"),
        ("two words", False, "SQS-15"),
        ("o" * 81, False, "SQS-15"),
        ("a.b", False, "SQS-15"),
    ],
)
def test_a_queue_name_that_does_not_do(name, is_fifo, clause):
    """FIFO-22, SQS-15: 80 letters, digits, - and _, ending in .fifo for FIFO queues and only for them."""
    sentence = (
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
        "must end with .fifo suffix and be 1 to 80 in length."
        if is_fifo
        else "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    )
    expected = [("Orders.Properties.QueueName", sentence, clause)]
    assert refused({"Orders": block(QUEUE, QueueName=name, FifoQueue=is_fifo)}) == expected


@pytest.mark.parametrize("name", ["o" * 75 + ".fifo", "a_b-1.fifo"])
def test_a_fifo_name_that_does(name):
    """FIFO-22: the suffix counts towards the 80 characters."""
    assert Resources.parse({"Orders": block(QUEUE, QueueName=name, FifoQueue=True)}).queues["Orders"].QueueName == name


@pytest.mark.parametrize(
    ("name", "value", "sentence", "clause"),
    [
        ("ContentBasedDeduplication", True, "Unknown Attribute ContentBasedDeduplication.", "FIFO-14"),
        (
            "DeduplicationScope",
            "queue",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
            "FIFO-15",
        ),
        (
            "FifoThroughputLimit",
            "perQueue",
            "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
            "FIFO-20",
        ),
    ],
)
def test_a_standard_queue_has_no_fifo_attributes(name, value, sentence, clause):
    """FIFO-14, FIFO-15, FIFO-20: SQS's own words (contract 11.3)."""
    assert refused({"Orders": block(QUEUE, **{name: value})}) == [(f"Orders.Properties.{name}", sentence, clause)]


def test_a_fifo_attribute_that_is_off_is_let_be():
    queue = Resources.parse({"Orders": block(QUEUE, FifoQueue=False, ContentBasedDeduplication="false")}).queues[
        "Orders"
    ]
    assert not queue.ContentBasedDeduplication


def test_high_throughput_needs_deduplication_by_group():
    """FIFO-20: perMessageGroupId goes with DeduplicationScope messageGroup."""
    sentence = (
        "Invalid value for the parameter FifoThroughputLimit. Reason: To set FifoThroughputLimit to "
        "perMessageGroupId, the DeduplicationScope must be messageGroup."
    )
    resources = {"Lane": block(QUEUE, FifoQueue=True, FifoThroughputLimit="perMessageGroupId")}
    assert refused(resources) == [("Lane.Properties.FifoThroughputLimit", sentence, "FIFO-20")]
    resources["Lane"]["Properties"]["DeduplicationScope"] = "messageGroup"
    assert Resources.parse(resources).queues["Lane"].FifoThroughputLimit == "perMessageGroupId"


def test_two_kinds_of_encryption_exclude_each_other():
    """SQS-17: KMS or SQS's own, not both."""
    sentence = (
        "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
    )
    resources = {"Orders": block(QUEUE, KmsMasterKeyId="alias/aws/sqs", SqsManagedSseEnabled=True)}
    assert refused(resources) == [("Orders.Properties.SqsManagedSseEnabled", sentence, "SQS-17")]


def test_two_queues_cannot_have_one_name():
    sentence = "A queue already exists with the same name and a different value for attribute DelaySeconds"
    resources = {"A": block(QUEUE, QueueName="q"), "B": block(QUEUE, QueueName="q", DelaySeconds=1)}
    assert refused(resources) == [("B.Properties.QueueName", sentence, "SQS-15")]
    resources["B"]["Properties"].pop("DelaySeconds")
    assert refused(resources) == [("B.Properties.QueueName", f"A and B are both named 'q' {UNRECORDED}", "SQS-15")]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"maxReceiveCount": 3}, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        ({"deadLetterTargetArn": "Dlq"}, "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        *[
            (
                {"deadLetterTargetArn": "Dlq", "maxReceiveCount": count},
                f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive.",
            )
            for count in ("invalid", 0, 1001, -1, 1.5)
        ],
    ],
)
def test_a_redrive_policy_needs_a_queue_and_a_count(policy, reason):
    """DLQ-12, DLQ-13: both, and the count an integer from 1 to 1,000."""
    [(path, sentence, clause)] = refused(standard(orders={"RedrivePolicy": policy}, Dlq=block(QUEUE)))
    assert (path, clause) == ("Orders.Properties.RedrivePolicy", "DLQ-12")
    assert sentence.startswith("Value {")
    assert sentence.endswith(f"}} for parameter RedrivePolicy is invalid. Reason: {reason}")


@pytest.mark.parametrize("count", [1, 1000, "42"])
def test_a_redrive_policy_that_does(count):
    """DLQ-12: string digits are accepted."""
    policy = {"deadLetterTargetArn": "Dlq", "maxReceiveCount": count}
    resources = Resources.parse(standard(orders={"RedrivePolicy": policy}, Dlq=block(QUEUE)))
    assert resources.queues["Orders"].RedrivePolicy.maxReceiveCount == int(count)


@pytest.mark.parametrize(
    ("target", "is_fifo", "reason"),
    [
        ("Dlq", True, "Dead-letter queue must be same type of queue as the source.."),
        ("arn:aws:sqs:eu-west-1:123456789012:Dlq", False, "Dead-letter target owner should be same as the source."),
        ("arn:aws:sqs:us-east-1:999999999999:Dlq", False, "Dead-letter target owner should be same as the source."),
        (f"{ARN}nothing", False, "Dead letter target does not exist."),
        ("arn:aws:sns:us-east-1:123456789012:Dlq", False, "Invalid value for deadLetterTargetArn."),
    ],
)
def test_a_dead_letter_queue_is_there_of_the_same_type_account_and_region(target, is_fifo, reason):
    """DLQ-5: and SQS says which of these it is not."""
    policy = {"deadLetterTargetArn": target, "maxReceiveCount": 3}
    arn = f"{ARN}Dlq" if target == "Dlq" else target
    sentence = (
        f'Value {{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}} for parameter RedrivePolicy is invalid. '
        f"Reason: {reason}"
    )
    resources = {"Orders": block(QUEUE, FifoQueue=is_fifo, RedrivePolicy=policy), "Dlq": block(QUEUE)}
    assert refused(resources) == [("Orders.Properties.RedrivePolicy.deadLetterTargetArn", sentence, "DLQ-5")]


@pytest.mark.parametrize(
    "policy",
    [{"redrivePermission": "byQueue"}, {"redrivePermission": "denyAll", "sourceQueueArns": [f"{ARN}Orders"]}],
)
def test_source_queues_go_with_by_queue_and_only_with_it(policy):
    """DLQ-11."""
    sentence = f"sourceQueueArns goes with redrivePermission byQueue, and only with it {UNRECORDED}"
    resources = {"Dlq": block(QUEUE, RedriveAllowPolicy=policy)}
    assert refused(resources) == [("Dlq.Properties.RedriveAllowPolicy", sentence, "DLQ-11")]


def test_by_queue_names_at_most_ten_queues():
    """DLQ-11."""
    policy = {"redrivePermission": "byQueue", "sourceQueueArns": [f"{ARN}q{i}" for i in range(11)]}
    [(path, sentence, clause)] = refused({"Dlq": block(QUEUE, RedriveAllowPolicy=policy)})
    assert (path, clause) == ("Dlq.Properties.RedriveAllowPolicy.sourceQueueArns", "DLQ-11")
    assert sentence.startswith("Invalid value for the parameter RedriveAllowPolicy. (It takes at most 10 items")


# --- functions


def test_two_functions_cannot_have_one_name():
    resources = {"A": block(FUNCTION, FunctionName="f"), "B": block(FUNCTION, FunctionName="f")}
    assert refused(resources) == [("B.Properties.FunctionName", "Function already exist: f", "API-16")]


def test_lambdas_own_variables_cannot_be_set():
    """RUN-10: reserved names."""
    resources = standard(worker={"Environment": {"Variables": {"AWS_REGION": "x", "MINE": "y"}}})
    sentence = (
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "contains reserved keys that are currently not supported for modification. "
        "Reserved keys used in this request: AWS_REGION"
    )
    assert refused(resources) == [("Worker.Properties.Environment.Variables.AWS_REGION", sentence, "RUN-10")]


def test_variables_take_four_kilobytes_at_most():
    """RUN-2."""
    [(path, sentence, clause)] = refused(standard(worker={"Environment": {"Variables": {"BIG": "x" * 4096}}}))
    assert (path, clause) == ("Worker.Properties.Environment.Variables", "RUN-2")
    assert "exceeded the 4KB limit. String measured: {" in sentence
    assert Resources.parse(standard(worker={"Environment": {"Variables": {"BIG": "x" * 4086}}}))


# --- mappings


@pytest.mark.parametrize(
    ("orders", "worker", "path"),
    [
        ({"VisibilityTimeout": 30}, {"Timeout": 60}, "Orders.Properties.VisibilityTimeout"),
        ({}, {"Timeout": 60}, "Worker.Properties.Timeout"),
    ],
)
def test_a_visibility_timeout_below_the_functions_timeout(orders, worker, path):
    """API-20: AWS's sentence, where the shorter of the two was written."""
    sentence = "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"
    assert refused(standard(orders=orders, worker=worker)) == [(path, sentence, "API-20")]


@pytest.mark.parametrize(("visibility", "timeout"), [(60, 60), (61, 60), (900, 900)])
def test_a_visibility_timeout_that_covers_the_function(visibility, timeout):
    """API-20: equal is enough."""
    assert Resources.parse(standard(orders={"VisibilityTimeout": visibility}, worker={"Timeout": timeout}))


def test_a_visibility_timeout_without_a_mapping_is_nobodys_business():
    """API-20: the check is the mapping's."""
    resources = standard(orders={"VisibilityTimeout": 0})
    del resources["Trigger"]
    assert Resources.parse(resources).queues["Orders"].VisibilityTimeout == 0


@pytest.mark.parametrize("size", [11, 10_000])
def test_a_batch_above_ten_needs_a_window(size):
    """API-21, BATCH-2."""
    assert refused(standard({"BatchSize": size})) == [("Trigger.Properties.BatchSize", NEEDS_WINDOW, "API-21")]
    assert Resources.parse(standard({"BatchSize": size, "MaximumBatchingWindowInSeconds": 1}))


def test_a_fifo_queue_takes_no_window():
    """API-22, BATCH-4."""
    sentence = "Batching window is not supported for FIFO queues"
    path = "Trigger.Properties.MaximumBatchingWindowInSeconds"
    assert refused(fifo({"MaximumBatchingWindowInSeconds": 5})) == [(path, sentence, "API-22")]


def test_a_fifo_queue_takes_an_explicit_window_of_nothing():
    """BATCH-4: an explicit 0 is accepted."""
    assert Resources.parse(fifo({"MaximumBatchingWindowInSeconds": 0}))


def test_a_fifo_queue_takes_batches_of_ten_at_most():
    """API-23: AWS's words of today are not recorded."""
    sentence = f"a FIFO queue takes a batch size from 1 to 10, not 11 {UNRECORDED}"
    assert refused(fifo({"BatchSize": 11})) == [("Trigger.Properties.BatchSize", sentence, "API-23")]
    assert Resources.parse(fifo({"BatchSize": 10}))


def test_fifo_rules_hold_for_a_queue_elsewhere_too():
    """API-22: the name in the ARN tells."""
    resources = standard({"EventSourceArn": f"{ARN}theirs.fifo", "MaximumBatchingWindowInSeconds": 5})
    assert [clause for _, _, clause in refused(resources)] == ["API-22"]


def test_one_mapping_for_each_queue_and_function():
    """API-24: recorded, with its spaces; the logical id stands where AWS has the UUID."""
    again = block(MAPPING, EventSourceArn=f"{ARN}Orders", FunctionName="Worker", BatchSize=1)
    sentence = (
        f'An event source mapping with SQS arn (" {ARN}Orders ") and function (" Worker ") already exists. '
        "Please update or delete the existing mapping with UUID Trigger"
    )
    assert refused(standard(Again=again)) == [("Again.Properties.EventSourceArn", sentence, "API-24")]


def test_a_second_function_may_read_the_same_queue():
    """POLL-4: recorded."""
    more = {"Other": block(FUNCTION), "Second": block(MAPPING, EventSourceArn="Orders", FunctionName="Other")}
    assert len(Resources.parse(standard(**more)).mappings) == 2


def test_a_function_that_does_not_exist():
    """API-26: for an ARN that is not one of the file's."""
    resources = standard({"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:nothing"})
    assert refused(resources) == [("Trigger.Properties.FunctionName", "Function does not exist", "API-26")]


def test_a_mapping_without_a_source():
    """API-27."""
    resources = standard()
    del resources["Trigger"]["Properties"]["EventSourceArn"]
    assert refused(resources) == [("Trigger", "Unrecognized event source.", "API-27")]


@pytest.mark.parametrize(
    ("name", "value", "sentence", "clause"),
    [
        (
            "DestinationConfig",
            {"OnFailure": {}},
            "Unsupported DestinationConfig parameter for given event source mapping type.",
            "API-29",
        ),
        ("StartingPosition", "LATEST", "StartingPosition is not valid for SQS event sources.", "API-30"),
        *[
            (name, value, f"Unsupported {name} parameter for given event source mapping type.", "API-31")
            for name, value in [
                ("MaximumRetryAttempts", 0),
                ("MaximumRecordAgeInSeconds", 60),
                ("BisectBatchOnFunctionError", False),
                ("ParallelizationFactor", 2),
                ("TumblingWindowInSeconds", 1),
                ("Topics", ["t"]),
                ("SourceAccessConfigurations", []),
            ]
        ],
    ],
)
def test_what_only_streams_have(name, value, sentence, clause):
    """API-29, API-30, API-31 (the last inferred from the first)."""
    assert refused(standard({name: value})) == [(f"Trigger.Properties.{name}", sentence, clause)]


def check_filter(pattern):
    if pattern != '{"body": {"a": [1]}}':
        raise InvalidFilterPattern("not a list", "body")


def test_a_pattern_that_aws_would_not_take():
    """API-33, FILT-5: the checker is given from outside, the sentence is AWS's."""
    criteria = {"Filters": [{"Pattern": '{"body": {"a": [1]}}'}, {"Pattern": '{"body": 1}'}]}
    path = "Trigger.Properties.FilterCriteria.Filters.1.Pattern"
    sentence = "Invalid filter pattern definition. (not a list at body)"
    resources = standard({"FilterCriteria": criteria})
    assert refused(resources, Rules(check_filter=check_filter)) == [(path, sentence, "API-33")]
    assert Resources.parse(resources).mappings["Trigger"].patterns[1] == '{"body": 1}'


@pytest.mark.parametrize(
    ("count", "quota", "is_refused"), [(5, 5, False), (6, 5, True), (6, 10, False), (11, 10, True)]
)
def test_more_filters_than_the_quota(count, quota, is_refused):
    """API-34, FILT-2: five, or ten after a quota raise."""
    resources = standard({"FilterCriteria": {"Filters": [{"Pattern": "{}"}] * count}})
    rules = Rules(filters_most=quota)
    if not is_refused:
        assert Resources.parse(resources, rules=rules)
        return
    sentence = f"a mapping takes {quota} filters, not {count} {UNRECORDED}"
    assert refused(resources, rules) == [("Trigger.Properties.FilterCriteria.Filters", sentence, "API-34")]


@pytest.mark.parametrize(("value", "bound"), [(1, "greater than or equal to 2"), (1001, "less than or equal to 1000")])
def test_maximum_concurrency_out_of_range(value, bound):
    """API-35, CONC-1."""
    path = "Trigger.Properties.ScalingConfig.MaximumConcurrency"
    sentence = violation(value, "scalingConfig.maximumConcurrency", f"have value {bound}")
    assert refused(standard({"ScalingConfig": {"MaximumConcurrency": value}})) == [(path, sentence, "API-35")]


def test_maximum_concurrency_and_provisioned_mode_exclude_each_other():
    """API-36, CONC-5."""
    trigger = {"ScalingConfig": {"MaximumConcurrency": 5}, "ProvisionedPollerConfig": {"MinimumPollers": 2}}
    sentence = f"MaximumConcurrency and ProvisionedPollerConfig exclude each other {UNRECORDED}"
    assert refused(standard(trigger)) == [("Trigger.Properties.ProvisionedPollerConfig", sentence, "API-36")]
    assert Resources.parse(standard({**trigger, "ScalingConfig": {}}))


@pytest.mark.parametrize(
    ("config", "name", "sentence"),
    [
        ({"MinimumPollers": 9, "MaximumPollers": 8}, "MaximumPollers", "MaximumPollers 8 is below MinimumPollers 9"),
        ({"MinimumPollers": 1}, "MinimumPollers", "MinimumPollers is at least 2 for a queue"),
    ],
)
def test_pollers_that_do_not_go_together(config, name, sentence):
    """API-37, PROV-2, PROV-4."""
    path = f"Trigger.Properties.ProvisionedPollerConfig.{name}"
    assert refused(standard({"ProvisionedPollerConfig": config})) == [(path, f"{sentence} {UNRECORDED}", "API-37")]


# --- all at once


def test_everything_wrong_is_told_at_once():
    resources = {
        "Orders": block(QUEUE, DelaySeconds=901, QueueName="two words"),
        "Lane": block(QUEUE, FifoQueue=True),
        "Worker": block(FUNCTION, Timeout=901),
        "Trigger": block(MAPPING, EventSourceArn="Lane", FunctionName="Worker", MaximumBatchingWindowInSeconds=5),
    }
    assert {clause for _, _, clause in refused(resources)} == {"SQS-3", "SQS-15", "RUN-1", "API-22"}


def test_no_conclusion_is_drawn_from_a_faulty_value():
    """A visibility timeout out of range does not also make a wrong pair with the function's timeout."""
    assert len(refused(standard(orders={"VisibilityTimeout": 50_000}, worker={"Timeout": 60}))) == 1


def test_what_aws_refuses_is_told_beside_what_makes_no_sense():
    """A file that does not load is a ConfigError, which tells AWS's refusals too."""
    resources = standard({"BatchSize": 11, "Unknown": 1}, worker={"Timeout": "soon"})
    with pytest.raises(ConfigError) as caught:
        Resources.parse(resources)
    assert [str(problem) for problem in caught.value.problems] == [
        "Worker.Properties.Timeout: takes a whole number from 1 to 900, not 'soon'",
        "Trigger.Properties.Unknown: unknown key 'Unknown'",
        f"Trigger.Properties.BatchSize: {NEEDS_WINDOW}",
    ]

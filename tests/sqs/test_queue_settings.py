"""Queues themselves: names, settings, and what may be changed."""

from __future__ import annotations

import pytest

from esm_emulator.errors import SqsError
from esm_emulator.sqs import QueueSettings, RedriveAllowPolicy

_ONLY = "You can specify the {} only when FifoQueue is set to true."


def refusal(call, *arguments, **values):
    with pytest.raises(SqsError) as caught:
        call(*arguments, **values)
    return caught.value.code, caught.value.message


def test_create_and_find(desk):
    """A queue has a name, a logical id and an ARN; facts carry the id."""
    queue, (fact,) = desk.engine.create("q", QueueSettings(), desk.now, id="Orders", tags={"team": "x"})
    assert desk.engine.find("q") is queue is desk.engine.queues["q"]
    assert (fact.queue, fact.arn) == ("Orders", queue.arn)
    assert queue.arn == "arn:aws:sqs:us-east-1:123456789012:q"
    assert (queue.tags, queue.created_at) == ({"team": "x"}, desk.now)
    assert (desk.engine.region, desk.engine.account) == ("us-east-1", "123456789012")
    assert repr(queue) == "<StandardQueue q: 0 messages>"


def test_queue_that_is_not_there(desk):
    """Asking for another gives SQS's own error (contract 11.3)."""
    expected = ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    assert refusal(desk.engine.find, "q") == expected


def test_same_name_twice(desk):
    """A name can be taken once."""
    desk.create("q")
    assert refusal(desk.create, "q")[0] == "QueueAlreadyExists"


def test_remove(desk):
    """A deleted queue is gone with its messages; the name can be used again."""
    queue = desk.create("q")
    sent = desk.send(queue, "a")
    (fact,) = desk.engine.remove(queue, desk.now)
    assert (fact.event, fact.messages) == ("queue-removed", (sent.message_id,))
    assert "q" not in desk.engine.queues
    desk.at(60)
    assert desk.counts(desk.create("q")) == (0, 0, 0)


def test_a_deleted_name_rests_for_a_minute(desk):
    """The name of a deleted queue cannot be used again before 60 seconds have passed (SQS-30)."""
    desk.engine.remove(desk.create("q"), desk.now)
    desk.at(59.999)
    assert refusal(desk.create, "q") == (
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )
    desk.create("other")


def test_how_long_a_name_rests_is_the_profiles(desk_with):
    """The minute is the profile's deleted_name_wait (SQS-30)."""
    desk = desk_with(deleted_name_wait=0)
    desk.engine.remove(desk.create("q"), desk.now)
    desk.create("q")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 81, "é"])
def test_names_that_are_refused(desk, name):
    """A name has up to 80 letters, digits, hyphens and underscores (SQS-15)."""
    assert refusal(desk.create, name)[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("name", "fifo"), [("q", True), ("q.fifo", False), (".fifo", True), ("x" * 76 + ".fifo", True)]
)
def test_suffix_goes_with_the_type(desk, name, fifo):
    """A FIFO queue's name ends in .fifo, which counts, and no other's does (FIFO-22)."""
    assert refusal(desk.create, name, fifo_queue=fifo)[0] == "InvalidParameterValue"


def test_type_cannot_be_changed(desk):
    """A queue stays what it is (FIFO-22)."""
    code, text = refusal(desk.configure, desk.create("q"), fifo_queue=True)
    expected = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
    assert (code, text) == ("InvalidAttributeValue", expected)


def test_defaults_are_sqs_own():
    """Without anything a queue has SQS's defaults (SQS-2 … 5, SQS-8)."""
    settings = QueueSettings()
    assert (settings.visibility_timeout, settings.delay_seconds, settings.message_retention_period) == (30, 0, 345_600)
    assert (settings.receive_message_wait_time_seconds, settings.maximum_message_size) == (0, 1_048_576)
    assert (settings.deduplication_scope, settings.fifo_throughput_limit) == ("queue", "perQueue")


def test_settings_from_text():
    """Attributes come as text from the API and as values from a template; unknown names are passed over."""
    text = {
        "FifoQueue": "true",
        "VisibilityTimeout": "60",
        "DeduplicationScope": "messageGroup",
        "RedriveAllowPolicy": '{"redrivePermission": "denyAll"}',
        "KmsMasterKeyId": "alias/x",
    }
    values = text | {
        "FifoQueue": True,
        "VisibilityTimeout": 60,
        "RedriveAllowPolicy": {"redrivePermission": "denyAll"},
    }
    settings = QueueSettings.from_attributes(text)
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": ("arn",)}
    assert RedriveAllowPolicy.from_attribute(allowed) == RedriveAllowPolicy("byQueue", ("arn",))
    assert settings == QueueSettings.from_attributes(values)
    assert settings.fifo_queue
    assert settings.visibility_timeout == 60
    assert settings.redrive_allow_policy == RedriveAllowPolicy("denyAll")


def test_settings_change_from_a_base():
    """What is not named stays as it was."""
    base = QueueSettings(delay_seconds=5, visibility_timeout=9)
    changed = QueueSettings.from_attributes({"VisibilityTimeout": "10", "ContentBasedDeduplication": "false"}, base)
    assert (changed.delay_seconds, changed.visibility_timeout) == (5, 10)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("VisibilityTimeout", 0, 43_200),
        ("DelaySeconds", 0, 900),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("MaximumMessageSize", 1024, 1_048_576),
    ],
)
def test_ranges(name, least, most):
    """Each number has its range, both ends included (SQS-2 … 5, SQS-8)."""
    for value in (least, most, str(least)):
        QueueSettings.from_attributes({name: value})
    for value in (least - 1, most + 1, "x", "1.5", True, None):
        code, text = refusal(QueueSettings.from_attributes, {name: value})
        assert (code, text) == ("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FifoQueue", "maybe"),
        ("DeduplicationScope", "group"),
        ("FifoThroughputLimit", "none"),
        ("RedrivePolicy", "no json"),
        ("RedrivePolicy", "[]"),
        ("RedriveAllowPolicy", '{"redrivePermission": "some"}'),
    ],
)
def test_values_that_are_refused(name, value):
    """Words outside the list and policies that are no JSON object are refused."""
    assert refusal(QueueSettings.from_attributes, {name: value})[0] == "InvalidAttributeValue"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ContentBasedDeduplication", "true", "Unknown Attribute ContentBasedDeduplication."),
        ("DeduplicationScope", "messageGroup", _ONLY.format("DeduplicationScope")),
        ("FifoThroughputLimit", "perMessageGroupId", _ONLY.format("FifoThroughputLimit")),
    ],
)
def test_fifo_settings_of_a_standard_queue(name, value, text):
    """What only FIFO queues have is refused on a standard queue (contract 11.3); its default passes."""
    assert refusal(QueueSettings.from_attributes, {name: value}) == ("InvalidAttributeName", text)
    QueueSettings.from_attributes({"FifoQueue": True, name: value})
    QueueSettings.from_attributes({"ContentBasedDeduplication": False, "DeduplicationScope": "queue"})


@pytest.mark.parametrize(
    ("permission", "arns"), [("byQueue", []), ("allowAll", ["arn"]), ("byQueue", [f"arn{n}" for n in range(11)])]
)
def test_by_queue_names_queues(permission, arns):
    """ByQueue names one to ten queues, the other permissions none (DLQ-11)."""
    policy = {"redrivePermission": permission, "sourceQueueArns": arns}
    assert refusal(QueueSettings.from_attributes, {"RedriveAllowPolicy": policy})[0] == "InvalidParameterValue"
    assert QueueSettings.from_attributes({"RedriveAllowPolicy": ""}).redrive_allow_policy is None

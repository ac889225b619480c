"""What SQS refuses about a message, in its own words; sizes and MD5s."""

from __future__ import annotations

from hashlib import md5

import pytest

from esm_emulator.errors import SqsError
from esm_emulator.messages import MessageAttribute
from esm_emulator.sqs import NewMessage

MB = 1_048_576
ALLOWED = "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"


def text(value, kind="String"):
    return MessageAttribute(kind, value)


def refusal(call, *arguments, **values):
    with pytest.raises(SqsError) as caught:
        call(*arguments, **values)
    return caught.value.code, caught.value.message


def test_empty_body(desk):
    """An empty body counts as missing (SQS-11)."""
    expected = ("MissingParameter", "The request must contain the parameter MessageBody.")
    assert refusal(desk.send, desk.create("q"), "") == expected


@pytest.mark.parametrize("body", ["\x00", "a\x0bb", "\x1f", "é\x08", "\ufffe", "x\uffff", "\ud800", "ok\udfff"])
def test_characters_that_are_refused(desk, body):
    """Characters outside of SQS-11's ranges are refused."""
    code, message = refusal(desk.send, desk.create("q"), body)
    assert (code, message) == (
        "InvalidMessageContents",
        f"Invalid characters found. Valid unicode characters are {ALLOWED}",
    )


@pytest.mark.parametrize(
    "body", ["\t\n\r", " ", "\x7f\x80", "\ud7ff\ue000\ufffd", "\U00010000\U0010ffff", '{"é": "漢"}']
)
def test_characters_that_arrive(desk, body):
    """Everything else arrives unchanged (SQS-11, EVT-12)."""
    queue = desk.create("q")
    desk.send(queue, body)
    (message,) = desk.receive(queue)
    assert message.body == body
    assert message.md5_of_body == md5(body.encode()).hexdigest()


@pytest.mark.parametrize("most", [1024, MB])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_size(desk, most, letter):
    """A message up to MaximumMessageSize bytes of UTF-8 is taken, one byte more is not (SQS-7, SQS-8)."""
    queue = desk.create("q", maximum_message_size=most)
    body = letter * (most // len(letter.encode()))
    desk.send(queue, body)
    assert desk.told("sent")[0].size == most
    expected = f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
    assert refusal(desk.send, queue, body + "x") == ("InvalidParameterValue", expected)


def test_attributes_count_into_the_size(desk):
    """Names, types and values of attributes count; the trace header does not (SQS-10)."""
    queue = desk.create("q", maximum_message_size=1024)
    attributes = {"Naïve": text("é"), "B": MessageAttribute("Binary", binary_value=b"\x00" * 10)}
    extra = len("Naïve".encode()) + 6 + 2 + 1 + 6 + 10
    desk.send(queue, "x" * (1024 - extra), attributes=attributes, trace_header="Root=1" * 100)
    assert desk.told("sent")[0].size == 1024
    assert refusal(desk.send, queue, "x" * (1025 - extra), attributes=attributes)[0] == "InvalidParameterValue"


@pytest.mark.parametrize("group", ["", "a b", "é", "x" * 129, "a\n"])
def test_group_ids_that_are_refused(desk, group):
    """A group id is 1 to 128 alphanumeric and punctuation characters, on both types (SQS-14)."""
    reason = "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."
    expected = ("InvalidParameterValue", f"Value {group} for parameter MessageGroupId is invalid. Reason: {reason}")
    assert refusal(desk.send, desk.create("q.fifo"), "a", group=group) == expected
    assert refusal(desk.send, desk.create("q"), "a", group=group) == expected


@pytest.mark.parametrize("group", ["a", "x" * 128, r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"""])
def test_group_ids_that_are_taken(desk, group):
    """All of the ASCII punctuation is fine (SQS-14)."""
    desk.send(desk.create("q.fifo"), "a", group=group, dedup=group)


def test_dedup_id_that_is_refused(desk):
    """A deduplication id follows the same rule (SQS-14)."""
    code, message = refusal(desk.send, desk.create("q.fifo"), "a", group="g", dedup="a b")
    assert (code, message[:48]) == ("InvalidParameterValue", "Value a b for parameter MessageDeduplicationId i")


def test_group_is_mandatory_on_fifo(desk):
    """A FIFO message needs a group (FIFO-13)."""
    expected = ("MissingParameter", "The request must contain the parameter MessageGroupId.")
    assert refusal(desk.send, desk.create("q.fifo"), "a", dedup="d") == expected


def test_dedup_is_needed_somehow(desk):
    """A FIFO message needs a deduplication id, or a queue that makes one (FIFO-14)."""
    queue = desk.create("q.fifo", content_based_deduplication=False)
    expected = (
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
    assert refusal(desk.send, queue, "a", group="g") == expected


def test_dedup_id_on_a_standard_queue(desk):
    """A deduplication id makes no sense on a standard queue."""
    code, message = refusal(desk.send, desk.create("q"), "a", dedup="d")
    assert code == "InvalidParameterValue"
    assert message.endswith("The request include parameter that is not valid for this queue type.")


@pytest.mark.parametrize("seconds", [-1, 901])
def test_delay_has_its_range(desk, seconds):
    """DelaySeconds is 0 to 900 (SQS-3)."""
    expected = (
        "InvalidParameterValue",
        f"Value {seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    )
    assert refusal(desk.send, desk.create("q"), "a", delay_ms=seconds * 1000) == expected


@pytest.mark.parametrize("maximum", [0, 11])
def test_maximum_has_its_range(desk, maximum):
    """MaxNumberOfMessages is 1 to 10 (SQS-6)."""
    reason = "Must be between 1 and 10, if provided."
    expected = f"Value {maximum} for parameter MaxNumberOfMessages is invalid. Reason: {reason}"
    assert refusal(desk.receive, desk.create("q"), maximum) == ("InvalidParameterValue", expected)


def test_nothing_remains_of_a_refused_message(desk):
    """A refused send leaves no message, no fact and no deduplication id behind."""
    queue = desk.create("q.fifo", content_based_deduplication=False)
    told = len(desk.facts)
    refusal(desk.send, queue, "a\x00", group="g", dedup="d")
    assert not desk.send(queue, "a", group="g", dedup="d").deduplicated
    assert len(desk.facts) == told + 1


# --- attributes ---------------------------------------------------------------------------------------------

RESERVED = "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'."
EMPTY = "must contain a non-empty value of type"


@pytest.mark.parametrize(
    ("name", "attribute", "expected"),
    [
        ("aWs.x", text("v"), RESERVED),
        ("AMAZON.x", text("v"), RESERVED),
        (".x", text("v"), RESERVED),
        ("x.", text("v"), RESERVED),
        ("x..y", text("v"), RESERVED),
        ("a b", text("v"), "Message (user) attributes name can only contain"),
        ("", text("v"), "Message (user) attributes name can only contain"),
        ("x" * 257, text("v"), "Message (user) attribute names must be shorter than 256 Bytes"),
        ("x", text("v", "Text"), "Type for parameter MessageAttributes.Attribute_name.DataType must be prefixed"),
        ("x", text("v", "String." + "y" * 256), "Message (user) attribute types must be shorter than 256 Bytes"),
        ("ErrorDetails", text(""), f"Message (user) attribute 'ErrorDetails' {EMPTY} 'String'."),
        ("x", MessageAttribute("Binary", binary_value=b""), f"Message (user) attribute 'x' {EMPTY} 'Binary'."),
        ("x", text("v", "Binary"), f"Message (user) attribute 'x' {EMPTY} 'Binary'."),
        ("x", text("a\x00"), "Invalid characters found."),
        ("x", text("five", "Number"), "Can't cast the value of message (user) attribute 'x' to a number."),
    ],
)
def test_attributes_that_are_refused(desk, name, attribute, expected):
    """Names, types and values of message attributes have their rules (EVT-18)."""
    code, message = refusal(desk.send, desk.create("q"), "a", attributes={name: attribute})
    assert code == "InvalidParameterValue"
    assert message.startswith(expected)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("Help.Me", text("x")),
        ("attr.1øßä", text("x")),
        ("awsome", text("x")),
        ("n", text("-1.5e3", "Number")),
        ("n", text("12", "Number.int")),
        ("s", text("x", "String.custom")),
        ("b", MessageAttribute("Binary.png", binary_value=b"\x00")),
        ("x" * 256, text("x")),
    ],
)
def test_attributes_that_arrive(desk, name, attribute):
    """Custom types and letters of any script are taken, and arrive as they were sent (EVT-8, EVT-18)."""
    queue = desk.create("q")
    desk.send(queue, "a", attributes={name: attribute})
    assert dict(desk.receive(queue)[0].message_attributes) == {name: attribute}


def test_ten_attributes(desk):
    """Ten message attributes are taken, eleven are not (SQS-10)."""
    queue = desk.create("q")
    desk.send(queue, "a", attributes={f"n{number}": text("v") for number in range(10)})
    eleven = {f"n{number}": text("v") for number in range(11)}
    assert "exceeds the allowed maximum [10]" in refusal(desk.send, queue, "a", attributes=eleven)[1]


def test_md5_of_attributes(desk):
    """The MD5 of message attributes is that of the recorded check value, for sender and consumer (EVT-10)."""
    queue = desk.create("q")
    attributes = {"WeeksOn": text("6", "Number"), "Author": text("John Grisham"), "Title": text("The Whistler")}
    sent = desk.send(queue, "a", attributes=attributes, trace_header="Root=1")
    (message,) = desk.receive(queue)
    assert sent.md5_of_message_attributes == message.md5_of_message_attributes == "d25a6aea97eb8f585bfa92d314504a92"


def test_md5_of_binary_attributes(desk):
    """Binary values have their own mark in the MD5 (EVT-10); the value is AWS's own for these bytes."""
    value = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01"
    sent = desk.send(desk.create("q"), "test", attributes={"attr1": MessageAttribute("Binary", binary_value=value)})
    assert sent.md5_of_body == "098f6bcd4621d373cade4e832627b4f6"
    assert sent.md5_of_message_attributes == "8cbe4db156db8a94db8b801b7addb984"


def test_without_attributes_there_is_no_md5(desk):
    """No attributes, no MD5; system attributes do not make one (EVT-10, EVT-11)."""
    assert desk.send(desk.create("q"), "a", trace_header="Root=1").md5_of_message_attributes is None


# --- batches ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "code", "expected"),
    [
        ([], "EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."),
        (
            [NewMessage("a")] * 20,
            "TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10. You have sent 20.",
        ),
        (
            [NewMessage("x" * MB), NewMessage("y")],
            "BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
    ],
)
def test_batches_that_are_refused(desk, messages, code, expected):
    """A batch has 1 to 10 messages and at most 1 MiB in all; otherwise nothing of it is sent (SQS-7, SQS-9)."""
    queue = desk.create("q")
    assert refusal(desk.engine.send_batch, queue, messages, desk.now) == (f"AWS.SimpleQueueService.{code}", expected)
    assert desk.counts(queue) == (0, 0, 0)

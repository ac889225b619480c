"""The event that a handler sees (contract section 3)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.mapping.record import ENVELOPE, event, record, size_at_most, size_of
from esm_emulator.messages import MessageAttribute
from tests.mapping.deliveries import ARN, delivery

ATTRIBUTES = {
    "Title": MessageAttribute("String", string_value="The Whistler"),
    "WeeksOn": MessageAttribute("Number.int", string_value="6"),
    "Cover": MessageAttribute("Binary", binary_value=b"\x00\xff"),
}


def test_event_has_records_alone():
    """The event is {"Records": […]} and nothing else, in the order of the batch (EVT-1, BATCH-18)."""
    value = event([delivery("a"), delivery("b")], ARN, window=False)
    assert list(value) == ["Records"]
    assert [item["messageId"] for item in value["Records"]] == ["a", "b"]


def test_keys_stand_in_the_order_of_aws():
    """A record's keys stand in the order in which AWS writes them (EVT-2)."""
    keys = list(record(delivery(message_attributes=ATTRIBUTES), ARN, "us-east-1"))
    assert keys == [
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfMessageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    ]


def test_constants_and_region():
    """The source is aws:sqs, the ARN is the queue's, the region is taken from it (EVT-2)."""
    arn = "arn:aws:sqs:eu-central-1:123456789012:Orders"
    item = event([delivery()], arn, window=False)["Records"][0]
    assert (item["eventSource"], item["eventSourceARN"], item["awsRegion"]) == ("aws:sqs", arn, "eu-central-1")


@pytest.mark.parametrize(
    ("window", "quirk", "attributes", "expected"),
    [
        (False, True, {}, "absent"),
        (True, True, {}, None),
        (False, True, ATTRIBUTES, "d25a6aea97eb8f585bfa92d314504a92"),
        (True, True, ATTRIBUTES, "d25a6aea97eb8f585bfa92d314504a92"),
        (True, False, {}, "absent"),
    ],
)
def test_attribute_digest_depends_on_the_window(window, quirk, attributes, expected):
    """Without attributes md5OfMessageAttributes is absent at window 0 and null above (EVT-9)."""
    item = event([delivery(message_attributes=attributes)], ARN, window=window, quirk=quirk)["Records"][0]
    assert item.get("md5OfMessageAttributes", "absent") == expected


def test_message_attributes_have_both_lists_and_base64():
    """Both lists are always there and empty; numbers keep their text and label, binary is base64 text (EVT-8)."""
    value = record(delivery(message_attributes=ATTRIBUTES), ARN, "us-east-1")["messageAttributes"]
    assert value["WeeksOn"] == {
        "stringValue": "6",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "Number.int",
    }
    assert value["Cover"] == {
        "binaryValue": "AP8=",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "Binary",
    }


def test_no_attributes_is_an_empty_object():
    """Without attributes messageAttributes is {} (EVT-2)."""
    assert record(delivery(), ARN, "us-east-1")["messageAttributes"] == {}


@pytest.mark.parametrize("body", ["a\r\nb", "grüße ✓ 🚚", '{"a": [1]}', "  "])
def test_body_is_the_text_that_was_sent(body):
    """Carriage returns, other scripts and JSON text arrive unchanged (EVT-12, EVT-17)."""
    assert record(delivery(body=body), ARN, "us-east-1")["body"] == body


def test_system_attributes_are_copied():
    """A handler that changes its event changes nothing for anybody else."""
    message = delivery()
    record(message, ARN, "us-east-1")["attributes"]["x"] = "y"
    assert "x" not in message.attributes


@given(st.lists(st.text(max_size=200), min_size=1, max_size=12))
def test_sizes_bound_the_event(bodies):
    """The exact size is at least the event's, and the quick bound is never below the exact size (BATCH-6)."""
    messages = [delivery(f"m{n}", body, message_attributes=ATTRIBUTES) for n, body in enumerate(bodies)]
    text = json.dumps(event(messages, ARN, window=True), ensure_ascii=False, separators=(",", ":"))
    exact = ENVELOPE + sum(size_of(message, ARN) for message in messages)
    assert exact - len(messages) <= len(text.encode("utf-8", "surrogatepass")) <= exact
    assert all(size_at_most(message) >= size_of(message, ARN) for message in messages)

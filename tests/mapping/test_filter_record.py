"""A mapping's filters over received messages: body formats, whole records, several filters."""

from __future__ import annotations

import json

import pytest

from esm_emulator.errors import InvalidFilterPattern, UsageError
from esm_emulator.mapping.filter import Match, NoMatch, RecordFilter
from esm_emulator.messages import MessageAttribute, ReceivedMessage
from esm_emulator.profiles import PROFILES

PROFILE = PROFILES["aws-2026"]
JSON_PATTERN = {"body": {"status": ["new"]}}
PLAIN_PATTERN = {"body": ["hello", {"prefix": "{"}, {"prefix": "["}]}


def message(body, **attributes):
    return ReceivedMessage(
        message_id="m-1",
        receipt_handle="r-1",
        body=body,
        md5_of_body="md5",
        attributes={"ApproximateReceiveCount": "3", **attributes},
        message_attributes={
            "kind": MessageAttribute("String", "order"),
            "blob": MessageAttribute("Binary", None, b"hi"),
        },
        md5_of_message_attributes=None,
        received_at=0,
        visible_at=30_000,
    )


def delivers(patterns, body, profile=PROFILE):
    texts = [pattern if isinstance(pattern, str) else json.dumps(pattern) for pattern in patterns]
    return RecordFilter(texts, profile).decide(message(body)) == Match()


@pytest.mark.parametrize(
    ("pattern", "body", "delivered"),
    [
        (PLAIN_PATTERN, "hello", True),
        (PLAIN_PATTERN, "bye", False),
        (JSON_PATTERN, "new", False),
        (PLAIN_PATTERN, '{"status": "new"}', False),
        (JSON_PATTERN, '{"status": "new"}', True),
        (JSON_PATTERN, '{"status": "old"}', False),
        ({"attributes": {"ApproximateReceiveCount": ["3"]}}, "hello", True),
        ({"attributes": {"ApproximateReceiveCount": ["3"]}}, '{"status": 1}', True),
    ],
)
def test_the_format_of_the_body_and_of_the_pattern_must_agree(pattern, body, delivered):
    """6.3's table."""
    assert delivers([pattern], body) is delivered


@pytest.mark.parametrize("body", ["123", "true", "null", '"quoted"', "[1]", "[{}, 1]", "{", "NaN", ""])
def test_json_that_is_no_object_is_a_plain_string(body):
    """FILT-14: only objects and lists of objects count as JSON."""
    assert delivers([{"body": [body or {"exists": True}]}], body)


def test_a_list_of_objects_counts_as_json():
    """FILT-14, FILT-26."""
    assert delivers([JSON_PATTERN], '[{"status": "old"}, {"status": "new"}]')


def test_what_sqs_did_not_return_is_not_there():
    """FILT-12: a message without attributes has no MD5 of them."""
    assert delivers([{"md5OfMessageAttributes": [{"exists": False}]}], "hello")
    assert not delivers([{"md5OfMessageAttributes": [None]}], "hello")


def test_a_profile_may_count_any_json():
    """FILT-14's switch, which has two positions."""
    with pytest.raises(UsageError, match="did you mean 'objects'"):
        PROFILE.with_(filter_json_bodies="object")
    profile = PROFILE.with_(filter_json_bodies="any")
    assert not delivers([{"body": ["123"]}], "123", profile)
    assert delivers([{"body": ["123 x"]}], "123 x", profile)


def test_dots_reach_into_the_body():
    """FILT-32: {"body.status": …} is a JSON pattern."""
    assert delivers([{"body.status": ["new"]}], '{"status": "new"}')


def test_json_in_strings_is_not_parsed():
    """FILT-15."""
    assert not delivers([{"body": {"inner": {"a": [1]}}}], json.dumps({"inner": '{"a": 1}'}))


def test_one_filter_that_matches_suffices():
    """FILT-1."""
    assert delivers([JSON_PATTERN, PLAIN_PATTERN], "hello")
    assert delivers([JSON_PATTERN, PLAIN_PATTERN], '{"status": "new"}')


def test_branches_of_or_may_want_different_formats():
    """FILT-13 holds for each alternative."""
    pattern = {"$or": [{"body": ["hello"]}, {"body": {"status": ["new"]}}]}
    assert delivers([pattern], "hello")
    assert delivers([pattern], '{"status": "new"}')
    assert not delivers([pattern], '{"status": "old"}')


def test_a_body_cannot_be_both():
    decision = RecordFilter(['{"body": ["x"], "body.a": ["y"]}'], PROFILE).decide(message("x"))
    assert decision == NoMatch("body", "is wanted as plain text and as JSON at once (FILT-13)")


def test_without_filters_every_message_is_delivered():
    """FILT-4."""
    assert delivers([], "x")


@pytest.mark.parametrize(
    "pattern",
    [
        {"messageId": ["m-1"]},
        {"md5OfBody": ["md5"]},
        {"attributes": {"ApproximateReceiveCount": ["3"]}},
        {"messageAttributes": {"kind": {"stringValue": ["order"], "dataType": ["String"]}}},
        {"messageAttributes": {"blob": {"binaryValue": ["aGk="]}}},
        {"messageAttributes": {"kind": {"binaryValue": [{"exists": False}]}}},
    ],
)
def test_the_whole_record_can_be_asked_for_under_the_names_of_lambda(pattern):
    """FILT-12."""
    assert delivers([pattern], "x")


@pytest.mark.parametrize("key", ["eventSource", "eventSourceARN", "awsRegion"])
def test_what_lambda_adds_to_a_record_is_not_there(key):
    """FILT-11."""
    assert delivers([{key: [{"exists": False}]}], "x")


def test_a_pattern_beyond_the_body_is_a_warning():
    """FILT-10, FILT-12."""
    (warning,) = RecordFilter(['{"messageId": ["m-1"]}'], PROFILE).warnings
    assert "only body" in warning
    assert "messageId" in warning


def test_an_unlisted_operator_is_a_warning():
    """FILT-35."""
    (warning,) = RecordFilter(['{"body": [{"wildcard": "a*"}]}'], PROFILE).warnings
    assert "wildcard" in warning


@pytest.mark.parametrize("pattern", ['{"messageId": ["m-1"]}', '{"body": [{"wildcard": "a*"}]}'])
def test_strict_filters_refuse_what_is_a_warning_else(pattern):
    """FILT-35, FILT-12."""
    with pytest.raises(InvalidFilterPattern):
        RecordFilter([pattern], PROFILE.with_(strict_filters=True))


def test_more_filters_than_the_quota_are_refused():
    """FILT-2."""
    RecordFilter(['{"body": ["x"]}'] * 5, PROFILE)
    with pytest.raises(InvalidFilterPattern, match="6 filters, and a mapping may have 5"):
        RecordFilter(['{"body": ["x"]}'] * 6, PROFILE)
    RecordFilter(['{"body": ["x"]}'] * 10, PROFILE.with_(filters_most=10))


def test_a_pattern_that_is_too_long_is_refused():
    """FILT-3."""
    with pytest.raises(InvalidFilterPattern, match="4096"):
        RecordFilter([json.dumps({"body": ["x" * 4096]})], PROFILE)


def test_a_rejection_names_the_key_and_the_value():
    """FILT-6: the tool says why a message was deleted."""
    reason = RecordFilter([json.dumps(JSON_PATTERN)], PROFILE).rejects(message('{"status": "old"}'))
    assert reason == 'body.status is "old"; the filter wants ["new"]'


def test_a_rejection_for_the_format_says_so():
    reason = RecordFilter([json.dumps(JSON_PATTERN)], PROFILE).rejects(message("new"))
    assert reason == "body is plain text; the filter wants JSON (FILT-13)"


def test_a_delivery_has_no_reason():
    assert RecordFilter([json.dumps(PLAIN_PATTERN)], PROFILE).rejects(message("hello")) is None


def test_numbers_of_the_body_are_compared_as_they_are_written():
    """FILT-22: more digits than a double has make another number."""
    pattern = [{"body": {"price": [0.1]}}]
    assert delivers(pattern, '{"price": 0.10}')
    assert not delivers(pattern, '{"price": 0.10000000000000000001}')
    assert delivers([{"body": {"n": [{"numeric": [">", 0.5]}]}}], '{"n": 5e-1, "m": [{"n": 1.5}], "n": 1.5e0}')


def test_an_exponent_beyond_all_numbers_does_not_break():
    """FILT-14: what Python cannot read as a number is compared by its text, if at all."""
    assert not delivers([{"body": {"n": [1]}}], '{"n": 1e99999999999999999999}')
    assert delivers([{"body": {"n": [{"exists": True}]}}], '{"n": 1e99999999999999999999}')

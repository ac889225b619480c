"""A message as a consumer sees it."""

from __future__ import annotations

from typing import Any

import pytest

from esm_emulator.messages import MessageAttribute, ReceivedMessage, decoded, size_in_bytes


def received(**attributes: str) -> ReceivedMessage:
    return ReceivedMessage("id", "receipt", "body", "md5", attributes, {}, None, received_at=0, visible_at=30_000)


def test_the_receive_count_is_the_number_in_the_attribute() -> None:
    """SQS-27: ApproximateReceiveCount is text that counts from 1."""
    assert received(ApproximateReceiveCount="3").receive_count == 3


def test_a_message_of_a_standard_queue_need_not_have_a_group() -> None:
    """EVT-7: MessageGroupId is always there on FIFO queues, and optional on standard ones."""
    assert received().group is None
    assert received(MessageGroupId="g").group == "g"


def test_two_deliveries_of_one_message_are_two_things() -> None:
    assert received() != received()


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"id": 7}', {"id": 7}),
        (" [1, null] ", [1, None]),
        ("7", "7"),
        ("null", "null"),
        ('"a"', '"a"'),
        ("{", "{"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=["object", "list", "number", "null", "text", "half", "empty", "deep"],
)
def test_a_body_is_decoded_when_it_is_an_object_or_a_list(body: str, value: Any) -> None:
    """Anything else stays the text that was sent, also what no parser can take."""
    assert decoded(body) == value


@pytest.mark.parametrize(
    ("body", "attributes", "size"),
    [
        ("hello", {}, 5),
        ("grüße ✓ 🚚", {}, 16),
        ("x", {"größe": MessageAttribute("String", "ü")}, 1 + 7 + 6 + 2),
        ("x", {"n": MessageAttribute("Number.int", "12"), "b": MessageAttribute("Binary", None, b"\x00\xff\xff")}, 24),
    ],
)
def test_a_messages_size_is_bytes_of_body_and_attributes(
    body: str, attributes: dict[str, MessageAttribute], size: int
) -> None:
    """SQS-10: UTF-8 bytes of the body, and of each attribute's name, type and value."""
    assert size_in_bytes(body, attributes) == size

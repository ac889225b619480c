"""A message as a consumer sees it."""

from __future__ import annotations

from esm_emulator.messages import ReceivedMessage


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

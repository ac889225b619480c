"""When a batch closes (contract section 2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.mapping.batch import BatchRules, Buffer
from esm_emulator.mapping.record import ENVELOPE, size_of
from tests.mapping.deliveries import ARN, delivery


def buffer(**rules) -> Buffer:
    return Buffer(BatchRules(**rules), ARN)


def several(count: int, body: str = "x") -> list:
    return [delivery(f"m{number}", body) for number in range(count)]


def names(batch) -> list[str]:
    return [message.message_id for message in batch.messages]


def test_an_empty_buffer_never_closes():
    """No batch is empty (BATCH-19)."""
    held = buffer(window_ms=1000)
    assert held.closes_at() is None
    assert held.close(10_000) is None


def test_without_a_window_any_message_closes_at_once():
    """Window 0: what one receive brought is sent at once (BATCH-7)."""
    held = buffer()
    held.add(several(3), 5, asked=10)
    batch = held.close(5)
    assert (names(batch), batch.reason) == (["m0", "m1", "m2"], "receive")
    assert held.close(5) is None


def test_size_closes_before_the_window():
    """BatchSize reached closes although the window is open (BATCH-5)."""
    held = buffer(size=4, window_ms=60_000)
    held.add(several(4), 0, asked=4)
    assert held.close(0).reason == "size"


def test_window_starts_with_the_first_record():
    """The window counts from the first record of an empty buffer, not from later ones (BATCH-10)."""
    held = buffer(size=100, window_ms=5_000)
    held.add([delivery("a")], 1_000, asked=10)
    held.add([delivery("b")], 4_000, asked=10)
    assert held.closes_at() == 6_000
    assert held.close(5_999) is None
    batch = held.close(6_000)
    assert (names(batch), batch.reason) == (["a", "b"], "window")


def test_window_may_start_with_the_end_of_the_previous_invocation():
    """The other reading of BATCH-10: the window is already open when the first record comes."""
    held = buffer(size=100, window_ms=5_000, window_from_first=False)
    held.invocation_ended(1_000)
    held.add([delivery("a")], 4_000, asked=10)
    assert held.closes_at() == 6_000


def test_quiet_queue_waits_longer_when_asked_to():
    """With the field set, a window on a nearly empty queue waits up to the long poll (BATCH-9)."""
    held = buffer(size=100, window_ms=1_000, quiet_wait=20_000)
    held.add([delivery("a")], 0, asked=10)
    assert held.closes_at() == 20_000
    held.add(several(10), 500, asked=10)
    assert held.closes_at() == 1_000


def test_a_receive_asks_for_no_more_than_the_room():
    """MaxNumberOfMessages is the room left, at most ten (BATCH-14)."""
    held = buffer(size=25, window_ms=1_000)
    assert held.asks_for == 10
    held.add(several(10), 0, asked=10)
    held.add(several(10), 0, asked=10)
    assert held.asks_for == 5


def test_batches_over_ten_are_filled_from_several_receives():
    """SQS gives ten at most, so a batch of 25 takes three receives (BATCH-8)."""
    held = buffer(size=25, window_ms=60_000)
    for count in (10, 10, 5):
        assert held.close(0) is None
        held.add(several(count), 0, asked=count)
    assert len(held.close(0).messages) == 25


def test_payload_closes_and_the_rest_waits():
    """Ten messages of 900 kB: six fit into 6 MB, the others make the next batch, in order (BATCH-5, BATCH-6)."""
    held = buffer()
    held.add(several(10, "x" * 900_000), 0, asked=10)
    first, second = held.close(0), held.close(0)
    assert (len(first.messages), first.reason) == (6, "payload")
    assert names(first) + names(second) == [f"m{number}" for number in range(10)]
    assert first.size <= 6_291_456


def test_a_message_beyond_the_limit_goes_alone():
    """A single record that JSON makes larger than the limit is still sent, alone (BATCH-15)."""
    held = buffer(payload_limit=1_000)
    held.add(several(2, "\x01" * 2_000), 0, asked=10)
    assert names(held.close(0)) == ["m0"]
    assert names(held.close(0)) == ["m1"]


def test_drain_gives_everything_once():
    """What is held at a stop is given out once (POLL-20)."""
    held = buffer(window_ms=1_000)
    held.add(several(3), 0, asked=10)
    assert len(held.drain()) == 3
    assert held.drain() == []


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=40),
    st.integers(1, 20),
    st.integers(2_000, 20_000),
)
def test_batches_keep_every_message_in_order_within_the_limits(lengths, size, limit):
    """Whatever comes: no batch beyond size or payload, none empty, none lost, order kept."""
    messages = [delivery(f"m{number}", "é" * length) for number, length in enumerate(lengths)]
    held = buffer(size=size, payload_limit=limit)
    held.add(messages, 0, asked=10)
    seen = []
    while (batch := held.close(0)) is not None:
        exact = ENVELOPE + sum(size_of(message, ARN) for message in batch.messages)
        assert 1 <= len(batch.messages) <= size
        assert exact <= limit or len(batch.messages) == 1
        assert exact <= batch.size
        seen += names(batch)
    assert seen == [message.message_id for message in messages]

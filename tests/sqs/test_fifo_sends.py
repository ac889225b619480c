"""What a FIFO queue remembers: deduplication of sends, attempts to receive; and its sequence numbers."""

from __future__ import annotations

from hashlib import sha256

import pytest

from esm_emulator.errors import SqsError
from esm_emulator.sqs import NewMessage


@pytest.fixture
def queue(desk):
    return desk.create("q.fifo", visibility_timeout=30)


def test_same_id_within_five_minutes(desk, queue):
    """The same deduplication id within five minutes is accepted, told, and not delivered (FIFO-15)."""
    first = desk.send(queue, "a", group="g", dedup="d", label="one")
    second = desk.at(299.999).send(queue, "b", group="g", dedup="d", label="two")
    assert second.deduplicated
    assert (second.message_id, second.sequence_number) == (first.message_id, first.sequence_number)
    (fact,) = desk.told("deduplicated")
    assert (fact.message, fact.dedup, fact.label) == (first.message_id, "d", "two")
    assert fact.first_sent_at == desk.told("sent")[0].at
    assert desk.bodies(queue) == ["a"]


def test_same_id_after_five_minutes(desk, queue):
    """After five minutes the id is free again; they count from the first send (FIFO-15)."""
    desk.send(queue, "a", group="g", dedup="d")
    desk.at(200).send(queue, "b", group="g", dedup="d")
    assert not desk.at(300).send(queue, "c", group="g", dedup="d").deduplicated
    assert desk.bodies(queue) == ["a", "c"]


def test_receive_and_delete_do_not_free_the_id(desk, queue):
    """Receiving and deleting the first message changes nothing: the interval alone counts (FIFO-15)."""
    desk.send(queue, "a", group="g", dedup="d")
    desk.delete(queue, *desk.receive(queue))
    assert desk.at(10).send(queue, "a", group="g", dedup="d").deduplicated
    assert desk.counts(queue) == (0, 0, 0)


def test_purge_frees_the_id(desk, queue):
    """PurgeQueue clears what was remembered (FIFO-15)."""
    desk.send(queue, "a", group="g", dedup="d")
    desk.purge(queue)
    assert not desk.send(queue, "a", group="g", dedup="d").deduplicated


@pytest.mark.parametrize(("scope", "duplicate"), [("queue", True), ("messageGroup", False)])
def test_scope(desk, scope, duplicate):
    """The scope is the whole queue, or with DeduplicationScope messageGroup each group (FIFO-15)."""
    queue = desk.create("q.fifo", deduplication_scope=scope)
    desk.send(queue, "a", group="g1", dedup="d")
    assert desk.send(queue, "b", group="g2", dedup="d").deduplicated == duplicate
    assert desk.send(queue, "c", group="g1", dedup="d").deduplicated


def test_content_based_id(desk, queue):
    """With ContentBasedDeduplication the id is the body's SHA-256, attributes aside (FIFO-14, EVT-4)."""
    desk.send(queue, "body", group="g")
    assert desk.send(queue, "body", group="other").deduplicated
    (message,) = desk.receive(queue)
    assert message.attributes["MessageDeduplicationId"] == sha256(b"body").hexdigest()


def test_explicit_id_overrides(desk, queue):
    """An explicit id counts instead of the body's (FIFO-14)."""
    desk.send(queue, "body", group="g")
    assert not desk.send(queue, "body", group="g", dedup="mine").deduplicated


def test_profile_sets_the_window(desk_with):
    """The five minutes are the profile's dedup_window (FIFO-15)."""
    desk = desk_with(dedup_window=1000)
    queue = desk.create("q.fifo")
    desk.send(queue, "a", group="g")
    assert not desk.at(1).send(queue, "a", group="g").deduplicated


def test_memory_is_that_of_the_window(desk, queue):
    """Ids older than the window are forgotten, so memory does not grow with time."""
    for second in range(1000):
        desk.at(second).send(queue, str(second), group="g")
    assert len(queue.sends) <= 301


def test_sequence_numbers_rise(desk, queue):
    """Sequence numbers have 20 digits, rise with each send and leave gaps (FIFO-17)."""
    numbers = [desk.send(queue, body, group=body).sequence_number for body in "abc"]
    assert numbers == sorted(numbers, key=int)
    assert all(len(number) == 20 for number in numbers)
    assert int(numbers[1]) - int(numbers[0]) > 1
    assert [m.attributes["SequenceNumber"] for m in desk.receive(queue)] == numbers


def test_standard_has_no_sequence_number(desk):
    """A standard queue gives none (FIFO-17)."""
    assert desk.send(desk.create("q"), "a").sequence_number is None


def test_fifo_delay_of_a_message(desk, queue):
    """DelaySeconds above 0 is refused on FIFO; 0 is accepted and the queue's delay applies (FIFO-16)."""
    with pytest.raises(SqsError) as refusal:
        desk.send(queue, "a", group="g", delay_ms=2_000)
    assert refusal.value.message == (
        "Value 2 for parameter DelaySeconds is invalid. Reason: "
        "The request include parameter that is not valid for this queue type."
    )
    desk.configure(queue, delay_seconds=7)
    desk.send(queue, "a", group="g", delay_ms=0)
    assert desk.receivable(queue) == 7


# --- attempts to receive ------------------------------------------------------------------------------------


def test_same_attempt_gives_the_same(desk, queue):
    """A retry with the same ReceiveRequestAttemptId gives the same messages and handles, hidden anew (FIFO-18)."""
    desk.send(queue, "a", "b", "c", group="g")
    first = desk.receive(queue, 2, attempt_id="try")
    again = desk.at(20).receive(queue, 2, attempt_id="try")
    assert [m.receipt_handle for m in again] == [m.receipt_handle for m in first]
    assert [m.receive_count for m in again] == [1, 1]
    assert [m.visible_at for m in again] == [desk.now + 30_000] * 2
    assert desk.receivable(queue) == 50
    assert len(desk.told("received")) == len(desk.told("visibility-changed")) == 2


@pytest.mark.parametrize("change", ["delete", "change"])
def test_changed_attempt_is_received_anew(desk, queue, change):
    """When one of the messages was deleted or changed since, the attempt is an ordinary receive (FIFO-18)."""
    desk.send(queue, "a", group="g")
    desk.send(queue, "b", group="h")
    one, _ = desk.receive(queue, 2, attempt_id="try")
    desk.delete(queue, one) if change == "delete" else desk.change(queue, one, 3)
    assert desk.receive(queue, 2, attempt_id="try") == []


def test_attempt_ends_with_the_visibility(desk, queue):
    """After the visibility timeout the same attempt receives again, with new handles (FIFO-18)."""
    desk.send(queue, "a", group="g")
    (first,) = desk.receive(queue, attempt_id="try")
    (again,) = desk.at(30).receive(queue, attempt_id="try")
    assert again.receipt_handle != first.receipt_handle
    assert again.receive_count == 2


@pytest.mark.parametrize(("name", "attempt"), [("q", "try"), ("q.fifo", "x" * 129), ("q.fifo", "")])
def test_attempt_ids_that_are_refused(desk, name, attempt):
    """ReceiveRequestAttemptId is a FIFO queue's, 1 to 128 characters (FIFO-18)."""
    with pytest.raises(SqsError, match="ReceiveRequestAttemptId is invalid"):
        desk.receive(desk.create(f"other-{name}"), attempt_id=attempt)


def test_batch_without_a_group(desk, queue):
    """In a batch a missing group is an InvalidParameterValue, and nothing of it is sent (FIFO-13)."""
    with pytest.raises(SqsError) as refusal:
        desk.engine.send_batch(queue, [NewMessage("a", group="g"), NewMessage("b")], desk.now)
    expected = ("InvalidParameterValue", "The request must contain the parameter MessageGroupId.")
    assert (refusal.value.code, refusal.value.message) == expected
    assert desk.counts(queue) == (0, 0, 0)

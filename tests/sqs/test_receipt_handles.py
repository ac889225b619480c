"""Receipt handles: what each kind still does. Their table opens ``esm_emulator/sqs/releasing.py``."""

from __future__ import annotations

import pytest

from esm_emulator.errors import SqsError

NOT_AVAILABLE = "Message does not exist or is not available for visibility timeout change."
EXPIRED = "The receipt handle has expired."


def refusal(call, *arguments):
    with pytest.raises(SqsError) as caught:
        call(*arguments)
    return caught.value.code, caught.value.message


def wrong(message, reason):
    text = f"Value {message.receipt_handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
    return "InvalidParameterValue", text


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_the_latest_handle_deletes(desk, name):
    """The handle of the receive that holds the message deletes it (SQS-23)."""
    queue = desk.create(name)
    desk.send(queue, "a", group="g")
    (message,) = desk.receive(queue)
    deletion = desk.delete(queue, message)
    assert (deletion.message_id, deletion.deleted, deletion.reason) == (message.message_id, True, None)
    assert desk.counts(queue) == (0, 0, 0)
    (fact,) = desk.told("deleted")
    assert (fact.message, fact.receipt) == (message.message_id, message.receipt_handle)


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_deleting_twice_is_no_error(desk, name):
    """A handle of a deleted message is accepted and does nothing, however late (FAIL-4)."""
    queue = desk.create(name)
    desk.send(queue, "a", group="g")
    (message,) = desk.receive(queue)
    desk.delete(queue, message)
    deletion = desk.at(86_400).delete(queue, message)
    assert (deletion.deleted, deletion.reason) == (False, "gone")
    assert desk.told("delete-ignored")[0].reason == "gone"


def test_standard_deletes_after_visibility_if_nobody_received(desk):
    """Standard: after the visibility timeout the handle still deletes while nobody has received again (FAIL-19)."""
    queue = desk.create("q", visibility_timeout=1)
    desk.send(queue, "a", "b")
    first, _ = desk.receive(queue)
    assert desk.at(5).delete(queue, first).deleted
    assert desk.bodies(queue) == ["b"]


def test_standard_ignores_a_superseded_handle(desk):
    """Standard: after a newer receive a delete with the old handle succeeds and deletes nothing (FAIL-19)."""
    queue = desk.create("q", visibility_timeout=1)
    desk.send(queue, "a")
    (old,) = desk.receive(queue)
    (new,) = desk.at(2).receive(queue)
    deletion = desk.delete(queue, old)
    assert (deletion.deleted, deletion.reason) == (False, "superseded")
    assert desk.told("delete-ignored")[0].receipt == old.receipt_handle
    assert desk.counts(queue) == (0, 1, 0)
    assert desk.delete(queue, new).deleted


def test_stale_delete_may_be_set_to_delete(desk_with):
    """With stale_delete: deletes a superseded handle works all the same, for visibility too (FAIL-19, a choice)."""
    desk = desk_with(stale_delete="deletes")
    queue = desk.create("q", visibility_timeout=1)
    desk.send(queue, "a")
    (old,) = desk.receive(queue)
    desk.at(2).receive(queue)
    desk.change(queue, old, 100)
    assert desk.receivable(queue) == 102
    assert desk.delete(queue, old).deleted


@pytest.mark.parametrize("again", [False, True])
def test_fifo_refuses_an_expired_handle(desk, again):
    """FIFO: after the visibility timeout a delete is an error, received again or not; the message stays (FAIL-20)."""
    queue = desk.create("q.fifo", visibility_timeout=1)
    desk.send(queue, "a", group="g")
    (message,) = desk.receive(queue)
    desk.at(2)
    if again:
        desk.receive(queue)
    assert refusal(desk.delete, queue, message) == wrong(message, EXPIRED)
    assert sum(desk.counts(queue)) == 1


def test_fifo_deletes_when_extended_in_time(desk):
    """FIFO: a visibility timeout that was extended in time keeps the handle good (FAIL-20)."""
    queue = desk.create("q.fifo", visibility_timeout=2)
    desk.send(queue, "a", group="g")
    (message,) = desk.receive(queue)
    desk.at(1).change(queue, message, 10)
    assert desk.at(5).delete(queue, message).deleted


def garbage(desk, queue):
    other = desk.create(f"other{'.fifo' if queue.fifo else ''}")
    desk.send(other, "x", group="g")
    (elsewhere,) = desk.receive(other)
    yield from ("", "garbage", "AQEB" + "x" * 80, elsewhere.receipt_handle, elsewhere.receipt_handle[:-1] + "g")


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_garbage_is_refused(desk, name):
    """What is no handle of this queue is refused with SQS's own code and text (SQS-26)."""
    queue = desk.create(name)
    desk.send(queue, "a", group="g")
    desk.receive(queue)
    for handle in garbage(desk, queue):
        expected = ("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
        assert refusal(desk.engine.delete, queue, handle, desk.now) == expected
        assert refusal(desk.engine.change_visibility, queue, handle, 5, desk.now) == expected


def test_each_receive_gives_a_new_handle(desk):
    """Handles are never the same, and look like SQS's (SQS-23)."""
    queue = desk.create("q")
    desk.send(queue, "a")
    handles = [desk.receive(queue, visibility=0)[0].receipt_handle for _ in range(5)]
    assert len(set(handles)) == 5
    assert all(handle.startswith("AQEB") and len(handle) % 4 == 0 for handle in handles)


# --- change of visibility -----------------------------------------------------------------------------------


def test_change_counts_from_the_call(desk):
    """A new visibility timeout counts from the call, longer or shorter (SQS-25)."""
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, "a", "b")
    one, two = desk.receive(queue)
    desk.at(10).change(queue, one, 5)
    desk.change(queue, two, 60)
    assert desk.told("visibility-changed")[0].visible_at == desk.now + 5_000
    assert desk.receivable(queue) == 15
    assert desk.at(15).bodies(queue) == ["a"]
    assert desk.at(69).bodies(queue) == ["a"]
    assert desk.at(70).bodies(queue) == ["b"]


def test_change_to_zero_returns_at_once(desk):
    """Visibility 0 makes the message visible at once (SQS-25)."""
    queue = desk.create("q")
    desk.send(queue, "a")
    (message,) = desk.receive(queue)
    desk.change(queue, message, 0)
    assert desk.counts(queue) == (1, 0, 0)
    assert desk.bodies(queue) == ["a"]


def test_change_is_for_this_receive_only(desk):
    """The next receive uses the queue's timeout again (SQS-25)."""
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, "a")
    (message,) = desk.receive(queue)
    desk.change(queue, message, 100)
    (message,) = desk.at(100).receive(queue)
    assert message.visible_at == desk.now + 30_000


def test_change_after_the_end_holds_again(desk):
    """Standard: after the timeout a change still succeeds, and hides the message again (SQS-25)."""
    queue = desk.create("q", visibility_timeout=1)
    desk.send(queue, "a", "b")
    one, _ = desk.receive(queue)
    desk.at(5).change(queue, one, 10)
    assert desk.bodies(queue) == ["b"]
    assert desk.at(15).bodies(queue, 1) == ["a"]


def test_change_to_zero_after_the_end_changes_nothing(desk):
    """Standard: making visible what is visible already is accepted, and gives it no second place."""
    queue = desk.create("q", visibility_timeout=1)
    desk.send(queue, "a")
    (message,) = desk.receive(queue)
    desk.at(5).change(queue, message, 0)
    assert desk.bodies(queue) == ["a"]
    assert desk.counts(queue) == (0, 1, 0)


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_change_of_a_deleted_message(desk, name):
    """A deleted message's handle cannot change anything (SQS-26)."""
    queue = desk.create(name)
    desk.send(queue, "a", group="g")
    (message,) = desk.receive(queue)
    desk.delete(queue, message)
    assert refusal(desk.change, queue, message, 5) == wrong(message, NOT_AVAILABLE)


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_change_with_a_superseded_handle(desk, name):
    """An old consumer cannot change how long the new one holds the message (SQS-23, SQS-26)."""
    queue = desk.create(name, visibility_timeout=1)
    desk.send(queue, "a", group="g")
    (old,) = desk.receive(queue)
    desk.at(2).receive(queue)
    assert refusal(desk.change, queue, old, 5) == wrong(old, NOT_AVAILABLE)


def test_fifo_change_after_the_end(desk):
    """FIFO: once the timeout is over the handle changes nothing (SQS-26, FAIL-20)."""
    queue = desk.create("q.fifo", visibility_timeout=1)
    desk.send(queue, "a", group="g")
    (message,) = desk.receive(queue)
    assert refusal(desk.at(2).change, queue, message, 5) == wrong(message, NOT_AVAILABLE)


def test_twelve_hours_in_all(desk):
    """A message cannot be held for more than 12 hours from its receive: an error, not a clamp (SQS-25)."""
    queue = desk.create("q")
    desk.send(queue, "a")
    (message,) = desk.receive(queue)
    desk.change(queue, message, 43_200)
    desk.at(3600).change(queue, message, 43_200 - 3600)
    code, text = refusal(desk.change, queue, message, 43_200 - 3599)
    assert code == "InvalidParameterValue"
    assert text.endswith("Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].")
    assert desk.receivable(queue) == 43_200


@pytest.mark.parametrize("seconds", [-1, 43_201])
def test_visibility_has_its_range(desk, seconds):
    """A VisibilityTimeout is 0 to 43,200 s, on receive and on change (SQS-2)."""
    queue = desk.create("q")
    desk.send(queue, "a")
    (message,) = desk.receive(queue)
    text = (
        f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided."
    )
    assert refusal(desk.change, queue, message, seconds) == ("InvalidParameterValue", text)
    assert refusal(desk.receive, queue, 1, seconds) == ("InvalidParameterValue", text)

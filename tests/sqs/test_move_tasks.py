"""Message move tasks: dead letters go back."""

from __future__ import annotations

import pytest

from esm_emulator.errors import SqsError


def bury(desk, queue, *bodies, **values):
    """Send messages and receive them until they are dead letters (with maxReceiveCount 1)."""
    desk.send(queue, *bodies, **values)
    desk.receive(queue, visibility=0)
    desk.receive(queue)


def finish(desk, task):
    """Do what is due until the task has ended; when each step was."""
    steps = []
    while task.status in ("RUNNING", "CANCELLING"):
        steps.append(desk.due())
        desk.advance(desk.due())
    return steps


@pytest.fixture
def pair(desk):
    return desk.with_letters("q", 1)


def test_back_to_the_original_source(desk, pair):
    """Without a destination each message goes back to the queue that it came from (SQS-40)."""
    queue, letters = pair
    other = desk.create("other", redrive_policy=queue.settings.redrive_policy)
    bury(desk, queue, "a")
    bury(desk, other, "b")
    task = desk.start_move(letters)
    finish(desk, task)
    assert (task.status, task.moved, task.to_move) == ("COMPLETED", 2, 2)
    assert (desk.bodies(queue), desk.bodies(other)) == (["a"], ["b"])
    assert [fact.status for fact in desk.told("move-task")] == ["RUNNING", "COMPLETED"]


def test_to_a_destination(desk, pair):
    """With a destination all go there (SQS-40)."""
    queue, letters = pair
    elsewhere = desk.create("elsewhere")
    bury(desk, queue, "a", "b")
    finish(desk, desk.start_move(letters, to=elsewhere))
    assert desk.bodies(elsewhere) == ["a", "b"]
    assert desk.told("move-task")[-1].to == "elsewhere"


def test_moved_message_is_new(desk, pair):
    """A redriven message has a new id and enqueue time, its retention starts anew, nobody received it (SQS-41)."""
    queue, letters = pair
    bury(desk, queue, "a", trace_header="Root=1")
    (letter,) = desk.stored(letters)
    desk.at(1000)
    finish(desk, desk.start_move(letters))
    (fact,) = desk.told("moved")
    (message,) = desk.receive(queue)
    assert (fact.queue, fact.to, fact.message, fact.new_message) == ("letters", "q", letter.id, message.message_id)
    assert message.message_id != letter.id
    assert message.attributes["SentTimestamp"] == str(fact.at)
    assert message.receive_count == 1
    assert "DeadLetterQueueSourceArn" not in message.attributes
    assert message.attributes["AWSTraceHeader"] == "Root=1"
    assert fact.expires_at == fact.at + 345_600_000


def test_moved_message_has_all_its_receives_again(desk, pair):
    """It may be received maxReceiveCount times before it is a dead letter again (SQS-41, DLQ-1)."""
    queue, letters = pair
    bury(desk, queue, "a")
    finish(desk, desk.start_move(letters))
    assert desk.bodies(queue, visibility=0) == ["a"]
    assert desk.bodies(queue) == []
    assert len(desk.told("dead-lettered")) == 2


def test_rate(desk, pair):
    """At a rate of two a second a message moves every half second, the first after the first half (SQS-40)."""
    queue, letters = pair
    bury(desk, queue, *"abcd")
    task = desk.start_move(letters, rate=2)
    assert (task.status, task.moved) == ("RUNNING", 0)
    assert finish(desk, task) == [0.5, 1, 1.5, 2]


def test_automatic_rate(desk, pair):
    """Without a rate the messages move at the highest there is, 500 a second (SQS-40, a choice)."""
    queue, letters = pair
    bury(desk, queue, *"abc")
    assert finish(desk, desk.start_move(letters)) == [0.002, 0.004, 0.006]


def test_steps_asked_for_late_are_all_done(desk, pair):
    """However late somebody asks, everything that was due is moved."""
    queue, letters = pair
    bury(desk, queue, *"abc")
    task = desk.start_move(letters, rate=1)
    desk.advance(100)
    assert (task.status, task.moved) == ("COMPLETED", 3)


def test_what_comes_back_is_not_moved_again(desk, pair):
    """A task moves what was there when it started, not what fails again meanwhile."""
    queue, letters = pair
    bury(desk, queue, "a", "b")
    task = desk.start_move(letters, rate=1)
    desk.advance(1)
    desk.receive(queue, visibility=0)
    desk.receive(queue)
    finish(desk, task)
    assert task.moved == 2
    assert desk.counts(letters) == (1, 0, 0)


def test_in_flight_letters_are_left_alone(desk, pair):
    """A dead letter that somebody holds is not moved."""
    queue, letters = pair
    bury(desk, queue, "a", "b")
    (held,) = desk.receive(letters, 1)
    task = desk.start_move(letters)
    finish(desk, task)
    assert (task.moved, task.to_move) == (1, 1)
    assert desk.delete(letters, held).deleted


def test_messages_that_vanish_end_the_task(desk, pair):
    """When nothing is left to move the task is complete, whatever it expected."""
    queue, letters = pair
    bury(desk, queue, "a", "b")
    task = desk.start_move(letters, rate=1)
    desk.purge(letters)
    finish(desk, task)
    assert (task.status, task.moved) == ("COMPLETED", 0)


def test_empty_queue(desk, pair):
    """A task without messages completes at once."""
    task = desk.start_move(pair[1])
    assert finish(desk, task) == [0]
    assert task.status == "COMPLETED"


def test_cancel(desk, pair):
    """Cancelling keeps what was moved, says how many, and ends the task (SQS-40)."""
    queue, letters = pair
    bury(desk, queue, *"abc")
    task = desk.start_move(letters, rate=1)
    desk.advance(2)
    assert desk.cancel_move(task) == 2
    finish(desk, task)
    assert [fact.status for fact in desk.told("move-task")] == ["RUNNING", "CANCELLING", "CANCELLED"]
    assert desk.counts(letters) == (1, 0, 0)
    with pytest.raises(SqsError) as refusal:
        desk.cancel_move(task)
    assert (refusal.value.code, refusal.value.message) == ("ResourceNotFoundException", "Task does not exist.")


def test_fifo_dedup_id_becomes_the_old_id(desk):
    """FIFO: the deduplication id of a redriven message is its id before, the group stays, in order (DLQ-6)."""
    queue, letters = desk.with_letters("q.fifo", 1)
    bury(desk, queue, "a", "b", group="g")
    old = [message.id for message in desk.stored(letters)]
    finish(desk, desk.start_move(letters))
    messages = desk.receive(queue)
    assert [message.body for message in messages] == ["a", "b"]
    assert [message.attributes["MessageDeduplicationId"] for message in messages] == old
    assert {message.group for message in messages} == {"g"}


def test_destination_deleted_meanwhile(desk, pair):
    """A task whose destination is deleted fails, and the rest stays (SQS-40)."""
    queue, letters = pair
    elsewhere = desk.create("elsewhere")
    bury(desk, queue, "a", "b")
    task = desk.start_move(letters, to=elsewhere, rate=1)
    desk.advance(1)
    desk.facts += desk.engine.remove(elsewhere, desk.now)
    finish(desk, task)
    assert (task.status, task.moved) == ("FAILED", 1)
    assert task.failure_reason == "AWS.SimpleQueueService.NonExistentQueue"
    assert desk.bodies(letters) == ["b"]


def test_source_deleted_meanwhile(desk, pair):
    """A task whose source is deleted fails."""
    queue, letters = pair
    bury(desk, queue, "a")
    task = desk.start_move(letters)
    desk.facts += desk.engine.remove(letters, desk.now)
    finish(desk, task)
    assert task.status == "FAILED"


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_letter_without_a_source(desk, name):
    """A message that was sent to the dead-letter queue directly has no source to go back to: the task fails."""
    _, letters = desk.with_letters(name, 1)
    desk.send(letters, "direct", group="g")
    task = desk.start_move(letters)
    finish(desk, task)
    assert (task.status, task.failure_reason) == ("FAILED", "CouldNotDetermineMessageSource")
    assert desk.bodies(letters) == ["direct"]


def refusal(call, *arguments, **values):
    with pytest.raises(SqsError) as caught:
        call(*arguments, **values)
    return caught.value.message


def test_only_from_a_dead_letter_queue(desk, pair):
    """The source has to be some queue's dead-letter queue (SQS-40)."""
    assert refusal(desk.start_move, pair[0]) == "Source queue must be configured as a Dead Letter Queue."


def test_one_task_a_queue(desk, pair):
    """One active task a queue; after its end the next may start (SQS-40)."""
    queue, letters = pair
    bury(desk, queue, "a")
    task = desk.start_move(letters)
    assert refusal(desk.start_move, letters).startswith("There is already a task running.")
    finish(desk, task)
    later = desk.start_move(letters)
    assert desk.engine.moves(letters) == [later, task]


@pytest.mark.parametrize("rate", [0, 501])
def test_rate_has_its_range(desk, pair, rate):
    """A rate is 1 to 500 messages a second (SQS-40)."""
    assert "MaxNumberOfMessagesPerSecond" in refusal(desk.start_move, pair[1], rate=rate)


def test_destination_of_another_type(desk, pair):
    """A standard queue's letters cannot go into a FIFO queue (DLQ-5)."""
    assert "same type" in refusal(desk.start_move, pair[1], to=desk.create("x.fifo"))


def test_latest_ten_tasks(desk, pair):
    """Ten tasks are listed, the newest first (SQS-40)."""
    tasks = []
    for _ in range(12):
        tasks.append(desk.start_move(pair[1]))
        finish(desk, tasks[-1])
    assert desk.engine.moves(pair[1]) == tasks[:1:-1]

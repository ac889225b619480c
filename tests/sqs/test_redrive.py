"""Dead letters: when a message is moved, what it keeps, and what may be a dead-letter queue."""

from __future__ import annotations

import pytest

from esm_emulator.errors import SqsError
from esm_emulator.messages import MessageAttribute
from esm_emulator.sqs import QueueSettings, RedriveAllowPolicy, RedrivePolicy


def receive_and_drop(desk, queue, times):
    """Receive so often, with the message visible again at once each time."""
    for _ in range(times):
        assert len(desk.receive(queue, visibility=0)) == 1


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_received_n_times_then_moved(desk, name, most):
    """A message is received maxReceiveCount times; the next receive only moves it (DLQ-1, DLQ-2, DLQ-14)."""
    queue, letters = desk.with_letters(name, most)
    desk.send(queue, "a", group="g")
    receive_and_drop(desk, queue, most)
    assert desk.counts(queue) == (1, 0, 0)
    assert desk.told("dead-lettered") == []
    assert desk.bodies(queue) == []
    (fact,) = desk.told("dead-lettered")
    assert (fact.queue, fact.to, fact.receive_count) == (queue.id, letters.id, most)
    assert desk.counts(queue) == (0, 0, 0)
    assert desk.counts(letters) == (1, 0, 0)


def test_move_is_lazy(desk):
    """A message past its last failure stays visible in the source until somebody polls (DLQ-2)."""
    queue, letters = desk.with_letters("q", 1, visibility_timeout=10)
    desk.send(queue, "a")
    desk.receive(queue)
    desk.advance(3600)
    assert desk.counts(queue) == (1, 0, 0)
    assert desk.receivable(queue) == 3600
    assert desk.bodies(queue) == []
    assert desk.counts(letters) == (1, 0, 0)


def test_one_receive_looks_at_no_more_than_it_asks_for(desk):
    """Two messages with N=1 take four receives of one: two deliver, two move one each (DLQ-2)."""
    queue, letters = desk.with_letters("q", 1, visibility_timeout=30)
    desk.send(queue, "a", "b")
    assert [desk.bodies(queue, 1) for _ in range(2)] == [["a"], ["b"]]
    desk.at(30)
    for moved in (1, 2):
        assert desk.bodies(queue, 1) == []
        assert desk.counts(letters) == (moved, 0, 0)


def test_moved_and_delivered_in_one_receive(desk):
    """A receive of ten moves what is due and delivers the rest (DLQ-2)."""
    queue, letters = desk.with_letters("q", 1)
    desk.send(queue, "a", "b")
    desk.bodies(queue, 1, 0)
    desk.send(queue, "c")
    assert desk.bodies(queue) == ["b", "c"]
    assert [message.body for message in desk.stored(letters)] == ["a"]


def test_what_is_kept(desk):
    """Id, body, MD5s, attributes and trace header stay; the receive count carries over; the source is added (DLQ-3)."""
    queue, letters = desk.with_letters("q", 1)
    attributes = {"Kind": MessageAttribute("String", "x")}
    desk.send(queue, "a", attributes=attributes, trace_header="Root=1-5e3d83c1-e6a0db584850d61342823d4c")
    (first,) = desk.at(1).receive(queue, visibility=0)
    desk.at(2).receive(queue)
    (letter,) = desk.at(3).receive(letters)
    for name in ("message_id", "body", "md5_of_body", "message_attributes", "md5_of_message_attributes"):
        assert getattr(letter, name) == getattr(first, name)
    assert letter.attributes == first.attributes | {
        "ApproximateReceiveCount": "2",
        "DeadLetterQueueSourceArn": queue.arn,
    }


def test_standard_keeps_its_age(desk):
    """Standard: SentTimestamp and so the expiry stay; the dead-letter queue's age counts from the move (DLQ-4)."""
    queue, letters = desk.with_letters("q", 1)
    desk.configure(letters, message_retention_period=100)
    desk.send(queue, "a")
    desk.at(60).receive(queue, visibility=0)
    desk.receive(queue)
    assert desk.told("dead-lettered")[0].expires_at == desk.at(100).now
    assert desk.due() == 100
    assert desk.engine.oldest_age(letters, desk.at(75).now) == 15_000
    desk.advance(100)
    assert [fact.queue for fact in desk.told("expired")] == ["letters"]


def test_standard_may_expire_on_arrival(desk):
    """A message older than the dead-letter queue's retention is gone at once (DLQ-4)."""
    queue, letters = desk.with_letters("q", 1)
    desk.configure(letters, message_retention_period=60)
    desk.send(queue, "a")
    desk.at(1000).receive(queue, visibility=0)
    desk.receive(queue)
    desk.advance()
    assert [fact.event for fact in desk.facts[-2:]] == ["dead-lettered", "expired"]
    assert desk.counts(letters) == (0, 0, 0)


def test_older_letters_expire_first(desk):
    """In a dead-letter queue the order of expiry is that of sending, not of arrival (DLQ-4)."""
    queue, letters = desk.with_letters("q", 1)
    desk.configure(letters, message_retention_period=600)
    desk.send(queue, "old")
    desk.at(100).send(queue, "young")
    old, young = desk.receive(queue)
    desk.change(queue, young, 0)
    desk.receive(queue)
    desk.at(200).send(letters, "direct")
    desk.change(queue, old, 0)
    desk.receive(queue)
    assert [message.body for message in desk.stored(letters)] == ["young", "direct", "old"]
    for seconds, body in ((600, "old"), (700, "young"), (800, "direct")):
        assert desk.due() == seconds
        assert body in [message.body for message in desk.stored(letters)]
        desk.advance(seconds)
        assert body not in [message.body for message in desk.stored(letters)]


def test_fifo_starts_anew(desk):
    """FIFO: SentTimestamp resets on the move, the deduplication id becomes the message id (DLQ-4, DLQ-6)."""
    queue, letters = desk.with_letters("q.fifo", 1)
    sent = desk.send(queue, "a", group="g", dedup="d")
    desk.at(60).receive(queue, visibility=0)
    desk.receive(queue)
    (letter,) = desk.at(70).receive(letters)
    assert letter.message_id == letter.attributes["MessageDeduplicationId"] == sent.message_id
    assert letter.attributes["SentTimestamp"] == str(desk.at(60).now)
    assert letter.attributes["MessageGroupId"] == "g"
    assert desk.due() == 60 + 345_600


def test_fifo_move_unlocks_the_group(desk):
    """FIFO, N=2: the third receive moves the message, and the next of the group comes at once (DLQ-7)."""
    queue, letters = desk.with_letters("q.fifo", 2)
    sent = desk.send(queue, "a", group="g")
    receive_and_drop(desk, queue, 2)
    assert desk.bodies(queue, 1) == []
    assert [message.id for message in desk.stored(letters)] == [sent.message_id]
    desk.send(queue, "b", group="g")
    assert desk.bodies(queue) == ["b"]


def test_fifo_later_one_comes_in_the_same_receive(desk):
    """A receive that moves the first of a group may deliver the second (DLQ-7)."""
    queue, _ = desk.with_letters("q.fifo", 1)
    desk.send(queue, "a", group="g")
    receive_and_drop(desk, queue, 1)
    desk.send(queue, "b", group="g")
    assert desk.bodies(queue) == ["b"]


def test_back_of_the_queue(desk):
    """With maxReceiveCount above 3 a message received three times goes to the back; age ignores it (DLQ-8)."""
    queue, _ = desk.with_letters("q", 5, visibility_timeout=10)
    desk.send(queue, "poison")
    desk.at(1).send(queue, "b", "c")
    for second in (10, 20, 30):
        assert desk.at(second).bodies(queue, 1) == ["poison"]
    assert desk.engine.oldest_age(queue, desk.at(39).now) == 39_000
    assert desk.engine.oldest_age(queue, desk.at(40).now) == 39_000
    desk.send(queue, "d")
    assert desk.bodies(queue) == ["b", "c", "poison", "d"]
    desk.configure(queue, message_retention_period=60)
    assert desk.due() == 60


@pytest.mark.parametrize(("most", "receives"), [(3, 3), (5, 0)])
def test_no_back_of_the_queue(desk_with, most, receives):
    """Not with maxReceiveCount of 3 or less, and not where the profile switches it off (DLQ-8)."""
    desk = desk_with(back_of_queue_receives=receives)
    queue, _ = desk.with_letters("q", most)
    desk.send(queue, "a", "b")
    for _ in range(3):
        assert desk.bodies(queue, 1, 0) == ["a"]
    if most > 3:
        assert desk.bodies(queue, 1) == ["a"]
    assert [message.aside for message in desk.stored(queue)][-1:] == [False]


def test_chain_of_dead_letter_queues_counts_anew(desk):
    """Each queue's policy counts the receives in that queue; consumers see the sum (DLQ-1, DLQ-3)."""
    queue, letters = desk.with_letters("q", 1)
    last = desk.create("last")
    desk.configure(letters, redrive_policy=RedrivePolicy(last.arn, 2))
    desk.send(queue, "a")
    receive_and_drop(desk, queue, 1)
    desk.receive(queue)
    counts = [desk.receive(letters, visibility=0)[0].receive_count for _ in range(2)]
    desk.receive(letters)
    assert counts == [2, 3]
    assert desk.receive(last)[0].attributes["DeadLetterQueueSourceArn"] == letters.arn
    assert [fact.receive_count for fact in desk.told("dead-lettered")] == [1, 2]


def test_old_handle_after_the_move(desk):
    """After the move the source knows the message no more: its handles delete nothing (FAIL-4)."""
    queue, letters = desk.with_letters("q", 1)
    desk.send(queue, "a")
    (message,) = desk.receive(queue, visibility=0)
    desk.receive(queue)
    assert desk.delete(queue, message).reason == "gone"
    assert desk.counts(letters) == (1, 0, 0)


def test_without_its_target_a_policy_does_nothing(desk):
    """While the dead-letter queue does not exist messages stay and are received on."""
    queue, letters = desk.with_letters("q", 1)
    desk.send(queue, "a")
    desk.facts += desk.engine.remove(letters, desk.now)
    receive_and_drop(desk, queue, 4)
    desk.at(60)
    desk.create("letters")
    assert desk.bodies(queue) == []
    assert len(desk.told("dead-lettered")) == 1


def test_policy_change_counts_for_the_next_receive(desk):
    """A new maxReceiveCount holds for messages that are there already."""
    queue, letters = desk.with_letters("q", 10)
    desk.send(queue, "a")
    receive_and_drop(desk, queue, 3)
    desk.configure(queue, redrive_policy=RedrivePolicy(letters.arn, 3))
    assert desk.bodies(queue) == []
    assert desk.counts(letters) == (1, 0, 0)


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_a_queue_may_be_its_own_dead_letter_queue(desk, name):
    """SQS does not refuse it: the letters come again, counted on (DLQ-2, DLQ-3)."""
    queue = desk.create(name)
    desk.configure(queue, redrive_policy=RedrivePolicy(queue.arn, 1))
    desk.send(queue, "a", "b", **({"group": "g"} if queue.fifo else {}))
    assert [desk.bodies(queue, visibility=0) for _ in range(4)] == [["a", "b"], [], ["a", "b"], []]
    assert [message.receive_count for message in desk.stored(queue)] == [2, 2]
    task = desk.start_move(queue)
    desk.advance(1)
    assert (task.status, task.moved, desk.counts(queue)) == ("COMPLETED", 2, (2, 0, 0))


# --- who may ------------------------------------------------------------------------------------------------


def refusal(call, *arguments, **values):
    with pytest.raises(SqsError) as caught:
        call(*arguments, **values)
    assert caught.value.code == "InvalidParameterValue"
    return caught.value.message


def test_types_must_agree(desk):
    """A dead-letter queue is of its source's type (DLQ-5)."""
    letters = desk.create("letters")
    text = refusal(desk.create, "q.fifo", redrive_policy=RedrivePolicy(letters.arn, 3))
    assert text.endswith("Reason: Dead-letter queue must be same type of queue as the source..")


@pytest.mark.parametrize("arn", ["arn:aws:sqs:eu-west-1:123456789012:x", "arn:aws:sqs:us-east-1:210987654321:x"])
def test_same_account_and_region(desk, arn):
    """A dead-letter queue is in its source's account and region (DLQ-5)."""
    text = refusal(desk.create, "q", redrive_policy=RedrivePolicy(arn, 3))
    assert text.endswith("Reason: Dead-letter target owner should be same as the source.")


ARN = "arn:aws:sqs:us-east-1:123456789012:q"


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (None, True),
        (RedriveAllowPolicy(), True),
        (RedriveAllowPolicy("denyAll"), False),
        (RedriveAllowPolicy("byQueue", (ARN,)), True),
        (RedriveAllowPolicy("byQueue", ("arn:aws:sqs:us-east-1:123456789012:other",)), False),
    ],
)
def test_redrive_allow_policy(desk, policy, allowed):
    """The dead-letter queue says who may use it: everybody, nobody, or up to ten named queues (DLQ-11)."""
    letters = desk.create("letters", redrive_allow_policy=policy)
    if allowed:
        desk.create("q", redrive_policy=RedrivePolicy(letters.arn, 3))
    else:
        assert "not allow" in refusal(desk.create, "q", redrive_policy=RedrivePolicy(letters.arn, 3))
        queue = desk.create("q")
        assert "not allow" in refusal(desk.configure, queue, redrive_policy=RedrivePolicy(letters.arn, 3))
        assert queue.settings.redrive_policy is None


def test_leave_withdrawn_later(desk):
    """When the leave is withdrawn later, messages stay in the source (DLQ-11)."""
    queue, letters = desk.with_letters("q", 1)
    desk.configure(letters, redrive_allow_policy=RedriveAllowPolicy("denyAll"))
    desk.send(queue, "a")
    receive_and_drop(desk, queue, 3)
    assert desk.counts(letters) == (0, 0, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"maxReceiveCount": 3}', "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        ({"deadLetterTargetArn": ARN}, "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        ({"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}, "Invalid value for deadLetterTargetArn."),
        ({"deadLetterTargetArn": ARN, "maxReceiveCount": "x"}, "Invalid value for maxReceiveCount: x, valid"),
        ({"deadLetterTargetArn": ARN, "maxReceiveCount": 0}, "Invalid value for maxReceiveCount: 0, valid"),
        ({"deadLetterTargetArn": ARN, "maxReceiveCount": 1001}, "Invalid value for maxReceiveCount: 1001, valid"),
        ({"deadLetterTargetArn": ARN, "maxReceiveCount": True}, "Invalid value for maxReceiveCount: True, valid"),
    ],
)
def test_redrive_policies_that_are_refused(value, text):
    """A redrive policy needs both parts, a target ARN and a whole number from 1 to 1,000 (DLQ-12, DLQ-13)."""
    message = refusal(QueueSettings.from_attributes, {"RedrivePolicy": value})
    assert message.startswith("Value {")
    assert text in message


@pytest.mark.parametrize("count", [3, "3"])
def test_redrive_policy_from_text(count):
    """A number and its digits are both accepted; an empty text removes the policy (DLQ-12)."""
    text = f'{{"deadLetterTargetArn": "{ARN}", "maxReceiveCount": {count!r}}}'.replace("'", '"')
    settings = QueueSettings.from_attributes({"RedrivePolicy": text})
    assert settings.redrive_policy == RedrivePolicy(ARN, 3)
    assert QueueSettings.from_attributes({"RedrivePolicy": ""}, settings).redrive_policy is None

"""Standard queues: visibility, delay, retention, age, purge, limits, order."""

from __future__ import annotations

import pytest

from esm_emulator.errors import SqsError, UsageError
from esm_emulator.sqs import NewMessage


def test_messages_come_in_send_order(desk):
    """Without trouble a standard queue gives messages in the order of sending (SQS-28, a choice)."""
    queue = desk.create("q")
    desk.send(queue, "a", "b", "c")
    assert desk.bodies(queue, 2) == ["a", "b"]
    assert desk.bodies(queue) == ["c"]


def test_received_is_hidden_until_visibility_ends(desk):
    """A received message is hidden for the queue's visibility timeout, to the millisecond (SQS-20)."""
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, "a")
    desk.receive(queue)
    assert desk.at(29.999).bodies(queue) == []
    assert desk.at(30).bodies(queue) == ["a"]


def test_receive_overrides_visibility(desk):
    """A receive's own VisibilityTimeout counts instead of the queue's (SQS-20)."""
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, "a")
    (message,) = desk.receive(queue, visibility=5)
    assert message.visible_at == desk.now + 5_000
    assert desk.at(5).bodies(queue) == ["a"]


def test_zero_visibility_is_visible_at_once(desk):
    """Received with visibility 0 a message is not in flight, and a receive gives it only once."""
    queue = desk.create("q")
    desk.send(queue, "a")
    assert desk.bodies(queue, visibility=0) == ["a"]
    assert desk.counts(queue) == (1, 0, 0)
    assert desk.bodies(queue) == ["a"]


def test_redelivery_keeps_id_and_times(desk):
    """On redelivery id, SentTimestamp and first receive stay; the handle is new, the count rises (EVT-13, SQS-27)."""
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, "a")
    (first,) = desk.at(1).receive(queue)
    (second,) = desk.at(40).receive(queue)
    kept = ("SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId")
    assert first.message_id == second.message_id
    assert [first.attributes[name] for name in kept] == [second.attributes[name] for name in kept]
    assert first.receipt_handle != second.receipt_handle
    assert (first.receive_count, second.receive_count) == (1, 2)


def test_returned_comes_before_younger(desk):
    """A message that returns keeps its place before younger ones."""
    queue = desk.create("q", visibility_timeout=10)
    desk.send(queue, "a", "b", "c")
    desk.bodies(queue, 1)
    assert desk.at(10).bodies(queue) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("queue_delay", "message_delay", "expected"), [(0, None, 0), (5, None, 5), (5, 0, 0), (0, 7_000, 7), (5, 7_000, 7)]
)
def test_delay(desk, queue_delay, message_delay, expected):
    """A new message is hidden for its own delay, or the queue's without one; it is delayed, not in flight (SQS-31)."""
    queue = desk.create("q", delay_seconds=queue_delay)
    desk.send(queue, "a", delay_ms=message_delay)
    assert desk.counts(queue) == ((1, 0, 0) if expected == 0 else (0, 0, 1))
    assert desk.receivable(queue) == expected
    assert desk.told("sent")[0].visible_at == desk.now + expected * 1000
    assert desk.at(expected).bodies(queue) == ["a"]


def test_new_delay_is_for_later_sends(desk):
    """On a standard queue a change of DelaySeconds leaves messages that are there alone."""
    queue = desk.create("q", delay_seconds=60)
    desk.send(queue, "a")
    desk.configure(queue, delay_seconds=0)
    desk.send(queue, "b")
    assert desk.bodies(queue, visibility=100) == ["b"]
    assert desk.at(60).bodies(queue) == ["a"]


def test_new_visibility_is_for_later_receives(desk):
    """A change of VisibilityTimeout does not move the end of what is in flight."""
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, "a")
    desk.receive(queue)
    desk.configure(queue, visibility_timeout=100)
    assert desk.at(30).bodies(queue) == ["a"]
    assert desk.receivable(queue) == 130


@pytest.mark.parametrize("in_flight", [False, True])
def test_retention_ends_messages(desk, in_flight):
    """Retention takes a message out, in flight too, and says which (SQS-29)."""
    queue = desk.create("q", message_retention_period=60, visibility_timeout=300)
    desk.send(queue, "a")
    if in_flight:
        desk.receive(queue)
    desk.advance(59.999)
    assert desk.told("expired") == []
    assert desk.due() == 60
    desk.advance(60)
    (fact,) = desk.told("expired")
    assert (fact.queue, fact.in_flight) == ("q", in_flight)
    assert sum(desk.counts(queue)) == 0
    assert desk.due() is None


def test_expired_long_ago_was_not_in_flight_any_more(desk):
    """Looked at late, an expiry is judged by what the message was when its retention ended (SQS-29)."""
    queue = desk.create("q", message_retention_period=60, visibility_timeout=30)
    desk.send(queue, "a")
    desk.receive(queue)
    desk.advance(500)
    assert [fact.in_flight for fact in desk.told("expired")] == [False]


def test_expired_message_is_not_received(desk):
    """A receive first tells what has expired; that it never brings."""
    queue = desk.create("q", message_retention_period=60)
    desk.send(queue, "a")
    desk.at(30).send(queue, "b")
    assert desk.at(60).bodies(queue) == ["b"]
    assert [fact.event for fact in desk.facts[-2:]] == ["expired", "received"]


def test_shorter_retention_expires_at_once(desk):
    """A retention that is made shorter expires what is older by now, the rest at its new time."""
    queue = desk.create("q", message_retention_period=3600)
    desk.send(queue, "a")
    desk.at(100).send(queue, "b")
    desk.configure(queue, message_retention_period=60)
    assert len(desk.told("expired")) == 1
    assert desk.due() == 160


def test_longer_retention_keeps_what_is_there(desk):
    """A retention that is made longer keeps what would have gone, and brings it back after its visibility timeout."""
    queue = desk.create("q", message_retention_period=60, visibility_timeout=300)
    desk.send(queue, "a")
    desk.receive(queue)
    assert desk.receivable(queue) is None
    desk.configure(queue, message_retention_period=3600)
    assert desk.receivable(queue) == 300
    assert desk.at(300).bodies(queue) == ["a"]


def test_counts(desk):
    """Visible, in flight and delayed are counted apart."""
    queue = desk.create("q")
    desk.send(queue, "a", "b", "c")
    desk.send(queue, "d", delay_ms=9_000)
    desk.receive(queue, 2)
    assert desk.counts(queue) == (1, 2, 1)
    assert desk.engine.counts(queue, desk.now).total == 4


def test_age_of_the_oldest(desk):
    """The age is that of the oldest message, in flight or not; None without any."""
    queue = desk.create("q")
    assert desk.engine.oldest_age(queue, desk.now) is None
    desk.send(queue, "a")
    desk.at(7).send(queue, "b")
    (first,) = desk.receive(queue, 1)
    assert desk.engine.oldest_age(queue, desk.now) == 7_000
    desk.delete(queue, first)
    assert desk.at(10).engine.oldest_age(queue, desk.now) == 3_000


def test_purge_removes_everything(desk):
    """PurgeQueue removes visible, in-flight and delayed messages (SQS-30)."""
    queue = desk.create("q")
    desk.send(queue, "a", "b")
    desk.send(queue, "c", delay_ms=5_000)
    desk.receive(queue, 1)
    ids = tuple(message.id for message in desk.stored(queue))
    desk.purge(queue)
    assert desk.told("purged")[0].messages == ids
    assert desk.counts(queue) == (0, 0, 0)
    assert desk.receivable(queue) is None
    desk.at(40).send(queue, "d")
    assert desk.bodies(queue) == ["d"]


def test_purge_once_a_minute(desk):
    """A second purge within 60 s is refused with 403 and SQS's text (SQS-30)."""
    queue = desk.create("q")
    desk.purge(queue)
    with pytest.raises(SqsError) as refusal:
        desk.at(59.9).purge(queue)
    assert (refusal.value.code, refusal.value.status) == ("AWS.SimpleQueueService.PurgeQueueInProgress", 403)
    assert refusal.value.message == "Only one PurgeQueue operation on q is allowed every 60 seconds."
    desk.at(60).purge(queue)


def test_in_flight_limit_long_poll(desk_with):
    """With too much in flight a long poll brings nothing, without an error, and never more than the room (SQS-12)."""
    desk = desk_with(in_flight_standard=3)
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, *"abcde")
    assert desk.bodies(queue, 2) == ["a", "b"]
    held = desk.receive(queue, 10)
    assert [message.body for message in held] == ["c"]
    assert desk.bodies(queue) == []
    assert desk.told("in-flight-limit")[0].limit == 3
    assert desk.receivable(queue) == 30
    desk.delete(queue, *held)
    assert desk.receivable(queue) == 0
    assert desk.bodies(queue) == ["d"]


def test_in_flight_limit_short_poll(desk_with):
    """A short poll of a standard queue fails with OverLimit (SQS-12)."""
    desk = desk_with(in_flight_standard=1)
    queue = desk.create("q")
    desk.send(queue, "a", "b")
    desk.receive(queue, 1)
    with pytest.raises(SqsError, match="OverLimit"):
        desk.receive(queue, 1, long_poll=False)


def test_redelivered_while_in_flight(desk):
    """A replica may deliver a message that is in flight once more; the first holder's handle is then old (SQS-28)."""
    queue = desk.create("q")
    desk.send(queue, "a")
    (first,) = desk.receive(queue)
    desk.redeliver(queue, first.message_id)
    assert desk.receivable(queue) == 0
    (second,) = desk.receive(queue)
    assert second.receive_count == 2
    assert desk.delete(queue, first).reason == "superseded"
    assert desk.delete(queue, second).deleted
    assert [fact.event for fact in desk.facts if fact.event == "redelivered"] == ["redelivered"]


def test_redelivery_of_what_is_not_in_flight_does_nothing(desk):
    """Only a message in flight can be redelivered."""
    queue = desk.create("q")
    sent = desk.send(queue, "a")
    desk.redeliver(queue, sent.message_id)
    desk.redeliver(queue, "nobody")
    assert desk.told("redelivered") == []


def test_fifo_never_redelivers(desk):
    """A FIFO queue does not do that: asking for it makes no sense (SQS-28)."""
    with pytest.raises(UsageError, match="FIFO"):
        desk.redeliver(desk.create("q.fifo"), "m")


def test_shuffled_order_is_the_seeds(desk_with):
    """With order: shuffle every visible message comes once, in an order that the seed alone decides (SQS-28)."""

    def order():
        desk = desk_with(order="shuffle")
        queue = desk.create("q")
        desk.send(queue, *(str(number) for number in range(30)))
        return [body for _ in range(3) for body in desk.bodies(queue)]

    assert order() == order()
    assert sorted(order(), key=int) == [str(number) for number in range(30)] != order()


def test_order_may_change_while_running(desk):
    """The profile may be changed in a run: what is in the queue stays receivable, once each."""
    queue = desk.create("q")
    desk.send(queue, "a", "b")
    desk.engine.profile = desk.engine.profile.with_(order="shuffle")
    desk.send(queue, "c", "d")
    assert sorted(desk.bodies(queue)) == ["a", "b", "c", "d"]
    assert desk.engine.profile.order == "shuffle"


def test_fair_queue_group_is_carried(desk):
    """A group on a standard queue locks nothing and is handed out as MessageGroupId (EVT-7, SQS-42)."""
    queue = desk.create("q")
    desk.send(queue, "a", "b", group="tenant")
    messages = [desk.receive(queue, 1)[0] for _ in range(2)]
    assert [message.attributes["MessageGroupId"] for message in messages] == ["tenant", "tenant"]
    assert "MessageDeduplicationId" not in messages[0].attributes


def test_batch_send_gives_each_its_result(desk):
    """In a batch each message succeeds or is refused for itself (SQS-9)."""
    queue = desk.create("q")
    results, facts = desk.engine.send_batch(queue, [NewMessage("a"), NewMessage(""), NewMessage("b")], desk.now)
    assert results[0].message_id == facts[0].message
    assert isinstance(results[1], SqsError)
    assert results[2].message_id == facts[1].message
    assert desk.bodies(queue) == ["a", "b"]

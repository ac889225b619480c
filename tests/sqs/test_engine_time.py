"""When something is due, what happens by itself, and which facts come when."""

from __future__ import annotations

import pytest


def test_nothing_due_in_an_empty_engine(desk):
    """Without messages nothing is due and nothing receivable."""
    queue = desk.create("q")
    assert desk.due() is None
    assert desk.receivable(queue) is None
    assert desk.engine.advance(desk.now) == []


def test_visibility_ends_without_a_fact(desk):
    """The end of a visibility timeout is nobody's doing: it is not due, and tells nothing."""
    queue = desk.create("q", visibility_timeout=5)
    desk.send(queue, "a")
    desk.receive(queue)
    assert desk.due() == 345_600
    told = len(desk.facts)
    desk.advance(10)
    assert len(desk.facts) == told
    assert desk.counts(queue) == (1, 0, 0)


def test_receivable_at_is_the_next_time(desk):
    """It is now, the earliest end of a delay or visibility, or None."""
    queue = desk.create("q", visibility_timeout=30)
    desk.send(queue, "a", delay_ms=9_000)
    assert desk.receivable(queue) == 9
    desk.send(queue, "b")
    assert desk.receivable(queue) == 0
    (message,) = desk.receive(queue)
    assert desk.receivable(queue) == 9
    desk.change(queue, message, 3)
    assert desk.receivable(queue) == 3
    desk.delete(queue, message)
    assert desk.receivable(queue) == 9


def test_receivable_skips_what_expires_first(desk):
    """A message that expires before it returns is never receivable (SQS-29)."""
    queue = desk.create("q", visibility_timeout=300, message_retention_period=60)
    desk.send(queue, "a")
    desk.receive(queue)
    assert desk.receivable(queue) is None


def test_receivable_for_a_dead_letter(desk):
    """A message that a receive would only dead-letter makes the queue receivable (DLQ-2)."""
    queue, _ = desk.with_letters("q", 1, visibility_timeout=30)
    desk.send(queue, "a")
    desk.receive(queue)
    assert desk.receivable(queue) == 30
    assert desk.at(30).bodies(queue) == []
    assert desk.receivable(queue) is None


def test_facts_of_a_look_come_with_the_next_operation(desk):
    """What a look finds expired is told by the next operation that tells, and is due until then."""
    queue = desk.create("q", message_retention_period=60)
    desk.send(queue, "a")
    assert desk.at(100).counts(queue) == (0, 0, 0)
    assert desk.told("expired") == []
    assert desk.due() == 100
    desk.advance()
    assert [fact.at for fact in desk.told("expired")] == [desk.now]
    assert desk.due() is None


def test_facts_before_an_error_are_not_lost(desk):
    """An operation that raises leaves its facts to the next one."""
    queue = desk.create("q", message_retention_period=60)
    desk.send(queue, "a")
    with pytest.raises(Exception, match="MessageBody"):
        desk.at(100).send(queue, "")
    desk.send(queue, "b")
    assert [fact.event for fact in desk.facts[-2:]] == ["expired", "sent"]


def test_times_of_facts_never_go_back(desk):
    """Each fact carries the time of the operation that told it."""
    queue = desk.create("q", message_retention_period=60, visibility_timeout=10)
    desk.send(queue, "a", label="one")
    desk.at(5).receive(queue, consumer="Trigger/3")
    desk.at(100).send(queue, "b")
    times = [fact.at for fact in desk.facts]
    assert times == sorted(times)
    sent, received = desk.told("sent")[0], desk.told("received")[0]
    assert (sent.label, sent.body, sent.visible_at, sent.expires_at - sent.at) == ("one", "a", sent.at, 60_000)
    assert (received.consumer, received.receive_count) == ("Trigger/3", 1)
    assert received.visible_at == received.at + 10_000


def test_same_seed_same_ids(desk_with):
    """Two engines of one seed give the same ids, handles and facts."""

    def run():
        desk = desk_with()
        queue, _ = desk.with_letters("q.fifo", 1)
        for number in range(20):
            desk.at(number).send(queue, f"m{number}", group=f"g{number % 3}")
            desk.delete(queue, *desk.receive(queue, 2)[:1])
        return [fact.to_json() for fact in desk.facts]

    assert run() == run()

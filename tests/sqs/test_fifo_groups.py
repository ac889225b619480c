"""Message groups of a FIFO queue: order, locks and turns."""

from __future__ import annotations

import pytest


def fill(desk, queue, *names):
    """Send ``g1-m1 g2-m1 …``: each body's group is its first part."""
    for name in names:
        desk.send(queue, name, group=name.split("-")[0])


@pytest.fixture
def queue(desk):
    return desk.create("q.fifo", visibility_timeout=30)


def test_group_is_locked_while_in_flight(desk, queue):
    """While a message of a group is in flight, later ones are withheld; other groups are not (FIFO-6)."""
    fill(desk, queue, "a-1", "a-2", "b-1")
    assert desk.bodies(queue, 1) == ["a-1"]
    assert desk.bodies(queue) == ["b-1"]
    assert desk.bodies(queue) == []


def test_delete_of_all_unlocks_at_once(desk, queue):
    """Deleting everything in flight frees the group at once (FIFO-7)."""
    fill(desk, queue, "a-1", "a-2", "a-3")
    held = desk.receive(queue, 2)
    assert desk.receivable(queue) == 30
    desk.delete(queue, *held)
    assert desk.receivable(queue) == 0
    assert desk.bodies(queue) == ["a-3"]


def test_partial_delete_keeps_the_lock(desk, queue):
    """Deleting the first while the second is in flight still hides the third (FIFO-7)."""
    fill(desk, queue, "a-1", "a-2", "a-3")
    one, _ = desk.receive(queue, 2)
    desk.delete(queue, one)
    assert desk.bodies(queue) == []
    assert desk.receivable(queue) == 30


def test_prefix_before_the_first_in_flight(desk, queue):
    """Ending the first message's visibility while the second is in flight gives the first alone (FIFO-7)."""
    fill(desk, queue, "a-1", "a-2", "a-3")
    one, _ = desk.receive(queue, 2)
    desk.change(queue, one, 0)
    assert desk.bodies(queue) == ["a-1"]


def test_shorter_visibility_of_the_first(desk, queue):
    """Shortening the first message's visibility gives it, and only it, at its new time (FIFO-7)."""
    fill(desk, queue, "a-1", "a-2", "a-3")
    one, _ = desk.receive(queue, 2)
    desk.change(queue, one, 5)
    assert desk.receivable(queue) == 5
    assert desk.at(5).bodies(queue) == ["a-1"]


def test_extending_one_hides_all_after_it(desk, queue):
    """Extending message k hides k and everything after it, while earlier ones return in time (FIFO-7)."""
    fill(desk, queue, "a-1", "a-2", "a-3", "a-4")
    _, two, _ = desk.receive(queue, 3)
    desk.change(queue, two, 60)
    assert desk.at(30).bodies(queue) == ["a-1"]
    assert desk.counts(queue) == (2, 2, 0)
    assert desk.at(59).bodies(queue) == []
    assert desk.at(60).bodies(queue) == ["a-1", "a-2", "a-3", "a-4"]


def test_later_one_returning_first_waits(desk, queue):
    """When the second returns before the first it is visible but withheld, and comes with the first (FIFO-7)."""
    fill(desk, queue, "a-1", "a-2")
    _, two = desk.receive(queue, 2)
    desk.change(queue, two, 1)
    assert desk.at(2).bodies(queue) == []
    assert desk.counts(queue) == (1, 1, 0)
    assert desk.receivable(queue) == 30


def test_expiry_of_the_first_frees_the_rest(desk):
    """When retention ends the message that locks a group, the next is receivable at that moment (FIFO-5, SQS-29)."""
    queue = desk.create("q.fifo", visibility_timeout=300, message_retention_period=60)
    fill(desk, queue, "a-1")
    desk.at(10)
    fill(desk, queue, "a-2")
    desk.receive(queue, 1)
    assert desk.receivable(queue) == 60
    assert desk.at(60).bodies(queue) == ["a-2"]


def test_sends_do_not_unlock(desk, queue):
    """A new message in a locked group waits as well (FIFO-8)."""
    fill(desk, queue, "a-1")
    desk.receive(queue)
    fill(desk, queue, "a-2")
    assert desk.bodies(queue) == []
    assert desk.receivable(queue) == 30


def test_one_receive_fills_from_group_to_group(desk, queue):
    """A receive takes as much as it can of one group, then of the next (FIFO-9)."""
    fill(desk, queue, "g1-m1", "g2-m1", "g1-m2", "g1-m3")
    assert desk.bodies(queue) == ["g1-m1", "g1-m2", "g1-m3", "g2-m1"]


def test_served_groups_go_behind(desk, queue):
    """Groups take turns: after the timeout g3 comes before g1 and g2, which were served first (FIFO-10)."""
    fill(desk, queue, "g1-m1", "g2-m1", "g3-m1")
    assert desk.bodies(queue, 1) == ["g1-m1"]
    assert desk.bodies(queue, 1) == ["g2-m1"]
    assert desk.at(30).bodies(queue) == ["g3-m1", "g1-m1", "g2-m1"]


def test_turns_with_zero_visibility(desk, queue):
    """The same with messages received with visibility 0: the group goes behind the others (FIFO-10)."""
    fill(desk, queue, "g1-m1", "g2-m1", "g3-m1")
    assert [desk.bodies(queue, 1, 0)[0] for _ in range(6)] == ["g1-m1", "g2-m1", "g3-m1"] * 2


def test_original_order_after_the_timeout(desk, queue):
    """After the visibility timeout the messages of a group come back in their order (FIFO-11)."""
    fill(desk, queue, "a-1", "a-2", "a-3")
    desk.receive(queue)
    assert desk.at(30).bodies(queue) == ["a-1", "a-2", "a-3"]


def test_locked_messages_count_as_visible(desk, queue):
    """In flight are received messages only, not those locked behind them (FIFO-12)."""
    fill(desk, queue, "a-1", "a-2", "a-3")
    desk.receive(queue, 1)
    assert desk.counts(queue) == (2, 1, 0)


def test_in_flight_limit_without_an_error(desk_with):
    """At the in-flight limit a FIFO queue answers with nothing, also to a short poll (SQS-13, FIFO-19)."""
    desk = desk_with(in_flight_fifo=1)
    queue = desk.create("q.fifo")
    fill(desk, queue, "a-1", "b-1")
    desk.receive(queue, 10)
    assert desk.receive(queue, 10, long_poll=False) == []
    assert desk.told("in-flight-limit")[0].limit == 1


def test_delay_of_the_queue(desk):
    """A FIFO queue's delay holds back each message, and what comes after it in the group."""
    queue = desk.create("q.fifo", delay_seconds=10)
    fill(desk, queue, "a-1")
    desk.at(4)
    fill(desk, queue, "a-2", "b-1")
    assert desk.receivable(queue) == 10
    assert desk.at(10).bodies(queue) == ["a-1"]
    assert desk.at(14).bodies(queue) == ["b-1"]
    assert desk.counts(queue) == (1, 2, 0)


@pytest.mark.parametrize(("delay", "receivable"), [(0, 3), (5, 5), (20, 20)])
def test_new_delay_is_for_what_is_delayed_too(desk, delay, receivable):
    """On a FIFO queue a change of DelaySeconds also holds for messages that are delayed already."""
    queue = desk.create("q.fifo", delay_seconds=10)
    fill(desk, queue, "a-1")
    desk.at(3).configure(queue, delay_seconds=delay)
    assert desk.receivable(queue) == receivable
    assert desk.at(receivable).bodies(queue) == ["a-1"]


def test_many_messages_in_one_group_in_tens(desk, queue):
    """A long group comes in order, ten at a time, each ten after the one before is gone."""
    names = [f"a-{number}" for number in range(35)]
    fill(desk, queue, *names)
    got = []
    while held := desk.receive(queue):
        got += [message.body for message in held]
        desk.delete(queue, *held)
    assert got == names


def test_delay_beyond_retention_never_arrives(desk):
    """What expires before its delay is over is never receivable, and holds nothing back after that."""
    queue = desk.create("q.fifo", delay_seconds=100, message_retention_period=60)
    fill(desk, queue, *(f"a-{number}" for number in range(12)))
    assert desk.at(60).receivable(queue) is None
    desk.configure(queue, delay_seconds=0)
    fill(desk, queue, "a-x")
    assert desk.bodies(queue) == ["a-x"]


def test_group_may_be_held_back_and_come_again(desk):
    """A group whose next message is still delayed when the first expires waits for it, and keeps its turn."""
    queue = desk.create("q.fifo", message_retention_period=60)
    fill(desk, queue, "a-1")
    desk.configure(queue, delay_seconds=50)
    desk.at(20)
    fill(desk, queue, "a-2")
    assert desk.receivable(queue) == 20
    assert desk.at(60).receivable(queue) == 70
    assert desk.at(70).bodies(queue) == ["a-2"]


def test_purge_frees_the_groups(desk, queue):
    """After a purge a group that was locked is not (SQS-30)."""
    fill(desk, queue, "a-1", "a-2")
    desk.receive(queue, 1)
    desk.purge(queue)
    fill(desk, queue, "a-3")
    assert desk.bodies(queue) == ["a-3"]

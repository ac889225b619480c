"""Metrics under CloudWatch's names, reckoned from the journal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.report.metrics import (
    FUNCTION_METRICS,
    MAPPING_METRICS,
    QUEUE_METRICS,
    Metrics,
    over_time,
    statistic,
)
from tests.report.history import DAY, DEPLOYED, History, T, deployed


def queue(history, id_="Orders", at=None):
    metrics = Metrics.of(history)
    if at is not None:
        metrics.advance(T + at)
    return metrics.queues[id_]


def function(history):
    return Metrics.of(history).functions["Worker"]


def mapping(history):
    return Metrics.of(history).mappings["Trigger"]


def where(numbers):
    names = ("Visible", "NotVisible", "Delayed")
    return tuple(numbers[f"ApproximateNumberOfMessages{name}"] for name in names)


def test_every_resource_has_every_metric_from_the_start():
    metrics = Metrics.of(History())
    assert set(metrics.queues) == {"Orders", "Dlq"}
    assert set(metrics.queues["Orders"]) == set(QUEUE_METRICS)
    assert set(metrics.functions["Worker"]) == set(FUNCTION_METRICS)
    assert set(metrics.mappings["Trigger"]) == set(MAPPING_METRICS) - {"ProvisionedPollers"}
    assert not any(metrics.queues["Orders"].values())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NumberOfMessagesSent", "sum"),
        ("ApproximateAgeOfOldestMessage", "maximum"),
        ("messages", "now"),
        ("ApproximateNumberOfGroupsWithInflightMessages", "now"),
        ("DurationAverage", "average"),
    ],
)
def test_a_metric_says_how_it_adds_up(name, kind):
    assert statistic(name) == kind


# --- where messages are --------------------------------------------------------------------------------------


def test_a_sent_message_is_visible():
    """MET-9."""
    numbers = queue(History().sent(0, "m"))
    assert where(numbers) == (1, 0, 0)
    assert numbers["messages"] == 1
    assert (numbers["NumberOfMessagesSent"], numbers["SentMessageSize"]) == (1, 10)


def test_a_delayed_message_becomes_visible_by_itself():
    """SQS-31."""
    history = History().sent(0, "m", delay=5_000)
    assert where(queue(history)) == (0, 0, 1)
    assert where(queue(history, at=4_999)) == (0, 0, 1)
    assert where(queue(history, at=5_000)) == (1, 0, 0)


def test_a_received_message_is_in_flight_until_its_visibility_ends():
    """SQS-20."""
    history = History().sent(0, "m").received(1_000, "m")
    assert where(queue(history)) == (0, 1, 0)
    assert where(queue(history, at=30_999)) == (0, 1, 0)
    assert where(queue(history, at=31_000)) == (1, 0, 0)


def test_a_change_of_visibility_counts():
    """SQS-25."""
    history = History().sent(0, "m").received(0, "m").visibility(1_000, "m", until=100_000)
    assert where(queue(history, at=40_000)) == (0, 1, 0)
    assert where(queue(history.visibility(50_000, "m", until=50_000))) == (1, 0, 0)


def test_a_message_that_is_handed_back_is_visible_at_once():
    """POLL-20."""
    assert where(queue(History().sent(0, "m").received(0, "m").handed_back(1_000, "m"))) == (1, 0, 0)


@pytest.mark.parametrize("gone", ["deleted", "expired", "purged"])
def test_a_message_that_is_gone_is_nowhere(gone):
    history = History().sent(0, "m").received(0, "m")
    assert queue(getattr(history, gone)(1_000, "m"))["messages"] == 0


def test_a_dead_letter_is_in_the_other_queue_and_was_not_sent_there():
    """DLQ-10."""
    history = History().sent(0, "m").received(0, "m").dead_lettered(31_000, "m")
    assert queue(history)["messages"] == 0
    numbers = queue(history, "Dlq")
    assert where(numbers) == (1, 0, 0)
    assert numbers["NumberOfMessagesSent"] == 0


def test_a_redriven_message_has_a_new_id():
    """SQS-41."""
    history = History().sent(0, "m").dead_lettered(1_000, "m").moved(2_000, "m", "n").received(3_000, "n")
    assert queue(history, "Dlq")["messages"] == 0
    assert where(queue(history)) == (0, 1, 0)


def test_a_redelivered_message_is_there_again():
    """SQS-28."""
    history = History().sent(0, "m").received(0, "m").deleted(1_000, "m").redelivered(2_000, "m")
    assert where(queue(history)) == (1, 0, 0)


def test_a_message_that_was_there_before_the_run_counts_when_it_is_received():
    history = History().received(0, "m", queue="Outside")
    assert where(queue(history, "Outside")) == (0, 1, 0)


def test_groups_in_flight():
    """MET-9, FIFO."""
    history = History().sent(0, "a", group="g1").sent(0, "b", group="g1").sent(0, "c", group="g2")
    history.received(1, "a").received(1, "b").received(1, "c")
    name = "ApproximateNumberOfGroupsWithInflightMessages"
    assert queue(history)[name] == 2
    assert queue(history.deleted(2, "a"))[name] == 2
    assert queue(history.deleted(3, "b"))[name] == 1


# --- sums ----------------------------------------------------------------------------------------------------


def test_receives_and_deletes_are_counted_each_time():
    """MET-10."""
    history = (
        History().sent(0, "m").received(0, "m").received(31_000, "m", count=2).deleted(32_000, "m").empty(33_000, 4)
    )
    numbers = queue(history)
    assert (numbers["NumberOfMessagesReceived"], numbers["NumberOfMessagesDeleted"]) == (2, 1)
    assert numbers["NumberOfEmptyReceives"] == 4


def test_a_delete_that_deletes_nothing_counts_for_the_queue():
    """MET-10: SQS counts every delete that it accepts; the mapping counts what is deleted (MET-1)."""
    history = History().sent(0, "m").received(0, "m").deleted(1_000, "m").delete_ignored(2_000, "m")
    assert queue(history)["NumberOfMessagesDeleted"] == 2
    assert queue(history)["messages"] == 0
    assert Metrics.of(history).mappings["Trigger"]["DeletedEventCount"] == 1


def test_a_duplicate_is_counted_apart():
    """MET-9: a deduplicated message is not added to the queue."""
    numbers = queue(History().sent(0, "m").duplicate(1, "m"))
    assert (numbers["NumberOfMessagesSent"], numbers["NumberOfDeduplicatedSentMessages"]) == (1, 1)


def test_the_mapping_counts_events():
    """MET-1."""
    history = (
        History()
        .pollers(0, 5)
        .sent(0, "a")
        .sent(0, "b")
        .sent(0, "c")
        .received(1, "a")
        .received(1, "b")
        .received(1, "c")
        .filtered(1, "c")
        .deleted(1, "c")
        .batch(1, 1, "a", "b")
        .throttled(1, 1, "a", "b")
        .invoked(1_001, 1, "a", "b")
        .ended(1_101, 1, "a", "b")
        .judged(1_101, 1, done=["a"], kept=["b"])
        .deleted(1_101, "a")
    )
    assert mapping(history) == {
        "PolledEventCount": 3,
        "FilteredOutEventCount": 1,
        "InvokedEventCount": 4,
        "FailedInvokeEventCount": 3,
        "DeletedEventCount": 1,
        "batches": 1,
        "pollers": 5,
    }


def test_other_clients_are_not_the_mapping():
    history = History().sent(0, "m").received(0, "m", consumer=None).deleted(1, "m", consumer=None)
    assert (mapping(history)["PolledEventCount"], mapping(history)["DeletedEventCount"]) == (0, 0)


def test_a_filtered_message_does_not_count_as_deleted_after_processing():
    """MET-3, FILT-6."""
    history = History().sent(0, "m").received(0, "m").filtered(0, "m").deleted(0, "m")
    assert (mapping(history)["FilteredOutEventCount"], mapping(history)["DeletedEventCount"]) == (1, 0)


def test_provisioned_pollers_are_shown_in_provisioned_mode():
    """PROV-13."""
    trigger = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"ProvisionedPollerConfig": {"MinimumPollers": 2}},
    }
    history = History(**(DEPLOYED | {"Trigger": trigger})).pollers(0, 2).pollers(1, 7).pollers(2, 3)
    assert mapping(history)["ProvisionedPollers"] == 7


def test_the_function_counts_invocations():
    """MET-6: throttles are neither invocations nor errors."""
    history = History().environment(0)
    history.invoked(0, 1, "a").invoked(10, 2, "b").throttled(20, 3, "c")
    history.ended(100, 1, "a", outcome="timeout", duration_ms=3_000.0).ended(200, 2, "b", duration_ms=500.5)
    assert function(history.invoked(300, 3, "c")) == {
        "Invocations": 3,
        "Errors": 1,
        "Throttles": 1,
        "RecursiveInvocationsDropped": 0,
        "Timeouts": 1,
        "Duration": 3500.5,
        "DurationMaximum": 3000,
        "DurationAverage": 1750.25,
        "ConcurrentExecutions": 2,
        "ColdStarts": 1,
    }


def test_what_the_recursion_guard_drops_is_no_throttle():
    """FAIL-16."""
    numbers = function(History().throttled(0, 1, "a", reason="RecursiveInvocationException"))
    assert (numbers["Throttles"], numbers["RecursiveInvocationsDropped"]) == (0, 1)


def test_a_failure_of_the_service_is_no_throttle():
    """FAIL-13: it shows in FailedInvokeEventCount."""
    history = History().throttled(0, 1, "a", "b", reason="ServiceException")
    assert function(history)["Throttles"] == 0
    assert mapping(history)["FailedInvokeEventCount"] == 2


def test_the_end_of_an_invocation_that_began_before_the_journal_breaks_nothing():
    assert function(History().ended(0, 1, "a"))["ConcurrentExecutions"] == 0


# --- the age of the oldest -----------------------------------------------------------------------------------


def age(history, id_="Orders", at=None):
    return queue(history, id_, at)["ApproximateAgeOfOldestMessage"]


def test_the_age_is_the_largest_that_the_oldest_message_reached():
    history = History().sent(0, "a").sent(4_000, "b").deleted(10_000, "a").deleted(11_000, "b")
    assert age(history) == 10


def test_the_age_goes_on_while_a_message_waits():
    assert age(History().sent(0, "a"), at=60_500) == 60.5


def test_the_age_makes_a_sawtooth():
    """MET-9: when the oldest goes, the next one counts."""
    metrics = Metrics.of(History().sent(0, "a").sent(4_000, "b").deleted(10_000, "a"))
    assert metrics.age_of_oldest("Orders") == 6_000


def test_a_dead_letter_is_as_old_as_its_move():
    """DLQ-4."""
    history = History().sent(0, "m").received(0, "m").dead_lettered(100_000, "m")
    assert age(history, "Dlq", at=130_000) == 30
    assert age(history) == 100


def poison(history, receives):
    history.sent(0, "m")
    for number in range(receives):
        history.received(number * 30_000, "m", count=number + 1)
    return history


def test_a_message_received_three_times_goes_to_the_back_and_counts_no_more():
    """DLQ-8: with a maxReceiveCount above 3."""
    history = poison(History(**deployed(maxReceiveCount=10)), 4)
    assert age(history, at=500_000) == 60
    assert Metrics.of(history).age_of_oldest("Orders") == 0


@pytest.mark.parametrize("redrive", [{"maxReceiveCount": 3}, {"maxReceiveCount": 0}])
def test_without_such_a_policy_it_stays_the_oldest(redrive):
    """DLQ-8."""
    assert age(poison(History(**deployed(**redrive)), 4), at=500_000) == 500


def test_a_fifo_queue_keeps_its_order():
    """DLQ-8 is for standard queues."""
    properties = {"FifoQueue": True, "RedrivePolicy": {"maxReceiveCount": 10}}
    fifo = DEPLOYED | {"Orders": {"Type": "AWS::SQS::Queue", "Properties": properties}}
    assert age(poison(History(**fifo), 4), at=500_000) == 500


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("Orders.RedrivePolicy.maxReceiveCount", 10),
        ("Orders.RedrivePolicy", {"deadLetterTargetArn": "Dlq", "maxReceiveCount": 10}),
    ],
)
def test_a_policy_that_is_changed_while_running_counts_from_then_on(target, value):
    history = History().set(0, target, value).set(0, "Orders.VisibilityTimeout", 5).set(0, "Worker.Timeout", 5)
    assert age(poison(history, 4), at=500_000) == 60


def test_a_policy_that_is_removed_counts_no_more():
    history = History(**deployed(maxReceiveCount=10)).set(0, "Orders.RedrivePolicy", None)
    assert age(poison(history, 4), at=500_000) == 500


def test_a_poison_message_of_four_days():
    """Without a redrive policy the age climbs to the retention."""
    assert age(poison(History(), 4).expired(4 * DAY, "m")) == 4 * DAY / 1_000


# --- over time -----------------------------------------------------------------------------------------------


def test_steps_without_facts_are_left_out_but_the_last():
    history = History().sent(0, "m").sent(10 * 60_000 + 5, "n")
    assert [(at - T, metrics.queues["Orders"]["messages"]) for at, metrics in over_time(history)] == [
        (60_000, 1),
        (600_000, 1),
        (600_005, 2),
    ]


# --- laws ----------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(0, 40_000),
        st.sampled_from(["sent", "received", "deleted", "expired", "dead_lettered", "handed_back", "redelivered"]),
        st.integers(0, 4),
    ),
    max_size=50,
)


@given(STEPS)
def test_messages_are_neither_lost_nor_counted_twice(steps):
    """Conservation: what is in the queues is what came and did not go."""
    history, now, present = History(), 0, {}
    for wait, act, number in steps:
        now += wait
        id_ = f"m{number}"
        if act == "sent":
            if id_ in present:
                continue
            present[id_] = "Orders"
        elif act in ("received", "handed_back", "dead_lettered") and present.get(id_) != "Orders":
            continue
        elif act == "dead_lettered":
            present[id_] = "Dlq"
        elif act == "redelivered":
            if id_ in present:
                continue
            present[id_] = "Orders"
        elif act in ("deleted", "expired"):
            present.pop(id_, None)
        getattr(history, act)(now, id_)
    metrics = Metrics.of(history)
    for id_ in ("Orders", "Dlq"):
        numbers = metrics.queues[id_]
        assert numbers["messages"] == sum(where_ == id_ for where_ in present.values()) == sum(where(numbers))
        assert all(value >= 0 for value in numbers.values())
    metrics.advance(T + now + 50_000)
    assert metrics.queues["Orders"]["ApproximateNumberOfMessagesNotVisible"] == 0

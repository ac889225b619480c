"""Metrics over time, one value a period."""

from __future__ import annotations

from esm_emulator.report.metrics import Metrics
from esm_emulator.report.series import Series
from tests.report.history import History, T


def busy():
    history = History().pollers(0, 5).sent(0, "a").sent(1_000, "b").received(2_000, "a")
    history.invoked(2_000, 1, "a").invoked(3_000, 2, "b").ended(4_000, 1, "a").deleted(4_000, "a")
    return history.pollers(70_000, 7).sent(80_000, "c").ended(90_000, 2, "b").deleted(90_000, "b")


def test_a_sum_is_what_the_period_added():
    """CloudWatch's Sum."""
    series = Series.of(busy())
    assert [end - T for end in series.ends] == [60_000, 90_000]
    assert series.queues["Orders"]["NumberOfMessagesSent"] == [2, 1]
    assert series.functions["Worker"]["Invocations"] == [2, 0]


def test_a_maximum_is_the_largest_of_the_period():
    series = Series.of(busy())
    assert series.functions["Worker"]["ConcurrentExecutions"] == [2, 1]
    assert series.mappings["Trigger"]["pollers"] == [5, 7]
    assert series.queues["Orders"]["ApproximateAgeOfOldestMessage"] == [59, 89]


def test_an_average_is_that_of_the_period():
    """CloudWatch's Average: a slow minute does not hang over the next one."""
    history = History().invoked(0, 1, "a").ended(1_000, 1, "a", duration_ms=1_000)
    history.invoked(61_000, 2, "b").ended(62_000, 2, "b", duration_ms=100).sent(130_000, "c")
    assert Series.of(history).functions["Worker"]["DurationAverage"] == [1_000, 100, 0]


def test_an_error_counts_when_its_invocation_began():
    """MET-6: the timestamp of Errors is that of the start; what the mapping counts has that of the end (MET-1)."""
    history = History().invoked(0, 1, "a").invoked(1_000, 2, "b").ended(59_999, 1, "a", outcome="error")
    history.ended(60_000, 2, "b", outcome="timeout").judged(60_000, 2, kept=["b"]).invoked(61_000, 3, "c")
    history.ended(62_000, 3, "c", outcome="error")
    series = Series.of(history)
    assert series.functions["Worker"]["Errors"] == [2, 1]
    assert series.functions["Worker"]["Timeouts"] == [1, 0]
    assert series.mappings["Trigger"]["FailedInvokeEventCount"] == [0, 1]


def test_an_invocation_whose_start_is_not_told_counts_at_its_end():
    history = History().ended(70_000, 1, "a", outcome="error")
    assert Series.of(history).functions["Worker"]["Errors"] == [0, 1]


def test_a_count_is_what_it_is_at_the_end_of_the_period():
    assert Series.of(busy()).queues["Orders"]["messages"] == [1, 1]


def test_periods_may_be_shorter():
    series = Series.of(busy(), period_ms=1_000)
    assert sum(series.queues["Orders"]["NumberOfMessagesSent"]) == 3
    assert max(series.queues["Orders"]["messages"]) == 2


def test_a_queue_that_comes_later_has_zeros_before():
    history = busy().sent(200_000, "x", queue="Later")
    line = Series.of(history).queues["Later"]["messages"]
    assert line[-1] == 1
    assert not any(line[:-1])


def test_every_line_is_as_long_as_the_ends():
    series = Series.of(busy().sent(200_000, "x", queue="Later"))
    value = series.to_json()
    for kind in ("queues", "functions", "mappings"):
        for lines in value[kind].values():
            assert {len(line) for line in lines.values()} == {len(series.ends)}


def test_sums_of_the_periods_are_the_totals():
    series, totals = Series.of(busy(), period_ms=700), Metrics.of(busy())
    for name in ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted"):
        assert sum(series.queues["Orders"][name]) == totals.queues["Orders"][name]


def test_a_journal_without_facts_has_no_periods():
    assert Series.of([]).ends == []

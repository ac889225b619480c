"""How many pollers a mapping has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.mapping.scaling import Allowance, Limits, Reason, Scaling, provisioned_pollers_needed
from esm_emulator.profiles import PROFILES
from esm_emulator.resources import EventSourceMapping

PROFILE = PROFILES["aws-2026"]
T = 1_700_000_000_000


def mapping(**settings):
    return EventSourceMapping(
        id="Trigger", EventSourceArn="arn:aws:sqs:us-east-1:123456789012:q", FunctionName="Worker", **settings
    )


def limits(profile=PROFILE, **settings):
    return Limits.of(mapping(**settings), profile)


def scaling(profile=PROFILE, **settings):
    return Scaling(limits(profile, **settings), T)


def keep_busy(state, now):
    """Every poller that asks gets messages."""
    for poller in range(state.pollers):
        state.asks(poller, now)
    return [decision for poller in range(state.pollers) if (decision := state.received(poller, now))]


def let_wait(state, now, *pollers):
    for poller in pollers:
        state.asks(poller, now)


def pass_time(state, now, until):
    """Tick whenever it wants to, and give what changed: (ms since ``now``, pollers, reason)."""
    changes = []
    while state.due is not None and state.due <= until:
        at = state.due
        decision = state.tick(at)
        if decision:
            changes.append((at - now, decision.pollers, decision.reason))
    return changes


def test_it_starts_with_five():
    """POLL-9."""
    assert scaling().started.pollers == 5
    assert scaling().started.reason is Reason.START


def test_it_starts_with_no_more_than_maximum_concurrency():
    """CONC-1."""
    assert scaling(ScalingConfig={"MaximumConcurrency": 2}).started.pollers == 2


def test_a_backlog_adds_five_each_second():
    """POLL-10: 300 a minute."""
    state = scaling()
    keep_busy(state, T)
    assert pass_time(state, T, T + 3_000) == [
        (1_000, 10, Reason.BACKLOG),
        (2_000, 15, Reason.BACKLOG),
        (3_000, 20, Reason.BACKLOG),
    ]


def test_in_2018_it_added_sixty_a_minute():
    """POLL-10 (X)."""
    state = scaling(PROFILES["aws-2018"])
    keep_busy(state, T)
    assert [pollers for _, pollers, _ in pass_time(state, T, T + 3_000)] == [6, 7, 8]


def test_a_ramp_slower_than_one_a_second_adds_up():
    state = scaling(PROFILE.with_(pollers_per_minute=20))
    keep_busy(state, T)
    assert [at for at, _, _ in pass_time(state, T, T + 9_000)] == [3_000, 6_000, 9_000]


@pytest.mark.parametrize(
    ("profile", "settings", "most"),
    [
        ("aws-2026", {}, 1250),
        ("aws-2018", {}, 1000),
        ("aws-2026", {"ScalingConfig": {"MaximumConcurrency": 12}}, 12),
    ],
)
def test_the_ramp_ends_at_the_ceiling_or_at_maximum_concurrency(profile, settings, most):
    """POLL-11, CONC-3."""
    state = scaling(PROFILES[profile], **settings)
    keep_busy(state, T)
    pass_time(state, T, T + 1_200_000)
    assert state.pollers == most


def test_at_the_ceiling_nothing_is_asked_every_second():
    state = scaling(ScalingConfig={"MaximumConcurrency": 5})
    keep_busy(state, T)
    assert state.due is None


def test_a_poller_that_waits_ends_the_ramp():
    """POLL-10: only while a backlog persists."""
    state = scaling()
    keep_busy(state, T)
    let_wait(state, T + 500, 0)
    assert pass_time(state, T, T + 50_000) == []
    assert state.pollers == 5


def test_a_poller_that_has_only_just_asked_is_no_sign_of_an_empty_queue():
    """Between a batch and the next every poller asks for a moment."""
    state = scaling()
    keep_busy(state, T)
    let_wait(state, T + 1_000, 0, 1, 2)
    assert pass_time(state, T, T + 1_000) == [(1_000, 10, Reason.BACKLOG)]


def test_the_ramp_goes_on_when_the_last_free_poller_gets_messages():
    state = scaling()
    keep_busy(state, T)
    let_wait(state, T + 500, 0)
    pass_time(state, T, T + 5_000)
    state.received(0, T + 5_000)
    assert pass_time(state, T, T + 6_000) == [(6_000, 10, Reason.BACKLOG)]


def test_trickling_traffic_never_starts_the_ramp():
    """POLL-13: one message a second through five free pollers."""
    state = scaling()
    let_wait(state, T, *range(5))
    for second in range(1, 600):
        now = T + 1_000 * second
        assert state.received(0, now) is None
        state.asks(0, now + 20)
        assert pass_time(state, T, now + 900) == []
    assert state.pollers == 5


def test_without_a_message_for_a_while_two_are_left():
    """POLL-13."""
    state = scaling()
    let_wait(state, T, *range(5))
    assert pass_time(state, T, T + 600_000) == [(60_000, 2, Reason.QUIET)]
    assert state.due is None


def test_the_next_message_brings_five_again():
    """POLL-9: when messages appear, processing starts with five."""
    state = scaling()
    let_wait(state, T, *range(5))
    pass_time(state, T, T + 600_000)
    decision = state.received(0, T + 700_000)
    assert (decision.pollers, decision.reason) == (5, Reason.TRAFFIC_AGAIN)


def test_pollers_that_are_all_busy_for_long_are_not_quiet():
    """POLL-13 is about traffic, not about long invocations."""
    state = scaling(PROFILE.with_(pollers_ceiling=5))
    keep_busy(state, T)
    assert pass_time(state, T, T + 600_000) == []


def test_with_maximum_concurrency_it_does_not_drop_to_two():
    """POLL-13."""
    state = scaling(ScalingConfig={"MaximumConcurrency": 50})
    let_wait(state, T, *range(5))
    assert pass_time(state, T, T + 600_000) == []


def test_in_2018_it_did_not_drop_to_two():
    state = scaling(PROFILES["aws-2018"])
    let_wait(state, T, *range(5))
    assert pass_time(state, T, T + 600_000) == []


def test_after_a_burst_it_goes_back_to_five_and_then_to_two():
    """POLL-13."""
    state = scaling()
    keep_busy(state, T)
    pass_time(state, T, T + 10_000)
    let_wait(state, T + 10_000, *range(state.pollers))
    assert [change[1:] for change in pass_time(state, T, T + 1_000_000)] == [
        (5, Reason.LESS_TRAFFIC),
        (2, Reason.QUIET),
    ]


def test_less_traffic_leaves_as_many_as_are_busy():
    state = scaling()
    keep_busy(state, T)
    pass_time(state, T, T + 10_000)
    let_wait(state, T + 10_000, *range(30))
    assert state.pollers == 55
    pass_time(state, T, T + 75_000)
    assert state.pollers == 25


def test_a_mapping_at_its_ceiling_that_stays_busy_keeps_its_pollers():
    state = scaling(ScalingConfig={"MaximumConcurrency": 20})
    keep_busy(state, T)
    pass_time(state, T, T + 1_000_000)
    assert state.pollers == 20


@pytest.mark.parametrize(("report", "reason"), [("failed", Reason.ERRORS), ("throttled", Reason.THROTTLES)])
def test_an_error_or_a_throttle_halves_what_there_is(report, reason):
    """POLL-15."""
    state = scaling()
    keep_busy(state, T)
    pass_time(state, T, T + 11_000)
    assert state.pollers == 60
    decision = getattr(state, report)(T + 11_500)
    assert (decision.pollers, decision.reason) == (30, reason)


def test_errors_count_once_a_second_and_end_at_two():
    """POLL-15: gradually; the floor is two."""
    state = scaling()
    keep_busy(state, T)
    pass_time(state, T, T + 7_000)
    assert state.pollers == 40
    seen = []
    for ms in range(7_100, 15_000, 100):
        pass_time(state, T, T + ms)
        if decision := state.failed(T + ms):
            seen.append((ms, decision.pollers))
    assert seen == [(7_100, 20), (8_100, 10), (9_100, 5), (10_100, 2)]


def test_the_ramp_brings_back_what_errors_took():
    """POLL-15, POLL-16."""
    state = scaling()
    keep_busy(state, T)
    state.failed(T + 100)
    assert state.pollers == 2
    keep_busy(state, T + 200)
    assert pass_time(state, T, T + 2_500) == [(1_100, 7, Reason.BACKLOG), (2_100, 12, Reason.BACKLOG)]


def test_while_it_fails_it_does_not_grow():
    state = scaling()
    keep_busy(state, T)
    for ms in range(100, 60_000, 700):
        pass_time(state, T, T + ms)
        state.throttled(T + ms)
    assert state.pollers == 2


def test_with_partial_responses_failures_take_nothing_away():
    """PBR-32."""
    state = scaling(FunctionResponseTypes=["ReportBatchItemFailures"])
    keep_busy(state, T)
    assert state.failed(T + 100) is None
    assert state.throttled(T + 100) is None
    assert state.pollers == 5


def test_a_factor_of_one_switches_the_back_off_off():
    state = scaling(PROFILE.with_(error_backoff_factor=1.0))
    assert state.failed(T) is None
    assert state.pollers == 5


def test_a_change_of_maximum_concurrency_holds_at_once():
    """CONC-2."""
    state = scaling()
    keep_busy(state, T)
    pass_time(state, T, T + 5_000)
    decision = state.configure(limits(ScalingConfig={"MaximumConcurrency": 3}), T + 5_500)
    assert (decision.pollers, decision.reason) == (3, Reason.SETTINGS)
    assert state.configure(limits(), T + 6_000) is None
    assert pass_time(state, T, T + 7_000) == [(7_000, 8, Reason.BACKLOG)]


# --- provisioned mode ----------------------------------------------------------------------------------------

PROVISIONED = {"ProvisionedPollerConfig": {"MinimumPollers": 3, "MaximumPollers": 40}}


def test_provisioned_mode_starts_with_the_minimum_of_ten_invokes_each():
    """PROV-1, PROV-5."""
    started = scaling(**PROVISIONED).started
    assert (started.pollers, started.invokes) == (3, 30)


def test_provisioned_mode_adds_a_thousand_invokes_a_minute():
    """PROV-6: 100 pollers of ten invokes each."""
    state = scaling(ProvisionedPollerConfig={"MinimumPollers": 2, "MaximumPollers": 10_000})
    for lane in range(20):
        state.received(lane, T)
    pass_time(state, T, T + 60_000)
    assert state.pollers == 102


def test_provisioned_mode_ends_at_the_maximum():
    """PROV-3."""
    state = scaling(**PROVISIONED)
    state.received(0, T)
    pass_time(state, T, T + 600_000)
    assert state.pollers == 40


def test_provisioned_mode_never_goes_below_the_minimum():
    """PROV-1."""
    state = scaling(**PROVISIONED)
    let_wait(state, T, *range(30))
    for ms in range(0, 10_000, 500):
        state.failed(T + ms)
    pass_time(state, T, T + 600_000)
    assert state.pollers == 3


def test_provisioned_pollers_that_are_not_needed_are_given_back():
    state = scaling(**PROVISIONED)
    state.received(0, T)
    pass_time(state, T, T + 30_000)
    assert state.pollers == 40
    let_wait(state, T + 30_000, *range(395))
    pass_time(state, T, T + 200_000)
    assert state.pollers == 3


def test_a_provisioned_poller_polls_ten_times_a_second():
    """PROV-5: a second's worth at once, then one each 100 ms."""
    allowance = Allowance(PROFILE)
    assert [allowance.next_turn(T) - T for _ in range(12)] == [0] * 10 + [100, 200]
    assert allowance.next_turn(T + 5_000) == T + 5_000


def test_a_provisioned_poller_carries_a_megabyte_a_second():
    """PROV-5."""
    allowance = Allowance(PROFILE)
    assert allowance.has_room(T) == T
    allowance.carried(T, 3 * 1_048_576)
    assert allowance.has_room(T) == T + 2_000
    assert allowance.has_room(T + 5_000) == T + 5_000


@pytest.mark.parametrize(
    ("rate", "average_kb", "duration", "batch", "pollers"),
    [
        (1000, 3, 0.1, 10, 10),  # the page's own example
        (1000, 3, 1, 10, 10),  # its second one, by its formula (DIS-6)
        (1000, 3, 1, 1, 100),
        (1000, 512, 0.1, 10, 500),
        (1000, 1, 60, 10, 100),
        (1, 1, 1, 10, 1),
    ],
)
def test_the_sizing_rule(rate, average_kb, duration, batch, pollers):
    """PROV-10."""
    needed = provisioned_pollers_needed(rate, average_kb=average_kb, average_duration_s=duration, batch_size=batch)
    assert needed == pollers


def test_the_sizing_rule_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="above 0"):
        provisioned_pollers_needed(1, average_kb=0, average_duration_s=1, batch_size=1)


# --- laws ----------------------------------------------------------------------------------------------------

REPORTS = st.lists(
    st.tuples(
        st.integers(0, 5_000),
        st.sampled_from(["asks", "received", "failed", "throttled", "gone", "tick"]),
        st.integers(0, 30),
    ),
    max_size=120,
)
SETTINGS = st.sampled_from(
    [
        {},
        {"ScalingConfig": {"MaximumConcurrency": 2}},
        {"ScalingConfig": {"MaximumConcurrency": 17}},
        {"FunctionResponseTypes": ["ReportBatchItemFailures"]},
        PROVISIONED,
    ]
)


@given(SETTINGS, REPORTS)
def test_there_are_never_fewer_than_the_floor_nor_more_than_the_ceiling(settings, reports):
    bounds = limits(**settings)
    state, now = Scaling(bounds, T), T
    for wait, report, poller in reports:
        now += wait
        pollers = state.pollers
        if report in ("failed", "throttled", "tick"):
            decision = getattr(state, report)(now)
        elif report == "gone":
            decision = state.gone(poller)
        else:
            decision = getattr(state, report)(poller, now)
        assert min(bounds.floor, bounds.quiet) <= state.pollers <= bounds.most
        assert (decision is None) == (state.pollers == pollers)
        assert decision is None or decision.invokes == state.pollers * bounds.invokes


@given(SETTINGS, REPORTS)
def test_whatever_happened_it_comes_to_rest(settings, reports):
    """Nothing polls: when every poller waits, a few ticks are all that is asked for."""
    bounds = limits(**settings)
    state, now = Scaling(bounds, T), T
    for wait, report, poller in reports:
        now += wait
        if report in ("asks", "received"):
            getattr(state, report)(poller, now)
    for _ in range(8):
        let_wait(state, now, *range(state.pollers * bounds.invokes))
        if state.due is None:
            break
        now = max(now, state.due)
        state.tick(now)
    assert state.due is None

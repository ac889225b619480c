"""The life of a mapping's pollers: retired, revived, stopped and started again at any moment, and nothing is lost.

Where an instant matters the function is one that waits until the test lets it go on, in virtual time.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esm_emulator.clocks import virtual
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.emulator import VirtualEmulator
from esm_emulator.journal import (
    BatchClosed,
    BatchGivenUp,
    Fact,
    InvocationEnded,
    InvocationStarted,
    InvocationThrottled,
    MappingChanged,
    MessageDeleted,
    MessageHandedBack,
    MessageReceived,
    MessageSent,
    PollersChanged,
)
from esm_emulator.resources import Resources
from esm_emulator.sqs import NewMessage

Values = dict[str, Any]


def resources(*, queue: Values | None = None, function: Values | None = None, **mapping: Any) -> Values:
    fifo = bool((queue or {}).get("FifoQueue"))
    return {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60} | (queue or {})},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 30} | (function or {})},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker", "BatchSize": 1 if fifo else 2}
            | mapping,
        },
    }


def emulator(seconds: float, wanted: Values, seed: int = 0) -> VirtualEmulator:
    """An emulator whose function takes so many seconds for each invocation."""
    return VirtualEmulator(
        wanted, handlers={"Worker": lambda _event, _context: time.sleep(seconds)}, seed=seed, embedded_aws=False
    )


def stopped_after(story: Callable[[Emulation], Awaitable[None]], seconds: float, wanted: Values) -> Emulation:
    """A run that is stopped when its story has been told; its journal goes on to the end of the last poller."""
    clock = virtual.VirtualClock()
    plan = Plan(
        resources=Resources.parse(wanted),
        handlers={"Worker": lambda _event, _context: time.sleep(seconds)},
        embedded_aws=False,
    )
    emulation = Emulation(plan, clock, clock_name="virtual")

    async def program() -> None:
        async with emulation.running():
            await story(emulation)

    virtual.run(program, clock=clock)
    return emulation


def counts(emulation: Emulation) -> tuple[int, int]:
    """Visible messages and those in flight."""
    found = emulation.sqs.counts(emulation.queue("Orders"))
    return found.visible, found.in_flight


def facts(esm: VirtualEmulator | Emulation, *kinds: type[Fact]) -> list[Any]:
    return [fact for fact in esm.journal if isinstance(fact, kinds)]


def states(esm: VirtualEmulator) -> list[str]:
    return [fact.state for fact in facts(esm, MappingChanged)]


def most_at_once(esm: VirtualEmulator) -> int:
    running = most = 0
    for fact in esm.journal:
        running += isinstance(fact, InvocationStarted) - isinstance(fact, InvocationEnded)
        most = max(most, running)
    return most


def consumers(esm: VirtualEmulator) -> list[str]:
    return [fact.consumer for fact in facts(esm, MessageReceived)]


# --- disabled ----------------------------------------------------------------------------------------------------


def test_disabled_during_a_long_poll_it_receives_no_more() -> None:
    """Nobody has anything in hand: it is Disabled at once, and what comes later stays there (POLL-20, API-15)."""
    with emulator(1, resources()) as esm:
        esm.advance("5s")
        esm.disable("Trigger")
        began = esm.now
        esm.advance(0)
        assert states(esm) == ["Enabled", "Disabling", "Disabled"]
        assert facts(esm, MappingChanged)[-1].at == began
        esm.send("Orders", "a")
        esm.advance("1h")
        assert (esm.queue("Orders").visible, consumers(esm)) == (1, [])


def test_disabled_during_an_invocation_it_settles_it() -> None:
    """What runs is finished and deleted, and only then is it Disabled; no other batch begins (POLL-20)."""
    with emulator(10, resources(ScalingConfig={"MaximumConcurrency": 2})) as esm:
        esm.send_all("Orders", [str(number) for number in range(10)])
        esm.advance("3s")
        esm.disable("Trigger")
        esm.advance("6s")
        assert states(esm) == ["Enabled", "Disabling"]
        esm.advance("2s")
        assert states(esm) == ["Enabled", "Disabling", "Disabled"]
        esm.advance("10m")
        assert (len(facts(esm, MessageDeleted)), esm.queue("Orders").visible) == (4, 6)


def test_disabled_while_a_batch_is_gathered_it_leaves_it_to_its_visibility() -> None:
    """Nothing is deleted, invoked or handed back; the messages come back when their visibility ends (POLL-20)."""
    with emulator(1, resources(BatchSize=10, MaximumBatchingWindowInSeconds=30)) as esm:
        began = esm.now
        esm.send_all("Orders", ["a", "b"])
        esm.advance("10s")
        esm.disable("Trigger")
        esm.advance("49s")
        assert (esm.queue("Orders").in_flight, esm.queue("Orders").visible) == (2, 0)
        esm.advance("2s")
        assert (esm.queue("Orders").in_flight, esm.queue("Orders").visible) == (0, 2)
        assert facts(esm, BatchClosed, MessageDeleted, MessageHandedBack) == []
        esm.enable("Trigger")
        esm.run_until_idle()
        assert [fact.at - began for fact in facts(esm, MessageReceived)] == [0, 0, 61_000, 61_000]
        assert len(facts(esm, MessageDeleted)) == 2


def test_disabled_while_throttled_it_gives_the_batch_up_at_once() -> None:
    """No further try, no waiting for the visibility timeout: Disabled at once, the message comes back (POLL-20)."""
    with emulator(1, resources()) as esm:
        esm.start_fault("throttle", "Worker")
        esm.send("Orders", "a")
        esm.advance("5s")
        tries = len(facts(esm, InvocationThrottled))
        assert tries > 1
        esm.disable("Trigger")
        esm.end_fault("throttle", "Worker")
        esm.advance("1m")
        assert len(facts(esm, InvocationThrottled)) == tries
        assert [fact.reason for fact in facts(esm, BatchGivenUp)] == [
            "the mapping was stopped before the function took the batch"
        ]
        assert states(esm)[-1] == "Disabled"
        assert (esm.queue("Orders").visible, facts(esm, InvocationStarted)) == (1, [])


def test_disabled_and_enabled_again_it_begins_anew() -> None:
    """Both may be repeated, and each is told once; five pollers poll again (API-12, POLL-9)."""
    with emulator(1, resources()) as esm:
        for act in (esm.enable, esm.disable, esm.disable, esm.enable, esm.enable):
            act("Trigger")
            esm.advance("1s")
        assert states(esm) == ["Enabled", "Disabling", "Disabled", "Enabled"]
        assert [fact.pollers for fact in facts(esm, PollersChanged)] == [5, 0, 5]
        esm.send_all("Orders", [str(number) for number in range(10)])
        esm.run_until_idle()
        assert len(set(consumers(esm))) == 5


def test_enabled_in_one_instant_with_disabling_it_goes_on() -> None:
    """Pollers that were told to end are replaced, also when they have not had the time to."""
    with emulator(1, resources()) as esm:
        acts = [esm.disable, esm.enable]

        def both() -> bool:
            while acts:
                acts.pop(0)("Trigger")
            return True

        assert esm.run_until(both)
        esm.send_all("Orders", [str(number) for number in range(10)])
        esm.run_until_idle()
        assert set(consumers(esm)) == {f"Trigger/{number}" for number in range(6, 11)}
        assert states(esm) == ["Enabled", "Disabling", "Enabled"]


def test_enabled_while_the_old_invocations_run_it_keeps_its_limit() -> None:
    """MaximumConcurrency holds over the switch: a new poller begins as an old one ends (CONC-1, CONC-3)."""
    with emulator(10, resources(ScalingConfig={"MaximumConcurrency": 3})) as esm:
        esm.send_all("Orders", [str(number) for number in range(12)])
        esm.advance("5s")
        esm.disable("Trigger")
        esm.enable("Trigger")
        esm.advance("4s")
        assert len(consumers(esm)) == 6
        esm.run_until_idle()
        assert (most_at_once(esm), len(facts(esm, MessageDeleted))) == (3, 12)
        assert [fact.pollers for fact in facts(esm, PollersChanged)] == [3, 0, 3]


def test_the_property_switches_it_too_whatever_was_switched_before() -> None:
    """Enabled is what was said last, by a call or by the property."""
    with emulator(1, resources()) as esm:
        esm.disable("Trigger")
        esm.set("Trigger.Enabled", True)
        esm.advance("1s")
        esm.set("Trigger.Enabled", False)
        esm.set("Trigger.BatchSize", 5)
        esm.advance("1s")
        assert states(esm) == ["Enabled", "Disabling", "Disabled"] * 2
        esm.enable("Trigger")
        esm.set("Trigger.BatchSize", 6)
        esm.send("Orders", "a")
        esm.run_until_idle()
        assert esm.queue("Orders").visible == 0


def test_a_mapping_that_is_disabled_from_the_start_can_be_enabled() -> None:
    """Messages wait until then (API-12)."""
    with emulator(1, resources(Enabled=False)) as esm:
        esm.send("Orders", "a")
        esm.advance("1h")
        assert (states(esm), consumers(esm)) == (["Disabled"], [])
        esm.set("Trigger.Enabled", True)
        esm.run_until_idle()
        assert len(facts(esm, MessageDeleted)) == 1


# --- fewer and more ----------------------------------------------------------------------------------------------


def test_a_retired_poller_delivers_what_it_has_gathered() -> None:
    """It receives no more, and invokes the function at once with what it holds."""
    wanted = resources(BatchSize=10, MaximumBatchingWindowInSeconds=60, ScalingConfig={"MaximumConcurrency": 5})
    with emulator(1, wanted) as esm:
        began = esm.now
        esm.send_all("Orders", [str(number) for number in range(3)])
        esm.advance("10s")
        holders = set(consumers(esm))
        esm.set("Trigger.ScalingConfig.MaximumConcurrency", 2)
        esm.run_until_idle()
        ends = {(fact.reason, fact.at - began) for fact in facts(esm, BatchClosed)}
        assert ends <= {("stop", 10_000), ("window", 60_000)}
        assert set(consumers(esm)) == holders
        assert len(facts(esm, MessageDeleted)) == 3


def test_a_retired_poller_goes_on_when_it_is_wanted_again() -> None:
    """It is revived before anybody new is made, so never more run than were ever allowed (POLL-16)."""
    with emulator(10, resources(ScalingConfig={"MaximumConcurrency": 4})) as esm:
        esm.send_all("Orders", [str(number) for number in range(40)])
        esm.advance("2s")
        esm.set("Trigger.ScalingConfig.MaximumConcurrency", 2)
        esm.advance("2s")
        esm.set("Trigger.ScalingConfig.MaximumConcurrency", 4)
        esm.run_until_idle()
        assert set(consumers(esm)) == {f"Trigger/{number}" for number in range(1, 5)}
        assert most_at_once(esm) == 4
        assert len(facts(esm, MessageDeleted)) == 40


def test_a_retired_poller_receives_no_more() -> None:
    """After its invocation it has ended, and those that are left do the rest."""
    with emulator(10, resources(ScalingConfig={"MaximumConcurrency": 4})) as esm:
        esm.send_all("Orders", [str(number) for number in range(40)])
        esm.advance("2s")
        esm.set("Trigger.ScalingConfig.MaximumConcurrency", 2)
        esm.advance("10s")
        read = len(esm.journal)
        esm.run_until_idle()
        later = {fact.consumer for fact in list(esm.journal)[read:] if isinstance(fact, MessageReceived)}
        assert later == {"Trigger/1", "Trigger/2"}


def test_provisioned_pollers_that_come_back_have_ten_lanes_each_again() -> None:
    """Half the lanes of two retired pollers had ended: theirs begin anew, and no fifth poller polls beside (PROV-5)."""
    two, four = ({"MinimumPollers": number, "MaximumPollers": number} for number in (2, 4))
    wanted = resources(BatchSize=1, ProvisionedPollerConfig=four, function={"Timeout": 60})
    seconds = itertools.chain(itertools.islice(itertools.cycle([60, 5]), 40), itertools.repeat(1))
    handlers = {"Worker": lambda _event, _context: time.sleep(next(seconds))}
    with VirtualEmulator(wanted, handlers=handlers, embedded_aws=False) as esm:
        esm.send_all("Orders", [str(number) for number in range(40)])
        esm.advance("1s")
        esm.set("Trigger.ProvisionedPollerConfig", two)
        esm.advance("10s")
        esm.set("Trigger.ProvisionedPollerConfig", four)
        esm.advance("1m")
        before = len(consumers(esm))
        esm.send_all("Orders", [str(number) for number in range(40)])
        esm.advance("1m")
        lanes = set(consumers(esm)[before:])
    assert Counter(lane.partition(".")[0] for lane in lanes) == {f"Trigger/{number}": 10 for number in (1, 2, 3, 4)}


# --- stopped -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [0, 30], ids=["throttled", "gathering"])
def test_a_stop_hands_back_what_never_ran(window: int) -> None:
    """A courtesy to the next run: visibility 0, whether a batch is gathered or throttled (POLL-20)."""

    async def story(emulation: Emulation) -> None:
        if not window:
            emulation.start_fault("throttle", "Worker")
        for body in "ab":
            emulation.send("Orders", NewMessage(body))
        await emulation.clock.sleep(5_000)
        assert counts(emulation) == (0, 2)

    emulation = stopped_after(story, 1, resources(BatchSize=10, MaximumBatchingWindowInSeconds=window))
    assert len(facts(emulation, MessageHandedBack)) == 2
    assert counts(emulation) == (2, 0)
    assert facts(emulation, InvocationStarted) == []


def test_a_stop_waits_for_what_runs() -> None:
    """Its messages are deleted, all others stay visible (POLL-20)."""

    async def story(emulation: Emulation) -> None:
        for number in range(20):
            emulation.send("Orders", NewMessage(str(number)))
        await emulation.clock.sleep(3_000)

    emulation = stopped_after(story, 10, resources(ScalingConfig={"MaximumConcurrency": 5}))
    assert len(facts(emulation, MessageDeleted)) == 10
    assert counts(emulation) == (10, 0)
    assert len(facts(emulation, InvocationStarted)) == len(facts(emulation, InvocationEnded)) == 5


def test_a_stop_hands_back_what_a_disabled_mapping_still_holds() -> None:
    """Disabled in the middle of an invocation, with more in hand than fits into one event (BATCH-6, POLL-20)."""

    async def story(emulation: Emulation) -> None:
        for _ in range(8):
            emulation.send("Orders", NewMessage("x" * 1_000_000))
        await emulation.clock.sleep(3_000)
        emulation.mapping("Trigger").disable()
        await emulation.clock.sleep(1_000)
        assert counts(emulation) == (0, 8)

    emulation = stopped_after(story, 10, resources(BatchSize=10))
    assert len(facts(emulation, MessageDeleted)) == 6
    assert len(facts(emulation, MessageHandedBack)) == 2
    assert counts(emulation) == (2, 0)


# --- at any moment -----------------------------------------------------------------------------------------------

MODES: list[Values] = [
    {},
    {"MaximumBatchingWindowInSeconds": 4, "BatchSize": 10},
    {"ScalingConfig": {"MaximumConcurrency": 2}},
    {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 3}},
]
ACTS = ["disable", "enable", "throttle", "free", "fewer", "more", "small", "large", "provisioned", "on demand", "send"]
SETTINGS: dict[str, tuple[str, Any]] = {
    "fewer": ("Trigger.ScalingConfig", {"MaximumConcurrency": 2}),
    "more": ("Trigger.ScalingConfig", {}),
    "small": ("Trigger.BatchSize", 1),
    "large": ("Trigger.BatchSize", 10),
    "provisioned": ("Trigger.ProvisionedPollerConfig", {"MinimumPollers": 2}),
    "on demand": ("Trigger.ProvisionedPollerConfig", {}),
}


def message(number: int, fifo: bool) -> NewMessage:
    return NewMessage(str(number), group=f"g{number % 3}", dedup=str(number)) if fifo else NewMessage(str(number))


def act(emulation: Emulation, name: str) -> None:
    mapping = emulation.mapping("Trigger")
    if name == "disable":
        mapping.disable()
    elif name == "enable":
        mapping.enable()
    elif name == "throttle":
        emulation.start_fault("throttle", "Worker")
    elif name == "free":
        emulation.end_fault("throttle", "Worker")
    else:
        if name in ("provisioned", "fewer"):  # the two exclude each other (CONC-5)
            emulation.set("Trigger.ScalingConfig", {})
            emulation.set("Trigger.ProvisionedPollerConfig", {})
        emulation.set(*SETTINGS[name])


@settings(max_examples=60)
@given(
    mode=st.sampled_from(MODES),
    fifo=st.booleans(),
    count=st.integers(1, 25),
    seconds=st.sampled_from([0, 0.3, 7, 12]),
    moments=st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from([0, 100, 1_000, 3_700, 20_000])), max_size=8),
    stops=st.booleans(),
)
def test_whatever_is_switched_at_whatever_moment_nothing_is_lost(
    *,
    mode: Values,
    fifo: bool,
    count: int,
    seconds: float,
    moments: list[tuple[str, int]],
    stops: bool,
) -> None:
    """Every message is deleted once, by its invocation; what a stop in the middle left is still there (POLL-20)."""

    async def story(emulation: Emulation) -> None:
        for number in range(count):
            emulation.send("Orders", message(number, fifo))
        for number, (name, pause) in enumerate(moments, count):
            if name == "send":
                emulation.send("Orders", message(number, fifo))
            else:
                act(emulation, name)
            await emulation.clock.sleep(pause)
        if not stops:
            act(emulation, "free")
            act(emulation, "enable")
            await emulation.until_idle()

    if fifo:
        mode = {name: value for name, value in mode.items() if name != "MaximumBatchingWindowInSeconds"}
    emulation = stopped_after(story, seconds, resources(queue={"FifoQueue": fifo}, **mode))
    sent = [fact.message for fact in facts(emulation, MessageSent)]
    deleted = [fact.message for fact in facts(emulation, MessageDeleted)]
    left = [item.id for item in emulation.sqs.messages(emulation.queue("Orders"))]
    ran = {item for fact in facts(emulation, InvocationEnded) for item in fact.messages}
    assert sorted(deleted + left) == sorted(sent)
    assert set(deleted) <= ran
    assert stops or not left
    assert len(facts(emulation, InvocationStarted)) == len(facts(emulation, InvocationEnded))
    assert {fact.message for fact in facts(emulation, MessageHandedBack)} <= set(left)

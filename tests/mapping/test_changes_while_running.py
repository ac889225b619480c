"""A mapping whose settings change while it runs: what holds from when on, and what cannot change."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from esm_emulator.emulator import VirtualEmulator
from esm_emulator.errors import UsageError
from esm_emulator.journal import BatchClosed, InvocationEnded, InvocationStarted, MessageReceived, PollersChanged

Values = dict[str, Any]
PROVISIONED = {"MinimumPollers": 2, "MaximumPollers": 2}


def resources(**mapping: Any) -> Values:
    """Two queues, two functions, and a mapping from the first to the first."""
    return {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
        "Others": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 30}},
        "Helper": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 30}},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"} | mapping,
        },
    }


class Handler:
    """Works for so many seconds, and remembers which ARN it was invoked by and how many records came."""

    def __init__(self, seconds: float = 0, result: Any = None) -> None:
        self.seconds = seconds
        self.result = result
        self.invocations: list[tuple[str, int]] = []

    def __call__(self, event: Any, context: Any) -> Any:
        self.invocations.append((context.invoked_function_arn.partition("function:")[2], len(event["Records"])))
        time.sleep(self.seconds)
        return self.result


def emulator(handler: Handler, wanted: Values) -> VirtualEmulator:
    return VirtualEmulator(wanted, handlers={"Worker": handler, "Helper": handler}, embedded_aws=False)


def most_at_once(esm: VirtualEmulator) -> int:
    running = most = 0
    for fact in esm.journal:
        running += isinstance(fact, InvocationStarted) - isinstance(fact, InvocationEnded)
        most = max(most, running)
    return most


# --- batches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provisioned", [{}, {"ProvisionedPollerConfig": PROVISIONED}], ids=["on demand", "provisioned"]
)
def test_a_changed_batch_size_holds_for_pollers_that_wait_already(provisioned: Values) -> None:
    """Pollers that have waited long for a first message ask for no more than the new size (BATCH-1, POLL-19)."""
    handler = Handler()
    with emulator(handler, resources(**provisioned)) as esm:
        esm.advance("5s")
        esm.set("Trigger.BatchSize", 2)
        esm.send_all("Orders", list("abcdefg"))
        esm.run_until_idle()
    assert sorted(size for _, size in handler.invocations) == [1, 2, 2, 2]


def test_a_new_window_holds_for_pollers_that_wait_already() -> None:
    """The next batch is gathered for as long as the window is now (BATCH-3, POLL-19)."""
    handler = Handler()
    with emulator(handler, resources()) as esm:
        esm.advance("5s")
        esm.set("Trigger.MaximumBatchingWindowInSeconds", 10)
        began = esm.now
        esm.send_all("Orders", list("abc"))
        esm.run_until_idle()
        assert esm.now - began == 10_000
    assert sum(size for _, size in handler.invocations) == 3


def test_a_batch_that_is_gathered_keeps_the_window_that_it_began_with() -> None:
    """A change of the window holds from the next batch on (POLL-19)."""
    handler = Handler()
    with emulator(handler, resources(MaximumBatchingWindowInSeconds=30)) as esm:
        began = esm.now
        esm.send("Orders", "a")
        esm.advance("5s")
        esm.set("Trigger.MaximumBatchingWindowInSeconds", 1)
        esm.send("Orders", "b")
        esm.run_until_idle()
        closed = [(fact.at - began, len(fact.messages)) for fact in esm.journal if isinstance(fact, BatchClosed)]
    assert closed == [(30_000, 2)]


def test_a_change_of_something_else_leaves_long_polls_alone() -> None:
    """Whoever waits goes on waiting in its turn: the poller that has waited longest gets the next message."""
    with emulator(Handler(), resources()) as esm:
        esm.advance("5s")
        esm.set("Trigger.FunctionResponseTypes", ["ReportBatchItemFailures"])
        esm.send("Orders", "a")
        esm.run_until_idle()
        assert [fact.consumer for fact in esm.journal if isinstance(fact, MessageReceived)] == ["Trigger/1"]


def test_an_invocation_is_judged_by_the_settings_that_it_began_with() -> None:
    """Partial responses that are switched on in the middle of an invocation hold from the next batch on (PBR-1)."""
    nonsense = {"batchItemFailures": [{"itemIdentifier": "?"}]}
    with emulator(Handler(10, nonsense), resources()) as esm:
        esm.send("Orders", "a", label="a")
        esm.advance("5s")
        esm.set("Trigger.FunctionResponseTypes", ["ReportBatchItemFailures"])
        esm.send("Orders", "b", label="b")
        esm.advance("20s")
        assert [esm.message(name).outcome for name in "ab"] == ["deleted", "waiting"]


# --- the function ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Worker:live", "arn:aws:lambda:us-east-1:123456789012:function:Worker:live"])
def test_a_handler_sees_the_qualifier_that_its_mapping_names(name: str) -> None:
    """RUN-14: invoked_function_arn is the mapping's FunctionArn, qualifier and all."""
    handler = Handler()
    with emulator(handler, resources(FunctionName=name)) as esm:
        esm.send("Orders", "a")
        esm.run_until_idle()
    assert handler.invocations == [("Worker:live", 1)]


def test_a_mapping_can_be_given_another_function() -> None:
    """What runs ends where it began; the next batch goes to the other function, under its own ARN (POLL-19)."""
    handler = Handler(10)
    with emulator(handler, resources()) as esm:
        esm.send("Orders", "a")
        esm.advance("5s")
        esm.set("Trigger.FunctionName", "Helper:7")
        esm.send("Orders", "b")
        esm.run_until_idle()
        ends = [(fact.function, fact.at) for fact in esm.journal if isinstance(fact, InvocationEnded)]
        assert [function for function, _ in ends] == ["Worker", "Helper"]
        assert [esm.metrics.functions[name]["Invocations"] for name in ("Worker", "Helper")] == [1, 1]
    assert handler.invocations == [("Worker", 1), ("Helper:7", 1)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Trigger.EventSourceArn", "Others"),
        ("Orders.QueueName", "Other-name"),
        ("Orders.FifoQueue", True),
        ("Worker.FunctionName", "other-name"),
        ("Trigger", None),
    ],
)
def test_what_makes_a_resource_this_one_cannot_change(path: str, value: Any) -> None:
    """AWS would make another resource instead, so that is refused, and nothing has changed."""
    with emulator(Handler(), resources()) as esm:
        before = esm.resources.to_json()
        with pytest.raises(UsageError, match=rf"^{path} cannot change while it runs"):
            esm.set(path, value)
        assert esm.resources.to_json() == before


# --- how many ----------------------------------------------------------------------------------------------------


def test_switching_to_provisioned_mode_and_back_replaces_the_pollers() -> None:
    """Two pollers of ten lanes, and five of one again once ProvisionedPollerConfig is empty (PROV-1, PROV-9)."""
    with emulator(Handler(1), resources(BatchSize=1)) as esm:
        esm.set("Trigger.ProvisionedPollerConfig", PROVISIONED)
        esm.send_all("Orders", [str(number) for number in range(40)])
        esm.run_until_idle()
        lanes = {fact.consumer for fact in esm.journal if isinstance(fact, MessageReceived)}
        assert len(lanes) == 20 == most_at_once(esm)
        assert len({str(lane).partition(".")[0] for lane in lanes}) == 2
        esm.set("Trigger.ProvisionedPollerConfig", {})
        read = len(esm.journal)
        esm.send_all("Orders", [str(number) for number in range(40)])
        esm.advance(0.5)
        assert len({fact.consumer for fact in list(esm.journal)[read:] if isinstance(fact, MessageReceived)}) == 5
        assert [fact.pollers for fact in esm.journal if isinstance(fact, PollersChanged)][:3] == [5, 2, 5]
        esm.run_until_idle()
        assert Counter(message.outcome for message in esm.messages) == {"deleted": 80}


def test_the_other_mode_waits_for_what_runs() -> None:
    """A poller of the old mode that still runs counts: never more run than the new mode allows (PROV-5, CONC-1)."""
    wanted = resources(BatchSize=1, ProvisionedPollerConfig=PROVISIONED)
    with emulator(Handler(10), wanted) as esm:
        esm.send_all("Orders", [str(number) for number in range(60)])
        esm.advance("5s")
        esm.set("Trigger.ProvisionedPollerConfig", {})
        esm.set("Trigger.ScalingConfig", {"MaximumConcurrency": 2})
        esm.advance("4s")
        assert most_at_once(esm) == 20
        assert len([fact for fact in esm.journal if isinstance(fact, InvocationStarted)]) == 20
        read = len(esm.journal)
        esm.advance("10s")
        assert len([fact for fact in list(esm.journal)[read:] if isinstance(fact, InvocationStarted)]) == 2

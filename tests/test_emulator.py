"""The emulator in code, on both clocks."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esm_emulator.emulator import RealEmulator, VirtualEmulator
from esm_emulator.errors import SqsError, Stuck, UsageError
from esm_emulator.journal import Fact, InvocationEnded, InvocationStarted, MessageReceived


def resources(queue: dict[str, Any] | None = None, **mapping: Any) -> dict[str, Any]:
    """A queue with its dead-letter queue, a function and a mapping."""
    policy = {"deadLetterTargetArn": "OrdersDlq", "maxReceiveCount": 2}
    return {
        "Orders": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"VisibilityTimeout": 60, "RedrivePolicy": policy, **(queue or {})},
        },
        "OrdersDlq": {"Type": "AWS::SQS::Queue"},
        "Worker": {"Type": "AWS::Lambda::Function"},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker", "BatchSize": 1, **mapping},
        },
    }


def works(_event: Any, _context: Any) -> None:
    """Take everything."""


def fails_on_bad(event: Any, _context: Any) -> None:
    """Refuse one order."""
    if "bad" in event["Records"][0]["body"]:
        raise ValueError("no")


def test_a_poison_message_goes_to_the_dead_letter_queue() -> None:
    """Two receives, then the DLQ, seen without receiving anything."""
    with VirtualEmulator(resources(), handlers={"Worker": fails_on_bad}) as esm:
        esm.send("Orders", {"id": "bad"}, label="bad")
        esm.send_all("Orders", ["good", {"id": "better"}])
        esm.run_until_idle()
        assert esm.queue("OrdersDlq").bodies == [{"id": "bad"}]
        assert (len(esm.queue("Orders")), len(esm.queue("OrdersDlq"))) == (0, 1)
        assert (esm.message("bad").receives, esm.message("good").outcome) == (2, "deleted")
        assert [failure.error_type for failure in esm.failures] == ["ValueError", "ValueError"]
        assert esm.story("bad").splitlines()[-1].strip() == "2m  moved to OrdersDlq after 2 receives"
        assert esm.metrics.functions["Worker"]["Errors"] == 2


def test_time_moves_only_when_told() -> None:
    """Advance lets exactly so much time pass, and everything happen that is due by then."""
    with VirtualEmulator(resources({"DelaySeconds": 30}), handlers={"Worker": works}) as esm:
        began = esm.now
        esm.send("Orders", "a")
        esm.advance("29s")
        assert (esm.now - began, esm.queue("Orders").delayed) == (29_000, 1)
        esm.advance(1)
        assert (esm.now - began, len(esm.queue("Orders"))) == (30_000, 0)


def test_run_until_tells_whether_it_holds() -> None:
    """At the first instant at which it does; else after the limit."""
    with VirtualEmulator(resources(), handlers={"Worker": fails_on_bad}) as esm:
        began = esm.now
        esm.send("Orders", "bad")
        assert esm.run_until(lambda: len(esm.failures) == 2)
        assert esm.now - began == 60_000
        assert not esm.run_until(lambda: False, "1h")
        assert esm.now - began == 3_660_000


def test_what_never_becomes_idle_is_told_with_what_is_left() -> None:
    """A mapping that is throttled for good."""
    with VirtualEmulator(resources({"RedrivePolicy": None}), handlers={"Worker": fails_on_bad}) as esm:
        esm.send("Orders", "bad")
        with pytest.raises(UsageError, match=r"not idle after 1h; Orders: 0 visible, 1 in flight|not idle after 1h"):
            esm.run_until_idle("1h")


def test_acting_on_it_while_it_runs() -> None:
    """Disable, set, enable, purge, redrive and faults."""
    with VirtualEmulator(resources(), handlers={"Worker": fails_on_bad}) as esm:
        esm.disable("Trigger")
        esm.send("Orders", "bad")
        esm.advance("1h")
        assert esm.queue("Orders").visible == 1
        esm.set("Orders.VisibilityTimeout", 10)
        esm.enable("Trigger")
        esm.run_until_idle()
        assert len(esm.queue("OrdersDlq")) == 1
        esm.redrive("OrdersDlq")
        esm.run_until(lambda: esm.message("bad").receives == 4)
        esm.run_until_idle()
        assert len(esm.queue("OrdersDlq")) == 1
        esm.purge("OrdersDlq")
        assert len(esm.queue("OrdersDlq")) == 0
        esm.start_fault("throttle", "Worker")
        esm.send("Orders", "good")
        esm.advance("5s")
        assert esm.metrics.functions["Worker"]["Throttles"] >= 1
        esm.end_fault("throttle", "Worker")
        esm.run_until_idle()
        assert esm.message("good").outcome == "deleted"


@pytest.mark.parametrize(
    ("act", "error", "said"),
    [
        (lambda esm: esm.send("Order", "a"), UsageError, "there is no queue 'Order'.*did you mean 'Orders'"),
        (lambda esm: esm.queue("Dlq"), UsageError, "there is no queue 'Dlq'"),
        (lambda esm: esm.enable("Triger"), UsageError, "did you mean 'Trigger'"),
        (lambda esm: esm.message("x"), UsageError, "there is no message 'x'"),
        (lambda esm: esm.set("Orders.Nope", 1), UsageError, "unknown key 'Nope'"),
        (lambda esm: esm.send("Orders", ""), SqsError, "MessageBody"),
        (lambda esm: esm.start_fault("fire", "Orders"), UsageError, "there is no fault 'fire'"),
        (lambda esm: esm.deploy({}), UsageError, "has its resources already"),
        (lambda esm: esm.send("Orders", object()), UsageError, "Turn it into text first"),
        (lambda esm: esm.send(None, "a"), UsageError, "there is no queue None"),
        (lambda esm: esm.send_all("Orders", "abc"), UsageError, "takes a list of bodies"),
        (lambda esm: esm.advance("-3s"), UsageError, "advance takes a duration such as .* not '-3s'"),
        (lambda esm: esm.run_until_idle("soon"), UsageError, "limit takes a duration"),
        (lambda esm: esm.run_until(True), UsageError, "run_until takes a function"),
        (lambda esm: esm.start_fault("redeliver", "Orders", chance=7), UsageError, "chance takes a number from 0 to 1"),
        (lambda esm: esm.trace("/nowhere/at.html"), UsageError, "/nowhere/at.html cannot be written"),
    ],
)
def test_what_makes_no_sense_is_told(act: Any, error: type[Exception], said: str) -> None:
    """The sentence says what there is; the emulator goes on."""
    with VirtualEmulator(resources(), handlers={"Worker": works}) as esm:
        with pytest.raises(error, match=said):
            act(esm)
        esm.run_until_idle()


def test_nothing_can_be_done_before_there_are_resources() -> None:
    """The text says how to begin; closing is always possible, also twice."""
    esm = VirtualEmulator()
    with pytest.raises(UsageError, match="deploy resources first"):
        esm.send("Orders", "a")
    esm.close()
    esm.close()


@pytest.mark.parametrize("kind", [VirtualEmulator, RealEmulator])
@pytest.mark.parametrize(
    "act",
    [
        lambda esm: esm.send("Orders", "a"),
        lambda esm: esm.purge("Orders"),
        lambda esm: esm.set("Orders.DelaySeconds", 1),
        lambda esm: esm.disable("Trigger"),
        lambda esm: esm.run_until(lambda: True),
        lambda esm: esm.run_until_idle(),
        lambda esm: esm.deploy({}),
    ],
)
def test_a_closed_emulator_is_only_looked_at(kind: Any, act: Any) -> None:
    """What it has seen is still there; what would happen in it no more says so."""
    with kind(resources(Enabled=False), handlers={"Worker": works}) as esm:
        esm.send("Orders", "a", label="a")
    with pytest.raises(UsageError, match="this emulator is closed"):
        act(esm)
    assert esm.message("a").outcome == "waiting"
    assert esm.story("a")
    assert esm.queue("Orders").bodies == ["a"]


@pytest.mark.parametrize("move", ["close", "run_until_idle"])
def test_a_handler_cannot_move_the_time_in_which_it_runs(move: str) -> None:
    """Nor end it; whoever made the emulator goes on as if nobody had tried."""
    with VirtualEmulator(resources(), handlers={"Worker": lambda *_: getattr(esm, move)()}) as esm:
        esm.send("Orders", "a")
        esm.run_until_idle()
        assert {(failure.error_type, failure.message.split(":")[0]) for failure in esm.failures} == {
            ("UsageError", "Virtual time is moving already")
        }
        assert len(esm.queue("OrdersDlq")) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_async_twins_do_the_same() -> None:
    """Inside a running loop, whose own time is not touched."""
    with VirtualEmulator(resources(), handlers={"Worker": fails_on_bad}) as esm:
        esm.send("Orders", "bad")
        await esm.aadvance("1s")
        assert await esm.arun_until(lambda: len(esm.failures) == 2)
        await esm.arun_until_idle()
        assert len(esm.queue("OrdersDlq")) == 1
    await anyio.lowlevel.checkpoint()


# --- the real clock -----------------------------------------------------------------------------------------

# which of several idle pollers is the next depends on the microseconds at which each began to wait
TIMES = {"at", "consumer", "environment", "visible_at", "duration_ms", "init_ms", "first_sent_at", "expires_at"}


def without_times(facts: list[Fact]) -> list[dict[str, Any]]:
    found = []
    for fact in facts:
        value = json.loads(json.dumps(fact.to_json(), default=str))
        if not value["event"].startswith(("environment", "log", "empty-receives", "run-", "deployed")):
            found.append({name: item for name, item in value.items() if name not in TIMES and not name.endswith("_at")})
    return found


@pytest.mark.slow
def test_the_same_story_on_both_clocks_is_the_same_but_for_times() -> None:
    """A message that fails twice beside one that succeeds: the same facts in the same order, the same ids."""
    stories = []
    for kind in (VirtualEmulator, RealEmulator):
        wanted = resources({"VisibilityTimeout": 1}, Enabled=False)
        wanted["Worker"]["Properties"] = {"Timeout": 1}
        with kind(wanted, handlers={"Worker": fails_on_bad}) as esm:
            esm.send("Orders", "bad", label="bad")
            esm.enable("Trigger")
            assert esm.run_until(lambda esm=esm: len(esm.failures) == 2)
            esm.run_until_idle()
            esm.send("Orders", "good", label="good")
            esm.run_until_idle()
            stories.append(without_times(list(esm.journal)))
    assert stories[0] == stories[1]
    assert [fact["event"] for fact in stories[0]].count("received") == 3


@pytest.mark.slow
def test_a_real_emulator_goes_on_between_calls_and_takes_them_from_any_thread() -> None:
    """Sends from four threads while it runs; nothing gets lost."""
    with RealEmulator(resources(), handlers={"Worker": works}) as esm:
        threads = [
            threading.Thread(target=esm.send_all, args=("Orders", [f"{n}-{m}" for m in range(5)])) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        esm.run_until_idle()
        assert [message.outcome for message in esm.messages] == ["deleted"] * 20
        esm.send("Orders", "late")
        end = time.monotonic() + 10
        while len(esm.queue("Orders")) and time.monotonic() < end:
            time.sleep(0.01)
        assert len(esm.queue("Orders")) == 0


def test_a_real_emulator_cannot_skip_time() -> None:
    """What only virtual time can do does not exist on it."""
    assert not hasattr(RealEmulator, "advance")


# --- laws ---------------------------------------------------------------------------------------------------

LIMIT = st.one_of(st.none(), st.integers(2, 5))


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 30),
    batch=st.integers(1, 10),
    maximum=LIMIT,
    reserved=LIMIT,
    failing=st.integers(1, 5),
    seconds=st.integers(0, 20),
    acts=st.lists(st.sampled_from(["disable", "enable", "throttle", "wait", "fewer", "more"]), max_size=6),
)
def test_whatever_happens_nothing_is_lost_and_no_limit_is_broken(
    *,
    seed: int,
    count: int,
    batch: int,
    maximum: int | None,
    reserved: int | None,
    failing: int,
    seconds: int,
    acts: list[str],
) -> None:
    """Any seed: each message ends once, receives are those of the journal, and limits hold at every moment (CONC-3)."""
    extra: dict[str, Any] = {"BatchSize": batch}
    if maximum is not None:
        extra["ScalingConfig"] = {"MaximumConcurrency": maximum}
    wanted = resources(**extra)
    wanted["Worker"]["Properties"] = {"Timeout": 25}
    if reserved is not None:
        wanted["Worker"]["Properties"]["ReservedConcurrentExecutions"] = reserved

    def handler(event: Any, _context: Any) -> None:
        time.sleep(seconds)
        if int(event["Records"][0]["body"]) % 5 == failing:
            raise ValueError

    with VirtualEmulator(wanted, handlers={"Worker": handler}, seed=seed, embedded_aws=False) as esm:
        esm.send_all("Orders", [str(number) for number in range(count)])
        for act in acts:
            if act in ("disable", "enable"):
                getattr(esm, act)("Trigger")
            elif act == "throttle":
                esm.start_fault("throttle", "Worker")
            elif maximum is not None and act in ("fewer", "more"):
                esm.set("Trigger.ScalingConfig.MaximumConcurrency", 2 if act == "fewer" else maximum)
            esm.advance("7s")
        esm.end_fault("throttle", "Worker")
        esm.enable("Trigger")
        esm.run_until_idle()
        messages, journal = list(esm.messages), list(esm.journal)
        left = {message.id for message in esm.queue("OrdersDlq").messages}
    assert len(messages) == count
    assert {message.id for message in messages if message.outcome == "dead-lettered"} == left
    assert all(message.outcome == "dead-lettered" or message.successes for message in messages)
    received = [fact.message for fact in journal if isinstance(fact, MessageReceived)]
    assert all(message.receives == received.count(message.id) for message in messages)
    running = highest = 0
    for fact in journal:
        running += isinstance(fact, InvocationStarted) - isinstance(fact, InvocationEnded)
        highest = max(highest, running)
    assert highest <= min(maximum or 1000, reserved or 1000)
    assert running == 0


def test_a_template_with_its_folder(tmp_path: Path) -> None:
    """A path, as text or Path; handlers are imported from beside it."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return None\n")
    (tmp_path / "esm.yaml").write_text(
        "resources:\n  Orders: {Type: AWS::SQS::Queue}\n"
        "  Worker: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler}}\n"
        "  Trigger:\n    Type: AWS::Lambda::EventSourceMapping\n"
        "    Properties: {EventSourceArn: Orders, FunctionName: Worker}\n"
    )
    for path in (tmp_path / "esm.yaml", str(tmp_path / "esm.yaml")):
        with VirtualEmulator(path) as esm:
            esm.send("Orders", "a")
            esm.run_until_idle()
            assert esm.message("a").successes == 1


def busy(_event: Any, _context: Any) -> None:
    """Compute for ever."""
    while True:
        pass


@pytest.mark.slow
def test_what_got_stuck_can_be_looked_at_and_closed_and_goes_on_no_more() -> None:
    """The watchdog's error stands alone; boto3 and the clock are let go as ever."""
    with VirtualEmulator(resources(), handlers={"Worker": busy}, watchdog_s=0.3) as esm:
        esm.send("Orders", "a", label="a")
        with pytest.raises(Stuck, match="in busy"):
            esm.run_until_idle()
        assert esm.message("a").invocations == 1
        with pytest.raises(UsageError, match="run has ended, with the error"):
            esm.run_until_idle()
    assert "AWS_LAMBDA_FUNCTION_NAME" not in os.environ
    with VirtualEmulator(resources(), handlers={"Worker": works}) as other:
        other.send("Orders", "a")
        other.run_until_idle()


def test_what_there_is_to_look_at_tells_itself_when_it_is_printed() -> None:
    with VirtualEmulator(resources(), handlers={"Worker": works}) as esm:
        assert repr(esm.messages) == "<messages: none>"
        esm.send_all("Orders", ["a", "b"])
        esm.run_until_idle()
        esm.send("Orders", "c", delay="1m")
        assert repr(esm.messages) == "<messages: 2 deleted, 1 waiting>"
        assert repr(esm.journal) == f"<journal of {len(esm.journal)} facts>"
        assert "'Worker': {'Invocations': " in repr(esm.metrics)


def test_a_condition_that_raises_ends_nothing() -> None:
    """Its error is the caller's; the emulator goes on."""
    with VirtualEmulator(resources(), handlers={"Worker": works}) as esm:
        esm.send("Orders", "a")
        with pytest.raises(ZeroDivisionError):
            esm.run_until(lambda: 1 // 0 == 0)
        esm.run_until_idle()
        assert esm.message("a").outcome == "deleted"

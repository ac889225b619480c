"""A function that does what a scenario says."""

from __future__ import annotations

import json
import time
from random import Random

import anyio
import pytest

from esm_emulator.clocks.virtual import VirtualClock, run
from esm_emulator.functions import Failed, FailureKind, Invocation, Returned, Throttled, Usage
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.scripted import (
    Call,
    Each,
    Exit,
    Fail,
    Fixed,
    LogNormal,
    Measured,
    Raise,
    Return,
    Rule,
    ScriptedFunction,
    Succeed,
    Timeout,
    Uniform,
    When,
)
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.messages import ReceivedMessage
from esm_emulator.resources import Function

LABELS = {"id-1": "o-1", "id-2": "o-2"}


def message(number, body="x", receive=1):
    return ReceivedMessage(
        message_id=f"id-{number}",
        receipt_handle="r",
        body=body,
        md5_of_body="",
        attributes={"ApproximateReceiveCount": str(receive)},
        message_attributes={},
        md5_of_message_attributes=None,
        received_at=0,
        visible_at=0,
    )


class Handler:
    """Stands for the real one: takes half a second."""

    def __init__(self, resource):
        self.id = resource.id
        self.resource = resource
        self.calls = 0
        self.closed = False

    async def invoke(self, invocation):
        invocation.began()
        self.calls += 1
        await anyio.sleep(0.5)
        return Returned('"called"', Usage(500.0, environment="real"))

    async def close(self):
        self.closed = True


class Stage:
    """A scripted function on a virtual clock."""

    def __init__(self, *rules, timeout=10, inner=None, seed=1):
        self.clock = VirtualClock()
        self.resource = Function(id="Worker", Timeout=timeout)
        self.inner = inner(self.resource) if inner else None
        self.function = ScriptedFunction(
            self.resource, self.clock, rules, random=Random(seed), inner=self.inner, label=LABELS.get
        )
        self.began = 0

    def invoke(self, *messages):
        """One invocation: its reply, and the virtual milliseconds that it took."""
        began = self.clock.now()
        reply = run(self.function.invoke, self._invocation(messages), clock=self.clock)
        return reply, self.clock.now() - began

    def _invocation(self, messages):
        def began():
            self.began += 1

        return Invocation("req-1", "arn", {"Records": []}, messages or (message(1),), began=began)


def result(reply):
    assert isinstance(reply, Returned)
    return json.loads(reply.payload)


def test_without_rules_and_without_a_handler_it_succeeds_at_once():
    reply, took = Stage().invoke()
    assert (result(reply), took) == (None, 0)


def test_without_rules_the_handler_is_called():
    stage = Stage(inner=Handler)
    reply, took = stage.invoke()
    assert (result(reply), took) == ("called", 500)


def test_a_rule_without_then_calls_the_handler():
    reply, took = Stage(Rule(takes=Fixed(1_000)), inner=Handler).invoke()
    assert (result(reply), took) == ("called", 1_500)
    assert reply.usage == Usage(1_500.0, environment="real")


def test_a_rule_may_succeed_instead_of_calling():
    stage = Stage(Rule(then=Succeed()), inner=Handler)
    assert result(stage.invoke()[0]) is None
    assert stage.inner.calls == 0


def test_a_rule_that_calls_needs_a_handler():
    with pytest.raises(ValueError, match="no handler"):
        Stage(Rule(then=Call()))


# --- when ----------------------------------------------------------------------------------------------------


def test_the_first_rule_that_fits_decides():
    stage = Stage(
        Rule(When(receive=range(1, 2)), then=Return("first")),
        Rule(When(receive=range(1, 4)), then=Return("again")),
    )
    assert [result(stage.invoke(message(1, receive=n))[0]) for n in (1, 2, 3, 4)] == ["first", "again", "again", None]


def test_receive_is_about_any_record():
    stage = Stage(Rule(When(receive=[2]), then=Return("seen")))
    assert result(stage.invoke(message(1), message(2, receive=2))[0]) == "seen"


def test_invocations_are_counted_from_one():
    stage = Stage(Rule(When(invocation=range(2, 4)), then=Return("middle")))
    assert [result(stage.invoke()[0]) for _ in range(4)] == [None, "middle", "middle", None]


def test_body_is_about_any_record():
    stage = Stage(Rule(When(body=lambda body: "bad" in body), then=Return("bad")))
    assert result(stage.invoke(message(1, "good"), message(2, "very bad"))[0]) == "bad"
    assert result(stage.invoke(message(1, "good"))[0]) is None


def test_receive_and_body_are_about_one_record():
    stage = Stage(Rule(When(receive=[2], body=lambda body: body == "bad"), then=Return("both")))
    assert result(stage.invoke(message(1, "bad"), message(2, "good", receive=2))[0]) is None
    assert result(stage.invoke(message(1, "bad", receive=2))[0]) == "both"


# --- takes ---------------------------------------------------------------------------------------------------


def test_a_fixed_time():
    reply, took = Stage(Rule(takes=Fixed(1_234))).invoke()
    assert took == 1_234
    assert reply.usage.duration_ms == 1_234.0


def test_a_time_for_each_record():
    assert Stage(Rule(takes=Each(200))).invoke(message(1), message(2), message(3))[1] == 600


def test_a_time_drawn_evenly():
    stage = Stage(Rule(takes=Uniform(1_000, 3_000)))
    took = [stage.invoke()[1] for _ in range(200)]
    assert min(took) < 1_100
    assert max(took) > 2_900
    assert all(1_000 <= ms <= 3_000 for ms in took)


def test_a_time_drawn_from_a_log_normal_distribution():
    stage = Stage(Rule(takes=LogNormal(2_000, 0.5)), timeout=900)
    took = sorted(stage.invoke()[1] for _ in range(400))
    assert 1_800 < took[200] < 2_200
    assert 2_700 < took[336] < 4_000  # one sigma above: 2 s times e to the 0.5


def test_a_log_normal_time_around_nothing_is_nothing():
    assert Stage(Rule(takes=LogNormal(0, 1.0))).invoke()[1] == 0


def test_the_same_seed_draws_the_same_times():
    one, other = (Stage(Rule(takes=Uniform(0, 10_000)), seed=7) for _ in range(2))
    assert [one.invoke()[1] for _ in range(20)] == [other.invoke()[1] for _ in range(20)]


def test_measured_charges_what_really_passed():
    class Busy(Handler):
        async def invoke(self, _invocation):
            end = time.perf_counter() + 0.03
            while time.perf_counter() < end:
                pass
            return Returned("null")

    reply, took = Stage(Rule(takes=Measured()), inner=Busy).invoke()
    assert 30 <= took < 3_000
    assert reply.usage.duration_ms == took


def test_measured_charges_nothing_that_has_passed_on_the_clock():
    assert Stage(Rule(takes=Measured()), inner=Handler).invoke()[1] == 500


# --- then ----------------------------------------------------------------------------------------------------


def test_an_exception():
    """RUN-17."""
    reply, took = Stage(Rule(takes=Fixed(10), then=Raise("ValueError", "no stock"))).invoke()
    assert isinstance(reply, Failed)
    assert (reply.kind, reply.error_type, reply.message) == (FailureKind.ERROR, "ValueError", "no stock")
    assert json.loads(reply.payload) == {
        "errorMessage": "no stock",
        "errorType": "ValueError",
        "requestId": "req-1",
        "stackTrace": [],
    }
    assert took == 10


def test_a_value():
    assert result(Stage(Rule(then=Return({"batchItemFailures": [{"itemIdentifier": "wrong"}]}))).invoke()[0]) == {
        "batchItemFailures": [{"itemIdentifier": "wrong"}]
    }


def failures(rule, *messages):
    return [item["itemIdentifier"] for item in result(Stage(rule).invoke(*messages)[0])["batchItemFailures"]]


def test_the_records_that_match_fail():
    """PBR-16."""
    rule = Rule(When(body=lambda body: body == "bad"), then=Fail("matching"))
    assert failures(rule, message(1, "good"), message(2, "bad"), message(3, "bad")) == ["id-2", "id-3"]


def test_matching_means_the_receive_count_too():
    rule = Rule(When(receive=[1]), then=Fail("matching"))
    assert failures(rule, message(1, receive=2), message(2)) == ["id-2"]


def test_matching_without_conditions_means_all():
    assert failures(Rule(then=Fail("matching")), message(1), message(2)) == ["id-1", "id-2"]


def test_all_records_fail():
    """PBR-17."""
    rule = Rule(When(body=lambda body: body == "bad"), then=Fail("all"))
    assert failures(rule, message(1, "good"), message(2, "bad")) == ["id-1", "id-2"]


def test_records_fail_by_id_or_label():
    rule = Rule(then=Fail(frozenset({"o-1", "id-3", "nowhere"})))
    assert failures(rule, message(1), message(2), message(3)) == ["id-1", "id-3"]


def test_a_timeout():
    """RUN-20."""
    reply, took = Stage(Rule(takes=Fixed(2_000), then=Timeout()), timeout=3).invoke()
    assert isinstance(reply, Failed)
    assert reply.kind is FailureKind.TIMEOUT
    assert json.loads(reply.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: req-1 Error: Task timed out after 3.00 seconds",
    }
    assert (took, reply.usage.duration_ms) == (3_000, 3_000.0)


@pytest.mark.parametrize("then", [Succeed(), Raise(), Exit(1), Fail("all")])
def test_a_time_past_the_timeout_is_a_timeout_at_the_timeout(then):
    reply, took = Stage(Rule(takes=Fixed(3_001), then=then), timeout=3).invoke()
    assert reply.kind is FailureKind.TIMEOUT
    assert took == 3_000


def test_a_time_up_to_the_timeout_is_none():
    assert isinstance(Stage(Rule(takes=Fixed(3_000)), timeout=3).invoke()[0], Returned)


def test_the_end_of_the_process():
    """RUN-19."""
    reply, _ = Stage(Rule(then=Exit(137))).invoke()
    assert reply.kind is FailureKind.EXIT
    assert reply.message == "RequestId: req-1 Error: Runtime exited with error: exit status 137"


def test_an_environment_is_used_again_but_not_after_its_end():
    """RUN-6, RUN-7."""
    stage = Stage(Rule(When(invocation=[2]), then=Exit(1)), Rule())
    assert [stage.invoke()[0].usage.environment for _ in range(4)] == ["Worker-1", "Worker-1", "Worker-2", "Worker-2"]


def test_invocations_at_the_same_time_have_environments_of_their_own():
    """RUN-7."""
    stage = Stage(Rule(takes=Fixed(100)))
    seen = []

    async def one():
        seen.append((await stage.function.invoke(stage._invocation(()))).usage.environment)

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)

    run(main, clock=stage.clock)
    assert sorted(seen) == ["Worker-1", "Worker-2"]


def test_every_invocation_is_told_to_have_begun():
    """MET-6."""
    for rules in ((), (Rule(takes=Fixed(99_000)),), (Rule(then=Raise()),)):
        stage = Stage(*rules)
        stage.invoke()
        assert stage.began == 1


def test_a_changed_timeout_holds_from_the_next_invocation_on():
    stage = Stage(Rule(takes=Fixed(5_000)), timeout=3, inner=Handler)
    assert stage.invoke()[1] == 3_000
    stage.function.resource = Function(id="Worker", Timeout=60)
    assert stage.invoke()[1] == 5_500
    assert stage.inner.resource.Timeout == 60


def test_closing_reaches_the_handler():
    stage = Stage(inner=Handler)
    run(stage.function.close)
    assert stage.inner.closed
    run(Stage().function.close)


# --- with a real handler -------------------------------------------------------------------------------------


def real(handler):
    def adapter(resource):
        clock = VirtualClock()
        made = InlineFunction(resource, clock, Journal(), Identifiers(Random(1)), handler=handler, echo=False)
        made.test_clock = clock
        return made

    return adapter


@pytest.fixture
def stage_with():
    """Make a stage whose handler is real; afterwards each leaves this process as it was."""
    made = []

    def make(handler, *rules, timeout):
        stage = Stage(*rules, timeout=timeout, inner=real(handler))
        stage.clock = stage.inner.test_clock
        stage.function = ScriptedFunction(stage.resource, stage.clock, rules, random=Random(1), inner=stage.inner)
        made.append(stage)
        return stage

    yield make
    for stage in made:
        run(stage.function.close)


def test_the_time_of_the_rule_and_of_the_handler_together_end_at_the_timeout(stage_with):
    """A sum past the timeout is a timeout at the timeout."""

    def handler(_event, _context):
        time.sleep(2)
        return "done"

    enough = stage_with(handler, Rule(takes=Fixed(2_000)), timeout=5)
    assert (result(enough.invoke()[0]), enough.invoke()[1]) == ("done", 4_000)
    too_long = stage_with(handler, Rule(takes=Fixed(4_000)), timeout=5)
    reply, took = too_long.invoke()
    assert (reply.kind, took) == (FailureKind.TIMEOUT, 5_000)
    assert result(stage_with(handler, Rule(takes=Fixed(1)), timeout=5).invoke()[0]) == "done"


def test_a_rule_that_takes_all_the_time_does_not_call(stage_with):
    called = []
    stage = stage_with(lambda event, _: called.append(event), Rule(takes=Fixed(9_000)), timeout=5)
    assert stage.invoke()[0].kind is FailureKind.TIMEOUT
    assert called == []


def test_a_handler_that_is_throttled_stays_throttled():
    class Refusing(Handler):
        async def invoke(self, _invocation):
            return Throttled("TooMany")

    assert Stage(Rule(takes=Fixed(100)), inner=Refusing).invoke()[0] == Throttled("TooMany")
    assert Stage(Rule(takes=Measured()), inner=Refusing).invoke()[0] == Throttled("TooMany")


def test_measured_past_the_timeout_is_a_timeout():
    class Busy(Handler):
        async def invoke(self, _invocation):
            end = time.perf_counter() + 0.02
            while time.perf_counter() < end:
                pass
            return Returned("null")

    resource = Function.model_construct(id="Worker", Timeout=0.01)
    stage = Stage(Rule(takes=Measured()), inner=Busy)
    stage.function.resource = resource
    reply, took = stage.invoke()
    assert reply.kind is FailureKind.TIMEOUT
    assert took == 10

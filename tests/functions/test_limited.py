"""Reserved and account concurrency around a function."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.clocks.virtual import VirtualClock, run
from esm_emulator.functions import Invocation, Returned, Throttled
from esm_emulator.functions.limited import (
    ACCOUNT_IS_FULL,
    RESERVATION_IS_FULL,
    AccountConcurrency,
    LimitedFunction,
)
from esm_emulator.resources import Function

INVOCATION = Invocation("r-1", "arn", {"Records": []})


class Slow:
    """A function that takes a second, and counts."""

    def __init__(self, resource):
        self.resource = resource
        self.id = resource.id
        self.most = self.running = 0
        self.closed = False

    async def invoke(self, invocation):
        invocation.began()
        self.running += 1
        self.most = max(self.most, self.running)
        await anyio.sleep(1)
        self.running -= 1
        return Returned("null")

    async def close(self):
        self.closed = True


def function(id_="Worker", **properties):
    return Function(id=id_, **properties)


def limited(account=1000, **properties):
    resource = function(**properties)
    return LimitedFunction(Slow(resource), resource, AccountConcurrency(account))


def invoke_together(functions):
    """Every one at the same moment; their replies, in order."""

    async def main():
        replies = [None] * len(functions)

        async def one(index, item):
            replies[index] = await item.invoke(INVOCATION)

        async with anyio.create_task_group() as group:
            for index, item in enumerate(functions):
                group.start_soon(one, index, item)
        return replies

    return run(main)


def reasons(replies):
    return [reply.reason if isinstance(reply, Throttled) else None for reply in replies]


def test_as_many_run_as_are_reserved():
    """CONC-11: the others are refused with Lambda's reason."""
    worker = limited(ReservedConcurrentExecutions=2)
    assert reasons(invoke_together([worker] * 4)) == [None, None, RESERVATION_IS_FULL, RESERVATION_IS_FULL]
    assert worker.inner.most == 2


def test_a_reservation_of_zero_refuses_everything():
    """CONC-11."""
    assert reasons(invoke_together([limited(ReservedConcurrentExecutions=0)])) == [RESERVATION_IS_FULL]


def test_without_a_reservation_the_account_is_the_limit():
    """POLL-12."""
    assert reasons(invoke_together([limited(account=1)] * 2)) == [None, ACCOUNT_IS_FULL]


def test_room_is_given_back():
    worker = limited(ReservedConcurrentExecutions=1)

    async def main():
        return [await worker.invoke(INVOCATION), await worker.invoke(INVOCATION)]

    assert reasons(run(main)) == [None, None]
    assert worker.running == 0


def test_a_reservation_is_taken_out_of_the_pool_of_the_others():
    """CONC-12: the pool is what the reservations leave."""
    account = AccountConcurrency(3)
    reserved = function("Reserved", ReservedConcurrentExecutions=2)
    other = function("Other")
    one = LimitedFunction(Slow(reserved), reserved, account)
    two = LimitedFunction(Slow(other), other, account)
    assert account.unreserved == 1
    assert reasons(invoke_together([two, two, one, one, one])) == [
        None,
        ACCOUNT_IS_FULL,
        None,
        None,
        RESERVATION_IS_FULL,
    ]


def test_functions_without_a_reservation_share_the_pool():
    account = AccountConcurrency(2)
    first, second = function("First"), function("Second")
    one, two = (LimitedFunction(Slow(item), item, account) for item in (first, second))
    assert reasons(invoke_together([one, two, one])) == [None, None, ACCOUNT_IS_FULL]


def test_more_reserved_than_there_is_leaves_no_pool():
    account = AccountConcurrency(10)
    account.reserve("Greedy", 50)
    assert account.unreserved == 0
    assert account.enter("Other") == ACCOUNT_IS_FULL


def test_a_refused_invocation_has_not_begun():
    """MET-6: a throttle is no invocation."""
    began = []
    worker = limited(ReservedConcurrentExecutions=0)
    invocation = Invocation("r-1", "arn", {}, began=lambda: began.append(True))
    assert isinstance(run(worker.invoke, invocation), Throttled)
    assert began == []


def test_a_changed_reservation_holds_from_the_next_invocation_on():
    worker = limited(ReservedConcurrentExecutions=1)
    worker.configure(function(ReservedConcurrentExecutions=3))
    assert reasons(invoke_together([worker] * 4)) == [None, None, None, RESERVATION_IS_FULL]
    worker.configure(function())
    assert reasons(invoke_together([worker] * 4)) == [None] * 4


def test_changed_properties_reach_the_function_inside():
    worker = limited()
    worker.configure(function(Timeout=77))
    assert worker.inner.resource.Timeout == 77
    assert worker.resource.Timeout == 77


def test_a_function_inside_that_knows_no_properties_is_left_alone():
    class Remote:
        id = "Worker"

        async def invoke(self, _invocation):
            return Returned("null")

        async def close(self):
            pass

    worker = LimitedFunction(Remote(), function(), AccountConcurrency(1))
    worker.configure(function(Timeout=77))
    assert not hasattr(worker.inner, "resource")


def test_a_reservation_below_what_runs_refuses_until_enough_have_ended():
    account = AccountConcurrency(10)
    for _ in range(3):
        assert account.enter("Worker") is None
    account.reserve("Worker", 2)
    assert account.enter("Worker") == RESERVATION_IS_FULL
    account.leave("Worker")
    assert account.enter("Worker") == RESERVATION_IS_FULL
    account.leave("Worker")
    assert account.enter("Worker") is None


def test_the_throttle_fault_refuses_everything_while_it_lasts():
    worker = limited()
    worker.refuses_all = True
    assert reasons(invoke_together([worker])) == [RESERVATION_IS_FULL]
    worker.refuses_all = False
    assert reasons(invoke_together([worker])) == [None]


def test_a_function_that_breaks_gives_its_room_back():
    class Broken(Slow):
        async def invoke(self, _invocation):
            raise OSError

    resource = function()
    worker = LimitedFunction(Broken(resource), resource, AccountConcurrency(1))
    with pytest.raises(OSError):
        run(worker.invoke, INVOCATION)
    assert worker.running == 0


def test_closing_reaches_the_function_inside():
    worker = limited()
    run(worker.close)
    assert worker.inner.closed


def test_the_clock_of_a_test_is_virtual():
    """A second's work of many takes no time here."""
    clock = VirtualClock()
    began = clock.now()
    run(limited().invoke, INVOCATION, clock=clock)
    assert clock.now() - began == 1_000


@given(
    st.integers(0, 8),
    st.lists(
        st.one_of(
            st.tuples(st.just("enter"), st.sampled_from("abc"), st.none()),
            st.tuples(st.just("leave"), st.sampled_from("abc"), st.none()),
            st.tuples(st.just("reserve"), st.sampled_from("ab"), st.none() | st.integers(0, 4)),
        ),
        max_size=60,
    ),
)
def test_never_more_run_than_every_limit_that_applies(limit, acts):
    """CONC-11, POLL-12: at the moment when an invocation is let in."""
    account, reserved = AccountConcurrency(limit), {}
    running = dict.fromkeys("abc", 0)
    for act, name, amount in acts:
        if act == "reserve":
            account.reserve(name, amount)
            reserved = {key: value for key, value in (reserved | {name: amount}).items() if value is not None}
        elif act == "leave" and running[name]:
            account.leave(name)
            running[name] -= 1
        elif act == "enter" and account.enter(name) is None:
            running[name] += 1
            if name in reserved:
                assert running[name] <= reserved[name]
            else:
                others = sum(count for key, count in running.items() if key not in reserved)
                assert others <= max(0, limit - sum(reserved.values()))
        assert account.running(name) == running[name]

"""Handlers under the virtual clock: their waits are virtual, and everything else about them is as ever."""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import gc
import sqlite3
import subprocess
import sys
import threading
import time
import unittest.mock
import weakref
from collections.abc import Callable
from time import monotonic as bound_monotonic
from time import sleep as bound_sleep
from typing import Any

import anyio
import greenlet
import pytest
import time_machine

from esm_emulator.clocks import HandlerTimeout, handlers, patches
from esm_emulator.clocks.virtual import START_MS, Session, VirtualClock, run
from esm_emulator.errors import UsageError

START_S = START_MS / 1000


def call(function: Callable[[], Any], *, timeout_ms: int = 900_000, clock: VirtualClock | None = None) -> Any:
    """Run one handler under a clock of its own."""
    clock = clock or VirtualClock()

    async def main() -> Any:
        return await clock.call(function, timeout_ms=timeout_ms)

    return run(main, clock=clock)


def call_together(*functions: Callable[[], Any], clock: VirtualClock | None = None) -> list[Any]:
    """Run several handlers at once under one clock."""
    clock = clock or VirtualClock()
    results: list[Any] = [None] * len(functions)

    async def one(number: int, function: Callable[[], Any]) -> None:
        results[number] = await clock.call(function, timeout_ms=900_000)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number, function in enumerate(functions):
                group.start_soon(one, number, function)

    run(main, clock=clock)
    return results


def test_a_handler_returns_its_value() -> None:
    assert call(lambda: {"batchItemFailures": []}) == {"batchItemFailures": []}


def test_a_handler_that_does_not_wait_takes_no_time_and_lets_nobody_run() -> None:
    clock = VirtualClock()
    order: list[str] = []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            await clock.call(lambda: order.append("handler"), timeout_ms=1)

    async def other() -> None:
        order.append("other")

    run(main, clock=clock)
    assert order == ["handler", "other"]
    assert clock.now() == START_MS


def test_sleeping_is_a_virtual_wait() -> None:
    clock = VirtualClock()
    call(lambda: time.sleep(600), clock=clock)
    assert clock.now() - START_MS == 600_000


def test_the_steps_of_two_handlers_interleave() -> None:
    steps: list[tuple[str, float]] = []

    def sleeper(name: str, seconds: float) -> Callable[[], None]:
        def handler() -> None:
            for _ in range(3):
                steps.append((name, time.time() - START_S))
                time.sleep(seconds)

        return handler

    call_together(sleeper("a", 1), sleeper("b", 1.5))
    assert steps == [("a", 0), ("b", 0), ("a", 1), ("b", 1.5), ("a", 2), ("b", 3)]


@pytest.mark.parametrize("wrong", [-1, -0.5, float("nan")])
def test_sleep_refuses_what_it_always_refuses(wrong: float) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        call(lambda: time.sleep(wrong))


def test_sleep_refuses_what_is_no_number() -> None:
    with pytest.raises(TypeError):
        call(lambda: time.sleep("1"))  # type: ignore[arg-type]


def test_a_name_that_was_bound_before_the_run_is_virtual_too() -> None:
    clock = VirtualClock()

    def handler() -> float:
        began = bound_monotonic()
        bound_sleep(30)
        return bound_monotonic() - began

    assert call(handler, clock=clock) == 30
    assert clock.now() - START_MS == 30_000


WALL_CLOCKS: dict[str, Callable[[], float]] = {
    "time": time.time,
    "time_ns": lambda: time.time_ns() / 1e9,
    "datetime.now": lambda: dt.datetime.now().timestamp(),  # noqa: DTZ005 - what handlers do
    "datetime.now(UTC)": lambda: dt.datetime.now(dt.UTC).timestamp(),
    "gmtime": lambda: float(time.mktime(time.gmtime()) - time.timezone),
    "localtime": lambda: time.mktime(time.localtime()),
    "clock_gettime": lambda: time.clock_gettime(time.CLOCK_REALTIME),
}


@pytest.mark.parametrize("name", WALL_CLOCKS)
def test_every_clock_on_the_wall_tells_virtual_time(name: str) -> None:
    def handler() -> tuple[float, float]:
        first = WALL_CLOCKS[name]()
        time.sleep(90)
        return first, WALL_CLOCKS[name]()

    assert call(handler) == (START_S, START_S + 90)


def test_the_date_is_virtual() -> None:
    clock = VirtualClock()

    def handler() -> dt.date:
        time.sleep(86_400)
        return dt.date.today()  # noqa: DTZ011 - what handlers do

    assert call(handler, clock=clock, timeout_ms=100_000_000) == dt.date(2026, 1, 2)


@pytest.mark.parametrize("name", ["monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns"])
def test_clocks_that_only_go_forward_agree_with_sleep(name: str) -> None:
    def handler() -> float:
        began = getattr(time, name)()
        time.sleep(12.5)
        return float(getattr(time, name)() - began) / (1e9 if name.endswith("ns") else 1)

    assert call(handler) == 12.5


def test_the_loop_and_other_threads_keep_their_clocks() -> None:
    clock = VirtualClock()
    other: list[tuple[float, float]] = []

    async def main() -> None:
        before = time.time(), time.monotonic()
        await clock.call(ask_other_thread, timeout_ms=1)
        assert abs(time.time() - before[0]) < 60
        assert abs(time.monotonic() - before[1]) < 60

    def ask_other_thread() -> None:
        asked.set()
        answered.acquire()  # a plain lock: really waits

    def answer() -> None:
        asked.wait()
        other.append((time.time(), time.monotonic()))
        answered.release()

    asked, answered = threading.Event(), threading.Lock()
    answered.acquire()
    thread = threading.Thread(target=answer)
    thread.start()
    now = time.time(), time.monotonic()
    run(main, clock=clock)
    thread.join()
    assert abs(other[0][0] - now[0]) < 60
    assert abs(other[0][1] - now[1]) < 60


def test_nothing_is_patched_between_the_steps_of_a_session() -> None:
    originals = time.sleep, time.monotonic, threading.Thread.start
    with Session() as session:
        session.start(lambda: session.clock.call(lambda: time.sleep(10), timeout_ms=60_000))
        session.advance(5_000)
        assert (time.sleep, time.monotonic, threading.Thread.start) == originals
        assert abs(time.time() - START_S) > 60
        session.advance(10_000)


def test_time_that_a_test_has_frozen_is_back_after_the_run() -> None:
    with time_machine.travel(1_000, tick=False):
        assert call(time.time) == START_S
        assert time.time() == 1_000


def test_a_handler_may_travel_on_its_own_account() -> None:
    def handler() -> float:
        with time_machine.travel(1_000, tick=False):
            return time.time()

    assert call(handler) == 1_000
    assert not time_machine.escape_hatch.is_travelling()


def test_a_journey_that_a_handler_is_on_when_a_step_ends_does_not_get_out() -> None:
    def handler() -> float:
        with time_machine.travel(1_000, tick=False):
            time.sleep(10)
            return time.time()

    with Session() as session:
        task = session.start(lambda: session.clock.call(handler, timeout_ms=60_000))
        session.advance(5_000)
        session.advance(10_000)
        assert task.result() == 1_000
    assert not time_machine.escape_hatch.is_travelling()


def test_a_timeout_is_thrown_where_the_handler_waits() -> None:
    clock = VirtualClock()
    thrown: list[BaseException] = []

    def handler() -> None:
        try:
            time.sleep(10)
        except BaseException as error:
            thrown.append(error)
            raise

    with pytest.raises(TimeoutError, match=r"after 3000 ms at .*test_virtual_handlers\.py:\d+ in \S*handler$"):
        call(handler, timeout_ms=3_000, clock=clock)
    assert isinstance(thrown[0], HandlerTimeout)
    assert clock.now() - START_MS == 3_000


def test_an_except_exception_does_not_catch_the_timeout() -> None:
    def handler() -> str:
        try:
            time.sleep(10)
        except Exception:  # noqa: BLE001
            return "caught"
        return "slept"

    with pytest.raises(TimeoutError):
        call(handler, timeout_ms=3_000)


def test_the_time_is_up_whatever_the_handler_makes_of_it() -> None:
    def returns() -> str:
        try:
            time.sleep(10)
        except BaseException:  # noqa: BLE001
            return "a value"
        return "slept"

    def raises() -> None:
        try:
            time.sleep(10)
        except BaseException:  # noqa: BLE001
            raise KeyError("another") from None

    for handler in (returns, raises):
        with pytest.raises(TimeoutError):
            call(handler, timeout_ms=3_000)


def test_waits_in_a_finally_block_do_not_prolong_a_handler() -> None:
    clock = VirtualClock()

    def handler() -> None:
        try:
            time.sleep(10)
        finally:
            time.sleep(10)

    with pytest.raises(TimeoutError):
        call(handler, timeout_ms=3_000, clock=clock)
    assert clock.now() - START_MS == 3_000


def test_a_handler_that_swallows_its_timeout_is_left_behind_with_a_note() -> None:
    tries: list[int] = []

    def handler() -> None:
        while True:
            try:
                time.sleep(10)
            except BaseException:  # noqa: BLE001
                tries.append(1)

    with pytest.raises(TimeoutError) as raised:
        call(handler, timeout_ms=3_000)
    assert len(tries) == 5
    assert "swallowed its timeout 5 times" in raised.value.__notes__[0]
    assert "test_virtual_handlers.py" in raised.value.__notes__[0]


def test_a_handler_that_ends_exactly_in_time_is_in_time() -> None:
    def handler() -> str:
        time.sleep(1)
        time.sleep(2)
        return "in time"

    assert call(handler, timeout_ms=3_000) == "in time"


def test_a_handler_that_waits_on_at_the_end_of_its_time_is_late() -> None:
    def handler() -> None:
        time.sleep(3)
        time.sleep(0.001)

    with pytest.raises(TimeoutError):
        call(handler, timeout_ms=3_000)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_a_handler_raises_comes_out_as_it_is(kind: type[BaseException]) -> None:
    error = kind("from the handler")

    def handler() -> None:
        time.sleep(1)
        raise error

    with pytest.raises(kind) as raised:
        call(handler)
    assert raised.value is error
    assert raised.traceback[-1].name == "handler"


def test_an_exit_in_a_handler_can_be_caught_by_who_called_it() -> None:
    clock = VirtualClock()

    async def main() -> Any:
        try:
            await clock.call(lambda: sys.exit(3), timeout_ms=1_000)
        except SystemExit as error:
            return error.code

    assert run(main, clock=clock) == 3


def test_a_stop_iteration_becomes_an_error_as_in_any_coroutine() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        call(lambda: next(iter([])))


def test_context_variables_are_a_copy_of_the_callers() -> None:
    clock = VirtualClock()
    variable = contextvars.ContextVar("variable", default="default")

    def handler() -> str:
        seen = variable.get()
        variable.set("the handler's")
        time.sleep(1)
        return seen + " and " + variable.get()

    async def main() -> tuple[str, str]:
        variable.set("the caller's")
        return await clock.call(handler, timeout_ms=2_000), variable.get()

    assert run(main, clock=clock) == ("the caller's and the handler's", "the caller's")


def test_a_connection_is_shared_by_handlers_that_overlap() -> None:
    """They are on one thread, which is what SQLite asks for."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table orders (id integer)")

        def handler(number: int) -> Callable[[], None]:
            def insert() -> None:
                time.sleep(number)
                connection.execute("insert into orders values (?)", (number,))
                time.sleep(1)

            return insert

        call_together(*(handler(number) for number in (3, 1, 2)))
        assert connection.execute("select id from orders").fetchall() == [(1,), (2,), (3,)]
    connection.close()


def test_mocks_of_the_test_are_seen_by_the_handler() -> None:
    with unittest.mock.patch("time.sleep") as sleep, unittest.mock.patch("os.getcwd", return_value="/mocked"):
        import os  # noqa: PLC0415

        def handler() -> str:
            time.sleep(5)
            return os.getcwd()  # noqa: PTH109

        assert call(handler) == "/mocked"
    sleep.assert_called_once_with(5)


def test_a_mock_that_a_handler_makes_ends_with_it() -> None:
    original = time.sleep

    def handler() -> None:
        with unittest.mock.patch("time.sleep") as sleep:
            time.sleep(5)
            sleep.assert_called_once_with(5)

    call(handler)
    assert time.sleep is original


def test_no_loop_is_running_inside_a_handler() -> None:
    def handler() -> str:
        try:
            anyio.get_current_task()
        except BaseException as error:  # noqa: BLE001
            return type(error).__name__
        return "a loop is running"

    assert call(handler) == "NoEventLoopError"


def test_handlers_work_inside_a_running_loop() -> None:
    async def outer() -> list[float]:
        def handler() -> float:
            time.sleep(60)
            return time.time()

        return call_together(handler, handler)

    assert anyio.run(outer) == [START_S + 60] * 2


def test_handlers_work_in_another_thread() -> None:
    results: list[float] = []

    def handler() -> float:
        time.sleep(60)
        return time.time() - START_S

    thread = threading.Thread(target=lambda: results.append(call(handler)))
    thread.start()
    thread.join()
    assert results == [60]


def test_greenlets_of_a_handlers_own_wait_in_virtual_time_too() -> None:
    def handler() -> float:
        own = greenlet.greenlet(lambda: time.sleep(7) or time.time())
        return float(own.switch()) - START_S

    assert call(handler) == 7


def test_in_handler_tells_where_one_is() -> None:
    assert not handlers.in_handler()
    assert handlers.current() is None
    assert call(handlers.in_handler)


def test_a_handler_waits_for_something_asynchronous() -> None:
    clock = VirtualClock()

    async def answer(value: str) -> str:
        await clock.sleep(20_000)
        return value

    def handler() -> str:
        return handlers.wait_for(answer("first")) + handlers.wait_for(answer("second"))

    assert call(handler, clock=clock) == "firstsecond"
    assert clock.now() - START_MS == 40_000


def test_what_is_asynchronous_sees_the_handlers_context() -> None:
    variable = contextvars.ContextVar("variable", default="default")

    async def answer() -> str:
        return variable.get()

    def handler() -> str:
        variable.set("the handler's")
        return handlers.wait_for(answer())

    assert call(handler) == "the handler's"


def test_an_error_of_something_asynchronous_is_raised_in_the_handler() -> None:
    async def fails() -> None:
        raise KeyError("no such queue")

    def handler() -> str:
        try:
            handlers.wait_for(fails())
        except KeyError:
            return "caught"
        return "nothing"

    assert call(handler) == "caught"


def test_a_timeout_cancels_what_the_handler_waits_for() -> None:
    canceled: list[bool] = []

    async def answer() -> None:
        try:
            await anyio.sleep(100)
        except BaseException:
            canceled.append(True)
            raise

    with pytest.raises(TimeoutError):
        call(lambda: handlers.wait_for(answer()), timeout_ms=3_000)
    assert canceled == [True]


def test_a_handler_sleeps_in_milliseconds() -> None:
    clock = VirtualClock()
    call(lambda: handlers.sleep(1_500), clock=clock)
    assert clock.now() - START_MS == 1_500


def test_waiting_for_something_asynchronous_is_for_handlers() -> None:
    waiting = anyio.sleep(1)
    with pytest.raises(UsageError, match="in a handler"):
        handlers.wait_for(waiting)
    waiting.close()


def test_an_event_is_waited_for_in_virtual_time() -> None:
    event = threading.Event()

    def waits() -> tuple[bool, bool, float]:
        early = event.wait(1)
        late = event.wait(10)
        return early, late, time.time() - START_S

    def sets() -> None:
        time.sleep(4)
        event.set()

    assert call_together(waits, sets)[0] == (False, True, 4)


def test_a_thread_that_nobody_here_started_wakes_a_handler() -> None:
    """It is given some real time for it, before the clock skips the handler's wait."""
    clock = VirtualClock()
    event, waiting = threading.Event(), threading.Lock()
    waiting.acquire()

    def outside() -> None:
        waiting.acquire()
        time.sleep(0.01)
        event.set()

    def handler() -> bool:
        waiting.release()
        return event.wait(100)

    thread = threading.Thread(target=outside)
    thread.start()
    assert call(handler, clock=clock)
    thread.join()
    assert clock.now() == START_MS


def test_a_subprocess_is_waited_for_in_real_time() -> None:
    clock = VirtualClock()

    def handler() -> bytes:
        with subprocess.Popen([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE) as process:
            process.wait(timeout=30)
            assert process.stdout is not None
            return process.stdout.read()

    assert call(handler, clock=clock, timeout_ms=100) == b"1\n"
    assert clock.now() == START_MS


class Tracked:
    """Something a handler holds while it waits."""


def test_a_canceled_call_ends_its_handler() -> None:
    clock = VirtualClock()
    ended: list[float] = []

    def handler() -> None:
        try:
            time.sleep(1_000)
        finally:
            ended.append(time.time() - START_S)

    async def main() -> None:
        with anyio.move_on_after(5):
            await clock.call(handler, timeout_ms=900_000)

    run(main, clock=clock)
    assert ended == [5]


def test_the_end_of_a_session_ends_handlers_that_wait() -> None:
    references: list[weakref.ref[Tracked]] = []
    ended: list[str] = []

    def handler() -> None:
        tracked = Tracked()
        references.append(weakref.ref(tracked))
        try:
            time.sleep(1_000)
        finally:
            ended.append("ended")

    with Session() as session:
        for _ in range(3):
            session.start(lambda: session.clock.call(handler, timeout_ms=900_000))
        session.settle()
        assert len(references) == 3
    gc.collect()
    assert ended == ["ended"] * 3
    assert [reference() for reference in references] == [None] * 3


def test_a_handler_that_will_not_end_does_not_hold_up_the_end() -> None:
    def handler() -> None:
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(10)

    with Session() as session:
        session.start(lambda: session.clock.call(handler, timeout_ms=900_000))
        session.settle()
    gc.collect()


def test_a_handler_is_garbage_as_soon_as_it_is_over() -> None:
    references: list[weakref.ref[Tracked]] = []

    def handler() -> None:
        tracked = Tracked()
        references.append(weakref.ref(tracked))
        time.sleep(1)

    gc.disable()
    try:
        call(handler)
        assert references[0]() is None
    finally:
        gc.enable()


def test_the_patches_are_counted() -> None:
    """Two runs need them; the first to end leaves them to the other."""
    original = time.sleep
    patches.take()
    patches.take()
    assert time.sleep is not original
    patches.give_back()
    assert time.sleep is not original
    patches.give_back()
    assert time.sleep is original

"""Threads and executors inside handlers: one at a time, in virtual time."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from greenlet._greenlet import get_total_main_greenlets
from hypothesis import given, settings
from hypothesis import strategies as st

from esm_emulator.clocks import handlers, threads
from esm_emulator.clocks.virtual import START_MS, Session, VirtualClock, run

START_S = START_MS / 1000


def call(function: Callable[[], Any], *, clock: VirtualClock | None = None, timeout_ms: int = 900_000) -> Any:
    clock = clock or VirtualClock()

    async def main() -> Any:
        return await clock.call(function, timeout_ms=timeout_ms)

    return run(main, clock=clock)


def elapsed() -> float:
    return time.time() - START_S


def test_sleeps_in_an_executor_are_virtual_and_side_by_side() -> None:
    clock = VirtualClock()

    def work(number: int) -> tuple[int, float]:
        time.sleep(1)
        return number, elapsed()

    def handler() -> list[tuple[int, float]]:
        with ThreadPoolExecutor(max_workers=2) as executor:
            return list(executor.map(work, range(5)))

    assert call(handler, clock=clock) == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3)]
    assert clock.now() - START_MS == 3_000


EXECUTOR = ThreadPoolExecutor(max_workers=3, thread_name_prefix="module")


def test_an_executor_that_was_made_at_import_is_virtual_too() -> None:
    def handler() -> list[float]:
        futures = [EXECUTOR.submit(lambda: time.sleep(2) or elapsed()) for _ in range(3)]
        return [future.result() for future in futures]

    assert call(handler) == [2, 2, 2]
    assert call(handler) == [2, 2, 2]
    assert EXECUTOR.submit(handlers.in_handler).result() is False


def test_an_executor_keeps_its_names_initializer_and_errors() -> None:
    local = threading.local()

    def initialize(value: str) -> None:
        local.value = value

    def work() -> str:
        return f"{threading.current_thread().name} {local.value}"

    def handler() -> list[Any]:
        executor = ThreadPoolExecutor(1, "named", initialize, ("initialized",))
        future, failing = executor.submit(work), executor.submit(int, "no number")
        executor.shutdown()
        with pytest.raises(RuntimeError, match="after shutdown"):
            executor.submit(work)
        return [future.result(), type(failing.exception())]

    assert call(handler) == ["named_0 initialized", ValueError]


def test_a_shutdown_may_cancel_what_has_not_begun() -> None:
    def handler() -> list[bool]:
        executor = ThreadPoolExecutor(1)
        futures = [executor.submit(time.sleep, 5) for _ in range(3)]
        time.sleep(1)
        executor.shutdown(cancel_futures=True)
        return [future.cancelled() for future in futures]

    assert call(handler) == [False, True, True]


def test_futures_are_waited_for_in_virtual_time() -> None:
    def handler() -> tuple[int, int, list[float]]:
        executor = ThreadPoolExecutor(3)
        futures = [executor.submit(lambda s=s: time.sleep(s) or elapsed()) for s in (3, 1, 2)]  # type: ignore[misc]
        done, open_ = concurrent.futures.wait(futures, timeout=1.5)
        with pytest.raises(TimeoutError):
            futures[0].result(timeout=0.5)
        return len(done), len(open_), [future.result() for future in concurrent.futures.as_completed(futures)]

    done, open_, results = call(handler)
    assert (done, open_) == (1, 2)
    assert sorted(results) == [1, 2, 3]


def test_a_thread_is_joined_in_virtual_time() -> None:
    clock = VirtualClock()

    def handler() -> tuple[bool, bool]:
        thread = threading.Thread(target=time.sleep, args=(10,))
        thread.start()
        thread.join(timeout=4)
        early = thread.is_alive()
        thread.join()
        return early, thread.is_alive()

    assert call(handler, clock=clock) == (True, False)
    assert clock.now() - START_MS == 10_000


def test_a_thread_has_an_identity_and_locals_of_its_own() -> None:
    local = threading.local()
    seen: list[tuple[bool, str, bool]] = []

    def work(mine: int) -> None:
        seen.append((threading.get_ident() != mine, threading.current_thread().name, getattr(local, "set", False)))

    def handler() -> None:
        local.set = True
        thread = threading.Thread(target=work, args=(threading.get_ident(),), name="worker")
        thread.start()
        thread.join()

    call(handler)
    assert seen == [(True, "worker", False)]


def test_threads_talk_through_a_queue() -> None:
    def produce(orders: queue.Queue[int | None]) -> None:
        for order in range(3):
            time.sleep(1)
            orders.put(order)
        orders.put(None)

    def handler() -> list[tuple[int, float]]:
        orders: queue.Queue[int | None] = queue.Queue(maxsize=1)
        thread = threading.Thread(target=produce, args=(orders,))
        thread.start()
        got = []
        while (order := orders.get(timeout=5)) is not None:
            got.append((order, elapsed()))
        with pytest.raises(queue.Empty):
            orders.get(timeout=7)
        thread.join()
        return [*got, (-1, elapsed())]

    assert call(handler) == [(0, 1), (1, 2), (2, 3), (-1, 10)]


def test_a_timer_thread_fires_in_virtual_time() -> None:
    def handler() -> list[float]:
        fired: list[float] = []
        timer = threading.Timer(30, lambda: fired.append(elapsed()))
        timer.start()
        timer.join()
        return fired

    assert call(handler) == [30]


def test_threads_meet_at_a_barrier() -> None:
    def handler() -> list[float]:
        barrier, met = threading.Barrier(3), []

        def work(seconds: int) -> None:
            time.sleep(seconds)
            barrier.wait()
            met.append(elapsed())

        workers = [threading.Thread(target=work, args=(seconds,)) for seconds in (1, 2, 3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return met

    assert call(handler) == [3, 3, 3]


def test_a_thread_may_wait_for_something_asynchronous() -> None:
    clock = VirtualClock()

    def handler() -> float:
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(lambda: handlers.wait_for(clock.sleep(5_000)) or elapsed()).result()

    assert call(handler, clock=clock) == 5


def test_one_runs_at_a_time() -> None:
    """So a race between a handler's threads is the same race each time."""
    inside: list[int] = []

    def handler() -> None:
        with ThreadPoolExecutor(4) as executor:
            for future in [executor.submit(alone) for _ in range(4)]:
                future.result()

    def alone() -> None:
        for _ in range(50):
            inside.append(1)
            assert len(inside) == 1
            sum(range(200))
            inside.pop()
            time.sleep(0)

    call(handler)


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(min_value=0, max_value=5), max_size=4), min_size=1, max_size=5))
def test_threads_run_in_the_same_order_each_time(plans: list[list[int]]) -> None:
    def trace() -> list[tuple[int, float]]:
        steps: list[tuple[int, float]] = []

        def work(number: int) -> None:
            for seconds in plans[number]:
                time.sleep(seconds)
                steps.append((number, elapsed()))

        def handler() -> None:
            workers = [threading.Thread(target=work, args=(number,)) for number in range(len(plans))]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

        call(handler)
        return steps

    assert trace() == trace()


def test_a_thread_outlives_its_handler_in_virtual_time() -> None:
    ended: list[float] = []
    clock = VirtualClock()

    def handler() -> None:
        threading.Thread(target=lambda: time.sleep(10) or ended.append(elapsed())).start()

    async def main() -> None:
        await clock.call(handler, timeout_ms=1_000)
        await clock.sleep(20_000)

    run(main, clock=clock)
    assert ended == [10]


def test_threads_that_are_left_end_with_the_run() -> None:
    started: list[threading.Thread] = []

    def handler() -> None:
        started.extend(threading.Thread(target=time.sleep, args=(10_000,)) for _ in range(3))
        for thread in started:
            thread.start()

    call(handler)
    for thread in started:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.slow
def test_a_daemon_thread_that_blocks_for_real_is_let_go() -> None:
    """A library's background thread reads from its socket for ever: the run goes on without it."""
    clock = VirtualClock()
    never = threading.Lock()
    never.acquire()

    def handler() -> str:
        threading.Thread(target=never.acquire, daemon=True).start()
        time.sleep(100)
        return "done"

    began = time.monotonic()
    assert call(handler, clock=clock) == "done"
    assert threads.DAEMON_S <= time.monotonic() - began < 20 * threads.DAEMON_S
    assert clock.now() - START_MS == 100_000
    never.release()


def test_a_timeout_is_thrown_where_the_handler_waits_for_a_thread() -> None:
    def handler() -> None:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(time.sleep, 100).result()

    with pytest.raises(TimeoutError, match=r"test_handler_threads\.py:\d+ in .*handler, waiting in Condition\.wait"):
        call(handler, timeout_ms=3_000)


def test_handlers_of_several_runs_share_an_executor() -> None:
    results: list[list[float]] = []

    def one() -> None:
        def handler() -> list[float]:
            return [future.result() for future in [EXECUTOR.submit(lambda: time.sleep(1) or elapsed()) for _ in "abcd"]]

        results.append(call(handler))

    runs = [threading.Thread(target=one) for _ in range(3)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert results == [[1, 1, 1, 2]] * 3


def test_an_error_in_a_thread_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def handler() -> None:
        thread = threading.Thread(target=int, args=("no number",))
        thread.start()
        thread.join()

    call(handler)
    assert [each.exc_type for each in told] == [ValueError]


def test_a_session_may_be_closed_while_threads_sleep() -> None:
    with Session() as session:

        async def main() -> None:
            with anyio.CancelScope(shield=True):
                await session.clock.call(lambda: EXECUTOR.submit(time.sleep, 50).result(), timeout_ms=100_000)

        session.start(main)
        session.advance(1_000)


def test_asking_for_the_agent_leaves_nothing_of_greenlet_in_other_threads() -> None:
    """What greenlet keeps for a thread is taken down by the main thread, which a tracer may then stop for good."""
    states: list[int] = []

    def ask() -> None:
        states.append(get_total_main_greenlets())
        assert not handlers.in_handler()
        states.append(get_total_main_greenlets())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert states[0] == states[1]

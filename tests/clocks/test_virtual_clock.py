"""The virtual clock: what moves it, what holds it, and what it costs."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esm_emulator.clocks.virtual import START_MS, VirtualClock, run
from esm_emulator.errors import Deadlock, UsageError

DAY_MS = 86_400_000


def test_a_run_starts_at_a_fixed_instant() -> None:
    assert datetime.fromtimestamp(VirtualClock().now() / 1000, UTC) == datetime(2026, 1, 1, tzinfo=UTC)


def test_time_is_integer_milliseconds_that_only_waiting_moves() -> None:
    clock = VirtualClock(5_000)

    async def main() -> list[int]:
        seen = [clock.now()]
        for ms in (1, 250, 0, -3, 3_600_000):
            await clock.sleep(ms)
            seen.append(clock.now())
        return seen

    seen = run(main, clock=clock)
    assert seen == [5_000, 5_001, 5_251, 5_251, 5_251, 3_605_251]
    assert all(type(now) is int for now in seen)


@given(st.lists(st.integers(min_value=0, max_value=16 * DAY_MS), max_size=20))
def test_sums_of_milliseconds_stay_exact(waits: list[int]) -> None:
    """Whatever the sums, binary fractions of a second never show."""
    clock = VirtualClock()

    async def main() -> None:
        for ms in waits:
            before = clock.now()
            await clock.sleep(ms)
            assert clock.now() == before + ms

    run(main, clock=clock)
    assert clock.now_us == sum(waits) * 1_000


def test_tenths_of_a_second_add_up() -> None:
    """Waits of anyio's own, in seconds that are no binary fractions, are exact too."""
    clock = VirtualClock()

    async def main() -> None:
        for _ in range(1_000):
            await anyio.sleep(0.1)

    run(main, clock=clock)
    assert clock.now_us == 100_000_000


@given(st.lists(st.floats(min_value=0, max_value=1_000), min_size=1, max_size=10))
@example([0.1, 0.2, 0.7])
def test_deadlines_that_lie_a_hair_beyond_a_microsecond_are_reached(seconds: list[float]) -> None:
    """A deadline of anyio's that finds it is too early sets its timer again: for an instant that must come."""

    async def nested(deadlines: list[float]) -> None:
        with anyio.move_on_after(deadlines[0]):
            if deadlines[1:]:
                await nested(deadlines[1:])
            await anyio.sleep_forever()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for delay in seconds:
                await anyio.sleep(delay)
                group.start_soon(nested, seconds)
                group.start_soon(nested, seconds[::-1])

    run(main, watchdog_s=0.5)


def test_a_timer_weeks_away_is_reached_at_once() -> None:
    """Asyncio's selector waits a day at most; the clock goes all the way."""
    clock = VirtualClock()
    turns = []

    async def main() -> None:
        before = asyncio.get_running_loop().turns  # type: ignore[attr-defined]
        await clock.sleep(15 * DAY_MS)
        turns.append(asyncio.get_running_loop().turns - before)  # type: ignore[attr-defined]

    run(main, clock=clock)
    assert clock.now() - START_MS == 15 * DAY_MS
    assert turns[0] <= 3


def test_timers_of_one_instant_fire_in_the_order_in_which_they_were_set() -> None:
    order: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_later(5 if number % 2 else 5.0000001, order.append, number)
        await anyio.sleep(6)

    run(main)
    assert order == list(range(100))


def test_what_is_runnable_runs_before_time_moves() -> None:
    seen: list[tuple[str, float]] = []

    async def busy() -> None:
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        seen.append(("busy", anyio.current_time()))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(busy)
            await anyio.sleep(0.001)
            seen.append(("timer", anyio.current_time()))

    run(main)
    assert seen == [("busy", 0.0), ("timer", 0.001)]


def test_anyio_runs_on_it_unchanged() -> None:
    clock = VirtualClock()

    async def main() -> float:
        with anyio.move_on_after(90):
            await anyio.sleep_forever()
        with pytest.raises(TimeoutError), anyio.fail_after(10):
            await anyio.Event().wait()
        return anyio.current_time()

    assert anyio.run(main, backend_options={"loop_factory": clock.new_loop}) == 100.0
    assert clock.now() - START_MS == 100_000


def test_time_goes_on_from_run_to_run_on_one_clock() -> None:
    clock = VirtualClock()
    run(clock.sleep, 10, clock=clock)
    run(clock.sleep, 5, clock=clock)
    assert clock.now() - START_MS == 15


def test_a_clock_has_one_loop_at_a_time() -> None:
    clock = VirtualClock()
    loop = clock.new_loop()
    with pytest.raises(UsageError, match="has a loop that is not closed"):
        clock.new_loop()
    loop.close()
    clock.new_loop().close()


def test_a_clock_is_waited_for_on_its_own_loop_only() -> None:
    async def main() -> None:
        await VirtualClock().call(int, timeout_ms=1)

    with pytest.raises(UsageError, match="on its own loop only"):
        run(main)


def test_it_works_inside_a_running_loop() -> None:
    """The outer loop is put aside, and finds its task and itself as they were."""

    async def outer() -> str:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        clock = VirtualClock()
        run(clock.sleep, 3_600_000, clock=clock)
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is loop
        return "still here"

    assert asyncio.run(outer()) == "still here"


def test_an_error_in_it_leaves_the_outer_loop_as_it_was() -> None:
    async def fails() -> None:
        raise ValueError

    async def outer() -> None:
        task = asyncio.current_task()
        with pytest.raises(ValueError):
            run(fails)
        assert asyncio.current_task() is task

    asyncio.run(outer())


def test_several_threads_run_at_once() -> None:
    results: dict[int, int] = {}

    def one(number: int) -> None:
        clock = VirtualClock()

        async def main() -> None:
            for _ in range(200):
                await clock.sleep(number)

        run(main, clock=clock)
        results[number] = clock.now() - START_MS

    threads = [threading.Thread(target=one, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: 200, 2: 400, 3: 600}


def test_a_hold_waits_for_real_and_charges_nothing() -> None:
    clock = VirtualClock()
    fired: list[int] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, fired.append, 1)
        async with clock.hold():
            await anyio.to_thread.run_sync(time.sleep, 0.01)
            assert not fired
            assert clock.now() == START_MS

    run(main, clock=clock)
    assert clock.now() == START_MS


def test_a_measured_hold_charges_the_real_time_afterwards() -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with clock.hold(measured=True):
            await anyio.to_thread.run_sync(time.sleep, 0.02)
            assert clock.now() == START_MS

    run(main, clock=clock)
    assert 20 <= clock.now() - START_MS < 5_000


def test_measured_holds_that_overlap_are_charged_side_by_side() -> None:
    clock = VirtualClock()
    spent: list[int] = []

    async def one() -> None:
        async with clock.hold(measured=True):
            await anyio.to_thread.run_sync(time.sleep, 0.03)
        spent.append(clock.now() - START_MS)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)

    began = time.monotonic()
    run(main, clock=clock)
    assert max(spent) <= (time.monotonic() - began) * 1_000 + 3


def test_a_hold_ends_after_a_limit_of_real_time() -> None:
    """Virtual timers cannot end it: they stand still."""
    clock = VirtualClock()

    async def main() -> None:
        async with clock.hold(limit_ms=20):
            await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match="20 ms of real time"):
        run(main, clock=clock)
    assert clock.now() == START_MS


def test_a_hold_that_is_done_within_its_limit_passes() -> None:
    clock = VirtualClock()

    async def main() -> str:
        async with clock.hold(limit_ms=60_000):
            return await anyio.to_thread.run_sync(lambda: "done")

    assert run(main, clock=clock) == "done"


def test_a_subprocess_under_a_hold_is_waited_for() -> None:
    clock = VirtualClock()

    async def main() -> bytes:
        async with clock.hold():
            done = await anyio.run_process([sys.executable, "-c", "print('hello')"], stderr=subprocess.STDOUT)
        return done.stdout

    assert run(main, clock=clock) == b"hello\n"
    assert clock.now() == START_MS


def test_a_socket_under_a_hold_is_waited_for() -> None:
    clock = VirtualClock()
    here, there = socket.socketpair()

    async def main() -> bytes:
        reader, writer = await asyncio.open_connection(sock=here)
        async with clock.hold():
            threading.Timer(0.01, there.send, [b"x"]).start()
            data = await reader.read(1)
        writer.close()
        await writer.wait_closed()
        return data

    with there:
        assert run(main, clock=clock) == b"x"
    assert clock.now() == START_MS


def test_a_worker_thread_of_asyncio_holds_the_clock_by_itself() -> None:
    clock = VirtualClock()

    async def main() -> str:
        asyncio.get_running_loop().call_later(60, lambda: None)
        return await asyncio.to_thread(lambda: time.sleep(0.01) or "done")

    assert run(main, clock=clock) == "done"
    assert clock.now() == START_MS


def test_a_call_from_another_thread_is_run_before_time_moves() -> None:
    """Also when nobody holds the clock, as long as it is there."""
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(order.append, "posted"))
        loop.call_later(1, order.append, "timer")
        thread.start()
        thread.join()
        await anyio.sleep(2)

    run(main)
    assert order == ["posted", "timer"]


async def never() -> None:
    await anyio.Event().wait()


def test_a_deadlock_names_what_each_task_waits_for() -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(never, name="poller 1")
            group.start_soon(never, name="poller 2")

    with pytest.raises(Deadlock) as raised:
        run(main)
    text = str(raised.value)
    line = never.__code__.co_firstlineno + 1
    for task in ("poller 1", "poller 2"):
        assert f"{task}: {__file__}:{line} in never, waiting in Event.wait" in text
    assert "hold the clock" in text


def test_a_timer_at_infinity_does_not_hide_a_deadlock() -> None:
    with pytest.raises(Deadlock, match="sleep_forever"):
        run(anyio.sleep_forever)


def test_a_thread_of_anyio_that_nobody_holds_the_clock_for_is_a_deadlock_with_advice() -> None:
    release = threading.Event()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().run_in_executor(None, release.wait).add_done_callback(lambda _: scope.cancel())
            await anyio.sleep_forever()

    threading.Timer(0.01, release.set).start()
    run(main)  # an executor's thread holds the clock

    async def held_by_nobody() -> None:
        await anyio.to_thread.run_sync(release.wait, 0.05, abandon_on_cancel=True)

    release.clear()
    with pytest.raises(Deadlock, match=r"a thread of anyio's\) must hold the clock"):
        run(held_by_nobody)


def test_an_error_in_a_callback_ends_the_run() -> None:
    def fails() -> None:
        raise ZeroDivisionError("in a callback")

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, fails)
        await anyio.sleep(2)

    with pytest.raises(ZeroDivisionError, match="in a callback"):
        run(main)


def test_an_error_that_nobody_awaits_ends_the_run() -> None:
    async def fails() -> None:
        raise ZeroDivisionError("in a task")

    async def main() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        await anyio.sleep(1)

    with pytest.raises(ZeroDivisionError, match="in a task"):
        run(main)


def test_tasks_that_are_left_are_canceled() -> None:
    ended: list[str] = []

    async def left() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("left")

    async def main() -> None:
        task = asyncio.create_task(left())
        await asyncio.sleep(0)
        del task

    run(main)
    assert ended == ["left"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_ends_the_run(kind: type[BaseException]) -> None:
    async def main() -> None:
        raise kind

    with pytest.raises(kind):
        run(main)


def program(seed: int, note: Callable[[str], None]) -> Callable[[VirtualClock], object]:
    """Tasks that wait, wake each other and start others, all told by one number."""

    async def worker(clock: VirtualClock, number: int, depth: int) -> None:
        value = (seed * 31 + number * 17 + depth * 7) % 101
        note(f"{clock.now()} {number} {depth} in")
        await clock.sleep(value % 5)
        if depth < 3:
            async with anyio.create_task_group() as group:
                for child in range(value % 3):
                    group.start_soon(worker, clock, number * 3 + child, depth + 1)
        note(f"{clock.now()} {number} {depth} out")

    async def main(clock: VirtualClock) -> None:
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(worker, clock, number, 0)

    return main


@given(st.integers(min_value=0, max_value=10_000))
def test_the_same_program_runs_in_the_same_order(seed: int) -> None:
    traces: list[list[str]] = [[], []]
    for trace in traces:
        clock = VirtualClock()
        run(program(seed, trace.append), clock, clock=clock)
    assert traces[0] == traces[1]


def test_the_order_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "import sys; sys.path.insert(0, {folder!r}); import test_virtual_clock as t\n"
        "clock = t.VirtualClock(); t.run(t.program(7, print), clock, clock=clock)"
    ).format(folder=__file__.rpartition("/")[0])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
    assert outputs != {""}


def test_a_million_idle_seconds_cost_nothing() -> None:
    """Time in which nothing is due is one step, however long it is."""
    clock = VirtualClock()

    async def main() -> int:
        loop = asyncio.get_running_loop()
        before = loop.turns  # type: ignore[attr-defined]
        await clock.sleep(1_000_000_000)
        return loop.turns - before  # type: ignore[attr-defined,no-any-return]

    assert run(main, clock=clock) <= 3


def test_a_timer_beyond_a_century_never_fires():
    """What a float can no longer tell apart is not waited for: others go on, and their deadlines hold."""
    clock = VirtualClock()

    async def main() -> int:
        with anyio.move_on_after(3):
            await clock.sleep(10**18)
        return clock.now_us

    assert run(main, clock=clock, watchdog_s=5) == 3_000_000

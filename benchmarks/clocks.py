"""What virtual time costs: ``python benchmarks/clocks.py``. Each row is the best of five."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread

from esm_emulator.clocks.real import RealClock
from esm_emulator.clocks.virtual import Session, VirtualClock, run

REPEATS = 5


def best(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(REPEATS))


def timed(program: Callable[[VirtualClock, int], Any], count: int) -> Callable[[], float]:
    """Microseconds for one of ``count`` rounds of ``program`` on a virtual clock."""

    def measure() -> float:
        clock = VirtualClock()

        async def main() -> float:
            await clock.call(int, timeout_ms=1)  # the patches are there
            began = time.perf_counter()
            await program(clock, count)
            return (time.perf_counter() - began) / count * 1e6

        return run(main, clock=clock)

    return measure


async def skips(clock: VirtualClock, count: int) -> None:
    for _ in range(count):
        await clock.sleep(1_000)


async def many_timers(clock: VirtualClock, count: int) -> None:
    async def one(number: int) -> None:
        await clock.sleep(5_000 + number % 7)

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(one, number)


async def calls(clock: VirtualClock, count: int) -> None:
    for _ in range(count):
        await clock.call(int, timeout_ms=1_000)


async def calls_that_tell_the_time(clock: VirtualClock, count: int) -> None:
    for _ in range(count):
        await clock.call(time.time, timeout_ms=1_000)


async def calls_that_sleep(clock: VirtualClock, count: int) -> None:
    def handler() -> None:
        time.sleep(0.5)

    for _ in range(count):
        await clock.call(handler, timeout_ms=1_000)


async def sleeps_in_one_call(clock: VirtualClock, count: int) -> None:
    def handler() -> None:
        for _ in range(count):
            time.sleep(0.5)

    await clock.call(handler, timeout_ms=count * 1_000)


async def asyncio_runs(clock: VirtualClock, count: int) -> None:
    def handler() -> None:
        asyncio.run(asyncio.sleep(1))

    for _ in range(count):
        await clock.call(handler, timeout_ms=10_000)


async def executor_items(clock: VirtualClock, count: int) -> None:
    def handler() -> None:
        with ThreadPoolExecutor(8) as executor:
            list(executor.map(time.sleep, [0.5] * count))

    await clock.call(handler, timeout_ms=count * 1_000)


def sessions() -> float:
    began = time.perf_counter()
    for _ in range(50):
        with Session() as session:
            session.start(lambda: session.clock.call(lambda: time.sleep(1), timeout_ms=2_000))
            session.advance(2_000)
    return (time.perf_counter() - began) / 50 * 1e6


def idle() -> float:
    with Session() as session:
        began = time.perf_counter()
        session.advance(1_000_000_000)
        return (time.perf_counter() - began) * 1e6


def real_calls() -> float:
    async def main() -> float:
        clock = RealClock()
        await clock.call(int, timeout_ms=1_000)
        began = time.perf_counter()
        for _ in range(2_000):
            await clock.call(int, timeout_ms=1_000)
        return (time.perf_counter() - began) / 2_000 * 1e6

    return asyncio.run(main())


def anyio_calls() -> float:
    async def main() -> float:
        limiter = anyio.CapacityLimiter(1_000)
        began = time.perf_counter()
        for _ in range(2_000):
            with anyio.fail_after(1):
                await anyio.to_thread.run_sync(int, abandon_on_cancel=True, limiter=limiter)
        return (time.perf_counter() - began) / 2_000 * 1e6

    return anyio.run(main)


ROWS: dict[str, Callable[[], float]] = {
    "skip to the next timer": timed(skips, 20_000),
    "one of 20,000 tasks that sleep at once": timed(many_timers, 20_000),
    "handler call": timed(calls, 20_000),
    "handler call that asks for the time": timed(calls_that_tell_the_time, 20_000),
    "handler call that sleeps once": timed(calls_that_sleep, 10_000),
    "time.sleep in a handler": timed(sleeps_in_one_call, 20_000),
    "asyncio.run(asyncio.sleep(1)) in a handler": timed(asyncio_runs, 300),
    "executor item that sleeps, 8 workers": timed(executor_items, 1_000),
    "1,000,000 idle virtual seconds": idle,
    "session: open, a handler, a step, close": sessions,
    "real clock: call": real_calls,
    "the same with anyio.to_thread": anyio_calls,
}


def main() -> None:
    for name, measure in ROWS.items():
        print(f"{name:<45} {best(measure):>10.1f} µs", flush=True)


if __name__ == "__main__":
    main()

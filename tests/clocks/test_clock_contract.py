"""What both clocks promise, whichever a run is on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from esm_emulator.clocks import Clock
from esm_emulator.clocks.real import RealClock
from esm_emulator.clocks.virtual import VirtualClock, run


@pytest.fixture(params=["real", "virtual"])
def play(request: pytest.FixtureRequest) -> Callable[[Callable[[Clock], Awaitable[Any]]], Any]:
    """Runs a program on a clock."""

    def play(program: Callable[[Clock], Awaitable[Any]]) -> Any:
        if request.param == "real":
            return anyio.run(program, RealClock())
        clock = VirtualClock()
        return run(program, clock, clock=clock)

    return play


Play = Callable[[Callable[[Clock], Awaitable[Any]]], Any]


def test_now_is_a_whole_number_of_milliseconds_and_never_goes_back(play: Play) -> None:
    async def main(clock: Clock) -> list[int]:
        seen = []
        for _ in range(3):
            seen.append(clock.now())
            await clock.sleep(2)
        return seen

    seen = play(main)
    assert seen == sorted(seen)
    assert all(type(now) is int for now in seen)
    assert seen[-1] - seen[0] >= 4


@pytest.mark.parametrize("ms", [0, -5])
def test_a_sleep_of_nothing_lets_others_run_once(play: Play, ms: int) -> None:
    async def main(clock: Clock) -> list[str]:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "other")
        await clock.sleep(ms)
        order.append("mine")
        return order

    assert play(main) == ["other", "mine"]


def test_a_call_gives_what_the_function_returns(play: Play) -> None:
    async def main(clock: Clock) -> str:
        return await clock.call(lambda: "returned", timeout_ms=1_000)

    assert play(main) == "returned"


def test_a_call_raises_what_the_function_raises(play: Play) -> None:
    def handler() -> None:
        raise KeyError("raised")

    async def main(clock: Clock) -> None:
        await clock.call(handler, timeout_ms=1_000)

    with pytest.raises(KeyError, match="raised"):
        play(main)


def test_a_call_that_waits_too_long_is_a_timeout_error(play: Play) -> None:
    async def main(clock: Clock) -> None:
        await clock.call(lambda: time.sleep(0.2), timeout_ms=10)

    with pytest.raises(TimeoutError, match="timed out after 10 ms"):
        play(main)


def test_calls_overlap(play: Play) -> None:
    async def main(clock: Clock) -> int:
        began = clock.now()
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(lambda: clock.call(lambda: time.sleep(0.03), timeout_ms=5_000))
        return clock.now() - began

    assert 30 <= play(main) < 150


def test_a_hold_lets_the_program_go_on(play: Play) -> None:
    async def main(clock: Clock) -> str:
        async with clock.hold(measured=True, limit_ms=10_000):
            return await anyio.to_thread.run_sync(lambda: "done")

    assert play(main) == "done"

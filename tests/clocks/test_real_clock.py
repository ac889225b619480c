"""The real clock: worker threads for blocking code, which nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from esm_emulator.clocks import real
from esm_emulator.clocks.real import RealClock


def run(function: Callable[[RealClock], Coroutine[Any, Any, Any]], clock: RealClock | None = None) -> Any:
    return asyncio.run(function(clock or RealClock()))


def test_time_is_the_systems() -> None:
    assert abs(RealClock().now() - time.time() * 1_000) < 1_000


def test_sleeping_takes_real_time() -> None:
    began = time.monotonic()
    run(lambda clock: clock.sleep(20))
    assert time.monotonic() - began >= 0.02


def test_a_call_runs_in_another_thread() -> None:
    assert run(lambda clock: clock.call(threading.get_ident, timeout_ms=1_000)) != threading.get_ident()


def test_a_call_has_a_copy_of_the_context() -> None:
    variable = contextvars.ContextVar("variable", default="default")

    async def main(clock: RealClock) -> tuple[str, str]:
        variable.set("the caller's")
        inside = await clock.call(lambda: variable.get() + variable.set("the handler's").var.get(), timeout_ms=1_000)
        return inside, variable.get()

    assert run(main) == ("the caller'sthe handler's", "the caller's")


def test_a_call_raises_what_the_function_raises() -> None:
    for kind in (ValueError, SystemExit, KeyboardInterrupt):
        error = kind("from the handler")

        def handler(error: BaseException = error) -> None:
            raise error

        with pytest.raises(kind) as raised:
            run(lambda clock: clock.call(handler, timeout_ms=1_000))
        assert raised.value is error


def test_a_stop_iteration_becomes_an_error() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        run(lambda clock: clock.call(lambda: next(iter([])), timeout_ms=1_000))


def test_a_call_ends_at_its_timeout_and_leaves_the_thread_behind() -> None:
    release, ended = threading.Event(), threading.Event()

    def handler() -> None:
        release.wait()
        ended.set()

    with pytest.raises(TimeoutError, match="after 20 ms"):
        run(lambda clock: clock.call(handler, timeout_ms=20))
    release.set()
    assert ended.wait(5)


def test_a_canceled_call_leaves_the_thread_behind() -> None:
    release = threading.Event()

    async def main(clock: RealClock) -> bool:
        with anyio.move_on_after(0.01) as scope:
            await clock.call(release.wait, timeout_ms=60_000)
        return scope.cancelled_caught

    assert run(main)
    release.set()


def test_threads_are_used_again() -> None:
    async def main(clock: RealClock) -> int:
        return len({await clock.call(threading.get_ident, timeout_ms=1_000) for _ in range(50)})

    assert run(main) == 1


def test_threads_that_nobody_needs_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "_IDLE_S", 0.01)

    async def main(clock: RealClock) -> threading.Thread:
        return await clock.call(threading.current_thread, timeout_ms=1_000)

    thread = run(main)
    thread.join(5)
    assert not thread.is_alive()


def test_further_calls_queue_and_their_time_counts_from_when_they_begin() -> None:
    running, most = [], []

    def handler() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()

    async def main(clock: RealClock) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(lambda: clock.call(handler, timeout_ms=5_000))

    run(main, RealClock(threads=2))
    assert max(most) <= 2
    assert len(most) == 12


def test_a_place_in_the_queue_that_is_given_up_goes_to_the_next() -> None:
    release = threading.Event()

    async def main(clock: RealClock) -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: clock.call(release.wait, timeout_ms=5_000))
            await anyio.sleep(0.01)
            with anyio.move_on_after(0.01):
                await clock.call(int, timeout_ms=5_000)
            release.set()
            return await clock.call(lambda: "served", timeout_ms=5_000)

    assert run(main, RealClock(threads=1)) == "served"


def test_one_clock_serves_one_loop_after_another() -> None:
    clock = RealClock()
    assert [asyncio.run(clock.call(lambda: 1, timeout_ms=1_000)) for _ in range(3)] == [1, 1, 1]


def test_a_hold_is_free() -> None:
    async def main(clock: RealClock) -> str:
        async with clock.hold(), clock.hold(measured=True):
            return "held"

    assert run(main) == "held"


def test_a_hold_ends_at_its_limit() -> None:
    async def main(clock: RealClock) -> None:
        async with clock.hold(limit_ms=10):
            await anyio.sleep_forever()

    with pytest.raises(TimeoutError):
        run(main)


@pytest.mark.slow
def test_a_handler_that_never_ends_does_not_keep_the_interpreter_from_ending() -> None:
    code = (
        "import asyncio, threading\n"
        "from esm_emulator.clocks.real import RealClock\n"
        "try: asyncio.run(RealClock().call(threading.Event().wait, timeout_ms=10))\n"
        "except TimeoutError: print('left behind')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("left behind\n", "")

"""A run that makes no progress in real time ends, and says where it hangs."""

from __future__ import annotations

import asyncio
import gc
import pdb  # noqa: T100 - the subject
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from esm_emulator.clocks import waits, watchdog
from esm_emulator.clocks.virtual import START_MS, Session, VirtualClock, run
from esm_emulator.errors import Stuck

PATIENCE_S = 0.1


def call(
    function: Callable[[], Any], *, clock: VirtualClock | None = None, watchdog_s: float | None = PATIENCE_S
) -> Any:
    clock = clock or VirtualClock()

    async def main() -> Any:
        return await clock.call(function, timeout_ms=3_000)

    return run(main, clock=clock, watchdog_s=watchdog_s)


def spin() -> None:
    while True:
        pass


def test_a_busy_handler_ends_the_run_and_is_named() -> None:
    began = time.monotonic()
    with pytest.raises(Stuck) as raised:
        call(spin)
    assert time.monotonic() - began < 20 * PATIENCE_S
    assert "busy or blocked" in str(raised.value)
    assert "in spin" in str(raised.value)
    assert "watchdog_s=None" in str(raised.value)


def test_a_handler_that_catches_everything_is_ended_too() -> None:
    tries = []

    def handler() -> None:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                tries.append(1)
                if len(tries) > 2:
                    raise

    with pytest.raises(Stuck):
        call(handler)
    assert len(tries) >= 2


def test_a_busy_thread_of_a_handler_ends_the_run_and_is_named() -> None:
    def handler() -> None:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(spin).result()

    with pytest.raises(Stuck, match="in spin"):
        call(handler)


def test_a_handler_that_blocks_the_main_thread_for_ever_is_ended() -> None:
    """A plain lock, held by an invocation that waits: no Python code runs that could be interrupted."""
    assert threading.current_thread() is threading.main_thread()
    lock = threading.Lock()
    lock.acquire()

    def handler() -> None:
        with lock:
            pass

    with pytest.raises(Stuck, match="with lock:"):
        call(handler)


def test_a_thread_that_is_blocked_for_ever_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can end such a call but its own end."""
    lock = threading.Lock()
    lock.acquire()
    errors: list[BaseException] = []

    def handler() -> None:
        with lock:
            pass

    def other() -> None:
        try:
            call(handler)
        except Stuck as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    deadline = time.monotonic() + 10
    told = ""
    while "cannot be ended from here" not in told and time.monotonic() < deadline:
        time.sleep(0.02)
        told += capsys.readouterr().err
    lock.release()
    thread.join()
    assert "with lock:" in told
    assert len(errors) == 1


def test_a_clock_that_is_held_for_too_long_names_who_holds_it() -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with clock.hold():
            await anyio.sleep_forever()

    with pytest.raises(Stuck, match=rf"held by .*main at {__file__}:\d+"):
        run(main, clock=clock, watchdog_s=PATIENCE_S)


def test_tasks_that_yield_to_each_other_for_ever_are_stuck() -> None:
    async def main() -> None:
        while True:
            await anyio.lowlevel.checkpoint()

    with pytest.raises(Stuck, match="without the clock moving"):
        run(main, watchdog_s=0.02)


def test_a_coroutine_that_never_yields_is_stuck() -> None:
    async def main() -> None:
        spin()

    with pytest.raises(Stuck, match="in spin"):
        run(main, watchdog_s=PATIENCE_S)


@pytest.mark.slow
def test_a_run_that_makes_progress_may_take_its_time() -> None:
    clock = VirtualClock()

    def really() -> float:
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def handler() -> None:
        for _ in range(8):
            deadline = really() + 0.1
            while really() < deadline:
                pass
            time.sleep(0.1)

    call(handler, clock=clock, watchdog_s=0.6)
    assert clock.now() - START_MS == 800


def test_without_patience_nobody_looks() -> None:
    for none in (None, 0):
        with watchdog.watch(asyncio_loop(), none):
            assert not watchdog._watchdog._watches


def asyncio_loop() -> Any:
    class Loop:
        turns = progress = 0

    return Loop()


class Paused(pdb.Pdb):
    """A person who types a sleep at a breakpoint, and then goes on."""

    def __init__(self) -> None:
        super().__init__(nosigint=True, readrc=False, stdin=self, stdout=open("/dev/null", "w"))  # noqa: PTH123, SIM115
        self.use_rawinput = False
        self.types = iter([f"time.sleep({4 * PATIENCE_S})\n", "continue\n"])

    def readline(self) -> str:
        return next(self.types)


@pytest.mark.slow
def test_a_breakpoint_is_neither_stuck_nor_does_it_move_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()
    debugger = Paused()
    monkeypatch.setattr(sys, "breakpointhook", lambda: debugger.set_trace(sys._getframe(1)))
    trace = sys.gettrace()

    def handler() -> float:
        breakpoint()  # noqa: T100
        return time.time()

    try:
        began = time.monotonic()
        assert call(handler, clock=clock) == START_MS / 1000
        assert time.monotonic() - began > 3 * PATIENCE_S
    finally:
        sys.settrace(trace)
        debugger.stdout.close()
    assert clock.now() == START_MS


def test_a_debugger_is_known_by_its_frames() -> None:
    here = sys._getframe()
    assert not waits.in_debugger(here)
    namespace: dict[str, Any] = {"__name__": "_pydevd_bundle.pydevd_frame", "sys": sys}
    exec("def frame(): return sys._getframe()", namespace)
    assert waits.in_debugger(namespace["frame"]())
    namespace["__name__"] = "coder"
    assert not waits.in_debugger(namespace["frame"]())


def test_the_watchdog_watches_each_step_of_a_session() -> None:
    with Session(watchdog_s=PATIENCE_S) as session:
        session.start(lambda: session.clock.call(lambda: time.sleep(1) or spin(), timeout_ms=3_000))
        session.advance(500)
        time.sleep(2 * PATIENCE_S)  # between steps nothing is stuck
        with pytest.raises(Stuck, match="in spin"):
            session.advance(1_000)


def test_a_run_after_a_stuck_one_is_not_touched_by_it() -> None:
    for _ in range(3):
        with pytest.raises(Stuck):
            call(spin, watchdog_s=0.03)
        assert sum(range(1_000)) == 499_500
        assert call(lambda: "well") == "well"
    gc.collect()


def test_it_works_in_another_thread_and_inside_a_running_loop() -> None:
    async def outer() -> None:
        with pytest.raises(Stuck):
            call(spin, watchdog_s=0.03)

    thread_errors: list[BaseException] = []

    def in_thread() -> None:
        try:
            asyncio.run(outer())
        except BaseException as error:  # noqa: BLE001
            thread_errors.append(error)

    asyncio.run(outer())
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert thread_errors == []

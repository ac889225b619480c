"""Coverage and debuggers under virtual time; each in a Python of its own, for a thread has one tracer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HANDLERS = """
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor


def deeper(seconds):
    time.sleep(seconds)
    return seconds


async def slept():
    await asyncio.sleep(1)
    return 1


def handler(seconds):
    first = deeper(seconds)
    with ThreadPoolExecutor(2) as pool:
        second = sum(pool.map(deeper, [1, 2]))
    third = asyncio.run(slept())
    try:
        deeper(100)
    except BaseException:
        fourth = first + second + third
        raise
    return "never"


def around(play):
    before = play()
    return before
"""
PLAY = """
import sys
import anyio
from esm_emulator.clocks.virtual import VirtualClock, run

async def play():
    async def one(seconds):
        try:
            await clock.call(lambda: handlers.handler(seconds), timeout_ms=50_000)
        except TimeoutError:
            pass

    async with anyio.create_task_group() as group:
        for seconds in (3, 1, 2):  # none waits as long as another, so their steps interleave
            group.start_soon(one, seconds)
    await one(1)  # and one more, after those

clock = VirtualClock()
"""


def output_of(program: str, folder: Path) -> list[str]:
    (folder / "handlers.py").write_text(HANDLERS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", PLAY + program],
        cwd=folder,
        env=environment | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("concurrency", ["thread", "greenlet"])
def test_coverage_sees_every_line_of_handlers_that_take_turns(concurrency: str, tmp_path: Path) -> None:
    """Also those after a wait, without being told of greenlets; and the lines of who runs it, after the run."""
    pytest.importorskip("coverage")
    program = f"""
import coverage
measured = coverage.Coverage(data_file=None, config_file=False, include=["*handlers.py"], concurrency={concurrency!r})
measured.start()
import handlers
handlers.around(lambda: run(play, clock=clock))
measured.stop()
_, lines, _, missing, _ = measured.analysis2(handlers)
print(len(lines), missing)
"""
    assert output_of(program, tmp_path) == ["23 [27]"]  # the line that is never reached


def test_a_breakpoint_in_a_handler_is_hit_whoever_set_it(tmp_path: Path) -> None:
    """A debugger that was there before the run stops in each of four handlers, before and after their waits."""
    program = """
import bdb
import handlers

class Debugger(bdb.Bdb):
    def user_line(self, frame):
        if self.break_here(frame):
            print(frame.f_lineno)
        self.set_continue()

debugger = Debugger()
first = handlers.handler.__code__.co_firstlineno
debugger.set_break(handlers.__file__, first + 1)
debugger.set_break(handlers.__file__, first + 4)
debugger.runcall(run, play, clock=clock)
"""
    assert sorted(output_of(program, tmp_path)) == ["18"] * 4 + ["21"] * 4

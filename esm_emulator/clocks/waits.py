"""Who waits for what: the text of a deadlock, and of a run that is stuck.

Reads suspended coroutines and frames; changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, Protocol

__all__ = ["DEBUGGERS", "Waiting", "deadlock", "debugging", "in_debugger", "place", "place_of", "stack"]

# Modules whose frames mean that a person is looking: their waits are real, and no watchdog minds them
DEBUGGERS = (
    *("bdb", "code", "debugpy", "ipdb", "pdb", "pudb", "IPython.core.debugger", "IPython.terminal.debugger"),
    *("pydevd", "_pydevd_bundle", "_pydev_bundle", "_pydevd_sys_monitoring"),
)
_OURS = os.path.dirname(__file__)  # noqa: PTH120 - compared with code's file names, which are strings
_STDLIB = sysconfig.get_path("stdlib")


class Waiting(Protocol):
    """Something of a user's that waits in virtual time: a handler, or a thread that it started."""

    @property
    def name(self) -> str:
        """What to call it."""

    def frame(self) -> FrameType | None:
        """Where it waits."""


def _is_theirs(code: CodeType) -> bool:
    path = code.co_filename
    if "site-packages" in path:
        return "anyio" not in path
    return not path.startswith(_STDLIB)


def _suspended(coroutine: Any) -> Iterator[FrameType]:
    """The frames of a suspended coroutine, outermost first."""
    while coroutine is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                coroutine = getattr(coroutine, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def place(frames: list[FrameType]) -> str:
    """Where a stack (outermost first) stands: the innermost line outside the machinery, and in what it waits."""
    frames = [frame for frame in frames if not frame.f_code.co_filename.startswith(_OURS)]
    if not frames:
        return "somewhere without a Python frame"
    inner = frames[-1]
    line = next((frame for frame in reversed(frames) if _is_theirs(frame.f_code)), inner)
    text = f"{line.f_code.co_filename}:{line.f_lineno} in {line.f_code.co_qualname}"
    return text if line is inner else f"{text}, waiting in {inner.f_code.co_qualname}"


def _tasks(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    # all_tasks() is a set: names, of which asyncio's own end in a running number, give it an order
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))
    for task in tasks:
        yield f"{task.get_name()}: {place(list(_suspended(task.get_coro())))}"


def place_of(agent: Waiting) -> str:
    """Where an agent waits."""
    return place(list(_outwards(agent.frame()))[::-1])


def deadlock(loop: asyncio.AbstractEventLoop, agents: Iterable[Waiting]) -> str:
    """What each task of ``loop`` and each of its ``agents`` waits for."""
    lines = [*_tasks(loop), *(f"{agent.name}: {place_of(agent)}" for agent in agents)]
    text = "Nothing is scheduled and nobody holds the clock, so virtual time cannot go on."
    if lines:
        text += " What waits for what:\n" + "\n".join(f"  {line}" for line in lines)
    return (
        f"{text}\nWork that really happens elsewhere (a process, a socket, a thread of anyio's) must hold the clock: "
        "async with clock.hold()."
    )


def stack(frame: FrameType | None) -> str:
    """The stack of a thread as a traceback shows it, the innermost call last."""
    return "".join(traceback.format_stack(frame)) if frame is not None else "  (no Python frame)\n"


def in_debugger(frame: FrameType | None) -> bool:
    """Whether a debugger is on this stack, so that a person is looking at it."""
    return any(_is_debugger(str(each.f_globals.get("__name__", ""))) for each in _outwards(frame))


def _is_debugger(module: str) -> bool:
    return module.startswith(DEBUGGERS) and any(f"{module}.".startswith(f"{name}.") for name in DEBUGGERS)


def debugging() -> bool:
    """Whether the caller runs inside a debugger's prompt. Nearly free where nobody traces."""
    if sys.gettrace() is None and not _monitored():
        return False
    return in_debugger(sys._getframe(1))  # noqa: SLF001 - the way to one's own stack


def _monitored() -> bool:
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None

"""The user's code that runs in this process: what would end the process is a value, and where it was can be shown."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from greenlet import GreenletExit

from esm_emulator.functions.runtime.faults import without_own_frames
from esm_emulator.functions.surroundings import Presence

__all__ = ["Exit", "attended", "where"]

T = TypeVar("T")
_OURS = f"{Path(__file__).parents[1]}{os.sep}"


class Exit(NamedTuple):
    """The handler would have ended its process with that status, negative for a signal (RUN-19)."""

    status: int
    error: BaseException


def attended(presence: Presence, body: Callable[[], T]) -> T | Exit:
    """Run code of the user's as what is present here; what would end the process is a value.

    Ctrl-C is not the handler's: where it can arrive, on the main thread, it ends what runs here.
    """
    with presence.here():
        try:
            return body()
        except KeyboardInterrupt as error:
            if threading.current_thread() is threading.main_thread():
                raise
            return Exit(-signal.SIGINT, error)
        except SystemExit as error:
            return Exit(_status(presence, error.code), error)
        except BaseException as error:
            if isinstance(error, GreenletExit) or type(error).__module__.startswith("esm_emulator."):
                raise  # the clock's own
            trace = without_own_frames(error.__traceback__)
            presence.write("".join(traceback.format_exception(type(error), error, trace)))
            return Exit(1, error)


def _status(presence: Presence, code: object) -> int:
    """The exit status of ``sys.exit(code)``, as Python has it."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    presence.write(f"{code}\n")
    return 1


def where(error: TimeoutError) -> BaseException | None:
    """What shows where a handler was when its time was up: its own frames, or a text that names the place, if any."""
    thrown = error.__cause__
    if thrown is None:
        return error.with_traceback(None) if error.args else None
    return thrown.with_traceback(_handlers_own(thrown.__traceback__))


def _handlers_own(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the handler's first frame up to where it called what waits in virtual time."""
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    last = trace
    while last is not None and last.tb_next is not None and not _is_ours(last.tb_next):
        last = last.tb_next
    if last is not None:
        last.tb_next = None
    return trace


def _is_ours(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_OURS)

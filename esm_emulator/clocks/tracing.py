"""Tracers and greenlets: what coverage or a debugger has installed sees the calls and returns of one greenlet.

A tracer is told of each call and each return, and may count on the one to match the other: coverage's does, and loses
lines where they do not. Greenlets that take turns in one thread break that. So none is there while control goes from
one to another, and each handler's is traced as a new thread would be, by a tracer of its own. A debugger of Python's
own (pdb) stays the same one everywhere: its breakpoints are everybody's.

Each function here that takes a tracer away has been seen to be called and is not seen to return, and the one that puts
it back is seen to return alone: so for the tracer there was one call. It needs both to be of one frame each.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

__all__ = ["begin_trace", "end_trace", "untraced"]


def begin_trace(outer: Any, spare: list[Any]) -> None:
    """Trace this greenlet from here on, when ``outer``, who started it, is traced; ``spare`` are tracers of others."""
    if outer is None:
        return
    anew = _for_threads(outer)
    sys.settrace(outer if anew is None else spare.pop() if spare else anew)
    _called()


def end_trace(outer: Any, spare: list[Any]) -> None:
    """Trace this greenlet no more; another one may have its tracer."""
    trace = sys.gettrace()
    if trace is not None:
        sys.settrace(None)
        anew = _for_threads(outer)
        if anew is not None and trace != anew and not _is_pdb(trace):
            spare.append(trace)


class untraced:  # noqa: N801 - said like contextlib's own; a generator would be traced itself
    """Inside, this thread has no tracer; afterwards the one of before, which is also what ``as`` gives."""

    __slots__ = ("_trace",)

    def __enter__(self) -> Any:
        self._trace = sys.gettrace()
        if self._trace is not None:
            sys.settrace(None)
        return self._trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._trace is not sys.gettrace():
            sys.settrace(self._trace)
            _called()


def _for_threads(outer: Any) -> Any:
    """What traces new threads, unless it is a debugger of Python's own that traces this one."""
    return None if _is_pdb(outer) else threading.gettrace()


def _is_pdb(trace: Any) -> bool:
    bdb = sys.modules.get("bdb")
    return bdb is not None and isinstance(getattr(trace, "__self__", None), bdb.Bdb)


def _called() -> None:
    """A tracer in C takes hold of its thread at the next call, and is to see how the calls of before return."""

"""One event loop inside another: what asyncio knows of the running loop in this thread is put aside meanwhile.

asyncio keeps a thread's running loop, its running task and its hooks for asynchronous generators in three places. They
are put aside where a virtual run starts inside a running loop, where a handler runs inside a virtual loop, and where a
handler that runs a loop of its own waits.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Aside", "aside"]


class Aside:
    """What asyncio knows of the running loop in this thread, put aside so that another loop can run meanwhile."""

    __slots__ = ("_hooks", "_loop", "_task")

    def __init__(self) -> None:
        self._hooks = sys.get_asyncgen_hooks()
        self._loop = loop = events._get_running_loop()  # noqa: SLF001 - there for implementations of loops
        self._task: asyncio.Task[Any] | None = None
        if loop is not None:
            self._task = asyncio.current_task(loop)
            if self._task is not None:
                _leave_task(loop, self._task)
            events._set_running_loop(None)  # noqa: SLF001 - likewise
        sys.set_asyncgen_hooks(None, None)

    def back(self) -> None:
        """Make the loop that was put aside the running one again."""
        sys.set_asyncgen_hooks(*self._hooks)
        if self._loop is not None:
            events._set_running_loop(self._loop)  # noqa: SLF001 - as above
            if self._task is not None:
                _enter_task(self._loop, self._task)


# Public in spirit (every loop's tasks call them), though asyncio names them with an underscore
_leave_task: Callable[[Any, Any], None] = asyncio.tasks._leave_task  # noqa: SLF001
_enter_task: Callable[[Any, Any], None] = asyncio.tasks._enter_task  # noqa: SLF001


@contextmanager
def aside() -> Iterator[None]:
    """Inside, no loop is running in this thread."""
    outer = Aside()
    try:
        yield
    finally:
        outer.back()

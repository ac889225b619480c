"""Timers of the run's loop, one for each key, which any thread may set; and waking the loop from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

__all__ = ["Timers"]


class Timers:
    """Until a loop is attached nothing is set: whoever comes next then finds out what is due."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._set: dict[str, tuple[int, asyncio.TimerHandle]] = {}

    def attach(self) -> bool:
        """Use the running loop from now on; true when it is a new one."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return False
        self._loop, self._thread = loop, threading.get_ident()
        self._set.clear()
        return True

    def on_own_thread(self) -> bool:
        """Whether this is the thread of the loop."""
        return threading.get_ident() == self._thread

    def waker(self, wake: Callable[[], None]) -> Callable[[], None]:
        """``wake``, to be called from any thread, run on the loop's."""

        def call() -> None:
            self._on_loop(wake)

        return call

    def at(self, key: str, at: int, now: int, ring: Callable[[], None]) -> None:
        """Call ``ring`` at ``at``, unless the key's timer rings before; a later one is replaced."""
        if self._loop is None or ((earlier := self._set.get(key)) is not None and earlier[0] <= at):
            return
        self._on_loop(lambda: self._arm(key, at, now, ring))

    def cancel(self) -> None:
        """Take back every timer."""
        for _, handle in self._set.values():
            self._on_loop(handle.cancel)
        self._set.clear()

    def _on_loop(self, callback: Callable[[], object]) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        if self.on_own_thread():
            callback()
        else:
            self._loop.call_soon_threadsafe(callback)

    def _arm(self, key: str, at: int, now: int, ring: Callable[[], None]) -> None:
        assert self._loop is not None
        earlier = self._set.get(key)
        if earlier is not None:
            if earlier[0] <= at:
                return
            earlier[1].cancel()

        def rung() -> None:
            self._set.pop(key, None)
            ring()

        self._set[key] = (at, self._loop.call_later(max(0, at - now) / 1000, rung))

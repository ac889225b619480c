"""The real clock: the loop's own time, and worker threads for blocking code."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.to_thread

__all__ = ["RealClock"]

T = TypeVar("T")


class RealClock:
    """Time as it is. ``threads`` bounds how many blocking calls run at once; further ones queue."""

    def __init__(self, threads: int = 1_000) -> None:
        self._threads = threads
        self._limiter: anyio.CapacityLimiter | None = None

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    async def sleep(self, ms: int) -> None:
        """Wait ``ms`` milliseconds."""
        await anyio.sleep(max(0, ms) / 1000)

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Nothing to hold: real time waits for nobody."""
        yield

    async def call(self, function: Callable[[], T], *, timeout_ms: int) -> T:
        """Run ``function`` in a worker thread; past ``timeout_ms`` raise ``TimeoutError`` and leave that thread be."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)
        with anyio.fail_after(timeout_ms / 1000):
            return await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=self._limiter)

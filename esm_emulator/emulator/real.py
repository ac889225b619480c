"""The emulator on the real clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from typing import Any

import anyio
from anyio.from_thread import start_blocking_portal

from esm_emulator.arguments import Source, condition_of, ms_of
from esm_emulator.clocks.real import RealClock
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.emulator.shared import Emulator

__all__ = ["RealEmulator"]

LIMIT = "60s"


class RealEmulator(Emulator):
    """On the real clock, on a thread of its own: it goes on between calls. Methods may be called from any thread."""

    def __init__(self, resources: Source | None = None, **options: Any) -> None:
        self._portal_manager = start_blocking_portal("asyncio")
        self._portal = self._portal_manager.__enter__()
        self._running: Future[None] | None = None
        try:
            super().__init__(resources, **options)
        except BaseException:
            self._portal_manager.__exit__(None, None, None)
            raise

    def run_until_idle(self, limit: str | float = LIMIT) -> None:
        """Wait until no invocation runs and every queue that an enabled mapping reads is empty.

        Raises ``UsageError`` when that is not so after ``limit``.
        """
        if not self.run_until(self._emulation.is_idle, limit):
            raise self._not_idle(ms_of(limit, "limit"))

    def run_until(self, condition: Callable[[], bool], limit: str | float = LIMIT) -> bool:
        """Wait until ``condition`` holds, for ``limit`` at most; whether it holds. It is asked on the run's thread."""
        self._must_be_open()
        return self._portal.call(self._until, condition_of(condition), ms_of(limit, "limit"))

    async def arun_until_idle(self, limit: str | float = LIMIT) -> None:
        """As :meth:`run_until_idle`, without blocking the caller's loop."""
        await anyio.to_thread.run_sync(self.run_until_idle, limit)

    async def arun_until(self, condition: Callable[[], bool], limit: str | float = LIMIT) -> bool:
        """As :meth:`run_until`, without blocking the caller's loop."""
        return await anyio.to_thread.run_sync(self.run_until, condition, limit)

    def close(self) -> None:
        """Stop polling, let running invocations end, and let go of everything. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._running is not None:
                self._portal.call(self._closing.set)
                self._running.result()
        finally:
            self._portal_manager.__exit__(None, None, None)

    def _start(self, plan: Plan) -> None:
        started: Future[Emulation] = Future()
        self._running = self._portal.start_task_soon(self._program, plan, started, name="emulation")
        self._running.add_done_callback(lambda done: _pass_on(done, started))
        self._deployed = started.result()

    async def _program(self, plan: Plan, started: Future[Emulation]) -> None:
        self._closing = anyio.Event()
        emulation = Emulation(plan, RealClock(), clock_name="real")
        async with emulation.running():
            started.set_result(emulation)
            await self._closing.wait()
        emulation.finished("closed")

    async def _until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        with anyio.move_on_after(limit_ms / 1_000):
            await self._emulation.until(condition)
        return condition()

    @cached_property
    def _thread(self) -> int:
        return self._portal.call(threading.get_ident)

    def _act(self, action: Callable[[], Any]) -> Any:
        return action() if threading.get_ident() == self._thread else self._portal.call(action)


def _pass_on(done: Future[None], started: Future[Emulation]) -> None:
    """A run that failed before it started tells so to whoever waits for it."""
    error = done.exception() if not done.cancelled() else None
    if error is not None and not started.done():
        started.set_exception(error)

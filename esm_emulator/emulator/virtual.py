"""The emulator on time that skips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from esm_emulator.arguments import Source, condition_of, ms_of
from esm_emulator.clocks.virtual import WATCHDOG_S, Session, VirtualClock
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.emulator.shared import Emulator
from esm_emulator.errors import ClockError, UsageError

__all__ = ["VirtualEmulator"]

FOREVER = "15d"


class VirtualEmulator(Emulator):
    """On virtual time, which stands still between calls. To be used from the thread that made it."""

    def __init__(
        self, resources: Source | None = None, *, watchdog_s: float | None = WATCHDOG_S, **options: Any
    ) -> None:
        self._session = Session(VirtualClock(), watchdog_s=watchdog_s)
        self._closing = asyncio.Event()
        self._program: asyncio.Task[None] | None = None
        self._is_broken = False
        try:
            super().__init__(resources, **options)
        except BaseException:
            self._session.close()
            raise

    def advance(self, duration: str | float) -> None:
        """Let exactly so much time pass (``"30s"``, ``"1m30s"``, or seconds), and all happen that is due by then."""
        with self._step():
            self._session.advance(ms_of(duration, "advance"))

    def run_until_idle(self, limit: str | float = FOREVER) -> None:
        """Skip until no invocation runs and every queue that an enabled mapping reads is empty.

        Raises ``UsageError`` when that is not so after ``limit``.
        """
        if not self.run_until(self._emulation.is_idle, limit):
            raise self._not_idle(ms_of(limit, "limit"))

    def run_until(self, condition: Callable[[], bool], limit: str | float = FOREVER) -> bool:
        """Skip from instant to instant until ``condition`` holds, for ``limit`` at most; whether it holds."""
        with self._step():
            return self._session.run_until(condition_of(condition), limit_ms=ms_of(limit, "limit"))

    async def aadvance(self, duration: str | float) -> None:
        """As :meth:`advance`."""
        self.advance(duration)

    async def arun_until_idle(self, limit: str | float = FOREVER) -> None:
        """As :meth:`run_until_idle`."""
        self.run_until_idle(limit)

    async def arun_until(self, condition: Callable[[], bool], limit: str | float = FOREVER) -> bool:
        """As :meth:`run_until`."""
        return self.run_until(condition, limit)

    def close(self) -> None:
        """Stop polling, let running invocations end, and let go of everything. Further calls do nothing."""
        if self._closed:
            return
        self._session.check()  # before anything is ended
        self._closed = True
        try:
            if self._deployed is not None and self._program is not None:
                self._deployed.finished("closed")
                self._closing.set()
                if not self._is_broken:
                    self._session.run(asyncio.wait, [self._program])
        finally:
            self._session.close()

    def _start(self, plan: Plan) -> None:
        emulation = Emulation(plan, self._session.clock, clock_name="virtual")
        started = asyncio.Event()

        async def program() -> None:
            async with emulation.running():
                started.set()
                await self._closing.wait()

        self._program = self._session.start(program, name="emulation")
        self._session.run(started.wait)
        self._deployed = emulation

    def _act(self, action: Callable[[], Any]) -> Any:
        return action()

    def _must_be_open(self) -> None:
        super()._must_be_open()
        if self._is_broken or (self._program is not None and self._program.done()):
            raise UsageError("this emulator's run has ended, with the error that was raised; make another emulator")

    @contextmanager
    def _step(self) -> Iterator[None]:
        self._must_be_open()
        try:
            yield
        except ClockError:
            self._is_broken = True  # what was interrupted cannot be taken up again
            raise

    def _steer(self, action: Callable[[], None]) -> None:
        self._must_be_open()
        if self._session.loop.is_running():  # asked for by a handler, or by a condition
            action()
        else:
            self._session.call(action)

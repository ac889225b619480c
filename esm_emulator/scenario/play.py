"""Plays one case: sends, moves the timeline, and stops when the scenario says so.

The emulation is the very one that ``esm run`` uses; only the clock differs. What came of the play is a value,
:class:`Played`, that expectations and reports read.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import anyio

from esm_emulator.clocks import virtual
from esm_emulator.clocks.real import RealClock
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.errors import ConfigError, HandlerImportError, SqsError, UsageError
from esm_emulator.garbage import collected_rarely
from esm_emulator.journal import EnvironmentStarted, Fact, Journal
from esm_emulator.scenario.behavior import rules_of
from esm_emulator.scenario.file import Case
from esm_emulator.scenario.schema import FaultModel, StepModel
from esm_emulator.scenario.sends import BadPlaceholder, Sending, sendings

__all__ = ["DEFAULT_WATCHDOG_S", "Played", "play"]

DEFAULT_WATCHDOG_S = 60.0

NOT_LOADED = {
    "Runtime.BuiltInModuleConflict",
    "Runtime.HandlerNotFound",
    "Runtime.ImportModuleError",
    "Runtime.InvalidEntrypoint",
    "Runtime.MalformedHandlerName",
    "Runtime.UserCodeSyntaxError",
}

Act = tuple[int, Callable[[], None]]
"""Something that the scenario does, and when: milliseconds after the start."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one play. ``virtual_ms`` is on the scenario's clock, ``real_seconds`` on the wall's."""

    case: Case
    seed: int
    journal: Journal
    stopped: str  # idle | drained | after
    virtual_ms: int
    real_seconds: float
    stored: frozenset[str]  # the ids of the messages that the queues held at the end


def play(
    case: Case, *, seed: int | None = None, until_ms: int | None = None, watchdog_s: float = DEFAULT_WATCHDOG_S
) -> Played:
    """Play a case to its end, on the clock that it asks for.

    ``until_ms`` ends it earlier, at that time of its clock. Raises ``ConfigError`` for a message that SQS refuses,
    ``HandlerImportError``, ``Stuck`` and ``Deadlock``.
    """
    chosen = case.model.seed if seed is None else seed
    began = time.perf_counter()
    with collected_rarely(users_code=any(function.Handler for function in case.resources.functions.values())):
        if case.model.clock == "real":
            stage = _Stage(case, chosen, until_ms, RealClock(), "real")
            stopped = anyio.run(stage.run)
        else:
            clock = virtual.VirtualClock()
            stage = _Stage(case, chosen, until_ms, clock, "virtual")
            stopped = virtual.run(stage.run, clock=clock, watchdog_s=watchdog_s)
    journal = stage.emulation.journal
    virtual_ms, real_seconds = journal[-1].at - journal[0].at, time.perf_counter() - began
    return Played(case, chosen, journal, stopped, virtual_ms, real_seconds, stage.stored)


class _Stage:
    """One play in progress."""

    def __init__(self, case: Case, seed: int, until_ms: int | None, clock: Any, clock_name: str) -> None:
        self.case = case
        self.emulation = Emulation(
            Plan(
                resources=case.resources,
                seed=seed,
                profile=case.profile,
                scenario=case.id,
                behaviors=rules_of(case.model.behavior),
            ),
            clock,
            clock_name=clock_name,
        )
        self._not_loaded: EnvironmentStarted | None = None
        self.emulation.journal.subscribe(self._read)
        self.stored: frozenset[str] = frozenset()
        self._start = clock.now()
        self._ends = deque(sorted(_fault_ends(case.model.timeline, self.emulation), key=itemgetter(0)))
        self._until = case.model.stop.after if until_ms is None else min(until_ms, case.model.stop.after)

    async def run(self) -> str:
        """Play, and say why it stopped."""
        emulation = self.emulation
        reason = "after"
        async with emulation.running():
            with anyio.move_on_after(self._until / 1_000):
                await self._acts()
                await self._rest()
                reason = self.case.model.stop.when
            emulation.finished(reason)
            queues = emulation.sqs.queues.values()
            self.stored = frozenset(message.id for queue in queues for message in emulation.sqs.messages(queue))
        if self._not_loaded is not None:
            raise HandlerImportError(f"{self._not_loaded.function}: {self._not_loaded.error_message}")
        return reason

    def _is_over(self) -> bool:
        when = self.case.model.stop.when
        if self._not_loaded is not None:
            return True
        return when != "never" and self.emulation.is_idle(drained=when == "drained")

    def _read(self, fact: Fact) -> None:
        """A handler that cannot be loaded is no behavior to play, but a mistake in the file (RUN-16)."""
        if isinstance(fact, EnvironmentStarted) and fact.error_type in NOT_LOADED:
            self._not_loaded = fact

    async def _acts(self) -> None:
        """Everything that the scenario does, each at its time: steps of the timeline before sends of the same time."""
        for at, act in heapq.merge(self._steps(), self._sends(), key=itemgetter(0)):
            while self._ends and self._ends[0][0] <= at:
                await self._do_at(*self._ends.popleft())
            await self._do_at(at, act)

    async def _do_at(self, at: int, act: Callable[[], None]) -> None:
        wait = self._start + at - self.emulation.clock.now()
        if wait > 0:
            await self.emulation.clock.sleep(wait)
        if self._not_loaded is None:
            act()

    async def _rest(self) -> None:
        """Until it is over. A fault that would end only later keeps nobody waiting: it has nothing left to break."""
        while self._ends:
            at, end = self._ends.popleft()
            with anyio.move_on_after(max(0, self._start + at - self.emulation.clock.now()) / 1_000):
                await self.emulation.until(self._is_over)
                return
            end()
        await self.emulation.until(self._is_over)

    def _sends(self) -> Iterator[Act]:
        try:
            for sending in sendings(self.case.model, self.case.folder):
                yield sending.at, partial(self._send, sending)
        except BadPlaceholder as error:  # for one of many messages
            raise ConfigError([self.case.source.problem(str(error), ("send", error.entry))]) from None

    def _send(self, sending: Sending) -> None:
        try:
            self.emulation.send(sending.to, sending.message)
        except SqsError as error:
            message = f"SQS refuses {sending.message.label}: {error}"
            raise ConfigError([self.case.source.problem(message, ("send", sending.entry))]) from None

    def _steps(self) -> list[Act]:
        timeline = self.case.model.timeline
        acts: list[Act] = [(step.at, partial(self._step, index, step)) for index, step in enumerate(timeline)]
        return sorted(acts, key=itemgetter(0))

    def _step(self, index: int, step: StepModel) -> None:
        try:
            self._do(step)
        except (SqsError, UsageError) as error:
            raise ConfigError([self.case.source.problem(str(error), ("timeline", index))]) from None

    def _do(self, step: StepModel) -> None:
        emulation = self.emulation
        for path, value in (step.set or {}).items():
            emulation.set(path, value)
        if step.disable is not None:
            emulation.mapping(step.disable).disable()
        if step.enable is not None:
            emulation.mapping(step.enable).enable()
        if step.purge is not None:
            emulation.sqs.purge(emulation.queue(step.purge))
        if step.redrive is not None:
            rate = None if step.redrive.rate is None else int(step.redrive.rate)
            emulation.redrive(step.redrive.from_, to=step.redrive.to, per_second=rate)
        if step.fault is not None:
            ends_at = None if step.for_ is None else emulation.clock.now() + step.for_
            emulation.start_fault(step.fault.kind, step.fault.target, ends_at=ends_at, chance=step.fault.chance)


def _fault_ends(timeline: Sequence[StepModel], emulation: Emulation) -> Iterator[Act]:
    """When faults end. Of two of one kind that overlap, the one that ends first leaves the other at work."""
    faults = [(step.fault, step.at, None if step.for_ is None else step.at + step.for_) for step in timeline]
    for fault, _, end in faults:
        if fault is None or end is None:
            continue
        others = [(at, until) for other, at, until in faults if other and _same(fault, other)]
        if not any(at < end and (until is None or end < until) for at, until in others):
            yield end, partial(emulation.end_fault, fault.kind, fault.target)


def _same(one: FaultModel, other: FaultModel) -> bool:
    return (one.kind, one.target) == (other.kind, other.target)

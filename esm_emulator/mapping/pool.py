"""The mapping: its pollers, how many there are, and its state.

The pool starts pollers and retires them; what each does is :mod:`poller`'s. A retired poller finishes what it has in
hand first, so the number of running pollers may for a while be above the number wanted, never the number that receives.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

import anyio
import anyio.abc

from esm_emulator.clocks import Clock
from esm_emulator.functions import Function
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal, MappingChanged, PollersChanged
from esm_emulator.mapping.batch import BatchRules
from esm_emulator.mapping.poller import MessageFilter, Poller, Work
from esm_emulator.profiles import Profile
from esm_emulator.queues import Queue, Stop
from esm_emulator.resources import EventSourceMapping

__all__ = ["Mapping"]


class Mapping:
    """One event source mapping at work between one queue and one function.

    ``function_arn`` is what the handler's context shows (RUN-14); ``compile_filter`` turns the resource's filters into
    what a poller asks, or None when there are none. Everything runs on the loop that runs :meth:`run`.
    """

    def __init__(
        self,
        resource: EventSourceMapping,
        queue: Queue,
        function: Function,
        *,
        function_arn: str,
        clock: Clock,
        journal: Journal,
        profile: Profile,
        random: Random,
        identifiers: Identifiers,
        compile_filter: Callable[[EventSourceMapping, Profile], MessageFilter | None],
    ) -> None:
        self.resource = resource
        self.enabled = False
        self._compile_filter = compile_filter
        self._pollers: list[Poller] = []
        self._running = 0
        self._numbers = itertools.count(1)
        self._group: anyio.abc.TaskGroup | None = None
        self._work = Work(
            mapping=resource.id,
            queue=queue,
            function=function,
            function_arn=function_arn,
            clock=clock,
            journal=journal,
            profile=profile,
            random=random,
            identifiers=identifiers,
            rules=_rules(resource, profile),
            partial="ReportBatchItemFailures" in resource.FunctionResponseTypes,
            filter=compile_filter(resource, profile),
            batches=itertools.count(1),
            reports=self,
        )

    @property
    def queue(self) -> Queue:
        """The queue that it reads."""
        return self._work.queue

    async def run(
        self, stop: Stop, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Poll, from now until ``stop`` is set and every poller has finished and settled what it had in hand."""
        stopped = anyio.Event()
        async with anyio.create_task_group() as group:
            self._group = group
            if self.resource.Enabled:
                self.enable("start")
            else:
                self._tell("Disabled", "Enabled is false")
            task_status.started()
            forget = stop.subscribe(stopped.set)
            await stopped.wait()
            forget()
            self._retire_to(0, "stop")
        self._group = None

    def enable(self, reason: str = "USER_INITIATED") -> None:
        """Begin to poll (API-12)."""
        if not self.enabled:
            self.enabled = True
            self._tell("Enabled", reason)
            self._grow_to(self._wanted(), reason)

    def disable(self, reason: str = "USER_INITIATED") -> None:
        """Stop polling and invoking; what runs is finished, the messages stay in the queue (API-15, POLL-20)."""
        if self.enabled:
            self.enabled = False
            self._tell("Disabling", reason)
            self._retire_to(0, reason)
            self._disabled_when_quiet()

    def configure(self, resource: EventSourceMapping, profile: Profile) -> None:
        """Take changed settings; a poller uses them from its next batch on (POLL-19 without its lag)."""
        was_enabled, self.resource = self.resource.Enabled, resource
        self._work.profile = profile
        self._work.rules = _rules(resource, profile)
        self._work.partial = "ReportBatchItemFailures" in resource.FunctionResponseTypes
        self._work.filter = self._compile_filter(resource, profile)
        if resource.Enabled != was_enabled:
            (self.enable if resource.Enabled else self.disable)()

    # --- pollers ----------------------------------------------------------------------------------------------

    def _wanted(self) -> int:
        scaling = self.resource.ScalingConfig
        most = scaling.MaximumConcurrency if scaling else None
        return min(self._work.profile.pollers_at_start, most or self._work.profile.pollers_at_start)

    def _grow_to(self, count: int, reason: str) -> None:
        if self._group is None or count <= len(self._pollers):
            return
        while len(self._pollers) < count:
            poller = Poller(self._work, next(self._numbers))
            self._pollers.append(poller)
            self._running += 1
            self._group.start_soon(self._run, poller, name=poller.name)
        self._work.tell(PollersChanged, self.resource.id, count, reason)

    def _retire_to(self, count: int, reason: str) -> None:
        if count >= len(self._pollers):
            return
        retired, self._pollers = self._pollers[count:], self._pollers[:count]
        self._work.tell(PollersChanged, self.resource.id, count, reason)
        for poller in retired:
            poller.stop.set()

    async def _run(self, poller: Poller) -> None:
        await poller.run()
        self._running -= 1
        self._disabled_when_quiet()

    def _disabled_when_quiet(self) -> None:
        if not self.enabled and not self._running:
            self._tell("Disabled", "no poller runs")

    def _tell(self, state: str, reason: str) -> None:
        self._work.tell(MappingChanged, self.resource.id, state, reason)

    # --- what pollers report ----------------------------------------------------------------------------------

    def received(self, count: int, asked: int) -> None:
        """A receive brought messages."""

    def failed(self) -> None:
        """An invocation ended with a function error."""

    def throttled(self) -> None:
        """A try was refused."""

    def succeeded(self) -> None:
        """An invocation ended without a function error."""


def _rules(resource: EventSourceMapping, profile: Profile) -> BatchRules:
    return BatchRules(
        size=resource.BatchSize,
        window_ms=resource.MaximumBatchingWindowInSeconds * 1000,
        payload_limit=profile.payload_limit,
        window_from_first=profile.window_clock == "first-record",
        quiet_wait=profile.quiet_window_wait,
    )

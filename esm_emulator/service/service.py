"""One run in real time: everything is started, runs until it is idle or somebody ends it, and drains.

The first SIGINT or SIGTERM drains: no more receives, running invocations finish and settle, messages in hand that were
never invoked go back (POLL-20). The second one ends everything where it stands; what was in hand then comes back when
its visibility ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import anyio
import anyio.abc

from esm_emulator.clocks.real import RealClock
from esm_emulator.emulation import Emulation, Plan, one_error
from esm_emulator.errors import HandlerImportError, SqsError, UsageError
from esm_emulator.functions import Function
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.process import ProcessFunction
from esm_emulator.functions.runtime_api import RuntimeApiFunction
from esm_emulator.functions.variables import on_runtime_api
from esm_emulator.journal import Journal
from esm_emulator.mapping.filter import creation_rules
from esm_emulator.profiles import PROFILES, Profile
from esm_emulator.queues.endpoint import EndpointQueue
from esm_emulator.queues.moto_backend import EmbeddedAws
from esm_emulator.resources import EventSourceMapping, Resources
from esm_emulator.resources import Function as FunctionResource
from esm_emulator.service.flags import MAPPING, Flags, changed, described, mapping_meant, without_queue
from esm_emulator.service.outside import Access, Outside, open_queue, url_of
from esm_emulator.service.reload import changes
from esm_emulator.service.surroundings import no_proxy_here
from esm_emulator.service.watch import Row, Watch
from esm_emulator.sqs import NewMessage

__all__ = ["Ended", "Place", "Service", "Told", "Wanted"]

FACTS_KEPT = 100_000  # of the journal, so that a run may last for days; see Journal.keep
LOOK_AT_OUTSIDE_S = 1.0
PATIENCE_S = 5.0  # after the second signal
FIFO_HINT = "; to a FIFO queue send an SQS event with MessageGroupId and MessageDeduplicationId among its attributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to run. ``resources`` are a file's, None for flags alone; ``messages`` are sent at the start."""

    flags: Flags
    resources: Resources | None = None
    queue_url: str | None = None
    access: Access = field(default_factory=Access)
    profile: Profile = PROFILES["aws-2026"]
    isolation: Literal["process", "inline"] = "process"
    messages: Sequence[NewMessage] = ()
    until_idle: bool = False
    port: int = 0
    reload: bool = False
    not_watched: Sequence[Path] = ()
    look: bool = False  # at queues elsewhere, now and then, for whoever shows them


@dataclass(frozen=True, slots=True)
class Place:
    """Where the embedded AWS answers, and the queues in it: URLs by logical id."""

    url: str
    queues: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. ``reason`` is idle or interrupted; ``at_once`` that nothing was waited for.

    By the mappings' ids: how many messages were dead-lettered, and how many are left in its queue or expired there.
    """

    reason: str
    seconds: float
    dead_lettered: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    at_once: bool = False

    @property
    def clean(self) -> bool:
        """Whether every message was handled."""
        return not (any(self.dead_lettered.values()) or any(self.left.values()))


class Told:
    """Whom the service tells what; says nothing by itself."""

    def listening(self, place: Place) -> None:
        """The embedded AWS answers at ``place``."""

    def outside(self, outside: Outside, banner: Sequence[str]) -> None:
        """A queue elsewhere will be read, and ``banner`` says what that means."""

    def polling(self) -> None:
        """Mappings poll from now on."""

    def draining(self) -> None:
        """Somebody asked for the end; what runs is finished."""

    def reloaded(self, function: str, error: str | None) -> None:
        """The function's code was loaded anew, or does not load."""


class Service:
    """One run of ``wanted``. Subscribe to its ``journal`` before :meth:`run`; afterwards it holds the latest facts."""

    def __init__(self, wanted: Wanted, told: Told | None = None) -> None:
        self.wanted = wanted
        self.told = told or Told()
        self.clock = RealClock()
        self.journal = Journal(keep=FACTS_KEPT)
        self.watch = Watch(self.journal, self.clock)
        self.outside: dict[str, Outside] = {}  # by the mapping's id
        self._emulation: Emulation | None = None
        self._runners: dict[str, ProcessFunction | InlineFunction] = {}
        self._place: Place | None = None
        self._interrupted = False
        self._polling = False
        self._force: threading.Timer | None = None

    @property
    def emulation(self) -> Emulation:
        """What runs; there as soon as every queue was found."""
        assert self._emulation is not None
        return self._emulation

    def rows(self) -> list[Row]:
        """Every mapping as it stands now; none before :attr:`emulation` is there."""
        if self._emulation is None:
            return []
        return [self._row(mapping) for mapping in self.emulation.resources.mappings.values()]

    def _row(self, mapping: EventSourceMapping) -> Row:
        function = self.emulation.resources.function_of(mapping)
        queue = self.emulation.mappings[mapping.id].queue
        row = self.watch.row(mapping.id, queue.id, function.id)
        if mapping.id not in self.outside:
            return row
        seen = self.outside[mapping.id].description
        dead_lettered = self.outside[mapping.id].dead_lettered_so_far
        return replace(row, visible=seen.visible, in_flight=seen.in_flight, dead_lettered=dead_lettered)

    # --- the run ----------------------------------------------------------------------------------------------

    async def run(self) -> Ended:
        """Run to the end. Raises ``EsmError`` for what cannot be started."""
        self._stop = anyio.Event()
        began = self.clock.now()
        ended: Ended | None = None
        try:
            with one_error():
                async with anyio.create_task_group() as group:
                    await group.start(self._hear_signals, group.cancel_scope)
                    ended = await self._whole(began)
                    group.cancel_scope.cancel()
        finally:
            if self._force is not None:
                self._force.cancel()
        if ended is None:
            return Ended("interrupted", (self.clock.now() - began) / 1_000, at_once=True)
        return ended

    async def _hear_signals(
        self, scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                if self._interrupted or not self._polling:
                    self._force = _end_by_force_after(PATIENCE_S)
                    scope.cancel()
                    return
                self._interrupted = True
                self.told.draining()
                self._stop.set()

    async def _whole(self, began: int) -> Ended:
        async with AsyncExitStack() as stack:
            resources = await self._resources(stack)
            _check(resources)
            plan = self._plan(resources, stack)
            self._emulation = emulation = Emulation(plan, self.clock, clock_name="real", journal=self.journal)
            stack.push_async_callback(self._close_functions)
            self._serve(emulation, stack)
            await self._prepare()
            self._tell_places()
            self._send()
            self.told.polling()
            async with emulation.running():
                self._polling = True
                async with self._company():
                    await self._until_done()
            reason = "interrupted" if self._interrupted else "idle"
            fates = {id_: await self._fate(id_) for id_ in emulation.mappings}
            emulation.finished(reason)
            return Ended(
                reason,
                (self.clock.now() - began) / 1_000,
                {id_: dead for id_, (dead, _) in fates.items()},
                {id_: left for id_, (_, left) in fates.items()},
            )
        raise AssertionError  # the stack swallows nothing

    @asynccontextmanager
    async def _company(self) -> AsyncIterator[None]:
        """What goes on beside the mappings."""
        async with anyio.create_task_group() as group:
            if self.wanted.reload:
                group.start_soon(self._reload)
            if self.outside and self.wanted.look:
                group.start_soon(self._look)
            yield
            group.cancel_scope.cancel()

    async def _until_done(self) -> None:
        if not self.wanted.until_idle:
            await self._stop.wait()
            return
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when, self._stop, group.cancel_scope)
            await self._until_idle()
            group.cancel_scope.cancel()

    async def _until_idle(self) -> None:
        """Until nothing is left to do; a queue elsewhere counts as empty when its server has said so twice."""
        empty = 0
        while empty < 2:
            await self.emulation.until_idle()
            if not self.outside:
                return
            await anyio.sleep(LOOK_AT_OUTSIDE_S)
            every = [await outside.is_empty() for outside in self._all_outside()]
            empty = empty + 1 if all(every) and self.emulation.is_idle() else 0

    async def _look(self) -> None:
        while True:
            for outside in self._all_outside():
                await outside.look()
                await outside.dead_lettered()
            await anyio.sleep(2 * LOOK_AT_OUTSIDE_S)

    async def _fate(self, mapping: str) -> tuple[int, int]:
        """How many messages of a mapping's queue were dead-lettered, and how many are left in it or expired."""
        outside = self.outside.get(mapping)
        if outside is not None:
            now = await outside.look()
            return await outside.dead_lettered(), now.visible + now.in_flight + now.delayed
        queue = self.emulation.mappings[mapping].queue.id
        counts = self.emulation.sqs.counts(self.emulation.queue(queue))
        left = counts.visible + counts.in_flight + counts.delayed + self.watch.expired[queue]
        return self.watch.dead_lettered[queue], left

    # --- starting ---------------------------------------------------------------------------------------------

    async def _resources(self, stack: AsyncExitStack) -> Resources:
        """What is to run, with every queue elsewhere found. Raises ``EsmError``."""
        wanted, flags = self.wanted, self.wanted.flags
        url = wanted.queue_url
        if url is not None and flags.of_queue():
            raise UsageError(
                "the queue at --queue-url has settings of its own; leave out --visibility-timeout and "
                "--max-receive-count, or set them where the queue is"
            )
        if wanted.resources is None:
            rules = creation_rules(wanted.profile)
            resources = described(flags, rules=rules)
            if url is not None:
                arn = (await self._open(MAPPING, url, None, stack)).arn
                resources = described(flags, arn, rules=rules)
            return resources
        resources = changed(wanted.resources, flags)
        if url is not None:
            mapping = mapping_meant(resources, flags, "--queue-url")
            ours = resources.queue_of(mapping)
            queue = await self._open(mapping.id, url, ours.id if ours else None, stack)
            resources = without_queue(resources, mapping, queue.arn)
        for mapping in resources.mappings.values():
            if mapping.id not in self.outside and resources.queue_of(mapping) is None:
                url = url_of(mapping.EventSourceArn, wanted.access.endpoint_url)
                await self._open(mapping.id, url, None, stack)
        if wanted.access.endpoint_url is not None and not self.outside:
            raise UsageError("--endpoint-url: every queue of the file is embedded; name another one with --queue-url")
        return resources

    async def _open(self, mapping: str, url: str, id: str | None, stack: AsyncExitStack) -> EndpointQueue:
        known = next((outside for outside in self._all_outside() if outside.location.url == url), None)
        if known is None:
            known = await open_queue(
                url, self.wanted.access, id=id, clock=self.clock, journal=self.journal, profile=self.wanted.profile
            )
            stack.push_async_callback(known.close)
        self.outside[mapping] = known
        return known.queue

    def _all_outside(self) -> list[Outside]:
        return list(dict.fromkeys(self.outside.values()))

    def _plan(self, resources: Resources, stack: AsyncExitStack) -> Plan:
        def adapt(resource: FunctionResource, emulation: Emulation) -> Function:
            made = self._adapter(resource, emulation, self._environment(resource, emulation, stack))
            self._runners[resource.id] = made
            return made

        return Plan(
            resources=resources,
            profile=self.wanted.profile,
            outside={id_: outside.queue for id_, outside in self.outside.items()},
            adapt=adapt,
            seed=self.clock.now(),
        )

    def _adapter(
        self, resource: FunctionResource, emulation: Emulation, environment: Mapping[str, str | None]
    ) -> ProcessFunction | InlineFunction:
        parts = (resource, self.clock, self.journal, emulation.identifiers)
        if on_runtime_api(resource):
            return RuntimeApiFunction(*parts, environment=environment, profile=self.wanted.profile)
        if self.wanted.isolation == "inline":
            return InlineFunction(*parts, environment=environment, profile=self.wanted.profile, echo=False)
        return ProcessFunction(*parts, environment=environment, profile=self.wanted.profile)

    def _environment(
        self, resource: FunctionResource, emulation: Emulation, stack: AsyncExitStack
    ) -> Mapping[str, str | None]:
        """The variables of one function: the user's own if it works for a queue elsewhere, else the embedded AWS's."""
        mappings = emulation.resources.mappings_of(resource)
        for mapping in mappings:
            if mapping.id in self.outside:
                return self.outside[mapping.id].environment
        self._serve(emulation, stack)
        return {} if self._place is None else self._aws.environment(self._place.url) | no_proxy_here(os.environ)

    def _serve(self, emulation: Emulation, stack: AsyncExitStack) -> None:
        """Have the embedded AWS answer over HTTP, unless it does already or has no queue."""
        if self._place is None and emulation.resources.queues:
            self._aws = EmbeddedAws(emulation.sqs)
            url = stack.enter_context(self._aws.serve(self.wanted.port)).url
            queues = {queue.id: self._aws.queue_url(queue, url) for queue in emulation.sqs.queues.values()}
            self._place = Place(url, queues)

    async def _prepare(self) -> None:
        """Load every handler that will be needed. Raises ``HandlerImportError`` with the handler's own traceback."""
        for function in _used(self.emulation.resources):
            try:
                await self._runners[function.id].prepare()
            except HandlerImportError as error:
                # each step of a trace ends its line itself, as in Lambda's log
                why = "\n".join(line for line in str(error).splitlines() if line.strip())
                raise HandlerImportError(
                    f"{function.id}: the handler {function.Handler} in {function.CodeUri} cannot be loaded\n{why}"
                ) from None

    def _tell_places(self) -> None:
        if self._place is not None:
            self.told.listening(self._place)
        for id_, outside in self.outside.items():
            mapping = self.emulation.resources.mappings[id_]
            function = self.emulation.resources.function_of(mapping)
            self.told.outside(outside, outside.banner(function, filtered=bool(mapping.patterns)))

    def _send(self) -> None:
        """Send what is to be sent at the start. Raises ``UsageError`` for what SQS refuses."""
        if not self.wanted.messages:
            return
        queue = self._queue_to_send_to()
        for number, message in enumerate(self.wanted.messages, start=1):
            try:
                self.emulation.send(queue, message)
            except SqsError as error:
                hint = FIFO_HINT if self.emulation.queue(queue).fifo else ""
                raise UsageError(f"--send: SQS refuses message {number}: {error}{hint}") from None

    def _queue_to_send_to(self) -> str:
        queues = {mapping.queue.id for id_, mapping in self.emulation.mappings.items() if id_ not in self.outside}
        if len(queues) == 1:
            return queues.pop()
        if not queues:
            raise UsageError("--send: there is no embedded queue; send to this one with aws sqs send-message")
        raise UsageError(
            f"--send: to which queue? There are {', '.join(sorted(queues))}; send with aws sqs send-message"
        )

    async def _close_functions(self) -> None:
        for function in self._runners.values():
            await function.close()

    # --- changed code -----------------------------------------------------------------------------------------

    async def _reload(self) -> None:
        folders = {Path(function.CodeUri) for function in _used(self.emulation.resources)}
        async for files in changes(folders, self.wanted.not_watched):
            for function in _used(self.emulation.resources):
                if any(file.is_relative_to(function.CodeUri) for file in files):
                    await self._reload_one(function.id)

    async def _reload_one(self, function: str) -> None:
        """Replace environments; code that does not load is told, and invocations fail until the next change."""
        runner = self._runners[function]
        await runner.reload()
        try:
            await runner.prepare()
        except HandlerImportError as error:
            self.told.reloaded(function, str(error).partition("\n")[0])
        else:
            self.told.reloaded(function, None)


def _used(resources: Resources) -> list[FunctionResource]:
    """Functions that some mapping invokes, each once, in the file's order."""
    return [function for function in resources.functions.values() if resources.mappings_of(function)]


def _check(resources: Resources) -> None:
    """Raises ``UsageError`` for what cannot run here."""
    if not resources.mappings:
        raise UsageError("there is no AWS::Lambda::EventSourceMapping, so nothing would invoke a function; add one")
    for function in _used(resources):
        if not function.Handler:
            raise UsageError(f"{function.id} has no Handler; give it one (module.function), or --handler")
        if function.Runtime and not function.Runtime.startswith("python") and not on_runtime_api(function):
            raise UsageError(
                f"{function.id} has the Runtime {function.Runtime}; here run python…, nodejs… and provided…"
            )


async def _cancel_when(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _end_by_force_after(seconds: float) -> threading.Timer:
    """Should something not let itself be cancelled: end this process without it, as a second Ctrl-C asks for."""
    timer = threading.Timer(seconds, os._exit, (130,))
    timer.daemon = True
    timer.start()
    return timer

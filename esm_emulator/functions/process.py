"""A function whose handler runs in worker processes: one execution environment for each invocation at a time.

An environment is made when no other is free, and used again, the one used last first, so that those that are not needed
grow old and end. One spare process is always up, with its interpreter started and nothing of the handler's loaded, so
that a cold start costs only the handler's own import. How many start at once is bounded by the processors: a handler's
init phase is timed, and a hundred at once would time the waiting for a processor.

Under virtual time the clock is held while a process works: what really happens elsewhere takes no virtual time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from esm_emulator.clocks import Clock
from esm_emulator.errors import HandlerImportError
from esm_emulator.functions import FailureKind, Invocation, Reply, Returned, Usage
from esm_emulator.functions.child import Child
from esm_emulator.functions.environments import Environment, Limits, Loaded, Outcome, Settings
from esm_emulator.functions.failures import Failure, service_failed, timed_out
from esm_emulator.functions.log import FunctionLog
from esm_emulator.functions.variables import (
    ascii_only,
    deployment_of,
    folder_of,
    function_variables,
    host_variables,
    log_stream,
)
from esm_emulator.functions.watch import Watch
from esm_emulator.functions.workers import Worker
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import EnvironmentEnded, EnvironmentStarted, Journal
from esm_emulator.profiles import PROFILES, Profile
from esm_emulator.resources import Function

__all__ = ["ProcessFunction"]

IDLE_MS = 600_000  # an environment that nobody needed for so long ends; AWS gives no number


class ProcessFunction:
    """The port ``Function`` over worker processes.

    ``environment`` holds variables of this run, which win over the function's own; None takes one away. To be used on
    one event loop at a time.
    """

    _kind = Environment

    def __init__(
        self,
        resource: Function,
        clock: Clock,
        journal: Journal,
        identifiers: Identifiers,
        environment: Mapping[str, str | None] | None = None,
        *,
        profile: Profile = PROFILES["aws-2026"],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._identifiers = identifiers
        self._given = dict(environment or {})
        self._profile = profile
        self._generation = 0
        self._idle: list[Environment] = []  # the one used last is at the end
        self._spare: Worker | None = None
        self._watch = Watch()
        self._starts = _Turns(2 * (os.cpu_count() or 1))
        self._resource = resource
        self._log = FunctionLog(resource, clock, journal)

    @property
    def id(self) -> str:
        """The function's logical id."""
        return self._resource.id

    @property
    def resource(self) -> Function:
        """The function's properties; replaced while running, they count from the next invocation on.

        With another handler, other code or other variables no environment is used again.
        """
        return self._resource

    @resource.setter
    def resource(self, resource: Function) -> None:
        before, self._resource = self._resource, resource
        self._log = FunctionLog(resource, self._clock, self._journal)
        if deployment_of(before) != deployment_of(resource):
            self._renew()

    async def prepare(self) -> None:
        """Start one environment, so that a handler that cannot be loaded shows before anything is polled.

        Its init phase counts for the first invocation, as when Lambda starts one ahead of need.

        Raises:
            HandlerImportError: the handler cannot be loaded; the text has its traceback.
        """
        environment = self._new()
        async with self._clock.hold():
            failure = await self._init(environment)
        if failure:
            environment.close()
            raise HandlerImportError("\n".join((f"{failure.error_type}: {failure.message}", *(failure.trace or ()))))
        self._idle.append(environment)
        self._keep_a_spare()

    async def invoke(self, invocation: Invocation) -> Reply:
        """Run the handler once in a free environment, or in a new one."""
        invocation.began()
        environment = self._take()
        try:
            reply = await self._serve(environment, invocation)
        except OSError as error:
            self._end(environment, "stop")
            return service_failed(f"no execution environment can be started here: {error}").reply(Usage())
        except BaseException:
            self._end(environment, "stop")
            raise
        self._release(environment)
        return reply

    async def reload(self) -> None:
        """Have the code loaded anew: idle environments end now, busy ones when their invocation has."""
        self._renew()

    def _renew(self) -> None:
        self._generation += 1
        idle, self._idle = self._idle, []
        for environment in idle:
            self._end(environment, "reload")

    async def close(self) -> None:
        """End every environment, without a word to the handler (RUN-5a)."""
        politely = any(name in os.environ for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"))
        idle, self._idle = self._idle, []
        if not politely:
            for environment in idle:
                environment.kill()  # all at once; then wait for each
        for environment in idle:
            self._end(environment, "stop", politely=politely)
        if self._spare:
            self._spare.end()
            self._spare = None
        self._watch.close()

    # --- environments -----------------------------------------------------------------------------------------

    def _new(self) -> Environment:
        id = self._identifiers.hex(32)
        environment = self._kind(id, log_stream(self._clock.now(), id), self._watch, self._tell)
        environment.generation = self._generation
        environment.used_at = self._clock.now()
        return environment

    def _take(self) -> Environment:
        now = self._clock.now()
        while self._idle and now - self._idle[0].used_at > IDLE_MS:
            self._end(self._idle.pop(0), "idle")
        if not self._idle:
            return self._new()
        environment = self._idle.pop()
        if not environment.is_alive():
            self._died(environment, "exit")
        return environment

    def _release(self, environment: Environment) -> None:
        environment.used_at = self._clock.now()
        if environment.generation == self._generation:
            self._idle.append(environment)
            self._keep_a_spare()
        else:
            self._end(environment, "reload")

    def _died(self, environment: Environment, reason: str) -> None:
        """Its process is gone; the environment is reset and stays (RUN-6)."""
        environment.reset()
        self._journal.append(EnvironmentEnded(self._clock.now(), self.id, environment.id, reason))

    def _end(self, environment: Environment, reason: str, *, politely: bool = False) -> None:
        was_loaded = environment.is_loaded
        environment.close(politely=politely)
        if was_loaded:
            self._journal.append(EnvironmentEnded(self._clock.now(), self.id, environment.id, reason))

    def _keep_a_spare(self) -> None:
        if self._spare is None:
            try:
                self._spare = Worker(host_variables())
            except OSError:
                return  # whoever needs one will try again, and say so

    def _worker(self) -> Child:
        spare, self._spare = self._spare, None
        if spare and spare.is_alive():
            return spare
        if spare:
            spare.end()
        return Worker(host_variables())

    def _tell(self, environment: Environment, lines: Sequence[str]) -> None:
        self._log.write(environment.id, lines, environment.request_id)

    # --- one invocation ---------------------------------------------------------------------------------------

    async def _serve(self, environment: Environment, invocation: Invocation) -> Reply:
        spent = Loaded(0.0)
        async with self._clock.hold():
            if environment.is_new:
                await self._init(environment)
            if not environment.is_loaded:
                spent = await self._init_again(environment, invocation.request_id)
        if spent.crashed:
            spent = await self._notice_late(spent, invocation.request_id)
        self._log.start(environment.id, invocation.request_id)
        if spent.failure is None:
            outcome = await self._call(environment, invocation, spent.ms)
        else:
            outcome = Outcome(spent.ms, failure=spent.failure)
        if outcome.failure and outcome.failure.kind is not FailureKind.INIT:  # that one was told when it happened
            self._log.failed(environment.id, invocation.request_id, outcome.failure)
        return self._account(environment, invocation.request_id, outcome)

    async def _call(self, environment: Environment, invocation: Invocation, spent_ms: float) -> Outcome:
        within = self.resource.Timeout - spent_ms / 1000
        environment.request_id = invocation.request_id
        async with self._clock.hold():
            outcome = await environment.invoke(invocation, self._limits(), within=within)
        environment.request_id = None
        if not environment.is_loaded:
            assert outcome.failure is not None
            self._died(environment, "timeout" if outcome.failure.kind is FailureKind.TIMEOUT else "exit")
        return outcome._replace(ms=outcome.ms + spent_ms)

    async def _notice_late(self, loaded: Loaded, request_id: str) -> Loaded:
        """A runtime that a signal ends while it loads the handler is noticed when the time is up (RUN-21)."""
        timeout = self.resource.Timeout
        await self._clock.sleep(int(timeout * 1000 - loaded.ms))
        return Loaded(timeout * 1000, timed_out(request_id, timeout))

    def _account(self, environment: Environment, request_id: str, outcome: Outcome) -> Reply:
        """The REPORT line, and the reply: what a timeout took is the timeout."""
        failure = outcome.failure
        in_time = failure is None or failure.kind is not FailureKind.TIMEOUT
        usage = Usage(
            outcome.ms if in_time else self.resource.Timeout * 1000.0,
            environment.unreported_init_ms,
            min(environment.max_memory_mb, self.resource.MemorySize),
            environment.id,
        )
        environment.unreported_init_ms = None
        self._log.end(environment.id, request_id, usage, failure)
        return failure.reply(usage) if failure else Returned(outcome.payload, usage)

    async def _init(self, environment: Environment) -> Failure | None:
        """The init phase of a new environment; when it fails, the invocation tries once more (RUN-5)."""
        self._log.init_start(environment.id)
        loaded = await self._load(environment, self._profile.init_limit / 1000, "")
        if loaded.failure:
            self._log.init_failed(environment.id, loaded.ms, "init", loaded.failure)
        else:
            environment.unreported_init_ms = loaded.ms
        return loaded.failure

    async def _init_again(self, environment: Environment, request_id: str) -> Loaded:
        """Load the handler as part of an invocation, on its time; only a failure is told (RUN-5a)."""
        loaded = await self._load(environment, self.resource.Timeout, request_id)
        if loaded.failure:
            self._log.init_failed(environment.id, loaded.ms, "invoke", loaded.failure)
        return loaded

    async def _load(self, environment: Environment, within: float, request_id: str) -> Loaded:
        async with self._starts.turn():
            loaded = await environment.load(
                self._worker(),
                self._settings(environment),
                self._limits(),
                within=within,
                request_id=request_id,
            )
        failure = loaded.failure
        self._journal.append(
            EnvironmentStarted(
                self._clock.now(),
                self.id,
                environment.id,
                loaded.ms,
                failure.error_type if failure else None,
                failure.message if failure else None,
            )
        )
        return loaded

    # --- the function -----------------------------------------------------------------------------------------

    def _limits(self) -> Limits:
        return Limits(self.resource.Timeout, self.resource.MemorySize, self._profile.response_limit)

    def _settings(self, environment: Environment) -> Settings:
        return Settings(
            self.resource.Handler or "",
            folder_of(self.resource),
            {**function_variables(self.resource, environment.stream), **self._given},
            ascii_only(self.resource),
            self.resource.LoggingConfig.LogFormat == "JSON",
        )


class _Turns:
    """At most so many at once, the rest in the order in which they came; on whichever loop is running."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._turns: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        if self._turns is None or self._loop is not loop:
            self._turns, self._loop = asyncio.Semaphore(self._most), loop
        async with self._turns:
            yield

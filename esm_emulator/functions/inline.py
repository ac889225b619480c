"""A function whose handler runs in this process: in a worker thread, or in a greenlet under virtual time.

Nothing is isolated here, and that is the point: the handler can be patched, watched and debugged from a test. What
Lambda does by processes is done by care (:mod:`modules`, :mod:`surroundings`), and what cannot be done is not: memory
is shared by all invocations and has no limit, and a timeout or an exit leaves the module's state as it is. An
environment is then only a name, one for each invocation at a time (RUN-7), so that logs and traces show the same lanes.

Durations are those of the clock, in whole milliseconds, so that a seed gives the same journal every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakKeyDictionary

from esm_emulator.clocks import Clock
from esm_emulator.errors import HandlerImportError
from esm_emulator.functions import FailureKind, Invocation, Reply, Returned, Usage
from esm_emulator.functions.attended import Exit, attended, where
from esm_emulator.functions.failures import Failure, exited, of_payload, timed_out, too_large
from esm_emulator.functions.log import FunctionLog
from esm_emulator.functions.modules import Code
from esm_emulator.functions.runtime.call import RETURNED, TOO_LARGE, Outcome, call
from esm_emulator.functions.runtime.context import LambdaContext
from esm_emulator.functions.runtime.faults import Fault, error_payload
from esm_emulator.functions.runtime.handler import Handler, find
from esm_emulator.functions.runtime.marshal import Marshaller
from esm_emulator.functions.surroundings import Presence, Variables
from esm_emulator.functions.variables import ascii_only, deployment_of, folder_of, function_variables, log_stream
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import EnvironmentEnded, EnvironmentStarted, Journal
from esm_emulator.profiles import PROFILES, Profile
from esm_emulator.resources import Function

__all__ = ["InlineFunction"]


@dataclass(slots=True)
class _Environment:
    """Where an invocation runs: a name, and the handler as it was when it was loaded for it.

    ``init_ms`` is there until an invocation has accounted for it.
    """

    id: str
    stream: str
    generation: int
    handler: Handler | None = None
    init_ms: float | None = field(default=None)


class InlineFunction:
    """The port ``Function`` in this process.

    The handler is ``handler``, or is imported as the resource names it when it is first needed. ``environment`` holds
    variables of this run, which win over the function's own; None takes one away. With ``echo`` what the handler
    writes also goes to this process's stderr. To be used on one event loop at a time.
    """

    def __init__(
        self,
        resource: Function,
        clock: Clock,
        journal: Journal,
        identifiers: Identifiers,
        *,
        handler: Handler | None = None,
        environment: Mapping[str, str | None] | None = None,
        profile: Profile = PROFILES["aws-2026"],
        echo: bool = True,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._identifiers = identifiers
        self._given_handler = handler
        self._given = dict(environment or {})
        self._profile = profile
        self._echo = echo
        self._handler: Handler | None = None
        self._code: Code | None = None
        self._variables: Variables | None = None
        self._generation = 0
        self._idle: list[_Environment] = []
        self._use(resource)

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
        before = self._resource
        self._use(resource)
        if deployment_of(before) != deployment_of(resource):
            self._renew()

    def _use(self, resource: Function) -> None:
        self._resource = resource
        self._log = FunctionLog(resource, self._clock, self._journal)
        self._marshaller = Marshaller(ascii_only=ascii_only(resource))

    async def prepare(self) -> None:
        """Load the handler, so that one that cannot be loaded shows before anything is polled.

        Raises:
            HandlerImportError: the handler cannot be loaded; the text has its traceback.
        """
        environment = self._new()
        failure = await self._init(environment)
        if failure:
            text = "\n".join((f"{failure.error_type}: {failure.message}", *(failure.trace or ())))
            raise HandlerImportError(text) from failure.exception
        self._idle.append(environment)

    async def invoke(self, invocation: Invocation) -> Reply:
        """Run the handler once."""
        invocation.began()
        environment = self._idle.pop() if self._idle else None
        failure = None
        if environment is None:
            environment = self._new()
            failure = await self._init(environment, invocation.request_id)
        self._log.start(environment.id, invocation.request_id)
        payload, began = "", self._clock.now()
        if failure is None:
            came = await self._serve(environment, invocation)
            failure = came if isinstance(came, Failure) else self._failure_of(came)
            payload = came.payload
        usage = Usage(self._took(began, failure), environment.init_ms, None, environment.id)
        environment.init_ms = None
        self._release(environment)
        if failure and failure.kind is not FailureKind.INIT:  # that one was told when it happened
            self._log.failed(environment.id, invocation.request_id, failure)
        self._log.end(environment.id, invocation.request_id, usage, failure)
        return failure.reply(usage) if failure else Returned(payload, usage)

    async def reload(self) -> None:
        """Have the code loaded anew; invocations that run go on with the old."""
        if self._given_handler is None and self._code is not None:
            self._handler = None
            self._generation += 1
            self._code.forget()
            self._end_environments("reload")

    def _renew(self) -> None:
        """Go on in new environments, with the handler, the code and the variables of now."""
        self._generation += 1
        self._end_environments("reload")
        self._forget_code()
        if self._variables:
            stream = self._variables.values["AWS_LAMBDA_LOG_STREAM_NAME"] or ""
            self._variables.end()
            self._variables = self._begin_variables(stream)

    async def close(self) -> None:
        """Forget the handler's modules, and leave this process as it was."""
        self._end_environments("stop")
        self._forget_code()
        if self._variables:
            self._variables.end()
            self._variables = None

    def _forget_code(self) -> None:
        self._handler = None
        if self._code:
            self._code.close()
            self._code = None

    # --- environments -----------------------------------------------------------------------------------------

    def _new(self) -> _Environment:
        id = self._identifiers.hex(32)
        environment = _Environment(id, log_stream(self._clock.now(), id), self._generation)
        if self._variables is None:
            self._variables = self._begin_variables(environment.stream)
        return environment

    def _begin_variables(self, stream: str) -> Variables:
        variables = Variables({**function_variables(self.resource, stream), **self._given})
        variables.begin()
        return variables

    def _took(self, began: int, failure: Failure | None) -> float:
        if failure and failure.kind is FailureKind.TIMEOUT:
            return self.resource.Timeout * 1000.0
        return float(self._clock.now() - began)

    def _release(self, environment: _Environment) -> None:
        if environment.generation != self._generation:
            self._end(environment, "reload")
        elif environment.handler is not None:
            self._idle.append(environment)

    def _end_environments(self, reason: str) -> None:
        ended, self._idle = self._idle, []
        for environment in ended:
            self._end(environment, reason)

    def _end(self, environment: _Environment, reason: str) -> None:
        self._journal.append(EnvironmentEnded(self._clock.now(), self.id, environment.id, reason))

    def _presence(self, environment: _Environment, invocation: Invocation | None = None) -> Presence:
        assert self._variables is not None
        request_id = invocation.request_id if invocation else None
        own = {"AWS_LAMBDA_LOG_STREAM_NAME": environment.stream}
        if invocation and invocation.trace_id:
            own["_X_AMZN_TRACE_ID"] = invocation.trace_id

        def tell(lines: Sequence[str]) -> None:
            self._log.write(environment.id, lines, request_id)

        return Presence(
            self._variables,
            own,
            tell,
            request_id=request_id or "",
            json_logs=self.resource.LoggingConfig.LogFormat == "JSON",
            echo=self._echo,
        )

    # --- loading the handler ----------------------------------------------------------------------------------

    async def _init(self, environment: _Environment, request_id: str = "") -> Failure | None:
        """The init phase: load the handler, unless another environment has."""
        self._log.init_start(environment.id)
        began = self._clock.now()
        failure = None
        environment.handler = self._given_handler or self._handler
        if environment.handler is None:
            async with _alone():
                failure = await self._load(environment, request_id)
        now = self._clock.now()
        told = (failure.error_type, failure.message) if failure else (None, None)
        self._journal.append(EnvironmentStarted(now, self.id, environment.id, float(now - began), *told))
        if failure is None:
            environment.init_ms = float(now - began)
        return failure

    async def _load(self, environment: _Environment, request_id: str) -> Failure | None:
        """Load the handler; when it takes longer than an init phase may, once more on the invocation's time (RUN-5)."""
        environment.handler = self._handler  # while it waited for its turn, another environment may have loaded it
        if environment.handler is not None:
            return None
        presence = self._presence(environment)
        limits = ("init", self._profile.init_limit), ("invoke", self.resource.Timeout * 1000)
        try:
            for phase, limit_ms in limits:
                began = self._clock.now()
                loaded = await self._try_to_load(presence, limit_ms, request_id)
                if not isinstance(loaded, Failure):
                    environment.handler = loaded
                    if environment.generation == self._generation:
                        self._handler = loaded
                    return None
                failure = loaded
                self._log.init_failed(environment.id, float(self._clock.now() - began), phase, failure)
                if failure.kind is not FailureKind.TIMEOUT:
                    return failure
            return failure
        finally:
            presence.end()

    async def _try_to_load(self, presence: Presence, limit_ms: int, request_id: str) -> Handler | Failure:
        try:
            loaded = await self._clock.call(lambda: attended(presence, self._find), timeout_ms=limit_ms)
        except TimeoutError:
            return timed_out(request_id, self.resource.Timeout)
        if isinstance(loaded, Exit):
            return exited(request_id, loaded.status)._replace(exception=loaded.error)
        return loaded

    def _find(self) -> Handler | Failure:
        code = self._code
        if code is None:
            code = self._code = Code.of(folder_of(self.resource))
        try:
            return find(self.resource.Handler or "", code.load)
        except Exception as error:  # noqa: BLE001 - whatever the module raises
            payload = error_payload(error, "")
            return of_payload(FailureKind.INIT, payload, self._marshaller.dump(payload), _own(error))

    # --- one invocation ---------------------------------------------------------------------------------------

    async def _serve(self, environment: _Environment, invocation: Invocation) -> Outcome | Failure:
        """Call the handler, by its timeout at the latest."""
        presence = self._presence(environment, invocation)
        timeout_ms = self.resource.Timeout * 1000
        handler = environment.handler
        assert handler is not None

        def run() -> Outcome | Exit:
            return attended(presence, partial(self._call, handler, presence, invocation, timeout_ms))

        run.__qualname__ = f"{self.id} ({getattr(handler, '__qualname__', type(handler).__name__)})"
        try:
            came = await self._clock.call(run, timeout_ms=timeout_ms)
        except TimeoutError as error:
            return timed_out(invocation.request_id, self.resource.Timeout)._replace(exception=where(error))
        finally:
            presence.end()
        if isinstance(came, Exit):
            return exited(invocation.request_id, came.status)._replace(exception=came.error)
        return came

    def _call(self, handler: Handler, presence: Presence, invocation: Invocation, timeout_ms: int) -> Outcome:
        ends = self._clock.now() + timeout_ms
        context = LambdaContext(
            invocation.request_id, invocation.arn, presence.all_variables(), lambda: ends - self._clock.now()
        )
        return call(handler, invocation.payload, context, self._marshaller, self._profile.response_limit)

    def _failure_of(self, outcome: Outcome) -> Failure | None:
        if outcome.kind == RETURNED:
            return None
        if outcome.kind == TOO_LARGE:
            return too_large(self._profile.response_limit)
        assert outcome.error is not None
        assert outcome.exception is not None
        text = self._marshaller.dump(outcome.error)
        return of_payload(FailureKind(outcome.kind), outcome.error, text, _own(outcome.exception))


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """One import at a time on a loop, whose handlers may all be on one thread, where no lock keeps them apart."""
    async with _imports.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        yield


_imports: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _own(error: Exception) -> BaseException:
    """The exception of the handler's own that a fault tells of."""
    return error.__cause__ or error if isinstance(error, Fault) else error

"""A function that does what a scenario says: how long an invocation takes, and what comes of it.

A behavior is a list of rules; the first whose ``when`` fits an invocation decides it, and what no rule fits is called,
or succeeds when there is no handler to call. The time that a rule takes passes on the run's clock before its action;
together they end at the function's timeout, as any invocation does (RUN-20).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from math import log
from random import Random
from time import perf_counter_ns
from typing import Any, Literal

import anyio

from esm_emulator.clocks import Clock
from esm_emulator.functions import Failed, FailureKind, Function, Invocation, Reply, Returned, Throttled, Usage
from esm_emulator.functions.failures import exited, timed_out
from esm_emulator.messages import ReceivedMessage
from esm_emulator.resources import Function as FunctionResource

__all__ = [
    "Action",
    "Call",
    "Each",
    "Exit",
    "Fail",
    "Fixed",
    "LogNormal",
    "Measured",
    "Raise",
    "Return",
    "Rule",
    "ScriptedFunction",
    "Succeed",
    "Takes",
    "Timeout",
    "Uniform",
    "When",
]

# --- when ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class When:
    """Which invocations a rule fits: all that is given must hold. Numbers are given by whatever contains them.

    ``receive`` and ``body`` are about a record, and one record must fit both: its ApproximateReceiveCount, and the text
    of its body. ``invocation`` counts the function's invocations from 1; throttled tries are none.
    """

    receive: Container[int] | None = None
    invocation: Container[int] | None = None
    body: Callable[[str], bool] | None = None

    def fits(self, number: int, messages: Sequence[ReceivedMessage]) -> bool:
        """Whether the invocation of that number with these records is meant."""
        if self.invocation is not None and number not in self.invocation:
            return False
        return (self.receive is None and self.body is None) or any(map(self.fits_record, messages))

    def fits_record(self, message: ReceivedMessage) -> bool:
        """Whether a record is one of those that ``receive`` and ``body`` mean."""
        if self.receive is not None and message.receive_count not in self.receive:
            return False
        return self.body is None or self.body(message.body)


# --- takes: all durations are milliseconds -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same."""

    ms: int = 0


@dataclass(frozen=True, slots=True)
class Each:
    """So much for each record."""

    ms: int


@dataclass(frozen=True, slots=True)
class Uniform:
    """Drawn evenly between two."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Drawn from a log-normal distribution; ``sigma`` is the standard deviation of the logarithm."""

    median: int
    sigma: float


@dataclass(frozen=True, slots=True)
class Measured:
    """As long as the action really takes: what passed in real time and not on the clock is charged afterwards."""


Takes = Fixed | Each | Uniform | LogNormal | Measured

# --- then ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """Call the real handler."""


@dataclass(frozen=True, slots=True)
class Succeed:
    """Return nothing, which is a success (RUN-34)."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise an exception of that class name (RUN-17)."""

    type: str = "Exception"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Return:
    """Return a JSON value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Fail:
    """Report failed records (PBR-2): those that the rule's ``when`` means, all, or those of these ids or labels."""

    records: Literal["matching", "all"] | frozenset[str]


@dataclass(frozen=True, slots=True)
class Timeout:
    """Never return (RUN-20)."""


@dataclass(frozen=True, slots=True)
class Exit:
    """End the process with that exit status (RUN-19)."""

    status: int


Action = Call | Succeed | Raise | Return | Fail | Timeout | Exit


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of the invocations that ``when`` fits; without ``then`` the handler is called if there is one."""

    when: When = field(default_factory=When)
    takes: Takes = field(default_factory=Fixed)
    then: Action | None = None


# --- the function --------------------------------------------------------------------------------------------

_NO_RULE = Rule()


class ScriptedFunction:
    """The port ``Function`` with a scenario's behavior.

    ``inner`` is the real handler's adapter, for ``Call``; ``random`` what durations are drawn from; ``label`` gives a
    message's label by its id, or None. Raises ``ValueError`` for a rule that calls when there is nothing to call.
    """

    def __init__(
        self,
        resource: FunctionResource,
        clock: Clock,
        rules: Sequence[Rule],
        *,
        random: Random,
        inner: Function | None = None,
        label: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        if inner is None and any(isinstance(rule.then, Call) for rule in rules):
            raise ValueError(f"{resource.id} has no handler, and a rule of its behavior calls it")
        self._resource = resource
        self._clock = clock
        self._rules = tuple(rules)
        self._random = random
        self._inner = inner
        self._label = label
        self._invocations = 0
        self._environments = 0
        self._idle: list[str] = []

    @property
    def id(self) -> str:
        """The function's logical id."""
        return self._resource.id

    @property
    def resource(self) -> FunctionResource:
        """The function's properties; replaced while running, they count from the next invocation on."""
        return self._resource

    @resource.setter
    def resource(self, resource: FunctionResource) -> None:
        self._resource = resource
        if self._inner is not None and hasattr(self._inner, "resource"):
            self._inner.resource = resource

    async def invoke(self, invocation: Invocation) -> Reply:
        """Do what the first rule that fits says, by the function's timeout at the latest."""
        self._invocations += 1
        rule = next((rule for rule in self._rules if rule.when.fits(self._invocations, invocation.messages)), _NO_RULE)
        run = _Run(invocation, rule, self._clock, self._resource.Timeout)
        takes = _drawn(rule.takes, self._random, len(invocation.messages))
        if isinstance(rule.then, Call) or (rule.then is None and self._inner is not None):
            return await self._call(run, takes)
        invocation.began()
        return await self._act(run, takes)

    async def close(self) -> None:
        """Let go of the real handler's execution environments."""
        self._idle.clear()
        if self._inner is not None:
            await self._inner.close()

    # --- acting -----------------------------------------------------------------------------------------------

    async def _act(self, run: _Run, takes: int) -> Reply:
        """An action of the script's own, in an environment that is only a name."""
        environment = self._environment()
        run.environment = environment
        never_ends = isinstance(run.rule.then, Timeout) or takes > run.timeout_ms
        await run.pass_time(run.timeout_ms if never_ends else takes)
        reply = run.timed_out() if never_ends else self._reply(run)
        if not isinstance(run.rule.then, Exit) or never_ends:
            self._idle.append(environment)
        return reply

    def _reply(self, run: _Run) -> Reply:
        action = run.rule.then
        if isinstance(action, Raise):
            return run.raised(action)
        if isinstance(action, Exit):
            return exited(run.invocation.request_id, action.status).reply(run.usage())
        return run.returned(self._result(run, action))

    def _result(self, run: _Run, action: Action | None) -> Any:
        if isinstance(action, Return):
            return action.value
        if isinstance(action, Fail):
            failed = [
                message.message_id for message in run.invocation.messages if self._is_failed(run, action, message)
            ]
            return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}
        return None

    def _is_failed(self, run: _Run, action: Fail, message: ReceivedMessage) -> bool:
        if isinstance(action.records, frozenset):
            return message.message_id in action.records or self._label(message.message_id) in action.records
        return action.records == "all" or run.rule.when.fits_record(message)

    def _environment(self) -> str:
        if self._idle:
            return self._idle.pop()
        self._environments += 1
        return f"{self.id}-{self._environments}"

    # --- calling the real handler -----------------------------------------------------------------------------

    async def _call(self, run: _Run, takes: int) -> Reply:
        """The real handler after the time that the rule takes; the timeout is for both together."""
        assert self._inner is not None
        if takes > run.timeout_ms:
            run.invocation.began()
            await run.pass_time(run.timeout_ms)
            return run.timed_out()
        if takes:
            run.invocation.began()
            await run.pass_time(takes)
        really_began = perf_counter_ns()
        reply: Reply | None = None
        with anyio.move_on_after((run.timeout_ms - takes) / 1000) if takes else anyio.CancelScope():
            reply = await self._inner.invoke(run.invocation)
        if reply is None:
            return run.timed_out()
        if isinstance(run.rule.takes, Measured):
            return await run.charge(reply, (perf_counter_ns() - really_began) // 1_000_000)
        return reply if isinstance(reply, Throttled) or not takes else _longer(reply, takes)


def _drawn(takes: Takes, random: Random, records: int) -> int:
    """The milliseconds that one invocation takes before its action."""
    match takes:
        case Fixed(ms):
            return ms
        case Each(ms):
            return ms * records
        case Uniform(least, most):
            return round(random.uniform(least, most))
        case LogNormal(median, sigma):
            return round(random.lognormvariate(log(median), sigma)) if median else 0
        case Measured():
            return 0


@dataclass(slots=True)
class _Run:
    """One invocation under one rule."""

    invocation: Invocation
    rule: Rule
    clock: Clock
    timeout_s: int
    environment: str | None = None
    began: int = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.now()

    @property
    def timeout_ms(self) -> int:
        return self.timeout_s * 1000

    async def pass_time(self, ms: int) -> None:
        if ms > 0:
            await self.clock.sleep(ms)

    def usage(self) -> Usage:
        return Usage(float(self.clock.now() - self.began), environment=self.environment)

    def timed_out(self) -> Reply:
        usage = Usage(float(self.timeout_ms), environment=self.environment)
        return timed_out(self.invocation.request_id, self.timeout_s).reply(usage)

    def returned(self, value: Any) -> Reply:
        return Returned("null" if value is None else json.dumps(value, ensure_ascii=False), self.usage())

    def raised(self, action: Raise) -> Reply:
        payload = {
            "errorMessage": action.message,
            "errorType": action.type,
            "requestId": self.invocation.request_id,
            "stackTrace": [],
        }
        text = json.dumps(payload, ensure_ascii=False)
        return Failed(FailureKind.ERROR, action.type, action.message, text, self.usage())

    async def charge(self, reply: Reply, really_ms: int) -> Reply:
        """Let pass on the clock what passed in real time only."""
        missing = really_ms - (self.clock.now() - self.began)
        if isinstance(reply, Throttled) or missing <= 0:
            return reply
        if really_ms > self.timeout_ms:
            await self.pass_time(missing - (really_ms - self.timeout_ms))
            return self.timed_out()
        await self.pass_time(missing)
        return _longer(reply, missing)


def _longer(reply: Returned | Failed, ms: int) -> Reply:
    usage = replace(reply.usage, duration_ms=reply.usage.duration_ms + ms)
    return replace(reply, usage=usage)

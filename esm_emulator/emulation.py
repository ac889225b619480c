"""Resources at work: queues, functions and mappings under one clock, until somebody has seen enough.

This is the one engine behind everything: ``esm run`` runs it on the real clock, a scenario and the ``esm`` fixture on
the virtual one. It ties the parts together and holds no behavior of AWS's: queues are :mod:`sqs`'s, pollers are
:mod:`mapping`'s, what a handler does is :mod:`functions`'. Everything that happens goes to the journal; whoever waits
for the run to become idle is woken by the journal too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from difflib import get_close_matches
from random import Random
from typing import Any

import anyio

from esm_emulator import __version__
from esm_emulator.clocks import Clock, handlers
from esm_emulator.errors import UsageError
from esm_emulator.functions import Failed, Function
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.limited import AccountConcurrency, LimitedFunction
from esm_emulator.functions.scripted import Rule, ScriptedFunction
from esm_emulator.functions.variables import on_runtime_api
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import (
    Deployed,
    Fact,
    FaultEnded,
    FaultStarted,
    InvocationEnded,
    InvocationStarted,
    Journal,
    MessageReceived,
    MessageSent,
    PropertySet,
    RunStarted,
    RunStopped,
)
from esm_emulator.mapping.filter import compile_filter
from esm_emulator.mapping.pool import Mapping as EventSourceMapping
from esm_emulator.profiles import PROFILES, Profile
from esm_emulator.queues import Queue, Stop
from esm_emulator.queues.embedded import EmbeddedQueue, EmbeddedSqs
from esm_emulator.queues.faulty import FaultyQueue, QueueFault
from esm_emulator.queues.on_demand import on_demand
from esm_emulator.resources import Function as FunctionResource
from esm_emulator.resources import Queue as QueueResource
from esm_emulator.resources import Resources
from esm_emulator.sqs import Engine, MoveTask, NewMessage, QueueSettings, Sent
from esm_emulator.sqs import Queue as StoredQueue

__all__ = ["Emulation", "Plan", "one_error", "unknown"]

MOST_FAILURES = 1_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run: resources, and what is different from AWS about this run.

    ``handlers`` are Python callables in place of a function's ``Handler``; ``behaviors`` a scenario's rules for a
    function; ``outside`` queues that a mapping reads and that are not ours, by the mapping's id; ``adapt`` makes the
    adapter in which a function's handler runs (by default :class:`InlineFunction`, or processes if it is not Python).
    With ``embedded_aws`` boto3 clients of this process reach the embedded AWS while the run lasts.
    """

    resources: Resources
    seed: int = 0
    profile: Profile = PROFILES["aws-2026"]
    scenario: str | None = None
    handlers: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    behaviors: Mapping[str, Sequence[Rule]] = field(default_factory=dict)
    outside: Mapping[str, Queue] = field(default_factory=dict)
    adapt: Callable[[FunctionResource, Emulation], Function] | None = None
    embedded_aws: bool = True


class Emulation:
    """One run. Make it, send to it, then ``async with emulation.running():`` lets time pass.

    ``sqs`` holds the queues, ``journal`` everything that happened. Raises ``RefusedByAws`` or ``UsageError`` for a plan
    that cannot be; nothing has begun then.
    """

    def __init__(self, plan: Plan, clock: Clock, *, clock_name: str, journal: Journal | None = None) -> None:
        self.plan = plan
        self.clock = clock
        self.journal = Journal() if journal is None else journal
        self.resources = plan.resources
        self.profile = plan.profile
        self.stop = Stop()
        self.identifiers = Identifiers(_stream(plan.seed, "identifiers"))
        self.labels: dict[str, str] = {}
        self.failures: deque[Failed] = deque(maxlen=MOST_FAILURES)  # function errors, the newest of very many
        self._waiters: list[Callable[[], None]] = []
        self._invocations = 0
        self._redeliveries: dict[str, float] = {}
        self._chance = _stream(plan.seed, "faults")
        self.journal.append(
            RunStarted(clock.now(), __version__, clock_name, plan.seed, plan.profile.name, plan.scenario)
        )
        self.journal.append(Deployed(clock.now(), plan.resources.to_json()))
        self._forget = self.journal.subscribe(self._read)
        self.sqs = EmbeddedSqs(self._engine(), clock, self.journal, receive_wait=plan.profile.receive_wait)
        for queue in _dead_letter_queues_first(plan.resources):
            self.sqs.create(
                queue.QueueName, _settings(queue), id=queue.id, tags={tag.Key: tag.Value for tag in queue.Tags}
            )
        self.concurrency = AccountConcurrency(plan.profile.account_concurrency)
        self.functions = {id: self._function(resource) for id, resource in plan.resources.functions.items()}
        self.queues: dict[str, FaultyQueue] = {}
        self.mappings = {id: self._mapping(id) for id in plan.resources.mappings}

    # --- running ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Every mapping polls inside; at the end each finishes and settles what it has in hand (POLL-20)."""
        self.sqs.attach()
        with on_demand(self._patched) if self.plan.embedded_aws else nullcontext():
            try:
                async with self._polling():
                    yield
            finally:
                self.sqs.close()
                with anyio.CancelScope(shield=True):
                    for function in self.functions.values():
                        await function.close()

    @asynccontextmanager
    async def _polling(self) -> AsyncIterator[None]:
        with one_error():
            async with anyio.create_task_group() as group:
                for mapping in self.mappings.values():
                    await group.start(mapping.run, self.stop, name=mapping.resource.id)
                try:
                    yield
                finally:
                    self.stop.set()

    def _patched(self) -> AbstractContextManager[None]:
        """The embedded AWS for boto3 clients of this process: DynamoDB, S3, SNS, and these very queues."""
        from esm_emulator.queues.moto_backend import EmbeddedAws  # noqa: PLC0415 - a quarter of a second to load

        return EmbeddedAws(self.sqs, before_call=self._before_call).patched()

    def _before_call(self) -> None:
        latency = self.profile.client_latency
        if latency and handlers.in_handler():
            handlers.sleep(latency)

    def finished(self, reason: str) -> None:
        """Write the journal's last fact: what happens after it, while everything winds down, is no part of the run."""
        self._forget()
        self.journal.append(RunStopped(self.clock.now(), reason))
        self.journal.close()

    def is_idle(self, *, drained: bool = False) -> bool:
        """Whether nothing is left to do: no invocation runs, every queue that an enabled mapping reads is empty.

        ``drained`` does not count what is in flight. While a move task runs, messages are on their way to some queue.
        """
        if self._invocations or self.sqs.engine.moving:
            return False
        queues = self.sqs.by_id
        for mapping in self.mappings.values():
            queue = queues.get(mapping.queue.id)
            if queue is None or not mapping.enabled:
                continue
            counts = self.sqs.counts(queue)
            if counts.visible or counts.delayed or (counts.in_flight and not drained):
                return False
        return True

    async def until_idle(self, *, drained: bool = False) -> None:
        """Wait until :meth:`is_idle`; woken by the journal."""
        await self.until(lambda: self.is_idle(drained=drained))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at whenever something has happened."""
        while not condition():
            happened = anyio.Event()
            self._waiters.append(self.sqs.waker(happened.set))
            await happened.wait()

    def _read(self, fact: Fact) -> None:
        kind = type(fact)
        if kind is InvocationStarted:
            self._invocations += 1
        elif kind is InvocationEnded:
            self._invocations -= 1
        elif isinstance(fact, MessageSent):
            if fact.label is not None:
                self.labels[fact.message] = fact.label
        elif isinstance(fact, MessageReceived) and self._redeliveries:
            self._maybe_redeliver(fact.queue, fact.message)
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for wake in waiters:
                wake()

    # --- acting on it -----------------------------------------------------------------------------------------

    def queue(self, id: str) -> StoredQueue:
        """The queue of that logical id. Raises ``UsageError`` with the ids there are."""
        queues = self.sqs.by_id
        try:
            return queues[id]
        except KeyError:
            raise UsageError(unknown("queue", id, queues)) from None

    def function(self, id: str) -> LimitedFunction:
        """The function of that logical id. Raises ``UsageError`` with the ids there are."""
        try:
            return self.functions[id]
        except KeyError:
            raise UsageError(unknown("function", id, self.functions)) from None

    def mapping(self, id: str) -> EventSourceMapping:
        """The mapping of that logical id. Raises ``UsageError`` with the ids there are."""
        try:
            return self.mappings[id]
        except KeyError:
            raise UsageError(unknown("mapping", id, self.mappings)) from None

    def send(self, to: str, message: NewMessage) -> Sent:
        """Send one message. Raises ``SqsError`` for what SQS refuses."""
        return self.sqs.send(self.queue(to), message)

    def redrive(self, source: str, *, to: str | None = None, per_second: int | None = None) -> MoveTask:
        """Move dead letters back, to where they came from or ``to`` (SQS-40)."""
        target = None if to is None else self.queue(to)
        return self.sqs.start_move(self.queue(source), to=target, rate=per_second)

    def set(self, path: str, value: Any) -> None:
        """Change a property (``Orders.VisibilityTimeout``) or a field of the profile (``profile.receive_wait``).

        ``None`` removes a property. AWS checks some combinations only when a mapping is created (API-41), so a change
        that leads to one is taken. Raises ``UsageError`` for a path that is not there, and for a name or a mapping's
        queue, which AWS does not change: it would make another resource.
        """
        head, _, rest = path.partition(".")
        if head == "profile":
            self._use_profile(self.profile.with_(**{rest: value}))
        else:
            self._set_property(head, path, value)
        self.journal.append(PropertySet(self.clock.now(), path, value))

    def _set_property(self, id: str, path: str, value: Any) -> None:
        updated = self.resources.with_update(path, value)
        if _identity(updated, id) != _identity(self.resources, id):
            raise UsageError(f"{path} cannot change while it runs: for AWS it would be another resource")
        self.resources = updated
        self._configure(id)
        if id in self.mappings and path.endswith(".Enabled"):
            mapping = self.mappings[id]
            (mapping.enable if mapping.resource.Enabled else mapping.disable)()

    def start_fault(self, kind: str, target: str, *, ends_at: int | None = None, chance: float | None = None) -> None:
        """Switch a fault on: ``throttle`` a function, or a queue ``unavailable``, ``redeliver``, ``delete_fails``.

        ``chance`` is the share of deletes that are redelivered or fail, by default all. Raises ``UsageError`` for what
        is not there, and for a chance beyond 0 and 1.
        """
        if chance is not None and not 0 <= chance <= 1:
            raise UsageError(f"chance takes a number from 0 to 1, not {chance!r}")
        share = 1.0 if chance is None else chance
        if kind == "throttle":
            self.function(target).refuses_all = True
        elif kind == "redeliver":
            self._redeliveries[self.queue(target).id] = share
        else:
            self._port_with(kind, target).begin(kind, chance=share)
        self.journal.append(FaultStarted(self.clock.now(), kind, target, ends_at, chance))

    def end_fault(self, kind: str, target: str) -> None:
        """Switch a fault off."""
        if kind == "throttle":
            self.function(target).refuses_all = False
        elif kind == "redeliver":
            self._redeliveries.pop(self.queue(target).id, None)
        else:
            self._port_with(kind, target).end(kind)
        self.journal.append(FaultEnded(self.clock.now(), kind, target))

    def _port_with(self, fault: str, target: str) -> FaultyQueue:
        """The way to a queue, which has that fault."""
        if fault not in list(QueueFault):
            raise UsageError(
                f"there is no fault {fault!r}; there are throttle, unavailable, redeliver and delete_fails"
            )
        return self._port(self.queue(target).id)

    def _maybe_redeliver(self, queue: str, message: str) -> None:
        chance = self._redeliveries.get(queue)
        if chance is not None and self._chance.random() < chance:
            self.sqs.redeliver(self.queue(queue), message)

    def _use_profile(self, profile: Profile) -> None:
        self.profile = profile
        self.sqs.engine.profile = profile
        self.sqs.receive_wait = profile.receive_wait
        self.concurrency.limit = profile.account_concurrency
        for id in self.mappings:
            self._configure_mapping(id)

    def _configure(self, id: str) -> None:
        if id in self.resources.queues:
            self.sqs.configure(self.queue(id), _settings(self.resources.queues[id]))
        elif id in self.resources.functions:
            self.functions[id].configure(self.resources.functions[id])
        else:
            self._configure_mapping(id)

    def _configure_mapping(self, id: str) -> None:
        resource = self.resources.mappings[id]
        function = self.resources.function_of(resource)
        self.mappings[id].configure(resource, self.functions[function.id], self.profile)

    # --- tying ------------------------------------------------------------------------------------------------

    def _engine(self) -> Engine:
        plan = self.plan
        return Engine(
            identifiers=self.identifiers,
            profile=plan.profile,
            account=plan.resources.account,
            region=plan.resources.region,
            random=_stream(plan.seed, "queues"),
        )

    def _function(self, resource: FunctionResource) -> LimitedFunction:
        return LimitedFunction(self._adapter(resource), resource, self.concurrency)

    def _adapter(self, resource: FunctionResource) -> Function:
        handler = self.plan.handlers.get(resource.id)
        inner: Function | None = None
        if handler is not None:
            inner = self._inline(resource, handler)
        elif resource.Handler:
            inner = self.plan.adapt(resource, self) if self.plan.adapt else self._own(resource)
        rules = self.plan.behaviors.get(resource.id)
        if rules is None and inner is not None:
            return inner
        return ScriptedFunction(
            resource,
            self.clock,
            rules or (),
            random=_stream(self.plan.seed, f"behavior of {resource.id}"),
            inner=inner,
            label=self.labels.get,
        )

    def _own(self, resource: FunctionResource) -> Function:
        """Where a function's ``Handler`` runs by default: here, or in processes if it is not Python (RUN-50)."""
        if not on_runtime_api(resource):
            return self._inline(resource)
        from esm_emulator.functions.runtime_api import RuntimeApiFunction  # noqa: PLC0415 - seldom, and loads h11

        return RuntimeApiFunction(resource, self.clock, self.journal, self.identifiers, profile=self.profile)

    def _inline(self, resource: FunctionResource, handler: Callable[..., Any] | None = None) -> InlineFunction:
        return InlineFunction(
            resource, self.clock, self.journal, self.identifiers, handler=handler, profile=self.profile
        )

    def _port(self, queue_id: str) -> FaultyQueue:
        if queue_id not in self.queues:
            port = EmbeddedQueue(self.sqs, self.queue(queue_id))
            self.queues[queue_id] = FaultyQueue(port, self.clock, self.journal, self._chance)
        return self.queues[queue_id]

    def _mapping(self, id: str) -> EventSourceMapping:
        resource = self.resources.mappings[id]
        source = self.resources.queue_of(resource)
        function = self.resources.function_of(resource)
        queue = self.plan.outside.get(id) or (self._port(source.id) if source is not None else None)
        if queue is None:
            raise UsageError(
                f"{id}: {resource.EventSourceArn} is not one of these queues; add it, or run against its URL"
            )
        return EventSourceMapping(
            resource,
            queue,
            self.functions[function.id],
            clock=self.clock,
            journal=self.journal,
            profile=self.profile,
            random=_stream(self.plan.seed, f"mapping {id}"),
            identifiers=self.identifiers,
            compile_filter=compile_filter,
            on_failure=self.failures.append,
        )


@contextmanager
def one_error() -> Iterator[None]:
    """What went wrong first, by itself, instead of the group that tasks wrap it in: they mostly fail for one reason."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from error.__cause__


def unknown(kind: str, id: str, known: Iterable[str]) -> str:
    """The sentence for an id that is not there."""
    names = sorted(known)
    near = get_close_matches(str(id), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no {kind} {id!r}; there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}{hint}"


def _identity(resources: Resources, id: str) -> str | None:
    """What makes a resource this one: a queue's or function's ARN, a mapping's queue; None when it is gone."""
    if id in resources.mappings:
        return resources.mappings[id].EventSourceArn
    resource = resources.queues.get(id) or resources.functions.get(id)
    return resource.arn if resource else None


def _stream(seed: int, name: str) -> Random:
    """A generator of its own for each use, so that one use more does not move all others."""
    return Random(f"{seed} {name}")


def _settings(queue: QueueResource) -> QueueSettings:
    return QueueSettings.from_attributes(queue.model_dump(exclude={"id"}))


def _dead_letter_queues_first(resources: Resources) -> list[QueueResource]:
    """Targets of redrive policies before the queues that name them."""
    ordered: dict[str, QueueResource] = {}

    def visit(queue: QueueResource, *path: str) -> None:
        target = resources.dead_letter_queue_of(queue)
        if target is not None and target.id not in path:
            visit(target, queue.id, *path)
        ordered.setdefault(queue.id, queue)

    for queue in resources.queues.values():
        visit(queue)
    return list(ordered.values())

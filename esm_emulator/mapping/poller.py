"""One poller: receives, filters, batches, invokes and deletes, in that order, again and again.

A poller has at most one batch in hand. It does exactly one thing to its queue, which is to delete what is done; what is
not done is left alone, and the queue's visibility timeout and redrive policy decide (FAIL-7).

It ends by a wish that it looks at between two steps, never by being cut off, so that nothing it has received can get
lost. A retired poller receives no more and invokes the function with everything that it has in hand. A stopped one
finishes what runs; what never ran goes back to the queue, at once or when its visibility ends (POLL-20).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, Protocol

from esm_emulator.clocks import Clock
from esm_emulator.functions import Failed, FailureKind, Function, Invocation, Reply, Returned, Throttled
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import (
    BatchClosed,
    BatchGivenUp,
    Fact,
    InvocationEnded,
    InvocationStarted,
    InvocationThrottled,
    Journal,
    MessageFiltered,
    MessageHandedBack,
    ResponseJudged,
)
from esm_emulator.mapping.batch import Batch, BatchRules, Buffer
from esm_emulator.mapping.lineage import depth, function_key, next_header
from esm_emulator.mapping.record import event
from esm_emulator.mapping.response import judge
from esm_emulator.mapping.scaling import Allowance
from esm_emulator.messages import ReceivedMessage, size_in_bytes
from esm_emulator.profiles import Profile
from esm_emulator.queues import Delivery, Queue, Stop

__all__ = ["MessageFilter", "Poller", "Reports", "Work"]

RECURSION = FailureKind.SERVICE, "RecursiveInvocationException"


class MessageFilter(Protocol):
    """What a poller asks of a mapping's filters: why a message does not match, or None when it does (FILT-6)."""

    def rejects(self, message: ReceivedMessage) -> str | None:
        """A sentence that says which key failed, or None."""


class Reports(Protocol):
    """What a poller tells its pool, which scales by it (POLL-9 … 16). ``poller`` is its name."""

    def asks(self, poller: str) -> None:
        """It asks the queue for messages, and is free until it has some."""

    def received(self, poller: str) -> None:
        """It has messages."""

    def failed(self, failure: Failed) -> None:
        """An invocation ended with a function error."""

    def throttled(self) -> None:
        """A try was throttled, or the service failed."""


@dataclass(slots=True)
class Work:
    """What all pollers of one mapping share. Settings may change while they run; a poller reads them for each batch.

    ``function_arn`` is the mapping's FunctionArn with its qualifier (RUN-14).
    """

    mapping: str
    queue: Queue
    function: Function
    function_arn: str
    clock: Clock
    journal: Journal
    profile: Profile
    random: Random
    identifiers: Identifiers
    rules: BatchRules
    partial: bool
    filter: MessageFilter | None
    batches: Iterator[int]
    reports: Reports

    def tell(self, kind: Callable[..., Fact], *values: object, **more: object) -> None:
        """Append a fact of now."""
        self.journal.append(kind(self.clock.now(), *values, **more))


class Poller:
    """One poller of a mapping. ``name`` is the consumer in the journal: the mapping's id and the poller's number.

    In provisioned mode it is one of the ten lanes of a poller, which share its ``allowance`` (PROV-5).
    """

    def __init__(self, work: Work, name: str, allowance: Allowance | None = None) -> None:
        self.work = work
        self.name = name
        self.allowance = allowance
        self._no_more = Stop()  # receives
        self._stop = Stop()  # invocations that have not begun
        self._hands_back = True
        self._is_receiving = False
        self._buffer = Buffer(work.rules, work.queue.arn)

    def retire(self) -> None:
        """Receive no more, and end when everything in hand is settled."""
        self._no_more.set()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped: then it ends, and cannot be revived."""
        return self._stop.is_set

    def revive(self) -> None:
        """Go on, if it was retired and has neither ended nor been stopped."""
        self._no_more = Stop()

    def renew(self) -> None:
        """Ask the queue again, by the settings of now, if it waits for the first message of a batch."""
        if self._is_receiving and not self._buffer and not self._no_more.is_set:
            waits, self._no_more = self._no_more, Stop()
            waits.set()

    def stop(self, *, hand_back: bool) -> None:
        """End as soon as what runs is settled; what never ran becomes visible at once, or when its visibility ends."""
        self._hands_back = hand_back
        self._no_more.set()
        self._stop.set()

    async def run(self) -> None:
        """Poll until retired or stopped."""
        while not self._stop.is_set:
            batch = await self._next_batch()
            if batch is None:
                break
            await self._settle(batch)
            self._buffer.invocation_ended(self.work.clock.now())
        await self._let_go(self._buffer.drain())

    # --- receive, filter, batch -------------------------------------------------------------------------------

    async def _next_batch(self) -> Batch | None:
        """Receive until a batch closes; None when there will be none any more."""
        self._buffer.rules = self.work.rules
        while not self._stop.is_set:
            if batch := self._buffer.close(self.work.clock.now()):
                return batch
            if self._no_more.is_set:
                return self._buffer.flush(self.work.clock.now())
            asked = self._buffer.asks_for
            self._is_receiving = True
            delivery = await self._receive(asked)
            self._is_receiving = False
            if delivery.messages:
                self._buffer.add(await self._matching(delivery.messages), self.work.clock.now(), asked=asked)
            elif not self._buffer:
                self._buffer.rules = self.work.rules
        return None

    async def _receive(self, asked: int) -> Delivery:
        """One receive, when the allowance of provisioned mode lets it be made."""
        if self.allowance is not None and not await self._its_turn(self.allowance):
            return Delivery()
        self.work.reports.asks(self.name)
        delivery = await self.work.queue.receive(asked, self._patience(), self._no_more, self.name)
        if delivery.messages:
            self.work.reports.received(self.name)
        if self.allowance is not None:
            size = sum(size_in_bytes(message.body, message.message_attributes) for message in delivery.messages)
            self.allowance.carried(self.work.clock.now(), size)
        return delivery

    async def _its_turn(self, allowance: Allowance) -> bool:
        """Wait until this lane may poll (PROV-5); False when it will not any more."""
        now = self.work.clock.now
        at = max(allowance.next_turn(now()), allowance.has_room(now()))
        while at > now():
            if await self._no_more.wait(at - now()):
                return False
            at = allowance.has_room(now())
        return not self._no_more.is_set

    def _patience(self) -> int | None:
        """How long the next receive may wait: to the end of the window, or as long as it takes for a first message."""
        due = self._buffer.closes_at()
        return None if due is None else max(0, due - self.work.clock.now())

    async def _matching(self, messages: Sequence[ReceivedMessage]) -> Sequence[ReceivedMessage]:
        """What the filter lets through; the rest is deleted on the spot and never invoked (FILT-6)."""
        if self.work.filter is None:
            return messages
        kept, rejected = [], []
        for message in messages:
            reason = self.work.filter.rejects(message)
            if reason is None:
                kept.append(message)
                continue
            rejected.append(message)
            self.work.tell(MessageFiltered, self.work.mapping, self.work.queue.id, message.message_id, reason)
        if rejected:
            await self.work.queue.delete(rejected, self.name)
        return kept

    # --- invoke -----------------------------------------------------------------------------------------------

    async def _settle(self, batch: Batch) -> None:
        """Invoke the function with the batch and do what follows from the reply."""
        run = _Run(self.work, self.name, batch)
        reply = await self._invoke(run)
        if reply is None:
            return
        verdict = judge(reply, run.ids, partial=run.partial)
        if isinstance(reply, Failed):
            self.work.reports.failed(reply)
        self.work.tell(
            ResponseJudged,
            self.work.mapping,
            run.number,
            run.request_id,
            verdict.done,
            verdict.kept,
            verdict.rule,
            verdict.note,
            verdict.reported,
        )
        done = set(verdict.done)
        if done:
            await self.work.queue.delete([item for item in batch.messages if item.message_id in done], self.name)

    async def _invoke(self, run: _Run) -> Reply | None:
        """Invoke until the function takes the batch; None when its visibility ended before, or a stop came (FAIL-9)."""
        attempt = 0
        while True:
            attempt += 1
            reply = await run.attempt()
            if not _refused(reply):
                return reply
            self.work.reports.throttled()
            retry_at = self._retry_at(attempt, run.visible_until)
            run.throttled(reply, attempt, retry_at)
            stopped = await self._stop.wait((retry_at or run.visible_until) - self.work.clock.now())
            if stopped:
                run.given_up("the mapping was stopped before the function took the batch")
                await self._let_go(run.batch.messages)
                return None
            if retry_at is None:
                run.given_up("the visibility timeout ended before the function took the batch")
                return None

    def _retry_at(self, attempt: int, visible_until: int) -> int | None:
        """When a throttled batch is tried again; None when its visibility has ended by then (FAIL-9)."""
        profile = self.work.profile
        wait = min(profile.throttle_retry_first * 2 ** min(attempt - 1, 30), profile.throttle_retry_most)
        jitter = profile.throttle_retry_jitter
        wait = round(wait * self.work.random.uniform(1 - jitter, 1 + jitter)) if jitter else wait
        at = self.work.clock.now() + max(1, wait)
        return at if at < visible_until else None

    async def _let_go(self, messages: Sequence[ReceivedMessage]) -> None:
        """Give back what was never invoked, as a courtesy to whoever polls next, or forget it (POLL-20)."""
        now = self.work.clock.now()
        ours = [message for message in messages if message.visible_at > now]
        if not ours or not self._hands_back:
            return
        for message in ours:
            self.work.tell(MessageHandedBack, self.work.mapping, self.work.queue.id, message.message_id)
        await self.work.queue.hand_back(ours, self.name)


def _refused(reply: Reply) -> bool:
    """Whether the function's code did not run: a throttle, or a failure of the service (FAIL-13)."""
    return isinstance(reply, Throttled) or (isinstance(reply, Failed) and reply.kind is FailureKind.SERVICE)


class _Run:
    """One batch on its way through the function, and the facts about it. What it began with holds to its end."""

    def __init__(self, work: Work, consumer: str, batch: Batch) -> None:
        self._work = work
        self._consumer = consumer
        self.batch = batch
        self.number = next(work.batches)
        self.request_id = work.identifiers.uuid()
        self.ids = tuple(message.message_id for message in batch.messages)
        self.visible_until = min(message.visible_at for message in batch.messages)
        self.partial = work.partial
        self.function_arn = work.function_arn
        self._function = work.function
        self._headers = [message.attributes.get("AWSTraceHeader") for message in batch.messages]
        self._key = function_key(work.function_arn)
        work.tell(BatchClosed, work.mapping, self.number, consumer, self.ids, batch.reason, batch.size)
        self._invocation = _BatchInvocation(self)
        self._has_begun = False

    def event(self) -> dict[str, Any]:
        """The event of the batch (EVT-1)."""
        work = self._work
        window, quirk = work.rules.window_ms > 0, work.profile.md5_of_attributes_by_window
        return event(self.batch.messages, work.queue.arn, window=window, quirk=quirk)

    def trace_id(self) -> str:
        """The trace header of the invocation."""
        digits = self._work.identifiers.hex(40)
        root = f"1-{self._work.clock.now() // 1000:08x}-{digits[:24]}"
        return next_header(self._headers, self._key, root, digits[24:])

    def began(self) -> None:
        """The function takes the batch."""
        if not self._has_begun:
            self._has_begun = True
            work = self._work
            work.tell(
                InvocationStarted,
                work.mapping,
                self._function.id,
                self.request_id,
                self.number,
                self.ids,
                self._consumer,
            )

    async def attempt(self) -> Reply:
        """One try. Facts say when code began to run and how it ended."""
        if any(self._headers) and depth(self._headers, self._key) >= self._work.profile.recursion_limit:
            return Failed(*RECURSION, "Lambda has detected a recursive loop and did not invoke the function.", "{}")
        reply = await self._function.invoke(self._invocation)
        if not _refused(reply):
            self.began()
            self._ended(reply)
        return reply

    def _ended(self, reply: Reply) -> None:
        assert isinstance(reply, Returned | Failed)
        failed = reply if isinstance(reply, Failed) else None
        self._work.tell(
            InvocationEnded,
            self._work.mapping,
            self._function.id,
            self.request_id,
            self.number,
            self.ids,
            self._consumer,
            failed.kind.value if failed else "success",
            round(reply.usage.duration_ms, 3),
            reply.usage.environment,
            failed.error_type if failed else None,
            failed.message if failed else None,
        )

    def throttled(self, reply: Reply, attempt: int, retry_at: int | None) -> None:
        """A try was refused."""
        reason = reply.reason if isinstance(reply, Throttled) else getattr(reply, "error_type", "")
        work = self._work
        work.tell(
            InvocationThrottled,
            work.mapping,
            self._function.id,
            self.number,
            self.ids,
            self._consumer,
            reason,
            attempt,
            retry_at,
        )

    def given_up(self, reason: str) -> None:
        """The batch is forgotten."""
        self._work.tell(BatchGivenUp, self._work.mapping, self.number, self.ids, self._consumer, reason)


class _BatchInvocation(Invocation):
    """The invocation of a batch, whose event and trace header are made when somebody first asks for them."""

    def __init__(self, run: _Run) -> None:
        vars(self).update(request_id=run.request_id, arn=run.function_arn, messages=run.batch.messages, began=run.began)
        vars(self)["_run"] = run

    @cached_property
    def event(self) -> dict[str, Any]:
        """As the port says."""
        return self._run.event()

    @cached_property
    def trace_id(self) -> str:
        """As the port says."""
        return self._run.trace_id()

    _run: _Run

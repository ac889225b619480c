"""The queue engine inside this process: one lock around it, and a journal of what happens.

The engine is pure; here it gets a clock, a journal and company. Every operation runs under one lock, because a
handler's boto3 client, an HTTP client and the pollers all work on the same queues from threads of their own; what it
did goes to the journal before anybody else can do something, and calls who waits for it (:mod:`waiting`). What falls
due by itself (retention, move tasks) happens at its time, on the loop's timers.

This file knows nothing of mappings, batches or HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from esm_emulator.clocks import Clock, handlers
from esm_emulator.errors import SqsError
from esm_emulator.journal import (
    DeleteFailed,
    DeleteIgnored,
    EmptyReceives,
    Fact,
    Journal,
    MessageDeadLettered,
    MessageDeleted,
    MessageReceived,
    MessageSent,
    QueueTrouble,
    VisibilityChanged,
)
from esm_emulator.messages import ReceivedMessage
from esm_emulator.queues import Deleted, Delivery, Stop
from esm_emulator.queues.timers import Timers
from esm_emulator.queues.waiting import Attempt, Waiting
from esm_emulator.sqs import Counts, Engine, MoveTask, NewMessage, Queue, QueueSettings, Sent, StoredMessage

__all__ = ["EmbeddedQueue", "EmbeddedSqs"]

NEVER = float("inf")
# Operations that tell nothing but these make nothing fall due sooner than it would have
_NEVER_SOONER = {MessageReceived, MessageDeleted, DeleteIgnored, VisibilityChanged}


class EmbeddedSqs:
    """All queues of one run. Every method may be called from any thread; the ``async`` ones only on the run's loop.

    ``receive_wait`` is how long one long poll lasts, in milliseconds, for counting the empty ones (POLL-6).
    """

    def __init__(self, engine: Engine, clock: Clock, journal: Journal, *, receive_wait: int = 20_000) -> None:
        self.engine = engine
        self.clock = clock
        self.journal = journal
        self.receive_wait = receive_wait
        self._lock = threading.RLock()
        self._timers = Timers()
        self._waiting = Waiting(engine, clock, self._lock, self._timers)
        self._due: float = 0  # nothing falls due by itself before
        self._look_at_queues()

    # --- queues -----------------------------------------------------------------------------------------------

    @property
    def queues(self) -> Mapping[str, Queue]:
        """Every queue by its name, as of now: another thread may make or delete some meanwhile."""
        return self._queues

    @property
    def by_id(self) -> Mapping[str, Queue]:
        """Every queue by its logical id, as of now."""
        return self._by_id

    def _look_at_queues(self) -> None:
        self._queues = dict(self.engine.queues)  # replaced, not changed
        self._by_id = {queue.id: queue for queue in self._queues.values()}

    def create(
        self, name: str, settings: QueueSettings, *, id: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Queue:
        """CreateQueue. ``id`` is the queue's logical id in the journal, its name by default. Raises ``SqsError``."""
        with self._operation() as (now, facts):
            queue, done = self.engine.create(name, settings, now, id=id, tags=tags)
            facts.extend(done)
            self._look_at_queues()
            return queue

    def find(self, name: str) -> Queue:
        """The queue of that name. Raises ``SqsError`` NonExistentQueue."""
        with self._lock:
            return self.engine.find(name)

    def remove(self, queue: Queue) -> None:
        """DeleteQueue, with all that is in it."""
        with self._operation() as (now, facts):
            facts.extend(self.engine.remove(queue, now))
            self._look_at_queues()

    def configure(self, queue: Queue, settings: QueueSettings) -> None:
        """SetQueueAttributes; shortening the retention expires what is older (SQS-16 takes no time here)."""
        with self._operation(queue) as (now, facts):
            facts.extend(self.engine.configure(queue, settings, now))

    # --- messages ---------------------------------------------------------------------------------------------

    def send(self, queue: Queue, message: NewMessage) -> Sent:
        """SendMessage. Raises ``SqsError`` for what SQS refuses."""
        with self._operation(queue) as (now, facts):
            sent, done = self.engine.send(queue, message, now)
            facts.extend(done)
            return sent

    def receive(
        self,
        queue: Queue,
        maximum: int,
        *,
        visibility_ms: int | None = None,
        consumer: str | None = None,
        attempt_id: str | None = None,
        long_poll: bool = True,
    ) -> list[ReceivedMessage]:
        """ReceiveMessage that does not wait."""
        with self._operation(queue) as (now, facts):
            messages, done = self.engine.receive(
                queue,
                maximum,
                now,
                visibility_ms=visibility_ms,
                consumer=consumer,
                attempt_id=attempt_id,
                long_poll=long_poll,
            )
            facts.extend(done)
        return messages

    def receive_waiting(
        self,
        queue: Queue,
        maximum: int,
        wait_ms: int,
        *,
        visibility_ms: int | None = None,
        attempt_id: str | None = None,
    ) -> list[ReceivedMessage]:
        """ReceiveMessage with long polling for blocking callers: waits up to ``wait_ms`` for the first message.

        In a handler under virtual time the wait is virtual. On the thread of a suspended virtual loop nothing could
        arrive meanwhile, so it answers at once. Everywhere else the calling thread really waits. A receive that brings
        nothing is told (MET-9).
        """
        messages = self._received_waiting(queue, maximum, wait_ms, visibility_ms, attempt_id)
        if not messages:
            self.journal.append(EmptyReceives(self.clock.now(), queue.id, 1))
        return messages

    def _received_waiting(
        self, queue: Queue, maximum: int, wait_ms: int, visibility_ms: int | None, attempt_id: str | None
    ) -> list[ReceivedMessage]:
        def attempt() -> list[ReceivedMessage]:
            return self.receive(
                queue, maximum, visibility_ms=visibility_ms, attempt_id=attempt_id, long_poll=wait_ms > 0
            )

        messages = attempt()
        if messages or wait_ms <= 0 or self._waiting.is_closed:
            return messages
        if handlers.in_handler():
            return handlers.wait_for(self._attempt_until(queue, attempt, wait_ms, Stop()))
        if self._timers.on_own_thread():
            return []
        return self._waiting.on_thread(queue, attempt, wait_ms)

    def delete(self, queue: Queue, receipt: str, *, consumer: str | None = None) -> None:
        """DeleteMessage. Raises ``SqsError`` for a handle that is none, or an expired one on FIFO (FAIL-20)."""
        with self._operation(queue) as (now, facts):
            facts.extend(self.engine.delete(queue, receipt, now, consumer=consumer)[1])

    def delete_all(self, queue: Queue, messages: Sequence[ReceivedMessage], consumer: str) -> dict[str, str]:
        """Delete each message by the handle of its delivery; gives SQS's refusals by message id, which are told."""
        refused: dict[str, str] = {}
        with self._operation(queue) as (now, facts):
            for message in messages:
                id, receipt = message.message_id, message.receipt_handle
                try:
                    facts.extend(self.engine.delete(queue, receipt, now, consumer=consumer)[1])
                except SqsError as error:
                    refused[id] = str(error)
                    facts.append(DeleteFailed(now, queue.id, id, receipt, str(error), consumer))
        return refused

    def change_visibility(self, queue: Queue, receipt: str, visibility_ms: int) -> None:
        """ChangeMessageVisibility. Raises ``SqsError`` as SQS-25 and SQS-26 say."""
        with self._operation(queue) as (now, facts):
            facts.extend(self.engine.change_visibility(queue, receipt, visibility_ms, now))

    def purge(self, queue: Queue) -> None:
        """PurgeQueue. Raises ``SqsError`` within 60 s of the last one (SQS-30)."""
        with self._operation(queue) as (now, facts):
            facts.extend(self.engine.purge(queue, now))

    def redeliver(self, queue: Queue, message_id: str) -> None:
        """Let a replica deliver a message once more (SQS-28)."""
        with self._operation(queue) as (now, facts):
            facts.extend(self.engine.redeliver(queue, message_id, now))

    def start_move(self, source: Queue, *, to: Queue | None = None, rate: int | None = None) -> MoveTask:
        """StartMessageMoveTask, ``rate`` messages a second (SQS-40). Raises ``SqsError``."""
        with self._operation(source) as (now, facts):
            task, done = self.engine.start_move(source, now, to=to, rate=rate)
            facts.extend(done)
            return task

    def cancel_move(self, handle: str) -> int:
        """CancelMessageMoveTask; what was moved stays moved, and this is how many (SQS-40). Raises ``SqsError``."""
        with self._operation() as (now, facts):
            moved, done = self.engine.cancel_move(handle, now)
            facts.extend(done)
            return moved

    def moves(self, source: Queue) -> Sequence[MoveTask]:
        """ListMessageMoveTasks, the newest first, at most ten (SQS-40)."""
        with self._operation():
            return self.engine.moves(source)

    # --- looking ----------------------------------------------------------------------------------------------

    def counts(self, queue: Queue) -> Counts:
        """How many messages are visible, in flight and delayed."""
        with self._operation() as (now, _):
            return self.engine.counts(queue, now)

    def messages(self, queue: Queue) -> list[StoredMessage]:
        """Every message of the queue, in its order, without receiving any. Walks the queue."""
        with self._operation() as (now, _):
            return list(self.engine.messages(queue, now))

    def oldest_age(self, queue: Queue) -> int | None:
        """Milliseconds since the oldest message was sent (MET-9), None in an empty queue."""
        with self._operation() as (now, _):
            return self.engine.oldest_age(queue, now)

    # --- waiting ----------------------------------------------------------------------------------------------

    async def receive_until(
        self, queue: Queue, maximum: int, wait_ms: int | None, stop: Stop, consumer: str
    ) -> Delivery:
        """Receive for a poller: waits up to ``wait_ms`` (None: without end) or until ``stop``."""

        def attempt() -> list[ReceivedMessage]:
            return self.receive(queue, maximum, consumer=consumer)

        began = self.clock.now()
        messages = attempt()
        if not messages and wait_ms != 0:
            messages = await self._attempt_until(queue, attempt, wait_ms, stop)
        waited = self.clock.now() - began
        empty = waited // self.receive_wait if wait_ms is None or messages else 1
        if empty:
            self.journal.append(EmptyReceives(self.clock.now(), queue.id, empty, consumer))
        return Delivery(messages, empty)

    async def _attempt_until(
        self, queue: Queue, attempt: Attempt, wait_ms: int | None, stop: Stop
    ) -> list[ReceivedMessage]:
        self.attach()  # not before every receive: asyncio asks the system which loop runs
        return await self._waiting.on_loop(queue, attempt, wait_ms, stop)

    def waker(self, wake: Callable[[], None]) -> Callable[[], None]:
        """``wake``, to be called from any thread, run on the run's loop."""
        return self._timers.waker(wake)

    def attach(self) -> None:
        """Let what falls due by itself happen on the running loop's timers. Repeating it does nothing."""
        if self._timers.attach():
            with self._lock:
                self._arm(self.clock.now())

    def release(self) -> None:
        """Answer every open long poll of a blocking caller now, with nothing; pollers on the loop wait on."""
        self._waiting.release()

    def close(self) -> None:
        """Answer every open long poll, with nothing, and take no more timers."""
        with self._lock:
            self._timers.cancel()
            self._waiting.close()

    # --- inside -----------------------------------------------------------------------------------------------

    def _operation(self, changed: Queue | None = None) -> _Operation:
        return _Operation(self, changed)

    def _begin(self) -> int:
        """Take the lock, and do first what is due; the time of the operation."""
        self._lock.acquire()
        try:
            now = self.clock.now()
            if now >= self._due:
                self._advance(now)
        except BaseException:
            self._lock.release()
            raise
        return now

    def _end(self, facts: Sequence[Fact], changed: Queue | None, now: int) -> None:
        """Tell what was done, wake who can go on, and give the lock back."""
        try:
            if facts:
                self.journal.extend(facts)
            if changed is not None:
                self._waiting.wake(changed, now)
            self._after(facts, now)
        finally:
            self._lock.release()

    def _advance(self, now: int) -> None:
        self.journal.extend(self.engine.advance(now))
        for queue in list(self.engine.queues.values()):
            self._waiting.wake(queue, now)
        self._arm(now)

    def _after(self, facts: Sequence[Fact], now: int) -> None:
        """Wake who waits at a dead-letter queue, and see to what is due sooner now than before."""
        sooner = not facts  # a look may have found something due that nobody has told yet
        for fact in facts:
            if isinstance(fact, MessageSent):
                sooner = sooner or fact.expires_at < self._due
                continue
            sooner = sooner or type(fact) not in _NEVER_SOONER
            if isinstance(fact, MessageDeadLettered):
                self._waiting.wake(self.by_id[fact.to], now)
        if sooner:
            self._arm(now)

    def _arm(self, now: int) -> None:
        due = self.engine.next_due()
        self._due = NEVER if due is None else due
        if due is not None:
            self._timers.at("", due, now, self._fall_due)

    def _fall_due(self) -> None:
        with self._operation():
            pass


class _Operation:
    """One operation under the lock, which appends its facts: what is due comes first, who can go on is woken after."""

    __slots__ = ("_changed", "_facts", "_now", "_sqs")

    def __init__(self, sqs: EmbeddedSqs, changed: Queue | None) -> None:
        self._sqs = sqs
        self._changed = changed
        self._facts: list[Fact] = []

    def __enter__(self) -> tuple[int, list[Fact]]:
        self._now = self._sqs._begin()  # noqa: SLF001 - the two are one thing in two classes
        return self._now, self._facts

    def __exit__(self, *error: object) -> None:
        self._sqs._end(self._facts, self._changed, self._now)  # noqa: SLF001 - as above


class EmbeddedQueue:
    """The port :class:`~esm_emulator.queues.Queue` over one queue of :class:`EmbeddedSqs`."""

    skippable = True

    def __init__(self, sqs: EmbeddedSqs, queue: Queue) -> None:
        self.id = queue.id
        self.arn = queue.arn
        self.fifo = queue.fifo
        self._sqs = sqs
        self._queue = queue

    async def receive(self, maximum: int, wait_ms: int | None, stop: Stop, consumer: str) -> Delivery:
        """Up to ``maximum`` messages; woken at once, never polling."""
        return await self._sqs.receive_until(self._queue, maximum, wait_ms, stop, consumer)

    async def delete(self, messages: Sequence[ReceivedMessage], consumer: str) -> Deleted:
        """Delete each message; SQS's refusals are told and returned."""
        return Deleted(self._sqs.delete_all(self._queue, messages, consumer))

    async def hand_back(self, messages: Sequence[ReceivedMessage], consumer: str) -> None:
        """Visibility 0 for each message that is still ours."""
        for message in messages:
            try:
                self._sqs.change_visibility(self._queue, message.receipt_handle, 0)
            except SqsError as error:
                now = self._sqs.clock.now()
                self._sqs.journal.append(QueueTrouble(now, self.id, f"hand-back by {consumer}", str(error)))

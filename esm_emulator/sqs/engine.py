"""All the queues of one account and region: the way into this package.

An operation is told ``now``, does what SQS would do, and returns its result with the facts of everything that happened,
in order. Each begins by settling the queue (:mod:`queue`), so a message whose retention ended is told expired before
anything else happens there. What is settled by an operation that returns no facts, or that raises, is told by the next
one that does; :meth:`Engine.next_due` is not later than now until then.

Refusals are :class:`SqsError` with SQS's codes and texts. Nothing here waits: a long poll is one receive, and another
at :meth:`Engine.receivable_at` or after a send.

The operations themselves: :mod:`sending`, :mod:`receiving`, :mod:`releasing`, :mod:`moves`. Here are the queues.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType

from esm_emulator.errors import SqsError
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Fact, QueueCreated, QueuePurged, QueueRemoved
from esm_emulator.messages import ReceivedMessage
from esm_emulator.profiles import Profile
from esm_emulator.sqs import receiving, releasing, sending
from esm_emulator.sqs.agenda import NEVER
from esm_emulator.sqs.fifo import FifoQueue
from esm_emulator.sqs.message import Deletion, NewMessage, Sent, StoredMessage
from esm_emulator.sqs.moves import MoveTask, MoveTasks
from esm_emulator.sqs.queue import Counts, Queue
from esm_emulator.sqs.redrive import check_redrive
from esm_emulator.sqs.region import Region
from esm_emulator.sqs.settings import QueueSettings, check_name
from esm_emulator.sqs.standard import StandardQueue

__all__ = ["Engine"]

PURGE_INTERVAL_MS = 60_000


class Engine:
    """The queue engine. Not safe for several threads at once: its callers take turns."""

    def __init__(
        self,
        *,
        identifiers: Identifiers,
        profile: Profile,
        account: str = "123456789012",
        region: str = "us-east-1",
        random: Random | None = None,
    ) -> None:
        self._region = Region(identifiers, profile, account, region, random or Random(0))
        self._moves = MoveTasks(self._region)
        self.queues: Mapping[str, Queue] = MappingProxyType(self._region.queues)

    # --- queues ---------------------------------------------------------------------------------------------

    @property
    def account(self) -> str:
        """The account's number."""
        return self._region.account

    @property
    def region(self) -> str:
        """The region's name."""
        return self._region.name

    @property
    def profile(self) -> Profile:
        """The profile in force; set it to change it for all queues from now on."""
        return self._region.profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._region.profile = profile
        for queue in self.queues.values():
            self._region.suit(queue)

    def create(
        self,
        name: str,
        settings: QueueSettings,
        now: int,
        *,
        id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> tuple[Queue, list[Fact]]:
        """Make a queue; ``id`` is its logical id in facts (default: the name).

        Raises ``SqsError`` when the name is taken, or was within the last minute (SQS-30), or SQS would refuse the name
        or the redrive policy. The queue that a redrive policy names may be made later.
        """
        region = self._region
        check_name(name, settings.fifo_queue)
        if name in region.queues:
            raise SqsError("QueueAlreadyExists", "A queue already exists with the same name.")
        region.check_rested(name, now)
        arn = region.arn_of(name)
        check_redrive(arn, settings, region.by_arn)
        queue: Queue
        if settings.fifo_queue:
            queue = FifoQueue(name, id or name, arn, settings=settings, tags=tags or {}, now=now)
        else:
            queue = StandardQueue(
                name, id or name, arn, settings=settings, tags=tags or {}, now=now, random=region.random
            )
        region.suit(queue)
        region.removed_at.pop(name, None)
        region.queues[name] = region.by_arn[arn] = queue
        region.facts.append(QueueCreated(now, queue.id, arn))
        return queue, self._told()

    def check_dead_letter_queue(self, name: str, settings: QueueSettings) -> None:
        """Raise ``SqsError`` unless a queue of that name may have this redrive policy and its target is there (DLQ-5).

        :meth:`create` and :meth:`configure` let the target come later; SQS does not.
        """
        region = self._region
        check_redrive(region.arn_of(name), settings, region.by_arn, strictly=True)

    def find(self, name: str) -> Queue:
        """The queue of that name. Raises ``SqsError`` NonExistentQueue."""
        queue = self._region.queues.get(name)
        if queue is None:
            raise SqsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
        return queue

    def remove(self, queue: Queue, now: int) -> list[Fact]:
        """Delete a queue with everything in it."""
        self._region.settle(queue, now)
        del self._region.queues[queue.name], self._region.by_arn[queue.arn]
        self._region.removed_at[queue.name] = now
        self._region.facts.append(QueueRemoved(now, queue.id, queue.clear()))
        return self._told()

    def configure(self, queue: Queue, settings: QueueSettings, now: int) -> list[Fact]:
        """Change a queue's settings from now on (SQS-16's delay is not emulated). May walk the queue.

        A shorter retention expires what is older at once; a new delay applies to later sends, and on a FIFO queue to
        messages that are delayed already. Raises ``SqsError`` for a change of type or a redrive policy that is wrong.
        """
        if settings.fifo_queue != queue.fifo:
            raise SqsError(
                "InvalidAttributeValue",
                "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
            )
        check_redrive(queue.arn, settings, self._region.by_arn)
        self._region.settle(queue, now)
        queue.use(settings)
        queue.changed_at = now
        self._region.suit(queue)
        self._region.settle(queue, now)
        return self._told()

    def purge(self, queue: Queue, now: int) -> list[Fact]:
        """Remove everything: visible, in flight, delayed, and what a FIFO queue remembers (SQS-30, FIFO-15).

        Raises ``SqsError`` PurgeQueueInProgress within 60 s of the last one.
        """
        self._region.settle(queue, now)
        if queue.purged_at is not None and now < queue.purged_at + PURGE_INTERVAL_MS:
            raise SqsError(
                "AWS.SimpleQueueService.PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
                403,
            )
        queue.purged_at = now
        self._region.facts.append(QueuePurged(now, queue.id, queue.clear()))
        return self._told()

    # --- messages -------------------------------------------------------------------------------------------

    def send(self, queue: Queue, message: NewMessage, now: int) -> tuple[Sent, list[Fact]]:
        """Send one message. Raises ``SqsError`` when SQS would refuse it (contract 11.3)."""
        return sending.send(self._region, queue, message, now), self._told()

    def send_batch(
        self, queue: Queue, messages: Sequence[NewMessage], now: int
    ) -> tuple[list[Sent | SqsError], list[Fact]]:
        """Send up to ten messages; each has its own result. Raises ``SqsError`` when the whole batch is refused."""
        return sending.send_batch(self._region, queue, messages, now), self._told()

    def receive(
        self,
        queue: Queue,
        maximum: int,
        now: int,
        *,
        visibility_ms: int | None = None,
        consumer: str | None = None,
        attempt_id: str | None = None,
        long_poll: bool = True,
    ) -> tuple[list[ReceivedMessage], list[Fact]]:
        """Receive up to ``maximum`` (1 to 10) messages, which are hidden for ``visibility_ms`` (default: the queue's).

        ``consumer`` is only repeated in facts; ``attempt_id`` is FIFO's ReceiveRequestAttemptId (FIFO-18);
        ``long_poll`` false makes a standard queue with too much in flight raise OverLimit (SQS-12).
        """
        messages = receiving.receive(
            self._region,
            queue,
            maximum,
            now,
            visibility_ms=visibility_ms,
            consumer=consumer,
            attempt_id=attempt_id,
            long_poll=long_poll,
        )
        return messages, self._told()

    def delete(
        self, queue: Queue, receipt: str, now: int, *, consumer: str | None = None
    ) -> tuple[Deletion, list[Fact]]:
        """Delete by handle. Raises ``SqsError`` for garbage, and for a FIFO queue's expired handle (FAIL-20)."""
        return releasing.delete(self._region, queue, receipt, now, consumer), self._told()

    def change_visibility(self, queue: Queue, receipt: str, visibility_ms: int, now: int) -> list[Fact]:
        """Hide a message for ``visibility_ms`` from now. Raises ``SqsError`` as SQS-25 and SQS-26 say."""
        releasing.change_visibility(self._region, queue, receipt, visibility_ms, now)
        return self._told()

    def redeliver(self, queue: Queue, message_id: str, now: int) -> list[Fact]:
        """Make a message in flight receivable once more, as a replica of a standard queue may (SQS-28)."""
        releasing.redeliver(self._region, queue, message_id, now)
        return self._told()

    # --- looking --------------------------------------------------------------------------------------------

    def counts(self, queue: Queue, now: int) -> Counts:
        """How many messages are visible, in flight and delayed."""
        self._region.settle(queue, now)
        return queue.counts()

    def oldest_age(self, queue: Queue, now: int) -> int | None:
        """Milliseconds since the oldest message came into the queue (DLQ-4, DLQ-8); None without any."""
        self._region.settle(queue, now)
        oldest = queue.oldest()
        return None if oldest is None else now - oldest.arrived_at

    def messages(self, queue: Queue, now: int) -> Iterator[StoredMessage]:
        """The messages in the order of arrival, without receiving them. Walks the queue."""
        self._region.settle(queue, now)
        return iter(queue)

    def receivable_at(self, queue: Queue, now: int) -> int | None:
        """``now`` when a receive would bring or dead-letter something, else the earliest time at which one would.

        None: not before a send, a delete or a change of visibility. With the in-flight limit reached it is the next
        time at which a message may stop being in flight, which may be early but is never late.
        """
        self._region.settle(queue, now)
        full = queue.in_flight >= self._region.in_flight_limit(queue)
        at = queue.wake_at if full else queue.ready_at(now)
        return None if at == NEVER else at

    # --- move tasks -----------------------------------------------------------------------------------------

    def start_move(
        self, source: Queue, now: int, *, to: Queue | None = None, rate: int | None = None
    ) -> tuple[MoveTask, list[Fact]]:
        """Move the visible messages of a dead-letter queue to ``to``, or back to where each came from (SQS-40, 41).

        ``rate`` is messages a second, 1 to 500. :meth:`advance` does the moving. Raises ``SqsError`` as SQS does.
        """
        return self._moves.start(source, now, to, rate), self._told()

    def cancel_move(self, handle: str, now: int) -> tuple[int, list[Fact]]:
        """Cancel a running task; gives how many messages it has moved. Raises ``SqsError`` when it is not running."""
        return self._moves.cancel(handle, now), self._told()

    def moves(self, source: Queue) -> list[MoveTask]:
        """The latest ten tasks of a dead-letter queue, the newest first."""
        return self._moves.of(source)

    @property
    def moving(self) -> bool:
        """Whether a move task runs, of whichever queue."""
        return self._moves.running

    # --- time -----------------------------------------------------------------------------------------------

    def advance(self, now: int) -> list[Fact]:
        """Do everything that is due by now and that nobody asked for: expiry, and the steps of move tasks."""
        for queue in self.queues.values():
            self._region.settle(queue, now)
        self._moves.advance(now)
        return self._told()

    def next_due(self) -> int | None:
        """The earliest time at which :meth:`advance` has something to tell, or None."""
        if self._region.facts:
            return self._region.facts[0].at
        expiry = min((queue.next_expiry() for queue in self.queues.values()), default=NEVER)
        at = min(expiry, self._moves.next_at())
        return None if at == NEVER else at

    def _told(self) -> list[Fact]:
        region = self._region
        facts, region.facts = region.facts, []
        return facts

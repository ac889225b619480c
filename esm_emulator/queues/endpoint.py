"""A queue on any SQS-compatible server, or on AWS, through boto3.

An idle poller sleeps in its open long poll, aside of the loop's tasks (:mod:`esm_emulator.queues.sqs_client` says how),
and comes back to the loop only when there is something to say. A long poll is never cut off: moto's and LocalStack's
servers would hand the next message to the one who left, and hide it until its visibility ends. So a stop waits for the
open call, what that brings is returned, and therefore the 20 s poll of a Lambda poller is asked in slices
(:data:`SLICE_PER_POLLER_MS`).

What goes wrong with the server is told once (:mod:`esm_emulator.queues.trouble`) and waited out here, on the loop,
where a stop is heard at once. Facts about messages are written here too, since no engine of ours serves the queue.
Importing this file loads boto3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import anyio.to_thread

from esm_emulator.clocks import Clock
from esm_emulator.errors import QueueNotFound, UsageError
from esm_emulator.journal import (
    DeleteFailed,
    EmptyReceives,
    Journal,
    MessageDeleted,
    MessageReceived,
    QueueTrouble,
    VisibilityChanged,
)
from esm_emulator.messages import ReceivedMessage
from esm_emulator.profiles import PROFILES, Profile
from esm_emulator.queues import Deleted, Delivery, Stop
from esm_emulator.queues.answers import description, entry_errors, message
from esm_emulator.queues.guard import Location, QueueDescription, allow, locate
from esm_emulator.queues.sqs_client import Failure, SqsClient
from esm_emulator.queues.trouble import Trouble, waits

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

__all__ = ["EndpointQueue"]

SHORTEST_SLICE_MS = 1_000
# 200 idle pollers then make 40 calls a second, not 200: under 5 % of a core; 5 pollers hear a stop within a second
SLICE_PER_POLLER_MS = 25
# a server that answers an empty long poll sooner than this is not waiting at all
EARLY_MS = 200
ATTRIBUTES_AGE_MS = 60_000
THROTTLING_QUIET_MS = 10_000


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one stay aside of the loop brought, at ``at``, by a last call that was begun at ``begun_at``.

    ``polled_ms`` is the time spent in long polls that stayed empty; ``early_ms`` by how much the last came too soon.
    """

    begun_at: int
    at: int
    messages: Sequence[MessageTypeDef] = ()
    failure: Failure | None = None
    polled_ms: int = 0
    early_ms: int = 0


class EndpointQueue:
    """One queue of one SQS server. Made by :meth:`open`; :meth:`close` lets go of its connections."""

    def __init__(
        self,
        client: SqsClient,
        attributes: Mapping[str, str],
        *,
        id: str,
        clock: Clock,
        journal: Journal,
        profile: Profile,
        trouble: Trouble,
    ) -> None:
        self.id = id
        self.fifo = client.location.name.endswith(".fifo")
        self._client = client
        self._clock = clock
        self._journal = journal
        self._trouble = trouble
        self._longest_ms = max(SHORTEST_SLICE_MS, profile.receive_wait)
        self._polling = 0
        self._stops: WeakValueDictionary[str, Stop] = WeakValueDictionary()
        self._learn(attributes)
        self.arn = self._description.arn

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        journal: Journal,
        profile: Profile = PROFILES["aws-2026"],
        id: str | None = None,
        endpoint_url: str | None = None,
        region: str | None = None,
        allow_aws: bool = False,
        allow_hosts: Iterable[str] = (),
    ) -> EndpointQueue:
        """Find a queue and read its attributes; nothing is received.

        ``id`` is its logical id, its name by default. Requests go to ``endpoint_url``, or to the URL's own host, in
        ``region``, the URL's, the configured one or us-east-1. Waits for a server that does not answer, telling so, for
        as long as it takes; cancel it to give up. Raises ``UsageError`` for what is no queue URL, for a queue that may
        not be read or without credentials, ``RemoteRefused`` for one off this machine without leave, ``QueueNotFound``.
        """
        location = await anyio.to_thread.run_sync(locate, url, endpoint_url)
        allow(location, allow_aws=allow_aws, allow_hosts=allow_hosts)
        client = SqsClient(
            location,
            region=region,
            # a poller has a receive or a delete open, never both
            connections=profile.pollers_ceiling,
            longest_wait_s=max(1, profile.receive_wait // 1000),
        )
        id = id or location.name
        trouble = Trouble(id, journal)
        try:
            attributes = await _first_attributes(client, clock, trouble)
        except BaseException:
            await client.close()
            raise
        return cls(client, attributes, id=id, clock=clock, journal=journal, profile=profile, trouble=trouble)

    # --- the port ---------------------------------------------------------------------------------------------

    async def receive(self, maximum: int, wait_ms: int | None, stop: Stop, consumer: str) -> Delivery:
        """As the port says. SQS waits whole seconds only; the rest of a wait is spent here, then it looks again."""
        self._stops[consumer] = stop
        self._polling += 1
        try:
            messages, polled_ms = await self._until(maximum, wait_ms, stop)
        finally:
            self._polling -= 1
        empty = polled_ms // self._longest_ms if wait_ms is None or messages or polled_ms < 0 else 1
        now = self._clock.now()
        if empty:
            self._journal.append(EmptyReceives(now, self.id, empty, consumer))
        self._journal.extend(
            MessageReceived(
                now,
                self.id,
                message.message_id,
                message.receive_count,
                message.receipt_handle,
                message.visible_at,
                consumer,
            )
            for message in messages
        )
        return Delivery(messages, empty)

    async def delete(self, messages: Sequence[ReceivedMessage], consumer: str) -> Deleted:
        """As the port says. Repeated while the trouble may pass, the messages are still hidden and no stop has come.

        After that a delete would not be safe: somebody else may have the message (FAIL-3, FAIL-19).
        """
        failed: dict[str, str] = {}
        for start in range(0, len(messages), 10):
            failed |= await self._delete(messages[start : start + 10], consumer)
        return Deleted(failed)

    async def hand_back(self, messages: Sequence[ReceivedMessage], consumer: str) -> None:
        """As the port says; tried once, since the queue's visibility timeout does the same a little later."""
        for start in range(0, len(messages), 10):
            entries = {str(index): message for index, message in enumerate(messages[start : start + 10])}
            begun_at = self._clock.now()
            answer = await self._client.run(partial(self._client.make_visible, _receipts(entries)))
            if isinstance(answer, Failure):
                self._failed("ChangeMessageVisibilityBatch", answer)
                continue
            now = self._clock.now()
            self._trouble.succeeded("ChangeMessageVisibilityBatch", begun_at, now)
            errors = entry_errors(answer.get("Failed", ()))
            for text, _ in errors.values():
                self._journal.append(QueueTrouble(now, self.id, f"hand-back by {consumer}", text))
            self._journal.extend(
                VisibilityChanged(now, self.id, message.message_id, message.receipt_handle, now)
                for key, message in entries.items()
                if key not in errors
            )

    # --- looking ----------------------------------------------------------------------------------------------

    async def describe(self) -> QueueDescription:
        """The queue as its server describes it now; as it last did when it does not answer."""
        attributes = await self._client.run(self._client.attributes)
        if not isinstance(attributes, Failure):
            self._learn(attributes)
        return self._description

    async def close(self) -> None:
        """Close the connections. No receive may be open."""
        await self._client.close()

    def _learn(self, attributes: Mapping[str, str]) -> None:
        self._learned_at = self._clock.now()
        self._description = description(self._client.location, attributes)

    # --- receiving --------------------------------------------------------------------------------------------

    async def _until(self, maximum: int, wait_ms: int | None, stop: Stop) -> tuple[Sequence[ReceivedMessage], int]:
        """Poll until messages come, the wait is over or stopped; and the milliseconds of empty polls, -1 if none."""
        deadline = None if wait_ms is None else self._clock.now() + wait_ms
        polled_ms, attempt = -1, 0
        while not stop.is_set:
            answer = await self._client.run(partial(self._poll, maximum, deadline, stop))
            if answer.failure is not None:
                attempt += 1
                self._failed("ReceiveMessage", answer.failure)
                pause = waits(attempt)
            else:
                attempt = 0
                self._trouble.succeeded("ReceiveMessage", answer.begun_at, answer.at)
                polled_ms = max(polled_ms, 0) + answer.polled_ms
                if answer.messages:
                    visible_at = answer.at + self._description.visibility_ms
                    return [message(item, answer.at, visible_at) for item in answer.messages], polled_ms
                pause = answer.early_ms
            left = math.inf if deadline is None else deadline - self._clock.now()
            if left <= 0:
                break
            # the last part of a second is waited out, then looked at once more
            await stop.wait(int(min(left, max(pause, left if left < 1000 else 0))))
        return [], polled_ms

    def _poll(self, maximum: int, deadline: int | None, stop: Stop) -> _Answer:
        """Aside of the loop's tasks: one long poll after another, for as long as there is nothing to tell the loop."""
        self._refresh()
        polled_ms = 0
        while True:
            begun_at = self._clock.now()
            wait_ms = self._slice(begun_at, deadline)
            answer = self._client.receive(maximum, wait_ms // 1000)
            at = self._clock.now()
            if isinstance(answer, Failure):
                return _Answer(begun_at, at, failure=answer)
            if answer:
                return _Answer(begun_at, at, answer, polled_ms=polled_ms)
            polled_ms += at - begun_at
            early_ms = begun_at + wait_ms - at
            over = deadline is not None and deadline - at < 1000
            if stop.is_set or over or early_ms > EARLY_MS or "ReceiveMessage" in self._trouble:
                early_ms = early_ms if early_ms > EARLY_MS else 0
                return _Answer(begun_at, at, polled_ms=polled_ms, early_ms=early_ms)

    def _slice(self, now: int, deadline: int | None) -> int:
        """Milliseconds that the next call may wait, whole seconds: the longer the more pollers share the machine."""
        wanted = min(self._longest_ms, max(SHORTEST_SLICE_MS, self._polling * SLICE_PER_POLLER_MS))
        left = wanted if deadline is None else min(wanted, max(0, deadline - now))
        return left // 1000 * 1000

    def _refresh(self) -> None:
        """Now and then learn the queue's visibility timeout anew; a failure shows in the receive that follows."""
        now = self._clock.now()
        if now - self._learned_at < ATTRIBUTES_AGE_MS:
            return
        self._learned_at = now
        attributes = self._client.attributes()
        if not isinstance(attributes, Failure):
            self._learn(attributes)

    # --- deleting ---------------------------------------------------------------------------------------------

    async def _delete(self, messages: Sequence[ReceivedMessage], consumer: str) -> dict[str, str]:
        """One DeleteMessageBatch of up to ten, and what became of it: id -> error of those that were not deleted."""
        left = {str(index): message for index, message in enumerate(messages)}
        failed: dict[str, str] = {}
        attempt = 0
        while left:
            errors = await self._try_delete(left, consumer)
            attempt += 1
            left = {key: left[key] for key in errors}
            hope = self._worth_waiting(left.values(), waits(attempt), consumer)
            given_up = {left.pop(key): text for key, (text, passing) in errors.items() if not (passing and hope)}
            failed |= self._tell_failed(given_up, consumer)
            if left:
                await self._stop_of(consumer).wait(waits(attempt))
        return failed

    async def _try_delete(
        self, entries: Mapping[str, ReceivedMessage], consumer: str
    ) -> Mapping[str, tuple[str, bool]]:
        """One call; the entries that failed with the error's text and whether it may pass."""
        begun_at = self._clock.now()
        answer = await self._client.run(partial(self._client.delete, _receipts(entries)))
        if isinstance(answer, Failure):
            self._failed("DeleteMessageBatch", answer)
            return dict.fromkeys(entries, (str(answer), answer.passing))
        now = self._clock.now()
        self._trouble.succeeded("DeleteMessageBatch", begun_at, now)
        errors = entry_errors(answer.get("Failed", ()))
        self._journal.extend(
            MessageDeleted(now, self.id, message.message_id, message.receipt_handle, consumer)
            for key, message in entries.items()
            if key not in errors
        )
        return errors

    def _worth_waiting(self, messages: Iterable[ReceivedMessage], wait_ms: int, consumer: str) -> bool:
        hidden_until = min((message.visible_at for message in messages), default=0)
        return not self._stop_of(consumer).is_set and self._clock.now() + wait_ms < hidden_until

    def _stop_of(self, consumer: str) -> Stop:
        """The wish to stop that a poller came with when it last received, if it still lives."""
        return self._stops.get(consumer) or Stop()

    # --- telling ----------------------------------------------------------------------------------------------

    def _failed(self, operation: str, failure: Failure) -> None:
        quiet_ms = THROTTLING_QUIET_MS if failure.throttled else 0
        self._trouble.failed(operation, str(failure), self._clock.now(), quiet_ms)

    def _tell_failed(self, errors: Mapping[ReceivedMessage, str], consumer: str) -> dict[str, str]:
        now = self._clock.now()
        self._journal.extend(
            DeleteFailed(now, self.id, message.message_id, message.receipt_handle, text, consumer)
            for message, text in errors.items()
        )
        return {message.message_id: text for message, text in errors.items()}


# Nothing to wait for, unlike credentials that have expired: those may be renewed meanwhile
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError"}


async def _first_attributes(client: SqsClient, clock: Clock, trouble: Trouble) -> Mapping[str, str]:
    operation, attempt = "GetQueueAttributes", 0
    while True:
        begun_at = clock.now()
        answer = await client.run(client.attributes, cut_off=True)
        if not isinstance(answer, Failure):
            trouble.succeeded(operation, begun_at, clock.now())
            return answer
        if answer.missing:
            raise QueueNotFound(_how_to_make(client.location))
        if answer.code in _NO_CREDENTIALS:
            raise UsageError(
                f"{client.location.endpoint} does not let the queue {client.location.name!r} be read: {answer}. "
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or log in (aws sso login)."
            )
        if not answer.passing:
            raise UsageError(
                f"{client.location.endpoint} refuses to tell of the queue {client.location.name!r}: {answer}. "
                "See that the URL is that of an SQS queue, and that you may call sqs:GetQueueAttributes on it."
            )
        attempt += 1
        trouble.failed(operation, str(answer), clock.now())
        await clock.sleep(waits(attempt))


def _how_to_make(location: Location) -> str:
    words = ["aws sqs create-queue", f"--queue-name {location.name}"]
    if location.name.endswith(".fifo"):
        words.append("--attributes FifoQueue=true")
    if location.aws and location.region:
        words.append(f"--region {location.region}")
    if not location.aws:
        words.append(f"--endpoint-url {location.endpoint}")
    return f"there is no queue {location.name!r} at {location.endpoint}; make it with: {' '.join(words)}"


def _receipts(entries: Mapping[str, ReceivedMessage]) -> dict[str, str]:
    return {key: message.receipt_handle for key, message in entries.items()}

"""What every queue knows: its messages, which of them are hidden until when, and how old they are.

A message is in one of three states. DELAYED and IN_FLIGHT messages are *hidden* until ``visible_at``; READY ones may be
received, in an order that :class:`StandardQueue` and :class:`FifoQueue` keep each in its own way. Nothing happens by
itself: every operation first *settles* the queue, which makes visible whatever is due by now and takes out what
retention has ended. ``wake_at`` says when that has something to do, so most of the time it costs one comparison.

Here is no redrive, no receipt handle, no fact and no error of SQS's: those are the engine's.

    arrivals    all messages, oldest first. Retention (SQS-29) and the age of the oldest (DLQ-4) read its front
    inherited   the few whose retention runs by another clock than their place in arrivals: dead letters of a standard
                queue, which keep their SentTimestamp (DLQ-4), and messages at the back of the queue (DLQ-8)
    hidden      delayed and in-flight messages by the time at which they become visible
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from esm_emulator.sqs.agenda import NEVER, Agenda
from esm_emulator.sqs.message import State, StoredMessage
from esm_emulator.sqs.receipts import mark_of
from esm_emulator.sqs.settings import QueueSettings

__all__ = ["Counts", "Expired", "Queue"]

_DELAYED, _READY, _IN_FLIGHT, _GONE = State.DELAYED, State.READY, State.IN_FLIGHT, State.GONE


class Counts(NamedTuple):
    """The three approximate numbers of a queue, here exact (MET-9, FIFO-12)."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All messages in the queue."""
        return self.visible + self.in_flight + self.delayed


class Expired(NamedTuple):
    """A message whose retention ended, and whether it was in flight then (SQS-29)."""

    message: StoredMessage
    in_flight: bool


def _is_hidden(visible_at: int, message: StoredMessage) -> bool:
    state = message.state
    return (state is _IN_FLIGHT or state is _DELAYED) and message.visible_at == visible_at


def _is_here(_sent_at: int, message: StoredMessage) -> bool:
    return message.state is not _GONE


class Queue(ABC):
    """One queue.

    To read: ``name``, ``id`` (logical), ``arn``, ``settings``, ``tags``, ``fifo``, ``created_at`` and ``changed_at``
    (epoch ms); everything else goes through the engine.
    """

    fifo: bool
    shuffled = False

    def __init__(
        self, name: str, id_: str, arn: str, *, settings: QueueSettings, tags: Mapping[str, str], now: int
    ) -> None:
        self.name = name
        self.id = id_
        self.arn = arn
        self.mark = mark_of(arn)
        self.tags = dict(tags)
        self.created_at = self.changed_at = now
        self.purged_at: int | None = None
        self.messages: dict[str, StoredMessage] = {}
        self.in_flight = 0
        self.delayed = 0
        self.back_after = 0  # receives after which a message goes to the back of the queue; 0: never (DLQ-8)
        self.wake_at = NEVER
        self._number = 0
        self._arrivals: deque[StoredMessage] = deque()
        self._inherited: Agenda[StoredMessage] = Agenda(_is_here)
        self._hidden: Agenda[StoredMessage] = Agenda(_is_hidden)
        self.use(settings)

    # --- settings -------------------------------------------------------------------------------------------

    def use(self, settings: QueueSettings) -> None:
        """Take these settings from now on; the milliseconds that the queue counts in are made here.

        A new retention applies to what is in the queue already, so the next :meth:`settle` may take out much.
        """
        self.settings = settings
        self.visibility_ms = settings.visibility_timeout * 1000
        self.delay_ms = settings.delay_seconds * 1000
        self.retention_ms = settings.message_retention_period * 1000
        self._hidden.clear()
        for message in self.messages.values():  # those that would have expired first may have been dropped
            if message.state is not _READY:
                self._hide(message)
        self.wake_at = 0 if self.messages else NEVER

    # --- coming and going -----------------------------------------------------------------------------------

    def admit(self, message: StoredMessage, now: int) -> None:
        """Put a message in: hidden until its ``visible_at``, or visible at once when that has come."""
        self._number = number = self._number + 1
        message.number = message.order = number
        self.messages[message.id] = message
        arrivals = self._arrivals
        arrivals.append(message)
        if len(arrivals) > 2 * len(self.messages) + 1024:
            self._arrivals = deque(entry for entry in arrivals if entry.state is not _GONE and not entry.aside)
        if message.sent_at < message.arrived_at:
            self._inherited.push(message.sent_at, number, message, len(self.messages))
        expires_at = message.sent_at + self.retention_ms
        if expires_at < self.wake_at:  # noqa: PLR1730 # a call of min() is measurable here
            self.wake_at = expires_at
        if message.visible_at > now:
            message.state = _DELAYED
            self.delayed += 1
            self._hide(message)
        self._enter(message)

    def remove(self, message: StoredMessage) -> None:
        """Take a message out for good."""
        if message.state is _IN_FLIGHT:
            self.in_flight -= 1
        elif message.state is _DELAYED:
            self.delayed -= 1
        message.state = _GONE
        del self.messages[message.id]
        arrivals = self._arrivals
        while arrivals and (arrivals[0].state is _GONE or arrivals[0].aside):
            arrivals.popleft()
        self._leave(message)

    def clear(self) -> tuple[str, ...]:
        """Take everything out and give the ids in the order of arrival. O(n)."""
        ids = tuple(self.messages)
        for message in self.messages.values():
            message.state = _GONE
        self.messages = {}
        self.in_flight = self.delayed = 0
        self._arrivals.clear()
        self._inherited.clear()
        self._hidden.clear()
        self.wake_at = NEVER
        self._forget()
        return ids

    # --- visibility -----------------------------------------------------------------------------------------

    def hide(self, message: StoredMessage, visible_at: int, now: int) -> None:
        """Put a message in flight or leave it there, until ``visible_at``; visible at once when that has come."""
        if message.state is _IN_FLIGHT and message.visible_at == visible_at:
            return
        message.visible_at = visible_at
        if visible_at <= now:
            self.show(message)
            return
        if message.state is not _IN_FLIGHT:
            message.state = _IN_FLIGHT
            self.in_flight += 1
        self._hide(message)
        self._hid(message)

    def hold(self, messages: Sequence[StoredMessage], visible_at: int, now: int) -> None:
        """End a :meth:`take`: of what it gave, keep these in flight until ``visible_at``; the others were removed."""
        if visible_at <= now:
            for message in messages:
                message.visible_at = visible_at
                self.show(message)
        elif messages:
            push, living = self._hidden.push, self.in_flight + self.delayed
            for message in messages:
                message.visible_at = visible_at
                push(visible_at, message.number, message, living)
            if visible_at < self.wake_at:  # noqa: PLR1730 # a call of min() is measurable here
                self.wake_at = visible_at

    def show(self, message: StoredMessage) -> None:
        """Make a message visible."""
        if message.state is _IN_FLIGHT:
            self.in_flight -= 1
        elif message.state is _DELAYED:
            self.delayed -= 1
        message.state = _READY
        self._return(message)

    def settle(self, now: int) -> list[Expired]:
        """Bring the queue to ``now``: what retention ended is taken out and given, what is due becomes visible."""
        expired = self._expire(now)
        while (message := self._hidden.pop_due(now)) is not None:
            self.show(message)
        self.wake_at = min(self._hidden.next(), self.next_expiry())
        return expired

    def _hide(self, message: StoredMessage) -> None:
        visible_at = message.visible_at
        self._hidden.push(visible_at, message.number, message, self.in_flight + self.delayed)
        if visible_at < self.wake_at:  # noqa: PLR1730 # likewise
            self.wake_at = visible_at

    # --- age ------------------------------------------------------------------------------------------------

    def expires_at(self, message: StoredMessage) -> int:
        """When retention ends the message (SQS-29); a change of the queue's retention changes it."""
        return message.sent_at + self.retention_ms

    def next_expiry(self) -> int:
        """When the next message expires, or ``NEVER``."""
        oldest = self._next_to_expire()
        return NEVER if oldest is None else oldest.sent_at + self.retention_ms

    def oldest(self) -> StoredMessage | None:
        """The message that is longest in the queue, without those at its back (DLQ-8)."""
        arrivals = self._arrivals
        while arrivals and (arrivals[0].state is _GONE or arrivals[0].aside):
            arrivals.popleft()
        return arrivals[0] if arrivals else None

    def put_aside(self, message: StoredMessage) -> None:
        """Leave a message out of the queue's age from now on; its retention goes on (DLQ-8)."""
        if not message.aside:
            message.aside = True
            self._inherited.push(message.sent_at, message.number, message, len(self.messages))

    def _next_to_expire(self) -> StoredMessage | None:
        oldest = self.oldest()
        inherited = self._inherited.first()
        if inherited is not None and (oldest is None or inherited[0] <= oldest.sent_at):
            return inherited[2]
        return oldest

    def _expire(self, now: int) -> list[Expired]:
        expired = []
        while (oldest := self._next_to_expire()) is not None:
            end = oldest.sent_at + self.retention_ms
            if end > now:
                break
            expired.append(Expired(oldest, oldest.state is _IN_FLIGHT and oldest.visible_at > end))
            self.remove(oldest)
        return expired

    # --- reading --------------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """How many messages are visible, in flight and delayed; of a settled queue."""
        hidden = self.in_flight + self.delayed
        return Counts(len(self.messages) - hidden, self.in_flight, self.delayed)

    def __iter__(self) -> Iterator[StoredMessage]:
        return iter(self.messages.values())

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self.messages)} messages>"

    # --- what the two types do each in their way ------------------------------------------------------------

    @abstractmethod
    def take(self, maximum: int) -> list[StoredMessage]:
        """Up to ``maximum`` READY messages in the order in which a receive gives them, now IN_FLIGHT.

        The caller removes or shows some and holds the rest (:meth:`hold`, also when nothing is left).
        """

    @abstractmethod
    def ready_at(self, now: int) -> int:
        """When :meth:`take` brings something if nothing is done until then: at most ``now`` for now, or ``NEVER``."""

    @abstractmethod
    def _enter(self, message: StoredMessage) -> None:
        """A message came in, READY or DELAYED."""

    @abstractmethod
    def _return(self, message: StoredMessage) -> None:
        """A hidden message became READY."""

    def _hid(self, message: StoredMessage) -> None:  # noqa: B027 # only some types need to know
        """A message was put in flight or its ``visible_at`` was changed."""

    def _leave(self, message: StoredMessage) -> None:  # noqa: B027 # likewise
        """A message was removed."""

    @abstractmethod
    def _forget(self) -> None:
        """All messages were removed."""

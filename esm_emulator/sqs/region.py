"""What the operations share: the queues of one account and region, where ids come from, and the facts so far.

Every operation settles the queue that it is about before it does anything, and tells what it did. :class:`Engine` takes
the facts out.
"""

from __future__ import annotations

from random import Random

from esm_emulator.errors import SqsError
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Fact, MessageExpired
from esm_emulator.profiles import Profile
from esm_emulator.sqs.queue import Queue

__all__ = ["Region"]


class Region:
    """One account's queues in one region."""

    __slots__ = (
        "_sequence",
        "account",
        "by_arn",
        "facts",
        "identifiers",
        "name",
        "profile",
        "queues",
        "random",
        "removed_at",
    )

    def __init__(self, identifiers: Identifiers, profile: Profile, account: str, name: str, random: Random) -> None:
        self.identifiers = identifiers
        self.profile = profile
        self.account = account
        self.name = name
        self.random = random
        self.queues: dict[str, Queue] = {}
        self.by_arn: dict[str, Queue] = {}
        self.removed_at: dict[str, int] = {}  # by name
        self.facts: list[Fact] = []
        self._sequence = 18_849_496_460_467_696_128

    def arn_of(self, name: str) -> str:
        """The ARN of a queue of that name."""
        return f"arn:aws:sqs:{self.name}:{self.account}:{name}"

    def check_rested(self, name: str, now: int) -> None:
        """Raise ``SqsError`` for a name whose queue was deleted a short while ago (SQS-30)."""
        removed_at = self.removed_at.get(name)
        if removed_at is not None and now < removed_at + self.profile.deleted_name_wait:
            raise SqsError(
                "AWS.SimpleQueueService.QueueDeletedRecently",
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            )

    def settle(self, queue: Queue, now: int) -> None:
        """Bring the queue to ``now`` and tell what expired. Costs a comparison when nothing is due."""
        if now >= queue.wake_at:
            for message, in_flight in queue.settle(now):
                self.facts.append(MessageExpired(now, queue.id, message.id, in_flight))

    def sequence_number(self, queue: Queue) -> str | None:
        """The next SequenceNumber: 20 digits, rising, with gaps; None for a standard queue (FIFO-17)."""
        if not queue.fifo:
            return None
        self._sequence += 256
        return str(self._sequence)

    def suit(self, queue: Queue) -> None:
        """Set on the queue what follows from its settings and the profile together (DLQ-8, SQS-28)."""
        policy = queue.settings.redrive_policy
        most = 0 if policy is None else policy.max_receive_count
        queue.back_after = self.profile.back_of_queue_receives if most > 3 else 0
        queue.shuffled = self.profile.order != "send"

    def in_flight_limit(self, queue: Queue) -> int:
        """Most messages in flight of a queue of this type (SQS-12, SQS-13)."""
        return self.profile.in_flight_fifo if queue.fifo else self.profile.in_flight_standard

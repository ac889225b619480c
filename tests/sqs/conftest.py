"""A desk at which a test does one thing after another with an engine, at a time that it sets itself."""

from __future__ import annotations

from random import Random

import pytest

from esm_emulator.identifiers import Identifiers
from esm_emulator.profiles import Profile
from esm_emulator.sqs import Engine, NewMessage, QueueSettings, RedrivePolicy

START = 1_700_000_000_000


class Desk:
    """An engine, the time in seconds since the start, and every fact so far."""

    def __init__(self, profile: Profile | None = None) -> None:
        self.engine = Engine(identifiers=Identifiers(Random(7)), profile=profile or Profile(), random=Random(7))
        self.now = START
        self.facts = []

    def at(self, seconds):
        """Set the time."""
        self.now = START + round(seconds * 1000)
        return self

    def told(self, *events):
        """The facts of these events, all in order."""
        return [fact for fact in self.facts if fact.event in events]

    def _keep(self, answer):
        result, facts = answer if isinstance(answer, tuple) else (None, answer)
        self.facts += facts
        return result

    def create(self, name, **settings):
        """A queue; FIFO if its name says so, with content-based deduplication unless told otherwise."""
        if name.endswith(".fifo"):
            settings = {"fifo_queue": True, "content_based_deduplication": True} | settings
        return self._keep(self.engine.create(name, QueueSettings(**settings), self.now))

    def with_letters(self, name, most, **settings):
        """A queue and its dead-letter queue, of one type."""
        letters = self.create("letters.fifo" if name.endswith(".fifo") else "letters")
        policy = RedrivePolicy(letters.arn, most)
        return self.create(name, redrive_policy=policy, **settings), letters

    def send(self, queue, *bodies, **values):
        """Send messages; the last one's receipt for the sender."""
        sent = None
        for body in bodies:
            sent = self._keep(self.engine.send(queue, NewMessage(body, **values), self.now))
        return sent

    def receive(self, queue, maximum=10, visibility=None, **values):
        """Receive; ``visibility`` in seconds."""
        ms = None if visibility is None else visibility * 1000
        return self._keep(self.engine.receive(queue, maximum, self.now, visibility_ms=ms, **values))

    def bodies(self, queue, maximum=10, visibility=None):
        """Receive, and only the bodies."""
        return [message.body for message in self.receive(queue, maximum, visibility)]

    def delete(self, queue, *messages):
        """Delete received messages by their handles; the last one's deletion."""
        deletion = None
        for message in messages:
            deletion = self._keep(self.engine.delete(queue, message.receipt_handle, self.now))
        return deletion

    def change(self, queue, message, seconds):
        """Change a message's visibility."""
        self._keep(self.engine.change_visibility(queue, message.receipt_handle, seconds * 1000, self.now))

    def configure(self, queue, **changes):
        """Change settings of a queue."""
        values = {name: getattr(queue.settings, name) for name in QueueSettings.__dataclass_fields__}
        self._keep(self.engine.configure(queue, QueueSettings(**(values | changes)), self.now))

    def purge(self, queue):
        """Purge a queue."""
        self._keep(self.engine.purge(queue, self.now))

    def redeliver(self, queue, message_id):
        """Have a replica deliver a message once more."""
        self._keep(self.engine.redeliver(queue, message_id, self.now))

    def start_move(self, source, **values):
        """Start a move task."""
        return self._keep(self.engine.start_move(source, self.now, **values))

    def cancel_move(self, task):
        """Cancel a move task; how many messages it had moved."""
        return self._keep(self.engine.cancel_move(task.handle, self.now))

    def advance(self, seconds=None):
        """Do what is due, by the time set or at ``seconds``."""
        if seconds is not None:
            self.at(seconds)
        self._keep(self.engine.advance(self.now))

    def counts(self, queue):
        """(visible, in flight, delayed)."""
        return tuple(self.engine.counts(queue, self.now))

    def stored(self, queue):
        """The messages in the queue, looked at without receiving."""
        return list(self.engine.messages(queue, self.now))

    def receivable(self, queue):
        """``receivable_at`` in seconds since the start."""
        at = self.engine.receivable_at(queue, self.now)
        return None if at is None else (at - START) / 1000

    def due(self):
        """``next_due`` in seconds since the start."""
        at = self.engine.next_due()
        return None if at is None else (at - START) / 1000


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def desk_with():
    """A desk with some fields of the profile changed."""
    return lambda **fields: Desk(Profile().with_(**fields))

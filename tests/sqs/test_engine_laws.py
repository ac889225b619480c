"""Random histories of an engine with a queue and its dead-letter queue, held against a queue that walks lists.

After every step: the same messages in the same states, the same answers to when something is due, each message in at
most one place, and what was sent is there, deleted, expired, purged, or put back under a new id.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esm_emulator.errors import SqsError
from esm_emulator.identifiers import Identifiers
from esm_emulator.profiles import Profile
from esm_emulator.sqs import Engine, NewMessage, QueueSettings, RedrivePolicy
from tests.sqs.naive_queue import NaiveQueue

START = 1_700_000_000_000
GROUPS = st.sampled_from(["a", "b", "c"])
SECONDS = st.sampled_from([0, 1, 2, 5, 30, 60, 90])


class Histories(RuleBasedStateMachine):
    """One engine, two queues, and their naive twins."""

    fifo = False

    @initialize(
        most=st.sampled_from([1, 2, 5]),
        visibility=st.sampled_from([0, 3, 30]),
        delay=st.sampled_from([0, 0, 4, 100]),
        retentions=st.tuples(st.sampled_from([60, 120]), st.sampled_from([60, 90])),
    )
    def queues(self, most, visibility, delay, retentions):
        self.now = START
        self.engine = Engine(identifiers=Identifiers(Random(1)), profile=Profile())
        end = ".fifo" if self.fifo else ""
        base = {"fifo_queue": self.fifo, "content_based_deduplication": self.fifo}
        dlq = QueueSettings(**base, visibility_timeout=visibility, message_retention_period=retentions[1])
        self.letters, _ = self.engine.create(f"letters{end}", dlq, self.now)
        self.settings = QueueSettings(
            **base,
            visibility_timeout=visibility,
            delay_seconds=delay,
            message_retention_period=retentions[0],
            redrive_policy=RedrivePolicy(self.letters.arn, most),
        )
        self.orders, _ = self.engine.create(f"orders{end}", self.settings, self.now)
        back = Profile().back_of_queue_receives if most > 3 else 0
        self.twins = {
            self.orders: NaiveQueue(self.fifo, retentions[0] * 1000, delay * 1000, back),
            self.letters: NaiveQueue(self.fifo, retentions[1] * 1000),
        }
        self.most = most
        self.sent = 0
        self.ends = Counter()
        self.receipts = []  # (queue, message id, handle), all that were ever given
        self.expired = set()  # what the engine told
        self.owed = set()  # what the twins say

    # --- steps ----------------------------------------------------------------------------------------------

    def note(self, facts):
        """Count how messages end, and keep what expired to compare it."""
        for fact in facts:
            self.ends[fact.event] += len(fact.messages) if fact.event == "purged" else 1
            if fact.event == "expired":
                self.expired.add((fact.message, fact.in_flight))

    def settle(self):
        """Bring the twins to now; what they expired the engine must have told or will tell with its next facts."""
        for twin in self.twins.values():
            self.owed |= twin.settle(self.now)
        self.note(self.engine.advance(self.now))
        assert self.expired == self.owed
        self.expired, self.owed = set(), set()

    @rule(ms=st.sampled_from([0, 1, 500, 1000, 3000, 10_000, 30_000, 61_000]))
    def time_passes(self, ms):
        self.now += ms

    @rule(group=GROUPS, delay=st.sampled_from([None, None, 0, 2, 80]))
    def send(self, group, delay):
        self.settle()
        self.sent += 1
        message = NewMessage(
            f"m{self.sent}",
            group=group if self.fifo else None,
            delay_ms=None if self.fifo or delay is None else delay * 1000,
        )
        sent, facts = self.engine.send(self.orders, message, self.now)
        self.note(facts)
        twin = self.twins[self.orders]
        delay_ms = twin.delay_ms if message.delay_ms is None else message.delay_ms
        twin.add(sent.message_id, message.group, self.now, delay_ms=delay_ms)

    @rule(maximum=st.integers(1, 10), visibility=st.sampled_from([None, None, 0, 1, 7]), dead=st.booleans())
    def receive(self, maximum, visibility, dead):
        self.settle()
        queue = self.letters if dead else self.orders
        visibility_ms = queue.visibility_ms if visibility is None else visibility * 1000
        got, facts = self.engine.receive(queue, maximum, self.now, visibility_ms=visibility_ms)
        self.note(facts)
        assert [(m.message_id, m.receive_count) for m in got] == self.expect(queue, maximum, visibility_ms)
        assert all(m.visible_at == self.now + visibility_ms for m in got)
        self.receipts += [(queue, m.message_id, m.receipt_handle) for m in got]

    def expect(self, queue, maximum, visibility_ms):
        """What the twin gives for a receive, moving its dead letters on the way."""
        twin, given = self.twins[queue], []
        taken = twin.take(maximum)
        for message in taken:
            if queue is self.orders and message.receives >= self.most:
                twin.drop(message)
                sent_at = self.now if self.fifo else message.sent_at
                self.twins[self.letters].add(
                    message.id, message.group, self.now, sent_at=sent_at, total_receives=message.total_receives
                )
                continue
            message.receives += 1
            message.total_receives += 1
            given.append(message)
        for message in given:
            twin.hide(message, self.now + visibility_ms, self.now)
        return [(message.id, message.total_receives) for message in given]

    def held(self, index):
        """One of the handles that were given, its message's twin if it is still there, and whether it is the latest."""
        queue, id_, receipt = self.receipts[index % len(self.receipts)]
        twin = next((m for m in self.twins[queue].messages if m.id == id_), None)
        latest = [r for q, i, r in self.receipts if (q, i) == (queue, id_)][-1] == receipt
        return queue, twin, receipt, latest

    @precondition(lambda self: self.receipts)
    @rule(index=st.integers(0, 200))
    def delete(self, index):
        self.settle()
        queue, message, receipt, latest = self.held(index)
        good = message is not None and latest and (not self.fifo or message.hidden == "in flight")
        if self.fifo and message is not None and not good:
            with pytest.raises(SqsError, match="has expired"):
                self.engine.delete(queue, receipt, self.now)
            return
        deletion, facts = self.engine.delete(queue, receipt, self.now)
        self.note(facts)
        assert deletion.deleted == good
        if good:
            self.twins[queue].drop(message)

    @precondition(lambda self: self.receipts)
    @rule(index=st.integers(0, 200), seconds=SECONDS)
    def change_visibility(self, index, seconds):
        self.settle()
        queue, message, receipt, latest = self.held(index)
        if message is None or not latest or (self.fifo and message.hidden != "in flight"):
            with pytest.raises(SqsError, match="not available for visibility timeout change"):
                self.engine.change_visibility(queue, receipt, seconds * 1000, self.now)
            return
        self.note(self.engine.change_visibility(queue, receipt, seconds * 1000, self.now))
        if message.hidden or seconds:
            self.twins[queue].hide(message, self.now + seconds * 1000, self.now)

    @precondition(lambda self: self.receipts and not self.fifo)
    @rule(index=st.integers(0, 200))
    def redeliver(self, index):
        self.settle()
        queue, message, _, _ = self.held(index)
        if message is not None:
            self.note(self.engine.redeliver(queue, message.id, self.now))
            if message.hidden == "in flight":
                self.twins[queue].show(message)

    @rule(retention=st.sampled_from([60, 120, 300]), delay=st.sampled_from([0, 3, 100]))
    def configure(self, retention, delay):
        self.settle()
        values = {name: getattr(self.settings, name) for name in QueueSettings.__dataclass_fields__}
        self.settings = QueueSettings(**values | {"message_retention_period": retention, "delay_seconds": delay})
        self.note(self.engine.configure(self.orders, self.settings, self.now))
        twin = self.twins[self.orders]
        twin.retention_ms, twin.delay_ms = retention * 1000, delay * 1000
        for message in twin.messages:
            if self.fifo and message.hidden == "delayed":
                message.visible_at = message.arrived_at + twin.delay_ms
        self.owed |= twin.settle(self.now)

    @rule()
    def purge(self):
        self.settle()
        if self.orders.purged_at is None or self.now >= self.orders.purged_at + 60_000:
            facts = self.engine.purge(self.orders, self.now)
            assert set(facts[-1].messages) == {m.id for m in self.twins[self.orders].messages}
            self.note(facts)
            self.twins[self.orders].clear()

    @rule(rate=st.sampled_from([1, 2, 500]))
    def redrive(self, rate):
        self.settle()
        if not any(task.status == "RUNNING" for task in self.engine.moves(self.letters)):
            _, facts = self.engine.start_move(self.letters, self.now, rate=rate)
            self.note(facts)
            while any(task.status == "RUNNING" for task in self.engine.moves(self.letters)):
                self.now = max(self.now, min(self.engine.next_due(), self.now + 1000))
                self.moved(self.engine.advance(self.now))

    def moved(self, facts):
        """Follow a move task: its facts say what it took and what became of it; both have to be right."""
        self.note(facts)
        letters, orders = self.twins[self.letters], self.twins[self.orders]
        self.owed |= letters.settle(self.now) | orders.settle(self.now)
        for fact in facts:
            if fact.event == "moved":
                first = letters.take(1)[0]
                assert fact.message == first.id
                letters.drop(first)
                orders.add(fact.new_message, first.group, self.now)

    # --- laws -----------------------------------------------------------------------------------------------

    @invariant()
    def the_same_in_the_same_states(self):
        """Counts, ages and members agree after every step."""
        self.settle()
        for queue, twin in self.twins.items():
            assert self.engine.counts(queue, self.now) == twin.counts()
            assert [m.id for m in self.engine.messages(queue, self.now)] == [m.id for m in twin.messages]
            assert self.engine.oldest_age(queue, self.now) == twin.oldest_age(self.now)

    @invariant()
    def due_when_it_is_due(self):
        """``receivable_at`` and ``next_due`` are exact.

        But for a FIFO queue whose delay is longer than its retention, where it may be early: nobody waits there.
        """
        self.settle()
        for queue, twin in self.twins.items():
            at, exact = self.engine.receivable_at(queue, self.now), twin.receivable_at(self.now)
            early = self.fifo and twin.delay_ms >= twin.retention_ms and at is not None and at <= (exact or at)
            assert at == exact or early
        expiries = [at for twin in self.twins.values() if (at := twin.next_expiry()) is not None]
        assert self.engine.next_due() == min(expiries, default=None)

    @invariant()
    def nothing_is_lost_or_doubled(self):
        """Sent = there + deleted + expired + purged; a move to either side keeps the sum."""
        there = [m.id for queue in self.twins for m in self.engine.messages(queue, self.now)]
        assert len(there) == len(set(there))
        assert self.sent == len(there) + self.ends["deleted"] + self.ends["expired"] + self.ends["purged"]


class FifoHistories(Histories):
    """The same with message groups."""

    fifo = True


HISTORIES = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class TestStandardHistories(Histories.TestCase):
    """Random histories of standard queues."""

    settings = HISTORIES


class TestFifoHistories(FifoHistories.TestCase):
    """Random histories of FIFO queues."""

    settings = HISTORIES

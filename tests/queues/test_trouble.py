"""One trouble is told once at each end, however many calls it fails."""

from __future__ import annotations

import pytest

from esm_emulator.journal import Journal, QueueTrouble
from esm_emulator.queues.trouble import Trouble, waits


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def trouble(journal):
    return Trouble("Orders", journal)


def told(journal):
    return [(fact.at, fact.operation, fact.over, fact.attempts) for fact in journal]


def test_waits_grow_to_ten_seconds():
    """Doubling from a quarter of a second; any number of attempts."""
    assert [waits(attempt) for attempt in (1, 2, 3, 4, 5, 6, 7, 1_000)] == [
        250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
    ]  # fmt: skip


def test_many_failures_are_one_trouble(trouble, journal):
    """Told with the first error, and with the number of failures when it is over."""
    trouble.failed("ReceiveMessage", "down", 100)
    trouble.failed("ReceiveMessage", "still down", 200)
    trouble.succeeded("ReceiveMessage", begun_at=300, now=350)
    assert list(journal) == [
        QueueTrouble(100, "Orders", "ReceiveMessage", "down"),
        QueueTrouble(350, "Orders", "ReceiveMessage", "down", over=True, attempts=2),
    ]


def test_success_without_trouble_is_nothing_to_tell(trouble, journal):
    """Nor is a second success after it."""
    trouble.succeeded("ReceiveMessage", begun_at=0, now=1)
    trouble.failed("ReceiveMessage", "down", 2)
    trouble.succeeded("ReceiveMessage", begun_at=3, now=4)
    trouble.succeeded("ReceiveMessage", begun_at=5, now=6)
    assert len(journal) == 2


def test_a_call_that_was_on_its_way_does_not_end_it(trouble, journal):
    """A long poll that was opened before the failure says nothing about now."""
    trouble.failed("ReceiveMessage", "down", 100)
    trouble.succeeded("ReceiveMessage", begun_at=50, now=150)
    assert "ReceiveMessage" in trouble
    assert len(journal) == 1


def test_throttling_takes_a_quiet_while_to_end(trouble, journal):
    """Where every other call is throttled the trouble does not come and go."""
    for at in (1_000, 2_000):
        trouble.failed("ReceiveMessage", "throttled", at, quiet_ms=10_000)
        trouble.succeeded("ReceiveMessage", begun_at=at + 500, now=at + 600)
    trouble.succeeded("ReceiveMessage", begun_at=12_000, now=12_100)
    assert told(journal) == [(1_000, "ReceiveMessage", False, 1), (12_100, "ReceiveMessage", True, 2)]


def test_operations_have_troubles_of_their_own(trouble, journal):
    """Receives may be refused while deletes go through."""
    trouble.failed("ReceiveMessage", "denied", 1)
    trouble.failed("DeleteMessageBatch", "denied", 2)
    trouble.succeeded("DeleteMessageBatch", begun_at=3, now=4)
    assert told(journal)[-1] == (4, "DeleteMessageBatch", True, 1)
    assert "ReceiveMessage" in trouble

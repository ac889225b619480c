"""The index of a run, and rules on facts that no scenario makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from esm_emulator import journal as facts
from esm_emulator.diagnosis import diagnose
from esm_emulator.diagnosis.run import Run

_SPEC = importlib.util.spec_from_file_location(
    "diagnosis_history", Path(__file__).parent.parent / "report" / "history.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
history: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(history)
T, History = history.T, history.History


def codes(journal: Any) -> list[str]:
    return [diagnosis.code for diagnosis in diagnose(journal)]


def test_an_empty_journal_has_nothing_to_tell() -> None:
    """No facts, no causes."""
    assert diagnose([]) == []


def test_a_stay_goes_from_a_send_through_a_queue_to_its_end() -> None:
    """A message in its queue and in its dead-letter queue are two stays, the second coming from the first."""
    run = Run.of(History().sent(0, "a").received(0, "a").dead_lettered(5, "a").expired(9, "a", queue="Dlq"))
    first, second = run.stays
    assert (first.queue, first.dead_lettered, len(first.receives)) == ("Orders", True, 1)
    assert (second.queue, second.origin, second.before) == ("Dlq", "dead-lettered", first)
    assert second.ending is not None


def test_a_move_leads_to_the_new_id() -> None:
    """SQS-41: a redriven message has a new id, and its stay knows where it comes from."""
    run = Run.of(History().sent(0, "a").dead_lettered(1, "a").moved(2, "a", "b"))
    assert [stay.message for stay in run.stays] == ["a", "a", "b"]
    assert run.stays[2].before is run.stays[1]


def test_a_batch_knows_its_messages_and_each_message_the_receive_that_brought_it() -> None:
    """The receive of a batch is the latest of its mapping that is in no batch yet."""
    run = Run.of(History().sent(0, "a").received(0, "a").batch(1, 1, "a").invoked(1, 1, "a").ended(9, 1, "a"))
    (batch,) = run.batches
    (stay,) = batch.stays
    assert stay.receive_of(batch) is stay.receives[0]
    assert (batch.started_at, batch.ended_at, batch.outcome) == (T + 1, T + 9, "success")


def test_settings_are_those_of_their_time() -> None:
    """A property changed later was another before."""
    run = Run.of(History().set(10, "Orders.RedrivePolicy.maxReceiveCount", 9))
    assert run.settings.get("Orders", "RedrivePolicy.maxReceiveCount", at=T + 9) == 3
    assert run.settings.get("Orders", "RedrivePolicy.maxReceiveCount", at=T + 10) == 9
    assert run.settings.get("Orders", "Nothing", default=5) == 5
    assert run.settings.get("Nobody", "Nothing") is None


def test_a_message_from_before_the_run_is_found_when_it_is_received() -> None:
    """An outside queue has messages whose send no journal knows."""
    (stay,) = Run.of(History().received(0, "a")).stays
    assert stay.origin == "found"


def test_a_replica_that_delivers_once_more_is_no_short_visibility_timeout() -> None:
    """SQS-28 beside D110: the copies overlap, and the visibility timeout has not ended."""
    journal = History().sent(0, "a").received(0, "a").batch(0, 1, "a").invoked(0, 1, "a")
    journal.redelivered(5, "a").received(5, "a", count=2).batch(5, 2, "a").invoked(5, 2, "a")
    journal.ended(9, 2, "a").judged(9, 2, done=["a"]).ended(10, 1, "a").judged(10, 1, done=["a"]).deleted(10, "a")
    assert codes(journal) == []


def test_a_throttle_that_leads_to_a_run_is_not_told() -> None:
    """D101 needs a message that never ran."""
    journal = History().sent(0, "a").received(0, "a").batch(0, 1, "a").throttled(0, 1, "a").invoked(5, 1, "a")
    journal.ended(6, 1, "a", outcome="error").judged(6, 1, kept=["a"]).dead_lettered(30_000, "a")
    assert "ESM-D101" not in codes(journal)


def copies(generations: int, *, label: str | None = None, gap: int = 0) -> Any:
    """A message that its own run sends anew; ``gap`` ms before the run ends."""
    journal = History()
    for number in range(generations + 1):
        at, id, batch = number * 5_000, f"c{number}", number + 1
        journal.sent(at - gap if number else 0, id, body="same", label=label if number else "first")
        if number:
            journal.ended(at, batch - 1, f"c{number - 1}").judged(at, batch - 1, done=[f"c{number - 1}"])
            journal.deleted(at, f"c{number - 1}")
        journal.received(at, id).batch(at, batch, id).invoked(at, batch, id)
    return journal


@pytest.mark.parametrize(
    ("journal", "found"),
    [
        (copies(3), ["ESM-D163"]),
        (copies(2), []),
        (copies(3, label="sent by the scenario"), []),
        (copies(3, gap=2_000), []),
    ],
    ids=["three copies", "two copies", "sends from outside", "a beat of its own"],
)
def test_copies_are_told_from_sends_that_only_look_alike(journal: Any, found: list[str]) -> None:
    """D163: three copies or more, without labels, sent in the last second of the run of the one before."""
    assert codes(journal) == found


def refused(error: str, *, over: bool = False) -> Any:
    journal = History()
    journal.facts.append(facts.QueueTrouble(T, "Orders", "receive", error))
    if over:
        journal.facts.append(facts.QueueTrouble(T + 9, "Orders", "receive", error, over=True))
    return journal


@pytest.mark.parametrize(
    ("journal", "found"),
    [
        (refused("AccessDenied: no permission"), ["ESM-D180"]),
        (refused("AccessDenied: no permission", over=True), []),
        (refused("connection reset"), []),
    ],
    ids=["refused", "refused for a while", "out of reach"],
)
def test_receives_that_are_refused_to_the_end_are_told(journal: Any, found: list[str]) -> None:
    """D180: without a permission nothing is polled (POLL-7)."""
    assert codes(journal) == found

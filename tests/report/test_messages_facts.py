"""What became of each message."""

from __future__ import annotations

import pytest

from esm_emulator.report.messages import Messages
from tests.report.history import History


def only(history):
    (message,) = Messages.of(history)
    return message


def run_once(history, number, ms, *ids, done=(), kept=()):
    return history.invoked(ms, number, *ids).ended(ms + 100, number, *ids).judged(ms + 100, number, done, kept)


def test_a_message_that_nobody_took_waits():
    message = only(History().sent(0, "m", label="o-1", group="g"))
    assert message.to_json() == {
        "label": "o-1",
        "queue": "Orders",
        "outcome": "waiting",
        "receives": 0,
        "invocations": 0,
        "successes": 0,
        "failures": 0,
        "overlap": 0,
    }
    assert (message.name, message.group) == ("o-1", "g")


def test_a_life_with_a_failure_and_a_success():
    history = History().sent(0, "m").received(0, "m")
    run_once(history, 1, 0, "m", kept=["m"]).received(30_000, "m", count=2)
    message = only(run_once(history, 2, 30_000, "m", done=["m"]).deleted(30_200, "m"))
    assert (message.receives, message.invocations, message.failures, message.successes) == (2, 2, 1, 1)
    assert (message.outcome, message.overlap, message.name) == ("deleted", 1, "m")


def test_throttled_tries_are_no_invocations():
    """MET-6."""
    message = only(History().sent(0, "m").received(0, "m").throttled(0, 1, "m").throttled(1_000, 1, "m"))
    assert (message.receives, message.invocations) == (1, 0)


def test_copies_that_run_at_one_moment_overlap():
    """FAIL-19."""
    history = History().sent(0, "m").received(0, "m").invoked(0, 1, "m").received(30_000, "m", count=2)
    history.invoked(30_000, 2, "m").ended(45_000, 1, "m").ended(75_000, 2, "m")
    assert only(history).overlap == 2


@pytest.mark.parametrize(
    ("act", "outcome"), [("expired", "expired"), ("purged", "purged"), ("dead_lettered", "dead-lettered")]
)
def test_outcomes(act, outcome):
    assert only(getattr(History().sent(0, "m"), act)(5, "m")).outcome == outcome


def test_a_filtered_message_is_not_deleted_by_success():
    """FILT-6."""
    history = History().sent(0, "m").received(0, "m").filtered(0, "m").deleted(0, "m")
    assert only(history).outcome == "filtered"


def test_a_message_keeps_its_facts_through_a_redrive():
    """SQS-41: with its new id."""
    history = History().sent(0, "m", label="o").received(0, "m").dead_lettered(1, "m").moved(2, "m", "n")
    messages = Messages.of(history.received(3, "n"))
    assert messages.get("m") is messages.get("n") is messages.named("o")[0]
    assert (messages.get("n").outcome, messages.get("n").receives, messages.get("n").now_in) == ("waiting", 2, "Orders")


def test_a_message_that_was_there_before_is_known_when_it_is_received():
    assert only(History().received(0, "m", queue="Outside")).queue == "Outside"


def test_a_redelivered_message_waits_again():
    """SQS-28."""
    assert only(History().sent(0, "m").received(0, "m").deleted(1, "m").redelivered(2, "m")).outcome == "waiting"

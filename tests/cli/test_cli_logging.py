"""The log of a command: which facts are shown at which level, and how they read."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable

import pytest

from esm_emulator import journal as facts
from esm_emulator.cli.logging import JournalLogger, level_of, logger, threshold
from esm_emulator.cli.settings import Settings
from esm_emulator.journal import Fact, Journal

T = 1_700_000_000_123  # 2023-11-14T22:13:20.123Z

DEAD = facts.MessageDeadLettered(
    T, queue="Orders", message="m1", to="OrdersDlq", receive_count=3, expires_at=T + 90_000
)
SENT = facts.MessageSent(T, queue="Orders", message="m1", body="x" * 500, size=500, visible_at=T, expires_at=T + 1)
LINE = facts.LogLine(T, function="F", environment="e1", text="START RequestId: 1 Version: $LATEST\n")


def log_of(*written: Fact, **settings: object) -> str:
    journal, stream = Journal(), io.StringIO()
    with JournalLogger(journal, Settings(**settings), stream):  # type: ignore[arg-type]
        journal.extend(written)
    return stream.getvalue()


def test_a_fact_is_one_line_with_its_own_time_its_level_and_its_fields() -> None:
    (text,) = log_of(DEAD).splitlines()
    assert text.startswith("22:13:20.123 [warning  ] dead-lettered ")
    assert text.endswith("queue=Orders message=m1 to=OrdersDlq receive_count=3 expires_at=+90s")


def test_what_the_function_writes_to_its_log_is_shown_as_it_is() -> None:
    """RUN-40: START, END and REPORT are lines of their own."""
    assert log_of(LINE) == "START RequestId: 1 Version: $LATEST\n"


def test_as_json_a_line_is_the_fact_with_its_level_and_an_iso_time() -> None:
    lines = [json.loads(text) for text in log_of(DEAD, LINE, log_format="json").splitlines()]
    assert lines[0] == DEAD.to_json() | {"level": "warning", "time": "2023-11-14T22:13:20.123Z"}
    assert lines[1]["text"] == LINE.text


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        (1, {"sent", "log", "dead-lettered", "delete-failed"}),
        (0, {"log", "dead-lettered", "delete-failed"}),
        (-1, {"dead-lettered", "delete-failed"}),
        (-2, {"delete-failed"}),
        (-9, {"delete-failed"}),
    ],
)
def test_verbosity_decides_what_is_shown(verbosity: int, shown: set[str]) -> None:
    failed = facts.DeleteFailed(T, queue="Orders", message="m1", receipt="r", error="gone")
    text = log_of(SENT, LINE, DEAD, failed, log_format="json", verbosity=verbosity)
    assert {json.loads(line)["event"] for line in text.splitlines()} == shown


def test_a_long_body_and_many_messages_do_not_fill_the_console() -> None:
    batch = facts.BatchClosed(T, mapping="M", batch=1, consumer="M/1", messages=("a", "b", "c"), reason="size", size=9)
    sent, closed = log_of(SENT, batch, verbosity=1).splitlines()
    assert len(sent) < 300
    assert "…" in sent
    assert "messages=(3)" in closed


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        (lambda: facts.EnvironmentStarted(T, function="F", environment="e", init_ms=1), logging.DEBUG),
        (lambda: facts.EnvironmentStarted(T, function="F", environment="e", init_ms=1, error_type="E"), logging.ERROR),
        (lambda: facts.QueueTrouble(T, queue="Q", operation="receive", error="no route"), logging.WARNING),
        (lambda: facts.QueueTrouble(T, queue="Q", operation="receive", error="", over=True), logging.INFO),
        (lambda: judged(note=None), logging.DEBUG),
        (lambda: judged(note="FunctionResponseTypes is not set"), logging.WARNING),
        (lambda: ended("success"), logging.DEBUG),
        (lambda: ended("timeout"), logging.ERROR),
    ],
)
def test_the_level_depends_on_how_it_went(changed: Callable[[], Fact], level: int) -> None:
    assert level_of(changed()) == level


def judged(note: str | None) -> Fact:
    return facts.ResponseJudged(T, mapping="M", batch=1, request_id="r", done=(), kept=("m",), rule="PBR-16", note=note)


def ended(outcome: str) -> Fact:
    return facts.InvocationEnded(
        T,
        mapping="M",
        function="F",
        request_id="r",
        batch=1,
        messages=(),
        consumer="M/1",
        outcome=outcome,
        duration_ms=1,
    )


def test_every_kind_of_fact_has_a_level_of_its_own() -> None:
    from esm_emulator.cli import logging as module  # noqa: PLC0415 - a private table

    kinds = {kind for name in facts.__all__ if isinstance(kind := getattr(facts, name), type)}
    assert set(module._LEVELS) == {kind for kind in kinds if issubclass(kind, Fact)} - {Fact}


def test_a_closed_log_hears_nothing_more() -> None:
    journal, stream = Journal(), io.StringIO()
    JournalLogger(journal, stream=stream).close()
    journal.append(DEAD)
    assert stream.getvalue() == ""


def test_a_log_that_nobody_reads_any_more_does_not_stop_the_run() -> None:
    journal, stream = Journal(), io.StringIO()
    heard: list[Fact] = []
    JournalLogger(journal, stream=stream)
    journal.subscribe(heard.append)
    stream.close()
    journal.extend([DEAD, LINE])
    assert heard == [DEAD, LINE]


def test_a_commands_own_lines_have_the_same_threshold() -> None:
    stream = io.StringIO()
    own = logger(Settings(log_format="json", verbosity=-1), stream)
    own.info("listening")
    own.warning("no queue", queue="Orders")
    assert [json.loads(text) for text in stream.getvalue().splitlines()] == [
        {"queue": "Orders", "event": "no queue", "level": "warning"}
    ]


def test_thresholds() -> None:
    levels = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR]
    assert [threshold(Settings(verbosity=number)) for number in (1, 0, -1, -2)] == levels

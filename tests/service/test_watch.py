"""What is seen of a run while it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from esm_emulator.clocks import Clock
from esm_emulator.errors import UsageError
from esm_emulator.journal import (
    InvocationEnded,
    InvocationStarted,
    Journal,
    MessageDeadLettered,
    MessageDeleted,
    MessageReceived,
    PollersChanged,
    RunStarted,
    RunStopped,
)
from esm_emulator.service.watch import EventLog, Row, Watch


class Standing:
    """A clock that stands at 100."""

    def now(self) -> int:
        return 100


def happen(journal: Journal) -> None:
    """Three messages: one handled, one in flight, one dead-lettered; an invocation that failed."""
    journal.append(RunStarted(1, "1.0", "real", 0, "aws-2026"))
    journal.append(PollersChanged(2, "m", 5, "start"))
    for id_ in ("a", "b", "c"):
        journal.append(MessageReceived(3, "q", id_, 1, f"receipt-{id_}", 30_000, "m/1"))
    journal.append(InvocationStarted(4, "m", "f", "r", 1, ("a",), "m/1"))
    journal.append(InvocationEnded(5, "m", "f", "r", 1, ("a",), "m/1", "error", 1.0))
    journal.append(MessageDeleted(6, "q", "a", "receipt-a", "m/1"))
    journal.append(MessageDeadLettered(7, "q", "c", "dead", 1, 1_000_000))


def test_a_row_has_the_queue_as_it_is_now_and_sums_since_the_start() -> None:
    journal = Journal(keep=2)
    watch = Watch(journal, cast("Clock", Standing()))
    happen(journal)
    assert watch.row("m", "q", "f") == Row(
        "m",
        visible=0,
        in_flight=1,
        dead_lettered=1,
        invocations=1,
        errors=1,
        throttles=0,
        pollers=5,
        handled=1,
        last=("error",),
    )
    assert watch.facts == 9
    assert len(journal) == 2


def test_the_latest_outcomes_are_those_of_the_mapping_and_errors_have_their_type() -> None:
    journal = Journal()
    watch = Watch(journal, cast("Clock", Standing()))
    happen(journal)
    for number in range(5):
        journal.append(InvocationEnded(8, "other", "f", f"o{number}", 1, (), "m/1", "success", 1.0))
        kind = None if number % 2 else "ValueError"
        outcome = "error" if kind else "success"
        journal.append(InvocationEnded(8, "m", "f", f"r{number}", 1, (), "m/1", outcome, 1.0, error_type=kind))
    assert watch.row("m", "q", "f").last == ("ValueError", "success", "ValueError", "success", "ValueError")


def test_the_page_for_prometheus_and_the_metrics_say_the_same() -> None:
    journal = Journal()
    watch = Watch(journal, cast("Clock", Standing()))
    happen(journal)
    assert watch.metrics()["functions"]["f"]["Errors"] == 1
    assert 'esm_function_errors_total{function="f"} 1' in watch.page()


def test_a_fact_is_in_the_event_log_as_soon_as_it_has_happened(tmp_path: Path) -> None:
    journal = Journal()
    with EventLog(tmp_path / "new" / "log.jsonl", journal) as log:
        happen(journal)
        assert len(log.path.read_text().splitlines()) == 9
    journal.append(RunStopped(8, "idle"))
    assert [json.loads(line)["event"] for line in log.path.read_text().splitlines()][-1] == "dead-lettered"


def test_a_disk_that_is_full_ends_the_event_log_and_not_the_run() -> None:
    journal = Journal()
    with EventLog(Path("/dev/full"), journal) as log:
        happen(journal)
    assert log.trouble == "No space left on device"
    assert len(journal) == 9


def test_an_event_log_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a file that can be written"):
        EventLog(tmp_path, Journal())

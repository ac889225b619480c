"""The live view of a terminal, on a terminal that is a text."""

from __future__ import annotations

import io

import pytest

from esm_emulator.cli.live import MOST_LINES, LiveView, fold, suits
from esm_emulator.service.watch import Row


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ROW = Row("Trigger", 1_200, 30, 7, 5, 1, 2, 5, 900, ("success", "ValueError"))


def shown(text: str, *found: str) -> str:
    terminal = Terminal()
    with LiveView(lambda: [ROW], terminal, lambda: found) as view:
        view.stream.write(text)
    return terminal.getvalue()


def test_each_mapping_has_a_line_under_what_was_logged() -> None:
    text = shown("START of something\n")
    assert text.index("START of something") < text.rindex("Trigger  visible 1,200 · in flight 30 · dead-lettered 7")


def test_the_latest_outcomes_and_the_causes_found_so_far_stand_there_too() -> None:
    text = shown("", "ESM-D120 Trigger: a bad message took good ones along")
    assert "last success ValueError" in text
    assert "\nESM-D120 Trigger: a bad message took good ones along" in text


def test_nothing_is_cut_off_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = shown("")
    for part in ("visible 1,200", "in flight 30", "errors 1", "throttles 2", "pollers 5", "messages/s"):
        assert part in text


def test_parts_are_folded_between_and_never_within() -> None:
    assert fold(["Trigger  visible 1", "errors 2", "pollers 3"], 31) == "Trigger  visible 1 · errors 2\n  pollers 3"
    assert fold(["a", "b"], 1) == "a\n  b"


def test_of_more_lines_than_anybody_reads_the_last_are_shown_and_the_rest_counted() -> None:
    text = shown("".join(f"line {number}\n" for number in range(MOST_LINES + 50)))
    assert "… 50 lines; --event-log FILE keeps all" in text
    assert f"line {MOST_LINES + 49}" in text
    assert "line 49\n" not in text


def test_what_is_no_terminal_gets_no_live_view() -> None:
    assert not suits(io.StringIO())

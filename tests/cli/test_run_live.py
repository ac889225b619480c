"""The live view of a terminal, on a terminal that is a text."""

from __future__ import annotations

import io

from esm_emulator.cli.live import MOST_LINES, LiveView, suits
from esm_emulator.service.watch import Row


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(text: str) -> str:
    terminal = Terminal()
    with LiveView(lambda: [Row("Trigger", 1_200, 30, 7, 5, 1, 2, 5, 900)], terminal) as view:
        view.stream.write(text)
    return terminal.getvalue()


def test_each_mapping_has_a_line_under_what_was_logged() -> None:
    text = shown("START of something\n")
    assert text.index("START of something") < text.rindex("Trigger  visible 1,200 · in flight 30 · dead-lettered 7")


def test_of_more_lines_than_anybody_reads_the_last_are_shown_and_the_rest_counted() -> None:
    text = shown("".join(f"line {number}\n" for number in range(MOST_LINES + 50)))
    assert "… 50 lines; --event-log FILE keeps all" in text
    assert f"line {MOST_LINES + 49}" in text
    assert "line 49\n" not in text


def test_what_is_no_terminal_gets_no_live_view() -> None:
    assert not suits(io.StringIO())

"""The live view of a terminal: under the log each mapping, and what was diagnosed so far.

It is drawn five times a second while it changes, and folded where the terminal is too narrow for a line.

Whoever logs writes to :attr:`LiveView.stream`, which costs no drawing; a thread of its own prints what has come, at
most as much as somebody could read, and draws the lines anew. rich is loaded here, so only a terminal pays for it.
"""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from esm_emulator.service.watch import Row

__all__ = ["LiveView", "fold", "suits"]

PERIOD_S = 0.2
SPAN = 15  # periods over which messages a second are reckoned
MOST_LINES = 400  # printed in one period


def suits(stream: TextIO) -> bool:
    """Whether a live view can be shown there: a terminal that can move its cursor."""
    return stream.isatty() and not Console(file=stream).is_dumb_terminal


class _Stream(io.StringIO):
    """Takes text for the terminal, from any thread."""

    def __init__(self, taken: Callable[[str], None]) -> None:
        super().__init__()
        self._taken = taken

    def write(self, text: str) -> int:
        self._taken(text)
        return len(text)

    def isatty(self) -> bool:
        return True


class LiveView:
    """Shows ``rows()`` and the lines ``found()`` under everything that is written to ``stream``; a context manager."""

    def __init__(
        self,
        rows: Callable[[], Sequence[Row]],
        terminal: TextIO,
        found: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self.stream: TextIO = _Stream(self._take)
        self._rows = rows
        self._found = found
        self._live = Live(console=Console(file=terminal, highlight=False), auto_refresh=False, redirect_stdout=False)
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._handled: dict[str, deque[int]] = {}
        self._shown = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_the_end, name="esm-emulator live view", daemon=True)

    def __enter__(self) -> Self:
        self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._draw()
        self._live.stop()

    def _take(self, text: str) -> None:
        with self._lock:
            self._waiting.append(text)

    def _draw_until_the_end(self) -> None:
        while not self._end.wait(PERIOD_S):
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if waiting:
            self._live.console.print(Text.from_ansi("\n".join(_readable("".join(waiting)))), soft_wrap=True)
        width = self._live.console.width
        lines = "\n".join([*(fold(self._parts(row), width) for row in self._rows()), *self._found()])
        if lines != self._shown:
            self._shown = lines
            self._live.update(Text(lines, no_wrap=True, overflow="ellipsis"), refresh=True)

    def _parts(self, row: Row) -> list[str]:
        handled = self._handled.setdefault(row.mapping, deque(maxlen=SPAN + 1))
        handled.append(row.handled)
        rate = (handled[-1] - handled[0]) / (PERIOD_S * max(1, len(handled) - 1))
        return [
            f"{row.mapping}  visible {row.visible:,}",
            f"in flight {row.in_flight:,}",
            f"dead-lettered {row.dead_lettered:,}",
            f"invocations {row.invocations:,}",
            f"errors {row.errors:,}",
            f"throttles {row.throttles:,}",
            f"pollers {row.pollers:,}",
            f"{rate:,.0f} messages/s",
            *([f"last {' '.join(row.last)}"] if row.last else []),
        ]


def fold(parts: Sequence[str], width: int) -> str:
    """The parts on one line, or on as many as it takes for none to be longer than ``width`` characters."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]} · {part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"  {part}")
    return "\n".join(lines)


def _readable(text: str) -> list[str]:
    """The text's lines; of very many the last ones, and how many are left out."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) <= MOST_LINES:
        return lines
    return [f"… {len(lines) - MOST_LINES:,} lines; --event-log FILE keeps all", *lines[-MOST_LINES:]]

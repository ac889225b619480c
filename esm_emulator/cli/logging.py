"""The log of a command: the journal's facts as lines on standard error, for people or as JSON.

What a function writes to its own log is shown as it is, as Lambda would keep it. Everything else is one line a fact,
stamped with the fact's own time, which under virtual time is not the time of day. Levels: ``-q`` leaves warnings and
errors, ``-q -q`` errors, ``-v`` adds each receive, batch and delete.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TextIO

import structlog
from structlog.typing import FilteringBoundLogger

from esm_emulator import journal as facts
from esm_emulator.cli.settings import Settings
from esm_emulator.journal import Fact, Journal

__all__ = ["JournalLogger", "level_of", "logger", "threshold"]

_LONGEST = 100  # characters of a value on a console line

_LEVELS: dict[type[Fact], int] = {
    facts.RunStarted: logging.INFO,
    facts.Deployed: logging.DEBUG,
    facts.PropertySet: logging.INFO,
    facts.FaultStarted: logging.INFO,
    facts.FaultEnded: logging.INFO,
    facts.RunStopped: logging.INFO,
    facts.QueueCreated: logging.DEBUG,
    facts.QueueRemoved: logging.INFO,
    facts.MessageSent: logging.DEBUG,
    facts.MessageDeduplicated: logging.INFO,
    facts.MessageReceived: logging.DEBUG,
    facts.EmptyReceives: logging.DEBUG,
    facts.VisibilityChanged: logging.DEBUG,
    facts.MessageDeleted: logging.DEBUG,
    facts.DeleteIgnored: logging.WARNING,
    facts.DeleteFailed: logging.ERROR,
    facts.MessageDeadLettered: logging.WARNING,
    facts.MessageExpired: logging.WARNING,
    facts.MessageRedelivered: logging.INFO,
    facts.QueuePurged: logging.INFO,
    facts.MessageMoved: logging.DEBUG,
    facts.MoveTaskChanged: logging.INFO,
    facts.InFlightLimitReached: logging.WARNING,
    facts.QueueTrouble: logging.WARNING,
    facts.MappingChanged: logging.INFO,
    facts.PollersChanged: logging.DEBUG,
    facts.MessageFiltered: logging.INFO,
    facts.BatchClosed: logging.DEBUG,
    facts.InvocationStarted: logging.DEBUG,
    facts.InvocationThrottled: logging.INFO,
    facts.InvocationEnded: logging.DEBUG,
    facts.ResponseJudged: logging.DEBUG,
    facts.BatchGivenUp: logging.WARNING,
    facts.MessageHandedBack: logging.INFO,
    facts.EnvironmentStarted: logging.DEBUG,
    facts.EnvironmentEnded: logging.DEBUG,
    facts.LogLine: logging.INFO,
}


def level_of(fact: Fact) -> int:
    """How loud a fact is, as one of :mod:`logging`'s levels."""
    match fact:
        case facts.InvocationEnded(outcome=outcome) if outcome != "success":
            return logging.ERROR
        case facts.EnvironmentStarted(error_type=str()):
            return logging.ERROR
        case facts.ResponseJudged(note=str()):
            return logging.WARNING
        case facts.QueueTrouble(over=True):
            return logging.INFO
    return _LEVELS.get(type(fact), logging.INFO)


def threshold(settings: Settings) -> int:
    """The least level that is shown."""
    if settings.verbosity > 0:
        return logging.DEBUG
    return {0: logging.INFO, -1: logging.WARNING}.get(settings.verbosity, logging.ERROR)


def logger(settings: Settings, stream: TextIO | None = None) -> FilteringBoundLogger:
    """A structlog logger for a command's own lines, to ``stream`` (standard error)."""
    stream = sys.stderr if stream is None else stream
    renderer: Callable[..., Any]
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=settings.colors(stream), sort_keys=False)
    made: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[structlog.processors.add_log_level, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold(settings)),
        cache_logger_on_first_use=True,
    )
    return made


class JournalLogger:
    """Logs the facts of ``journal`` from now on, until it is closed; a context manager.

    A log that nobody reads any more (a closed pipe) ends quietly: the run goes on without it.
    """

    def __init__(self, journal: Journal, settings: Settings | None = None, stream: TextIO | None = None) -> None:
        self._settings = settings or Settings()
        self._stream = sys.stderr if stream is None else stream
        self._logger = logger(self._settings, self._stream)
        self._threshold = threshold(self._settings)
        self._end = journal.subscribe(self._hear)

    def close(self) -> None:
        """Hear no more facts."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hear(self, fact: Fact) -> None:
        level = level_of(fact)
        if level < self._threshold:
            return
        try:
            self._write(fact, level)
        except (OSError, ValueError):
            self.close()

    def _write(self, fact: Fact, level: int) -> None:
        if self._settings.log_format == "json":
            values = fact.to_json()
            self._logger.log(level, values.pop("event"), time=_iso(fact.at), **values)
        elif isinstance(fact, facts.LogLine):
            self._stream.write(fact.text.removesuffix("\n") + "\n")
            self._stream.flush()
        else:
            self._logger.log(level, fact.event, timestamp=_clock(fact.at), **_console_values(fact))


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S.") + f"{at % 1000:03d}"


def _console_values(fact: Fact) -> dict[str, Any]:
    """A fact's fields for people: later times as seconds from now, and everything short."""
    return {
        name: f"{(value - fact.at) / 1000:+.12g}s" if name.endswith("_at") else _short(value)
        for name, value in fact.to_json().items()
        if name not in ("at", "event")
    }


def _short(value: Any) -> Any:
    """A value as it fits on a line: of many things their number, of a long text its start."""
    if isinstance(value, tuple) and len(value) > 2:
        return f"({len(value)})"
    if isinstance(value, dict):
        return f"{{{', '.join(value)}}}"
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[: _LONGEST - 1] + "…"
    return value

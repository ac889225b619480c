"""What ``esm run`` shows: where things are, the log or the live view while it runs, and the summary at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import click

from esm_emulator.cli import summary
from esm_emulator.cli.logging import JournalLogger, logger
from esm_emulator.cli.settings import Settings
from esm_emulator.diagnosis import diagnose
from esm_emulator.report.messages import Messages
from esm_emulator.service.outside import Outside
from esm_emulator.service.service import Ended, Place, Service, Told, Wanted
from esm_emulator.service.watch import EventLog

__all__ = ["Showing", "run"]

INTERRUPTED = 130
BODIES = 5  # shown of each dead-letter queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What is shown and written beside the log. ``warnings`` were told before the run."""

    as_object: bool = False
    event_log: Path | None = None
    metrics_port: int | None = None
    warnings: Sequence[str] = ()


def run(settings: Settings, wanted: Wanted, showing: Showing) -> int:
    """Run what is wanted, tell of it, and give the exit code."""
    service = Service(wanted, _Teller(settings))
    with ExitStack() as stack:
        log = None
        if showing.event_log is not None:
            log = stack.enter_context(EventLog(showing.event_log, service.journal))
        if showing.metrics_port is not None:
            _say(settings, "metrics", f"Metrics: {stack.enter_context(_metrics(service, showing.metrics_port))}")
        stack.enter_context(JournalLogger(service.journal, settings))
        ended = anyio.run(service.run)
    if ended.at_once:
        return INTERRUPTED
    end = _summary(service, ended, showing, log)
    if showing.as_object:
        click.echo(json.dumps(summary.as_json(end), ensure_ascii=False, indent=2))
    else:
        style = click.style if settings.colors(sys.stdout) else _plain
        for line in summary.lines(end, style):
            click.echo(line)
    return 0 if ended.clean or not wanted.until_idle else 1


def _metrics(service: Service, port: int) -> AbstractContextManager[str]:
    from esm_emulator.service.exposition import expose  # noqa: PLC0415 - only who asks pays for it

    return expose(service.watch.page, port)


# --- the end ------------------------------------------------------------------------------------------------


def _summary(service: Service, ended: Ended, showing: Showing, log: EventLog | None) -> summary.Summary:
    messages = Messages.of(service.journal)
    return summary.Summary(
        reason=ended.reason,
        seconds=ended.seconds,
        mappings=[
            summary.Line(
                row.mapping,
                service.emulation.mappings[row.mapping].queue.id,
                service.emulation.resources.function_of(service.emulation.resources.mappings[row.mapping]).id,
                ended.dead_lettered[row.mapping],
                ended.left[row.mapping],
                row.mapping not in service.outside,
            )
            for row in service.rows()
        ],
        metrics=service.watch.metrics(),
        dead_letters=list(_dead_letters(service)),
        diagnoses=[diagnosis.to_json(messages) for diagnosis in diagnose(service.journal)],
        warnings=showing.warnings,
        facts=service.watch.facts,
        kept=len(service.journal),
        event_log=showing.event_log,
        log_trouble=log.trouble if log else None,
    )


def _dead_letters(service: Service) -> Iterator[summary.DeadLetters]:
    """Every embedded dead-letter queue with something in it."""
    resources = service.emulation.resources
    for queue in resources.queues.values():
        if resources.sources_of(queue):
            stored = service.emulation.sqs.messages(service.emulation.queue(queue.id))
            if stored:
                bodies = tuple(message.body for message in stored[:BODIES])
                yield summary.DeadLetters(queue.id, len(stored), bodies)


# --- meanwhile ----------------------------------------------------------------------------------------------


def _say(settings: Settings, event: str, *lines: str, **values: Any) -> None:
    """Say something on standard error: sentences, or a JSON line beside those of the log."""
    if settings.log_format == "json":
        logger(settings).info(event, **(values or {"text": " ".join(lines)}))
        return
    for line in lines:
        click.echo(line, err=True)


class _Teller(Told):
    """Says what the service tells."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def listening(self, place: Place) -> None:
        say = ["SQS and every other AWS service answer here, for any credentials and region:", f"  {place.url}"]
        say += [f"  {id_}: {url}" for id_, url in place.queues.items()]
        _say(self._settings, "listening", *say, url=place.url, queues=dict(place.queues))

    def outside(self, outside: Outside, banner: Sequence[str]) -> None:
        _say(self._settings, "queue", *banner, queue_url=outside.location.url, text="; ".join(banner))

    def polling(self) -> None:
        if self._settings.verbosity >= 0:
            _say(self._settings, "polling", "Polling. Ctrl-C ends it.")

    def draining(self) -> None:
        _say(self._settings, "draining", "Draining: running invocations finish. Ctrl-C again stops at once.")

    def reloaded(self, function: str, error: str | None) -> None:
        if error is None:
            _say(self._settings, "reloaded", f"{function}: loaded anew", function=function)
        else:
            text = f"{function}: does not load, waiting for the next change: {error}"
            _say(self._settings, "not-loaded", text, function=function, error=error)


def _plain(text: Any, **_: Any) -> str:
    return str(text)

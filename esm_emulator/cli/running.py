"""What ``esm run`` shows: where things are, the log or the live view while it runs, the summary at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any, TextIO

import anyio
import click
from anyio.lowlevel import EventLoopToken, current_token

from esm_emulator.cli import summary
from esm_emulator.cli.logging import JournalLogger, logger
from esm_emulator.cli.settings import Settings
from esm_emulator.codes import CODES
from esm_emulator.diagnosis import diagnose
from esm_emulator.journal import EnvironmentStarted, Fact, Journal, LogLine, QueueTrouble
from esm_emulator.report.messages import Messages
from esm_emulator.service.outside import Outside
from esm_emulator.service.service import Ended, Place, Service, Told, Wanted
from esm_emulator.service.watch import EventLog, facts_so_far

__all__ = ["Showing", "run"]

INTERRUPTED = 130
BODIES = 5  # shown of each queue
ERROR = 200  # characters of a server's own text
LOOK_MS = 1_000  # between two looks for causes, at least; and this many times what a look takes
DILIGENCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What is shown and written beside the log. ``warnings`` were told before the run."""

    as_object: bool = False
    event_log: Path | None = None
    metrics_port: int | None = None
    web: int | None = None
    trace: Path | None = None
    redact: bool = False
    warnings: Sequence[str] = ()


def run(settings: Settings, wanted: Wanted, showing: Showing) -> int:
    """Run what is wanted, tell of it, and give the exit code."""
    teller = _Teller(settings)
    live = _is_live(settings)
    service = Service(replace(wanted, look=live), teller)
    with ExitStack() as stack:
        log = None
        if showing.event_log is not None:
            log = stack.enter_context(EventLog(showing.event_log, service.journal))
        if live:
            teller.stream = stack.enter_context(_live(service))
        if showing.metrics_port is not None:
            teller.metrics(stack.enter_context(_metrics(service, showing.metrics_port)))
        if showing.web is not None:
            teller.web(stack.enter_context(_web(service, showing, teller)))
        stack.enter_context(JournalLogger(teller.heard_from(service.journal), settings, teller.stream))
        ended = anyio.run(service.run)
    teller.stream = sys.stderr
    if showing.trace is not None:
        _write_trace(service, showing.trace, redact=showing.redact)
    if ended.at_once:
        teller.stopped_at_once(elsewhere=bool(service.outside))
        return INTERRUPTED
    end = _summary(service, ended, showing, log)
    if showing.as_object:
        click.echo(json.dumps(summary.as_json(end), ensure_ascii=False, indent=2))
    else:
        style = click.style if settings.colors(sys.stdout) else _plain
        for line in summary.lines(end, style):
            click.echo(line)
    return 0 if ended.clean or not wanted.until_idle else 1


def _is_live(settings: Settings) -> bool:
    if settings.log_format == "json" or settings.verbosity < 0 or not sys.stderr.isatty():
        return False
    from esm_emulator.cli.live import suits  # noqa: PLC0415 - only a terminal pays for rich

    return suits(sys.stderr)


@contextmanager
def _live(service: Service) -> Iterator[TextIO]:
    from esm_emulator.cli.live import LiveView  # noqa: PLC0415

    with LiveView(service.rows, sys.stderr, _Found(service)) as view:
        yield view.stream


class _Found:
    """The causes found so far, a line each. Called again and again from one thread; looks now and then."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._facts = 0
        self._next = 0
        self._lines: list[str] = []

    def __call__(self) -> Sequence[str]:
        now, number = self._service.clock.now(), self._service.watch.facts
        if now >= self._next and number != self._facts:
            self._facts = number
            found = diagnose(facts_so_far(self._service.journal))
            self._lines = [f"{cause.code} {cause.subject}: {CODES[cause.code].title}" for cause in found]
            took = self._service.clock.now() - now
            self._next = now + max(LOOK_MS, DILIGENCE * took)
        return self._lines


def _web(service: Service, showing: Showing, teller: _Teller) -> AbstractContextManager[str]:
    from esm_emulator.service.live import serve_live  # noqa: PLC0415 - only who asks pays for it

    return serve_live(service, showing.web or 0, lambda: teller.loop, redact=showing.redact)


def _metrics(service: Service, port: int) -> AbstractContextManager[str]:
    from esm_emulator.service.exposition import expose  # noqa: PLC0415 - only who asks pays for it

    return expose(service.watch.page, port)


# --- the end ------------------------------------------------------------------------------------------------


def _write_trace(service: Service, path: Path, *, redact: bool) -> None:
    """The facts that are kept as a page. A run that ended well is not spoiled by a file that cannot be written."""
    from esm_emulator.report.trace import trace  # noqa: PLC0415 - only who asks for a trace pays for it

    facts = list(service.journal)
    try:
        path.write_text(trace(facts, diagnose(facts), redact=redact), encoding="utf-8")
    except OSError as error:
        click.echo(f"Warning: --trace {path} cannot be written: {error.strerror}", err=True)
    else:
        click.echo(f"Trace: {path}", err=True)


def _summary(service: Service, ended: Ended, showing: Showing, log: EventLog | None) -> summary.Summary:
    facts = list(service.journal)
    messages = Messages.of(facts)
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
        remaining=list(_remaining(service)),
        diagnoses=[diagnosis.to_json(messages) for diagnosis in diagnose(facts)],
        warnings=showing.warnings,
        facts=service.watch.facts,
        kept=len(facts),
        event_log=showing.event_log,
        log_trouble=log.trouble if log else None,
    )


def _remaining(service: Service) -> Iterator[summary.Remaining]:
    """Every embedded queue that no mapping reads, with something in it."""
    resources = service.emulation.resources
    for queue in service.emulation.sqs.queues.values():
        known = resources.queue_by_arn(queue.arn)
        if known is not None and resources.mappings_of(known):
            continue
        stored = service.emulation.sqs.messages(queue)
        if stored:
            bodies = tuple(message.body for message in stored[:BODIES])
            yield summary.Remaining(
                queue.id, len(stored), bodies, known is not None and bool(resources.sources_of(known))
            )


# --- meanwhile ----------------------------------------------------------------------------------------------


class _Teller(Told):
    """Says what the service tells: sentences to ``stream``, or JSON lines beside those of the log.

    What functions log while their handlers are loaded is held back: if one cannot be loaded, the error says all of it.
    """

    def __init__(self, settings: Settings) -> None:
        self.stream: TextIO = sys.stderr
        self._settings = settings
        self._held: list[Fact] | None = []
        self._relay = Journal(keep=0)
        self.loop: EventLoopToken | None = None  # on which the run goes on, once it does

    def heard_from(self, journal: Journal) -> Journal:
        """A journal with the same facts, from now on, but for the order of those held back."""
        journal.subscribe(self._hear)
        return self._relay

    def _hear(self, fact: Fact) -> None:
        if self._held is not None and isinstance(fact, LogLine | EnvironmentStarted):
            self._held.append(fact)
        elif self._held is not None and isinstance(fact, QueueTrouble) and self._settings.log_format != "json":
            self._tell_of_waiting(fact)
        else:
            self._relay.append(fact)

    def _tell_of_waiting(self, trouble: QueueTrouble) -> None:
        """That a queue's server does not answer before there is anything to run, and what to do."""
        if trouble.over:
            self._say("queue-trouble", f"The server of {trouble.queue} answers now.")
        else:
            error = shorten(trouble.error, ERROR, placeholder=" …")
            again = "Trying again until it answers; Ctrl-C gives up."
            self._say("queue-trouble", f"The queue {trouble.queue} cannot be read: {error}", again)

    def listening(self, place: Place) -> None:
        """Where the embedded AWS is, and how to send to it."""
        lines = ["SQS and every other AWS service answer here, for any credentials and region:", f"  {place.url}"]
        lines += [f"  {id_}: {url}" for id_, url in place.queues.items()]
        self._say("listening", *lines, url=place.url, queues=dict(place.queues))

    def outside(self, outside: Outside, banner: Sequence[str]) -> None:
        """Whose queue it is, and what will be deleted from it."""
        self._say("queue", *banner, url=outside.location.url, text="; ".join(banner))

    def metrics(self, url: str) -> None:
        """Where Prometheus finds the metrics."""
        self._say("metrics", f"Metrics: {url}", url=url)

    def web(self, url: str) -> None:
        """Where the trace is."""
        self._say("web", f"Trace: {url}", url=url)

    def polling(self) -> None:
        """Everything could be loaded; what was held back is logged now."""
        self.loop = current_token()
        self._say("polling", "Polling. Ctrl-C ends it.")
        held, self._held = self._held, None
        self._relay.extend(held or ())

    def draining(self) -> None:
        """That a second Ctrl-C would not wait."""
        self._say("draining", "Draining: running invocations finish. Ctrl-C again stops at once.")

    def stopped_at_once(self, *, elsewhere: bool) -> None:
        """What that means for the messages, of which some may be in a queue elsewhere."""
        if self._held is not None:
            return  # nothing was received yet
        if elsewhere:
            fate = "messages in hand come back to their queue when their visibility ends."
        else:
            fate = "the embedded queues are gone, with the messages in them."
        self._say("stopped-at-once", f"Stopped at once: {fate}")

    def reloaded(self, function: str, error: str | None) -> None:
        """Whether changed code could be loaded."""
        if error is None:
            self._say("reloaded", f"{function}: loaded anew", function=function)
        else:
            text = f"{function}: does not load, waiting for the next change: {error}"
            self._say("not-loaded", text, function=function, error=error)

    def _say(self, event: str, *lines: str, **values: Any) -> None:
        """As the log does: where nobody reads any more, the run goes on without."""
        with suppress(OSError, ValueError):
            if self._settings.log_format == "json":
                logger(self._settings).info(event, **values)
                return
            for line in lines:
                click.echo(line, file=self.stream)


def _plain(text: Any, **_: Any) -> str:
    return str(text)

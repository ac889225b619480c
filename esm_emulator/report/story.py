"""One message's life in a few lines: times, pollers, receive counts, invocations, deletes, moves.

Reads the journal alone. Times are relative to the start of the run; tries that were throttled in a row are one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from esm_emulator.durations import show_duration
from esm_emulator.journal import (
    BatchGivenUp,
    DeleteFailed,
    DeleteIgnored,
    Fact,
    InvocationEnded,
    InvocationStarted,
    InvocationThrottled,
    MessageDeadLettered,
    MessageDeduplicated,
    MessageDeleted,
    MessageExpired,
    MessageFiltered,
    MessageHandedBack,
    MessageMoved,
    MessageReceived,
    MessageRedelivered,
    MessageSent,
    QueuePurged,
    QueueRemoved,
    ResponseJudged,
    VisibilityChanged,
)
from esm_emulator.report.messages import MessageFacts, about

__all__ = ["clipped", "stories", "story", "told"]

BODY = 60  # characters of a body that a story shows
_REPORTED = {"PBR-16", "PBR-17"}  # a list of failures that the mapping goes by


def story(journal: Iterable[Fact], message: MessageFacts) -> list[str]:
    """The lines of one message's story, the first naming it."""
    return stories(journal, [message])[message.id]


def stories(journal: Iterable[Fact], messages: Iterable[MessageFacts]) -> dict[str, list[str]]:
    """The stories of several messages by their first id, in one walk through the journal."""
    wanted = {id: message for message in messages for id in message.ids}
    facts: dict[str, list[tuple[Fact, str]]] = {message.id: [] for message in wanted.values()}
    start: int | None = None
    for fact in journal:
        start = fact.at if start is None else start
        for id in about(fact):
            if id in wanted:
                facts[wanted[id].id].append((fact, id))
    by_id = {message.id: message for message in wanted.values()}
    return {id: [_title(by_id[id]), *_lines(found, start or 0)] for id, found in facts.items()}


def _title(message: MessageFacts) -> str:
    body = message.body if len(message.body) <= BODY else message.body[: BODY - 1] + "…"
    shown = "" if not body or body == message.name else f"  {body!r}"
    return _plain(f"{message.name}{shown}: {message.outcome}")


def _lines(facts: list[tuple[Fact, str]], start: int) -> Iterator[str]:
    return (f"  {show_duration(ms):>12}  {said}" for ms, said in told(facts, start))


def told(facts: Iterable[tuple[Fact, str]], start: int) -> Iterator[tuple[int, str]]:
    """What is said of a message: milliseconds since ``start``, and the words. ``facts`` each with its id in them."""
    for (kind, batch), group in groupby(facts, key=lambda item: (type(item[0]), getattr(item[0], "batch", None))):
        items = list(group)
        if kind is InvocationThrottled and len(items) > 1:
            last = items[-1][0]
            assert isinstance(last, InvocationThrottled)
            said = f"throttled {len(items)} times until {show_duration(last.at - start)}: {last.reason} (batch {batch})"
            yield items[0][0].at - start, said
            continue
        for fact, id in items:
            said = _said(fact, id, start)
            if said:
                yield fact.at - start, _plain(said)


def _said(fact: Fact, id: str, start: int) -> str:
    teller = _TELLERS.get(type(fact))
    return teller(fact, id, start) if teller else ""


def _sent(fact: MessageSent, _: str, start: int) -> str:
    delayed = f", delayed until {show_duration(fact.visible_at - start)}" if fact.visible_at > fact.at else ""
    group = f" in group {fact.group}" if fact.group is not None else ""
    return f"sent to {fact.queue}{group}{delayed}"


def _received(fact: MessageReceived, _: str, start: int) -> str:
    until = show_duration(fact.visible_at - start)
    return f"receive {fact.receive_count} from {fact.queue} by {fact.consumer or 'a client'}, hidden until {until}"


def _started(fact: InvocationStarted, _: str, __: int) -> str:
    others = len(fact.messages) - 1
    company = "with it alone" if not others else f"with it and {others} other{'s' if others > 1 else ''}"
    return f"{fact.function} runs {company} (invocation {_short(fact.request_id)}, batch {fact.batch})"


def _ended(fact: InvocationEnded, _: str, __: int) -> str:
    if fact.outcome == "success":
        return f"invocation {_short(fact.request_id)} returned"
    why = ": ".join(filter(None, (fact.error_type or fact.outcome, clipped(fact.error_message or ""))))
    return f"invocation {_short(fact.request_id)} failed: {why}"


def _judged(fact: ResponseJudged, id: str, _: int) -> str:
    if id in fact.done:
        verdict = "to be deleted"
    else:
        why = "reported as failed" if fact.rule in _REPORTED else "kept"
        verdict = f"{why}, left to its visibility timeout"
    return f"{verdict} ({fact.rule}){': ' + fact.note if fact.note else ''}"


def _ignored(fact: DeleteIgnored, _: str, __: int) -> str:
    why = "a later receive has a newer handle" if fact.reason == "superseded" else f"it is no longer in {fact.queue}"
    return f"delete accepted, nothing deleted: {why}"


def clipped(text: str) -> str:
    """The first line of somebody's text, at most 100 characters of it."""
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= 100 else line[:99] + "…"


def _plain(text: str) -> str:
    """On one line, with escapes for what a terminal would obey: control characters, and those that turn text round."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _short(request_id: str) -> str:
    return request_id[:8]


_TELLERS: dict[type[Fact], Callable[[Any, str, int], str]] = {
    MessageSent: _sent,
    MessageDeduplicated: lambda fact, _, __: f"sent again to {fact.queue}, not enqueued: deduplication id {fact.dedup}",
    MessageReceived: _received,
    VisibilityChanged: lambda fact, _, start: (
        f"visibility changed: hidden until {show_duration(fact.visible_at - start)}"
        if fact.visible_at > fact.at
        else "visibility changed: visible at once"
    ),
    MessageFiltered: lambda fact, _, __: f"no filter of {fact.mapping} matches: {fact.reason}; deleted, never invoked",
    InvocationStarted: _started,
    InvocationThrottled: lambda fact, _, __: f"throttled: {fact.reason} (batch {fact.batch})",
    InvocationEnded: _ended,
    ResponseJudged: _judged,
    BatchGivenUp: lambda fact, _, __: f"batch {fact.batch} given up: {fact.reason}",
    MessageHandedBack: lambda _, __, ___: "handed back, visible at once",
    MessageDeleted: lambda fact, _, __: f"deleted from {fact.queue}",
    DeleteIgnored: _ignored,
    DeleteFailed: lambda fact, _, __: f"delete failed: {clipped(fact.error)}",
    MessageDeadLettered: lambda fact, _, __: (
        f"moved to {fact.to} after {fact.receive_count} receive{'' if fact.receive_count == 1 else 's'}"
    ),
    MessageMoved: lambda fact, _, __: f"moved from {fact.queue} to {fact.to} under a new id",
    MessageExpired: lambda fact, _, __: f"expired in {fact.queue}{' while in flight' if fact.in_flight else ''}",
    MessageRedelivered: lambda fact, _, __: f"a replica of {fact.queue} delivers it once more",
    QueuePurged: lambda fact, _, __: f"purged from {fact.queue}",
    QueueRemoved: lambda fact, _, __: f"gone with its queue {fact.queue}",
}

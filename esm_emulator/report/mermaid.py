"""A journal as Mermaid text, which pull requests draw: a sequence of what happened in a small run.

A large run would be unreadable, and GitHub refuses long diagrams: of it only a summary is drawn, a bar for each
execution environment and poller, and the text says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
)
from esm_emulator.report.messages import Messages
from esm_emulator.report.trace.model import model
from esm_emulator.report.trace.redaction import Redaction

__all__ = ["mermaid"]

STEPS = 120  # arrows of a sequence that can still be read
BARS = 60  # bars of a summary
_NAMES = 3  # messages that an arrow names
_CROSSED = (  # how a step begins that came to nothing
    "throttled",
    "error",
    "timeout",
    "exit",
    "init",
    "marshal",
    "too-large",
    "given up",
    "delete ignored",
    "delete failed",
    "filtered",
    "expired",
    "purged",
    "gone",
)


def mermaid(journal: Iterable[Fact], *, redact: bool = False) -> str:
    """Mermaid text of a whole journal, ending in a line break. Messages stand in it by their names alone.

    ``redact`` takes the id where the name is the body itself, as that of a short body is in a scenario.
    """
    facts = list(journal)
    if redact:
        facts = Redaction(facts).facts
    steps = list(_steps(facts))
    return _sequence(steps) if len(steps) <= STEPS else _summary(facts, len(steps))


def _sequence(steps: list[tuple[str, str, str, int]]) -> str:
    lines = ["sequenceDiagram"]
    actors: dict[str, str] = {}
    for source, target, _, _ in steps:
        for actor in (source, target):
            if actor not in actors:
                actors[actor] = f"p{len(actors)}"
                lines.append(f"  participant {actors[actor]} as {_plain(actor)}")
    for source, target, said, ms in steps:
        arrow = "-x" if said.startswith(_CROSSED) else "->>"
        lines.append(f"  {actors[source]}{arrow}{actors[target]}: {show_duration(ms)} {_plain(said)}")
    return "\n".join(lines) + "\n"


def _steps(facts: list[Fact]) -> Iterator[tuple[str, str, str, int]]:
    """Who to whom, what, when; facts of the same kind and time between the same two are one."""
    messages, origin = Messages.of(facts), facts[0].at if facts else 0
    group: tuple[str, str, str, int] | None = None
    names: list[str] = []
    for fact in facts:
        told = _step(fact)
        if told is None:
            continue
        source, target, verb, ids = told
        key = (source, target, verb, fact.at - origin)
        named = [found.name if (found := messages.get(id)) else id for id in ids]
        if key == group:
            names += named
            continue
        if group is not None:
            yield (*group[:2], f"{group[2]} {_listed(names)}", group[3])
        group, names = key, named
    if group is not None:
        yield (*group[:2], f"{group[2]} {_listed(names)}", group[3])


def _step(fact: Fact) -> tuple[str, str, str, tuple[str, ...]] | None:
    match fact:
        case MessageSent():
            return "sender", fact.queue, "send", (fact.message,)
        case MessageReceived():
            return fact.queue, fact.consumer or "client", "receive", (fact.message,)
        case InvocationStarted():
            return fact.consumer, fact.function, f"invoke, batch {fact.batch}:", fact.messages
        case InvocationThrottled():
            return fact.function, fact.consumer, f"throttled, batch {fact.batch}, try {fact.attempt}:", fact.messages
        case InvocationEnded():
            return fact.function, fact.consumer, f"{fact.outcome}, batch {fact.batch}:", fact.messages
        case ResponseJudged(kept=kept) if kept and fact.done:
            return fact.mapping, fact.mapping, f"kept, batch {fact.batch}:", kept
        case BatchGivenUp():
            return fact.consumer, fact.consumer, f"given up, batch {fact.batch}:", fact.messages
        case MessageDeleted():
            return fact.consumer or "client", fact.queue, "delete", (fact.message,)
        case DeleteIgnored():
            return fact.consumer or "client", fact.queue, f"delete ignored ({fact.reason}):", (fact.message,)
        case DeleteFailed():
            return fact.consumer or "client", fact.queue, "delete failed", (fact.message,)
        case MessageFiltered():
            return fact.queue, fact.mapping, "filtered out", (fact.message,)
        case MessageHandedBack():
            return fact.mapping, fact.queue, "hand back", (fact.message,)
        case MessageRedelivered():
            return fact.queue, fact.queue, "once more", (fact.message,)
        case QueuePurged():
            return fact.queue, fact.queue, "purged", fact.messages
        case QueueRemoved():
            return fact.queue, fact.queue, "gone with the queue", fact.messages
        case MessageDeadLettered():
            times = f"{fact.receive_count} receive{'' if fact.receive_count == 1 else 's'}"
            return fact.queue, fact.to, f"dead letter after {times}", (fact.message,)
        case MessageMoved():
            return fact.queue, fact.to, "move back", (fact.message,)
        case MessageExpired():
            return fact.queue, fact.queue, "expired", (fact.message,)
        case _:
            return None


def _summary(facts: list[Fact], steps: int) -> str:
    data = model(facts)
    bars = sorted(_bars(data), key=lambda bar: bar[1] - bar[2])
    outcomes: dict[str, int] = {}
    for row in data["messages"]:
        outcomes[row[4]] = outcomes.get(row[4], 0) + 1
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(outcomes.items()))
    lines = [
        "gantt",
        f"  title A summary, too large for a sequence: {len(data['messages']):,} messages ({told})",
        "  dateFormat x",
        "  axisFormat %H:%M:%S",
        f"  %% A summary: {steps:,} steps are too many for a sequence, of which {STEPS} can be read.",
        f"  %% The {min(BARS, len(bars))} longest of {len(bars):,} busy times; bars that touch are one.",
    ]
    lane = None
    for name, start, end, said in sorted(bars[:BARS], key=lambda bar: (bar[0], bar[1])):
        if name != lane:
            lines.append(f"  section {_plain(name).replace(':', ' ')}")
            lane = name
        lines.append(f"  {_plain(said)} :{start}, {max(end, start + 1)}")
    return "\n".join(lines) + "\n"


def _bars(data: dict[str, Any]) -> Iterator[tuple[str, int, int, str]]:
    """Name of an execution environment, from, to, and how many invocations ran in a row, with how many failures."""
    lanes: dict[int, list[tuple[int, int, bool]]] = {}
    for row in data["invocations"]:
        end = data["run"]["end"] if row[5] is None else row[5]
        lanes.setdefault(row[4], []).append((row[3], end, row[6] not in {"success", None}))
    for number, runs in lanes.items():
        name = data["environments"][number][1]
        runs.sort()
        start, until, count, failed = runs[0][0], runs[0][0], 0, 0
        for began, ended, bad in runs:
            if began > until and count:
                yield name, start, until, _counted(count, failed)
                start, count, failed = began, 0, 0
            until, count, failed = max(until, ended), count + 1, failed + bad
        yield name, start, until, _counted(count, failed)


def _counted(count: int, failed: int) -> str:
    said = f"{count:,} invocation{'s' * (count != 1)}"
    return f"{said}, {failed:,} failed" if failed else said


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def _plain(text: str) -> str:
    """Text that means nothing to Mermaid: one line, without what ends a statement or begins a comment or markup.

    Half of a character, which no file can hold, is a question mark.
    """
    safe = " ".join(text.encode(errors="replace").decode().split())
    return re.sub(r"\bend\b", "End", "".join(" " if character in ';#<>{}%\\`"' else character for character in safe))

"""A journal as Chrome trace events, which ui.perfetto.dev and chrome://tracing open.

Pollers and execution environments are threads with slices, queues and pollers are counters, a message is an
asynchronous slice from its send to its end. Times are microseconds since the first fact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from esm_emulator.journal import Fact
from esm_emulator.report.trace.model import model

__all__ = ["perfetto"]

_POLLERS, _ENVIRONMENTS, _LEVELS, _MESSAGES = 1, 2, 3, 4
_PROCESSES = {_POLLERS: "pollers", _ENVIRONMENTS: "execution environments", _LEVELS: "levels", _MESSAGES: "messages"}
_STATES = ("delayed", "waiting", "in flight")
_GONE = 3


def perfetto(journal: Iterable[Fact], *, redact: bool = False) -> str:
    """Chrome trace-event JSON of a whole journal. Bodies are never in it; ``redact`` hides what could quote them."""
    data = model(journal, redact=redact)
    run = data["run"]
    events = [
        *_names(data),
        *_batches(data),
        *_invocations(data),
        *_levels(data),
        *_lives(data),
        *(
            {"ph": "i", "s": "g", "pid": _LEVELS, "tid": 0, "ts": at * 1_000, "name": text}
            for at, text in data["marks"]
        ),
    ]
    about = {name: str(run[name]) for name in ("scenario", "clock", "seed", "profile", "stopped", "version")}
    whole = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n"
    return text.encode(errors="backslashreplace").decode()  # half of a character: no file can hold it, but its escape


def _names(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for pid, name in _PROCESSES.items():
        yield {"ph": "M", "pid": pid, "name": "process_name", "args": {"name": name}}
    for tid, name in enumerate(data["pollers"]):
        yield {"ph": "M", "pid": _POLLERS, "tid": tid, "name": "thread_name", "args": {"name": name}}
    for tid, (_, name) in enumerate(data["environments"]):
        yield {"ph": "M", "pid": _ENVIRONMENTS, "tid": tid, "name": "thread_name", "args": {"name": name}}


def _slice(pid: int, tid: int, start: float, end: float, name: str, **arguments: object) -> dict[str, Any]:
    args = {key: value for key, value in arguments.items() if value is not None}
    duration = round((end - start) * 1_000)
    return {"ph": "X", "pid": pid, "tid": tid, "ts": round(start * 1_000), "dur": duration, "name": name, "args": args}


def _batches(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for row in data["batches"]:
        number, poller, closed, messages, throttles, why = row[1], row[2], row[3], row[6], row[8], row[10]
        invocation, given_up = row[11], row[12]
        started = data["invocations"][invocation][3] if invocation is not None else given_up
        first = min(row[7], default=closed) if row[7] else closed
        if first < closed:
            yield _slice(_POLLERS, poller, first, closed, f"gather batch {number}", messages=len(messages))
        if started is not None and started > closed:
            name = f"batch {number} throttled" if throttles else f"batch {number} waits"
            yield _slice(_POLLERS, poller, closed, started, name, tries=len(throttles), reason=why)
        if invocation is not None:
            end = data["invocations"][invocation][5]
            over = data["run"]["end"] if end is None else end
            yield _slice(_POLLERS, poller, started, over, f"batch {number}", messages=len(messages))


def _invocations(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for row in data["invocations"]:
        _, function, request, start, environment, end, outcome, error = row[:8]
        over = data["run"]["end"] if end is None else end
        said = f"{function}: {outcome or 'running'}"
        yield _slice(_ENVIRONMENTS, environment, start, over, said, request_id=request, error=error)
    for lane, ready, init, *_ in data["spans"]:
        if init:
            yield _slice(_ENVIRONMENTS, lane, max(0, ready - init), ready, "cold start")


def _levels(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for id, columns in data["levels"]["queues"].items():
        for at, visible, flight, delayed, _ in zip(*columns, strict=True):
            yield _counter(id, at, {"visible": visible, "in flight": flight, "delayed": delayed})
    for id, (times, counts) in data["levels"]["pollers"].items():
        for at, count in zip(times, counts, strict=True):
            yield _counter(f"{id} pollers", at, {"pollers": count})


def _counter(name: str, at: int, values: dict[str, int]) -> dict[str, Any]:
    return {"ph": "C", "pid": _LEVELS, "tid": 0, "ts": at * 1_000, "name": name, "args": values}


def _lives(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(data["messages"]):
        id, label, outcome, line = row[0], row[1], row[4], row[7]
        steps = [line[place : place + 3] for place in range(0, len(line), 3)]
        for place, (at, state, queue) in enumerate(steps):
            if state == _GONE:
                continue
            end = steps[place + 1][0] if place + 1 < len(steps) else data["run"]["end"]
            shared = {"cat": "message", "pid": _MESSAGES, "tid": 0, "id": number, "name": label or id}
            args = {"state": _STATES[state], "queue": queue, "outcome": outcome}
            yield {**shared, "ph": "b", "ts": at * 1_000, "args": args}
            yield {**shared, "ph": "e", "ts": end * 1_000}

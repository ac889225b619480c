"""Metrics as Prometheus reads them: its text exposition format, version 0.0.4.

Sums are counters and counts are gauges, both since the run began. Of concurrency, pollers and ages there is the value
of now, and ``…_max`` for the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from esm_emulator.report.metrics import FUNCTION_METRICS, MAPPING_METRICS, QUEUE_METRICS, Metrics, statistic

__all__ = ["CONTENT_TYPE", "to_prometheus"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_Samples = dict[str, float]  # by the resource's id


def to_prometheus(metrics: Metrics) -> str:
    """One page: every metric of every queue, function and mapping, labeled by its logical id."""
    lines = [
        *_section("queue", QUEUE_METRICS, metrics.queues),
        *_gauge(
            "queue",
            "ApproximateAgeOfOldestMessage",
            "now, seconds",
            {id_: metrics.age_of_oldest(id_) / 1_000 for id_ in metrics.queues},
        ),
        *_section("function", FUNCTION_METRICS, metrics.functions),
        *_gauge(
            "function",
            "ConcurrentExecutions",
            "now",
            {id_: metrics.concurrent.get(id_, 0) for id_ in metrics.functions},
        ),
        *_section("mapping", MAPPING_METRICS, metrics.mappings),
        *_gauge("mapping", "pollers", "now", {id_: metrics.running_pollers.get(id_, 0) for id_ in metrics.mappings}),
    ]
    return "\n".join(lines) + "\n"


def _section(kind: str, names: dict[str, str], values: dict[str, dict[str, float]]) -> Iterator[str]:
    for name, text in names.items():
        samples = {id_: numbers[name] for id_, numbers in values.items() if name in numbers}
        meaning = statistic(name)
        if meaning == "sum":
            yield from _metric(kind, f"{name}Total", "counter", text, samples)
        else:
            yield from _metric(kind, f"{name}Max" if meaning == "maximum" else name, "gauge", text, samples)


def _gauge(kind: str, name: str, text: str, samples: _Samples) -> Iterator[str]:
    return _metric(kind, name, "gauge", text, samples)


def _metric(kind: str, name: str, type_: str, text: str, samples: _Samples) -> Iterator[str]:
    if not samples:
        return
    full = f"esm_{kind}_{_WORD.sub('_', name).lower()}"
    yield f"# HELP {full} {text}"
    yield f"# TYPE {full} {type_}"
    for id_, value in samples.items():
        yield f'{full}{{{kind}="{_escaped(id_)}"}} {value}'


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

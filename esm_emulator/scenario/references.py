"""Every name that a scenario uses must be the name of something: looked up before anything plays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from esm_emulator.errors import Problem
from esm_emulator.report.metrics import FUNCTION_METRICS, MAPPING_METRICS, QUEUE_METRICS
from esm_emulator.resources import Resources
from esm_emulator.scenario.schema import ScenarioModel, StepModel
from esm_emulator.validation import did_you_mean
from esm_emulator.yaml_source import Path

__all__ = ["Source", "problems_of_references"]

ANY = "any"


class Source(Protocol):
    """What knows where the parts of a case stand."""

    def problem(self, message: str, path: Path = (), *, key: bool = False, clause: str = "") -> Problem:
        """A problem at ``path``."""


def problems_of_references(model: ScenarioModel, resources: Resources, source: Source) -> list[Problem]:
    """Every name of ``model`` that names nothing, in the order of the format's sections."""
    known = {"queue": resources.queues, "function": resources.functions, "mapping": resources.mappings}
    problems = []
    for kind, name, path, key in _references(model):
        names = _all(known) if kind == ANY else known[kind]
        if name not in names:
            what = "resource" if kind == ANY else kind
            problems.append(source.problem(f"there is no {what} {name!r}{did_you_mean(name, names)}", path, key=key))
    for name, variant in model.variants.items():
        if variant == "skip" and name != "base":
            problems.append(source.problem("takes a mapping; only the base can be skipped", ("variants", name)))
    return problems + list(_metrics(model, source)) + list(_handlers(model, resources, source))


Reference = tuple[str, str, Path, bool]  # kind, name, path, whether the key is the name


def _references(model: ScenarioModel) -> Iterator[Reference]:
    for name in model.behavior:
        yield "function", name, ("behavior", name), True
    for index, entry in enumerate(model.send):
        yield "queue", entry.to, ("send", index, "to"), False
    for index, step in enumerate(model.timeline):
        for kind, name, path in _step(step):
            yield kind, name, ("timeline", index, *path), False
    expect = model.expect
    for kind, section in (("queue", "queues"), ("function", "functions"), ("mapping", "mappings")):
        for name in getattr(expect, section):
            yield kind, name, ("expect", section, name), True
    for index, item in enumerate(expect.messages):
        if item.where.in_ is not None:
            yield "queue", item.where.in_, ("expect", "messages", index, "where", "in"), False


def _step(step: StepModel) -> Iterator[tuple[str, str, Path]]:
    for target in step.set or {}:
        head = target.split(".")[0]
        if head != "profile":
            yield ANY, head, ("set", target)
    for verb in ("disable", "enable"):
        if (name := getattr(step, verb)) is not None:
            yield "mapping", name, (verb,)
    if step.purge is not None:
        yield "queue", step.purge, ("purge",)
    if step.redrive is not None:
        yield "queue", step.redrive.from_, ("redrive", "from")
        if step.redrive.to is not None:
            yield "queue", step.redrive.to, ("redrive", "to")
    if step.fault is not None:
        kind = "function" if step.fault.kind == "throttle" else "queue"
        yield kind, step.fault.target, ("fault", step.fault.kind)


def _metrics(model: ScenarioModel, source: Source) -> Iterator[Problem]:
    sections: Mapping[str, Iterable[str]] = {
        "queues": QUEUE_METRICS,
        "functions": FUNCTION_METRICS,
        "mappings": MAPPING_METRICS,
    }
    for section, known in sections.items():
        for name, metrics in getattr(model.expect, section).items():
            for metric in metrics:
                if metric not in known:
                    message = f"{section} have no metric {metric!r}{did_you_mean(metric, known)}"
                    yield source.problem(message, ("expect", section, name, metric), key=True)


def _handlers(model: ScenarioModel, resources: Resources, source: Source) -> Iterator[Problem]:
    """A function without Handler needs a behavior, and one that never says ``call``."""
    for name, function in resources.functions.items():
        if function.Handler:
            continue
        for index, rule in enumerate(model.behavior.get(name, ())):
            if rule.then == "call":
                message = f"{name} has no Handler to call; say succeed, or give it one"
                yield source.problem(message, ("behavior", name, index, "then"))
        if name not in model.behavior:
            message = f"{name} has neither a Handler nor a behavior; give it one of them"
            yield source.problem(message, ("resources", name), key=True)


def _all(known: Mapping[str, Mapping[str, object]]) -> list[str]:
    return [name for names in known.values() for name in names]

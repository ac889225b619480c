"""What the page of a trace shows, as plain JSON values: one walk over the journal, linear in it.

Times are milliseconds since the first fact. Messages, queues, mappings, functions, lanes, batches and invocations are
numbered, and refer to each other by number. Where every message is comes from :mod:`metrics`, so that the page and the
metrics cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from esm_emulator.journal import Deployed, Fact, RunStarted, RunStopped
from esm_emulator.report.messages import Messages, about
from esm_emulator.report.metrics import Metrics
from esm_emulator.report.story import told
from esm_emulator.report.trace.lanes import Lanes
from esm_emulator.report.trace.levels import Levels
from esm_emulator.report.trace.lives import Lives
from esm_emulator.report.trace.redaction import Redaction

__all__ = ["Cause", "model"]

_SHOWN = {
    "AWS::SQS::Queue": ("VisibilityTimeout", "DelaySeconds", "MessageRetentionPeriod", "FifoQueue", "RedrivePolicy"),
    "AWS::Lambda::Function": ("Timeout", "MemorySize", "ReservedConcurrentExecutions"),
    "AWS::Lambda::EventSourceMapping": (
        "EventSourceArn",
        "FunctionName",
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "FunctionResponseTypes",
        "ScalingConfig",
        "ProvisionedPollerConfig",
        "FilterCriteria",
    ),
}


class Cause(Protocol):
    """A diagnosis, as the page wants it: ``evidence`` are numbers of facts in the journal, from 0."""

    @property
    def code(self) -> str: ...  # noqa: D102 - fields, named as they are
    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def messages(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def summary(self) -> str: ...  # noqa: D102
    @property
    def fix(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def evidence(self) -> Sequence[int]: ...  # noqa: D102


def model(
    journal: Iterable[Fact],
    diagnoses: Sequence[Cause] = (),
    *,
    redact: bool = False,
    real_seconds: float | None = None,
    until: int | None = None,
) -> dict[str, Any]:
    """The data of the page. ``redact`` keeps bodies, and texts that could quote one, out of them.

    ``until`` (epoch ms) is how far a run that goes on has come, beyond its last fact: what is hidden or delayed may be
    back since.
    """
    facts = list(journal)
    redaction = Redaction(facts) if redact else None
    if redaction is not None:
        facts = redaction.facts
    origin = facts[0].at if facts else 0
    end = max((fact.at for fact in facts), default=origin)
    if until is not None and facts and not isinstance(facts[-1], RunStopped):
        end = max(end, until)
    messages, metrics = Messages(), Metrics()
    levels, lanes, lives = Levels(metrics, origin), Lanes(origin), Lives(messages, origin)
    histories: dict[int, list[tuple[Fact, str]]] = {}
    for fact in facts:
        messages.read(fact)
        levels.read(fact)
        lives.read(fact)
        involved = lives.numbered(about(fact))
        lanes.read(fact, [number for number, _ in involved])
        for number, id in involved:
            histories.setdefault(number, []).append((fact, id))
    levels.finish(end)
    lives.finish(end)
    texts: dict[str, int] = {}
    stories = [_story(histories.get(number, ()), origin, texts) for number in range(len(messages))]
    return {
        "run": _run(facts, origin, end, redact=redact, real_seconds=real_seconds),
        "resources": _resources(facts),
        "levels": levels.to_json(),
        **lanes.to_json(),
        "messages": lives.to_json(),
        "texts": list(texts),
        "stories": stories,
        "diagnoses": [_cause(cause, facts, lives, origin, redaction) for cause in diagnoses],
    }


def _story(history: Iterable[tuple[Fact, str]], origin: int, texts: dict[str, int]) -> list[int]:
    """Time, text, time, text …; a text is its number in ``texts``."""
    flat: list[int] = []
    for ms, said in told(history, origin):
        flat += (ms, texts.setdefault(said, len(texts)))
    return flat


def _run(facts: list[Fact], origin: int, end: int, *, redact: bool, real_seconds: float | None) -> dict[str, Any]:
    started = next((fact for fact in facts if isinstance(fact, RunStarted)), None)
    stopped = next((fact for fact in reversed(facts) if isinstance(fact, RunStopped)), None)
    return {
        "scenario": started and started.scenario,
        "version": started and started.version,
        "clock": started.clock if started else "real",
        "seed": started and started.seed,
        "profile": started and started.profile,
        "stopped": stopped and stopped.reason,
        "origin": origin,
        "end": end - origin,
        "facts": len(facts),
        "redacted": redact,
        "real_seconds": real_seconds,
    }


def _resources(facts: list[Fact]) -> dict[str, dict[str, Any]]:
    """The last deployed ones: kind and the properties that decide what happens; never environment variables."""
    deployed = next((fact for fact in reversed(facts) if isinstance(fact, Deployed)), None)
    found: dict[str, dict[str, Any]] = {}
    for id, resource in (deployed.resources if deployed else {}).items():
        properties = resource.get("Properties", {})
        shown = {name: properties[name] for name in _SHOWN.get(resource.get("Type"), ()) if name in properties}
        found[id] = {"type": resource.get("Type"), "properties": shown}
    return found


def _cause(cause: Cause, facts: list[Fact], lives: Lives, origin: int, redaction: Redaction | None) -> dict[str, Any]:
    clean = redaction.clean if redaction is not None else str
    evidence = [facts[number] for number in cause.evidence if 0 <= number < len(facts)]
    return {
        "code": cause.code,
        "subject": cause.subject,
        "summary": clean(cause.summary),
        "fix": clean(cause.fix),
        "source": cause.source,
        "messages": [number for number, _ in lives.numbered(cause.messages)],
        "evidence": [[fact.at - origin, fact.event] for fact in evidence],
    }

"""What rules look at, and what they say.

A :class:`Setup` is resources and what else is known of them; a rule is a code and a pure function from a setup to
:class:`Hit` values; a :class:`Finding` is a hit with the texts of its code and its place in a file. Nothing here knows
a rule, nor how resources were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from esm_emulator.codes import CODES
from esm_emulator.resources import EventSourceMapping, Function, Queue, Resources
from esm_emulator.yaml_source import Path

__all__ = ["Finding", "Hit", "Look", "Pair", "Rule", "Setup", "Spot", "Traffic", "seconds"]

LEVELS = {"E": "error", "W": "warning", "I": "advice"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A risk or a piece of advice, seen before anything runs.

    ``subject`` is a logical id; ``line`` and ``column`` count from 1 and are 0 where there is no text.
    """

    code: str
    subject: str
    summary: str
    fix: str = ""
    source: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""

    @property
    def kind(self) -> str:
        """``E``, ``W`` or ``I``."""
        return CODES[self.code].kind

    @property
    def level(self) -> str:
        """``error``, ``warning`` or ``advice``."""
        return LEVELS[self.kind]

    def to_json(self) -> dict[str, Any]:
        """As it stands in a replay's JSON and in that of ``esm check``."""
        return {
            "code": self.code,
            "subject": self.subject,
            "summary": self.summary,
            "fix": self.fix,
            "source": self.source,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
        }


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file that is not a property: a line of a handler."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule found: at the property ``path`` of the resource ``subject``, or at ``spot``.

    ``fix`` where the setup allows a more exact one than the code's.
    """

    subject: str
    path: Path
    summary: str
    fix: str = ""
    spot: Spot | None = None


Look = Callable[["Setup"], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its sentence and its page are those of its code."""

    code: str
    look: Look


@dataclass(frozen=True, slots=True)
class Pair:
    """A mapping with the queue and the function that it ties together; None for what is elsewhere or not known."""

    mapping: EventSourceMapping
    queue: Queue | None
    function: Function | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is known beforehand of messages and of the work on them.

    ``bodies`` are texts and ``groups`` all group ids, by the logical id of their queue. ``each_ms`` is how long a
    function takes for each message, by its logical id.
    """

    bodies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    each_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """Resources and what else is known of them.

    ``faulty`` are properties (id and name) and ``unsure`` places (file, line, column) whose value is not the one that
    stands in ``resources``: no rule concludes anything from them. ``blocks`` are all blocks of a template, also of
    types that are not emulated; None when there is no template. ``refusals_told``: what AWS would refuse at creation
    has been told, so that it is not a drift. ``account_concurrency`` is the account's quota (POLL-12), ``region`` the
    Region that somebody said everything is in.
    """

    resources: Resources
    faulty: frozenset[tuple[str, str]] = frozenset()
    unsure: frozenset[tuple[str, int, int]] = frozenset()
    blocks: Mapping[str, Any] | None = None
    traffic: Traffic = field(default_factory=Traffic)
    refusals_told: bool = False
    account_concurrency: int = 1000
    region: str | None = None

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every mapping with what it ties together."""
        found = self.resources
        return tuple(
            Pair(mapping, found.queue_of(mapping), found.function_named(mapping.FunctionName))
            for mapping in found.mappings.values()
        )

    @cached_property
    def sources(self) -> tuple[Queue, ...]:
        """The queues that an enabled mapping reads, each once."""
        read = {pair.queue.id: pair.queue for pair in self.pairs if pair.queue and pair.mapping.Enabled}
        return tuple(read.values())

    def pairs_of(self, function: Function) -> list[Pair]:
        """The enabled mappings of a function."""
        return [pair for pair in self.pairs if pair.function is function and pair.mapping.Enabled]

    def knows(self, id_: str, *names: str) -> bool:
        """Whether the resource's properties have the values that the resources say."""
        declared = self.resources.declared.get(id_)
        if declared is None:
            return True
        for name in names:
            if name in declared.told or (id_, name) in self.faulty:
                return False
            if self.unsure:
                problem = declared.origin.problem("", (name,))
                if (problem.file, problem.line, problem.column) in self.unsure:
                    return False
        return True

    def wrote(self, id_: str, name: str) -> Any:
        """What was written for a property, None when nothing was."""
        declared = self.resources.declared.get(id_)
        if declared is None:
            return getattr(self.resources[id_], name) if name in self.resources[id_].model_fields_set else None
        return declared.properties.get(name)

    def findings(self, rules: Iterable[Rule]) -> Iterator[Finding]:
        """What the rules find, in their order."""
        for rule in rules:
            for hit in rule.look(self):
                yield self._finding(rule.code, hit)

    def _finding(self, code: str, hit: Hit) -> Finding:
        told = CODES[code]
        file, line, column, path = self._place(hit)
        return Finding(code, hit.subject, hit.summary, hit.fix or told.fix, told.source, file, line, column, path)

    def _place(self, hit: Hit) -> tuple[str, int, int, str]:
        """Where the property stands; of one that was not written, where its resource does."""
        path = ".".join(map(str, (hit.subject, *hit.path)))
        if hit.spot is not None:
            return hit.spot.file, hit.spot.line, hit.spot.column, path
        declared = self.resources.declared.get(hit.subject)
        if declared is None:
            return "", 0, 0, path
        written = bool(hit.path) and (
            hit.path[0] in declared.properties
            or hit.path[0] in declared.told
            or (hit.path[0],) in declared.origin.moved
        )
        problem = declared.origin.problem("", hit.path if written else (), key=not written)
        return problem.file, problem.line, problem.column, path


def seconds(value: int) -> str:
    """Seconds to read: ``90 s``, ``2 h``, ``4 d``."""
    for size, unit in ((86_400, "d"), (3_600, "h")):
        if value >= size and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value} s"

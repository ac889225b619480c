"""One resource as somebody wrote it: its properties before defaults and checks, and where each of them stands.

A resource stays declared until the very end, so that a later change (a variant, a timeline, an override) is made to
what was written and not to what became of it: whoever renames a queue keeps the references to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import Problem, UsageError
from esm_emulator.validation import Source, did_you_mean
from esm_emulator.yaml_source import Path, dotted

__all__ = [
    "FUNCTION",
    "IDLE_KEYS",
    "MAPPING",
    "QUEUE",
    "SERVERLESS",
    "TYPES",
    "Declared",
    "Origin",
    "Spot",
    "changed",
    "declare",
    "id_problems",
]

QUEUE = "AWS::SQS::Queue"
FUNCTION = "AWS::Lambda::Function"
MAPPING = "AWS::Lambda::EventSourceMapping"
SERVERLESS = "AWS::Serverless::Function"
TYPES = (QUEUE, FUNCTION, MAPPING, SERVERLESS)

BLOCK_KEYS = ("Type", "Properties")
IDLE_KEYS = (
    *("Condition", "Connectors", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "UpdatePolicy"),
    "UpdateReplacePolicy",
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a document, which is None for what was given in code.

    ``root`` leads to all resources of the document, and problems do not name it.
    """

    document: Source | None
    path: Path
    root: Path = ()

    def problem(self, message: str, *, key: bool = False, clause: str = "") -> Problem:
        """A problem there."""
        is_below = self.path[: len(self.root)] == self.root != self.path
        name = dotted(self.path[len(self.root) :] if is_below else self.path)
        if self.document is None:
            return Problem(message, name, clause=clause)
        return replace(self.document.problem(message, self.path, key=key, clause=clause), path=name)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a resource's properties stand: in ``document`` below ``base``, but for those that ``moved``.

    ``moved`` has property paths and where they really stand: a serverless function's globals, an event's queue, an
    override in another file. Resources given in code have no document; their problems have no line.
    """

    base: Path
    document: Source | None = None
    moved: Mapping[Path, Spot] = field(default_factory=dict)
    root: Path = ()

    def problem(self, message: str, path: Path = (), *, key: bool = False, clause: str = "") -> Problem:
        """A problem with the property at ``path``, or with the whole resource."""
        return self.spot(path).problem(message, key=key, clause=clause)

    def spot(self, path: Path = ()) -> Spot:
        """Where the property at ``path`` stands, or the whole resource."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.moved:
                spot = self.moved[path[:length]]
                return replace(spot, path=(*spot.path, *path[length:]))
        return Spot(self.document, (*self.base, "Properties", *path) if path else self.base, self.root)

    def below(self, *steps: str | int) -> Origin:
        """The place of something inside the block, not a property."""
        return Origin((*self.base, *steps), self.document, root=self.root)


@dataclass(frozen=True, slots=True)
class Declared:
    """One resource of one type. ``folder`` is what its ``CodeUri`` is relative to.

    ``strict`` says what a property that AWS does not have is: an error in a file of ours, a warning in a template.
    ``told`` names properties that stand at their default although something else is written, which has been told: no
    conclusion is drawn from them.
    """

    id: str
    type: str
    properties: dict[str, Any]
    origin: Origin
    folder: FilePath
    strict: bool = True
    told: frozenset[str] = frozenset()


def declare(
    data: Any, origin: Origin | None = None, folder: FilePath | None = None
) -> tuple[list[Declared], list[Problem], frozenset[str]]:
    """The resources of a mapping from logical ids to blocks of ``Type`` and ``Properties``, which stands at ``origin``.

    Beside them every problem with a block, and the ids of the blocks that have one.
    """
    if not isinstance(data, Mapping):
        message = "takes a mapping from logical ids to resources"
        return [], [(origin or Origin(("resources",))).problem(message)], frozenset()
    made: list[Declared] = []
    problems: list[Problem] = []
    broken: set[str] = set()
    for id_, block in data.items():
        own = origin.below(id_) if origin else Origin((id_,))
        wrong = list(_block_problems(id_, block, own))
        if wrong:
            problems += wrong
            broken.add(id_)
        else:
            properties = dict(block.get("Properties") or {})
            made.append(Declared(id_, block["Type"], properties, own, folder or FilePath.cwd()))
    return made, problems, frozenset(broken)


def id_problems(id_: str, origin: Origin) -> Iterable[Problem]:
    """What is wrong with a logical id: names are made of it, and dots lead into its properties."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", str(id_)):
        yield origin.problem(f"{id_!r} is not a logical id, which takes letters, digits, - and _", key=True)


def _block_problems(id_: str, block: Any, origin: Origin) -> Iterable[Problem]:
    yield from id_problems(id_, origin)
    if not isinstance(block, Mapping):
        yield origin.problem("takes a mapping with Type and Properties")
        return
    for key in block:
        if key not in BLOCK_KEYS and key not in IDLE_KEYS:
            yield origin.below(key).problem(f"unknown key {key!r}{did_you_mean(key, BLOCK_KEYS)}", key=True)
    type_ = block.get("Type")
    if type_ is None:
        yield origin.problem("'Type' is missing", key=True)
    elif type_ not in TYPES:
        near = did_you_mean(str(type_), TYPES)
        yield origin.below("Type").problem(
            f"{type_!r} is not a type that is emulated{near or '; those are ' + ', '.join(TYPES)}"
        )
    if not isinstance(block.get("Properties", {}), Mapping | None):
        yield origin.below("Properties").problem("takes a mapping of properties")


def changed(resource: Declared, path: Path, value: Any) -> Declared:
    """The resource with the property at ``path`` replaced; ``None`` removes it. Raises ``UsageError``."""
    try:
        properties = _with(resource.properties, path, value)
    except UsageError as error:
        raise UsageError(f"{resource.id}.{dotted(path)}: {error}") from None
    return replace(
        resource,
        properties=properties,
        origin=replace(resource.origin, moved={**resource.origin.moved, path: Spot(None, (resource.id, *path))}),
        told=resource.told - {str(path[0])},
    )


def _with(data: Any, path: Path, value: Any) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(data, list):
        if not isinstance(step, int) or not 0 <= step <= len(data):
            raise UsageError(f"there is no item {step} in a list of {len(data)}")
        items = list(data)
        below = items[step] if step < len(items) else None
        items[step : step + 1] = [] if value is None and not rest else [_with(below, rest, value) if rest else value]
        return items
    made = dict(data) if isinstance(data, Mapping) else {}
    if rest:
        made[str(step)] = _with(made.get(str(step)), rest, value)
    elif value is None:
        made.pop(str(step), None)
    else:
        made[str(step)] = value
    return made

"""Finding the values of a pattern's field in an event, and holding several fields to one element of an array.

The name of a field is its path, joined by dots, and so is the name of a value in an event: ``{"a": {"b": 1}}`` and
``{"a.b": 1}`` are the same (FILT-32). Only leaves are values; objects and lists are not, and an empty list has none
(FILT-25, FILT-27). A value knows through which elements of which arrays its path runs. Fields match together only if no
array is passed through two different elements: ``{"a": {"x": [1], "y": [2]}}`` wants one element that has both
(FILT-26).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from esm_emulator.mapping.filter.values import Condition, Values

__all__ = [
    "MANY",
    "MISSING",
    "Field",
    "Membership",
    "arrays_of",
    "find",
    "merge",
    "routes",
    "single",
    "steps_used",
    "straight",
]

Membership = tuple[tuple[int, int], ...]  # (array, element) for each array on the way, by the array's identity
Routes = tuple[tuple[str, "Routes | None"], ...]  # a key, and the routes from there; None: its value is the leaf
Straight = tuple[tuple[str, tuple[str, ...]], ...]  # a key, and the other keys that would be a way too

MISSING = object()
MANY = object()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a pattern: where its values are, and what they may be."""

    name: str
    routes: Routes
    straight: Straight | None
    values: Values
    conditions: tuple[Condition, ...]

    @property
    def shown(self) -> str:
        """The conditions as they stand in the pattern."""
        return f"[{', '.join(condition.shown for condition in self.conditions)}]"


def steps_used(names: Iterable[str]) -> frozenset[str]:
    """The steps of all names; AWS's matcher does not look below any other key of an event."""
    return frozenset(step for name in names for step in _steps(name))


def _steps(name: str) -> list[str]:
    """A name taken apart at its dots as the matcher does it: empty steps at the end are lost."""
    steps = name.split(".")
    while len(steps) > 1 and not steps[-1]:
        steps.pop()
    return [] if steps == [""] and name else steps


def routes(name: str, used: frozenset[str]) -> Routes:
    """Every way in which keys of an event can make up the name: for a.b, the key a and then b, or the key a.b."""
    parts = name.split(".")
    ways: Routes = ()
    found: dict[int, Routes | None] = {len(parts): None}
    for start in reversed(range(len(parts))):
        keys = [(".".join(parts[start:end]), found[end]) for end in range(start + 1, len(parts) + 1)]
        ways = tuple((key, rest) for key, rest in keys if _is_used(key, used))
        found[start] = ways
    return ways


def _is_used(key: str, used: frozenset[str]) -> bool:
    return key in used or ("." in key and all(step in used for step in _steps(key)))


def straight(name: str, ways: Routes) -> Straight | None:
    """The way of a name through objects alone, one key a step; None where the name is too odd for it."""
    steps = []
    rest: Routes | None = ways
    for part in name.split("."):
        keys = [key for key, _ in rest or ()]
        if not rest or keys[0] != part:
            return None
        steps.append((part, tuple(keys[1:])))
        rest = rest[0][1]
    return tuple(steps)


def single(event: dict[str, Any], steps: Straight | None) -> Any:
    """The one leaf at the end of a straight way, ``MISSING``, or ``MANY`` when only :func:`find` can tell.

    Nearly every field of nearly every event is found by this, in a fraction of the time.
    """
    if steps is None:
        return MANY
    node: Any = event
    for key, others in steps:
        if type(node) is not dict:
            return MANY if isinstance(node, dict | list) else MISSING
        for other in others:
            if other in node:
                return MANY
        if key not in node:
            return MISSING
        node = node[key]
    if isinstance(node, dict | list):
        return MISSING if type(node) is dict else MANY
    return node


def find(event: dict[str, Any], ways: Routes) -> list[tuple[Any, Membership]]:
    """The leaves at a field's name, each with the array elements on its way."""
    found: list[tuple[Any, Membership]] = []
    todo: list[tuple[Any, Routes | None, Membership]] = [(event, ways, ())]
    while todo:
        node, rest, at = todo.pop()
        if isinstance(node, dict):
            if rest is not None:
                todo.extend((node[key], further, at) for key, further in rest if key in node)
        elif isinstance(node, list):
            for index, item in enumerate(node):
                if isinstance(item, dict | list):
                    todo.append((item, rest, (*at, (id(node), index))))
                elif rest is None:
                    found.append((item, at))
        elif rest is None:
            found.append((node, at))
    return found


def merge(so_far: Membership, at: Membership) -> Membership | None:
    """Both memberships together, or None when they pass through different elements of one array."""
    elements = dict(so_far)
    for array, index in at:
        if elements.setdefault(array, index) != index:
            return None
    return tuple(sorted(elements.items()))


def arrays_of(found: Sequence[tuple[Any, Membership]]) -> frozenset[int]:
    """The arrays through which any of the values is reached."""
    return frozenset(array for _, at in found for array, _ in at)

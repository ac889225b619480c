"""A filter pattern, compiled once, and what it makes of a JSON value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from esm_emulator.mapping.filter.fields import (
    MANY,
    MISSING,
    Field,
    Membership,
    arrays_of,
    find,
    merge,
    routes,
    single,
    steps_used,
    straight,
)
from esm_emulator.mapping.filter.syntax import Alternative, read
from esm_emulator.mapping.filter.values import Condition, Values

__all__ = ["FilterPattern", "Mismatch", "Rule"]

_SHOWN = 60  # characters of a value in an explanation


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a value does not match: the field's name and a sentence about it. ``fitted`` fields before it did match."""

    key: str
    reason: str
    fitted: int = 0

    def __str__(self) -> str:
        return f"{self.key} {self.reason}" if self.key else self.reason


@dataclass(frozen=True, slots=True)
class Rule:
    """One alternative of a pattern: fields that must all match, in the order in which the matcher takes them."""

    fields: tuple[Field, ...]

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether every field fits, through the same array elements where they share an array."""
        for field in self.fields:
            value = single(event, field.straight)
            if value is MANY:
                return self._matches_many(event)
            if not (field.values.absent if value is MISSING else field.values.accept(value)):
                return False
        return True

    def _matches_many(self, event: dict[str, Any]) -> bool:
        """The same where a field may have several values."""
        found = []
        for field in self.fields:
            values = find(event, field.routes)
            found.append(values)
            if not _may_fit(field, values):
                return False
        if not any(at for values in found for _, at in values):
            return True
        return self._first_misfit(found) is None

    def _first_misfit(self, found: list[list[tuple[Any, Membership]]]) -> int | None:
        """The first field that does not fit together with those before it.

        The array elements chosen so far are carried along; arrays that no later field passes through are forgotten,
        which keeps the choices few.
        """
        later = [frozenset[int]()]
        for values in reversed(found[1:]):
            later.append(later[-1] | arrays_of(values))
        chosen: set[Membership] = {()}
        for index, (field, values) in enumerate(zip(self.fields, found, strict=True)):
            needed = later[len(found) - 1 - index]
            chosen = {tuple(item for item in at if item[0] in needed) for at in _continued(field, values, chosen)}
            if not chosen:
                return index
        return None

    def explain(self, event: dict[str, Any]) -> Mismatch | None:
        """The first field that does not fit, or None when all do."""
        found = [find(event, field.routes) for field in self.fields]
        index = self._first_misfit(found)
        if index is None:
            return None
        field, values = self.fields[index], found[index]
        return Mismatch(field.name, _reason(field, values), index)


def _may_fit(field: Field, values: list[tuple[Any, Membership]]) -> bool:
    """Whether the field fits when arrays do not matter; an absent field may also be absent beside one element only."""
    accept = field.values.accept
    for value, _ in values:
        if accept(value):
            return True
    return field.values.absent and (not values or any(at for _, at in values))


def _continued(field: Field, values: list[tuple[Any, Membership]], chosen: set[Membership]) -> Iterable[Membership]:
    """The array elements that can be chosen once this field is held to fit too."""
    fitting = [at for value, at in values if field.values.accept(value)]
    for so_far in chosen:
        for at in fitting:
            both = merge(so_far, at)
            if both is not None:
                yield both
        if field.values.absent and all(merge(so_far, at) is None for _, at in values):
            yield so_far


def _reason(field: Field, values: list[tuple[Any, Membership]]) -> str:
    if not values:
        return f"is missing (or has no value of its own); the filter wants {field.shown}"
    if any(field.values.accept(value) for value, _ in values):
        return f"fits {field.shown} only in another element of the array than the fields before it"
    if field.values.absent and len(field.conditions) == 1:
        return f"is there ({_list(values)}), and the filter wants it not to be"
    return f"is {_list(values)}; the filter wants {field.shown}"


def _list(values: list[tuple[Any, Membership]]) -> str:
    shown = [_clipped(json.dumps(value, ensure_ascii=False, default=str)) for value, _ in values[:3]]
    return ", ".join(shown) + (" …" if len(values) > 3 else "")


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


@dataclass(frozen=True, slots=True)
class FilterPattern:
    """A pattern of the language of FilterCriteria, compiled once (contract 6.4, 6.5).

    ``unlisted_operators`` are operators in it that Lambda's documentation does not list, in the pattern's order; it
    is not known whether Lambda takes them (FILT-35).
    """

    text: str
    rules: tuple[Rule, ...]
    unlisted_operators: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> FilterPattern:
        """Compile a pattern.

        Raises ``InvalidFilterPattern`` (FILT-5), whose text is AWS's sentence, what is wrong, and where.
        """
        alternatives, unlisted = read(text)
        return cls(text, _rules(alternatives), unlisted)

    def matches(self, value: Any) -> bool:
        """Whether a decoded JSON value matches; only an object can."""
        return isinstance(value, dict) and any(rule.matches(value) for rule in self.rules)

    def explain(self, value: Any) -> Mismatch | None:
        """Which field does not match, and why; of several alternatives, in the one that came farthest.

        None when the value matches.
        """
        if not isinstance(value, dict):
            return Mismatch("", f"{_clipped(json.dumps(value, default=str))} is no JSON object")
        nearest: Mismatch | None = None
        for rule in self.rules:
            mismatch = rule.explain(value)
            if mismatch is None:
                return None
            if nearest is None or mismatch.fitted > nearest.fitted:
                nearest = mismatch
        return nearest


def _rules(alternatives: list[Alternative]) -> tuple[Rule, ...]:
    """The alternatives compiled. Those that are the same up to a field share the matcher's automaton for it."""
    used = steps_used(name for alternative in alternatives for name in alternative)
    ways = {name: routes(name, used) for alternative in alternatives for name in alternative}
    walks = [list(_walk(alternative)) for alternative in alternatives]
    shared: dict[_Place, tuple[Condition, ...]] = {}
    for walk in walks:
        for place, conditions in walk:
            shared[place] = (*shared.get(place, ()), *conditions)
    return tuple(
        Rule(
            tuple(
                Field(
                    place[1],
                    ways[place[1]],
                    straight(place[1], ways[place[1]]),
                    Values(conditions, shared[place]),
                    conditions,
                )
                for place, conditions in walk
            )
        )
        for walk in walks
    )


_Place = tuple[tuple[Any, ...], str]  # what the fields before it want, and the field's name


def _walk(alternative: Alternative) -> Iterator[tuple[_Place, tuple[Condition, ...]]]:
    """The fields in the order in which the matcher sorts them, by UTF-16 units."""
    before: tuple[Any, ...] = ()
    for name in sorted(alternative, key=lambda name: name.encode("utf-16-be", "surrogatepass")):
        conditions = alternative[name]
        yield (before, name), conditions
        before = (before, name, *(condition.shown for condition in conditions))

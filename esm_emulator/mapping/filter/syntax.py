"""The pattern language: JSON text to alternatives, each a field's name and its conditions (contract 6.4).

A pattern is an object of fields that must all match. ``$or`` multiplies: every alternative written so far is
continued by each of its branches. A name that comes twice counts the last time (FILT-33), in the order in which the
text is read, so that a branch of ``$or`` may replace what stands before it.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.mapping.filter.operators import Conditions, Digits, Keys
from esm_emulator.mapping.filter.values import Condition

__all__ = ["Alternative", "read"]

Alternative = dict[str, tuple[Condition, ...]]

MOST_FIELDS = 256  # of one alternative; AWS's matcher takes no more
MOST_ALTERNATIVES = 1000  # EventBridge's bound for combinations of $or
OR = "$or"
NOT_BELOW_OR = frozenset(
    {
        *("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr"),
        *("=", "<", "<=", ">", ">="),
        *("regex", "not-wildcard", "not-equals-ignore-case", "ip-address-in-range", "ip-address-not-in-range"),
        *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
    }
)


def read(text: str) -> tuple[list[Alternative], tuple[str, ...]]:
    """The alternatives of a pattern, and the operators in it that Lambda's page does not list (FILT-35).

    Raises ``InvalidFilterPattern`` with the place in the pattern.
    """
    try:
        pattern = json.loads(
            text, object_pairs_hook=Keys, parse_int=Digits, parse_float=Digits, parse_constant=_no_constant
        )
        if not isinstance(pattern, Keys):
            raise InvalidFilterPattern("Filter is not an object")
        reader = _Reader()
        alternatives: list[Alternative] = []
        reader.fields(alternatives, (), pattern, below_or=False)
    except ValueError as error:
        raise InvalidFilterPattern(f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidFilterPattern("nested too deeply") from None
    if any(len(alternative) > MOST_FIELDS for alternative in alternatives):
        raise InvalidFilterPattern(f"more than {MOST_FIELDS} fields")
    return alternatives, tuple(reader.conditions.unlisted)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


class _Reader:
    """Walks a pattern once, with the place where it is for whoever reads what it refuses."""

    def __init__(self) -> None:
        self.conditions = Conditions()
        self._path = ""

    def fields(self, alternatives: list[Alternative], path: tuple[str, ...], value: Keys, *, below_or: bool) -> None:
        """Add the fields of an object to every alternative."""
        if not value:
            self._refuse("Empty objects are not allowed")
        for key, below in value:
            self._path = ".".join((*path, key))
            if key == OR:
                self._either(alternatives, path, below)
            elif below_or and key in NOT_BELOW_OR:
                self._refuse(f"{key} is Ruler reserved fieldName which cannot be used inside {OR}.")
            elif isinstance(below, Keys):
                self.fields(alternatives, (*path, key), below, below_or=below_or)
            elif isinstance(below, list):
                self._field(alternatives, path, key, below)
            else:
                self._refuse(f'"{key}" must be an object or an array')

    def _field(self, alternatives: list[Alternative], path: tuple[str, ...], key: str, value: list[Any]) -> None:
        try:
            conditions = tuple(self.conditions.read(item) for item in value)
        except ValueError as error:
            self._refuse(str(error))
        if not conditions:
            self._refuse("Empty arrays are not allowed")
        parent = ".".join(path)  # empty for the top, and for the key "" there
        name = f"{parent}.{key}" if parent else key
        if not alternatives:
            alternatives.append({})
        for alternative in alternatives:
            alternative[name] = conditions

    def _either(self, alternatives: list[Alternative], path: tuple[str, ...], value: Any) -> None:
        place = self._path
        if not isinstance(value, list) or isinstance(value, Keys):
            self._refuse(f"It must be an Array followed with {OR}.")
        before = alternatives[:] or [{}]
        alternatives.clear()
        for branch in value:
            self._path = place
            if not isinstance(branch, Keys):
                self._refuse(f"Only JSON object is allowed in array of {OR} relationship.")
            copies = [dict(alternative) for alternative in before]
            self.fields(copies, path, branch, below_or=True)
            alternatives += copies
            if len(alternatives) > MOST_ALTERNATIVES:
                self._refuse(f"more than {MOST_ALTERNATIVES} combinations of {OR}")
        self._path = place
        if len(value) < 2:
            self._refuse(f"There must have at least 2 Objects in {OR} relationship.")

    def _refuse(self, reason: str) -> NoReturn:
        raise InvalidFilterPattern(reason, self._path)

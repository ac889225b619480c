"""What one field of a pattern accepts: the conditions of its list, any one of which suffices (FILT-25, FILT-29).

AWS's matcher puts all conditions of a field into one automaton, and looks once at the value that it feeds to it: when
one condition is numeric, a number becomes a comparable one; else, when one is an address, a string that is an address
becomes its digits. The value is then no longer a string to the other conditions of the field, which shows where an
address stands beside a prefix. :class:`Values` keeps to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from esm_emulator.mapping.filter.addresses import AddressRange, digits_of
from esm_emulator.mapping.filter.numbers import comparable, text_of
from esm_emulator.mapping.filter.texts import Accepts

__all__ = [
    "Address",
    "AnythingButNumber",
    "AnythingButText",
    "Condition",
    "Constant",
    "Exists",
    "Interval",
    "Literal",
    "Number",
    "Text",
    "Values",
]


@dataclass(frozen=True, slots=True)
class Literal:
    """This very string."""

    shown: str
    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """true, false or null."""

    shown: str
    value: bool | None


@dataclass(frozen=True, slots=True)
class Number:
    """This number: as a double, or by its digits when it cannot be compared."""

    shown: str
    value: float | Decimal


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers between two, which count themselves or do not."""

    shown: str
    bottom: float
    open_bottom: bool
    top: float
    open_top: bool

    def holds(self, number: float) -> bool:
        """Whether ``number`` lies between the two."""
        above = self.bottom < number if self.open_bottom else self.bottom <= number
        return above and (number < self.top if self.open_top else number <= self.top)


@dataclass(frozen=True, slots=True)
class Address:
    """IP addresses of a range."""

    shown: str
    range: AddressRange


@dataclass(frozen=True, slots=True)
class Text:
    """Strings that an operator accepts."""

    shown: str
    accepts: Accepts


@dataclass(frozen=True, slots=True)
class AnythingButText:
    """Whatever is there, but for strings that one of these accepts (FILT-28)."""

    shown: str
    refused: tuple[Accepts, ...]


@dataclass(frozen=True, slots=True)
class AnythingButNumber:
    """Whatever is there, but for these numbers."""

    shown: str
    refused: frozenset[float]


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a leaf, or there is none (FILT-27)."""

    shown: str
    wanted: bool


Condition = Literal | Constant | Number | Interval | Address | Text | AnythingButText | AnythingButNumber | Exists


class Values:
    """The conditions of one field, sorted by what they look at.

    ``automaton`` are all conditions that share the automaton: the field's own, and those of alternatives that are the
    same up to this field.
    """

    __slots__ = (
        "_addresses",
        "_anything_but",
        "_constants",
        "_intervals",
        "_looks_at_addresses",
        "_looks_at_numbers",
        "_number_texts",
        "_numbers",
        "_present",
        "_refused_numbers",
        "_refused_texts",
        "_strings",
        "_texts",
        "absent",
    )

    def __init__(self, conditions: tuple[Condition, ...], automaton: tuple[Condition, ...]) -> None:
        self._looks_at_numbers = any(map(_is_numeric, automaton))
        self._looks_at_addresses = not self._looks_at_numbers and any(isinstance(item, Address) for item in automaton)
        numbers = [item.value for item in conditions if isinstance(item, Number)]
        self._strings = frozenset(item.text for item in conditions if isinstance(item, Literal))
        self._constants = tuple(item.value for item in conditions if isinstance(item, Constant))
        self._numbers = frozenset(number for value in numbers if (number := comparable(value)) is not None)
        self._number_texts = frozenset(text_of(value) for value in numbers if comparable(value) is None)
        self._intervals = tuple(item for item in conditions if isinstance(item, Interval))
        self._addresses = tuple(item.range for item in conditions if isinstance(item, Address))
        self._texts = tuple(item.accepts for item in conditions if isinstance(item, Text))
        self._refused_texts = tuple(item.refused for item in conditions if isinstance(item, AnythingButText))
        self._refused_numbers = tuple(item.refused for item in conditions if isinstance(item, AnythingButNumber))
        self._anything_but = bool(self._refused_texts or self._refused_numbers)
        self._present = any(isinstance(item, Exists) and item.wanted for item in conditions)
        self.absent = any(isinstance(item, Exists) and not item.wanted for item in conditions)

    def accept(self, value: Any) -> bool:
        """Whether one of the conditions fits a leaf: a string, a number, true, false or null."""
        if self._present:
            return True
        if isinstance(value, str):
            return self._accept_string(value)
        if value is None or value is True or value is False:
            return self._anything_but or any(value is constant for constant in self._constants)
        return self._accept_number(value)

    def _accept_string(self, value: str) -> bool:
        if self._looks_at_addresses and (digits := digits_of(value)) is not None:
            return self._anything_but or any(item.holds(digits) for item in self._addresses)
        if value in self._strings or self._refused_numbers:
            return True
        for accepts in self._texts:
            if accepts(value):
                return True
        return any(not any(refuses(value) for refuses in refused) for refused in self._refused_texts)

    def _accept_number(self, value: float | Decimal) -> bool:
        if self._looks_at_numbers and (number := comparable(value)) is not None:
            return (
                number in self._numbers
                or bool(self._refused_texts)
                or any(interval.holds(number) for interval in self._intervals)
                or any(number not in refused for refused in self._refused_numbers)
            )
        text = text_of(value)
        return self._anything_but or text in self._number_texts or any(item.holds(text) for item in self._addresses)


def _is_numeric(condition: Condition) -> bool:
    if isinstance(condition, Number):
        return comparable(condition.value) is not None
    return isinstance(condition, Interval | AnythingButNumber)

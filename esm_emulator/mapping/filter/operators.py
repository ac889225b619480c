"""The conditions of the pattern language: the elements of a field's list, read from JSON (contract 6.4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from esm_emulator.mapping.filter import texts
from esm_emulator.mapping.filter.addresses import cidr, literal
from esm_emulator.mapping.filter.numbers import comparable
from esm_emulator.mapping.filter.values import (
    Address,
    AnythingButNumber,
    AnythingButText,
    Condition,
    Constant,
    Exists,
    Interval,
    Literal,
    Number,
    Text,
)

__all__ = ["Conditions", "Digits", "Keys"]

LARGEST = 1.7976931348623157e308  # an interval with one end reaches to the last number there is
_SECOND_KEY = dict.fromkeys(("numeric", "anything-but"), "Too many elements in numeric expression")
_NO_STRING = {
    "equals-ignore-case": "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "wildcard": "wildcard match pattern must be a string",
}  # of anything-but


class Keys(list[tuple[str, Any]]):
    """A JSON object with its keys in order, repeated ones too."""


class Digits(str):
    """A JSON number as it is written."""

    __slots__ = ()


class Conditions:
    """Reads conditions, and raises ``ValueError`` for what AWS's matcher refuses, in its words.

    ``unlisted`` collects the operators that Lambda's page does not list, in order (FILT-35).
    """

    def __init__(self) -> None:
        self.unlisted: dict[str, None] = {}
        self._operators: dict[str, Callable[[Any, str], Condition]] = {
            "exactly": self._exactly,
            "prefix": self._prefix,
            "suffix": self._suffix,
            "equals-ignore-case": self._ignore_case,
            "wildcard": self._wildcard,
            "cidr": self._cidr,
            "exists": self._exists,
            "anything-but": self._anything_but,
            "numeric": self._numeric,
        }

    def read(self, item: Any) -> Condition:
        """One element of a field's list."""
        shown = _shown(item)
        if isinstance(item, Digits):
            return Number(shown, _number(item))
        if isinstance(item, str):
            address = literal(item)
            return Address(shown, address) if address else Literal(shown, item)
        if item is None or isinstance(item, bool):
            return Constant(shown, item)
        if not isinstance(item, Keys):
            _refuse("Match value must be String, number, true, false, or null")
        return self._operator(item, shown)

    def _operator(self, item: Keys, shown: str) -> Condition:
        if not item:
            _refuse("Match expression name not found")
        name, value = item[0]
        if name not in self._operators:
            _refuse(f"Unrecognized match type {name}")
        condition = self._operators[name](value, shown)
        if len(item) > 1:
            _refuse(_SECOND_KEY.get(name, "Only one key allowed in match expression"))
        return condition

    def _string(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or isinstance(value, Digits):
            _refuse(f"{name} match pattern must be a string")
        return value

    def _exactly(self, value: Any, shown: str) -> Condition:
        self.unlisted["exactly"] = None
        return Literal(shown, self._string("exact", value))

    def _prefix(self, value: Any, shown: str) -> Condition:
        return self._end("prefix", value, shown, texts.prefix, texts.prefix_ignore_case)

    def _suffix(self, value: Any, shown: str) -> Condition:
        return self._end("suffix", value, shown, texts.suffix, texts.suffix_ignore_case)

    def _end(
        self,
        name: str,
        value: Any,
        shown: str,
        plain: Callable[[str], texts.Accepts],
        ignoring_case: Callable[[str], texts.Accepts],
    ) -> Condition:
        """A prefix or suffix, or one that ignores case."""
        if not isinstance(value, Keys):
            return Text(shown, plain(self._string(name, value)))
        if not value:
            _refuse(f"{name.capitalize()} expression name not found")
        operator, text = value[0]
        if operator != "equals-ignore-case":
            _refuse(f"Unsupported {name} pattern: {operator}")
        self.unlisted[f"{name} with equals-ignore-case"] = None
        accepts = ignoring_case(self._string("equals-ignore-case", text))
        if len(value) > 1:
            _refuse("Only one key allowed in match expression")
        return Text(shown, accepts)

    def _ignore_case(self, value: Any, shown: str) -> Condition:
        return Text(shown, texts.ignore_case(self._string("equals-ignore-case", value)))

    def _wildcard(self, value: Any, shown: str) -> Condition:
        self.unlisted["wildcard"] = None
        return Text(shown, texts.wildcard(self._string("wildcard", value)))

    def _cidr(self, value: Any, shown: str) -> Condition:
        self.unlisted["cidr"] = None
        return Address(shown, cidr(self._string("cidr", value)))

    def _exists(self, value: Any, shown: str) -> Condition:
        if not isinstance(value, bool):
            _refuse("exists match pattern must be either true or false.")
        return Exists(shown, value)

    # --- anything-but -----------------------------------------------------------------------------------------

    def _anything_but(self, value: Any, shown: str) -> Condition:
        if isinstance(value, Keys):
            return self._anything_but_operator(value, shown)
        if not isinstance(value, list | str):
            _refuse("Value of anything-but must be an array or single string/number value.")
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            _refuse("Inside anything but list, start|null|boolean is not supported.")
        numbers = [item for item in items if isinstance(item, Digits)]
        if not items or len(numbers) not in (0, len(items)):
            _refuse("Inside anything but list, either all values are number or string, mixed type is not supported")
        if numbers:
            return AnythingButNumber(shown, frozenset(self._comparable(item) for item in numbers))
        return AnythingButText(shown, (frozenset(items).__contains__,))

    def _anything_but_operator(self, value: Keys, shown: str) -> Condition:
        if not value:
            _refuse("Anything-But expression name not found")
        operator, operand = value[0]
        kinds = {
            "equals-ignore-case": texts.ignore_case,
            "prefix": texts.prefix,
            "suffix": texts.suffix,
            "wildcard": texts.wildcard,
        }
        if operator not in kinds:
            _refuse(f"Unsupported anything-but pattern: {operator}")
        self.unlisted[f"anything-but with {operator}"] = None
        if not isinstance(operand, list | str) or isinstance(operand, Keys):
            _refuse("Value of anything-but must be an array or single string/number value.")
        items = operand if isinstance(operand, list) else [operand]
        if not all(isinstance(item, str) and not isinstance(item, Digits) for item in items):
            _refuse(_NO_STRING[operator])
        if not items or (operator in ("prefix", "suffix") and "" in items):
            _refuse("Null prefix/suffix not allowed" if items else "Empty arrays are not allowed")
        if len(value) > 1:
            _refuse(_SECOND_KEY["anything-but"])
        return AnythingButText(shown, tuple(kinds[operator](item) for item in items))

    # --- numeric ----------------------------------------------------------------------------------------------

    def _numeric(self, value: Any, shown: str) -> Condition:
        if not isinstance(value, list) or isinstance(value, Keys):
            _refuse("Value of numeric must be an array.")
        if not value or not isinstance(value[0], str) or isinstance(value[0], Digits):
            _refuse(f"Invalid member in numeric match: {_shown(value[0]) if value else ']'}")
        operator, first = value[0], self._operand(value, 1)
        if operator in (">", ">=") and len(value) > 2:
            return self._between(operator, first, value, shown)
        if operator not in ("=", "<", "<=", ">", ">="):
            _refuse(f"Unrecognized numeric range operator: {operator}")
        if len(value) > 2:
            _refuse("Too many elements in numeric expression")
        if operator == "=":
            return Number(shown, first)
        if operator in ("<", "<="):
            return self._interval(shown, -LARGEST, False, first, operator == "<")
        return self._interval(shown, first, operator == ">", LARGEST, False)

    def _between(self, operator: str, bottom: float, value: list[Any], shown: str) -> Condition:
        if not isinstance(value[2], str) or isinstance(value[2], Digits):
            _refuse(f"Bad value in numeric range: {_shown(value[2])}")
        if value[2] not in ("<", "<="):
            _refuse(f"Bad numeric range operator: {value[2]}")
        top = self._operand(value, 3)
        if len(value) > 4:
            _refuse("Too many terms in numeric range expression")
        return self._interval(shown, bottom, operator == ">", top, value[2] == "<")

    def _interval(self, shown: str, bottom: float, open_bottom: bool, top: float, open_top: bool) -> Condition:
        if bottom >= top:
            _refuse("Bottom must be less than top")
        return Interval(shown, bottom, open_bottom, top, open_top)

    def _operand(self, value: list[Any], index: int) -> float:
        if len(value) <= index or not isinstance(value[index], Digits):
            operator = "equals" if value[index - 1] == "=" else value[index - 1]
            _refuse(f"Value of {operator} must be numeric")
        return self._comparable(value[index])

    def _comparable(self, digits: Digits) -> float:
        number = comparable(_number(digits))
        if number is None:
            _refuse(f"Cannot compare number : {digits}")
        return number


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)


def _shown(value: Any) -> str:
    """A piece of the pattern as it was written, but for spaces."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, Keys):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_shown(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _number(digits: Digits) -> Decimal | int:
    try:
        return int(digits) if digits.lstrip("-").isdigit() else Decimal(digits)
    except InvalidOperation:  # an exponent that no decimal has
        raise ValueError(f"{digits} is out of range") from None

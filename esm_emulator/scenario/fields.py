"""The types of a scenario's values, as models use them: how each is read, and how the JSON Schema describes it.

Each reads by a parser of its own, whose ``ValueError`` is the sentence that a user sees.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from esm_emulator.codes import CODES, near
from esm_emulator.durations import duration_ms
from esm_emulator.scenario.values import Comparison, CountRange, rate_per_second
from esm_emulator.validation import did_you_mean, shown

__all__ = [
    "Compared",
    "ComparedNumber",
    "ComparedOutcome",
    "Count",
    "Diagnosed",
    "Duration",
    "Name",
    "NoBoolean",
    "OneLine",
    "Outcome",
    "Rate",
    "Version",
    "Warned",
]


def _text_or_number(description: str, pattern: str) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": pattern}],
            "description": description,
        }
    )


Duration = Annotated[
    int,
    PlainValidator(duration_ms),
    _text_or_number(
        "250ms, 30s, 5m, 4h, 4d, a sum such as 1m30s, or a number of seconds", r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"
    ),
]
"""A duration, in milliseconds once read."""

Rate = Annotated[
    float,
    PlainValidator(rate_per_second),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?/(s|m|h)$", "description": "20/s, 90/m or 5/h"}),
]
"""A rate, in messages a second once read."""

Count = Annotated[
    CountRange,
    PlainValidator(CountRange.parse),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(-\d*)?$"}],
            "description": '2, "2-3" or "4-"',
        }
    ),
]

_BETWEEN = {
    "type": "object",
    "properties": {"between": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}},
    "required": ["between"],
    "additionalProperties": False,
}


def _compared(plain: dict[str, Any], what: str) -> WithJsonSchema:
    description = f'{what}, a comparison such as ">= 1" or "!= 0", or {{between: [a, b]}}'
    return WithJsonSchema({"anyOf": [plain, _BETWEEN], "description": description})


Compared = Annotated[
    Comparison,
    PlainValidator(Comparison.parse),
    _compared({"type": ["number", "string", "boolean", "null", "array"]}, "a value"),
]
"""What any value must be."""

ComparedNumber = Annotated[
    Comparison,
    PlainValidator(Comparison.of_number),
    _compared(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*(>=|<=|==|!=|>|<)\s*-?\d"}]}, "a number"
    ),
]
"""What a number must be."""

Outcome = Literal["deleted", "dead-lettered", "filtered", "expired", "purged", "waiting", "lost"]
OUTCOMES = get_args(Outcome)


def _outcome(value: object) -> Comparison:
    if value not in OUTCOMES:
        hint = did_you_mean(value, OUTCOMES) if isinstance(value, str) else ""
        raise ValueError(f"takes one of {', '.join(OUTCOMES)}, not {shown(value)}{hint}")
    return Comparison.parse(value)


ComparedOutcome = Annotated[Comparison, PlainValidator(_outcome), WithJsonSchema({"enum": list(OUTCOMES)})]
"""What a message's outcome must be."""


def _no_boolean(value: Any) -> Any:
    """Python takes true for 1; whoever writes it means neither the number nor, without quotes, a text."""
    if isinstance(value, bool):
        raise ValueError(f"takes text or a number, not {str(value).lower()}")  # noqa: TRY004 - of a file, not of a call
    return value


NoBoolean = BeforeValidator(_no_boolean)
Name = Annotated[str | int, NoBoolean]
"""Text that may look like a number in the file, such as a group."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"takes text of one line, not {shown(text)}")
    return text


OneLine = Annotated[str, AfterValidator(_one_line)]


def _not_a_bool(value: Any) -> Any:
    """Python takes true for 1; a file that says true does not mean version 1."""
    return str(value).lower() if isinstance(value, bool) else value


Version = Annotated[Literal[1], BeforeValidator(_not_a_bool)]


def _code_of(*kinds: str) -> AfterValidator:
    """Text that must be a code of these kinds."""
    known = [id for id in CODES if id[4] in kinds]

    def check(value: str) -> str:
        if value not in known:
            close = next((id for id in near(value) if id in known), None)
            hint = f"; did you mean {close!r}?" if close else ""
            raise ValueError(f"takes codes such as {known[0]}, not {value!r}{hint}")
        return value

    return AfterValidator(check)


Diagnosed = Annotated[str, _code_of("D")]
Warned = Annotated[str, _code_of("E", "W")]

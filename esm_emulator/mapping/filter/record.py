"""A mapping's filters over a received message: the body's format first, then the patterns (FILT-10 … 15, 6.3).

A pattern is evaluated on the record as SQS handed it out, under Lambda's names (FILT-12); what Lambda itself adds to a
record (``eventSource``, ``eventSourceARN``, ``awsRegion``) is not there (FILT-11). The body alone is parsed, and only
for an alternative whose ``body`` is an object; one whose ``body`` is a list of conditions wants a plain string, and a
body of the other kind does not match (6.3).
"""

from __future__ import annotations

import base64
import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.mapping.filter.numbers import decode
from esm_emulator.mapping.filter.pattern import FilterPattern, Mismatch, Rule
from esm_emulator.messages import MessageAttribute, ReceivedMessage
from esm_emulator.profiles import Profile
from esm_emulator.resources import EventSourceMapping

__all__ = ["PATTERN_LIMIT", "Match", "NoMatch", "RecordFilter", "compile_filter"]

PATTERN_LIMIT = 4096  # characters of one pattern (FILT-3)
_BODY = "body"


@dataclass(frozen=True, slots=True)
class Match:
    """The message is delivered."""


@dataclass(frozen=True, slots=True)
class NoMatch:
    """The message is deleted and never invoked (FILT-6): which key failed, and why."""

    key: str
    why: str

    @property
    def reason(self) -> str:
        """Key and cause in one sentence."""
        return f"{self.key} {self.why}" if self.key else self.why


MATCH = Match()


class _Body(enum.Enum):
    """What an alternative wants of the body."""

    ANY = "any"
    PLAIN = "plain"
    JSON = "json"
    BOTH = "both"  # which none can be


class RecordFilter:
    """The filters of one mapping; one that matches suffices (FILT-1). Without any, every message does (FILT-4).

    ``warnings`` are sentences about patterns that are accepted and may not do on AWS what they do here. Raises
    ``InvalidFilterPattern`` for a pattern that AWS would refuse, for too many of them (FILT-2), and with the profile's
    ``strict_filters`` for what is only a warning else.
    """

    def __init__(self, patterns: Sequence[str], profile: Profile) -> None:
        if len(patterns) > profile.filters_most:
            raise InvalidFilterPattern(f"{len(patterns)} filters, and a mapping may have {profile.filters_most}")
        self.patterns = tuple(_parse(text, number) for number, text in enumerate(patterns, start=1))
        self.warnings = tuple(warning for pattern in self.patterns for warning in _doubts(pattern))
        if self.warnings and profile.strict_filters:
            raise InvalidFilterPattern(self.warnings[0])
        self._any_json = profile.filter_json_bodies == "any"
        self._rules = [(_wanted_body(rule), rule) for pattern in self.patterns for rule in pattern.rules]
        self._whole_record = any(_beyond_body(rule) for _, rule in self._rules)

    def decide(self, message: ReceivedMessage) -> Match | NoMatch:
        """Whether the message is delivered; of several alternatives the one that came nearest says why not."""
        if not self._rules:
            return MATCH
        plain, parsed = self._formats(message)
        for wanted, rule in self._rules:
            value = _value(wanted, plain, parsed)
            if value is not None and rule.matches(value):
                return MATCH
        return self._nearest_miss(plain, parsed)

    def rejects(self, message: ReceivedMessage) -> str | None:
        """Why the message is not delivered, or None when it is."""
        decision = self.decide(message)
        return decision.reason if isinstance(decision, NoMatch) else None

    def _formats(self, message: ReceivedMessage) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The record with its body as text, and, when the body counts as JSON, the record with it parsed."""
        plain = _record(message) if self._whole_record else {_BODY: message.body}
        body = _parsed(message.body)
        if body is _NOT_JSON or not (self._any_json or _counts_as_json(body)):
            return plain, None
        return plain, {**plain, _BODY: body}

    def _nearest_miss(self, plain: dict[str, Any], parsed: dict[str, Any] | None) -> NoMatch:
        nearest: Mismatch | None = None
        for wanted, rule in self._rules:
            value = _value(wanted, plain, parsed)
            miss = _wrong_format(wanted) if value is None else rule.explain(value)
            if miss is not None and (nearest is None or miss.fitted > nearest.fitted):
                nearest = miss
        assert nearest is not None
        return NoMatch(nearest.key, nearest.reason)


def compile_filter(resource: EventSourceMapping, profile: Profile) -> RecordFilter | None:
    """The filter of a mapping, None when it has none. Raises ``InvalidFilterPattern``."""
    return RecordFilter(resource.patterns, profile) if resource.patterns else None


def _parse(text: str, number: int) -> FilterPattern:
    if len(text) > PATTERN_LIMIT:
        raise InvalidFilterPattern(f"filter {number} has {len(text)} characters, and may have {PATTERN_LIMIT}")
    return FilterPattern.parse(text)


def _doubts(pattern: FilterPattern) -> list[str]:
    doubts = [
        f"Lambda's documentation does not list the operator {operator} of the pattern {pattern.text}"
        for operator in pattern.unlisted_operators
    ]
    others = {name.split(".")[0] for rule in pattern.rules for name in _beyond_body(rule)}
    if others:
        doubts.append(
            f"Lambda's documentation says that only body can be filtered for SQS; the pattern {pattern.text} "
            f"asks for {', '.join(sorted(others))}"
        )
    return doubts


def _names(rule: Rule) -> list[str]:
    return [field.name for field in rule.fields]


def _beyond_body(rule: Rule) -> list[str]:
    return [name for name in _names(rule) if name.split(".")[0] != _BODY]


def _wanted_body(rule: Rule) -> _Body:
    kinds = {_Body.PLAIN if name == _BODY else _Body.JSON for name in _names(rule) if name.split(".")[0] == _BODY}
    return _Body.BOTH if len(kinds) > 1 else next(iter(kinds), _Body.ANY)


def _value(wanted: _Body, plain: dict[str, Any], parsed: dict[str, Any] | None) -> dict[str, Any] | None:
    """The record in the form that the alternative wants, or None when the body is of the other kind (6.3)."""
    if wanted is _Body.JSON:
        return parsed
    if wanted is _Body.PLAIN:
        return plain if parsed is None else None
    return plain if wanted is _Body.ANY else None


def _wrong_format(wanted: _Body) -> Mismatch:
    if wanted is _Body.JSON:
        return Mismatch(_BODY, "is plain text; the filter wants JSON (FILT-13)")
    if wanted is _Body.PLAIN:
        return Mismatch(_BODY, "is JSON; the filter wants plain text (FILT-13)")
    return Mismatch(_BODY, "is wanted as plain text and as JSON at once (FILT-13)")


# --- the body ------------------------------------------------------------------------------------------------

_NOT_JSON = object()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=decode, parse_constant=_no_constant)


def _parsed(body: str) -> Any:
    try:
        return _DECODER.decode(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _counts_as_json(body: Any) -> bool:
    """Objects, and lists of objects; any other JSON text is a plain string (FILT-14)."""
    return isinstance(body, dict) or (isinstance(body, list) and all(isinstance(item, dict) for item in body))


# --- the record ----------------------------------------------------------------------------------------------


def _record(message: ReceivedMessage) -> dict[str, Any]:
    md5 = message.md5_of_message_attributes
    return {
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        _BODY: message.body,
        "md5OfBody": message.md5_of_body,
        **({} if md5 is None else {"md5OfMessageAttributes": md5}),
        "attributes": dict(message.attributes),
        "messageAttributes": {name: _attribute(item) for name, item in message.message_attributes.items()},
    }


def _attribute(attribute: MessageAttribute) -> dict[str, Any]:
    value: dict[str, Any] = {"dataType": attribute.data_type}
    if attribute.binary_value is not None:
        return {**value, "binaryValue": base64.b64encode(attribute.binary_value).decode("ascii")}
    return {**value, "stringValue": attribute.string_value}

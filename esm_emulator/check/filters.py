"""Filters: what does not match is deleted, so a filter that is nearly right loses messages (DOC-27, 29 … 31)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from esm_emulator.check.setup import Hit, Rule, Setup
from esm_emulator.resources import EventSourceMapping

__all__ = ["RULES"]

LISTED = ("prefix", "suffix", "anything-but", "numeric", "exists", "equals-ignore-case")
"""The operators that Lambda's page lists, each with a plain operand."""


def beyond_the_body(setup: Setup) -> Iterator[Hit]:
    """W220: AWS's page on SQS filters knows body alone."""
    for mapping, position, pattern in _patterns(setup):
        others = sorted({key for part in _alternatives(pattern) for key in part} - {"body"})
        if others:
            yield Hit(
                mapping.id,
                ("FilterCriteria", "Filters", position, "Pattern"),
                f"The pattern asks for {', '.join(others)}; for SQS, AWS documents filters on body alone.",
            )


def unlisted_operators(setup: Setup) -> Iterator[Hit]:
    """W221: EventBridge has more operators than Lambda lists."""
    for mapping, position, pattern in _patterns(setup):
        found = sorted(set(_unlisted(pattern)))
        if found:
            yield Hit(
                mapping.id,
                ("FilterCriteria", "Filters", position, "Pattern"),
                f"Lambda's page does not list {', '.join(found)}.",
            )


def competing_filters(setup: Setup) -> Iterator[Hit]:
    """W222: what one mapping receives and does not match never reaches the other."""
    for arn in dict.fromkeys(mapping.EventSourceArn for mapping in setup.resources.mappings.values()):
        readers = [
            mapping
            for mapping in setup.resources.mappings.values()
            if mapping.EventSourceArn == arn and mapping.Enabled
        ]
        filtering = [mapping for mapping in readers if mapping.patterns]
        if arn and len(readers) > 1 and filtering:
            others = ", ".join(mapping.id for mapping in readers if mapping is not filtering[0])
            yield Hit(
                filtering[0].id,
                ("FilterCriteria",),
                f"{filtering[0].id} and {others} read {arn.rsplit(':', 1)[1]}: what {filtering[0].id} receives and "
                "does not match is deleted, and never reaches the other.",
            )


def other_format(setup: Setup) -> Iterator[Hit]:
    """W223: told where the bodies are known."""
    for pair in setup.pairs:
        bodies = setup.traffic.bodies.get(pair.queue.id, ()) if pair.queue else ()
        parts = [
            part
            for mapping, _, pattern in _patterns(setup)
            if mapping is pair.mapping
            for part in _alternatives(pattern)
        ]
        kinds = {isinstance(part.get("body"), Mapping) for part in parts}
        if len(kinds) != 1 or not all("body" in part for part in parts):
            continue
        wants_json = kinds.pop()
        misfits = [body for body in bodies if _is_json(body) is not wants_json]
        if misfits:
            wanted, sent = ("JSON", "plain text") if wants_json else ("plain text", "JSON")
            yield Hit(
                pair.mapping.id,
                ("FilterCriteria",),
                f"The filter wants a body of {wanted} and {len(misfits)} of {len(bodies)} messages are {sent}: they "
                "are deleted.",
            )


def _patterns(setup: Setup) -> Iterator[tuple[EventSourceMapping, int, Mapping[str, Any]]]:
    """Every pattern that is JSON of an object. What else AWS refuses is told elsewhere."""
    for mapping in setup.resources.mappings.values():
        for position, text in enumerate(mapping.patterns if setup.knows(mapping.id, "FilterCriteria") else ()):
            try:
                pattern = json.loads(text)
            except ValueError:
                continue
            if isinstance(pattern, dict):
                yield mapping, position, pattern


def _alternatives(pattern: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The pattern without its ``$or``, then what stands under that."""
    rest = {key: value for key, value in pattern.items() if key != "$or"}
    if rest:
        yield rest
    for item in _or(pattern):
        yield from _alternatives(item)


def _or(pattern: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = pattern.get("$or")
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _unlisted(pattern: Mapping[str, Any]) -> Iterator[str]:
    for item in _or(pattern):
        yield from _unlisted(item)
    for key, value in pattern.items():
        if key == "$or":
            continue
        if isinstance(value, Mapping):
            yield from _unlisted(value)
        for element in value if isinstance(value, list) else ():
            yield from _unlisted_in(element) if isinstance(element, Mapping) else ()


def _unlisted_in(element: Mapping[str, Any]) -> Iterator[str]:
    for operator, operand in element.items():
        if operator not in LISTED:
            yield str(operator)
        elif isinstance(operand, Mapping):
            yield f"{operator} with {', '.join(map(str, operand))}"


def _is_json(body: str) -> bool:
    try:
        return isinstance(json.loads(body), dict | list)
    except ValueError:
        return False


RULES = (
    Rule("ESM-W220", beyond_the_body),
    Rule("ESM-W221", unlisted_operators),
    Rule("ESM-W222", competing_filters),
    Rule("ESM-W223", other_format),
)

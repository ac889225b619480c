"""``AWS::Serverless::Function``: a function, and a mapping for each of its events of type SQS, as SAM makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from esm_emulator.errors import Problem
from esm_emulator.resources.declared import FUNCTION, MAPPING, Declared, Origin, Spot
from esm_emulator.resources.models import IGNORED
from esm_emulator.validation import did_you_mean
from esm_emulator.yaml_source import Path

__all__ = ["expand"]

_ITS_OWN = ("EventSourceArn", "FunctionName")
"""A mapping's properties that an event does not have: SAM fills them in."""


def expand(function: Declared) -> tuple[list[Declared], list[Problem]]:
    """The function and its mappings, and what is wrong with its events.

    A mapping's logical id is the function's followed by the event's name. With ``AutoPublishAlias`` the mapping
    invokes that alias (RUN-14). Events of other types are somebody else's.
    """
    ignored = IGNORED[function.type]
    properties = {name: value for name, value in function.properties.items() if name not in ignored}
    if "DeadLetterQueue" in properties:
        properties.setdefault("DeadLetterConfig", properties.pop("DeadLetterQueue"))
    events = properties.pop("Events", None)
    events = {} if events is None else events
    alias = properties.pop("AutoPublishAlias", None)
    made = [replace(function, type=FUNCTION, properties=properties, told=function.told - {"Events"})]
    problems: list[Problem] = []
    if not isinstance(events, Mapping):
        return made, [function.origin.problem("takes a mapping from names to events", ("Events",))]
    for name, event in events.items():
        wrong = list(_event_problems(function, name, event))
        problems += wrong
        if not wrong and event["Type"] == "SQS":
            made.append(_mapping(function, name, event.get("Properties") or {}, f":{alias}" if alias else ""))
    return made, problems


def _mapping(function: Declared, name: str, event: Mapping[str, Any], qualifier: str) -> Declared:
    properties = {key: value for key, value in event.items() if key != "Queue"}
    properties |= {"FunctionName": f"{function.id}{qualifier}", "EventSourceArn": event["Queue"]}
    return replace(
        function,
        id=f"{function.id}{name}",
        type=MAPPING,
        properties=properties,
        origin=_origin(function.origin, name),
        told=frozenset() if event["Queue"] else frozenset({"EventSourceArn"}),
    )


def _origin(function: Origin, name: str) -> Origin:
    event = function.spot(("Events", name))
    moved: dict[Path, Spot] = {
        ("EventSourceArn",): replace(event, path=(*event.path, "Properties", "Queue")),
        ("FunctionName",): function.spot(),
    }
    return Origin(event.path, event.document, moved, event.root)


def _event_problems(function: Declared, name: str, event: Any) -> Iterable[Problem]:
    at = ("Events", name)
    if not isinstance(event, Mapping):
        yield function.origin.problem("takes a mapping with Type and Properties", at)
        return
    if "Type" not in event:
        yield function.origin.problem("'Type' is missing", at, key=True)
    if event.get("Type") != "SQS":
        return
    properties = event.get("Properties") or {}
    if not isinstance(properties, Mapping):
        yield function.origin.problem("takes a mapping of properties", (*at, "Properties"))
        return
    if "Queue" not in properties:
        yield function.origin.problem("'Queue' is missing", at, key=True)
    for key in _ITS_OWN:
        if key in properties:
            near = did_you_mean(key, ["Queue"]) or ("; did you mean 'Queue'?" if key == "EventSourceArn" else "")
            yield function.origin.problem(f"unknown key {key!r}{near}", (*at, "Properties", key), key=True)

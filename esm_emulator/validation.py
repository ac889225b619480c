"""What pydantic finds wrong, said in plain sentences and at the place where it stands.

pydantic knows types, not texts: it says "Input should be a valid integer" about ``('Orders', 'DelaySeconds')``. A
person reads "takes a whole number from 0 to 900, not 'x'" at ``esm.yaml:7:21``, with "did you mean …" where a name is
near. :func:`faults_of` makes the sentences, :func:`problems_of` puts them at their places. This file knows no model of
ours and no rule of AWS.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

from esm_emulator.errors import Problem
from esm_emulator.yaml_source import Path

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = ["Fault", "Source", "did_you_mean", "faults_of", "known_keys", "problems_of", "shown"]


class Source(Protocol):
    """Something that knows where its parts stand, such as a :class:`~esm_emulator.yaml_source.Document`."""

    def problem(self, message: str, path: Path = (), *, key: bool = False, clause: str = "") -> Problem:
        """A problem at ``path``: at the value, or with ``key`` at its key."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not fit a model.

    ``path`` leads from the validated value to it, without pydantic's own labels; ``kind`` is pydantic's name of the
    fault (``extra_forbidden``, ``less_than_equal`` …) and ``limit`` the bound or choices that it broke, if any.
    ``takes`` is what would fit, when that is the sentence. ``key`` says that the key is at fault, not the value.
    """

    path: Path
    kind: str
    value: Any
    sentence: str
    takes: str = ""
    limit: Any = None
    key: bool = False


def problems_of(
    error: ValidationError, model: type[BaseModel], source: Source, *, data: Any = None, prefix: Path = ()
) -> list[Problem]:
    """``error`` as problems of ``source``; ``prefix`` leads to what was validated, ``data`` is that value itself."""
    return [
        source.problem(fault.sentence, (*prefix, *fault.path), key=fault.key)
        for fault in faults_of(error, model, data=data)
    ]


def faults_of(error: ValidationError, model: type[BaseModel], *, data: Any = None) -> list[Fault]:
    """Every fault of ``error``, one for each place, in the order in which pydantic found them.

    With ``data`` (what was validated) the labels that pydantic puts between keys for the members of a union are left
    out of the paths. What several members of a union say about one value is one sentence.
    """
    branches: dict[Path, dict[str | int, list[Fault]]] = {}
    for item in error.errors(include_url=False):
        path, label = _visible(item, data)
        prefix, name = ((), "") if label is None else (path[:label], item["loc"][label])
        branches.setdefault(prefix, {}).setdefault(name, []).append(_fault(item, model, path))
    faults: dict[tuple[Path, bool], Fault] = {}
    for prefix, members in branches.items():
        for fault in _nearest(prefix, members):
            at = (fault.path, bool(fault.takes))
            known = faults.get(at)
            faults[at] = fault if known is None else _joined(known, fault) if fault.takes else known
    return list(faults.values())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'Orders'?`` when a known name is near, whatever its case; else nothing."""
    by_lower = {item.lower(): item for item in known}
    near = get_close_matches(name.lower(), list(by_lower), n=1)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def shown(value: Any) -> str:
    """A value as it is named in a sentence: text in single quotes, the rest as JSON, never long."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        text = repr(value)
    else:
        try:
            text = json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def known_keys(model: type[BaseModel], path: Path = ()) -> list[str]:
    """The keys that a model takes at ``path``, as a file writes them."""
    found: dict[str, None] = {}
    for annotation, _ in _types_at(model, path):
        if _is_model(annotation):
            found.update(dict.fromkeys(str(key) for key in _fields(annotation)))
    return list(found)


def _fault(item: Any, model: type[BaseModel], path: Path) -> Fault:
    kind, loc, value = item["type"], tuple(item["loc"]), item["input"]
    limits = item.get("ctx", {})
    if kind == "extra_forbidden":
        known = [*known_keys(model, loc[:-1]), *known_keys(model, path[:-1])]
        return Fault(path, kind, value, f"unknown key {loc[-1]!r}{did_you_mean(str(loc[-1]), known)}", key=True)
    if kind == "missing":
        return Fault(path, kind, value, f"{loc[-1]!r} is missing", key=True)
    if kind in ("value_error", "assertion_error"):
        return Fault(path, kind, value, str(limits["error"]))
    limit = next((limits[name] for name in _LIMITS if name in limits), None)
    takes = _takes(kind, model, loc, limits)
    if not takes:
        return Fault(path, kind, value, _first_lower(item["msg"]), limit=limit)
    return _with_sentence(Fault(path, kind, value, "", takes, limit))


_LIMITS = ("ge", "gt", "le", "lt", "max_length", "min_length", "pattern", "expected")


def _with_sentence(fault: Fault) -> Fault:
    near = ""
    if fault.kind in ("literal_error", "enum") and isinstance(fault.value, str):
        near = did_you_mean(fault.value, [part.strip("',") for part in fault.takes.split() if part.startswith("'")])
    return replace(fault, sentence=f"takes {fault.takes}, not {shown(fault.value)}{near}")


def _joined(first: Fault, second: Fault) -> Fault:
    known = first.takes.split(" or ")
    takes = first.takes if second.takes in known else f"{first.takes} or {second.takes}"
    return _with_sentence(replace(first, takes=takes, kind=second.kind if "error" in second.kind else first.kind))


def _nearest(prefix: Path, members: Mapping[str | int, list[Fault]]) -> Iterable[Fault]:
    """The faults of the members of a union that a value is most like: those with the least wrong at its own level."""

    def distance(faults: list[Fault]) -> int:
        wrong_kind = any(fault.takes and fault.path == prefix for fault in faults)
        return 100 * wrong_kind + sum(fault.key and len(fault.path) == len(prefix) + 1 for fault in faults)

    least = min(distance(faults) for faults in members.values())
    near = [faults for faults in members.values() if distance(faults) == least]
    unknown = [fault for faults in near for fault in faults if fault.kind == "extra_forbidden"]
    return unknown if unknown and len(near) > 1 else [fault for faults in near for fault in faults]


def _takes(kind: str, model: type[BaseModel], loc: Path, limits: Mapping[str, Any]) -> str:
    if kind.startswith(("int_", "float_")) or kind in _BOUNDS:
        return _number(model, loc, limits, whole=kind.startswith("int_"))
    if kind in ("string_too_long", "too_long", "string_too_short", "too_short"):
        unit = "characters" if kind.startswith("string") else "items"
        most = "max_length" in limits
        return f"at {'most' if most else 'least'} {limits['max_length' if most else 'min_length']:,} {unit}"
    if kind in ("literal_error", "enum"):
        return f"{limits['expected']}"
    if kind == "string_pattern_mismatch":
        return f"text of the form {limits['pattern']}"
    return next((text for start, text in _PLAIN.items() if kind.startswith(start)), "")


_BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}
_PLAIN = {
    "string_": "text",
    "bool_": "true or false",
    "list_": "a list",
    "tuple_": "a list",
    "set_": "a list",
    "dict_": "a mapping",
    "mapping_": "a mapping",
    "model_": "a mapping",
    "dataclass_": "a mapping",
    "none_required": "nothing",
}


def _number(model: type[BaseModel], loc: Path, limits: Mapping[str, Any], *, whole: bool) -> str:
    """A number and the range that the model gives it there."""
    least, most = limits.get("ge"), limits.get("le")
    for annotation, metadata in _types_at(model, loc):
        whole = whole or annotation is int
        for constraint in metadata:
            least = getattr(constraint, "ge", least)
            most = getattr(constraint, "le", most)
    kind = "a whole number" if whole else "a number"
    if least is not None and most is not None:
        return f"{kind} from {least} to {most}"
    if least is not None:
        return f"{kind} of at least {least}"
    if most is not None:
        return f"{kind} of at most {most}"
    above = limits.get("gt")
    return f"{kind} above {above}" if above is not None else kind


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _visible(item: Any, data: Any) -> tuple[Path, int | None]:
    """A fault's path without the steps that are labels of pydantic's, and the position of the first label."""
    loc = tuple(item["loc"])
    if data is None:
        return loc, None
    path: list[str | int] = []
    label = None
    for position, step in enumerate(loc):
        if _has(data, step):
            data = data[step]
        elif position > 0 and (position < len(loc) - 1 or item["type"] != "missing"):
            label = position if label is None else label
            continue
        path.append(step)
    return tuple(path), label


def _has(data: Any, step: str | int) -> bool:
    if isinstance(data, Mapping):
        return step in data
    return isinstance(data, list | tuple) and isinstance(step, int) and step < len(data)


def _types_at(model: type[BaseModel], path: Path) -> list[tuple[Any, tuple[Any, ...]]]:
    """Every type, with its constraints, that a value at ``path`` may have. Steps that lead nowhere are labels."""
    found = list(_members(model, ()))
    for step in path:
        further = [member for annotation, _ in found for member in _below(annotation, step)]
        named = [(annotation, rest) for annotation, rest in found if getattr(annotation, "__name__", None) == step]
        found = further or named or found
    return found


def _members(annotation: Any, metadata: tuple[Any, ...]) -> Iterable[tuple[Any, tuple[Any, ...]]]:
    """The types that an annotation stands for: its union's members, without ``Annotated``."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *extra = typing.get_args(annotation)
        constraints = [part for item in extra for part in getattr(item, "metadata", [item])]
        yield from _members(inner, (*metadata, *constraints))
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _members(member, metadata)
    else:
        yield annotation, metadata


def _below(annotation: Any, step: str | int) -> Iterable[tuple[Any, tuple[Any, ...]]]:
    """What stands one step below a type: a model's field, a mapping's value, a list's item."""
    if _is_model(annotation):
        item = _fields(annotation).get(step)
        return () if item is None else _members(item.annotation, tuple(item.metadata))
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if not arguments or not isinstance(origin, type):
        return ()
    if issubclass(origin, Mapping):
        return _members(arguments[-1], ()) if isinstance(step, str) else ()
    if issubclass(origin, Iterable) and isinstance(step, int):
        fixed = origin is tuple and Ellipsis not in arguments
        return _members(arguments[min(step, len(arguments) - 1)] if fixed else arguments[0], ())
    return ()


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "model_fields")


def _fields(model: Any) -> dict[str | int, Any]:
    """A model's fields under the names that a file uses."""
    return {item.validation_alias or item.alias or name: item for name, item in model.model_fields.items()}

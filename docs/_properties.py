"""The tables of configuration.md: the properties of queues, functions and mappings, from their models."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from esm_emulator.resources import EventSourceMapping, Function, Queue, Resource, resources_schema
from esm_emulator.resources.parts import Part

__all__ = ["property_tables"]

TYPES: dict[str, type[Resource]] = {
    "AWS::SQS::Queue": Queue,
    "AWS::Lambda::Function": Function,
    "AWS::Lambda::EventSourceMapping": EventSourceMapping,
}
SCHEMA = resources_schema()


def property_tables() -> str:
    """One table for each type of resource."""
    return "\n".join(_table(name, model) for name, model in TYPES.items())


def _table(name: str, model: type[Resource]) -> str:
    rows = list(_rows("", name, model))
    return f"### `{name}`\n\n| property | default | limits | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _rows(prefix: str, definition: str, model: type[Part]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in Resource.model_fields:
            continue
        part = _part(field.annotation)
        about = _described(definition, name) or (part.__doc__ if part else "") or ""
        yield f"| `{prefix}{name}` | {_default(field, part)} | {_limits(field)} | {_prose(about)} |"
        if part:
            yield from _rows(f"{prefix}{name}.", part.__name__, part)


def _described(definition: str, name: str) -> str:
    properties = SCHEMA["$defs"][definition]["properties"]
    return str(properties[name].get("description", ""))


def _part(annotation: object) -> type[Part] | None:
    """The structure inside an annotation such as ``RedrivePolicy | None``, if there is one."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, Part) else None
    if typing.get_origin(annotation) is tuple:
        return None
    return next((found for part in typing.get_args(annotation) if (found := _part(part))), None)


def _default(field: FieldInfo, part: type[Part] | None) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if part or default in (None, "", (), {}):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:,}" if isinstance(default, int) else f"`{default}`"


def _limits(field: FieldInfo) -> str:
    least = next((limit.ge for limit in field.metadata if hasattr(limit, "ge")), None)
    most = next((limit.le for limit in field.metadata if hasattr(limit, "le")), None)
    if most is not None:
        return f"{least:,} to {most:,}"
    if least is not None:
        return f"{least:,} or more"
    return _choices(field.annotation)


def _choices(annotation: object) -> str:
    parts = [annotation, *typing.get_args(annotation)]
    choices = next((typing.get_args(part) for part in parts if typing.get_origin(part) is typing.Literal), ())
    return ", ".join(f"`{choice}`" for choice in choices)


def _prose(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip()).replace("``", "`").replace("|", "\\|")

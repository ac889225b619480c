"""The JSON Schema of ``esm.yaml``, made from the models, for editors that complete and check."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType
from typing import Any

from esm_emulator.resources import models, parts
from esm_emulator.resources.declared import FUNCTION, IDLE_KEYS, MAPPING, QUEUE, SERVERLESS
from esm_emulator.resources.models import IGNORED, UNSUPPORTED, EventSourceMapping, Function, Queue, Resource
from esm_emulator.yaml_source import INTRINSICS

__all__ = ["resources_schema"]

_INTRINSIC = {"$ref": "#/$defs/Intrinsic"}


def resources_schema() -> dict[str, Any]:
    """The schema of a whole ``esm.yaml`` (JSON Schema 2020-12); ``$defs/Resources`` is its ``resources:`` alone.

    Wherever a value stands, an intrinsic in its long form may stand too, and a whole number may be written as text.
    """
    definitions: dict[str, Any] = {}
    said = _docstrings(parts) | _docstrings(models)
    blocks = [
        _block(QUEUE, Queue, definitions, said),
        _block(FUNCTION, Function, definitions, said),
        _block(MAPPING, EventSourceMapping, definitions, said),
        _block(SERVERLESS, Function, definitions, said),
    ]
    definitions |= {
        "Intrinsic": _intrinsic(),
        "Event": _event(definitions["AWS::Lambda::EventSourceMapping"]),
        "Resource": {"oneOf": blocks},
        "Resources": _resources(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "esm.yaml",
        "type": "object",
        "properties": {
            "version": {"const": 1},
            "description": {"type": "string"},
            "resources": {"$ref": "#/$defs/Resources"},
        },
        "required": ["resources"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _block(
    type_: str, model: type[Resource], definitions: dict[str, Any], said: dict[tuple[str, str], str]
) -> dict[str, Any]:
    """The schema of one type's block; the properties go into ``definitions`` under the type's name."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    for name, part in schema.pop("$defs", {}).items():
        definitions[name] = _open(part, name, said)
    schema = _open(schema, model.__name__, said)
    for name in Resource.model_fields:
        schema["properties"].pop(name)
    schema["required"] = [name for name in schema.get("required", []) if name in schema["properties"]]
    schema["properties"] |= {name: {"deprecated": True} for name in (*sorted(IGNORED[type_]), *_refused(type_))}
    if type_ in (FUNCTION, SERVERLESS):
        schema["properties"] |= {"Code": {}, "PackageType": {}, "ImageUri": {}, "InlineCode": {}}
    if type_ == SERVERLESS:
        events = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Event"}}
        schema["properties"] |= {"Events": events, "AutoPublishAlias": {"type": "string"}, "DeadLetterQueue": {}}
    definitions[type_] = schema
    properties = {"Type": {"const": type_}, "Properties": {"$ref": f"#/$defs/{type_}"}}
    return {
        "type": "object",
        "properties": properties | {key: {} for key in IDLE_KEYS},
        "required": ["Type", *(["Properties"] if schema["required"] else [])],
        "additionalProperties": False,
    }


def _refused(type_: str) -> tuple[str, ...]:
    return UNSUPPORTED if type_ == MAPPING else ()


def _event(mapping: dict[str, Any]) -> dict[str, Any]:
    """An event of a serverless function: of type SQS with a mapping's properties and ``Queue``, or of another type."""
    properties = {
        name: schema for name, schema in mapping["properties"].items() if name not in ("EventSourceArn", "FunctionName")
    }
    properties["Queue"] = mapping["properties"]["EventSourceArn"]
    sqs = {"type": "object", "properties": properties, "required": ["Queue"], "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"Type": {"type": "string"}, "Properties": {}},
        "required": ["Type"],
        "if": {"properties": {"Type": {"const": "SQS"}}},
        "then": {"properties": {"Properties": sqs}, "required": ["Properties"]},
    }


def _resources() -> dict[str, Any]:
    """A mapping from logical ids to blocks, or a template's with overrides beside ``from``."""
    return {
        "type": "object",
        "properties": {"from": {"type": "string"}, "parameters": {"type": "object"}},
        "if": {"required": ["from"]},
        "then": {"additionalProperties": True},
        "else": {
            "patternProperties": {"^[A-Za-z0-9_-]+$": {"$ref": "#/$defs/Resource"}},
            "additionalProperties": False,
        },
    }


def _intrinsic() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {} for name in INTRINSICS},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }


def _open(schema: dict[str, Any], model: str, said: dict[tuple[str, str], str]) -> dict[str, Any]:
    """A model's schema with every property described and open to intrinsics, and without pydantic's titles."""
    made = {key: value for key, value in schema.items() if key != "title"}
    if "properties" in made:
        made["properties"] = {
            name: ({"description": said[model, name]} if (model, name) in said else {}) | _opened(value)
            for name, value in made["properties"].items()
        }
    return made


def _docstrings(module: ModuleType) -> dict[tuple[str, str], str]:
    """What the text under each field says, by class and field. Read from the source only when a schema is made."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            for item, after in zip(node.body, node.body[1:], strict=False):
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    text = (
                        after.value.value
                        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                        else None
                    )
                    if isinstance(text, str):
                        found[node.name, item.target.id] = inspect.cleandoc(text)
    return found


def _opened(schema: dict[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {
        key: schema[key] for key in ("description", "default") if key in schema and schema[key] is not None
    }
    value = {key: part for key, part in schema.items() if key not in ("title", "description", "default")}
    if isinstance(value.get("items"), dict):
        value["items"] = _opened(value["items"])
    if isinstance(value.get("additionalProperties"), dict):
        value["additionalProperties"] = _opened(value["additionalProperties"])
    choices = value.pop("anyOf", None) or ([value] if value else [{}])
    if any(choice.get("type") == "integer" for choice in choices):
        choices.append({"type": "string", "pattern": "^-?[0-9]+$"})
    if any(choice.get("type") == "boolean" for choice in choices):
        choices.append({"enum": ["true", "false"]})
    return {**about, "anyOf": [*choices, _INTRINSIC]}

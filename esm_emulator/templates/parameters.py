"""A template's parameters: what each is worth before anything is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from esm_emulator.errors import ConfigError, Problem
from esm_emulator.validation import did_you_mean, shown
from esm_emulator.yaml_source import Document

__all__ = ["read_parameters"]


def read_parameters(
    declared: Mapping[str, Any], given: Mapping[str, Any], document: Document
) -> tuple[dict[str, Any], dict[str, str]]:
    """The value of each parameter, given or by default, and of each without one the reason.

    Lists are lists. The default of a parameter that AWS looks up (``AWS::SSM::Parameter::Value<…>``) is a name and not
    a value. Raises ``ConfigError`` for one that is given but not declared, or not among its ``AllowedValues``.
    """
    values: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    problems = [
        Problem(f"the template has no parameter {name!r}{did_you_mean(name, declared)}", f"parameters.{name}")
        for name in given
        if name not in declared
    ]
    for name, block in declared.items():
        if not isinstance(block, Mapping):
            problems.append(document.problem("takes a mapping with Type", ("Parameters", name)))
            continue
        type_ = str(block.get("Type", "String"))
        if name in given:
            values[name] = _typed(given[name], type_)
            problems += _not_allowed(name, values[name], block, document)
        elif type_.startswith("AWS::SSM::Parameter::Value"):
            unknown[name] = f"the parameter {name!r} is looked up by AWS"
        elif "Default" in block:
            values[name] = _typed(block["Default"], type_)
        else:
            unknown[name] = f"the parameter {name!r} has no default"
    if problems:
        raise ConfigError(problems)
    return values, unknown


def _typed(value: Any, type_: str) -> Any:
    if isinstance(value, bool):
        value = "true" if value else "false"
    if "List" in type_ and isinstance(value, str):
        return [item.strip() for item in value.split(",")] if value else []
    return value


def _not_allowed(name: str, value: Any, block: Mapping[str, Any], document: Document) -> list[Problem]:
    allowed = block.get("AllowedValues")
    if not isinstance(allowed, list) or str(value) in [str(item) for item in allowed]:
        return []
    choices = ", ".join(shown(item) for item in allowed)
    return [
        document.problem(f"the parameter {name!r} takes one of {choices}, not {shown(value)}", ("Parameters", name))
    ]

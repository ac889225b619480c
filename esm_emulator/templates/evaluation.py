"""A declared resource with its intrinsics worked out, and what is told of those that cannot be.

What only a deployment knows is left out with a warning: a property stands at its default, of an environment the one
variable is missing, and a mapping whose queue or function cannot be known is left out altogether. A name that nothing
in the file has is an error everywhere; in a file of ours so is everything that cannot be worked out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from esm_emulator.errors import Problem
from esm_emulator.resources.assembly import MODELS
from esm_emulator.resources.declared import FUNCTION, MAPPING, SERVERLESS, Declared
from esm_emulator.resources.models import IGNORED, UNSUPPORTED, Resource
from esm_emulator.templates.intrinsics import NO_VALUE, NoSuchName, Scope, Unresolved, is_intrinsic
from esm_emulator.yaml_source import Path

__all__ = ["Evaluated", "evaluate"]

_CODE = ("Code", "CodeUri", "ImageUri", "InlineCode", "PackageType")
_FREE = ("DeadLetterConfig", "DeadLetterQueue", "DurableConfig", "EventInvokeConfig", "TenancyConfig")
"""Properties of which only the presence counts."""
_REFERENCES = ("EventSourceArn", "FunctionName")
_DEFAULT = "left at its default"
_LOST = "the mapping is left out"
_KEPT = "what depends on it is not checked"


@dataclass
class Evaluated:
    """The resource (None when it is left out), and what there is to tell."""

    declared: Declared | None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def evaluate(declared: Declared, scope: Scope) -> Evaluated:
    """``declared`` with every intrinsic of a property that counts worked out in ``scope``."""
    return _Evaluation(declared, scope).run()


class _Evaluation:
    def __init__(self, declared: Declared, scope: Scope) -> None:
        self._declared = declared
        self._scope = scope
        self._found = Evaluated(declared)
        self._told: set[str] = set()
        self._wrong: set[str] = set()
        self._otherwise = _KEPT if _keeps(declared, scope) else _LOST

    def run(self) -> Evaluated:
        made: dict[str, Any] = {}
        for name, raw in self._declared.properties.items():
            if name in IGNORED.get(self._declared.type, frozenset()):
                continue
            value = self._property(name, raw)
            if value is not NO_VALUE:
                made[name] = value
        if self._declared.type == MAPPING and self._lost(made):
            return self._found
        self._found.declared = replace(self._declared, properties=made, told=self._declared.told | self._told)
        return self._found

    def _property(self, name: str, raw: Any) -> Any:
        if name == "Events" and self._declared.type == SERVERLESS and isinstance(raw, Mapping):
            return {key: item for key, item in self._events(raw).items() if item is not NO_VALUE}
        if name == "Environment" and isinstance(raw, Mapping) and isinstance(raw.get("Variables"), Mapping):
            path = ("Environment", "Variables")
            variables = {
                key: self._value(item, (*path, key), "the variable is left out")
                for key, item in raw["Variables"].items()
            }
            return {**raw, "Variables": {key: item for key, item in variables.items() if item is not NO_VALUE}}
        if name == "Tags":
            return self._tags(raw)
        if name in _CODE and isinstance(raw, Mapping) and not is_intrinsic(raw):
            return raw
        if self._declared.type == MAPPING and name in _REFERENCES:
            return self._value(raw, (name,), self._otherwise)
        return self._value(raw, (name,))

    def _lost(self, made: Mapping[str, Any]) -> bool:
        """Whether a mapping's queue or function is something that only a deployment knows; then it is left out."""
        lost = [name for name in _REFERENCES if name in self._declared.properties and name not in made]
        if self._otherwise == _LOST and any(name not in self._wrong for name in lost):
            self._found.declared = None
            return True
        return False

    def _value(self, raw: Any, path: Path, otherwise: str = _DEFAULT) -> Any:
        """The value of ``raw``; ``NO_VALUE``, once that is told, when it has none."""
        try:
            return self._scope.value(raw)
        except Unresolved as error:
            if path[0] in _FREE:
                return raw
            if self._counts(path):
                self._tell(error, path, otherwise)
            return NO_VALUE

    def _tell(self, error: Unresolved, path: Path, otherwise: str) -> None:
        origin = self._declared.origin
        self._told.add(str(path[0]))
        if isinstance(error, NoSuchName) or self._declared.strict or not str(error):
            self._wrong.add(str(path[0]))
            if str(error):
                self._found.problems.append(origin.problem(str(error), path))
        else:
            self._found.warnings.append(origin.problem(f"{error}; {otherwise}", path))

    def _counts(self, path: Path) -> bool:
        """Whether the property changes anything here, so that leaving it out is worth telling."""
        model = MODELS[FUNCTION if self._declared.type == SERVERLESS else self._declared.type]
        name = str(path[0])
        ours = name in model.model_fields and name not in Resource.model_fields
        return ours or name in (*_CODE, *UNSUPPORTED, "Events", "AutoPublishAlias")

    def _tags(self, raw: Any) -> Any:
        """Tags change nothing here: those that cannot be worked out are left out without a word."""
        if isinstance(raw, list):
            return [item for item in map(self._quietly, raw) if item is not NO_VALUE]
        if isinstance(raw, Mapping) and not is_intrinsic(raw):
            tags = {name: self._quietly(item) for name, item in raw.items()}
            return {name: item for name, item in tags.items() if item is not NO_VALUE}
        return self._quietly(raw)

    def _quietly(self, raw: Any) -> Any:
        try:
            return self._scope.value(raw)
        except Unresolved:
            return NO_VALUE

    def _events(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A serverless function's events; of those that are not SQS's only what is wrong with their shape is kept."""
        return {name: self._event(name, event) for name, event in raw.items()}

    def _event(self, name: str, event: Any) -> Any:
        if not isinstance(event, Mapping) or "Type" not in event:
            return event
        properties = event.get("Properties")
        if event["Type"] != "SQS":
            return NO_VALUE
        if not isinstance(properties, Mapping):
            return event
        made: dict[str, Any] = {}
        for key, item in properties.items():
            queue = key == "Queue"
            known = len(self._found.problems)
            value = self._value(item, ("Events", name, "Properties", key), self._otherwise if queue else _DEFAULT)
            if value is not NO_VALUE:
                made[key] = value
            elif queue and self._otherwise == _LOST and len(self._found.problems) == known:
                return NO_VALUE
            elif queue:
                made[key] = ""
        return {**event, "Properties": made}


def _keeps(declared: Declared, scope: Scope) -> bool:
    """Whether a mapping is kept though its queue or function is not known: who only looks wants it if it reads SQS."""
    return scope.partial and not declared.strict and not any(name in declared.properties for name in UNSUPPORTED)

"""A SAM or CloudFormation template, also as CDK writes it, as declared resources.

Only what an SQS mapping is made of is read: queues, functions and mappings, and of those only the properties that the
emulator knows or that AWS would refuse. Every other resource is somebody else's and passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, Problem
from esm_emulator.resources.assembly import MODELS
from esm_emulator.resources.declared import FUNCTION, IDLE_KEYS, MAPPING, QUEUE, SERVERLESS, Declared, Origin
from esm_emulator.resources.models import ACCOUNT, IGNORED, REGION, UNSUPPORTED, Resource
from esm_emulator.templates.intrinsics import NO_VALUE, Scope, Unresolved, is_intrinsic
from esm_emulator.templates.parameters import read_parameters
from esm_emulator.validation import Source, did_you_mean
from esm_emulator.yaml_source import Document, Path

__all__ = ["Template", "evaluated", "read_template"]

_TYPES = (QUEUE, FUNCTION, MAPPING, SERVERLESS)
_CODE = ("Code", "CodeUri", "ImageUri", "InlineCode", "PackageType")
_EVENTS = ("Events", "AutoPublishAlias")
_FREE = ("DeadLetterConfig", "DeadLetterQueue", "DurableConfig", "EventInvokeConfig", "TenancyConfig")
"""Properties of which only the presence counts."""


@dataclass
class Template:
    """A template's resources as declared, its scope for further intrinsics, and what was found on the way.

    ``folder`` is what code is relative to, ``globals`` what SAM says of every function; ``broken`` are the ids of
    blocks that could not be read.
    """

    scope: Scope
    folder: FilePath
    globals: Mapping[str, Any] = field(default_factory=dict)
    resources: list[Declared] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)


def read_template(
    document: Document,
    folder: FilePath,
    parameters: Mapping[str, Any] | None = None,
    *,
    region: str = REGION,
    account: str = ACCOUNT,
) -> Template:
    """What a template declares. ``folder`` is what its code is relative to; ``parameters`` go before its defaults.

    Raises ``ConfigError`` for a parameter that the template does not have, or that takes other values.
    """
    data = document.data
    values, unknown = read_parameters(_section(document, "Parameters"), parameters or {}, document)
    scope = Scope(
        values,
        unknown,
        _section(document, "Resources"),
        _section(document, "Conditions"),
        _section(document, "Mappings"),
        region,
        account,
        FilePath(document.file or "stack").stem,
    )
    template = Template(scope, folder, _globals(data))
    for id_, block in scope.resources.items():
        origin = Origin(("Resources", id_), document)
        if isinstance(block, Mapping) and block.get("Type") in _TYPES:
            if _is_there(template, block, origin):
                _add(template, id_, block, origin)
        elif not isinstance(block, Mapping) and not str(id_).startswith("Fn::"):
            template.problems.append(origin.problem("takes a mapping with Type and Properties", key=True))
            template.broken.add(id_)
        elif str(id_).startswith("Fn::"):
            template.warnings.append(origin.problem(f"{id_} is not worked out; its resources are left out", key=True))
    return template


def _section(document: Document, name: str) -> Mapping[str, Any]:
    found = document.data.get(name) or {}
    if not isinstance(found, Mapping):
        raise ConfigError([document.problem(f"{name} takes a mapping", (name,))])
    return found


def _globals(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What SAM's ``Globals`` say of functions."""
    found = data.get("Globals")
    function = found.get("Function") if isinstance(found, Mapping) else None
    return function if isinstance(function, Mapping) else {}


def _is_there(template: Template, block: Mapping[str, Any], origin: Origin) -> bool:
    """Whether a resource's ``Condition`` holds; one that cannot be decided is taken to hold."""
    name = block.get("Condition")
    if name is None:
        return True
    try:
        return template.scope.condition(name)
    except Unresolved as error:
        message = f"the condition {name!r} cannot be decided ({error}); taken to hold"
        template.warnings.append(origin.below("Condition").problem(message))
        return True


def _add(template: Template, id_: str, block: Mapping[str, Any], origin: Origin) -> None:
    for key in block:
        if key not in ("Type", "Properties", *IDLE_KEYS):
            message = f"unknown key {key!r}{did_you_mean(key, ('Type', 'Properties'))}; passed over"
            template.warnings.append(origin.below(key).problem(message, key=True))
    raw = block.get("Properties") or {}
    if not isinstance(raw, Mapping) or is_intrinsic(raw):
        template.problems.append(origin.problem("takes a mapping of properties"))
        template.broken.add(id_)
        return
    raw = dict(raw)
    if block["Type"] == SERVERLESS:
        raw, origin = _with_globals(raw, template.globals, origin)
    asset = (block.get("Metadata") or {}).get("aws:asset:path") if isinstance(block.get("Metadata"), Mapping) else None
    if asset is not None and block["Type"] == FUNCTION:
        raw = {name: value for name, value in raw.items() if name != "Code"} | {"CodeUri": str(asset)}
    declared = Declared(id_, block["Type"], raw, origin, template.folder, strict=False)
    made, told = evaluated(declared, template.scope)
    template.warnings += told
    if made is not None:
        template.resources.append(made)


def _with_globals(raw: dict[str, Any], globals_: Mapping[str, Any], origin: Origin) -> tuple[dict[str, Any], Origin]:
    """A serverless function's properties over the globals: mappings merge, lists add, all else replaces."""
    moved: dict[Path, tuple[Source | None, Path]] = dict(origin.moved)
    made = _merged(globals_, raw)
    for name in globals_:
        if name not in raw:
            moved[name,] = (origin.document, ("Globals", "Function", name))
    return made, replace(origin, moved=moved)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(under)
    for key, value in over.items():
        below = made.get(key)
        if (
            isinstance(below, Mapping)
            and isinstance(value, Mapping)
            and not (is_intrinsic(below) or is_intrinsic(value))
        ):
            made[key] = _merged(below, value)
        elif isinstance(below, list) and isinstance(value, list):
            made[key] = [*below, *value]
        else:
            made[key] = value
    return made


def evaluated(declared: Declared, scope: Scope) -> tuple[Declared | None, list[Problem]]:
    """A resource with its intrinsics worked out, and what was left out because that cannot be done.

    Left out is the property (so it stands at its default), of an environment the one variable, and a mapping whose
    queue or function cannot be known altogether.
    """
    told: list[Problem] = []
    made: dict[str, Any] = {}
    for name, raw in declared.properties.items():
        if name in IGNORED.get(declared.type, frozenset()):
            continue
        if name == "Events" and declared.type == SERVERLESS:
            value: Any = _events(declared, raw, scope, told)
        elif name == "Environment" and isinstance(raw, Mapping) and isinstance(raw.get("Variables"), Mapping):
            variables = _each(declared, raw["Variables"], ("Environment", "Variables"), scope, told)
            value = {**raw, "Variables": variables}
        elif name == "Tags":
            value = _tags(raw, scope)
        else:
            value = _value(declared, raw, (name,), scope, told)
        if value is not NO_VALUE and value is not _LEFT_OUT:
            made[name] = value
        elif value is _LEFT_OUT and declared.type == MAPPING and name in ("EventSourceArn", "FunctionName"):
            return None, [replace(told[-1], message=told[-1].message.replace(_DEFAULT, "the mapping is left out"))]
    return replace(declared, properties=made), told


_LEFT_OUT = object()
_DEFAULT = "left at its default"


def _value(declared: Declared, raw: Any, path: Path, scope: Scope, told: list[Problem]) -> Any:
    if path[0] in _CODE and isinstance(raw, Mapping) and not is_intrinsic(raw):
        return raw
    try:
        return scope.value(raw)
    except Unresolved as error:
        if path[0] in _FREE:
            return raw
        if _is_known(declared, path):
            told.append(declared.origin.problem(f"{error}; {_DEFAULT}", path))
        return _LEFT_OUT


def _is_known(declared: Declared, path: Path) -> bool:
    """Whether the property changes anything here, so that leaving it out is worth telling."""
    model = MODELS[FUNCTION if declared.type == SERVERLESS else declared.type]
    name = str(path[0])
    return (name in model.model_fields and name not in Resource.model_fields) or name in (
        *_CODE,
        *_EVENTS,
        *UNSUPPORTED,
    )


def _each(declared: Declared, raw: Mapping[str, Any], path: Path, scope: Scope, told: list[Problem]) -> dict[str, Any]:
    """The entries of a mapping, those that cannot be worked out left out one by one."""
    made: dict[str, Any] = {}
    for name, item in raw.items():
        try:
            value = scope.value(item)
        except Unresolved as error:
            told.append(declared.origin.problem(f"{error}; the variable is left out", (*path, name)))
            continue
        if value is not NO_VALUE:
            made[name] = value
    return made


def _tags(raw: Any, scope: Scope) -> Any:
    """Tags change nothing here: those that cannot be worked out are left out without a word."""

    def known(item: Any) -> bool:
        try:
            return scope.value(item) is not NO_VALUE
        except Unresolved:
            return False

    if isinstance(raw, list):
        return [scope.value(item) for item in raw if known(item)]
    if isinstance(raw, Mapping) and not is_intrinsic(raw):
        return {name: scope.value(item) for name, item in raw.items() if known(item)}
    return scope.value(raw) if known(raw) else _LEFT_OUT


def _events(declared: Declared, raw: Any, scope: Scope, told: list[Problem]) -> Any:
    """A serverless function's events of type SQS, their intrinsics worked out."""
    if not isinstance(raw, Mapping):
        return raw
    made: dict[str, Any] = {}
    for name, event in raw.items():
        properties = event.get("Properties") if isinstance(event, Mapping) else None
        if not isinstance(event, Mapping) or (
            event.get("Type") == "SQS" and not isinstance(properties, Mapping | None)
        ):
            made[name] = event
            continue
        if event.get("Type") != "SQS":
            if "Type" not in event:
                made[name] = event
            continue
        at = ("Events", name, "Properties")
        found = {key: _event_value(declared, item, (*at, key), scope, told) for key, item in (properties or {}).items()}
        if found.get("Queue") is not _LEFT_OUT:
            kept = {key: item for key, item in found.items() if item is not NO_VALUE and item is not _LEFT_OUT}
            made[name] = {**event, "Properties": kept}
    return made


def _event_value(declared: Declared, raw: Any, path: Path, scope: Scope, told: list[Problem]) -> Any:
    try:
        return scope.value(raw)
    except Unresolved as error:
        what = "the mapping is left out" if path[-1] == "Queue" else _DEFAULT
        told.append(declared.origin.problem(f"{error}; {what}", path))
        return _LEFT_OUT

"""A SAM or CloudFormation template, also as CDK writes it, as declared resources.

Only what an SQS mapping is made of is read: queues, functions and mappings, and of those only the properties that the
emulator knows or that AWS would refuse. Every other resource is somebody else's and passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, Problem
from esm_emulator.resources.assembly import MODELS
from esm_emulator.resources.declared import (
    FUNCTION,
    IDLE_KEYS,
    MAPPING,
    QUEUE,
    SERVERLESS,
    Declared,
    Origin,
    Spot,
    id_problems,
)
from esm_emulator.resources.models import ACCOUNT, REGION
from esm_emulator.templates.evaluation import evaluate
from esm_emulator.templates.intrinsics import NoSuchName, Scope, Unresolved, is_intrinsic
from esm_emulator.templates.parameters import read_parameters
from esm_emulator.validation import did_you_mean
from esm_emulator.yaml_source import Document, Path

__all__ = ["Template", "read_template"]

_MACRO = "the macro {!r} is not worked out"
_ADDED = "what it adds is left out"
_TRANSFORMS = ("AWS::Serverless-", "AWS::LanguageExtensions", "AWS::CodeDeploy", "AWS::SecretsManager-")
"""AWS's own that add nothing which an SQS mapping is made of, beside what is worked out here."""
_TYPES = (QUEUE, FUNCTION, MAPPING, SERVERLESS)


@dataclass
class Template:
    """A template's resources as declared, its scope for further intrinsics, and what was found on the way.

    ``folder`` is what code is relative to, ``globals`` what SAM says of every function.
    """

    scope: Scope
    folder: FilePath
    globals: Mapping[str, Any] = field(default_factory=dict)
    resources: list[Declared] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def read_template(
    document: Document,
    folder: FilePath,
    parameters: Mapping[str, Any] | None = None,
    *,
    region: str = REGION,
    account: str = ACCOUNT,
    partial: bool = False,
) -> Template:
    """What a template declares. ``folder`` is what its code is relative to; ``parameters`` go before its defaults.

    With ``partial``, a mapping whose queue or function only a deployment knows is kept, for who only looks.

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
        open_ended=frozenset(_open_ended(document)),
        partial=partial,
    )
    template = Template(scope, folder, _globals(data))
    template.warnings += [
        document.problem(f"{_MACRO.format(name)}; {_ADDED}", path) for name, path in _macros(document)
    ]
    present: list[tuple[str, Mapping[str, Any], Origin]] = []
    for id_, block in _section(document, "Resources").items():
        origin = Origin(("Resources", id_), document, root=("Resources",))
        if str(id_).startswith("Fn::"):
            template.warnings.append(origin.problem(f"{id_} is not worked out; its resources are left out", key=True))
        elif not isinstance(block, Mapping):
            template.problems.append(origin.problem("takes a mapping with Type and Properties", key=True))
            scope.broken.add(id_)
        elif not _is_there(template, block, origin):
            scope.absent.add(id_)
        elif block.get("Type") in _TYPES:
            wrong = list(id_problems(id_, origin))
            template.problems += wrong
            if not wrong:
                present.append((id_, block, origin))
    for id_, block, origin in present:
        _add(template, id_, block, origin)
    return template


def _macros(document: Document) -> Iterator[tuple[str, Path]]:
    """The template's macros that are not worked out, which may add or change anything, and where each is named."""
    given = document.data.get("Transform")
    for position, item in enumerate(given if isinstance(given, list) else [given]):
        name = item.get("Name") if isinstance(item, Mapping) else item
        if name is not None and not str(name).startswith(_TRANSFORMS):
            yield str(name), ("Transform", position) if isinstance(given, list) else ("Transform",)


def _open_ended(document: Document) -> Iterator[str]:
    """The sections to which a macro or a loop may add what is not there."""
    everywhere = any(_macros(document))
    for name in ("Resources", "Conditions", "Mappings"):
        if everywhere or any(str(key).startswith("Fn::") for key in _section(document, name)):
            yield name


def _section(document: Document, name: str) -> Mapping[str, Any]:
    found = document.data.get(name)
    if not isinstance(found, Mapping | None):
        raise ConfigError([document.problem("takes a mapping", (name,))])
    return found or {}


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
        return template.scope.condition(str(name))
    except NoSuchName as error:
        template.problems.append(origin.below("Condition").problem(str(error)))
        return True
    except Unresolved as error:
        if block.get("Type") not in _TYPES:
            return True
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
        template.scope.broken.add(id_)
        return
    raw = dict(raw)
    hidden: frozenset[str] = frozenset()
    if "Fn::Transform" in raw:
        macro = raw.pop("Fn::Transform")
        name = macro.get("Name") if isinstance(macro, Mapping) else None
        template.warnings.append(origin.problem(f"{_MACRO.format(name)}; {_ADDED}", ("Fn::Transform",), key=True))
        model = MODELS[FUNCTION if block["Type"] == SERVERLESS else block["Type"]]
        hidden = frozenset(set(model.model_fields) - set(raw))
    if block["Type"] == SERVERLESS:
        raw, origin = _with_globals(raw, template.globals, origin)
    asset = (block.get("Metadata") or {}).get("aws:asset:path") if isinstance(block.get("Metadata"), Mapping) else None
    if asset is not None and block["Type"] == FUNCTION:
        raw = {name: value for name, value in raw.items() if name != "Code"} | {"CodeUri": str(asset)}
    declared = Declared(id_, block["Type"], raw, origin, template.folder, strict=False, told=hidden)
    found = evaluate(declared, template.scope)
    template.problems += found.problems
    template.warnings += found.warnings
    if found.declared is not None:
        template.resources.append(found.declared)


def _with_globals(raw: dict[str, Any], globals_: Mapping[str, Any], origin: Origin) -> tuple[dict[str, Any], Origin]:
    """A serverless function's properties over the globals: mappings merge, lists add, all else replaces."""
    moved: dict[Path, Spot] = dict(origin.moved)
    made = _merged(globals_, raw)
    for name in globals_:
        if name not in raw:
            moved[name,] = Spot(origin.document, ("Globals", "Function", name))
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

"""The project's own spelling of resources: blocks under logical ids, or a template's with overrides beside ``from``.

This is what stands under ``resources:`` in an ``esm.yaml`` or a scenario. A property that AWS does not have is an
error here; so is an intrinsic that only a deployment could work out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, Problem, UsageError
from esm_emulator.resources.assembly import MODELS
from esm_emulator.resources.declared import SERVERLESS, Declared, Origin, Spot, changed, declare
from esm_emulator.resources.models import ACCOUNT, IGNORED, REGION, UNSUPPORTED, Resource
from esm_emulator.resources.serverless import expand
from esm_emulator.templates.cloudformation import Template, read_template
from esm_emulator.templates.evaluation import evaluate
from esm_emulator.templates.intrinsics import Scope, is_intrinsic
from esm_emulator.validation import did_you_mean
from esm_emulator.yaml_source import Document, Path, load_file

__all__ = ["Declarations", "read_own"]

_FROM_KEYS = ("from", "parameters")
_IN_BLOCK = frozenset(("Type", "Properties"))


@dataclass
class Declarations:
    """What a file declares and what is wrong with it so far; ``documents`` are all files that were read.

    ``broken`` are the ids of blocks that could not be read.
    """

    resources: list[Declared] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    documents: tuple[Document, ...] = ()
    broken: frozenset[str] = frozenset()


def read_own(
    data: Any,
    origin: Origin,
    folder: FilePath,
    *,
    strict: bool = True,
    region: str = REGION,
    account: str = ACCOUNT,
    parameters: Mapping[str, Any] | None = None,
    partial: bool = False,
) -> Declarations:
    """The resources of ``data``, which stands at ``origin``; paths in it are relative to ``folder``.

    Raises ``ConfigError`` where nothing sensible can be read on.
    """
    if isinstance(data, Mapping) and "from" in data:
        template, document = _template(
            data, origin, folder, parameters or {}, Scope(region=region, account=account, partial=partial)
        )
        overrides = _Overrides(origin, folder, template)
        for key, value in data.items():
            if key not in _FROM_KEYS:
                overrides.apply(key, value)
        problems = [*template.problems, *overrides.problems]
        known = list(overrides.known.values())
        return Declarations(known, problems, template.warnings, (document,), frozenset(template.scope.broken))
    resources, problems, broken = declare(data, origin, folder)
    found = Declarations(problems=problems, broken=broken)
    blocks = data if isinstance(data, Mapping) else {}
    scope = Scope(resources=blocks, region=region, account=account, broken=set(broken))
    for declared in resources:
        made = evaluate(replace(declared, strict=strict), scope)
        found.problems += made.problems
        found.warnings += made.warnings
        if made.declared is not None:
            found.resources.append(made.declared)
    return found


def _template(
    data: Mapping[str, Any], origin: Origin, folder: FilePath, given: Mapping[str, Any], scope: Scope
) -> tuple[Template, Document]:
    """The template that ``from`` names, read with the ``parameters`` beside it and those ``given`` from outside."""
    path, parameters = data["from"], data.get("parameters") or {}
    if not isinstance(path, str):
        raise ConfigError([origin.below("from").problem(f"takes the path of a template, not {path!r}")])
    if not isinstance(parameters, Mapping):
        raise ConfigError([origin.below("parameters").problem("takes a mapping from parameters to values")])
    file = folder / path
    if not file.exists():
        raise ConfigError([origin.below("from").problem(f"there is no file {path!r}")])
    own = getattr(origin.document, "file", "")
    document = load_file(file, name=str(FilePath(own).parent / path) if own else str(file))
    if not isinstance(document.data, Mapping) or "Resources" not in document.data:
        raise ConfigError([origin.below("from").problem(f"{path!r} is not a template: it has no Resources")])
    known = document.data.get("Parameters") or {}
    wrong = [
        origin.below("parameters", name).problem(
            f"the template has no parameter {name!r}{did_you_mean(name, known)}", key=True
        )
        for name in parameters
        if name not in known
    ]
    if wrong:
        raise ConfigError(wrong)
    parameters = {**parameters, **given}
    template = read_template(
        document, file.parent, parameters, region=scope.region, account=scope.account, partial=scope.partial
    )
    return template, document


@dataclass
class _Overrides:
    """What stands beside ``from``, put over the template's resources one entry after the other."""

    origin: Origin
    folder: FilePath
    template: Template
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = {declared.id: declared for declared in self.template.resources}

    def apply(self, key: str, value: Any) -> None:
        """One entry: ``Orders.DelaySeconds: 5``, a block for a resource of the template, or a new resource."""
        id_, *steps = key.split(".")
        steps = steps[1:] if steps[:1] == ["Properties"] else steps
        at = self.origin.below(key)
        if id_ not in self.known:
            self._take_apart(id_)
        if id_ not in self.known and not steps and isinstance(value, Mapping) and "Type" in value:
            made, problems, _ = declare({key: value}, self.origin, self.folder)
            self.problems += problems
            for declared in made:
                self._put(declared)
        elif id_ not in self.known:
            near = did_you_mean(id_, self.known)
            self.problems.append(at.problem(f"the template has no resource {id_!r}{near}", key=True))
        elif steps:
            path = tuple(int(step) if step.isdigit() else step for step in steps)
            self._change(self.known[id_], {path: (value, at.base)})
        elif not isinstance(value, Mapping):
            self.problems.append(at.problem("takes a mapping of properties"))
        else:
            self._block(self.known[id_], value, at)

    def _block(self, declared: Declared, value: Mapping[str, Any], at: Origin) -> None:
        """A mapping of properties, or a block that has them under Properties."""
        in_block = bool(value) and set(value) <= _IN_BLOCK
        if in_block and value.get("Type", declared.type) != declared.type:
            message = f"{declared.id!r} is of type {declared.type}, not {value['Type']}"
            self.problems.append(at.below("Type").problem(message))
            return
        properties, base = (value.get("Properties") or {}, (*at.base, "Properties")) if in_block else (value, at.base)
        self._change(declared, dict(_leaves(properties, base)))

    def _take_apart(self, id_: str) -> None:
        """When the id is a mapping's that SAM would make, replace its serverless function by what it is made of."""
        for owner in [item for item in self.known.values() if item.type == SERVERLESS and id_.startswith(item.id)]:
            parts, problems = expand(owner)
            if not problems and id_ in [part.id for part in parts]:
                kept = [parts if item is owner else [item] for item in self.known.values()]
                self.known = {item.id: item for items in kept for item in items}

    def _change(self, declared: Declared, changes: Mapping[Path, tuple[Any, Path]]) -> None:
        """The resource with its changes, each placed where the override stands."""
        names = _property_names(declared.type)
        for path, (value, at) in changes.items():
            if path[0] not in names:
                message = f"unknown key {str(path[0])!r}{did_you_mean(str(path[0]), names)}"
                wrong = replace(self.origin, base=at[: len(at) - len(path) + 1] if "." not in str(at[-1]) else at)
                self.problems.append(wrong.problem(message, key=True))
                continue
            given = str(self.folder / value) if path == ("CodeUri",) and isinstance(value, str) else value
            try:
                declared = changed(declared, path, given)
            except UsageError as error:
                self.problems.append(replace(self.origin, base=at).problem(str(error)))
                continue
            moved = {**declared.origin.moved, path: Spot(self.origin.document, at, self.origin.root)}
            declared = replace(declared, origin=replace(declared.origin, moved=moved))
        self._put(declared)

    def _put(self, declared: Declared) -> None:
        made = evaluate(declared, self.template.scope)
        self.problems += made.problems
        self.template.warnings += made.warnings
        if made.declared is not None:
            self.known[declared.id] = made.declared


def _leaves(properties: Mapping[str, Any], at: Path, path: Path = ()) -> list[tuple[Path, tuple[Any, Path]]]:
    """Each value of nested mappings with its path and place; lists and intrinsics are values."""
    found: list[tuple[Path, tuple[Any, Path]]] = []
    for name, value in properties.items():
        if isinstance(value, Mapping) and value and not is_intrinsic(value):
            found += _leaves(value, (*at, name), (*path, name))
        else:
            found.append(((*path, name), (value, (*at, name))))
    return found


def _property_names(type_: str) -> list[str]:
    model = MODELS["AWS::Lambda::Function" if type_ == SERVERLESS else type_]
    names = [name for name in model.model_fields if name not in Resource.model_fields]
    extra = ("Events", "AutoPublishAlias", "DeadLetterQueue") if type_ == SERVERLESS else ()
    return [*names, *extra, *IGNORED.get(type_, ()), *UNSUPPORTED, "Code"]

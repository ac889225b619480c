"""A scenario file, loaded: one case for its base and one for each variant, everything checked before anything plays.

A variant is the base's data with some values replaced (``set``), then read like any file; what is wrong with a replaced
value is told at the variant that put it there. All problems of a file are told at once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from esm_emulator.errors import ConfigError, NoScenarioFound, Problem, RefusedByAws, UsageError
from esm_emulator.mapping.filter import creation_rules
from esm_emulator.profiles import Profile, profile
from esm_emulator.resources import Resources
from esm_emulator.scenario.references import problems_of_references
from esm_emulator.scenario.schema import ScenarioModel
from esm_emulator.scenario.soundness import problems_of_parts
from esm_emulator.templates import parse_resources
from esm_emulator.validation import did_you_mean, problems_of, shown
from esm_emulator.yaml_source import Document, Path, Place, load_file

__all__ = ["SUFFIX", "Case", "find_scenarios", "load_cases", "scenario_schema", "variants_of"]

SUFFIX = ".esm.yaml"
_OWN_KEYS = frozenset(ScenarioModel.model_fields)
_FIXED = {  # what a variant cannot set, and why
    "version": "it is the format of the whole file",
    "name": "cases of one file have one name",
    "base": "it is about the whole file",
    "variants": "a variant has none of its own",
}


@dataclass(frozen=True, slots=True)
class CaseSource:
    """Where the parts of a case stand: in the base, or in the variant that replaced them."""

    document: Document
    replaced: Mapping[Path, Path]  # path in the case's data -> path in the file

    def in_file(self, path: Path) -> Path:
        """The path in the file of what stands at ``path`` in the case's data."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.replaced:
                return (*self.replaced[path[:length]], *path[length:])
        return path

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Line and column, from 1."""
        return self.document.place(self.in_file(path), key=key)

    def problem(self, message: str, path: Path = (), *, key: bool = False, clause: str = "") -> Problem:
        """A problem at ``path``."""
        return self.document.problem(message, self.in_file(path), key=key, clause=clause)

    @property
    def file(self) -> str:
        """The file's name."""
        return self.document.file


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario to play: the base, or one of its variants. ``warnings`` are the loader's, not the checks'."""

    scenario: str
    variant: str | None
    source: CaseSource
    model: ScenarioModel
    resources: Resources
    profile: Profile
    warnings: tuple[Problem, ...] = ()

    @property
    def id(self) -> str:
        """``name`` or ``name[variant]``."""
        return self.scenario if self.variant is None else f"{self.scenario}[{self.variant}]"

    @property
    def file(self) -> str:
        """The file's name as it was given."""
        return self.source.file

    @property
    def folder(self) -> FilePath:
        """The file's folder, from which paths in it are read."""
        return FilePath(self.file).parent

    @property
    def line(self) -> int:
        """Where the case begins: its variant's line, or the first."""
        return 1 if self.variant is None else self.source.document.place(("variants", self.variant), key=True).line


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, generated from the models."""
    schema: dict[str, Any] = _without_nothing(ScenarioModel.model_json_schema(by_alias=True))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "esm-emulator scenario, version 1"
    return schema


def _without_nothing(schema: Any) -> Any:
    """A schema in which a key that may be left out may not be null: a key without a value is refused."""
    if isinstance(schema, list):
        return [_without_nothing(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _without_nothing(value) for key, value in schema.items()}
    choices = [choice for choice in made.get("anyOf", ()) if choice != {"type": "null"}]
    if made.get("default", made) is not None or choices == made.get("anyOf", []):
        return made
    del made["anyOf"], made["default"]
    return made | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def find_scenarios(paths: Sequence[str | FilePath]) -> list[FilePath]:
    """Every scenario file under ``paths``, files as given, folders in order of their names.

    Raises ``NoScenarioFound`` when there is none, or a path that is neither.
    """
    found: dict[FilePath, None] = {}
    for given in paths:
        path = FilePath(given)
        if path.is_dir():
            found.update(dict.fromkeys(sorted(path.rglob(f"*{SUFFIX}"))))
        elif path.exists():
            found[path] = None
        else:
            raise NoScenarioFound(f"{path}: there is no such file or folder")
    if not found:
        where = ", ".join(map(str, paths)) or "no path"
        raise NoScenarioFound(f"no scenario found: {where} holds no file that ends in {SUFFIX}")
    return list(found)


def load_cases(path: str | FilePath) -> list[Case]:
    """The cases of one file, the base first.

    Raises ``ConfigError`` with everything that is wrong with the file, or ``RefusedByAws`` with everything that AWS
    would refuse when it is otherwise right.
    """
    document = load_file(path)
    problems: list[Problem] = []
    refused: list[Problem] = []
    cases: list[Case] = []
    for variant, data, source in variants_of(document):
        try:
            cases.append(_case(document, variant, data, source))
        except ConfigError as error:
            problems += error.problems
        except RefusedByAws as error:
            refused += error.problems
    if problems:
        raise ConfigError(_in_order(problems))
    if refused:
        raise RefusedByAws(_in_order(refused))
    return cases


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Each problem once, in the file's order."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column))


def variants_of(document: Document) -> Iterator[tuple[str | None, Any, CaseSource]]:
    """The data of the base and of each variant, before anything is checked. Raises ``ConfigError``."""
    data = document.data
    found = _at(data, ("variants",))
    named = found.items() if isinstance(found, dict) else ()
    variants = {name: variant for name, variant in named if (name, variant) != ("base", "skip")}
    skip = next((path for path in (("base",), ("variants", "base")) if _at(data, path) == "skip"), None)
    if skip is None:
        yield None, data, CaseSource(document, {})
    elif not variants:
        raise ConfigError([document.problem("skip leaves nothing to play: there are no variants", skip)])
    for name, variant in variants.items():
        changed, replaced = _with_changes(data, variant, ("variants", name), document)
        yield str(name), changed, CaseSource(document, replaced)


def _at(data: Any, path: Path) -> Any:
    """What stands at a path of mappings, or None."""
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    return data


def _with_changes(data: Any, variant: Any, where: Path, document: Document) -> tuple[Any, dict[Path, Path]]:
    """The base's data with a variant's changes, and what came from where."""
    changed = copy.deepcopy(data)
    replaced: dict[Path, Path] = {}
    if not isinstance(variant, dict):
        return changed, replaced  # the base's model tells what is wrong with it
    if "expect" in variant:
        changed["expect"] = copy.deepcopy(variant["expect"])
        replaced["expect",] = (*where, "expect")
    changes = variant.get("set")
    put_over = _is_put_over(data)
    targets = (
        [(_target(str(name), to, put_over=put_over), name, to) for name, to in changes.items()]
        if isinstance(changes, dict)
        else []
    )
    for path, target, value in sorted(targets, key=lambda item: len(item[0])):  # the whole before its parts
        try:
            _check_target(changed, path, str(target))
            if put_over and len(path) == 2 and path[0] == "resources":
                changed["resources"][path[1]] = copy.deepcopy(value)  # null too: it takes away what the template says
            else:
                _put(changed, path, copy.deepcopy(value))
        except LookupError as error:
            message = str(error.args[0])
            raise ConfigError([document.problem(message, (*where, "set", target), key=True)]) from None
        replaced[path] = (*where, "set", target)
    if variant.get("description"):
        changed["description"] = variant["description"]
    return changed, replaced


def _is_put_over(data: Any) -> bool:
    """Whether resources come from a template: then a change stands beside ``from``, like any other override."""
    resources = data.get("resources") if isinstance(data, dict) else None
    return isinstance(resources, dict) and "from" in resources


def _target(text: str, value: Any, *, put_over: bool) -> Path:
    """Where a change goes: a key of the scenario itself (``send.0.count``), or a property of a resource.

    A resource alone, with null, is taken away whole.
    """
    head, *rest = text.split(".")
    steps: Path = tuple(int(step) if step.isdecimal() else step for step in rest)
    if head in _OWN_KEYS:
        return (head, *steps)
    if put_over or (value is None and not steps):
        return "resources", text
    return "resources", head, "Properties", *steps


def _check_target(data: Any, path: Path, target: str) -> None:
    """Raise ``LookupError`` for what a variant cannot change: a property of no resource, the file's own frame."""
    head = target.partition(".")[0]
    if head in _FIXED:
        raise LookupError(f"a variant does not change {head}: {_FIXED[head]}")
    resources = data.get("resources")
    if head in _OWN_KEYS or not isinstance(resources, dict) or "from" in resources or path[1] in resources:
        return
    known = [*resources, *_OWN_KEYS.difference(_FIXED)]
    raise LookupError(f"there is no resource {path[1]!r}{did_you_mean(str(path[1]), known)}")


def _put(data: Any, path: Path, value: Any) -> None:
    """Put ``value`` at ``path``, making mappings on the way; None removes. Raises ``LookupError`` saying why not."""
    node = data
    if len(path) > 1 and path[0] == "profile" and isinstance(data.get("profile"), str):
        data["profile"] = {"extends": data["profile"]}  # a name alone is short for this
    for step, following in pairwise(path):
        if isinstance(node, list):
            node = _item(node, step)
            continue
        if node.get(step) is None:
            node[step] = [] if isinstance(following, int) else {}
        elif not isinstance(node[step], dict | list):
            raise LookupError(f"{step} is {shown(node[step])}, which has no parts")
        node = node[step]
    last = path[-1]
    if isinstance(node, list) and last == len(node):
        node.append(value)
    elif isinstance(node, list):
        _item(node, last)
        node[last] = value  # type: ignore[index]
    elif value is None:
        node.pop(last, None)
    else:
        node[last] = value


def _item(items: list[Any], step: str | int) -> Any:
    if not isinstance(step, int) or step >= len(items):
        raise LookupError(f"there is no entry {step} in a list of {len(items)}, counted from 0")
    return items[step]


def _case(document: Document, variant: str | None, data: Any, source: CaseSource) -> Case:
    """One case, everything read and every name looked up."""
    if not isinstance(data, dict):
        raise ConfigError([source.problem("a scenario is a mapping that begins with version: 1")])
    problems: list[Problem] = []
    model: ScenarioModel | None = None
    try:
        model = ScenarioModel.model_validate(data)
    except ValidationError as error:
        problems += problems_of(error, ScenarioModel, source, data=data)
    folder = FilePath(document.file).parent
    try:
        used = _profile(data.get("profile", "aws-2026"))
    except (UsageError, TypeError, ValueError) as error:
        used = profile("aws-2026")
        if model is not None:
            problems.append(source.problem(str(error), ("profile",)))
    resources = data.get("resources") or {}
    if not isinstance(resources, dict):
        raise ConfigError(problems)  # the model says so
    try:
        loaded = parse_resources(resources, source, base=("resources",), base_folder=folder, rules=creation_rules(used))
    except ConfigError as error:
        problems += error.problems
        raise ConfigError(problems) from None
    if model is None:
        raise ConfigError(problems)
    problems += problems_of_references(model, loaded.resources, source)
    if not problems:
        problems += problems_of_parts(model, loaded.resources, used, source, folder)
    if problems:
        raise ConfigError(problems)
    name = model.name or FilePath(document.file).name.removesuffix(SUFFIX)
    return Case(name, variant, source, model, loaded.resources, used, loaded.warnings)


def _profile(value: str | dict[str, Any]) -> Profile:
    if isinstance(value, str):
        return profile(value)
    fields = dict(value)
    return profile(str(fields.pop("extends", "aws-2026"))).with_(**fields)

"""Resources from files: ``esm.yaml``, SAM and CloudFormation templates (CDK's output is one), in YAML or JSON.

:func:`load` reads a file, whichever it is; :func:`parse_resources` takes what stands under ``resources:`` from somebody
who has read the file already. Both tell everything that is wrong at once, each with file, line and column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, Problem
from esm_emulator.resources import Examined, Resources, Rules
from esm_emulator.resources.declared import Origin
from esm_emulator.resources.models import ACCOUNT, REGION
from esm_emulator.templates.cloudformation import read_template
from esm_emulator.templates.own import Declarations, read_own
from esm_emulator.validation import Source, did_you_mean
from esm_emulator.yaml_source import Document, Path, load_file

__all__ = ["Loaded", "examine", "examine_resources", "load", "parse_resources"]

_CONFIG_KEYS = ("version", "description", "resources")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Resources, what was passed over on the way to them, and the file's own document (None for data from code).

    ``documents`` are all files that were read: the document, and the template that it names. ``found`` has what is
    wrong, and is of interest to who asked to :func:`examine`.
    """

    resources: Resources
    warnings: tuple[Problem, ...] = ()
    document: Document | None = None
    documents: tuple[Document, ...] = ()
    found: Examined | None = None


def load(
    path: FilePath | str,
    *,
    parameters: Mapping[str, Any] | None = None,
    region: str = REGION,
    account: str = ACCOUNT,
    rules: Rules | None = None,
    document: Document | None = None,
) -> Loaded:
    """The resources of a file: an ``esm.yaml`` (``resources:`` at the top) or a template (``Resources:``).

    ``parameters`` are the template's, before its defaults. ``document`` is the file, when it has been read. Raises
    ``ConfigError`` when the file does not load and ``RefusedByAws`` when AWS would not create what it declares, each
    with every problem.
    """
    return _sound(examine(path, parameters=parameters, region=region, account=account, rules=rules, document=document))


def examine(
    path: FilePath | str,
    *,
    parameters: Mapping[str, Any] | None = None,
    region: str = REGION,
    account: str = ACCOUNT,
    rules: Rules | None = None,
    document: Document | None = None,
    partial: bool = False,
) -> Loaded:
    """As :func:`load`, for who wants to know what is wrong and to go on with the rest.

    With ``partial``, a mapping whose queue or function only a deployment knows is kept, to be looked at. ``document``
    is the file, when it has been read. Raises ``ConfigError`` when there is no rest.
    """
    document = document or load_file(path)
    folder = FilePath(path).absolute().parent
    data = document.data
    if isinstance(data, Mapping) and "resources" in data:
        problems = [] if str(path).endswith(".esm.yaml") else _config_problems(document)
        found = read_own(
            data["resources"],
            Origin(("resources",), document, root=("resources",)),
            folder,
            region=region,
            account=account,
            parameters=parameters,
            partial=partial,
        )
        found.problems += problems
    elif isinstance(data, Mapping) and "Resources" in data:
        template = read_template(document, folder, parameters, region=region, account=account, partial=partial)
        found = Declarations(
            template.resources, template.problems, template.warnings, broken=frozenset(template.scope.broken)
        )
    else:
        raise ConfigError([document.problem(_no_resources(data))])
    return _loaded(found, document, region, account, rules)


def parse_resources(
    data: Any,
    document: Source | None = None,
    *,
    base: Path = ("resources",),
    base_folder: FilePath | str | None = None,
    strict: bool = True,
    parameters: Mapping[str, Any] | None = None,
    region: str = REGION,
    account: str = ACCOUNT,
    rules: Rules | None = None,
) -> Loaded:
    """What stands under ``resources:``, read already: ``data`` is at ``base`` of ``document``.

    ``base_folder`` is what paths in it are relative to; default: the current folder. With ``strict`` a property that
    AWS does not have is an error, else a warning. Raises as :func:`load`.
    """
    return _sound(
        examine_resources(
            data,
            document,
            base=base,
            base_folder=base_folder,
            strict=strict,
            parameters=parameters,
            region=region,
            account=account,
            rules=rules,
        )
    )


def examine_resources(
    data: Any,
    document: Source | None = None,
    *,
    base: Path = ("resources",),
    base_folder: FilePath | str | None = None,
    strict: bool = True,
    parameters: Mapping[str, Any] | None = None,
    region: str = REGION,
    account: str = ACCOUNT,
    rules: Rules | None = None,
) -> Loaded:
    """As :func:`parse_resources`, for who wants to know what is wrong and to go on with the rest."""
    folder = FilePath(base_folder or ".").absolute()
    found = read_own(
        data,
        Origin(base, document, root=base),
        folder,
        strict=strict,
        region=region,
        account=account,
        parameters=parameters,
    )
    own = document if isinstance(document, Document) else None
    return _loaded(found, own, region, account, rules)


def _loaded(found: Declarations, document: Document | None, region: str, account: str, rules: Rules | None) -> Loaded:
    examined = Resources.examine(
        found.resources, region=region, account=account, rules=rules, problems=found.problems, broken=found.broken
    )
    documents = (*([document] if document else []), *found.documents)
    told = sorted(
        (*found.warnings, *examined.warnings), key=lambda problem: (problem.file, problem.line, problem.column)
    )
    return Loaded(examined.resources, tuple(dict.fromkeys(told)), document, documents, examined)


def _sound(loaded: Loaded) -> Loaded:
    """What was loaded, when nothing is wrong with it."""
    if loaded.found is not None:
        loaded.found.check()
    return loaded


def _config_problems(document: Document) -> list[Problem]:
    """What else an ``esm.yaml`` may say, and may not."""
    found = [
        document.problem(f"unknown key {key!r}{did_you_mean(key, _CONFIG_KEYS)}", (key,), key=True)
        for key in document.data
        if key not in _CONFIG_KEYS
    ]
    if document.data.get("version", 1) != 1:
        found.append(document.problem(f"takes 1, not {document.data['version']!r}", ("version",)))
    return found


def _no_resources(data: Any) -> str:
    message = "there is neither resources: (an esm.yaml) nor Resources: (a SAM or CloudFormation template)"
    near = (
        next((key for key in data if did_you_mean(str(key), ["resources"])), None)
        if isinstance(data, Mapping)
        else None
    )
    return f"{message}; {near!r} is neither" if near else message

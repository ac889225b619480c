"""Files to check: found in folders, read whatever they are, and given to the rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from esm_emulator.check import Finding, Setup, Traffic, check, in_order, of_problems, of_refusals, of_warnings
from esm_emulator.durations import duration_ms
from esm_emulator.errors import ConfigError, EsmError, Problem, RefusedByAws, UsageError
from esm_emulator.mapping.filter import creation_rules
from esm_emulator.profiles import PROFILES
from esm_emulator.resources import Resources
from esm_emulator.resources.models import REGION
from esm_emulator.templates import Loaded, examine, examine_resources
from esm_emulator.templates.terraform import examine_state, is_state
from esm_emulator.yaml_source import Document, load_file

__all__ = ["Checked", "Options", "check_file", "files_in"]

SCENARIO = ".esm.yaml"
_SUFFIXES = (".yaml", ".yml", ".json", ".template")
_PASSED_OVER = {"node_modules", "__pycache__", "site-packages", "venv"}
_OURS = (b"AWS::SQS::", b"AWS::Lambda::", b"AWS::Serverless::", b"aws_lambda_event_source_mapping", b"aws_sqs_queue")
_STATE = b'"format_version"'
_BIGGEST = 50_000_000  # bytes of a file in a folder that is looked into


@dataclass(frozen=True, slots=True)
class Options:
    """``parameters`` are a template's; ``region`` is where it is deployed; ``profile`` names the account's quotas."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    profile: str = "aws-2026"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one file, and the texts of all files that were read for it."""

    findings: tuple[Finding, ...]
    texts: Mapping[str, str]
    resources: int = 0


def files_in(path: Path) -> Iterator[Path]:
    """The file itself, or what a folder holds of files that can be checked, in the order of their names."""
    if not path.is_dir():
        yield path
        return
    for found in sorted(path.rglob("*")):
        parts = found.relative_to(path).parts
        hidden = any(part.startswith(".") or part in _PASSED_OVER for part in parts)
        if not hidden and found.name.endswith(_SUFFIXES) and found.is_file() and _looks_right(found):
            yield found


def _looks_right(path: Path) -> bool:
    """Whether a file of a folder is meant: by its name, or since it has resources of ours."""
    if path.name in ("esm.yaml", "esm.yml") or path.name.endswith(SCENARIO):
        return True
    try:
        if path.stat().st_size > _BIGGEST:
            return False
        text = path.read_bytes()
    except OSError:
        return False
    return any(word in text for word in _OURS) and (b"Resources" in text or b"resources:" in text or _STATE in text)


def check_file(path: Path, options: Options) -> Checked:
    """What is to be said of a file. Raises ``ConfigError`` for one that cannot be read, or holds nothing to check."""
    document = load_file(path)
    data = document.data
    if is_state(data):
        found = examine_state(document)
        return _checked([document], [_Part(found, Setup(found.resources, region=found.resources.region))])
    if path.name.endswith(SCENARIO):
        return _scenario(document, path)
    rules = creation_rules(PROFILES[options.profile])
    region = options.region or REGION
    loaded = examine(
        path, parameters=options.parameters or None, region=region, rules=rules, document=document, partial=True
    )
    blocks = data.get("Resources") if isinstance(data, Mapping) else None
    own = blocks if isinstance(blocks, Mapping) else None
    quota = PROFILES[options.profile].account_concurrency
    setup = Setup(loaded.resources, blocks=own, account_concurrency=quota, region=options.region)
    return _checked(loaded.documents, [_Part(loaded, setup)])


@dataclass(frozen=True, slots=True)
class _Part:
    """What was loaded of a file, or of one case of a scenario, and how it is checked."""

    loaded: Loaded
    setup: Setup
    told: tuple[Finding, ...] = ()


def _checked(documents: Sequence[Document], parts: Sequence[_Part]) -> Checked:
    findings: list[Finding] = []
    for part in parts:
        findings += [*part.told, *_findings(part)]
    number = len(parts[0].setup.resources.to_json()) if parts else 0
    return Checked(tuple(in_order(findings)), {document.file: document.text for document in documents}, number)


def _findings(part: _Part) -> Iterator[Finding]:
    found = part.loaded.found
    assert found is not None
    ids = tuple(part.setup.resources.declared)
    yield from of_problems(found.problems, ids)
    yield from of_refusals(found.refused, ids)
    yield from of_warnings(part.loaded.warnings, ids)
    unsure = {(problem.file, problem.line, problem.column) for problem in part.loaded.warnings}
    yield from check(
        replace(
            part.setup,
            faulty=found.faulty,
            unsure=frozenset(unsure),
            refusals_told=any(problem.clause == "API-20" for problem in found.refused),
        )
    )


# --- scenarios: every case, and what its timeline changes


def _scenario(document: Document, path: Path) -> Checked:
    from esm_emulator.scenario.file import load_cases, variants_of  # noqa: PLC0415 - only scenarios pay for it

    told: list[Finding] = []
    try:
        load_cases(path)
    except ConfigError as error:
        told += of_problems(problem for problem in error.problems if not problem.clause)
        told += of_refusals(problem for problem in error.problems if problem.clause)
    except RefusedByAws:
        pass  # told case by case
    parts: list[_Part] = []
    try:
        for _, data, source in variants_of(document):
            if not isinstance(data, Mapping):
                continue
            profile = _profile(data.get("profile"))
            loaded = examine_resources(
                data.get("resources") or {}, source, base_folder=path.parent, rules=creation_rules(profile)
            )
            setup = Setup(
                loaded.resources,
                traffic=_traffic(data, loaded.resources),
                account_concurrency=profile.account_concurrency,
            )
            parts.append(_Part(loaded, setup, tuple(_drift(data, loaded.resources, source))))
    except ConfigError:
        pass  # told above
    return _checked([document], [replace(part, told=(*told, *part.told)) for part in parts] or _only(told))


def _only(told: list[Finding]) -> list[_Part]:
    nothing = Resources.examine([])
    return [_Part(Loaded(nothing.resources, found=nothing), Setup(nothing.resources), tuple(told))]


def _profile(value: Any) -> Any:
    named = value.get("extends", "aws-2026") if isinstance(value, Mapping) else value or "aws-2026"
    base = PROFILES.get(str(named), PROFILES["aws-2026"])
    fields = {key: item for key, item in value.items() if key != "extends"} if isinstance(value, Mapping) else {}
    try:
        return base.with_(**fields)
    except UsageError:
        return base


def _traffic(data: Mapping[str, Any], resources: Resources) -> Traffic:
    """What is known of the messages that a scenario sends."""
    bodies: dict[str, list[str]] = {}
    groups: dict[str, set[str]] = {}
    unsure: set[str] = set()
    entries = data.get("send")
    for entry in entries if isinstance(entries, list) else [entries]:
        if not isinstance(entry, Mapping) or entry.get("to") not in resources.queues:
            continue
        queue = str(entry["to"])
        messages = entry.get("messages")
        for item in messages if isinstance(messages, list) else [entry]:
            if not isinstance(item, Mapping) or "file" in entry:
                unsure.add(queue)
                continue
            body, group = item.get("body"), item.get("group", entry.get("group"))
            bodies.setdefault(queue, []).append(body if isinstance(body, str) else json.dumps(body))
            if group is None or "{" in str(group):
                unsure.add(queue)
            else:
                groups.setdefault(queue, set()).add(str(group))
    return Traffic(
        {queue: tuple(found) for queue, found in bodies.items()},
        {queue: frozenset(found) for queue, found in groups.items() if queue not in unsure},
        dict(_work(data)),
    )


def _work(data: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """How long functions take for each message (ms), where every rule of their behavior says so."""
    behavior = data.get("behavior")
    for id_, rules in behavior.items() if isinstance(behavior, Mapping) else ():
        takes = [rule.get("takes") if isinstance(rule, Mapping) else None for rule in rules or ()]
        each = [item.get("each") for item in takes if isinstance(item, Mapping)]
        try:
            times = [duration_ms(item) for item in each if item is not None]
        except (ValueError, TypeError):
            continue  # told by whoever loads the scenario
        if times and len(times) == len(takes):
            yield str(id_), min(times)


def _drift(data: Mapping[str, Any], resources: Resources, source: Any) -> Iterator[Finding]:
    """What a timeline's changes make wrong that was right before (W202)."""
    steps = data.get("timeline")
    for position, step in enumerate(steps if isinstance(steps, list) else ()):
        changes = step.get("set") if isinstance(step, Mapping) else None
        for target, value in changes.items() if isinstance(changes, Mapping) else ():
            try:
                resources = resources.with_update(str(target), value)
            except EsmError:
                continue  # a field of the profile, or told by whoever loads the scenario
            problem: Problem = source.problem("", ("timeline", position, "set", target))
            for finding in check(Setup(resources)):
                if finding.code == "ESM-W202":
                    yield replace(finding, file=problem.file, line=problem.line, column=problem.column)

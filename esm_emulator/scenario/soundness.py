"""What else must be right before a scenario plays: patterns, events, what is sent, and what the timeline changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, InvalidFilterPattern, Problem, RefusedByAws, SqsError, UsageError
from esm_emulator.journal import EVENTS
from esm_emulator.profiles import Profile
from esm_emulator.resources import Resources
from esm_emulator.scenario.behavior import body_matcher
from esm_emulator.scenario.references import Source
from esm_emulator.scenario.schema import ScenarioModel
from esm_emulator.scenario.sends import first_messages
from esm_emulator.sqs import QueueSettings
from esm_emulator.sqs.validation import check_message
from esm_emulator.validation import did_you_mean
from esm_emulator.yaml_source import Path

__all__ = ["problems_of_parts"]


def problems_of_parts(
    model: ScenarioModel, resources: Resources, profile: Profile, source: Source, folder: FilePath
) -> list[Problem]:
    """Everything that would go wrong only while the scenario plays; every name in ``model`` names something.

    Raises ``RefusedByAws`` for a change that AWS would refuse.
    """
    return [
        *_patterns(model, source),
        *_events(model, source),
        *_sends(model, resources, source, folder),
        *_changes(model, resources, profile, source),
    ]


def _patterns(model: ScenarioModel, source: Source) -> Iterator[Problem]:
    for path, pattern in _all_patterns(model):
        try:
            body_matcher(pattern)
        except InvalidFilterPattern as error:
            yield source.problem(str(error), path, clause="FILT-5")


def _all_patterns(model: ScenarioModel) -> Iterator[tuple[Path, Any]]:
    for function, rules in model.behavior.items():
        for index, rule in enumerate(rules):
            if rule.when.body is not None:
                yield ("behavior", function, index, "when", "body"), rule.when.body
    for index, item in enumerate(model.expect.messages):
        if item.where.body is not None:
            yield ("expect", "messages", index, "where", "body"), item.where.body


def _events(model: ScenarioModel, source: Source) -> Iterator[Problem]:
    """An expected fact is one that the journal has, and so are its fields."""
    for index, wanted in enumerate(model.expect.timeline):
        path = ("expect", "timeline", index)
        fields = EVENTS.get(wanted.event)
        if fields is None:
            message = f"there is no event {wanted.event!r}{did_you_mean(wanted.event, EVENTS)}"
            yield source.problem(message, (*path, "event"))
            continue
        for name in wanted.model_extra or {}:
            if name not in fields:
                near = did_you_mean(name, fields)
                yield source.problem(f"{wanted.event} has no field {name!r}{near}", (*path, name), key=True)


def _sends(model: ScenarioModel, resources: Resources, source: Source, folder: FilePath) -> Iterator[Problem]:
    """The first message of each entry; any later one that SQS refuses is told when it is sent."""
    changed = {target.partition(".")[0] for step in model.timeline for target in step.set or {}}
    for index, entry in enumerate(model.send):
        path = ("send", index)
        try:
            messages = first_messages(entry, folder)
        except ConfigError as error:
            said = "; ".join(str(problem) for problem in error.problems)
            yield source.problem(said, (*path, "file"))
            continue
        except ValueError as error:
            yield source.problem(str(error), path)
            continue
        if entry.to in changed:
            continue  # what it takes by then is not known yet
        settings = QueueSettings.from_attributes(resources.queues[entry.to].model_dump(exclude={"id"}))
        for message in messages:
            try:
                check_message(message, settings)
            except SqsError as error:
                yield source.problem(f"SQS refuses it: {error}", path)
                break


def _changes(model: ScenarioModel, resources: Resources, profile: Profile, source: Source) -> Iterator[Problem]:
    """The timeline's changes, one after the other, as they will be made."""
    for index, step in sorted(enumerate(model.timeline), key=lambda item: item[1].at):
        for target, value in (step.set or {}).items():
            path = ("timeline", index, "set", target)
            head, _, rest = target.partition(".")
            try:
                if head == "profile":
                    profile = profile.with_(**{rest: value})
                else:
                    resources = resources.with_update(target, value)
            except UsageError as error:
                yield source.problem(str(error).removeprefix(f"{target}: "), path, key=True)
            except RefusedByAws as error:
                raise RefusedByAws(
                    [source.problem(item.message, path, clause=item.clause) for item in error.problems]
                ) from None

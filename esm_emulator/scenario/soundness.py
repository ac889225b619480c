"""What else must be right before a scenario plays: patterns, events, what is sent, and what the timeline changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, InvalidFilterPattern, Problem, RefusedByAws, SqsError, UsageError
from esm_emulator.journal import EVENTS
from esm_emulator.profiles import Profile
from esm_emulator.resources import Resources
from esm_emulator.scenario.behavior import body_matcher
from esm_emulator.scenario.references import Source
from esm_emulator.scenario.schema import Action, ScenarioModel
from esm_emulator.scenario.sends import BadPlaceholder, first_messages, sendings
from esm_emulator.sqs import QueueSettings
from esm_emulator.sqs.moves import FASTEST
from esm_emulator.sqs.validation import check_message
from esm_emulator.validation import did_you_mean
from esm_emulator.yaml_source import Path

__all__ = ["problems_of_parts"]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_LABELS = 1_000  # among which one that was meant is looked for


def problems_of_parts(
    model: ScenarioModel, resources: Resources, profile: Profile, source: Source, folder: FilePath
) -> list[Problem]:
    """Everything that would go wrong only while the scenario plays; every name in ``model`` names something.

    Raises ``RefusedByAws`` for a change that AWS would refuse.
    """
    unsendable = list(_sends(model, resources, source, folder))
    return [
        *_patterns(model, source),
        *_events(model, source),
        *unsendable,
        *(() if unsendable else _labels(model, source, folder)),
        *_redrives(model, source),
        *_redeliveries(model, resources, source),
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
        for number, message in enumerate(messages):
            try:
                check_message(message, settings)
            except SqsError as error:
                of_list = ("messages", number) if entry.messages is not None else ()
                yield source.problem(f"SQS refuses it: {error}", (*path, *of_list))
                break


def _labels(model: ScenarioModel, source: Source, folder: FilePath) -> Iterator[Problem]:
    """Every name of a message is a label that some message will have. Message ids are not known before a run."""
    wanted = [(name, path) for name, path in _named_messages(model) if not _ID.fullmatch(name)]
    missing = {name for name, _ in wanted}
    known: dict[str, None] = {}
    try:
        for sending in sendings(model, folder) if missing else ():
            label = sending.message.label or ""
            missing.discard(label)
            if not missing:
                return
            if len(known) < _MOST_LABELS:
                known[label] = None
    except BadPlaceholder as error:
        yield source.problem(str(error), ("send", error.entry))
        return
    for name, path in wanted:
        if name in missing:
            yield source.problem(f"no message has the label {name!r}{did_you_mean(name, known)}", path)


def _named_messages(model: ScenarioModel) -> Iterator[tuple[str, Path]]:
    for function, rules in model.behavior.items():
        for index, rule in enumerate(rules):
            if isinstance(rule.then, Action) and isinstance(rule.then.fail, list):
                for number, name in enumerate(rule.then.fail):
                    yield name, ("behavior", function, index, "then", "fail", number)
    for index, item in enumerate(model.expect.messages):
        if item.where.label is not None:
            yield item.where.label, ("expect", "messages", index, "where", "label")
    for index, wanted in enumerate(model.expect.timeline):
        if wanted.message is not None:
            yield wanted.message, ("expect", "timeline", index, "message")


def _redrives(model: ScenarioModel, source: Source) -> Iterator[Problem]:
    """MaxNumberOfMessagesPerSecond is a whole number from 1 to 500 (SQS-40)."""
    for index, step in enumerate(model.timeline):
        rate = None if step.redrive is None else step.redrive.rate
        if rate is not None and not (rate.is_integer() and 1 <= rate <= FASTEST):
            message = f"SQS moves a whole number from 1 to {FASTEST} of messages a second, not {rate:g}"
            yield source.problem(message, ("timeline", index, "redrive", "rate"), clause="SQS-40")


def _redeliveries(model: ScenarioModel, resources: Resources, source: Source) -> Iterator[Problem]:
    """Only the replicas of a standard queue deliver once more (SQS-28)."""
    for index, step in enumerate(model.timeline):
        queue = None if step.fault is None else resources.queues.get(step.fault.redeliver or "")
        if queue is not None and queue.FifoQueue:
            message = f"{queue.id} is a FIFO queue, which does not deliver a message that is in flight"
            yield source.problem(message, ("timeline", index, "fault", "redeliver"), clause="SQS-28")


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

"""From what was declared to finished resources: references resolved, values checked, defaults filled in.

One resource that is wrong does not hide what is wrong with another, and one property does not hide the next: what is
faulty is told and left at its default, and the rest goes on. Three lists come of it. *Problems* keep a file from
loading, *refused* is what AWS would not create, *warnings* are told and passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from esm_emulator.errors import Problem
from esm_emulator.resources.code import locate_code
from esm_emulator.resources.declared import FUNCTION, MAPPING, QUEUE, SERVERLESS, Declared
from esm_emulator.resources.models import (
    IGNORED,
    UNSUPPORTED,
    EventSourceMapping,
    Function,
    Queue,
    Resource,
)
from esm_emulator.resources.references import NotNamed, References
from esm_emulator.resources.serverless import expand
from esm_emulator.resources.words import is_refusal, redrive_words, unsupported_words, words
from esm_emulator.validation import Fault, faults_of, shown
from esm_emulator.yaml_source import Path

__all__ = ["MODELS", "Assembly"]

MODELS: Mapping[str, type[Resource]] = {QUEUE: Queue, FUNCTION: Function, MAPPING: EventSourceMapping}

_STAND_INS = {"EventSourceArn": "", "FunctionName": "?"}
"""What a mapping gets in the place of a reference that is faulty, so that its other properties are looked at too."""


@dataclass
class Assembly:
    """The resources of one file on their way. ``broken`` are ids of resources that could not be read.

    ``declared`` has each with its references as logical ids and serverless functions taken apart. ``faulty`` names the
    properties (id and name) that stand at their default because what was written does not do.
    """

    region: str
    account: str
    broken: frozenset[str] = frozenset()
    queues: dict[str, Queue] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    mappings: dict[str, EventSourceMapping] = field(default_factory=dict)
    declared: dict[str, Declared] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    faulty: set[tuple[str, str]] = field(default_factory=set)

    def add(self, resources: Iterable[Declared]) -> None:
        """Everything that was declared. To be called once."""
        of_events: set[str] = set()
        for resource in resources:
            parts, problems = expand(resource) if resource.type == SERVERLESS else ([resource], [])
            self.problems += problems
            of_events |= {part.id for part in parts if part.id != resource.id}
            for part in parts:
                if part.id in self.declared:
                    why = ": SAM calls an event's mapping so; rename the event" if part.id in of_events else ""
                    self._problem(part, f"the logical id {part.id!r} is taken already{why}")
                else:
                    self.declared[part.id] = part
        names = self._names()
        for part in list(self.declared.values()):
            self._finish(part, names)

    def _names(self) -> References:
        """The names of all queues and functions, known before any of them is looked at closely."""
        queues: dict[str, str] = {}
        functions: dict[str, str] = {}
        for id_, resource in self.declared.items():
            given = resource.properties
            if resource.type == QUEUE:
                fifo = str(given.get("FifoQueue", "")).lower() == "true"
                queues[id_] = str(given.get("QueueName") or id_ + (".fifo" if fifo else ""))
            elif resource.type == FUNCTION:
                functions[id_] = str(given.get("FunctionName") or id_[:64])
        return References(queues, functions, self.region, self.account, self.broken)

    def _finish(self, resource: Declared, names: References) -> None:
        self.faulty |= {(resource.id, name) for name in resource.told}
        if resource.type == QUEUE:
            properties = self._queue_references(resource, names)
            self.queues[resource.id] = self._validated(resource, properties, Queue)
        elif resource.type == FUNCTION:
            properties = self._code(resource)
            self.functions[resource.id] = self._validated(resource, properties, Function)
        else:
            self._finish_mapping(resource, names)

    # --- references

    def _queue_references(self, resource: Declared, names: References) -> dict[str, Any]:
        """The queue's properties with the ARNs of its policies."""
        properties = dict(resource.properties)
        policy = Queue.policy_of(properties.get("RedrivePolicy"))
        if isinstance(policy, Mapping) and policy:
            self._redrive(resource, dict(policy), properties, names)
        allow = Queue.policy_of(properties.get("RedriveAllowPolicy"))
        if isinstance(allow, Mapping):
            properties["RedriveAllowPolicy"] = allow
        if isinstance(allow, Mapping) and isinstance(allow.get("sourceQueueArns"), list):
            arns = [
                self._queue_arn(resource, item, ("RedriveAllowPolicy", "sourceQueueArns", position), names) or ""
                for position, item in enumerate(allow["sourceQueueArns"])
            ]
            properties["RedriveAllowPolicy"] = {**allow, "sourceQueueArns": arns}
        return properties

    def _redrive(
        self, resource: Declared, policy: dict[str, Any], properties: dict[str, Any], names: References
    ) -> None:
        at = ("RedrivePolicy", "deadLetterTargetArn")
        arn = self._queue_arn(resource, policy.get(at[1]), at, names) if policy.get(at[1]) else None
        if arn is not None:
            policy[at[1]] = arn
        refusal = redrive_words(policy)
        if refusal:
            self._refuse(resource, refusal, "DLQ-12", ("RedrivePolicy",))
        elif arn is not None and not resource.strict and names.queue_id(arn) is None:
            self._warn(resource, f"{arn} is not in this file, so nothing is moved to it", at)
            del properties["RedrivePolicy"]
            return
        properties["RedrivePolicy"] = policy
        if refusal:
            del properties["RedrivePolicy"]
        elif arn is not None:
            self._remember(resource, at, names.queue_id(arn) or arn)

    def _queue_arn(self, resource: Declared, value: Any, path: Path, names: References) -> str | None:
        """The ARN that a reference stands for, None (and a problem) when it names nothing."""
        try:
            arn = names.queue(value)
        except NotNamed as error:
            if str(error):
                self._problem(resource, str(error), path)
            self.faulty.add((resource.id, str(path[0])))
            return None
        if not resource.strict and isinstance(value, str) and value.startswith("http"):
            self._warn(resource, "AWS takes an ARN here and Ref is a queue's URL; taken for its ARN", path)
        return arn

    def _remember(self, resource: Declared, path: Path, value: Any) -> None:
        """Keep a reference in what was declared as the logical id, so that it survives a change of name."""
        kept = self.declared[resource.id]
        properties = dict(kept.properties)
        if len(path) == 1:
            properties[str(path[0])] = value
        else:
            policy = Queue.policy_of(properties[str(path[0])])
            properties[str(path[0])] = {**policy, str(path[1]): value}
        self.declared[resource.id] = replace(kept, properties=properties)

    # --- functions

    def _code(self, resource: Declared) -> dict[str, Any]:
        properties, told = locate_code(resource)
        for name, message in told:
            (self._problem if resource.strict else self._warn)(resource, message, (name,))
        return properties

    # --- mappings

    def _finish_mapping(self, resource: Declared, names: References) -> None:
        properties = dict(resource.properties)
        arn = self._source(resource, properties, names)
        if arn is None:
            del self.declared[resource.id]
            return
        properties["EventSourceArn"] = arn
        for name in UNSUPPORTED:
            if properties.pop(name, None) is not None:
                message, clause = unsupported_words(name)
                self._refuse(resource, message, clause, (name,), key=True)
        if "FunctionName" in resource.told:
            properties["FunctionName"] = _STAND_INS["FunctionName"]
        elif "FunctionName" in properties:
            properties["FunctionName"] = self._function_name(resource, properties["FunctionName"], names)
        self.mappings[resource.id] = self._validated(resource, properties, EventSourceMapping)

    def _source(self, resource: Declared, properties: dict[str, Any], names: References) -> str | None:
        """The ARN of a mapping's queue; "" when that is faulty, None when it reads something else than a queue."""
        value = properties.get("EventSourceArn")
        if "EventSourceArn" in resource.told:
            return _STAND_INS["EventSourceArn"]
        if value is None:
            if not resource.strict and any(name in properties for name in ("SelfManagedEventSource", "Queues")):
                self._warn(resource, "it does not read an SQS queue; left out")
                return None
            self._refuse(resource, "Unrecognized event source.", "API-27", key=True)
            self.faulty.add((resource.id, "EventSourceArn"))
            return ""
        arn = self._queue_arn(resource, value, ("EventSourceArn",), names)
        if arn is None:
            return ""
        service = (arn.split(":") + [""] * 3)[2]
        if service != "sqs":
            message = f"it reads {service or shown(arn)}, and SQS queues are all that is emulated"
            if not resource.strict:
                self._warn(resource, f"{message}; left out", ("EventSourceArn",))
                return None
            self._problem(resource, message, ("EventSourceArn",))
        self._remember(resource, ("EventSourceArn",), names.queue_id(arn) or arn)
        return arn

    def _function_name(self, resource: Declared, value: Any, names: References) -> str:
        """The function's name and qualifier (API-8)."""
        try:
            id_, qualifier = names.function(value)
        except NotNamed as error:
            if str(value).startswith("arn:"):
                self._refuse(resource, str(error), "API-26", ("FunctionName",))
            elif str(error):
                self._problem(resource, str(error), ("FunctionName",))
            self.faulty.add((resource.id, "FunctionName"))
            return _STAND_INS["FunctionName"]
        self._remember(resource, ("FunctionName",), id_ + qualifier)
        return names.functions[id_] + qualifier

    # --- values

    def _validated(self, resource: Declared, properties: dict[str, Any], model: type[Any]) -> Any:
        """The finished model. What does not fit is told and left at its default."""
        while True:  # each round takes out at least one thing that does not fit
            properties = self._known(resource, properties, model)
            given = {**properties, "id": resource.id, "region": self.region, "account": self.account}
            try:
                return model.model_validate(given)
            except ValidationError as error:
                before = properties
                for fault in faults_of(error, model, data=given):
                    self._tell(resource, fault, model)
                    properties = self._without(resource, fault, properties)
                assert properties != before, f"{resource.id} does not settle"

    def _known(self, resource: Declared, properties: dict[str, Any], model: type[Any]) -> dict[str, Any]:
        """Without the properties that change nothing here, and those of ours that AWS does not have."""
        ignored = IGNORED.get(resource.type, frozenset())
        ours = set(Resource.model_fields)
        for name in ours & set(properties):
            fault = Fault((name,), "extra_forbidden", properties[name], f"unknown key {name!r}", key=True)
            self._tell(resource, fault, model)
        return {name: value for name, value in properties.items() if name not in ignored and name not in ours}

    def _tell(self, resource: Declared, fault: Fault, model: type[Any]) -> None:
        if fault.kind == "extra_forbidden" and not resource.strict:
            self._warn(resource, f"{fault.sentence}; passed over", fault.path, key=True)
        elif is_refusal(fault) and model is not None:
            message, clause = words(fault, resource.type, resource.properties)
            self._refuse(resource, message, clause, fault.path)
        else:
            self._problem(resource, fault.sentence, fault.path, key=fault.key)

    def _without(self, resource: Declared, fault: Fault, properties: dict[str, Any]) -> dict[str, Any]:
        """The properties without the faulty one; of an unknown key only that key goes."""
        name = str(fault.path[0])
        if fault.kind == "extra_forbidden":
            return dict(_pruned(properties, fault.path))
        self.faulty.add((resource.id, name))
        rest = {key: value for key, value in properties.items() if key != name}
        return rest | {name: _STAND_INS[name]} if name in _STAND_INS and resource.type == MAPPING else rest

    # --- telling

    def _problem(self, resource: Declared, message: str, path: Path = (), *, key: bool = False) -> None:
        self.problems.append(resource.origin.problem(message, path, key=key or not path))

    def _warn(self, resource: Declared, message: str, path: Path = (), *, key: bool = False) -> None:
        self.warnings.append(resource.origin.problem(message, path, key=key or not path))

    def _refuse(self, resource: Declared, message: str, clause: str, path: Path = (), *, key: bool = False) -> None:
        self.refused.append(resource.origin.problem(message, path, key=key or not path, clause=clause))


def _pruned(data: Any, path: Path) -> Any:
    """``data`` without the key at ``path``."""
    step, rest = path[0], path[1:]
    if isinstance(data, list):
        return [_pruned(item, rest) if position == step else item for position, item in enumerate(data)]
    if not rest:
        return {key: value for key, value in data.items() if key != step}
    return {key: _pruned(value, rest) if key == step else value for key, value in data.items()}

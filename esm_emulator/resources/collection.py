"""All resources of one file: checked together, looked up by id, name and ARN, and changed one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, TypeVar

from esm_emulator.errors import ConfigError, Problem, RefusedByAws, UsageError
from esm_emulator.resources.assembly import MODELS, Assembly
from esm_emulator.resources.declared import FUNCTION, MAPPING, QUEUE, Declared, Origin, changed, declare
from esm_emulator.resources.models import ACCOUNT, REGION, EventSourceMapping, Function, Queue, Resource
from esm_emulator.resources.rules import RULES, Rules
from esm_emulator.validation import did_you_mean, known_keys
from esm_emulator.yaml_source import Path

__all__ = ["Examined", "Resources"]

R = TypeVar("R", bound=Resource)

_FIFO_ONLY = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")


@dataclass(frozen=True)
class Resources:
    """Queues, functions and mappings by logical id, in the file's order.

    Made by :meth:`parse`, by :mod:`esm_emulator.templates`, or from models directly (then nothing is checked until a
    property is changed). Two with the same resources are equal.
    """

    queues: Mapping[str, Queue] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    mappings: Mapping[str, EventSourceMapping] = field(default_factory=dict)
    region: str = REGION
    account: str = ACCOUNT
    rules: Rules = field(default_factory=Rules, repr=False, compare=False)
    declared: Mapping[str, Declared] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(
        cls,
        resources: Mapping[str, Any],
        *,
        base_folder: FilePath | str | None = None,
        region: str = REGION,
        account: str = ACCOUNT,
        rules: Rules | None = None,
    ) -> Resources:
        """Resources given in code, in the shape of a file's ``resources:``.

        ``base_folder`` is what ``CodeUri`` is relative to; default: the current folder. Raises ``ConfigError`` when
        they do not make sense and ``RefusedByAws`` when AWS would not create them, each with everything wrong.
        """
        folder = FilePath(base_folder) if base_folder is not None else None
        declared, problems, broken = declare(resources, None, folder)
        made, _ = cls.of(declared, region=region, account=account, rules=rules, problems=problems, broken=broken)
        return made

    @classmethod
    def of(
        cls,
        declared: Iterable[Declared],
        *,
        region: str = REGION,
        account: str = ACCOUNT,
        rules: Rules | None = None,
        problems: Iterable[Problem] = (),
        broken: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> tuple[Resources, tuple[Problem, ...]]:
        """What was declared, finished, and the warnings.

        ``problems`` found before are told with those found here; ``broken`` are ids that they left nothing of. With
        ``only``, AWS's rules are applied to the creation of these ids alone. Raises as :meth:`parse`.
        """
        found = cls.examine(
            declared, region=region, account=account, rules=rules, problems=problems, broken=broken, only=only
        )
        found.check()
        return found.resources, found.warnings

    @classmethod
    def examine(
        cls,
        declared: Iterable[Declared],
        *,
        region: str = REGION,
        account: str = ACCOUNT,
        rules: Rules | None = None,
        problems: Iterable[Problem] = (),
        broken: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> Examined:
        """As :meth:`of`, for who wants to know what is wrong and to go on with the rest."""
        rules = rules or Rules()
        made = Assembly(region, account, broken)
        made.add(declared)
        found = cls(made.queues, made.functions, made.mappings, region, account, rules, made.declared)
        refused = [*made.refused, *found._refusals(made.faulty, only)]
        return Examined(
            found,
            tuple(_in_order([*problems, *made.problems])),
            tuple(_in_order(refused)),
            tuple(_in_order(made.warnings)),
            frozenset(made.faulty),
        )

    def _refusals(self, faulty: set[tuple[str, str]], only: frozenset[str] | None) -> Iterable[Problem]:
        """What AWS's rules refuse, but for conclusions from properties that are known to be faulty."""
        for rule in RULES:
            for refusal in rule(self, self.rules):
                reads = refusal.reads or frozenset({(refusal.subject, str(refusal.path[0]))})
                if not reads & faulty and (only is None or refusal.subject in only):
                    at = self.declared[refusal.at or refusal.subject]
                    yield at.origin.problem(refusal.message, refusal.path, clause=refusal.clause)

    # --- lookups

    def queue_by_arn(self, arn: str) -> Queue | None:
        """The queue with that ARN, None when it is not one of these."""
        return self._queues_by_arn.get(arn)

    def function_named(self, name: str) -> Function | None:
        """The function with that name, which may carry a qualifier; None when it is not one of these."""
        return self._functions_by_name.get(name.partition(":")[0])

    @cached_property
    def _queues_by_arn(self) -> dict[str, Queue]:
        return {queue.arn: queue for queue in self.queues.values()}

    @cached_property
    def _functions_by_name(self) -> dict[str, Function]:
        return {function.FunctionName: function for function in self.functions.values()}

    def queue_of(self, mapping: EventSourceMapping) -> Queue | None:
        """The queue that a mapping reads, None when it is outside (its ARN is all that is known)."""
        return self.queue_by_arn(mapping.EventSourceArn)

    def function_of(self, mapping: EventSourceMapping) -> Function:
        """The function that a mapping invokes."""
        return self._functions_by_name[mapping.FunctionName.partition(":")[0]]

    def dead_letter_queue_of(self, queue: Queue) -> Queue | None:
        """The queue that a queue's redrive policy names, None without one."""
        return self.queue_by_arn(queue.RedrivePolicy.deadLetterTargetArn) if queue.RedrivePolicy else None

    def sources_of(self, queue: Queue) -> tuple[Queue, ...]:
        """The queues whose redrive policy names this one."""
        return tuple(source for source in self.queues.values() if self.dead_letter_queue_of(source) is queue)

    def mappings_of(self, resource: Queue | Function) -> tuple[EventSourceMapping, ...]:
        """The mappings that read a queue, or that invoke a function."""
        if isinstance(resource, Queue):
            return tuple(item for item in self.mappings.values() if item.EventSourceArn == resource.arn)
        return tuple(item for item in self.mappings.values() if self.function_of(item) is resource)

    def queue(self, name: str) -> Queue:
        """The queue with that logical id, name or ARN. Raises ``UsageError``."""
        return _find(self.queues, name, "queue", lambda item: (item.QueueName, item.arn))

    def function(self, name: str) -> Function:
        """The function with that logical id, name or ARN. Raises ``UsageError``."""
        return _find(self.functions, name, "function", lambda item: (item.FunctionName, item.arn))

    def mapping(self, name: str) -> EventSourceMapping:
        """The mapping with that logical id. Raises ``UsageError``."""
        return _find(self.mappings, name, "mapping", lambda _: ())

    def __getitem__(self, id_: str) -> Resource:
        """The resource with that logical id. Raises ``KeyError``."""
        return {**self.queues, **self.functions, **self.mappings}[id_]

    def problem(self, message: str, path: str, *, clause: str = "") -> Problem:
        """A problem at ``Orders.RedrivePolicy.maxReceiveCount``, with the place where that was written, if it was."""
        id_, *steps = path.split(".")
        declared = self.declared.get(id_)
        if declared is None:
            return Problem(message, path, clause=clause)
        return declared.origin.problem(message, _steps(steps), clause=clause)

    # --- changes

    def with_property(self, path: str, value: Any) -> Resources:
        """These resources with one property changed, checked as if they were created so.

        ``path`` is ``Orders.VisibilityTimeout`` or ``Orders.RedrivePolicy.maxReceiveCount``; ``None`` removes a
        property, and with a bare id the resource. Raises ``UsageError`` for a path that leads nowhere, and as
        :meth:`parse`.
        """
        return self.with_properties({path: value})

    def with_properties(self, changes: Mapping[str, Any]) -> Resources:
        """As :meth:`with_property`, with several changed before anything is checked."""
        return self._rebuilt(changes, None)

    def with_update(self, path: str, value: Any) -> Resources:
        """These resources after an update of the one property, as AWS lets a running system be updated.

        AWS checks a queue against its function when the mapping is created or updated, not when the queue or the
        function is (API-41), so this lets settings drift where :meth:`with_property` would not.
        """
        return self._rebuilt({path: value}, frozenset({path.partition(".")[0]}))

    def _rebuilt(self, changes: Mapping[str, Any], only: frozenset[str] | None) -> Resources:
        declared = dict(self.declared) or _declared_by(self)
        for path, value in changes.items():
            id_, *steps = path.split(".")
            steps = steps[1:] if steps[:1] == ["Properties"] else steps
            if id_ not in declared:
                raise UsageError(f"{path}: there is no resource {id_!r}{did_you_mean(id_, declared)}")
            if steps:
                _check_name(declared[id_], _steps(steps))
                declared[id_] = changed(declared[id_], _steps(steps), value)
            elif value is None:
                del declared[id_]
            else:
                made, problems, _ = declare({id_: value}, None, declared[id_].folder)
                if problems:
                    raise ConfigError(problems)
                declared[id_] = made[0]
        found, _ = Resources.of(
            declared.values(), region=self.region, account=self.account, rules=self.rules, only=only
        )
        return found

    def to_json(self) -> dict[str, Any]:
        """Every resource as CloudFormation writes it, with every default: ``{id: {"Type": …, "Properties": …}}``."""
        blocks: dict[str, Any] = {}
        for type_, found in ((QUEUE, self.queues), (FUNCTION, self.functions), (MAPPING, self.mappings)):
            for id_, resource in found.items():
                properties = resource.model_dump(mode="json", exclude_none=True)
                if isinstance(resource, Queue) and not resource.FifoQueue:
                    properties = {name: value for name, value in properties.items() if name not in _FIFO_ONLY}
                blocks[id_] = {"Type": type_, "Properties": properties}
        return {id_: blocks[id_] for id_ in self.declared if id_ in blocks} | blocks


@dataclass(frozen=True, slots=True)
class Examined:
    """Resources, and everything that is wrong with them.

    ``problems`` keep a file from loading, ``refused`` is what AWS would not create, ``warnings`` were passed over.
    ``faulty`` names the properties (id and name) that stand at their default because of the first two.
    """

    resources: Resources
    problems: tuple[Problem, ...] = ()
    refused: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    faulty: frozenset[tuple[str, str]] = frozenset()

    def check(self) -> None:
        """Raise ``ConfigError`` or ``RefusedByAws`` with everything that is wrong."""
        if self.problems:
            raise ConfigError(_in_order([*self.problems, *self.refused]))
        if self.refused:
            raise RefusedByAws(self.refused)


def _steps(steps: Iterable[str]) -> Path:
    return tuple(int(step) if step.isdigit() else step for step in steps)


def _check_name(resource: Declared, path: Path) -> None:
    """A property that is set must be one: also in a template, where an unknown one is only warned of."""
    model = MODELS[resource.type]
    for length in range(1, len(path) + 1):
        known = [name for name in known_keys(model, path[: length - 1]) if name not in Resource.model_fields]
        step = path[length - 1]
        if known and isinstance(step, str) and step not in known:
            where = ".".join([resource.id, *map(str, path)])
            raise ConfigError([Problem(f"unknown key {step!r}{did_you_mean(step, known)}", where)])


def _declared_by(resources: Resources) -> dict[str, Declared]:
    """Resources that were made from models, as if somebody had written what was set."""
    made: dict[str, Declared] = {}
    for type_, found in ((QUEUE, resources.queues), (FUNCTION, resources.functions), (MAPPING, resources.mappings)):
        for id_, resource in found.items():
            properties = resource.model_dump(mode="json", exclude_unset=True)
            made[id_] = Declared(id_, type_, properties, Origin((id_,)), FilePath.cwd())
    return made


def _find(found: Mapping[str, R], name: str, kind: str, names_of: Callable[[R], tuple[str, ...]]) -> R:
    if name in found:
        return found[name]
    for item in found.values():
        if name in names_of(item):
            return item
    raise UsageError(f"there is no {kind} {name!r}{did_you_mean(name, found)}")


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the file's order, each once; those without a place first."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column))

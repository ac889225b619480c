"""What ``terraform show -json`` prints of a state or a plan, as resources.

Of a state everything is deployed: AWS has taken it, so that no rule of creation is applied, and a value that AWS would
not take today has drifted. To a plan the rules are applied; what it does not know yet is not taken for a default. Ids
are Terraform's addresses. Only queues, functions and mappings are read; a mapping whose queue or function is not here
is left out with a warning. Where the code of a function is, neither tells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, Problem
from esm_emulator.resources import Resources
from esm_emulator.resources.declared import FUNCTION, MAPPING, QUEUE, Declared, Origin, Spot
from esm_emulator.resources.models import ACCOUNT, REGION, queue_arn
from esm_emulator.templates import Loaded
from esm_emulator.templates.terraform_plan import Plan
from esm_emulator.yaml_source import Document, Path, dotted

__all__ = ["examine_state", "is_state"]

_ROOTS = ("values", "planned_values")

_QUEUE = {
    "name": "QueueName",
    "fifo_queue": "FifoQueue",
    "visibility_timeout_seconds": "VisibilityTimeout",
    "delay_seconds": "DelaySeconds",
    "message_retention_seconds": "MessageRetentionPeriod",
    "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
    "max_message_size": "MaximumMessageSize",
    "redrive_policy": "RedrivePolicy",
    "redrive_allow_policy": "RedriveAllowPolicy",
    "content_based_deduplication": "ContentBasedDeduplication",
    "deduplication_scope": "DeduplicationScope",
    "fifo_throughput_limit": "FifoThroughputLimit",
    "tags": "Tags",
}
_FUNCTION = {
    "function_name": "FunctionName",
    "runtime": "Runtime",
    "timeout": "Timeout",
    "memory_size": "MemorySize",
    "reserved_concurrent_executions": "ReservedConcurrentExecutions",
    "environment": "Environment",
    "dead_letter_config": "DeadLetterConfig",
    "durable_config": "DurableConfig",
    "tags": "Tags",
}
_MAPPING = {
    "event_source_arn": "EventSourceArn",
    "function_arn": "FunctionName",
    "enabled": "Enabled",
    "batch_size": "BatchSize",
    "maximum_batching_window_in_seconds": "MaximumBatchingWindowInSeconds",
    "filter_criteria": "FilterCriteria",
    "function_response_types": "FunctionResponseTypes",
    "scaling_config": "ScalingConfig",
    "provisioned_poller_config": "ProvisionedPollerConfig",
    "metrics_config": "MetricsConfig",
}
_TYPES = {
    "aws_sqs_queue": (QUEUE, _QUEUE),
    "aws_lambda_function": (FUNCTION, _FUNCTION),
    "aws_lambda_event_source_mapping": (MAPPING, _MAPPING),
}
_POLICIES = {
    "aws_sqs_queue_redrive_policy": ("redrive_policy", "RedrivePolicy"),
    "aws_sqs_queue_redrive_allow_policy": ("redrive_allow_policy", "RedriveAllowPolicy"),
}


def is_state(data: Any) -> bool:
    """Whether data is what ``terraform show -json`` prints."""
    return isinstance(data, Mapping) and "format_version" in data and any(root in data for root in _ROOTS)


def examine_state(document: Document) -> Loaded:
    """The resources of a state (or of a plan, as far as it is known), and what is wrong with them.

    Raises ``ConfigError`` when the document is not one.
    """
    if not is_state(document.data):
        raise ConfigError([document.problem("this is not what terraform show -json prints")])
    blocks = list(_blocks(document.data))
    region, account = _home(blocks)
    plan = None if "values" in document.data else Plan(document.data, frozenset(block.address for block in blocks))
    state = _State(document, region, account, plan)
    for block in blocks:
        state.add(block)
    examined = Resources.examine(state.finished(), region=region, account=account, only=_rules_for(document.data))
    found = replace(
        examined,
        problems=_named(examined.problems, blocks),
        refused=_named(examined.refused, blocks),
        warnings=_named(examined.warnings, blocks),
    )
    warnings = sorted((*state.warnings, *found.warnings), key=lambda problem: (problem.line, problem.column))
    return Loaded(found.resources, tuple(warnings), document, (document,), found)


def _named(problems: Iterable[Problem], blocks: Iterable[_Block]) -> tuple[Problem, ...]:
    """Problems by addresses: ``aws_sqs_queue.orders.delay_seconds`` instead of where that is in the document."""
    ways = {dotted(block.path): block.address for block in blocks}
    made: list[Problem] = []
    for problem in problems:
        way = next((way for way in ways if f"{problem.path}.".startswith(f"{way}.")), None)
        rest = problem.path[len(way) :].removeprefix(".values") if way else ""
        made.append(replace(problem, path=ways[way] + rest) if way else problem)
    return tuple(made)


def _rules_for(data: Mapping[str, Any]) -> frozenset[str] | None:
    """Whose creation AWS's rules are applied to: nobody's in a state, everybody's in a plan."""
    return frozenset() if "values" in data else None


@dataclass(frozen=True, slots=True)
class _Block:
    """One resource of the state: its address, its type, its values, and the way to it."""

    address: str
    type: str
    values: Mapping[str, Any]
    path: Path


def _blocks(data: Mapping[str, Any]) -> Iterator[_Block]:
    root = next(name for name in _ROOTS if name in data)
    top = data[root] if isinstance(data[root], Mapping) else {}
    waiting: list[tuple[Any, Path]] = [(top.get("root_module"), (root, "root_module"))]
    while waiting:
        module, path = waiting.pop(0)
        if not isinstance(module, Mapping):
            continue
        for position, item in enumerate(_list(module.get("resources"))):
            values = item.get("values") if isinstance(item, Mapping) else None
            if isinstance(values, Mapping) and item.get("mode", "managed") == "managed":
                at = (*path, "resources", position)
                yield _Block(str(item.get("address")), str(item.get("type")), values, at)
        for position, child in enumerate(_list(module.get("child_modules"))):
            waiting.append((child, (*path, "child_modules", position)))


def _home(blocks: list[_Block]) -> tuple[str, str]:
    """The Region and account that most ARNs name."""
    arns = [str(block.values.get("arn") or "").split(":") for block in blocks if block.type in _TYPES]
    places = Counter((arn[3], arn[4]) for arn in arns if len(arn) > 5 and arn[3] and arn[4])
    return places.most_common(1)[0][0] if places else (REGION, ACCOUNT)


@dataclass
class _State:
    document: Document
    region: str
    account: str
    plan: Plan | None = None
    warnings: list[Problem] = field(default_factory=list)
    made: dict[str, Declared] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    later: list[_Block] = field(default_factory=list)

    def add(self, block: _Block) -> None:
        """A resource, if it is one of ours."""
        if block.type in _POLICIES or block.type == "aws_lambda_event_source_mapping":
            self.later.append(block)
        elif block.type in _TYPES:
            if self._is_elsewhere(block):
                self._warn(block, "it is in another Region or account; left out")
                return
            self._declare(block)
            if block.type == "aws_sqs_queue":
                self.urls[str(block.values.get("url") or block.values.get("id"))] = block.address
            else:
                self.functions.add(str(block.values.get("function_name")))

    def finished(self) -> list[Declared]:
        """Everything, once the policies and mappings have found what they name."""
        for block in self.later:
            if block.type in _POLICIES:
                self._put_policy(block)
            else:
                self._add_mapping(block)
        return list(self.made.values())

    def _is_elsewhere(self, block: _Block) -> bool:
        arn = str(block.values.get("arn") or "").split(":")
        return len(arn) > 5 and (arn[3], arn[4]) != (self.region, self.account)

    def _put_policy(self, block: _Block) -> None:
        name, property_ = _POLICIES[block.type]
        queue = self.made.get(self.urls.get(str(block.values.get("queue_url")), ""))
        if queue is not None and block.values.get(name):
            queue.properties[property_] = block.values[name]
            moved = dict(queue.origin.moved) | {(property_,): self._spot(block, name)}
            origin = Origin(queue.origin.base, self.document, moved)
            self.made[queue.id] = Declared(queue.id, QUEUE, queue.properties, origin, queue.folder, strict=False)

    def _add_mapping(self, block: _Block) -> None:
        block = self._with_references(block)
        source = str(block.values.get("event_source_arn") or "")
        function = str(block.values.get("function_arn") or block.values.get("function_name") or "")
        name = re.sub(r"^(?:.*:)?function:", "", function).partition(":")[0]
        if source and ":sqs:" not in source:
            return
        if not source or not name:
            self._warn(block, "its queue and function get their ARNs when they are deployed; the mapping is left out")
        elif name not in self.functions:
            self._warn(block, f"the function {name!r} is not in this state; the mapping is left out")
        else:
            self._declare(block)

    def _with_references(self, block: _Block) -> _Block:
        """A mapping of a plan with the ARN of its queue and its function's name, where the configuration tells them."""
        if self.plan is None:
            return block
        values = dict(block.values)
        queue = self.plan.target(block.address, "event_source_arn", "aws_sqs_queue")
        if not values.get("event_source_arn") and queue in self.made:
            values["event_source_arn"] = queue_arn(self.made[queue].properties["QueueName"], self.region, self.account)
        alias = self.plan.target(block.address, "function_name", "aws_lambda_alias")
        function = self.plan.target(alias or block.address, "function_name", "aws_lambda_function")
        if not (values.get("function_arn") or values.get("function_name")) and function in self.made:
            values["function_name"] = self.made[function].properties["FunctionName"]
            self.functions.add(values["function_name"])
        return replace(block, values=values)

    def _declare(self, block: _Block) -> None:
        type_, names = _TYPES[block.type]
        properties: dict[str, Any] = {}
        moved: dict[Path, Spot] = {}
        told: set[str] = set()
        for name, property_ in names.items():
            if self.plan is not None and name not in block.values:
                told.add(property_)
                if self.plan.is_unknown(block.address, name):
                    self._warn(block, f"{name} gets its value when it is deployed; left at its default", f".{name}")
            value = _CONVERT.get(name, _same)(block.values.get(name))
            if value is not None:
                properties[property_] = value
                moved[property_,] = self._spot(block, name)
        if type_ == MAPPING and "FunctionName" not in properties:
            properties["FunctionName"] = block.values.get("function_name")
        if type_ == QUEUE and not properties.get("FifoQueue"):
            for name in ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"):
                properties.pop(name, None)
        if type_ != MAPPING:
            name = "QueueName" if type_ == QUEUE else "FunctionName"
            pattern = r"[A-Za-z0-9_-]{1,80}(\.fifo)?" if type_ == QUEUE else r"[A-Za-z0-9_-]{1,64}"
            ending = ".fifo" if type_ == QUEUE and properties.get("FifoQueue") is True else ""
            given = properties.get(name)
            if not (isinstance(given, str) and re.fullmatch(pattern, given)):
                properties[name] = _made_up(block.address) + ending
        origin = Origin(block.path, self.document, moved)
        folder = FilePath(self.document.file).absolute().parent
        unknown = frozenset(told - set(properties))
        self.made[block.address] = Declared(
            block.address, type_, properties, origin, folder, strict=False, told=unknown
        )

    def _spot(self, block: _Block, name: str) -> Spot:
        return Spot(self.document, (*block.path, "values", name))

    def _warn(self, block: _Block, message: str, rest: str = "") -> None:
        problem = self.document.problem(message, block.path, key=True)
        self.warnings.append(Problem(message, block.address + rest, problem.file, problem.line, problem.column))


def _made_up(address: str) -> str:
    """A name where AWS has yet to give one, as in a plan."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", address)[-60:]


# --- values: Terraform has a list of one where CloudFormation has a structure, and null or "" for nothing


def _same(value: Any) -> Any:
    return None if value in ("", [], {}) else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _one(value: Any) -> Mapping[str, Any] | None:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], Mapping) else None


def _structure(**names: str) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        found = _one(value)
        kept = {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs) is not None} if found else {}
        return kept or None

    return convert


def _filters(value: Any) -> Any:
    found = _one(value)
    filters = [item for item in _list(found.get("filter")) if isinstance(item, Mapping)] if found else []
    return {"Filters": [{"Pattern": item.get("pattern") or ""} for item in filters]} if filters else None


def _variables(value: Any) -> Any:
    found = _one(value)
    variables = found.get("variables") if found else None
    return {"Variables": dict(variables)} if isinstance(variables, Mapping) and variables else None


def _reserved(value: Any) -> Any:
    return None if value in (None, -1) else value


def _present(value: Any) -> Any:
    found = _one(value)
    if not found:
        return None
    return {"ExecutionTimeout": found["execution_timeout"]} if "execution_timeout" in found else dict(found)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "environment": _variables,
    "dead_letter_config": _present,
    "durable_config": _present,
    "reserved_concurrent_executions": _reserved,
    "filter_criteria": _filters,
    "scaling_config": _structure(maximum_concurrency="MaximumConcurrency"),
    "provisioned_poller_config": _structure(minimum_pollers="MinimumPollers", maximum_pollers="MaximumPollers"),
    "metrics_config": _structure(metrics="Metrics"),
}

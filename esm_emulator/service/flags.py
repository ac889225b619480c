"""What options say of one function, its queue and its mapping: resources of their own, or changes to a file's.

Without a file they describe ``queue``, its dead-letter queue ``queue-dlq``, ``function`` and ``mapping``. With one they
change that function, mapping and queue which they can mean; where they could mean several, that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from esm_emulator.errors import ConfigError, UsageError
from esm_emulator.resources import EventSourceMapping, Function, Queue, Resources, Rules

R = TypeVar("R", Function, EventSourceMapping)

__all__ = ["MAPPING", "Flags", "changed", "described", "mapping_meant", "without_queue"]

FUNCTION, QUEUE, DEAD_LETTERS, MAPPING = "function", "queue", "queue-dlq", "mapping"
MAX_RECEIVE_COUNT = 5  # AWS's advice: at least 5 (DLQ-12)
VISIBILITY_S = 30  # SQS-2
VISIBILITY_TIMEOUTS = 6  # AWS's advice: six times the function's timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The options of ``esm run`` that speak of resources; None, or nothing, where one was not given.

    Times are seconds, memory is megabytes. ``function`` is the function's name, or with a file which one is meant.
    """

    function: str | None = None
    handler: str | None = None
    code: Path | None = None
    function_timeout: int | None = None
    memory: int | None = None
    reserved_concurrency: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    batch_size: int | None = None
    window: int | None = None
    report_batch_item_failures: bool = False
    filters: tuple[str, ...] = ()
    maximum_concurrency: int | None = None
    visibility_timeout: int | None = None
    max_receive_count: int | None = None

    def of_function(self) -> dict[str, Any]:
        """The function's properties that were given, by their paths."""
        given = {
            "Handler": self.handler,
            "CodeUri": None if self.code is None else str(self.code.absolute()),
            "Timeout": self.function_timeout,
            "MemorySize": self.memory,
            "ReservedConcurrentExecutions": self.reserved_concurrency,
        }
        variables = {f"Environment.Variables.{name}": value for name, value in self.environment.items()}
        return _given(given) | variables

    def of_mapping(self) -> dict[str, Any]:
        """The mapping's."""
        return _given(
            {
                "BatchSize": self.batch_size,
                "MaximumBatchingWindowInSeconds": self.window,
                "FunctionResponseTypes": ["ReportBatchItemFailures"] if self.report_batch_item_failures else None,
                "FilterCriteria": {"Filters": [{"Pattern": text} for text in self.filters]} if self.filters else None,
                "ScalingConfig.MaximumConcurrency": self.maximum_concurrency,
            }
        )

    def of_queue(self) -> dict[str, Any]:
        """The queue's."""
        return _given(
            {
                "VisibilityTimeout": self.visibility_timeout,
                "RedrivePolicy.maxReceiveCount": self.max_receive_count,
            }
        )


def _given(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in properties.items() if value is not None}


# --- flags alone --------------------------------------------------------------------------------------------


def described(flags: Flags, queue_arn: str | None = None, *, rules: Rules | None = None) -> Resources:
    """One mapping as the flags alone describe it; with ``queue_arn`` it reads that queue, which is not ours.

    ``rules`` are those that refuse filter patterns. Raises ``ConfigError`` and ``RefusedByAws``.
    """
    function = flags.of_function()
    if flags.function is not None:
        function["FunctionName"] = flags.function
    mapping = flags.of_mapping() | {"EventSourceArn": queue_arn or QUEUE, "FunctionName": FUNCTION}
    blocks: dict[str, Any] = {}
    if queue_arn is None:
        blocks |= _queues(flags)
    blocks[FUNCTION] = {"Type": "AWS::Lambda::Function", "Properties": _nested(function)}
    blocks[MAPPING] = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": _nested(mapping)}
    if queue_arn is None:
        return Resources.parse(blocks, rules=rules)
    region, account = queue_arn.split(":")[3:5]
    return Resources.parse(blocks, region=region, account=account, rules=rules)


def _queues(flags: Flags) -> dict[str, Any]:
    timeout = flags.function_timeout or 0
    queue = {
        "VisibilityTimeout": max(VISIBILITY_S, timeout if timeout <= 5 else VISIBILITY_TIMEOUTS * timeout),
        "RedrivePolicy.deadLetterTargetArn": DEAD_LETTERS,
        "RedrivePolicy.maxReceiveCount": MAX_RECEIVE_COUNT,
    }
    return {
        QUEUE: {"Type": "AWS::SQS::Queue", "Properties": _nested(queue | flags.of_queue())},
        DEAD_LETTERS: {"Type": "AWS::SQS::Queue", "Properties": {}},
    }


def _nested(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties by their dotted paths as the mappings that a file has."""
    nested: dict[str, Any] = {}
    for path, value in properties.items():
        *outer, last = path.split(".")
        block = nested
        for step in outer:
            block = block.setdefault(step, {})
        block[last] = value
    return nested


# --- over a file's resources --------------------------------------------------------------------------------


def mapping_meant(resources: Resources, flags: Flags, why: str) -> EventSourceMapping:
    """The mapping that flags speak of: the only one, or the only one of the function that is named.

    Raises ``UsageError`` when there is none or more than one; ``why`` is what asks for it (``--queue-url``).
    """
    found = list(resources.mappings.values())
    if flags.function is not None:
        function = resources.function(flags.function)
        found = [mapping for mapping in found if resources.function_of(mapping) is function]
    several = len({mapping.FunctionName for mapping in found}) > 1
    return _only(found, "mapping", why, "name its function with --name" if several else "say it in the file")


def changed(resources: Resources, flags: Flags) -> Resources:
    """A file's resources with what the flags say in their place. Raises ``UsageError``, ``RefusedByAws``."""
    changes: dict[str, Any] = {}
    if flags.function is not None:
        resources.function(flags.function)
    for target, properties in _targets(resources, flags):
        changes |= {f"{target.id}.{path}": value for path, value in properties.items()}
    return resources.with_properties(changes) if changes else resources


def _targets(
    resources: Resources, flags: Flags
) -> Iterator[tuple[Function | EventSourceMapping | Queue, dict[str, Any]]]:
    if of_function := flags.of_function():
        yield _function_meant(resources, flags), of_function
    if of_mapping := flags.of_mapping():
        yield mapping_meant(resources, flags, "the mapping's options"), of_mapping
    if of_queue := flags.of_queue():
        mapping = mapping_meant(resources, flags, "the queue's options")
        queue = resources.queue_of(mapping)
        if queue is None:
            raise UsageError(f"{mapping.id} reads {mapping.EventSourceArn}, whose settings are not ours to change")
        if "RedrivePolicy.maxReceiveCount" in of_queue and queue.RedrivePolicy is None:
            raise UsageError(f"--max-receive-count: {queue.id} has no RedrivePolicy; add one to the file")
        yield queue, of_queue


def _function_meant(resources: Resources, flags: Flags) -> Function:
    if flags.function is not None:
        return resources.function(flags.function)
    used = {resources.function_of(mapping).id for mapping in resources.mappings.values()}
    found = [resources.functions[id_] for id_ in used or resources.functions]
    return _only(found, "function", "the function's options", "name it with --name")


def _only(found: list[R], kind: str, why: str, hint: str) -> R:
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"{why}: the file has no {kind} that could be meant")
    names = ", ".join(sorted(item.id for item in found))
    raise UsageError(f"{why}: which {kind} is meant? There are {names}; {hint}")


def without_queue(resources: Resources, mapping: EventSourceMapping, queue_arn: str) -> Resources:
    """The resources with ``mapping`` at a queue that is not ours, and without those of ours that nobody reads then."""
    moved = {f"{mapping.id}.EventSourceArn": queue_arn}
    unused = _unused_without(resources, mapping)
    try:
        return resources.with_properties(moved | dict.fromkeys(unused))
    except ConfigError:  # something else refers to one of them
        return resources.with_properties(moved)


def _unused_without(resources: Resources, mapping: EventSourceMapping) -> list[str]:
    queue = resources.queue_of(mapping)
    if queue is None or len(resources.mappings_of(queue)) > 1 or resources.sources_of(queue):
        return []
    dead_letters = resources.dead_letter_queue_of(queue)
    if dead_letters is None or len(resources.sources_of(dead_letters)) > 1 or resources.mappings_of(dead_letters):
        return [queue.id]
    return [queue.id, dead_letters.id]

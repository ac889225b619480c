"""AWS's rules for creation: what only several values together make wrong.

A rule is given finished resources and yields refusals, with AWS's own words where they are recorded. A sentence of
ours, where AWS's is not recorded, says so. The limits of single values stand in :mod:`models` and :mod:`words`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.resources.models import EventSourceMapping, Function, Queue
from esm_emulator.resources.words import redrive_refusal
from esm_emulator.yaml_source import Path

__all__ = ["RULES", "Refusal", "Rules", "Subjects"]

UNRECORDED = "(AWS's own words for this are not recorded)"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the creation rules need to know from elsewhere.

    ``filters_most`` is the account's quota (FILT-2). ``check_filter`` is given a pattern's text and raises
    ``InvalidFilterPattern`` when AWS would not take it (FILT-5); without it patterns are not looked into.
    """

    filters_most: int = 5
    check_filter: Callable[[str], object] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal: of the creation of ``subject``, best mended at the property ``path`` of ``at`` (default: subject).

    ``reads`` are the properties (id and name) that it was concluded from; default: the one at ``path``.
    """

    subject: str
    message: str
    clause: str
    path: Path
    at: str = ""
    reads: frozenset[tuple[str, str]] = frozenset()


class Subjects(Protocol):
    """Finished resources, as the rules look at them."""

    @property
    def queues(self) -> Mapping[str, Queue]:
        """Queues by logical id."""

    @property
    def functions(self) -> Mapping[str, Function]:
        """Functions by logical id."""

    @property
    def mappings(self) -> Mapping[str, EventSourceMapping]:
        """Mappings by logical id."""

    def queue_by_arn(self, arn: str) -> Queue | None:
        """The queue with that ARN, None when it is elsewhere."""

    def function_named(self, name: str) -> Function | None:
        """The function with that name, with or without a qualifier."""


# --- queues

_FIFO_ONLY = {
    "ContentBasedDeduplication": ("Unknown Attribute ContentBasedDeduplication.", "FIFO-14"),
    "DeduplicationScope": ("You can specify the DeduplicationScope only when FifoQueue is set to true.", "FIFO-15"),
    "FifoThroughputLimit": ("You can specify the FifoThroughputLimit only when FifoQueue is set to true.", "FIFO-20"),
}
_NAME_FIFO = (
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
    "must end with .fifo suffix and be 1 to 80 in length."
)
_NAME_STANDARD = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"


def queue_name(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """FIFO-22, SQS-15: names end in .fifo where, and only where, the queue is FIFO."""
    del rules
    for id_, queue in all_.queues.items():
        fits = re.fullmatch(
            r"[A-Za-z0-9_-]{1,75}\.fifo" if queue.FifoQueue else r"[A-Za-z0-9_-]{1,80}", queue.QueueName
        )
        if not fits:
            clause = "FIFO-22" if queue.FifoQueue or queue.QueueName.endswith(".fifo") else "SQS-15"
            yield Refusal(id_, _NAME_FIFO if queue.FifoQueue else _NAME_STANDARD, clause, ("QueueName",))


def queue_names_differ(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """Two queues cannot have one name."""
    del rules
    first: dict[str, Queue] = {}
    for id_, queue in all_.queues.items():
        other = first.setdefault(queue.QueueName, queue)
        if other is queue:
            continue
        differing = next((n for n in queue.model_dump() if getattr(queue, n) != getattr(other, n)), None)
        message = (
            f"A queue already exists with the same name and a different value for attribute {differing}"
            if differing
            else f"{other.id} and {id_} are both named {queue.QueueName!r} {UNRECORDED}"
        )
        yield Refusal(id_, message, "SQS-15", ("QueueName",))


def fifo_attributes(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """FIFO-14, FIFO-15, FIFO-20: attributes that only FIFO queues have, and that fit each other."""
    del rules
    for id_, queue in all_.queues.items():
        if not queue.FifoQueue:
            for name, (message, clause) in _FIFO_ONLY.items():
                if name in queue.model_fields_set and getattr(queue, name) is not False:
                    yield Refusal(id_, message, clause, (name,))
        elif queue.FifoThroughputLimit == "perMessageGroupId" and queue.DeduplicationScope != "messageGroup":
            reason = "To set FifoThroughputLimit to perMessageGroupId, the DeduplicationScope must be messageGroup."
            message = f"Invalid value for the parameter FifoThroughputLimit. Reason: {reason}"
            yield Refusal(id_, message, "FIFO-20", ("FifoThroughputLimit",))


def encryption(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """SQS-17: a queue is encrypted by KMS or by SQS itself, not by both."""
    del rules
    for id_, queue in all_.queues.items():
        if queue.KmsMasterKeyId and queue.SqsManagedSseEnabled:
            message = (
                "You can use one type of server-side encryption (SSE) at one time. "
                "You can either enable KMS SSE or SQS SSE."
            )
            yield Refusal(id_, message, "SQS-17", ("SqsManagedSseEnabled",))


def dead_letter_target(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """DLQ-5: a dead-letter queue is there, of the same type, and in the same account and region."""
    del rules
    for id_, queue in all_.queues.items():
        policy = queue.RedrivePolicy
        if policy is None:
            continue
        target = all_.queue_by_arn(policy.deadLetterTargetArn)
        here = queue.arn.split(":")[:5]
        if not policy.deadLetterTargetArn.startswith("arn:aws") or policy.deadLetterTargetArn.split(":")[2] != "sqs":
            reason = "Invalid value for deadLetterTargetArn."
        elif target is None and policy.deadLetterTargetArn.split(":")[:5] != here:
            reason = "Dead-letter target owner should be same as the source."
        elif target is None:
            reason = "Dead letter target does not exist."
        elif target.FifoQueue != queue.FifoQueue:
            reason = "Dead-letter queue must be same type of queue as the source.."
        else:
            continue
        reads = frozenset((i, p) for i in (id_, target.id if target else id_) for p in ("RedrivePolicy", "FifoQueue"))
        path = ("RedrivePolicy", "deadLetterTargetArn")
        yield Refusal(id_, redrive_refusal(policy.model_dump(), reason), "DLQ-5", path, reads=reads)


def redrive_allow_policy(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """DLQ-11: source queues are named with byQueue, and only then."""
    del rules
    for id_, queue in all_.queues.items():
        policy = queue.RedriveAllowPolicy
        if policy is not None and (policy.redrivePermission == "byQueue") != bool(policy.sourceQueueArns):
            message = f"sourceQueueArns goes with redrivePermission byQueue, and only with it {UNRECORDED}"
            yield Refusal(id_, message, "DLQ-11", ("RedriveAllowPolicy",))


# --- functions

_RESERVED = frozenset(
    (
        *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION"),
        *("AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME"),
        *("AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME"),
        *("AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"),
        *("AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"),
    )
)
_VARIABLES = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided"
)


def environment(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """RUN-2, RUN-10: variables do not have the names of Lambda's own, and take at most 4 KB."""
    del rules
    for id_, function in all_.functions.items():
        variables = function.Environment.Variables
        path = ("Environment", "Variables")
        for name in sorted(_RESERVED & set(variables)):
            reason = f"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {name}"  # noqa: E501 - AWS's sentence
            yield Refusal(id_, f"{_VARIABLES} {reason}", "RUN-10", (*path, name))
        text = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
        if len(text.encode()) > 4096:
            yield Refusal(id_, f"{_VARIABLES} exceeded the 4KB limit. String measured: {text[:80]}...", "RUN-2", path)


def function_names_differ(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """Two functions cannot have one name."""
    del rules
    names: set[str] = set()
    for id_, function in all_.functions.items():
        if function.FunctionName in names:
            yield Refusal(id_, f"Function already exist: {function.FunctionName}", "API-16", ("FunctionName",))
        names.add(function.FunctionName)


# --- mappings


def visibility_and_timeout(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """API-20: the queue's visibility timeout is at least the function's timeout."""
    del rules
    for id_, mapping in all_.mappings.items():
        queue, function = all_.queue_by_arn(mapping.EventSourceArn), all_.function_named(mapping.FunctionName)
        if queue is None or function is None or queue.VisibilityTimeout >= function.Timeout:
            continue
        message = (
            f"Queue visibility timeout: {queue.VisibilityTimeout} seconds "
            f"is less than Function timeout: {function.Timeout} seconds"
        )
        reads = frozenset({(queue.id, "VisibilityTimeout"), (function.id, "Timeout")})
        at, name = (
            (queue.id, "VisibilityTimeout")
            if "VisibilityTimeout" in queue.model_fields_set
            else (function.id, "Timeout")
        )
        yield Refusal(id_, message, "API-20", (name,), at, reads)


def batch_and_window(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """API-21, 22, 23: how batch size, window and FIFO go together."""
    del rules
    for id_, mapping in all_.mappings.items():
        size, window = ("BatchSize",), ("MaximumBatchingWindowInSeconds",)
        reads = frozenset({(id_, name) for name in (*size, *window, "EventSourceArn")})
        if mapping.fifo and mapping.MaximumBatchingWindowInSeconds > 0:
            yield Refusal(id_, "Batching window is not supported for FIFO queues", "API-22", window, reads=reads)
        if mapping.fifo and mapping.BatchSize > 10:
            message = f"a FIFO queue takes a batch size from 1 to 10, not {mapping.BatchSize} {UNRECORDED}"
            yield Refusal(id_, message, "API-23", size, reads=reads)
        elif mapping.BatchSize > 10 and mapping.MaximumBatchingWindowInSeconds == 0:
            message = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            yield Refusal(id_, message, "API-21", size, reads=reads)


def duplicates(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """API-24: one mapping for each pair of queue and function. There is no UUID yet: the logical id stands for it."""
    del rules
    first: dict[tuple[str, str], str] = {}
    for id_, mapping in all_.mappings.items():
        arn, name = mapping.EventSourceArn, mapping.FunctionName.partition(":")[0]
        other = first.setdefault((arn, mapping.FunctionName), id_)
        if other != id_:
            message = (
                f'An event source mapping with SQS arn (" {arn} ") and function (" {name} ") already exists. '
                f"Please update or delete the existing mapping with UUID {other}"
            )
            reads = frozenset((i, p) for i in (id_, other) for p in ("EventSourceArn", "FunctionName"))
            yield Refusal(id_, message, "API-24", ("EventSourceArn",), reads=reads)


def scaling(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """API-36, API-37: one kind of scaling, and as many pollers at most as at least."""
    del rules
    for id_, mapping in all_.mappings.items():
        pollers = mapping.ProvisionedPollerConfig
        path = ("ProvisionedPollerConfig",)
        if pollers is None:
            continue
        if mapping.maximum_concurrency is not None:
            message = f"MaximumConcurrency and ProvisionedPollerConfig exclude each other {UNRECORDED}"
            yield Refusal(id_, message, "API-36", path)
        for name in ("MinimumPollers", "MaximumPollers"):
            if getattr(pollers, name) < 2:
                yield Refusal(id_, f"{name} is at least 2 for a queue {UNRECORDED}", "API-37", (*path, name))
        if pollers.MaximumPollers < pollers.MinimumPollers:
            message = f"MaximumPollers {pollers.MaximumPollers} is below MinimumPollers {pollers.MinimumPollers}"
            yield Refusal(id_, f"{message} {UNRECORDED}", "API-37", (*path, "MaximumPollers"))


def filters(all_: Subjects, rules: Rules) -> Iterator[Refusal]:
    """API-33, API-34: patterns that AWS takes, and no more of them than the quota."""
    for id_, mapping in all_.mappings.items():
        path = ("FilterCriteria", "Filters")
        if len(mapping.patterns) > rules.filters_most:
            message = f"a mapping takes {rules.filters_most} filters, not {len(mapping.patterns)} {UNRECORDED}"
            yield Refusal(id_, message, "API-34", path)
        for position, pattern in enumerate(mapping.patterns if rules.check_filter else ()):
            message = _filter_words(pattern, rules)
            if message:
                yield Refusal(id_, message, "API-33", (*path, position, "Pattern"))


def _filter_words(pattern: str, rules: Rules) -> str:
    try:
        if rules.check_filter is not None:
            rules.check_filter(pattern)
    except InvalidFilterPattern as error:
        return str(error)
    return ""


RULES: Iterable[Callable[[Subjects, Rules], Iterator[Refusal]]] = (
    queue_name,
    queue_names_differ,
    fifo_attributes,
    encryption,
    dead_letter_target,
    redrive_allow_policy,
    function_names_differ,
    environment,
    visibility_and_timeout,
    batch_and_window,
    duplicates,
    scaling,
    filters,
)
"""Every rule, in the order in which the resources would be created."""

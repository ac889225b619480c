"""AWS's own sentences for a single value that it refuses: out of range, length or choice.

What pydantic found about one value becomes SQS's or Lambda's wording of it (API-16). What only several values together
make wrong stands in :mod:`rules`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from esm_emulator.resources.declared import QUEUE
from esm_emulator.validation import Fault
from esm_emulator.yaml_source import Path

__all__ = ["is_refusal", "redrive_refusal", "redrive_words", "unsupported_words", "words"]

_SHAPES = {
    "greater_than_equal": "Member must have value greater than or equal to {}",
    "less_than_equal": "Member must have value less than or equal to {}",
    "string_too_long": "Member must have length less than or equal to {}",
    "string_too_short": "Member must have length greater than or equal to {}",
    "too_long": "Member must have length less than or equal to {}",
    "too_short": "Member must have length greater than or equal to {}",
    "string_pattern_mismatch": "Member must satisfy regular expression pattern: {}",
    "literal_error": "Member must satisfy enum value set: [{}]",
}
_CLAUSES = {
    "VisibilityTimeout": "SQS-2",
    "DelaySeconds": "SQS-3",
    "MessageRetentionPeriod": "SQS-4",
    "ReceiveMessageWaitTimeSeconds": "SQS-5",
    "MaximumMessageSize": "SQS-8",
    "KmsDataKeyReusePeriodSeconds": "SQS-18",
    "RedriveAllowPolicy": "DLQ-11",
    "DeduplicationScope": "FIFO-15",
    "FifoThroughputLimit": "FIFO-20",
    "Timeout": "RUN-1",
    "MemorySize": "RUN-2",
    "BatchSize": "BATCH-1",
    "MaximumBatchingWindowInSeconds": "BATCH-3",
    "ScalingConfig": "API-35",
    "ProvisionedPollerConfig": "PROV-3",
    "FilterCriteria": "FILT-3",
    "FunctionResponseTypes": "PBR-1",
}


def is_refusal(fault: Fault) -> bool:
    """Whether AWS is the one that objects: the value is of the right kind, but out of range, length or choice."""
    return fault.kind in _SHAPES and (fault.kind != "literal_error" or isinstance(fault.value, str))


def words(fault: Fault, type_: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    """AWS's sentence for a value that breaks a limit, and the clause."""
    name = str(fault.path[0])
    clause = _CLAUSES.get(name, "API-16")
    if type_ == QUEUE:
        return f"Invalid value for the parameter {name}. (It {fault.sentence}.)", clause
    limit = fault.limit
    if fault.kind == "literal_error":
        limit = ", ".join(re.findall(r"'([^']*)'", str(limit)))
    constraint = _SHAPES[fault.kind].format(str(limit).removeprefix("^").removesuffix("$"))
    value, member = fault.value, _member(fault.path)
    if isinstance(fault.path[-1], int):
        value, member = properties[name], _member(fault.path[:-1])
        constraint = f"Member must satisfy constraint: [{constraint}]"
    return _violation(value, member, constraint), clause


def _violation(value: Any, member: str, constraint: str) -> str:
    """A shape violation as Lambda's API words it (API-16)."""
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)
    text = text if len(text) <= 120 else text[:117] + "..."
    return f"1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: {constraint}"


def _member(path: Path) -> str:
    """``("FilterCriteria", "Filters", 0, "Pattern")`` as ``filterCriteria.filters.1.member.pattern``."""
    return ".".join(f"{s + 1}.member" if isinstance(s, int) else s[:1].lower() + s[1:] for s in path)


def unsupported_words(name: str) -> tuple[str, str]:
    """Lambda's sentence for a mapping's property that a queue does not have (API-29 … 31)."""
    if name == "StartingPosition":
        return "StartingPosition is not valid for SQS event sources.", "API-30"
    clause = "API-29" if name == "DestinationConfig" else "API-31"
    return f"Unsupported {name} parameter for given event source mapping type.", clause


def redrive_words(policy: Mapping[str, Any]) -> str | None:
    """SQS's sentence for a redrive policy that is not one (DLQ-12), None for a good one."""
    for name in ("deadLetterTargetArn", "maxReceiveCount"):
        if policy.get(name) in (None, ""):
            return redrive_refusal(policy, f"Redrive policy does not contain mandatory attribute: {name}.")
    count = policy["maxReceiveCount"]
    if isinstance(count, bool) or not re.fullmatch(r"[0-9]{1,4}", str(count)) or not 1 <= int(count) <= 1000:
        range_ = "valid values are from 1 to 1000 both inclusive."
        return redrive_refusal(policy, f"Invalid value for maxReceiveCount: {count}, {range_}")
    return None


def redrive_refusal(policy: Mapping[str, Any], reason: str) -> str:
    """SQS's sentence for a redrive policy and the reason why it is invalid."""
    text = json.dumps(policy, separators=(",", ":"))
    return f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}"

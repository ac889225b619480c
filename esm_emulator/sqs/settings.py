"""What can be set on a queue: SQS's attributes in snake_case, in SQS's units (seconds, bytes).

The engine counts in milliseconds; the conversion happens in :class:`esm_emulator.sqs.queue.Queue` and nowhere else.
CloudFormation names its properties as SQS names its attributes, so :meth:`QueueSettings.from_attributes` reads both:
the text values of CreateQueue and the numbers and mappings of a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from esm_emulator.errors import SqsError

__all__ = ["QueueSettings", "RedriveAllowPolicy", "RedrivePolicy", "check_name"]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ARN: Final = re.compile(r"arn:[a-z0-9-]+:sqs:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """After ``max_receive_count`` receives the next one moves the message to the queue of that ARN (DLQ-1, 2)."""

    dead_letter_target_arn: str
    max_receive_count: int

    @classmethod
    def from_attribute(cls, value: Any) -> RedrivePolicy | None:
        """The policy of an attribute's JSON text or a template's mapping; "" is none (DLQ-12)."""
        if value is None or value == "":
            return None
        policy, text = _mapping(value, "RedrivePolicy")
        for name in ("deadLetterTargetArn", "maxReceiveCount"):
            if name not in policy:
                raise _redrive_refused(text, f"Redrive policy does not contain mandatory attribute: {name}.")
        arn, count = policy["deadLetterTargetArn"], policy["maxReceiveCount"]
        if not isinstance(arn, str) or not _ARN.fullmatch(arn):
            raise _redrive_refused(text, "Invalid value for deadLetterTargetArn.")
        number = _whole(count)
        if number is None or not 1 <= number <= 1000:
            raise _redrive_refused(
                text, f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
            )
        return cls(arn, number)


@dataclass(frozen=True, slots=True)
class RedriveAllowPolicy:
    """Which queues may use this one as their dead-letter queue: allowAll, denyAll or byQueue (DLQ-11)."""

    redrive_permission: str = "allowAll"
    source_queue_arns: tuple[str, ...] = ()

    def allows(self, source_arn: str) -> bool:
        """Whether a queue of that ARN may send its dead letters here."""
        if self.redrive_permission == "byQueue":
            return source_arn in self.source_queue_arns
        return self.redrive_permission == "allowAll"

    @classmethod
    def from_attribute(cls, value: Any) -> RedriveAllowPolicy | None:
        """The policy of an attribute's JSON text or a template's mapping; "" is none."""
        if value is None or value == "":
            return None
        policy, text = _mapping(value, "RedriveAllowPolicy")
        permission = policy.get("redrivePermission", "allowAll")
        arns = policy.get("sourceQueueArns") or []
        if permission not in ("allowAll", "denyAll", "byQueue") or not isinstance(arns, list | tuple):
            raise _invalid("RedriveAllowPolicy")
        if (permission == "byQueue") != bool(arns) or len(arns) > 10:
            raise SqsError(
                "InvalidParameterValue",
                f"Value {text} for parameter RedriveAllowPolicy is invalid. Reason: {_BY_QUEUE}",
            )
        return cls(permission, tuple(str(arn) for arn in arns))


_BY_QUEUE: Final = "sourceQueueArns must name 1 to 10 queues with byQueue, and none otherwise."


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """The settings of one queue; times in seconds, sizes in bytes (SQS-2 … 8)."""

    fifo_queue: bool = False
    visibility_timeout: int = 30
    delay_seconds: int = 0
    message_retention_period: int = 345_600
    receive_message_wait_time_seconds: int = 0
    maximum_message_size: int = 1_048_576
    redrive_policy: RedrivePolicy | None = None
    redrive_allow_policy: RedriveAllowPolicy | None = None
    content_based_deduplication: bool = False
    deduplication_scope: str = "queue"
    fifo_throughput_limit: str = "perQueue"

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], base: QueueSettings | None = None) -> QueueSettings:
        """``base`` (default: SQS's defaults) with some attributes changed, under SQS's names.

        Names that do not bear on messages (Policy, Kms…, QueueName, Tags) are passed over. Raises ``SqsError``
        ``InvalidAttributeValue`` or ``InvalidParameterValue`` for a value that SQS would refuse.
        """
        values = {name: getattr(base or cls(), name) for name in cls.__dataclass_fields__}
        for name, value in attributes.items():
            if name in _READERS:
                field, read = _READERS[name]
                values[field] = read(value)
        settings = cls(**values)
        _check_type(settings, attributes)
        return settings


def _check_type(settings: QueueSettings, attributes: Mapping[str, Any]) -> None:
    """Refuse what only FIFO queues have on a standard one; their defaults pass, since a template may spell them out."""
    if settings.fifo_queue:
        return
    if "ContentBasedDeduplication" in attributes and settings.content_based_deduplication:
        raise SqsError("InvalidAttributeName", "Unknown Attribute ContentBasedDeduplication.")
    for name, default in (("DeduplicationScope", "queue"), ("FifoThroughputLimit", "perQueue")):
        if attributes.get(name, default) != default:
            raise SqsError("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")


def check_name(name: str, fifo: bool) -> None:
    """Raise ``SqsError`` for a name that SQS would refuse (SQS-15, FIFO-22)."""
    stem = name[: -len(".fifo")] if fifo else name
    if len(name) > 80 or name.endswith(".fifo") != fifo or not _NAME.fullmatch(stem):
        raise SqsError(
            "InvalidParameterValue",
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
            ".fifo suffix and be 1 to 80 in length"
            if fifo
            else "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )


def _number(name: str, least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = _whole(value)
        if number is None or not least <= number <= most:
            raise _invalid(name)
        return number

    return read


def _flag(name: str) -> Callable[[Any], bool]:
    def read(value: Any) -> bool:
        if value in (True, "true", "True"):
            return True
        if value in (False, "false", "False"):
            return False
        raise _invalid(name)

    return read


def _word(name: str, *words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise _invalid(name)
        return str(value)

    return read


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _mapping(value: Any, name: str) -> tuple[Mapping[str, Any], str]:
    if isinstance(value, Mapping):
        return value, json.dumps(value)
    try:
        parsed = json.loads(value)
    except (TypeError, ValueError):
        parsed = None
    if not isinstance(parsed, dict):
        raise _invalid(name)
    return parsed, str(value)


def _invalid(name: str) -> SqsError:
    return SqsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def _redrive_refused(text: str, reason: str) -> SqsError:
    return SqsError("InvalidParameterValue", f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}")


_READERS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "FifoQueue": ("fifo_queue", _flag("FifoQueue")),
    "VisibilityTimeout": ("visibility_timeout", _number("VisibilityTimeout", 0, 43_200)),
    "DelaySeconds": ("delay_seconds", _number("DelaySeconds", 0, 900)),
    "MessageRetentionPeriod": ("message_retention_period", _number("MessageRetentionPeriod", 60, 1_209_600)),
    "ReceiveMessageWaitTimeSeconds": (
        "receive_message_wait_time_seconds",
        _number("ReceiveMessageWaitTimeSeconds", 0, 20),
    ),
    "MaximumMessageSize": ("maximum_message_size", _number("MaximumMessageSize", 1024, 1_048_576)),
    "RedrivePolicy": ("redrive_policy", RedrivePolicy.from_attribute),
    "RedriveAllowPolicy": ("redrive_allow_policy", RedriveAllowPolicy.from_attribute),
    "ContentBasedDeduplication": ("content_based_deduplication", _flag("ContentBasedDeduplication")),
    "DeduplicationScope": ("deduplication_scope", _word("DeduplicationScope", "queue", "messageGroup")),
    "FifoThroughputLimit": ("fifo_throughput_limit", _word("FifoThroughputLimit", "perQueue", "perMessageGroupId")),
}

"""Queue attributes as SQS's API has them: texts under SQS's names, and which of them may be set on which queue.

The engine knows the settings that bear on messages. What only has to be remembered for those who ask (the policy, the
encryption) is kept here, for as long as the queue lives.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from esm_emulator.errors import SqsError
from esm_emulator.sqs import Counts, Queue, QueueSettings
from esm_emulator.sqs.settings import RedriveAllowPolicy, RedrivePolicy

__all__ = ["NOTES", "QUEUE_ATTRIBUTES", "attribute_texts", "check_names", "settings_of"]

_FIFO_ONLY: Final = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
_SETTABLE: Final = frozenset(
    {
        "DelaySeconds",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "Policy",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
        *_FIFO_ONLY,
    }
)
_READ_ONLY: Final = frozenset(
    {
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
    }
)
QUEUE_ATTRIBUTES: Final = _SETTABLE | _READ_ONLY | {"All", "FifoQueue"}
"""Every name that GetQueueAttributes takes."""


@dataclass(slots=True)
class Note:
    """What is only remembered of one queue (SQS-17, SQS-18)."""

    policy: str = ""
    kms_master_key_id: str = ""
    kms_data_key_reuse_period_seconds: str = "300"
    sqs_managed_sse_enabled: bool = True


class Notes:
    """The notes of every queue that lives. One for the process: whoever looks at a queue finds the same."""

    def __init__(self) -> None:
        self._notes: WeakKeyDictionary[Queue, Note] = WeakKeyDictionary()
        self.lock = threading.Lock()  # around what reads, decides and writes

    def of(self, queue: Queue) -> Note:
        """The queue's note, SQS's defaults until something is set."""
        return self._notes.setdefault(queue, Note())

    def take(self, queue: Queue, attributes: Mapping[str, str]) -> None:
        """Remember what the engine does not know. Raises ``SqsError`` before anything is changed."""
        note = self.of(queue)
        changed = _noted(note, attributes)
        note.policy = changed.policy
        note.kms_master_key_id = changed.kms_master_key_id
        note.kms_data_key_reuse_period_seconds = changed.kms_data_key_reuse_period_seconds
        note.sqs_managed_sse_enabled = changed.sqs_managed_sse_enabled

    def same(self, queue: Queue, name: str, value: str) -> bool:
        """Whether setting this attribute would change nothing that is remembered."""
        return _noted(self.of(queue), {name: value}) == self.of(queue)

    def check(self, attributes: Mapping[str, str], queue: Queue | None = None) -> None:
        """Raise ``SqsError`` for what :meth:`take` would refuse."""
        _noted(Note() if queue is None else self.of(queue), attributes)


NOTES: Final = Notes()


def check_names(attributes: Mapping[str, Any], *, fifo: bool, creating: bool) -> None:
    """Raise ``SqsError`` for an attribute that cannot be set on such a queue (contract 11.3)."""
    for name, value in attributes.items():
        if name == "FifoQueue":
            if not fifo:
                raise _unknown(name)
            if str(value).lower() != "true":
                if creating:
                    raise _unknown(name)
                raise SqsError(
                    "InvalidAttributeValue",
                    "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
                )
        elif name in _FIFO_ONLY and not fifo:
            if name == "ContentBasedDeduplication":
                raise _unknown(name)
            raise SqsError("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")
        elif name not in _SETTABLE:
            raise _unknown(name)


def settings_of(attributes: Mapping[str, Any], base: QueueSettings | None = None) -> QueueSettings:
    """The engine's settings with some attributes changed. Raises ``SqsError``."""
    settings = QueueSettings.from_attributes(attributes, base)
    if settings.fifo_throughput_limit == "perMessageGroupId" and settings.deduplication_scope != "messageGroup":
        raise SqsError(
            "InvalidAttributeValue",
            "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.",
        )
    return settings


def attribute_texts(queue: Queue, note: Note, counts: Counts) -> dict[str, str]:
    """Every attribute that the queue has, as GetQueueAttributes gives it."""
    settings = queue.settings
    texts = {
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(counts.visible),
        "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
        "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
        "CreatedTimestamp": str(queue.created_at // 1000),
        "LastModifiedTimestamp": str(queue.changed_at // 1000),
        "VisibilityTimeout": str(settings.visibility_timeout),
        "MaximumMessageSize": str(settings.maximum_message_size),
        "MessageRetentionPeriod": str(settings.message_retention_period),
        "DelaySeconds": str(settings.delay_seconds),
        "ReceiveMessageWaitTimeSeconds": str(settings.receive_message_wait_time_seconds),
    }
    if note.policy:
        texts["Policy"] = note.policy
    if settings.redrive_policy is not None:
        texts["RedrivePolicy"] = _redrive_text(settings.redrive_policy)
    if settings.redrive_allow_policy is not None:
        texts["RedriveAllowPolicy"] = _allow_text(settings.redrive_allow_policy)
    if settings.fifo_queue:
        texts["FifoQueue"] = "true"
        texts["DeduplicationScope"] = settings.deduplication_scope
        texts["FifoThroughputLimit"] = settings.fifo_throughput_limit
        texts["ContentBasedDeduplication"] = _flag(settings.content_based_deduplication)
    if note.kms_master_key_id:
        texts["KmsMasterKeyId"] = note.kms_master_key_id
        texts["KmsDataKeyReusePeriodSeconds"] = note.kms_data_key_reuse_period_seconds
    texts["SqsManagedSseEnabled"] = _flag(note.sqs_managed_sse_enabled)
    return texts


def _noted(note: Note, attributes: Mapping[str, str]) -> Note:
    key = attributes.get("KmsMasterKeyId", note.kms_master_key_id)
    period = attributes.get("KmsDataKeyReusePeriodSeconds", note.kms_data_key_reuse_period_seconds)
    managed = note.sqs_managed_sse_enabled and not attributes.get("KmsMasterKeyId")
    if "SqsManagedSseEnabled" in attributes:
        managed = _read_flag("SqsManagedSseEnabled", attributes["SqsManagedSseEnabled"])
    if key and managed:
        raise SqsError(
            "InvalidAttributeName",
            "You can use one type of server-side encryption (SSE) at one time. "
            "You can either enable KMS SSE or SQS SSE.",
        )
    if not str(period).isdecimal() or not 60 <= int(period) <= 86_400:
        raise _invalid("KmsDataKeyReusePeriodSeconds")
    policy = attributes.get("Policy", note.policy)
    if policy:
        _check_policy(policy)
    return Note(policy, key, str(period), managed)


def _check_policy(policy: str) -> None:
    try:
        parsed = json.loads(policy)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise _invalid("Policy")


def _redrive_text(policy: RedrivePolicy) -> str:
    return json.dumps(
        {"deadLetterTargetArn": policy.dead_letter_target_arn, "maxReceiveCount": policy.max_receive_count},
        separators=(",", ":"),
    )


def _allow_text(policy: RedriveAllowPolicy) -> str:
    value: dict[str, Any] = {"redrivePermission": policy.redrive_permission}
    if policy.source_queue_arns:
        value["sourceQueueArns"] = list(policy.source_queue_arns)
    return json.dumps(value, separators=(",", ":"))


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _read_flag(name: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise _invalid(name)
    return text == "true"


def _unknown(name: str) -> SqsError:
    return SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def _invalid(name: str) -> SqsError:
    return SqsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")

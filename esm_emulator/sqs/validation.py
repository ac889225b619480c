"""What SQS itself refuses about a message, in its own words (contract 11.3).

Pure checks over a :class:`NewMessage`; the order is SQS's as far as it is recorded: the body, attributes, the size,
then what FIFO asks for. Texts that are not in the contract's table are those that SQS is known to give.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from esm_emulator.errors import SqsError
from esm_emulator.messages import MessageAttribute, size_in_bytes, size_of_attributes
from esm_emulator.sqs.message import NewMessage
from esm_emulator.sqs.settings import QueueSettings

__all__ = [
    "LONGEST_VISIBILITY_MS",
    "check_attempt",
    "check_batch",
    "check_maximum",
    "check_message",
    "check_visibility",
    "size_of",
]

LARGEST_BATCH: Final = 1_048_576
LONGEST_VISIBILITY_MS: Final = 43_200_000

_PLAIN_BYTES: Final = bytes(byte for byte in range(256) if byte >= 0x20 or byte in b"\t\n\r")
_ID: Final = re.compile(r"[!-~]{1,128}")
_TYPE: Final = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NAME: Final = re.compile(r"[\w.-]+")  # SQS takes letters of any script (EVT-18)
_ALLOWED: Final = "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"


def check_message(message: NewMessage, settings: QueueSettings) -> tuple[bytes, int]:
    """The body as UTF-8, and the size of the whole message in bytes. Raises ``SqsError`` when SQS would refuse it."""
    if not message.body:
        raise SqsError("MissingParameter", "The request must contain the parameter MessageBody.")
    data = _encode(message.body)
    if data is None:
        raise SqsError("InvalidMessageContents", f"Invalid characters found. Valid unicode characters are {_ALLOWED}")
    size = len(data)
    if message.attributes:
        _check_attributes(message)
        size += size_of_attributes(message.attributes)
    if size > settings.maximum_message_size:
        raise _refused(
            f"One or more parameters are invalid. Reason: Message must be shorter than "
            f"{settings.maximum_message_size} bytes."
        )
    if settings.fifo_queue or message.group is not None or message.delay_ms is not None or message.dedup is not None:
        _check_parameters(message, settings)
    return data, size


def check_batch(messages: Sequence[NewMessage]) -> None:
    """Raise ``SqsError`` for a batch that SQS refuses as a whole (SQS-7, SQS-9)."""
    if not messages:
        raise SqsError(
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one SendMessageBatchRequestEntry in the request.",
        )
    if len(messages) > 10:
        raise SqsError(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are 10. You have sent {len(messages)}.",
        )
    total = sum(size_of(message) for message in messages)
    if total > LARGEST_BATCH:
        raise SqsError(
            "AWS.SimpleQueueService.BatchRequestTooLong",
            f"Batch requests cannot be longer than {LARGEST_BATCH} bytes. You have sent {total} bytes.",
        )


def check_maximum(maximum: int) -> None:
    """Raise ``SqsError`` unless MaxNumberOfMessages is 1 to 10 (SQS-6)."""
    if not 1 <= maximum <= 10:
        raise _wrong(maximum, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")


def check_visibility(visibility_ms: int) -> None:
    """Raise ``SqsError`` unless a VisibilityTimeout is 0 to 12 hours (SQS-2)."""
    if not 0 <= visibility_ms <= LONGEST_VISIBILITY_MS:
        raise _wrong(visibility_ms // 1000, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.")


def check_attempt(attempt_id: str, fifo: bool) -> None:
    """Raise ``SqsError`` for a ReceiveRequestAttemptId that does not fit (FIFO-18)."""
    if not fifo:
        raise _wrong(attempt_id, "ReceiveRequestAttemptId", _NOT_THIS_TYPE)
    _check_id("ReceiveRequestAttemptId", attempt_id)


def size_of(message: NewMessage) -> int:
    """The bytes that count: the body and the message attributes, not the trace header (SQS-10)."""
    return size_in_bytes(message.body, message.attributes)


def _encode(text: str) -> bytes | None:
    """The text as UTF-8, or None when it has characters that SQS does not take (SQS-11)."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # surrogates
        return None
    if data.translate(None, _PLAIN_BYTES):
        return None
    if len(data) != len(text) and ("\ufffe" in text or "\uffff" in text):
        return None
    return data


def _check_parameters(message: NewMessage, settings: QueueSettings) -> None:
    _check_delay(message.delay_ms, settings.fifo_queue)
    if message.group is not None:
        _check_id("MessageGroupId", message.group)
    if not settings.fifo_queue:
        if message.dedup is not None:
            raise _wrong(message.dedup, "MessageDeduplicationId", _NOT_THIS_TYPE)
        return
    if message.group is None:
        raise SqsError("MissingParameter", "The request must contain the parameter MessageGroupId.")
    if message.dedup is not None:
        _check_id("MessageDeduplicationId", message.dedup)
    elif not settings.content_based_deduplication:
        raise _refused(
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly"
        )


def _check_delay(delay_ms: int | None, fifo: bool) -> None:
    if delay_ms is None:
        return
    if fifo and delay_ms > 0:
        raise _wrong(delay_ms // 1000, "DelaySeconds", _NOT_THIS_TYPE)
    if not 0 <= delay_ms <= 900_000:
        raise _wrong(delay_ms // 1000, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")


_NOT_THIS_TYPE: Final = "The request include parameter that is not valid for this queue type."


def _check_id(parameter: str, value: str) -> None:
    if not _ID.fullmatch(value):
        reason = f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        raise _wrong(value, parameter, reason)


def _check_attributes(message: NewMessage) -> None:
    if len(message.attributes) > 10:
        raise _refused(f"Number of message attributes [{len(message.attributes)}] exceeds the allowed maximum [10].")
    for name, attribute in message.attributes.items():
        _check_attribute_name(name)
        _check_attribute(name, attribute)


def _check_attribute_name(name: str) -> None:
    lower = name.lower()
    if len(name) > 256:
        raise _refused("Message (user) attribute names must be shorter than 256 Bytes")
    if not _NAME.fullmatch(name):
        raise _refused(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, "
            "hyphens and underscores. "
        )
    if lower.startswith(("aws.", "amazon.", ".")) or lower.endswith(".") or ".." in lower:
        raise _refused(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for "
            "internal use. Additionally, they cannot start or end with '.'."
        )


def _check_attribute(name: str, attribute: MessageAttribute) -> None:
    kind = _TYPE.fullmatch(attribute.data_type)
    if kind is None:
        raise _refused(
            "Type for parameter MessageAttributes.Attribute_name.DataType must be prefixed with "
            f"'String', 'Binary', or 'Number', but was: {attribute.data_type}"
        )
    if len(attribute.data_type) > 256:
        raise _refused("Message (user) attribute types must be shorter than 256 Bytes")
    value = attribute.binary_value if kind[1] == "Binary" else attribute.string_value
    if not value:
        raise _refused(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{attribute.data_type}'."
        )
    if isinstance(value, str):
        if _encode(value) is None:
            raise _refused(f"Invalid characters found. Valid unicode characters are {_ALLOWED}")
        if kind[1] == "Number" and not _NUMBER.fullmatch(value):
            raise _refused(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def _wrong(value: object, parameter: str, reason: str) -> SqsError:
    return _refused(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def _refused(text: str) -> SqsError:
    return SqsError("InvalidParameterValue", text)

"""Messages in a file: an SQS event as SAM generates it, or JSON lines."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from esm_emulator.errors import ConfigError, Problem
from esm_emulator.messages import MessageAttribute
from esm_emulator.sqs import NewMessage
from esm_emulator.validation import shown

__all__ = ["is_sqs_event", "messages_of_file", "messages_of_text"]

_SQS = "aws:sqs"


def messages_of_file(path: FilePath) -> list[NewMessage]:
    """The messages of an SQS event as SAM generates it, or of JSON lines.

    In JSON lines a string is the body itself and anything else is sent as the line's text. Raises ``ConfigError``
    naming the line that is not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([Problem(f"cannot be read: {reason}", file=str(path))]) from None
    return messages_of_text(text, str(path))


def messages_of_text(text: str, name: str) -> list[NewMessage]:
    """As :func:`messages_of_file`, of a text that was read already; ``name`` says where it came from."""
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    if is_sqs_event(event):
        return [_of_record(record, name) for record in event["Records"]]
    return list(_of_lines(text, name))


def is_sqs_event(value: Any) -> bool:
    """Whether this is an event as a function gets it from SQS, and not one of S3, say, that is a message's body."""
    records = value.get("Records") if isinstance(value, dict) else None
    return isinstance(records, list) and not any(
        isinstance(record, dict) and record.get("eventSource", record.get("EventSource", _SQS)) != _SQS
        for record in records
    )


def _of_lines(text: str, file: str) -> Iterator[NewMessage]:
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped:
            continue
        try:
            value = json.loads(stripped)
        except ValueError as error:
            raise ConfigError([Problem(f"this line is not JSON: {error}", file=file, line=number, column=1)]) from None
        yield NewMessage(value if isinstance(value, str) else stripped)


def _of_record(record: Any, file: str) -> NewMessage:
    if not isinstance(record, dict) or not isinstance(record.get("body"), str):
        raise ConfigError([Problem("a record of an SQS event has a body, which is text", file=file)])
    system = _mapping(record, "attributes", file)
    return NewMessage(
        body=record["body"],
        attributes={
            name: _of_event(name, value, file) for name, value in _mapping(record, "messageAttributes", file).items()
        },
        group=system.get("MessageGroupId"),
        dedup=system.get("MessageDeduplicationId"),
        trace_header=system.get("AWSTraceHeader"),
    )


def _mapping(record: dict[str, Any], key: str, file: str) -> dict[str, Any]:
    found = record.get(key) or {}
    if not isinstance(found, dict):
        raise ConfigError([Problem(f"{key} of a record takes a mapping, not {shown(found)}", file=file)])
    return found


def _of_event(name: str, value: Any, file: str) -> MessageAttribute:
    """A message attribute as events carry it (EVT-9)."""
    if not isinstance(value, dict):
        raise ConfigError([Problem(f"attribute {name!r} of a record takes a mapping, not {shown(value)}", file=file)])
    kind = str(value.get("dataType", "String"))
    if not kind.startswith("Binary"):
        return MessageAttribute(kind, string_value=value.get("stringValue"))
    try:
        return MessageAttribute(kind, binary_value=base64.b64decode(value.get("binaryValue") or "", validate=True))
    except (binascii.Error, TypeError):
        raise ConfigError([Problem(f"attribute {name!r} of a record: binaryValue is base64 text", file=file)]) from None

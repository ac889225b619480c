"""The messages that a scenario sends, one by one, in the order of their times."""

from __future__ import annotations

import base64
import binascii
import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path as FilePath

from esm_emulator.messages import MessageAttribute
from esm_emulator.scenario.message_files import messages_of_file
from esm_emulator.scenario.placeholders import fill
from esm_emulator.scenario.schema import Attribute, OneMessage, ScenarioModel, SendModel, TypedAttribute
from esm_emulator.sqs import NewMessage

__all__ = ["BadPlaceholder", "Sending", "first_messages", "sendings"]

SHORT = 20  # characters of a body that may serve as a label


@dataclass(frozen=True, slots=True)
class Sending:
    """One message to be sent: when (ms after the start), where to, and from which entry of ``send``."""

    at: int
    entry: int
    to: str
    message: NewMessage


class BadPlaceholder(ValueError):
    """A placeholder that cannot be reckoned, in the entry of ``send`` with that number, from 0."""

    def __init__(self, entry: int, reason: str) -> None:
        self.entry = entry
        super().__init__(reason)


def sendings(model: ScenarioModel, folder: FilePath) -> Iterator[Sending]:
    """Everything that the scenario sends, in order of time, then of the file.

    Raises ``ConfigError`` for a file that cannot be read and ``BadPlaceholder``.
    """
    starts = []
    number = 0
    for index, entry in enumerate(model.send):
        starts.append((index, entry, number))
        number += _count(entry, folder)
    labels = _Labels()
    streams = [_entry(index, entry, number, labels, folder) for index, entry, number in starts]
    return heapq.merge(*streams, key=lambda sending: (sending.at, sending.entry))


def first_messages(entry: SendModel, folder: FilePath) -> list[NewMessage]:
    """What an entry sends, of many alike only the first. Raises ``ConfigError`` and ``ValueError``."""
    alike = entry.file is None and entry.messages is None
    return list(islice(_made(entry, folder, lambda label, *_: label), 1 if alike else None))


def _count(entry: SendModel, folder: FilePath) -> int:
    if entry.file is not None:
        return len(messages_of_file(folder / entry.file))
    return entry.count if entry.messages is None else len(entry.messages)


def _entry(index: int, entry: SendModel, before: int, labels: _Labels, folder: FilePath) -> Iterator[Sending]:
    """The messages of one entry; ``before`` is how many stand before it in the file."""
    total = _count(entry, folder)

    def name(label: str | None, body: str, number: int) -> str:
        return labels.of(label, body, before + number)

    try:
        for count, message in enumerate(_made(entry, folder, name)):
            yield Sending(_at(entry, count, total), index, entry.to, message)
    except ValueError as error:
        raise BadPlaceholder(index, str(error)) from None


def _at(entry: SendModel, count: int, total: int) -> int:
    if entry.every is not None:
        return entry.at + count * entry.every
    if entry.rate is not None:
        return entry.at + round(count * 1_000 / entry.rate)
    if entry.over is not None:
        return entry.at + count * entry.over // total
    return entry.at


# --- one message --------------------------------------------------------------------------------------------

Naming = Callable[[str | None, str, int], str | None]
"""A message's label: of the one that the file gives it, its body, and its number within its entry, from 1."""


def _made(entry: SendModel, folder: FilePath, name: Naming) -> Iterator[NewMessage]:
    """The messages of an entry, one after the other."""
    if entry.file is not None:
        for number, message in enumerate(messages_of_file(folder / entry.file), start=1):
            yield _completed(message, entry, number, name)
    elif entry.messages is not None:
        for number, item in enumerate(entry.messages, start=1):
            yield _message(item, entry, number, name)
    else:
        for number in range(1, entry.count + 1):
            yield _message(entry, entry, number, name)


def _message(item: OneMessage, entry: SendModel, index: int, name: Naming) -> NewMessage:
    """A message of the scenario itself; what it leaves out stands on its entry."""
    body = fill(item.body, index)
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return NewMessage(
        body=text,
        attributes=_attributes(item.attributes if item.attributes is not None else entry.attributes, index),
        group=_text(item.group if item.group is not None else entry.group, index),
        dedup=_text(item.dedup if item.dedup is not None else entry.dedup, index),
        delay_ms=item.delay if item.delay is not None else entry.delay,
        label=name(_text(item.label if item.label is not None else entry.label, index), text, index),
    )


def _completed(message: NewMessage, entry: SendModel, index: int, name: Naming) -> NewMessage:
    """A message of a file; what the file leaves out stands on the entry."""
    return replace(
        message,
        attributes=message.attributes or _attributes(entry.attributes, index),
        group=_text(entry.group, index) if message.group is None else message.group,
        dedup=_text(entry.dedup, index) if message.dedup is None else message.dedup,
        delay_ms=entry.delay,
        label=name(_text(entry.label, index), message.body, index),
    )


def _text(value: str | int | None, index: int) -> str | None:
    return None if value is None else str(fill(str(value), index))


def _attributes(given: dict[str, Attribute] | None, index: int) -> dict[str, MessageAttribute]:
    return {name: _attribute(name, value, index) for name, value in given.items()} if given else {}


def _attribute(name: str, value: Attribute, index: int) -> MessageAttribute:
    if isinstance(value, str):
        return MessageAttribute("String", string_value=fill(value, index))
    if not isinstance(value, TypedAttribute):
        return MessageAttribute("Number", string_value=str(value))
    text = str(fill(value.Value, index))
    if not value.Type.startswith("Binary"):
        return MessageAttribute(value.Type, string_value=text)
    try:
        return MessageAttribute(value.Type, binary_value=base64.b64decode(text, validate=True))
    except binascii.Error:
        raise ValueError(f"attribute {name!r}: a Binary value is base64 text, not {value.Value!r}") from None


class _Labels:
    """How messages are named: as the file says, else by a short body, else m1, m2 … by their place in the file."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def of(self, given: str | None, body: str, number: int) -> str:
        """The label of a message."""
        label = given
        if label is None:
            label = body if 0 < len(body) <= SHORT and body not in self._used else f"m{number}"
        self._used.add(label)
        return label

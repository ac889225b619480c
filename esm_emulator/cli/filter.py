"""``esm filter``: which messages a filter would deliver, which it would delete, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esm_emulator.cli.settings import LINES
from esm_emulator.cli.streams import read_stdin
from esm_emulator.errors import UsageError

if TYPE_CHECKING:
    from esm_emulator.mapping.filter import RecordFilter
    from esm_emulator.messages import MessageAttribute, ReceivedMessage
    from esm_emulator.resources import EventSourceMapping

__all__ = ["command"]

_SHOWN = 60  # characters of a body


@click.command("filter")
@click.option(
    "--pattern", "patterns", type=LINES, multiple=True, metavar="JSON", help="A pattern; several are ORed (FILT-1)."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An esm.yaml or template: the filters of its mapping.",
)
@click.option("--mapping", metavar="ID", help="Which mapping of --config, when several have filters.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("messages", nargs=-1, required=True, metavar="MESSAGES...")
def command(
    patterns: tuple[str, ...], config: Path | None, mapping: str | None, as_json: bool, messages: tuple[str, ...]
) -> None:
    """Show which messages a filter would deliver, which it would delete, and which key failed.

    MESSAGES are files, or - for standard input: an SQS event as Lambda gets it, one JSON document, or a message a line,
    where a JSON string is the body itself and anything else is the body as it stands.

    \b
    Example:
      echo '{"status": "new"}' | esm filter --pattern '{"body": {"status": ["new"]}}' -
      esm filter --config template.yaml --mapping Trigger events/receive-message.json
    """
    message_filter = _filter(patterns, config, mapping)
    results = [_judged(message_filter, sent) for name in messages for sent in _messages_of(name)]
    if not results:
        raise UsageError(f"there is no message in {', '.join(messages)}")
    for warning in message_filter.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(_as_json(results, message_filter), ensure_ascii=False))
        return
    for result in results:
        click.echo(result.line())
    delivered = sum(result.key is None for result in results)
    click.echo(f"{delivered} delivered, {len(results) - delivered} deleted without an invocation")


# --- the filter ----------------------------------------------------------------------------------------------


def _filter(patterns: tuple[str, ...], config: Path | None, mapping: str | None) -> RecordFilter:
    from esm_emulator.mapping.filter import RecordFilter  # noqa: PLC0415 - not for esm --help
    from esm_emulator.profiles import PROFILES  # noqa: PLC0415

    if bool(patterns) == bool(config):
        raise UsageError("give either --pattern JSON (once or more) or --config FILE")
    if mapping and not config:
        raise UsageError("--mapping says which mapping of --config; there is no --config")
    found = patterns or _configured(config, mapping).patterns
    return RecordFilter(found, PROFILES["aws-2026"].with_(filters_most=max(len(found), 5) if config else 10))


def _configured(config: Path | None, name: str | None) -> EventSourceMapping:
    from esm_emulator.templates import load  # noqa: PLC0415 - pydantic and PyYAML are not cheap to import

    assert config is not None
    resources = load(config).resources
    if name is not None:
        return resources.mapping(name)
    filtering = [mapping for mapping in resources.mappings.values() if mapping.patterns]
    if len(filtering) == 1:
        return filtering[0]
    names = ", ".join(mapping.id for mapping in filtering)
    if filtering:
        raise UsageError(f"several mappings of {config} have filters: say which with --mapping, one of {names}")
    raise UsageError(f"no mapping of {config} has FilterCriteria")


# --- the messages --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message to judge, and where it stands."""

    file: str
    number: int
    message: ReceivedMessage


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the filter makes of it: ``key`` and ``why`` when it would be deleted."""

    sent: _Sent
    key: str | None = None
    why: str | None = None

    def line(self) -> str:
        body = " ".join(self.sent.message.body.split())
        shown = body if len(body) <= _SHOWN else body[: _SHOWN - 1] + "…"
        place = f"{self.sent.file}:{self.sent.number}"
        return (
            f"delivered  {place}  {shown}"
            if self.key is None
            else f"deleted    {place}  {shown}\n           {self.key} {self.why}"
        )

    def to_json(self) -> dict[str, Any]:
        value = {
            "file": self.sent.file,
            "number": self.sent.number,
            "message_id": self.sent.message.message_id,
            "body": self.sent.message.body,
            "delivered": self.key is None,
        }
        return value if self.key is None else {**value, "key": self.key, "reason": self.why}


def _judged(message_filter: RecordFilter, sent: _Sent) -> _Judged:
    from esm_emulator.mapping.filter import NoMatch  # noqa: PLC0415

    decision = message_filter.decide(sent.message)
    return _Judged(sent, decision.key, decision.why) if isinstance(decision, NoMatch) else _Judged(sent)


def _as_json(results: list[_Judged], message_filter: RecordFilter) -> dict[str, Any]:
    delivered = sum(result.key is None for result in results)
    return {
        "version": 1,
        "delivered": delivered,
        "deleted": len(results) - delivered,
        "warnings": list(message_filter.warnings),
        "messages": [result.to_json() for result in results],
    }


def _messages_of(name: str) -> Iterator[_Sent]:
    numbers = count(1)
    for item in _items(_text_of(name)):
        number = next(numbers)
        try:
            yield _Sent(name, number, _message(item, number))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{name}: record {number} is no record of an SQS event: {error!r}") from None


def _text_of(name: str) -> str:
    try:
        return read_stdin() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {error.strerror}; MESSAGES are files, or - for standard input"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text; save it as UTF-8") from None


def _items(text: str) -> list[Any]:
    """Records of an event as objects, and bodies as texts."""
    from esm_emulator.scenario.message_files import is_sqs_event  # noqa: PLC0415 - not for esm --help

    document = _json(text)
    if is_sqs_event(document):
        return list(document["Records"])
    if document is not None and "\n" in text.strip():
        return [text.strip()]
    return [_body(line.strip()) for line in text.split("\n") if line.strip()]


def _body(line: str) -> str:
    value = _json(line)
    return value if isinstance(value, str) else line


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _message(item: Any, number: int) -> ReceivedMessage:
    """A message as SQS would hand it out; what a body alone does not say is made up."""
    from esm_emulator.messages import ReceivedMessage  # noqa: PLC0415

    record: dict[str, Any] = {"body": item} if isinstance(item, str) else item
    body = record["body"]
    if not isinstance(body, str):
        raise ValueError("its body is no string")  # noqa: TRY004 - of a file, not of a call
    return ReceivedMessage(
        message_id=record.get("messageId") or f"message-{number}",
        receipt_handle=record.get("receiptHandle") or f"receipt-{number}",
        body=body,
        md5_of_body=record.get("md5OfBody")
        or md5(body.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest(),
        attributes={"ApproximateReceiveCount": "1", **(record.get("attributes") or {})},
        message_attributes={name: _attribute(value) for name, value in (record.get("messageAttributes") or {}).items()},
        md5_of_message_attributes=record.get("md5OfMessageAttributes"),
        received_at=0,
        visible_at=0,
    )


def _attribute(value: dict[str, Any]) -> MessageAttribute:
    from base64 import b64decode  # noqa: PLC0415

    from esm_emulator.messages import MessageAttribute  # noqa: PLC0415

    binary = value.get("binaryValue")
    return MessageAttribute(
        value.get("dataType", "String"), value.get("stringValue"), b64decode(binary) if binary is not None else None
    )

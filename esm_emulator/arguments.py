"""What a caller's code hands to the emulator, checked, and in the form in which a run takes it.

What is of no use is a ``UsageError`` that says what would be. Nothing here knows a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from esm_emulator.durations import duration_ms
from esm_emulator.errors import UsageError
from esm_emulator.messages import MessageAttribute
from esm_emulator.resources import Resources, Rules
from esm_emulator.sqs import NewMessage
from esm_emulator.templates import load, parse_resources
from esm_emulator.yaml_source import Document, load_document

__all__ = ["Attribute", "Handler", "Source", "condition_of", "handlers_of", "message_of", "ms_of", "resources_of"]

Source = str | Path | Mapping[str, Any] | Resources
"""Resources: a file's path, YAML or JSON text, a mapping, or resources already read.

Text and mappings hold what a file would (an ``esm.yaml`` or a template), or the resources alone.
"""
Handler = Callable[..., Any]
Attribute = str | int | float | bytes | MessageAttribute


def ms_of(duration: object, what: str) -> int:
    """A duration in milliseconds; ``what`` takes it."""
    try:
        return duration_ms(duration)
    except ValueError as error:
        raise UsageError(f"{what} {error}") from None


def condition_of(condition: Callable[[], bool]) -> Callable[[], bool]:
    """A condition that can be asked without waiting."""
    if not callable(condition):
        raise UsageError(f"run_until takes a function without arguments, as in lambda: …, not {condition!r}")
    if iscoroutinefunction(condition):  # what it returns would be true whatever came of it
        raise UsageError("run_until takes a function that answers at once, not a coroutine function")
    return condition


def message_of(
    body: Any,
    *,
    label: str | None,
    group: str | None,
    dedup: str | None,
    delay: str | float | None,
    attributes: Mapping[str, Attribute] | None,
) -> NewMessage:
    """The message to send. A ``body`` that is not text becomes JSON."""
    return NewMessage(
        body=_body(body),
        attributes={
            _text(name, "an attribute's name"): _attribute(name, it) for name, it in (attributes or {}).items()
        },
        group=None if group is None else _text(group, "group"),
        dedup=None if dedup is None else _text(dedup, "dedup"),
        delay_ms=None if delay is None else ms_of(delay, "delay"),
        label=None if label is None else _text(label, "label"),
    )


def _body(body: Any) -> str:
    if isinstance(body, str):
        return body
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"a body is text, or a value that is sent as JSON, which this {type(body).__name__} cannot be: {error}. "
            "Turn it into text first, with json.dumps(body, default=str) for one"
        ) from None


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{what} takes text, not {value!r}")
    return value


def _attribute(name: str, value: Attribute) -> MessageAttribute:
    if isinstance(value, MessageAttribute):
        return value
    if isinstance(value, bytes):
        return MessageAttribute("Binary", binary_value=value)
    if isinstance(value, str):
        return MessageAttribute("String", string_value=value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return MessageAttribute("Number", string_value=str(value))
    raise UsageError(f"attribute {name!r} takes text, a number, bytes or a MessageAttribute, not {value!r}")


def handlers_of(handlers: Mapping[str, Handler] | None) -> dict[str, Handler]:
    """The callables in the place of functions' handlers, by the functions' ids."""
    if handlers is not None and not isinstance(handlers, Mapping):
        raise UsageError(f"handlers takes a mapping from a function's id to a callable, not {handlers!r}")
    for id_, handler in (handlers or {}).items():
        if not callable(handler):
            raise UsageError(
                f"handlers[{id_!r}] takes a callable, not {handler!r}; a handler that is to be imported is named in "
                "the function's own Handler"
            )
    return dict(handlers or {})


def resources_of(
    source: Source, parameters: Mapping[str, Any] | None, rules: Rules, folder: Path | None = None
) -> Resources:
    """The resources that ``source`` holds or names; paths are relative to ``folder``, by default the current one."""
    if isinstance(source, Resources):
        return source
    if isinstance(source, Mapping):
        return _of_document(Document(dict(source), "", ""), parameters, rules, folder)
    if isinstance(source, str) and _is_document(source):
        return _of_document(load_document(source, "resources"), parameters, rules, folder)
    if isinstance(source, str | Path):
        path = source if folder is None else folder / source
        return load(path, parameters=parameters, rules=rules).resources
    raise UsageError(f"resources are a path, YAML or JSON text, or a mapping, not {source!r}")


def _is_document(text: str) -> bool:
    """Whether it is the text of a document and not the name of a file."""
    return "\n" in text or ": " in text or text.lstrip().startswith("{")


def _of_document(
    document: Document, parameters: Mapping[str, Any] | None, rules: Rules, folder: Path | None
) -> Resources:
    data = document.data
    if isinstance(data, dict) and ("resources" in data or "Resources" in data):
        name = (folder or Path()) / (document.file or "resources")
        return load(name, parameters=parameters, rules=rules, document=document).resources
    if parameters and not (isinstance(data, dict) and "from" in data):
        raise UsageError("parameters are a template's (Resources:), and these are resources alone, without parameters")
    found = parse_resources(data, document, base=(), base_folder=folder, rules=rules, parameters=parameters)
    return found.resources

"""``esm story``: one message's life, from a saved journal."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from esm_emulator.cli.journals import read_journal
from esm_emulator.errors import UsageError

if TYPE_CHECKING:
    from esm_emulator.report.messages import MessageFacts, Messages

__all__ = ["command"]

_SHOWN = 60  # characters of a body in a hint


@click.command("story")
@click.argument("journal", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("message")
def command(journal: Path, message: str) -> None:
    """Tell one message's life: its receives, invocations, deletes and moves, with their times.

    JOURNAL is what `esm replay --journal` or `esm run --event-log` wrote, or - for standard input. MESSAGE is a
    message's id or the beginning of one, its label, or its body; when several fit, all are told.

    \b
    Example:
      esm story journals/throttling.jsonl o-31
    """
    from esm_emulator.report.messages import Messages  # noqa: PLC0415 - not for esm --help
    from esm_emulator.report.story import stories  # noqa: PLC0415

    facts = read_journal(journal)
    messages = Messages.of(facts)
    found = _matching(messages, message)
    if not found:
        raise UsageError(f"no message of {journal} is called {message!r}{_hint(messages, message)}")
    told = stories(facts, found)
    click.echo("\n\n".join("\n".join(told[each.id]) for each in found))


def _matching(messages: Messages, asked: str) -> list[MessageFacts]:
    """By label or id; else by body; else by the beginning of an id."""
    return (
        messages.named(asked)
        or [message for message in messages if message.body == asked]
        or [message for message in messages if len(asked) >= 4 and any(id.startswith(asked) for id in message.ids)]
    )


def _hint(messages: Messages, asked: str) -> str:
    names = {name for message in messages for name in (message.label, message.body[:_SHOWN]) if name}
    close = get_close_matches(asked, sorted(names), n=3)
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    first = [message.name for message in messages][:5]
    return f"; there are {len(messages)}, such as {', '.join(first)}" if first else "; there are none in it"

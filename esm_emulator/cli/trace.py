"""``esm trace``: a journal as one HTML page, as a Chrome trace, or as text for a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from esm_emulator.cli.journals import read_journal
from esm_emulator.errors import UsageError
from esm_emulator.written import write

if TYPE_CHECKING:
    from esm_emulator.journal import Fact

__all__ = ["command"]

_ENDINGS = {"html": ".html", "perfetto": ".trace.json", "mermaid": ".mmd"}


@click.command("trace")
@click.argument("journal", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Where to write; - is standard output.  [default: beside the journal; mermaid: standard output]",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@click.option("--redact", is_flag=True, help="Leave the bodies of messages out, and texts that could quote them.")
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(_ENDINGS)),
    default="html",
    show_default=True,
    help="A page; Chrome trace-event JSON, for ui.perfetto.dev; Mermaid text, for a pull request.",
)
def command(journal: Path, output: Path | None, opened: bool, redact: bool, form: str) -> None:
    """Show a run: every poller, every execution environment, every message, and the cause of what went wrong.

    JOURNAL is what --event-log of esm run and --journal of esm replay save; - is standard input.

    \b
    Example:
      esm replay orders.esm.yaml --journal journals/
      esm trace journals/orders.jsonl --open
      esm trace journals/orders.jsonl --format mermaid >> comment.md
    """
    if opened and form != "html":
        raise UsageError(f"--open shows a page; --format {form} makes none")
    facts = read_journal(journal)
    text = _rendered(facts, form, redact=redact)
    target = _default(journal, form) if output is None else output
    if target is None or str(target) == "-":
        if opened:
            raise UsageError("--open needs a file: name it with -o")
        click.echo(text, nl=False)
        return
    if target.exists() and journal.exists() and target.samefile(journal):
        raise UsageError(f"{target} is the journal itself, which would be written over; name another file with -o")
    write(target, text)
    click.echo(f"Wrote {target}")
    if opened:
        click.launch(target.resolve().as_uri())


def _default(journal: Path, form: str) -> Path | None:
    if str(journal) == "-" or form == "mermaid":
        return None
    return journal.with_suffix(_ENDINGS[form])


def _rendered(facts: list[Fact], form: str, *, redact: bool) -> str:
    from esm_emulator.diagnosis import diagnose  # noqa: PLC0415

    if form == "perfetto":
        from esm_emulator.report.perfetto import perfetto  # noqa: PLC0415

        return perfetto(facts, redact=redact)
    if form == "mermaid":
        from esm_emulator.report.mermaid import mermaid  # noqa: PLC0415

        return mermaid(facts, redact=redact)
    from esm_emulator.report.trace import trace  # noqa: PLC0415

    return trace(facts, diagnose(facts), redact=redact)

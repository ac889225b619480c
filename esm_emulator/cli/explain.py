"""``esm explain``: what a code means, why it comes, how to mend it, and where AWS says so."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from esm_emulator.codes import CODES, KINDS, Code, full_id, near
from esm_emulator.codes.page import text
from esm_emulator.errors import UsageError

__all__ = ["command"]


@click.command("explain")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each code, in a list.")
def command(codes: tuple[str, ...], as_json: bool) -> None:
    """Explain a code: what it means, why it comes, how to mend it, and AWS's page. Without one, list all.

    CODE is written as ESM-D101, D101 or d101.

    \b
    Example:
      esm explain D101
    """
    found = [_found(code) for code in codes] or list(CODES.values())
    if as_json:
        click.echo(json.dumps([_as_json(code) for code in found], ensure_ascii=False, indent=2))
    elif codes:
        click.echo("\n\n".join("\n".join(text(code)) for code in found))
    else:
        _list(found)


def _found(asked: str) -> Code:
    found = CODES.get(full_id(asked))
    if found is not None:
        return found
    close = near(asked)
    hint = (
        f"did you mean {' or '.join(f'{id} ({CODES[id].title})' for id in close)}?"
        if close
        else "esm explain lists all codes"
    )
    raise UsageError(f"there is no code {asked!r}; {hint}")


def _list(found: list[Code]) -> None:
    for kind, meaning in KINDS.items():
        click.echo(f"{kind}: {meaning}")
        for code in found:
            if code.kind == kind:
                click.echo(f"  {code.id}  {code.title}")


def _as_json(code: Code) -> dict[str, object]:
    return {name: value for name, value in asdict(code).items() if value is not None}

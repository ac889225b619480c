"""The part of commands.md that is ``--help``: what each command says of itself."""

from __future__ import annotations

import click

from esm_emulator.cli import COMMANDS, main

__all__ = ["command_help"]

WIDTH = 100


def command_help() -> str:
    """The help of the program and of each command, in the order in which the program lists them."""
    parts = ["### `esm`\n\n" + _help("esm", main)]
    with click.Context(main) as context:
        for name in COMMANDS:
            command = main.get_command(context, name)
            assert command is not None
            parts.append(f"### `esm {name}`\n\n" + _help(f"esm {name}", command))
    return "\n".join(parts)


def _help(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, max_content_width=WIDTH, terminal_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    return f"```text\n{command.get_help(context)}\n```\n"

"""The program ``esm``: a table of commands, each loaded when it is used.

A command lives in a module of its own, as ``command``. It may return its exit code; errors are raised, and told by
:mod:`esm_emulator.cli.errors`. Nothing here imports what a command needs, so that ``esm --help`` is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from esm_emulator import __version__
from esm_emulator.cli.errors import READER_GONE, ended, leave_the_pipe
from esm_emulator.cli.settings import Settings, name_variables, shared_options
from esm_emulator.cli.streams import prepare

__all__ = ["COMMANDS", "main"]

# name -> the module of its ``command``, and its line in the list of commands
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("esm_emulator.cli.init", "Begin a small project: handler, esm.yaml, scenario, test."),
    "run": ("esm_emulator.cli.run", "Run functions against queues until interrupted."),
    "replay": ("esm_emulator.cli.replay", "Play scenarios in virtual time."),
    "check": ("esm_emulator.cli.check", "Look for risks in a configuration before it runs."),
    "explain": ("esm_emulator.cli.explain", "Explain a code: what it means, why it comes, how to mend it."),
    "filter": ("esm_emulator.cli.filter", "Show which messages a filter would deliver and which delete."),
    "story": ("esm_emulator.cli.story", "Tell one message's life from a journal."),
    "trace": ("esm_emulator.cli.trace", "Show a run as one HTML page."),
    "schema": ("esm_emulator.cli.schema", "Print the JSON Schema of a configuration or a scenario."),
}


class _Shell(click.Group):
    """The group of all commands: lazy, with hints for mistyped names and with our way of telling errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported now; ``None`` when there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        taken = {name for parameter in command.params for name in parameter.opts}
        command.params += [option for option in shared_options(of_a_command=True) if taken.isdisjoint(option.opts)]
        name_variables(cmd_name, command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands in ``--help``, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a hint for a name that is nearly right."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(COMMANDS)}."
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it, but for a reader of the output that goes away, which click counts as a failure."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            leave_the_pipe()
            ctx.exit(READER_GONE)
        return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program and exit with its code."""
        arguments = sys.argv[1:] if args is None else list(args)
        settings = extra.setdefault("obj", Settings())

        def play() -> Any:
            return super(_Shell, self).main(
                arguments, prog_name, complete_var, False, windows_expand_args=windows_expand_args, **extra
            )

        if not standalone_mode:
            return play()
        prepare()
        sys.exit(ended(play, settings, arguments))


@click.group(
    "esm",
    cls=_Shell,
    params=shared_options(of_a_command=False),
    context_settings={"auto_envvar_prefix": "ESM", "help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="esm-emulator")
def main() -> None:
    """Run Lambda handlers behind SQS queues as the event source mapping would.

    The options below work before and after a command's name. Every option reads an environment variable too:
    --log-format is ESM_LOG_FORMAT, --port of run is ESM_RUN_PORT.

    \b
    Example:
      esm init demo && cd demo && esm replay . && esm run esm.yaml
    """

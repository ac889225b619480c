"""What the options before a command's name decide, and those options themselves.

They work after the command's name too (``esm run -v`` is ``esm -v run``), so each callback adds to the one
:class:`Settings` of the call instead of replacing it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

import click

__all__ = ["LINES", "Settings", "name_variables", "pass_settings", "shared_options"]


@dataclass(slots=True)
class Settings:
    """``verbosity`` is 0 by default, up with each -v, down with each -q; ``log_format`` is console or json."""

    log_format: str = "console"
    verbosity: int = 0
    debug: bool = False

    def colors(self, stream: TextIO) -> bool:
        """Whether to color what goes to ``stream``: a terminal, and the user did not set ``NO_COLOR``."""
        return stream.isatty() and not os.environ.get("NO_COLOR")


pass_settings = click.make_pass_decorator(Settings, ensure=True)

_Decide = Callable[[Settings, Any], None]


class _Lines(type(click.STRING)):  # type: ignore[misc] # click hides the class of its STRING
    """A text, of which an environment variable holds one a line: JSON and sentences have spaces in them."""

    envvar_list_splitter = "\n"


LINES = _Lines()
"""The type of a repeatable option whose values may have spaces."""


def name_variables(of: str, command: click.Command) -> None:
    """Have each option of a command read the variable that is called as the option is: ``--json`` ``ESM_RUN_JSON``."""
    for option in command.params:
        if isinstance(option, click.Option) and option.allow_from_autoenv and not option.envvar:
            longest = max(option.opts, key=len).lstrip("-")
            option.envvar = f"ESM_{of}_{longest}".replace("-", "_").upper()


def _choose_format(settings: Settings, value: str | None) -> None:
    settings.log_format = value or settings.log_format


def _raise_verbosity(settings: Settings, value: int) -> None:
    settings.verbosity += value


def _lower_verbosity(settings: Settings, value: int) -> None:
    settings.verbosity -= value


def _switch_debug(settings: Settings, value: bool) -> None:
    settings.debug = settings.debug or value


def shared_options(*, of_a_command: bool) -> list[click.Option]:
    """The options that every command takes. On a command they are hidden, since the program's help has them."""

    def option(names: list[str], decide: _Decide, **rest: Any) -> click.Option:
        def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
            decide(context.ensure_object(Settings), value)

        return click.Option(
            names,
            callback=callback,
            expose_value=False,
            hidden=of_a_command,
            allow_from_autoenv=not of_a_command,
            **rest,
        )

    return [
        option(
            ["--log-format"],
            _choose_format,
            type=click.Choice(["console", "json"]),
            help="How the log on standard error reads.  [default: console]",
        ),
        option(["-v", "--verbose"], _raise_verbosity, count=True, help="Log every receive, batch and delete too."),
        option(["-q", "--quiet"], _lower_verbosity, count=True, help="Log warnings and errors; twice: errors only."),
        option(["--debug"], _switch_debug, is_flag=True, help="Show the traceback of an error."),
    ]

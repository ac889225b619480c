"""How a command ends when something goes wrong: text on standard error, an exit code, no traceback.

A traceback is shown with ``--debug`` only. The exit codes are those of :mod:`esm_emulator.errors`, and

    2    bad usage, as click finds it; or there was no room for what was to be written
    70   an exception that nobody foresaw: a fault of ours
    130  interrupted
    141  whoever read the output went away (``esm … | head``)
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence

import click

from esm_emulator.cli.settings import Settings
from esm_emulator.errors import ConfigError, EsmError, RefusedByAws, UsageError

__all__ = ["READER_GONE", "ended", "leave_the_pipe"]

INTERRUPTED = 130
READER_GONE = 141
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def ended(play: Callable[[], object], settings: Settings, arguments: Sequence[str]) -> int:
    """Run a command and give its exit code; what it raises is told on standard error.

    A command's own exit code is the whole number that it returns; anything else it returns counts as 0.
    """
    try:
        result = play()
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except EsmError as error:
        return _tell(error, settings)
    except OSError as error:
        return _no_room(error) if error.errno in _NO_ROOM else _own_up(error, settings, arguments)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, it is told
        return _own_up(error, settings, arguments)
    return result if isinstance(result, int) else 0


def _tell(error: EsmError, settings: Settings) -> int:
    if settings.debug:
        traceback.print_exception(error)
    if type(error) is EsmError:
        return _blame_ourselves(str(error), settings, [])
    click.echo(_text(error), err=True)
    return error.exit_code


def _no_room(error: OSError) -> int:
    """Something could not be written to the end, most likely the results; what was not written is let go."""
    leave_the_pipe()
    click.echo(f"Error: not everything could be written: {error.strerror}; make room, or write elsewhere", err=True)
    return UsageError.exit_code


def _text(error: EsmError) -> str:
    if isinstance(error, ConfigError | RefusedByAws):
        number = len(error.problems)
        what = "AWS would refuse this" if isinstance(error, RefusedByAws) else "this does not load"
        return f"{error}\nError: {what}: {number} problem{'s' * (number != 1)}."
    return f"Error: {error}"


def _own_up(error: Exception, settings: Settings, arguments: Sequence[str]) -> int:
    if settings.debug:
        traceback.print_exception(error)
    return _blame_ourselves(f"{type(error).__name__}: {error}", settings, arguments)


def _blame_ourselves(what: str, settings: Settings, arguments: Sequence[str]) -> int:
    click.echo(f"Error: {what}", err=True)
    click.echo("This is a fault of esm-emulator, not of your handler or your configuration.", err=True)
    if settings.debug:
        click.echo("Please report it with the traceback above.", err=True)
    else:
        again = shlex.join(["esm", "--debug", *arguments])
        click.echo(f"Please report it with the traceback that this prints:\n  {again}", err=True)
    return EsmError.exit_code


def leave_the_pipe() -> None:
    """Let go of standard output, which takes nothing any more.

    The interpreter flushes it as it ends; without this it would complain about the pipe once more.
    """
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)

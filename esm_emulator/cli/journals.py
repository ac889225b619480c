"""A saved journal, as the commands that take one read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from esm_emulator.cli.streams import read_stdin
from esm_emulator.errors import UsageError

if TYPE_CHECKING:
    from esm_emulator.journal import Fact

__all__ = ["read_journal"]

_HINT = "name what esm run --event-log or esm replay --journal wrote"


def read_journal(path: Path) -> list[Fact]:
    """The facts of a file, or of standard input for ``-``; at least one. Raises ``UsageError``."""
    from esm_emulator.journal import read_lines  # noqa: PLC0415 - not for esm --help

    try:
        facts = list(read_lines(_text(path).split("\n")))
    except ValueError as error:
        raise UsageError(f"{path} is not a journal: {error}; {_HINT}") from None
    if not facts:
        raise UsageError(f"{path} is empty: there is no fact in it; {_HINT}")
    return facts


def _text(path: Path) -> str:
    try:
        return read_stdin() if str(path) == "-" else path.read_text(encoding="utf-8", errors="surrogatepass")
    except FileNotFoundError:
        raise UsageError(f"there is no journal {path}; {_HINT}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; name one of the journals in it") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}; {_HINT}") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None

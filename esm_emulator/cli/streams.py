"""The three standard streams, made such that every command can rely on them.

One that was closed (``esm … >&-``) is as good as ``/dev/null``; it has to be there, or the next file that is opened
would take its number. What goes to a file or a pipe is UTF-8, as JSON and HTML have to be, whatever the locale says; on
a terminal the locale holds, and a character that it cannot show is escaped instead of ending the command.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TextIO

__all__ = ["prepare", "read_stdin"]


def prepare() -> None:
    """Make ``sys.stdin``, ``sys.stdout`` and ``sys.stderr`` usable."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 # for as long as we live
    for stream in (sys.stdout, sys.stderr):
        _make_safe(stream)


def _make_safe(stream: TextIO) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def read_stdin() -> str:
    """All of standard input as UTF-8, with or without a byte order mark. Raises ``UnicodeDecodeError``."""
    buffer = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read() if buffer is None else buffer.read().decode("utf-8-sig")

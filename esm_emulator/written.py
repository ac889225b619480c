"""Files and folders that a user asked for, and the plain word when they cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esm_emulator.errors import UsageError

__all__ = ["make_folder", "write"]


def write(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8. Raises ``UsageError`` when it cannot be written."""
    with _told(path):
        path.write_text(text, encoding="utf-8")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there. Raises ``UsageError`` when it cannot be made."""
    with _told(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None

"""Files and folders that a user asked for, and the plain word when they cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esm_emulator.errors import UsageError

__all__ = ["make_folder", "make_writable", "write"]


def write(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8. Raises ``UsageError`` when it cannot be written."""
    with _told(path):
        path.write_text(text, encoding="utf-8")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there. Raises ``UsageError`` when it cannot be made."""
    with _told(path):
        path.mkdir(parents=True, exist_ok=True)


def make_writable(path: Path) -> None:
    """Make the folder of a file that is written much later, and see whether it can be. Raises ``UsageError`` now."""
    make_folder(path.parent)
    with _told(path):
        new = not path.exists()
        path.open("a").close()
        if new:
            path.unlink()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}; name another place") from None

"""A changed file: running invocations finish with the old code, then environments are replaced; queues keep everything.

Watched are files that code is made of, by their endings: a log or a database that the handler writes beside its code
must not set off the next round.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from pathlib import Path

from esm_emulator.errors import MissingExtra

__all__ = ["CODE", "changes", "need_watchfiles"]

_PYTHON = (".py", ".pyx", ".pyd", ".so")
_OTHER_LANGUAGES = (".js", ".mjs", ".cjs", "/bootstrap")
CODE = (*_PYTHON, *_OTHER_LANGUAGES, ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".env", ".sql")


def need_watchfiles() -> None:
    """Raises ``MissingExtra`` when the package that watches files is not installed."""
    try:
        import watchfiles  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise MissingExtra(
            "--reload needs the package watchfiles; install it with: pip install 'esm-emulator[reload]'"
        ) from None


async def changes(folders: Iterable[Path], but: Collection[Path]) -> AsyncIterator[set[Path]]:
    """The code files under ``folders`` that changed, again and again, each time after a moment of quiet.

    ``but`` are files that the emulator itself writes.
    """
    from watchfiles import Change, DefaultFilter, awatch  # noqa: PLC0415 - an extra, and only for --reload

    written = {path.resolve() for path in but}

    class Code(DefaultFilter):
        def __call__(self, change: Change, path: str) -> bool:
            return path.endswith(CODE) and Path(path).resolve() not in written and super().__call__(change, path)

    async for found in awatch(*folders, watch_filter=Code(), step=50, debounce=400, rust_timeout=1_000):
        yield {Path(path) for _, path in found}

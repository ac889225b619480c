"""Importing handlers into this process, so that no function meets another's modules.

Two functions may each have an ``app.py`` of their own, and this process may have imported a third. The rules:

- A function's folder is first on the import path while the function lives.
- A module that is already there from the same folder is used as it is: what a test has imported, and patches, is what
  the handler is.
- A name that the folder has too, and that was imported from elsewhere, is put aside while the handler's module is
  imported, and put back afterwards. The function keeps its own modules, only not under their names in ``sys.modules``.
  (Not for the standard library and for installed packages: those are everybody's.)
- When the last function of a folder ends, what was imported for it is forgotten, so the next run begins as new
  environments do.

What this cannot do: an ``import`` that runs only inside the handler finds the module that has the name by then.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["Code"]

_EVERYBODYS = ("site-packages", "dist-packages")
_one_at_a_time = threading.RLock()


class Code:
    """The code in one folder, imported into this process; :meth:`of` gives the same one for the same folder."""

    _all: dict[str, Code] = {}  # noqa: RUF012 - there is one import system, so one table of who uses it

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._users = 0
        self._aside: dict[str, ModuleType] = {}  # ours, whose names belong to others
        self._added_to_path = False
        self._were_there = set(self._ours())

    @classmethod
    def of(cls, folder: str) -> Code:
        """The code of a folder, for one more user; each says :meth:`close` in the end."""
        path = str(Path(folder).resolve())
        with _one_at_a_time:
            code = cls._all.setdefault(path, cls(path))
            code._users += 1  # noqa: SLF001 - its own class
            return code

    def load(self, name: str) -> ModuleType:
        """The module of that dotted name, imported when it was not yet. Raises what its import raises."""
        with _one_at_a_time, self._in_front(), _no_bytecode():
            importlib.invalidate_caches()
            return importlib.import_module(name)

    def forget(self) -> None:
        """Have everything that was imported from the folder imported anew when it is next asked for."""
        with _one_at_a_time:
            for name in self._ours():
                if name not in self._were_there:
                    del sys.modules[name]
            self._aside.clear()

    def close(self) -> None:
        """One user less; after the last nothing is left of it."""
        with _one_at_a_time:
            self._users -= 1
            if self._users:
                return
            self.forget()
            if self._added_to_path and self._folder in sys.path:
                sys.path.remove(self._folder)
            del self._all[self._folder]

    @contextmanager
    def _in_front(self) -> Iterator[None]:
        """While inside, the folder is first on the path and its names are its own."""
        self._put_first_on_path()
        names = self._names()
        others = {name: module for name, module in list(sys.modules.items()) if self._is_anothers(name, names)}
        for name in others:
            del sys.modules[name]
        sys.modules.update(self._aside)
        try:
            yield
        finally:
            taken = {_top(name) for name in others}
            for name in [name for name in sys.modules if _top(name) in taken]:
                self._aside[name] = sys.modules.pop(name)
            sys.modules.update(others)

    def _put_first_on_path(self) -> None:
        if sys.path[:1] != [self._folder]:
            if self._added_to_path and self._folder in sys.path:
                sys.path.remove(self._folder)
            sys.path.insert(0, self._folder)
            self._added_to_path = True

    def _ours(self) -> list[str]:
        """The names of the modules that are there from the folder."""
        names = self._names()
        ours = {top for top in names if _home(sys.modules.get(top)) == self._folder}
        return [name for name in list(sys.modules) if _top(name) in ours]

    def _names(self) -> set[str]:
        """The names of the modules and packages that the folder has."""
        try:
            entries = list(Path(self._folder).iterdir())
        except OSError:
            return set()
        return {name for entry in entries if (name := entry.name.partition(".")[0]).isidentifier()}

    def _is_anothers(self, name: str, names: set[str]) -> bool:
        top = _top(name)
        if top not in names or top in sys.stdlib_module_names or top == "__main__":
            return False
        home = _home(sys.modules.get(top))
        return home not in (None, self._folder) and not any(part in _EVERYBODYS for part in Path(home or "").parts)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _home(module: ModuleType | None) -> str | None:
    """The folder in which a module or package lies."""
    path = next(iter(getattr(module, "__path__", None) or ()), None) or getattr(module, "__file__", None)
    return str(Path(path).parent.resolve()) if path else None


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """The code's folder is left as it is; in Lambda it is read-only."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before

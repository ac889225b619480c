"""The embedded AWS, put in place the moment somebody in this process imports boto3, and not before.

Loading moto takes a quarter of a second, and most handlers under test never call AWS. A handler that does must never
reach the real one, wherever it imports boto3: so the import itself is what puts the embedded AWS in place, before the
first client can be made.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

__all__ = ["on_demand"]

CLIENTS = ("botocore", "boto3")


@contextmanager
def on_demand(patched: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """While open, enter ``patched()`` once a client library is imported: at once if one already is."""
    with ExitStack() as stack:

        def begin() -> None:
            stack.enter_context(patched())

        if any(name in sys.modules for name in CLIENTS):
            begin()
            yield
            return
        watcher = _Watcher(begin)
        sys.meta_path.insert(0, watcher)
        try:
            yield
        finally:
            watcher.forget()


class _Watcher(MetaPathFinder, Loader):
    """Sees the first import of a client library; then the embedded AWS, which loads it itself, comes first."""

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin

    def forget(self) -> None:
        """Watch no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Ours to load when it is a client library, else nothing."""
        return spec_from_loader(fullname, self) if fullname in CLIENTS else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The library's real module, loaded after the embedded AWS is in place."""
        self.forget()
        self._begin()
        module = importlib.import_module(spec.name)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run; give it back what the import system wrote over."""
        module.__spec__ = self._own_spec

"""Garbage collection while a great many objects are made that stay: facts, and what their readers make of them.

The collector looks through all that is new after each 700 objects, and through everything every so often. Where nearly
all of it stays, that is a third of the time and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collected_rarely"]

_OURS = (2_000_000, 5, 100)  # a few hundred megabytes of what we make
_USERS = (50_000, 50, 1_000)  # a user's code may make garbage of any size


@contextmanager
def collected_rarely(*, users_code: bool = False) -> Iterator[None]:
    """Look for garbage seldom meanwhile, in the whole process; less seldom where a user's code runs. May be nested."""
    before = gc.get_threshold()
    gc.set_threshold(*(_USERS if users_code else _OURS))
    try:
        yield
    finally:
        gc.set_threshold(*before)

"""Garbage collection while a great many objects are made that stay: facts, and what their readers make of them.

The collector looks through all that is new after each 700 objects, and through everything every so often. Where nearly
all of it stays, that is half of the time and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collected_rarely"]

_THRESHOLDS = (50_000, 50, 1_000)


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Look for garbage seldom meanwhile, in the whole process; may be nested."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)

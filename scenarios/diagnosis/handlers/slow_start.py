"""A handler whose module takes eight seconds to load."""

from __future__ import annotations

import time
from typing import Any

time.sleep(8)


def handler(_event: dict[str, Any], _context: Any) -> None:
    """Work for 24 seconds."""
    time.sleep(24)

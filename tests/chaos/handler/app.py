"""A handler that writes what it begins and what it has done to the file LOG, and takes HOLD_MS milliseconds."""

from __future__ import annotations

import os
import time
from typing import Any

__all__ = ["handler"]


def handler(event: dict[str, Any], _: object) -> None:
    """Lines ``NAME begun BODY`` and ``NAME done BODY``, a batch in one system call: a kill leaves whole lines."""
    bodies = [record["body"] for record in event["Records"]]
    log = os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND)
    try:
        _write(log, "begun", bodies)
        time.sleep(int(os.environ["HOLD_MS"]) / 1000)
        _write(log, "done", bodies)
    finally:
        os.close(log)


def _write(log: int, what: str, bodies: list[str]) -> None:
    os.write(log, "".join(f"{os.environ['NAME']} {what} {body}\n" for body in bodies).encode())

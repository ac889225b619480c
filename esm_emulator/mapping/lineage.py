"""Recursion: how often one chain of messages has come through a function (FAIL-16).

Supported SDKs copy a function's trace header onto the messages that it sends; its ``Lineage`` part counts, for each
function of the chain, how often the chain came through: ``Root=1-…;Lineage=a87bd80c:3|68fd508a:1``. Pure text work.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256

__all__ = ["depth", "function_key", "next_header"]


@cache
def function_key(function_arn: str) -> str:
    """Eight hexadecimal digits that stand for a function in a lineage, whatever the qualifier of its ARN."""
    unqualified = ":".join(function_arn.split(":")[:7])
    return sha256(unqualified.encode()).hexdigest()[:8]


def depth(headers: Iterable[str | None], key: str) -> int:
    """The largest count for the function among the trace headers of a batch's messages."""
    return max((_lineage(header).get(key, 0) for header in headers), default=0)


def next_header(headers: Iterable[str | None], key: str, root: str, parent: str) -> str:
    """The trace header of an invocation: the lineage of its messages with this function counted once more.

    ``root`` and ``parent`` are used for a chain that begins here; one that goes on keeps its own root.
    """
    merged: dict[str, int] = {}
    for header in headers:
        if header and not merged:
            root = _parts(header).get("Root", root)
        for name, count in _lineage(header).items():
            merged[name] = max(count, merged.get(name, 0))
    merged[key] = merged.get(key, 0) + 1
    lineage = "|".join(f"{name}:{count}" for name, count in merged.items())
    return f"Root={root};Parent={parent};Sampled=0;Lineage={lineage}"


def _parts(header: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in header.split(";") if "=" in part)


def _lineage(header: str | None) -> dict[str, int]:
    if not header:
        return {}
    pairs = (item.rsplit(":", 1) for item in _parts(header).get("Lineage", "").split("|"))
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}

"""Findings that somebody has seen and accepted: ``# esm: ignore ESM-W201`` on the line, or a list of codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache

from esm_emulator.check.setup import Finding
from esm_emulator.codes import full_id

__all__ = ["accepted", "codes_in"]

_COMMENT = re.compile(r"#\s*esm:\s*ignore\b[:\s]*((?:[A-Za-z0-9_-]+(?:\s*,\s*|\s+|$))*)")
_CODE = re.compile(r"(?:ESM-?)?[A-Z][0-9]{3}", re.IGNORECASE)
ALL = "all"


def codes_in(line: str) -> set[str]:
    """The codes that a line's comment accepts; ``all`` when it names none."""
    found = _COMMENT.search(line)
    if found is None:
        return set()
    return {full_id(code) for code in _CODE.findall(found[1])} or {ALL}


def accepted(
    findings: Iterable[Finding], codes: Collection[str], text_of: Callable[[str], str]
) -> Iterator[tuple[Finding, bool]]:
    """Each finding, and whether it is accepted. ``text_of`` gives a file's text."""
    lines = cache(lambda file: text_of(file).splitlines())
    for finding in findings:
        in_line: set[str] = set()
        if finding.file and finding.line:
            text = lines(finding.file)
            in_line = codes_in(text[finding.line - 1]) if finding.line <= len(text) else set()
        yield finding, finding.code in codes or finding.code in in_line or ALL in in_line

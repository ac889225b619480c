"""Findings as SARIF 2.1.0, which code scanning services and editors read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath
from typing import Any, Protocol
from urllib.parse import quote

from esm_emulator.codes import CODES

__all__ = ["Located", "sarif"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"E": "error", "W": "warning", "I": "note"}


class Located(Protocol):
    """A finding: its code, what it says, and where."""

    @property
    def code(self) -> str:
        """The code, ESM-W201."""

    @property
    def subject(self) -> str:
        """The logical id."""

    @property
    def summary(self) -> str:
        """One sentence."""

    @property
    def fix(self) -> str:
        """What to change."""

    @property
    def file(self) -> str:
        """The file's name as it was given; "" for none."""

    @property
    def line(self) -> int:
        """From 1; 0 for none."""

    @property
    def column(self) -> int:
        """From 1; 0 for none."""


def sarif(findings: Iterable[tuple[Located, bool]], version: str, *, ignored: Collection[str] = ()) -> dict[str, Any]:
    """A log of one run. Each finding comes with whether it was accepted, which SARIF calls suppressed.

    Those of the codes ``ignored`` were accepted outside of the files.
    """
    found = list(findings)
    codes = sorted({finding.code for finding, _ in found})
    driver = {
        "name": "esm-emulator",
        "version": version,
        "informationUri": "https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html",
        "rules": [_rule(code) for code in codes],
    }
    kinds = {True: "external", False: "inSource"}
    results = [
        _result(finding, codes, kinds[finding.code in ignored] if accepted else None) for finding, accepted in found
    ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _rule(id_: str) -> dict[str, Any]:
    code = CODES[id_]
    return {
        "id": id_,
        "name": id_.replace("-", ""),
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": f"{code.meaning} {code.cause}"},
        "help": {"text": f"{code.fix} {code.source}"},
        "helpUri": code.source,
        "defaultConfiguration": {"level": LEVELS[code.kind]},
    }


def _result(finding: Located, codes: Sequence[str], suppressed: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": LEVELS[CODES[finding.code].kind],
        "message": {"text": f"{finding.subject}: {finding.summary} {finding.fix}"},
    }
    if finding.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
        if finding.line:
            place["region"] = {"startLine": finding.line, "startColumn": max(1, finding.column)}
        made["locations"] = [{"physicalLocation": place}]
    if suppressed:
        made["suppressions"] = [{"kind": suppressed}]
    return made


def _uri(file: str) -> str:
    """A file's name as a URI: relative ones stay so, for whoever knows where the check ran."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())

"""Why a run went as it did: named causes, read from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from esm_emulator.journal import Fact
from esm_emulator.report.messages import Messages

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A cause that the journal proves. ``messages`` are ids, ``evidence`` the numbers of facts in the journal, from 0."""

    code: str
    subject: str
    messages: tuple[str, ...]
    summary: str
    fix: str
    source: str
    evidence: tuple[int, ...] = ()

    def to_json(self, messages: Messages) -> dict[str, Any]:
        """As it stands in a replay's JSON, messages by their labels."""
        names = [found.name if (found := messages.get(id)) else id for id in self.messages]
        return {
            "code": self.code,
            "subject": self.subject,
            "messages": names,
            "summary": self.summary,
            "fix": self.fix,
            "source": self.source,
        }


def diagnose(journal: Iterable[Fact]) -> list[Diagnosis]:
    """Every cause that the journal proves."""
    return []

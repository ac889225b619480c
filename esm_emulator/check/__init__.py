"""Rules over resources, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from esm_emulator.resources import Resources

__all__ = ["Finding", "check_resources"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A risk seen before running."""

    code: str
    subject: str
    summary: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in a replay's JSON."""
        return {"code": self.code, "subject": self.subject, "summary": self.summary}


def check_resources(resources: Resources) -> list[Finding]:
    """Every finding, by resource."""
    return []

"""What a diagnosis is, and how its sentences are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from esm_emulator.codes import CODES
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Stay
from esm_emulator.durations import show_duration
from esm_emulator.report.messages import Messages

__all__ = ["Diagnosis", "Rule", "counted", "diagnosis", "name", "names", "rounded", "unique"]

EVIDENCE = 60  # facts that one diagnosis names at most
EXAMPLES = 3  # messages that a sentence names

Rule = Callable[[Run], "Iterator[Diagnosis]"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A cause that the journal proves: ``messages`` are ids, ``evidence`` the numbers of facts, from 0."""

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


def diagnosis(
    code: str, subject: str, stays: Iterable[Stay], summary: str, evidence: Iterable[int], *, fix: str | None = None
) -> Diagnosis:
    """A diagnosis with the texts of its code; ``fix`` when the run allows a more exact one."""
    told = CODES[f"ESM-{code}"]
    messages = tuple(dict.fromkeys(stay.message for stay in stays))
    facts = tuple(sorted(set(evidence)))[:EVIDENCE]
    return Diagnosis(told.id, subject, messages, summary, fix or told.fix, told.source, facts)


def unique(stays: Iterable[Stay]) -> list[Stay]:
    """Each once, in the order in which they came."""
    return sorted(dict.fromkeys(stays), key=lambda stay: stay.order)


def name(stay: Stay) -> str:
    """A message as people call it: its label, or its id."""
    return stay.label or stay.message


def names(stays: Iterable[Stay]) -> str:
    """A few of the messages by name: ``m1, m2, m3 and 4 more``."""
    found = list(dict.fromkeys(name(stay) for stay in stays))
    if len(found) > EXAMPLES + 1:
        return f"{', '.join(found[:EXAMPLES])} and {len(found) - EXAMPLES} more"
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def counted(number: int, noun: str) -> str:
    """``1 message``, ``2 messages``."""
    plural = noun if number == 1 else f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number} {plural}"


def rounded(ms: float) -> str:
    """A duration to read: without milliseconds from a second on."""
    whole = round(ms)
    return show_duration(whole if abs(whole) < 1_000 else round(whole / 1_000) * 1_000)

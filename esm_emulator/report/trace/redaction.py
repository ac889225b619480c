"""A journal without the bodies of its messages, and without any text that could quote one."""

from __future__ import annotations

from dataclasses import replace

from esm_emulator.journal import (
    DeleteFailed,
    EnvironmentStarted,
    Fact,
    InvocationEnded,
    LogLine,
    MessageDeduplicated,
    MessageFiltered,
    MessageSent,
    ResponseJudged,
)

__all__ = ["HIDDEN", "Redaction"]

HIDDEN = "[redacted]"
_SHORTEST = 3  # characters; a shorter body is not looked for in sentences, where it would be a coincidence


class Redaction:
    """``facts`` are those of a journal, redacted; the same number of them in the same order."""

    def __init__(self, facts: list[Fact]) -> None:
        bodies = {fact.body for fact in facts if isinstance(fact, MessageSent) and fact.body}
        self._bodies = bodies
        self._sought = sorted((body for body in bodies if len(body) >= _SHORTEST), key=len, reverse=True)
        self.facts = [self._redacted(fact) for fact in facts]

    def clean(self, text: str) -> str:
        """A sentence without any body in it."""
        for body in self._sought:
            if body in text:
                text = text.replace(body, HIDDEN)
        return text

    def _redacted(self, fact: Fact) -> Fact:
        match fact:
            case MessageSent():
                return replace(fact, body="", label=self._name(fact.label), dedup=None)
            case MessageDeduplicated():
                return replace(fact, label=self._name(fact.label), dedup=HIDDEN)
            case InvocationEnded() | EnvironmentStarted():
                return replace(fact, error_message=None if fact.error_message is None else HIDDEN)
            case MessageFiltered():
                return replace(fact, reason=HIDDEN)
            case DeleteFailed():
                return replace(fact, error=HIDDEN)
            case ResponseJudged():
                return replace(fact, note=None, reported=None)
            case LogLine():
                return replace(fact, text="")
            case _:
                return fact

    def _name(self, label: str | None) -> str | None:
        return None if label in self._bodies else label

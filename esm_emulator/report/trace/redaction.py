"""A journal without the bodies of its messages, and without any text that could quote one."""

from __future__ import annotations

from collections.abc import Iterator
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
_SHORTEST = 3  # characters; a shorter text is not looked for in sentences, where it would be a coincidence
_CLIPPED = 99  # characters that a sentence quotes of a longer line
_QUOTED = ("body", "error_message", "error", "reason", "note")


class Redaction:
    """``facts`` are those of a journal, redacted; the same number of them in the same order."""

    def __init__(self, facts: list[Fact]) -> None:
        self._bodies = {fact.body for fact in facts if isinstance(fact, MessageSent) and fact.body}
        self.facts = [self._redacted(fact) for fact in facts]
        hidden = {text for pair in zip(facts, self.facts, strict=True) for text in _hidden(*pair)} | self._bodies
        parts = {part for text in hidden for part in (text, text.partition("\n")[0][:_CLIPPED])}
        self._sought = sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """A sentence without any text in it that was hidden, nor the beginning of one."""
        for part in self._sought:
            if part in text:
                text = text.replace(part, HIDDEN)
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


def _hidden(before: Fact, after: Fact) -> Iterator[str]:
    """The texts of a fact that are not in it any more."""
    if before is not after:
        for name in _QUOTED:
            text = getattr(before, name, None)
            if text and text != getattr(after, name):
                yield text

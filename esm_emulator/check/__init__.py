"""Rules over resources, before anything runs.

:func:`check_resources` is for who has resources; :func:`check` for who knows more of them. A rule is a code (whose
sentence and page stand in :mod:`esm_emulator.codes`) and a pure function; the rules stand in files by subject.
"""

from __future__ import annotations

from collections.abc import Iterable

from esm_emulator.check import batches, filters, function, permissions, redrive, responses, scaling, visibility
from esm_emulator.check.loading import UNRESOLVED, of_problems, of_refusals, of_warnings
from esm_emulator.check.setup import Finding, Hit, Rule, Setup, Traffic
from esm_emulator.check.suppression import accepted
from esm_emulator.resources import Resources

__all__ = [
    "RULES",
    "UNRESOLVED",
    "Finding",
    "Hit",
    "Rule",
    "Setup",
    "Traffic",
    "accepted",
    "check",
    "check_resources",
    "in_order",
    "of_problems",
    "of_refusals",
    "of_warnings",
]

RULES: tuple[Rule, ...] = (
    *visibility.RULES,
    *redrive.RULES,
    *batches.RULES,
    *scaling.RULES,
    *filters.RULES,
    *responses.RULES,
    *function.RULES,
    *permissions.RULES,
)
"""Every rule. What AWS refuses at creation is told by loading."""


def check_resources(resources: Resources) -> list[Finding]:
    """The risks of resources (``E`` and ``W``), in the order of their places. Advice (``I``) is left out."""
    return [finding for finding in check(Setup(resources)) if finding.kind != "I"]


def check(setup: Setup) -> list[Finding]:
    """Everything that the rules find, each once, in the order of its place."""
    return in_order(setup.findings(RULES))


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once: of several with one code at one place the first."""
    first = {
        (item.code, item.subject, item.file, item.line, item.column, item.path): item for item in [*findings][::-1]
    }
    return sorted(first.values(), key=lambda item: (item.file, item.line, item.column, item.code, item.subject))

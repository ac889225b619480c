"""What loading told, as findings: what AWS refuses, what makes no sense, and what could not be looked at.

``ids`` are the logical ids that there are, since those of a Terraform state have dots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from esm_emulator.check.setup import Finding
from esm_emulator.codes import CODES
from esm_emulator.errors import Problem

__all__ = ["UNRESOLVED", "of_problems", "of_refusals", "of_warnings"]

REFUSAL, NONSENSE = "ESM-E310", "ESM-E311"
UNKNOWN, UNRESOLVED, PASSED_OVER = "ESM-W232", "ESM-I409", "ESM-I412"

_BY_CLAUSE = {
    "API-20": "ESM-E301",
    "API-21": "ESM-E302",
    "API-22": "ESM-E302",
    "API-23": "ESM-E302",
    "API-29": "ESM-E303",
    "DLQ-5": "ESM-E304",
    "API-35": "ESM-E305",
    "API-36": "ESM-E305",
    "API-33": "ESM-E307",
    "API-34": "ESM-E307",
    "FILT-3": "ESM-E307",
}
_DEPLOYED = ("; left at its default", "is left out", "is not checked", "; taken to hold", "its resources are left out")
"""How sentences end that tell of a value which only a deployment has."""


def of_refusals(problems: Iterable[Problem], ids: Collection[str] = ()) -> Iterator[Finding]:
    """What AWS refuses, each under the code of its clause."""
    for problem in problems:
        yield _finding(_BY_CLAUSE.get(problem.clause, REFUSAL), problem, ids)


def of_problems(problems: Iterable[Problem], ids: Collection[str] = ()) -> Iterator[Finding]:
    """What keeps a file from loading."""
    for problem in problems:
        yield _finding(NONSENSE, problem, ids)


def of_warnings(problems: Iterable[Problem], ids: Collection[str] = ()) -> Iterator[Finding]:
    """What was passed over."""
    for problem in problems:
        if problem.message.endswith(_DEPLOYED):
            yield _finding(UNRESOLVED, problem, ids)
        elif problem.message.startswith("unknown key"):
            yield _finding(UNKNOWN, problem, ids)
        else:
            yield _finding(PASSED_OVER, problem, ids)


def _finding(code: str, problem: Problem, ids: Collection[str]) -> Finding:
    told = CODES[code]
    near = [id_ for id_ in ids if f"{problem.path}.".startswith(f"{id_}.")]
    subject = max(near, key=len, default=problem.path.partition(".")[0])
    return Finding(
        code, subject, problem.message, told.fix, told.source, problem.file, problem.line, problem.column, problem.path
    )

"""The table of fidelity.md: the clauses of clauses.yaml, each with a test of ours that names it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

__all__ = ["STATUS", "Clause", "clauses", "fidelity_table", "named_in", "tests_by_clause"]

ROOT = Path(__file__).parent.parent

FAMILIES = {
    "POLL": "1 Polling and scaling",
    "CONC": "1.3 Maximum and reserved concurrency",
    "PROV": "1.5 Provisioned mode",
    "BATCH": "2 Batches",
    "EVT": "3 The event",
    "FAIL": "4 Success and failure",
    "DLQ": "4.4 Dead-letter queues",
    "PBR": "5 Partial batch responses",
    "FILT": "6 Filters",
    "FIFO": "7 FIFO queues",
    "API": "8 Creating and changing a mapping",
    "MET": "9 Metrics",
    "RUN": "10 The execution environment",
    "SQS": "11 SQS itself",
}
STATUS = {"recorded": "recorded", "documented": "documented", "chosen": "chosen", "not": "not emulated"}


class Clause(NamedTuple):
    """One clause: its id, ``status`` (a key of STATUS), the keys of its sources, and what AWS does."""

    id: str
    status: str
    sources: tuple[str, ...]
    text: str

    @property
    def family(self) -> str:
        """The part of its id before the number."""
        return self.id.partition("-")[0]


def clauses() -> dict[str, Clause]:
    """Every clause by its id, in the file's order."""
    return {
        name: Clause(name, status, tuple(sources.split()), text)
        for name, (status, sources, text) in _file()["clauses"].items()
    }


def _file() -> dict[str, dict[str, list[str]]]:
    loaded: dict[str, dict[str, list[str]]] = yaml.safe_load((ROOT / "docs" / "clauses.yaml").read_text("utf-8"))
    return loaded


# --- which text names which clause

_NUMBER = r"\d+[a-z]?"
_NAMED = re.compile(
    rf"\b({'|'.join(FAMILIES)})-({_NUMBER}(?:(?: ?… ?| ?\.\.\.? ?|/|, |\u2013| and )(?:\1-)?{_NUMBER}\b)*)"
)


def named_in(text: str) -> set[str]:
    """The clauses that a text names: ``FAIL-9``, ``FAIL-9, 10``, ``FAIL-19/20``, ``POLL-9 … 13``."""
    found = set()
    for match in _NAMED.finditer(text):
        family, numbers = match[1], re.split(rf"({_NUMBER})", match[2].replace(f"{match[1]}-", ""))[1:]
        before = None
        for number, joint in zip(numbers[::2], ["", *numbers[1::2]], strict=False):
            if before is not None and joint.strip() in {"…", "..", "...", "\N{EN DASH}"}:
                found |= {f"{family}-{between}" for between in range(int(before), int(number))}
            found.add(f"{family}-{number}")
            before = number if number.isdigit() else None
    return found


class Test(NamedTuple):
    """A test of ours: its file relative to the project, and its name (empty: the file as a whole)."""

    file: str
    name: str


def tests_by_clause() -> dict[str, list[Test]]:
    """For each clause the tests that name it, in the order of files and lines; scenarios count as tests."""
    found: dict[str, list[Test]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.name == "test_fidelity.py":  # names clauses to test this very file
            continue
        for name, text in _pieces(path.read_text(encoding="utf-8")):
            for clause in named_in(text):
                found.setdefault(clause, []).append(Test(str(path.relative_to(ROOT)), name))
    for path in sorted((ROOT / "scenarios").rglob("*.esm.yaml")):
        for clause in named_in(path.read_text(encoding="utf-8")):
            found.setdefault(clause, []).append(Test(str(path.relative_to(ROOT)), ""))
    return {clause: sorted(tests, key=lambda test: not test.name) for clause, tests in found.items()}


def _pieces(source: str) -> Iterator[tuple[str, str]]:
    """Each test function of a file with its text; what stands outside of them under the empty name."""
    lines = source.splitlines()
    outside = set(range(len(lines)))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            inside = range(first, node.end_lineno or first)
            outside -= set(inside)
            yield node.name, "\n".join(lines[number] for number in inside)
    yield "", "\n".join(lines[number] for number in sorted(outside))


# --- the table


def fidelity_table() -> str:
    """A table for each family of clauses, and at the end the addresses of the sources, which Markdown does not show."""
    tests = tests_by_clause()
    every = clauses()
    parts = [_summary(every.values())]
    for family, title in FAMILIES.items():
        rows = [_row(clause, tests.get(clause.id, [])) for clause in every.values() if clause.family == family]
        parts.append(f"## {title}\n\n| clause | what AWS does | source | here | test |\n|---|---|---|---|---|")
        parts.append("\n".join(rows) + "\n")
    parts.append("\n".join(f"[{key}]: {address}" for key, address in _file()["sources"].items()) + "\n")
    return "\n".join(parts)


def _summary(every: Iterable[Clause]) -> str:
    counts = dict.fromkeys(STATUS, 0)
    for clause in every:
        counts[clause.status] += 1
    return f"{', '.join(f'{count} {STATUS[status]}' for status, count in counts.items())}.\n"


def _row(clause: Clause, tests: list[Test]) -> str:
    sources = ", ".join(f"[{key}]" for key in clause.sources)
    text = clause.text.replace("|", "\\|")
    return f"| {clause.id} | {text} | {sources} | {STATUS[clause.status]} | {_tests(tests)} |"


def _tests(tests: list[Test]) -> str:
    if not tests:
        return ""
    file, name = tests[0]
    link = f"[{file.removeprefix('tests/')}](../{file})"
    more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
    return f"{link} `{name}`{more}" if name else f"{link}{more}"

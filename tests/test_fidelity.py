"""docs/fidelity.md: every clause that code or tests name has a row, and every test that a row names is there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIDELITY = runpy.run_path(str(ROOT / "docs" / "_fidelity.py"))
CLAUSES = FIDELITY["clauses"]()
PAGE = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
ROWS = {
    row[0]: row for row in re.findall(r"^\| ([A-Z]+-\d+[a-z]?) \| (.*) \| (.*) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nothing", set()),
        ("as FAIL-9 says", {"FAIL-9"}),
        ("(FAIL-9, 10)", {"FAIL-9", "FAIL-10"}),
        ("FAIL-19/20", {"FAIL-19", "FAIL-20"}),
        ("POLL-9 … 12", {"POLL-9", "POLL-10", "POLL-11", "POLL-12"}),
        ("POLL-10, POLL-12", {"POLL-10", "POLL-12"}),
        ("RUN-5a/6", {"RUN-5a", "RUN-6"}),
        ("POLL-1 and 2", {"POLL-1", "POLL-2"}),
        ("PBR-10 … PBR-12", {"PBR-10", "PBR-11", "PBR-12"}),
        ("FIFO-7: 3 messages", {"FIFO-7"}),
    ],
)
def test_clauses_are_found_in_prose(text: str, named: set[str]) -> None:
    assert FIDELITY["named_in"](text) == named


def test_every_clause_has_a_row_and_every_row_a_clause() -> None:
    assert list(ROWS) == [name for family in FIDELITY["FAMILIES"] for name in CLAUSES if name.startswith(f"{family}-")]


def test_a_row_says_what_clauses_yaml_says() -> None:
    for name, status, sources, text in CLAUSES.values():
        said = (text, ", ".join(f"[{key}]" for key in sources), FIDELITY["STATUS"][status])
        assert ROWS[name][1:4] == said, "run: make docs"
        assert all(f"\n[{key}]: https://" in PAGE for key in sources)
        assert sources or status in {"chosen", "not"}, name


@pytest.mark.parametrize("folder", ["esm_emulator", "tests", "scenarios", "docs"])
def test_every_clause_that_is_named_anywhere_has_a_row(folder: str) -> None:
    here = Path(__file__)
    for path in (ROOT / folder).rglob("*"):
        if path.suffix in {".py", ".yaml", ".md"} and path != here:
            unknown = FIDELITY["named_in"](path.read_text(encoding="utf-8")) - set(CLAUSES)
            assert not unknown, path


def test_the_test_that_a_row_names_exists_and_names_the_clause() -> None:
    tests = FIDELITY["tests_by_clause"]()
    for name, *_, cell in ROWS.values():
        if cell:
            link = re.match(r"\[.*\]\(\.\./(.*)\)(?: `(\w+)`)?", cell)
            assert link, cell
            assert (link[1], link[2] or "") in tests.get(name, []), f"{name}; run: make docs"


def test_what_is_emulated_is_tested() -> None:
    untested = [name for name, _, _, status, cell in ROWS.values() if status != "not emulated" and not cell]
    assert not untested

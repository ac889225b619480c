"""The registry of codes, its pages, and the law that they are the same."""

from __future__ import annotations

import runpy
from pathlib import Path
from urllib.parse import urlparse

import pytest

from esm_emulator.codes import CODES, KINDS, Code, code, full_id, near
from esm_emulator.codes.page import page, text

ROOT = Path(__file__).parent.parent.parent
FIXED = {
    "ESM-E301": "DOC-1",
    "ESM-E302": "DOC-18",
    "ESM-W201": "DOC-2",
    "ESM-W205": "DOC-20",
}
BY_ID = pytest.mark.parametrize("found", CODES.values(), ids=lambda found: found.id)


@BY_ID
def test_a_code_has_all_its_texts(found: Code) -> None:
    """Texts are sentences, the title is not one, and the source is AWS's own page."""
    assert found.kind in KINDS
    assert all(said.endswith((".", ".com/")) for said in (found.meaning, found.cause, found.fix))
    assert not found.title.endswith(".")
    address = urlparse(found.source)
    assert address.scheme == "https"
    assert address.netloc in {"docs.aws.amazon.com", "aws.amazon.com"}


@BY_ID
def test_the_number_says_the_kind(found: Code) -> None:
    """D1xx, W2xx, E3xx, I4xx."""
    assert found.id[5] == {"D": "1", "W": "2", "E": "3", "I": "4"}[found.kind]
    assert len(found.id) == len("ESM-D101")


def test_every_rule_of_the_contract_is_some_codes() -> None:
    """DOC-1 … 47, each in exactly one place of the registry, but DOC-1, which is a refusal and its drift."""
    rules = [clause for found in CODES.values() for clause in found.clauses if clause.startswith("DOC-")]
    assert sorted(set(rules), key=lambda rule: int(rule[4:])) == [f"DOC-{number}" for number in range(1, 48)]
    assert sorted(rule for rule in set(rules) if rules.count(rule) > 1) == ["DOC-1"]


@pytest.mark.parametrize(("id", "rule"), FIXED.items())
def test_fixed_ids_stay(id: str, rule: str) -> None:
    """Ids that people know do not move."""
    assert rule in CODES[id].clauses


@pytest.mark.parametrize("written", ["ESM-D101", "esm-d101", "D101", "d101", " d101 ", "ESM_D101", "ESMD101"])
def test_an_id_may_be_written_in_short(written: str) -> None:
    """The prefix and the case do not matter."""
    assert code(written).id == "ESM-D101"
    assert full_id(written) == "ESM-D101"


def test_near_codes_share_the_number_or_most_of_the_text() -> None:
    """A wrong letter, or a wrong digit."""
    assert near("E201")[0] == "ESM-W201"
    assert "ESM-D110" in near("D11")
    assert near("nonsense") == []


def test_a_page_shows_the_scenario_in_full() -> None:
    """What stands in the page is what one can play."""
    found = CODES["ESM-D110"]
    shown = page(found, "version: 1\nname: x\n")
    assert "```yaml\nversion: 1\nname: x\n```" in shown
    assert f"esm replay scenarios/{found.scenario}" in shown


def test_the_text_fits_a_terminal() -> None:
    """Lines of a hundred characters at most, but for addresses."""
    lines = [line for found in CODES.values() for line in text(found) if not line.startswith("AWS: ")]
    assert max(map(len, lines)) <= 100


def test_the_pages_are_what_the_registry_says() -> None:
    """docs/codes/ is generated; run: make docs."""
    pages = runpy.run_path(str(ROOT / "docs" / "_codes.py"))["code_pages"]()
    there = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "codes").iterdir()}
    assert there == pages

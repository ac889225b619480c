"""The pages: generated parts are up to date, and links lead somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from esm_emulator.cli import main

ROOT = Path(__file__).parent.parent
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]


# fidelity.md names tests, which come and go; test_fidelity.py looks at what matters of it
@pytest.mark.parametrize("name", sorted(set(GENERATE["GENERATED"]) - {"fidelity.md"}))
def test_a_generated_part_is_what_the_code_says(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert text == GENERATE["page_with"](text, GENERATE["GENERATED"][name]), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_one_title_and_it_comes_first(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert prose.startswith("# ")
    assert len(re.findall(r"^# ", prose, re.MULTILINE)) == 1


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file) if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_the_readme_leads_to_the_entry_page_and_that_to_every_other() -> None:
    assert "](docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    entry = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert not [
        page for page in (ROOT / "docs").glob("*.md") if page.name != "README.md" and f"]({page.name})" not in entry
    ]
    assert "](codes/README.md)" in entry


def yaml_blocks(page: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


# the pages of codes have files beside their scenarios, and tests of their own
SCENARIOS = [
    block
    for page in PAGES
    if page.parent.name != "codes"
    for block in yaml_blocks(page)
    if block.startswith("version: 1\n")
]


@pytest.mark.parametrize("text", SCENARIOS, ids=lambda text: re.findall("^name: (.*)", text, re.MULTILINE)[0])
def test_a_scenario_on_a_page_does_what_the_page_says(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.esm.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["replay", str(tmp_path)])
    assert result.exit_code == 0, result.output


def test_the_configuration_that_is_shown_is_the_examples() -> None:
    (shown,) = (text for text in yaml_blocks(ROOT / "docs" / "configuration.md") if text.startswith("resources:"))
    real = (ROOT / "examples" / "orders" / "esm.yaml").read_text(encoding="utf-8")
    assert shown == re.sub(r" *#.*", "", real).lstrip("\n")


def without_what_differs(text: str) -> str:
    return re.sub(r"real [0-9.]+s", "real", text)


def test_the_failing_scenario_in_the_readme_fails_like_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = (text for text in SCENARIOS if "name: one-in-ten" in text)
    expecting_too_little = text.replace("OrdersDlq: {messages: 10}", "OrdersDlq: {messages: 1}")
    (tmp_path / "one-in-ten.esm.yaml").write_text(expecting_too_little, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["replay", "one-in-ten.esm.yaml"])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^\$ esm replay one-in-ten.esm.yaml\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert result.exit_code == 1
    assert without_what_differs(result.output).startswith(without_what_differs(shown)), "its output changed"

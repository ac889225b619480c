"""What a page says shows its code does show it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from esm_emulator.cli import main
from esm_emulator.codes import CODES
from esm_emulator.codes.examples import EXAMPLES, NOTHING_SHOWS, Example
from esm_emulator.codes.page import page, text


@pytest.mark.parametrize(("code", "example"), EXAMPLES.items(), ids=EXAMPLES)
def test_the_example_of_a_page_shows_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, example: Example
) -> None:
    """The files as they stand on the page, and the command below them."""
    monkeypatch.chdir(tmp_path)
    for name, said in example.files:
        Path(name).write_text(said, encoding="utf-8")
    _, *arguments = shlex.split(example.command)
    result = CliRunner().invoke(main, [*arguments, "--format", "json"])
    assert code in [item["code"] for item in json.loads(result.stdout)["findings"]]


@pytest.mark.parametrize("code", EXAMPLES)
def test_a_page_has_the_files_and_the_command(code: str) -> None:
    """Whoever copies them sees the same."""
    shown = page(CODES[code])
    assert all(said in shown for _, said in EXAMPLES[code].files)
    assert f"$ {EXAMPLES[code].command}" in shown


def test_the_terminal_shows_the_same() -> None:
    """``esm explain`` has the files and the command too."""
    lines = list(text(CODES["ESM-W215"]))
    assert "  app.py" in lines
    assert any(line.strip() == "def handler(event, context):" for line in lines)
    assert lines[-1] == "  $ esm check esm.yaml"


def test_every_code_shows_the_least_that_leads_to_it() -> None:
    """A scenario for what is found in a run, files for what is checked before, or why there are none."""
    shown = {found.id for found in CODES.values() if found.scenario} | set(EXAMPLES) | set(NOTHING_SHOWS)
    assert shown == set(CODES)
    assert NOTHING_SHOWS["ESM-W230"] in page(CODES["ESM-W230"])

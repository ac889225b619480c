"""``esm trace``."""

from __future__ import annotations

import json

import click
import pytest

from esm_emulator.cli.trace import command
from esm_emulator.errors import UsageError
from esm_emulator.journal import line
from tests.cli.esm_command import invoke
from tests.report.history import History

LINES = "".join(f"{line(fact)}\n" for fact in History().sent(0, "a", body="s3cr3t").deleted(100, "a"))


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text(LINES, encoding="utf-8")
    return path


def run(*arguments, text=None):
    return invoke(command, [str(argument) for argument in arguments], text)


def test_the_page_is_written_beside_the_journal(journal):
    result = run(journal)
    assert result.exit_code == 0
    assert result.output == f"Wrote {journal.with_suffix('.html')}\n"
    assert "s3cr3t" in journal.with_suffix(".html").read_text(encoding="utf-8")


def test_it_is_written_where_one_says(journal, tmp_path):
    run(journal, "-o", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_it_can_be_standard_output(journal):
    assert run(journal, "-o", "-").output.startswith("<!doctype html>")


def test_a_journal_can_come_from_standard_input():
    assert run("-", text=LINES).output.startswith("<!doctype html>")


def test_redacted_has_no_bodies(journal):
    assert "s3cr3t" not in run(journal, "--redact", "-o", "-").output


def test_perfetto_is_json(journal):
    run(journal, "--format", "perfetto")
    assert json.loads(journal.with_suffix(".trace.json").read_text(encoding="utf-8"))["traceEvents"]


def test_mermaid_is_printed(journal):
    assert run(journal, "--format", "mermaid").output.startswith("sequenceDiagram\n")


def test_open_shows_the_page(journal, monkeypatch):
    opened = []
    monkeypatch.setattr(click, "launch", opened.append)
    run(journal, "--open")
    assert opened == [journal.with_suffix(".html").resolve().as_uri()]


def test_a_place_that_cannot_be_written_is_named(journal, tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        run(journal, "-o", tmp_path / "missing" / "page.html")


def test_the_journal_itself_is_not_written_over(journal):
    before = journal.read_bytes()
    with pytest.raises(UsageError, match="is the journal itself"):
        run(journal, "-o", journal)
    assert journal.read_bytes() == before


def test_open_needs_a_page(journal):
    with pytest.raises(UsageError, match="--open shows a page"):
        run(journal, "--open", "--format", "mermaid")
    with pytest.raises(UsageError, match="--open needs a file"):
        run(journal, "--open", "-o", "-")

"""``esm run --trace``."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from tests.cli.esm_command import esm, running

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("def good(event, context):\n    return None\n")
    (tmp_path / "messages.jsonl").write_text('"s3cr3t"\n')
    return tmp_path


def run(folder: Path, *more: str):
    return esm(folder, "run", "--handler", "app.good", "--send", "messages.jsonl", "--until-idle", *more)


def test_the_run_is_written_as_a_page(folder: Path) -> None:
    done = run(folder, "--trace", "run.html")
    assert done.returncode == 0, done.stderr
    assert "Trace: run.html" in done.stderr
    assert "s3cr3t" in (folder / "run.html").read_text(encoding="utf-8")


def test_redacted_it_has_no_bodies(folder: Path) -> None:
    run(folder, "--trace", "run.html", "--redact")
    assert "s3cr3t" not in (folder / "run.html").read_text(encoding="utf-8")


def test_the_folder_of_the_page_is_made(folder: Path) -> None:
    assert run(folder, "--trace", "pages/run.html").returncode == 0
    assert (folder / "pages" / "run.html").is_file()


def test_a_page_that_could_not_be_written_is_told_before_anything_runs(folder: Path) -> None:
    done = run(folder, "--trace", "app.py/run.html")
    assert done.returncode == 2
    assert "Error: app.py cannot be written: File exists; name another place" in done.stderr
    assert "Polling" not in done.stderr


def test_redact_without_a_trace_is_a_mistake(folder: Path) -> None:
    done = run(folder, "--redact")
    assert done.returncode == 2
    assert "--trace" in done.stderr


@pytest.mark.parametrize(("more", "shown"), [([], True), (["--redact"], False)])
def test_redacted_the_live_page_has_no_bodies_either(folder: Path, more: list[str], shown: bool) -> None:
    options = ["--handler", "app.good", "--send", "messages.jsonl", "--web", "0"]
    with running(folder, "run", *options, *more) as run:
        page = run.says(r"^Trace: (http://127\.0\.0\.1:\d+/)$")[1]
        run.says(r"^END RequestId")
        with urllib.request.urlopen(f"{page}data", timeout=10) as answer:
            assert ("s3cr3t" in answer.read().decode()) is shown

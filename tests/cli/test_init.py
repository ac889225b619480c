"""``esm init``: a project that passes as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from esm_emulator.cli.init import FILES
from tests.cli.esm_command import environment, esm


@pytest.mark.slow
def test_the_project_passes_as_it_stands(tmp_path: Path) -> None:
    """`esm init demo && cd demo && esm replay . && pytest` passes: two cases of a scenario and two tests."""
    made = esm(tmp_path, "init", "demo")
    assert made.returncode == 0, made.stderr
    assert {path.name for path in (tmp_path / "demo").iterdir()} == set(FILES)
    replayed = esm(tmp_path / "demo", "replay", ".")
    assert (replayed.returncode, replayed.stdout.splitlines()[-1]) == (0, "2 passed, 0 failed"), replayed.stdout
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path / "demo",
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "4 passed" in tested.stdout, tested.stdout
    assert tested.returncode == 0


@pytest.mark.slow
def test_checking_the_project_finds_nothing(tmp_path: Path) -> None:
    """The variant that shows what goes wrong without ReportBatchItemFailures accepts the warnings about it."""
    esm(tmp_path, "init")
    checked = esm(tmp_path, "check", ".")
    assert checked.returncode == 0, checked.stdout
    assert "2 accepted" in checked.stdout


@pytest.mark.slow
def test_the_project_has_no_risk_that_is_known(tmp_path: Path) -> None:
    """What the project shows is what the static checks would advise."""
    esm(tmp_path, "init")
    shown = esm(tmp_path, "replay", ".", "--json", "-k", "one-bad-order")
    assert '"warnings": []' in shown.stdout


@pytest.mark.slow
def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A file that is there already is left as it is, and so is the whole folder."""
    (tmp_path / "app.py").write_text("mine")
    refused = esm(tmp_path, "init", ".")
    assert refused.returncode == 2
    assert refused.stderr == "Error: .: app.py would be written over; name another folder, or move them away\n"
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]
    assert (tmp_path / "app.py").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way is named, and is no fault of the program."""
    (tmp_path / "file").touch()
    came = esm(tmp_path, "init", "file/demo")
    assert came.returncode == 2
    assert "cannot be written: Not a directory" in came.stderr

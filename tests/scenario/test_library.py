"""The library of scenarios: every case passes, and is the same byte for byte in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esm_emulator.scenario.file import Case, find_scenarios, load_cases
from esm_emulator.scenario.replay import Options, replay

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "scenarios"
CASES = [case for file in find_scenarios([LIBRARY]) for case in load_cases(file)]


def test_the_library_has_all_that_it_promises() -> None:
    """Nothing is left out of it by accident, and no two cases have one name."""
    names = {case.scenario for case in CASES}
    assert len({case.id for case in CASES}) == len(CASES) > 90
    assert {"one-bad-record", "slow-attempts", "tried-once", "poison-without-dlq", "throttling-trap"} <= names
    assert all(case.model.description for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_scenario_of_the_library_passes(case: Case) -> None:
    """What the scenario expects is what comes of it."""
    result = replay(case, Options())
    assert [(failure.path, failure.expected, failure.actual) for failure in result.failures] == []


def _journals(folder: Path, hash_seed: str) -> dict[str, bytes]:
    folder.mkdir()
    command = [sys.executable, "-m", "esm_emulator", "replay", "scenarios", "--journal", str(folder)]
    subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=100,
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_every_process_plays_the_same(tmp_path: Path) -> None:
    """Two processes with different hash seeds write the same journals, byte for byte."""
    first, second = _journals(tmp_path / "one", "11"), _journals(tmp_path / "two", "4711")
    assert len(first) == len(CASES)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []

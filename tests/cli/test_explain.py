"""``esm explain``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from esm_emulator.cli import main
from esm_emulator.codes import CODES


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("written", ["ESM-D101", "d101"])
def test_it_prints_what_there_is_to_know(written: str) -> None:
    """Title, meaning, cause, fix, AWS's page and the scenario."""
    result = explain(written)
    code = CODES["ESM-D101"]
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    for said in (code.title, code.meaning, code.cause, code.fix, code.source, str(code.scenario)):
        assert said in words


def test_several_codes_are_told_one_after_the_other() -> None:
    """As many as one asks for."""
    result = explain("E301", "W201")
    assert result.stdout.index("ESM-E301") < result.stdout.index("ESM-W201")


def test_without_a_code_it_lists_all() -> None:
    """The list of everything that can be said."""
    result = explain()
    assert result.exit_code == 0
    assert all(f"{code.id}  {code.title}" in result.stdout for code in CODES.values())


def test_an_unknown_code_suggests_near_ones() -> None:
    """Bad usage, exit 2, and a hint with titles."""
    result = explain("D102")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "there is no code 'D102'; did you mean ESM-" in result.stderr


def test_a_code_far_from_all_points_to_the_list() -> None:
    """No guess is better than a wild one."""
    assert "esm explain lists all codes" in explain("nonsense").stderr


def test_json_has_the_same_texts() -> None:
    """For programs."""
    (told,) = json.loads(explain("D101", "--json").stdout)
    assert told["id"] == "ESM-D101"
    assert told["fix"] == CODES["ESM-D101"].fix

"""A saved journal that cannot be read, in each command that takes one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from esm_emulator.cli import main

COMMANDS = (["trace", "-o", "-"], ["story"])
HINT = "name what esm run --event-log or esm replay --journal wrote"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no journal {path}; "),
        (b"", "{path} is empty: there is no fact in it; "),
        (b"\xff", "{path} is not a journal: it is not UTF-8 text; "),
        (b"no json\n", "{path} is not a journal: line 1 is not a fact of a journal: "),
        (b'{"at":1,"event":"unheard-of"}\n', "{path} is not a journal: line 1 is not a fact of a journal: "),
        (b"[]\n", "{path} is not a journal: line 1 is not a fact of a journal: "),
    ],
)
def test_it_is_told_in_the_same_words(tmp_path: Path, command: list[str], content: bytes | None, said: str) -> None:
    path = tmp_path / "journal.jsonl"
    if content is not None:
        path.write_bytes(content)
    message = ["m1"] if command[0] == "story" else []
    result = CliRunner().invoke(main, [*command, str(path), *message])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: " + said.format(path=path))
    assert result.stderr.endswith(f"{HINT}\n")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_folder_is_none(tmp_path: Path, command: list[str]) -> None:
    message = ["m1"] if command[0] == "story" else []
    result = CliRunner().invoke(main, [*command, str(tmp_path), *message])
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: {tmp_path} is a folder; name one of the journals in it\n",
    )

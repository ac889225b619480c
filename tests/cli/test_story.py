"""``esm story``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from esm_emulator.cli import main
from esm_emulator.journal import Journal, MessageDeleted, MessageReceived, MessageSent, RunStarted, read_lines

A, B = "aaaa1111-0000", "bbbb2222-0000"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    kept = Journal()
    kept.append(RunStarted(0, "1", "virtual", 0, "aws-2026"))
    for id, body in ((A, "hello"), (B, "hello")):
        kept.append(MessageSent(0, "Orders", id, body, 5, 0, 9_000, label=f"{body}-{id[0]}"))
    kept.append(MessageReceived(1_000, "Orders", A, 1, "r", 31_000, "Trigger/1"))
    kept.append(MessageDeleted(2_000, "Orders", A, "r", "Trigger/1"))
    path = tmp_path / "run.jsonl"
    path.write_text("".join(f"{line}\n" for line in kept.lines()), encoding="utf-8")
    return path


def story(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["story", *map(str, arguments)], input=stdin)


@pytest.mark.parametrize("asked", ["hello-a", A, "aaaa"])
def test_a_message_is_found_by_label_by_id_and_by_the_beginning_of_its_id(journal: Path, asked: str) -> None:
    """Its story is told, and no other."""
    result = story(journal, asked)
    assert result.exit_code == 0, result.output
    assert "receive 1 from Orders by Trigger/1, hidden until 31s" in result.stdout
    assert "deleted from Orders" in result.stdout
    assert "hello-b" not in result.stdout


def test_by_its_body_all_that_have_it_are_told(journal: Path) -> None:
    """Two messages of one body have two stories."""
    result = story(journal, "hello")
    assert [line.split(" ")[0] for line in result.stdout.splitlines() if not line.startswith(" ") and line] == [
        "hello-a",
        "hello-b",
    ]


def test_a_journal_comes_from_standard_input_too(journal: Path) -> None:
    """``-`` as everywhere."""
    result = story("-", "hello-a", stdin=journal.read_text(encoding="utf-8"))
    assert result.exit_code == 0, result.output
    assert "deleted from Orders" in result.stdout


def test_a_name_that_is_nearly_right_gets_a_hint(journal: Path) -> None:
    """Bad usage, exit 2."""
    result = story(journal, "helo-a")
    assert result.exit_code == 2
    assert "did you mean 'hello-a'" in result.stderr


def test_a_name_that_is_far_from_all_gets_examples(journal: Path) -> None:
    """What there is instead."""
    assert "there are 2, such as hello-a, hello-b" in story(journal, "zzzzzzzzzzzz").stderr


@pytest.mark.parametrize("content", ["no json\n", '{"event": "nonsense", "at": 1}\n', "[1]\n", "\x00\n"])
def test_what_is_no_journal_is_said_with_its_line(tmp_path: Path, content: str) -> None:
    """An error of use, not a traceback."""
    path = tmp_path / "x.jsonl"
    path.write_text(content, encoding="utf-8")
    result = story(path, "m")
    assert result.exit_code == 2
    assert "line 1" in result.stderr


def test_what_it_reads_is_what_a_replay_writes(tmp_path: Path) -> None:
    """``esm replay --journal`` and ``esm story`` fit together."""
    scenario = Path(__file__).parent.parent.parent / "scenarios" / "diagnosis" / "d120-poison.esm.yaml"
    played = CliRunner().invoke(main, ["replay", str(scenario), "--journal", str(tmp_path)])
    assert played.exit_code == 0, played.output
    result = story(tmp_path / "d120-poison.jsonl", "bad")
    assert "moved to OrdersDlq after 3 receives" in result.stdout
    assert len(list(read_lines((tmp_path / "d120-poison.jsonl").read_text(encoding="utf-8").splitlines()))) > 10

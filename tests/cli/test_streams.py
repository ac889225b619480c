"""Standard streams that are closed, full, or of another encoding than UTF-8."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from esm_emulator.cli.streams import prepare, read_stdin
from tests.cli.esm_command import ESM, environment

TEXT = '"grün → 🎉"\n'


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    file = tmp_path / "messages.jsonl"
    file.write_text(TEXT, encoding="utf-8")
    return file


def shell(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """A line of the shell, in which ``esm`` is the program."""
    return subprocess.run(
        ["/bin/sh", "-c", f'esm() {{ "{ESM}" "$@"; }}; {line}'],
        env=environment(**env),
        capture_output=True,
        timeout=60,
        check=False,
    )


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_goes_to_a_file_or_a_pipe_is_utf_8_in_any_locale(messages: Path, encoding: str) -> None:
    line = f"""esm filter --json --pattern '{{"body": [{{"exists": true}}]}}' "{messages}" """
    done = shell(line, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["messages"][0]["body"] == "grün → 🎉"


def test_a_character_that_a_terminal_does_not_have_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(out, encoding="latin-1"))
    monkeypatch.setattr(sys, "stderr", Terminal(io.BytesIO()))
    prepare()
    sys.stdout.write("grün →")
    sys.stdout.flush()
    assert out.getvalue() == "grün \\u2192".encode("latin-1")


def test_standard_input_is_utf_8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode("utf-8-sig")), encoding="latin-1"))
    assert read_stdin() == TEXT


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_a_stream_that_is_closed_is_as_good_as_none(closed: str) -> None:
    done = shell(f"esm explain D101 {closed}")
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_standard_input_has_no_messages() -> None:
    done = shell("""esm filter --pattern '{"body": ["a"]}' - <&-""")
    assert (done.returncode, done.stderr) == (2, b"Error: there is no message in -\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_a_sentence() -> None:
    done = shell("esm explain D101 >/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: not everything could be written: No space left on device;")
    assert done.stderr.count(b"\n") == 1

"""The installed program, run as a user runs it, in a folder and a process of its own; and one command of it in this."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from click import Command
from click.testing import CliRunner, Result

from esm_emulator.cli import main

ESM = Path(sys.executable).parent / "esm"
PATIENCE_S = 60


def environment(**more: str) -> dict[str, str]:
    """This process's, without anything of AWS's or of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ESM_"))}
    return kept | {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"} | more


def esm(folder: Path, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``esm …`` to its end."""
    return subprocess.run(
        [ESM, *arguments],
        cwd=folder,
        env=environment(**env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Running:
    """``esm …`` that runs; what it says on standard error is in ``said`` as far as it was waited for."""

    def __init__(self, process: subprocess.Popen[str], err: Path) -> None:
        self.process = process
        self._err = err

    @property
    def said(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def says(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until a line of standard error matches so often, and give the last match."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            found = list(re.finditer(pattern, self.said, re.MULTILINE))
            if len(found) >= times:
                return found[times - 1]
            assert self.process.poll() is None, f"it ended: {self.said}"
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} was not said in {self.said}")

    @property
    def url(self) -> str:
        """Where the embedded AWS answers."""
        return self.says(r"^  (http://127\.0\.0\.1:\d+)$")[1]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self) -> tuple[int, str]:
        """Its exit code and what it printed."""
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **env: str) -> Iterator[Running]:
    """Run ``esm …`` beside the test; it is ended with it."""
    err = folder / "stderr.out"
    with err.open("w") as stderr:
        process = subprocess.Popen(
            [ESM, *arguments], cwd=folder, env=environment(**env), stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        yield Running(process, err)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def invoke(command: Command, arguments: Sequence[str], text: str | None = None) -> Result:
    """Run one command in this process; its errors are raised.

    click keeps the help option that it makes at a command's first run, so it has to be the one that the program makes.
    """
    names = main.context_settings["help_option_names"]
    return CliRunner().invoke(command, arguments, input=text, catch_exceptions=False, help_option_names=names)

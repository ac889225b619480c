"""The program's shell: its commands, its options, and how a command ends."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner, Result

import esm_emulator
from esm_emulator import cli
from esm_emulator.cli import COMMANDS, main
from esm_emulator.cli.settings import Settings, pass_settings
from esm_emulator.errors import ConfigError, EsmError, HandlerImportError, Problem, RefusedByAws, UsageError

SHELL_MODULES = {"__init__", "errors", "logging", "settings", "streams"}

Body = Callable[[Settings, int | None], object]
Play = Callable[..., Result]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run ``esm … work …`` where the command ``work`` does what the given function does."""

    def run(body: Body, *arguments: str, env: dict[str, str] | None = None) -> Result:
        @click.command("work")
        @click.option("--port", type=int)
        @pass_settings
        def command(settings: Settings, port: int | None) -> object:
            return body(settings, port)

        monkeypatch.setitem(sys.modules, "work_command", SimpleNamespace(command=command))
        monkeypatch.setitem(cli.COMMANDS, "work", ("work_command", "Work."))
        return CliRunner().invoke(main, arguments or ["work"], env=env)

    return run


def fails(error: BaseException) -> Body:
    def body(*_: object) -> object:
        raise error

    return body


def settings_of(play: Play, *arguments: str, env: dict[str, str] | None = None) -> Settings:
    seen: list[Settings] = []
    result = play(lambda settings, _: seen.append(settings), *arguments, env=env)
    assert result.exit_code == 0, result.output
    return seen[0]


# --- the commands


def test_the_table_has_exactly_the_commands_that_have_a_module() -> None:
    modules = {path.stem for path in Path(cli.__file__).parent.glob("*.py")} - SHELL_MODULES
    with_command = {name for name in modules if hasattr(import_module(f"esm_emulator.cli.{name}"), "command")}
    assert {target for target, _ in COMMANDS.values()} == {f"esm_emulator.cli.{name}" for name in with_command}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Example" in result.output or "example" in result.output
    assert f"esm {name}" in result.output


def test_help_lists_every_command_with_its_sentence() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for name, (_, text) in COMMANDS.items():
        assert f"  {name} " in output
        assert text.split()[0] in output
        assert text.endswith(".")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("schem", "Did you mean 'schema'?"), ("xyzzy", "There are: "), ("Schema", "Did you mean 'schema'?")],
)
def test_an_unknown_command_is_bad_usage_with_a_hint(typed: str, said: str) -> None:
    result = CliRunner().invoke(main, [typed])
    assert result.exit_code == 2
    assert f"No such command '{typed}'. {said}" in result.stderr


def test_an_unknown_option_is_bad_usage() -> None:
    result = CliRunner().invoke(main, ["--colour"])
    assert result.exit_code == 2
    assert "No such option" in result.stderr


def test_the_version_is_the_packages() -> None:
    assert esm_emulator.__version__ in CliRunner().invoke(main, ["--version"]).output


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "esm_emulator", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"esm-emulator, version {esm_emulator.__version__}\n"


# --- the options


def test_the_options_have_defaults(play: Play) -> None:
    assert settings_of(play).verbosity == 0
    assert settings_of(play).log_format == "console"
    assert not settings_of(play).debug


@pytest.mark.parametrize(
    "arguments",
    [
        ["-vv", "--log-format", "json", "--debug", "work"],
        ["work", "-vv", "--log-format", "json", "--debug"],
        ["-v", "--debug", "work", "-v", "--log-format", "json"],
    ],
)
def test_the_options_work_before_and_after_the_commands_name(play: Play, arguments: list[str]) -> None:
    settings = settings_of(play, *arguments)
    assert (settings.verbosity, settings.log_format, settings.debug) == (2, "json", True)


def test_quiet_and_verbose_cancel_each_other_out(play: Play) -> None:
    assert settings_of(play, "-v", "work", "-q").verbosity == 0


def test_one_call_leaves_nothing_to_the_next(play: Play) -> None:
    settings_of(play, "-v", "work")
    assert settings_of(play, "work").verbosity == 0


def test_every_option_reads_an_environment_variable(play: Play) -> None:
    seen: list[tuple[str, int, int | None]] = []
    play(
        lambda settings, port: seen.append((settings.log_format, settings.verbosity, port)),
        env={"ESM_LOG_FORMAT": "json", "ESM_VERBOSE": "1", "ESM_WORK_PORT": "9"},
    )
    assert seen == [("json", 1, 9)]


def test_every_variable_is_called_as_its_option_is() -> None:
    shell = main
    assert isinstance(shell, click.Group)
    for name in COMMANDS:
        command = shell.get_command(click.Context(shell), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option) and option.allow_from_autoenv:
                called = f"ESM_{name}_{max(option.opts, key=len).lstrip('-')}".replace("-", "_").upper()
                assert option.envvar == called


def test_a_variable_of_a_repeatable_option_has_one_value_a_line(tmp_path: Path) -> None:
    messages = tmp_path / "messages.jsonl"
    messages.write_text('"a b"\n"c d"\n"e"\n')
    patterns = '{"body": ["a b"]}\n{"body": ["c d"]}'
    result = CliRunner().invoke(main, ["filter", str(messages)], env={"ESM_FILTER_PATTERN": patterns})
    assert "2 delivered, 1 deleted" in result.stdout


def test_the_command_line_wins_over_the_environment(play: Play) -> None:
    assert settings_of(play, "--log-format", "console", "work", env={"ESM_LOG_FORMAT": "json"}).log_format == "console"


class Terminal:
    def isatty(self) -> bool:
        return True


def test_colors_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Settings().colors(Terminal())  # type: ignore[arg-type]
    with Path(__file__).open() as file:
        assert not Settings().colors(file)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Settings().colors(Terminal())  # type: ignore[arg-type]


# --- how a command ends


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (6, 6), ("text", 0)])
def test_the_number_that_a_command_returns_is_its_exit_code(play: Play, returned: object, code: int) -> None:
    assert play(lambda *_: returned).exit_code == code


@pytest.mark.parametrize("error", [UsageError("no queue"), HandlerImportError("no module 'app'")])
def test_an_error_of_ours_is_one_sentence_and_its_own_exit_code(play: Play, error: EsmError) -> None:
    result = play(fails(error))
    assert result.exit_code == error.exit_code
    assert result.stderr == f"Error: {error}\n"
    assert result.stdout == ""


PROBLEMS = [Problem("is not a number", "Orders.DelaySeconds", "esm.yaml", 4, 9), Problem("no such queue")]


@pytest.mark.parametrize(
    ("error", "code", "closing"),
    [
        (ConfigError(PROBLEMS), 2, "Error: this does not load: 2 problems."),
        (ConfigError(PROBLEMS[:1]), 2, "Error: this does not load: 1 problem."),
        (RefusedByAws(PROBLEMS), 3, "Error: AWS would refuse this: 2 problems."),
    ],
)
def test_several_problems_stand_one_a_line(play: Play, error: ConfigError, code: int, closing: str) -> None:
    result = play(fails(error))
    assert result.exit_code == code
    assert result.stderr.splitlines() == [*(str(problem) for problem in error.problems), closing]


def test_debug_shows_the_traceback_of_an_error_too(play: Play) -> None:
    result = play(fails(UsageError("no queue")), "--debug", "work")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("Error: no queue\n")


def test_an_exception_that_nobody_foresaw_is_our_fault_and_says_how_to_report_it(play: Play) -> None:
    result = play(fails(KeyError("x")), "work", "--port", "1")
    assert result.exit_code == 70
    assert result.stderr.splitlines() == [
        "Error: KeyError: 'x'",
        "This is a fault of esm-emulator, not of your handler or your configuration.",
        "Please report it with the traceback that this prints:",
        "  esm --debug work --port 1",
    ]


def test_under_debug_it_comes_with_its_traceback(play: Play) -> None:
    result = play(fails(KeyError("x")), "work", "--debug")
    assert result.exit_code == 70
    assert "Traceback (most recent call last)" in result.stderr
    assert "esm --debug" not in result.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_ends_with_130_and_without_a_word(play: Play, error: BaseException) -> None:
    result = play(fails(error))
    assert result.exit_code == 130
    assert result.output.strip() == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = "import sys; from esm_emulator.cli import main; import esm_emulator.cli as cli, types, click\n"
    program += "command = click.command('w')(lambda: [print('x' * 1000) for _ in range(10_000)] and None)\n"
    program += "sys.modules['w'] = types.SimpleNamespace(command=command)\n"
    program += "cli.COMMANDS['w'] = ('w', 'W.'); main(['w'])"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr is not None
    said = child.stderr.read()
    child.stderr.close()
    assert (child.wait(timeout=60), said) == (141, b"")


def test_results_for_which_there_is_no_room_are_told_and_are_no_fault_of_ours(play: Play) -> None:
    result = play(fails(OSError(errno.ENOSPC, "No space left on device")))
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: not everything could be written: No space left on device; make room, or write elsewhere\n"
    )


# --- schema


@pytest.mark.parametrize("kind", ["config", "scenario"])
def test_schema_prints_a_json_schema_of_2020_12(kind: str) -> None:
    result = CliRunner().invoke(main, ["schema", kind])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_is_the_same_text_every_time() -> None:
    texts = {
        subprocess.run(
            [sys.executable, "-m", "esm_emulator", "schema"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1

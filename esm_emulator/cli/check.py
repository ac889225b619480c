"""``esm check``: risks in a configuration, before anything runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esm_emulator import __version__
from esm_emulator.cli.settings import Settings, pass_settings
from esm_emulator.errors import ConfigError, Problem, UsageError

if TYPE_CHECKING:
    from esm_emulator.check import Finding
    from esm_emulator.cli.checking import Checked, Options

__all__ = ["command"]

LEVELS = "EWI"
_NAMES = {"E": "error", "W": "warning", "I": "advice"}
_PLURALS = {"E": "errors", "W": "warnings", "I": "pieces of advice"}
_COLORS = {"E": "red", "W": "yellow", "I": "cyan"}
_GITHUB = {"E": "error", "W": "warning", "I": "notice"}
_LEVEL = click.Choice(list(LEVELS), case_sensitive=False)


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text",
              show_default=True, help="How findings are printed.")  # fmt: skip
@click.option("--fail-on", type=_LEVEL, metavar="E|W|I", default="W", show_default=True,
              help="The least level that makes the exit code 1: E errors, W warnings, I advice.")  # fmt: skip
@click.option(
    "--show",
    type=_LEVEL,
    metavar="E|W|I",
    help="The least level that is printed.  [default: that of --fail-on, at least W]",
)
@click.option("--ignore", multiple=True, metavar="CODE", help="Accept this code everywhere; may be repeated.")
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A template's parameter.")
@click.option("--region", metavar="NAME", help="The Region that a template is deployed to.")
@pass_settings
def command(
    settings: Settings,
    *,
    files: tuple[Path, ...],
    form: str,
    fail_on: str,
    show: str | None,
    ignore: tuple[str, ...],
    parameters: tuple[str, ...],
    region: str | None,
) -> int:
    """Look for what AWS would refuse and for known failure modes, before anything runs.

    FILE is an esm.yaml, a SAM or CloudFormation template, a scenario, what `terraform show -json` prints, or a folder
    with any of them. A comment on a finding's line accepts it: # esm: ignore ESM-W201

    \b
    Example:
      esm check template.yaml
      esm check . --format sarif > findings.sarif
      terraform show -json > state.json && esm check state.json

    Exit codes: 0 nothing found, 1 findings, 2 bad usage or a file that cannot be read.
    """
    ignored = _codes(ignore)
    results = _check(files, parameters, region)
    judged = [item for checked in results for item in _judged(checked, ignored)]
    least = show or max(fail_on, "W", key=LEVELS.index)
    shown = [item for item in _once(judged) if LEVELS.index(item[0].kind) <= LEVELS.index(least)]
    open_ = [finding for finding, accepted in _once(judged) if not accepted]
    failing = [finding for finding in open_ if LEVELS.index(finding.kind) <= LEVELS.index(fail_on)]
    output = _Output(settings, ignored, least, [finding for finding, _ in _once(judged)], sum(map(_number, results)))
    getattr(output, form)(shown)
    return 1 if failing else 0


def _codes(given: Iterable[str]) -> frozenset[str]:
    from esm_emulator.codes import CODES, full_id, near  # noqa: PLC0415 - not for esm --help

    codes = [code for item in given for code in item.split(",") if code.strip()]
    for code in codes:
        if full_id(code) not in CODES:
            similar = near(code)
            hint = f"; did you mean {' or '.join(similar)}?" if similar else "; esm explain lists the codes"
            raise UsageError(f"there is no code {code!r}{hint}")
    return frozenset(map(full_id, codes))


def _check(files: Sequence[Path], parameters: Sequence[str], region: str | None) -> list[Checked]:
    """Every file. Those that cannot be read are told together; in folders they are only mentioned."""
    from esm_emulator.cli.checking import Options, check_file, files_in  # noqa: PLC0415 - not for esm --help

    options = Options(dict(map(_parameter, parameters)), region)
    results: list[Checked] = []
    wrong: list[Problem] = []
    for given in files:
        found = list(files_in(given))
        if not found:
            wrong.append(Problem("there is no file here that can be checked", file=str(given)))
        for path in found:
            results += _read(check_file, path, options, None if given.is_dir() else wrong)
    if wrong:
        raise ConfigError(wrong)
    return results


def _read(
    check_file: Callable[[Path, Options], Checked], path: Path, options: Options, wrong: list[Problem] | None
) -> list[Checked]:
    try:
        return [check_file(path, options)]
    except ConfigError as error:
        if wrong is None:
            click.echo(f"Passed over: {error.problems[0]}", err=True)
        else:
            wrong += error.problems
    return []


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--parameter takes NAME=VALUE, not {text!r}")
    return name, value


def _judged(checked: Checked, ignored: frozenset[str]) -> Iterable[tuple[Finding, bool]]:
    from esm_emulator.check import accepted  # noqa: PLC0415

    def text_of(file: str) -> str:
        if file in checked.texts:
            return checked.texts[file]
        try:
            return Path(file).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    return accepted(checked.findings, ignored, text_of)


def _once(items: Iterable[tuple[Finding, bool]]) -> list[tuple[Finding, bool]]:
    """Each once: two files may share a handler."""
    return list(dict.fromkeys(items))


def _number(checked: Checked) -> int:
    return checked.resources


@dataclass(frozen=True)
class _Output:
    """The forms of output. ``found`` is everything, also what is below the level ``least`` that is shown.

    ``ignored`` are the codes that are accepted everywhere.
    """

    settings: Settings
    ignored: frozenset[str]
    least: str
    found: Sequence[Finding]
    resources: int

    def json(self, shown: Sequence[tuple[Finding, bool]]) -> None:
        """One object."""
        findings: list[Mapping[str, Any]] = [
            {**finding.to_json(), "level": finding.level, "accepted": accepted} for finding, accepted in shown
        ]
        print(json.dumps({"version": 1, "resources": self.resources, "findings": findings}, ensure_ascii=False))

    def sarif(self, shown: Sequence[tuple[Finding, bool]]) -> None:
        """A SARIF log."""
        from esm_emulator.report.sarif import sarif  # noqa: PLC0415 - only who asks pays for it

        print(json.dumps(sarif(shown, __version__, ignored=self.ignored), indent=1, ensure_ascii=False))

    def github(self, shown: Sequence[tuple[Finding, bool]]) -> None:
        """Workflow commands, which GitHub shows as annotations."""
        from esm_emulator.report.github import annotation  # noqa: PLC0415

        for finding, accepted in shown:
            if not accepted:
                message = f"{finding.subject}: {finding.summary} {finding.fix}"
                level = _GITHUB[finding.kind]
                print(
                    annotation(level, finding.file, finding.line, finding.column, title=finding.code, message=message)
                )

    def text(self, shown: Sequence[tuple[Finding, bool]]) -> None:
        """A line for each finding, how to mend it, and a sum; then what could not be checked."""
        from esm_emulator.check import UNRESOLVED  # noqa: PLC0415

        told = [finding for finding, accepted in shown if not accepted and finding.code != UNRESOLVED]
        for finding in told:
            print(f"{self._head(finding)} {finding.summary}\n    {finding.fix}\n    {finding.source}")
        unresolved = [finding for finding in self.found if finding.code == UNRESOLVED]
        if unresolved:
            print("Not checked, since only a deployment knows:")
        for finding in unresolved:
            print(f"    {_place(finding)} {finding.path}: {finding.summary}")
        print(self._sum(told, sum(accepted for _, accepted in shown)))

    def _head(self, finding: Finding) -> str:
        import sys  # noqa: PLC0415

        level = finding.code if not self.settings.colors(sys.stdout) else click.style(
            finding.code, fg=_COLORS[finding.kind], bold=True
        )  # fmt: skip
        return f"{_place(finding)} {level} {finding.subject}:"

    def _sum(self, told: Sequence[Finding], accepted: int) -> str:
        from esm_emulator.check import UNRESOLVED  # noqa: PLC0415

        counts = Counter(finding.kind for finding in told)
        parts = [_counted(counts[level], level) for level in LEVELS if counts[level]]
        text = ", ".join(parts) or "nothing found"
        text += f" in {self.resources} resource{'s' * (self.resources != 1)}"
        text += f"; {accepted} accepted" if accepted else ""
        hidden = [item for item in self.found if LEVELS.index(item.kind) > LEVELS.index(self.least)]
        advice = sum(item.code != UNRESOLVED for item in hidden)
        return f"{text}; {_counted(advice, 'I')} not shown (--show I)" if advice else text


def _place(finding: Finding) -> str:
    return ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part) + ":"


def _counted(number: int, level: str) -> str:
    if level == "I":
        return f"{number} piece{'s' * (number != 1)} of advice"
    return f"{number} {_NAMES[level] if number == 1 else _PLURALS[level]}"

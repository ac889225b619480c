"""``esm replay``: plays scenarios and says whether their expectations hold."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from esm_emulator.cli.settings import Settings, pass_settings
from esm_emulator.durations import duration_ms
from esm_emulator.errors import ConfigError, NoScenarioFound, NotDeterministic, Problem, RefusedByAws
from esm_emulator.garbage import collected_rarely
from esm_emulator.report.results import CaseResult, as_json
from esm_emulator.report.text import case_lines, play_again, summary_line
from esm_emulator.scenario.file import Case, find_scenarios, load_cases
from esm_emulator.scenario.replay import Options, file_name, replay
from esm_emulator.written import make_folder, write

__all__ = ["command"]

Task = tuple[str, str, Options]  # file, case id, how
_FOLDER = click.Path(path_type=Path, file_okay=False)


def _duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else duration_ms(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _seeds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> range | None:
    if value is None:
        return None
    first, dots, last = value.partition("..")
    if not (dots and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise click.BadParameter(f"takes a range of seeds such as 1..50, not {value!r}")
    return range(int(first), int(last) + 1)


@click.command("replay")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-k", "words", metavar="WORDS", help="Play only cases whose name or tags contain all of these words.")
@click.option("--seed", type=int, help="Play with this seed instead of the scenario's own.")
@click.option("--seeds", callback=_seeds, metavar="A..B", help="Play every case once with each of these seeds.")
@click.option(
    "--until", callback=_duration, metavar="T", help="Stop at this time of the scenario's clock at the latest."
)
@click.option("-x", "stop_early", is_flag=True, help="Stop after the first case that fails.")
@click.option("-n", "jobs", type=click.IntRange(1), default=1, show_default=True, help="Play in this many processes.")
@click.option("--check-determinism", is_flag=True, help="Play every case twice, the second time in another process.")
@click.option(
    "--watchdog",
    type=click.FloatRange(0),
    default=60,
    show_default=True,
    metavar="S",
    help="Real seconds without progress after which a play is ended; 0: never.",
)
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object instead of text.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML.")
@click.option("--github", is_flag=True, help="Print GitHub annotations for what failed.")
@click.option("--journal", type=_FOLDER, metavar="DIR", help="Write each case's journal as JSON lines.")
@click.option("--trace", type=_FOLDER, metavar="DIR", help="Write each case's trace as an HTML page.")
@click.option("--redact", is_flag=True, help="Leave message bodies out of traces.")
@pass_settings
def command(
    settings: Settings,
    *,
    paths: tuple[Path, ...],
    words: str | None,
    seed: int | None,
    seeds: range | None,
    until: int | None,
    stop_early: bool,
    jobs: int,
    check_determinism: bool,
    watchdog: float,
    as_object: bool,
    junit: Path | None,
    github: bool,
    journal: Path | None,
    trace: Path | None,
    redact: bool,
) -> int:
    """Play scenario files, and all of them in folders, in virtual time.

    Example: esm replay scenarios/ -k throttling --junit report.xml

    Exit codes: 0 all passed, 1 an expectation failed, 2 bad usage or a scenario that does not load, 3 AWS would
    refuse the resources, 4 the handler cannot be imported, 5 no scenario found, 6 two plays of one seed differed.
    """
    if seed is not None and seeds is not None:
        raise click.UsageError("--seed and --seeds do not go together")
    for folder in (journal, trace):
        if folder is not None:
            make_folder(folder)
    cases = _chosen(_load(paths), words)
    options = Options(
        until_ms=until,
        watchdog_s=watchdog,
        journal=journal,
        trace=trace,
        redact=redact,
        digest=check_determinism,
    )
    for warning in dict.fromkeys(str(warning) for case in cases for warning in case.warnings):
        click.echo(f"Warning: {warning}", err=True)
    tasks = _tasks(cases, seeds if seeds is not None else [seed], options)
    results: list[CaseResult] = []
    show = _Show(settings, as_object=as_object, github=github)
    with collected_rarely():  # also between one case and the next
        for result in _play(tasks, jobs):
            results.append(result)
            show.case(result)
            if stop_early and not result.passed:
                break
    if check_determinism:
        _check_determinism(tasks, results)
    show.end(results)
    if junit is not None:
        from esm_emulator.report.junit import junit as document  # noqa: PLC0415 - only who asks pays for it

        write(junit, document(results))
    return 0 if all(result.passed for result in results) else 1


def _load(paths: tuple[Path, ...]) -> list[Case]:
    """Every case of every file; what is wrong with any of them is told together, before anything plays."""
    cases: list[Case] = []
    wrong: list[Problem] = []
    refused: list[Problem] = []
    for file in find_scenarios(paths):
        try:
            cases += load_cases(file)
        except ConfigError as error:
            wrong += error.problems
        except RefusedByAws as error:
            refused += error.problems
    if wrong:
        raise ConfigError(wrong + refused)
    if refused:
        raise RefusedByAws(refused)
    return cases


def _chosen(cases: list[Case], words: str | None) -> list[Case]:
    if words is None:
        return cases
    exact = [case for case in cases if case.id == words]
    chosen = exact or [case for case in cases if _has(case, words.lower().split())]
    if not chosen:
        names = ", ".join(case.id for case in cases[:10])
        raise NoScenarioFound(f"no case has all of the words {words!r}; there are {names}")
    return chosen


def _has(case: Case, words: list[str]) -> bool:
    text = " ".join([case.id, *case.model.tags]).lower()
    return all(word in text for word in words)


def _tasks(cases: Sequence[Case], seeds: Iterable[int | None], options: Options) -> list[tuple[Case, Options]]:
    """What is to be played. Cases of one name in several files write files of several names."""
    tasks: dict[str, tuple[Case, Options]] = {}
    for case in cases:
        for seed in seeds:
            wanted = name = file_name(case, seed)
            number = 1
            while name in tasks:
                number += 1
                name = f"{wanted}-{number}"
            tasks[name] = (case, replace(options, seed=seed, name=name))
    return list(tasks.values())


# --- playing ------------------------------------------------------------------------------------------------


def _play(tasks: list[tuple[Case, Options]], jobs: int) -> Iterator[CaseResult]:
    if jobs == 1 or len(tasks) == 1:
        for case, options in tasks:
            yield replay(case, options)
        return
    with _processes(min(jobs, len(tasks))) as pool:
        yield from pool.map(_replay_again, [(case.file, case.id, options) for case, options in tasks])


@contextmanager
def _processes(count: int, hash_seed: str | None = None) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes: what one case imports cannot matter to another."""
    before = os.environ.get("PYTHONHASHSEED")
    if hash_seed is not None:
        os.environ["PYTHONHASHSEED"] = hash_seed
    try:
        with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
    finally:
        if hash_seed is not None:
            os.environ.pop("PYTHONHASHSEED")
            if before is not None:
                os.environ["PYTHONHASHSEED"] = before


def _replay_again(task: Task) -> CaseResult:
    """In a process of its own: load the file, and play the one case."""
    file, id, options = task
    case = next(case for case in load_cases(file) if case.id == id)
    return replay(case, options)


def _check_determinism(tasks: list[tuple[Case, Options]], results: list[CaseResult]) -> None:
    """Play everything once more in a process with another hash seed. Raises ``NotDeterministic``."""
    again = [(case.file, case.id, replace(options, journal=None, trace=None)) for case, options in tasks]
    hash_seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    with _processes(1, hash_seed) as pool:
        second = list(pool.map(_replay_again, again[: len(results)]))
    differing = [one for one, two in zip(results, second, strict=True) if one.digest != two.digest]
    if differing:
        names = ", ".join(f"{result.id} (seed {result.seed})" for result in differing)
        raise NotDeterministic(
            f"two plays of one seed differed: {names}. A handler that reads real time, random numbers or the order of "
            f"a set can be the cause. Compare two journals: {play_again(differing[0])} --journal DIR"
        )


# --- showing ------------------------------------------------------------------------------------------------


class _Show:
    """Prints results as they come: text on standard output, or one object at the end."""

    def __init__(self, settings: Settings, *, as_object: bool, github: bool) -> None:
        colors = settings.colors(sys.stdout)
        self._style: Callable[..., str] = click.style if colors else _plain
        self._as_object = as_object
        self._github = github

    def case(self, result: CaseResult) -> None:
        """One case is done."""
        if not self._as_object:
            for line in case_lines(result, self._style):
                click.echo(line)
        if self._github:
            from esm_emulator.report.github import annotations_of  # noqa: PLC0415 - only who asks pays for it

            for line in annotations_of(result):
                click.echo(line, err=self._as_object)

    def end(self, results: list[CaseResult]) -> None:
        """All cases are done."""
        if self._as_object:
            click.echo(json.dumps(as_json(results), ensure_ascii=False, indent=2))
        else:
            click.echo(summary_line(results, self._style))


def _plain(text: Any, **_: Any) -> str:
    return str(text)

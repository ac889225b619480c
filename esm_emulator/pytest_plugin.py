"""pytest: scenarios are tests, and the fixture ``esm`` is an emulator on virtual time.

Every ``*.esm.yaml`` is collected, each of its cases an item, its tags marks. The fixture is strict: when the test is
over, a message in a dead-letter queue that nobody asked about makes it fail, and so does an exception of a handler that
nobody expected, with its own traceback. ``esm.expect_dead_letters(…)`` and ``esm.expect_failures(…)`` relax it in a
test, the marker ``@pytest.mark.esm(strict=False)`` for a test, and the ini option ``esm_strict = false`` for all.

Importing this file must stay cheap, since pytest does it in every project where the package is installed: what the
emulator needs is imported by whoever first uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from esm_emulator.report.results import CaseResult
    from esm_emulator.scenario.file import Case
    from esm_emulator.testing import TestEmulator

__all__ = ["ScenarioFile", "ScenarioItem", "esm"]

SUFFIX = ".esm.yaml"
MARKER = "esm(strict=True, seed=0, profile='aws-2026'): settings of the fixture `esm` for one test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini options and their flags."""
    group = parser.getgroup("esm", "esm-emulator")
    group.addoption("--esm-traces", metavar="DIR", help="where a failing test leaves its trace (default: none is left)")
    group.addoption("--esm-seed", type=int, default=None, help="play scenarios with this seed instead of their own")
    parser.addini(
        "esm_strict", type="bool", default=True, help="fail tests on dead letters and failures nobody expected"
    )
    parser.addini("esm_collect", type="bool", default=True, help="collect *.esm.yaml files as tests")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


# --- scenarios ----------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Scenario files are collected like test modules."""
    if file_path.name.endswith(SUFFIX) and parent.config.getini("esm_collect"):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """A scenario file, an item for each case."""

    def collect(self) -> Iterable[ScenarioItem]:
        """The cases. A file that does not load is one item, which fails with what is wrong with it."""
        from esm_emulator.errors import EsmError  # noqa: PLC0415 - see the module's docstring
        from esm_emulator.scenario.file import load_cases  # noqa: PLC0415

        try:
            cases = load_cases(self._shown())
        except EsmError as error:
            raise self.CollectError(str(error)) from None
        for case in cases:
            item = ScenarioItem.from_parent(self, name=case.id)
            item.case = case
            for tag in case.model.tags:
                item.add_marker(_mark(self.config, tag))
            yield item

    def _shown(self) -> str:
        """The path as a user would write it."""
        try:
            return str(self.path.relative_to(Path.cwd()))
        except ValueError:
            return str(self.path)


def _mark(config: pytest.Config, tag: str) -> Any:
    """A tag as a mark: what is no identifier in it becomes an underscore; it is made known, as strict markers want."""
    name = re.sub(r"\W", "_", tag)
    line = f"{name}: a tag of a scenario"
    if not any(known.split(":")[0].split("(")[0] == name for known in config.getini("markers")):
        config.addinivalue_line("markers", line)
    return getattr(pytest.mark, name)


class ScenarioFailure(Exception):
    """Expectations that did not hold."""

    def __init__(self, result: CaseResult) -> None:
        self.result = result
        super().__init__(result.id)


class ScenarioItem(pytest.Item):
    """One case of a scenario."""

    case: Case

    def runtest(self) -> None:
        """Play the case and judge it."""
        from esm_emulator.scenario.replay import Options, replay  # noqa: PLC0415 - see the module's docstring

        traces = self.config.getoption("--esm-traces")
        folder = Path(traces) if traces else None
        result = replay(self.case, Options(seed=self.config.getoption("--esm-seed")))
        if not result.passed:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                replay(self.case, Options(seed=result.seed, trace=folder))
            raise ScenarioFailure(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | Any:
        """The expectations with the stories, not a Python traceback."""
        from esm_emulator.errors import EsmError  # noqa: PLC0415
        from esm_emulator.report.text import failure_lines  # noqa: PLC0415

        if isinstance(excinfo.value, ScenarioFailure):
            return "\n".join(failure_lines(excinfo.value.result, lambda text, **_: text))
        if isinstance(excinfo.value, EsmError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case stands."""
        return self.path, self.case.line - 1, self.name


# --- the fixture --------------------------------------------------------------------------------------------

_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Remember whether the test itself passed, so that what the fixture says at the end does not hide why it failed."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = call.excinfo is None
    return report


@pytest.fixture
def esm(request: pytest.FixtureRequest) -> Iterator[TestEmulator]:
    """An emulator on virtual time, strict at the end of the test."""
    from esm_emulator.testing import TestEmulator  # noqa: PLC0415 - see the module's docstring

    mark = request.node.get_closest_marker("esm")
    options = dict(mark.kwargs) if mark else {}
    strict = options.pop("strict", request.config.getini("esm_strict"))
    emulator = TestEmulator(folder=request.path.parent, **options)
    try:
        yield emulator
        passed = request.node.stash.get(_PASSED, False)
        traces = request.config.getoption("--esm-traces")
        if traces and not passed:
            Path(traces).mkdir(parents=True, exist_ok=True)
            name = re.sub(r"[^\w.-]", "_", request.node.name)
            emulator.trace(Path(traces) / f"{name}.html")
        if strict and passed:
            emulator.check()
    finally:
        emulator.close()

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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from esm_emulator.errors import UsageError

if TYPE_CHECKING:
    from esm_emulator.report.results import CaseResult
    from esm_emulator.scenario.file import Case
    from esm_emulator.testing import TestEmulator

__all__ = ["ScenarioFile", "ScenarioItem", "esm"]

PACKAGE = Path(__file__).parent
SUFFIX = ".esm.yaml"
LONGEST_NAME = 150  # characters
TRACES = "where failing tests and scenarios leave traces (default: of tests alone, in pytest's own temporary folder)"
OPTIONS = ("strict", "seed", "profile", "watchdog_s", "embedded_aws")
MARKER = "esm(strict=True, seed=0, profile='aws-2026'): settings of the fixture `esm` for one test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini options and their flags."""
    group = parser.getgroup("esm", "esm-emulator")
    group.addoption("--esm-traces", metavar="DIR", help=TRACES)
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
                if name := _mark_name(tag):
                    _make_known(self.config, name)
                    item.add_marker(name)
            yield item

    def _shown(self) -> str:
        """The path as a user would write it."""
        try:
            return str(self.path.relative_to(Path.cwd()))
        except ValueError:
            return str(self.path)


def _mark_name(tag: str) -> str:
    """A tag as the name of a mark: what may not be in one becomes an underscore, and none is first, as pytest wants."""
    return re.sub(r"\W", "_", tag).lstrip("_")


def _make_known(config: pytest.Config, name: str) -> None:
    """Declare a mark that nobody has declared, for strict markers want to know it."""
    if not any(re.split(r"[:(]", known)[0].strip() == name for known in config.getini("markers")):
        config.addinivalue_line("markers", f"{name}: a tag of a scenario")


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


@dataclass
class _Used:
    """An emulator that a test uses, and what became of the test so far."""

    emulator: TestEmulator
    traces: Callable[[], Path]
    traced: bool = False


_PASSED = pytest.StashKey[bool]()
_USED = pytest.StashKey[_Used]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Leave a trace of a test that fails, and remember whether it passed, so that its end does not hide why not."""
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        _end_where_we_were_called(call.excinfo.value)
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = call.excinfo is None
    used = item.stash.get(_USED, None)
    if used is not None:
        if report.failed and not used.traced and used.emulator.is_deployed:
            used.traced = True
            report.sections.append(("esm trace", _leave_trace(item, used)))
        if call.when == "teardown":
            del item.stash[_USED]
    return report


def _end_where_we_were_called(error: BaseException) -> None:
    """What a test asked for and cannot have is told at its own line, without the emulator's lines below."""
    from esm_emulator.errors import EsmError  # noqa: PLC0415

    if isinstance(error, EsmError) and error.exit_code != EsmError.exit_code:
        line, callers = error.__traceback__, None
        while line is not None:
            file = Path(line.tb_frame.f_code.co_filename)
            if not file.is_relative_to(PACKAGE):
                callers = None if "_pytest" in file.parts else line
            line = line.tb_next
        if callers is not None:
            callers.tb_next = None


def _leave_trace(item: pytest.Item, used: _Used) -> str:
    """Where the trace is, or why there is none."""
    try:
        folder = used.traces()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_file_name(item.nodeid)}.html"
        used.emulator.trace(path)
    except (OSError, UsageError) as error:
        return f"not written: {error}"
    return str(path)


def _file_name(nodeid: str) -> str:
    """A test's id as the name of a file; with a digest where another id could have the same."""
    whole = nodeid.replace(".py::", "-").replace("::", "-").replace("/", "_")
    name = re.sub(r"[^\w.-]+", "_", whole)[:LONGEST_NAME]
    return name if name == whole else f"{name}-{sha256(nodeid.encode('utf-8', 'replace')).hexdigest()[:8]}"


@pytest.fixture
def esm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEmulator]:
    """An emulator on virtual time, strict at the end of the test."""
    __tracebackhide__ = True
    from esm_emulator.testing import TestEmulator  # noqa: PLC0415 - see the module's docstring

    options = _options(request.node)
    strict = options.pop("strict", request.config.getini("esm_strict"))
    emulator = TestEmulator(folder=request.path.parent, **options)
    chosen = request.config.getoption("--esm-traces")
    request.node.stash[_USED] = _Used(
        emulator, lambda: Path(chosen) if chosen else tmp_path_factory.getbasetemp() / "esm-traces"
    )
    try:
        yield emulator
        if strict and request.node.stash.get(_PASSED, False):
            emulator.check()
    finally:
        emulator.close()


def _options(node: pytest.Item) -> dict[str, Any]:
    """What the marker sets for one test."""
    __tracebackhide__ = True
    mark = node.get_closest_marker("esm")
    if mark is None:
        return {}
    unknown = [repr(value) for value in mark.args] + [name for name in mark.kwargs if name not in OPTIONS]
    if unknown:
        raise UsageError(f"the marker esm takes {', '.join(f'{name}=…' for name in OPTIONS)}; not {', '.join(unknown)}")
    if not isinstance(mark.kwargs.get("strict", True), bool):
        raise UsageError(f"the marker esm takes strict=True or strict=False, not {mark.kwargs['strict']!r}")
    return dict(mark.kwargs)

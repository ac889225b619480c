"""The parts of functions that can be looked at by themselves."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import signal
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.clocks.real import RealClock
from esm_emulator.functions import FailureKind, Usage
from esm_emulator.functions import watch as watching
from esm_emulator.functions.child import _make_room
from esm_emulator.functions.failures import exited, out_of_memory, timed_out
from esm_emulator.functions.log import FunctionLog
from esm_emulator.functions.modules import Code
from esm_emulator.functions.output import LONGEST_LINE, Lines
from esm_emulator.functions.runtime import wire
from esm_emulator.functions.runtime.context import LambdaContext
from esm_emulator.functions.runtime.faults import Fault
from esm_emulator.functions.runtime.handler import find
from esm_emulator.functions.runtime.logs import LambdaLogHandler, level_of
from esm_emulator.functions.runtime.marshal import Marshaller
from esm_emulator.functions.surroundings import Variables
from esm_emulator.functions.variables import ascii_only, function_variables, host_variables, log_stream
from esm_emulator.functions.watch import OUT_OF_MEMORY, TIME_IS_UP, Watch
from esm_emulator.journal import Journal, LogLine
from esm_emulator.resources import Function

# --- output


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_lines_are_the_same_however_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    """A pipe cuts where it likes."""
    whole, pieces = Lines(), Lines()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    arrived = [line for a, b in pairwise(places) for line in pieces.feed(data[a:b])]
    assert arrived + pieces.finish() == whole.feed(data) + whole.finish()


@given(st.text(st.sampled_from("aü€😀"), min_size=1, max_size=8), st.integers(0, 5))
def test_a_long_line_loses_nothing_and_no_character_is_cut(pattern: str, extra: int) -> None:
    text = pattern * (2 * LONGEST_LINE // len(pattern.encode()) + extra)
    lines = Lines()
    pieces = lines.feed(text.encode()) + lines.finish()
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= LONGEST_LINE for piece in pieces)


def test_no_more_than_a_line_is_ever_held() -> None:
    lines = Lines()
    for _ in range(20):
        lines.feed(b"x" * 100_000)
    assert len(lines.finish()[0]) <= LONGEST_LINE


# --- limits


class Prey:
    def __init__(self, pid: int = 0) -> None:
        self.pid = pid
        self.peak_kb = 0
        self.reasons: list[str] = []
        self.ended = threading.Event()

    def end_because(self, reason: str) -> None:
        self.reasons.append(reason)
        self.ended.set()


@pytest.fixture
def watch() -> Any:
    watch = Watch()
    yield watch
    watch.close()


def test_a_worker_whose_time_is_up_is_killed(watch: Watch) -> None:
    """RUN-20; also one that comes while the watch sleeps for another."""
    patient, hasty = Prey(), Prey()
    watch.begin(patient, 60, 10**9)
    watch.begin(hasty, 0.01, 10**9)
    assert hasty.ended.wait(5)
    assert hasty.reasons[0] == TIME_IS_UP
    assert patient.reasons == []


def test_a_worker_that_needs_too_much_is_killed(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """RUN-24."""
    monkeypatch.setattr(watching, "resident_kb", lambda pid: pid)
    large, small = Prey(2_000), Prey(500)
    watch.begin(small, 60, 1_000)
    watch.begin(large, 60, 1_000)
    assert large.ended.wait(5)
    assert large.reasons[0] == OUT_OF_MEMORY
    assert (small.reasons, small.peak_kb) == ([], 500)


def test_a_worker_that_has_answered_is_left_alone(watch: Watch) -> None:
    prey = Prey()
    watch.begin(prey, 0.05, 10**9)
    watch.end(prey)
    assert not prey.ended.wait(0.1)


def test_where_memory_cannot_be_seen_it_is_no_limit() -> None:
    """Without ``/proc`` only the peak that a worker reports counts."""
    assert watching.resident_kb(2**31 - 1) == 0


def test_closing_the_watch_twice_does_no_harm(watch: Watch) -> None:
    watch.begin(Prey(), 60, 10**9)
    watch.close()
    watch.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "esm-watch"]


@pytest.mark.parametrize(
    ("descriptor", "limits", "raised_to"),
    [
        (10, (1_024, 4_096), None),
        (1_000, (1_024, 65_536), 4_096),
        (1_000, (1_024, 2_048), 2_048),
        (1_000, (1_024, resource.RLIM_INFINITY), 4_096),
        (1_000, (1_024, 1_024), None),
        (10**6, (resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_the_limit_of_open_files_is_raised_when_it_is_near(
    monkeypatch: pytest.MonkeyPatch, descriptor: int, limits: tuple[int, int], raised_to: int | None
) -> None:
    """A thousand environments need two thousand."""
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: calls.append(new))
    _make_room(descriptor)
    assert calls == ([] if raised_to is None else [(raised_to, limits[1])])


# --- failures


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (127, "Runtime exited with error: exit status 127"),
        (-signal.SIGKILL, "Runtime exited with error: signal: killed"),
        (-signal.SIGBUS, "Runtime exited with error: signal: bus error"),
        (-63, "Runtime exited with error: signal: signal 63"),
    ],
)
def test_how_a_runtime_exited(status: int, reason: str) -> None:
    """RUN-19."""
    assert exited("r-1", status).message == f"RequestId: r-1 Error: {reason}"


def test_out_of_memory_looks_like_a_kill_and_is_reported_as_what_it_is() -> None:
    """RUN-24."""
    failure = out_of_memory("r-1")
    assert (failure.error_type, failure.reported) == ("Runtime.ExitError", "Runtime.OutOfMemory")


@pytest.mark.parametrize(("seconds", "text"), [(1, "1.00"), (900, "900.00"), (0.5, "0.50")])
def test_a_timeout_has_two_decimals(seconds: float, text: str) -> None:
    """RUN-20."""
    failure = timed_out("r-1", seconds)
    assert failure.kind is FailureKind.TIMEOUT
    assert failure.message == f"RequestId: r-1 Error: Task timed out after {text} seconds"


# --- variables


def function(**properties: Any) -> Function:
    return Function(id="Worker", Handler="app.handler", CodeUri="/code", **properties)


def test_the_region_is_the_functions() -> None:
    variables = function_variables(function(region="eu-west-1"), "stream")
    assert (variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")


def test_the_log_group_may_be_another() -> None:
    """RUN-42: LoggingConfig.LogGroup."""
    variables = function_variables(function(LoggingConfig={"LogGroup": "mine"}), "stream")
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "mine"


@pytest.mark.parametrize(("level", "told"), [(None, "INFO"), ("TRACE", "TRACE"), ("ERROR", "ERROR")])
def test_json_logs_have_a_level(level: str | None, told: str) -> None:
    """RUN-42: INFO, unless ApplicationLogLevel says otherwise."""
    config = {"LogFormat": "JSON", "ApplicationLogLevel": level}
    variables = function_variables(function(LoggingConfig=config), "stream")
    assert (variables["AWS_LAMBDA_LOG_FORMAT"], variables["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", told)


def test_what_is_kept_of_the_host() -> None:
    host = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "real", "EDITOR": "vi", "https_proxy": "p", "COVERAGE_X": "1"}
    kept = host_variables(host)
    assert {"PATH", "https_proxy", "COVERAGE_X", "LC_CTYPE", "TZ"} <= kept.keys()
    assert not {"AWS_SECRET_ACCESS_KEY", "EDITOR"} & kept.keys()


@pytest.mark.parametrize(
    ("runtime", "escaped"), [("python3.9", True), ("python3.11", True), ("python3.12", False), ("python3.15", False)]
)
def test_runtimes_before_312_escape(runtime: str, escaped: bool) -> None:
    """RUN-32."""
    assert ascii_only(function(Runtime=runtime)) is escaped


def test_a_runtime_that_is_not_python_is_as_this_interpreter() -> None:
    assert ascii_only(function(Runtime="nodejs22.x")) is ascii_only(function())


def test_a_log_stream_is_a_day_and_an_environment() -> None:
    """RUN-11."""
    assert log_stream(1_767_225_600_000, "0" * 32) == "2026/01/01/[$LATEST]" + "0" * 32


def test_variables_of_functions_lie_upon_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever order they end, what was there before is there again."""
    monkeypatch.setenv("A", "before")
    monkeypatch.delenv("B", raising=False)
    for order in ((0, 1), (1, 0)):
        layers = [Variables({"A": "1"}), Variables({"A": "2", "B": "2"})]
        for layer in layers:
            layer.begin()
        layers[order[0]].end()
        assert os.environ["A"] == ("2" if order[0] == 0 else "1")
        layers[order[1]].end()
        assert (os.environ["A"], os.environ.get("B")) == ("before", None)


# --- the runtime


def test_an_event_that_is_no_json_is_an_unmarshal_error() -> None:
    """RUN-30."""
    with pytest.raises(Fault) as caught:
        Marshaller().load("{")
    assert caught.value.error_type == "Runtime.UnmarshalError"
    assert caught.value.message.startswith("Unable to unmarshal input: Expecting property name")


def test_the_context_shows_itself() -> None:
    context = LambdaContext("r-1", "arn", {}, lambda: -5.0)
    assert repr(context).startswith("LambdaContext([aws_request_id=r-1,invoked_function_arn=arn,")
    assert "identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None])" in repr(context)
    assert context.get_remaining_time_in_millis() == 0


def test_context_log_without_a_log_is_a_print(capsys: pytest.CaptureFixture[str]) -> None:
    LambdaContext("r-1", "arn", {}, lambda: 0).log(7)
    assert capsys.readouterr().out == "7"


@pytest.mark.parametrize(
    ("name", "level"),
    [("TRACE", logging.DEBUG), ("info", logging.INFO), ("FATAL", logging.CRITICAL), ("NONSENSE", None), (None, None)],
)
def test_log_levels(name: str | None, level: int | None) -> None:
    """RUN-41, RUN-42."""
    assert level_of(name) == level


def test_a_record_that_cannot_be_formatted_is_told_by_logging_itself(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    handler = LambdaLogHandler(said.append, lambda: "r-1", as_json=False)
    handler.handle(logging.LogRecord("n", logging.ERROR, "p", 1, "%d", ("x",), None))
    assert said == []
    assert "--- Logging error ---" in capsys.readouterr().err


def test_a_records_traceback_is_whole_and_one_event() -> None:
    """RUN-41: logging puts it after the format's own line end, without one of its own."""
    said: list[str] = []
    handler = LambdaLogHandler(said.append, lambda: "r-1", as_json=False)
    try:
        raise KeyError("sku")
    except KeyError as error:
        record = logging.LogRecord("n", logging.ERROR, "p", 1, "bad", None, (KeyError, error, error.__traceback__))
    handler.handle(record)
    assert said[0].endswith("\rKeyError: 'sku'\n")
    assert said[0].count("\n") == 1


def test_a_handlers_name_is_split_at_its_last_dot() -> None:
    """RUN-15: and slashes become dots."""
    asked: list[str] = []

    def load(name: str) -> Any:
        asked.append(name)
        return logging

    assert find("src/a.b.getLogger", load) is logging.getLogger
    assert asked == ["src.a.b"]


def test_a_frame_is_a_kind_a_length_and_a_body() -> None:
    assert wire.frame(3, b"ab", b"c") == b"\x03\x00\x00\x00\x03abc"


# --- log


def test_what_is_billed_is_whole_milliseconds_with_init_and_at_least_one() -> None:
    """RUN-8, RUN-40."""
    journal = Journal()
    log = FunctionLog(function(), RealClock(), journal)
    for usage in (Usage(0.0), Usage(2.37, 423.98, 95), Usage(5.0)):
        log.end("e", "r", usage, None)
    reports = [fact.text for fact in journal if isinstance(fact, LogLine) and fact.text.startswith("REPORT")]
    assert [re.findall(r"Billed Duration: (\d+) ms", report)[0] for report in reports] == ["1", "427", "5"]
    assert reports[1] == (
        "REPORT RequestId: r\tDuration: 2.37 ms\tBilled Duration: 427 ms\tMemory Size: 128 MB"
        "\tMax Memory Used: 95 MB\tInit Duration: 423.98 ms"
    )


def test_a_failed_init_in_json() -> None:
    """RUN-42."""
    journal = Journal()
    log = FunctionLog(function(LoggingConfig={"LogFormat": "JSON"}), RealClock(), journal)
    log.init_failed("e", 12.5, "init", exited("", 1))
    log.init_failed("e", 12.5, "init", timed_out("", 3))
    log.failed("e", "r", timed_out("r", 3))
    records = [json.loads(fact.text)["record"] for fact in journal if isinstance(fact, LogLine)]
    assert [(record["status"], record.get("errorType")) for record in records] == [
        ("error", "Runtime.ExitError"),
        ("timeout", None),
    ]


# --- modules


def test_the_code_of_a_folder_is_shared_by_its_users(tmp_path: Path) -> None:
    first, second = Code.of(str(tmp_path)), Code.of(f"{tmp_path}/.")
    assert first is second
    (tmp_path / "esm_test_module.py").write_text("")
    module = first.load("esm_test_module")
    first.close()
    assert sys.modules["esm_test_module"] is module
    second.close()
    assert "esm_test_module" not in sys.modules
    assert str(tmp_path) not in sys.path

"""Handlers in this process: seen, patched and debugged from a test, and yet apart from each other."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import anyio
import pytest

from esm_emulator.clocks.real import RealClock
from esm_emulator.clocks.virtual import VirtualClock
from esm_emulator.clocks.virtual import run as run_virtually
from esm_emulator.functions import Failed, FailureKind, Returned
from esm_emulator.functions.attended import attended
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.surroundings import Presence, Variables
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal, LogLine
from esm_emulator.profiles import PROFILES
from esm_emulator.resources import Function
from tests.functions.stages import Stage


def value(reply: object) -> Any:
    assert isinstance(reply, Returned), reply
    return json.loads(reply.payload)


def surroundings() -> tuple[object, ...]:
    """What is one for the whole process, and a handler's while it runs."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    modules = {name for name in sys.modules if name.partition(".")[0] in {"app", "helper", "shared"}}
    strangers = [handler for handler in logging.getLogger().handlers if type(handler).__module__.startswith("esm_")]
    streams = [stream for stream in (sys.stdout, sys.stderr) if type(stream).__module__.startswith("esm_")]
    return id(os.environ), variables, list(sys.path), modules, strangers, streams, sys.dont_write_bytecode


def wait_for_threads_of_handlers() -> None:
    """A handler whose time was up may still run in its thread."""
    deadline = time.monotonic() + 5
    while type(sys.stdout).__module__.startswith("esm_") and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Whatever a handler does, this process is afterwards as it was."""
    wait_for_threads_of_handlers()
    before = surroundings()
    yield
    assert surroundings() == before


class Several:
    """Several functions in one process, each in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = Journal()
        self.identifiers = Identifiers(Random(0))
        self.stages: dict[str, Stage] = {}
        self.functions: dict[str, InlineFunction] = {}

    def add(self, name: str, files: dict[str, str], **properties: Any) -> None:
        stage = self.stages[name] = Stage(InlineFunction, self.root / name)
        stage.journal = self.journal
        for path, code in files.items():
            stage.write(code, path)
        resource = Function(id=name, Handler="app.handler", CodeUri=str(stage.folder), **properties)
        self.functions[name] = InlineFunction(resource, RealClock(), self.journal, self.identifiers)

    async def invoke(self, name: str, event: Any = None) -> Any:
        return value(await self.functions[name].invoke(self.stages[name].invocation(event)))

    async def close(self) -> None:
        for function in self.functions.values():
            await function.close()


@pytest.fixture
def several(tmp_path: Path) -> Several:
    return Several(tmp_path)


# --- modules


def test_two_functions_with_modules_of_the_same_name_do_not_meet(several: Several) -> None:
    """Each has its own app.py and its own helper.py, in whatever order they are invoked."""
    for name in ("Orders", "Payments"):
        files = {
            "app.py": "import helper\ndef handler(event, context): return helper.WHO",
            "helper.py": f"WHO = {name!r}",
        }
        several.add(name, files)

    async def story() -> list[str]:
        told = [await several.invoke(name) for name in ("Orders", "Payments", "Orders", "Payments")]
        await several.close()
        return told

    assert anyio.run(story) == ["Orders", "Payments", "Orders", "Payments"]


def test_two_functions_with_packages_of_the_same_name_do_not_meet(several: Several) -> None:
    for name in ("Orders", "Payments"):
        files = {
            "app.py": "from shared.deep import who\ndef handler(event, context): return who()",
            "shared/__init__.py": "",
            "shared/deep.py": f"from shared import __name__\ndef who(): return {name!r}",
        }
        several.add(name, files)

    async def story() -> list[str]:
        told = [await several.invoke(name) for name in ("Orders", "Payments")]
        await several.close()
        return told

    assert anyio.run(story) == ["Orders", "Payments"]


def test_two_functions_of_one_folder_share_its_modules(inline: Stage) -> None:
    """As two handlers of one deployment package; inline they share memory too."""
    inline.write("seen = []\ndef one(e, c): seen.append(1)\ndef two(e, c): return len(seen)")

    async def story(first: Any) -> Any:
        second = inline.function(id="Other", Handler="app.two")
        await first.invoke(inline.invocation())
        replies = [await second.invoke(inline.invocation())]
        await first.close()
        replies.append(await second.invoke(inline.invocation()))
        await second.close()
        return replies

    assert [value(reply) for reply in inline.play(story, Handler="app.one")] == [1, 1]


def test_a_module_stays_under_its_name_so_that_it_can_be_patched(inline: Stage) -> None:
    inline.write("def stock(): return 0\ndef handler(event, context): return stock()")

    async def story(function: Any) -> list[Any]:
        before = await function.invoke(inline.invocation())
        with mock.patch("app.stock", return_value=7):
            return [before, await function.invoke(inline.invocation())]

    assert [value(reply) for reply in inline.play(story)] == [0, 7]


def test_what_a_test_imported_and_patched_before_is_what_runs(inline: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    inline.write("def stock(): return 0\ndef handler(event, context): return stock()")
    monkeypatch.syspath_prepend(str(inline.folder))
    app = importlib.import_module("app")
    try:
        with mock.patch("app.stock", return_value=7):
            assert value(inline.play(lambda function: function.invoke(inline.invocation()))) == 7
        assert sys.modules["app"] is app  # it was there before, so it stays
    finally:
        del sys.modules["app"]


def test_a_module_of_somebody_elses_with_that_name_is_back_afterwards(
    inline: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "app.py").write_text("WHO = 'the test'")
    monkeypatch.syspath_prepend(str(tmp_path / "tests"))
    app = importlib.import_module("app")
    try:
        assert value(inline.invoke("def handler(event, context): return __name__")) == "app"
        assert sys.modules["app"] is app
    finally:
        del sys.modules["app"]


def test_every_run_begins_with_fresh_modules(inline: Stage) -> None:
    """As new environments do: so one play does not depend on another before it."""
    code = "seen = []\ndef handler(event, context): seen.append(1); return len(seen)"
    assert [value(inline.invoke(code)) for _ in range(2)] == [1, 1]


def test_an_import_inside_the_handler_finds_the_folder(inline: Stage) -> None:
    inline.write("VALUE = 3", "helper.py")
    assert value(inline.invoke("def handler(event, context):\n    import helper\n    return helper.VALUE")) == 3


def test_an_import_that_failed_leaves_nothing_behind(inline: Stage) -> None:
    inline.write("VALUE = 3", "helper.py")
    inline.invoke("import helper\nraise ValueError")
    assert not {"app", "helper"} & set(sys.modules)


def test_the_code_folder_is_left_as_it_is(inline: Stage) -> None:
    inline.invoke("def handler(event, context): pass")
    assert [path.name for path in inline.folder.iterdir()] == ["app.py"]


def test_invocations_that_begin_together_import_the_handler_once(inline: Stage) -> None:
    code = "import time\ntime.sleep(0.02)\nseen = []\ndef handler(event, context): seen.append(1); return len(seen)"
    assert sorted(value(reply) for reply in inline.invoke_together(code, {}, {}, {})) == [1, 2, 3]


# --- a callable as handler


def call(stage: Stage, handler: Any, event: Any = None, **properties: Any) -> Any:
    stage.options["handler"] = handler
    return stage.play(lambda function: function.invoke(stage.invocation(event)), Handler=None, **properties)


def test_a_callable_is_a_handler(inline: Stage) -> None:
    assert value(call(inline, lambda event, context: [event, context.function_name], {"a": 1})) == [{"a": 1}, "Worker"]


def test_the_handlers_own_exception_is_at_hand(inline: Stage) -> None:
    """So that a test fails with the handler's own traceback."""

    class OutOfStockError(Exception):
        pass

    def handler(_event: Any, _context: Any) -> None:
        raise OutOfStockError("none")

    reply = call(inline, handler)
    assert isinstance(reply, Failed)
    assert isinstance(reply.exception, OutOfStockError)
    assert reply.exception.__traceback__ is not None
    assert json.loads(reply.payload)["stackTrace"][0].startswith(f'  File "{__file__}"')


def test_an_async_callable_is_not_awaited(inline: Stage) -> None:
    """As in Lambda (RUN-31); the exception is the one of the encoder."""

    async def handler(_event: Any, _context: Any) -> None:
        """Never runs."""

    reply = call(inline, handler)
    assert isinstance(reply, Failed)
    assert reply.kind is FailureKind.MARSHAL
    assert isinstance(reply.exception, TypeError)


def test_the_exception_of_a_failed_import_is_its_own(inline: Stage) -> None:
    reply = inline.invoke("import nowhere_to_be_found")
    assert isinstance(reply, Failed)
    assert isinstance(reply.exception, ModuleNotFoundError)
    exit_reply = inline.invoke("import sys\ndef handler(event, context): sys.exit(3)")
    assert isinstance(exit_reply, Failed)
    assert isinstance(exit_reply.exception, SystemExit)


# --- what is around a handler


def test_two_functions_each_see_their_own_variables(several: Several) -> None:
    """At the same time, in threads: variables are one for the process, and yet each function's own."""
    for name in ("Orders", "Payments"):
        code = """
            import os, time
            at_import = os.environ["QUEUE"]
            def handler(event, context):
                seen = []
                for _ in range(5):
                    seen.append(os.environ["QUEUE"]); time.sleep(0.005)
                return sorted({at_import, *seen, os.environ["AWS_LAMBDA_FUNCTION_NAME"], *dict(os.environ).values()}
                              & {"Orders", "Payments", "q-Orders", "q-Payments"})
        """
        several.add(name, {"app.py": code}, Environment={"Variables": {"QUEUE": f"q-{name}"}})

    async def story() -> list[Any]:
        told = await asyncio.gather(*(several.invoke(name) for name in ("Orders", "Payments") * 2))
        await several.close()
        return told

    assert anyio.run(story) == [["Orders", "q-Orders"], ["Payments", "q-Payments"]] * 2


def test_variables_reach_threads_and_child_processes(inline: Stage) -> None:
    code = """
        import os, subprocess, threading
        def handler(event, context):
            seen = []
            thread = threading.Thread(target=lambda: seen.append(os.environ.get("TABLE")))
            thread.start(); thread.join()
            seen.append(subprocess.run("echo $TABLE", shell=True, capture_output=True, text=True).stdout.strip())
            return seen
    """
    assert value(inline.invoke(code, Environment={"Variables": {"TABLE": "orders"}})) == ["orders", "orders"]


def test_variables_are_there_for_the_run_and_gone_after_it(inline: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE", "mine")
    monkeypatch.setenv("GONE", "soon")
    inline.write("""
        import os
        def handler(event, context):
            os.environ["MADE"] = "by the handler"
            del os.environ["GONE"]
            return ["GONE" in os.environ, os.environ.get("GONE"), len(os.environ) == len(list(os.environ))]
    """)

    async def story(function: Any) -> list[Any]:
        reply = await function.invoke(inline.invocation())
        return [*value(reply), os.environ["TABLE"], os.environ["MADE"], "GONE" in os.environ]

    assert inline.play(story, Environment={"Variables": {"TABLE": "orders"}}) == [
        *(False, None, True),
        *("orders", "by the handler", False),
    ]
    assert (os.environ["TABLE"], os.environ["GONE"], "MADE" in os.environ) == ("mine", "soon", False)


def test_what_somebody_else_has_set_meanwhile_is_left(inline: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE", "before")

    async def story(function: Any) -> None:
        await function.invoke(inline.invocation())
        monkeypatch.setenv("TABLE", "theirs")

    inline.write("def handler(event, context): pass")
    inline.play(story, Environment={"Variables": {"TABLE": "orders"}})
    assert os.environ["TABLE"] == "theirs"


def test_deleting_a_variable_that_is_not_there_says_so(inline: Stage) -> None:
    reply = inline.invoke("import os\ndef handler(event, context): del os.environ['NOT_THERE']")
    assert isinstance(reply, Failed)
    assert (reply.error_type, reply.message) == ("KeyError", "'NOT_THERE'")


def test_lines_go_to_the_invocation_that_wrote_them(inline: Stage) -> None:
    """Also when several print at the same time."""
    code = """
        import time
        def handler(event, context):
            for n in range(3):
                print(context.aws_request_id, end="")
                time.sleep(0.005)
                print("", n)
    """
    inline.invoke_together(code, {}, {}, {})
    printed = [line for line in inline.facts(LogLine) if line.text[:1].isdigit() or line.text[8:9] == "-"]
    assert len(printed) == 9
    assert all(line.text.split()[0] == line.request_id for line in printed)


def test_what_is_printed_also_goes_to_stderr_and_stdout_stays_the_programs(
    inline: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import logging\ndef handler(event, context): print('printed'); logging.warning('logged')"
    inline.invoke(code)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("printed\n[WARNING]\t")


def test_without_echo_it_is_only_in_the_log(inline: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    inline.options["echo"] = False
    inline.invoke("import sys\ndef handler(event, context): sys.stdout.writelines(['a\\n', 'b\\n'])")
    assert capsys.readouterr() == ("", "")
    assert inline.said == ["a", "b"]


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_handler_that_closes_its_stream_closes_nobody_elses(inline: Stage, name: str) -> None:
    mine = getattr(sys, name)
    inline.invoke(f"import sys\ndef handler(event, context):\n    sys.{name}.close()\n    print('still here')")
    assert not mine.closed
    assert inline.said == ["still here"]


def test_who_is_not_in_an_invocation_prints_where_he_always_did(
    inline: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    inline.write("import time\ndef handler(event, context): time.sleep(0.05)")

    async def story(function: Any) -> None:
        running = asyncio.create_task(function.invoke(inline.invocation()))
        await asyncio.sleep(0.02)
        print("me")  # noqa: T201
        sys.stdout.flush()
        await running

    inline.play(story)
    assert capsys.readouterr().out == "me\n"
    assert inline.said == []


def test_a_kept_stream_goes_on_writing_to_the_stream_of_now(inline: Stage) -> None:
    """A logging handler that was made inside an invocation outlives it."""
    kept: list[Any] = []
    call(inline, lambda _event, _context: kept.append(sys.stdout))
    with mock.patch("sys.stdout", io.StringIO()) as later:
        kept[0].write("later")
        assert later.getvalue() == "later"
    assert kept[0].isatty() is False


def test_a_stream_that_was_replaced_while_another_invocation_runs_is_stood_in_for_too(inline: Stage) -> None:
    """As pytest does between two phases of a test, while a thread of the one before has not ended."""
    inline.write("import time\ndef handler(event, context): time.sleep(event['s']); print('seen', event['s'])")

    async def story(function: Any) -> None:
        slow = asyncio.create_task(function.invoke(inline.invocation({"s": 0.1})))
        await asyncio.sleep(0.03)
        with mock.patch("sys.stdout", io.StringIO()) as later:
            await function.invoke(inline.invocation({"s": 0}))
            await slow
        assert later.getvalue() == ""

    inline.play(story)
    assert inline.said == ["seen 0", "seen 0.1"]


def test_who_replaces_stdout_inside_a_handler_gets_it_back_undisturbed(inline: Stage) -> None:
    code = """
        import contextlib, io
        def handler(event, context):
            with contextlib.redirect_stdout(io.StringIO()) as taken:
                print("taken")
            print("logged")
            return taken.getvalue()
    """
    assert value(inline.invoke(code)) == "taken\n"
    assert inline.said == ["logged"]


def test_a_record_that_cannot_be_formatted_harms_nobody(
    inline: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would raise
    assert (
        value(inline.invoke("import logging\ndef handler(event, context): logging.warning('%d', 'x'); return 1")) == 1
    )
    assert "--- Logging error ---" in capsys.readouterr().err


def test_logging_elsewhere_is_nobodys_line(inline: Stage, caplog: pytest.LogCaptureFixture) -> None:
    inline.write("import time\ndef handler(event, context): time.sleep(0.05)")

    async def story(function: Any) -> None:
        running = asyncio.create_task(function.invoke(inline.invocation()))
        await asyncio.sleep(0.02)
        logging.getLogger("mine").warning("me")
        await running

    inline.play(story)
    assert inline.said == []
    assert caplog.messages == ["me"]


# --- time


@pytest.mark.slow
def test_what_a_timed_out_thread_still_writes_is_lost(inline: Stage) -> None:
    """Its environment is dead in Lambda; here only the thread that it ran in goes on."""
    ended = threading.Event()

    def handler(_event: Any, _context: Any) -> None:
        print("begun")  # noqa: T201
        ended.wait(1.2)
        print("too late")  # noqa: T201
        ended.set()

    reply = call(inline, handler, Timeout=1)
    assert isinstance(reply, Failed)
    assert reply.kind is FailureKind.TIMEOUT
    assert ended.wait(5)
    wait_for_threads_of_handlers()
    assert inline.said[0] == "begun"
    assert "too late" not in inline.lines


@pytest.mark.slow
def test_an_import_beyond_the_init_limit_is_awaited_under_the_functions_timeout(inline: Stage) -> None:
    """RUN-5."""
    inline.options["profile"] = PROFILES["aws-2026"].with_(init_limit=50)
    assert value(inline.invoke("import time\ntime.sleep(0.3)\ndef handler(event, context): return 1")) == 1
    assert [line.split("\t")[1:] for line in inline.lines if line.startswith("INIT_REPORT")] == [
        ["Phase: init", "Status: timeout"]
    ]


def virtually(stage: Stage, code: str, **properties: Any) -> list[object]:
    stage.write(code)
    stage.clock = clock = VirtualClock()
    stage.identifiers = Identifiers(Random(0))
    stage.journal = Journal()

    async def story() -> list[object]:
        function = stage.function(**properties)
        replies = await asyncio.gather(*(function.invoke(stage.invocation({"n": n})) for n in range(3)))
        await function.close()
        return replies

    return run_virtually(story, clock=clock)


SLEEPER = """
    import os, time
    time.sleep(2)
    def handler(event, context):
        print("begin", event["n"])
        before = context.get_remaining_time_in_millis()
        time.sleep(30 + event["n"])
        print("end", event["n"])
        return [before, context.get_remaining_time_in_millis(), os.environ["AWS_LAMBDA_FUNCTION_NAME"]]
"""


def test_handlers_interleave_in_virtual_time_and_keep_their_logs(inline: Stage) -> None:
    replies = virtually(inline, SLEEPER, Timeout=60)
    assert [value(reply) for reply in replies] == [[60_000, 30_000 - 1_000 * n, "Worker"] for n in range(3)]
    assert [reply.usage.duration_ms for reply in replies] == [30_000.0, 31_000.0, 32_000.0]  # type: ignore[attr-defined]
    assert inline.said == [*(f"begin {n}" for n in range(3)), *(f"end {n}" for n in range(3))]
    assert [fact.init_ms for fact in inline.started] == [2_000.0] * 3


def test_the_same_run_gives_the_same_journal_byte_for_byte(inline: Stage) -> None:
    journals = []
    for _ in range(2):
        virtually(inline, SLEEPER, Timeout=60)
        journals.append(list(inline.journal.lines()))
    assert journals[0] == journals[1]


def test_a_timeout_in_virtual_time_reaches_the_handler_where_it_waits(inline: Stage) -> None:
    """RUN-20: its ``finally`` runs, its ``except Exception`` does not see it."""
    code = """
        import time
        def handler(event, context):
            try: time.sleep(100)
            except Exception: print("swallowed")
            finally: print("finally")
    """
    replies = virtually(inline, code, Timeout=5)
    assert {reply.kind for reply in replies} == {FailureKind.TIMEOUT}  # type: ignore[attr-defined]
    assert "swallowed" not in inline.lines
    assert inline.said.count("finally") == 3


def test_the_timeouterror_of_a_handler_is_no_timeout(inline: Stage) -> None:
    """A socket's timeout is an exception like any other."""
    reply = inline.invoke("def handler(event, context): raise TimeoutError('socket')")
    assert isinstance(reply, Failed)
    assert (reply.kind, reply.error_type) == (FailureKind.ERROR, "TimeoutError")


def test_ctrl_c_is_not_the_handlers() -> None:
    """On the main thread, where it arrives and where handlers run in virtual time, it ends what runs there."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attended(Presence(Variables({}), {}, lambda _lines: None), interrupted)


def test_an_unfinished_line_is_told_once() -> None:
    told: list[str] = []
    presence = Presence(Variables({}), {}, told.extend, echo=False)
    presence.write("half a ")
    presence.write("line")
    presence.end()
    presence.write("lost\n")
    presence.end()
    assert told == ["half a line"]

"""Execution environments: worker processes that start, die, are replaced and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from esm_emulator.clocks.virtual import VirtualClock
from esm_emulator.clocks.virtual import run as run_virtually
from esm_emulator.errors import HandlerImportError
from esm_emulator.functions import Failed, FailureKind, Returned
from esm_emulator.functions.process import IDLE_MS, ProcessFunction
from esm_emulator.functions.workers import Worker
from esm_emulator.journal import LogLine
from esm_emulator.profiles import PROFILES
from tests.functions.stages import Stage

PID = "import os\ndef handler(event, context): return os.getpid()"


def value(reply: object) -> Any:
    assert isinstance(reply, Returned), reply
    return json.loads(reply.payload)


def failure(reply: object) -> Failed:
    assert isinstance(reply, Failed), reply
    return reply


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int, within: float = 5) -> bool:
    """Whether the process ends soon."""
    deadline = time.monotonic() + within
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


# --- one process for each environment


def test_the_handler_runs_in_a_process_of_its_own(process: Stage) -> None:
    first, second = process.invoke_each(PID, {}, {})
    assert value(first) == value(second) != os.getpid()


def test_nothing_of_one_environments_memory_is_seen_by_another(process: Stage) -> None:
    """RUN-7: what runs at the same time is in different processes, whose module state is their own."""
    code = """
        import time
        seen = []
        def handler(event, context):
            seen.append(event["n"])
            time.sleep(0.05)
            return seen
    """
    assert [value(reply) for reply in process.invoke_together(code, {"n": 1}, {"n": 2})] == [[1], [2]]


def test_module_state_stays_in_a_warm_environment(process: Stage) -> None:
    code = "seen = []\ndef handler(event, context): seen.append(1); return len(seen)"
    assert [value(reply) for reply in process.invoke_each(code, {}, {}, {})] == [1, 2, 3]


def test_only_a_cold_start_reports_its_init(process: Stage) -> None:
    """RUN-8, RUN-40: Duration leaves the init phase out, Init Duration is the import's own time."""
    cold, warm = process.invoke_each("import time; time.sleep(0.03)\ndef handler(event, context): pass", {}, {})
    assert isinstance(cold, Returned)
    assert isinstance(warm, Returned)
    assert cold.usage.init_ms is not None
    assert 30 <= cold.usage.init_ms < 1000
    assert cold.usage.duration_ms < 30
    assert warm.usage.init_ms is None


def test_a_worker_loads_nothing_of_the_emulators_beside_the_handler(process: Stage) -> None:
    """A handler's memory and start are its own; and it may import the emulator for itself."""
    code = """
        import sys
        loaded = {name.partition(".")[0] for name in sys.modules}
        def handler(event, context):
            import esm_emulator
            return [sorted(loaded & {"esm_emulator", "pydantic", "anyio", "asyncio", "boto3", "moto", "yaml"}),
                    hasattr(esm_emulator, "__version__")]
    """
    assert value(process.invoke(code)) == [[], True]


def test_the_code_folder_is_first_on_the_import_path_and_the_working_folder(process: Stage) -> None:
    process.write("VALUE = 1", "helper.py")
    code = """
        import os, sys, helper
        def handler(event, context): return [sys.path[0], os.getcwd(), helper.VALUE, "PYTHONSAFEPATH" in os.environ]
    """
    assert value(process.invoke(code)) == [str(process.folder), str(process.folder), 1, False]


def test_the_code_folder_is_left_as_it_is(process: Stage) -> None:
    """In Lambda it is read-only: no bytecode is written into it."""
    process.invoke(PID)
    assert [path.name for path in process.folder.iterdir()] == ["app.py"]


def test_a_worker_sees_nothing_of_this_process_variables_but_what_python_needs(
    process: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above all nobody's credentials; and a handler does not come to rely on what Lambda does not have (RUN-9)."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("MY_SETTING", "here only")
    variables = value(process.invoke("import os\ndef handler(event, context): return dict(os.environ)"))
    assert "AWS_PROFILE" not in variables
    assert "MY_SETTING" not in variables
    assert variables["PATH"] == os.environ["PATH"]
    assert variables["TZ"] == ":UTC"
    assert variables["AWS_ACCESS_KEY_ID"] == "esm-emulator"


def test_local_time_is_utc(process: Stage) -> None:
    """RUN-9: TZ is :UTC."""
    code = "import time\ndef handler(event, context): return [time.timezone, time.localtime(0).tm_hour]"
    assert value(process.invoke(code)) == [0, 0]


def test_stdin_is_empty(process: Stage) -> None:
    assert value(process.invoke("import sys\ndef handler(event, context): return sys.stdin.read()")) == ""


def test_open_files_are_limited_as_in_lambda(process: Stage) -> None:
    """RUN-2."""
    code = "import resource\ndef handler(event, context): return resource.getrlimit(resource.RLIMIT_NOFILE)"
    assert value(process.invoke(code)) == [1024, 1024]


def test_asyncio_run_inside_a_handler_works(process: Stage) -> None:
    code = """
        import asyncio
        async def work(): await asyncio.sleep(0); return 7
        def handler(event, context): return asyncio.run(work())
    """
    assert value(process.invoke(code)) == 7


def test_the_next_start_is_kept_warm_without_the_handler(process: Stage) -> None:
    """One spare has its interpreter up, and nothing of the handler's loaded."""
    process.write(f"open({str(process.folder / 'imports')!r}, 'a').write('x')\n" + PID)

    async def story(function: ProcessFunction) -> None:
        await function.invoke(process.invocation())
        spare = function._spare
        assert spare is not None
        assert spare.is_alive()
        assert await spare.greeting()

    process.play(story)
    assert (process.folder / "imports").read_text() == "x"


def test_an_environment_nobody_needed_for_long_ends(process: Stage) -> None:
    process.write("import time\n" + PID.replace("return", "time.sleep(0.02); return"))

    async def story(function: ProcessFunction) -> set[int]:
        both = [function.invoke(process.invocation()) for _ in range(2)]
        pids = {value(reply) for reply in await asyncio.gather(*both)}
        function._idle[0].used_at -= IDLE_MS + 1
        return pids - {value(await function.invoke(process.invocation()))}

    (ended,) = process.play(story)
    assert gone(ended)
    assert [fact.reason for fact in process.ended] == ["idle", "stop"]


# --- how environments die


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("os._exit(0)", "without providing a reason"),
        ("os._exit(3)", "with error: exit status 3"),
        ("os.kill(os.getpid(), 11)", "with error: signal: segmentation fault"),
        ("ctypes.string_at(0)", "with error: signal: segmentation fault"),
        ("os.abort()", "with error: signal: aborted"),
        ("os.kill(os.getpid(), 9)", "with error: signal: killed"),
        ("os.kill(os.getpid(), 15)", "with error: signal: terminated"),
        ("os.kill(os.getpid(), signal.SIGRTMIN)", "with error: signal: signal 34"),
        ("os.closerange(3, 256)", "with error: signal: killed"),
    ],
)
def test_a_crash_is_an_exit_and_the_next_invocation_finds_a_new_process(
    process: Stage, statement: str, reason: str
) -> None:
    """RUN-19, RUN-6: module state is lost, the environment goes on."""
    code = f"""
        import ctypes, os, signal
        seen = []
        def handler(event, context):
            seen.append(1)
            if event["crash"]: {statement}
            return len(seen)
    """
    warm, crashed, again = process.invoke_each(code, {"crash": False}, {"crash": True}, {"crash": False})
    assert failure(crashed).kind is FailureKind.EXIT
    assert failure(crashed).error_type == "Runtime.ExitError"
    assert failure(crashed).message.endswith(f"Error: Runtime exited {reason}")
    assert value(again) == 1
    assert isinstance(again, Returned)
    assert again.usage.environment == warm.usage.environment  # type: ignore[union-attr]
    assert [fact.reason for fact in process.ended] == ["exit", "stop"]


def test_after_a_crash_init_runs_again_silently(process: Stage) -> None:
    """Suppressed init: no INIT lines, no Init Duration, and the time counts as the invocation's own (RUN-5a)."""
    code = """
        import os, time
        time.sleep(0.03)
        def handler(event, context):
            if event["crash"]: os._exit(1)
    """
    _, again = process.invoke_each(code, {"crash": True}, {"crash": False})
    assert isinstance(again, Returned)
    assert again.usage.init_ms is None
    assert again.usage.duration_ms >= 30
    assert len([line for line in process.lines if line.startswith("INIT_")]) == 1
    assert "Init Duration" not in process.lines[-1]


def test_files_outlive_a_crash(process: Stage) -> None:
    """RUN-6: the folder for temporary files is kept, and each environment has its own."""
    code = """
        import os, pathlib, tempfile
        def handler(event, context):
            mark = pathlib.Path(tempfile.gettempdir(), "mark")
            if event["crash"]:
                mark.write_text("kept")
                os._exit(1)
            return [mark.read_text(), tempfile.gettempdir()]
    """
    _, again = process.invoke_each(code, {"crash": True}, {"crash": False})
    kept, folder = value(again)
    assert kept == "kept"
    assert not Path(folder).exists()  # it goes with the environment


def test_a_handler_may_delete_its_temporary_folder_and_leave_its_working_folder(process: Stage) -> None:
    """``/tmp`` is always there in Lambda."""
    code = """
        import os, shutil, tempfile
        def handler(event, context):
            before = os.path.isdir(tempfile.gettempdir())
            shutil.rmtree(tempfile.gettempdir())
            os.makedirs("/tmp/esm-test-cwd", exist_ok=True)
            os.chdir("/tmp/esm-test-cwd")
            os.rmdir("/tmp/esm-test-cwd")
            return before
    """
    assert [value(reply) for reply in process.invoke_each(code, {}, {})] == [True, True]


def test_an_environment_that_was_killed_while_it_was_idle_is_replaced(process: Stage) -> None:
    """From outside, as by the system's own killer: the next invocation does not pay for it."""
    process.write(PID)

    async def story(function: ProcessFunction) -> tuple[int, int]:
        first = value(await function.invoke(process.invocation()))
        os.kill(first, signal.SIGKILL)
        while is_running(first):  # noqa: ASYNC110 - what is waited for is outside
            await asyncio.sleep(0.005)
        return first, value(await function.invoke(process.invocation()))

    first, second = process.play(story)
    assert first != second
    assert [fact.reason for fact in process.ended] == ["exit", "stop"]


@pytest.mark.slow
def test_a_timeout_kills_the_process_and_its_children(process: Stage) -> None:
    """RUN-20, RUN-6: also one that catches everything, or is deep in C."""
    pids = process.folder / "pids"
    code = f"""
        import os, subprocess, sys, time
        def handler(event, context):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
            while True:
                try: time.sleep(60)
                except BaseException: pass
    """
    reply = failure(process.invoke(code, Timeout=1))
    assert reply.kind is FailureKind.TIMEOUT
    assert reply.usage.duration_ms == 1000
    assert all(gone(int(pid)) for pid in pids.read_text().split())
    assert process.lines[-1].endswith("\tStatus: timeout")
    assert [fact.reason for fact in process.ended] == ["timeout"]


def test_children_left_behind_end_with_the_environment(process: Stage) -> None:
    code = """
        import subprocess, sys
        def handler(event, context):
            return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid
    """
    assert gone(value(process.invoke(code)))


def test_a_forked_child_does_not_keep_a_dead_environment_alive(process: Stage) -> None:
    """The end of the worker is seen although its child has a copy of everything."""
    code = """
        import os, time
        def handler(event, context):
            if os.fork() == 0:
                time.sleep(60)
            os._exit(5)
    """
    began = time.monotonic()
    assert failure(process.invoke(code)).message.endswith("exit status 5")
    assert time.monotonic() - began < 3


@pytest.mark.slow
def test_what_goes_on_after_the_handler_has_returned_is_frozen(process: Stage) -> None:
    """Between invocations an environment does not run, threads and children included; then it goes on."""
    code = """
        import threading, time
        ticks = []
        def tick():
            while True:
                ticks.append(time.monotonic())
                time.sleep(0.005)
        threading.Thread(target=tick, daemon=True).start()
        def handler(event, context):
            time.sleep(0.03)
            return [len(ticks), max(b - a for a, b in zip(ticks, ticks[1:]))]
    """
    process.write(code)

    async def story(function: ProcessFunction) -> list[Any]:
        first = value(await function.invoke(process.invocation()))
        await asyncio.sleep(0.2)
        return [first, value(await function.invoke(process.invocation()))]

    process.write(textwrap.dedent(code))
    (before, _), (after, pause) = process.play(story)
    assert after > before
    assert pause > 0.19  # it did not tick while nobody was invoked


def test_a_thread_that_is_left_behind_does_not_hold_up_the_end(process: Stage) -> None:
    code = """
        import threading, time
        def handler(event, context): threading.Thread(target=time.sleep, args=(60,)).start()
    """
    began = time.monotonic()
    assert value(process.invoke(code)) is None
    assert time.monotonic() - began < 3


# --- init


def test_a_failed_init_is_tried_again_within_the_invocation(process: Stage) -> None:
    """RUN-5, and the order of Lambda's lines: what went wrong only at first goes well then."""
    mark = process.folder / "mark"
    code = f"""
        import pathlib
        mark = pathlib.Path({str(mark)!r})
        if not mark.exists():
            mark.touch()
            raise ConnectionError("no database yet")
        def handler(event, context): return "fine"
    """
    reply = process.invoke(code)
    assert value(reply) == "fine"
    assert isinstance(reply, Returned)
    assert reply.usage.init_ms is None
    heads = [line.split(" ", 1)[0] for line in process.lines]
    assert heads == ["INIT_START", "[ERROR]", "INIT_REPORT", "START", "END", "REPORT"]
    assert [fact.error_type for fact in process.started] == ["ConnectionError", None]


def test_an_init_that_keeps_failing_is_reported_for_both_phases(process: Stage) -> None:
    """RUN-40."""
    process.invoke("import nowhere")
    reports = [line.split("\t")[1:] for line in process.lines if line.startswith("INIT_REPORT")]
    ending = ["Status: error", "Error Type: Runtime.ImportModuleError"]
    assert reports == [["Phase: init", *ending], ["Phase: invoke", *ending]]
    assert [line.split(" ", 1)[0] for line in process.lines[-3:]] == ["START", "END", "REPORT"]


@pytest.mark.slow
def test_an_init_beyond_its_limit_is_repeated_under_the_functions_timeout(process: Stage) -> None:
    """RUN-5: 10 s in Lambda, less here."""
    process.options["profile"] = PROFILES["aws-2026"].with_(init_limit=100)
    reply = process.invoke("import time; time.sleep(0.3)\ndef handler(event, context): return 1", Timeout=2)
    assert value(reply) == 1
    assert isinstance(reply, Returned)
    assert 300 <= reply.usage.duration_ms < 2000
    (report,) = (line for line in process.lines if line.startswith("INIT_REPORT"))
    assert re.fullmatch(r"INIT_REPORT Init Duration: 1\d\d\.\d\d ms\tPhase: init\tStatus: timeout", report)


@pytest.mark.slow
def test_an_init_that_never_ends_is_a_timeout(process: Stage) -> None:
    """RUN-5, RUN-20."""
    process.options["profile"] = PROFILES["aws-2026"].with_(init_limit=50)
    reply = failure(process.invoke("import time; time.sleep(60)", Timeout=1))
    assert reply.kind is FailureKind.TIMEOUT
    assert reply.message.endswith("Task timed out after 1.00 seconds")
    assert reply.usage.duration_ms == 1000


@pytest.mark.slow
def test_a_segfault_at_init_is_a_timeout_after_the_whole_timeout(process: Stage) -> None:
    """RUN-21, as it was recorded."""
    began = time.monotonic()
    reply = failure(process.invoke("import os; os.kill(os.getpid(), 11)", Timeout=1))
    assert (reply.kind, reply.error_type) == (FailureKind.TIMEOUT, "Sandbox.Timedout")
    assert time.monotonic() - began > 0.9


def test_prepare_tells_of_a_crash_too(process: Stage) -> None:
    process.write("import os; os._exit(4)")
    with pytest.raises(HandlerImportError, match="exit status 4"):
        process.play(lambda function: function.prepare())


# --- memory


def test_memory_is_measured(process: Stage) -> None:
    """Max Memory Used is the process's own, and never goes down (RUN-40)."""
    code = "def handler(event, context):\n    x = b'x' * event['mb'] * 2**20\n"
    replies = process.invoke_each(code, {"mb": 0}, {"mb": 60}, {"mb": 0})
    small, large, after = (reply.usage.max_memory_mb or 0 for reply in replies)  # type: ignore[union-attr]
    assert 5 < small < 40
    assert 55 < large - small < 70
    assert after == large


@pytest.mark.slow
@pytest.mark.parametrize("keep", [True, False], ids=["for long", "for a moment"])
def test_an_environment_that_needs_more_than_its_memory_is_killed(process: Stage, keep: bool) -> None:
    """RUN-24: seen while it runs, or at the latest by what it had at its most; the next invocation runs again."""
    code = f"""
        import time
        def handler(event, context):
            x = b"x" * (event["mb"] << 20)
            if {keep} and event["mb"]: time.sleep(30)
            return 1
    """
    killed, again = process.invoke_each(code, {"mb": 150}, {"mb": 0}, Timeout=60)
    reply = failure(killed)
    assert reply.kind is FailureKind.EXIT
    assert reply.message.endswith("Error: Runtime exited with error: signal: killed")
    assert value(again) == 1
    report = next(line for line in process.lines if line.startswith("REPORT"))
    assert "\tMax Memory Used: 128 MB\t" in report
    assert report.endswith("\tStatus: error\tError Type: Runtime.OutOfMemory")


def test_memory_is_a_limit_that_can_be_raised(process: Stage) -> None:
    """RUN-2."""
    code = "def handler(event, context):\n    x = b'x' * 150 * 2**20\n    return 1"
    assert value(process.invoke(code, MemorySize=512)) == 1


# --- output


def test_stdout_and_stderr_keep_their_order_however_they_are_written(process: Stage) -> None:
    code = """
        import os, subprocess, sys
        def handler(event, context):
            for n in range(3):
                print("out", n)
                print("err", n, file=sys.stderr)
                os.write(1, b"fd %d\\n" % n)
                subprocess.run(["echo", "child"])
    """
    process.invoke(code)
    assert process.said == [line for n in range(3) for line in (f"out {n}", f"err {n}", f"fd {n}", "child")]


def test_what_was_printed_before_a_crash_is_there(process: Stage) -> None:
    """Output is not buffered, as in Lambda."""
    process.invoke(
        "import os\ndef handler(event, context): print('last', end=' '); print('words', end=''); os._exit(1)"
    )
    assert process.said[0] == "last words"


@pytest.mark.slow
def test_megabytes_of_output_are_kept_in_order(process: Stage) -> None:
    """A handler that prints a lot is slowed by nobody, and loses nothing."""
    count = 30_000
    process.invoke(f"def handler(event, context):\n    for n in range({count}): print(n, 'x' * 50)", Timeout=30)
    assert [int(line.split()[0]) for line in process.said] == list(range(count))


def test_one_line_of_megabytes_is_cut(process: Stage) -> None:
    process.invoke("def handler(event, context): print('ü' * 2_000_000)")
    assert "".join(process.said) == "ü" * 2_000_000
    assert max(len(line.encode()) for line in process.said) <= 262_144


def test_bytes_that_are_no_text_do_not_matter(process: Stage) -> None:
    process.invoke(r"import os" "\n" r"def handler(event, context): os.write(1, b'\xff\xfe\n\x00\n')")
    assert process.said == ["\ufffd\ufffd", "\x00"]


@pytest.mark.parametrize("statement", ["sys.stdout.close()", "os.close(1); os.close(2)", "sys.stdout = None"])
def test_a_handler_may_close_its_output(process: Stage, statement: str) -> None:
    code = f"import os, sys\ndef handler(event, context):\n    print('before')\n    {statement}\n    return 1"
    assert value(process.invoke(code)) == 1
    assert process.said == ["before"]


def test_a_child_that_goes_on_writing_keeps_nobody(process: Stage) -> None:
    code = """
        import subprocess
        def handler(event, context):
            subprocess.Popen(["sh", "-c", "while :; do echo {'y' * 1000}; done"])
            return 1
    """
    assert [value(reply) for reply in process.invoke_each(code, {}, {})] == [1, 1]


def test_a_carriage_return_is_a_line_break_within_one_event(process: Stage) -> None:
    """That is how Lambda's runtime writes a traceback (RUN-23)."""
    process.invoke("def handler(event, context): print('a\\rb\\r')")
    assert process.said == ["a\nb"]


# --- the adapter


@pytest.mark.slow
def test_closing_leaves_no_process_no_file_and_no_thread(process: Stage) -> None:
    def held() -> tuple[set[str], set[str]]:
        return {path.name for path in Path("/proc/self/fd").iterdir()}, {
            thread.name for thread in threading.enumerate()
        }

    files, threads = held()
    pids = [
        value(reply)
        for reply in process.invoke_together(
            PID.replace("return", "__import__('time').sleep(0.05); return"), {}, {}, {}
        )
    ]
    assert not any(is_running(pid) for pid in pids)
    gc.collect()
    assert held()[0] <= files  # those of tests before may be closed meanwhile
    assert held()[1] <= threads  # and may end


def test_a_function_may_be_used_again_after_it_was_closed(process: Stage) -> None:
    process.write(PID)

    async def story(function: ProcessFunction) -> list[Any]:
        first = await function.invoke(process.invocation())
        await function.close()
        return [value(first), value(await function.invoke(process.invocation()))]

    first, second = process.play(story)
    assert first != second


def test_a_canceled_invocation_ends_its_environment(process: Stage) -> None:
    process.write("import time\ndef handler(event, context): time.sleep(60)")

    async def story(function: ProcessFunction) -> None:
        running = asyncio.create_task(function.invoke(process.invocation()))
        while not process.started:  # noqa: ASYNC110 - what is waited for is outside
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    began = time.monotonic()
    process.play(story, Timeout=60)
    assert time.monotonic() - began < 5
    assert [fact.reason for fact in process.ended] == ["stop"]


def test_an_invocation_that_is_canceled_while_the_handler_is_loaded_leaves_nothing(process: Stage) -> None:
    process.write("import time; time.sleep(60)")

    async def story(function: ProcessFunction) -> None:
        with anyio.move_on_after(0.1):
            await function.invoke(process.invocation())

    began = time.monotonic()
    process.play(story, Timeout=60)
    assert time.monotonic() - began < 5
    assert (process.started, process.ended) == ([], [])


def test_a_machine_that_cannot_start_a_process_is_a_failure_of_the_service(
    process: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAIL-13: the function is not to blame, and the emulator lives on."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    process.write(PID)

    async def story(function: ProcessFunction) -> list[Any]:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", refuse)
            first = await function.invoke(process.invocation())
        return [first, await function.invoke(process.invocation())]

    refused, accepted = process.play(story)
    assert failure(refused).kind is FailureKind.SERVICE
    assert "Resource temporarily unavailable" in failure(refused).message
    assert value(accepted)


def test_under_virtual_time_the_clock_stands_still_while_a_process_works(process: Stage) -> None:
    process.write("import time\ndef handler(event, context): time.sleep(0.03); return 1")
    process.clock = VirtualClock()

    async def story() -> tuple[int, object]:
        function = process.function()
        reply = await function.invoke(process.invocation())
        await function.close()
        return process.clock.now(), reply

    began = process.clock.now()
    ended, reply = run_virtually(story, clock=process.clock)
    assert value(reply) == 1
    assert ended == began


@pytest.mark.slow
def test_under_virtual_time_a_timeout_is_real(process: Stage) -> None:
    process.write("import time\ndef handler(event, context): time.sleep(60)")
    process.clock = VirtualClock()

    async def story() -> object:
        function = process.function(Timeout=1)
        try:
            return await function.invoke(process.invocation())
        finally:
            await function.close()

    assert failure(run_virtually(story, clock=process.clock)).kind is FailureKind.TIMEOUT


@pytest.mark.slow
def test_many_environments_at_once(process: Stage) -> None:
    """Each its own process; and none of them is counted as slow to start for waiting its turn."""
    code = "import os, time\ndef handler(event, context): time.sleep(0.3); return os.getpid()"
    replies = process.invoke_together(code, *[{}] * 40, Timeout=60)
    assert len({value(reply) for reply in replies}) == 40
    assert max(fact.init_ms for fact in process.started) < 1000


@pytest.mark.slow
def test_workers_go_when_the_emulator_is_killed(process: Stage) -> None:
    """Also those that are frozen, and what their handlers have started."""
    process.write("""
        import os, subprocess
        def handler(event, context):
            child = subprocess.Popen(["sleep", "60"]) if event.get("leave") else None
            return [os.getpid(), child.pid if child else os.getpid()]
    """)
    program = f"""
        import anyio, sys, time
        from random import Random
        from esm_emulator.clocks.real import RealClock
        from esm_emulator.functions import Invocation
        from esm_emulator.functions.process import ProcessFunction
        from esm_emulator.identifiers import Identifiers
        from esm_emulator.journal import Journal
        from esm_emulator.resources import Function
        async def main():
            resource = Function(id="Worker", Handler="app.handler", CodeUri={str(process.folder)!r})
            for leave in (False, True):
                function = ProcessFunction(resource, RealClock(), Journal(), Identifiers(Random(1)))
                reply = await function.invoke(Invocation("r", "a", {{"leave": leave}}))
                print(reply.payload, flush=True)
            time.sleep(60)
        anyio.run(main)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout
        pids = [pid for _ in range(2) for pid in json.loads(emulator.stdout.readline())]
        assert all(is_running(pid) for pid in pids)
        emulator.kill()
    assert gone(pids[0])
    assert gone(pids[2])


def test_a_worker_that_cannot_even_start_is_seen(process: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken Python is told as a runtime that exits, not waited for."""
    monkeypatch.setattr("esm_emulator.functions.process.host_variables", lambda: {"PYTHONHOME": "/nonexistent"})
    reply = failure(process.invoke(PID))
    assert reply.kind is FailureKind.EXIT
    assert any("encodings" in line for line in process.lines)


def test_lines_of_a_spare_are_nobodys() -> None:
    worker = Worker({})
    assert worker.end() == -signal.SIGKILL
    assert worker.end() == -signal.SIGKILL
    assert not worker.is_alive()
    assert LogLine(0, "f", "e", "t").request_id is None

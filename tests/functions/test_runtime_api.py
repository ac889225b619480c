"""Functions of any language, which ask the Runtime API for their work."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio
import pytest

from esm_emulator.clocks.real import RealClock
from esm_emulator.clocks.virtual import VirtualClock, run
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.errors import HandlerImportError
from esm_emulator.functions import Failed, FailureKind, Invocation, Reply, Returned
from esm_emulator.functions.runtime_api import RuntimeApiFunction
from esm_emulator.functions.variables import on_runtime_api
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import EnvironmentEnded, EnvironmentStarted, Fact, Journal, LogLine, MessageDeleted
from esm_emulator.resources import Function, Resources
from esm_emulator.sqs import NewMessage

ARN = "arn:aws:lambda:us-east-1:123456789012:function:Worker:live"
T = TypeVar("T")
F = TypeVar("F", bound=Fact)

# a runtime in Python, on nothing but the library: `handle` is what a test writes
RUNTIME = """\
import http.client, json, os, sys, time
base = "/2018-06-01/runtime"
server = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    server.request(method, base + path, body, headers)
    answer = server.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()
def say(text):
    print(text, flush=True)
"""
LOOP = """
while True:
    _, headers, event = call("GET", "/invocation/next")
    id = headers["Lambda-Runtime-Aws-Request-Id"]
    result = handle(json.loads(event), headers)
    if result is not None:
        call("POST", f"/invocation/{id}/response", json.dumps(result))
"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


class ApiStage:
    """Where one function of any language plays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.journal = Journal()
        self.identifiers = Identifiers(Random(0))

    def write(self, text: str, name: str) -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def bootstrap(self, body: str, *, loop: bool = True) -> None:
        """Write a runtime in Python whose ``handle(event, headers)`` is in ``body``."""
        code = f"#!{sys.executable} -S\n{RUNTIME}{textwrap.dedent(body)}{LOOP if loop else ''}"
        self.write(code, "bootstrap").chmod(0o755)

    def function(self, **properties: Any) -> RuntimeApiFunction:
        given = {"id": "Worker", "Handler": "index.handler", "CodeUri": str(self.folder), "Runtime": "provided.al2023"}
        return RuntimeApiFunction(Function(**given | properties), RealClock(), self.journal, self.identifiers)

    def invocation(self, event: Any, **fields: Any) -> Invocation:
        return Invocation(self.identifiers.uuid(), ARN, event, **fields)

    def play(self, story: Callable[[RuntimeApiFunction], Awaitable[T]], **properties: Any) -> T:
        async def main() -> T:
            function = self.function(**properties)
            try:
                return await story(function)
            finally:
                await function.close()

        return anyio.run(main)

    def invoke(self, *events: Any, **properties: Any) -> list[Reply]:
        async def story(function: RuntimeApiFunction) -> list[Reply]:
            return [await function.invoke(self.invocation(event)) for event in events]

        return self.play(story, **properties)

    def facts(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.journal if isinstance(fact, kind)]

    @property
    def lines(self) -> list[str]:
        return [line.text for line in self.facts(LogLine)]


@pytest.fixture
def stage(tmp_path: Path) -> ApiStage:
    return ApiStage(tmp_path / "code")


def result(reply: Reply) -> Any:
    assert isinstance(reply, Returned), reply
    return json.loads(reply.payload)


def failed(reply: Reply) -> Failed:
    assert isinstance(reply, Failed), reply
    return reply


# --- the protocol


def test_a_bootstrap_is_handed_events_and_its_responses_are_the_replies(stage: ApiStage) -> None:
    """One process asks for one invocation after the other (RUN-50)."""
    stage.bootstrap("""
        seen = []
        def handle(event, headers):
            seen.append(event["n"])
            return {"seen": seen, "pid": os.getpid()}
    """)
    first, second = map(result, stage.invoke({"n": 1}, {"n": 2}))
    assert second == {"seen": [1, 2], "pid": first["pid"]}
    assert len(stage.facts(EnvironmentStarted)) == 1


def test_an_invocation_carries_its_headers(stage: ApiStage) -> None:
    """Request id, function ARN as invoked, deadline, trace id, and JSON as the type (RUN-50)."""
    stage.bootstrap("""
        def handle(event, headers):
            left = int(headers["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000
            return [headers, left]
    """)
    invocation = stage.invocation({}, trace_id="Root=1-2-3")

    async def story(function: RuntimeApiFunction) -> list[Reply]:
        return [await function.invoke(invocation), await function.invoke(stage.invocation({}))]

    (headers, left), (later, _) = map(result, stage.play(story, Timeout=7))
    assert headers["Lambda-Runtime-Aws-Request-Id"] == invocation.request_id
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == ARN
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1-2-3"
    assert headers["Content-Type"] == "application/json"
    assert 5_000 < left <= 7_000
    assert "Lambda-Runtime-Trace-Id" not in later


def test_what_is_posted_is_accepted_with_202_and_what_is_out_of_turn_is_refused(stage: ApiStage) -> None:
    """Another id is 400, a second response and a second event are 403, other paths 404 (RUN-50)."""
    stage.bootstrap("""
        def handle(event, headers):
            path = f"/invocation/{id}/response"
            codes = [call("GET", "/invocation/next")[0], call("POST", "/invocation/other/response", "1")[0]]
            codes += [call("GET", "/nothing")[0], call("POST", "/init/error", "{}")[0]]
            codes += [call("POST", path, json.dumps(codes))[0], call("POST", path, "2")[0]]
            say(codes)
    """)
    (reply,) = stage.invoke({})
    assert result(reply) == [403, 400, 404, 403]
    assert "[403, 400, 404, 403, 202, 403]" in stage.lines


def test_who_calls_by_another_name_is_refused(stage: ApiStage) -> None:
    """A page in a browser sends a Host of its own."""
    stage.bootstrap("""
        def handle(event, headers):
            other = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
            other.putrequest("GET", base + "/invocation/next", skip_host=True)
            other.putheader("Host", "example.com")
            other.endheaders()
            return other.getresponse().status
    """)
    assert result(stage.invoke({})[0]) == 403


def test_a_bootstrap_may_be_a_shell_script_that_calls_curl(stage: ApiStage) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    stage.write(
        """\
        #!/bin/sh
        api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
        while true; do
            curl -sS -D "$TMPDIR/headers" -o "$TMPDIR/event" "$api/invocation/next"
            id=$(tr -d '\\r' < "$TMPDIR/headers" | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
            curl -sS -o /dev/null --data-binary "@$TMPDIR/event" "$api/invocation/$id/response"
        done
        """,
        "bootstrap",
    ).chmod(0o755)
    assert [result(reply) for reply in stage.invoke({"n": 1}, {"n": 2})] == [{"n": 1}, {"n": 2}]


def test_a_bootstrap_has_the_variables_of_a_function_and_works_in_its_folder(stage: ApiStage) -> None:
    """Lambda's variables, the function's own, and none of ours (RUN-9)."""
    stage.bootstrap("""
        def handle(event, headers):
            return [dict(os.environ), os.getcwd()]
    """)
    (reply,) = stage.invoke({}, Environment={"Variables": {"MINE": "1"}})
    variables, folder = result(reply)
    assert folder == variables["LAMBDA_TASK_ROOT"] == str(stage.folder)
    assert (variables["MINE"], variables["_HANDLER"]) == ("1", "index.handler")
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_provided.al2023"
    assert variables["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")
    assert "PYTEST_CURRENT_TEST" not in variables


def test_events_and_responses_may_be_megabytes(stage: ApiStage) -> None:
    """Up to 6 MB each way (RUN-3)."""
    stage.bootstrap("""
        def handle(event, headers):
            return event["text"]
    """)
    text = "x" * 6_000_000
    assert result(stage.invoke({"text": text}, MemorySize=512)[0]) == text


def test_a_response_above_the_limit_fails_the_invocation_and_is_refused(stage: ApiStage) -> None:
    """Function.ResponseSizeTooLarge (RUN-4), and 413 for the runtime, which goes on."""
    stage.bootstrap("""
        def handle(event, headers):
            if event:
                return event
            say(call("POST", f"/invocation/{id}/response", b"x" * 6_291_557)[0])
    """)
    large, after = stage.invoke({}, {"n": 1}, MemorySize=512)
    assert failed(large).error_type == "Function.ResponseSizeTooLarge"
    assert "413" in stage.lines
    assert result(after) == {"n": 1}


# --- failures


def test_an_error_posted_is_a_function_error_with_the_payload_as_it_is(stage: ApiStage) -> None:
    """The log reports the type of the header Lambda-Runtime-Function-Error-Type (RUN-22, RUN-50)."""
    stage.bootstrap("""
        def handle(event, headers):
            error = {"errorMessage": "no", "errorType": "Bad", "more": 1}
            header = {"Lambda-Runtime-Function-Error-Type": "Mine.Bad"}
            call("POST", f"/invocation/{id}/error", json.dumps(error), header)
    """)
    error = failed(stage.invoke({})[0])
    assert (error.kind, error.error_type, error.message) == (FailureKind.ERROR, "Bad", "no")
    assert json.loads(error.payload) == {"errorMessage": "no", "errorType": "Bad", "more": 1}
    assert stage.lines[-1].endswith("\tStatus: error\tError Type: Mine.Bad")
    assert not [line for line in stage.lines if line.startswith("[ERROR]")]


@pytest.mark.parametrize(("body", "header", "error_type"), [("nonsense", "A.B", "A.B"), ("[1]", "", "Runtime.Unknown")])
def test_an_error_of_another_shape_has_the_type_of_the_header(
    stage: ApiStage, body: str, header: str, error_type: str
) -> None:
    stage.bootstrap(f"""
        def handle(event, headers):
            call("POST", f"/invocation/{{id}}/error", {body!r}, {{"Lambda-Runtime-Function-Error-Type": {header!r}}})
    """)
    error = failed(stage.invoke({})[0])
    assert (error.error_type, error.payload) == (error_type, body)


@pytest.mark.slow
def test_a_process_whose_time_is_up_is_killed_and_the_environment_goes_on_with_a_new_one(stage: ApiStage) -> None:
    """Sandbox.Timedout (RUN-20); the handler is loaded anew within the next invocation (RUN-5a, RUN-6)."""
    stage.bootstrap("""
        def handle(event, headers):
            if event["slow"]:
                say("waiting")
                time.sleep(60)
            return os.getpid()
    """)
    before, slow, after = stage.invoke({"slow": 0}, {"slow": 1}, {"slow": 0}, Timeout=1)
    error = failed(slow)
    assert (error.kind, error.error_type) == (FailureKind.TIMEOUT, "Sandbox.Timedout")
    assert error.message.endswith(" Error: Task timed out after 1.00 seconds")
    assert result(before) != result(after)
    assert [ended.reason for ended in stage.facts(EnvironmentEnded)] == ["timeout", "stop"]
    assert len({started.environment for started in stage.facts(EnvironmentStarted)}) == 1
    assert "waiting" in stage.lines


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_a_process_that_ends_fails_its_invocation_alone(stage: ApiStage, code: str, reason: str) -> None:
    """Runtime.ExitError (RUN-19)."""
    stage.bootstrap(f"""
        def handle(event, headers):
            if event["crash"]:
                {code}
            return "well"
    """)
    crash, after = stage.invoke({"crash": 1}, {"crash": 0})
    assert failed(crash).error_type == "Runtime.ExitError"
    assert failed(crash).message.endswith(f" Error: {reason}")
    assert result(after) == "well"


def test_a_response_stands_when_the_process_ends_after_it(stage: ApiStage) -> None:
    stage.bootstrap("""
        def handle(event, headers):
            call("POST", f"/invocation/{id}/response", json.dumps(os.getpid()))
            os._exit(1)
    """)
    first, second = map(result, stage.invoke({}, {}))
    assert first != second


def test_a_process_with_too_much_memory_is_killed(stage: ApiStage) -> None:
    """RUN-24."""
    stage.bootstrap("""
        def handle(event, headers):
            kept = bytearray(300_000_000)
            kept[::4096] = b"x" * len(kept[::4096])
            time.sleep(30)
    """)
    assert failed(stage.invoke({}, Timeout=30)[0]).message.endswith("signal: killed")
    assert stage.lines[-1].endswith("Error Type: Runtime.OutOfMemory")


def test_an_init_error_posted_is_the_reason_that_the_handler_cannot_be_loaded(stage: ApiStage) -> None:
    """In prepare, before anything is polled; and of each invocation, which tries again (RUN-5, RUN-50)."""
    stage.bootstrap(
        """
        say("starting")
        error = {"errorMessage": "no config", "errorType": "Mine", "stackTrace": ["line 1"]}
        call("POST", "/init/error", json.dumps(error), {"Lambda-Runtime-Function-Error-Type": "Runtime.Mine"})
        sys.exit(1)
        """,
        loop=False,
    )

    async def story(function: RuntimeApiFunction) -> Reply:
        with pytest.raises(HandlerImportError, match=r"^Mine: no config\nline 1$"):
            await function.prepare()
        return await function.invoke(stage.invocation({}))

    error = failed(stage.play(story))
    assert (error.kind, error.error_type) == (FailureKind.INIT, "Mine")
    assert stage.lines[1] == "starting"
    assert "\tPhase: init\tStatus: error\tError Type: Runtime.Mine" in stage.lines[2]


def test_a_process_that_ends_while_it_starts_cannot_be_loaded(stage: ApiStage) -> None:
    stage.bootstrap("sys.exit(3)", loop=False)
    with pytest.raises(HandlerImportError, match="exit status 3"):
        stage.play(lambda function: function.prepare())


@pytest.mark.parametrize(("there", "message"), [(False, "Couldn't find valid bootstrap"), (True, "permission denied")])
def test_a_bootstrap_that_is_not_there_or_no_program_is_told_before_anything_is_polled(
    stage: ApiStage, there: bool, message: str
) -> None:
    if there:
        stage.write("#!/bin/sh\n", "bootstrap")
    with pytest.raises(HandlerImportError, match=rf"^Runtime.InvalidEntrypoint: .*{message}"):
        stage.play(lambda function: function.prepare())


def test_node_that_is_not_installed_is_told_before_anything_is_polled(
    stage: ApiStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(stage.folder))
    with pytest.raises(HandlerImportError, match="needs the program node, which is not on the PATH"):
        stage.play(lambda function: function.prepare(), Runtime="nodejs22.x")


# --- environments


@pytest.mark.slow
def test_invocations_at_the_same_time_have_a_process_each_and_free_ones_are_used_again(stage: ApiStage) -> None:
    """One environment handles one invocation at a time (RUN-7)."""
    stage.bootstrap("""
        def handle(event, headers):
            time.sleep(0.1)
            return [event["n"], os.getpid()]
    """)

    async def story(function: RuntimeApiFunction) -> list[list[Any]]:
        rounds = []
        for _ in range(2):
            events = (stage.invocation({"n": n}) for n in range(4))
            rounds.append([result(reply) for reply in await asyncio.gather(*map(function.invoke, events))])
        return rounds

    first, second = stage.play(story)
    assert [n for n, _ in first] == [n for n, _ in second] == [0, 1, 2, 3]
    assert len({pid for _, pid in first}) == 4
    assert {pid for _, pid in first} == {pid for _, pid in second}


def test_closing_leaves_no_process_no_server_and_no_thread(stage: ApiStage) -> None:
    stage.bootstrap("""
        def handle(event, headers):
            return [os.getpid(), os.environ["AWS_LAMBDA_RUNTIME_API"], os.environ["TMPDIR"]]
    """)
    pid, address, folder = result(stage.invoke({})[0])
    assert not Path(folder).exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "esm-runtime-api"]
    assert not Path(f"/proc/{pid}").exists()
    host, _, port = address.partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_reloading_has_the_next_invocation_run_the_new_program(stage: ApiStage) -> None:
    async def story(function: RuntimeApiFunction) -> list[Any]:
        said = []
        for n in (1, 2):
            stage.bootstrap(f"def handle(event, headers): return {n}")
            await function.reload()
            said.append(result(await function.invoke(stage.invocation({}))))
        return said

    assert stage.play(story) == [1, 2]


# --- Node.js


@needs_node
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("index.mjs", "export const handler = async (event) => ({ n: event.n });"),
        ("index.js", "exports.handler = async (event) => ({ n: event.n });"),
        ("index.cjs", "module.exports = { handler: (event, context, done) => done(null, { n: event.n }) };"),
    ],
)
def test_a_handler_of_node_may_be_a_module_or_commonjs_async_or_with_a_callback(
    stage: ApiStage, name: str, code: str
) -> None:
    """RUN-50."""
    stage.write(code, name)
    assert [result(reply) for reply in stage.invoke({"n": 1}, {"n": 2}, Runtime="nodejs22.x")] == [{"n": 1}, {"n": 2}]


@needs_node
def test_a_handler_of_node_has_a_context_a_trace_id_and_a_log(stage: ApiStage) -> None:
    """RUN-12, RUN-13."""
    stage.write(
        """
        export const handler = async (event, context) => {
            console.warn('two\\nlines');
            return [context.awsRequestId, context.invokedFunctionArn, context.memoryLimitInMB,
                    context.getRemainingTimeInMillis() > 5000, process.env._X_AMZN_TRACE_ID];
        };
        """,
        "index.mjs",
    )
    invocation = stage.invocation({}, trace_id="Root=1")
    reply = stage.play(lambda function: function.invoke(invocation), Runtime="nodejs22.x", Timeout=9)
    assert result(reply) == [invocation.request_id, ARN, "128", True, "Root=1"]
    assert [line for line in stage.lines if line.endswith(f"\t{invocation.request_id}\tWARN\ttwo\nlines")]
    assert stage.lines[0].startswith("INIT_START Runtime Version: nodejs:22\t")


@needs_node
@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        ("throw new TypeError('no')", "TypeError", "no"),
        ("throw 'words'", "string", "words"),
        ("setTimeout(() => { throw new RangeError('late') }); await new Promise(() => {})", "RangeError", "late"),
        ("process.exit(4)", "Runtime.ExitError", "Error: Runtime exited with error: exit status 4"),
    ],
)
def test_an_error_of_node_fails_the_invocation(stage: ApiStage, code: str, error_type: str, message: str) -> None:
    stage.write(f"export const handler = async (event) => {{ if (event.bad) {{ {code} }} return null; }};", "index.mjs")
    bad, good = stage.invoke({"bad": 1}, {}, Runtime="nodejs22.x")
    assert failed(bad).error_type == error_type
    assert failed(bad).message.endswith(message)
    assert result(good) is None


@needs_node
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "Runtime.ImportModuleError: Error: Cannot find module 'index'"),
        ("export const other = 1;", "Runtime.HandlerNotFound: index.handler is undefined or not exported"),
        ("export const handler = ;", "Runtime.UserCodeSyntaxError: "),
        ("throw new Error('at import');", "Error: at import"),
    ],
)
def test_a_handler_of_node_that_cannot_be_loaded_is_told(stage: ApiStage, code: str | None, message: str) -> None:
    if code is not None:
        stage.write(code, "index.mjs")
    with pytest.raises(HandlerImportError, match=f"^{message}"):
        stage.play(lambda function: function.prepare(), Runtime="nodejs22.x")


# --- which functions


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [(None, False), ("python3.13", False), ("nodejs22.x", True), ("provided.al2023", True), ("java21", False)],
)
def test_which_runtimes_ask_for_work(runtime: str | None, expected: bool) -> None:
    assert on_runtime_api(Function(id="F", Handler="a.b", CodeUri="/", Runtime=runtime)) is expected


def test_in_virtual_time_a_mapping_invokes_a_function_of_any_language(stage: ApiStage) -> None:
    """Time stands still while the process works, so that nothing else happens meanwhile."""
    stage.bootstrap("""
        def handle(event, headers):
            time.sleep(0.05)
            return len(event["Records"])
    """)
    function = {"Handler": "none", "Runtime": "provided.al2023", "CodeUri": str(stage.folder)}
    resources = Resources.parse(
        {
            "Orders": {"Type": "AWS::SQS::Queue"},
            "Worker": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Trigger": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"},
            },
        }
    )
    clock = VirtualClock(0)
    emulation = Emulation(Plan(resources=resources, embedded_aws=False), clock, clock_name="virtual")

    async def story() -> None:
        async with emulation.running():
            for n in range(3):
                emulation.send("Orders", NewMessage(str(n)))
            await emulation.until_idle()

    run(story, clock=clock)
    assert len([fact for fact in emulation.journal if isinstance(fact, MessageDeleted)]) == 3

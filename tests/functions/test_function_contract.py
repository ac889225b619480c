"""What holds of every function whose handler is run here, inline or in worker processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from typing import Any

import pytest

from esm_emulator.errors import HandlerImportError
from esm_emulator.functions import Failed, FailureKind, Returned
from esm_emulator.journal import LogLine
from esm_emulator.profiles import PROFILES
from tests.functions.stages import ARN, Stage

RECORDS = {"Records": [{"messageId": "m1", "body": "grüße \u2028 😀", "attributes": {"ApproximateReceiveCount": "1"}}]}


def failed(reply: object) -> Failed:
    assert isinstance(reply, Failed), reply
    return reply


def returned(reply: object) -> Any:
    assert isinstance(reply, Returned), reply
    return json.loads(reply.payload)


# --- the round trip of event and response


def test_the_handler_gets_the_event_and_its_result_comes_back(stage: Stage) -> None:
    """The event reaches the handler as it is, and what it returns is the payload (RUN-30, RUN-31)."""
    assert returned(stage.invoke("def handler(event, context): return event", RECORDS)) == RECORDS


def test_what_a_handler_does_to_its_event_stays_with_it(stage: Stage) -> None:
    """Each invocation decodes its own event."""
    event = {"Records": [1]}
    stage.invoke("def handler(event, context): event['Records'].clear()", event)
    assert event == {"Records": [1]}


def test_no_return_value_is_null(stage: Stage) -> None:
    """RUN-34."""
    reply = stage.invoke("def handler(event, context): pass")
    assert isinstance(reply, Returned)
    assert reply.payload == "null"


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        ("Decimal('1.10')", "1.10"),
        ("{'a': Decimal('NaN')}", '{"a": NaN}'),
        ("float('inf')", "Infinity"),
        ("(1, 2)", "[1, 2]"),
        ("namedtuple('P', 'a b')(1, [2])", '{"a": 1, "b": [2]}'),
        ("b'{not json'", "{not json"),
        ("10 ** 30", str(10**30)),
    ],
)
def test_responses_are_encoded_as_lambda_does(stage: Stage, value: str, payload: str) -> None:
    """The rules of simplejson, bytes as they are, and tokens that are not JSON (RUN-31, RUN-33)."""
    reply = stage.invoke(f"""
        from collections import namedtuple
        from decimal import Decimal
        def handler(event, context): return {value}
    """)
    assert isinstance(reply, Returned)
    assert reply.payload == payload


@pytest.mark.parametrize(
    ("value", "kind"),
    [("{1}", "set"), ("{'at': datetime.now()}", "datetime"), ("{'a': b'x'}", "bytes"), ("object()", "object")],
)
def test_a_response_without_json_is_a_marshal_error(stage: Stage, value: str, kind: str) -> None:
    """RUN-31: a function error, so the whole batch fails."""
    reply = failed(stage.invoke(f"from datetime import datetime\ndef handler(event, context): return {value}"))
    assert (reply.kind, reply.error_type) == (FailureKind.MARSHAL, "Runtime.MarshalError")
    assert reply.message == f"Unable to marshal response: Object of type {kind} is not JSON serializable"
    assert json.loads(reply.payload)["stackTrace"] == []


def test_an_async_handler_returns_a_coroutine_and_nothing_complains_of_it_twice(stage: Stage) -> None:
    """Lambda does not await a handler: its coroutine is no JSON (RUN-31)."""
    reply = failed(stage.invoke("async def handler(event, context): return 1"))
    assert reply.message == "Unable to marshal response: Object of type coroutine is not JSON serializable"
    assert not [line for line in stage.lines if "never awaited" in line]


@pytest.mark.parametrize(
    ("runtime", "payload"),
    [("python3.11", '"gr\\u00fc\\u00dfe"'), ("python3.12", '"grüße"'), ("python3.14", '"grüße"')],
)
def test_text_is_escaped_by_runtimes_before_312(stage: Stage, runtime: str, payload: str) -> None:
    """RUN-32, by the function's Runtime."""
    reply = stage.invoke("def handler(event, context): return 'grüße'", Runtime=runtime)
    assert isinstance(reply, Returned)
    assert reply.payload == payload


def test_without_a_runtime_this_interpreter_decides_how_text_is_escaped(stage: Stage) -> None:
    """RUN-32."""
    reply = stage.invoke("def handler(event, context): return 'ü'")
    assert isinstance(reply, Returned)
    assert reply.payload == ('"ü"' if sys.version_info >= (3, 12) else '"\\u00fc"')


def test_a_response_up_to_the_limit_is_fine_and_one_above_fails(stage: Stage) -> None:
    """RUN-4, with Lambda's own words and key order."""
    limit = PROFILES["aws-2026"].response_limit
    code = "def handler(event, context): return 'x' * event['size']"
    fits, beyond = stage.invoke_each(code, {"size": limit - 2}, {"size": limit - 1})
    assert isinstance(fits, Returned)
    assert len(fits.payload) == limit
    assert failed(beyond).kind is FailureKind.TOO_LARGE
    assert failed(beyond).payload == (
        '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        '"errorType":"Function.ResponseSizeTooLarge"}'
    )


def test_an_event_of_six_megabytes_arrives(stage: Stage) -> None:
    """RUN-3, BATCH-6."""
    event = {"Records": ["x" * 6_000_000, "ü" * 100]}
    assert returned(stage.invoke("def handler(event, context): return [len(r) for r in event['Records']]", event)) == [
        6_000_000,
        100,
    ]


# --- what goes wrong


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("def handler(event, context): raise ValueError", FailureKind.ERROR),
        ("import os\ndef handler(event, context): raise SystemExit(1)", FailureKind.EXIT),
        ("raise ValueError", FailureKind.INIT),
        ("def handler(event, context): return object()", FailureKind.MARSHAL),
        ("def handler(event, context): return 'x' * 7_000_000", FailureKind.TOO_LARGE),
    ],
)
def test_a_function_error_of_any_kind_is_a_value_with_lambdas_error_as_its_payload(
    stage: Stage, code: str, kind: FailureKind
) -> None:
    """FAIL-5, and what an Invoke returns as unhandled: type and message in a JSON object (RUN-22)."""
    reply = failed(stage.invoke(code))
    payload = json.loads(reply.payload)
    assert reply.kind is kind
    assert (payload["errorType"], payload["errorMessage"]) == (reply.error_type, reply.message)


# --- what a handler raises


def test_an_exception_is_told_with_the_handlers_own_frames(stage: Stage) -> None:
    """Message, bare class name, request id and frames, in this key order, none the runtime's (RUN-17, RUN-18)."""
    path = stage.write("")
    reply = failed(
        stage.invoke("""
            class OutOfStock(Exception): ...
            def inner(): raise OutOfStock("none left")
            def handler(event, context):
                inner()
        """)
    )
    payload = json.loads(reply.payload)
    assert list(payload) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert payload["errorType"] == reply.error_type == "OutOfStock"
    assert payload["errorMessage"] == reply.message == "none left"
    assert re.fullmatch(r"[0-9a-f-]{36}", payload["requestId"])
    assert payload["stackTrace"] == [
        f'  File "{path}", line 5, in handler\n    inner()\n',
        f'  File "{path}", line 3, in inner\n    def inner(): raise OutOfStock("none left")\n',
    ]
    assert reply.kind is FailureKind.ERROR


def test_an_exception_that_cannot_say_what_it_is_is_told_all_the_same(stage: Stage) -> None:
    reply = failed(
        stage.invoke("""
            class Mute(Exception):
                def __str__(self): raise RuntimeError
            def handler(event, context): raise Mute
        """)
    )
    assert (reply.error_type, reply.message) == ("Mute", "<unprintable Mute object>")


def test_the_next_invocation_after_an_exception_runs_in_the_same_environment(stage: Stage) -> None:
    """An exception is no reason to reset an environment."""
    code = """
        seen = []
        def handler(event, context):
            seen.append(1)
            if len(seen) == 1: raise ValueError
            return len(seen)
    """
    _, second = stage.invoke_each(code, {}, {})
    assert returned(second) == 2
    assert len(stage.started) == 1


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("sys.exit()", "Runtime exited without providing a reason"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("sys.exit(7)", "Runtime exited with error: exit status 7"),
        ("sys.exit('no')", "Runtime exited with error: exit status 1"),
        ("raise KeyboardInterrupt", "Runtime exited with error: signal: interrupt"),
        ("raise asyncio.CancelledError", "Runtime exited with error: exit status 1"),
    ],
)
def test_what_is_not_an_exception_ends_the_runtime(stage: Stage, statement: str, reason: str) -> None:
    """Only ``Exception`` is caught; the rest is an exit (RUN-19)."""
    reply = failed(stage.invoke(f"import asyncio, sys\ndef handler(event, context): {statement}"))
    request_id = reply.message.split()[1]
    assert reply.kind is FailureKind.EXIT
    assert reply.payload == json.dumps(
        {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {reason}"},
        separators=(",", ":"),
    )


def test_what_sys_exit_says_is_in_the_log(stage: Stage) -> None:
    """RUN-19: text goes to stderr, as Python does."""
    stage.invoke("import sys\ndef handler(event, context): sys.exit('giving up')")
    assert "giving up" in stage.lines


@pytest.mark.slow
def test_a_timeout_is_told_in_lambdas_words(stage: Stage) -> None:
    """Two decimals, and neither request id nor stack trace as keys (RUN-20)."""
    code = "import time\ndef handler(event, context): time.sleep(1.3)"
    reply = failed(stage.invoke(code, Timeout=1))
    request_id = reply.message.split()[1]
    assert (reply.kind, reply.error_type) == (FailureKind.TIMEOUT, "Sandbox.Timedout")
    assert reply.payload == (
        '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: '
        f'{request_id} Error: Task timed out after 1.00 seconds"}}'
    )
    assert reply.usage.duration_ms == 1000.0
    assert [
        line
        for line in stage.lines
        if re.fullmatch(rf"[\dT:.-]+Z {request_id} Task timed out after 1.00 seconds", line)
    ]


# --- a handler that cannot be loaded


@pytest.mark.parametrize(
    ("handler", "code", "error_type", "message"),
    [
        (
            "app",
            "",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        ("sys.exit", "", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
        ("nope.handler", "", "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'"),
        (
            "no/where.handler",
            "",
            "Runtime.ImportModuleError",
            "Unable to import module 'no/where': No module named 'no'",
        ),
        (
            "app.handler",
            "import nowhere_to_be_found",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nowhere_to_be_found'",
        ),
        (
            "app.handler",
            "def handler(:",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': invalid syntax (app.py, line 1)",
        ),
        ("app.missing", "x = 1", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'app'"),
        ("app.handler", "raise LookupError('no table')", "LookupError", "no table"),
    ],
)
def test_a_handler_that_cannot_be_loaded_says_why(
    stage: Stage, handler: str, code: str, error_type: str, message: str
) -> None:
    """RUN-15, RUN-16; the request id is empty, since there was none yet (RUN-17)."""
    reply = failed(stage.invoke(code, Handler=handler))
    assert (reply.kind, reply.error_type, reply.message) == (FailureKind.INIT, error_type, message)
    payload = json.loads(reply.payload)
    assert list(payload) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert payload["requestId"] == ""


def test_a_syntax_error_says_where(stage: Stage) -> None:
    """RUN-16: file, line and the line itself, in one entry."""
    path = stage.write("")
    reply = failed(stage.invoke("x = 1\ndef handler(:\n"))
    assert json.loads(reply.payload)["stackTrace"] == [f'  File "{path}" Line 2\n    def handler(:\n']


def test_a_module_that_raises_shows_its_own_frame_last(stage: Stage) -> None:
    """RUN-17: only the runtime's frames are cut, from the front; importlib's stay, as in Lambda."""
    path = stage.write("")
    reply = failed(stage.invoke("raise LookupError('no table')"))
    trace = json.loads(reply.payload)["stackTrace"]
    assert trace[-1] == f"  File \"{path}\", line 1, in <module>\n    raise LookupError('no table')\n"
    assert "importlib" in trace[0]


def test_a_handler_in_a_package_is_found_with_slashes_and_with_dots(stage: Stage) -> None:
    """RUN-15."""
    stage.write("def handler(event, context): return __name__", "src/orders.py")
    for name in ("src/orders.handler", "src.orders.handler"):
        assert returned(stage.invoke("", Handler=name)) == "src.orders"


def test_a_folder_that_is_not_there_is_an_import_error(stage: Stage) -> None:
    reply = failed(stage.invoke("", CodeUri=str(stage.folder / "gone")))
    assert reply.error_type == "Runtime.ImportModuleError"


def test_a_module_that_exits_while_it_is_imported_is_an_exit(stage: Stage) -> None:
    """RUN-19 also holds of the import."""
    reply = failed(stage.invoke("import sys; sys.exit(3)"))
    assert reply.kind is FailureKind.EXIT
    assert reply.message.endswith("Error: Runtime exited with error: exit status 3")


def test_a_handler_that_could_not_be_loaded_is_tried_again(stage: Stage) -> None:
    """The next invocation loads the handler anew (RUN-5a)."""

    async def story(function: Any) -> tuple[object, object]:
        first = await function.invoke(stage.invocation())
        stage.write("def handler(event, context): return 'mended'")
        return first, await function.invoke(stage.invocation())

    stage.write("raise OSError")
    first, second = stage.play(story)
    assert failed(first).error_type == "OSError"
    assert returned(second) == "mended"


# --- before anything is polled


def test_prepare_finds_a_handler_that_cannot_be_imported(stage: Stage) -> None:
    """So that a run may end before it has polled anything, with the reason."""
    stage.write("import nowhere_to_be_found")
    with pytest.raises(
        HandlerImportError, match="Unable to import module 'app': No module named 'nowhere_to_be_found'"
    ):
        stage.play(lambda function: function.prepare())


def test_prepare_shows_the_traceback_of_a_module_that_raises(stage: Stage) -> None:
    stage.write("raise LookupError('no table')")
    with pytest.raises(HandlerImportError, match=r"(?s)LookupError: no table.*app\.py.*line 1"):
        stage.play(lambda function: function.prepare())


def test_what_was_prepared_serves_the_first_invocation(stage: Stage) -> None:
    """The module is imported once, and the first invocation accounts for it."""
    stage.write("""
        import os, pathlib
        with open(pathlib.Path(__file__).parent / "imports", "a") as file: file.write("x")
        def handler(event, context): return 1
    """)

    async def story(function: Any) -> Any:
        await function.prepare()
        return await function.invoke(stage.invocation())

    assert stage.play(story).usage.init_ms is not None
    assert (stage.folder / "imports").read_text() == "x"
    assert len(stage.started) == 1


# --- context


CONTEXT = """
    def handler(event, context):
        return {
            **{name: getattr(context, name) for name in (
                "aws_request_id", "function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb",
                "log_group_name", "log_stream_name", "client_context", "tenant_id")},
            "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
            "remaining": context.get_remaining_time_in_millis(),
        }
"""


def test_the_context_object_is_lambdas(stage: Stage) -> None:
    """RUN-13; the ARN is the one that was invoked (RUN-14); the log stream is RUN-11's."""
    context = returned(stage.invoke(CONTEXT, FunctionName="orders", MemorySize=256, Timeout=30))
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context.pop("log_stream_name"))
    assert re.fullmatch(r"[0-9a-f-]{36}", context.pop("aws_request_id"))
    assert 29_000 < context.pop("remaining") <= 30_000
    assert context == {
        "function_name": "orders",
        "function_version": "$LATEST",
        "invoked_function_arn": ARN,
        "memory_limit_in_mb": "256",
        "log_group_name": "/aws/lambda/orders",
        "client_context": None,
        "tenant_id": None,
        "identity": [None, None],
    }


def test_context_log_writes_as_it_is(stage: Stage) -> None:
    """RUN-13: ``context.log`` adds nothing, not even a line end."""
    stage.invoke("def handler(event, context): context.log('a'); context.log('b\\n')")
    assert stage.said == ["ab"]


# --- environment variables


def test_the_functions_variables_and_lambdas_own_are_there(stage: Stage) -> None:
    """RUN-9, with dummy credentials, so that no call reaches AWS by accident."""
    code = "import os\ndef handler(event, context): return dict(os.environ)"
    variables = returned(
        stage.invoke(code, MemorySize=256, Runtime="python3.13", Environment={"Variables": {"TABLE": "orders"}})
    )
    expected = {
        "TABLE": "orders",
        "_HANDLER": "app.handler",
        "AWS_LAMBDA_FUNCTION_NAME": "Worker",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/Worker",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "esm-emulator",
        "AWS_SECRET_ACCESS_KEY": "esm-emulator",
        "AWS_SESSION_TOKEN": "esm-emulator",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_TASK_ROOT": str(stage.folder),
    }
    assert expected.items() <= variables.items()
    assert {"AWS_LAMBDA_RUNTIME_API", "LAMBDA_RUNTIME_DIR", "_AWS_XRAY_DAEMON_ADDRESS"} <= variables.keys()


def test_the_log_stream_in_the_variables_is_the_contexts(stage: Stage) -> None:
    """RUN-9, RUN-11."""
    code = """
        import os
        def handler(event, context): return os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] == context.log_stream_name
    """
    assert returned(stage.invoke(code)) is True


def test_a_function_cannot_set_what_lambda_reserves(stage: Stage) -> None:
    """RUN-10."""
    code = "import os\ndef handler(event, context): return os.environ['AWS_LAMBDA_FUNCTION_NAME']"
    assert returned(stage.invoke(code, Environment={"Variables": {"AWS_LAMBDA_FUNCTION_NAME": "mine"}})) == "Worker"


def test_variables_of_the_run_win_and_none_takes_one_away(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    stage.options["environment"] = {
        "URL": "http://127.0.0.1:1",
        "AWS_SESSION_TOKEN": None,
        "HTTP_PROXY": None,
        "A": "run",
    }
    code = """
        import os
        def handler(event, context):
            return [os.environ.get(name) for name in ("URL", "AWS_SESSION_TOKEN", "HTTP_PROXY", "A")]
    """
    reply = stage.invoke(code, Environment={"Variables": {"A": "function"}})
    assert returned(reply) == ["http://127.0.0.1:1", None, None, "run"]
    assert os.environ["HTTP_PROXY"] == "http://127.0.0.1:9"


def test_the_trace_id_belongs_to_one_invocation(stage: Stage) -> None:
    """RUN-12."""
    stage.write("import os\ndef handler(event, context): return os.environ.get('_X_AMZN_TRACE_ID')")

    async def story(function: Any) -> list[Any]:
        first = await function.invoke(stage.invocation(trace_id="Root=1-5"))
        return [first, await function.invoke(stage.invocation())]

    assert [returned(reply) for reply in stage.play(story)] == ["Root=1-5", None]


def test_what_a_handler_sets_in_its_environment_is_there_in_the_next_invocation(stage: Stage) -> None:
    code = """
        import os
        def handler(event, context):
            before = os.environ.get("CACHED")
            os.environ["CACHED"] = "yes"
            return before
    """
    assert [returned(reply) for reply in stage.invoke_each(code, {}, {})] == [None, "yes"]


# --- the log


def test_the_log_of_a_first_and_a_second_invocation(stage: Stage) -> None:
    """The platform's lines around what the handler prints; Init Duration is the first one's (RUN-40)."""
    stage.invoke_each("print('loading')\ndef handler(event, context): print('hello'); print('world')", {}, {})
    report = (
        r"REPORT RequestId: [0-9a-f-]{36}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB"
        r"(\tMax Memory Used: \d+ MB)?"
    )
    patterns = [
        r"INIT_START Runtime Version: python:3\.\d+\.v\d+\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:\S+",
        "loading",
        r"START RequestId: [0-9a-f-]{36} Version: \$LATEST",
        "hello",
        "world",
        r"END RequestId: [0-9a-f-]{36}",
        report + r"\tInit Duration: \d+\.\d\d ms",
        r"START RequestId: [0-9a-f-]{36} Version: \$LATEST",
        "hello",
        "world",
        r"END RequestId: [0-9a-f-]{36}",
        report,
    ]
    assert len(stage.lines) == len(patterns)
    for line, pattern in zip(stage.lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


def test_lines_carry_the_request_and_the_environment(stage: Stage) -> None:
    reply = stage.invoke("print('loading')\ndef handler(event, context): print('hello')")
    by_text = {line.text: line for line in stage.facts(LogLine)}
    assert by_text["loading"].request_id is None
    assert by_text["hello"].request_id == next(text for text in by_text if text.startswith("END ")).split()[-1]
    assert {line.environment for line in by_text.values()} == {reply.usage.environment}  # type: ignore[union-attr]


def test_an_error_is_one_event_of_several_lines(stage: Stage) -> None:
    """Type and message, then the frames, their indentation kept by no-break spaces (RUN-23)."""
    path = stage.write("")
    stage.invoke("def handler(event, context):\n    raise ValueError('no stock')\n")
    space = "\u00a0"
    frames = f"{space * 2}File \"{path}\", line 2, in handler\n{space * 4}raise ValueError('no stock')"
    assert stage.said == [f"[ERROR] ValueError: no stock\nTraceback (most recent call last):\n{frames}"]
    assert stage.lines[-1].endswith("\tStatus: error\tError Type: ValueError")


def test_an_exit_is_told_by_the_platform(stage: Stage) -> None:
    """RUN-19, RUN-40."""
    reply = failed(stage.invoke("import sys\ndef handler(event, context): sys.exit(1)"))
    assert stage.said == [f"{reply.message}\nRuntime.ExitError"]
    assert stage.lines[-1].endswith("\tStatus: error\tError Type: Runtime.ExitError")


def test_a_failed_init_is_reported(stage: Stage) -> None:
    """RUN-40: INIT_REPORT, and no START of the handler's before it."""
    stage.invoke("raise LookupError('no table')")
    report = next(line for line in stage.lines if line.startswith("INIT_REPORT"))
    assert re.fullmatch(
        r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: LookupError", report
    )
    assert [fact.error_type for fact in stage.started][:1] == ["LookupError"]


def test_records_of_logging_have_lambdas_format_and_level(stage: Stage) -> None:
    """Level, time, request id and message, from WARNING up (RUN-41)."""
    stage.invoke("""
        import logging
        log = logging.getLogger("orders")
        def handler(event, context):
            log.info("not seen")
            log.warning("low %s", "stock")
            logging.error("two\\nlines")
    """)
    request_id = stage.lines[-1].split()[2].partition("\t")[0]
    low, two = stage.said
    assert re.fullmatch(rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request_id}\tlow stock", low)
    assert two.endswith(f"Z\t{request_id}\ttwo\nlines")


def test_logging_basicconfig_changes_nothing_since_there_is_a_handler_already(stage: Stage) -> None:
    """RUN-41: the well-known surprise of Lambda."""
    stage.invoke("""
        import logging
        logging.basicConfig(format="mine %(message)s")
        def handler(event, context): logging.warning("x")
    """)
    assert len(stage.said) == 1
    assert stage.said[0].startswith("[WARNING]\t")


def test_json_logs(stage: Stage) -> None:
    """LogFormat JSON: the platform's events and logging's records are objects, what is printed is as it is (RUN-42)."""
    stage.invoke(
        """
        import logging
        def handler(event, context):
            print("plain")
            try: 1 / 0
            except ZeroDivisionError: logging.exception("failed", extra={"order": 7})
        """,
        LoggingConfig={"LogFormat": "JSON"},
    )
    assert stage.said[2] == "plain"
    events = [json.loads(line) for line in stage.lines if line != "plain"]
    assert [event.get("type") for event in events] == ["platform.initStart", "platform.start", None, "platform.report"]
    _, start, record, report = events
    assert start["record"] == {"requestId": record["requestId"], "version": "$LATEST"}
    assert list(record) == [
        *(
            "timestamp",
            "level",
            "message",
            "logger",
            "stackTrace",
            "errorType",
            "errorMessage",
            "requestId",
            "location",
        ),
        "order",
    ]
    assert (record["level"], record["message"], record["errorType"], record["order"]) == (
        "ERROR",
        "failed",
        "ZeroDivisionError",
        7,
    )
    assert report["record"]["status"] == "success"
    assert {"durationMs", "billedDurationMs", "memorySizeMB", "initDurationMs"} <= report["record"]["metrics"].keys()


def test_json_logs_of_an_error(stage: Stage) -> None:
    """``log_level``, not ``level`` (RUN-23); the report says what was wrong."""
    stage.invoke("def handler(event, context): raise ValueError('x')", LoggingConfig={"LogFormat": "JSON"})
    error, report = (json.loads(line) for line in stage.lines[-2:])
    assert list(error) == ["timestamp", "log_level", "errorMessage", "errorType", "requestId", "stackTrace"]
    assert (report["record"]["status"], report["record"]["errorType"]) == ("error", "ValueError")


def test_the_system_log_level_warn_leaves_what_failed(stage: Stage) -> None:
    """RUN-42."""
    config = {"LogFormat": "JSON", "SystemLogLevel": "WARN"}
    code = "def handler(event, context):\n    if event['fail']: raise ValueError"
    stage.invoke_each(code, {"fail": False}, {"fail": True}, LoggingConfig=config)
    assert [json.loads(line).get("type") for line in stage.lines] == [None, "platform.report"]


def test_a_very_long_line_is_cut(stage: Stage) -> None:
    """A log event has at most 256 kB; a character is never cut in two."""
    stage.invoke("def handler(event, context): print('ü' * 200_000)")
    assert "".join(stage.said) == "ü" * 200_000
    assert max(len(line.encode()) for line in stage.said) <= 262_144


def test_output_without_a_line_end_is_the_last_line(stage: Stage) -> None:
    stage.invoke("import sys\ndef handler(event, context): sys.stdout.write('half')")
    assert stage.said == ["half"]


# --- environments


def test_invocations_at_one_time_are_in_environments_of_their_own(stage: Stage) -> None:
    """One environment handles one invocation at a time (RUN-7)."""
    code = "import time\ndef handler(event, context): time.sleep(0.05)"
    replies = stage.invoke_together(code, {}, {}, {})
    assert len({reply.usage.environment for reply in replies}) == 3  # type: ignore[union-attr]
    assert len(stage.started) == 3


def test_a_free_environment_is_used_again_the_one_used_last_first(stage: Stage) -> None:
    stage.write("import time\ndef handler(event, context): time.sleep(event['s'])")

    async def story(function: Any) -> list[Any]:
        both = [asyncio.create_task(function.invoke(stage.invocation({"s": s}))) for s in (0.02, 0.06)]
        done = [await task for task in asyncio.as_completed(both)]
        return [*done, await function.invoke(stage.invocation({"s": 0}))]

    first, last, third = stage.play(story)
    assert first.usage.environment != last.usage.environment
    assert third.usage.environment == last.usage.environment


def test_closing_ends_every_environment(stage: Stage) -> None:
    stage.invoke_together("import time\ndef handler(event, context): time.sleep(0.02)", {}, {})
    assert {fact.environment for fact in stage.ended} == {fact.environment for fact in stage.started}
    assert {fact.reason for fact in stage.ended} == {"stop"}


def test_reload_takes_the_new_code_and_lets_the_running_invocation_finish(stage: Stage) -> None:
    stage.write("import time\ndef handler(event, context): time.sleep(0.1); return 'old'")

    async def story(function: Any) -> list[Any]:
        running = asyncio.create_task(function.invoke(stage.invocation()))
        while not stage.started:  # noqa: ASYNC110 - what is waited for is outside
            await asyncio.sleep(0.005)
        stage.write("def handler(event, context): return 'new'")
        await function.reload()
        new = await function.invoke(stage.invocation())
        return [await running, new, await function.invoke(stage.invocation())]

    assert [returned(reply) for reply in stage.play(story)] == ["old", "new", "new"]
    assert "reload" in {fact.reason for fact in stage.ended}


def test_the_timeout_of_a_function_may_change_while_it_runs(stage: Stage) -> None:
    stage.write("def handler(event, context): return context.get_remaining_time_in_millis() > 100_000")

    async def story(function: Any) -> list[Any]:
        before = await function.invoke(stage.invocation())
        function.resource = function.resource.model_copy(update={"Timeout": 300})
        return [before, await function.invoke(stage.invocation())]

    assert [returned(reply) for reply in stage.play(story)] == [False, True]


def test_whoever_invokes_is_told_that_it_began(stage: Stage) -> None:
    stage.write("def handler(event, context): pass")
    began: list[int] = []
    stage.play(lambda function: function.invoke(stage.invocation(began=lambda: began.append(len(stage.journal)))))
    assert began == [0]

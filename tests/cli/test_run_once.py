"""``esm run --until-idle`` through the installed program."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.esm_command import ESM, environment, esm

pytestmark = pytest.mark.slow

ONE_SECOND = ("--visibility-timeout", "1", "--function-timeout", "1", "--max-receive-count", "1")

HANDLERS = """
import os, sys

def good(event, context):
    print("bodies", [record["body"] for record in event["Records"]])

def failing(event, context):
    raise ValueError("no such order")

def leaves(event, context):
    sys.exit(3)

def variables(event, context):
    print("GREETING is", os.environ["GREETING"], os.environ["AWS_LAMBDA_FUNCTION_NAME"])

def partial(event, context):
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "bad"]}

def sends(event, context):
    import boto3
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="Results")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="done")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLERS)
    (tmp_path / "messages.jsonl").write_text('"one"\n{"id": 2}\n')
    return tmp_path


def test_a_string_is_the_body_and_anything_else_is_sent_as_its_text(folder: Path) -> None:
    done = esm(folder, "run", "--handler", "app.good", "--send", "messages.jsonl", "--until-idle")
    assert done.returncode == 0, done.stderr
    assert """bodies ['one', '{"id": 2}']""" in done.stderr
    assert "2 sent · 2 handled and deleted · 0 dead-lettered · 0 left" in done.stdout


def test_function_log_lines_have_their_request_id(folder: Path) -> None:
    """RUN-40: START, END and REPORT, each with the request's id."""
    done = esm(folder, "run", "--handler", "app.good", "--send", "-", "--until-idle", stdin='"one"\n')
    request = next(line.split()[2] for line in done.stderr.splitlines() if line.startswith("START"))
    assert f"END RequestId: {request}" in done.stderr
    assert f"REPORT RequestId: {request}\tDuration:" in done.stderr


def test_messages_that_were_dead_lettered_are_an_exit_code_and_are_named(folder: Path) -> None:
    done = esm(folder, "run", "--handler", "app.failing", "--send", "messages.jsonl", "--until-idle", *ONE_SECOND, "-q")
    assert done.returncode == 1
    assert "2 dead-lettered · 0 left" in done.stdout
    assert 'queue-dlq: 2 dead letters\n  one\n  {"id": 2}' in done.stdout
    assert "ValueError" in done.stderr


def test_a_handler_that_exits_takes_nothing_down(folder: Path) -> None:
    """RUN-19: the environment ends, the messages come again."""
    done = esm(
        folder, "run", "--handler", "app.leaves", "--send", "messages.jsonl", "--until-idle", *ONE_SECOND, "--json"
    )
    assert done.returncode == 1
    assert "Runtime exited with error: exit status 3" in done.stderr
    assert json.loads(done.stdout)["functions"]["function"]["Errors"] == 1


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ("app.missing", "Runtime.HandlerNotFound: Handler 'missing' missing on module 'app'"),
        ("nothing.handler", "Runtime.ImportModuleError: Unable to import module 'nothing'"),
        ("broken.handler", "Runtime.UserCodeSyntaxError"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_told_once_before_anything_is_polled(
    folder: Path, handler: str, said: str
) -> None:
    """RUN-16; exit code 4."""
    (folder / "broken.py").write_text("def handler(event, context)\n    pass\n")
    done = esm(folder, "run", "--handler", handler, "--send", "messages.jsonl")
    assert done.returncode == 4
    assert done.stderr.count(said) == 1
    assert "Polling" not in done.stderr
    assert "esm_emulator/" not in done.stderr


def test_a_handler_that_fails_while_it_is_loaded_is_told_with_its_own_traceback(folder: Path) -> None:
    (folder / "broken.py").write_text("import json\njson.loads('{')\n")
    done = esm(folder, "run", "--handler", "broken.handler")
    assert done.returncode == 4
    said = done.stderr.partition("cannot be loaded\n")[2]
    assert said.startswith("JSONDecodeError: ")
    assert f'  File "{folder / "broken.py"}", line 2, in <module>\n    json.loads(' in said
    assert "\n\n" not in said
    assert "esm_emulator/" not in said


def test_the_environment_and_the_name_are_the_functions(folder: Path) -> None:
    done = esm(
        folder,
        *("run", "--handler", "app.variables", "--send", "-", "--until-idle", "--env", "GREETING=a=b"),
        *("--name", "greeter"),
        stdin='"one"',
    )
    assert "GREETING is a=b greeter" in done.stderr, done.stderr


def test_filters_and_partial_responses_by_flags(folder: Path) -> None:
    """FILT-6, PBR-1."""
    done = esm(
        folder,
        *("run", "--handler", "app.partial", "--send", "-", "--until-idle", "--json", "-q", *ONE_SECOND),
        *("--report-batch-item-failures", "--filter", '{"body": ["good", "bad"]}', "--isolation", "inline"),
        stdin='"good"\n"bad"\n"other"\n',
    )
    mapping = json.loads(done.stdout)["mappings"]["mapping"]
    assert done.returncode == 1
    assert (mapping["DeletedEventCount"], mapping["FilteredOutEventCount"]) == (1, 1)


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_a_template_runs_and_its_handler_reaches_the_embedded_aws_and_no_other(folder: Path, isolation: str) -> None:
    (folder / "template.yaml").write_text(
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Jobs: {Type: AWS::SQS::Queue}
          Results: {Type: AWS::SQS::Queue}
          Worker:
            Type: AWS::Serverless::Function
            Properties:
              Runtime: python3.13
              Handler: app.sends
              Timeout: 20
              Events: {Job: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}}
        """
    )
    arguments = ["run", "template.yaml", "--send", "messages.jsonl", "--until-idle", "--isolation", isolation, "-q"]
    done = esm(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert "WorkerJob: Jobs → Worker" in done.stdout
    assert "Results: 1 message\n  done" in done.stdout


def test_the_event_log_is_the_whole_journal(folder: Path) -> None:
    log = folder / "logs" / "events.jsonl"
    done = esm(
        folder, "run", "--handler", "app.good", "--send", "messages.jsonl", "--until-idle", "--event-log", str(log)
    )
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events[0] == "run-started"
    assert events[-1] == "run-stopped"
    assert events.count("deleted") == 2
    assert f"Event log: {log} ({len(events)} facts)" in done.stdout


def test_the_object_has_the_metrics_of_a_replays_case(folder: Path) -> None:
    done = esm(folder, "run", "--handler", "app.good", "--send", "messages.jsonl", "--until-idle", "--json")
    result = json.loads(done.stdout)
    assert result["stopped"] == "idle"
    assert result["queues"]["queue"]["NumberOfMessagesDeleted"] == 2
    assert result["functions"]["function"]["Invocations"] == 1
    assert result["diagnoses"] == []


def test_messages_of_a_disabled_mapping_are_left(folder: Path) -> None:
    (folder / "esm.yaml").write_text(
        """
        resources:
          Jobs: {Type: AWS::SQS::Queue}
          Worker: {Type: AWS::Lambda::Function, Properties: {Handler: app.good}}
          Trigger:
            Type: AWS::Lambda::EventSourceMapping
            Properties: {EventSourceArn: Jobs, FunctionName: Worker, Enabled: false}
        """
    )
    done = esm(folder, "run", "esm.yaml", "--send", "messages.jsonl", "--until-idle", "-q")
    assert done.returncode == 1
    assert "2 left" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "there is nothing to run: name a handler (esm run --handler app.handler) or a file"),
        (["--handler", "a.b", "--env", "X"], 2, "takes NAME=VALUE"),
        (["--handler", "a.b", "--profile", "aws-2019"], 2, "did you mean 'aws-2018'?"),
        (["--handler", "a.b", "--endpoint-url", "http://x"], 2, "give --queue-url too"),
        (["--handler", "a.b", "--queue-url", "http://x/1/q", "--send", "-"], 2, "--send sends to the embedded queue"),
        (["--handler", "a.b", "--queue-url", "http://127.0.0.1/1/q", "--visibility-timeout", "9"], 2, "set them where"),
        (["--handler", "a.b", "--send", "none.jsonl"], 2, "none.jsonl: cannot be read"),
        (["--handler", "a.b", "--batch-size", "0"], 3, "Error: AWS would refuse this: 1 problem."),
        (["--handler", "a.b", "--filter", "{"], 3, "Invalid filter pattern definition. (not JSON"),
        (["--handler", "a.b", "--function-timeout", "60", "--visibility-timeout", "30"], 3, "less than Function"),
        (["--handler", "app.good", "--event-log", "/proc/none"], 2, "name a file that can be written"),
        (
            ["--handler", "a.b", "--queue-url", "https://sqs.eu-west-1.amazonaws.com/123456789012/q"],
            2,
            "Give --allow-aws",
        ),
    ],
)
def test_what_cannot_be_run_is_told_in_a_sentence(folder: Path, arguments: list[str], code: int, said: str) -> None:
    done = esm(folder, "run", *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


FIFO = """
resources:
  Jobs: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs.fifo, FifoQueue: true}}
  Worker: {Type: AWS::Lambda::Function, Properties: {Handler: app.good}}
  Trigger: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: Jobs, FunctionName: Worker}}
"""


def test_lines_for_a_fifo_queue_are_refused_and_it_says_what_to_send_instead(folder: Path) -> None:
    (folder / "esm.yaml").write_text(FIFO)
    done = esm(folder, "run", "esm.yaml", "--send", "messages.jsonl")
    assert done.returncode == 2
    assert "SQS refuses message 1: MissingParameter: " in done.stderr
    assert "send an SQS event with MessageGroupId and MessageDeduplicationId among its attributes" in done.stderr
    attributes = {"MessageGroupId": "g", "MessageDeduplicationId": "d"}
    (folder / "event.json").write_text(json.dumps({"Records": [{"body": "x", "attributes": attributes}]}))
    assert esm(folder, "run", "esm.yaml", "--send", "event.json", "--until-idle").returncode == 0


def test_an_event_of_another_service_is_sent_as_its_text(folder: Path) -> None:
    line = '{"Records": [{"eventSource": "aws:s3"}]}'
    done = esm(folder, "run", "--handler", "app.good", "--send", "-", "--until-idle", stdin=line)
    assert f"bodies ['{line}']" in done.stderr


def test_an_endpoint_for_a_file_without_a_queue_elsewhere_is_a_mistake(folder: Path) -> None:
    (folder / "esm.yaml").write_text(FIFO)
    done = esm(folder, "run", "esm.yaml", "--endpoint-url", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert "every queue of the file is embedded; name another one with --queue-url" in done.stderr


def test_standard_input_that_is_no_text_is_told(folder: Path) -> None:
    done = subprocess.run(
        [ESM, "run", "--handler", "app.good", "--send", "-"],
        cwd=folder,
        env=environment(),
        input=b"\xff",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        b"Error: --send -: standard input is not UTF-8 text; send it as UTF-8\n",
    )


def test_a_log_that_nobody_reads_any_more_ends_no_run(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [ESM, "run", "--handler", "app.good", "--send", "messages.jsonl", "--until-idle", "--json"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=write,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert done.returncode == 0
    assert json.loads(done.stdout)["stopped"] == "idle"


def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = esm(folder, "run", "--handler", "app.good", "--port", port)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr

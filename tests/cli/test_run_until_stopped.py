"""``esm run`` while it runs: clients over HTTP, signals, changed code, metrics, a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest

from tests.cli.esm_command import ESM, Running, environment, running

pytestmark = pytest.mark.slow

HANDLERS = """
import time

def good(event, context):
    print("got", [record["body"] for record in event["Records"]])

def slow(event, context):
    print("begun", flush=True)
    time.sleep(1.5)
    print("done", flush=True)

def endless(event, context):
    print("begun", flush=True)
    time.sleep(800)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(HANDLERS)
    return tmp_path


def send(run: Running, body: str) -> None:
    """Send to the embedded queue as any client does."""
    client = boto3.client(
        "sqs",
        endpoint_url=run.url,
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    client.send_message(QueueUrl=client.get_queue_url(QueueName="queue")["QueueUrl"], MessageBody=body)


def test_a_client_sends_over_http_and_a_signal_ends_it_with_the_summary(folder: Path) -> None:
    with running(folder, "run", "--handler", "app.good", "--code", "code") as run:
        send(run, "hello")
        run.says(r"^got \['hello'\]")
        run.signal(signal.SIGTERM)
        code, out = run.ends()
    assert code == 0
    assert "Stopped after" in out
    assert "1 sent · 1 handled and deleted · 0 dead-lettered · 0 left" in out


def test_the_first_ctrl_c_lets_running_invocations_finish(folder: Path) -> None:
    """POLL-20."""
    with running(folder, "run", "--handler", "app.slow", "--code", "code") as run:
        send(run, "hello")
        run.says("^begun")
        run.signal(signal.SIGINT)
        code, out = run.ends()
    assert code == 0
    assert "\ndone\n" in run.said
    assert "1 handled and deleted" in out


def test_the_second_ctrl_c_does_not_wait(folder: Path) -> None:
    options = ("--function-timeout", "900")
    with running(folder, "run", "--handler", "app.endless", "--code", "code", *options) as run:
        send(run, "hello")
        run.says("^begun")
        run.signal(signal.SIGINT)
        run.says("^Draining")
        run.signal(signal.SIGINT)
        code, out = run.ends()
    assert code == 130
    assert out == ""
    assert "Stopped at once" in run.said


def test_changed_code_is_used_and_code_that_does_not_load_waits_for_the_next_change(folder: Path) -> None:
    code = folder / "code" / "app.py"
    with running(folder, "run", "--handler", "app.good", "--code", "code", "--reload") as run:
        send(run, "one")
        run.says(r"^got \['one'\]")
        code.write_text("def good(event, context) print(")
        run.says("^function: does not load, waiting for the next change: Runtime.UserCodeSyntaxError")
        code.write_text(HANDLERS.replace('"got"', '"now got"'))
        run.says("^function: loaded anew")
        send(run, "two")
        run.says(r"^now got \['two'\]")
        run.signal(signal.SIGINT)
        assert run.ends()[0] == 0


def test_metrics_are_served_to_prometheus_on_this_machine_only(folder: Path) -> None:
    with running(folder, "run", "--handler", "app.good", "--code", "code", "--metrics-port", "0") as run:
        url = run.says(r"^Metrics: (\S+)$")[1]
        run.says("^Polling")
        send(run, "one")
        run.says("^REPORT")
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        assert re.search(r'^esm_function_invocations_total\{function="function"\} 1$', page, re.MULTILINE)
        foreign = urllib.request.Request(url, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign, timeout=10)


def test_a_terminal_shows_a_line_for_each_mapping_under_the_log(folder: Path) -> None:
    (folder / "one.jsonl").write_text('"one"\n')
    master, slave = pty.openpty()
    arguments = ["run", "--handler", "app.good", "--code", "code", "--send", "one.jsonl", "--until-idle"]
    process = subprocess.Popen(
        [ESM, *arguments],
        cwd=folder,
        env=environment(TERM="xterm", COLUMNS="160"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    try:
        while data := os.read(master, 65_536):
            shown += data
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(master)
        assert process.wait(timeout=30) == 0
    text = shown.decode()
    assert "mapping  visible 0 · in flight 0 · dead-lettered 0 · invocations 1 · errors 0" in text
    assert "got ['one']" in text


def test_a_log_as_json_lines_is_json_lines_alone(folder: Path) -> None:
    with running(folder, "--log-format", "json", "run", "--handler", "app.good", "--code", "code") as run:
        run.says('"event": "polling"')
        run.signal(signal.SIGINT)
        run.ends()
    events = [json.loads(line)["event"] for line in run.said.splitlines()]
    assert {"listening", "polling", "draining", "run-stopped"} <= set(events)

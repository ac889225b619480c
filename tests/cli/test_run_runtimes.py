"""``esm run`` with functions in other languages than Python."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.esm_command import esm

pytestmark = pytest.mark.slow

BOOTSTRAP = f"""#!{sys.executable} -S
import http.client, json, os
server = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None):
    server.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    answer = server.getresponse()
    return answer.headers, answer.read()
while True:
    headers, event = call("GET", "next")
    print("bodies", [record["body"] for record in json.loads(event)["Records"]], flush=True)
    print("endpoint", os.environ["AWS_ENDPOINT_URL"], flush=True)
    call("POST", headers["Lambda-Runtime-Aws-Request-Id"] + "/response", "null")
"""


def write(folder: Path, runtime: str) -> Path:
    """A file with one function of that runtime behind a queue."""
    resources = {
        "Orders": {"Type": "AWS::SQS::Queue"},
        "Worker": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Handler": "index.handler", "Runtime": runtime, "CodeUri": "."},
        },
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"},
        },
    }
    path = folder / "esm.yaml"
    path.write_text(json.dumps({"resources": resources}))
    return path


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_a_program_named_bootstrap_handles_messages(tmp_path: Path, isolation: str) -> None:
    """RUN-50."""
    write(tmp_path, "provided.al2023")
    (tmp_path / "bootstrap").write_text(BOOTSTRAP)
    (tmp_path / "bootstrap").chmod(0o755)
    options = ("--send", "-", "--until-idle", "--isolation", isolation)
    done = esm(tmp_path, "run", "esm.yaml", *options, stdin='"one"\n')
    assert done.returncode == 0, done.stderr
    assert "bodies ['one']" in done.stderr
    assert "endpoint http://127.0.0.1:" in done.stderr
    assert "1 sent · 1 handled and deleted · 0 dead-lettered · 0 left" in done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_handler_of_node_handles_messages(tmp_path: Path) -> None:
    """RUN-50."""
    write(tmp_path, "nodejs22.x")
    (tmp_path / "index.mjs").write_text(
        "export const handler = async ({ Records }) => { console.log('bodies', Records.map(({ body }) => body)); };"
    )
    done = esm(tmp_path, "run", "esm.yaml", "--send", "-", "--until-idle", stdin='"one"\n')
    assert done.returncode == 0, done.stderr
    assert "INFO\tbodies [ 'one' ]" in done.stderr
    assert "1 sent · 1 handled and deleted" in done.stdout


def test_a_bootstrap_that_is_not_there_ends_the_program_before_anything_is_polled(tmp_path: Path) -> None:
    write(tmp_path, "provided.al2023")
    done = esm(tmp_path, "run", "esm.yaml", "--send", "-", "--until-idle", stdin='"one"\n')
    assert done.returncode == 4
    assert "Runtime.InvalidEntrypoint: Couldn't find valid bootstrap(s)" in done.stderr


def test_a_scenario_whose_bootstrap_is_not_there_is_a_mistake_and_not_a_failing_function(tmp_path: Path) -> None:
    path = write(tmp_path, "provided.al2023")
    scenario = {"version": 1, "name": "s", **json.loads(path.read_text()), "send": [{"to": "Orders", "body": "one"}]}
    (tmp_path / "s.esm.yaml").write_text(json.dumps(scenario))
    done = esm(tmp_path, "replay", "s.esm.yaml")
    assert done.returncode == 4
    assert "Worker: Couldn't find valid bootstrap(s)" in done.stderr


def test_a_runtime_that_does_not_run_here_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "java21")
    done = esm(tmp_path, "run", "esm.yaml", "--until-idle")
    assert done.returncode == 2
    assert "Worker has the Runtime java21; here run python…, nodejs… and provided…" in done.stderr

"""``esm run`` on a queue of another server: moto's own, in a process beside it."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cli.esm_command import esm, running
from tests.queues.scripted_sqs import error, scripted

pytestmark = pytest.mark.slow

HANDLERS = """
import os

def note(event, context):
    with open(os.environ["NOTES"], "a") as notes:
        for record in event["Records"]:
            notes.write(record["body"] + "\\n")

def failing(event, context):
    raise ValueError("never")

def looks(event, context):
    print("sees", os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_ACCESS_KEY_ID"])
"""


def client(endpoint: str) -> Any:
    """A boto3 client of a user's."""
    return boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="users-own",
        aws_secret_access_key="any",
    )


@pytest.fixture
def sqs(own_moto: str) -> Any:
    return client(own_moto)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLERS)
    return tmp_path


KEYS = {"AWS_ACCESS_KEY_ID": "users-own", "AWS_SECRET_ACCESS_KEY": "any"}


def test_two_emulators_share_the_work_of_one_queue(folder: Path, served_queues: str) -> None:
    sqs = client(served_queues)
    url = sqs.create_queue(QueueName="shared")["QueueUrl"]
    for number in range(4):
        entries = [{"Id": str(item), "MessageBody": f"m{number}{item}"} for item in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    arguments = ("run", "--handler", "app.note", "--queue-url", url, "--until-idle", "--batch-size", "1", "--env")
    (folder / "one").mkdir()
    with running(folder / "one", *arguments, f"NOTES={folder / 'one.txt'}", "--code", str(folder), **KEYS) as one:
        two = esm(folder, *arguments, f"NOTES={folder / 'two.txt'}", **KEYS)
        assert two.returncode == 0, two.stderr
        assert one.ends()[0] == 0
    notes = [path.read_text() for path in (folder / "one.txt", folder / "two.txt") if path.exists()]
    assert sorted("".join(notes).split()) == sorted(f"m{number}{item}" for number in range(4) for item in range(10))


def test_what_the_servers_dead_letter_queue_got_counts(folder: Path, sqs: Any) -> None:
    dead_letters = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = sqs.create_queue(QueueName="poison", Attributes={"VisibilityTimeout": "1", "RedrivePolicy": policy})[
        "QueueUrl"
    ]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    done = esm(
        folder, "run", "--handler", "app.failing", "--queue-url", url, "--until-idle", "--function-timeout", "1", **KEYS
    )
    assert done.returncode == 1
    assert "1 dead-lettered · 0 left" in done.stdout
    assert re.search(rf"^others   go to {arn} after 1 receives$", done.stderr, re.MULTILINE)


def test_the_handler_gets_the_users_own_credentials_and_the_queues_endpoint(
    folder: Path, sqs: Any, own_moto: str
) -> None:
    url = sqs.create_queue(QueueName="looked-at")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    done = esm(folder, "run", "--handler", "app.looks", "--queue-url", url, "--until-idle", **KEYS)
    assert f"sees {own_moto} users-own" in done.stderr


def test_a_mapping_of_a_file_is_moved_to_the_queue_and_ours_is_not_made(folder: Path, sqs: Any) -> None:
    (folder / "esm.yaml").write_text(
        """
        resources:
          Jobs:
            Type: AWS::SQS::Queue
            Properties: {RedrivePolicy: {deadLetterTargetArn: Dead, maxReceiveCount: 3}}
          Dead: {Type: AWS::SQS::Queue}
          Worker: {Type: AWS::Lambda::Function, Properties: {Handler: app.looks}}
          Trigger: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: Jobs, FunctionName: Worker}}
        """
    )
    url = sqs.create_queue(QueueName="Jobs")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    done = esm(folder, "run", "esm.yaml", "--queue-url", url, "--until-idle", "--json", **KEYS)
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["queues"]) == ["Jobs"]
    assert "every other AWS service" not in done.stderr


def test_a_queue_that_is_not_there_ends_it_with_the_command_that_makes_it(folder: Path, own_moto: str) -> None:
    done = esm(folder, "run", "--handler", "app.looks", "--queue-url", f"{own_moto}/123456789012/none", **KEYS)
    assert done.returncode == 2
    assert f"aws sqs create-queue --queue-name none --endpoint-url {own_moto}" in done.stderr


def test_a_queue_that_may_not_be_read_ends_it_too(folder: Path) -> None:
    with scripted() as sqs:
        sqs.script["GetQueueAttributes"] = [error("AccessDenied", "not for you", 403)]
        done = esm(folder, "run", "--handler", "app.looks", "--queue-url", f"{sqs.url}/123456789012/orders", **KEYS)
    assert done.returncode == 2
    assert "AccessDenied: not for you. See that the URL is that of an SQS queue" in done.stderr


def test_a_server_that_does_not_answer_is_waited_for_and_it_says_so(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/123456789012/orders"
    with running(folder, "run", "--handler", "app.looks", "--queue-url", url, **KEYS) as run:
        run.says(r"^The queue orders cannot be read: EndpointConnectionError: ")
        run.says(r"^Trying again until it answers; Ctrl-C gives up\.$")
        run.signal(signal.SIGTERM)
        assert run.ends() == (130, "")


def test_a_handler_reaches_the_embedded_aws_although_there_is_a_proxy(folder: Path) -> None:
    (folder / "app.py").write_text(
        "import boto3\ndef handler(event, context):\n    boto3.client('sqs').list_queues()\n", encoding="utf-8"
    )
    (folder / "messages.jsonl").write_text("1\n")
    options = ["--handler", "app.handler", "--send", "messages.jsonl", "--until-idle", "--function-timeout", "5"]
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        done = esm(folder, "run", *options, "-q", http_proxy=address, HTTP_PROXY=address)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert done.returncode == 0, done.stderr


def test_no_credentials_at_all_end_it_at_the_start(tmp_path: Path) -> None:
    """There is nothing to wait for: it says what to set, and asks nobody."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return None\n")
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
    done = esm(tmp_path, "run", "--handler", "app.handler", "--queue-url", url, "--allow-aws")
    assert done.returncode == 2
    assert "NoCredentialsError" in done.stderr
    assert "AWS_PROFILE" in done.stderr

"""SQS servers in processes of their own, for benchmarks to run against."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

__all__ = ["client", "fill", "front", "lambda_client", "ministack", "new_queue", "noop_zip"]

MINISTACK = Path(__file__).parent.parent / ".venvs" / "ministack"

# moto with our engine, until its standard input is closed
FRONT = """
import sys
from random import Random
from esm_emulator.clocks.real import RealClock
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.profiles import PROFILES
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend import EmbeddedAws
from esm_emulator.sqs import Engine
engine = Engine(identifiers=Identifiers(Random(1)), profile=PROFILES["aws-2026"], random=Random(1))
with EmbeddedAws(EmbeddedSqs(engine, RealClock(), Journal())).serve() as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


@contextmanager
def front() -> Iterator[str]:
    """The URL of moto's server with our queues."""
    command = [sys.executable, "-c", FRONT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


@contextmanager
def ministack() -> Iterator[str | None]:
    """The URL of ministack, in an environment of its own that is made when it is missing; None if it cannot be had."""
    python = _ministack_python()
    if python is None:
        print("ministack not installed: no comparison with it")
        yield None
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAMBDA_", "MINISTACK_"))
    } | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR", "LAMBDA_EXECUTOR": "local"}
    command = [python, "-m", "ministack"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            _wait_for(url)
            yield url
        finally:
            process.terminate()


def _ministack_python() -> str | None:
    python = MINISTACK / "bin" / "python"
    if not (MINISTACK / "bin" / "ministack").exists():
        print(f"installing ministack into {MINISTACK} ...")
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        made = subprocess.run([sys.executable, "-m", "venv", MINISTACK], **quiet, check=False)
        if (
            made.returncode
            or subprocess.run([python, "-m", "pip", "install", "ministack"], **quiet, check=False).returncode
        ):
            return None
    return str(python)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{url} did not come up")


def client(url: str) -> Any:
    """A boto3 client of SQS as everybody makes one."""
    return boto3.client("sqs", endpoint_url=url, region_name="us-east-1", **_credentials())


def lambda_client(url: str) -> Any:
    """A boto3 client of Lambda."""
    return boto3.client("lambda", endpoint_url=url, region_name="us-east-1", **_credentials())


def _credentials() -> dict[str, str]:
    return {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def new_queue(sqs: Any, name: str) -> str:
    """The URL of a new queue."""
    return str(sqs.create_queue(QueueName=name)["QueueUrl"])


def fill(sqs: Any, queue: str, count: int, body: str) -> None:
    """Send ``count`` messages, in tens."""
    entries = [{"Id": str(number), "MessageBody": body} for number in range(10)]
    for _ in range(count // 10):
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def noop_zip() -> bytes:
    """The deployment package of a function ``app.handler`` that does nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("app.py", "def handler(event, context):\n    return None\n")
    return buffer.getvalue()

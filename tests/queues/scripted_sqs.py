"""An SQS server that does what a test tells it: each call is answered by the next line of a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Answer", "ScriptedSqs", "error", "message", "scripted"]


@dataclass(frozen=True)
class Answer:
    """What the server says: a JSON document, or any text."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def error(code: str, text: str = "so it is", status: int = 400) -> Answer:
    """An error as SQS words it."""
    headers = {"x-amzn-query-error": f"{code};Sender"}
    return Answer({"__type": f"com.amazonaws.sqs#{code}", "message": text}, status, headers)


def message(number: int = 1, **attributes: str) -> dict[str, Any]:
    """A message as ReceiveMessage returns it."""
    return {
        "MessageId": f"00000000-0000-4000-8000-{number:012d}",
        "ReceiptHandle": f"handle-{number}",
        "Body": f"body {number}",
        "MD5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "Attributes": {"ApproximateReceiveCount": "1", "SenderId": "AIDA", **attributes},
    }


class ScriptedSqs:
    """``script`` holds the answers of each operation in turn, or what makes them; the last one is repeated.

    ``calls`` is what was asked, ``credentials`` with which access keys.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.credentials: list[str] = []
        self.script: dict[str, list[Any]] = {
            "GetQueueAttributes": [Answer({"Attributes": {"VisibilityTimeout": "30"}})],
            "ReceiveMessage": [Answer()],
        }
        self.url = ""
        self._called = threading.Condition()

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of every call of one operation."""
        return [body for name, body in self.calls if name == operation]

    def wait_for(self, operation: str, count: int = 1) -> None:
        """Block until an operation has been called that often."""
        with self._called:
            assert self._called.wait_for(lambda: len(self.asked(operation)) >= count, timeout=10)

    def answer(self, operation: str, body: dict[str, Any], authorization: str) -> Answer:
        """What to say to one call."""
        with self._called:
            self._called.notify_all()
            self.calls.append((operation, body))
            self.credentials.append(authorization.partition("Credential=")[2].partition("/")[0])
            lines = self.script[operation]
            line = lines.pop(0) if len(lines) > 1 else lines[0]
        return line(body) if callable(line) else line


def _handler(sqs: ScriptedSqs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].partition(".")[2]
            answer = sqs.answer(operation, json.loads(body), self.headers["Authorization"])
            text = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/x-amz-json-1.0", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # many pollers come at once


@contextmanager
def scripted() -> Iterator[ScriptedSqs]:
    """A scripted server on a free port of this machine; its queue is ``<url>/123456789012/orders``."""
    sqs = ScriptedSqs()
    with _Server(("127.0.0.1", 0), _handler(sqs)) as server:
        sqs.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield sqs
        finally:
            server.shutdown()
            thread.join()

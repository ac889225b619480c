"""The short way for boto3 clients of this process: botocore's ``before-call`` event, answered from the engine.

Between building a request and sending it botocore asks whether somebody has the answer already. For SQS we have: no
signing, no HTTP, no moto, which makes a call several times cheaper. The request is read from its JSON body, so whatever
botocore and its other handlers did to it counts; the answer is what botocore would have parsed.

The hook stands in botocore's list of built-in handlers while anything is patched: sessions made meanwhile carry it, and
the clients made of them keep it. It answers only while something is patched, and only requests to AWS's own addresses
or to our own server; a client with another endpoint is left alone. Clients without it go moto's way, with the same
result.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from botocore.awsrequest import AWSResponse
from botocore.handlers import BUILTIN_HANDLERS, add_recursion_detection_header
from botocore.parsers import create_parser

from esm_emulator.errors import SqsError
from esm_emulator.queues.moto_backend import seam
from esm_emulator.queues.moto_backend.messages import TRACE_HEADER, traced
from esm_emulator.queues.moto_backend.requests import Answer

if TYPE_CHECKING:
    from botocore.compat import HTTPHeaders

__all__ = ["Patched", "answer", "answering"]

_AWS: Final = re.compile(r"https?://([^/]+\.)?(queue|sqs)\.([^/]+\.)?amazonaws\.com(\.cn)?/?")
_requests = itertools.count(1)
_lock = threading.Lock()
_patched: list[Patched] = []  # the last one answers


class Patched(seam.Served, Protocol):
    """Who answers, and how."""

    def before_call(self) -> None:
        """Called before each call of a client."""

    def serves(self, url: str) -> bool:
        """Whether this is the address of a server of ours."""


@contextmanager
def answering(patched: Patched) -> Iterator[None]:
    """Let ``patched`` answer the clients of this process."""
    with _lock:
        if not _patched:
            BUILTIN_HANDLERS.append(("before-call.sqs", answer))
        _patched.append(patched)
    try:
        yield
    finally:
        with _lock:
            _patched.remove(patched)
            if not _patched:
                BUILTIN_HANDLERS.remove(("before-call.sqs", answer))


def answer(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, Answer] | None:
    """Botocore's ``before-call``: the answer of an operation of SQS, or None to let the request go its way."""
    try:
        patched = _patched[-1]
    except IndexError:
        return None
    url: str = params["url"]
    if not (_AWS.fullmatch(url) or patched.serves(url)):
        return None
    parameters = _read(params["body"])
    if parameters is None:
        return None
    patched.before_call()
    add_recursion_detection_header(params)  # botocore's own comes after this hook
    parameters = traced(parameters, params["headers"].get(TRACE_HEADER))
    headers = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": _request_id()}
    try:
        result = patched.api.call(model.name, parameters, url.rstrip("/"))
    except SqsError as error:
        return _refusal(model, url, headers, error)
    result["ResponseMetadata"] = _metadata(200, headers)
    return _http(url, 200, headers), result


def _read(body: Any) -> dict[str, Any] | None:
    try:
        parameters = json.loads(body)
    except (TypeError, ValueError):
        return None
    return parameters if isinstance(parameters, dict) else None


def _refusal(model: Any, url: str, headers: dict[str, str], error: SqsError) -> tuple[AWSResponse, Answer]:
    """Parsed by botocore from what would have come over the wire, so that it looks the same in every detail."""
    status, sent, body = seam.error_response(model.name, error)
    headers |= {name.lower(): value for name, value in sent.items()}
    response = {"status_code": status, "headers": headers, "body": body}
    parser = create_parser("json")
    parsed = parser.parse(response, model.output_shape)
    modeled = model.service_model.shape_for_error_code(parsed["Error"]["Code"])
    if modeled is not None:
        parsed |= parser.parse(response, modeled)
    parsed["ResponseMetadata"] = _metadata(status, headers)
    return _http(url, status, headers), parsed


def _http(url: str, status: int, headers: dict[str, str]) -> AWSResponse:
    return AWSResponse(url, status, cast("HTTPHeaders", headers), _NoBody())  # read, as any mapping is


def _metadata(status: int, headers: dict[str, str]) -> Answer:
    return {
        "RequestId": headers["x-amzn-requestid"],
        "HTTPStatusCode": status,
        "HTTPHeaders": headers,
        "RetryAttempts": 0,
    }


def _request_id() -> str:
    """An id that looks like one; counted, so that it costs the run no random number."""
    return f"00000000-0000-4000-8000-{next(_requests):012x}"


class _NoBody:
    """The raw body of an answer that never was one."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """Nothing."""
        return iter(())

"""The error payload: what Lambda says of a function that failed, in its key order (RUN-17, RUN-18)."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import TypedDict

__all__ = ["ErrorPayload", "Fault", "describe", "error_payload", "without_own_frames"]

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class ErrorPayload(TypedDict):
    """Lambda's error JSON; ``requestId`` is empty for what went wrong before any request (RUN-17)."""

    errorMessage: str
    errorType: str
    requestId: str
    stackTrace: list[str]


class Fault(Exception):
    """Something the runtime itself objects to: ``error_type`` is one of Lambda's ``Runtime.…`` names."""

    def __init__(self, error_type: str, message: str, trace: Sequence[str] = ()) -> None:
        self.error_type = error_type
        self.message = message
        self.trace = list(trace)
        super().__init__(message)


def error_payload(error: BaseException, request_id: str) -> ErrorPayload:
    """What Lambda reports of ``error``: the bare class name as type, and the frames from the handler's own on."""
    if isinstance(error, Fault):
        return _payload(error.message, error.error_type, request_id, error.trace)
    frames = traceback.extract_tb(without_own_frames(error.__traceback__))
    plain = [(frame.filename, frame.lineno or 0, frame.name, frame.line) for frame in frames]  # without carets
    return _payload(describe(error), type(error).__name__, request_id, traceback.format_list(plain))


def describe(error: BaseException) -> str:
    """``str(error)``, also for an exception whose ``__str__`` raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the handler's own code
        return f"<unprintable {type(error).__name__} object>"


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the runtime's own frames at its front; all of it when there are no others."""
    inner = trace
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(_OURS):
        inner = inner.tb_next
    return inner or trace


def _payload(message: str, error_type: str, request_id: str, trace: list[str]) -> ErrorPayload:
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}

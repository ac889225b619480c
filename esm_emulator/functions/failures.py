"""What Lambda says, in its own words, when an environment fails and not the handler (RUN-4, 19, 20, 24)."""

from __future__ import annotations

import json
import signal
from typing import NamedTuple

from esm_emulator.functions import Failed, FailureKind, Usage
from esm_emulator.functions.runtime.faults import ErrorPayload

__all__ = ["Failure", "exited", "of_payload", "of_report", "out_of_memory", "service_failed", "timed_out", "too_large"]

# Go's names of the signals, which is what Lambda's own supervisor prints
_SIGNALS = {
    signal.SIGHUP: "hangup",
    signal.SIGINT: "interrupt",
    signal.SIGQUIT: "quit",
    signal.SIGILL: "illegal instruction",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGPIPE: "broken pipe",
    signal.SIGALRM: "alarm clock",
    signal.SIGTERM: "terminated",
    signal.SIGUSR1: "user defined signal 1",
    signal.SIGUSR2: "user defined signal 2",
}


class Failure(NamedTuple):
    """A failed invocation before it is accounted for. ``status`` and ``reported`` are its REPORT line's (RUN-40)."""

    kind: FailureKind
    error_type: str
    message: str
    payload: str
    trace: tuple[str, ...] | None = None  # None: the runtime said nothing, the platform did
    reported: str | None = None
    exception: BaseException | None = None
    quiet: bool = False  # the runtime has written what it has to say itself

    @property
    def status(self) -> str:
        """``timeout`` or ``error``."""
        return "timeout" if self.kind is FailureKind.TIMEOUT else "error"

    def reply(self, usage: Usage) -> Failed:
        """The reply that the mapping gets."""
        return Failed(self.kind, self.error_type, self.message, self.payload, usage, self.exception)


def of_payload(kind: FailureKind, error: ErrorPayload, payload: str, exception: BaseException | None = None) -> Failure:
    """What the runtime itself reported of the handler (RUN-16, RUN-17)."""
    return Failure(
        kind, error["errorType"], error["errorMessage"], payload, tuple(error["stackTrace"]), exception=exception
    )


def of_report(kind: FailureKind, payload: str, error_type: str | None) -> Failure:
    """What a runtime of any language posted of the handler, whatever it looks like (RUN-50).

    ``error_type`` is the header Lambda-Runtime-Function-Error-Type, which the log reports.
    """
    try:
        error = json.loads(payload)
    except ValueError:
        error = None
    error = error if isinstance(error, dict) else {}
    trace = error.get("stackTrace") or error.get("trace")
    return Failure(
        kind,
        str(error.get("errorType") or error_type or "Runtime.Unknown"),
        str(error.get("errorMessage") or ""),
        payload,
        tuple(map(str, trace)) if isinstance(trace, list) else None,
        reported=error_type,
        quiet=True,
    )


def timed_out(request_id: str, seconds: float) -> Failure:
    """The function's time was up (RUN-20)."""
    return _platform(
        FailureKind.TIMEOUT,
        "Sandbox.Timedout",
        f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds",
    )


def exited(request_id: str, status: int) -> Failure:
    """The process ended with the given exit status, negative for a signal (RUN-19)."""
    return _platform(FailureKind.EXIT, "Runtime.ExitError", f"RequestId: {request_id} Error: {_reason(status)}")


def out_of_memory(request_id: str) -> Failure:
    """The environment needed more memory than it has (RUN-24)."""
    killed = exited(request_id, -signal.SIGKILL)
    return killed._replace(reported="Runtime.OutOfMemory")


def too_large(limit: int) -> Failure:
    """The response is above the limit of so many bytes (RUN-4)."""
    message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    error_type = "Function.ResponseSizeTooLarge"
    payload = json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":"))
    return Failure(FailureKind.TOO_LARGE, error_type, message, payload)


def service_failed(message: str) -> Failure:
    """This machine could not run the function at all (FAIL-13)."""
    return _platform(FailureKind.SERVICE, "ServiceException", message)


def _platform(kind: FailureKind, error_type: str, message: str) -> Failure:
    payload = json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":"))
    return Failure(kind, error_type, message, payload)


def _reason(status: int) -> str:
    if status == 0:
        return "Runtime exited without providing a reason"
    if status > 0:
        return f"Runtime exited with error: exit status {status}"
    return f"Runtime exited with error: signal: {_signal(-status)}"


def _signal(number: int) -> str:
    try:
        return _SIGNALS[signal.Signals(number)]
    except (ValueError, KeyError):
        return f"signal {number}"

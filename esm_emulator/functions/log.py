"""A function's log, as CloudWatch would keep it: the platform's own lines around what the handler writes (RUN-40 … 42).

The order of an environment's first invocation, and of one that is killed:

    INIT_START …                            START …
    (what the module prints)                (what the handler prints)
    START …                                 <time> <id> Task timed out after 3.00 seconds
    (what the handler prints)               END …
    [ERROR] …, when it raises               REPORT …  Status: timeout
    END …
    REPORT …  Init Duration: 12.34 ms

With ``LogFormat: JSON`` the platform's lines are its JSON events instead, and ``SystemLogLevel: WARN`` leaves
only those of what failed. A line is a fact in the journal.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from esm_emulator.clocks import Clock
from esm_emulator.functions import Usage
from esm_emulator.functions.failures import Failure
from esm_emulator.functions.variables import runtime_of
from esm_emulator.journal import Journal, LogLine
from esm_emulator.resources import Function

__all__ = ["FunctionLog"]

_NO_BREAK_SPACE = "\u00a0"


class FunctionLog:
    """Writes the log of one function. ``environment`` is always the environment's id, times are milliseconds."""

    def __init__(self, function: Function, clock: Clock, journal: Journal) -> None:
        self._function = function
        self._clock = clock
        self._journal = journal
        self._json = function.LoggingConfig.LogFormat == "JSON"
        self._failures_only = self._json and function.LoggingConfig.SystemLogLevel == "WARN"

    def write(self, environment: str, lines: Sequence[str], request_id: str | None) -> None:
        """What the handler wrote, line by line."""
        if lines:
            at = self._clock.now()
            self._journal.extend(LogLine(at, self._function.id, environment, line, request_id) for line in lines)

    def init_start(self, environment: str) -> None:
        """An environment begins (RUN-40)."""
        version, arn = _version(self._function), f"arn:aws:lambda:{self._function.region}::runtime:local"
        text = f"INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}"
        record = {
            "initializationType": "on-demand",
            "phase": "init",
            "runtimeVersion": version,
            "runtimeVersionArn": arn,
        }
        self._platform(environment, text, "platform.initStart", record, None)

    def init_failed(self, environment: str, init_ms: float, phase: str, failure: Failure) -> None:
        """The handler could not be loaded; ``phase`` is init, or invoke when it was tried again there (RUN-5, 40)."""
        error_type = failure.reported or failure.error_type
        text = f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: {phase}\tStatus: {failure.status}"
        record: dict[str, Any] = {"initializationType": "on-demand", "phase": phase, "status": failure.status}
        if failure.status == "error":
            text += f"\tError Type: {error_type}"
            record["errorType"] = error_type
        record["metrics"] = {"durationMs": round(init_ms, 3)}
        self._runtime_error(environment, failure, None)
        self._platform(environment, text, "platform.initReport", record, None, failed=True)

    def start(self, environment: str, request_id: str) -> None:
        """The handler is about to be called."""
        record = {"requestId": request_id, "version": "$LATEST"}
        self._platform(
            environment, f"START RequestId: {request_id} Version: $LATEST", "platform.start", record, request_id
        )

    def failed(self, environment: str, request_id: str, failure: Failure) -> None:
        """What went wrong, in the words of the runtime or of the platform."""
        self._runtime_error(environment, failure, request_id)
        self._platform_error(environment, failure, request_id)

    def end(self, environment: str, request_id: str, usage: Usage, failure: Failure | None) -> None:
        """The invocation is over: END and REPORT."""
        if not self._json:
            self.write(environment, (f"END RequestId: {request_id}",), request_id)
        text, record = self._report(request_id, usage, failure)
        self._platform(environment, text, "platform.report", record, request_id, failed=failure is not None)

    def _report(self, request_id: str, usage: Usage, failure: Failure | None) -> tuple[str, dict[str, Any]]:
        billed = max(1, math.ceil(usage.duration_ms + (usage.init_ms or 0)))
        text = (
            f"REPORT RequestId: {request_id}\tDuration: {usage.duration_ms:.2f} ms\tBilled Duration: {billed} ms"
            f"\tMemory Size: {self._function.MemorySize} MB"
        )
        metrics = {
            "durationMs": round(usage.duration_ms, 3),
            "billedDurationMs": billed,
            "memorySizeMB": self._function.MemorySize,
        }
        if usage.max_memory_mb is not None:
            text += f"\tMax Memory Used: {usage.max_memory_mb} MB"
            metrics["maxMemoryUsedMB"] = usage.max_memory_mb
        if usage.init_ms is not None:
            text += f"\tInit Duration: {usage.init_ms:.2f} ms"
            metrics["initDurationMs"] = round(usage.init_ms, 3)
        record = {"requestId": request_id, "metrics": metrics, "status": failure.status if failure else "success"}
        if failure:
            text += f"\tStatus: {failure.status}"
            if failure.status == "error":
                error_type = failure.reported or failure.error_type
                text += f"\tError Type: {error_type}"
                record["errorType"] = error_type
        return text, record

    def _runtime_error(self, environment: str, failure: Failure, request_id: str | None) -> None:
        """The line that Lambda's Python runtime writes about an exception, as one event of several lines (RUN-23)."""
        if failure.trace is None or failure.quiet:
            return
        if self._json:
            value = {
                "timestamp": _time(self._clock.now()),
                "log_level": "ERROR",
                "errorMessage": failure.message,
                "errorType": failure.error_type,
                "requestId": request_id or "",
                "stackTrace": failure.trace,
            }
            text = json.dumps(value, ensure_ascii=False)
        else:
            head = f"[ERROR] {failure.error_type}" + (f": {failure.message}" if failure.message else "")
            frames = [line for frame in failure.trace for line in frame.splitlines()]
            text = "\n".join((head, "Traceback (most recent call last):", *map(_indented, frames)))
        self.write(environment, (text,), request_id)

    def _platform_error(self, environment: str, failure: Failure, request_id: str) -> None:
        """What the platform says of a timeout or of a process that ended."""
        if failure.trace is not None or failure.quiet or self._json:
            return
        if failure.status == "timeout":
            said = failure.message.partition(" Error: ")[2]
            text = f"{_time(self._clock.now())} {request_id} {said}"
        else:
            text = f"{failure.message}\n{failure.error_type}"
        self.write(environment, (text,), request_id)

    def _platform(
        self,
        environment: str,
        text: str,
        kind: str,
        record: dict[str, Any],
        request_id: str | None,
        *,
        failed: bool = False,
    ) -> None:
        if self._failures_only and not failed:
            return
        if self._json:
            text = json.dumps({"time": _time(self._clock.now()), "type": kind, "record": record})
        self.write(environment, (text,), request_id)


def _indented(line: str) -> str:
    rest = line.lstrip(" ")
    return _NO_BREAK_SPACE * (len(line) - len(rest)) + rest


def _time(at: int) -> str:
    moment = datetime.fromtimestamp(at / 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def _version(function: Function) -> str:
    """The runtime's version as Lambda writes it: ``python:3.13.v7``, the last number this interpreter's own."""
    runtime = runtime_of(function)
    if runtime.startswith("python"):
        return f"{runtime.replace('python', 'python:')}.v{sys.version_info.micro}"
    return f"nodejs:{runtime[6:-2]}" if runtime.startswith("nodejs") else runtime.replace(".", ":", 1)

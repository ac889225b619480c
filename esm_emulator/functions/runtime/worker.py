"""The worker process: one execution environment's interpreter, serving one invocation at a time (RUN-7).

It starts, says HELLO, and waits. INIT makes it the environment of one function: variables, working folder, ``logging``,
then the handler's module is imported. Each INVOKE is one call of the handler. It has no timeouts and no limits of its
own; the emulator kills it. When the emulator is gone it goes too, and takes what it started with it.

The handler owns this process as it does in Lambda: what it raises beyond ``Exception`` ends it, and the exit status
tells the emulator what happened (RUN-19).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
import traceback
from functools import partial
from types import TracebackType
from typing import Any

from esm_emulator.functions.runtime.call import call
from esm_emulator.functions.runtime.context import LambdaContext
from esm_emulator.functions.runtime.faults import error_payload, without_own_frames
from esm_emulator.functions.runtime.handler import Handler, find
from esm_emulator.functions.runtime.logs import LambdaLogHandler, level_of
from esm_emulator.functions.runtime.marshal import Marshaller
from esm_emulator.functions.runtime.wire import BROKEN, DONE, HEADER, HELLO, KINDS, READY, RESULT, frame

__all__ = ["Worker", "main"]

_OPEN_FILES = 1_024  # RUN-2


class Worker:
    """Serves the emulator at the other end of ``connection``, a socket's descriptor, until that end closes."""

    def __init__(self, connection: int) -> None:
        self._connection = connection
        self._request_id = ""
        self._marshaller = Marshaller()
        self._folder_for_files = ""

    def run(self) -> None:
        """Greet, become a function's environment, and serve it."""
        self._send(HELLO)
        _, body = self._receive()
        handler = self._init(json.loads(body))
        if handler is None:
            self._receive()  # nothing more comes: the emulator ends this process
            return
        while True:
            _, body = self._receive()
            self._invoke(handler, body)

    # --- the handler ------------------------------------------------------------------------------------------

    def _init(self, settings: dict[str, Any]) -> Handler | None:
        """Import the handler; answer READY, or BROKEN with what is wrong with it (RUN-16)."""
        self._prepare(settings)
        began = time.perf_counter_ns()
        try:
            handler = find(settings["handler"])
        except Exception as error:  # noqa: BLE001 - whatever the module raises
            self._send(BROKEN, _encode(self._marshaller.dump(error_payload(error, ""))))
            return None
        took = time.perf_counter_ns() - began
        self._send(READY, json.dumps({"ns": took, "peak_kb": peak_memory_kb()}).encode())
        return handler

    def _prepare(self, settings: dict[str, Any]) -> None:
        sys.dont_write_bytecode = True  # the code's folder is left as it is, as in Lambda, where it is read-only
        _set_variables(settings["variables"])
        time.tzset()
        folder = settings["folder"]
        sys.path.insert(0, folder)
        with contextlib.suppress(OSError):  # it is not there: the import will say so
            os.chdir(folder)
        self._folder_for_files = settings["tmp"]
        self._marshaller = Marshaller(ascii_only=settings["ascii_only"])
        self._set_up_logging(as_json=settings["json_logs"])

    def _set_up_logging(self, *, as_json: bool) -> None:
        root = logging.getLogger()
        root.addHandler(LambdaLogHandler(_print, lambda: self._request_id, as_json=as_json))
        level = level_of(os.environ.get("AWS_LAMBDA_LOG_LEVEL"))
        if level is not None:
            root.setLevel(level)

    def _invoke(self, handler: Handler, body: bytes) -> None:
        line, _, event = body.partition(b"\n")
        began = time.perf_counter_ns()
        settings = json.loads(line)
        ends = began + settings["timeout_ms"] * 1_000_000
        self._request_id = settings["request_id"]
        _set_variables({"_X_AMZN_TRACE_ID": settings["trace_id"]})  # of this invocation alone (RUN-12)
        self._keep_folder_for_files()
        context = LambdaContext(
            self._request_id, settings["arn"], os.environ, lambda: (ends - time.perf_counter_ns()) / 1e6
        )
        outcome = call(handler, event, context, self._marshaller, settings["response_limit"])
        took = time.perf_counter_ns() - began
        result = RESULT.pack(KINDS.index(outcome.kind), took, peak_memory_kb(), _left_something_running())
        text = self._marshaller.dump(outcome.error) if outcome.error else outcome.payload
        self._send(DONE, result, _encode(text))

    def _keep_folder_for_files(self) -> None:
        """``/tmp`` cannot be deleted in Lambda; a handler that tidies up too well finds it again (RUN-6)."""
        with contextlib.suppress(OSError):
            os.mkdir(self._folder_for_files)

    # --- frames -----------------------------------------------------------------------------------------------

    def _send(self, kind: int, *parts: bytes) -> None:
        left = memoryview(frame(kind, *parts))
        while left:
            left = left[os.write(self._connection, left) :]

    def _receive(self) -> tuple[int, bytes]:
        kind, size = HEADER.unpack(self._read(HEADER.size))
        return kind, self._read(size)

    def _read(self, size: int) -> bytes:
        data = os.read(self._connection, size) if size else b""
        while len(data) < size:
            more = os.read(self._connection, size - len(data))
            if not more:
                leave()
            data += more
        return data


def main(descriptor: int) -> None:
    """Serve on the inherited socket ``descriptor``."""
    # The end of this process is seen by the end of its socket, so no child may have it too. It is a bare descriptor,
    # because a socket object would be closed as the interpreter shuts down, a moment before the end
    os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=partial(os.close, descriptor))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= _OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    sys.excepthook = _report
    Worker(descriptor).run()


def leave() -> None:
    """The emulator is done with this process, or gone: end at once, and with it all that the handler started.

    Nothing of the handler's runs any more, as in Lambda, which gives a function no time to say goodbye (RUN-5a).
    """
    coverage = sys.modules.get("coverage")
    measuring = coverage and coverage.Coverage.current()
    if measuring:
        measuring.stop()
        measuring.save()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def peak_memory_kb() -> int:
    """The most memory that this process ever had resident, in kB."""
    try:
        with open("/proc/self/status", "rb") as file:
            text = file.read()
        return int(text[text.index(b"VmHWM:") + 6 :].split(None, 1)[0])
    except (OSError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most // 1024 if sys.platform == "darwin" else most


def _left_something_running() -> bool:
    """Whether the handler returned while a thread or a child process of its goes on."""
    if threading.active_count() > 1:
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return False
    return True


def _set_variables(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _print(text: str) -> None:
    sys.stdout.write(text)  # looked up each time: a handler may put another in its place


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, without_own_frames(trace))

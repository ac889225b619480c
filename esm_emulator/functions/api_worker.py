"""A process that runs a handler by asking Lambda's Runtime API for work, which we are (RUN-50).

Seen from :mod:`environments` it is a worker like any other, and asked for the same: INIT starts the process, and is
done when it asks for its first invocation; INVOKE hands one out, and is done when it has posted what came of it and
asks for the next. Each process has a server of its own on a port of its own, which tells environments apart:

    process                                          here
    GET  /invocation/next ───────────────────────▶   INIT is done
                          ◀── event, with headers    INVOKE
    POST /invocation/{id}/response | /error ─────▶
    GET  /invocation/next ───────────────────────▶   INVOKE is done; the process is frozen
    POST /init/error ────────────────────────────▶   INIT has failed

The end of the process is seen by a thread that waits for it: nothing else tells for sure.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import subprocess
import threading
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

from esm_emulator.clocks.real import RealClock
from esm_emulator.functions.api_server import Request, Response, converse, refusal
from esm_emulator.functions.child import Answer, Child
from esm_emulator.functions.runtime import wire
from esm_emulator.functions.runtime.call import ERROR, RETURNED, TOO_LARGE
from esm_emulator.functions.runtime.faults import Fault, error_payload
from esm_emulator.functions.variables import host_variables
from esm_emulator.functions.watch import resident_kb

__all__ = ["ApiWorker"]

_BASE = "/2018-06-01/runtime"
_LONGEST_INIT_ERROR = 6_291_556
# what is wrong with the function's own files, and not with this machine
_NO_PROGRAM = {errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR, errno.EPERM}
_ACCEPTED = Response(202, b'{"status":"OK"}\n')


class ApiWorker(Child):
    """One process and its Runtime API. ``command`` gives what to start, or raises ``Fault``.

    ``serving`` gets the task of its server, and loses it when that has ended, some time after :meth:`end`.
    ``reported`` is the Lambda-Runtime-Function-Error-Type of the latest failure.
    """

    def __init__(self, command: Callable[[], tuple[str, ...]], serving: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self.reported: str | None = None
        self._serving = serving
        self._server: asyncio.Task[None] | None = None
        self._command = command
        self._host = ""
        self._thread: threading.Thread | None = None
        self._gone = threading.Event()
        self._began = 0
        self._longest = _LONGEST_INIT_ERROR
        self._ready = False  # it has asked for its first invocation
        self._request_id: str | None = None  # of the invocation that it works at
        self._result: Answer | None = None  # what it has posted of that
        self._answer: asyncio.Future[Answer | None] | None = None  # for whom we are asked
        self._waiting: asyncio.Future[Response] | None = None  # for an invocation

    async def greeting(self) -> bool:
        """There is nothing to wait for: the process is started with the handler's variables."""
        return True

    async def ask(self, kind: int, *parts: bytes) -> Answer | None:
        """Have it load the handler (INIT), or handle an event (INVOKE); None when the process ended instead."""
        self._answer = asyncio.get_running_loop().create_future()
        self.reported = None
        self._began = perf_counter_ns()
        try:
            if kind == wire.INIT:
                try:
                    await self._begin(json.loads(b"".join(parts)))
                except Fault as fault:
                    return Answer(wire.BROKEN, json.dumps(error_payload(fault, "")).encode())
            with self._listening():
                if kind == wire.INVOKE:
                    self._hand_out(json.loads(parts[0]), parts[-1])
                return await self._answer
        finally:
            self._answer = None

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return not self._gone.is_set()

    # --- the process ------------------------------------------------------------------------------------------

    async def _begin(self, settings: dict[str, Any]) -> None:
        command = self._command()
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = self._server = asyncio.create_task(self._serve(listening), name="esm-runtime-api")
        self._serving.add(server)
        server.add_done_callback(self._serving.discard)
        self._host = f"127.0.0.1:{await listening}"
        given = {name: value for name, value in settings["variables"].items() if value is not None}
        variables = host_variables() | given | {"AWS_LAMBDA_RUNTIME_API": self._host, "PWD": settings["folder"]}
        self._began = perf_counter_ns()
        try:
            process = self._start(command, variables, folder=settings["folder"])
        except OSError as error:
            if error.errno not in _NO_PROGRAM:
                raise
            reason = (error.strerror or "").lower()
            raise Fault("Runtime.InvalidEntrypoint", f"fork/exec {command[0]}: {reason}") from None
        self._thread = threading.Thread(
            target=self._wait, args=(process, asyncio.get_running_loop()), name="esm-runtime-api", daemon=True
        )
        self._thread.start()

    def _wait(self, process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: wait for the end of the process, and leave its number to be taken by who ends it."""
        with contextlib.suppress(ChildProcessError):
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            else:
                process.wait()
        self._gone.set()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        # what it has posted stands, unless its time was up before it was ready for more
        self._tell(None if self.ended_because else self._result)

    def _release(self) -> None:
        if self._server is not None:
            self._server.cancel()
        if self._thread is not None:
            self._thread.join()

    # --- the Runtime API --------------------------------------------------------------------------------------

    async def _serve(self, listening: asyncio.Future[int]) -> None:
        try:
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        except OSError as error:
            listening.set_exception(error)
            return
        async with listener:
            listening.set_result(int(listener.extra(SocketAttribute.local_port)))  # noqa: S610 - not Django's
            await listener.serve(self._connected)

    async def _connected(self, stream: SocketStream) -> None:
        async with stream:
            await converse(stream, self._host, self._respond, lambda: self._longest)

    async def _respond(self, request: Request) -> Response:
        match request.method, request.path.removeprefix(_BASE).split("/")[1:]:
            case _ if not request.path.startswith(_BASE):
                pass
            case "GET", ["invocation", "next"]:
                return await self._next()
            case "POST", ["invocation", id, "response"]:
                return self._posted(id, request, RETURNED)
            case "POST", ["invocation", id, "error"]:
                return self._posted(id, request, ERROR)
            case "POST", ["init", "error"]:
                return self._init_error(request)
        return refusal(404, "NotFound", f"there is no {request.method} {request.path}")

    async def _next(self) -> Response:
        if self._request_id is not None and self._result is None:
            return _wrong_state("it has not posted what came of the invocation it has")
        if self._waiting is not None and not self._waiting.done():
            self._waiting.cancel()  # it has asked again, on another connection; nobody listens on the first
        waiting: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        if self._result is not None:
            self._request_id, result, self._result = None, self._result, None
            self._tell(result)
        elif not self._ready:
            self._ready = True
            self.peak_kb = max(self.peak_kb, resident_kb(self.pid))
            ready = {"ns": perf_counter_ns() - self._began, "peak_kb": self.peak_kb}
            self._tell(Answer(wire.READY, json.dumps(ready).encode()))
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting is self._waiting:
                raise  # we are being ended
            return _wrong_state("it has asked for the next invocation twice")

    def _hand_out(self, header: dict[str, Any], event: bytes) -> None:
        headers = {
            "Lambda-Runtime-Aws-Request-Id": header["request_id"],
            "Lambda-Runtime-Deadline-Ms": str(RealClock().now() + int(header["timeout_ms"])),
            "Lambda-Runtime-Invoked-Function-Arn": header["arn"],
        }
        if header["trace_id"] is not None:
            headers["Lambda-Runtime-Trace-Id"] = header["trace_id"]
        self._request_id = header["request_id"]
        self._longest = header["response_limit"]
        self._thaw()
        assert self._waiting is not None
        if not self._waiting.done():
            self._waiting.set_result(Response(200, event, headers))
        if self._gone.is_set():
            self._tell(None)

    def _posted(self, id: str, request: Request, kind: str) -> Response:
        if id != self._request_id:
            return refusal(400, "InvalidRequestID", "Invalid request ID")
        if self._result is not None:
            return _wrong_state("it has posted what came of this invocation before")
        text = (request.body or b"").decode("utf-8", "replace")
        if request.body is None:
            kind = TOO_LARGE
        elif kind == ERROR:
            self.reported = request.headers.get("lambda-runtime-function-error-type")
        self.peak_kb = max(self.peak_kb, resident_kb(self.pid))
        head = wire.RESULT.pack(wire.KINDS.index(kind), perf_counter_ns() - self._began, self.peak_kb, True)
        self._result = Answer(wire.DONE, head + text.encode())
        if kind == TOO_LARGE:
            return refusal(413, "RequestEntityTooLarge", f"the response is longer than {self._longest} bytes")
        return _ACCEPTED

    def _init_error(self, request: Request) -> Response:
        if self._ready:
            return _wrong_state("it is initialized")
        self.reported = request.headers.get("lambda-runtime-function-error-type")
        self._tell(Answer(wire.BROKEN, (request.body or b"").decode("utf-8", "replace").encode()))
        return _ACCEPTED

    def _tell(self, answer: Answer | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)


def _wrong_state(why: str) -> Response:
    return refusal(403, "InvalidStateTransition", f"State transition is not allowed: {why}")

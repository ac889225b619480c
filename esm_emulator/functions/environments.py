"""An execution environment: a name, a log stream, a folder for files, and the worker process that is its present life.

The process may die and be replaced; the environment goes on (RUN-6). That is its whole state machine:

    new ──init──▶ ready ──invoke──▶ ready
     │              │
     │ init failed  │ timeout, crash, out of memory
     ▼              ▼
    reset ◀─────────┘      a reset environment has no process: its next invocation loads the handler again, silently and
      │                    as part of its own time (RUN-5a); its folder for files is kept (RUN-6)
      └──init within the invocation──▶ ready, or reset again

:class:`Environment` knows processes and frames; it writes no log and does not know what a mapping is.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

from esm_emulator.functions import FailureKind, Invocation
from esm_emulator.functions.child import Answer, Child
from esm_emulator.functions.failures import Failure, exited, of_payload, out_of_memory, timed_out, too_large
from esm_emulator.functions.output import Lines
from esm_emulator.functions.runtime import wire
from esm_emulator.functions.runtime.call import RETURNED, TOO_LARGE
from esm_emulator.functions.watch import OUT_OF_MEMORY, TIME_IS_UP, Watch, resident_kb

__all__ = ["Environment", "Limits", "Loaded", "Outcome", "Settings"]

NS_PER_MS = 1_000_000
LONGEST_START = 60.0  # seconds for an interpreter to be up; not the handler's time


class Settings(NamedTuple):
    """What a new process must know of its function before it can load the handler."""

    handler: str
    folder: str
    variables: dict[str, str | None]  # None: not there
    ascii_only: bool
    json_logs: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What an invocation may take: seconds, megabytes, and bytes of its response (RUN-1, RUN-2, RUN-4)."""

    timeout: float
    memory_mb: int
    response: int


class Loaded(NamedTuple):
    """An attempt to load the handler: how long it took (ms), and what went wrong, or None."""

    ms: float
    failure: Failure | None = None
    crashed: bool = False  # ended by a signal, and not by one of ours (RUN-21)


class Outcome(NamedTuple):
    """An invocation: how long the handler ran (ms), its response's text, or what went wrong."""

    ms: float
    payload: str = ""
    failure: Failure | None = None


class Environment:
    """One execution environment. ``tell`` gets the lines that its process writes while it is loaded or invoked.

    ``used_at`` (epoch ms) and ``generation`` are its owner's; ``unreported_init_ms`` is the time of an init phase that
    no invocation has accounted for yet.
    """

    def __init__(self, id: str, stream: str, watch: Watch, tell: Callable[[Environment, Sequence[str]], None]) -> None:
        self.id = id
        self.stream = stream
        self.generation = 0
        self.used_at = 0
        self.unreported_init_ms: float | None = None
        self.is_new = True
        self.request_id: str | None = None
        self._watch = watch
        self._tell = tell
        self._lines = Lines()
        self._worker: Child | None = None
        self._folder: str | None = None
        self._peak_kb = 0

    @property
    def is_loaded(self) -> bool:
        """Whether the handler is in memory."""
        return self._worker is not None

    @property
    def max_memory_mb(self) -> int:
        """The most memory that its process had, in whole megabytes."""
        peak = self._worker.peak_kb if self._worker else self._peak_kb
        return -(-peak // 1024)

    def is_alive(self) -> bool:
        """Whether its process, if it has one, is there to be asked something."""
        return self._worker is None or self._worker.is_alive()

    async def load(
        self, worker: Child, settings: Settings, limits: Limits, *, within: float, request_id: str = ""
    ) -> Loaded:
        """Make ``worker`` its process and load the handler there, ``within`` so many seconds (RUN-5, RUN-16)."""
        self.is_new = False
        self._worker = worker
        worker.output = self._write
        try:
            return await self._load(worker, settings, limits, within, request_id)
        except BaseException:
            self.reset()
            raise

    async def invoke(self, invocation: Invocation, limits: Limits, *, within: float) -> Outcome:
        """Call the handler, ``within`` so many seconds. Only for an environment that is loaded."""
        worker = self._worker
        assert worker is not None
        header = {
            "request_id": invocation.request_id,
            "arn": invocation.arn,
            "trace_id": invocation.trace_id,
            "timeout_ms": within * 1000,
            "response_limit": limits.response,
        }
        event = invocation.payload.encode("utf-8", "surrogatepass")
        began = perf_counter()
        with self._watched(worker, within, limits):
            answer = await worker.ask(wire.INVOKE, json.dumps(header).encode(), b"\n", event)
        if answer is None:
            failure, _ = self._ended(worker, limits, invocation.request_id)
            return Outcome((perf_counter() - began) * 1000, failure=failure)
        return self._answered(worker, answer, limits, invocation.request_id)

    def reset(self) -> int:
        """End its process and whatever that has started; the exit status, negative for a signal (RUN-6)."""
        worker, self._worker = self._worker, None
        if worker is None:
            return 0
        status = worker.end()
        self._peak_kb = worker.peak_kb
        self._flush()
        return status

    def kill(self) -> None:
        """Have its process end, without waiting for it."""
        if self._worker:
            self._worker.end_because("stop")

    def close(self, *, politely: bool = False) -> None:
        """End it for good; ``politely`` lets the process write what was measured in it."""
        if politely and self._worker:
            self._worker.dismiss()
        self.reset()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- what came of it --------------------------------------------------------------------------------------

    async def _load(self, worker: Child, settings: Settings, limits: Limits, within: float, request_id: str) -> Loaded:
        folder = self._files()
        variables = {"TMPDIR": folder} | settings.variables
        body = json.dumps(settings._asdict() | {"tmp": folder, "variables": variables}).encode()
        answer = None
        began = perf_counter()
        with self._watched(worker, LONGEST_START, limits):
            is_up = await worker.greeting()
        if is_up:
            began = perf_counter()
            with self._watched(worker, within, limits):
                answer = await worker.ask(wire.INIT, body)
        took = (perf_counter() - began) * 1000
        if answer is None:
            failure, crashed = self._ended(worker, limits, request_id)
            return Loaded(took, failure, crashed)
        if answer.kind == wire.BROKEN:
            worker.peak_kb = max(worker.peak_kb, resident_kb(worker.pid))
            self.reset()
            payload = answer.body.decode("utf-8", "surrogatepass")
            return Loaded(took, self._failure(worker, FailureKind.INIT, payload))
        self._flush()
        ready = json.loads(answer.body)
        worker.peak_kb = ready["peak_kb"]
        return Loaded(ready["ns"] / NS_PER_MS)

    def _answered(self, worker: Child, answer: Answer, limits: Limits, request_id: str) -> Outcome:
        index, ns, peak_kb, goes_on = wire.RESULT.unpack_from(answer.body)
        kind, ms = wire.KINDS[index], ns / NS_PER_MS
        worker.peak_kb = max(worker.peak_kb, peak_kb)
        if worker.peak_kb > limits.memory_mb * 1024:
            self.reset()
            return Outcome(ms, failure=out_of_memory(request_id))
        if goes_on:
            worker.freeze()
        self._flush()
        payload = answer.body[wire.RESULT.size :].decode("utf-8", "surrogatepass")
        if kind == RETURNED:
            return Outcome(ms, payload)
        if kind == TOO_LARGE:
            return Outcome(ms, failure=too_large(limits.response))
        return Outcome(ms, failure=self._failure(worker, FailureKind(kind), payload))

    def _failure(self, worker: Child, kind: FailureKind, payload: str) -> Failure:  # noqa: ARG002 - a subclass asks it
        """What the runtime in the process says of a handler that failed."""
        return of_payload(kind, json.loads(payload), payload)

    def _ended(self, worker: Child, limits: Limits, request_id: str) -> tuple[Failure, bool]:
        """Its process is gone: why, and whether it crashed all by itself."""
        status = self.reset()
        if worker.ended_because == TIME_IS_UP:
            return timed_out(request_id, limits.timeout), False
        if worker.ended_because == OUT_OF_MEMORY:
            return out_of_memory(request_id), False
        return exited(request_id, status), status < 0

    # --- files and output -------------------------------------------------------------------------------------

    def _files(self) -> str:
        """Its own folder in the place of ``/tmp``: made once, kept when the process is replaced (RUN-6)."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="esm-")
        return self._folder

    def _write(self, data: bytes) -> None:
        self._tell(self, self._lines.feed(data))

    def _flush(self) -> None:
        self._tell(self, self._lines.finish())

    @contextlib.contextmanager
    def _watched(self, worker: Child, seconds: float, limits: Limits) -> Iterator[None]:
        self._watch.begin(worker, seconds, limits.memory_mb * 1024)
        try:
            yield
        finally:
            self._watch.end(worker)

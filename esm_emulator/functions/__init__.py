"""The port through which a mapping invokes a function, wherever its code runs.

Adapters: :mod:`inline` (this process), :mod:`process` (one worker process for each execution environment),
:mod:`runtime_api` (any language), :mod:`remote` (Lambda's Invoke), :mod:`scripted` (a scenario's behavior),
:mod:`limited` (reserved concurrency; wraps any). What a handler does is a value here, never an exception of ours.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from esm_emulator.messages import ReceivedMessage

__all__ = ["Failed", "FailureKind", "Function", "Invocation", "Reply", "Returned", "Throttled", "Usage"]


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Invocation:
    """One synchronous invocation of a function by a mapping.

    ``event`` is the decoded event (EVT-1), ``messages`` the deliveries that it was made from, in order;
    ``arn`` is the mapping's FunctionArn with its qualifier (RUN-14). Whoever decides whether the function takes the
    invocation calls ``began`` once it has, before any code runs; repeating it does nothing.
    """

    request_id: str
    arn: str
    event: dict[str, Any]
    messages: Sequence[ReceivedMessage] = ()
    trace_id: str | None = None
    began: Callable[[], None] = _nothing

    @cached_property
    def payload(self) -> str:
        """The event as the JSON text that is sent to the function, made when first asked for."""
        return json.dumps(self.event, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Usage:
    """What an invocation took: times in milliseconds, memory in megabytes; ``init_ms`` only for a cold start."""

    duration_ms: float = 0.0
    init_ms: float | None = None
    max_memory_mb: int | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned; ``payload`` is its result as JSON text (RUN-31 … 34), possibly not valid JSON (PBR-22)."""

    payload: str
    usage: Usage = field(default_factory=Usage)


class FailureKind(enum.Enum):
    """Why an invocation failed; the value is the ``outcome`` of the journal's fact."""

    ERROR = "error"  # the handler raised
    TIMEOUT = "timeout"  # RUN-20
    EXIT = "exit"  # the process ended (RUN-19)
    INIT = "init"  # the handler could not be loaded (RUN-16)
    MARSHAL = "marshal"  # event or result is not JSON (RUN-30, RUN-31)
    TOO_LARGE = "too-large"  # RUN-4
    SERVICE = "service"  # the service, not the function, failed (FAIL-13)


@dataclass(frozen=True, slots=True)
class Failed:
    """A function error (RUN-22): ``payload`` is Lambda's error JSON, ``exception`` the handler's own if it ran here."""

    kind: FailureKind
    error_type: str
    message: str
    payload: str
    usage: Usage = field(default_factory=Usage)
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Throttled:
    """The invocation was refused before any code ran (CONC-11); ``reason`` is Lambda's own word."""

    reason: str


Reply = Returned | Failed | Throttled


class Function(Protocol):
    """One function, as a mapping invokes it."""

    @property
    def id(self) -> str:
        """Its logical id."""

    async def invoke(self, invocation: Invocation) -> Reply:
        """Run the function once, by its timeout at the latest; never raises for what the handler does."""

    async def close(self) -> None:
        """Let go of execution environments; running invocations have ended before."""

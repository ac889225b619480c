"""A function on the real clock, its code in a folder: written, invoked, closed, and what its journal says."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio

from esm_emulator.clocks import Clock
from esm_emulator.clocks.real import RealClock
from esm_emulator.functions import Invocation, Reply
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.process import ProcessFunction
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import EnvironmentEnded, EnvironmentStarted, Fact, Journal, LogLine
from esm_emulator.resources import Function

ARN = "arn:aws:lambda:us-east-1:123456789012:function:Worker"

Adapter = type[InlineFunction] | type[ProcessFunction]
F = TypeVar("F", bound=Fact)
T = TypeVar("T")


class Stage:
    """Where one function plays; ``options`` are the adapter's own."""

    def __init__(self, adapter: Adapter, folder: Path) -> None:
        self.adapter = adapter
        self.folder = folder
        self.journal = Journal()
        self.identifiers = Identifiers(Random(0))
        self.clock: Clock = RealClock()
        self.options: dict[str, Any] = {}

    @property
    def is_inline(self) -> bool:
        return self.adapter is InlineFunction

    def write(self, code: str, name: str = "app.py") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code), encoding="utf-8")
        return path

    def function(self, **properties: Any) -> InlineFunction | ProcessFunction:
        properties = {"id": "Worker", "Handler": "app.handler", "CodeUri": str(self.folder), **properties}
        return self.adapter(Function(**properties), self.clock, self.journal, self.identifiers, **self.options)

    def invocation(self, event: Any = None, **fields: Any) -> Invocation:
        return Invocation(self.identifiers.uuid(), ARN, {"Records": []} if event is None else event, **fields)

    def play(self, story: Callable[[InlineFunction | ProcessFunction], Awaitable[T]], **properties: Any) -> T:
        """Tell ``story`` of a function that is closed afterwards."""

        async def main() -> T:
            function = self.function(**properties)
            try:
                return await story(function)
            finally:
                await function.close()

        return anyio.run(main)

    def invoke(self, code: str, event: Any = None, **properties: Any) -> Reply:
        """Write ``app.py`` and invoke its ``handler`` once."""
        return self.invoke_each(code, event, **properties)[0]

    def invoke_each(self, code: str, *events: Any, **properties: Any) -> list[Reply]:
        """Write ``app.py`` and invoke its ``handler`` with each event, one after the other."""
        self.write(code)

        async def story(function: InlineFunction | ProcessFunction) -> list[Reply]:
            return [await function.invoke(self.invocation(event)) for event in events]

        return self.play(story, **properties)

    def invoke_together(self, code: str, *events: Any, **properties: Any) -> list[Reply]:
        """Write ``app.py`` and invoke its ``handler`` with all events at the same time."""
        self.write(code)

        async def story(function: InlineFunction | ProcessFunction) -> list[Reply]:
            return await asyncio.gather(*(function.invoke(self.invocation(event)) for event in events))

        return self.play(story, **properties)

    # --- what the journal says

    def facts(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.journal if isinstance(fact, kind)]

    @property
    def lines(self) -> list[str]:
        return [line.text for line in self.facts(LogLine)]

    @property
    def said(self) -> list[str]:
        """The log without the lines of the platform."""
        platform = ("INIT_START ", "START ", "END ", "REPORT ", "INIT_REPORT ")
        return [line for line in self.lines if not line.startswith(platform)]

    @property
    def started(self) -> list[EnvironmentStarted]:
        return self.facts(EnvironmentStarted)

    @property
    def ended(self) -> list[EnvironmentEnded]:
        return self.facts(EnvironmentEnded)

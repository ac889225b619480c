"""A function of any language: processes that ask Lambda's Runtime API for their invocations (RUN-50).

What such a function's ``Runtime`` says is what is started: ``provided…`` is the program ``bootstrap`` in the folder of
its code, ``nodejs…`` is ``node`` with a bootstrap of ours that loads its ``Handler``. Everything else, from
environments to log lines, is as for a Python function in processes of its own (:mod:`process`).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from esm_emulator.clocks import Clock
from esm_emulator.functions import FailureKind
from esm_emulator.functions.api_worker import ApiWorker
from esm_emulator.functions.child import Child
from esm_emulator.functions.environments import Environment
from esm_emulator.functions.failures import Failure, of_report
from esm_emulator.functions.process import ProcessFunction
from esm_emulator.functions.runtime.faults import Fault
from esm_emulator.functions.variables import folder_of, host_variables
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.profiles import PROFILES, Profile
from esm_emulator.resources import Function

__all__ = ["RuntimeApiFunction", "command_of"]

_NODE_BOOTSTRAP = Path(__file__).resolve().parent / "runtime" / "bootstrap.mjs"


class _ApiEnvironment(Environment):
    def _failure(self, worker: Child, kind: FailureKind, payload: str) -> Failure:
        return of_report(kind, payload, worker.reported if isinstance(worker, ApiWorker) else None)


class RuntimeApiFunction(ProcessFunction):
    """The port ``Function`` over processes that ask for work; there is no spare, since each starts with its handler."""

    _kind = _ApiEnvironment

    def __init__(
        self,
        resource: Function,
        clock: Clock,
        journal: Journal,
        identifiers: Identifiers,
        environment: Mapping[str, str | None] | None = None,
        *,
        profile: Profile = PROFILES["aws-2026"],
    ) -> None:
        super().__init__(resource, clock, journal, identifiers, environment, profile=profile)
        self._serving: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End every environment and its server."""
        await super().close()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _keep_a_spare(self) -> None:
        """A process cannot be started before its variables are known."""

    def _worker(self) -> Child:
        return ApiWorker(lambda: command_of(self.resource), self._serving)


def command_of(function: Function) -> tuple[str, ...]:
    """What to start for the function. Raises ``Fault`` when it is not there."""
    if (function.Runtime or "").startswith("nodejs"):
        node = shutil.which("node", path=host_variables().get("PATH"))
        if node is None:
            message = f"the Runtime {function.Runtime} needs the program node, which is not on the PATH"
            raise Fault("Runtime.InvalidEntrypoint", message)
        return node, str(_NODE_BOOTSTRAP)
    program = Path(folder_of(function)) / "bootstrap"
    if not program.is_file():
        raise Fault("Runtime.InvalidEntrypoint", f"Couldn't find valid bootstrap(s): [{program}]")
    return (str(program),)

"""Concurrency limits around a function: its own reservation, and the account's pool for everything else.

An invocation that finds no room is refused before any code runs, with Lambda's own reason (CONC-11), and whoever sent
it decides what follows. Limits may change while invocations run; those that run are not touched.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from esm_emulator.functions import Function, Invocation, Reply, Throttled
from esm_emulator.resources import Function as FunctionResource

__all__ = ["ACCOUNT_IS_FULL", "RESERVATION_IS_FULL", "AccountConcurrency", "LimitedFunction"]

RESERVATION_IS_FULL = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_IS_FULL = "ConcurrentInvocationLimitExceeded"


class AccountConcurrency:
    """Concurrent invocations of one account's functions (POLL-12, CONC-11).

    A reservation takes its share out of the pool that all other functions have together. ``limit`` may be set at any
    time.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._reserved: dict[str, int] = {}
        self._running: dict[str, int] = {}

    def running(self, function: str) -> int:
        """Invocations of one function that run now."""
        return self._running.get(function, 0)

    @property
    def unreserved(self) -> int:
        """The size of the pool of all functions without a reservation."""
        return max(0, self.limit - sum(self._reserved.values()))

    def reserve(self, function: str, amount: int | None) -> None:
        """Set a function's reservation; 0 refuses every invocation, None gives it back to the pool."""
        if amount is None:
            self._reserved.pop(function, None)
        else:
            self._reserved[function] = amount

    def enter(self, function: str) -> str | None:
        """Take room for one invocation; None, or the reason why there is none."""
        reserved = self._reserved.get(function)
        if reserved is not None:
            if self.running(function) >= reserved:
                return RESERVATION_IS_FULL
        elif self._running_unreserved() >= self.unreserved:
            return ACCOUNT_IS_FULL
        self._running[function] = self.running(function) + 1
        return None

    def leave(self, function: str) -> None:
        """Give the room of one invocation back."""
        self._running[function] -= 1

    def _running_unreserved(self) -> int:
        return sum(count for function, count in self._running.items() if function not in self._reserved)


@runtime_checkable
class _Configurable(Protocol):
    """An adapter whose function's properties can be replaced while it runs."""

    resource: FunctionResource


class LimitedFunction:
    """Wraps any function with its reserved concurrency, if it has one, and its account's.

    ``refuses_all`` is the fault that throttles every invocation, as a reservation of 0 would.
    """

    def __init__(self, inner: Function, resource: FunctionResource, concurrency: AccountConcurrency) -> None:
        self.inner = inner
        self.refuses_all = False
        self._concurrency = concurrency
        self._resource = resource
        concurrency.reserve(resource.id, resource.ReservedConcurrentExecutions)

    @property
    def id(self) -> str:
        """The function's logical id."""
        return self._resource.id

    @property
    def resource(self) -> FunctionResource:
        """The function's properties as they are now."""
        return self._resource

    @property
    def running(self) -> int:
        """Invocations that run now."""
        return self._concurrency.running(self.id)

    def configure(self, resource: FunctionResource) -> None:
        """Take changed properties; they hold from the next invocation on."""
        self._resource = resource
        self._concurrency.reserve(resource.id, resource.ReservedConcurrentExecutions)
        if isinstance(self.inner, _Configurable):
            self.inner.resource = resource

    async def invoke(self, invocation: Invocation) -> Reply:
        """Run the function once, or refuse it before any code runs."""
        reason = RESERVATION_IS_FULL if self.refuses_all else self._concurrency.enter(self.id)
        if reason is not None:
            return Throttled(reason)
        try:
            return await self.inner.invoke(invocation)
        finally:
            self._concurrency.leave(self.id)

    async def close(self) -> None:
        """Let go of execution environments; running invocations have ended before."""
        await self.inner.close()

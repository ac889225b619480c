"""What time it is, and how code waits for it: the real clock, and one that skips.

Everything that waits does so through anyio on the running event loop; a clock only says what that loop's time
means and how blocking code of a user's runs under it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

__all__ = ["Clock", "HandlerTimeout"]

T = TypeVar("T")


class HandlerTimeout(BaseException):
    """Thrown into a handler that waits past its timeout on the virtual clock.

    A ``BaseException``: a handler's ``except Exception`` must not swallow its own end.
    """


class Clock(Protocol):
    """Time for one run. All times are integer milliseconds, ``now`` since the Unix epoch."""

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""

    async def sleep(self, ms: int) -> None:
        """Wait ``ms`` milliseconds of this clock; a value of 0 or less lets others run once."""

    def hold(self, *, measured: bool = False, limit_ms: int | None = None) -> AbstractAsyncContextManager[None]:
        """While held, virtual time stands still: something really happens elsewhere. Free on the real clock.

        ``measured`` charges the real time that it took to the virtual clock afterwards. Raises ``TimeoutError`` when
        ``limit_ms`` of real time have passed inside; virtual timers cannot tell, for they stand still.
        """

    async def call(self, function: Callable[[], T], *, timeout_ms: int) -> T:
        """Run blocking code of a user's, by ``timeout_ms`` at the latest.

        Raises ``TimeoutError`` when the time is up, and whatever ``function`` raises. On the real clock it runs in a
        worker thread, which a timeout leaves behind (a thread cannot be killed); on the virtual one in a greenlet
        on the loop's own thread, into which :class:`HandlerTimeout` is thrown where it waits.
        """

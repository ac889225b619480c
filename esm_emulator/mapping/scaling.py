"""How many pollers a mapping has: the ramp, the way back, and what errors take away (POLL-9 … 16, CONC, PROV).

Told what pollers do, and the time, it says how many there should be, why, and when it wants to be asked again. It
starts nothing and waits for nothing.

    start ──▶ ramp (+300 a minute while every poller is busy) ──▶ ceiling, or MaximumConcurrency
      ▲           │ no backlog for a while: as many as are busy, at least 5
      └───────────┘ no message for a while: 2, and 5 again with the next one; not with MaximumConcurrency
    an error or a throttle halves what there is, and the ramp brings it back

There is a backlog while nobody waits: a poller that has asked the queue for some time without an answer proves that
there is none. So trickling traffic never starts the ramp, however many pollers it reaches.

In provisioned mode a poller carries several invocations at once, and there are never fewer than MinimumPollers.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass
from math import ceil

from esm_emulator.profiles import Profile
from esm_emulator.resources import EventSourceMapping
from esm_emulator.resources.sizing import provisioned_pollers_needed

__all__ = ["Allowance", "Decision", "Limits", "Reason", "Scaling", "provisioned_pollers_needed"]

STEP = 1_000  # the ramp goes in steps of a second; one back-off in each
WAITS_AFTER = 100  # an answer that takes so long means that the queue had none
MINUTE = 60_000


class Reason(enum.Enum):
    """Why the number of pollers changes; the value stands in the journal."""

    START = "start"
    BACKLOG = "backlog"
    LESS_TRAFFIC = "less traffic"
    QUIET = "quiet"
    TRAFFIC_AGAIN = "traffic again"
    ERRORS = "errors"
    THROTTLES = "throttles"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Decision:
    """There should be ``pollers`` pollers, which together may run ``invokes`` invocations at once."""

    pollers: int
    invokes: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds one mapping. Numbers are pollers; ``invokes`` is what one of them carries at once (1 on demand).

    ``start`` is where it begins and what less traffic leaves, ``quiet`` what no traffic leaves, ``floor`` what errors
    leave; ``backs_off`` is false with ReportBatchItemFailures on (PBR-32).
    """

    start: int
    quiet: int
    floor: int
    most: int
    per_minute: float
    invokes: int
    idle_after: int
    backoff_factor: float
    backs_off: bool

    @classmethod
    def of(cls, mapping: EventSourceMapping, profile: Profile) -> Limits:
        """The limits of a mapping under a profile."""
        provisioned = mapping.ProvisionedPollerConfig
        backs_off = not mapping.reports_item_failures and profile.error_backoff_factor < 1
        if provisioned:
            least = provisioned.MinimumPollers
            return cls(
                start=least,
                quiet=least,
                floor=least,
                most=max(least, provisioned.MaximumPollers),
                per_minute=profile.provisioned_per_minute / profile.provisioned_invokes,
                invokes=profile.provisioned_invokes,
                idle_after=profile.idle_after,
                backoff_factor=profile.error_backoff_factor,
                backs_off=backs_off,
            )
        most = max(1, min(mapping.maximum_concurrency or profile.pollers_ceiling, profile.pollers_ceiling))
        start = min(profile.pollers_at_start, most)
        return cls(
            start=start,
            quiet=start if mapping.maximum_concurrency else min(profile.pollers_idle, start),
            floor=min(profile.error_backoff_floor, most),
            most=most,
            per_minute=profile.pollers_per_minute,
            invokes=1,
            idle_after=profile.idle_after,
            backoff_factor=profile.error_backoff_factor,
            backs_off=backs_off,
        )


class Scaling:
    """The number of pollers of one mapping, from ``now`` on.

    Every report may return a decision, which is then in force; None means no change. Times are epoch milliseconds and
    never go back. A poller is told apart by any hashable name.
    """

    def __init__(self, limits: Limits, now: int) -> None:
        self.pollers = limits.start
        self._limits = limits
        self._asking: dict[Hashable, int] = {}  # since when, the longest first
        self._last_message = now
        self._last_backlog = now
        self._last_failure: int | None = None
        self._last_back_off: int | None = None
        self._last_change = now
        self._step_at: int | None = None
        self._carry = 0.0

    @property
    def started(self) -> Decision:
        """What to begin with (POLL-9)."""
        return self._decision(Reason.START)

    @property
    def due(self) -> int | None:
        """When :meth:`tick` has something to look at; None: not before another report."""
        times = [at for at in (self._step_at, self._less_at(), self._quiet_at()) if at is not None]
        return min(times, default=None)

    # --- what pollers report ----------------------------------------------------------------------------------

    def asks(self, poller: Hashable, now: int) -> None:
        """A poller asks the queue for messages, and is free until it has some."""
        self._asking.setdefault(poller, now)

    def received(self, poller: Hashable, now: int) -> Decision | None:
        """A poller has messages, and is busy until it asks again."""
        waited = now - self._asking.pop(poller, now) >= WAITS_AFTER
        was_quiet = waited and now - self._last_message >= self._limits.idle_after
        self._last_message = now
        if not self._asking:
            self._last_backlog = now
            self._expect_step(now)
        return self._change(max(self.pollers, self._limits.start), Reason.TRAFFIC_AGAIN, now) if was_quiet else None

    def gone(self, poller: Hashable) -> None:
        """A poller was retired, or has ended."""
        self._asking.pop(poller, None)

    def failed(self, now: int) -> Decision | None:
        """An invocation ended with a function error (POLL-15)."""
        return self._back_off(Reason.ERRORS, now)

    def throttled(self, now: int) -> Decision | None:
        """An invocation was refused (POLL-15)."""
        return self._back_off(Reason.THROTTLES, now)

    # --- what time brings -------------------------------------------------------------------------------------

    def tick(self, now: int) -> Decision | None:
        """Look at what is due."""
        if self._step_at is not None and self._step_at <= now:
            return self._step(now)
        if (less_at := self._less_at()) is not None and less_at <= now:
            return self._less(now)
        if (quiet_at := self._quiet_at()) is not None and quiet_at <= now:
            return self._quiet(now)
        return None

    def configure(self, limits: Limits, now: int) -> Decision | None:
        """Other limits hold from now on."""
        self._limits = limits
        least = min(limits.quiet, limits.floor)
        decision = self._change(min(max(self.pollers, least), limits.most), Reason.SETTINGS, now)
        self._step_at = None
        if not self._asking:
            self._expect_step(now)
        return decision

    def _step(self, now: int) -> Decision | None:
        """The ramp's next step, if there is a backlog and nothing has failed for as long as a step takes."""
        self._step_at = None
        if not self._has_backlog(now):
            return None
        self._last_backlog = now
        if self._last_failure is not None and now - self._last_failure < STEP:
            self._expect_step(self._last_failure)
            return None
        self._carry += self._limits.per_minute * STEP / MINUTE
        whole = int(self._carry)
        self._carry -= whole
        decision = self._change(min(self.pollers + whole, self._limits.most), Reason.BACKLOG, now)
        self._expect_step(now)
        return decision

    def _less(self, now: int) -> Decision | None:
        """Nothing was left waiting for long: as many as are busy, but never fewer than at the start (POLL-13)."""
        if self._has_backlog(now):
            self._last_backlog = now
            return None
        self._last_backlog = now
        busy = ceil(max(0, self.pollers * self._limits.invokes - len(self._asking)) / self._limits.invokes)
        return self._change(max(self._limits.start, busy), Reason.LESS_TRAFFIC, now)

    def _quiet(self, now: int) -> Decision | None:
        """No message for long; but not when nobody has asked for one, since all are busy (POLL-13)."""
        if self._has_backlog(now):
            self._last_message = now
            return None
        return self._change(self._limits.quiet, Reason.QUIET, now)

    def _back_off(self, reason: Reason, now: int) -> Decision | None:
        """Leave a share of what there is, once a step however much fails in it."""
        if not self._limits.backs_off:
            return None
        self._last_failure = now
        if self._last_back_off is not None and now - self._last_back_off < STEP:
            return None
        self._last_back_off = now
        left = max(self._limits.floor, int(self.pollers * self._limits.backoff_factor))
        decision = self._change(min(left, self.pollers), reason, now)
        if not self._asking:
            self._expect_step(now)
        return decision

    # --- how it stands ----------------------------------------------------------------------------------------

    def _has_backlog(self, now: int) -> bool:
        """Whether nobody waits for messages."""
        oldest = next(iter(self._asking.values()), None)
        return oldest is None or now - oldest < WAITS_AFTER

    def _expect_step(self, now: int) -> None:
        if self._step_at is None and self.pollers < self._limits.most:
            self._step_at = now + STEP

    def _less_at(self) -> int | None:
        if self.pollers <= self._limits.start:
            return None
        return self._last_backlog + self._limits.idle_after

    def _quiet_at(self) -> int | None:
        if not self._limits.quiet < self.pollers <= self._limits.start:
            return None
        return max(self._last_message, self._last_change) + self._limits.idle_after

    def _change(self, pollers: int, reason: Reason, now: int) -> Decision | None:
        if pollers == self.pollers:
            return None
        self.pollers = pollers
        self._last_change = now
        return self._decision(reason)

    def _decision(self, reason: Reason) -> Decision:
        return Decision(self.pollers, self.pollers * self._limits.invokes, reason)


class Allowance:
    """What one provisioned poller may take from the queue: so many polls and bytes a second (PROV-5).

    A second's worth may be taken at once. Its lanes share it, so a poll counts from when a lane waits for its turn.
    """

    def __init__(self, profile: Profile) -> None:
        self._poll_cost = STEP / profile.provisioned_polls_per_second
        self._byte_cost = STEP / profile.provisioned_bytes_per_second
        self._polls_until = 0.0
        self._bytes_until = 0.0

    def next_turn(self, now: int) -> int:
        """Take the next turn to poll, and give its time: ``now``, or later (epoch ms)."""
        turn = max(now, ceil(self._polls_until - STEP + self._poll_cost))
        self._polls_until = max(self._polls_until, turn) + self._poll_cost
        return turn

    def has_room(self, now: int) -> int:
        """The earliest time at which more bytes may be taken: ``now``, or later (epoch ms)."""
        return max(now, ceil(self._bytes_until - STEP))

    def carried(self, now: int, size: int) -> None:
        """A poll brought ``size`` bytes."""
        self._bytes_until = max(self._bytes_until, now) + size * self._byte_cost

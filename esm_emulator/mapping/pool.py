"""The mapping: its pollers, how many there are, and its state.

The pool starts pollers and retires them as :mod:`scaling` decides; what each does is :mod:`poller`'s. A retired poller
finishes what it has in hand first, so the number of running pollers may for a while be above the number wanted, never
the number that receives; when more are wanted again, those come first. One that was stopped, or is of the other mode,
does not come back: its place is taken once it has finished, so a limit holds also while a mapping is switched off and
on again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

import anyio
import anyio.abc

from esm_emulator.clocks import Clock
from esm_emulator.functions import Failed, Function
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal, MappingChanged, PollersChanged
from esm_emulator.mapping.batch import BatchRules
from esm_emulator.mapping.poller import MessageFilter, Poller, Work
from esm_emulator.mapping.scaling import Allowance, Decision, Limits, Scaling
from esm_emulator.profiles import Profile
from esm_emulator.queues import Queue, Stop
from esm_emulator.resources import EventSourceMapping

__all__ = ["Mapping"]


class Mapping:
    """One event source mapping at work between one queue and one function.

    ``compile_filter`` turns the resource's filters into what a poller asks, or None when there are none; ``on_failure``
    is told every function error. Everything runs on the loop that runs :meth:`run`.
    """

    def __init__(
        self,
        resource: EventSourceMapping,
        queue: Queue,
        function: Function,
        *,
        clock: Clock,
        journal: Journal,
        profile: Profile,
        random: Random,
        identifiers: Identifiers,
        compile_filter: Callable[[EventSourceMapping, Profile], MessageFilter | None],
        on_failure: Callable[[Failed], None] = lambda _: None,
    ) -> None:
        self.resource = resource
        self.enabled = False
        self._compile_filter = compile_filter
        self._on_failure = on_failure
        self._pollers: list[Poller] = []
        self._wanted = 0
        self._retired: dict[Poller, None] = {}  # in order; they finish what they have in hand
        self._numbers = itertools.count(1)
        self._group: anyio.abc.TaskGroup | None = None
        self._scaling: Scaling | None = None
        self._woken: anyio.Event | None = None
        self._armed: int | None = None  # when scaling is looked at next
        self._work = Work(
            mapping=resource.id,
            queue=queue,
            function=function,
            function_arn=resource.function_arn,
            clock=clock,
            journal=journal,
            profile=profile,
            random=random,
            identifiers=identifiers,
            rules=_rules(resource, profile),
            partial=resource.reports_item_failures,
            filter=compile_filter(resource, profile),
            batches=itertools.count(1),
            reports=self,
        )

    @property
    def queue(self) -> Queue:
        """The queue that it reads."""
        return self._work.queue

    async def run(self, stop: Stop, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Poll, from now until ``stop`` is set and every poller has finished and settled what it had in hand."""
        forget = stop.subscribe(self._wake)
        async with anyio.create_task_group() as group:
            self._group = group
            if self.resource.Enabled:
                self.enable("start")
            else:
                self._tell("Disabled", "Enabled is false")
            task_status.started()
            while not stop.is_set:
                await self._until_due()
                self._scale(lambda scaling, now: scaling.tick(now))
            self._scaling = None
            self._stop_all("stop", hand_back=True)
        forget()
        self._group = None

    def enable(self, reason: str = "USER_INITIATED") -> None:
        """Begin to poll (API-12)."""
        if not self.enabled:
            self.enabled = True
            self._tell("Enabled", reason)
            self._begin_to_scale()

    def disable(self, reason: str = "USER_INITIATED") -> None:
        """Stop polling and invoking; what runs is finished, the messages stay in the queue (API-15, POLL-20)."""
        if self.enabled:
            self.enabled = False
            self._scaling = None
            self._tell("Disabling", reason)
            self._stop_all(reason, hand_back=False)
            self._disabled_when_quiet()

    def configure(self, resource: EventSourceMapping, function: Function, profile: Profile) -> None:
        """Take changed settings; a poller uses them from its next batch on (POLL-19 without its lag).

        Whether it polls is :meth:`enable`'s and :meth:`disable`'s to change.
        """
        was_provisioned, self.resource = self._is_provisioned, resource
        rules, self._work.rules = self._work.rules, _rules(resource, profile)
        self._work.profile = profile
        self._work.function = function
        self._work.function_arn = resource.function_arn
        self._work.partial = resource.reports_item_failures
        self._work.filter = self._compile_filter(resource, profile)
        if self._work.rules != rules:
            for poller in self._pollers:
                poller.renew()
        if self._is_provisioned == was_provisioned:
            self._scale(lambda scaling, now: scaling.configure(Limits.of(resource, profile), now))
        elif self._scaling is not None:
            self._retire(0)
            self._wanted = 0
            self._begin_to_scale()

    # --- how many pollers -------------------------------------------------------------------------------------

    def _begin_to_scale(self) -> None:
        self._scaling = Scaling(Limits.of(self.resource, self._work.profile), self._work.clock.now())
        self._apply(self._scaling.started)
        self._wake()

    async def _until_due(self) -> None:
        """Wait until scaling has something to look at, or something changed that."""
        self._woken = anyio.Event()
        self._armed = self._scaling.due if self._scaling is not None else None
        wait = None if self._armed is None else max(0, self._armed - self._work.clock.now()) / 1_000
        with anyio.move_on_after(wait):
            await self._woken.wait()

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.set()

    def _scale(self, ask: Callable[[Scaling, int], Decision | None]) -> None:
        """Tell scaling something, do what it decides, and look again when it wants to."""
        scaling = self._scaling
        if scaling is None:
            return
        self._apply(ask(scaling, self._work.clock.now()))
        due = scaling.due
        if due is not None and (self._armed is None or due < self._armed):
            self._wake()

    def _apply(self, decision: Decision | None) -> None:
        if decision is None or self._group is None or decision.invokes == self._wanted:
            return
        self._wanted = decision.invokes
        self._work.tell(PollersChanged, self.resource.id, decision.pollers, decision.reason.value)
        self._retire(self._wanted)
        self._fill()

    def _retire(self, left: int) -> None:
        """Have all but so many finish what they have in hand."""
        retired, self._pollers = self._pollers[left:], self._pollers[:left]
        for poller in retired:
            if self._scaling is not None:
                self._scaling.gone(poller.name)
            poller.retire()
            self._retired[poller] = None

    def _fill(self) -> None:
        """Have as many as are wanted; who is still at its last invocation counts too, so that no limit is exceeded.

        In provisioned mode each ten in a row are the lanes of one poller, so that no more pollers poll than are wanted.
        """
        if self._group is None or len(self._pollers) >= self._wanted:
            return
        revivable = [poller for poller in self._retired if self._can_revive(poller)]
        others = len(self._retired) - len(revivable)
        while len(self._pollers) + others < self._wanted:
            if revivable and self._goes_next(revivable[-1]):
                poller = revivable.pop()
                del self._retired[poller]
                poller.revive()
            elif len(self._pollers) + len(self._retired) < self._wanted:
                poller = self._new_poller()
                self._group.start_soon(self._run, poller, name=poller.name)
            else:
                return  # the next one comes when one of the retired has ended
            self._pollers.append(poller)

    def _can_revive(self, poller: Poller) -> bool:
        return not poller.is_stopped and (poller.allowance is not None) == self._is_provisioned

    @property
    def _is_provisioned(self) -> bool:
        return self.resource.ProvisionedPollerConfig is not None

    def _goes_next(self, poller: Poller) -> bool:
        """Whether it may stand behind the last one: all lanes of a provisioned poller come before the next poller's."""
        return not self._lanes_begun or poller.allowance is self._pollers[-1].allowance

    @property
    def _lanes_begun(self) -> list[Poller]:
        """The lanes of the last provisioned poller when it has not all of them yet; none on demand."""
        lanes = len(self._pollers) % self._work.profile.provisioned_invokes if self._is_provisioned else 0
        return self._pollers[len(self._pollers) - lanes :]

    def _new_poller(self) -> Poller:
        """The next poller; in provisioned mode the next lane of one (PROV-5)."""
        if not self._is_provisioned:
            return Poller(self._work, f"{self.resource.id}/{next(self._numbers)}")
        begun = self._lanes_begun
        if not begun:
            return Poller(self._work, f"{self.resource.id}/{next(self._numbers)}.1", Allowance(self._work.profile))
        number = begun[0].name.rpartition(".")[0]
        taken = {lane.name for lane in begun}
        name = next(name for lane in itertools.count(1) if (name := f"{number}.{lane}") not in taken)
        return Poller(self._work, name, begun[0].allowance)

    def _stop_all(self, reason: str, *, hand_back: bool) -> None:
        pollers, self._pollers = self._pollers, []
        if self._wanted:
            self._wanted = 0
            self._work.tell(PollersChanged, self.resource.id, 0, reason)
        self._retired |= dict.fromkeys(pollers)
        for poller in self._retired:
            poller.stop(hand_back=hand_back)

    async def _run(self, poller: Poller) -> None:
        await poller.run()
        if self._scaling is not None:
            self._scaling.gone(poller.name)
        del self._retired[poller]
        self._fill()
        self._disabled_when_quiet()

    def _disabled_when_quiet(self) -> None:
        if not self.enabled and not self._retired:
            self._tell("Disabled", "no poller runs")

    def _tell(self, state: str, reason: str) -> None:
        self._work.tell(MappingChanged, self.resource.id, state, reason)

    # --- what pollers report ----------------------------------------------------------------------------------

    def asks(self, poller: str) -> None:
        """A poller asks the queue for messages."""
        if self._scaling is not None:
            self._scaling.asks(poller, self._work.clock.now())

    def received(self, poller: str) -> None:
        """A poller has messages."""
        self._scale(lambda scaling, now: scaling.received(poller, now))

    def failed(self, failure: Failed) -> None:
        """An invocation ended with a function error."""
        self._on_failure(failure)
        self._scale(Scaling.failed)

    def throttled(self) -> None:
        """A try was refused."""
        self._scale(Scaling.throttled)


def _rules(resource: EventSourceMapping, profile: Profile) -> BatchRules:
    return BatchRules(
        size=resource.BatchSize,
        window_ms=resource.MaximumBatchingWindowInSeconds * 1000,
        payload_limit=profile.payload_limit,
        window_from_first=profile.window_clock == "first-record",
        quiet_wait=profile.quiet_window_wait,
    )

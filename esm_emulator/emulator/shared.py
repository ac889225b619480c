"""What an emulator does on either clock: it creates resources, acts on them, and lets everything be looked at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from esm_emulator.arguments import Attribute, Handler, Source, handlers_of, message_of, resources_of
from esm_emulator.diagnosis import Diagnosis, diagnose
from esm_emulator.durations import show_duration
from esm_emulator.emulation import Emulation, Plan, unknown
from esm_emulator.errors import UsageError
from esm_emulator.functions import Failed
from esm_emulator.journal import Journal
from esm_emulator.mapping.filter import creation_rules
from esm_emulator.profiles import Profile
from esm_emulator.profiles import profile as profile_named
from esm_emulator.report.messages import MessageFacts, Messages
from esm_emulator.report.metrics import Metrics
from esm_emulator.report.story import story
from esm_emulator.resources import Resources
from esm_emulator.views import QueueView
from esm_emulator.written import write

__all__ = ["Emulator"]


class Emulator(ABC):
    """What can be done on either clock. Use it as a context manager, or :meth:`close` it.

    ``handlers`` are Python callables, by a function's logical id, in place of its ``Handler``. ``seed`` and ``profile``
    are as in a scenario. Paths are relative to ``folder``, by default the current one. Raises ``ConfigError`` or
    ``RefusedByAws`` for resources that are wrong.
    """

    def __init__(
        self,
        resources: Source | None = None,
        *,
        handlers: Mapping[str, Handler] | None = None,
        seed: int = 0,
        profile: str | Profile = "aws-2026",
        parameters: Mapping[str, Any] | None = None,
        embedded_aws: bool = True,
        folder: Path | None = None,
    ) -> None:
        if not isinstance(seed, int):
            raise UsageError(f"seed takes a whole number, not {seed!r}")
        self._seed = seed
        self._profile = profile if isinstance(profile, Profile) else profile_named(str(profile))
        self._folder = folder
        self._embedded_aws = embedded_aws
        self._deployed: Emulation | None = None
        self._closed = False
        self.looked_at: set[str] = set()
        if resources is not None:
            self.deploy(resources, handlers=handlers, parameters=parameters)

    def deploy(
        self,
        resources: Source,
        *,
        handlers: Mapping[str, Handler] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Create the resources and begin to poll. Once for each emulator."""
        self._must_be_open()
        if self._deployed is not None:
            raise UsageError("this emulator has its resources already; deploy them together, or make another one")
        given = handlers_of(handlers)
        read = resources_of(resources, parameters, creation_rules(self._profile), self._folder)
        for name in given:
            if name not in read.functions:
                raise UsageError(unknown("function", name, read.functions))
        plan = Plan(
            resources=read,
            seed=self._seed,
            profile=self._profile,
            handlers=given,
            embedded_aws=self._embedded_aws,
        )
        self._start(plan)
        return self

    @abstractmethod
    def _start(self, plan: Plan) -> None:
        """Build the emulation and begin to run it."""

    def _do(self, action: Callable[[], Any]) -> Any:
        """Do something synchronous where the run's loop may be touched."""
        self._must_be_open()
        return self._act(action)

    def _steer(self, action: Callable[[], None]) -> None:
        """Do something that starts or ends pollers, which belong to the run's loop."""
        self._do(action)

    @abstractmethod
    def _act(self, action: Callable[[], Any]) -> Any:
        """Do it there."""

    def _must_be_open(self) -> None:
        if self._closed:
            raise UsageError("this emulator is closed: it can be looked at, but nothing happens in it any more")

    @abstractmethod
    def close(self) -> None:
        """Stop polling, let running invocations end, and let go of everything. Further calls do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- acting -----------------------------------------------------------------------------------------------

    def send(
        self,
        to: str,
        body: Any,
        *,
        label: str | None = None,
        group: str | None = None,
        dedup: str | None = None,
        delay: str | float | None = None,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> str:
        """Send a message and give its id. A ``body`` that is not text is sent as JSON; ``delay`` is a duration.

        Raises ``SqsError`` for what SQS refuses, and ``UsageError`` for a queue that is not there and for what
        cannot be sent at all.
        """
        message = message_of(body, label=label, group=group, dedup=dedup, delay=delay, attributes=attributes)
        sent: str = self._do(lambda: self._emulation.send(to, message)).message_id
        return sent

    def send_all(self, to: str, bodies: Sequence[Any]) -> list[str]:
        """Send several messages, one after the other."""
        if isinstance(bodies, str | bytes | Mapping):
            raise UsageError(f"send_all takes a list of bodies, and this is one, {bodies!r}; send it with send")
        return [self.send(to, body) for body in bodies]

    def set(self, path: str, value: Any) -> None:
        """Change a property, ``Orders.VisibilityTimeout``, or a field of the profile, ``profile.receive_wait``."""
        self._steer(lambda: self._emulation.set(path, value))

    def enable(self, mapping: str) -> None:
        """Begin to poll."""
        self._steer(lambda: self._emulation.mapping(mapping).enable())

    def disable(self, mapping: str) -> None:
        """Stop polling; what runs is finished."""
        self._steer(lambda: self._emulation.mapping(mapping).disable())

    def purge(self, queue: str) -> None:
        """Remove every message of a queue."""
        self._do(lambda: self._emulation.sqs.purge(self._emulation.queue(queue)))

    def redrive(self, source: str, *, to: str | None = None, per_second: int | None = None) -> None:
        """Move dead letters back to where they came from, or ``to`` another queue."""
        self._do(lambda: self._emulation.redrive(source, to=to, per_second=per_second))

    def start_fault(self, kind: str, target: str, *, chance: float | None = None) -> None:
        """Switch a fault on: throttle, unavailable, redeliver or delete_fails."""
        self._do(lambda: self._emulation.start_fault(kind, target, chance=chance))

    def end_fault(self, kind: str, target: str) -> None:
        """Switch a fault off."""
        self._do(lambda: self._emulation.end_fault(kind, target))

    # --- looking ----------------------------------------------------------------------------------------------

    def queue(self, id: str) -> QueueView:
        """A queue, to look into. Raises ``UsageError`` with the ids there are."""
        return QueueView(self._emulation, id, self.looked_at.add)

    @property
    def is_deployed(self) -> bool:
        """Whether there are resources yet."""
        return self._deployed is not None

    @property
    def resources(self) -> Resources:
        """The resources as they are now."""
        return self._emulation.resources

    @property
    def journal(self) -> Journal:
        """Everything that has happened."""
        return self._emulation.journal

    @property
    def now(self) -> int:
        """The run's time, epoch milliseconds."""
        return self._emulation.clock.now()

    @property
    def metrics(self) -> Metrics:
        """Metrics of queues, functions and mappings, up to now."""
        metrics = Metrics.of(self.journal)
        metrics.advance(self.now)
        return metrics

    @property
    def messages(self) -> Messages:
        """What became of each message, up to now."""
        return Messages.of(self.journal)

    @property
    def failures(self) -> list[Failed]:
        """Every function error so far, the handler's own exception in ``exception``."""
        return list(self._emulation.failures)

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """The causes that the journal proves, up to now."""
        return diagnose(self.journal)

    def message(self, name: str) -> MessageFacts:
        """What became of one message, by its label or id; by its body if that names one alone.

        Raises ``UsageError`` when there is none of that name, or several.
        """
        messages = self.messages
        found = messages.named(name) or [message for message in messages if message.body == name]
        if len(found) != 1:
            names = [message.name for message in messages]
            raise UsageError(
                unknown("message", name, names) if not found else f"{len(found)} messages are named {name!r}"
            )
        return found[0]

    def story(self, name: str) -> str:
        """One message's life, in lines."""
        return "\n".join(story(self.journal, self.message(name)))

    def trace(self, path: str | Path, *, redact: bool = False) -> None:
        """Write the run so far as one HTML page. Raises ``UsageError`` when that cannot be written."""
        from esm_emulator.report.trace import trace  # noqa: PLC0415 - only who asks for a trace pays for it

        write(Path(path), trace(self.journal, self.diagnoses, redact=redact))

    @property
    def _emulation(self) -> Emulation:
        if self._deployed is None:
            raise UsageError("there is nothing yet: deploy resources first, emulator.deploy('template.yaml')")
        return self._deployed

    def _not_idle(self, limit_ms: int) -> UsageError:
        left = []
        for mapping in self._emulation.mappings.values():
            if mapping.enabled:
                counts = self._emulation.sqs.counts(self._emulation.queue(mapping.queue.id))
                left.append(f"{mapping.queue.id}: {counts.visible} visible, {counts.in_flight} in flight")
        return UsageError(f"not idle after {show_duration(limit_ms)}; {'; '.join(left)}")

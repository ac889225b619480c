"""Queues off this process: leave to use them, whose they are, how full they are, and when nothing is left in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from esm_emulator.clocks import Clock
from esm_emulator.errors import EsmError
from esm_emulator.journal import Journal
from esm_emulator.profiles import Profile
from esm_emulator.queues.endpoint import EndpointQueue
from esm_emulator.queues.guard import Location, QueueDescription, banner, locate
from esm_emulator.resources import Function
from esm_emulator.service.surroundings import users_own

__all__ = ["Access", "Outside", "open_queue", "url_of"]


@dataclass(frozen=True, slots=True)
class Access:
    """What the user allows, and where requests go: ``endpoint_url`` in place of a queue URL's own host."""

    endpoint_url: str | None = None
    allow_aws: bool = False
    allow_hosts: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Outside:
    """A queue off this process that mappings read, and its dead-letter queue where that can be seen."""

    queue: EndpointQueue
    location: Location
    description: QueueDescription
    dead_letters: EndpointQueue | None = None
    dead_lettered_before: int = 0
    dead_lettered_so_far: int = 0
    environment: dict[str, str | None] = field(default_factory=dict)

    async def look(self) -> QueueDescription:
        """How it is now, by its server's own counts."""
        self.description = await self.queue.describe()
        return self.description

    async def is_empty(self) -> bool:
        """Whether its server counts no message of any kind in it."""
        now = await self.look()
        return not (now.visible or now.in_flight or now.delayed)

    async def dead_lettered(self) -> int:
        """How many messages more are in its dead-letter queue than at the start, if that can be seen."""
        if self.dead_letters is not None:
            now = _depth(await self.dead_letters.describe())
            self.dead_lettered_so_far = max(0, now - self.dead_lettered_before)
        return self.dead_lettered_so_far

    async def close(self) -> None:
        """Let go of the connections."""
        await self.queue.close()
        if self.dead_letters is not None:
            await self.dead_letters.close()

    def banner(self, function: Function, *, filtered: bool) -> Sequence[str]:
        """What the user is shown before the first receive; also what AWS would not take (API-20)."""
        lines = list(banner(self.description, function=function.FunctionName, filtered=filtered))
        visibility_s = self.description.visibility_ms // 1_000
        if visibility_s < function.Timeout:
            lines.append(
                f"warning  its visibility timeout ({visibility_s} s) is less than the function's timeout "
                f"({function.Timeout} s): AWS would refuse the mapping, and messages will be handled twice"
            )
        return lines


async def open_queue(
    url: str, access: Access, *, id: str | None, clock: Clock, journal: Journal, profile: Profile
) -> Outside:
    """Find a queue; nothing is received. Raises as :meth:`EndpointQueue.open`."""
    queue = await EndpointQueue.open(
        url,
        clock=clock,
        journal=journal,
        profile=profile,
        id=id,
        endpoint_url=access.endpoint_url,
        allow_aws=access.allow_aws,
        allow_hosts=access.allow_hosts,
    )
    location = locate(url, access.endpoint_url)
    description = await queue.describe()
    outside = Outside(queue, location, description, environment=users_own(location, description.region, os.environ))
    if description.dead_letter_arn:
        await _see_dead_letters(outside, access, clock=clock, profile=profile)
    return outside


async def _see_dead_letters(outside: Outside, access: Access, *, clock: Clock, profile: Profile) -> None:
    """Have its dead-letter queue looked at too, which is beside it; one that cannot be seen is done without."""
    base = outside.location.url.rstrip("/").rpartition("/")[0]
    arn = outside.description.dead_letter_arn or ""
    try:
        outside.dead_letters = await EndpointQueue.open(
            f"{base}/{arn.rpartition(':')[2]}",
            clock=clock,
            journal=Journal(),
            profile=profile,
            endpoint_url=access.endpoint_url,
            allow_aws=access.allow_aws,
            allow_hosts=access.allow_hosts,
        )
    except EsmError:
        return
    outside.dead_lettered_before = _depth(await outside.dead_letters.describe())


def _depth(description: QueueDescription) -> int:
    return description.visible + description.in_flight + description.delayed


def url_of(arn: str, endpoint_url: str | None) -> str:
    """The URL of the queue with that ARN, at ``endpoint_url`` or at AWS."""
    _, partition, _, region, account, name = arn.split(":")
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    return f"{(endpoint_url or f'https://sqs.{region}.{suffix}').rstrip('/')}/{account}/{name}"

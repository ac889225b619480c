"""The cause in which a backlog waited for pollers."""

from __future__ import annotations

from collections.abc import Iterator

from esm_emulator.diagnosis.finding import Diagnosis, Rule, counted, diagnosis, rounded
from esm_emulator.diagnosis.run import Run
from esm_emulator.diagnosis.stays import Stay

__all__ = ["RULES"]

BACKLOG = 1_000  # messages that a mapping's queue must have brought
LONG_MS = 20_000  # that half of them must have waited
RISES = 3  # times that the number of pollers must have risen


def slow_ramp(run: Run) -> Iterator[Diagnosis]:
    """D181: of 1,000 messages or more, half waited 20 s while pollers were still being added (POLL-9, POLL-10).

    Only where nothing else held them up: no invocation failed or was throttled, and the mapping has neither
    MaximumConcurrency nor provisioned pollers.
    """
    troubled = {batch.mapping for batch in run.batches if batch.throttles or batch.outcome not in ("success", None)}
    by_mapping: dict[str, list[Stay]] = {}
    for stay in run.stays:
        if stay.batches and stay.receives:
            by_mapping.setdefault(stay.batches[0].mapping, []).append(stay)
    for mapping, stays in by_mapping.items():
        changes = run.pollers.get(mapping, [])
        if len(stays) < BACKLOG or mapping in troubled or not changes:
            continue
        if run.is_fifo(stays[0].queue) or _is_limited(run, mapping):
            continue
        counts = [fact.pollers for _, fact in changes]
        rises = [
            (index, fact)
            for (index, fact), before in zip(changes[1:], counts, strict=False)
            if fact.pollers > before and fact.reason == "backlog"
        ]
        if len(rises) < RISES:
            continue
        begin, last_rise = changes[0][1].at, rises[-1][1].at
        late = [stay for stay in stays if _waited(stay, begin) >= LONG_MS and stay.receives[0].at <= last_rise]
        if 2 * len(late) < len(stays):
            continue
        pace = (max(counts) - counts[0]) * 60_000 / max(1, last_rise - begin)
        longest = max(_waited(stay, begin) for stay in stays)
        ended = max(stay.receives[0].at for stay in stays)
        summary = (
            f"{len(late)} of {counted(len(stays), 'message')} waited {rounded(LONG_MS)} or more, the longest "
            f"{rounded(longest)}, while {mapping} went from {counts[0]} to {max(counts)} pollers, about {pace:.0f} "
            f"more a minute. The last was received {rounded(ended - begin)} after the start, without an error or a "
            "throttle."
        )
        yield diagnosis("D181", mapping, late, summary, [changes[0][0], *(index for index, _ in rises)])


def _is_limited(run: Run, mapping: str) -> bool:
    get = run.settings.get
    return get(mapping, "ScalingConfig.MaximumConcurrency") is not None or bool(get(mapping, "ProvisionedPollerConfig"))


def _waited(stay: Stay, begin: int) -> int:
    """From when it could have been received, with pollers running, to its first receive (ms)."""
    return stay.receives[0].at - max(stay.visible_at, begin)


RULES: tuple[Rule, ...] = (slow_ramp,)

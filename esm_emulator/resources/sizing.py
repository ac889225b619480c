"""How many provisioned pollers a peak needs: AWS's own sizing rule (PROV-10)."""

from __future__ import annotations

from math import ceil

__all__ = ["provisioned_events_per_second", "provisioned_pollers_needed"]


def provisioned_events_per_second(*, average_kb: float, average_duration_s: float, batch_size: int) -> int:
    """What one provisioned poller carries: the least of what its bandwidth, its invokes and its polls allow.

    ``average_kb`` is the size of one message, ``average_duration_s`` of one invocation. Raises ``ValueError`` for
    sizes, durations and batches that are not above 0.
    """
    if min(average_kb, average_duration_s, batch_size) <= 0:
        raise ValueError("size, duration and batch size are above 0")
    by_bandwidth = ceil(1024 / average_kb)
    by_invokes = ceil(10 / average_duration_s) * batch_size
    by_polls = min(100, 10 * batch_size)
    return min(by_bandwidth, by_invokes, by_polls)


def provisioned_pollers_needed(
    events_per_second: float, *, average_kb: float, average_duration_s: float, batch_size: int
) -> int:
    """How many pollers provisioned mode needs for a peak. Raises as :func:`provisioned_events_per_second`."""
    carried = provisioned_events_per_second(
        average_kb=average_kb, average_duration_s=average_duration_s, batch_size=batch_size
    )
    return ceil(events_per_second / carried)

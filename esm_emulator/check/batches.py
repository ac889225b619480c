"""Batches: what shares an invocation shares its fate (DOC-13, 25, 26, 38)."""

from __future__ import annotations

from collections.abc import Iterator

from esm_emulator.check.setup import Hit, Rule, Setup
from esm_emulator.resources import Queue

__all__ = ["RULES"]

PAYLOAD = 6_291_456  # bytes of one event (BATCH-6)
METADATA = 1_024  # bytes of a record beside its body, about
EFFICIENT = 10  # PROV-12


def all_or_nothing(setup: Setup) -> Iterator[Hit]:
    """W212: one bad message takes the good ones along."""
    for pair in setup.pairs:
        mapping = pair.mapping
        known = setup.knows(mapping.id, "BatchSize", "FunctionResponseTypes")
        if known and mapping.BatchSize > 1 and not mapping.reports_item_failures:
            yield Hit(
                mapping.id,
                ("FunctionResponseTypes",),
                f"Without ReportBatchItemFailures one bad message makes up to {mapping.BatchSize - 1} good ones run "
                "again, and go to the dead-letter queue with it.",
            )


def closed_early(setup: Setup) -> Iterator[Hit]:
    """I402: told only where a size was written, or where even empty messages do not fit."""
    for pair in setup.pairs:
        mapping, queue = pair.mapping, pair.queue
        if not setup.knows(mapping.id, "BatchSize"):
            continue
        size = _size(setup, queue) if queue is not None else 0
        if mapping.BatchSize * (size + METADATA) > PAYLOAD:
            yield Hit(
                mapping.id,
                ("BatchSize",),
                f"{mapping.BatchSize} messages of up to {size:,} bytes, with about 1 KB of metadata each, are more "
                f"than 6 MB: a batch is closed at {PAYLOAD // (size + METADATA)}.",
            )


def _size(setup: Setup, queue: Queue) -> int:
    """Bytes of a body: of the largest that is known, or the limit that somebody wrote; 0 when neither is there."""
    bodies = setup.traffic.bodies.get(queue.id)
    if bodies:
        return max(len(body.encode("utf-8", "surrogatepass")) for body in bodies)
    written = setup.knows(queue.id, "MaximumMessageSize") and setup.wrote(queue.id, "MaximumMessageSize") is not None
    return queue.MaximumMessageSize if written else 0


def longer_than_the_timeout(setup: Setup) -> Iterator[Hit]:
    """W219: told where the time for each message is known."""
    for pair in setup.pairs:
        mapping, function = pair.mapping, pair.function
        each_ms = setup.traffic.each_ms.get(function.id, 0) if function else 0
        if function is None or not setup.knows(mapping.id, "BatchSize") or not setup.knows(function.id, "Timeout"):
            continue
        if mapping.BatchSize * each_ms > function.Timeout * 1_000:
            yield Hit(
                mapping.id,
                ("BatchSize",),
                f"{mapping.BatchSize} messages of {each_ms:,} ms each take {mapping.BatchSize * each_ms / 1_000:g} s, "
                f"and {function.id} is cut off after {function.Timeout} s: the whole batch comes back.",
            )


def provisioned_and_small(setup: Setup) -> Iterator[Hit]:
    """I405: what makes provisioned pollers worth their price."""
    for pair in setup.pairs:
        mapping = pair.mapping
        if mapping.ProvisionedPollerConfig is None:
            continue
        if setup.knows(mapping.id, "BatchSize") and mapping.BatchSize < EFFICIENT:
            yield Hit(mapping.id, ("BatchSize",), f"Provisioned pollers with batches of {mapping.BatchSize}.")
        window = mapping.MaximumBatchingWindowInSeconds
        if setup.knows(mapping.id, "MaximumBatchingWindowInSeconds") and window > 0:
            yield Hit(
                mapping.id,
                ("MaximumBatchingWindowInSeconds",),
                f"Provisioned pollers, and a window that adds up to {window} s to each message.",
            )


RULES = (
    Rule("ESM-W212", all_or_nothing),
    Rule("ESM-W219", longer_than_the_timeout),
    Rule("ESM-I402", closed_early),
    Rule("ESM-I405", provisioned_and_small),
)

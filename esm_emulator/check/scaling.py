"""Scaling: how much pollers ask of a function, and how much it may do (DOC-19 … 24, 43, 44)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from esm_emulator.check.setup import Hit, Pair, Rule, Setup
from esm_emulator.resources import EventSourceMapping, Function
from esm_emulator.resources.sizing import provisioned_events_per_second

__all__ = ["RULES"]

AT_ONCE = 5  # batches that processing starts with (POLL-9)
INVOKES = 10  # concurrent invokes of one provisioned poller (PROV-5)
LEAST_POLLERS = 2  # of a provisioned mapping (PROV-3)
RECEIVES_A_MONTH = 3 * 60 * 24 * 30  # of one idle poller with a long poll of 20 s
DEVELOPMENT = re.compile(r"(^|[-_])(dev|development|sandbox|playground)([-_.]|$)", re.IGNORECASE)


def nothing_allowed(setup: Setup) -> Iterator[Hit]:
    """E306: every batch is throttled until it is dead-lettered."""
    for function in setup.resources.functions.values():
        if function.ReservedConcurrentExecutions != 0 or not setup.knows(function.id, "ReservedConcurrentExecutions"):
            continue
        for pair in setup.pairs_of(function):
            yield Hit(
                function.id,
                ("ReservedConcurrentExecutions",),
                f"ReservedConcurrentExecutions is 0 and {pair.mapping.id} is enabled: its messages are received, "
                "throttled and dead-lettered without having run.",
            )


def idle_pollers(setup: Setup) -> Iterator[Hit]:
    """W204: more pollers are kept than provisioned mode asks for at least."""
    for pair in setup.pairs:
        pollers = pair.mapping.ProvisionedPollerConfig
        if pollers is None or not pair.mapping.Enabled or not setup.knows(pair.mapping.id, "ProvisionedPollerConfig"):
            continue
        if pollers.MinimumPollers > LEAST_POLLERS:
            receives = pollers.MinimumPollers * RECEIVES_A_MONTH
            yield Hit(
                pair.mapping.id,
                ("ProvisionedPollerConfig", "MinimumPollers"),
                f"{pollers.MinimumPollers} pollers are paid for by the hour, with or without messages, and idle ones "
                f"make about {receives:,} receives a month.{_carried(setup, pair, pollers.MinimumPollers)}",
            )


def _carried(setup: Setup, pair: Pair, pollers: int) -> str:
    """What they are enough for, by AWS's sizing rule (PROV-10), where messages and the work on them are known."""
    bodies = setup.traffic.bodies.get(pair.queue.id, ()) if pair.queue else ()
    each_ms = setup.traffic.each_ms.get(pair.function.id, 0) if pair.function else 0
    size = sum(len(body.encode()) for body in bodies)
    if not size or not each_ms:
        return ""
    batch = pair.mapping.BatchSize
    one = provisioned_events_per_second(
        average_kb=size / len(bodies) / 1024, average_duration_s=each_ms * batch / 1000, batch_size=batch
    )
    return f" They carry {one * pollers:,} of these messages a second (AWS's sizing rule: {one:,} a poller)."


def more_than_reserved(setup: Setup) -> Iterator[Hit]:
    """W205: sums over all queues of a function."""
    for function in setup.resources.functions.values():
        allowed = function.ReservedConcurrentExecutions
        if not allowed or not setup.knows(function.id, "ReservedConcurrentExecutions"):
            continue
        asking = [pair.mapping for pair in setup.pairs_of(function) if _maximum(setup, pair.mapping)]
        wanted = sum(_maximum(setup, mapping) for mapping in asking)
        if wanted > allowed:
            names = ", ".join(mapping.id for mapping in asking)
            yield Hit(
                function.id,
                ("ReservedConcurrentExecutions",),
                f"{names} may ask for {wanted} invocations at once; {function.id} allows {allowed}.",
                f"Reserve at least {wanted}, or lower MaximumConcurrency."
                if allowed >= LEAST_POLLERS
                else f"Reserve at least {wanted}: MaximumConcurrency cannot be below 2.",
            )


def _maximum(setup: Setup, mapping: EventSourceMapping) -> int:
    return (mapping.maximum_concurrency or 0) if setup.knows(mapping.id, "ScalingConfig") else 0


def small_reservation(setup: Setup) -> Iterator[Hit]:
    """W217: pollers do not look at the reservation."""
    for pair in setup.pairs:
        mapping, function = pair.mapping, pair.function
        if function is None or not mapping.Enabled or mapping.ProvisionedPollerConfig:
            continue
        known = setup.knows(mapping.id, "ScalingConfig") and setup.knows(function.id, "ReservedConcurrentExecutions")
        allowed = function.ReservedConcurrentExecutions or 0
        if known and 0 < allowed < AT_ONCE and mapping.maximum_concurrency is None:
            yield Hit(
                function.id,
                ("ReservedConcurrentExecutions",),
                f"{mapping.id} starts with {AT_ONCE} batches at once and {function.id} allows {allowed}: what is "
                "refused uses up receives.",
            )


def more_than_the_account_has(setup: Setup) -> Iterator[Hit]:
    """W218: only limits that somebody wrote are added up."""
    wanted = {function.id: _wanted(setup, function) for function in setup.resources.functions.values()}
    total = sum(wanted.values())
    if total <= setup.account_concurrency:
        return
    for pair in setup.pairs:
        if pair.function is not None and wanted[pair.function.id] and _limit(setup, pair):
            config = "ScalingConfig" if pair.mapping.maximum_concurrency else "ProvisionedPollerConfig"
            yield Hit(
                pair.mapping.id,
                (config,),
                f"The mappings here may reach {total:,} invocations at once; an account has "
                f"{setup.account_concurrency:,} for all its functions unless the quota was raised.",
            )
            return


def _wanted(setup: Setup, function: Function) -> int:
    asked = sum(_limit(setup, pair) for pair in setup.pairs_of(function))
    reserved = function.ReservedConcurrentExecutions
    return asked if reserved is None else min(asked, reserved)


def _limit(setup: Setup, pair: Pair) -> int:
    """The concurrency that the mapping was given; 0 when nobody wrote one."""
    pollers = pair.mapping.ProvisionedPollerConfig
    if pollers is None:
        return _maximum(setup, pair.mapping)
    return pollers.MaximumPollers * INVOKES if "MaximumPollers" in pollers.model_fields_set else 0


def more_than_groups(setup: Setup) -> Iterator[Hit]:
    """I401: one group is one lane; told where the groups are known."""
    for pair in setup.pairs:
        groups = setup.traffic.groups.get(pair.queue.id, frozenset()) if pair.queue else frozenset()
        maximum = _maximum(setup, pair.mapping)
        if pair.queue is not None and pair.queue.FifoQueue and groups and maximum > len(groups):
            yield Hit(
                pair.mapping.id,
                ("ScalingConfig", "MaximumConcurrency"),
                f"MaximumConcurrency is {maximum} and {pair.queue.id} gets messages of {len(groups)} "
                f"group{'s' * (len(groups) != 1)}: that many run at once.",
            )


def idle_in_development(setup: Setup) -> Iterator[Hit]:
    """I406: told where a name or a tag says that it is a development account."""
    for pair in setup.pairs:
        named = [pair.queue.QueueName] if pair.queue else []
        named += [pair.function.FunctionName] if pair.function else []
        tags = [tag.Value for resource in (pair.queue, pair.function) if resource for tag in resource.Tags]
        if pair.mapping.Enabled and any(map(DEVELOPMENT.search, [*named, *tags])):
            receives = AT_ONCE * RECEIVES_A_MONTH
            yield Hit(
                pair.mapping.id,
                ("Enabled",),
                f"{AT_ONCE} pollers on an idle queue make about {receives:,} receives a month.",
            )


def no_metrics(setup: Setup) -> Iterator[Hit]:
    """I407: without EventCount pollers cannot be seen."""
    for pair in setup.pairs:
        config = pair.mapping.MetricsConfig
        if setup.knows(pair.mapping.id, "MetricsConfig") and (config is None or "EventCount" not in config.Metrics):
            yield Hit(
                pair.mapping.id, ("MetricsConfig",), f"{pair.mapping.id} does not emit EventCount, so nobody sees what "
                "its pollers receive, filter and delete.",
            )  # fmt: skip


RULES = (
    Rule("ESM-E306", nothing_allowed),
    Rule("ESM-W204", idle_pollers),
    Rule("ESM-W205", more_than_reserved),
    Rule("ESM-W217", small_reservation),
    Rule("ESM-W218", more_than_the_account_has),
    Rule("ESM-I401", more_than_groups),
    Rule("ESM-I406", idle_in_development),
    Rule("ESM-I407", no_metrics),
)

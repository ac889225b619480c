"""Dead-letter queues and retention: what becomes of a message that keeps failing (DOC-6 … 12, 36, 37, 39, 41)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from esm_emulator.check.setup import Hit, Rule, Setup, seconds
from esm_emulator.resources import Queue

__all__ = ["RULES"]

ENOUGH_RECEIVES = 5  # FAIL-11
LONGEST = 1_209_600  # seconds, the most that SQS keeps a message (SQS-4)
ALARMING = ("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage")


@dataclass(frozen=True, slots=True)
class _Policy:
    """A redrive policy as far as it is known: ``target`` is None when the dead-letter queue is elsewhere."""

    maximum: int | None
    target: Queue | None


def _policy(setup: Setup, queue: Queue) -> _Policy | None:
    """The queue's policy, also one that was passed over since its target is elsewhere."""
    if queue.RedrivePolicy:
        return _Policy(queue.RedrivePolicy.maxReceiveCount, setup.resources.dead_letter_queue_of(queue))
    written = Queue.policy_of(setup.wrote(queue.id, "RedrivePolicy"))
    if not isinstance(written, Mapping) or not written:
        return None
    count = str(written.get("maxReceiveCount"))
    return _Policy(int(count) if count.isdigit() else None, None)


def _policies(setup: Setup) -> Iterator[tuple[Queue, _Policy]]:
    """The queues that a mapping reads and that have a redrive policy."""
    for queue in setup.sources:
        policy = _policy(setup, queue) if setup.knows(queue.id, "RedrivePolicy") else None
        if policy is not None:
            yield queue, policy


def _dead_letter_queues(setup: Setup) -> Iterator[tuple[Queue, Queue]]:
    """Every queue with the dead-letter queue that it names, when that is here."""
    for queue in setup.resources.queues.values():
        policy = _policy(setup, queue) if setup.knows(queue.id, "RedrivePolicy") else None
        if policy is not None and policy.target is not None:
            yield queue, policy.target


def few_receives(setup: Setup) -> Iterator[Hit]:
    """W207: throttles use up receives too."""
    for queue in setup.sources:
        maximum = _maximum(setup, queue)
        if maximum is not None and maximum < ENOUGH_RECEIVES:
            receives = "its first receive" if maximum == 1 else f"{maximum} receives"
            yield Hit(
                queue.id,
                ("RedrivePolicy", "maxReceiveCount"),
                f"maxReceiveCount {maximum}: a message is dead-lettered after {receives}, and batches that were "
                "throttled count.",
            )


def _maximum(setup: Setup, queue: Queue) -> int | None:
    """maxReceiveCount, also where the dead-letter queue beside it is known only to a deployment."""
    if setup.knows(queue.id, "RedrivePolicy"):
        policy = _policy(setup, queue)
        return policy.maximum if policy else None
    block = (setup.blocks or {}).get(queue.id)
    properties = block.get("Properties") if isinstance(block, Mapping) else None
    written = properties.get("RedrivePolicy") if isinstance(properties, Mapping) else None
    count = written.get("maxReceiveCount") if isinstance(written, Mapping) else None
    return int(str(count)) if str(count).isdigit() else None


def no_dead_letter_queue(setup: Setup) -> Iterator[Hit]:
    """W208. A FIFO queue goes without one where strict order matters (DOC-39), so it is left in peace."""
    for queue in setup.sources:
        known = setup.knows(queue.id, "RedrivePolicy", "MessageRetentionPeriod")
        if known and not queue.FifoQueue and _policy(setup, queue) is None and not setup.resources.sources_of(queue):
            yield Hit(
                queue.id,
                (),
                f"{queue.id} has no RedrivePolicy: a message that always fails comes back for "
                f"{seconds(queue.MessageRetentionPeriod)} and is then lost.",
            )


def on_the_function(setup: Setup) -> Iterator[Hit]:
    """W209: with no dead-letter queue on the queue, somebody takes the function's for one."""
    for function in setup.resources.functions.values():
        queues = [pair.queue for pair in setup.pairs_of(function) if pair.queue]
        bare = [queue for queue in queues if setup.knows(queue.id, "RedrivePolicy") and not _policy(setup, queue)]
        for name in ("DeadLetterConfig", "EventInvokeConfig"):
            used = getattr(function, name) if name == "DeadLetterConfig" else _on_failure(function.EventInvokeConfig)
            if bare and used:
                yield Hit(
                    function.id,
                    (name,),
                    f"{function.id} has a {name}, which a mapping does not use; {bare[0].id} has no RedrivePolicy.",
                )


def _on_failure(config: Mapping[str, Any] | None) -> bool:
    destinations = (config or {}).get("DestinationConfig")
    return isinstance(destinations, Mapping) and "OnFailure" in destinations


def short_retention_there(setup: Setup) -> Iterator[Hit]:
    """W210: the clock goes on in a standard queue's dead-letter queue (DLQ-4)."""
    for queue, target in _dead_letter_queues(setup):
        if target is queue:
            continue
        known = setup.knows(queue.id, "MessageRetentionPeriod") and setup.knows(target.id, "MessageRetentionPeriod")
        there, here = target.MessageRetentionPeriod, queue.MessageRetentionPeriod
        if known and not queue.FifoQueue and there <= here and there < LONGEST:
            yield Hit(
                target.id,
                ("MessageRetentionPeriod",),
                f"{target.id} keeps messages {seconds(there)}, {queue.id} {seconds(here)}: the time that a message "
                f"spent in {queue.id} is missing in {target.id}.",
                f"Set MessageRetentionPeriod of {target.id} to {LONGEST} (14 days).",
            )


def not_admitted(setup: Setup) -> Iterator[Hit]:
    """W211: the dead-letter queue has a say (DLQ-11)."""
    for queue, target in _dead_letter_queues(setup):
        allow = target.RedriveAllowPolicy
        if allow is None or not setup.knows(target.id, "RedriveAllowPolicy"):
            continue
        refused = allow.redrivePermission == "denyAll" or (
            allow.redrivePermission == "byQueue" and queue.arn not in allow.sourceQueueArns
        )
        if refused:
            yield Hit(
                target.id,
                ("RedriveAllowPolicy",),
                f"{target.id} allows {allow.redrivePermission} and so does not take messages of {queue.id}.",
            )


def leads_back(setup: Setup) -> Iterator[Hit]:
    """W233: a queue that is its own dead-letter queue, or a ring of them. Told once for each ring."""
    told: set[str] = set()
    for queue in setup.resources.queues.values():
        ring = _ring(queue, {source.id: target for source, target in _dead_letter_queues(setup)})
        if not ring or told & set(ring):
            continue
        told |= set(ring)
        way = " -> ".join([*ring, queue.id])
        what = f"{queue.id} is its own dead-letter queue" if len(ring) == 1 else f"dead letters go round: {way}"
        yield Hit(
            queue.id,
            ("RedrivePolicy", "deadLetterTargetArn"),
            f"{what}. A message that always fails never comes to rest where somebody looks for it.",
        )


def _ring(queue: Queue, targets: Mapping[str, Queue]) -> list[str]:
    """The queues from this one back to it by their redrive policies; none when it is not in a ring."""
    way = [queue.id]
    while (target := targets.get(way[-1])) is not None and target.id not in way:
        way.append(target.id)
    return way if target is not None and target.id == queue.id else []


def retries_outlive_messages(setup: Setup) -> Iterator[Hit]:
    """W225: retries take VisibilityTimeout x maxReceiveCount; half of the retention is margin enough."""
    for queue, policy in _policies(setup):
        if policy.maximum is None or not setup.knows(queue.id, "VisibilityTimeout", "MessageRetentionPeriod"):
            continue
        retries = queue.VisibilityTimeout * policy.maximum
        if retries * 2 > queue.MessageRetentionPeriod:
            yield Hit(
                queue.id,
                ("MessageRetentionPeriod",),
                f"{policy.maximum} receives of {queue.VisibilityTimeout} s take {seconds(retries)}, and messages are "
                f"kept {seconds(queue.MessageRetentionPeriod)}: they may expire before they are dead-lettered.",
            )


def fifo_dead_letters(setup: Setup) -> Iterator[Hit]:
    """I410: order through a dead-letter queue."""
    for queue, _ in _policies(setup):
        if queue.FifoQueue:
            yield Hit(
                queue.id,
                ("RedrivePolicy",),
                f"When a message of {queue.id} is dead-lettered, later ones of its group go on without it.",
            )


def back_of_the_queue(setup: Setup) -> Iterator[Hit]:
    """I411: after three receives a message goes to the back (DLQ-8)."""
    for queue, policy in _policies(setup):
        if not queue.FifoQueue and policy.maximum is not None and policy.maximum > 3:
            yield Hit(
                queue.id,
                ("RedrivePolicy", "maxReceiveCount"),
                f"After 3 of {policy.maximum} receives a message goes to the back of {queue.id} and out of the metric "
                "of the oldest age.",
            )


def no_alarm(setup: Setup) -> Iterator[Hit]:
    """I404: a template with a dead-letter queue and no alarm. In other files alarms cannot stand."""
    if setup.blocks is None:
        return
    alarms = [block for block in setup.blocks.values() if _type(block).startswith("AWS::CloudWatch::")]
    if any(metric in str(alarm) for alarm in alarms for metric in ALARMING):
        return
    for target in {target.id: target for _, target in _dead_letter_queues(setup)}.values():
        yield Hit(target.id, (), f"Nothing in this template tells when messages are in {target.id}.")


def _type(block: Any) -> str:
    return str(block.get("Type", "")) if isinstance(block, Mapping) else ""


RULES = (
    Rule("ESM-W207", few_receives),
    Rule("ESM-W208", no_dead_letter_queue),
    Rule("ESM-W209", on_the_function),
    Rule("ESM-W210", short_retention_there),
    Rule("ESM-W211", not_admitted),
    Rule("ESM-W225", retries_outlive_messages),
    Rule("ESM-W233", leads_back),
    Rule("ESM-I404", no_alarm),
    Rule("ESM-I410", fifo_dead_letters),
    Rule("ESM-I411", back_of_the_queue),
)

"""The numbers that AWS documents or leaves open, each with its clause.

A profile is one frozen set of them; a scenario extends a named one field by field. Where AWS is silent the default
is a choice of ours, and the field's sentence says what it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from esm_emulator.errors import UsageError

__all__ = ["PROFILES", "Profile", "profile"]


def _field(default: Any, clause: str, text: str, *choices: str) -> Any:
    return field(default=default, metadata={"clause": clause, "text": text, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Durations are milliseconds unless the name says otherwise. Each field's metadata has its clause and sentence."""

    name: str = "aws-2026"

    # polling and scaling
    pollers_at_start: int = _field(5, "POLL-9", "pollers when a mapping starts")
    pollers_per_minute: int = _field(300, "POLL-10", "pollers added a minute while a backlog lasts, a step each second")
    pollers_ceiling: int = _field(1250, "POLL-11", "most pollers of one mapping")
    pollers_idle: int = _field(2, "POLL-13", "pollers of a quiet mapping; not with MaximumConcurrency")
    idle_after: int = _field(60_000, "POLL-13", "time without a message after which a mapping counts as quiet")
    account_concurrency: int = _field(1000, "POLL-12", "concurrent invocations of all functions together")
    provisioned_per_minute: int = _field(1000, "PROV-6", "concurrent invokes added a minute in provisioned mode")
    provisioned_invokes: int = _field(10, "PROV-5", "concurrent invokes of one provisioned poller")
    provisioned_polls_per_second: int = _field(10, "PROV-5", "ReceiveMessage calls a second of one provisioned poller")
    provisioned_bytes_per_second: int = _field(1_048_576, "PROV-5", "bytes a second of one provisioned poller")
    error_backoff_factor: float = _field(0.5, "POLL-15", "what a function error or throttle leaves of the concurrency")
    error_backoff_floor: int = _field(2, "POLL-15", "pollers that errors and throttles never go below")

    # receiving and batching
    receive_wait: int = _field(20_000, "POLL-5", "long poll of one ReceiveMessage call")
    window_clock: str = _field(
        "first-record",
        "BATCH-10",
        "when the window starts: first-record or previous-invoke",
        "first-record",
        "previous-invoke",
    )
    quiet_window_wait: int = _field(0, "BATCH-9", "least wait of a window on a nearly empty queue; AWS: up to 20 s")
    payload_limit: int = _field(6_291_456, "BATCH-6", "bytes of one event")
    response_limit: int = _field(6_291_556, "RUN-4", "bytes of one response")

    # throttles
    throttle_retry_first: int = _field(1_000, "FAIL-9", "wait before the first retry of a throttled batch; doubles")
    throttle_retry_most: int = _field(10_000, "FAIL-9", "longest wait between two retries of a throttled batch")
    throttle_retry_jitter: float = _field(0.1, "FAIL-9", "share by which a retry's wait varies, drawn from the seed")

    # filters
    filters_most: int = _field(5, "FILT-2", "filters of one mapping; 10 after a quota raise")
    strict_filters: bool = _field(False, "FILT-35", "refuse operators that Lambda does not list instead of warning")
    filter_json_bodies: str = _field(
        "objects",
        "FILT-14",
        "bodies that count as JSON for a filter: objects (and lists of them), or any",
        "objects",
        "any",
    )

    # events
    md5_of_attributes_by_window: bool = _field(
        True, "EVT-9", "without attributes md5OfMessageAttributes is absent at window 0 and null above"
    )

    # the function
    init_limit: int = _field(10_000, "RUN-5", "longest init phase")
    client_latency: int = _field(0, "-", "virtual time that each AWS call of a handler takes")

    # queues
    stale_delete: str = _field(
        "ignored", "FAIL-19", "a superseded handle on a standard queue: ignored or deletes", "ignored", "deletes"
    )
    dedup_window: int = _field(300_000, "FIFO-15", "how long a deduplication id is remembered")
    deleted_name_wait: int = _field(60_000, "SQS-30", "how long the name of a deleted queue cannot be used again")
    in_flight_standard: int = _field(120_000, "SQS-12", "most messages in flight of a standard queue")
    in_flight_fifo: int = _field(120_000, "SQS-13", "most messages in flight of a FIFO queue")
    back_of_queue_receives: int = _field(
        3, "DLQ-8", "receives after which a message goes to the back; 0 switches it off"
    )
    order: str = _field("send", "SQS-28", "order of a standard queue: send, or shuffled by the seed", "send", "shuffle")

    # recursion
    recursion_limit: int = _field(16, "FAIL-16", "invocations of one chain of messages before the next is refused")

    def with_(self, **changes: Any) -> Profile:
        """This profile with some fields changed. Raises ``UsageError`` for unknown names and wrong kinds."""
        known = {item.name: item for item in fields(self)}
        for name, value in changes.items():
            if name not in known or name == "name":
                raise UsageError(f"profile has no field {name!r}{_hint(name, known)}")
            wanted = type(known[name].default)
            if wanted is float and type(value) is int:
                continue
            if type(value) is not wanted:
                raise UsageError(f"profile.{name} takes {_KINDS[wanted]}, not {value!r}")
            choices = known[name].metadata["choices"]
            if choices and value not in choices:
                hint = _hint(str(value), choices)
                raise UsageError(f"profile.{name} takes {' or '.join(choices)}, not {value!r}{hint}")
        return replace(self, **changes)


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

PROFILES: dict[str, Profile] = {
    "aws-2026": Profile(),
    # POLL-9 … 11 and OLD-ldg: what the developer guide of that time said
    "aws-2018": Profile(name="aws-2018", pollers_per_minute=60, pollers_ceiling=1000, pollers_idle=5),
}


def profile(name: str) -> Profile:
    """The profile of that name. Raises ``UsageError`` with the names there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UsageError(
            f"there is no profile {name!r}; there are {', '.join(PROFILES)}{_hint(name, PROFILES)}"
        ) from None


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""

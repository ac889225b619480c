"""What an invocation's result means for the messages of its batch (contract sections 4 and 5).

Exactly two things can happen to a message: it is done and will be deleted, or it is kept, which means that nobody
does anything and its visibility timeout brings it back. Each verdict names the clause that decided, and says a sentence
where the outcome surprises people. Disputed rows follow the design: what cannot be read as a response fails the batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from esm_emulator.functions import Failed, Reply, Returned

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``done`` is deleted, ``kept`` is left alone, both in the batch's order; ``rule`` is the contract's clause."""

    done: tuple[str, ...]
    kept: tuple[str, ...]
    rule: str
    note: str | None = None
    reported: tuple[str, ...] | None = None


def judge(reply: Reply, ids: Sequence[str], *, partial: bool) -> Verdict:
    """Judge one reply to a batch of ``ids``, in its order; ``partial``: ReportBatchItemFailures is on."""
    everything = tuple(ids)
    if isinstance(reply, Failed):
        return Verdict((), everything, "FAIL-17" if partial else "FAIL-5")
    assert isinstance(reply, Returned)  # a throttled try has no result to judge
    if not partial:
        return _ignored(reply.payload, everything)
    return _partial(reply.payload, everything)


def _ignored(payload: str, ids: tuple[str, ...]) -> Verdict:
    """FAIL-1, PBR-31: without the flag the value does not matter, even where it means to report failures."""
    if '"batchItemFailures"' not in payload:
        return Verdict(ids, (), "FAIL-1")
    try:
        failures = _decoded(payload, float).get("batchItemFailures")
    except (ValueError, AttributeError):
        failures = None
    if not failures:
        return Verdict(ids, (), "FAIL-1")
    count = len(failures) if isinstance(failures, list) else 0
    note = (
        f"The handler reported {count or 'some'} failure{'' if count == 1 else 's'}, but "
        "FunctionResponseTypes does not contain ReportBatchItemFailures: the whole batch is deleted."
    )
    return Verdict(ids, (), "PBR-31", note, _reported(failures))


def _partial(payload: str, ids: tuple[str, ...]) -> Verdict:
    if not payload:
        return Verdict(ids, (), "PBR-29")
    try:
        response = _decoded(payload, _refuse)
    except ValueError:
        return Verdict((), ids, "PBR-22", "The response is not valid JSON: the whole batch fails.")
    if response is None:
        return Verdict(ids, (), "PBR-11")
    if not isinstance(response, dict):
        return Verdict((), ids, "PBR-28", f"The response is {_kind(response)}, not an object: the whole batch fails.")
    if "batchItemFailures" not in response:
        return _without_the_key(response, ids)
    failures = response["batchItemFailures"]
    if failures is None:
        return Verdict(ids, (), "PBR-14")
    if not isinstance(failures, list):
        note = f"batchItemFailures is {_kind(failures)}, not a list: the whole batch fails."
        return Verdict((), ids, "PBR-27", note)
    if not failures:
        return Verdict(ids, (), "PBR-13")
    return _listed(failures, ids)


def _without_the_key(response: dict[str, Any], ids: tuple[str, ...]) -> Verdict:
    if not response:
        return Verdict(ids, (), "PBR-12")
    note = f"The response has {', '.join(map(repr, response))} but no 'batchItemFailures': it counts as a full success."
    return Verdict(ids, (), "PBR-15", note)


def _listed(failures: list[Any], ids: tuple[str, ...]) -> Verdict:
    """PBR-16 … 30: a list of failures; one that names no message of the batch spoils the whole of it."""
    batch = set(ids)
    reported = _reported(failures)
    for failure in failures:
        rule, wrong = _fault(failure, batch)
        if rule:
            mixed = rule == "PBR-21" and any(item in batch for item in reported)
            return Verdict((), ids, "PBR-23" if mixed else rule, f"{wrong}: the whole batch fails.", reported)
    listed = set(reported)
    kept = tuple(item for item in ids if item in listed)
    done = tuple(item for item in ids if item not in listed)
    return Verdict(done, kept, "PBR-16" if done else "PBR-17", None, reported)


def _fault(failure: Any, batch: set[str]) -> tuple[str, str]:
    """The clause that an element offends and how, or two empty texts."""
    if not isinstance(failure, dict):
        return "PBR-26", f"An element of batchItemFailures is {_kind(failure)}, not an object with itemIdentifier"
    if "itemIdentifier" not in failure:
        keys = ", ".join(map(repr, failure)) or "no key"
        return "PBR-20", f"An element of batchItemFailures has {keys} and no 'itemIdentifier'"
    identifier = failure["itemIdentifier"]
    if identifier is None:
        return "PBR-19", "An itemIdentifier is null"
    if not isinstance(identifier, str):
        return "PBR-30", f"An itemIdentifier is {_kind(identifier)}, not a string"
    if not identifier:
        return "PBR-18", "An itemIdentifier is empty"
    if identifier not in batch:
        return "PBR-21", f"itemIdentifier {identifier!r} is no messageId of this batch"
    return "", ""


def _reported(failures: Any) -> tuple[str, ...]:
    """The identifiers that a handler reported, each once, as far as they can be read (PBR-25)."""
    if not isinstance(failures, list):
        return ()
    texts = (item.get("itemIdentifier") for item in failures if isinstance(item, dict))
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str)))


def _decoded(payload: str, constant: Callable[[str], float]) -> Any:
    """The response's value; ``constant`` reads NaN and Infinity, which are not JSON (RUN-31).

    Raises ``ValueError`` for what is not JSON, or is nested too deeply to be read. Whole numbers may have any number of
    digits and are read as the others are, since nobody needs their value.
    """
    try:
        return json.loads(payload, parse_constant=constant, parse_int=float)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")

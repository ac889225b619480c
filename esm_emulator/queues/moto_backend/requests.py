"""What a request to SQS can get wrong before any queue is touched, and the shapes that several operations share.

Parameters and answers have SQS's own names and JSON shapes, with bytes for binary values. Refusals are
:class:`SqsError` with SQS's codes and texts (contract 11.3).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from esm_emulator.errors import SqsError

__all__ = [
    "Answer",
    "Operation",
    "Parameters",
    "check_known",
    "each",
    "entries_of",
    "missing",
    "page",
    "required",
    "wrong",
]

Parameters = Mapping[str, Any]
Answer = dict[str, Any]
Operation = Callable[[Parameters, str], Answer]
"""An operation is given its parameters and what queue URLs begin with, and raises ``SqsError``."""

_ENTRY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


def required(parameters: Parameters, name: str) -> Any:
    """The parameter, which must be there and not empty."""
    value = parameters.get(name)
    if not value:
        raise missing(name)
    return value


def missing(name: str) -> SqsError:
    """A parameter that has to be given is not."""
    return SqsError("MissingParameter", f"The request must contain the parameter {name}.")


def wrong(value: object, parameter: str, reason: str) -> SqsError:
    """A parameter's value does not do."""
    return SqsError("InvalidParameterValue", f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def check_known(names: Iterable[str], known: frozenset[str]) -> None:
    """Raise for an attribute name that SQS does not have."""
    for name in names:
        if name not in known:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def entries_of(parameters: Parameters, kind: str) -> Sequence[Parameters]:
    """The entries of a batch; raises for a batch that is refused as a whole (SQS-9)."""
    entries: Sequence[Parameters] = parameters.get("Entries") or ()
    if not entries:
        raise SqsError(
            "AWS.SimpleQueueService.EmptyBatchRequest", f"There should be at least one {kind} in the request."
        )
    if len(entries) > 10:
        raise SqsError(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are 10. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        id_ = entry.get("Id") or ""
        if not _ENTRY_ID.fullmatch(id_):
            raise SqsError(
                "AWS.SimpleQueueService.InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
        if id_ in seen:
            raise SqsError("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", f"Id {id_} repeated.")
        seen.add(id_)
    return entries


def each(entries: Sequence[Parameters], operation: Callable[[Parameters], Answer]) -> Answer:
    """Each entry by itself: what succeeded and what failed, without the list that is empty."""
    successful: list[Answer] = []
    failed: list[Answer] = []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"]} | operation(entry))
        except SqsError as error:
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
    return {name: results for name, results in (("Successful", successful), ("Failed", failed)) if results}


def page(names: list[str], parameters: Parameters) -> tuple[list[str], Answer]:
    """The names of one page, and the token of the next. Without MaxResults: the first thousand, and no token."""
    most = parameters.get("MaxResults")
    if most is None:
        return names[:1000], {}
    if not 1 <= most <= 1000:
        raise wrong(most, "MaxResults", "MaxResults must be an integer between 1 and 1000.")
    if token := parameters.get("NextToken"):
        try:
            last = base64.b64decode(token, validate=True).decode()
        except ValueError as error:
            raise wrong(token, "NextToken", "It is not a token of this operation.") from error
        names = [name for name in names if name > last]
    shown = names[:most]
    return shown, {"NextToken": base64.b64encode(shown[-1].encode()).decode()} if len(names) > most else {}

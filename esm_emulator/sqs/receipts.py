"""Receipt handles: a new one for each receive, and what an old one still means (SQS-23 … 26, FAIL-4, 19, 20).

A handle is base64 text to look at. It carries the queue's mark and the message's id (with slashes for dashes) behind
its random part, so nothing has to be remembered about handles: one that names a message that is not there was good
once, and the message is gone; one without the mark of this queue is garbage.
"""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

from esm_emulator.errors import SqsError
from esm_emulator.identifiers import Identifiers

__all__ = ["check", "expired", "issue", "mark_of", "message_of", "not_available", "not_valid"]

_SHAPE: Final = re.compile(r"AQEB[A-Za-z0-9+/]+=*[0-9a-f]{16}(/[0-9a-f]{4}){3}/[0-9a-f]{12}")


def mark_of(arn: str) -> str:
    """Eight characters that tell one queue's handles from another's."""
    return f"{crc32(arn.encode()):08x}"


def issue(identifiers: Identifiers, mark: str, message_id: str) -> str:
    """A new handle for one receive of the message."""
    return identifiers.receipt() + mark + message_id.replace("-", "/")


def check(receipt: str, mark: str) -> None:
    """Raise ``SqsError`` unless the handle is one of the queue of that mark, of whatever age (SQS-26)."""
    if receipt[-44:-36] != mark or not _SHAPE.fullmatch(receipt):
        raise not_valid(receipt)


def message_of(receipt: str) -> str:
    """The id of the message that the handle was given for, if it is a handle at all (see :func:`check`)."""
    return receipt[-36:].replace("/", "-")


def not_valid(receipt: str) -> SqsError:
    """The handle was never one of this queue's."""
    return SqsError("ReceiptHandleIsInvalid", f'The input receipt handle "{receipt}" is not a valid receipt handle.')


def expired(receipt: str) -> SqsError:
    """A FIFO queue's handle whose visibility timeout is over (FAIL-20)."""
    return _wrong(receipt, "The receipt handle has expired.")


def not_available(receipt: str) -> SqsError:
    """The message is deleted, or somebody else holds it by now (SQS-26)."""
    return _wrong(receipt, "Message does not exist or is not available for visibility timeout change.")


def _wrong(receipt: str, reason: str) -> SqsError:
    return SqsError(
        "InvalidParameterValue", f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: {reason}"
    )

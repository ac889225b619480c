"""One invocation of a handler: from the event's text to what came of it, as a value."""

from __future__ import annotations

from typing import NamedTuple

from esm_emulator.functions.runtime.context import LambdaContext
from esm_emulator.functions.runtime.faults import ErrorPayload, Fault, error_payload
from esm_emulator.functions.runtime.handler import Handler
from esm_emulator.functions.runtime.marshal import Marshaller

__all__ = ["ERROR", "MARSHAL", "RETURNED", "TOO_LARGE", "Outcome", "call"]

RETURNED, ERROR, MARSHAL, TOO_LARGE = "returned", "error", "marshal", "too-large"


class Outcome(NamedTuple):
    """What came of it: ``payload`` when the handler returned, ``error`` when it did not get that far.

    ``kind`` is the name of the outcome in the journal (FAIL-5). A response above the limit has neither (RUN-4).
    """

    kind: str
    payload: str = ""
    error: ErrorPayload | None = None
    exception: Exception | None = None


def call(handler: Handler, event: str | bytes, context: LambdaContext, marshaller: Marshaller, limit: int) -> Outcome:
    """Decode the event, call the handler, encode what it returns; ``limit`` in bytes of the response (RUN-4).

    Only ``Exception`` is caught: whatever else the handler raises ends the process that runs it (RUN-19).
    """
    request_id = context.aws_request_id
    try:
        response = handler(marshaller.load(event), context)
        payload = marshaller.dump(response)
    except Fault as fault:
        return Outcome(MARSHAL, error=error_payload(fault, request_id), exception=fault)
    except Exception as error:  # noqa: BLE001 - the handler's own, whatever it is
        return Outcome(ERROR, error=error_payload(error, request_id), exception=error)
    if _is_above(payload, limit):
        return Outcome(TOO_LARGE)
    return Outcome(RETURNED, payload)


def _is_above(text: str, limit: int) -> bool:
    if len(text) * 4 <= limit:
        return False
    return len(text.encode("utf-8", "surrogatepass")) > limit

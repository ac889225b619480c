"""The JSON round trip of event and response, with simplejson as in Lambda's runtime (RUN-30 … 34)."""

from __future__ import annotations

import decimal
from typing import Any

import simplejson
from simplejson.raw_json import RawJSON

from esm_emulator.functions.runtime.faults import Fault

__all__ = ["Marshaller"]


class Marshaller:
    """Reads events and writes responses. ``ascii_only`` escapes all but ASCII, as runtimes before 3.12 do (RUN-32)."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        self._encoder = simplejson.JSONEncoder(
            ensure_ascii=ascii_only,
            allow_nan=True,  # NaN and Infinity become tokens that are not JSON (RUN-31)
            use_decimal=False,  # simplejson's own way writes -NaN, which nothing reads
            encoding=None,  # type: ignore[arg-type]  # bytes inside a value are no text (RUN-31)
            default=_default,
        )

    def load(self, text: str | bytes) -> Any:
        """The event. Raises ``Fault`` Runtime.UnmarshalError for what is not JSON (RUN-30)."""
        try:
            return simplejson.loads(text)
        except Exception as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error

    def dump(self, response: Any) -> str:
        """The response as text: None is ``null`` (RUN-34), bytes are sent as they are, JSON or not (RUN-33).

        Raises:
            Fault: Runtime.MarshalError, for a value that has no JSON (RUN-31).
        """
        if isinstance(response, bytes):
            return response.decode("utf-8", "replace")
        try:
            return self._encoder.encode(response)
        except Exception as error:
            _close(response)
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def _default(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float("nan") if value.is_nan() else RawJSON(str(value))
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _close(response: Any) -> None:
    """An ``async def`` handler returns a coroutine that nobody will ever await: let Python not complain of it too."""
    if type(response).__name__ == "coroutine":
        response.close()

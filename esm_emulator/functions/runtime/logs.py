"""How ``logging`` is set up before a handler is imported: one root handler, level WARNING (RUN-41).

Text is one line a record, in Lambda's format; with ``LoggingConfig.LogFormat: JSON`` a record is one JSON object
(RUN-42). What a handler prints is left as it is.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["JsonFormatter", "LambdaLogHandler", "TextFormatter", "level_of", "one_event"]

_SECONDS = "%Y-%m-%dT%H:%M:%S"
_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "taskName"}


class TextFormatter(logging.Formatter):
    """``[LEVEL]<tab>time<tab>request id<tab>message`` and a line end (RUN-41)."""

    def __init__(self) -> None:
        super().__init__(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", datefmt=_SECONDS
        )
        self.converter = time.gmtime


class JsonFormatter(logging.Formatter):
    """One JSON object a record, without the keys that have no value, and with whatever ``extra`` brought (RUN-41)."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        kind, error, trace = record.exc_info or (None, None, None)
        whole, ms = divmod(int(record.created * 1000), 1000)
        value: dict[str, Any] = {
            "timestamp": f"{time.strftime(_SECONDS, time.gmtime(whole))}.{ms:03d}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(trace) if trace else None,
            "errorType": kind.__name__ if kind else None,
            "errorMessage": str(error) if error else None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if kind else None,
        }
        value |= {name: item for name, item in vars(record).items() if name not in _PLAIN and name not in value}
        present = {name: item for name, item in value.items() if item is not None}
        return json.dumps(present, ensure_ascii=False, default=str) + "\n"


class LambdaLogHandler(logging.Handler):
    """The root handler: writes formatted records to ``write``, each with the running invocation's request id."""

    def __init__(self, write: Callable[[str], Any], request_id: Callable[[], str], *, as_json: bool) -> None:
        super().__init__()
        self.write_to_log = write
        self._request_id = request_id
        self.setFormatter(JsonFormatter() if as_json else TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a record that cannot be formatted is told on stderr, as ``logging`` does."""
        try:
            record.aws_request_id = self._request_id()
            self.write_to_log(one_event(self.format(record)))
        except Exception:  # noqa: BLE001 - logging's own contract for emit
            self.handleError(record)


def one_event(text: str) -> str:
    """A record of several lines is one event of the log: every line end but the last becomes a carriage return."""
    return text.removesuffix("\n").replace("\n", "\r") + "\n"  # a traceback ends without one


def level_of(name: str | None) -> int | None:
    """The level of ``AWS_LAMBDA_LOG_LEVEL``; TRACE is DEBUG, what is no level is None."""
    level = logging.getLevelName({"TRACE": "DEBUG"}.get(name or "", name or "").upper())
    return level if isinstance(level, int) else None

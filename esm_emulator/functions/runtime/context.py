"""The context object: a handler's second argument (RUN-13, RUN-14)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping

__all__ = ["CognitoIdentity", "LambdaContext"]


class CognitoIdentity:
    """Who called: for an event source mapping nobody, so both ids are None."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self) -> None:
        self.cognito_identity_id: str | None = None
        self.cognito_identity_pool_id: str | None = None

    def __repr__(self) -> str:
        return _show(self, self.__slots__)


class LambdaContext:
    """What a handler may ask of its invocation. ``remaining`` tells the milliseconds left, by whatever clock it runs.

    ``memory_limit_in_mb`` is text, as in Lambda; ``variables`` are the function's environment variables (RUN-9).
    """

    def __init__(self, request_id: str, arn: str, variables: Mapping[str, str], remaining: Callable[[], float]) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = arn
        self.function_name = variables.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = variables.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = variables.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = variables.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = variables.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = CognitoIdentity()
        self.client_context = None
        self.tenant_id = None
        self._remaining = remaining

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out, never below 0."""
        return max(0, int(self._remaining()))

    def log(self, message: object) -> None:
        """Write ``message`` to the function's log as it is."""
        for handler in logging.getLogger().handlers:
            write = getattr(handler, "write_to_log", None)
            if write is not None:
                write(str(message))
                return
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return _show(self, [name for name in vars(self) if not name.startswith("_")])


def _show(value: object, names: object) -> str:
    inside = ",".join(f"{name}={getattr(value, name)}" for name in names)  # type: ignore[attr-defined]
    return f"{type(value).__name__}([{inside}])"

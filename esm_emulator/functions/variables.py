"""The environment variables of a function (RUN-9 … 11), and what of this process's a worker process keeps.

A handler sees what it would see in Lambda, with three differences that running here makes necessary: folders are where
the code really is, addresses of Lambda's own services are this machine's, and the credentials are dummies. So no call
of a handler's reaches AWS by accident; whoever means it gives other values.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from esm_emulator.resources import Function

__all__ = [
    "ascii_only",
    "deployment_of",
    "folder_of",
    "function_variables",
    "host_variables",
    "log_stream",
    "on_runtime_api",
    "runtime_of",
]

_KEPT = {
    *("PATH", "HOME", "USER", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONWARNINGS"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
}
_RUNTIME_FOLDER = str(Path(__file__).resolve().parent / "runtime")
_TEXT_AS_IT_IS = (3, 12)  # RUN-32


def host_variables(host: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a worker process keeps of this process's variables: what an interpreter needs to run here.

    The rest stays out, as it would be missing in Lambda; above all nobody's AWS credentials or profile get in.
    """
    kept = {name: value for name, value in host.items() if name in _KEPT or name.startswith("COVERAGE_")}
    return kept | {"LANG": "en_US.UTF-8", "LC_CTYPE": "C.UTF-8", "SHLVL": "0", "TZ": ":UTC"}


def function_variables(function: Function, stream: str) -> dict[str, str]:
    """The function's own variables and Lambda's; the latter win, since Lambda refuses the others' names (RUN-9, 10)."""
    region = function.arn.split(":")[3]
    variables = {
        "_HANDLER": function.Handler or "",
        "AWS_LAMBDA_FUNCTION_NAME": function.FunctionName,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.MemorySize),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.LoggingConfig.LogGroup or f"/aws/lambda/{function.FunctionName}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime_of(function)}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "esm-emulator",
        "AWS_SECRET_ACCESS_KEY": "esm-emulator",
        "AWS_SESSION_TOKEN": "esm-emulator",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_TASK_ROOT": folder_of(function),
        "LAMBDA_RUNTIME_DIR": _RUNTIME_FOLDER,
    }
    if function.LoggingConfig.LogFormat == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = function.LoggingConfig.ApplicationLogLevel or "INFO"
    return function.Environment.Variables | variables


def deployment_of(function: Function) -> tuple[object, ...]:
    """What an environment is made from: when it changes, Lambda goes on with new environments.

    The timeout and reserved concurrency are none of it: they count from the next invocation on.
    """
    variables = sorted(function_variables(function, "").items())
    return function.Handler, function.LoggingConfig, *variables


def folder_of(function: Function) -> str:
    """The folder with the function's code, absolute."""
    return str(Path(function.CodeUri).absolute())


def runtime_of(function: Function) -> str:
    """The name of the function's runtime; without one, of the Python that runs here: ``python3.13``."""
    return function.Runtime or f"python{sys.version_info.major}.{sys.version_info.minor}"


def on_runtime_api(function: Function) -> bool:
    """Whether the function's runtime is a program that asks the Runtime API for work, and that we can start."""
    return (function.Runtime or "").startswith(("nodejs", "provided"))


def ascii_only(function: Function) -> bool:
    """Whether responses are escaped to ASCII, as Python runtimes before 3.12 do (RUN-32)."""
    name, _, minor = runtime_of(function).partition(".")
    if name != "python3" or not minor.isdigit():
        return sys.version_info < _TEXT_AS_IT_IS
    return (3, int(minor)) < _TEXT_AS_IT_IS


def log_stream(now: int, environment: str) -> str:
    """The name of an environment's log stream: the day it began, and its 32 hex digits (RUN-11)."""
    day = datetime.fromtimestamp(now / 1000, tz=UTC)
    return f"{day:%Y/%m/%d}/[$LATEST]{environment}"

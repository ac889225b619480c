"""Every error that the emulator raises on purpose.

Each knows the exit code with which a command ends because of it, and its text says what to do next.
What a user's handler does is never one of these: it is a value (see :mod:`esm_emulator.functions`).

    EsmError                     70  a fault of ours, or the root to catch
    ├── UsageError                2  the call does not make sense as it stands
    │   ├── ConfigError           2  a file does not load: every problem, with file, line and column
    │   ├── InvalidFilterPattern  2  a filter pattern that AWS would not take (FILT-5)
    │   ├── QueueNotFound         2  a mapping's queue is not there at the start
    │   ├── RemoteRefused         2  a queue off this machine, and nobody allowed it
    │   └── MissingExtra          2  an optional dependency is needed
    ├── RefusedByAws              3  AWS would refuse these resources when they are created
    ├── HandlerImportError        4  the handler cannot be imported
    ├── NoScenarioFound           5  no scenario where one was looked for
    ├── NotDeterministic          6  two plays of one seed differed
    ├── ClockError               70  virtual time cannot go on
    │   ├── Deadlock             70  nothing is scheduled and nobody holds the clock
    │   └── Stuck                70  no progress in real time: a handler is busy
    └── SqsError                  2  SQS refuses a request, with its own code and text (contract 11.3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ClockError",
    "ConfigError",
    "Deadlock",
    "EsmError",
    "HandlerImportError",
    "InvalidFilterPattern",
    "MissingExtra",
    "NoScenarioFound",
    "NotDeterministic",
    "Problem",
    "QueueNotFound",
    "RefusedByAws",
    "RemoteRefused",
    "SqsError",
    "Stuck",
    "UsageError",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one place of a file.

    ``path`` is dotted (``Orders.Properties.DelaySeconds``); ``line`` and ``column`` count from 1 and are
    0 when the text has no place (a flag, resources given in code). ``clause`` names the contract's clause
    when AWS is the one that objects.
    """

    message: str
    path: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    clause: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return ": ".join(part for part in (place, self.path, self.message) if part)


class EsmError(Exception):
    """The root of all errors of the emulator."""

    exit_code = 70

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled whole: what a subclass takes to be made is not what its text says."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[EsmError], args: tuple[object, ...], state: dict[str, object]) -> EsmError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(EsmError):
    """The call does not make sense as it stands; the text says what would."""

    exit_code = 2


class ConfigError(UsageError):
    """A file does not load. ``problems`` holds everything that is wrong with it, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidFilterPattern(UsageError):
    """A filter pattern that AWS would not take; the text opens with AWS's own sentence (FILT-5)."""

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        where = f" at {path}" if path else ""
        super().__init__(f"Invalid filter pattern definition. ({reason}{where})")


class QueueNotFound(UsageError):
    """The queue of a mapping does not exist when the run starts."""


class RemoteRefused(UsageError):
    """A queue that is not on this machine, without leave to use it."""


class MissingExtra(UsageError):
    """A feature needs a package that is not installed; the text names the extra."""


class RefusedByAws(EsmError):
    """AWS would refuse to create these resources; ``problems`` carries AWS's sentences where they are recorded."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class HandlerImportError(EsmError):
    """The handler that the resources name cannot be imported."""

    exit_code = 4


class NoScenarioFound(EsmError):
    """Nothing to play under the given paths."""

    exit_code = 5


class NotDeterministic(EsmError):
    """Two plays of the same scenario and seed gave different journals."""

    exit_code = 6


class ClockError(EsmError):
    """Virtual time cannot go on."""


class Deadlock(ClockError):
    """Nothing is scheduled and nobody holds the clock: the text names what each task waits for."""


class Stuck(ClockError):
    """No progress in real time for as long as the watchdog allows: the text says where it hangs."""


class SqsError(EsmError):
    """SQS refuses a request: ``code`` and the text are SQS's own (contract 11.3), ``status`` is HTTP's."""

    exit_code = 2

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code = code
        self.message = message
        self.status = status
        super().__init__(f"{code}: {message}")

"""What a handler that runs in this process finds around it: its variables, and a log to write to.

Environment variables, stdout, stderr and the root logger are one for the whole process, and several functions run in it
at a time, in threads or in greenlets. So while a handler runs these four are stand-ins, which look up whose invocation
is running here (a context variable: threads and greenlets of the clock have each their own) and pass on to what was
there before whatever is nobody's:

- ``os.environ`` answers with that function's variables, and keeps for it what the handler sets. Elsewhere, and in
  threads that a handler starts without handing on its context, it answers with this process's, into which the
  function's are set for as long as the function lives.
- What is printed becomes that invocation's log, and goes on to this process's stderr: a debugger's prompt is seen, and
  a program's results on stdout stay its own.
- Records of ``logging`` become log lines in Lambda's format, besides going to whatever handlers there are. The root
  logger's level is left alone: WARNING, as in Lambda, unless somebody has set another (RUN-41).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from esm_emulator.functions.output import Lines
from esm_emulator.functions.runtime.logs import JsonFormatter, TextFormatter, one_event

__all__ = ["Presence", "Variables"]

_lock = threading.RLock()


class Variables:
    """A function's environment variables while it lives in this process; a deleted one is None.

    Several functions lie upon one another here like layers: the last one that has set a variable is seen, and when it
    ends the one beneath, down to what was there before them all.
    """

    _layers: list[Variables] = []  # noqa: RUF012 - there is one environment, so one pile of who uses it
    _beneath: dict[str, str | None] = {}  # noqa: RUF012

    def __init__(self, variables: Mapping[str, str | None]) -> None:
        self.values = dict(variables)

    def begin(self) -> None:
        """Set them in this process."""
        with _lock:
            self._layers.append(self)
            for name, value in self.values.items():
                self.set(os.environ, name, value)

    def set(self, environ: Any, name: str, value: str | None) -> None:
        """Set or delete one, for the function and in this process's ``environ``."""
        with _lock:
            self._beneath.setdefault(name, environ.get(name))
            self.values[name] = value
            _put(environ, name, value)

    def end(self) -> None:
        """Leave this process's variables as they were, but for what somebody else has set since."""
        with _lock:
            self._layers.remove(self)
            for name, value in self.values.items():
                left = [layer.values[name] for layer in self._layers if name in layer.values]
                before = left[-1] if left else self._beneath.pop(name)
                if os.environ.get(name) == value:
                    _put(os.environ, name, before)


class Presence:
    """An invocation, or the import of a handler, that runs in this process.

    ``own`` are variables of this invocation alone. ``tell`` gets the lines of its log; with ``echo`` they also go to
    this process's stderr.
    """

    def __init__(
        self,
        variables: Variables,
        own: Mapping[str, str],
        tell: Callable[[Sequence[str]], None],
        *,
        request_id: str = "",
        json_logs: bool = False,
        echo: bool = True,
    ) -> None:
        self.variables = variables
        self.own = dict(own)
        self.request_id = request_id
        self._tell = tell
        self._echo = echo
        self._lines = Lines()
        self._formatter: logging.Formatter = JsonFormatter() if json_logs else TextFormatter()
        self._is_over = False

    def all_variables(self) -> dict[str, str]:
        """The function's variables and this invocation's own."""
        both = {**self.variables.values, **self.own}
        return {name: value for name, value in both.items() if value is not None}

    @contextmanager
    def here(self) -> Iterator[None]:
        """Inside, this is what runs in the current context."""
        token = _present.set(self)
        _stand_in.begin()
        try:
            yield
        finally:
            _stand_in.end()
            _present.reset(token)

    def write(self, text: str) -> None:
        """Write to the log; what is written after the end is lost, as in an environment that was killed."""
        if self._is_over:
            return
        self._tell(self._lines.feed(text.encode("utf-8", "replace")))
        if self._echo:
            _stderr.pass_on(text.replace("\r", "\n"))

    def log(self, record: logging.LogRecord) -> None:
        """Write a record of ``logging``."""
        record.aws_request_id = self.request_id
        self.write(one_event(self._formatter.format(record)))

    def end(self) -> None:
        """Nothing more comes: an unfinished line is the last one."""
        self._tell(self._lines.finish())
        self._is_over = True


_present: ContextVar[Presence | None] = ContextVar("esm_presence", default=None)


class _Stream:
    """In the place of ``sys.stdout`` or ``sys.stderr``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._before: Any = None

    def begin(self) -> None:
        current = getattr(sys, self._name)
        if current is not self:
            self._before = current
            setattr(sys, self._name, self)

    def end(self) -> None:
        if getattr(sys, self._name) is self:  # or somebody has put another in its place
            setattr(sys, self._name, self._before)

    def write(self, text: str) -> int:
        present = _present.get()
        if present is None:
            self.pass_on(text)
        else:
            present.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Nothing: the stream is that of this whole process, and no handler's to close."""

    def pass_on(self, text: str) -> None:
        if self._target is not None:
            self._target.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    @property
    def _target(self) -> Any:
        """What it stands in for; whoever has kept it longer than that gets the stream of now."""
        current = getattr(sys, self._name)
        return self._before if current is self else current


class _Environ(os._Environ):  # type: ignore[type-arg]  # noqa: SLF001 - what os.environ is, or half of its users stumble
    """In the place of ``os.environ``, over the same variables."""

    def __init__(self, before: Any) -> None:
        super().__init__(
            before._data,  # noqa: SLF001
            before.encodekey,
            before.decodekey,
            before.encodevalue,
            before.decodevalue,
        )
        self._before = before

    def __getitem__(self, name: str) -> str:
        present = _present.get()
        if present is not None:
            for values in (present.own, present.variables.values):
                if name in values:
                    value = values[name]
                    if value is None:
                        raise KeyError(name)
                    return value
        return self._before[name]  # type: ignore[no-any-return]

    def __setitem__(self, name: str, value: str) -> None:
        self._change(name, value)

    def __delitem__(self, name: str) -> None:
        self[name]
        self._change(name, None)

    def __iter__(self) -> Iterator[str]:
        present = _present.get()
        if present is None:
            return iter(self._before)
        changed = {**present.variables.values, **present.own}
        kept = [name for name in self._before if changed.get(name, "") is not None]
        return iter(kept + [name for name, value in changed.items() if value is not None and name not in self._before])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _change(self, name: str, value: str | None) -> None:
        present = _present.get()
        if present is None:
            _put(self._before, name, value)
        else:
            present.own.pop(name, None)
            present.variables.set(self._before, name, value)


class _RootHandler(logging.Handler):
    """Beside the root logger's other handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        present = _present.get()
        if present is not None:
            try:
                present.log(record)
            except Exception:  # noqa: BLE001 - logging's own contract for emit
                self.handleError(record)

    def write_to_log(self, text: str) -> None:
        present = _present.get()
        if present is not None:
            present.write(text)


class _StandIn:
    """Puts the stand-ins in place for the first who is present, and takes them away after the last."""

    def __init__(self) -> None:
        self._present = 0
        self._environ: Any = None

    def begin(self) -> None:
        with _lock:
            # every time, since others too put something in these places: pytest does, between two phases of a test
            self._present += 1
            if not isinstance(os.environ, _Environ):
                self._environ = os.environ
                os.environ = _Environ(os.environ)  # noqa: B003 - in its place, over the same variables
            _stdout.begin()
            _stderr.begin()
            logging.getLogger().addHandler(_root)

    def end(self) -> None:
        with _lock:
            self._present -= 1
            if self._present:
                return
            if isinstance(os.environ, _Environ):
                os.environ = self._environ  # noqa: B003
            _stdout.end()
            _stderr.end()
            logging.getLogger().removeHandler(_root)


def _put(environ: Any, name: str, value: str | None) -> None:
    if value is not None:
        environ[name] = value
    elif name in environ:
        del environ[name]


_stdout = _Stream("stdout")
_stderr = _Stream("stderr")
_root = _RootHandler()
_stand_in = _StandIn()

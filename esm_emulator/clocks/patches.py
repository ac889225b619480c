"""What is patched while a virtual run runs, so that handlers see virtual time and their waits park them.

Every replacement asks who calls: inside an agent it is virtual, anywhere else (the loop, libraries outside a handler,
other threads) it does what it always did. The patches are the process's, counted, and there only while a loop that has
handlers runs: not between the steps of a session. A name that somebody else has patched (a test's own mock) is left
alone.

``time.time``, ``datetime.now``, ``date.today``, ``gmtime`` and their kin are time-machine's to patch, which reaches
them under any name. The rest is found by name, also where a module has bound it earlier (``from time import sleep``).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import sys
import threading
import time
import weakref
from asyncio import base_events, events
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from types import ModuleType
from typing import Any, SupportsFloat, SupportsIndex

from esm_emulator.clocks import nested, threads, waits
from esm_emulator.clocks.agents import current

__all__ = ["give_back", "take"]

# A machine that has been up for a day or so: code compares monotonic times with 0
_MONOTONIC_US = 100_000_000_000
# These wait for what really happens elsewhere, and look every so often
_REAL_CALLERS = ("subprocess", "multiprocessing", *waits.DEBUGGERS)
# Never looked through for names bound earlier: the machinery keeps its own time
_NOT_SEARCHED = frozenset(
    {*sys.stdlib_module_names, "anyio", "coverage", "esm_emulator", "execnet", "greenlet", "time_machine", "xdist"}
)

_time_sleep = time.sleep


@wraps(time.sleep)
def _sleep(seconds: SupportsFloat | SupportsIndex, /) -> None:
    agent = current()
    if agent is None or agent.really or _is_real() or waits.debugging():
        _time_sleep(seconds)  # type: ignore[arg-type]
        return
    if not seconds >= 0:  # type: ignore[operator]
        raise ValueError("sleep length must be non-negative")
    agent.sleep_us(round(seconds * 1_000_000))  # type: ignore[operator]


def _is_real() -> bool:
    caller = sys._getframe(2).f_globals.get("__name__", "")  # noqa: SLF001 - the way to one's own stack
    return isinstance(caller, str) and caller.startswith(_REAL_CALLERS)


def _monotonic(real: Callable[[], Any], per_us: Callable[[int], Any]) -> Callable[[], Any]:
    """``real``, one of the clocks that only go forward; in an agent, virtual."""

    @wraps(real)
    def clock() -> Any:
        agent = current()
        return real() if agent is None else per_us(_MONOTONIC_US + agent.loop.now_us)

    return clock


def _seconds(us: int) -> float:
    return us / 1_000_000


def _nanoseconds(us: int) -> int:
    return us * 1_000


_monotonic_s = _monotonic(time.monotonic, _seconds)


@dataclass(slots=True)
class _Patch:
    """One attribute and what it is replaced by during a run; ``original`` is what it must be, to be replaced."""

    owner: Any
    name: str
    replacement: Any
    original: Any = field(init=False)

    def __post_init__(self) -> None:
        self.original = vars(self.owner)[self.name]

    def apply(self) -> None:
        if vars(self.owner).get(self.name) is self.original:
            setattr(self.owner, self.name, self.replacement)

    def undo(self) -> None:
        if vars(self.owner).get(self.name) is self.replacement:
            setattr(self.owner, self.name, self.original)


_OF_TIME = [
    _Patch(time, "sleep", _sleep),
    _Patch(time, "monotonic", _monotonic_s),
    _Patch(time, "monotonic_ns", _monotonic(time.monotonic_ns, _nanoseconds)),
    _Patch(time, "perf_counter", _monotonic(time.perf_counter, _seconds)),
    _Patch(time, "perf_counter_ns", _monotonic(time.perf_counter_ns, _nanoseconds)),
]
_PATCHES = [
    *_OF_TIME,
    # the names under which these modules count down their timeouts
    _Patch(threading, "_time", _monotonic_s),
    _Patch(queue, "time", _monotonic_s),
    # what every Event, Condition, Semaphore, Barrier, Queue and Future waits with
    _Patch(threading, "_allocate_lock", threads.allocate_lock),
    _Patch(threading.Thread, "start", threads.start),
    _Patch(threading.Thread, "join", threads.join),
    _Patch(concurrent.futures.ThreadPoolExecutor, "submit", threads.submit),
    _Patch(concurrent.futures.ThreadPoolExecutor, "shutdown", threads.shutdown),
    _Patch(base_events.BaseEventLoop, "run_forever", nested.run_forever),
    *(_Patch(owner, "get_event_loop", nested.get_event_loop) for owner in (asyncio, events)),
    *(_Patch(owner, "set_event_loop", nested.set_event_loop) for owner in (asyncio, events)),
]


class _BoundEarlier:
    """The places where a module has one of time's functions under a name of its own."""

    def __init__(self) -> None:
        self._searched: weakref.WeakSet[ModuleType] = weakref.WeakSet()
        self._found: list[tuple[weakref.ref[ModuleType], str, _Patch]] = []
        self._seen: tuple[int, object] = (0, None)
        self._patches = {id(patch.original): patch for patch in _OF_TIME}

    def apply(self) -> None:
        self._search()
        for module, name, patch in self._live():
            if vars(module).get(name) is patch.original:
                vars(module)[name] = patch.replacement

    def undo(self) -> None:
        # and what was imported while the patches were there keeps a replacement that knows who calls it
        for module, name, patch in self._live():
            if vars(module).get(name) is patch.replacement:
                vars(module)[name] = patch.original

    def _live(self) -> Iterator[tuple[ModuleType, str, _Patch]]:
        for reference, name, patch in self._found:
            module = reference()
            if module is not None:
                yield module, name, patch

    def _search(self) -> None:
        last = next(reversed(sys.modules.values()), None)
        if self._seen == (len(sys.modules), id(last)):
            return
        self._seen = len(sys.modules), id(last)
        for name, module in list(sys.modules.items()):
            # cffi's modules are in there too, which have no names of Python's and bear no weak reference
            if isinstance(module, ModuleType) and type(module).__weakrefoffset__ and module not in self._searched:
                self._searched.add(module)
                if name.partition(".")[0] not in _NOT_SEARCHED:
                    self._search_module(module)

    def _search_module(self, module: ModuleType) -> None:
        for name, value in list(vars(module).items()):
            patch = self._patches.get(id(value))
            if patch is not None:
                self._found.append((weakref.ref(module), name, patch))


class _WallClock:
    """time-machine, whose traveler asks who wants to know the time."""

    def __init__(self) -> None:
        self._travel: Any = None
        self._traveler: Any = None
        self._suspended: list[Any] = []  # journeys of handlers that wait while nothing runs

    def apply(self) -> None:
        time_machine = _time_machine()
        self._travel = time_machine.travel(0, tick=False)
        self._traveler = self._travel.start()
        self._traveler.time_ns = self._time_ns
        time_machine.traveller_stack.extend(self._suspended)

    def undo(self) -> None:
        stack = _time_machine().traveller_stack
        above = stack.index(self._traveler) + 1
        self._suspended = stack[above:]
        del stack[above:]
        self._travel.stop()
        self._travel = self._traveler = None

    def _time_ns(self) -> int:
        agent = current()
        if agent is not None:
            return agent.loop.wall_us * 1_000
        time_machine = _time_machine()
        stack = time_machine.traveller_stack
        # what a test has set is beneath; and a thread may ask just when the run has ended
        beneath = stack.index(self._traveler) - 1 if self._traveler in stack else -1
        time = stack[beneath] if beneath >= 0 else time_machine.escape_hatch.time
        time_ns: int = time.time_ns()
        return time_ns


def _time_machine() -> Any:
    # Here, because it imports pytest where that is installed
    import time_machine  # noqa: PLC0415

    return time_machine


class _Taken:
    """How many runs need the patches now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._wall_clock = _WallClock()
        self._bound_earlier = _BoundEarlier()

    def take(self) -> None:
        with self._lock:
            if self._count == 0:
                self._wall_clock.apply()
                for patch in _PATCHES:
                    patch.apply()
                self._bound_earlier.apply()
            self._count += 1

    def give_back(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                self._bound_earlier.undo()
                for patch in _PATCHES:
                    patch.undo()
                self._wall_clock.undo()


_taken = _Taken()
take, give_back = _taken.take, _taken.give_back

"""Visibility timeouts: how long a message is hidden, beside how long its work may take (DOC-1 … 5, 40, 45)."""

from __future__ import annotations

from collections.abc import Iterator

from esm_emulator.check.setup import Hit, Rule, Setup, seconds
from esm_emulator.resources import EventSourceMapping, Function, Queue

__all__ = ["RULES", "recommended"]

MARGIN = 30  # seconds, beside window and timeout (DOC-4)
LONG = 3_600  # seconds; below that a visibility timeout is nobody's mistake
MANY = 4  # times what is recommended
INIT = 10  # seconds that a cold start may take (RUN-5)
MOST = 43_200  # seconds, SQS's limit (SQS-2)


def recommended(mapping: EventSourceMapping, function: Function) -> int:
    """AWS's six times the timeout plus the window, in seconds (DOC-2, DOC-3)."""
    return 6 * function.Timeout + _window(mapping)


def _window(mapping: EventSourceMapping) -> int:
    """The window in seconds: 0 on FIFO, where AWS refuses another (API-22)."""
    return 0 if mapping.fifo else mapping.MaximumBatchingWindowInSeconds


def _known(setup: Setup) -> Iterator[tuple[EventSourceMapping, Queue, Function]]:
    """The mappings of which queue, function and the three times are known."""
    for pair in setup.pairs:
        if pair.queue is None or pair.function is None:
            continue
        if (
            setup.knows(pair.queue.id, "VisibilityTimeout")
            and setup.knows(pair.function.id, "Timeout")
            and setup.knows(pair.mapping.id, "MaximumBatchingWindowInSeconds")
        ):
            yield pair.mapping, pair.queue, pair.function


def _longest(setup: Setup) -> list[tuple[EventSourceMapping, Queue, Function]]:
    """For each queue the mapping that asks for the longest visibility timeout: that suffices for all of them."""
    found: dict[str, tuple[EventSourceMapping, Queue, Function]] = {}
    for mapping, queue, function in _known(setup):
        other = found.get(queue.id)
        if other is None or recommended(other[0], other[2]) < recommended(mapping, function):
            found[queue.id] = (mapping, queue, function)
    return list(found.values())


def _sum(mapping: EventSourceMapping, function: Function) -> str:
    window = _window(mapping)
    return f"6 x {function.Timeout}{f' + {window}' if window else ''} = {recommended(mapping, function)}"


def below_six_times(setup: Setup) -> Iterator[Hit]:
    """W201: what AWS recommends."""
    for mapping, queue, function in _longest(setup):
        if function.Timeout <= queue.VisibilityTimeout < recommended(mapping, function):
            least = recommended(mapping, function)
            yield Hit(
                queue.id,
                ("VisibilityTimeout",),
                f"VisibilityTimeout {queue.VisibilityTimeout} < {_sum(mapping, function)} "
                f"({function.id} may take {function.Timeout} s for each attempt).",
                f"Set VisibilityTimeout to at least {least}."
                if least <= MOST
                else "Lower the function's Timeout: no visibility timeout is long enough.",
            )


def drifted(setup: Setup) -> Iterator[Hit]:
    """W202: a value that AWS refuses at creation and that came about later."""
    for _, queue, function in _known(setup):
        if queue.VisibilityTimeout < function.Timeout and not setup.refusals_told:
            yield Hit(
                queue.id,
                ("VisibilityTimeout",),
                f"VisibilityTimeout {queue.VisibilityTimeout} < Timeout {function.Timeout} of {function.id}. AWS would "
                "have refused this at the mapping's creation, and accepts it now.",
                f"Raise VisibilityTimeout to at least {6 * function.Timeout}.",
            )


def eaten_by_the_window(setup: Setup) -> Iterator[Hit]:
    """W203: with a window, less than window, timeout and a margin. What follows AWS's six times is left in peace."""
    for mapping, queue, function in _known(setup):
        window = _window(mapping)
        needed = window + function.Timeout + MARGIN
        if window and function.Timeout <= queue.VisibilityTimeout < min(needed, recommended(mapping, function)):
            yield Hit(
                queue.id,
                ("VisibilityTimeout",),
                f"VisibilityTimeout {queue.VisibilityTimeout} < {window} s window + {function.Timeout} s function + "
                f"{MARGIN} s = {needed}: messages can come back while they are buffered or running.",
                f"Set VisibilityTimeout to at least {recommended(mapping, function)}.",
            )


def far_above(setup: Setup) -> Iterator[Hit]:
    """W206: hours, and many times what the function needs."""
    for mapping, queue, function in _longest(setup):
        least = recommended(mapping, function)
        if queue.VisibilityTimeout > max(LONG, MANY * least):
            waits = "its message group" if queue.FifoQueue else "the message"
            yield Hit(
                queue.id,
                ("VisibilityTimeout",),
                f"VisibilityTimeout {queue.VisibilityTimeout} is {queue.VisibilityTimeout // least} times "
                f"{_sum(mapping, function)}: after a failure {waits} waits {seconds(queue.VisibilityTimeout)}.",
                f"Set VisibilityTimeout near {least}.",
            )


def fifo_without_room(setup: Setup) -> Iterator[Hit]:
    """W227: a FIFO queue refuses deletes with an expired handle (FAIL-20), so that a late one is done again."""
    for _, queue, function in _known(setup):
        if queue.FifoQueue and function.Timeout <= queue.VisibilityTimeout < function.Timeout + INIT:
            yield Hit(
                queue.id,
                ("VisibilityTimeout",),
                f"{function.id} may run {function.Timeout} s after a cold start of up to {INIT} s, and messages are "
                f"hidden for {queue.VisibilityTimeout} s: SQS refuses a delete that comes later.",
            )


def beyond_the_limit(setup: Setup) -> Iterator[Hit]:
    """W230: six times the timeout is more than a queue takes."""
    for mapping, _, function in _known(setup):
        if recommended(mapping, function) > MOST:
            yield Hit(function.id, ("Timeout",), f"{_sum(mapping, function)} is above {MOST}, the most that SQS takes.")


RULES = (
    Rule("ESM-W201", below_six_times),
    Rule("ESM-W202", drifted),
    Rule("ESM-W203", eaten_by_the_window),
    Rule("ESM-W206", far_above),
    Rule("ESM-W227", fifo_without_room),
    Rule("ESM-W230", beyond_the_limit),
)

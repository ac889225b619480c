"""The emulator of a test: strict about what nobody expected. pytest's fixture ``esm`` is one; so may be anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from esm_emulator.arguments import Handler, Source
from esm_emulator.emulator import VirtualEmulator
from esm_emulator.errors import UsageError
from esm_emulator.functions import Failed

__all__ = ["TestEmulator", "UnexpectedDeadLetters", "UnexpectedFailure"]

MOST_STORIES = 3

_Kind = str | type[BaseException] | None


class UnexpectedDeadLetters(AssertionError):
    """Messages are in a dead-letter queue, and the test never looked there."""


class UnexpectedFailure(AssertionError):
    """A handler raised, and the test did not say that it would. The cause is the handler's own exception."""


class TestEmulator(VirtualEmulator):
    """A :class:`VirtualEmulator` that can be asked at the end whether anything happened that nobody expected."""

    __test__ = False  # not a test, whatever its name suggests to pytest

    def __init__(self, **options: Any) -> None:
        self._expected_letters: dict[str | None, int | None] = {}
        self._expected_failures: dict[_Kind, int | None] = {}
        super().__init__(**options)

    def deploy(
        self,
        resources: Source,
        *,
        handlers: Mapping[str, Handler] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Create the resources and begin to poll; a path is relative to the test's own folder."""
        super().deploy(resources, handlers=handlers, parameters=parameters)
        for queue in self._expected_letters:
            self._must_take_dead_letters(queue)
        return self

    def expect_dead_letters(self, queue: str | None = None, count: int | None = None) -> None:
        """Dead letters are expected: in ``queue`` or in any, exactly ``count`` of them or however many.

        Raises ``UsageError`` for a queue that no redrive policy names; when nothing is deployed yet, ``deploy`` does.
        """
        if queue is not None and not isinstance(queue, str):
            raise UsageError(f"expect_dead_letters takes a queue's id and then a count, not {queue!r}")
        if self._deployed is not None:
            self._must_take_dead_letters(queue)
        self._expected_letters[queue] = _count(count)

    def expect_failures(self, error: str | type[BaseException] | None = None, count: int | None = None) -> None:
        """Function errors are expected: of that type (a class or its name) or any; ``count`` of them, or any number."""
        if error is not None and not isinstance(error, str) and not _is_exception(error):
            raise UsageError(
                f"expect_failures takes an exception's class, or its name, not {error!r}; call it once for each"
            )
        self._expected_failures[error] = _count(count)

    def check(self) -> None:
        """Raise for what nobody expected: first a handler's exception, then dead letters."""
        __tracebackhide__ = True
        if self._deployed is None:
            return
        self._check_failures()
        self._check_dead_letters()

    def _check_failures(self) -> None:
        __tracebackhide__ = True
        counts: dict[_Kind, int] = dict.fromkeys(self._expected_failures, 0)
        for failure in self.failures:
            fitting = next((kind for kind in counts if _fits(failure, kind)), ...)
            if fitting is ...:
                message = (
                    f"{failure.error_type}: {failure.message}\n"
                    "A handler failed and the test did not expect it. If it is meant to, say so: "
                    f"esm.expect_failures({failure.error_type!r})"
                )
                raise UnexpectedFailure(message) from failure.exception
            counts[fitting] += 1
        for kind, wanted in self._expected_failures.items():
            if wanted is not None and counts[kind] != wanted:
                of = "" if kind is None else f" of {kind if isinstance(kind, str) else kind.__name__}"
                raise UnexpectedFailure(f"expected failures{of}: {wanted}, came: {counts[kind]}")

    def _check_dead_letters(self) -> None:
        __tracebackhide__ = True
        messages = self.messages
        for id in self._dead_letter_queues():
            letters = [item for item in messages if item.outcome == "dead-lettered" and item.now_in == id]
            wanted = self._expected_letters.get(id, self._expected_letters.get(None, ...))
            if wanted is ... and letters and id not in self.looked_at:
                count = "1 message is" if len(letters) == 1 else f"{len(letters)} messages are"
                them = "it is" if len(letters) == 1 else "they are"
                stories = [self.story(letter.id) for letter in letters[:MOST_STORIES]]
                if len(letters) > MOST_STORIES:
                    stories.append(f"… and {len(letters) - MOST_STORIES} more")
                raise UnexpectedDeadLetters(
                    f"{count} in {id}, and the test did not look there. If {them} meant to be, "
                    f"say so: esm.expect_dead_letters({id!r})\n\n" + "\n\n".join(stories)
                )
            if isinstance(wanted, int) and len(letters) != wanted:
                raise UnexpectedDeadLetters(f"expected dead letters in {id}: {wanted}, there: {len(letters)}")

    def _must_take_dead_letters(self, queue: str | None) -> None:
        if queue is None:
            return
        self._emulation.queue(queue)  # says which there are if it is none of them
        known = self._dead_letter_queues()
        if queue not in known:
            others = f"those are {', '.join(known)}" if known else "none is"
            raise UsageError(f"{queue} is not the dead-letter queue of another; {others}")

    def _dead_letter_queues(self) -> list[str]:
        targets = (self.resources.dead_letter_queue_of(queue) for queue in self.resources.queues.values())
        return list(dict.fromkeys(target.id for target in targets if target is not None))


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _count(count: object) -> int | None:
    if count is None or (isinstance(count, int) and not isinstance(count, bool) and count >= 0):
        return count
    raise UsageError(f"count takes a whole number from 0 on, not {count!r}")


def _fits(failure: Failed, kind: _Kind) -> bool:
    if kind is None:
        return True
    if isinstance(kind, str):
        return failure.error_type == kind
    return isinstance(failure.exception, kind) or failure.error_type == kind.__name__

"""The emulator of a test: strict about what nobody expected. pytest's fixture ``esm`` is one; so may be anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from esm_emulator.emulator import Handler, Source, VirtualEmulator
from esm_emulator.functions import Failed

__all__ = ["TestEmulator", "UnexpectedDeadLetters", "UnexpectedFailure"]


class UnexpectedDeadLetters(AssertionError):
    """Messages are in a dead-letter queue, and the test never looked there."""


class UnexpectedFailure(AssertionError):
    """A handler raised, and the test did not say that it would. The cause is the handler's own exception."""


class TestEmulator(VirtualEmulator):
    """A :class:`VirtualEmulator` that can be asked at the end whether anything happened that nobody expected.

    Paths given to :meth:`deploy` are relative to ``folder``.
    """

    __test__ = False  # not a test, whatever its name suggests to pytest

    def __init__(self, *, folder: Path | None = None, **options: Any) -> None:
        self._folder = folder
        self._expected_letters: dict[str, int | None] = {}
        self._expected_failures: dict[str | type[BaseException] | None, int | None] = {}
        super().__init__(**options)

    def deploy(
        self,
        resources: Source,
        *,
        handlers: Mapping[str, Handler] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Create the resources and begin to poll; a path is relative to the test's own folder."""
        is_path = isinstance(resources, Path) or (isinstance(resources, str) and "\n" not in resources)
        if is_path and self._folder is not None and not Path(str(resources)).is_absolute():
            resources = self._folder / str(resources)
        return super().deploy(resources, handlers=handlers, parameters=parameters)

    def expect_dead_letters(self, queue: str | None = None, count: int | None = None) -> None:
        """Dead letters are expected: in ``queue`` or in any, exactly ``count`` of them or however many."""
        if queue is not None:
            self._emulation.queue(queue)  # says which there are if it is none of them
        self._expected_letters[queue or ""] = count

    def expect_failures(self, error: str | type[BaseException] | None = None, count: int | None = None) -> None:
        """Function errors are expected: of that type (a class or its name) or any; ``count`` of them, or any number."""
        self._expected_failures[error] = count

    def check(self) -> None:
        """Raise for what nobody expected: first a handler's exception, then dead letters."""
        if self._deployed is None:
            return
        self._check_failures()
        self._check_dead_letters()

    def _check_failures(self) -> None:
        counts: dict[str | type[BaseException] | None, int] = dict.fromkeys(self._expected_failures, 0)
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
                raise UnexpectedFailure(f"{wanted} failures{of} were expected, {counts[kind]} came")

    def _check_dead_letters(self) -> None:
        messages = self.messages
        for id in self._dead_letter_queues():
            letters = [item for item in messages if item.outcome == "dead-lettered" and item.now_in == id]
            wanted = self._expected_letters.get(id, self._expected_letters.get("", ...))
            if wanted is ... and letters and id not in self.looked_at:
                stories = "\n\n".join(self.story(letter.id) for letter in letters[:3])
                raise UnexpectedDeadLetters(
                    f"{len(letters)} messages are in {id}, and the test did not look there. If they are meant to be, "
                    f"say so: esm.expect_dead_letters({id!r})\n\n{stories}"
                )
            if isinstance(wanted, int) and len(letters) != wanted:
                raise UnexpectedDeadLetters(f"{wanted} dead letters were expected in {id}, {len(letters)} are there")

    def _dead_letter_queues(self) -> list[str]:
        targets = (self.resources.dead_letter_queue_of(queue) for queue in self.resources.queues.values())
        return list(dict.fromkeys(target.id for target in targets if target is not None))


def _fits(failure: Failed, kind: str | type[BaseException] | None) -> bool:
    if kind is None:
        return True
    if isinstance(kind, str):
        return failure.error_type == kind
    return isinstance(failure.exception, kind) or failure.error_type == kind.__name__

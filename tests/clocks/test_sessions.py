"""A virtual run, step by step, told by synchronous code."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.lowlevel
import pytest

from esm_emulator.clocks.virtual import START_MS, Session, VirtualClock
from esm_emulator.errors import Deadlock, UsageError


@pytest.fixture
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


class Ticker:
    """Notes the virtual second at which it wakes, every ten seconds."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seen: list[float] = []

    async def run(self) -> None:
        while True:
            await anyio.sleep(10)
            self.seen.append((self.session.clock.now() - START_MS) / 1000)


def test_a_program_runs_in_the_background_while_time_is_told_to_go_on(session: Session) -> None:
    ticker = Ticker(session)
    session.start(ticker.run)
    session.advance(25_000)
    assert ticker.seen == [10.0, 20.0]
    session.advance(5_000)
    assert ticker.seen == [10.0, 20.0, 30.0]
    assert session.clock.now() == START_MS + 30_000


def test_nothing_happens_between_the_steps(session: Session) -> None:
    ticker = Ticker(session)
    session.start(ticker.run)
    assert session.clock.now() == START_MS
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_time_passes_also_when_nothing_is_scheduled(session: Session) -> None:
    session.advance(15 * 86_400_000)
    assert session.clock.now() == START_MS + 15 * 86_400_000


def test_time_goes_forward_only(session: Session) -> None:
    with pytest.raises(UsageError, match="forward only"):
        session.advance(-1)


def test_settling_lets_everything_happen_that_is_due_now(session: Session) -> None:
    seen: list[str] = []

    async def main() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        seen.append("settled")
        await anyio.sleep(0.001)
        seen.append("later")

    session.start(main)
    session.settle()
    assert seen == ["settled"]
    assert session.clock.now() == START_MS


def test_a_function_is_run_to_its_end_while_the_background_goes_on(session: Session) -> None:
    ticker = Ticker(session)
    session.start(ticker.run)

    async def wait(seconds: int) -> str:
        await anyio.sleep(seconds)
        return "done"

    assert session.run(wait, 35) == "done"
    assert ticker.seen == [10.0, 20.0, 30.0]


def test_a_synchronous_function_is_called_on_the_running_loop(session: Session) -> None:
    assert session.call(asyncio.get_running_loop) is session.loop
    assert session.clock.now() == START_MS


def test_it_runs_until_a_condition_holds(session: Session) -> None:
    ticker = Ticker(session)
    session.start(ticker.run)
    assert session.run_until(lambda: len(ticker.seen) == 3)
    assert session.clock.now() == START_MS + 30_000


def test_a_condition_that_holds_needs_no_time(session: Session) -> None:
    session.start(Ticker(session).run)
    assert session.run_until(lambda: True)
    assert session.clock.now() == START_MS


def test_a_condition_is_given_up_after_a_limit(session: Session) -> None:
    session.start(Ticker(session).run)
    assert not session.run_until(lambda: False, limit_ms=95_000)
    assert session.clock.now() == START_MS + 95_000


def test_a_condition_is_given_up_when_nothing_is_scheduled(session: Session) -> None:
    async def main() -> None:
        await anyio.sleep(7)
        await anyio.sleep_forever()

    session.start(main)
    assert not session.run_until(lambda: False)
    assert session.clock.now() == START_MS + 7_000


def test_an_error_in_a_condition_comes_out(session: Session) -> None:
    with pytest.raises(ZeroDivisionError):
        session.run_until(lambda: bool(1 // 0))


def test_it_runs_until_nothing_is_scheduled_any_more(session: Session) -> None:
    async def main() -> None:
        await anyio.sleep(7)

    session.start(main)
    session.run_idle()
    assert session.clock.now() == START_MS + 7_000


def test_running_idle_has_a_limit(session: Session) -> None:
    session.start(Ticker(session).run)
    session.run_idle(limit_ms=60_000)
    assert session.clock.now() == START_MS + 60_000


def test_what_wakes_a_task_may_be_done_between_steps(session: Session) -> None:
    event = asyncio.Event()
    seen: list[int] = []

    async def main() -> None:
        await event.wait()
        seen.append(session.clock.now())

    session.start(main)
    session.advance(1_000)
    event.set()
    session.settle()
    assert seen == [START_MS + 1_000]


def test_an_error_of_the_background_ends_the_step_in_which_it_is_raised(session: Session) -> None:
    async def main() -> None:
        await anyio.sleep(5)
        raise ZeroDivisionError("in the background")

    session.start(main)
    session.advance(4_000)
    with pytest.raises(ZeroDivisionError, match="in the background"):
        session.advance(100_000)
    assert session.clock.now() == START_MS + 5_000
    session.advance(1_000)  # told once


def test_an_error_of_the_background_ends_a_function_that_runs(session: Session) -> None:
    async def main() -> None:
        await anyio.sleep(5)
        raise ZeroDivisionError

    session.start(main)
    with pytest.raises(ZeroDivisionError):
        session.run(anyio.sleep, 10)


def test_a_deadlock_ends_the_function_and_the_session_can_still_be_closed(session: Session) -> None:
    with pytest.raises(Deadlock):
        session.run(anyio.sleep_forever)
    session.advance(1_000)


def test_the_end_cancels_the_background_and_lets_it_clean_up() -> None:
    ended: list[int] = []
    with Session() as session:

        async def main() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(3)
                ended.append(session.clock.now() - START_MS)

        session.start(main)
        session.settle()
    assert ended == [3_000]


def test_the_end_raises_what_the_background_raised_instead_of_ending() -> None:
    async def main() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ZeroDivisionError("while ending")

    session = Session()
    session.start(main)
    session.settle()
    with pytest.raises(ZeroDivisionError, match="while ending"):
        session.close()
    session.close()


def test_an_error_in_the_with_block_is_not_hidden_by_one_at_the_end() -> None:
    async def main() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ZeroDivisionError

    with pytest.raises(KeyError, match="the test's own"), Session() as session:  # noqa: PT012 - the block is the subject
        session.start(main)
        session.settle()
        raise KeyError("the test's own")


def test_async_generators_are_closed_at_the_end() -> None:
    ended: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("closed")

    kept = numbers()
    with Session() as session:
        assert session.run(anext, kept) == 1  # type: ignore[arg-type]
    assert ended == ["closed"]


def test_a_closed_session_makes_no_step() -> None:
    session = Session()
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.advance(1)


def test_no_step_is_made_from_inside_of_a_step(session: Session) -> None:
    async def main() -> None:
        session.advance(1)

    with pytest.raises(UsageError, match="moving already"):
        session.run(main)


def test_a_session_stays_in_its_thread(session: Session) -> None:
    errors: list[UsageError] = []

    def step() -> None:
        try:
            session.advance(1)
        except UsageError as error:
            errors.append(error)

    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    assert "from the thread that made its session" in str(errors[0])


def test_steps_are_made_inside_a_running_loop() -> None:
    """A session outlives its steps there: the outer loop runs in between."""

    async def outer() -> None:
        task = asyncio.current_task()
        with Session() as session:
            ticker = Ticker(session)
            session.start(ticker.run)
            for _ in range(3):
                session.advance(10_000)
                await asyncio.sleep(0)
                assert asyncio.current_task() is task
            assert ticker.seen == [10.0, 20.0, 30.0]

    asyncio.run(outer())


def test_several_sessions_are_stepped_in_turn() -> None:
    with Session() as one, Session(VirtualClock(0)) as other:
        tickers = Ticker(one), Ticker(other)
        one.start(tickers[0].run)
        other.start(tickers[1].run)
        for _ in range(3):
            one.advance(10_000)
            other.advance(20_000)
    assert [len(ticker.seen) for ticker in tickers] == [3, 6]


def test_a_session_leaves_nothing_behind() -> None:
    """Sockets, tasks and loops: warnings are errors here, and garbage would warn."""
    for _ in range(3):
        with Session() as session:
            session.start(Ticker(session).run)
            session.advance(60_000)
    gc.collect()

"""asyncio inside handlers: loops of the handler's own, in virtual time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from esm_emulator.clocks.virtual import START_MS, VirtualClock, run

START_S = START_MS / 1000


def call_together(
    *functions: Callable[[], Any], timeout_ms: int = 900_000, clock: VirtualClock | None = None
) -> list[Any]:
    clock = clock or VirtualClock()
    results: list[Any] = [None] * len(functions)

    async def one(number: int, function: Callable[[], Any]) -> None:
        results[number] = await clock.call(function, timeout_ms=timeout_ms)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number, function in enumerate(functions):
                group.start_soon(one, number, function)

    run(main, clock=clock)
    return results


def call(function: Callable[[], Any], **options: Any) -> Any:
    return call_together(function, **options)[0]


async def naps(*seconds: float) -> list[float]:
    """Sleep several times at once; when each woke, in virtual seconds since the start."""

    async def nap(each: float) -> float:
        await asyncio.sleep(each)
        return round(time.time() - START_S, 6)

    return await asyncio.gather(*(nap(each) for each in seconds))


def test_asyncio_run_is_virtual() -> None:
    assert call(lambda: asyncio.run(naps(1, 2.5, 0.001))) == [1, 2.5, 0.001]


def test_anyio_run_is_virtual() -> None:
    async def main() -> float:
        with anyio.move_on_after(30):
            await anyio.sleep_forever()
        return time.time() - START_S

    assert call(lambda: anyio.run(main)) == 30


def test_a_loop_of_ones_own_making_is_virtual() -> None:
    def handler() -> list[float]:
        loop = asyncio.SelectorEventLoop()
        try:
            return loop.run_until_complete(naps(5))
        finally:
            loop.close()

    assert call(handler) == [5]


@pytest.fixture
def loop_made_at_import() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_a_loop_that_was_made_at_import_is_virtual_while_a_handler_runs_it(
    loop_made_at_import: asyncio.AbstractEventLoop,
) -> None:
    for _ in range(2):
        assert call(lambda: loop_made_at_import.run_until_complete(naps(5))) == [5]
    began = loop_made_at_import.time()
    loop_made_at_import.run_until_complete(asyncio.sleep(0))
    assert abs(loop_made_at_import.time() - began) < 60
    assert abs(began - time.monotonic()) < 60


def test_get_event_loop_gives_each_handler_a_loop_of_its_own() -> None:
    def handler(seconds: float) -> Callable[[], list[float]]:
        return lambda: asyncio.get_event_loop().run_until_complete(naps(seconds))

    assert call_together(handler(3), handler(1), handler(2)) == [[3], [1], [2]]


def test_a_handler_sees_the_loop_that_it_has_set() -> None:
    def handler() -> bool:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return asyncio.get_event_loop() is loop
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    assert call_together(handler, handler) == [True, True]


def test_the_loop_outside_is_not_touched() -> None:
    outside = asyncio.new_event_loop()
    asyncio.set_event_loop(outside)
    try:
        call(lambda: asyncio.run(naps(1)))
        assert asyncio.get_event_loop() is outside
    finally:
        asyncio.set_event_loop(None)
        outside.close()


def test_loops_of_handlers_that_overlap_interleave() -> None:
    steps: list[tuple[str, float]] = []

    def handler(name: str, seconds: float) -> Callable[[], None]:
        async def main() -> None:
            for _ in range(2):
                await asyncio.sleep(seconds)
                steps.append((name, time.time() - START_S))

        return lambda: asyncio.run(main())

    call_together(handler("a", 2), handler("b", 3))
    assert steps == [("a", 2), ("b", 3), ("a", 4), ("b", 6)]


def test_a_blocking_sleep_in_a_coroutine_blocks_its_loop_and_no_other() -> None:
    async def blocks() -> list[float]:
        nap = asyncio.create_task(naps(1))
        await asyncio.sleep(0.5)
        time.sleep(4.5)  # noqa: ASYNC251 - the subject
        return await nap

    assert call_together(lambda: asyncio.run(blocks()), lambda: asyncio.run(naps(2))) == [[5], [2]]


def test_asynchronous_generators_are_closed_by_their_own_loop() -> None:
    closed: list[float] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(1)
            closed.append(time.time() - START_S)

    kept = numbers()

    async def main() -> None:
        await anext(kept)
        await asyncio.sleep(3)

    call_together(lambda: asyncio.run(main()), lambda: asyncio.run(naps(1, 2)))
    assert closed == [4]


def test_a_timeout_is_thrown_into_the_loop() -> None:
    clock = VirtualClock()
    with pytest.raises(ExceptionGroup) as raised:
        call(lambda: asyncio.run(naps(100)), timeout_ms=3_000, clock=clock)
    assert isinstance(raised.value.exceptions[0], TimeoutError)
    assert clock.now() - START_MS == 3_000


def test_a_loop_that_waits_for_nothing_is_ended_by_the_timeout() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup):
        call(lambda: asyncio.run(forever()), timeout_ms=3_000)


def test_to_thread_is_virtual() -> None:
    async def main() -> float:
        await asyncio.gather(asyncio.to_thread(time.sleep, 4), asyncio.to_thread(time.sleep, 4))
        return time.time() - START_S

    assert call(lambda: asyncio.run(main())) == 4


def test_a_socket_is_waited_for_in_real_time_and_for_free() -> None:
    here, there = socket.socketpair()
    clock = VirtualClock()

    async def main() -> bytes:
        reader, writer = await asyncio.open_connection(sock=here)
        try:
            async with asyncio.timeout(30):
                return await reader.read(1)
        finally:
            writer.close()
            await writer.wait_closed()

    timer = threading.Timer(0.02, there.send, [b"x"])
    timer.start()
    with there:
        assert call(lambda: asyncio.run(main()), clock=clock) == b"x"
    timer.join()
    assert clock.now() == START_MS


def test_a_timer_beside_an_open_socket_really_passes_and_is_charged() -> None:
    here, there = socket.socketpair()
    clock = VirtualClock()

    async def main() -> None:
        _, writer = await asyncio.open_connection(sock=here)
        await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()

    began = time.monotonic()
    with there:
        call(lambda: asyncio.run(main()), clock=clock)
    assert time.monotonic() - began >= 0.02
    assert clock.now() - START_MS == 20


def test_a_call_from_another_thread_wakes_the_loop() -> None:
    clock = VirtualClock()

    def handler() -> str:
        async def main() -> str:
            loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
            threading.Thread(
                target=lambda: time.sleep(2) or loop.call_soon_threadsafe(done.set_result, "woken")
            ).start()
            return str(await done)

        return asyncio.run(main())

    assert call(handler, clock=clock) == "woken"
    assert clock.now() - START_MS == 2_000


def test_a_loop_in_a_handlers_thread_is_virtual() -> None:
    def handler() -> float:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        result = asyncio.run_coroutine_threadsafe(naps(6), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        return result[0]

    assert call(handler) == 6

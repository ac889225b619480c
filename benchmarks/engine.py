"""What one message costs in the queue engine: sent, received with nine others, deleted; 1 kB bodies.

Three questions. Does the cost stay the same whatever else is in the queue (with 100,000 messages at most 1.3 times that
with 1,000)? How does it compare with moto's own storage, which walks the queue at each step (wanted: 500 times cheaper
with 1,000 in the queue)? And how large is a process that holds 100,000 waiting messages (wanted: under 300 MB)?

Where the time goes, of about 9 µs for a message of a standard queue: 1.4 the body's MD5, 0.6 checking its characters
and size, 1.0 the message id and the receipt handle, 2.0 three facts, 1.5 making the values that are kept and given
back; the queue's own books are the rest, about 2.5. FIFO adds the body's SHA-256, groups and turns, and the memory of
deduplication ids, which goes on for five minutes. The garbage collector is on; what filling the queue owes it is paid
before the clock starts.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from random import Random

from esm_emulator.identifiers import Identifiers
from esm_emulator.profiles import Profile
from esm_emulator.sqs import Engine, NewMessage, QueueSettings

BODY = "x" * 990
DEPTHS = (1_000, 100_000)
TIMES = 500
ROUNDS = 12


def engine_cycle(depth: int, *, fifo: bool) -> Callable[[], None]:
    """Ten messages through a queue in which ``depth`` wait."""
    engine = Engine(identifiers=Identifiers(Random(1)), profile=Profile())
    settings = QueueSettings(fifo_queue=fifo, content_based_deduplication=fifo)
    queue, _ = engine.create("q.fifo" if fifo else "q", settings, 0)
    numbers = count()

    def send(now: int) -> None:
        number = next(numbers)
        engine.send(queue, NewMessage(f"{BODY}{number:010}", group=f"g{number % 50}" if fifo else None), now)

    def cycle() -> None:
        now = next(numbers)
        for _ in range(10):
            send(now)
        for message in engine.receive(queue, 10, now, consumer="Trigger/1")[0]:
            engine.delete(queue, message.receipt_handle, now, consumer="Trigger/1")

    for _ in range(depth):
        send(next(numbers))
    return cycle


def moto_cycle(depth: int) -> Callable[[], None]:
    """The same with moto's storage, called directly: without botocore and HTTP."""
    from moto.sqs.models import SQSBackend  # noqa: PLC0415 # not in the process whose memory is measured

    backend = SQSBackend("us-east-1", "123456789012")
    backend.create_queue("q", None)

    def cycle() -> None:
        for _ in range(10):
            backend.send_message("q", BODY)
        for message in backend.receive_message("q", 10, 0, 30):
            backend.delete_message("q", message.receipt_handle)

    for _ in range(depth):
        backend.send_message("q", BODY)
    return cycle


def per_message(*cycles: Callable[[], None], times: int, rounds: int) -> list[float]:
    """Microseconds a message of each, in its best round; they take turns, so that a busy machine is busy for all."""
    gc.collect()
    best = [float("inf")] * len(cycles)
    for _ in range(rounds):
        for index, cycle in enumerate(cycles):
            started = time.perf_counter()
            for _ in range(times):
                cycle()
            best[index] = min(best[index], (time.perf_counter() - started) / times / 10 * 1e6)
    return best


def largest_size() -> float:
    """The most memory that this process ever had, in MB (resource counts in kB on Linux, in bytes on macOS)."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1024 * 1024 if sys.platform == "darwin" else 1024)


def memory(waiting: int) -> float:
    """The size in MB of a Python that holds so many waiting messages."""
    program = (
        "import runpy; "
        f"module = runpy.run_path({__file__!r}); keep = module['engine_cycle']({waiting}, fifo=False); "
        "print(module['largest_size']())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    empty, full = memory(0), memory(DEPTHS[1])  # first: a child's largest size is at least its parent's when it starts
    print(f"{'µs a message':<22}" + "".join(f"{f'{depth:,} waiting':>18}" for depth in DEPTHS) + f"{'ratio':>8}")
    costs = {}
    for name, fifo in (("standard", False), ("FIFO, 50 groups", True)):
        costs[name] = per_message(*(engine_cycle(depth, fifo=fifo) for depth in DEPTHS), times=TIMES, rounds=ROUNDS)
        few, many = costs[name]
        print(f"{name:<22}{few:>18.2f}{many:>18.2f}{many / few:>8.2f}")
    (moto,) = per_message(moto_cycle(DEPTHS[0]), times=1, rounds=3)
    print(f"{'moto, standard':<22}{moto:>18,.0f}{'-':>18}")
    print(f"\nmoto's storage costs {moto / costs['standard'][0]:,.0f} times the engine's with {DEPTHS[0]:,} waiting")
    print(f"{DEPTHS[1]:,} waiting messages: {full:.0f} MB, of which Python and its modules {empty:.0f} MB")


if __name__ == "__main__":
    main()

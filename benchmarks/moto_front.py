"""What SQS costs a boto3 client through moto's front: one message received and deleted, 1 kB bodies.

    hook        in this process, answered at botocore's before-call event (wanted: under 0.6 ms for the two calls)
    moto        in this process, through mock_aws: signing, moto's parser and serializer
    http        over HTTP to a server in another process, on one connection
    stock moto  in this process, through mock_aws, on moto's own queues

A thousand messages wait, and ten thousand in the second line, to show that it makes no difference. The ways to our
queues take turns, so that a busy machine is busy for all; the best round counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

import boto3
from _servers import client as http_client
from _servers import fill, front, new_queue
from moto import mock_aws

from esm_emulator.clocks.real import RealClock
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.profiles import PROFILES
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend import EmbeddedAws, hook
from esm_emulator.sqs import Engine

BODY = "x" * 1_000
DEPTH = 1_000
WANTED_MS = 0.6


def main() -> None:
    """Print the table."""
    costs = ours() | stock()
    print(f"{'receive + delete of one message':32}{'ms':>9}{'times the hook':>16}")
    for way, ms in costs.items():
        print(f"{way:32}{ms:9.3f}{ms / costs['hook']:15.1f}x")
    print(f"wanted: under {WANTED_MS} ms by the hook: {'kept' if costs['hook'] < WANTED_MS else 'MISSED'}")


def ours() -> dict[str, float]:
    """Milliseconds by each way to our queues."""
    engine = Engine(identifiers=Identifiers(Random(1)), profile=PROFILES["aws-2026"], random=Random(1))
    aws = EmbeddedAws(EmbeddedSqs(engine, RealClock(), Journal()))
    with front() as url, aws.patched():
        short, long, remote = boto3.client("sqs"), boto3.client("sqs"), http_client(url)
        for client in (long, remote):
            client.meta.events.unregister("before-call.sqs", hook.answer)
        cycles = {
            "hook": cycle(short, "hook", DEPTH),
            "hook, 10,000 waiting": cycle(short, "deep", 10 * DEPTH),
            "moto": cycle(long, "moto", DEPTH),
            "http": cycle(remote, "http", DEPTH),
        }
        costs = best(cycles, times=100, rounds=5)
        remote.close()
    return costs


def stock() -> dict[str, float]:
    """Milliseconds on moto's own queues."""
    with mock_aws():
        client = boto3.client("sqs", region_name="us-east-1")
        return best({"stock moto": cycle(client, "stock", DEPTH)}, times=3, rounds=2)


def cycle(client: Any, name: str, depth: int) -> Callable[[], None]:
    """One message through a queue in which ``depth`` wait."""
    url = new_queue(client, name)
    fill(client, url, depth, BODY)

    def take() -> None:
        (message,) = client.receive_message(QueueUrl=url)["Messages"]
        client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    return take


def best(cycles: dict[str, Callable[[], None]], *, times: int, rounds: int) -> dict[str, float]:
    """Milliseconds a message of each, in its best round."""
    costs = dict.fromkeys(cycles, float("inf"))
    for _ in range(rounds):
        for way, take in cycles.items():
            began = time.perf_counter()
            for _ in range(times):
                take()
            costs[way] = min(costs[way], (time.perf_counter() - began) / times * 1000)
    return costs


if __name__ == "__main__":
    main()

"""Servers that several folders of tests talk to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

# moto as its authors wrote it, in a process of its own, until its standard input is closed
_OWN_MOTO = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""

# our queues behind moto, in a process of their own, until its standard input is closed
_SERVED_QUEUES = """
import sys
from random import Random
from esm_emulator.clocks.real import RealClock
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.profiles import PROFILES
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend import EmbeddedAws
from esm_emulator.sqs import Engine
engine = Engine(identifiers=Identifiers(Random(1)), profile=PROFILES["aws-2026"], random=Random(2))
sqs = EmbeddedSqs(engine, RealClock(), Journal())
with EmbeddedAws(sqs).serve() as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="session")
def own_moto() -> Iterator[str]:
    """The URL of moto's own, unpatched server in another process. It has no lock: what threads do at once, it may lose.

    So it may hand out a message twice, and a deleted one again.
    """
    yield from _server(_OWN_MOTO)


@pytest.fixture(scope="session")
def served_queues() -> Iterator[str]:
    """The URL of a server with our queues in another process: what clients do at once is done one after the other."""
    yield from _server(_SERVED_QUEUES)


def _server(program: str) -> Iterator[str]:
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()

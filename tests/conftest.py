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


@pytest.fixture(scope="session")
def own_moto() -> Iterator[str]:
    """The URL of moto's own, unpatched server in another process."""
    command = [sys.executable, "-c", _OWN_MOTO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()

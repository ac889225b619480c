"""The embedded AWS comes with the first import of a client library, and not before."""

from __future__ import annotations

import subprocess
import sys
import textwrap

SETUP = """
import sys
from contextlib import contextmanager
from esm_emulator.queues.on_demand import on_demand

said = []

@contextmanager
def patched():
    said.append("in place")
    import boto3  # as the embedded AWS does
    yield
    said.append("gone")
"""


def run(body: str) -> str:
    """What a fresh interpreter prints: there no client library is loaded yet."""
    script = textwrap.dedent(SETUP) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_is_loaded_for_who_does_not_ask():
    """Without an import nothing is put in place, and no client library is loaded."""
    assert run("with on_demand(patched): pass\nprint(said, 'boto3' in sys.modules)") == "[] False"


def test_the_import_puts_it_in_place_first():
    """It stands before the importing code goes on, and goes with the run."""
    body = """
    with on_demand(patched):
        import boto3
        inside = list(said)
        import botocore.session
    print(inside, said, boto3.__spec__.name, boto3 is sys.modules["boto3"], boto3.client.__module__)
    """
    assert run(body) == "['in place'] ['in place', 'gone'] boto3 True boto3"


def test_a_library_that_is_there_already_means_at_once():
    """Who imported boto3 before the run gets the embedded AWS from its start."""
    assert (
        run("import boto3\nwith on_demand(patched): print(said)\nprint(said)") == "['in place']\n['in place', 'gone']"
    )


def test_after_the_run_an_import_is_only_an_import():
    """The watcher leaves with the run."""
    assert run("with on_demand(patched): pass\nimport boto3\nprint(said, len(sys.meta_path) > 0)") == "[] True"

"""The examples, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDERS = ROOT / "examples" / "orders"


@pytest.mark.slow
def test_of_a_thousand_orders_seven_are_dead_lettered_and_the_rest_is_handled() -> None:
    command = ["run", str(ORDERS / "esm.yaml"), "--send", str(ORDERS / "orders.jsonl"), "--until-idle", "--json", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "esm_emulator", *command], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert result["queues"]["OrdersDlq"]["messages"] == 7
    assert result["queues"]["Orders"]["messages"] == 0
    assert result["mappings"]["Trigger"]["DeletedEventCount"] == 993
    assert result["functions"]["Worker"]["Errors"] == 0

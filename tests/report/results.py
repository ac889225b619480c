"""Results of a replay written by hand, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from esm_emulator.report.results import CaseResult, FailedExpectation

FAILURE = FailedExpectation(
    path="queues.OrdersDlq.messages",
    expected=1,
    actual=0,
    line=18,
    note="OrdersDlq is empty",
    stories=(("m-1: deleted", "            0s  sent to Orders"),),
    stories_left_out=2,
)
DIAGNOSIS = {
    "code": "D101",
    "subject": "Orders",
    "summary": "It was slow.",
    "fix": "Make it fast.",
    "source": "https://example.com/a",
}


def result(*failures: FailedExpectation, **more: Any) -> CaseResult:
    """One case of ``s.esm.yaml``: passed, or with these failures."""
    values: dict[str, Any] = {
        "id": "s[fast]",
        "scenario": "s",
        "variant": "fast",
        "file": "sub/s.esm.yaml",
        "line": 3,
        "seed": 7,
        "stopped": "idle",
        "virtual_seconds": 61.5,
        "real_seconds": 0.0125,
        "clock": "virtual",
        "failures": failures,
        "queues": {},
        "functions": {},
        "mappings": {},
        "messages": (),
        "diagnoses": (),
        "warnings": (),
        "digest": "",
    }
    return CaseResult(**values | more)

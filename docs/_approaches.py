"""The table of scaling.md: the throttling trap and its three repairs, with the numbers of the scenario."""

from __future__ import annotations

from pathlib import Path

from esm_emulator.durations import show_duration
from esm_emulator.report.metrics import Metrics
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import Played, play

__all__ = ["approaches_table"]

SCENARIO = Path(__file__).parent.parent / "scenarios" / "throttling-trap.esm.yaml"
ROWS = {
    "throttling-trap": ("40 messages, 1 slot", "nothing done"),
    "throttling-trap[maximum-concurrency]": ("40 messages, 2 slots", "MaximumConcurrency 2"),
    "throttling-trap[visibility-and-receives]": ("40 messages, 1 slot", "visibility 180 s, 5 receives"),
    "throttling-trap[fifo-groups]": ("40 messages, 1 slot", "FIFO, 1 group"),
    "throttling-trap[reserved-five]": ("400 messages, 5 slots", "nothing done"),
    "throttling-trap[five-maximum-concurrency]": ("400 messages, 5 slots", "MaximumConcurrency 5"),
    "throttling-trap[five-visibility-and-receives]": ("400 messages, 5 slots", "visibility 180 s, 5 receives"),
    "throttling-trap[five-fifo-groups]": ("400 messages, 5 slots", "FIFO, 5 groups"),
}


def approaches_table() -> str:
    """One row for each case of the scenario."""
    cases = {case.id: case for case in load_cases(SCENARIO)}
    rows = ["| burst | approach | throttles | dead letters | time to drain |", "|---|---|---|---|---|"]
    rows += [_row(*ROWS[id], play(cases[id])) for id in ROWS]
    return "\n".join(rows) + "\n"


def _row(burst: str, approach: str, played: Played) -> str:
    metrics = Metrics.of(played.journal)
    throttles = metrics.functions["Worker"]["Throttles"]
    dead = metrics.queues["OrdersDlq"]["messages"]
    seconds = round(played.virtual_ms / 1_000)
    return f"| {burst} | {approach} | {throttles:,} | {dead} | {show_duration(seconds * 1_000)} |"

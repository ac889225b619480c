"""Each cause: the least that shows it, and the nearest that must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from esm_emulator.codes import CODES
from esm_emulator.diagnosis import diagnose
from esm_emulator.diagnosis.finding import Diagnosis
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import play

SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"
CAUSES = [code for code in CODES.values() if code.kind == "D"]
FAILS = {"then": {"raise": {"type": "ValueError", "message": "no"}}}


def diagnoses_of(tmp_path: Path, number: str, changes: dict[str, Any]) -> list[Diagnosis]:
    """What is found in the minimal scenario of a code when some of it is otherwise."""
    file = SCENARIOS / str(CODES[f"ESM-{number}"].scenario)
    scenario = yaml.safe_load(file.read_text(encoding="utf-8"))
    for resource in scenario["resources"].values():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = str(file.parent / resource["Properties"]["CodeUri"])
    scenario |= {"base": "skip", "variants": {"near": {"set": changes, "expect": {}}}}
    path = tmp_path / "near.esm.yaml"
    path.write_text(yaml.safe_dump(scenario), encoding="utf-8")
    (case,) = load_cases(path)
    return diagnose(play(case).journal)


def codes_of(found: list[Diagnosis]) -> list[str]:
    return [diagnosis.code.removeprefix("ESM-") for diagnosis in found]


@pytest.mark.parametrize("code", CAUSES, ids=lambda code: code.id)
def test_every_cause_has_a_scenario_that_names_it_and_a_fixed_variant(code: Any) -> None:
    """Every code has a scenario; ``expect.diagnoses`` there is what the suite of scenarios holds it to."""
    cases = load_cases(SCENARIOS / str(code.scenario))
    base, fixed = cases
    assert code.id in base.model.expect.diagnoses
    assert fixed.variant == "fixed"
    assert fixed.model.expect.diagnoses == []


NEAR: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("D101", "throttled, and run in the end", {"send.0.count": 5, "behavior.Worker": [{"takes": "2s"}]}, []),
    ("D101", "dead-lettered by its own errors", {"behavior.Worker": [FAILS], "send.0.count": 3}, []),
    ("D101", "throttled past the visibility, and run", {"Orders.RedrivePolicy.maxReceiveCount": 100}, ["D111"]),
    ("D110", "a second less", {"timeline.0": {"at": "0s", "set": {"Orders.VisibilityTimeout": 46}}}, []),
    ("D110", "no later receive to meet it", {"send.0.delay": 1, "behavior.Worker": [{"takes": "29s"}]}, []),
    (
        "D111",
        "only the first run is slow",
        {"behavior.Worker": [{"when": {"receive": 1}, "takes": "45s"}, {"takes": "1s"}]},
        ["D110"],
    ),
    ("D112", "a window that leaves enough", {"Trigger.MaximumBatchingWindowInSeconds": 4}, []),
    ("D113", "an error after one receive", {"timeline": [], "behavior.Worker": [FAILS]}, []),
    (
        "D111",
        "a replica delivered it twice",
        {
            "behavior.Worker": [{"takes": "5s"}],
            "timeline.0": {"at": "0s", "for": "1m", "fault": {"redeliver": "Orders"}},
        },
        [],
    ),
    ("D113", "five receives", {"Orders.RedrivePolicy.maxReceiveCount": 5}, ["D110", "D111"]),
    ("D120", "each in a batch of its own", {"Trigger.BatchSize": 1}, []),
    ("D120", "the function fails with everything", {"behavior.Worker": [FAILS], "send.1.count": 39}, []),
    ("D121", "an empty report", {"behavior.Worker": [{"then": {"return": {"batchItemFailures": []}}}]}, []),
    ("D122", "an object of other keys", {"behavior.Worker": [{"then": {"return": {"processed": 10}}}]}, []),
    ("D122", "a misspelled key", {"behavior.Worker": [{"then": {"return": {"BatchItemFailures": []}}}]}, ["D122"]),
    ("D122", "a response for HTTP", {"behavior.Worker": [{"then": {"return": {"statusCode": 500}}}]}, ["D122"]),
    ("D122", "nothing returned", {"behavior.Worker": [{"takes": "1s"}]}, []),
    ("D123", "a batch of one", {"Trigger.BatchSize": 1}, []),
    ("D123", "no partial responses", {"Trigger.FunctionResponseTypes": None}, []),
    ("D124", "a batch of one", {"Trigger.BatchSize": 1, "behavior.Worker.0.takes": "25s"}, []),
    ("D125", "one crash", {"behavior.Worker.0.when": {"invocation": 1}}, []),
    ("D130", "nobody behind it", {"send.1.group": "acct-9"}, []),
    ("D130", "dead-lettered soon", {"Orders.RedrivePolicy.maxReceiveCount": 3}, ["D133"]),
    ("D131", "each in a group of its own", {"send.0.group": "{{ index }}"}, []),
    (
        "D132",
        "a send that is tried again",
        {"send.1.at": "0s", "send.1.label": "first"},
        [],
    ),
    ("D133", "nobody waiting behind it", {"send.1.at": "2m"}, []),
    ("D140", "closed with its window", {"profile": "aws-2026"}, []),
    ("D141", "as many as fit", {"Trigger.BatchSize": 7}, []),
    ("D150", "a filter alone on its queue", {"Other.Enabled": False}, []),
    (
        "D150",
        "a body of another format",
        {"Other.Enabled": False, "send.0.body": "order {{ index }}"},
        ["D150"],
    ),
    (
        "D150",
        "of many not one matches",
        {"Other.Enabled": False, "send.0.body": {"kind": "k7"}},
        ["D150"],
    ),
    ("D160", "dead-lettered at once", {"Orders.VisibilityTimeout": 30}, []),
    ("D161", "expired in its own time", {"timeline": [], "stop": {"when": "never", "after": "5d"}}, []),
    ("D162", "four of them", {"send.0.count": 4}, []),
    ("D170", "a chain that ends", {"Worker.Handler": "recursion.ends"}, []),
    ("D180", "enabled before the end", {"timeline": [{"at": "5m", "enable": "Trigger"}]}, []),
    ("D180", "purged", {"timeline": [{"at": "5m", "purge": "Orders"}]}, []),
    ("D181", "a backlog that is soon gone", {"behavior.Worker": [{"takes": "500ms"}]}, []),
    ("D181", "a limit of its own", {"Trigger.ScalingConfig": {"MaximumConcurrency": 50}}, []),
    ("D182", "room for a cold start", {"Orders.VisibilityTimeout": 33}, []),
]


@pytest.mark.parametrize(("number", "_what", "changes", "expected"), NEAR, ids=lambda value: str(value)[:30])
def test_the_nearest_that_must_not(
    tmp_path: Path, number: str, _what: str, changes: dict[str, Any], expected: list[str]
) -> None:
    """A rule tells a cause only when the journal proves it and its harm."""
    assert codes_of(diagnoses_of(tmp_path, number, changes)) == expected


REPAIRED = [
    case
    for path in sorted(SCENARIOS.rglob("*.esm.yaml"))
    for case in load_cases(path)
    if case.variant in {"fixed", "repaired"} and case.model.clock == "virtual"
]


@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.id)
def test_a_repaired_scenario_has_no_diagnosis(case: Any) -> None:
    """No false alarms: what is mended is silent, under every seed."""
    for seed in (0, 1, 2) if "diagnosis" not in case.model.tags else (0,):
        assert codes_of(diagnose(play(case, seed=seed).journal)) == []


@pytest.mark.parametrize("code", CAUSES, ids=lambda code: code.id)
def test_a_diagnosis_has_its_codes_texts_and_evidence(code: Any) -> None:
    """Code, subject, messages, a summary with numbers, facts that are there, a fix and AWS's page."""
    base = load_cases(SCENARIOS / str(code.scenario))[0]
    journal = play(base).journal
    found = next(diagnosis for diagnosis in diagnose(journal) if diagnosis.code == code.id)
    assert found.fix == code.fix
    assert found.source == code.source
    assert found.subject
    assert any(char.isdigit() for char in found.summary)
    assert found.evidence
    concerned = {id for index in found.evidence for id in _ids(journal[index])}
    assert concerned & set(found.messages) or code.id == "ESM-D181"


def _ids(fact: Any) -> tuple[str, ...]:
    several = (
        tuple(getattr(fact, "messages", ()) or ()) + tuple(getattr(fact, "done", ())) + tuple(getattr(fact, "kept", ()))
    )
    one = (getattr(fact, "message", None), getattr(fact, "new_message", None))
    return several + tuple(id for id in one if id is not None)

"""What a plan does not know yet is found in its configuration, where that is certain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esm_emulator.templates.terraform import examine_state
from esm_emulator.templates.terraform_plan import Plan
from esm_emulator.yaml_source import load_file

MAPPING, QUEUE = "aws_lambda_event_source_mapping", "aws_sqs_queue"


def refers(*references: str) -> dict[str, Any]:
    return {"references": list(references)}


def resource(name: str, type_: str = QUEUE, **expressions: Any) -> dict[str, Any]:
    return {"type": type_, "name": name, "expressions": expressions}


def mapping(*references: str) -> dict[str, Any]:
    return resource("m", MAPPING, event_source_arn=refers(*references))


def target(address: str, root: dict[str, Any], *others: str) -> str | None:
    """Which queue the mapping of that address reads."""
    return Plan({"configuration": {"root_module": root}}, [address, *others]).target(address, "event_source_arn", QUEUE)


@pytest.mark.parametrize(
    ("address", "others", "expected"),
    [
        (f"{MAPPING}.m", [f"{QUEUE}.q"], f"{QUEUE}.q"),
        (f"{MAPPING}.m", [f"{QUEUE}.q[0]"], f"{QUEUE}.q[0]"),
        (f'{MAPPING}.m["b.c"]', [f'{QUEUE}.q["a"]', f'{QUEUE}.q["b.c"]'], f'{QUEUE}.q["b.c"]'),
        (f"{MAPPING}.m[1]", [f"{QUEUE}.q[0]", f"{QUEUE}.q[1]", f"{QUEUE}.queue[1]"], f"{QUEUE}.q[1]"),
        (f"{MAPPING}.m", [f"{QUEUE}.q[0]", f"{QUEUE}.q[1]"], None),
        (f"{MAPPING}.m", [f"{QUEUE}.other"], None),
        (f"{MAPPING}.m", [f"module.a.{QUEUE}.q"], None),
        (f"{MAPPING}.n", [f"{QUEUE}.q"], None),
    ],
)
def test_a_reference_leads_to_the_instance_of_the_same_key(address: str, others: list[str], expected: Any) -> None:
    """With for_each and count; what does not decide is left open."""
    root = {"resources": [mapping(f"{QUEUE}.q[each.key].arn", f"{QUEUE}.q", "each.key"), resource("q")]}
    assert target(address, root, *others) == expected


def test_two_queues_in_one_expression_decide_nothing() -> None:
    """A condition, for example."""
    root = {"resources": [mapping(f"{QUEUE}.a.arn", f"{QUEUE}.b.arn", "var.which")]}
    assert target(f"{MAPPING}.m", root, f"{QUEUE}.a", f"{QUEUE}.b") is None


WORKER = {"resources": [mapping("var.queue")]}
INNER = {"resources": [resource("q")], "outputs": {"arn": {"expression": refers(f"{QUEUE}.q.arn", f"{QUEUE}.q")}}}


def test_a_variable_of_a_module_leads_to_who_calls_it() -> None:
    """Through every level, and with the key of the call."""
    calls = {"worker": {"expressions": {"queue": refers(f"{QUEUE}.q[each.key].arn")}, "module": WORKER}}
    root = {"resources": [resource("q")], "module_calls": calls}
    queues = [f'{QUEUE}.q["a"]', f'{QUEUE}.q["b"]']
    assert target(f'module.worker["b"].{MAPPING}.m', root, *queues) == queues[1]
    outer = {"module_calls": {"outer": {"module": root}}}
    inside = [f"module.outer.{queue}" for queue in queues]
    assert target(f'module.outer.module.worker["a"].{MAPPING}.m', outer, *inside) == inside[0]


def test_an_output_of_a_module_leads_into_it() -> None:
    """Also when it is handed to another module."""
    calls = {
        "queue": {"module": INNER},
        "worker": {"expressions": {"queue": refers("module.queue.arn", "module.queue")}, "module": WORKER},
    }
    root = {"resources": [mapping("module.queue.arn", "module.queue")], "module_calls": calls}
    inside = f"module.queue.{QUEUE}.q"
    assert target(f"{MAPPING}.m", root, inside) == inside
    assert target(f"module.worker.{MAPPING}.m", root, inside) == inside


def test_a_reference_that_goes_round_ends() -> None:
    """Terraform refuses it; a file may hold it all the same."""
    around = {"outputs": {"arn": {"expression": refers("module.a.arn")}}, "module_calls": {}}
    around["module_calls"] = {"a": {"module": around}}
    root = {"resources": [mapping("module.a.arn")], "module_calls": {"a": {"module": around}}}
    assert target(f"{MAPPING}.m", root, "module.a.module.a.module.a.aws_sqs_queue.q") is None


@pytest.mark.parametrize(
    "odd", [None, [], 5, "x", {"root_module": []}, {"root_module": {"resources": [5, {"type": 1}]}}]
)
def test_a_configuration_of_any_shape_breaks_nothing(odd: Any) -> None:
    """Nothing is found then."""
    plan = Plan({"configuration": odd, "resource_changes": [5, {"address": 1, "change": 2}]}, [f"{MAPPING}.m"])
    assert plan.target(f"{MAPPING}.m", "event_source_arn", QUEUE) is None
    assert not plan.is_unknown(f"{MAPPING}.m", "event_source_arn")


def test_what_a_plan_has_yet_to_learn_is_no_default(tmp_path: Path) -> None:
    """The mapping is checked with the queue it will read; a redrive policy to come is named, not called missing."""
    planned = [
        {"address": f"{QUEUE}.q", "type": QUEUE, "values": {"name": "orders", "visibility_timeout_seconds": 30}},
        {
            "address": "aws_lambda_function.f",
            "type": "aws_lambda_function",
            "values": {"function_name": "f", "timeout": 60},
        },
        {"address": f"{MAPPING}.m", "type": MAPPING, "values": {"batch_size": 1}},
    ]
    blocks = [
        resource(
            "m", MAPPING, event_source_arn=refers(f"{QUEUE}.q.arn"), function_name=refers("aws_lambda_alias.a.arn")
        ),
        resource("a", "aws_lambda_alias", function_name=refers("aws_lambda_function.f.function_name")),
    ]
    changes = [{"address": f"{QUEUE}.q", "change": {"after_unknown": {"redrive_policy": True, "arn": True}}}]
    path = tmp_path / "plan.json"
    alias = {"address": "aws_lambda_alias.a", "type": "aws_lambda_alias", "values": {}}
    path.write_text(
        json.dumps(
            {
                "format_version": "1.2",
                "planned_values": {"root_module": {"resources": [*planned, alias]}},
                "configuration": {"root_module": {"resources": blocks}},
                "resource_changes": changes,
            }
        ),
        encoding="utf-8",
    )
    loaded = examine_state(load_file(path))
    assert loaded.found is not None
    assert [problem.clause for problem in loaded.found.refused] == ["API-20"]
    assert [problem.path for problem in loaded.warnings] == [f"{QUEUE}.q.redrive_policy"]
    assert "RedrivePolicy" in loaded.resources.declared[f"{QUEUE}.q"].told

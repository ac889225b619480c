"""The JSON Schema that editors use takes what the loader takes, and refuses what a schema can refuse."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from esm_emulator.errors import ConfigError
from esm_emulator.scenario.file import find_scenarios, load_cases, scenario_schema
from esm_emulator.yaml_source import load_document, load_file
from tests.scenario.stories import BASE, written

SCHEMA = jsonschema.Draft202012Validator(scenario_schema())
LIBRARY = find_scenarios([Path(__file__).parents[2] / "scenarios"])


def test_it_is_a_schema() -> None:
    """Of the version that it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


@pytest.mark.parametrize("file", LIBRARY, ids=lambda file: file.name)
def test_it_takes_every_scenario_of_the_library(file: Path) -> None:
    """Without a word against any of them."""
    assert [f"{error.json_path}: {error.message}" for error in SCHEMA.iter_errors(load_file(file).data)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "sends: []",
        "clock: slow",
        "stop: {after: 3x}",
        "stop: {when: idel}",
        "timeline: [{at: 1s, purge: null}]",
        "timeline: [{at: 1s, fault: {throttel: Worker}}]",
        "send: [{to: Orders, body: a, rate: 20}]",
        "expect: {queues: {Orders: {messages: many}}}",
        "expect: {messages: [{none: {outcome: deletd}}]}",
        "expect: {messages: [{none: {receives: {between: [1]}}}]}",
        "expect: {invariants: [no_mesage_lost]}",
        "expect: {timeline: [{message: a}]}",
    ],
)
def test_it_refuses_what_the_loader_refuses(wrong: str, tmp_path: Path) -> None:
    """Whatever can be seen in a value alone."""
    text = f"{BASE}{wrong}\n"
    with pytest.raises(ConfigError):
        load_cases(written(tmp_path, text))
    assert not SCHEMA.is_valid(load_document(text).data)

"""Filters are judged where resources are loaded (API-33, API-34)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esm_emulator.emulator import VirtualEmulator
from esm_emulator.errors import RefusedByAws
from esm_emulator.mapping.filter import creation_rules
from esm_emulator.profiles import PROFILES
from esm_emulator.resources import Resources
from esm_emulator.scenario.file import load_cases

PROFILE = PROFILES["aws-2026"]
GOOD = '{"body": {"kind": ["a"]}}'


def resources(*patterns: str) -> dict[str, Any]:
    filters = [{"Pattern": pattern} for pattern in patterns]
    return {
        "Orders": {"Type": "AWS::SQS::Queue"},
        "Worker": {"Type": "AWS::Lambda::Function"},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": "Orders",
                "FunctionName": "Worker",
                "FilterCriteria": {"Filters": filters},
            },
        },
    }


def test_a_pattern_that_aws_would_not_take_is_refused() -> None:
    """API-33."""
    rules = creation_rules(PROFILE)
    Resources.parse(resources(GOOD), rules=rules)
    with pytest.raises(RefusedByAws, match="Invalid filter pattern definition"):
        Resources.parse(resources('{"body": "a"}'), rules=rules)


def test_the_quota_is_the_profiles() -> None:
    """API-34, FILT-2."""
    patterns = [f'{{"body": {{"kind": [{number}]}}}}' for number in range(6)]
    with pytest.raises(RefusedByAws, match="takes 5 filters, not 6"):
        Resources.parse(resources(*patterns), rules=creation_rules(PROFILE))
    Resources.parse(resources(*patterns), rules=creation_rules(PROFILE.with_(filters_most=10)))


def test_unlisted_operators_are_refused_where_the_profile_is_strict() -> None:
    """FILT-35."""
    pattern = '{"body": {"file": [{"wildcard": "*.png"}]}}'
    Resources.parse(resources(pattern), rules=creation_rules(PROFILE))
    with pytest.raises(RefusedByAws, match="wildcard"):
        Resources.parse(resources(pattern), rules=creation_rules(PROFILE.with_(strict_filters=True)))


def test_an_emulator_refuses_them() -> None:
    with pytest.raises(RefusedByAws, match="Invalid filter pattern"):
        VirtualEmulator(resources("[]"), handlers={"Worker": lambda _event, _context: None})


def test_a_scenario_refuses_them_at_their_place_and_by_its_own_profile(tmp_path: Path) -> None:
    text = "version: 1\nprofile: %s\nresources:\n"
    text += "  Orders: {Type: AWS::SQS::Queue}\n  Worker: {Type: AWS::Lambda::Function}\n"
    text += "  Trigger:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties:\n      EventSourceArn: Orders\n"
    text += "      FunctionName: Worker\n      FilterCriteria:\n        Filters:\n"
    text += (
        """          - Pattern: '{"body": {"file": [{"wildcard": "*.png"}]}}'\nbehavior:\n  Worker: [{takes: 1s}]\n"""
    )
    file = tmp_path / "some.esm.yaml"
    file.write_text(text % "aws-2026", encoding="utf-8")
    load_cases(file)
    file.write_text(text % "{extends: aws-2026, strict_filters: true}", encoding="utf-8")
    with pytest.raises(RefusedByAws) as caught:
        load_cases(file)
    assert caught.value.problems[0].line == 13

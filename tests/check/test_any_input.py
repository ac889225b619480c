"""Files that nobody should write: they are told of, and nothing breaks."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from esm_emulator.cli import main

DATA = Path(__file__).parent / "data"
FILES = ["terraform-state.json", "terraform-modules.json", "cfn-fifo.json", "cdk-shop.template.json"]
ODD = [None, 0, -1, "", "x", True, [], {}, [[]], [{}], {"Ref": "x"}, {"Fn::GetAtt": []}, {"Fn::GetAtt": 1}]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, item in items for found in paths(item, (*path, key))]


def replaced(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(data)
    node = made
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_an_odd_value_anywhere_is_no_fault_of_ours(tmp_path: Path, name: str) -> None:
    """Each odd value in each place: exit codes 0, 1 and 2 alone."""
    read = json.loads((DATA / name).read_text(encoding="utf-8"))
    for path in paths(read):
        for odd in ODD:
            (tmp_path / name).write_text(json.dumps(replaced(read, path, odd)), encoding="utf-8")
            result = CliRunner().invoke(main, ["check", str(tmp_path / name), "--show", "I"])
            assert result.exit_code in (0, 1, 2), (path, odd, result.output)

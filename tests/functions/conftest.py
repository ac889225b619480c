"""The stages on which functions play."""

from __future__ import annotations

from pathlib import Path

import pytest

from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.process import ProcessFunction
from tests.functions.stages import Stage


@pytest.fixture(params=[InlineFunction, ProcessFunction], ids=["inline", "process"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """A stage for each adapter."""
    return Stage(request.param, tmp_path / "code")


@pytest.fixture
def inline(tmp_path: Path) -> Stage:
    return Stage(InlineFunction, tmp_path / "code")


@pytest.fixture
def process(tmp_path: Path) -> Stage:
    return Stage(ProcessFunction, tmp_path / "code")

"""The pages in ``docs/codes/``: one for each code, and the list of them."""

from __future__ import annotations

from pathlib import Path

from esm_emulator.codes import CODES, Code
from esm_emulator.codes.page import index, page

__all__ = ["code_pages"]

SCENARIOS = Path(__file__).parent.parent / "scenarios"


def code_pages() -> dict[str, str]:
    """The text of each file in ``docs/codes/`` by its name."""
    return {"README.md": index()} | {f"{code.id}.md": page(code, _scenario(code)) for code in CODES.values()}


def _scenario(code: Code) -> str | None:
    return (SCENARIOS / code.scenario).read_text(encoding="utf-8") if code.scenario else None

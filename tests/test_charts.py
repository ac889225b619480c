"""The images of the pages are what their scenarios come to now."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

CHARTS = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "charts.py"))


@pytest.mark.slow
def test_the_chart_of_the_burst_is_up_to_date() -> None:
    """Played anew, the three runs give the same bytes."""
    assert CHARTS["chart"]() == CHARTS["IMAGE"].read_text(encoding="utf-8"), "run: make docs"


def test_the_chart_has_three_panels_with_three_lines_each() -> None:
    """Pollers, concurrent invocations and backlog; a legend names the lines."""
    image = ET.fromstring(CHARTS["IMAGE"].read_text(encoding="utf-8"))
    space = {"svg": "http://www.w3.org/2000/svg"}
    lines = [path.get("stroke") for path in image.findall("svg:path[@stroke-width]", space)]
    assert len(set(lines)) == 3
    assert len(lines) == 3 + 3 * 3
    texts = {text.text for text in image.findall("svg:text", space)}
    assert {"pollers", "concurrent invocations", "backlog: visible messages"} <= texts

"""The colors of the page of a trace can be told apart from what is behind them (WCAG 2.2 AA: 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = files("esm_emulator.report.trace").joinpath("page.css").read_text(encoding="utf-8")
DARK = CSS.index("@media (prefers-color-scheme: dark)")
TEXT_MIN, GRAPHICS_MIN = 4.5, 3.0
BARS = ("ok", "partial", "error", "timeout", "throttle", "cold", "delayed", "flight", "gather", "visible", "edge")


def palette(css):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))


LIGHT = palette(CSS[:DARK])
PALETTES = {"light": LIGHT, "dark": LIGHT | palette(CSS[DARK : CSS.index("\n}\n", DARK)])}


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(params=["light", "dark"])
def colors(request):
    return PALETTES[request.param]


@pytest.mark.parametrize("text", ["ink", "soft", "accent"])
@pytest.mark.parametrize("behind", ["paper", "card", "accent-soft", "hover"])
def test_text_can_be_read(colors, text, behind):
    assert contrast(colors[text], colors[behind]) >= TEXT_MIN


def test_the_code_of_a_diagnosis_can_be_read(colors):
    assert contrast(colors["error"], colors["card"]) >= TEXT_MIN


@pytest.mark.parametrize("bar", BARS)
def test_a_bar_can_be_seen(colors, bar):
    assert contrast(colors[bar], colors["card"]) >= GRAPHICS_MIN


@pytest.mark.parametrize("bar", ["ok", "partial", "error", "timeout", "flight"])
def test_black_or_white_can_be_read_on_a_bar(colors, bar):
    """The script takes the better one, by the bar's luminance."""
    ink = "#0b1017" if luminance(colors[bar]) > 0.19 else "#ffffff"
    assert contrast(colors[bar], ink) >= TEXT_MIN

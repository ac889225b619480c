"""Writes images/burst-ramp.svg: pollers, concurrency and backlog while a burst is worked off, under three profiles.

Plain SVG in colors that can be read on a light and on a dark page, the same bytes each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from esm_emulator.report.series import Series
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import play

__all__ = ["IMAGE", "chart"]

DOCS = Path(__file__).parent
IMAGE = DOCS / "images" / "burst-ramp.svg"
SCENARIO = DOCS.parent / "scenarios" / "burst-ramp.esm.yaml"

WIDTH, LEFT, RIGHT, TOP = 760, 64, 16, 64
PANEL, GAP = 150, 44
SECONDS = 330
GRAY = "#7a828e"  # 3.9:1 on white, 4.9:1 on GitHub's dark page


@dataclass(frozen=True, slots=True)
class Run:
    """One case of the scenario; lines are one value for each second, from 0 on."""

    name: str
    color: str
    dashes: str
    pollers: list[float]
    concurrency: list[float]
    backlog: list[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the three charts; ``top`` is where it begins, ``step`` the distance of its grid lines."""

    title: str
    field: str
    most: int
    step: int
    top: float


PANELS = [
    Panel("pollers", "pollers", 750, 250, TOP),
    Panel("concurrent invocations", "concurrency", 1_000, 250, TOP + PANEL + GAP),
    Panel("backlog: visible messages", "backlog", 10_000, 2_500, TOP + 2 * (PANEL + GAP)),
]
CASES = {
    "burst-ramp[aws-2018]": ("aws-2018: 60 a minute", "#2f81d7", "7 3"),
    "burst-ramp": ("aws-2026: 300 a minute", "#d1682a", ""),
    "burst-ramp[provisioned]": ("provisioned: 20 to 100 pollers of 10", "#2b9a4b", "2 2.5"),
}


def runs() -> Iterator[Run]:
    """Play the three cases."""
    cases = {case.id: case for case in load_cases(SCENARIO)}
    for id, (name, color, dashes) in CASES.items():
        series = Series.of(play(cases[id]).journal, 1_000)
        mapping, function, queue = series.mappings["Trigger"], series.functions["Worker"], series.queues["Orders"]
        backlog = queue["ApproximateNumberOfMessagesVisible"]
        yield Run(name, color, dashes, mapping["pollers"], function["ConcurrentExecutions"], backlog)


def chart() -> str:
    """The whole image."""
    played = list(runs())
    height = round(PANELS[-1].top + PANEL + 44)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
        'font-family="system-ui, sans-serif" font-size="12" role="img">',
        "<title>10,000 messages of 5 s each: pollers, concurrent invocations and backlog over time</title>",
        *_legend(played),
    ]
    for panel in PANELS:
        parts += _frame(panel)
        parts += [_line(run, panel) for run in played]
    parts += [_text(_x(second), height - 26, f"{second} s", "middle") for second in range(0, SECONDS, 60)]
    parts.append(_text(LEFT + (WIDTH - LEFT - RIGHT) / 2, height - 8, "time since the burst", "middle"))
    return "\n".join([*parts, "</svg>", ""])


def _legend(played: Iterable[Run]) -> Iterator[str]:
    x = LEFT
    for run in played:
        yield f'<path d="M{x} 20h28" {_stroke(run)}/>'
        yield _text(x + 36, 24, run.name, "start", color=run.color)
        x += 36 + round(len(run.name) * 6.2) + 28


def _frame(panel: Panel) -> Iterator[str]:
    """The title, and grid lines with their values."""
    yield _text(LEFT, panel.top - 10, panel.title, "start", weight="600")
    for value in range(0, panel.most + 1, panel.step):
        y = _y(value, panel)
        opacity = "1" if value == 0 else "0.3"
        yield f'<path d="M{LEFT} {y:g}H{WIDTH - RIGHT}" stroke="{GRAY}" stroke-opacity="{opacity}"/>'
        yield _text(LEFT - 8, y + 4, f"{value:,}", "end")


def _line(run: Run, panel: Panel) -> str:
    """One run's line, with a point only where its slope changes. Nothing runs at the end, but the pollers stay."""
    values = getattr(run, panel.field)
    values = values if panel.field == "pollers" else [*values[:-1], 0]
    points = [(second, value) for second, value in enumerate(values)]
    kept = [
        point
        for before, point, after in zip([None, *points], points, [*points[1:], None], strict=False)
        if before is None or after is None or point[1] - before[1] != after[1] - point[1]
    ]
    path = "L".join(f"{_x(second):.1f} {_y(value, panel):.1f}" for second, value in kept)
    return f'<path d="M{path}" {_stroke(run)}/>'


def _stroke(run: Run) -> str:
    dashes = f' stroke-dasharray="{run.dashes}"' if run.dashes else ""
    return f'fill="none" stroke="{run.color}" stroke-width="2" stroke-linejoin="round"{dashes}'


def _text(x: float, y: float, text: str, anchor: str, *, color: str = GRAY, weight: str = "400") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{color}" text-anchor="{anchor}" font-weight="{weight}">{text}</text>'


def _x(second: float) -> float:
    return LEFT + second * (WIDTH - LEFT - RIGHT) / SECONDS


def _y(value: float, panel: Panel) -> float:
    return panel.top + PANEL * (1 - value / panel.most)


def main() -> None:
    """Write the image anew."""
    IMAGE.parent.mkdir(exist_ok=True)
    IMAGE.write_text(chart(), encoding="utf-8")
    print(IMAGE.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()

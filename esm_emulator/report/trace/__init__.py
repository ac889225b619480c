"""A run as one HTML page: a timeline, charts, every message's life, and a cursor that shows the state at a moment.

The page is one file that needs nothing else: no network, no library. Its data stand in it as JSON, from
:mod:`~esm_emulator.report.trace.model`; its script draws them. Text from a run only ever reaches the page as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

from esm_emulator.garbage import collected_rarely
from esm_emulator.journal import Fact
from esm_emulator.report.trace.model import Cause, model

__all__ = ["embedded", "page", "trace"]

_LONE = re.compile("[\ud800-\udfff]")  # half of a character, which no file can hold; its escape can


def trace(
    journal: Iterable[Fact],
    diagnoses: Sequence[Cause] = (),
    *,
    redact: bool = False,
    real_seconds: float | None = None,
) -> str:
    """The page of a whole journal. ``redact`` leaves bodies out, and every text that could quote one.

    ``real_seconds`` is what the run took outside, which a journal in virtual time does not know.
    """
    with collected_rarely():
        return page(model(journal, diagnoses, redact=redact, real_seconds=real_seconds))


def page(data: dict[str, Any]) -> str:
    """The page of data made by :func:`~esm_emulator.report.trace.model.model`.

    With ``live`` in them, the queues, dead-letter queues and mappings of a run that goes on, it asks the server that it
    came from for more; without, it asks nobody for anything.
    """
    live = "live" in data
    head, _, tail = _part("page.html").replace("/*style*/", _part("page.css")).partition("/*data*/")
    script = _part("page.js").replace("/*live*/", _part("live.js") if live else "")
    head = head.replace("/*connect*/", "connect-src 'self'; " if live else "")
    return head + embedded(data) + tail.replace("/*script*/", script)


def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def embedded(data: object) -> str:
    """JSON that can stand in a ``script`` element, whatever texts are in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    text = _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

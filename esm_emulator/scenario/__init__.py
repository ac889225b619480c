"""Scenario files: what exists, what is sent, what else happens, and what must come of it.

``values`` reads durations, rates, ranges and comparisons; ``file`` is the schema and loads a file into cases; ``play``
plays one case; ``expect`` judges what came of it. ``docs/scenarios.md`` describes the format for whoever writes one.
"""

__all__: list[str] = []

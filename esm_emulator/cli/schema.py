"""``esm schema``: JSON Schema, so that editors complete and check."""

from __future__ import annotations

import json
from typing import Any

import click

__all__ = ["command"]


@click.command("schema")
@click.argument("kind", type=click.Choice(["config", "scenario"]), default="config")
def command(kind: str) -> None:
    """Print the JSON Schema of a configuration (esm.yaml, the default) or of a scenario (*.esm.yaml).

    \b
    Example:
      esm schema scenario > scenario.schema.json
      # yaml-language-server: $schema=scenario.schema.json    (the first line of a scenario)
    """
    click.echo(json.dumps(_schema(kind), indent=2, ensure_ascii=False))


def _schema(kind: str) -> dict[str, Any]:
    if kind == "config":
        from esm_emulator.resources import resources_schema  # noqa: PLC0415 - pydantic is not cheap to import

        return resources_schema()
    from esm_emulator.scenario.file import scenario_schema  # noqa: PLC0415

    return scenario_schema()

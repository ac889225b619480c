"""``python -m esm_emulator`` is ``esm``."""

from __future__ import annotations

from esm_emulator.cli import main

__all__: list[str] = []

main(prog_name="esm")

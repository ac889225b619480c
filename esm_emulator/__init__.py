"""A local emulator of AWS Lambda's event source mapping for Amazon SQS.

The emulator for code is loaded when it is first asked for, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esm_emulator.emulator import RealEmulator, VirtualEmulator
    from esm_emulator.mapping.filter import FilterPattern

__all__ = ["FilterPattern", "RealEmulator", "VirtualEmulator", "__version__"]

__version__ = "0.1.0"

_HOMES = {
    "FilterPattern": "esm_emulator.mapping.filter",
    "RealEmulator": "esm_emulator.emulator",
    "VirtualEmulator": "esm_emulator.emulator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

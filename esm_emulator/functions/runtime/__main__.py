"""The entry of a worker process: ``python …/functions/runtime/__main__.py <number of its socket>``.

It is run as a file, and puts empty packages in the place of those around this folder while the worker is imported: so
neither the emulator nor anything that it needs is loaded beside the handler. Afterwards those names are free again, and
a handler may import the emulator for itself.
"""

from __future__ import annotations

import importlib
import os
import sys

__all__ = ["main"]

PACKAGES = ("esm_emulator", "esm_emulator.functions")


def main() -> None:
    """Run the worker on the socket that the command line names."""
    here = os.path.dirname(os.path.abspath(__file__))
    functions = os.path.dirname(here)
    for name, folder in zip(PACKAGES, (os.path.dirname(functions), functions), strict=True):
        package = type(sys)(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    worker = importlib.import_module("esm_emulator.functions.runtime.worker")
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGES[0]]:
        del sys.modules[name]
    worker.main(int(sys.argv[1]))


if __name__ == "__main__":
    main()

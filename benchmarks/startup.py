"""How long the program takes to say something, and the package to import: medians of several starts.

Wanted: `esm --help` under 0.2 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 10
PROGRAMS = {
    "python (nothing)": "",
    "import esm_emulator": "import esm_emulator",
    "esm --help": "from esm_emulator.cli import main; main(['--help'])",
    "esm run --help": "from esm_emulator.cli import main; main(['run', '--help'])",
    "esm replay --help": "from esm_emulator.cli import main; main(['replay', '--help'])",
}


def milliseconds(program: str) -> float:
    """One start of a Python that runs ``program``."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    print(f"{'':<22}{'median ms':>10}{'worst ms':>10}")
    for name, program in PROGRAMS.items():
        taken = [milliseconds(program) for _ in range(ROUNDS)]
        print(f"{name:<22}{statistics.median(taken):>10.0f}{max(taken):>10.0f}")


if __name__ == "__main__":
    main()

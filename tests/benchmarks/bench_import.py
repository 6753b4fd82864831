"""Seconds until `import symgrad` is done in a fresh process, beside NumPy and an empty program: the best of ten."""

from __future__ import annotations

import subprocess
import sys
import time

PROGRAMS = ["pass", "import numpy", "import symgrad"]
REPEATS = 10


def seconds(program: str) -> float:
    """The wall time of one fresh interpreter that runs `program`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print one line per program."""
    for program in PROGRAMS:
        print(f"{program:16} {min(seconds(program) for _ in range(REPEATS)):.3f} s")


if __name__ == "__main__":
    main()

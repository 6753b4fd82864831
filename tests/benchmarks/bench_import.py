"""Milliseconds until `import symgrad` is done in a fresh process, beside what it is built on: medians of processes that
run in turns, without the time of an empty program.  `ratio` is to NumPy and llvmlite.binding.

`python tests/benchmarks/bench_import.py [PROCESSES]`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

BASE = "import numpy, llvmlite.binding"
PROGRAMS = ["pass", "import numpy", BASE, "import symgrad"]


def milliseconds(program: str) -> float:
    """The wall time of one fresh interpreter that runs `program`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    """Print one line per program."""
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    found: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    for _ in range(processes):
        for program in PROGRAMS:
            found[program].append(milliseconds(program))
    empty, *times = (statistics.median(found[program]) for program in PROGRAMS)
    base = times[PROGRAMS.index(BASE) - 1] - empty
    for program, total in zip(PROGRAMS[1:], times, strict=True):
        print(f"{program:32} {total - empty:7.1f} ms   ratio {(total - empty) / base:.2f}")


if __name__ == "__main__":
    main()

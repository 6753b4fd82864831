"""Fuzzing for as long as there is time: ``python -m tests.fuzz.campaign [seconds] [seed] [compiled]``.

Prints every failure with the seed that reproduces it, and how many cases were tried: a case is one formula on one set
of arrays, value, gradient and derivative along a direction together."""

from __future__ import annotations

import sys
import time
import traceback

import numpy as np

from tests.fuzz.compare import Ways, compiled, made
from tests.fuzz.generate import Formula, arrays

POINTS = 8


def one(seed: int, machine_code: bool) -> int:
    """Tries one formula; the number of cases.  Raises AssertionError for a disagreement."""
    rng = np.random.default_rng(seed)

    def choose(n: int) -> int:
        return int(rng.integers(n))

    formula = Formula(choose, 3 if machine_code else 4)
    ways = Ways(formula.text)
    found = [made(ways, arrays(choose, formula.not_empty, rng), rng) for _ in range(POINTS)]
    points = [p for p in found if p is not None]
    if not points or not ways.symbols:
        return 0
    if machine_code:
        function = compiled(ways)
        for p in points:
            p.check_compiled(function)
        return len(points)
    roots = ways.canonical()
    graphs = [("canonical", roots[0]), ("read back", ways.read_back())]
    graphs += [("simplified", ways.simplified())] if seed % 8 == 0 else []
    for what, value in graphs:
        for p in points:
            p.check_interpreted([value, *roots[1:]], what)
    return len(points)


def main(seconds: float = 60.0, seed: int = 0, machine_code: bool = False) -> None:
    """Runs until the time is over."""
    start, cases, formulas, failures = time.monotonic(), 0, 0, 0
    while time.monotonic() - start < seconds:
        try:
            cases += one(seed, machine_code)
        except Exception as problem:
            failures += 1
            place = traceback.extract_tb(problem.__traceback__)[-1]
            what = f"{type(problem).__name__}: {str(problem)[:300]}"
            print(f"seed {seed}: {what} ({place.name}:{place.lineno})", flush=True)
        formulas, seed = formulas + 1, seed + 1
    print(f"{formulas} formulas, {cases} cases, {failures} failures; next seed {seed}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 60.0, int(given[1]) if len(given) > 1 else 0, "compiled" in given)

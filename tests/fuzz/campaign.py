"""Fuzzing for as long as there is time: ``python -m tests.fuzz.campaign [seconds] [seed] [way]``.

Prints every failure with the seed that reproduces it, and how many cases were tried: a case is one formula on one set
of arrays, value, gradient and derivative along a direction together.  The way is `interpreted`, `compiled`, `single`
(compiled in float32) or `batched` (by vmap)."""

from __future__ import annotations

import sys
import time
import traceback

import numpy as np

from tests.fuzz.compare import Ways, check_batch, compiled, made
from tests.fuzz.generate import Formula, arrays, sizes

POINTS = 8


def one(seed: int, way: str) -> int:
    """Tries one formula; the number of cases.  Raises AssertionError for a disagreement."""
    rng = np.random.default_rng(seed)

    def choose(n: int) -> int:
        return int(rng.integers(n))

    formula = Formula(choose, 4 if way == "interpreted" else 3)
    ways = Ways(formula.text)
    shape = sizes(choose, formula.not_empty)
    shapes = [shape if way == "batched" else sizes(choose, formula.not_empty) for _ in range(POINTS)]
    found = [made(ways, arrays(choose, s, rng), rng) for s in shapes]
    points = [p for p in found if p is not None]
    if not points or not ways.symbols:
        return 0
    if way == "batched":
        check_batch(ways, points)
        return len(points)
    if way != "interpreted":
        function = compiled(ways, "f32" if way == "single" else None)
        for p in points:
            if way == "single":
                p.check_single(function)
            else:
                p.check_compiled(function)
        return len(points)
    roots = ways.canonical()
    graphs = [("canonical", roots[0]), ("read back", ways.read_back())]
    graphs += [("simplified", ways.simplified())] if seed % 8 == 0 else []
    for what, value in graphs:
        for p in points:
            p.check_interpreted([value, *roots[1:]], what)
    return len(points)


def main(seconds: float = 60.0, seed: int = 0, way: str = "interpreted") -> None:
    """Runs until the time is over."""
    start, cases, formulas, failures = time.monotonic(), 0, 0, 0
    while time.monotonic() - start < seconds:
        try:
            cases += one(seed, way)
        except Exception as problem:
            failures += 1
            place = traceback.extract_tb(problem.__traceback__)[-1]
            what = f"{type(problem).__name__}: {str(problem)[:300]}"
            print(f"seed {seed}: {what} ({place.name}:{place.lineno})", flush=True)
        formulas, seed = formulas + 1, seed + 1
    print(f"{formulas} formulas, {cases} cases, {failures} failures; next seed {seed}")


if __name__ == "__main__":
    given = sys.argv[1:]
    seconds, first, how = (*given, *("60", "0", "interpreted")[len(given) :])
    main(float(seconds), int(first), how)

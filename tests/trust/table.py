"""Prints the accuracy table: ``python -m tests.trust.table [group]``; computes exact numbers that are missing."""

from __future__ import annotations

import sys

from tests.trust.measure import QUANTITIES, Store, cases, measure


def main(wanted: str = "") -> None:
    """One line per formula: the largest error in units of the bound, for value, gradient and Hessian."""
    store, met, total, lines = Store(), [0, 0, 0], 0, []
    store.fill()
    for case in cases():
        if wanted and wanted not in (case.group, case.text):
            continue
        total += 1
        try:
            found = measure(case, store)
        except Exception as problem:
            lines.append(f"{case.group:20} {case.text:60} {type(problem).__name__}: {str(problem)[:150]}")
            continue
        for k in range(3):
            met[k] += found.worst[k] <= 1
        shown = " ".join(f"{e:9.2g}{' ' if e <= 1 else '!'}" for e in found.worst)
        worst = next((w for w, e in zip(found.where, found.worst, strict=True) if not e <= 1), "")
        lines.append(f"{case.group:20} {case.text:60} {shown} {worst}")
    print(f"{'':81} {'    '.join(QUANTITIES)}")
    print("\n".join(lines))
    print(f"{total} formulas; met: " + ", ".join(f"{q} {n}" for q, n in zip(QUANTITIES, met, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])

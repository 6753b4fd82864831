"""What symgrad computes for a formula and its derivatives, compiled and interpreted, against the exact numbers.

The error of a component is allowed ``max(1e-13, 8*eps*kappa)`` of its size, kappa the condition number of the exact
function; near the ends of the range of doubles a few of the smallest subnormals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import symgrad as sg
from symgrad import interpreter
from symgrad.calculus import all_symbols
from symgrad.rewrite.canonical import canonicalise
from tests.trust.formulas import ONE_VARIABLE, SEVERAL
from tests.trust.reference import exact
from tests.trust.spellings import SPELLINGS

STORE = Path(__file__).parent / "exact.json"
EPS, LARGEST = 2.0**-52, 1.7976931348623157e308
QUANTITIES = ("value", "gradient", "hessian")
Point = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A formula at some points."""

    group: str
    text: str
    points: tuple[Point, ...]

    @property
    def shapes(self) -> dict[str, str]:
        """The declarations of its variables."""
        return {name: str(len(v)) if isinstance(v, list) else "" for name, v in self.points[0].items()}


def cases() -> Iterator[Case]:
    """All formulas of the table."""
    for group, (numbers, texts) in ONE_VARIABLE.items():
        for text in texts:
            yield Case(group, text, tuple({"x": v} for v in numbers))
    for group, (points, texts) in (SEVERAL | SPELLINGS).items():
        for text in texts:
            used = [{n: v for n, v in p.items() if _mentions(text, n)} for p in points]
            yield Case(group, text, tuple(p for k, p in enumerate(used) if p not in used[:k]))


def _mentions(text: str, name: str) -> bool:
    import re

    return re.search(rf"\b{name}\b", text) is not None


def _key(text: str, point: Point) -> str:
    return hashlib.sha256(f"{text} at {point}".encode()).hexdigest()[:16]


def _exact_rows(asked: tuple[str, Point]) -> list[list[str]]:
    try:
        return [[r["value"], r["sensitivity"]] for r in exact(*asked)]
    except (ZeroDivisionError, ValueError):
        return []


class Store:
    """The exact numbers, remembered in a file: computing them takes minutes."""

    def __init__(self) -> None:
        self.rows: dict[str, list[list[str]]] = json.loads(STORE.read_text()) if STORE.exists() else {}

    def numbers(self, text: str, point: Point) -> list[list[str]]:
        """[value, sensitivity] of value, gradient and second derivatives; empty where the formula has no value."""
        return self.rows[_key(text, point)]

    def fill(self) -> None:
        """Computes what is missing, on all processors."""
        from concurrent.futures import ProcessPoolExecutor

        missing = [(c.text, p) for c in cases() for p in c.points if _key(c.text, p) not in self.rows]
        with ProcessPoolExecutor() as workers:
            for (text, point), rows in zip(missing, workers.map(_exact_rows, missing, chunksize=4), strict=True):
                self.rows[_key(text, point)] = rows
        if missing:
            self.save()

    def save(self) -> None:
        """Writes the file if there is anything new, without numbers that no formula needs any more."""
        wanted = {_key(c.text, p) for c in cases() for p in c.points}
        rows = {k: v for k, v in sorted(self.rows.items()) if k in wanted}
        lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items())
        STORE.write_text("{\n" + lines + "\n}\n")


def computed(case: Case, compiled: bool) -> list[list[list[float]]]:
    """For each point the numbers of value, gradient and Hessian, compiled or interpreted."""
    f = sg.parse(case.text, **case.shapes)
    names = tuple(case.shapes)
    outputs = [f, *f.grad(names), *(h for row in f.hessian(names) for h in row)]
    arrays = [{n: np.asarray(v, np.float64) for n, v in p.items()} for p in case.points]
    if compiled:
        function = sg.compile(outputs, inputs=names)
        return [_parts(function(**values), case) for values in arrays]
    symbols = {x.params[0]: x for x in all_symbols(f)}
    roots = canonicalise([x.node for x in outputs])
    return [_parts(interpreter.run(roots, {symbols[n]: v for n, v in values.items()}, {}), case) for values in arrays]


def _parts(found: Any, case: Case) -> list[list[float]]:
    n = len(case.shapes)
    first, last = [found[0]], [found[k] for k in range(1, n + 1)]
    sizes = [np.size(v) for v in case.points[0].values()]
    rows = []
    for i in range(n):
        blocks = [np.asarray(found[1 + n + i * n + j]).reshape(sizes[i], sizes[j]) for j in range(n)]
        rows.append(np.concatenate(blocks, axis=1))
    return [[float(v) for x in group for v in np.ravel(x)] for group in (first, last, rows)]


def error(found: float, value: str, sensitivity: str) -> float:
    """The error in units of what is allowed (at most 1 is met)."""
    from mpmath import inf, isnan, mpf, workdps

    with workdps(40):
        exact_value, slope = mpf(value), mpf(sensitivity)
        if isnan(exact_value):
            return 0.0
        if abs(exact_value) > LARGEST * (1 - 1e-12):
            return 0.0 if np.isinf(found) and (found > 0) == (exact_value > 0) else float("inf")
        if not np.isfinite(found):
            return float("inf")
        allowed = max(mpf("1e-13") * abs(exact_value), 8 * EPS * slope) + mpf("1e-321")
        ratio = abs(mpf(found) - exact_value) / allowed
        return float(ratio) if ratio < inf else float("inf")


def errors(numbers: list[list[str]], parts: list[list[float]]) -> list[float]:
    """The largest error of value, gradient and Hessian at one point."""
    worst, k = [], 0
    for part in parts:
        worst.append(max((error(v, *numbers[k + i]) for i, v in enumerate(part)), default=0.0))
        k += len(part)
    return worst


@dataclass(frozen=True)
class Measured:
    """The largest errors of a formula over its points, and where they are: value, gradient, Hessian."""

    case: Case
    worst: tuple[float, float, float]
    where: tuple[str, str, str]

    @property
    def unmet(self) -> tuple[str, ...]:
        """The quantities that miss the bound."""
        return tuple(q for q, e in zip(QUANTITIES, self.worst, strict=True) if not e <= 1)


def measure(case: Case, store: Store, ways: tuple[str, ...] = ("compiled", "interpreted")) -> Measured:
    """`case`, compiled and interpreted."""
    worst, where = [0.0] * 3, [""] * 3
    for how in ways:
        for point, parts in zip(case.points, computed(case, how == "compiled"), strict=True):
            numbers = store.numbers(case.text, point)
            for k, e in enumerate(errors(numbers, parts) if numbers else ()):
                if not e <= worst[k]:
                    worst[k], where[k] = e, f"{how} at {point}"
    return Measured(case, (worst[0], worst[1], worst[2]), (where[0], where[1], where[2]))

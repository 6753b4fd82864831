"""Very large formulas: what is computed twice is computed once, and nothing else changes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.graph import postorder
from symgrad.rewrite.numbering import numbered_values
from symgrad.rewrite.terms import number_of

Expr = Any
x, y, z = (sg.scalar(name) for name in "xyz")

SAME: list[tuple[str, Expr, Expr]] = [
    ("association", (x * y) * z, x * (z * y)),
    ("signs of factors", (-x) * y, -(x * y)),
    ("signs of differences", (x - y) * z, -((y - x) * z)),
    ("even powers of negatives", (x - y) ** 2, (y - x) ** 2),
    ("products are powers", x * x * x, x**3),
    ("coefficients", (2 * x) * (y * 0.5), x * y),
    ("reciprocals", (1 / x) / x, 1 / x**2),
    ("like terms", x * y + y * x, 2 * (x * y)),
    ("sums in any order", x + sg.sin(z), sg.sin(z) + x),
    ("nothing is added", 0 - x, -x),
    ("in functions", sg.sin(x * y), sg.sin(y * x)),
]


def numbered(*outputs: Expr) -> list[Any]:
    roots = [e.node for e in outputs]
    return numbered_values(postorder(roots), roots)


@pytest.mark.parametrize(("a", "b"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_values_spelled_in_two_ways_are_one(a: Expr, b: Expr) -> None:
    first, second = numbered(a, b)
    assert first is second


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (lambda x: x / x, 0.0),
        (lambda x: x - x, math.inf),
        (lambda x: x * (1 / x), math.inf),
        (lambda x: (x * x) / x, 0.0),
        (lambda x: x + x - 2 * x, math.inf),
        (lambda x: 0 * x, math.nan),
        (lambda x: (1e200 * x) * (1e200 * x), 1e-220),
    ],
)
def test_what_ieee_says_stays(f: Callable[[Any], Any], at: float) -> None:
    (root,) = numbered(f(x))
    with np.errstate(all="ignore"):
        expected = f(np.float64(at))
    np.testing.assert_array_equal(sg.Expr(root)(x=at), expected)


def operations(roots: list[Any]) -> int:
    """How many there are; signs cost nothing, they enter into sums."""
    below = [x for x in postorder(roots) if x.inputs and x.op.name != "neg"]
    return sum(x.op.name != "mul" or number_of(x.inputs[0]) != -1 for x in below)


@pytest.mark.parametrize("seed", range(6))
def test_random_formulas_keep_their_values_and_settle(seed: int) -> None:
    choose = random.Random(seed)
    at = [choose.uniform(0.5, 2) for _ in range(3)]
    known: list[tuple[Any, float]] = [*zip((x, y, z), at, strict=True)]
    for _ in range(200):
        (a, u), (b, v) = choose.choice(known), choose.choice(known[-12:])
        made = [(a + b, u + v), (a - b, u - v), (a * b, u * v), (-a, -u), (0.5 * a, 0.5 * u), (a * a, u * u),
                (sg.sin(a), math.sin(u)), (sg.exp(sg.sin(a)) / (2 * b), math.exp(math.sin(u)) / (2 * v) if v else 0),
                (3 - a, 3 - u), (a**3, u**3), (1 / b / b, 1 / v / v if v else 0)]  # fmt: skip
        known += [(e, w) for e, w in [choose.choice(made)] if 1e-3 < abs(w) < 1e3]
    roots = [e.node for e, _ in known]
    results = numbered_values(postorder(roots), roots)
    assert operations(results) <= operations(roots)
    assert all(a is b for a, b in zip(numbered_values(postorder(results), results), results, strict=True))
    for result, (_, expected) in zip(results, known, strict=True):
        given = dict(zip("xyz", at, strict=True))
        value = sg.Expr(result, tuple(s.node for s in (x, y, z)))(**given)
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_hessian_of_scalars_is_symmetric_without_being_computed_twice() -> None:
    h = sg.sqrt(x * x + y * y + z * z).hessian(("x", "y", "z"))
    assert all(h[i][j].node is h[j][i].node for i in range(3) for j in range(3))
    n = sg.sqrt(x * x + y * y + z * z)(x=1, y=2, z=2)
    assert h[0][1](x=1, y=2, z=2) == pytest.approx(-2 / n**3)

"""Stable forms in graphs of thousands of operations: what loses digits is rewritten there too, value and gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad.expression import Expr
from symgrad.graph import postorder
from symgrad.rewrite.canonical import HUGE

# A part of the formula, a point, and the part in mpmath.
PARTS = [
    ("1 - sigmoid(x)", 40.0, lambda x: 1 / (1 + mpmath.exp(x))),
    ("exp(x) - 1", 1e-9, mpmath.expm1),
    ("1 - exp(x)", 1e-9, lambda x: -mpmath.expm1(x)),
    ("sqrt(x + 1) - sqrt(x)", 1e12, lambda x: mpmath.sqrt(x + 1) - mpmath.sqrt(x)),
    ("1 - cos(x)", 1e-6, lambda x: 1 - mpmath.cos(x)),
    ("cosh(x) - 1", 1e-6, lambda x: mpmath.cosh(x) - 1),
    ("log(1 + x)", 1e-12, mpmath.log1p),
    ("log(1 + exp(x))", -50.0, lambda x: mpmath.log1p(mpmath.exp(x))),
    ("1 - erf(x)", 6.0, mpmath.erfc),
    ("1 - tanh(x)**2", 20.0, lambda x: mpmath.sech(x) ** 2),
    ("sqrt(1 + x) - 1", 1e-12, lambda x: mpmath.sqrt(1 + x) - 1),
    ("x - sin(x)", 1e-4, lambda x: x - mpmath.sin(x)),
    ("sin(x)/x", 0.0, mpmath.sinc),
    ("tanh(x)/x", 1e-5, lambda x: mpmath.tanh(x) / x),
    ("exp(x)/(1 + exp(x))", 800.0, lambda x: 1 / (1 + mpmath.exp(-x))),
    ("sqrt(1 + x**2)", 1e200, lambda x: mpmath.sqrt(x**2 + 1)),
    ("log(x + 1) - log(x)", 1e12, lambda x: mpmath.log1p(1 / x)),
    ("1/(x + 1) - 1/x", 1e9, lambda x: -1 / (x * (x + 1))),
    ("log((1 + x)/(1 - x))", 1e-9, lambda x: 2 * mpmath.atanh(x)),
    ("(x + 1)**2 - x**2", 1e9, lambda x: 2 * x + 1),
    ("(exp(2*x) - 1)/(exp(2*x) + 1)", 1e-9, mpmath.tanh),
    ("-log(1 - 1/(1 + exp(-x)))", -700.0, lambda x: mpmath.log1p(mpmath.exp(x))),
    ("x - log(1 + x)", 1e-6, lambda x: x - mpmath.log1p(x)),
    ("log(0.5*(1 + erf(x/sqrt(2))))", -20.0, lambda x: mpmath.log(mpmath.ncdf(x))),
    ("sqrt(x**2 + 1) - x", 1e9, lambda x: 1 / (mpmath.sqrt(x * x + 1) + x)),
]


@cache
def padding() -> Expr:
    """1 at t = 0, by more than HUGE operations."""
    t = sg.scalar("t")
    f = 1 + t
    for k in range(HUGE // 2):
        f = f * (1 + t * (k + 1))
    return f


@pytest.mark.parametrize(("text", "point", "exact"), PARTS, ids=[p[0] for p in PARTS])
def test_parts_of_large_graphs(text: str, point: float, exact: Callable[[Any], Any]) -> None:
    f = sg.parse(text, x="") * padding()
    assert len(postorder([f.node])) > HUGE
    with mpmath.workdps(60):
        value = float(exact(mpmath.mpf(point)))
        slope = float(mpmath.diff(exact, mpmath.mpf(point), h=mpmath.mpf(10) ** -25 * max(1, abs(point))))
    values = {"x": point, "t": 0.0}
    np.testing.assert_allclose([f(**values), f.grad("x")(**values)], [value, slope], rtol=1e-12, atol=1e-300)


def test_parts_of_long_sums() -> None:
    """Terms of one long sum, each of which loses all digits as it is written."""
    x = sg.vector("x", 700)
    total = 1 - sg.sigmoid(x[0])
    for k in range(1, 700):
        total = total + (1 - sg.sigmoid(x[k]))
    assert len(postorder([total.node])) > HUGE
    numbers = np.linspace(40, 300, 700)
    np.testing.assert_allclose(total(x=numbers), np.sum(1 / (1 + np.exp(numbers))), rtol=1e-12)

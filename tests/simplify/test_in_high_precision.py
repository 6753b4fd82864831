"""`simplify` against 50-digit arithmetic at random points of either sign: where the value differs from that before, an
assumption that is reported does not hold there."""

from __future__ import annotations

import re
from typing import Any

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad import high_precision
from symgrad.expression import symbol_name, symbols_of

TIGHT = 1e-40
SCALARS = [
    "x/y + y/x", "x**2/(x - y)", "(x**2 - y**2)/(x - y)", "sqrt(x**2)", "sqrt(x)*sqrt(y)", "log(x**2*y**2)",
    "x*log(x) + (1 - x)*log(1 - x)", "sin(x)**2*cos(y)**2", "tan(x)*cos(x)", "exp(x)*exp(-y)/exp(2*x)", "tanh(x*y)",
    "log(1 + exp(x - y))", "1/(1 + exp(-x))", "(exp(x) - exp(-x))/(exp(x) + exp(-x))", "x**3/sqrt(1 + x**2)",
    "abs(x - y)", "abs(x)**3", "maximum(x, y)*minimum(x, y)", "where(x > y, x**2, y**2)", "sigmoid(x)*(1 - sigmoid(x))",
    "softplus(x) - softplus(-x)", "sinh(x)*cosh(x)", "arctan(y/x)", "arctan2(y, x)", "x**y", "(x**2)**y", "x**2.5*y",
    "1/x - 1/y", "1/(x*(x + y))", "(x + 1)**4/(x + 1)**2", "sin(x)/x", "(exp(x) - 1)/x", "log(cosh(x))", "x/abs(x)",
    "sqrt((1 + x)/(1 - x))", "exp(-(x - y)**2/2)/sqrt(2*pi)", "-y*log(sigmoid(x)) - (1 - y)*log(1 - sigmoid(x))",
]  # fmt: skip
ARRAYS = [
    ("norm(x)", "x"), ("norm(x - y)**2", "x"), ("x @ A @ x/(x @ x)", "x"), ("sum(x/sum(x)*y)", "x"), ("max(x)", "x"),
    ("sum(log(1 + exp(-y*(A @ x))))", "x"), ("logsumexp(A @ x)", "x"), ("y @ softmax(x)", "x"), ("trace(A @ A.T)", "A"),
    ("sum(abs(A @ x - y))", "x"), ("prod(x)", "x"), ("sum(sqrt(x**2))", "x"), ("sum(relu(A @ x)**2)", "A"),
    ("log(x @ x)", "x"), ("sum(tanh(A @ x)**2)", "x"), ("y @ A @ x/(norm(x)*norm(y))", "x"),
]  # fmt: skip
CASES = [(f, w) for f in SCALARS for w in (None, "x")] + ARRAYS
"""Formulas, and the symbol by which they are differentiated."""
HOLDS = {"finite": mpmath.isfinite, "not zero": bool, "positive": lambda v: v > 0, "not negative": lambda v: v >= 0}


def points(f: sg.Expr) -> list[dict[Any, Any]]:
    """Random points of either sign, one in which two symbols are equal, and the origin."""
    rng = np.random.default_rng(7)
    symbols = symbols_of([f.node])
    shapes = {x: tuple({"n": 3}[str(n)] for n in x.type.shape) for x in symbols}
    found = [{x: sign * rng.uniform(0.1, 2.5, shapes[x]) for x in symbols} for sign in (1, -1)]
    found += [{x: rng.normal(0, 2, shapes[x]) for x in symbols} for _ in range(6)]
    return [*found, {x: np.ones(shapes[x]) * 0.5 for x in symbols}, {x: np.zeros(shapes[x]) for x in symbols}]


def broken(assumed: tuple[str, ...], at: dict[Any, Any]) -> bool:
    """Whether one of the assumptions, as they are reported, does not hold at a point."""
    for text in assumed:
        what = re.fullmatch(rf"(.*) is ({'|'.join(HOLDS)})", text)
        assert what is not None, text
        part = sg.parse(what[1], **{symbol_name(x): x.type for x in at})
        known = {x: high_precision.exactly(v) for x, v in at.items()}
        (value,) = high_precision.run([part.node], known, {"n": 3})
        if not all(HOLDS[what[2]](v) for v in np.ravel(value)):
            return True
    return False


@pytest.mark.parametrize(("text", "wrt"), CASES)
def test_value(text: str, wrt: str | None) -> None:
    shapes = {"A": "n,n", "x": "n", "y": "n"} if (text, wrt) in ARRAYS else {"x": "", "y": ""}
    f = sg.parse(text, **{name: shape for name, shape in shapes.items() if re.search(rf"\b{name}\b", text)})
    f = f if wrt is None else f.grad(wrt)
    simple = f.simplify()
    compared = 0
    with mpmath.workdps(50):
        for at in points(f):
            known = {x: high_precision.exactly(v) for x, v in at.items()}
            before, after = high_precision.run([f.node, simple.node], known, {"n": 3})
            finite = [(a, b) for a, b in zip(np.ravel(before), np.ravel(after), strict=True) if mpmath.isfinite(a)]
            same = all(mpmath.isfinite(b) and abs(a - b) <= TIGHT * max(1, abs(a)) for a, b in finite)
            compared += bool(finite) and same
            assert same or broken(simple.assumptions, at), f"{f} → {simple} at {at}"
    assert compared >= 2

"""Derivatives at the edges: `edge_cases.json`, collected from the issue trackers of JAX, PyTorch, PyTensor, CasADi,
autograd and others (see its `note`), compiled and interpreted; then selections, kinks and singular points at orders 1
to 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import SymgradError

DATA = json.loads((Path(__file__).parents[1] / "data/cases/edge_cases.json").read_text(encoding="utf-8"))
PROSE = {"doubling_dag", "long_product"}
"""Cases that are described in words; they stand below."""
DOCUMENTED_NAN = {"sqrt_sq_at0"}
"""0/0 of sqrt(x)**2 at 0: a convention that may be NaN where it is said."""
CASES = [c for c in DATA["cases"] if c["id"] not in PROSE | DOCUMENTED_NAN]


def number(v: Any) -> Any:
    return [number(i) for i in v] if isinstance(v, list) else float(v) if isinstance(v, str) else v


def declaration(v: Any) -> str:
    array = np.asarray(number(v))
    shape = ",".join(map(str, array.shape))
    return f"i64[{shape}]" if array.dtype.kind == "i" else shape


def derivative(case: dict[str, Any], f: sg.Expr) -> sg.Expr:
    name, order = case["wrt"], case["order"]
    if order in ("hessian", "jacobian"):
        result: sg.Expr = getattr(f, order)(name)
        return result
    for _ in range(int(order)):
        f = f.grad(name) if not f.ndim else f.jacobian(name)
    return f


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_collected(case: dict[str, Any]) -> None:
    shapes = {n: declaration(v) for n, v in case["inputs"].items()}
    if case["id"] in ("empty_max", "int_switch"):
        with pytest.raises(SymgradError):
            derivative(case, sg.parse(case["expr"], **shapes))
        return
    f = sg.parse(case["expr"], **shapes)
    g = derivative(case, f)
    inputs = {n: np.asarray(number(v)) for n, v in case["inputs"].items()}
    for value, slope in (
        (f(**inputs), g(**inputs)),
        (sg.compile(f, inputs=list(inputs))(**inputs), sg.compile(g, inputs=list(inputs))(**inputs)),
    ):
        np.testing.assert_allclose(slope, number(case["expected"]), rtol=1e-12, atol=0)
        if case["expected_value"] is not None:
            np.testing.assert_allclose(value, number(case["expected_value"]), rtol=1e-12, atol=0)


# formula, variable and point, then the derivatives of orders 1, 2, 3
SCALAR: list[tuple[str, float, tuple[float, float, float]]] = [
    ("where(x > 0, sqrt(x), 0)", 0.0, (0, 0, 0)),
    ("where(x > 0, sqrt(x), 0)", -1.0, (0, 0, 0)),
    ("where(x < 1, x, sqrt(x))", 0.0, (1, 0, 0)),
    ("where(x > 0, log(x), x)", 0.0, (1, 0, 0)),
    ("where(x > 0, log(x), x**2)", -2.0, (-4, 2, 0)),
    ("where(x != 0, sin(x)/x, 1)", 0.5, (-0.162537031, -0.308702955, 0.0970526042)),
    ("where(x > 0, x*log(x), 0)", 0.0, (0, 0, 0)),
    ("where(x > 0, exp(-1/x), 0)", 0.0, (0, 0, 0)),
    ("where(x > 0, 1/x, x)", 0.0, (1, 0, 0)),
    ("abs(x)", 0.0, (0, 0, 0)),
    ("sqrt(x**2)", 0.0, (0, 0, 0)),
    ("maximum(x, 0)", 0.0, (0, 0, 0)),
    ("maximum(x, 0)**2", 0.0, (0, 0, 0)),
    ("relu(x)", 0.0, (0, 0, 0)),
    ("clip(x, 0, 1)", 0.0, (0, 0, 0)),
    ("maximum(x, x)", 1.5, (1, 0, 0)),
    ("sin(x)/x", 0.0, (0, -1 / 3, 0)),
    ("(exp(x) - 1)/x", 0.0, (1 / 2, 1 / 3, 1 / 4)),
    ("log(1 + x)/x", 0.0, (-1 / 2, 2 / 3, -3 / 2)),
    ("(1 - cos(x))/x**2", 0.0, (0, -1 / 12, 0)),
    ("tan(x)/x", 0.0, (0, 2 / 3, 0)),
    ("x**3", 0.0, (0, 0, 6)),
    ("x**2", 0.0, (0, 2, 0)),
    ("exp(-(x**2))", 0.0, (0, -2, 0)),
    ("x*abs(x)", 0.0, (0, 0, 0)),
    ("xlogy(0, x)", 0.0, (0, 0, 0)),
    ("hypot(x, 0)", 0.0, (0, 0, 0)),
    ("sqrt(x + 1) - sqrt(x)", 1.0, (-0.14644661, 0.16161165, -0.3087087)),
]


@pytest.mark.parametrize(("text", "point", "slopes"), SCALAR, ids=lambda v: str(v))
def test_three_orders(text: str, point: float, slopes: tuple[float, float, float]) -> None:
    f = sg.parse(text, x="")
    orders = []
    for _ in range(3):
        f = f.grad("x")
        orders.append(f)
    np.testing.assert_allclose([g(x=point) for g in orders], slopes, rtol=1e-6, atol=0)
    np.testing.assert_allclose(sg.compile(orders, inputs="x")(point), slopes, rtol=1e-6, atol=0)


VECTOR: list[tuple[str, list[float], list[float]]] = [
    ("norm(x)", [0.0, 0.0], [0.0, 0.0]),
    ("sqrt(sum(x**2))", [0.0, 0.0], [0.0, 0.0]),
    ("max(x)", [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
    ("logsumexp(x)", [-np.inf, 1.0], [0.0, 1.0]),
    ("sum(where(x > 0, sqrt(x), 0))", [0.0, 4.0], [0.0, 0.25]),
    ("sum(x[0:1])", [1.0, np.inf], [1.0, 0.0]),
]


@pytest.mark.parametrize(("text", "point", "gradient"), VECTOR, ids=lambda v: str(v))
def test_vectors(text: str, point: list[float], gradient: list[float]) -> None:
    f = sg.parse(text, x=str(len(point)))
    g = f.grad("x")
    x = np.asarray(point)
    np.testing.assert_allclose(g(x=x), gradient, rtol=1e-14)
    np.testing.assert_allclose(sg.compile(g)(x), gradient, rtol=1e-14)


SATURATED = ["sum(tanh(x))", "sum(tanh(2*x))", "sum(1/cosh(x))", "sum(tanh(x)**2)", "sum(tanh(x[:, None]*x))"]


@pytest.mark.parametrize("text", SATURATED)
def test_saturated_hessians(text: str) -> None:
    """Far out the powers of cosh and sinh overflow, in products of arrays too; the second derivatives are 0 there."""
    h = sg.parse(text, x="n").hessian("x")
    x = np.array([900.0, -500.0, 200.0, -30.0])
    for found in (h(x=x), sg.compile(h)(x)):
        assert np.isfinite(found).all()
        assert abs(found[0, 0]) == 0
    small = np.array([0.3, -0.7])
    step = 1e-5 * np.eye(2)
    g = sg.compile(sg.parse(text, x="n").grad("x"))
    differences = [(g(small + s) - g(small - s)) / 2e-5 for s in step]
    np.testing.assert_allclose(h(x=small), differences, rtol=1e-8, atol=1e-9)


def test_the_value_of_heaviside_at_zero() -> None:
    """It is the derivative's only way through heaviside, in both modes."""
    f = sg.parse("3*heaviside(x, h)", x="", h="")
    for x, slope in ((0.0, 3.0), (1.0, 0.0), (-1.0, 0.0)):
        assert f.grad("h")(x=x, h=0.5) == slope
        assert f.jvp("h", 1.0)(x=x, h=0.5) == slope
        assert sg.compile(f, wrt="h").grad(0.5, x) == slope


def test_shared_sums_and_long_products_stay_small() -> None:
    x = sg.scalar("x")
    f = x
    for _ in range(60):
        f = f + f
    assert f.grad("x")(x=1.0) == 2.0**60
    product = x
    for i in range(1, 150):
        product = product * (x + i)
    value = np.prod([0.001 + i for i in range(150)])
    slope = value * sum(1 / (0.001 + i) for i in range(150))
    assert product.grad("x")(x=0.001) == pytest.approx(slope, rel=1e-12)


MINUS_INFINITY = [
    ("logaddexp(a, b)", 0.0), ("log(exp(a) + exp(b))", 0.0), ("log(exp(log(exp(a) + exp(b))) + exp(d))", 1.0),
    ("logaddexp(logaddexp(a, b), logaddexp(b, a)) + d", 1.0), ("logaddexp(d, logaddexp(a, logaddexp(a, b)))", 1.0),
    ("log(exp(a) + exp(b) + exp(d))", 1.0), ("logsumexp([a, b])", 0.0), ("logsumexp([a, b, d])", 1.0),
    ("logsumexp([logsumexp([a, b]), d])", 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kept"), MINUS_INFINITY, ids=lambda v: str(v))
def test_logarithms_of_no_probability(text: str, kept: float) -> None:
    """Where both operands are -inf nothing flows, at orders 1 to 3; the other operands have their derivatives."""
    f = sg.parse(text, a="", b="", d="")
    point = {"a": -np.inf, "b": -np.inf, "d": 2.0}
    orders, wanted = [], []
    for name in "abd":
        g = f
        for order in range(3):
            g = g.grad(name)
            orders.append(g)
            wanted.append(kept if name == "d" and order == 0 and "d" in text else 0.0)
    np.testing.assert_array_equal([g(**point) for g in orders], wanted)
    np.testing.assert_array_equal(sg.compile(orders, inputs=("a", "b", "d"))(**point), wanted)
    assert np.isnan(f.grad("a")(a=np.nan, b=1.0, d=2.0))

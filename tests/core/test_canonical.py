"""The canonical form: one node per meaning, the same value, settled after one step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symgrad as sg
from symgrad import interpreter
from symgrad.graph import Node, postorder
from symgrad.rewrite.canonical import canonicalise

ARRAYS = {"X": "m,n", "A": "n,n", "x": "n", "w": "n", "y": "m", "s": "", "t": ""}

# ---- one spelling per meaning

SPELLINGS = [
    ("s + t", "t + s", "s - (-t)", "-(-t - s)"),
    ("s*t*2", "2*t*s", "t*(s*2)", "s*t + t*s", "s*t/0.5"),
    ("s - t", "-t + s", "-(t - s)"),
    ("s*s*s", "s**3", "s**2*s", "s*s**2"),
    ("s/t/2", "s/(t*2)", "0.5*s/t", "s/(2*t)"),
    ("s/3", "s/3.0", "2*s/6"),
    ("2*s + 3*s", "5*s", "s + 4*s", "s*(2 + 3)"),
    ("sin(s)**2", "sin(s)*sin(s)", "sin(s)^2"),
    ("sum(x*w)", "x @ w", "x' @ w", "w @ x", "dot(w, x)", "einsum('i,i->', x, w)"),
    ("X @ x", "(x' @ X')'", "einsum('ij,j->i', X, x)", "sum(X*x, axis=1)"),
    ("x' @ A @ x", "x @ (A @ x)", "(x @ A) @ x", "sum(x*(A @ x))", "trace(A @ outer(x, x))"),
    ("trace(A)", "tr(A')", "sum(diag(A))", "einsum('ii->', A)"),
    ("sum(x)", "sum(x, axis=0)", "x.sum()", "x @ ones(n)"),
    ("mean(x)", "sum(x)/n", "x.mean()"),
    ("eye(n) @ x", "x", "x.T"),
    ("norm(x)**2", "sum(x**2)", "x @ x", "x' @ x"),
    ("X.T @ (2*y)", "2*X.T @ y", "(y @ X)*2"),
    ("log(1 + exp(s))", "softplus(s)", "log1p(exp(s))", "log(exp(s) + 1)"),
    ("1/(1 + exp(-s))", "sigmoid(s)", "exp(s)/(exp(s) + 1)"),
    ("maximum(s, t)", "maximum(t, s)"),
    ("where(s > 0, t, t)", "t"),
]  # fmt: skip


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda spellings: spellings[0])
def test_spellings_of_one_meaning_are_one_node(spellings: tuple[str, ...]) -> None:
    nodes = {text: sg.parse(text, **ARRAYS).canonical().node for text in spellings}
    first = next(iter(nodes.values()))
    different = {text: str(sg.Expr(n)) for text, n in nodes.items() if n is not first}
    assert not different, f"{spellings[0]} is {sg.Expr(first)}"


DOORS: list[tuple[str, Callable[..., Any], dict[str, str]]] = [
    ("sum((X @ w - y)**2)", lambda X, w, y: ((X @ w - y) ** 2).sum(), {"X": "m,n", "w": "n", "y": "m"}),
    ("x[1:] @ x[:-1]", lambda x: np.dot(x[1:], x[:-1]), {"x": "n"}),
    ("max(x) + mean(exp(-x))", lambda x: np.max(x) + np.exp(-x).mean(), {"x": "n"}),
    ("where(s > 0, s, 0.5*s)", lambda s: np.where(s > 0, s, s / 2), {"s": ""}),
    ("trace(A.T @ A)", lambda A: np.trace(A.T @ A), {"A": "m,n"}),
    ("sum(A, axis=0)/m", lambda A: A.mean(axis=0), {"A": "m,n"}),
    ("tanh(W @ x + b)", lambda W, x, b: np.tanh(np.matmul(W, x) + b), {"W": "m,n", "x": "n", "b": "m"}),
]


@pytest.mark.parametrize(("text", "function", "shapes"), DOORS, ids=lambda v: v if isinstance(v, str) else "")
def test_text_and_function_are_one_node(text: str, function: Callable[..., Any], shapes: dict[str, str]) -> None:
    traced = sg.from_function(function, **shapes)
    assert sg.parse(text, **shapes).canonical().node is traced.canonical().node


# ---- values where shortcuts would change them

EXTREMES = [math.inf, -math.inf, math.nan, 0.0, 1.5, 1e-300]
UNSAFE = [
    "x - x", "0*x", "x/x", "x*0 + 1", "(x + 1) - x", "x != x", "x**0", "x - x*0.0", "x*y - y*x", "x/y*y",
    "(x*y)**2", "x**2/x", "1/(1/x)", "exp(log(x))", "0/x", "where(x > 0, x, 0*x)",
]  # fmt: skip


@pytest.mark.parametrize("text", UNSAFE)
def test_values_at_infinity_nan_and_zero_stay(text: str) -> None:
    f = sg.parse(text, x="", y="")
    (canonical,) = canonicalise([f.node], stable=False)
    x, y = (f.symbols[k].node for k in "xy")
    for a in EXTREMES:
        for b in (2.0, 0.25):
            with np.errstate(all="ignore"):
                expected, found = interpreter.run([f.node, canonical], {x: np.float64(a), y: np.float64(b)}, {})
            if np.isfinite(expected):
                assert found == pytest.approx(expected, rel=1e-15, abs=5e-324), (a, b)
            else:
                np.testing.assert_array_equal(found, expected)


# ---- random graphs

POINTS = {"s": 0.7, "t": -1.3, "x": np.array([0.4, -1.1, 0.9]), "w": np.array([1.2, 0.3, -0.8]),
          "A": np.array([[0.5, -0.2, 1.0], [0.3, 0.8, -0.6], [-1.1, 0.4, 0.2]])}  # fmt: skip
LEAVES = [sg.scalar("s"), sg.scalar("t"), sg.vector("x", "n"), sg.vector("w", "n"), sg.matrix("A", "n", "n")]


def unary(x: sg.Expr, which: int) -> sg.Expr:
    forms: list[Callable[[sg.Expr], sg.Expr]] = [
        lambda x: -x, lambda x: 3 * x, lambda x: x / 3, lambda x: x**2, sg.sin, sg.tanh, sg.sigmoid,
        lambda x: sg.where(x > 0, x, 0.5 * x), lambda x: x - x, lambda x: x.T, sg.softplus,
        lambda x: x.sum() if x.ndim else x, lambda x: x.mean(axis=0) if x.ndim else x, lambda x: x + 1,
        lambda x: sg.softmax(x) if x.ndim else sg.exp(x), lambda x: sg.norm(x) if x.ndim == 1 else abs(x),
    ]  # fmt: skip
    return forms[which % len(forms)](x)


def binary(x: sg.Expr, y: sg.Expr, which: int) -> sg.Expr:
    forms: list[Callable[[sg.Expr, sg.Expr], sg.Expr]] = [
        lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / (2 + y**2), sg.maximum,
        lambda x, y: x @ y if x.ndim and y.ndim else x * y, lambda x, y: 2 * x - 3 * y,
        lambda x, y: sg.outer(x, y) if x.ndim == y.ndim == 1 else x + y,
    ]  # fmt: skip
    return forms[which % len(forms)](x, y)


@st.composite
def formulas(draw: st.DrawFn) -> sg.Expr:
    """A random formula with shared parts."""
    known = list(LEAVES)
    for _ in range(draw(st.integers(1, 12))):
        x = known[-1 - draw(st.integers(0, min(6, len(known) - 1)))]
        y = known[-1 - draw(st.integers(0, min(6, len(known) - 1)))]
        which = draw(st.integers(0, 23))
        known.append(unary(x, which) if which < 16 else binary(x, y, which - 16))
    return known[-1]


def values(roots: list[Node]) -> list[Any]:
    symbols = {x.node: np.asarray(POINTS[name]) for x, name in zip(LEAVES, ["s", "t", "x", "w", "A"], strict=True)}
    with np.errstate(all="ignore"):
        return interpreter.run(roots, symbols, {"n": 3})


@pytest.mark.hypothesis
@given(formulas())
def test_canonical_form_is_settled_and_has_the_same_value(f: sg.Expr) -> None:
    for stable in (False, True):
        (canonical,) = canonicalise([f.node], stable=stable)
        assert canonical.type == f.node.type
        assert canonicalise([canonical], stable=stable)[0] is canonical
        largest = max((float(np.abs(v).max()) for v in values(postorder([f.node])) if v.dtype.kind == "f"), default=1.0)
        if np.isfinite(largest):
            expected, found = values([f.node, canonical])
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * max(1.0, largest**2))


@pytest.mark.hypothesis
@given(formulas())
def test_printed_form_reads_back(f: sg.Expr) -> None:
    g = f.canonical()
    assert sg.parse(str(g), **g.shapes).canonical().node is g.node

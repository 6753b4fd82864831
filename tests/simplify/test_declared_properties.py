"""Properties declared with symbols, by keyword or in SymPy: used by `simplify` and `same`, by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg

A = sg.matrix("A", "n", symmetric=True)
X = sg.matrix("X", "n,n")
b = sg.vector("b", "n")
r = sg.scalar("r", positive=True)
q = sg.scalar("q", negative=True)
k = sg.scalar("k", integer=True)
v = sg.vector("v", "n", positive=True)

SIMPLIFIED = [
    (sg.sqrt(r**2), "r"), (sg.abs(q), "-q"), (sg.abs(v), "v"), (sg.log(r**3), "3*log(r)"), (sg.sin(np.pi * k), "0.0"),
    ((b @ A @ b).grad(b), "2*A @ b"), ((b @ A @ b).hessian(b), "2*A"), (A.T + A, "2*A"), (sg.sqrt(r**2).grad(r), "1.0"),
    (sg.where(r > 0, r, 0), "r"), (sg.relu(v), "v"), (sg.floor(k), "k"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "expected"), SIMPLIFIED, ids=str)
def test_simplify_uses_them(formula: sg.Expr, expected: str) -> None:
    found = formula.simplify()
    assert str(found) == expected
    assert found.assumptions == ()


def test_a_declared_property_and_one_said_to_simplify_are_joined() -> None:
    x = sg.scalar("x", integer=True)
    assert str(sg.sqrt(x**2).simplify(assume={"x": "nonnegative"})) == "x"
    assert str(sg.floor(x).simplify(assume={"x": "nonnegative"})) == "x"


def test_what_is_computed_does_not_depend_on_them() -> None:
    assert sg.sqrt(r**2)(r=-2.0) == 2.0
    assert sg.compile(sg.sqrt(r**2))(-2.0) == 2.0
    given = np.array([[1.0, 2.0], [5.0, 3.0]])
    found = (b @ A @ b).grad(b)(A=given, b=np.array([1.0, 2.0]))
    assert np.allclose(found, (given + given.T) @ [1.0, 2.0])


def test_symbols_of_sympy_bring_theirs() -> None:
    sp = pytest.importorskip("sympy")
    y, n, z = sp.Symbol("y", positive=True), sp.Symbol("n", integer=True), sp.Symbol("z")
    f = sg.from_sympy(sp.Abs(z) + sp.sqrt(y**2 * z) + sp.Abs(sp.sin(n)))
    assert str(f.simplify()) == "y*sqrt(z) + abs(z) + abs(sin(n))"
    assert str(sg.from_sympy(sp.log(y)).grad(sg.scalar("y")).simplify()) == "1/y"
    signs = {s.name: s.is_positive for s in sg.sympy_bridge.to_sympy(f).free_symbols}
    assert signs == {"y": True, "n": None, "z": None}
    with sp.evaluate(False):
        kept = sp.sqrt(y**2)
    assert str(sg.from_sympy(kept).simplify()) == "y"


SAME = [
    ("sqrt(r**2)", r, True), ("abs(q)", -q, True), ("log(q**2)", 2 * sg.log(-q), True), ("2*r", sg.sqrt(r**2), False),
    ("2*A @ b", (b @ A @ b).grad(b), True), ("2*X @ b", (b @ X @ b).grad(b), False), ("A", A.T, True),
    ("sqrt(x**2)", sg.scalar("x"), False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "formula", "equal"), SAME, ids=str)
def test_same_uses_them(text: str, formula: sg.Expr, equal: bool) -> None:
    assert bool(sg.same(text, formula)) is equal


def test_counterexamples_have_them() -> None:
    verdict = sg.same("sqrt(r**2) + 1", r)
    assert verdict.counterexample["r"] > 0


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: sg.scalar("x", happy=True), "cannot be 'happy'; use positive"),
    (lambda: sg.scalar("x", symmetric=True), "x is f64 and cannot be symmetric"),
    (lambda: sg.matrix("M", "m,n", symmetric=True), "that is for square matrices"),
    (lambda: (r + sg.scalar("r")).grad("r"), "two different symbols are called r: f64"),
    (lambda: sg.scalar("x", positive=1), "True or False, got 1"),
]


@pytest.mark.parametrize(("wrong", "part"), WRONG)
def test_errors(wrong: Callable[[], Any], part: str) -> None:
    with pytest.raises(sg.ArgumentError, match=part):
        wrong()

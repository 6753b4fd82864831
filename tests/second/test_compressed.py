"""Compressed Hessians: their kind, and products, solutions and all elements against the dense matrix by NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse.linalg

import symgrad as sg
from symgrad.errors import ArgumentError

SIZES = {"m": 7, "n": 5, "k": 3, "l": 4, "h": 6}
# formula, shapes (the variable first), kind, axes
CASES: list[tuple[str, dict[str, str], str, object]] = [
    ("sum(O*(T - U @ V')**2)", {"U": "m,k", "O": "m,n", "T": "m,n", "V": "n,k"}, "block diagonal", (0,)),
    ("sum((A @ X - B)**2)", {"X": "n,k", "A": "m,n", "B": "m,k"}, "Kronecker", ((0,),)),
    ("sum((A @ X @ C - B)**2) + lam*sum(X**2)", {"X": "n,k", "A": "m,n", "C": "k,l", "B": "m,l", "lam": ""},
     "Kronecker", ((0,), (1,))),
    ("sum(x**4)", {"x": "n"}, "diagonal", (0,)),
    ("sum(log(1 + exp(-y*(X @ w))))", {"w": "n", "X": "m,n", "y": "m"}, "dense", ()),
    ("logsumexp(W2 @ relu(W1 @ x))", {"W1": "h,n", "x": "n", "W2": "k,h"}, "Kronecker", ((0,), (1,))),
    ("sum((W2 @ tanh(W1 @ x) - y)**2)", {"W1": "h,n", "x": "n", "W2": "k,h", "y": "k"}, "Kronecker", ((0,), (1,))),
    ("sum(exp(logsumexp(X, axis=1)) + sum(X**4, axis=1))", {"X": "m,n"}, "block diagonal", (0,)),
    ("sum((W3 @ W2 @ W1 @ X - Y)**2)", {"W2": "h,l", "W3": "k,h", "W1": "l,n", "X": "n,m", "Y": "k,m"},
     "Kronecker", ((0,), (1,))),
    ("sum((A @ X - B)**4)", {"X": "n,k", "A": "m,n", "B": "m,k"}, "block diagonal", (1,)),
    ("sum(exp(X))/m", {"X": "m,n"}, "diagonal", (0, 1)),
    ("sum(A*x)", {"x": "n", "A": "n"}, "diagonal", (0,)),
]  # fmt: skip


def differences(gradient: object, x: np.ndarray, *rest: np.ndarray) -> np.ndarray:
    steps = 1e-5 * np.eye(x.size).reshape(x.size, *x.shape)
    columns = [(gradient(x + h, *rest) - gradient(x - h, *rest)) / 2e-5 for h in steps]  # type: ignore[operator]
    return np.stack(columns, axis=-1).reshape(*x.shape, *x.shape)


@pytest.mark.parametrize(("formula", "shapes", "kind", "axes"), CASES, ids=[c[0] for c in CASES])
def test_kinds_and_what_they_compute(formula: str, shapes: dict[str, str], kind: str, axes: object) -> None:
    rng = np.random.default_rng(3)
    L = sg.parse(formula, **shapes)
    name = next(iter(shapes))
    values = [rng.normal(size=tuple(SIZES[n] for n in s.split(","))) if s else 0.3 for s in shapes.values()]
    H = L.hessian(name, compressed=True)
    assert (H.kind, H.axes) == (kind, axes)
    f = sg.compile(L, wrt=name)
    for at in (H(*values), f.compressed_hessian(*values), sg.compile(H)(*values)):
        exact = differences(f.grad, *values)
        tolerance = 1e-6 * (1 + np.abs(exact).max())
        np.testing.assert_allclose(at.dense(), exact, atol=tolerance)
        v = rng.normal(size=values[0].shape)
        n = v.size
        flat = at.dense().reshape(n, n)
        np.testing.assert_allclose(at @ v, (flat @ v.ravel()).reshape(v.shape), atol=tolerance)
        np.testing.assert_allclose(at.operator() @ v.ravel(), flat @ v.ravel(), atol=tolerance)
        assert isinstance(at.operator(), scipy.sparse.linalg.LinearOperator) and at.shape == (n, n)
        damping = 1 + np.abs(flat).sum(1).max()
        expected = np.linalg.solve(flat + damping * np.eye(n), v.ravel())
        np.testing.assert_allclose(at.solve(v.ravel(), damping=damping), expected, rtol=1e-8, atol=1e-12)


def test_a_newton_step_of_a_quadratic_ends_at_the_minimum() -> None:
    rng = np.random.default_rng(1)
    f = sg.compile(sg.parse("sum((A @ X @ C - B)**2)", X="n,k", A="m,n", C="k,l", B="m,l"), wrt="X")
    A, C, B = rng.normal(size=(8, 5)), rng.normal(size=(3, 6)), rng.normal(size=(8, 6))
    X = rng.normal(size=(5, 3))
    found = X - f.compressed_hessian(X, A, C, B).solve(f.grad(X, A, C, B))
    np.testing.assert_allclose(found, np.linalg.pinv(A) @ B @ np.linalg.pinv(C), atol=1e-10)


def test_singular_matrices_need_damping() -> None:
    f = sg.compile(sg.parse("logsumexp(W2 @ (W1 @ x))", W1="h,n", x="n", W2="k,h"), wrt="W1")
    H = f.compressed_hessian(np.ones((2, 3)), np.ones(3), np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match="give a damping"):
        H.solve(np.ones((2, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="give a damping"):
        sg.compile(sg.parse("sum(x**4)", x="n")).compressed_hessian([0.0, 1.0]).solve([1.0, 1.0])


def test_what_cannot_be_asked_for() -> None:
    L = sg.parse("sum(x**2) + sum(y**2)", x="n", y="k")
    with pytest.raises(ArgumentError, match="one variable"):
        L.hessian(("x", "y"), compressed=True)
    with pytest.raises(ArgumentError, match="one variable"):
        _ = sg.compile(L, wrt=("x", "y")).compressed_hessian
    with pytest.raises(ArgumentError, match="exclude one another"):
        L.hessian("x", "y", compressed=True)
    with pytest.raises(ArgumentError, match="expected an array of shape"):
        L.hessian("x", compressed=True)(x=[1.0, 2.0], y=[1.0]).solve([1.0, 2.0, 3.0])


def test_compressed_functions_are_pickled() -> None:
    f = sg.compile(sg.parse("sum(c*x**4)", x="n", c="n"), wrt="x")
    for H in (f.compressed_hessian, sg.compile(sg.parse("sum(c*x**4)", x="n", c="n").hessian("x", compressed=True))):
        assert pickle.loads(pickle.dumps(H))([1.0, 2.0], [1.0, 1.0]).values.tolist() == [12.0, 48.0]

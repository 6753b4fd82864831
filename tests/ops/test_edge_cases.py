"""Derivatives where a careless rule gives NaN or a wrong branch: zeros in products, ties, kinks, ends of domains, equal
eigenvalues.

The expected values of the first table are those of tests/data/edge_cases.json where the case is there, otherwise
one-sided limits or closed forms.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symgrad.build import tensor
from symgrad.errors import ArgumentError, DomainError, DTypeError, NotDifferentiable, ShapeError
from symgrad.expression import FUNCTIONS as F
from symgrad.expression import Expr
from tests.ops.harness import compiled_meaning, jacobian, number

INF = np.inf

# name, symbols with values, formula, the symbol to differentiate by, derivatives of order 1, 2, …
GRADIENTS: list[tuple[str, dict[str, Any], Callable[..., Expr], str, list[Any]]] = [
    ("prod of one zero", {"x": [2.0, 0, 3, 4]}, lambda x: F["prod"](x), "x", [[0, 24, 0, 0]]),
    ("prod of two zeros", {"x": [0.0, 0, 3]}, lambda x: F["prod"](x), "x",
     [[0, 0, 0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]], np.array([[[0, 0, 0], [0, 0, 1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
                                                             [[0, 1, 0], [1, 0, 0], [0, 0, 0]]])]),
    ("cumprod", {"x": [2.0, 0, 0, 3]}, lambda x: F["sum"](F["cumprod"](x)), "x", [[1, 2, 0, 0]]),
    ("cumprod squared", {"x": [1.0, 0]}, lambda x: F["sum"](F["cumprod"](x) ** 2), "x", [[2, 0], [[2, 0], [0, 2]]]),
    ("max of ties", {"x": [2.0, 2, 1]}, lambda x: F["max"](x), "x", [[0.5, 0.5, 0]]),
    ("maximum of one", {"x": 1.5}, lambda x: F["maximum"](x, x), "x", [1]),
    ("maximum with a constant", {"x": 0.0}, lambda x: F["maximum"](x, 0.0), "x", [0, 0]),
    ("relu", {"x": 0.0}, lambda x: F["relu"](x), "x", [0, 0]),
    ("clip", {"x": 1.0}, lambda x: F["clip"](x, 0.0, 1.0), "x", [0]),
    ("abs", {"x": 0.0}, lambda x: F["abs"](x), "x", [0, 0]),
    ("norm", {"x": [0.0, 0, 0]}, lambda x: F["norm"](x), "x", [[0, 0, 0], np.zeros((3, 3))]),
    ("std of equal elements", {"x": [1.0, 1, 1]}, lambda x: F["std"](x), "x", [[0, 0, 0]]),
    ("hypot", {"x": 0.0, "y": 0.0}, lambda x, y: F["hypot"](x, y), "x", [0]),
    ("arctan2", {"y": 1.0, "x": 0.0}, lambda y, x: F["arctan2"](y, x), "x", [-1, 0]),
    ("arctan2 at the origin", {"y": 0.0, "x": 0.0}, lambda y, x: F["arctan2"](y, x), "x", [0]),
    ("power of zero", {"x": 0.0, "y": 2.0}, lambda x, y: x**y, "y", [0, 0, 0]),
    ("power of zero by the base", {"x": 0.0, "y": 2.0}, lambda x, y: x**y, "x", [0, 2]),
    ("cube", {"x": -2.0}, lambda x: x**3, "x", [12, -12, 6, 0]),
    ("square at zero", {"x": 0.0}, lambda x: x**2, "x", [0, 2, 0]),
    ("sqrt", {"x": 0.0}, lambda x: F["sqrt"](x), "x", [INF]),
    ("xlogy by x", {"x": 0.0, "y": 2.0}, lambda x, y: F["xlogy"](x, y), "x", [np.log(2), 0]),
    ("xlogy by y", {"x": 0.0, "y": 0.0}, lambda x, y: F["xlogy"](x, y), "y", [0, 0]),
    ("rel_entr by q", {"p": 0.0, "q": 0.0}, lambda p, q: F["rel_entr"](p, q), "q", [0]),
    ("logsumexp with -inf", {"x": [-INF, 1.0]}, lambda x: F["logsumexp"](x), "x", [[0, 1]]),
    ("logsumexp of -inf", {"x": [-INF, -INF]}, lambda x: F["logsumexp"](x), "x", [[0, 0]]),
    ("logcumsumexp with -inf", {"x": [-INF, -INF, 1.0]}, lambda x: F["logcumsumexp"](x)[2], "x", [[0, 0, 1]]),
    ("logaddexp of equals", {"x": 1.0, "y": 1.0}, lambda x, y: F["logaddexp"](x, y), "x", [0.5, 0.25]),
    ("where and sqrt", {"x": 0.0}, lambda x: F["where"](x > 0, F["sqrt"](x), 0.0), "x", [0, 0, 0]),
    ("where and infinity", {"x": 1.0}, lambda x: F["where"](x > 0, 0.0, x * INF), "x", [0]),
    ("softplus far out", {"x": 800.0}, lambda x: F["softplus"](x), "x", [1, 0]),
    ("sinc", {"x": 0.0}, lambda x: F["sinc"](x), "x", [0, -np.pi**2 / 3, 0]),
    ("expm1(x)/x", {"x": 0.0}, lambda x: F["expm1xx"](x), "x", [1 / 2, 1 / 3, 1 / 4]),
    ("i0e", {"x": 0.0}, lambda x: F["i1"](x), "x", [0.5, 0]),
    ("sort of ties", {"x": [1.0, 1, 0]}, lambda x: F["sort"](x)[1], "x", [[1, 0, 0]]),
    ("sum of sorted ties", {"x": [1.0, 1, 1]}, lambda x: (F["sort"](x) ** 2).sum(), "x", [[2, 2, 2], 2 * np.eye(3)]),
    ("cummax of ties", {"x": [1.0, 1, 0]}, lambda x: F["cummax"](x).sum(), "x", [[3, 0, 0]]),
    ("median of ties", {"x": [1.0, 1, 1, 1]}, lambda x: F["median"](x), "x", [[0, 0.5, 0.5, 0]]),
    ("det of a singular matrix", {"A": [[1.0, 2], [2, 4]]}, lambda a: F["det"](a), "A",
     [[[4, -2], [-2, 1]], [[[[0, 0], [0, 1]], [[0, 0], [-1, 0]]], [[[0, -1], [0, 0]], [[1, 0], [0, 0]]]]]),
    ("det of the zero matrix", {"A": np.zeros((2, 2))}, lambda a: F["det"](a), "A",
     [np.zeros((2, 2)), [[[[0, 0], [0, 1]], [[0, 0], [-1, 0]]], [[[0, -1], [0, 0]], [[1, 0], [0, 0]]]]]),
    ("empty sum", {"x": np.zeros(0)}, lambda x: F["sum"](x), "x", [np.zeros(0)]),
    ("empty prod", {"x": np.zeros(0)}, lambda x: F["prod"](x), "x", [np.zeros(0)]),
    ("binary cross-entropy at a certain prediction", {"p": [1.0, 0.0]}, lambda p: F["binary_cross_entropy"](p, np.array([1.0, 0.0])),
     "p", [[-1, 1]]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "build", "name", "expected"), [row[1:] for row in GRADIENTS], ids=[row[0] for row in GRADIENTS]
)
def test_gradients(values: dict[str, Any], build: Callable[..., Expr], name: str, expected: list[Any]) -> None:
    arrays = [np.asarray(v, np.float64) for v in values.values()]
    xs = [tensor(n, tuple(a.shape)) for n, a in zip(values, arrays, strict=True)]
    wrt = xs[list(values).index(name)]
    root = build(*xs)
    for exact in expected:
        root = jacobian(root, wrt)
        (found,) = number([root], xs, arrays, {})
        np.testing.assert_allclose(found, np.asarray(exact, np.float64), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(compiled_meaning(root, xs, arrays, {}), found, rtol=1e-12, atol=1e-12)


# ---- equal eigenvalues and singular values: sums of functions of them have derivatives of order 1 and 2

EQUAL = {
    "identity": np.eye(3),
    "two equal": np.diag([2.0, 1, 2]),
    "nearly equal": np.diag([1.0, 1 + 1e-9, 2]),
    "close": np.diag([1.0, 1.01, 3]),
}
SUMS: dict[str, tuple[Callable[[Expr], Expr], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "eigenvalues": (lambda w: w, lambda w: 1 + 0 * w, lambda w: 0 * w),
    "exp": (F["exp"], np.exp, np.exp),
    "log": (F["log"], lambda w: 1 / w, lambda w: -1 / w**2),
    "cubes": (lambda w: w**3, lambda w: 3 * w**2, lambda w: 6 * w),
    "scaled": (lambda w: F["sin"](2 * w) / 3, lambda w: 2 / 3 * np.cos(2 * w), lambda w: -4 / 3 * np.sin(2 * w)),
}


@pytest.mark.parametrize("which", EQUAL)
@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("eigenvalues", ["eigvalsh", "eigh"])
def test_sums_over_equal_eigenvalues(name: str, which: str, eigenvalues: str) -> None:
    f, slope, curvature = SUMS[name]
    turned = np.linalg.qr(np.array([[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]))[0]
    a = turned @ EQUAL[which] @ turned.T
    x = tensor("A", (3, 3))
    w = F["eigvalsh"](x) if eigenvalues == "eigvalsh" else F["eigh"](x)[0]
    first = jacobian(f(w).sum(), x)
    second = jacobian(first, x)
    gradient, hessian = number([first, second], [x], [a], {})
    exact = np.diag(EQUAL[which])
    np.testing.assert_allclose(gradient, turned @ np.diag(slope(exact)) @ turned.T, atol=1e-13 * 100)
    # Daleckii and Krein: along E, V (D * (V.T E V)) V.T with the divided differences D of the slope, here by their
    # integral.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    t = (nodes + 1) / 2
    differences = np.array([[np.sum(weights / 2 * curvature(p + t * (q - p))) for q in exact] for p in exact])
    for along in np.random.default_rng(0).uniform(-1, 1, (3, 3, 3)):
        sym = (along + along.T) / 2
        expected = turned @ (differences * (turned.T @ sym @ turned)) @ turned.T
        tolerance = 1e-7 if which == "nearly equal" and name == "eigenvalues" else 1e-11
        np.testing.assert_allclose(np.tensordot(hessian, along, 2), expected, atol=tolerance)


@pytest.mark.parametrize("function", ["logm", "sqrtm"])
def test_functions_of_the_identity(function: str) -> None:
    x = tensor("A", (3, 3))
    (found,) = number([jacobian(F[function](x), x)], [x], [np.eye(3)], {})
    factor = {"logm": 1.0, "sqrtm": 0.5}[function]
    along = np.arange(9.0).reshape(3, 3)
    np.testing.assert_allclose(np.tensordot(found, along, 2), factor * (along + along.T) / 2, atol=1e-13)


def test_nuclear_norm_at_the_identity() -> None:
    x = tensor("A", (3, 3))
    (found,) = number([jacobian(F["norm"](x, "nuc"), x)], [x], [np.eye(3)], {})
    np.testing.assert_allclose(found, np.eye(3), atol=1e-14)


def test_projector_onto_equal_eigenvalues() -> None:
    """The projector onto the space of two equal eigenvalues does not depend on its basis; P' = sum of terms 1/(w_i -
    w_j)."""
    x = tensor("A", (3, 3))
    v = F["eigh"](x)[1]
    projector = v[:, 1:] @ v[:, 1:].T
    (found,) = number([jacobian(projector, x)], [x], [np.diag([1.0, 2, 2])], {})
    along = np.array([[0, 1.0, 2], [1, 5, 3], [2, 3, 4]])
    expected = np.array([[0, -1.0, -2], [-1, 0, 0], [-2, 0, 0]]) * -1.0
    np.testing.assert_allclose(np.tensordot(found, along, 2), expected, atol=1e-12)


# ---- errors

X, V, N = tensor("X", "m,n"), tensor("v", "m"), tensor("k", "i64[m]")
ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F["solve"](X, V), ShapeError, "solve: needs a square matrix, got f64[m, n]"),
    (lambda: F["det"](V), ShapeError, "det: needs a square matrix, got f64[m]"),
    (lambda: F["sort"](tensor("s")), ShapeError, "sort"),
    (lambda: F["cumsum"](X, 2), ShapeError, "cumsum: axis 2 is out of range for f64[m, n]"),
    (lambda: F["take_along_axis"](X, V, 0), ShapeError, "take_along_axis: the indices f64[m] must have as many axes as f64[m, n]"),
    (lambda: F["take_along_axis"](V, V), DTypeError, "indices must be integers"),
    (lambda: F["maxout"](tensor("x", "7"), 2), ShapeError, "maxout: the last axis of f64[7] is not a multiple of 2"),
    (lambda: F["matrix_power"](tensor("A", "n,n"), 0.5), ArgumentError, "matrix_power: the power must be an integer, got 0.5"),
    (lambda: F["jv"](0.5, V), ArgumentError, "jv: the order must be an integer, got 0.5"),
    (lambda: F["kron"](X, "a"), ArgumentError, "expected a value"),
    (lambda: F["cross"](V, V), ShapeError, "cross: needs axes of 3 elements, got f64[m] and f64[m]"),
    (lambda: F["split"](tensor("x", "7"), 2), ShapeError, "split: axis 0 of f64[7] does not have 2 equal parts"),
    (lambda: jacobian(F["qr"](tensor("A", "2,3"))[1], tensor("A", "2,3")), NotDifferentiable, "qr: has a derivative for"),
    (lambda: F["norm"](tensor("T", "m,n,k"), 1), DTypeError, "norm: ord=1 needs a vector or a matrix"),
    (lambda: F["pad"](V, 1, "mirror"), ArgumentError, "pad: mode 'mirror' is not supported"),
    (lambda: F["sinxx"](V, -1), ArgumentError, "sinxx: the order must be an integer from 0 to 30, got -1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[row[2][:40] for row in ERRORS])
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as found:
        call()
    assert text in str(found.value)


@pytest.mark.parametrize(("name", "value"), [("inv", np.zeros((2, 2))), ("cholesky", -np.eye(2))])
def test_matrices_outside_the_domain(name: str, value: Any) -> None:
    x = tensor("A", (2, 2))
    with pytest.raises(DomainError, match=f"^{name}: "):
        number([F[name](x)], [x], [value], {})


@pytest.mark.parametrize(("call", "what"), [
    (np.linalg.eig, "numpy.linalg.eig: not an operation of symgrad; sg.eigh takes symmetric matrices"),
    (np.unique, "its size depends on the values"), (lambda x: np.partition(x, 1), "use sort"), (np.modf, "use trunc"),
])  # fmt: skip
def test_what_is_refused_names_what_to_do(call: Any, what: str) -> None:
    with pytest.raises(DTypeError, match=re.escape(what)):
        call(tensor("A", "n,n"))

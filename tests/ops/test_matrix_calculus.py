"""Facts of matrix calculus, as formulas that read as textbooks write them and as numbers (Petersen and Pedersen, *The
Matrix Cookbook*, 2012; the numbers are those of the closed forms in NumPy)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import symgrad as sg

inv, det, eye = np.linalg.inv, np.linalg.det, np.eye
# formula, shapes, variable, the gradient's text, its closed form in NumPy (arguments in the order of the shapes)
GRADIENTS: list[tuple[str, dict[str, str], str, str, Callable[..., Any]]] = [
    ("tr(X) + 5", {"X": "n,n"}, "X", "eye(n)", lambda X: eye(len(X))),
    ("log(det(X))", {"X": "n,n"}, "X", "inv(X).T", lambda X: inv(X).T),
    ("logdet(X)", {"X": "n,n"}, "X", "inv(X).T", lambda X: inv(X).T),
    ("norm(X)", {"X": "m,n"}, "X", "X/norm(X)", lambda X: X / np.linalg.norm(X)),
    ("tr(X @ X @ B)", {"X": "n,n", "B": "n,n"}, "X", "B.T @ X.T + X.T @ B.T", lambda X, B: (X @ B + B @ X).T),
    ("tr(A @ X @ B)", {"X": "m,n", "A": "k,m", "B": "n,k"}, "X", "A.T @ B.T", lambda X, A, B: A.T @ B.T),
    ("tr(X.T @ B @ X)", {"X": "m,n", "B": "m,m"}, "X", "B @ X + B.T @ X", lambda X, B: B @ X + B.T @ X),
    ("x.T @ A @ x", {"x": "n", "A": "n,n"}, "x", "A @ x + A.T @ x", lambda x, A: A @ x + A.T @ x),
    ("a.T @ X @ b", {"X": "m,n", "a": "m", "b": "n"}, "X", "outer(a, b)", lambda X, a, b: np.outer(a, b)),
    ("a.T @ inv(X) @ b", {"X": "n,n", "a": "n", "b": "n"}, "X", "", lambda X, a, b: -inv(X).T @ np.outer(a, b) @ inv(X).T),
    ("det(X)", {"X": "n,n"}, "X", "", lambda X: det(X) * inv(X).T),
    ("log(det(X.T @ X))", {"X": "m,n"}, "X", "", lambda X: 2 * np.linalg.pinv(X).T),
    ("norm(A @ x - b)**2", {"x": "n", "A": "m,n", "b": "m"}, "x", "", lambda x, A, b: 2 * A.T @ (A @ x - b)),
    ("tr(expm(X))", {"X": "n,n"}, "X", "", lambda X: scipy.linalg.expm(X).T),
    ("norm(X, 'nuc')", {"X": "m,n"}, "X", "", lambda X: (lambda u, s, v: u @ v)(*np.linalg.svd(X, full_matrices=False))),
    ("sum(eigvalsh(X))", {"X": "n,n"}, "X", "", lambda X: eye(len(X))),
]  # fmt: skip
SIZES = {"m": 4, "n": 3, "k": 2}


def drawn(shapes: dict[str, str]) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    values = {name: rng.normal(size=[SIZES[s] for s in shape.split(",")]) for name, shape in shapes.items()}
    return {name: v + 3 * eye(len(v)) if v.ndim == 2 and v.shape[0] == v.shape[1] else v for name, v in values.items()}


@pytest.mark.parametrize(("text", "shapes", "variable", "shown", "closed"), GRADIENTS, ids=[row[0] for row in GRADIENTS])
def test_gradient(text: str, shapes: dict[str, str], variable: str, shown: str, closed: Callable[..., Any]) -> None:
    formula = sg.parse(text, **shapes)
    gradient = formula.grad(variable)
    if shown:
        assert sg.same(gradient, sg.parse(shown, **shapes))
        assert str(gradient) == shown or sg.parse(str(gradient), **shapes).canonical().node is gradient.node
    values = drawn(shapes)
    expected = closed(*values.values())
    np.testing.assert_allclose(gradient(**values), expected, rtol=1e-11, atol=1e-11)
    compiled = sg.compile(formula, wrt=variable).grad
    np.testing.assert_allclose(compiled(**values), expected, rtol=1e-11, atol=1e-11)


def test_hessian_of_the_logistic_loss() -> None:
    shapes = {"x": "n", "M": "m,n"}
    hessian = sg.parse("sum(log(1 + exp(M @ x)))", **shapes).hessian("x")
    assert sg.same(hessian, sg.parse("M.T @ diag(s*(1 - s)) @ M where s = sigmoid(M @ x)", **shapes))
    values = drawn(shapes)
    s = 1 / (1 + np.exp(-values["M"] @ values["x"]))
    np.testing.assert_allclose(hessian(**values), values["M"].T @ np.diag(s * (1 - s)) @ values["M"], rtol=1e-12)


def test_hessian_of_log_det() -> None:
    """d2 log det X [E, F] = -tr(inv(X) E inv(X) F)."""
    X = sg.matrix("X", "n,n")
    hessian = sg.logdet(X).hessian(X)
    (value,) = drawn({"X": "n,n"}).values()
    np.testing.assert_allclose(hessian(X=value), -np.einsum("jk,li->ijkl", inv(value), inv(value)), rtol=1e-11, atol=1e-13)


def test_norms_at_the_identity() -> None:
    """At coinciding singular values what does not depend on the basis has its derivative."""
    X = sg.matrix("X", "n,n")
    np.testing.assert_allclose(sg.norm(X, "nuc").grad(X)(X=eye(3)), eye(3), atol=1e-14)
    np.testing.assert_allclose(sg.sum(sg.svdvals(X) ** 2).grad(X)(X=2 * eye(3)), 4 * eye(3), atol=1e-14)
    assert np.isfinite(sg.norm(X, 2).grad(X)(X=eye(3))).all()

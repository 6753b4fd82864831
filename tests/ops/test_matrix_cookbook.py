"""Forty facts from Petersen and Pedersen, *The Matrix Cookbook*, 2012, by their numbers there: gradients as numbers, of
interpreted and of compiled functions, against the closed forms in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import symgrad as sg

inv, det, eye, outer, pinv = np.linalg.inv, np.linalg.det, np.eye, np.outer, np.linalg.pinv
SHAPES = {
    "X": "n,n", "A": "n,n", "B": "n,n", "C": "n,n", "D": "n,n", "S": "n,n", "W": "n,n", "Y": "m,n", "P": "k,m", "Q": "n,k",
    "R": "m,m", "G": "m,n", "a": "n", "b": "n", "c": "m", "x": "n", "s": "n", "u": "m", "M": "m,n",
}  # fmt: skip
NUMBERS = {"m": 4, "n": 3, "k": 2}
Closed = Callable[..., Any]
FACTS: list[tuple[str, str, str, Closed]] = [
    ("(43)", "logdet(X)", "X", lambda X: inv(X).T),
    ("(49)", "det(X)", "X", lambda X: det(X) * inv(X).T),
    ("(51)", "det(A @ X @ B)", "X", lambda A, X, B: det(A @ X @ B) * inv(X).T),
    ("(52)", "det(X.T @ A @ X)", "X", lambda X, A: 2 * det(X.T @ A @ X) * inv(X).T),
    ("(54)", "det(Y.T @ R @ Y)", "Y",
     lambda Y, R: det(Y.T @ R @ Y) * (R @ Y @ inv(Y.T @ R @ Y) + R.T @ Y @ inv(Y.T @ R.T @ Y))),
    ("(55)", "log(det(Y.T @ Y))", "Y", lambda Y: 2 * pinv(Y).T),
    ("(56)", "sum(log(det(Y.T @ Y))*a)", "Y", lambda Y, a: 2 * pinv(Y).T * a.sum()),
    ("(58)", "det(matrix_power(X, 3))", "X", lambda X: 3 * det(X) ** 3 * inv(X).T),
    ("(61)", "a @ inv(X) @ b", "X", lambda a, X, b: -inv(X).T @ outer(a, b) @ inv(X).T),
    ("(62)", "det(inv(X))", "X", lambda X: -inv(X).T / det(X)),
    ("(63)", "tr(A @ inv(X) @ B)", "X", lambda A, X, B: -(inv(X) @ B @ A @ inv(X)).T),
    ("(64)", "tr(inv(X + A))", "X", lambda X, A: -(inv(X + A) @ inv(X + A)).T),
    ("(69)", "x @ a", "x", lambda x, a: a),
    ("(70)", "c @ Y @ b", "Y", lambda c, Y, b: outer(c, b)),
    ("(71)", "b @ Y.T @ c", "Y", lambda b, Y, c: outer(c, b)),
    ("(72)", "a @ X @ a", "X", lambda a, X: outer(a, a)),
    ("(76)", "(X @ a + b) @ D @ (X @ a + b)", "X", lambda X, a, b, D: outer((D + D.T) @ (X @ a + b), a)),
    ("(77)", "b @ X.T @ X @ a", "X", lambda b, X, a: X @ (outer(b, a) + outer(a, b))),
    ("(78)", "(B @ x + b) @ C @ (D @ x + a)", "x",
     lambda B, x, b, C, D, a: B.T @ C @ (D @ x + a) + D.T @ C.T @ (B @ x + b)),
    ("(81)", "x @ B @ x", "x", lambda x, B: (B + B.T) @ x),
    ("(82)", "b @ X.T @ D @ X @ a", "X", lambda b, X, D, a: D.T @ X @ outer(b, a) + D @ X @ outer(a, b)),
    ("(83)", "(X @ b + a) @ D @ (X @ b + a)", "X", lambda X, b, a, D: outer((D + D.T) @ (X @ b + a), b)),
    ("(84)", "(x - A @ s) @ V @ (x - A @ s) where V = W + W.T", "s",
     lambda x, A, s, W: -2 * A.T @ (W + W.T) @ (x - A @ s)),
    ("(88)", "(x - A @ s) @ V @ (x - A @ s) where V = W + W.T", "A",
     lambda x, A, s, W: -2 * outer((W + W.T) @ (x - A @ s), s)),
    ("(99)", "tr(X)", "X", lambda X: eye(len(X))),
    ("(100)", "tr(X @ A)", "X", lambda X, A: A.T),
    ("(101)", "tr(A @ X @ B)", "X", lambda A, X, B: A.T @ B.T),
    ("(102)", "tr(A @ X.T @ B)", "X", lambda A, X, B: B @ A),
    ("(104)", "tr(P @ Y @ Q)", "Y", lambda P, Y, Q: P.T @ Q.T),
    ("(105)", "tr(kron(A, X))", "X", lambda A, X: np.trace(A) * eye(len(X))),
    ("(106)", "tr(X @ X)", "X", lambda X: 2 * X.T),
    ("(107)", "tr(X @ X @ B)", "X", lambda X, B: (X @ B + B @ X).T),
    ("(108)", "tr(X.T @ B @ X)", "X", lambda X, B: B @ X + B.T @ X),
    ("(111)", "tr(A @ X @ B @ X)", "X", lambda A, X, B: A.T @ X.T @ B.T + B.T @ X.T @ A.T),
    ("(116)", "tr(B.T @ X.T @ C @ X @ B)", "X", lambda B, X, C: C.T @ X @ B @ B.T + C @ X @ B @ B.T),
    ("(118)", "tr(A @ X @ B @ X.T @ C)", "X", lambda A, X, B, C: A.T @ C.T @ X @ B.T + C @ A @ X @ B),
    ("(119)", "tr((A @ X @ B + C) @ (A @ X @ B + C).T)", "X", lambda A, X, B, C: 2 * A.T @ (A @ X @ B + C) @ B.T),
    ("(121)", "tr(matrix_power(X, 3))", "X", lambda X: 3 * (X @ X).T),
    ("(124)", "tr(A @ inv(X) @ B)", "X", lambda A, X, B: -(inv(X).T @ A.T @ B.T @ inv(X).T)),
    ("(125)", "tr(inv(X.T @ C @ X) @ A)", "X",
     lambda X, C, A: -(C @ X @ inv(X.T @ C @ X)) @ (A + A.T) @ inv(X.T @ C @ X)),
    ("(129)", "norm(x - a)", "x", lambda x, a: (x - a) / np.linalg.norm(x - a)),
    ("(130)", "(x - a)/norm(x - a)", "x",
     lambda x, a: eye(3) / np.linalg.norm(x - a) - outer(x - a, x - a) / np.linalg.norm(x - a) ** 3),
    ("(131)", "norm(x)**2", "x", lambda x: 2 * x),
    ("(132)", "norm(Y)**2", "Y", lambda Y: 2 * Y),
    ("(136)", "1/2*a @ X @ a - b @ a", "a", lambda a, X, b: (X + X.T) @ a / 2 - b),
]  # fmt: skip


def drawn(names: list[str]) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    values = {}
    for name in names:
        value = rng.normal(size=[NUMBERS[s] for s in SHAPES[name].split(",")])
        values[name] = value + 3 * eye(len(value)) if value.ndim == 2 and value.shape[0] == value.shape[1] else value
        if name == "C":  # symmetric, as (125) has it
            values[name] = value + value.T + 8 * eye(len(value))
    return values


@pytest.mark.parametrize(("number", "text", "variable", "closed"), FACTS, ids=[row[0] for row in FACTS])
def test_fact(number: str, text: str, variable: str, closed: Closed) -> None:
    names = list(closed.__code__.co_varnames[: closed.__code__.co_argcount])
    values = drawn(names)
    formula = sg.parse(text, **{name: SHAPES[name] for name in names})
    expected = closed(*values.values())
    slope = formula.jacobian(variable)
    np.testing.assert_allclose(slope(**values), expected, rtol=1e-10, atol=1e-10)
    symbols = list(formula.symbols)
    compiled = sg.compile(slope, inputs=symbols)
    np.testing.assert_allclose(compiled(*(values[str(x)] for x in symbols)), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("number", "text", "variable", "closed"), FACTS, ids=[row[0] for row in FACTS])
def test_second_order(number: str, text: str, variable: str, closed: Closed) -> None:
    """The derivative of the fact's own gradient along a direction, against differences of the closed form."""
    names = list(closed.__code__.co_varnames[: closed.__code__.co_argcount])
    values = drawn(names)
    formula = sg.parse(text, **{name: SHAPES[name] for name in names})
    along = np.random.default_rng(6).normal(size=values[variable].shape)
    second = formula.jacobian(variable).jacobian(variable)(**values)

    def at(step: float) -> Any:
        return closed(*(v + step * along if k == variable else v for k, v in values.items()))

    steps = [(at(h) - at(-h)) / (2 * h) for h in (1e-2, 5e-3, 2.5e-3)]
    first = [(4 * b - a) / 3 for a, b in pairwise(steps)]
    expected = (16 * first[1] - first[0]) / 15
    found = np.tensordot(second, along, along.ndim)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * max(1, np.abs(expected).max()))

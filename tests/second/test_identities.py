"""Identities under masks and quotients are substituted away, and the Hessians that result are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.graph import postorder

SIZES = {"h": 3, "n": 4, "k": 2, "m": 5, "p": 3}
NETWORK = {"X": "m,n", "W1": "n,h", "W2": "h,h", "W3": "h,k"}
# formula, shapes, variables, whether an identity is left in the Hessian
CASES: list[tuple[str, dict[str, str], tuple[str, ...], bool]] = [
    ("sum((W2 @ relu(W1 @ x) - y)**2)", {"W1": "h,n", "x": "n", "W2": "k,h", "y": "k"}, ("W1", "x"), False),
    ("sum(relu(X @ W1) @ W2)**2", {"X": "m,n", "W1": "n,h", "W2": "h"}, ("W1", "X"), False),
    ("logsumexp(W2 @ relu(W1 @ x))", {"W1": "h,n", "x": "n", "W2": "k,h"}, ("W1", "x"), False),
    ("sum(logsumexp(relu(relu(X @ W1) @ W2) @ W3, axis=1))", NETWORK, ("W1", "W2"), False),
    ("sum(maximum(A @ x, 0)**2)", {"A": "m,n", "x": "n"}, ("x",), False),
    ("sum(maximum(A @ x, 0)**2)", {"A": "m,n", "x": "n"}, ("A",), True),
    ("sum(log(x**2))", {"x": "n"}, ("x",), True),
    ("sum(A @ x/((B @ x)**2 + 1))", {"A": "m,n", "B": "m,n", "x": "n"}, ("x",), False),
    ("norm(relu(A @ X))", {"A": "m,n", "X": "n,p"}, ("X",), True),
    ("sum(max(A @ X, axis=0)**2)", {"A": "m,n", "X": "n,p"}, ("X",), True),
    ("sum((x[:, None]/(1 + abs(x))[None, :])**2)", {"x": "n"}, ("x",), True),
    ("trace(where(A > 0, A, 0.5*A) @ A)", {"A": "n,n"}, ("A",), True),
]


@pytest.mark.parametrize(("formula", "shapes", "names", "left"), CASES, ids=[c[0] + c[2][0] for c in CASES])
def test_hessians(formula: str, shapes: dict[str, str], names: tuple[str, ...], left: bool) -> None:
    f = sg.parse(formula, **shapes)
    rng = np.random.default_rng(0)
    values = {k: rng.normal(size=tuple(SIZES[n] for n in s.split(","))) for k, s in shapes.items()}

    def differences(function: Any, name: str) -> Any:
        columns = []
        for index in np.ndindex(values[name].shape):
            step = np.zeros_like(values[name])
            step[index] = 1e-5
            ahead, behind = (np.asarray(function(**{**values, name: values[name] + s})) for s in (step, -step))
            columns.append((ahead - behind) / 2e-5)
        return np.stack(columns, -1).reshape(*columns[0].shape, *values[name].shape)

    for name in names:
        g, h = f.grad(name), f.hessian(name)
        np.testing.assert_allclose(g(**values), differences(f, name), rtol=1e-6, atol=1e-6)
        expected = differences(g, name)
        np.testing.assert_allclose(h(**values), expected, rtol=1e-6, atol=1e-6)
        compiled = sg.compile(f, wrt=name).hessian(**values)
        np.testing.assert_allclose(compiled, expected, rtol=1e-6, atol=1e-6)
        assert any(x.op.name == "delta" for x in postorder([h.node])) is left


def test_an_identity_is_not_divided() -> None:
    """Off the diagonal nothing flows: no 0/0."""
    j = sg.parse("log(x)", x="n").jacobian("x")
    assert str(j) == "diag(1/x)"
    for at in (j, sg.compile(j)):
        np.testing.assert_array_equal(at(x=[0.0, 2.0]), [[np.inf, 0], [0, 0.5]])
    j = sg.parse("relu(W @ x)", W="m,n", x="n").jacobian("x")
    assert str(j) == "mask((W @ x > 0)[:, None], W)"

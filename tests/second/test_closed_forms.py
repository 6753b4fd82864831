"""Hessians of formulas with many indices are computed without an array larger than their result or their factors."""

from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg

SIZES = {"n": 6, "d": 2, "m": 5, "k": 3}
# formula, shapes (the variable first), the text of the Hessian or None, operations at n = m = 1000, k = d = 5
CASES: list[tuple[str, dict[str, str], str | None, float]] = [
    ("norm(x)", {"x": "n"}, "mask(norm(x) != 0, eye(n)/norm(x) - outer(x, x)/(norm(x)*x @ x))", 1e7),
    ("norm(A @ X - B)", {"X": "n,k", "A": "m,n", "B": "m,k"}, None, 2.5e9),
    ("logdet(L @ L' + diag(p)) + trace(inv(L @ L' + diag(p)) @ S)", {"p": "n", "L": "n,k", "S": "n,n"}, None, 1e10),
    ("sum(exp(-sum((X[:, None, :] - X[None, :, :])**2, axis=2)))", {"X": "n,d"}, None, 1e9),
]


@pytest.mark.parametrize(("formula", "shapes", "text", "operations"), CASES, ids=[c[0] for c in CASES])
def test_closed_forms(formula: str, shapes: dict[str, str], text: str | None, operations: float) -> None:
    L = sg.parse(formula, **shapes)
    name = next(iter(shapes))
    H = L.hessian(name)
    assert text is None or str(H) == text
    assert H.cost().at(n=1000, m=1000, k=5, d=5)[0] < operations
    rng = np.random.default_rng(4)
    values = {key: rng.uniform(0.5, 1.5, tuple(SIZES[n] for n in s.split(","))) for key, s in shapes.items()}
    gradient = L.grad(name)
    columns = []
    for index in np.ndindex(values[name].shape):
        step = np.zeros_like(values[name])
        step[index] = 1e-5
        ahead, behind = (np.asarray(gradient(**{**values, name: values[name] + s})) for s in (step, -step))
        columns.append((ahead - behind) / 2e-5)
    exact = np.stack(columns, -1).reshape(*values[name].shape * 2)
    np.testing.assert_allclose(H(**values), exact, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sg.compile(L, wrt=name).hessian(**values), exact, rtol=1e-6, atol=1e-6)


def test_a_norm_masked_as_a_whole_is_zero_where_nothing_flows() -> None:
    f = sg.compile(sg.parse("norm(A @ x - b)", x="n", A="m,n", b="m"), wrt="x")
    for found in (f.grad, f.hessian):
        assert not np.any(found(np.zeros(2), np.array([[np.inf, 0], [0, 1.0]])[1:], np.zeros(1)))

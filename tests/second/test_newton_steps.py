"""Newton steps from compressed Hessians, and a constrained problem of Lukšan and Vlček with sparse derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse.linalg

import symgrad as sg

RNG = np.random.default_rng(19)


def test_a_newton_step_of_the_factorisation_from_its_blocks() -> None:
    """The loss is quadratic in U: one step ends at the least squares solution of every row."""
    L = sg.parse("sum(O*(T - U @ V')**2)", U="m,k", O="m,n", T="m,n", V="n,k")
    m, n, k = 6, 9, 2
    values = {
        "U": RNG.normal(size=(m, k)), "O": RNG.uniform(0.5, 1, (m, n)), "T": RNG.normal(size=(m, n)),
        "V": RNG.normal(size=(n, k)),
    }  # fmt: skip
    (blocks,) = L.hessian("U", sparse=True).values
    step = np.linalg.solve(blocks(**values), L.grad("U")(**values)[:, :, None])[:, :, 0]
    weights = np.sqrt(values["O"])
    rows = [np.linalg.lstsq(w[:, None] * values["V"], w * t, rcond=None)[0]
            for w, t in zip(weights, values["T"], strict=True)]  # fmt: skip
    np.testing.assert_allclose(values["U"] - step, rows, rtol=1e-10)


def test_newton_with_a_sparse_hessian_ends_at_the_minimum() -> None:
    f = sg.parse("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", x="n")
    gradient, hessian = sg.compile(f, wrt="x").grad, sg.compile(f.hessian("x", sparse=True))
    x = np.full(2000, 1.02)
    for _ in range(12):
        x -= scipy.sparse.linalg.spsolve(hessian(x), gradient(x))
    np.testing.assert_allclose(x, 1, atol=1e-10)


def constraints(m: Any, x: Any) -> Any:
    """Problem 5.1 of Lukšan and Vlček (1999): the constraints of the chained Rosenbrock function."""
    a, b, c = x[:-2], x[1:-1], x[2:]
    return 3 * b**3 + 2 * c - 5 + m.sin(b - c) * m.sin(b + c) + 4 * b - a * m.exp(a - b) - 3


def test_luksan_vlcek_constraints() -> None:
    c = constraints(sg, sg.vector("x", "n"))
    n = 30
    x, u = RNG.uniform(-1, 1, n), RNG.normal(size=n - 2)
    jacobian = sg.compile(c.jacobian("x", sparse=True))(x)
    steps = x + 1e-30j * np.eye(n)
    exact = np.stack([constraints(np, row).imag * 1e30 for row in steps], axis=1)
    assert jacobian.nnz == 3 * (n - 2)
    np.testing.assert_allclose(jacobian.toarray(), exact, rtol=1e-12, atol=1e-13)

    weighted = sg.compile(sg.sum(sg.vector("u", "n - 2") * c).hessian("x", sparse=True))(x=x, u=u)
    slopes = sg.compile(c.jacobian("x", sparse=True))
    difference = np.stack([(slopes(x + h).T @ u - slopes(x - h).T @ u) / 2e-6 for h in 1e-6 * np.eye(n)], axis=1)
    assert weighted.nnz <= n + 2 * (n - 1)  # tridiagonal: no term has the first and the last of its three
    np.testing.assert_allclose(weighted.toarray(), difference, atol=1e-7)

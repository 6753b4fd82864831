"""Sparse derivatives of compiled functions, and the test problems of Lukšan and Vlček (*Sparse and Partially Separable
Test Problems for Unconstrained and Equality Constrained Optimization*, report 767, 1999), whose variables beyond both
ends are zero or that take variables in groups."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import symgrad as sg


def wood(m: Any, x: Any) -> Any:
    a, b, c, d = x[:-3:2], x[1:-2:2], x[2:-1:2], x[3::2]
    first = 100 * (a**2 - b) ** 2 + (a - 1) ** 2 + 90 * (c**2 - d) ** 2
    return m.sum(first + (c - 1) ** 2 + 10 * (b + d - 2) ** 2 + (b - d) ** 2 / 10)


def powell(m: Any, x: Any) -> Any:
    a, b, c, d = x[:-3:2], x[1:-2:2], x[2:-1:2], x[3::2]
    return m.sum((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4)


def cragg_levy(m: Any, x: Any) -> Any:
    a, b, c, d = x[:-3:2], x[1:-2:2], x[2:-1:2], x[3::2]
    return m.sum((m.exp(a) - b) ** 4 + 100 * (b - c) ** 6 + m.tan(c - d) ** 4 + a**8 + (d - 1) ** 2)


def broyden_tridiagonal(m: Any, x: Any) -> Any:
    y = m.pad(x, 1)
    return m.sum(m.abs((3 - 2 * x) * x - y[:-2] - y[2:] + 1) ** (7 / 3))


def broyden_banded(m: Any, x: Any) -> Any:
    y = m.pad(x * (1 + x), (5, 1))
    near = sum(y[k : k + x.shape[0]] for k in (0, 1, 2, 3, 4, 6))
    return m.sum(m.abs((2 + 5 * x**2) * x + 1 + near) ** (7 / 3))


def toint_butterfly(m: Any, x: Any) -> Any:
    y, half = m.pad(x, 1), x.shape[0] // 2
    across = m.abs(x[:half] + x[half:]) ** (7 / 3)
    return m.sum(m.abs((3 - 2 * x) * x + 1 - y[:-2] - y[2:]) ** (7 / 3)) + m.sum(across)


def nazareth(m: Any, x: Any) -> Any:
    return m.sum((x[:-1] * m.sin(x[1:]) + x[1:] * m.cos(x[:-1])) ** 2)


def penalty(m: Any, x: Any) -> Any:
    """A boundary value problem: the ends are given."""
    y = m.concatenate([np.array([0.5]), x, np.array([-0.25])])
    return m.sum((2 * y[1:-1] - y[:-2] - y[2:] + 0.01 * (y[1:-1] + 1) ** 3) ** 2)


PROBLEMS: list[tuple[Callable[[Any, Any], Any], int]] = [
    (wood, 5), (powell, 7), (cragg_levy, 5), (broyden_tridiagonal, 5), (broyden_banded, 13), (toint_butterfly, 7),
    (nazareth, 3), (penalty, 5),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "width"), PROBLEMS, ids=[p.__name__ for p, _ in PROBLEMS])
def test_problems_of_luksan_and_vlcek(problem: Callable[[Any, Any], Any], width: int) -> None:
    n = 22
    x = np.random.default_rng(7).uniform(0.2, 0.9, n)
    f = sg.compile(sg.from_function(lambda x: problem(np, x), x=str(n)), wrt="x")
    H = f.sparse_hessian(x)
    assert H.nnz <= width * n
    steps = 1e-5 * np.eye(n)
    exact = [[problem(np, x + a + b) - problem(np, x + a - b) - problem(np, x - a + b) + problem(np, x - a - b)
              for b in steps] for a in steps]  # fmt: skip
    largest = np.abs(H.data).max()
    np.testing.assert_allclose(H.toarray() / largest, np.array(exact) / 4e-10 / largest, atol=2e-5)


def test_arguments_are_those_of_the_function() -> None:
    L = sg.parse("sum(c*(x[1:] - x[:-1])**4) + sum(y**2*x[k])", c="", x="n", y="m", k="i64[m]")
    f = sg.compile(L, wrt=("x", "y"), inputs=["c", "k", "x", "y"])
    rng = np.random.default_rng(0)
    args = 2.0, np.array([0, 2]), rng.normal(size=4), rng.normal(size=2)
    blocks = f.hessian(*args)
    expected = np.block([list(row) for row in blocks])
    for g in (f.sparse_hessian, pickle.loads(pickle.dumps(f.sparse_hessian))):
        np.testing.assert_allclose(g(*args).toarray(), expected, atol=1e-12)
        np.testing.assert_allclose(g(c=2.0, x=args[2], y=args[3], k=args[1]).toarray(), expected, atol=1e-12)


def test_variables_in_one_vector() -> None:
    f = sg.compile(sg.parse("sum(x**4) + sum((x[1:]*y)**2)", x="n", y="n - 1"), wrt=("x", "y"))
    start = f.flatten(([1.0, 2.0, 3.0], [0.5, 1.5]))
    np.testing.assert_allclose(f.sparse_hessian(start).toarray(), f.hessian(start))


def test_constraints_with_sparse_derivatives() -> None:
    """The chained Rosenbrock function with the equalities of problem 5.1; SciPy's result by dense derivatives."""
    def equalities(x: Any) -> Any:
        a, b, c = x[:-2], x[1:-1], x[2:]
        return 3 * b**3 + 2 * c - 5 + np.sin(b - c) * np.sin(b + c) + 4 * b - a * np.exp(a - b) - 3

    f = sg.compile(sg.parse("sum(100*(x[:-1]**2 - x[1:])**2 + (x[:-1] - 1)**2)", x="n"))
    c = sg.compile(sg.from_function(equalities, x="n"))
    start = np.tile([-1.2, 1.0], 5)
    found = []
    for jac, hess, second in (
        (c.jacobian, c.weighted_hessian, f.hessian),
        (c.sparse_jacobian, c.sparse_weighted_hessian, f.sparse_hessian),
    ):
        constraint = scipy.optimize.NonlinearConstraint(c, 0, 0, jac=jac, hess=hess)
        result = scipy.optimize.minimize(
            f, start, jac=f.grad, hess=second, method="trust-constr", constraints=[constraint],
            options={"gtol": 1e-9, "xtol": 1e-12},
        )  # fmt: skip
        assert np.abs(equalities(result.x)).max() < 1e-8
        found.append(result.x)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@pytest.mark.parametrize("method", ["BDF", "Radau"])
def test_a_stiff_reaction_with_diffusion(method: str) -> None:
    """The Brusselator on a line (Hairer and Wanner, *Solving ODEs II*, section IV.1), dense against sparse."""
    import scipy.integrate

    def rate(z: Any) -> Any:
        n = z.shape[0] // 2
        u, v = z[:n], z[n:]
        wide, tall = np.pad(u, 1, constant_values=1.0), np.pad(v, 1, constant_values=3.0)
        du = 1 + u**2 * v - 4 * u + 0.02 * 121 * (wide[:-2] - 2 * u + wide[2:])
        dv = 3 * u - u**2 * v + 0.02 * 121 * (tall[:-2] - 2 * v + tall[2:])
        return np.concatenate([du, dv])

    f = sg.compile(sg.from_function(rate, z="20"))
    grid = np.arange(1, 11) / 11
    start = np.concatenate([1 + np.sin(2 * np.pi * grid), np.full(10, 3.0)])
    solutions = []
    for jac in (lambda t, z: f.sparse_jacobian(z), None):
        found = scipy.integrate.solve_ivp(
            lambda t, z: f(z), (0, 2), start, method=method, jac=jac, rtol=1e-8, atol=1e-10
        )
        solutions.append(found.y[:, -1])
    np.testing.assert_allclose(*solutions, rtol=1e-5)
    assert f.sparse_jacobian(start).nnz == 2 * (10 + 9 * 2) + 20

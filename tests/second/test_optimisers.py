"""SciPy's solvers take values and derivatives of every kind as they are, and find what is known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

import symgrad as sg

RNG = np.random.default_rng(11)
ROSENBROCK = sg.parse("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", x="n")
START = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


@pytest.mark.parametrize("method", ["Newton-CG", "trust-exact", "trust-krylov", "trust-ncg", "trust-constr", "dogleg"])
@pytest.mark.parametrize("how", ["hessian", "products", "sparse", "problem"])
def test_minimize(method: str, how: str) -> None:
    f = sg.compile(ROSENBROCK, wrt="x")
    if how == "products" and method in ("trust-exact", "dogleg"):
        pytest.skip("needs the matrix")
    second: dict[str, Any] = {"hess": f.hessian}
    function, gradient = f, f.grad
    if how == "products":
        second = {"hessp": f.hvp}
    elif how == "sparse":
        compiled = sg.compile(ROSENBROCK.hessian("x", sparse=True))
        second = {"hess": compiled if method == "trust-constr" else lambda x: compiled(x).toarray()}
    elif how == "problem":
        p = f.problem()
        function, gradient, second = p, p.grad, {"hess": p.hessian}
    start = np.full(5, 1.1) if method == "dogleg" else START  # dogleg wants a definite Hessian
    options = {"gtol": 1e-10} if method != "Newton-CG" else {"xtol": 1e-12}
    found = scipy.optimize.minimize(function, start, jac=gradient, method=method, options=options, **second)
    np.testing.assert_allclose(found.x, np.ones(5), atol=1e-7)


def test_a_hessian_operator_serves_trust_constr() -> None:
    f = sg.compile(ROSENBROCK, wrt="x")
    found = scipy.optimize.minimize(
        f, START, jac=f.grad, hess=f.hessian_operator, method="trust-constr", options={"gtol": 1e-10}
    )
    np.testing.assert_allclose(found.x, np.ones(5), atol=1e-7)


def test_least_squares_with_a_sparse_jacobian() -> None:
    r = sg.parse("(3 - 2*x[1:-1])*x[1:-1] - x[:-2] - 2*x[2:] + 1", x="n")
    f, jacobian = sg.compile(r, wrt="x"), sg.compile(r.jacobian("x", sparse=True))
    found = scipy.optimize.least_squares(f, -np.ones(40), jac=jacobian, method="trf", tr_solver="lsmr", xtol=1e-15)
    assert np.abs(f(found.x)).max() < 1e-8
    with_operator = scipy.optimize.least_squares(f, -np.ones(40), jac=f.jacobian_operator, tr_solver="lsmr", xtol=1e-15)
    assert np.abs(f(with_operator.x)).max() < 1e-8


def test_a_nonlinear_constraint_with_weighted_hessian() -> None:
    """The point of x² + 2y² = 2, xy >= 1/2 that is nearest to (3, 0), from its equations by SymPy."""
    import sympy

    f = sg.compile(sg.parse("sum((x - c)**2)", x="n", c="n"), wrt="x")
    c = sg.compile(sg.parse("array([x[0]**2 + 2*x[1]**2, x[0]*x[1]])", x="2"), wrt="x")
    constraint = scipy.optimize.NonlinearConstraint(c, [2, 0.5], [2, np.inf], jac=c.jacobian, hess=c.weighted_hessian)
    found = scipy.optimize.minimize(
        f, [1.0, 0.7], args=(np.array([3.0, 0]),), jac=f.grad, hess=f.hessian, method="trust-constr",
        constraints=[constraint], options={"gtol": 1e-10, "xtol": 1e-12, "barrier_tol": 1e-12},
    )  # fmt: skip
    x, y = sympy.symbols("x y", positive=True)
    corners = sympy.solve([x**2 + 2 * y**2 - 2, x * y - sympy.Rational(1, 2)], [x, y])
    best = min((tuple(map(float, p)) for p in corners), key=lambda p: (p[0] - 3) ** 2 + p[1] ** 2)
    np.testing.assert_allclose(found.x, best, atol=1e-6)


def test_root() -> None:
    f = sg.compile(sg.parse("A @ x + x**3 - b", A="n,n", x="n", b="n"), wrt="x")
    A, x = RNG.normal(size=(6, 6)) + 6 * np.eye(6), RNG.normal(size=6)
    for method in ("hybr", "lm"):
        found = scipy.optimize.root(f, np.zeros(6), args=(A, A @ x + x**3), jac=f.jacobian, method=method, tol=1e-13)
        np.testing.assert_allclose(found.x, x, rtol=1e-9)


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
@pytest.mark.parametrize("sparse", [False, True])
def test_solve_ivp(method: str, sparse: bool) -> None:
    """A heat equation, whose Jacobian is tridiagonal: compared with the exponential of its matrix."""
    import scipy.integrate
    import scipy.linalg

    u, n = sg.vector("u", "n"), 12
    inner = u[2:] - 2 * u[1:-1] + u[:-2]
    rate = sg.concatenate([u[1:2] - 2 * u[:1], inner, u[-2:-1] - 2 * u[-1:]])
    f = sg.compile(rate, wrt="u")
    matrix = sg.compile(rate.jacobian("u", sparse=True)) if sparse and method != "LSODA" else f.jacobian
    start = RNG.normal(size=n)
    found = scipy.integrate.solve_ivp(
        lambda t, y: f(y), (0, 2), start, method=method, jac=lambda t, y: matrix(y), rtol=1e-9, atol=1e-11
    )
    exact = scipy.linalg.expm(2 * (np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1) - 2 * np.eye(n))) @ start
    np.testing.assert_allclose(found.y[:, -1], exact, atol=1e-6)


def test_one_evaluation_serves_all_that_is_asked_for_at_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    f = sg.compile(ROSENBROCK, wrt="x")
    x, calls = START.copy(), []
    expected = f(x), f.grad(x), f.hessian(x)
    for name in ("value_and_grad", "hessian", "value_grad_and_hessian"):
        function = getattr(f, name)
        monkeypatch.setitem(f.__dict__, name, lambda *a, n=name, g=function: calls.append(n) or g(*a))
    p = f.problem()
    for found, wanted in zip((p(x), p.grad(x), p.hessian(x), p.hessian(x)), (*expected, expected[2]), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert calls == ["value_and_grad", "hessian"]
    x += 1
    p.hessian(x)[:] = 0
    np.testing.assert_array_equal(p.hessian(x), f.hessian(x))
    assert p(x) == f(x)
    np.testing.assert_array_equal(p.grad(x), f.grad(x))
    assert calls[2:4] == ["value_grad_and_hessian", "hessian"]  # the second one is the comparison above

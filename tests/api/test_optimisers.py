"""SciPy's optimisers take compiled functions as they are."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.sparse.linalg

import symgrad as sg

rng = np.random.default_rng(4)
X = rng.normal(size=(40, 3))
y = np.sign(X @ [1.0, -2, 0.5] + 0.5 * rng.normal(size=40))
LOSS = sg.parse("sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2", w="n", X="m,n", y="m", lam="")


@pytest.fixture(scope="module")
def f() -> sg.Function:
    return sg.compile(LOSS, wrt="w")


def optimum() -> Any:
    """Newton's method written out in NumPy."""
    w = np.zeros(3)
    for _ in range(30):
        p = 1 / (1 + np.exp(y * (X @ w)))
        w -= np.linalg.solve(X.T @ ((p * (1 - p))[:, None] * X) + 0.1 * np.eye(3), -X.T @ (y * p) + 0.1 * w)
    return w


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "Newton-CG", "trust-exact", "trust-ncg", "trust-constr"])
def test_minimize(f: sg.Function, method: str) -> None:
    second = {} if method in ("BFGS", "L-BFGS-B", "CG") else {"hess": f.hessian}
    found = scipy.optimize.minimize(f, np.zeros(3), args=(X, y, 0.1), jac=f.grad, method=method, tol=1e-10, **second)
    np.testing.assert_allclose(found.x, optimum(), atol=1e-5)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-krylov"])
def test_minimize_with_products(f: sg.Function, method: str) -> None:
    found = scipy.optimize.minimize(
        f, np.zeros(3), args=(X, y, 0.1), jac=f.grad, hessp=f.hvp, method=method, options={"maxiter": 200}, tol=1e-8
    )
    np.testing.assert_allclose(found.x, optimum(), atol=1e-5)


def test_minimize_with_value_and_gradient_at_once(f: sg.Function) -> None:
    found = scipy.optimize.minimize(f.value_and_grad, np.zeros(3), args=(X, y, 0.1), jac=True, tol=1e-10)
    np.testing.assert_allclose(found.x, optimum(), atol=1e-5)


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact"])
def test_problems_share_value_and_gradient(f: sg.Function, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points: list[bytes] = []
    both = f.value_and_grad

    def counted(*args: Any, **keywords: Any) -> Any:
        points.append(np.asarray(args[0]).tobytes())
        return both(*args, **keywords)

    monkeypatch.setattr(f, "value_and_grad", counted)
    p = f.problem(X.tolist(), lam=0.1, y=y)
    second = {} if method == "BFGS" else {"hess": p.hessian}
    found = scipy.optimize.minimize(p, np.zeros(3), jac=p.grad, method=method, tol=1e-10, **second)
    np.testing.assert_allclose(found.x, optimum(), atol=1e-5)
    assert found.nfev + found.njev > len(points) > 0
    assert all(a != b for a, b in pairwise(points)), "no point is computed twice in a row"


def test_problems_keep_their_results() -> None:
    p = sg.compile(LOSS, wrt="w").problem(X, y, 0.1)
    w, v = np.array([0.1, 0.2, 0.3]), np.ones(3)
    first = p.grad(w)
    expected = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(p.grad(w), expected)
    w[0] = 5.0
    assert p(w) == p.function(w, X, y, 0.1), "another point in the same array"
    np.testing.assert_allclose(p.hessian_operator(w) @ v, p.hvp(w, v), rtol=1e-13)
    with pytest.raises(sg.ArgumentError, match="missing argument lam"):
        p.function.problem(X, y)
    with pytest.raises(sg.ArgumentError, match="argument w is given twice"):
        p.function.problem(X, y, 0.1, w=w)


def test_newton_steps_with_the_operator(f: sg.Function) -> None:
    w = np.zeros(3)
    for _ in range(10):
        H = f.hessian_operator(w, X, y, lam=0.1)
        assert H.shape == (3, 3) and H.dtype == np.float64
        w = w - scipy.sparse.linalg.cg(H, f.grad(w, X, y, 0.1), rtol=1e-12)[0]
    np.testing.assert_allclose(w, optimum(), rtol=1e-8)
    np.testing.assert_allclose(H @ np.eye(3), f.hessian(w, X, y, 0.1), rtol=1e-6)


@cache
def network() -> sg.Function:
    """A network with one hidden layer and its variables in a structure."""
    text = "sum((tanh(A @ W + b) @ v - t)**2) + 0.01 * (sum(W**2) + sum(v**2))"
    expr = sg.parse(text, A="m,n", W="n,h", b="h", v="h", t="m")
    return sg.compile(expr, wrt={"W": "W", "layer": ["b", "v"]}, inputs=None)


@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-exact"])
def test_parameters_in_a_structure_are_one_vector(method: str) -> None:
    f = network()
    t = np.tanh(X[:, 0]) - X[:, 1]
    start = {"layer": [rng.normal(size=2), rng.normal(size=2)], "W": rng.normal(size=(3, 2))}
    x0 = f.flatten(start)
    assert x0.shape == (10,)
    np.testing.assert_array_equal(x0[:6], start["W"].ravel())
    second = {} if method == "L-BFGS-B" else {"hess": f.hessian}
    found = scipy.optimize.minimize(f, x0, args=(X, t), jac=f.grad, method=method, options={"maxiter": 300}, **second)
    params = f.unflatten(found.x)
    assert params["W"].shape == (3, 2) and [a.shape for a in params["layer"]] == [(2,), (2,)]
    assert f(params, X, t) == found.fun < f(start, X, t)
    np.testing.assert_allclose(f.flatten(f.grad(params, X, t)), f.grad(found.x, X, t))
    assert np.abs(f.grad(found.x, X, t)).max() < 1e-2


def test_all_derivatives_of_one_vector() -> None:
    f = network()
    t = np.tanh(X[:, 0])
    params = {"W": rng.normal(size=(3, 2)), "layer": [rng.normal(size=2), rng.normal(size=2)]}
    x = f.flatten(params)
    v = rng.normal(size=10)
    H = f.hessian(x, X, t)
    np.testing.assert_allclose(H, H.T, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(f.hvp(x, v, X, t), H @ v, rtol=1e-10)
    np.testing.assert_allclose(f.hessian_operator(x, X, t) @ v, H @ v, rtol=1e-10)
    np.testing.assert_allclose(f.hessian_operator(params, X, t) @ v, H @ v, rtol=1e-10)
    np.testing.assert_allclose(f.jacobian(x, X, t), f.grad(x, X, t))
    np.testing.assert_allclose(f.jvp(x, v, X, t), f.grad(x, X, t) @ v, rtol=1e-11)
    value, gradient = f.value_and_grad(x, X, t)
    assert value == f(x, X, t)
    np.testing.assert_array_equal(gradient, f.grad(x, X, t))
    out = np.empty(10)
    assert f.grad(x, X, t, out=out) is out
    np.testing.assert_array_equal(out, gradient)
    with pytest.raises(sg.ArgumentError, match="the variables were flattened to 10 numbers, got an array of shape"):
        f(x[1:], X, t)


def test_several_variables_and_single_matrices_as_one_vector() -> None:
    f = sg.compile(sg.parse("sum((A @ P @ Q)**2)", A="m,n", P="n,k", Q="k,k"), wrt=("P", "Q"))
    P, Q = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    x = f.flatten((P, Q))
    assert f(x, X) == f(P, Q, X)
    np.testing.assert_array_equal(f.grad(x, X), np.concatenate([g.ravel() for g in f.grad(P, Q, X)]))
    g = sg.compile(sg.parse("sum((A @ P)**2)", A="m,n", P="n,k"), wrt="P")
    with pytest.raises(sg.ArgumentError, match=r"unflatten: call flatten\(...\) first"):
        g.unflatten(x)
    start = g.flatten(P)
    found = scipy.optimize.minimize(g, start, args=(X,), jac=g.grad, hess=g.hessian, method="Newton-CG")
    np.testing.assert_allclose(g.unflatten(found.x), np.zeros((3, 2)), atol=1e-6)


def test_least_squares_root_and_ode() -> None:
    r = sg.compile(sg.parse("a[0] * exp(-a[1] * t) - z", a="2", t="m", z="m"), wrt="a")
    t = np.linspace(0, 2, 30)
    found = scipy.optimize.least_squares(r, [1.0, 1.0], jac=r.jacobian, args=(t, 3 * np.exp(-1.5 * t)))
    np.testing.assert_allclose(found.x, [3, 1.5], rtol=1e-8)
    g = sg.compile(sg.parse("array([x[0]**2 + x[1] - 3, x[0] - x[1]**2 + 1])", x="2"), wrt="x")
    root = scipy.optimize.root(g, [1.0, 1.0], jac=g.jacobian)
    np.testing.assert_allclose(g(root.x), 0, atol=1e-10)
    field = sg.compile(sg.parse("array([q[1], 5*(1 - q[0]**2)*q[1] - q[0]])", t="", q="2"), wrt="q", inputs=["t", "q"])
    path = scipy.integrate.solve_ivp(field, (0, 5), [2.0, 0.0], jac=field.jacobian, method="Radau", rtol=1e-8)
    plain = scipy.integrate.solve_ivp(
        lambda _, q: [q[1], 5 * (1 - q[0] ** 2) * q[1] - q[0]], (0, 5), [2.0, 0.0], rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(path.y[:, -1], plain.y[:, -1], rtol=1e-3)


def test_scalar_problems() -> None:
    f = sg.compile(sg.parse("(x - 2)**4 + x"), wrt="x")
    found = scipy.optimize.minimize(f, 0.0, jac=f.grad, method="BFGS", tol=1e-10)
    np.testing.assert_allclose(found.x, 2 - 0.25 ** (1 / 3), rtol=1e-5)
    zero = scipy.optimize.newton(sg.compile(sg.parse("cos(x) - x")), 1.0)
    np.testing.assert_allclose(zero, 0.7390851332151607, rtol=1e-10)

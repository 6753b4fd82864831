"""Derivatives of compiled functions against closed forms and differences, up to second order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg

rng = np.random.default_rng(11)
m, n = 12, 4
X, w, y, lam = rng.normal(size=(m, n)), rng.normal(size=n), np.sign(rng.normal(size=m)), 0.3
TEXT = "sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2"


def logistic(wrt: Any = "w") -> sg.Function:
    return sg.compile(sg.parse(TEXT, w="n", X="m,n", y="m", lam=""), wrt=wrt)


def test_logistic_regression_has_its_textbook_derivatives() -> None:
    f = logistic()
    p = 1 / (1 + np.exp(y * (X @ w)))
    value = np.log1p(np.exp(-y * (X @ w))).sum() + lam / 2 * (w @ w)
    gradient = -X.T @ (y * p) + lam * w
    hessian = X.T @ np.diag(p * (1 - p)) @ X + lam * np.eye(n)
    v = rng.normal(size=n)
    np.testing.assert_allclose(f(w, X, y, lam), value, rtol=1e-13)
    np.testing.assert_allclose(f.grad(w, X, y, lam), gradient, rtol=1e-12)
    np.testing.assert_allclose(f.hessian(w, X, y, lam), hessian, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(f.hvp(w, v, X, y, lam), hessian @ v, rtol=1e-12)
    np.testing.assert_allclose(f.jvp(w, v, X, y, lam), gradient @ v, rtol=1e-12)
    np.testing.assert_allclose(f.vjp(w, 2.0, X, y, lam), 2 * gradient, rtol=1e-12)
    np.testing.assert_allclose(f.jacobian(w, X, y, lam), gradient, rtol=1e-12)
    np.testing.assert_allclose(f.grad.jacobian(w, X, y, lam), hessian, rtol=1e-12, atol=1e-14)
    both = f.value_and_grad(w, X, y, lam)
    assert isinstance(both, tuple) and type(both[0]) is float
    np.testing.assert_allclose(both[0], value, rtol=1e-13)
    np.testing.assert_allclose(both[1], gradient, rtol=1e-12)


def test_single_precision() -> None:
    f = sg.compile(sg.parse(TEXT, w="n", X="m,n", y="m", lam=""), wrt="w", dtype="f32")
    gradient = f.grad(w, X, y, lam)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, logistic().grad(w, X, y, lam), rtol=1e-4)


def test_several_variables_give_tuples() -> None:
    f = logistic(("w", "lam"))
    gw, glam = f.grad(w, lam, X, y)
    assert type(glam) is float
    np.testing.assert_allclose(glam, w @ w / 2, rtol=1e-13)
    np.testing.assert_allclose(gw, logistic().grad(w, X, y, lam), rtol=1e-13)
    (hww, hwl), (hlw, hll) = f.hessian(w, lam, X, y)
    np.testing.assert_allclose(hww, logistic().hessian(w, X, y, lam), rtol=1e-12)
    np.testing.assert_allclose(hwl, w, rtol=1e-13)
    np.testing.assert_allclose(hlw, w, rtol=1e-13)
    assert hll == 0
    v = rng.normal(size=n)
    pw, pl = f.hvp(w, lam, v, 2.0, X, y)
    np.testing.assert_allclose(pw, hww @ v + 2 * w, rtol=1e-12)
    np.testing.assert_allclose(pl, w @ v, rtol=1e-12)
    np.testing.assert_allclose(f.hvp(w=w, lam=lam, v_w=v, v_lam=2.0, X=X, y=y)[0], pw)


def test_jacobians_of_several_outputs() -> None:
    A, x = sg.matrix("A", "m,n"), sg.vector("x", "n")
    f = sg.compile({"r": A @ x, "s": sg.sum(x**2)}, wrt=("x", "A"))
    at, M = rng.normal(size=n), rng.normal(size=(m, n))
    found = f.jacobian(at, M)
    np.testing.assert_allclose(found["r"][0], M, rtol=1e-14)
    np.testing.assert_allclose(found["s"][0], 2 * at, rtol=1e-14)
    np.testing.assert_allclose(found["r"][1], np.einsum("ij,k->ijk", np.eye(m), at), rtol=1e-14)
    assert found["s"][1].shape == (m, n) and not found["s"][1].any()
    u = {"r": rng.normal(size=m), "s": 0.5}
    gx, gA = f.vjp(at, M, u)
    np.testing.assert_allclose(gx, M.T @ u["r"] + at, rtol=1e-13)
    np.testing.assert_allclose(gA, np.outer(u["r"], at), rtol=1e-13)
    v = rng.normal(size=n)
    np.testing.assert_allclose(f.jvp(at, M, v, np.zeros((m, n)))["r"], M @ v, rtol=1e-13)


# formula, its variable with shape, and other arguments: derivatives against differences
FORMULAS = [
    ("sum(tanh(x)**2 * x[::-1])", "n"),
    ("sum((x[1:] - x[:-1]**2)**2 * 100 + (1 - x[:-1])**2)", "n"),
    ("logsumexp(x) + norm(x)", "n"),
    ("sum(softmax(x) * x)", "n"),
    ("max(x) * sum(x)", "n"),
    ("x' @ outer(x, x) @ x", "n"),
    ("sum(exp(x) @ x.T)", "n,n"),
    ("trace(x @ x @ x)", "n,n"),
    ("sum(mean(x, axis=0)**3)", "m,n"),
    ("sum(where(x > 0, sin(x), x**2))", "n"),
    ("sum(relu(x[[0, 2]])**2 + x[[1, 1]])", "n"),
    ("sum(concatenate([x, x**2])) * x[0]", "n"),
]


@pytest.mark.parametrize(("text", "shape"), FORMULAS, ids=[row[0] for row in FORMULAS])
def test_derivatives_agree_with_differences(text: str, shape: str) -> None:
    f = sg.compile(sg.parse(text, x=shape), wrt="x")
    x = np.random.default_rng(2).uniform(0.3, 1.5, [{"m": m, "n": n}[k] for k in shape.split(",")])
    value, gradient = f.value_and_grad(x)
    hessian = f.hessian(x)
    assert gradient.shape == x.shape and hessian.shape == x.shape * 2
    h = 1e-6
    for at in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[at] += h
        down[at] -= h
        np.testing.assert_allclose(gradient[at], (f(up) - f(down)) / (2 * h), rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(hessian[at], (f.grad(up) - f.grad(down)) / (2 * h), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(hessian, np.moveaxis(hessian, range(x.ndim), range(-x.ndim, 0)), rtol=1e-12, atol=1e-12)
    v = np.random.default_rng(3).normal(size=x.shape)
    np.testing.assert_allclose(f.hvp(x, v), np.tensordot(hessian, v, x.ndim), rtol=1e-11, atol=1e-12)
    assert value == f(x) or abs(value - f(x)) <= 1e-14 * abs(value)


def test_worked_network() -> None:
    """sum((relu(W x + b) - z)**2): the gradient of W is the outer product of that of b with x."""
    f = sg.compile(sg.parse("sum((relu(W @ x + b) - z)**2)", W="h,n", x="n", b="h", z="h"), wrt={"W": "W", "b": "b"})
    params = {"b": rng.normal(size=3), "W": rng.normal(size=(3, n))}
    x, z = rng.normal(size=n), rng.normal(size=3)
    g = f.grad(params, x, z)
    a = params["W"] @ x + params["b"]
    expected = 2 * (np.maximum(a, 0) - z) * (a > 0)
    assert list(g) == ["W", "b"]
    np.testing.assert_allclose(g["b"], expected, rtol=1e-13)
    np.testing.assert_allclose(g["W"], np.outer(expected, x), rtol=1e-13)
    v = {"W": rng.normal(size=(3, n)), "b": rng.normal(size=3)}
    change = 2 * (a > 0) * (v["W"] @ x + v["b"])
    np.testing.assert_allclose(f.hvp(params, v, x, z)["b"], change, rtol=1e-12)


def test_the_gradient_of_5_110_evaluates_one_exponential() -> None:
    f = sg.compile(sg.parse("sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))")).value_and_grad
    assert f.show("program").count(" exp(") == 1
    t = 0.7
    s = t * t + np.exp(t * t)
    expected = 2 * t * (1 / (2 * np.sqrt(s)) - np.sin(s)) * (1 + np.exp(t * t))
    np.testing.assert_allclose(f(t), (np.sqrt(s) + np.cos(s), expected), rtol=1e-14)

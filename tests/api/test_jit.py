"""Functions traced at their first call."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import symgrad as sg


@sg.jit(wrt="w")
def loss(X: Any, y: Any, w: Any, lam: Any = 0.5) -> Any:
    """Squared error with a penalty."""
    return np.sum((X @ w - y) ** 2) + lam * np.sum(w**2)


def expected(w: Any, X: Any, y: Any, lam: float = 0.5) -> tuple[float, Any, Any]:
    r = X @ w - y
    return r @ r + lam * (w @ w), 2 * X.T @ r + 2 * lam * w, 2 * X.T @ X + 2 * lam * np.eye(len(w))


@pytest.mark.parametrize(("m", "n"), [(7, 3), (20, 4), (5, 5), (3, 9)])
def test_one_trace_serves_all_sizes(m: int, n: int) -> None:
    rng = np.random.default_rng(m)
    w, X, y = rng.normal(size=n), rng.normal(size=(m, n)), rng.normal(size=m)
    value, gradient, hessian = expected(w, X, y)
    np.testing.assert_allclose(loss(w, X, y), value, rtol=1e-13)
    np.testing.assert_allclose(loss.grad(w, X, y), gradient, rtol=1e-12)
    np.testing.assert_allclose(loss.value_and_grad(w, X=X, y=y)[1], gradient, rtol=1e-12)
    np.testing.assert_allclose(loss.hessian(w, X, y), hessian, rtol=1e-12)
    np.testing.assert_allclose(loss.hvp(w, w, X, y), hessian @ w, rtol=1e-12)
    np.testing.assert_allclose(loss.jvp(w, w, X, y), gradient @ w, rtol=1e-12)
    np.testing.assert_allclose(loss.vjp(w, 3, X, y), 3 * gradient, rtol=1e-12)
    np.testing.assert_allclose(loss(w, X, y, 2), expected(w, X, y, 2)[0], rtol=1e-13)


def test_one_trace_is_kept_per_pattern() -> None:
    calls = []

    @sg.jit
    def total(a: Any, b: Any) -> Any:
        calls.append(1)
        return np.sum(a * b)

    assert total([1, 2, 3], [1.0, 1, 1]) == 6
    assert total([1, 2], [1.0, 1]) == 3 and len(calls) == 1
    assert total([1, 2], 3.0) == 9 and len(calls) == 2
    assert total([[1.0, 2], [3, 4]], [1.0, 1]) == 10 and len(calls) == 3
    square = np.ones((2, 2))
    assert total(square, square) == 4 and len(calls) == 4
    assert total(np.ones((2, 3)), np.ones((2, 3))) == 6 and len(calls) == 5, "axes that differ are traced anew"
    assert total(square, square) == 4 and total(np.ones((3, 4)), np.ones((3, 4))) == 12 and len(calls) == 5


def test_axes_of_size_one_broadcast() -> None:
    f = sg.jit(lambda a, b: a + b)
    np.testing.assert_array_equal(f([[1.0], [2]], [1.0, 2, 3]), [[2, 3, 4], [3, 4, 5]])


def test_structures() -> None:
    @sg.jit(wrt="p")
    def net(p: Any, x: Any) -> Any:
        h = x
        for layer in p:
            h = np.tanh(h @ layer["W"] + layer["b"])
        return np.sum(h**2)

    rng = np.random.default_rng(0)
    sizes = (3, 4, 2)
    p = [{"W": rng.normal(size=s), "b": rng.normal(size=s[1])} for s in pairwise(sizes)]
    x = rng.normal(size=(5, 3))
    g = net.grad(p, x)
    h = 1e-6

    def moved(layer: int, name: str, by: float) -> Any:
        at = np.arange(p[layer][name].size).reshape(p[layer][name].shape) == 1
        return [{**q, name: q[name] + by * at} if q is p[layer] else q for q in p]

    for k, layer in enumerate(p):
        for name in layer:
            up, down = moved(k, name, h), moved(k, name, -h)
            np.testing.assert_allclose(g[k][name].ravel()[1], (net(up, x) - net(down, x)) / (2 * h), rtol=1e-6)


def test_single_precision_and_integers() -> None:
    f = sg.jit(lambda x, k: np.sum(x[k]) * 2)
    result = f(np.ones(3, np.float32), np.array([0, 2], np.int32))
    assert result == 4
    g = sg.jit(lambda x: np.sin(x) + 1, dtype="f32")
    assert g(np.ones(3)).dtype == np.float32


def test_it_looks_like_the_function() -> None:
    assert loss.__name__ == "loss" and loss.__doc__ == "Squared error with a penalty."
    assert isinstance(loss.compiled([1.0], [[1.0]], [1.0]), sg.Function)
    out = np.empty(2)
    assert sg.jit(lambda x: 2 * x)([1.0, 2], out=out) is out


def test_it_is_pickled_by_name() -> None:
    assert loss.__reduce__() == "loss"
    with pytest.raises((pickle.PicklingError, AttributeError, ImportError)):
        pickle.dumps(sg.jit(lambda x: x))


REFUSED = [
    (lambda: loss([1.0]), "missing arguments X, y: the arguments are (w, X, y, lam)"),
    (lambda: loss([1.0], [[1.0]], [1.0], 1, 2), "expected 4 arguments (w, X, y, lam), got 5"),
    (lambda: loss([1.0], [[1.0]], [1.0], w=2), "argument w is given twice: the arguments are (w, X, y, lam)"),
    (lambda: loss([1.0], [[1.0]], [1.0], z=2), "argument z is unknown: the arguments are (w, X, y, lam)"),
    (lambda: loss([1j], [[1.0]], [1.0]), "w: expected real numbers or arrays of them, got list"),
    (lambda: loss("w", [[1.0]], [1.0]), "w: expected real numbers or arrays of them, got str"),
    (lambda: sg.jit(lambda x: x, wrt="y"), "wrt: <lambda> has no parameter y (it has x)"),
    (lambda: sg.jit(lambda *x: x), "jit: <lambda> takes *x; give its parameters names"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(sg.ArgumentError) as caught:
        call()
    assert str(caught.value) == message

"""Running sums, products, extrema: loops of compiled code, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from symgrad.compiler.index import Extern, Loop

import symgrad as sg
from symgrad.lowering import expand, lower

INF, NAN = float("inf"), float("nan")
RUNNING: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "cumsum": ("add", np.cumsum),
    "cumprod": ("multiply", np.cumprod),
    "cummax": ("maximum", np.maximum.accumulate),
    "logcumsumexp": ("logaddexp", np.logaddexp.accumulate),
}
VECTORS = [[], [-0.0], [-INF, -INF, 1.0, NAN, 2], [INF, -INF, 1], [INF, INF, 1], [3.0, 1, 2, -0.0]]


@pytest.mark.parametrize("name", RUNNING)
def test_special_values(name: str) -> None:
    x = sg.vector("x", "n")
    f = sg.compile(getattr(sg, name)(x), inputs=[x])
    for vector in VECTORS:
        a = np.array(vector)
        with np.errstate(all="ignore"):
            expected = RUNNING[name][1](a)
        np.testing.assert_allclose(f(a), expected, rtol=1e-15, equal_nan=True)
    if name != "logcumsumexp":
        assert np.signbit(f(np.array([-0.0]))[0])


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64"])
@pytest.mark.parametrize("name", ["cumsum", "cummax"])
def test_axes_types_and_strides(name: str, dtype: str) -> None:
    x = sg.tensor("x", f"{dtype}[m,n,3]")
    cases = [(0, False), (1, True), (2, False)]
    f = sg.compile([getattr(sg, name)(x, axis=axis, reverse=reverse) for axis, reverse in cases], inputs=[x])
    kind = {"f64": np.float64, "f32": np.float32, "i64": np.int64}[dtype]
    for shape in ((4, 5, 3), (0, 2, 3), (1, 1, 3)):
        a = (4 * np.random.default_rng(0).normal(size=shape)).astype(kind)[::-1, ::-1, ::-1]
        for (axis, reverse), found in zip(cases, f(a), strict=True):
            turned = np.flip(a, axis) if reverse else a
            expected = getattr(np, RUNNING[name][0]).accumulate(turned, axis)
            assert found.dtype == kind
            expected = np.flip(expected, axis) if reverse else expected
            np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "f32" else 1e-14)


def test_integers_are_exact() -> None:
    k = sg.tensor("k", "i64[n]")
    a = np.array([2**60 + 1, 5, -3])
    assert (sg.compile(sg.cumsum(k), inputs=[k])(a) == np.cumsum(a)).all()


def test_the_first_factor_of_a_recurrence_counts_for_nothing() -> None:
    a, b = sg.vector("a", "n"), sg.vector("b", "n")
    f = sg.compile(sg.linear_recurrence(a, b), inputs=[a, b])
    np.testing.assert_array_equal(f(np.array([INF, 2.0, 3]), np.array([1.0, 1, 1])), [1, 3, 10])


def test_inside_a_loop() -> None:
    X = sg.matrix("X", "b,n")
    last, rows = sg.scan(lambda c, s: (c + sg.sum(sg.cumsum(s) ** 2), sg.cumprod(s)), 0.0, X)
    a = np.random.default_rng(0).normal(size=(3, 4))
    total, products = sg.compile([last, rows], inputs=[X])(a)
    np.testing.assert_allclose(total, (np.cumsum(a, 1) ** 2).sum(), rtol=1e-14)
    np.testing.assert_allclose(products, np.cumprod(a, 1), rtol=1e-14)


@pytest.mark.parametrize("name", [*RUNNING, "cumargmax", "linear_recurrence"])
def test_nothing_is_called_back(name: str) -> None:
    x = sg.vector("x", "n")
    y = sg.linear_recurrence(x, x) if name == "linear_recurrence" else getattr(sg, name)(x)
    statements = lower(expand([y.node]), [x.node]).program.statements
    assert any(isinstance(s, Loop) for s in statements)
    assert not any(isinstance(s, Extern) for s in statements)

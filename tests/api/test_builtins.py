"""Formulas of scalars called as builtins: the same results, errors and meaning as the ordinary way; flat memory."""

from __future__ import annotations

import copy
import gc
import inspect
import math
import pickle
import sys
import threading
import tracemalloc
from contextlib import suppress
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import ArgumentError, SymgradError

pytestmark = pytest.mark.skipif(sys.implementation.name != "cpython", reason="builtins are CPython's")


class Float(float):
    """A float of a class of its own."""


class Floating:
    def __float__(self) -> float:
        return 1.0


def ready(f: Any, *args: Any) -> Any:
    """`f` after the calls that generate its code."""
    for _ in range(3):
        f(*args)
    assert isinstance(f.__call__, BuiltinFunctionType)
    return f


def square() -> Any:
    return ready(sg.compile(sg.parse("x**2 + 3*y", x="", y=""), wrt="x"), 1.0, 2.0)


def pair() -> Any:
    return ready(sg.compile(sg.parse("x**2 + 3*y", x="", y=""), wrt="x").value_and_grad, 1.0, 2.0)


# Positional arguments and keywords, and what x**2 + 3*y is there.
CALLS: list[tuple[tuple[Any, ...], dict[str, Any], float]] = [
    ((2.0, 5.0), {}, 19.0),
    ((2, 5), {}, 19.0),
    ((-1, -1), {}, -2.0),
    ((2.0, -1), {}, 1.0),
    ((True, False), {}, 1.0),
    ((2**53 + 1, 0), {}, float(2**53) ** 2),
    ((2**70, 0), {}, 2.0**140),
    ((-(2**63), 0), {}, 2.0**126),
    ((Float(2), 5.0), {}, 19.0),
    ((np.float64(2), np.float64(5)), {}, 19.0),
    ((np.float32(2), np.int8(5)), {}, 19.0),
    ((np.array(2.0), 5.0), {}, 19.0),
    ((2.0,), {"y": 5.0}, 19.0),
    ((), {"y": 5, "x": 2}, 19.0),
    ((math.inf, 1.0), {}, math.inf),
    ((1.0, -math.inf), {}, -math.inf),
    ((math.nan, 1.0), {}, math.nan),
    ((5e-324, -0.0), {}, 0.0),
]


@pytest.mark.parametrize(("args", "keywords", "expected"), CALLS, ids=str)
def test_values(args: tuple[Any, ...], keywords: dict[str, Any], expected: float) -> None:
    f, g = square(), pair()
    value = f(*args, **keywords)
    assert type(value) is float
    np.testing.assert_equal(value, expected)
    both = g(*args, **keywords)
    assert type(both) is tuple
    np.testing.assert_equal(both, (expected, 2.0 * float(args[0] if args else keywords["x"])))


def test_results_have_the_bits_of_the_ordinary_way() -> None:
    text = "sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))"
    f = sg.compile(sg.parse(text, x=""), wrt="x").value_and_grad
    slow = f._call
    ready(f, 0.5)
    for x in (*np.linspace(-3, 3, 41).tolist(), 30.0, math.nan, math.inf):
        np.testing.assert_equal(f(x), slow(x))


def test_arrays_still_broadcast() -> None:
    f = square()
    x, y = np.arange(3.0), np.arange(2.0)[:, None]
    np.testing.assert_array_equal(f(x, y), x**2 + 3 * y)
    out = np.empty((2, 3))
    assert f(x, y, out=out) is out


WRONG: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1.0,), {}),
    ((1.0, 2.0, 3.0), {}),
    ((1.0, 2.0), {"x": 3.0}),
    ((1.0,), {"z": 3.0}),
    (("1", 2.0), {}),
    ((None, 2.0), {}),
    ((1.0, Floating()), {}),
    ((1j, 2.0), {}),
    ((10**400, 2.0), {}),
    ((1.0, sg.scalar("t")), {}),
]


@pytest.mark.parametrize(("args", "keywords"), WRONG, ids=str)
def test_errors_are_those_of_the_ordinary_way(args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    f = square()
    with pytest.raises(ArgumentError) as quick:
        f(*args, **keywords)
    with pytest.raises(ArgumentError) as slow:
        f._call(*args, **keywords)
    assert str(quick.value) == str(slow.value)
    assert f(1.0, 2.0) == 7.0  # no error stays behind


def test_structures() -> None:
    """Gradients of several variables are tuples within tuples."""
    f = ready(sg.compile(sg.parse("x*y + z", x="", y="", z=""), wrt=("x", "y")).value_and_grad, 1.0, 2.0, 3.0)
    assert f(2.0, 5.0, 7.0) == (17.0, (5.0, 2.0))


def test_results_that_are_arguments_and_results_that_are_one() -> None:
    x, y = sg.scalar("x"), sg.scalar("y")
    f = sg.compile([x, y, x + y, x + y], inputs=[x, y])
    assert [tuple(f(2.0, 3.0)) for _ in range(4)] == [(2.0, 3.0, 5.0, 5.0)] * 4


@pytest.mark.parametrize("types", [{"x": "f32"}, {"x": "i64"}, {"x": "n"}])
def test_other_types_go_the_ordinary_way(types: dict[str, str]) -> None:
    f = sg.compile(sg.parse("sum(2*x)" if types["x"] == "n" else "2*x", **types))
    for _ in range(4):
        assert f([3, 4] if types["x"] == "n" else 3) == (14 if types["x"] == "n" else 6)
    assert not isinstance(f.__call__, BuiltinFunctionType)


def test_a_function_stays_what_it_was() -> None:
    f = square()
    assert list(inspect.signature(f).parameters) == ["x", "y"]
    assert callable(f)
    assert f.grad(2.0, 5.0) == 4.0
    assert pickle.loads(pickle.dumps(f))(2.0, 5.0) == 19.0
    assert copy.deepcopy(f) is f


@pytest.mark.parametrize(
    ("args", "keywords"),
    [((2.0, 3.0), {}), ((2, -1), {}), ((2.0, 2**70), {}), ((2.0,), {"y": 1.0}), ((2.0,), {}), (("2", 1.0), {})],
    ids=str,
)
def test_memory_stays_flat(args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    g = pair()
    many = 100_000 if not keywords and all(type(a) is float for a in args) and len(args) == 2 else 1_000

    def calls(count: int) -> None:
        for _ in range(count):
            with suppress(SymgradError):
                g(*args, **keywords)

    calls(300)
    before = [sys.getrefcount(a) for a in (*args, float, int, g)]
    tracemalloc.start()
    try:
        calls(many)
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        calls(many)
        gc.collect()
        second, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert second - first < 2_000 + 8 * many  # the smallest object takes 16 bytes, a float 24
    assert max(abs(a - b) for a, b in zip(before, map(sys.getrefcount, (*args, float, int, g)), strict=True)) < 50


def test_functions_are_freed() -> None:
    """Also in a cycle with their builtin, whose definition must live until the builtin is gone."""
    import weakref

    kept = [weakref.ref(ready(sg.compile(sg.parse(f"x + {k}", x=""), wrt="x"), 1.0)) for k in range(5)]
    gc.collect()
    assert [r() for r in kept] == [None] * 5


def test_a_bare_builtin_outlives_its_function() -> None:
    bare = square().__call__
    gc.collect()
    assert bare(2.0, 5.0) == 19.0
    assert bare(2.0, y=5.0) == 19.0


def test_threads() -> None:
    g = pair()
    wrong: list[Any] = []

    def work(k: int) -> None:
        for n in range(20_000):
            x = float(k * 100_000 + n)
            if g(x, 1.0) != (x * x + 3.0, 2.0 * x):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

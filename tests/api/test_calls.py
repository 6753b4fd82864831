"""Compiled functions called by machine code: the same results, errors and meaning as through Python; flat memory."""

from __future__ import annotations

import copy
import gc
import inspect
import math
import pickle
import signal
import sys
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from symgrad.compiler.callables import supported

import symgrad as sg
from symgrad.errors import ArgumentError, DomainError, SymgradError

pytestmark = pytest.mark.skipif(not supported(), reason="this interpreter has no native calls")


class Float(float):
    """A float of a class of its own."""


class Array(np.ndarray):
    """An array of a class of its own."""


class Floating:
    def __float__(self) -> float:
        return 1.0


def ready(f: Any, *args: Any, **keywords: Any) -> Any:
    """`f` after the calls that give shapes like those of `args` to machine code."""
    for _ in range(2):
        f(*args, **keywords)
    assert native(f, *args, **keywords)
    return f


def native(f: Any, *args: Any, **keywords: Any) -> bool:
    """Whether machine code alone answers a call: the method for all other calls is replaced meanwhile."""
    asked: list[None] = []
    through = f.__call__
    f.__dict__["__call__"] = lambda *a, **k: (asked.append(None), through(*a, **k))[1]
    try:
        with suppress(SymgradError):
            f(*args, **keywords)
    finally:
        del f.__dict__["__call__"]
    return f._entry is not None and not asked


def python(f: Any) -> Callable[..., Any]:
    """The way through Python."""
    return f.__call__


def scalars() -> Any:
    return ready(sg.compile(sg.parse("x**2 + 3*y", x="", y=""), wrt="x"), 1.0, 2.0)


def pair() -> Any:
    return ready(sg.compile(sg.parse("x**2 + 3*y", x="", y=""), wrt="x").value_and_grad, 1.0, 2.0)


A, W, Y = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, -1.0]]), np.array([0.5, -2.0]), np.array([1.0, 2.0, 3.0])
RESIDUAL = A @ W - Y
VALUE, GRADIENT = RESIDUAL @ RESIDUAL, 2 * A.T @ RESIDUAL


def named() -> Any:
    """alpha*x**2, whose second argument has a name of several letters: Python keeps one copy of each letter."""
    return sg.compile(sg.parse("alpha*x**2", x="", alpha=""), wrt="x")


def test_names_of_keywords_need_not_be_interned() -> None:
    f = ready(named(), 3.0, alpha=2.0)
    name = "".join(["al", "pha"])
    assert name is not sys.intern("alpha")
    assert native(f, 3.0, **{name: 2.0})
    assert f(**{name: 2.0, "x": 3.0}) == 18.0
    with pytest.raises(ArgumentError, match="did you mean alpha"):
        f(3.0, **{"".join(["al", "phb"]): 2.0})
    with pytest.raises(ArgumentError):
        f(3.0, 2.0, **{name: 2.0})


def squares() -> Any:
    """Value and gradient of a sum of squares: f(w, A, y)."""
    f = sg.compile(sg.parse("sum((A @ w - y)**2)", w="n", A="m,n", y="m"), wrt="w").value_and_grad
    return ready(f, W, A, Y)


# Positional arguments and keywords, what x**2 + 3*y is there, and whether machine code takes the call.
CALLS: list[tuple[tuple[Any, ...], dict[str, Any], float, bool]] = [
    ((2.0, 5.0), {}, 19.0, True),
    ((2, 5), {}, 19.0, True),
    ((-1, -1), {}, -2.0, True),
    ((2.0, -1), {}, 1.0, True),
    ((True, False), {}, 1.0, True),
    ((np.bool_(True), np.bool_(False)), {}, 1.0, False),
    ((np.int64(-2), np.int64(2**62)), {}, 3.0 * 2**62 + 4, True),
    ((np.float32(2), np.float32(0.1)), {}, 4 + 3 * float(np.float32(0.1)), True),
    ((np.array(2), 5.0), {}, 19.0, False),
    ((2.0,), {"".join(["", "y"]): 5.0}, 19.0, True),
    ((2**53 + 1, 0), {}, float(2**53) ** 2, True),
    ((2**70, 0), {}, 2.0**140, True),
    ((-(2**63), 0), {}, 2.0**126, True),
    ((Float(2), 5.0), {}, 19.0, False),
    ((np.float64(2), np.float64(5)), {}, 19.0, True),
    ((np.float32(2), np.int8(5)), {}, 19.0, False),
    ((np.array(2.0), 5.0), {}, 19.0, True),
    ((2.0,), {"y": 5.0}, 19.0, True),
    ((), {"y": 5, "x": 2}, 19.0, True),
    ((math.inf, 1.0), {}, math.inf, True),
    ((1.0, -math.inf), {}, -math.inf, True),
    ((math.nan, 1.0), {}, math.nan, True),
    ((5e-324, -0.0), {}, 0.0, True),
]


@pytest.mark.parametrize(("args", "keywords", "expected", "natively"), CALLS, ids=str)
def test_values(args: tuple[Any, ...], keywords: dict[str, Any], expected: float, natively: bool) -> None:
    f, g = scalars(), pair()
    value = f(*args, **keywords)
    assert type(value) is float
    np.testing.assert_equal(value, expected)
    both = g(*args, **keywords)
    assert type(both) is tuple
    np.testing.assert_equal(both, (expected, 2.0 * float(args[0] if args else keywords["x"])))
    assert native(f, *args, **keywords) == natively


def test_results_have_the_bits_of_the_way_through_python() -> None:
    text = "sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))"
    f = ready(sg.compile(sg.parse(text, x=""), wrt="x").value_and_grad, 0.5)
    for x in (*np.linspace(-3, 3, 41).tolist(), 30.0, math.nan, math.inf):
        np.testing.assert_equal(f(x), python(f)(x))


# Arguments of f(w, A, y) that mean W, A and Y, and whether machine code takes them.
ARRAYS: dict[str, tuple[tuple[Any, Any, Any], bool]] = {
    "plain": ((W, A, Y), True),
    "lists": ((W.tolist(), A.tolist(), Y.tolist()), False),
    "another dtype": ((W.astype(np.float32), A, Y), False),
    "integers": ((W, A, Y.astype(np.int64)), False),
    "another byte order": ((W.astype(">f8"), A, Y), False),
    "strides": ((np.repeat(W, 2)[::2], A, Y), False),
    "reversed": ((W[::-1][::-1], A, Y), True),
    "Fortran's order": ((W, np.asfortranarray(A), Y), False),
    "not aligned": ((np.frombuffer(b" " + W.tobytes(), np.uint8)[1:].view(np.float64), A, Y), False),
    "a subclass": ((W, A.view(Array), Y), False),
    "read-only": ((W, np.frombuffer(A.tobytes()).reshape(A.shape), Y), True),
    "a dtype of its own": ((np.array(W, np.dtype("f8", metadata={"unit": "m"})), A, Y), True),
    "views": ((np.stack([W, W])[1], np.stack([A, A])[1], Y), True),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(case: str) -> None:
    args, natively = ARRAYS[case]
    f = squares()
    before = [np.array(a, copy=True) for a in args]
    value, gradient = f(*args)
    assert type(value) is float and type(gradient) is np.ndarray and gradient.flags.owndata
    np.testing.assert_allclose(value, VALUE, rtol=1e-14)
    np.testing.assert_allclose(gradient, GRADIENT, rtol=1e-14)
    assert native(f, *args) == natively
    for a, b in zip(args, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_new_shapes_come_and_are_remembered() -> None:
    f = squares()
    rng = np.random.default_rng(0)
    for m, n in [(3, 2), (5, 1), (1, 4), (0, 3), (40, 7)]:
        a, w, y = rng.normal(size=(m, n)), rng.normal(size=n), rng.normal(size=m)
        for _ in range(3):
            value, gradient = f(w, a, y)
            np.testing.assert_allclose(value, np.sum((a @ w - y) ** 2), rtol=1e-12)
            np.testing.assert_allclose(gradient, 2 * a.T @ (a @ w - y), rtol=1e-12, atol=1e-12)
        assert native(f, w, a, y)
    assert native(f, W, A, Y)


def test_more_shapes_than_are_remembered() -> None:
    from symgrad.compiler.builtin import MOST_PLANS

    f = sg.compile(sg.parse("sum(x)", x="n"))
    for n in range(MOST_PLANS + 20):
        assert [f(np.ones(n)) for _ in range(3)] == [n] * 3


SHAPES = [((2,), (3, 3), (3,)), ((2,), (3, 2), (2,)), ((3,), (3, 2), (3,)), ((2, 1), (3, 2), (3,)), ((), (3, 2), (3,))]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_sizes_are_checked_against_each_other(shapes: tuple[tuple[int, ...], ...]) -> None:
    f = squares()
    args = [np.ones(shape) for shape in shapes]
    with pytest.raises(ArgumentError) as quick:
        f(*args)
    with pytest.raises(ArgumentError) as slow:
        python(f)(*args)
    assert str(quick.value) == str(slow.value)
    assert f(W, A, Y)[0] == pytest.approx(VALUE)


def test_results_are_written_to_out() -> None:
    f = squares()
    out = (np.empty(()), np.empty(2))
    assert native(f, W, A, Y, out=out)
    assert f(W, A, y=Y, out=out) is out
    np.testing.assert_allclose(out[0], VALUE, rtol=1e-14)
    np.testing.assert_allclose(out[1], GRADIENT, rtol=1e-14)


def test_out_that_overlaps_an_argument() -> None:
    f = ready(sg.compile(sg.parse("x + x[::-1]", x="n")), np.ones(4))
    memory = np.arange(6.0)
    x = memory[:4].copy()
    for out in (memory[:4], memory[2:], memory[1:5]):
        memory[:] = np.arange(6.0)
        source = memory[:4]
        assert f(source, out=out) is out
        np.testing.assert_array_equal(out, x + x[::-1])


# What is given as out for value and gradient: refused, in the same words as through Python.
TARGETS: list[Any] = [
    np.empty(2),
    (np.empty(()), np.empty(3)),
    (np.empty(()), np.empty(2, np.float32)),
    (0.0, np.empty(2)),
    (np.empty(()),),
    (np.empty(()), np.frombuffer(bytes(16))),
    {"value": np.empty(()), "gradient": np.empty(2)},
]


@pytest.mark.parametrize("out", TARGETS, ids=repr)
def test_out_that_does_not_fit(out: Any) -> None:
    f = squares()
    with pytest.raises(ArgumentError) as quick:
        f(W, A, Y, out=out)
    with pytest.raises(ArgumentError) as slow:
        python(f)(W, A, Y, out=out)
    assert str(quick.value) == str(slow.value)


def test_out_with_strides_or_as_a_list() -> None:
    f = squares()
    spaced = np.zeros(4)
    out = [np.empty(()), spaced[::2]]
    assert f(W, A, Y, out=out) is out
    np.testing.assert_allclose(spaced[::2], GRADIENT, rtol=1e-14)
    np.testing.assert_array_equal(spaced[1::2], 0)


def test_arrays_still_broadcast() -> None:
    f = scalars()
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
    ((1.0,), {"z": 3.0, "y": 1.0}),
    (("1", 2.0), {}),
    ((None, 2.0), {}),
    ((1.0, Floating()), {}),
    ((1j, 2.0), {}),
    ((10**400, 2.0), {}),
    ((1.0, sg.scalar("t")), {}),
]


@pytest.mark.parametrize(("args", "keywords"), WRONG, ids=str)
def test_errors_are_those_of_the_way_through_python(args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    f = scalars()
    with pytest.raises(ArgumentError) as quick:
        f(*args, **keywords)
    with pytest.raises(ArgumentError) as slow:
        python(f)(*args, **keywords)
    assert str(quick.value) == str(slow.value)
    assert f(1.0, 2.0) == 7.0  # no error stays behind


def test_an_index_out_of_range() -> None:
    f = ready(sg.compile(sg.parse("sum(x[k])", x="n", k="i64[m]")), np.ones(3), np.array([0, 2]))
    with pytest.raises(DomainError):
        f(np.ones(3), np.array([0, 3]))
    assert f(np.ones(3), np.array([1, 1])) == 2.0


def test_structures() -> None:
    """Gradients of several variables are tuples within tuples."""
    f = ready(sg.compile(sg.parse("x*y + z", x="", y="", z=""), wrt=("x", "y")).value_and_grad, 1.0, 2.0, 3.0)
    assert f(2.0, 5.0, 7.0) == (17.0, (5.0, 2.0))


def network() -> tuple[Any, dict[str, Any], Any]:
    """Value and gradient of a small network with its parameters in a dict; parameters, data."""
    loss = sg.parse("sum((tanh(X @ W + b) @ v)**2)", W="n,h", b="h", v="h", X="m,n")
    f = sg.compile(loss, wrt={"W": "W", "rest": ["b", "v"]}).value_and_grad
    rng = np.random.default_rng(1)
    params = {"W": rng.normal(size=(2, 3)), "rest": [rng.normal(size=3), rng.normal(size=3)]}
    return f, params, rng.normal(size=(5, 2))


def test_parameters_in_structures() -> None:
    f, params, X = network()
    ready(f, params, X)
    value, gradient = f(params, X)
    b, v = params["rest"]
    t = np.tanh(X @ params["W"] + b)
    y = t @ v
    np.testing.assert_allclose(value, np.sum(y**2), rtol=1e-12)
    assert list(gradient) == ["W", "rest"] and type(gradient["rest"]) is list
    np.testing.assert_allclose(gradient["rest"][1], 2 * t.T @ y, rtol=1e-12)
    back = 2 * y[:, None] * v * (1 - t**2)
    np.testing.assert_allclose(gradient["W"], X.T @ back, rtol=1e-12)
    np.testing.assert_allclose(gradient["rest"][0], back.sum(0), rtol=1e-12)
    assert native(f, {"rest": params["rest"], "W": params["W"]}, X), "the order of keys does not matter"


@pytest.mark.parametrize(
    "change",
    [
        lambda p: {"W": p["W"]},
        lambda p: {**p, "more": 1.0},
        lambda p: {"W": p["W"], "rest": p["rest"][:1]},
        lambda p: {"W": p["W"], "rest": {"b": 1, "v": 2}},
        lambda p: [p["W"], p["rest"]],
        lambda p: {"V": p["W"], "rest": p["rest"]},
    ],
)
def test_structures_that_do_not_fit(change: Callable[[Any], Any]) -> None:
    f, params, X = network()
    ready(f, params, X)
    with pytest.raises(ArgumentError) as quick:
        f(change(params), X)
    with pytest.raises(ArgumentError) as slow:
        python(f)(change(params), X)
    assert str(quick.value) == str(slow.value)


def test_results_that_are_arguments_and_results_that_are_one() -> None:
    x, y = sg.vector("x", "n"), sg.scalar("y")
    f = sg.compile([x, y, x + y, x + y], inputs=[x, y])
    given = np.arange(2.0)
    for _ in range(4):
        a, b, c, d = f(given, 3.0)
        np.testing.assert_array_equal([a, c, d], [given, given + 3, given + 3])
        assert b == 3.0 and not np.shares_memory(c, d) and not np.shares_memory(a, given)
    assert native(f, given, 3.0)


# Other element types: formula, type, argument, result.
TYPES: list[tuple[str, str, Any, Any]] = [
    ("2*x", "f32", 3, 6.0),
    ("2*x", "f32", 0.1, float(np.float32(0.1) * 2)),
    ("2*x", "i64", 3, 6),
    ("2*x", "i64", np.int64(-(2**62)), -(2**63)),
    ("2*x", "f32", np.float32(0.1), float(np.float32(0.1) * 2)),
    ("2*x", "f32", True, 2.0),
    ("x > 2", "i64", 3, True),
    ("x > 2", "", 1.5, False),
    ("sum(2*x)", "f32[n]", np.ones(3, np.float32), 6.0),
    ("sum(x)", "i64[n]", np.arange(4), 6),
    ("where(x, 1, 2)", "bool[n]", np.array([True, False]), np.array([1, 2])),
]


@pytest.mark.parametrize(("text", "type_", "given", "expected"), TYPES, ids=str)
def test_element_types(text: str, type_: str, given: Any, expected: Any) -> None:
    f = ready(sg.compile(sg.parse(text, x=type_)), given)
    found = f(given)
    assert type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, python(f)(given))


def test_constants_and_large_temporaries() -> None:
    rng = np.random.default_rng(2)
    C = rng.normal(size=(60, 60))
    f = ready(sg.compile(sg.from_function(lambda x: np.sum(np.tanh(C @ x) ** 2), x="60"), wrt="x").grad, np.ones(60))
    x = rng.normal(size=60)
    t = np.tanh(C @ x)
    np.testing.assert_allclose(f(x), C.T @ (2 * t * (1 - t**2)), rtol=1e-10)


def test_a_function_stays_what_it_was() -> None:
    f = scalars()
    assert list(inspect.signature(f).parameters) == ["x", "y"]
    assert callable(f) and isinstance(f, sg.Function)
    assert f.grad(2.0, 5.0) == 4.0
    assert pickle.loads(pickle.dumps(f))(2.0, 5.0) == 19.0
    assert copy.deepcopy(f) is f
    f.note = "mine"
    assert f.note == "mine"


# ---- memory

LEAKS: dict[str, Callable[[], tuple[Any, tuple[Any, ...], dict[str, Any]]]] = {
    "floats": lambda: (pair(), (2.0, 3.0), {}),
    "ints": lambda: (pair(), (2, -1), {}),
    "keywords": lambda: (pair(), (2.0,), {"y": 1.0}),
    "keywords of a dict": lambda: (ready(named(), 2.0, alpha=1.0), (2.0,), {"".join(["al", "pha"]): 1.0}),
    "numbers of NumPy": lambda: (pair(), (np.int64(2), np.float32(3)), {}),
    "arrays": lambda: (squares(), (W, A, Y), {}),
    "arrays and out": lambda: (squares(), (W, A, Y), {"out": (np.empty(()), np.empty(2))}),
    "structures": lambda: (lambda f, p, x: (ready(f, p, x), (p, x), {}))(*network()),
    "long work": lambda: (ready(sg.compile(sg.parse("exp(x)", x="n")), np.ones(60_000)), (np.ones(60_000),), {}),
}
SLOW_LEAKS: dict[str, Callable[[], tuple[Any, tuple[Any, ...], dict[str, Any]]]] = {
    "too large an int": lambda: (pair(), (10**400, 1.0), {}),
    "huge int": lambda: (pair(), (2.0, 2**70), {}),
    "no argument": lambda: (pair(), (), {}),
    "text": lambda: (pair(), ("2", 1.0), {}),
    "lists": lambda: (squares(), (W.tolist(), A, Y), {}),
    "wrong sizes": lambda: (squares(), (Y, A, Y), {}),
    "wrong out": lambda: (squares(), (W, A, Y), {"out": (np.empty(()), np.empty(3))}),
}


def check_memory(f: Any, args: tuple[Any, ...], keywords: dict[str, Any], many: int) -> None:
    def calls(count: int) -> None:
        for _ in range(count):
            with suppress(SymgradError):
                f(*args, **keywords)

    def counts() -> list[int]:
        out = keywords.get("out", ())
        return [sys.getrefcount(a) for a in (*args, *keywords.values(), *out, float, int, np.ndarray, W.dtype, f, None)]

    calls(300)
    before = counts()
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
    assert max(abs(a - b) for a, b in zip(before, counts(), strict=True)) < 200 + many // 20  # a leak gives `many`


@pytest.mark.parametrize("kind", LEAKS)
def test_memory_stays_flat(kind: str) -> None:
    check_memory(*LEAKS[kind](), many=1_000 if kind == "long work" else 50_000)


@pytest.mark.parametrize("kind", SLOW_LEAKS)
def test_memory_stays_flat_through_python(kind: str) -> None:
    check_memory(*SLOW_LEAKS[kind](), many=2_000)


@pytest.mark.slow
@pytest.mark.parametrize("kind", {**LEAKS, **SLOW_LEAKS})
def test_memory_stays_flat_for_a_million_calls(kind: str) -> None:
    quick = kind in LEAKS and kind != "long work"
    check_memory(*{**LEAKS, **SLOW_LEAKS}[kind](), many=1_000_000 if quick else 100_000)


def test_functions_are_freed() -> None:
    """Also in a cycle with themselves."""
    import weakref

    kept = []
    for k in range(5):
        f = ready(sg.compile(sg.parse(f"x + {k}", x=""), wrt="x"), 1.0)
        f.itself = f
        kept.append(weakref.ref(f))
    del f
    gc.collect()
    assert [r() for r in kept] == [None] * 5


def test_a_derivative_outlives_its_function() -> None:
    gradient = squares()
    gc.collect()
    assert gradient(W, A, Y)[0] == pytest.approx(VALUE)


# ---- threads and interrupts


def test_threads() -> None:
    g, long = pair(), ready(sg.compile(sg.parse("exp(x) + sum(x)*x", x="n")), np.ones(30_000))
    x = np.linspace(0, 1, 30_000)
    expected = np.exp(x) + x.sum() * x
    wrong: list[Any] = []

    def work(k: int) -> None:
        for n in range(5_000):
            a = float(k * 100_000 + n)
            if g(a, 1.0) != (a * a + 3.0, 2.0 * a):
                wrong.append(a)
            if n % 50 == 0 and not np.allclose(long(x), expected, rtol=1e-12):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")
def test_interrupts_come_through() -> None:
    f = pair()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def forever() -> None:
        while True:
            f(1.0, 2.0)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            forever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert f(2.0, 5.0) == (19.0, 4.0)

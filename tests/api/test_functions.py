"""Compiled functions: what they compute, from which arguments, and into which arrays."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg

SHAPES = {"X": "m,n", "A": "n,n", "w": "n", "y": "m", "s": "", "j": "i64[k]", "c": "bool[m]"}
SIZES = {"m": 7, "n": 4, "k": 3}
TOLERANCE = {"f64": 2e-13, "f32": 2e-5}


# formula and the same in NumPy, over the arguments that it names
FORMULAS: list[tuple[str, Callable[..., Any]]] = [
    ("sum(log(1 + exp(-y * (X @ w)))) + s/2 * norm(w)**2",
     lambda X, y, w, s: np.log1p(np.exp(-y * (X @ w))).sum() + s / 2 * (w @ w)),
    ("X @ w", lambda X, w: X @ w),
    ("X.T @ y", lambda X, y: X.T @ y),
    ("X @ A", lambda X, A: X @ A),
    ("w' @ A @ w", lambda w, A: w @ A @ w),
    ("tanh(X) * y[:, None]", lambda X, y: np.tanh(X) * y[:, None]),
    ("sum(X, axis=0) / m", lambda X: X.mean(axis=0)),
    ("X[1:] - X[:-1]", lambda X: X[1:] - X[:-1]),
    ("X[::-1, ::2]", lambda X: X[::-1, ::2]),
    ("w[j]", lambda w, j: w[j]),
    ("where(c, y, 0)", lambda c, y: np.where(c, y, 0)),
    ("max(X, axis=1) + min(y)", lambda X, y: X.max(axis=1) + y.min()),
    ("logsumexp(y)", lambda y: np.logaddexp.reduce(y) + 0),
    ("concatenate([y, w, y])", lambda y, w: np.concatenate([y, w, y])),
    ("reshape(X, (n*m,))", lambda X: X.ravel()),
    ("diag(w) + s*A", lambda w, s, A: np.diag(w) + s * A),
    ("outer(y, w) * X", lambda y, w, X: np.outer(y, w) * X),
    ("einsum('ij,ik->jk', X, X)", lambda X: X.T @ X),
    ("relu(X @ w) ** 2", lambda X, w: np.maximum(X @ w, 0) ** 2),
    ("X.T @ (sigmoid(y)[:, None] * X)", lambda X, y: X.T @ ((1 / (1 + np.exp(-y)))[:, None] * X)),
    ("s", lambda s: s),
    ("w", lambda w: w),
    ("n + sum(w)", lambda w: len(w) + w.sum()),
    ("c & (y > 0)", lambda c, y: c & (y > 0)),
    ("sum(j)", lambda j: j.sum()),
]  # fmt: skip


def draw(names: list[str], dtype: str, sizes: dict[str, int] | None = None) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    known = sizes or SIZES
    axes = {"X": "mn", "A": "nn", "w": "n", "y": "m", "s": "", "j": "k", "c": "m"}
    values: dict[str, Any] = {}
    for name in names:
        shape = [known[k] for k in axes[name]]
        if name == "j":
            values[name] = rng.integers(-known["n"], known["n"], shape)
        elif name == "c":
            values[name] = rng.random(shape) < 0.5
        else:
            values[name] = rng.uniform(-2, 2, shape).astype({"f64": np.float64, "f32": np.float32}[dtype])
    return values


def named(f: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(f).parameters)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize(("text", "numpy"), FORMULAS, ids=[text for text, _ in FORMULAS])
def test_compiled_is_interpreted_is_numpy(text: str, numpy: Callable[..., Any], dtype: str) -> None:
    names = named(numpy)
    expr = sg.parse(text, **{name: SHAPES[name] for name in names})
    f = sg.compile(expr, dtype=dtype)
    given = draw(names, dtype)
    result, expected = f(**given), numpy(**given)
    np.testing.assert_allclose(result, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    if dtype == "f64":
        np.testing.assert_allclose(result, expr(**given), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    if np.ndim(expected):
        assert isinstance(result, np.ndarray) and result.flags.writeable and result.flags.owndata
        assert result.dtype == (np.float32 if dtype == "f32" and expected.dtype.kind == "f" else expected.dtype)
        assert not any(np.shares_memory(result, a) for a in given.values())
    else:
        assert type(result) is type(np.asarray(expected).item())


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "list": lambda a: a.tolist(),
    "Fortran": np.asfortranarray,
    "every other": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    "big-endian": lambda a: a.astype(">f8"),
    "float32": lambda a: a.astype(np.float32),
    "int64": lambda a: a.astype(np.int64),
    "uint8": lambda a: np.abs(a).astype(np.uint8),
    "bool": lambda a: a > 0,
    "float16": lambda a: a.astype(np.float16),
    "longdouble": lambda a: a.astype(np.longdouble),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
    "list of arrays": list,
    "subclass": lambda a: a.view(type("Sub", (np.ndarray,), {})),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_array_like_is_taken_and_left_alone(layout: str) -> None:
    f = sg.compile(sg.parse("X @ w + sum(X)", X="m,n", w="n"))
    X = np.random.default_rng(0).integers(-5, 5, (6, 4)).astype(float)
    given = LAYOUTS[layout](X)
    before, w = np.array(given), np.array([1, 2, 3, 4])
    np.testing.assert_allclose(f(given, w), np.asarray(given, float) @ w + np.asarray(given, float).sum())
    np.testing.assert_array_equal(np.array(given), before)


@pytest.mark.parametrize("number", [3, 3.0, True, np.float32(3), np.int8(3), np.array(3.0), 2**70, np.array([3.0])[0]])
def test_scalars(number: Any) -> None:
    f = sg.compile(sg.parse("2*x"))
    assert f(number) == 2 * float(number) and type(f(number)) is float


@pytest.mark.parametrize("sizes", [{"m": 0, "n": 4}, {"m": 7, "n": 0}, {"m": 0, "n": 0}, {"m": 1, "n": 1}])
def test_empty_and_single(sizes: dict[str, int]) -> None:
    for text, numpy in FORMULAS:
        names = named(numpy)
        if {"j", "A"} & set(names) or any(word in text for word in ("max", "/ m", "[1:]", "[::")):
            continue
        given = draw(names, "f64", {**SIZES, **sizes})
        result = sg.compile(sg.parse(text, **{name: SHAPES[name] for name in names}))(**given)
        np.testing.assert_allclose(result, numpy(**given), rtol=1e-13, err_msg=text)


# ---- scalars over arrays

@pytest.mark.parametrize(
    "shapes",
    [((), ()), ((5,), ()), ((), (5,)), ((5,), (5,)), ((3, 1), (4,)), ((0,), ()), ((1,), (1,)), ((2, 3, 4), (3, 1)),
     ((1, 1), (2,)), ((2, 0), (1, 0))],
)  # fmt: skip
def test_formulas_of_scalars_broadcast_like_ufuncs(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    expr = sg.parse("exp(-x**2) * where(y > 0, sin(y), 2)")
    f = sg.compile([expr, sg.parse("y + 1", x="", y=""), sg.parse("3 + 0*x", x="", y="")])
    rng = np.random.default_rng(5)
    x, y = (rng.uniform(-1, 1, shape) for shape in shapes)
    shape = np.broadcast_shapes(*shapes)
    expected = [np.exp(-(x**2)) * np.where(y > 0, np.sin(y), 2), y + 1 + 0 * x, 3 + 0 * x + 0 * y]
    for result, want in zip(f(x, y), expected, strict=True):
        np.testing.assert_allclose(result, np.broadcast_to(want, shape), rtol=1e-14)
        assert np.shape(result) == shape
    np.testing.assert_allclose(expr(x, y), expected[0], rtol=1e-14)
    assert np.shape(expr(x, y)) == shape


POINTS_AGAIN: list[tuple[Any, Any]] = [
    (np.linspace(-1, 1, 6), np.linspace(0, 2, 6)),
    (np.linspace(-1, 1, 6), 0.5),
    (2, np.linspace(0, 2, 7)),
    (np.linspace(-1, 1, 6), np.float64(0.25)),
    (np.linspace(-1, 1, 6), np.array(0.25)),
    (np.linspace(-1, 1, 6).reshape(2, 3), np.linspace(0, 2, 6).reshape(2, 3)),
    (np.linspace(-1, 1, 6).reshape(3, 2).T, np.linspace(0, 2, 6).reshape(2, 3)),
    (np.linspace(-1, 1, 12)[::2], 3.0),
    (np.linspace(-1, 1, 6, dtype=np.float32), np.arange(6)),
    ([0.5, 0.25], np.array([1.0, 2.0])),
    (np.linspace(-1, 1, 6), np.array([3.0])),
    (np.zeros(0), np.zeros(0)),
    (np.zeros((2, 0, 3)), 1.0),
]  # fmt: skip


def test_calls_with_arrays_again_give_the_same() -> None:
    f = sg.compile([sg.parse("exp(x) * sin(y)"), sg.parse("array([x, y, 1])", x="", y="")])
    for _ in range(3):
        for x, y in POINTS_AGAIN:
            kept = np.array(x), np.array(y)
            first, second = f(x, y)
            a, b = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
            np.testing.assert_allclose(first, np.exp(a) * np.sin(b), rtol=1e-14)
            np.testing.assert_array_equal(second, np.stack([a, b, np.ones_like(a)], -1))
            assert first.shape == a.shape
            np.testing.assert_array_equal(x, kept[0])
            np.testing.assert_array_equal(y, kept[1])
    with pytest.raises(sg.ArgumentError, match=r"^the arguments do not broadcast: x is f64\[6\], y is f64\[5\]$"):
        f(np.zeros(6), np.zeros(5))
    with pytest.raises(sg.ArgumentError, match="y"):
        f(np.zeros(6))


# formulas of scalars with arrays inside, and their value at one point
INSIDE: list[tuple[str, Callable[[float, float], Any]]] = [
    ("norm(array([x, y]))", np.hypot),
    ("softmax(array([x, y, 1]))", lambda x, y: np.exp([x, y, 1]) / np.exp([x, y, 1]).sum()),
    ("sum(array([[x, 2], [y, x]]) @ array([1, y]))", lambda x, y: x + 2 * y + y + x * y),
    ("concatenate([array([x, y]), array([3, 4])])[::-1]", lambda x, y: np.array([4, 3, y, x])),
    ("sum(arange(4) * x) + max(array([x, y]))", lambda x, y: 6 * x + max(x, y)),
    ("where(array([x, 0]) > y, 1, array([x, y]))", lambda x, y: np.where(np.array([x, 0]) > y, 1, [x, y])),
    ("outer(array([x, 1]), array([y, 2]))", lambda x, y: np.outer([x, 1], [y, 2])),
]


@pytest.mark.parametrize(("text", "value"), INSIDE, ids=[row[0] for row in INSIDE])
def test_formulas_of_scalars_with_arrays_inside_broadcast(text: str, value: Callable[[float, float], Any]) -> None:
    expr = sg.parse(text, x="", y="")
    xs, ys = np.random.default_rng(1).uniform(-1, 1, (2, 3, 2))
    expected = np.array([[value(x, y) for x, y in zip(*row, strict=True)] for row in zip(xs, ys, strict=True)])
    for call in (sg.compile(expr), expr):
        np.testing.assert_allclose(call(xs, ys), expected, rtol=1e-13)
        np.testing.assert_allclose(call(xs[0, 0], ys)[1], [value(xs[0, 0], y) for y in ys[1]], rtol=1e-13)
    out = np.empty(expected.shape)
    np.testing.assert_allclose(sg.compile(expr)(xs, ys, out=out), expected, rtol=1e-13)


def test_derivatives_of_scalars_broadcast_too() -> None:
    f = sg.compile(sg.parse("sin(x) * y"), wrt=("x", "y"))
    x = np.linspace(0, 1, 6).reshape(2, 3)
    np.testing.assert_allclose(f.grad(x, 2.0)[0], 2 * np.cos(x), rtol=1e-14)
    np.testing.assert_allclose(f.grad(x, 2.0)[1], np.sin(x), rtol=1e-14)
    np.testing.assert_allclose(f.hessian(x, 2.0)[0][1], np.cos(x), rtol=1e-14)


def test_broadcast_into_out() -> None:
    f = sg.compile(sg.parse("x * y"))
    x, out = np.arange(4.0), np.empty((3, 4))
    assert f(x, [[1], [2], [3]], out=out) is out
    np.testing.assert_array_equal(out, x * [[1], [2], [3]])
    assert f(x, 2, out=x) is x
    np.testing.assert_array_equal(x, [0, 2, 4, 6])
    strided = np.zeros((4, 2))
    f([1, 2, 3, 4], 3, out=strided[:, 0])
    np.testing.assert_array_equal(strided, [[3, 0], [6, 0], [9, 0], [12, 0]])


# ---- out=

def test_out_is_written_and_given_back() -> None:
    f = sg.compile(sg.parse("A @ x", A="n,n", x="n"))
    A, x, out = np.arange(9.0).reshape(3, 3), np.ones(3), np.empty(3)
    assert f(A, x, out=out) is out
    np.testing.assert_array_equal(out, A @ x)


@pytest.mark.parametrize("text", ["A @ x", "x[::-1]", "A @ x + sum(x)"])
def test_out_may_be_an_argument(text: str) -> None:
    f = sg.compile(sg.parse(text, A="n,n", x="n"), inputs=["A", "x"])
    A, x = np.arange(9.0).reshape(3, 3), np.array([1.0, 2, 3])
    expected = f(A, x)
    f(A, x, out=x)
    np.testing.assert_array_equal(x, expected)
    whole = np.arange(12.0)
    expected = f(whole[:9].reshape(3, 3), whole[9:])
    f(whole[:9].reshape(3, 3), whole[9:], out=whole[8:11])
    np.testing.assert_array_equal(whole[8:11], expected)


def test_several_outputs_into_out() -> None:
    x = sg.vector("x", "n")
    f = sg.compile({"a": x * 2, "b": [sg.sum(x), x * 2]})
    out = {"a": np.empty(3), "b": [np.empty(()), np.empty(3)]}
    assert f([1, 2, 3], out=out) is out
    np.testing.assert_array_equal(out["a"], [2, 4, 6])
    assert out["b"][0] == 6
    np.testing.assert_array_equal(out["b"][1], [2, 4, 6])
    same = np.empty(3)
    result = f([1, 2, 3])
    assert result["a"] is not result["b"][1]
    assert list(result) == ["a", "b"] and isinstance(result["b"], list) and same.shape == (3,)


# ---- outputs, inputs, structure

def test_structures_of_outputs_and_inputs() -> None:
    x, y, unused = sg.scalar("x"), sg.scalar("y"), sg.vector("unused", "n")
    f = sg.compile((x + y, [x * y]), inputs=[y, ("both", {"x": x, "more": unused})])
    assert f(2, {"more": [1, 2], "x": 5}) == (7, [10])
    assert f(y=2, both={"x": 5, "more": []}) == (7, [10])
    assert list(inspect.signature(f).parameters) == ["y", "both"]


def test_variables_come_first_then_the_order_of_declaration() -> None:
    expr = sg.parse("sum(X @ w) * lam", lam="", X="m,n", w="n")
    assert list(inspect.signature(sg.compile(expr)).parameters) == ["lam", "X", "w"]
    assert list(inspect.signature(sg.compile(expr, wrt="w")).parameters) == ["w", "lam", "X"]
    assert list(inspect.signature(sg.compile(expr, wrt=("w", "lam"))).parameters) == ["w", "lam", "X"]
    assert list(inspect.signature(sg.compile(expr, wrt="w").hvp).parameters) == ["w", "v", "lam", "X"]
    assert list(inspect.signature(sg.compile(expr, wrt="w", inputs=["X", "w", "lam"])).parameters) == ["X", "w", "lam"]
    assert sg.compile(expr, wrt="w")([1.0], 2.0, X=[[3.0]]) == 6.0


def test_sizes_are_found_within_larger_ones() -> None:
    x, y, z = sg.vector("x", "2*n"), sg.vector("y", "n*n"), sg.vector("z", "n - 1")
    f = sg.compile(sg.sum(x) + sg.sum(y) + sg.sum(z))
    assert f(np.ones(4), np.ones(4), np.ones(1)) == 9
    n = sg.compile(sg.parse("n * sum(x)", x="n*n + 3"))
    assert n(np.ones(19)) == 4 * 19


# ---- copies, processes, threads

def test_functions_are_pickled_as_formulas() -> None:
    expr = sg.parse("sum(exp(X @ w)) + lam", w="n", X="m,n", lam="")
    f = sg.compile({"value": expr}, wrt="w")
    X, w = np.ones((2, 3)), np.array([0.1, 0.2, 0.3])
    expected = f(w, X, 1.0)
    for again in (pickle.loads(pickle.dumps(f)), copy.copy(f), copy.deepcopy(f)):
        assert again(w, X, 1.0) == expected
        assert str(inspect.signature(again)) == str(inspect.signature(f))
    g = sg.compile(expr, wrt="w")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(g.hvp))(w, w, X, 1.0), g.hvp(w, w, X, 1.0))


def test_many_threads_compile_once_and_agree() -> None:
    f = sg.compile(sg.parse("sum(sin(x) * y)", x="n", y="n"), wrt="x")
    x = np.linspace(0, 1, 50)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append((f(x, x), f.grad(x, x)))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 8 and f.grad is f.grad
    for value, gradient in results:
        assert value == results[0][0]
        np.testing.assert_array_equal(gradient, x * np.cos(x))


def test_any_number_of_threads_gives_the_same_bits() -> None:
    expr = sg.parse("sum(log(1 + exp(X @ w))) + norm(w)", X="m,n", w="n")
    rng = np.random.default_rng(6)
    X, w = rng.normal(size=(60_000, 8)), rng.normal(size=8)
    value, gradient = sg.compile(expr, wrt="w", threads=1).value_and_grad(w, X)
    for threads in (2, 3):
        again = sg.compile(expr, wrt="w", threads=threads).value_and_grad(w, X)
        assert again[0] == value
        np.testing.assert_array_equal(again[1], gradient)
    np.testing.assert_allclose(value, np.logaddexp(0, X @ w).sum() + np.linalg.norm(w), rtol=1e-12)


def test_the_same_call_has_the_same_bits_whatever_was_called_before() -> None:
    text = "A @ B @ C"
    shapes = {"A": "i,j", "B": "j,k", "C": "k,l"}
    rng = np.random.default_rng(0)
    wide = [rng.normal(size=s) for s in ((3, 90), (90, 4), (4, 60))]
    tall = [rng.normal(size=s) for s in ((60, 4), (4, 90), (90, 3))]
    first, second = sg.compile(sg.parse(text, **shapes)), sg.compile(sg.parse(text, **shapes))
    a, b = first(*wide), first(*tall)
    np.testing.assert_array_equal(second(*tall), b)
    np.testing.assert_array_equal(second(*wide), a)
    np.testing.assert_allclose(a, wide[0] @ wide[1] @ wide[2], rtol=1e-12)


def test_show_gives_every_stage() -> None:
    f = sg.compile(sg.parse("sum(exp(X @ w))", X="m,n", w="n"), wrt="w")
    assert "einsum(i,ji->j; w, X)" in f.show("graph")
    assert "exp(" in f.show("program") and f.show("program").startswith("# x0 = w, x1 = X, n0 = n")
    for stage, word in (("loops", "exp"), ("llvm", "define"), ("asm", "ret")):
        assert word in f.grad.show(stage)
    with pytest.raises(sg.ArgumentError, match="there is no stage 'ir'; use one of graph, program, loops, llvm, asm"):
        f.show("ir")
    assert repr(f) == "<symgrad function (w: f64[n], X: f64[m, n]) -> f64>"


def test_zeros_of_both_signs_are_two_constants() -> None:
    """Programs that differ in the sign of a zero alone share nothing that is kept."""
    for zero in (0.0, -0.0, 0.0):
        f = sg.compile(sg.parse("where(x > 1, x, c)", x="n", c="").replace(c=zero))
        assert np.signbit(f(np.zeros(9))).tolist() == [math.copysign(1.0, zero) < 0] * 9

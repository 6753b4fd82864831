"""What is said to arguments that do not fit, to the letter, by compiled functions and by evaluation alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from symgrad.compiler.types import floordiv, named

import symgrad as sg
from symgrad.arguments import solution

LOSS = sg.parse("sum(y * (X @ w)) + lam", w="n", X="m,n", y="m", lam="")
X, y, w = np.ones((50, 4)), np.ones(50), np.ones(4)
GATHER = sg.parse("sum(x[j]) + sum(z)", x="n", j="i64[k]", z="2*n")
SINGLE = sg.parse("sum(x) * t", x="f32[n]", t="f32")
MASK = sg.parse("sum(where(c, x, 0))", c="bool[n]", x="n")
SQUARE = sg.parse("trace(A)", A="n,n")
FIXED = sg.parse("sum(p)", p="3")
NINE = sg.parse("sum(q)", q="n*n")

# formula, positional arguments, arguments by name, the whole message
REFUSED: list[tuple[sg.Expr, tuple[Any, ...], dict[str, Any], str]] = [
    (LOSS, (w, X, np.ones(49), 1), {}, "y: expected f64[m] with m = 50 (from X), got f64[49]"),
    (LOSS, (np.ones(3), X, y, 1), {}, "X: expected f64[m, n] with m = 50, n = 3 (from w), got f64[50, 4]"),
    (LOSS, (np.ones((4, 1)), X, y, 1), {}, "w: expected f64[n], got f64[4, 1]"),
    (LOSS, (w, y, y, 1), {}, "X: expected f64[m, n] with n = 4 (from w), got f64[50]"),
    (LOSS, (w, X, y, [1]), {}, "lam: expected f64, got f64[1]"),
    (LOSS, (w, X, y), {}, "missing argument lam: the arguments are (w, X, y, lam)"),
    (LOSS, (w,), {"lam": 1}, "missing arguments X, y: the arguments are (w, X, y, lam)"),
    (LOSS, (w, X, y, 1, 2), {}, "expected 4 arguments (w, X, y, lam), got 5"),
    (LOSS, (w, X, y), {"lamda": 1}, "unknown argument lamda, did you mean lam?: the arguments are (w, X, y, lam)"),
    (LOSS, (w, X, y, 1), {"qq": 1}, "unknown argument qq: the arguments are (w, X, y, lam)"),
    (LOSS, (w, X, y, 1), {"y": y}, "argument y is given twice: the arguments are (w, X, y, lam)"),
    (LOSS, (w * 1j, X, y, 1), {}, "w: expected f64[n], got complex128[4]; symgrad computes with real numbers"),
    (LOSS, (w, X, y, 1j), {}, "lam: expected f64, got complex128; symgrad computes with real numbers"),
    (LOSS, (w, X, y, None), {}, "lam: expected f64, got NoneType"),
    (LOSS, (w, X, y, "1"), {}, "lam: expected f64, got str"),
    (LOSS, (["a", "b"], X, y, 1), {}, "w: expected f64[n], got text[2]"),
    (LOSS, (np.array([1, None]), X, y, 1), {}, "w: expected f64[n], got object[2]"),
    (LOSS, (w, X, y, {}), {}, "lam: expected f64, got dict"),
    (LOSS, (np.ma.masked_array(w, w > 0), X, y, 1), {},
     "w: expected f64[n], got a masked array; fill it with .filled(...)"),
    (LOSS, (w, scipy.sparse.csr_array(X), y, 1), {}, "X: expected f64[m, n], got a sparse array; use .toarray()"),
    (LOSS, (sg.vector("w"), X, y, 1), {},
     "w: expected f64[n], got a formula (f64[n_w]); use replace to put formulas in"),
    (LOSS, (w.astype("M8[s]"), X, y, 1), {}, "w: expected f64[n], got datetime64[s][4]"),
    (GATHER, (w, [1.0, 2.0], np.ones(8)), {},
     "j: expected i64[k], got f64[2]; convert it with .astype(int) if its values are whole"),
    (GATHER, (w, [1], np.ones(9)), {}, "z: expected f64[2*n] with n = 4 (from x), got f64[9]"),
    (GATHER, (w, np.array([2**63], np.uint64), np.ones(8)), {}, "j: expected i64[k], got uint64[1]"),
    (MASK, ([0, 1], [1, 2]), {}, "c: expected bool[n], got i64[2]; convert it with .astype(bool)"),
    (MASK, ([True], [1, 2]), {}, "x: expected f64[n] with n = 1 (from c), got f64[2]"),
    (SQUARE, (np.ones((3, 4)),), {}, "A: expected f64[n, n] with n = 3, got f64[3, 4]"),
    (FIXED, ([1, 2],), {}, "p: expected f64[3], got f64[2]"),
    (FIXED, (1,), {}, "p: expected f64[3], got f64"),
    (NINE, (np.ones(10),), {}, "q: expected f64[n*n], got f64[10]"),
    (SINGLE, ([1, 2], [1, 2]), {}, "t: expected f32, got f32[2]"),
]  # fmt: skip


@pytest.mark.parametrize("call", [sg.compile, lambda e: e], ids=["compiled", "evaluated"])
@pytest.mark.parametrize(("expr", "args", "keywords", "message"), REFUSED, ids=[row[3][:40] for row in REFUSED])
def test_refused_arguments(
    expr: sg.Expr, args: tuple[Any, ...], keywords: dict[str, Any], message: str, call: Callable[[Any], Any]
) -> None:
    with pytest.raises(sg.ArgumentError) as caught:
        call(expr)(*args, **keywords)
    assert str(caught.value) == message
    assert isinstance(caught.value, TypeError) and isinstance(caught.value, ValueError)


# formula, arguments, class and beginning of the message: what only the numbers can tell
CONDITIONS: list[tuple[sg.Expr, tuple[Any, ...], type[Exception], str]] = [
    (sg.parse("sum(x[2:] - x[:-2])", x="n"), ([1.0],), sg.ShapeError, "slicing: "),
    (sg.parse("x[5]", x="n"), ([1.0, 2.0],), sg.ShapeError, "slicing: "),
    (sg.parse("max(x)", x="n"), ([],), sg.DomainError, "max: of an empty axis (n = 0)"),
    (sg.parse("argmax(x)", x="n"), ([],), sg.DomainError, "argmax: of an empty axis (n = 0)"),
    (sg.parse("sum(min(X, axis=0))", X="m,n"), (np.ones((0, 3)),), sg.DomainError, "min: of an empty axis (m = 0)"),
]


@pytest.mark.parametrize("call", [sg.compile, lambda e: e], ids=["compiled", "evaluated"])
@pytest.mark.parametrize(("expr", "args", "kind", "message"), CONDITIONS)
def test_sizes_for_which_there_is_no_value(
    expr: sg.Expr, args: tuple[Any, ...], kind: type[Exception], message: str, call: Callable[[Any], Any]
) -> None:
    with pytest.raises(kind) as caught:
        call(expr)(*args)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("index", [4, -5, 2**62, -(2**63)])
def test_indices_out_of_range_never_read_memory(index: int) -> None:
    for call in (sg.compile(GATHER), GATHER):
        with pytest.raises(sg.DomainError, match="out of range"):
            call(w, [0, index], np.ones(8))


def test_sizes_that_no_argument_tells() -> None:
    with pytest.raises(sg.ArgumentError, match=r"^the arguments do not tell the size k: add an argument with an axis"):
        sg.compile(sg.parse("sum(ones(k)) * x", x="", j="k"), inputs=["x"])(1.0)
    with pytest.raises(sg.ArgumentError, match="do not tell the sizes m, n"):
        sg.compile(sg.parse("sum(x)", x="m*n"))(np.ones(6))
    with pytest.raises(sg.ArgumentError, match=r"^x: expected f64\[n//2\], got f64\[3\]"):
        sg.compile(sg.parse("sum(x)", x="n//2"))(np.ones(3))


N = named("n")
SOLUTIONS = [
    (2 * N + 1, 7, 3), (2 * N + 1, 8, None), (N * N, 49, 7), (N * N, 50, None), (10 - N, 4, 6), (N * N * N + N, 30, 3),
    (N * named("k"), 12, 4), (N - 1, 0, 1), (2 * N, 0, 0), (floordiv(N, 2), 3, None), (N * N - N, 6, None),
    (5 - 2 * N, 8, None), (N * 10**15, 10**17, 100),
]  # fmt: skip


@pytest.mark.parametrize(("size", "number", "expected"), SOLUTIONS)
def test_sizes_are_solved_where_there_is_one_answer(size: Any, number: int, expected: int | None) -> None:
    assert solution(size, "n", {"k": 3}, number) == expected


# what is compiled with which options, and the message
COMPILE: list[tuple[Any, dict[str, Any], str]] = [
    (LOSS, {"wrt": "W"}, "wrt: there is no argument W, did you mean w?"),
    (LOSS, {"wrt": "theta"}, "wrt: there is no argument theta (arguments: w, X, y, lam)"),
    (LOSS, {"wrt": ("w", "w")}, "wrt: w is listed twice"),
    (LOSS, {"wrt": ()}, "wrt: the tuple is empty"),
    (LOSS, {"wrt": 3}, "wrt: expected symbols or their names, got int"),
    (LOSS, {"wrt": {"a": "w", "b": "w"}}, "wrt: the dict names a symbol twice"),
    (LOSS, {"inputs": ["w", "X"]}, "inputs: the formula needs y, lam too"),
    (LOSS, {"inputs": ["w", "X", "y", "lam", "w"]}, "inputs: w is listed twice"),
    (LOSS, {"inputs": ["w", "X", "y", "lam", "lum"]}, "inputs: the formula has no symbol lum, did you mean lam?"),
    (LOSS, {"sizes": {"N": 3}}, "sizes: the formula has no size N, did you mean n?"),
    (LOSS, {"sizes": {"n": -3}}, "sizes: n must be a number of elements, got -3"),
    (LOSS, {"threads": 0}, "threads: expected a positive number, got 0"),
    (LOSS, {"dtype": "i64"}, "dtype: expected 'f64' or 'f32', got 'i64'"),
    ("x + 1", {}, "compile: expected an expression, got str; use parse(...)"),
    (np.sum, {}, "compile: expected an expression, got _ArrayFunctionDispatcher; use from_function(...) or jit"),
    ([LOSS, None], {}, "compile: expected an expression, got NoneType"),
    ([], {}, "compile: there is nothing to compile (an empty structure)"),
]


@pytest.mark.parametrize(("outputs", "options", "message"), COMPILE, ids=[row[2][:40] for row in COMPILE])
def test_refused_options(outputs: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(sg.ArgumentError) as caught:
        sg.compile(outputs, **options)
    assert str(caught.value) == message


def test_refused_derivatives() -> None:
    with pytest.raises(sg.ArgumentError, match=r"^grad: with respect to which of w, X, y, lam\? Say compile"):
        sg.compile(LOSS).grad  # noqa: B018
    with pytest.raises(sg.ArgumentError, match=r"^grad: the function has 2 outputs; use jacobian, jvp or vjp"):
        sg.compile([LOSS, LOSS], wrt="w").grad  # noqa: B018
    with pytest.raises(sg.ShapeError, match="grad: needs a scalar"):
        sg.compile(sg.parse("2*x", x="n")).grad  # noqa: B018
    with pytest.raises(sg.NotDifferentiable):
        sg.compile(GATHER, wrt="j").grad  # noqa: B018
    with pytest.raises(sg.ShapeError, match="x' @ A @ x is the quadratic form"):
        sg.parse("x' * A * x", A="n,n", x="n").grad("x")


OUT: list[tuple[Any, str]] = [
    (np.empty(4), "out: expected f64[3], got f64[4]"),
    (np.empty(3, np.float32), "out: expected f64[3], got f32[3]"),
    ([0, 0, 0], "out: expected an array to write f64[3] to, got list"),
    (np.broadcast_to(np.zeros(1), 3), "out: the array is read-only"),
]


@pytest.mark.parametrize(("out", "message"), OUT, ids=[row[1] for row in OUT])
def test_refused_out(out: Any, message: str) -> None:
    f = sg.compile(sg.parse("2*x", x="n"))
    with pytest.raises(sg.ArgumentError) as caught:
        f([1, 2, 3], out=out)
    assert str(caught.value) == message


def test_refused_structures() -> None:
    x, z = sg.scalar("x"), sg.scalar("z")
    f = sg.compile(x * z, inputs=[("p", {"x": x, "in": [z]})])
    for given, message in (
        ({"x": 1}, "p: expected a dict with 'x', 'in', got a dict with 'x'"),
        ([1, 2], "p: expected a dict with 'x', 'in', got list"),
        ({"x": 1, "in": [1, 2]}, "p['in']: expected a list of 1, got a list of 2"),
        ({"x": "a", "in": [1]}, "p['x']: expected f64, got str"),
    ):
        with pytest.raises(sg.ArgumentError) as caught:
            f(given)
        assert str(caught.value) == message


def test_shapes_of_scalars_that_do_not_broadcast() -> None:
    for call in (sg.compile(sg.parse("x*y + z")), sg.parse("x*y + z")):
        with pytest.raises(sg.ArgumentError, match=r"^the arguments do not broadcast: x is f64\[2\], y is f64\[3\]$"):
            call([1, 2], [1, 2, 3], 1)


@pytest.mark.parametrize("given", ["f32", "float32", np.float32, np.dtype("<f4")])
def test_element_types_are_named_as_in_numpy(given):
    x = sg.vector("x", "n", dtype=given)
    made = [x, sg.eye(3, dtype=given), sg.zeros(3, given), sg.vector("y", 3).astype(given)]
    assert [e.dtype for e in made] == ["f32"] * 4
    f = sg.compile(sg.parse("sum(x**2)", x="n"), wrt="x", dtype=given)
    assert f.grad([1, 2]).dtype == np.float32
    with pytest.raises(sg.DTypeError, match="dtype: 'float16' is not an element type: use f64, f32, i64, bool"):
        sg.vector("x", "n", dtype="float16")

"""scan, fori_loop, while_loop, cond: values against Python's loops, derivatives against differences, native code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from symgrad.compiler.index import Loop

import symgrad as sg
from symgrad.errors import ArgumentError, DTypeError, NotDifferentiable, ShapeError
from symgrad.expression import FUNCTIONS as F
from symgrad.expression import Expr
from symgrad.lowering import expand, lower
from tests.ops.harness import close, compiled_meaning, contracted, differences, forward_jacobian, jacobian, number

SIZES = {"m": 4, "n": 3}


def python_scan(step: Callable[[Any, Any], Any], carry: Any, xs: Any, reverse: bool = False) -> Any:
    ys: list[Any] = [None] * len(xs)
    for k in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, ys[k] = step(carry, xs[k])
    return carry, np.array(ys)


def recurrent(np_: Any) -> Callable[..., Any]:
    """A recurrent network: state, weights from outside, one row of input at a time."""
    return lambda w, u: lambda s, x: (np_.tanh(w @ s + u * x), (s**2).sum())


def scanned(w: Expr, u: Expr, xs: Expr, s: Expr, **options: Any) -> Expr:
    last, ys = F["scan"](recurrent(sg)(w, u), s, xs, **options)
    return (last * (sg.arange(s.shape[0]) + 1)).sum() + sg.sin(ys).sum()


def expected(w: Any, u: Any, xs: Any, s: Any, reverse: bool = False) -> Any:
    last, ys = python_scan(recurrent(np)(w, u), s, xs, reverse)
    return (last * np.arange(1, 4)).sum() + np.sin(ys).sum()


def arguments() -> tuple[list[Expr], list[Any]]:
    rng = np.random.default_rng(3)
    xs = [sg.matrix("W", "n", "n"), sg.vector("u", "n"), sg.matrix("X", "m", "n"), sg.vector("s", "n")]
    return xs, [rng.uniform(-1, 1, tuple(SIZES[str(n)] for n in x.type.shape)) for x in xs]


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse: bool) -> None:
    xs, arrays = arguments()
    f = scanned(*xs, reverse=reverse)
    close(number([f], xs, arrays, SIZES)[0], expected(*arrays, reverse), 1e-14)
    close(compiled_meaning(f, xs, arrays, SIZES), expected(*arrays, reverse), 1e-14)


@pytest.mark.parametrize("k", range(4))
def test_derivatives_of_a_scan(k: int) -> None:
    xs, arrays = arguments()
    f = scanned(*xs)
    first = jacobian(f, xs[k])
    (found,) = number([first], xs, arrays, SIZES)
    along = np.random.default_rng(4).uniform(-1, 1, arrays[k].shape)
    moved = differences(lambda z: expected(*arrays[:k], z, *arrays[k + 1 :]), arrays[k], along)
    close(contracted(found, along), moved, 1e-10)
    close(compiled_meaning(first, xs, arrays, SIZES), found, 1e-12)
    forward = forward_jacobian(f, xs[k])
    assert forward is not None
    close(number([forward], xs, arrays, SIZES)[0], found, 1e-12)
    for j in range(4):
        second = jacobian(first, xs[j])
        (hessian,) = number([second], xs, arrays, SIZES)
        direction = np.random.default_rng(5).uniform(-1, 1, arrays[j].shape)

        def at(z: Any, j: int = j) -> Any:
            return number([first], xs, [*arrays[:j], z, *arrays[j + 1 :]], SIZES)[0]

        close(contracted(hessian, direction), differences(at, arrays[j], direction), 1e-9)


def test_third_derivative() -> None:
    x = sg.scalar("x")
    f = F["fori_loop"](0, 5, lambda i, v: x * sg.sin(v) + i, 0.5)
    g = f
    for _ in range(3):
        g = jacobian(g, x)
    unrolled: Any = 0.5
    for i in range(5):
        unrolled = x * sg.sin(unrolled) + i
    h = unrolled
    for _ in range(3):
        h = jacobian(h, x)
    a, b = number([g, h], [x], [np.float64(0.7)], {})
    close(a, b, 1e-12)


def test_structures_without_slices() -> None:
    """A dict that is carried, a counter of integers, results in a tuple; no xs."""
    x = sg.scalar("x")
    step = lambda c, _: ({"p": c["p"] * x, "k": c["k"] + 1}, (c["p"], c["k"]))  # noqa: E731
    last, (powers, counts) = F["scan"](step, {"p": 1.0, "k": np.int64(0)}, length=5)
    values = number([last["p"], last["k"], powers, counts], [x], [np.float64(1.5)], {})
    close(values[0], np.float64(1.5**5), 1e-15)
    assert values[1] == 5 and values[1].dtype == np.int64
    close(values[2], 1.5 ** np.arange(5), 1e-15)
    np.testing.assert_array_equal(values[3], np.arange(5))


def test_nested_scans() -> None:
    m = sg.matrix("M", 3, 4)
    outer = lambda s, row: (F["scan"](lambda t, v: (t * v + s, None), 1.0, row)[0], None)  # noqa: E731
    f = F["scan"](outer, 0.5, m)[0]
    value = np.random.default_rng(1).uniform(-1, 1, (3, 4))

    def direct(a: Any) -> Any:
        s = 0.5
        for row in a:
            t = 1.0
            for v in row:
                t = t * v + s
            s = t
        return s

    g = jacobian(f, m)
    along = np.random.default_rng(2).uniform(-1, 1, (3, 4))
    close(number([f], [m], [value], {})[0], direct(value), 1e-14)
    close(contracted(number([g], [m], [value], {})[0], along), differences(direct, value, along), 1e-10)
    close(compiled_meaning(g, [m], [value], {}), number([g], [m], [value], {})[0], 1e-13)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 7, 12, 17])
def test_checkpointing_gives_the_same_gradient(steps: int, reverse: bool) -> None:
    x = sg.vector("x", steps)
    step = lambda s, v: (sg.sin(s) * v + s, s)  # noqa: E731
    plain, kept = (F["scan"](step, 0.3, x, checkpoint=c, reverse=reverse) for c in (False, True))
    value = np.random.default_rng(1).uniform(-1, 1, steps)
    for a, b in zip(plain, kept, strict=True):
        close(number([b], [x], [value], {})[0], number([a], [x], [value], {})[0], 1e-14)
        u, v = number([jacobian(a, x), jacobian(b, x)], [x], [value], {})
        close(u, v, 1e-14)


@pytest.mark.parametrize("steps", [100, 97, 120])
def test_checkpointing_keeps_few_carried_values(steps: int) -> None:
    """All loops of the gradient together stack about the square root of the number of steps."""
    start = sg.vector("c", 1000)
    for checkpoint, most in ((False, steps), (True, 4 * steps**0.5)):
        last, _ = F["scan"](lambda s, _: (sg.sin(s), None), start, length=steps, checkpoint=checkpoint)
        program = lower(expand([jacobian(sg.sum(last), start).node]), [start.node]).program
        stacked, pending = 0, [program.statements]
        while pending:
            for loop in (s for s in pending.pop() if isinstance(s, Loop)):
                assert isinstance(loop.length, int)
                stacked += loop.length * len(loop.stacked)
                pending.append(loop.body.statements)
        assert steps**0.5 <= stacked <= most


def test_while_loop() -> None:
    """Newton's method for a square root."""
    a = sg.scalar("a")
    root = F["while_loop"](lambda x: sg.abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, 1.0)
    close(number([root], [a], [np.float64(7)], {})[0], np.sqrt(7.0), 1e-13)
    close(compiled_meaning(root, [a], [np.float64(7)], {}), np.sqrt(7.0), 1e-13)
    with pytest.raises(NotDifferentiable, match="while_loop: has no derivative"):
        jacobian(root, a)
    with pytest.raises(NotDifferentiable, match="while_loop: has no derivative"):
        forward_jacobian(root, a)


def test_cond() -> None:
    x = sg.scalar("x")
    f = F["cond"](x > 0, lambda v: sg.sqrt(v), lambda v: v**2, x)
    g = jacobian(f, x)
    for value, expected_f, expected_g in ((4.0, 2.0, 0.25), (-3.0, 9.0, -6.0), (0.0, 0.0, 0.0)):
        a, b = number([f, g], [x], [np.float64(value)], {})
        close(a, np.float64(expected_f), 0)
        close(b, np.float64(expected_g), 0)


def test_compiled() -> None:
    xs, arrays = arguments()
    f = scanned(*xs)
    g = [jacobian(f, x) for x in xs]
    found = sg.compile([f, *g], inputs=xs)(*arrays)
    for a, b in zip(found, number([f, *g], xs, arrays, SIZES), strict=True):
        close(np.asarray(a), b, 1e-12)
    a = sg.scalar("a")
    root = F["while_loop"](lambda x: sg.abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, 1.0)
    close(np.asarray(sg.compile(root)(7.0)), np.sqrt(7.0), 1e-13)


X = sg.matrix("X", "m", "n")
ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F["scan"](lambda s, x: (s + x, None), 0.0, X), ShapeError, "scan: a carried value starts as f64 and goes on as f64[n]"),
    (lambda: F["scan"](lambda s, x: (s + 0.5, None), np.int64(0), X), DTypeError, "scan: a carried value starts as i64 and goes on as f64"),
    (lambda: F["scan"](lambda s, x: s, 0.0, X), ArgumentError, "scan: the step must return a pair (carry, y); y may be None"),
    (lambda: F["scan"](lambda s, x: ((s, s), None), 0.0, X), ArgumentError, "scan: the step must return carried values like those it gets"),
    (lambda: F["scan"](lambda s, x: (s, None), 0.0), ArgumentError, "scan: give xs or length="),
    (lambda: F["scan"](lambda s, x: (s, None), 0.0, X, length="k"), ShapeError, "does not have k slices along its first axis"),
    (lambda: F["cond"](X > 0, lambda: 1, lambda: 2), ShapeError, "cond: the predicate must be one truth value, got bool[m, n]"),
    (lambda: F["while_loop"](lambda v: X > 0, lambda v: v, 1.0), ShapeError, "while_loop: the condition must be one truth value"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[row[2][:40] for row in ERRORS])
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as found:
        call()
    assert text in str(found.value)


# ---- bodies are stable

# a step, what it is without lost digits, and points where the spelling overflows or cancels
STABLE_STEPS: list[tuple[Callable[[Any], Any], Callable[[Any], Any], list[float]]] = [
    (lambda x: sg.log(1 + sg.exp(x)), lambda x: np.logaddexp(x, 0), [-800.0, -40.0, 2.0, 800.0]),
    (lambda x: 1 - 1 / (1 + sg.exp(-x)), lambda x: np.exp(-np.logaddexp(x, 0)), [-800.0, 1.0, 50.0, 600.0]),
    (lambda x: (sg.exp(x) - 1) / 2, lambda x: np.expm1(x) / 2, [-1e-12, 1e-15, 3.0]),
]


@pytest.mark.parametrize(("step", "exact", "points"), STABLE_STEPS)
def test_bodies_of_loops_are_stable(
    step: Callable[[Any], Any], exact: Callable[[Any], Any], points: list[float]
) -> None:
    xs = sg.vector("xs", "n")
    _, ys = F["scan"](lambda s, x: (s + x, step(x)), 0.0, xs)
    x = np.array(points)
    np.testing.assert_allclose(sg.compile(ys)(x), exact(x), rtol=1e-15)
    assert ys.canonical().canonical().node is ys.canonical().node


def test_the_body_of_a_derivative_is_stable() -> None:
    xs = sg.vector("xs", "n")
    total, _ = F["scan"](lambda s, x: (s + sg.log(1 + sg.exp(x)), None), 0.0, xs)
    x = np.array([-700.0, -30.0, 0.5, 800.0])
    np.testing.assert_allclose(sg.compile(total, wrt=xs).grad(x), np.exp(-np.logaddexp(-x, 0)), rtol=2e-15)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 63, 64, 150])
def test_checkpointing_of_a_named_length(steps: int, reverse: bool) -> None:
    x = sg.vector("x", "n")

    def step(s: Any, v: Any) -> Any:
        return sg.sin(s + v), s * v

    values = np.random.default_rng(steps).normal(size=steps)
    plain, kept = (F["scan"](step, 0.3, x, checkpoint=c, reverse=reverse) for c in (False, True))
    for a, b in zip(plain, kept, strict=True):
        np.testing.assert_allclose(b(x=values), a(x=values), rtol=1e-14)
        slopes = [sg.compile(sg.sum(y * y).grad("x"), inputs=[x])(values) for y in (a, b)]
        np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-12, atol=1e-14)

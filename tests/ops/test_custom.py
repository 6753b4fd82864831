"""vmap, operations that users declare, rules of their own, solutions of equations."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.special as sp

import symgrad as sg
from symgrad.errors import ArgumentError, NotDifferentiable, ShapeError
from symgrad.expression import FUNCTIONS as F
from symgrad.expression import Expr
from symgrad.graph import OPS
from tests.ops.harness import close, compiled_meaning, contracted, differences, forward_jacobian, jacobian, number

SIZES = {"m": 3, "n": 4, "k": 2}
RNG = np.random.default_rng(7)

# name, one example's formula in symgrad, the same in NumPy: x is a vector of 4, w too, A is 4 by 4, c a number of the example.
MAPPED: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("elementwise and sums", lambda x, w, a, c: (sg.tanh(x * w) * c).sum(), lambda x, w, a, c: (np.tanh(x * w) * c).sum()),
    ("a number against a vector", lambda x, w, a, c: w * c, lambda x, w, a, c: w * c),
    ("products", lambda x, w, a, c: a @ x + w @ a, lambda x, w, a, c: a @ x + w @ a),
    ("reductions", lambda x, w, a, c: sg.softmax(x) @ w + sg.norm(x), lambda x, w, a, c: sp.softmax(x) @ w + np.linalg.norm(x)),
    ("slices", lambda x, w, a, c: x[1:] - x[:-1] + c, lambda x, w, a, c: x[1:] - x[:-1] + c),
    ("joins", lambda x, w, a, c: sg.concatenate([x, w]), lambda x, w, a, c: np.concatenate([x, w])),
    ("where", lambda x, w, a, c: sg.where(c > 0, x, w), lambda x, w, a, c: np.where(c > 0, x, w)),
    ("solve", lambda x, w, a, c: sg.solve(a + 5 * sg.eye(4), x), lambda x, w, a, c: np.linalg.solve(a + 5 * np.eye(4), x)),
    ("solve with the matrix mapped", lambda x, w, a, c: sg.solve(sg.outer(x, x) + sg.eye(4), w),
     lambda x, w, a, c: np.linalg.solve(np.outer(x, x) + np.eye(4), w)),
    ("sort and scans", lambda x, w, a, c: sg.cumsum(sg.sort(x)), lambda x, w, a, c: np.cumsum(np.sort(x))),
    ("a loop", lambda x, w, a, c: sg.scan(lambda s, v: (s * v + c, None), 1.0, x)[0],
     lambda x, w, a, c: looped(x, c)),
    ("constant in the example", lambda x, w, a, c: w.sum(), lambda x, w, a, c: w.sum()),
    ("indices", lambda x, w, a, c: sg.take(w, sg.argsort(x)), lambda x, w, a, c: w[np.argsort(x)]),
]  # fmt: skip


def looped(x: Any, c: Any) -> float:
    s = 1.0
    for v in x:
        s = s * v + c
    return s


@pytest.mark.parametrize(("f", "direct"), [row[1:] for row in MAPPED], ids=[row[0] for row in MAPPED])
def test_vmap(f: Callable[..., Any], direct: Callable[..., Any]) -> None:
    xs = [sg.matrix("X", "m", 4), sg.vector("w", 4), sg.matrix("A", 4, 4), sg.vector("c", "m")]
    arrays = [RNG.uniform(-1, 1, shape) for shape in ((3, 4), (4,), (4, 4), (3,))]
    y = F["vmap"](f, in_axes=(0, None, None, 0))(*xs)
    expected = np.array([direct(x, arrays[1], arrays[2], c) for x, c in zip(arrays[0], arrays[3], strict=True)])
    close(number([y], xs, arrays, SIZES)[0], expected, 1e-12)
    close(compiled_meaning(y, xs, arrays, SIZES), expected, 1e-12)


def test_vmap_axes() -> None:
    x = sg.matrix("X", "m", "n")
    value = RNG.uniform(-1, 1, (3, 4))
    y = F["vmap"](lambda v: v / sg.sum(v), in_axes=1, out_axes=-1)(x)
    close(number([y], [x], [value], SIZES)[0], value / value.sum(axis=0), 1e-14)
    pairs = F["vmap"](lambda u: F["vmap"](lambda v: sg.norm(u - v))(x))(x)
    close(number([pairs], [x], [value], SIZES)[0], np.linalg.norm(value[:, None] - value, axis=-1), 1e-14)
    with pytest.raises(ShapeError, match="vmap: the mapped axes must have one size in common, got m, n"):
        F["vmap"](lambda u, v: u)(x, sg.vector("v", "n"))


@pytest.fixture
def fresh_name() -> Any:
    """A name for an operation that is forgotten after the test."""
    name = "declared_by_test"
    yield name
    OPS.pop(name, None)
    F.pop(name, None)


def rule_is_right(y: Expr, x: Expr, value: Any, direct: Callable[[Any], Any], order: int = 2) -> None:
    """Value and derivatives of y as a function of x against differences; both sweeps; through the index language."""
    close(number([y], [x], [value], SIZES)[0], direct(value), 1e-13)
    root = y
    for _ in range(order):
        nxt = jacobian(root, x)
        (found,) = number([nxt], [x], [value], SIZES)
        along = RNG.uniform(-1, 1, np.shape(value))
        close(contracted(found, along), differences(lambda z, r=root: number([r], [x], [z], SIZES)[0], value, along), 1e-9)
        close(compiled_meaning(nxt, [x], [value], SIZES), found, 1e-12)
        forward = forward_jacobian(root, x)
        assert forward is not None
        moved = number([forward], [x], [value], SIZES)[0]
        close(np.moveaxis(moved, range(np.ndim(value)), range(-np.ndim(value), 0)), found, 1e-12)
        root = nxt


def test_what_calls_python_has_no_address(fresh_name: str) -> None:
    f = sg.operation(fresh_name, np.round)
    with pytest.raises(sg.ArgumentError, match="address: the formula calls Python back"):
        _ = sg.compile(f(sg.scalar("x"))).address


def test_operation_by_formula(fresh_name: str) -> None:
    f = sg.operation(fresh_name, formula=lambda x: x * sg.sigmoid(2 * x))
    x = sg.vector("x", "n")
    rule_is_right(f(x), x, RNG.uniform(-1, 1, 4), lambda z: z * sp.expit(2 * z))
    assert getattr(sg, fresh_name) is f
    assert sg.parse(f"{fresh_name}(x)", x="n").node is f(x).node


def test_operation_by_numpy_and_partials(fresh_name: str) -> None:
    f = sg.operation(fresh_name, lambda a, b: np.sin(a) * b, partials=lambda y, a, b: (sg.cos(a) * b, sg.sin(a)))
    x = sg.vector("x", "n")
    rule_is_right(f(x, 2.0 * x[:, None]), x, RNG.uniform(-1, 1, 4), lambda z: np.sin(z) * 2 * z[:, None])
    again = pickle.loads(pickle.dumps(f(x, x).node))
    assert again is f(x, x).node


def test_operation_by_numpy_and_vjp(fresh_name: str) -> None:
    """The rule is written for a vector; a Jacobian maps it."""
    f = sg.operation(fresh_name, lambda a: np.cumsum(a) ** 2, shape=lambda s: s,
                     vjp=lambda g, y, a: sg.cumsum((g * 2 * sg.cumsum(a))[::-1])[::-1])  # fmt: skip
    x = sg.vector("x", "n")
    rule_is_right(f(sg.sin(x)), x, RNG.uniform(-1, 1, 4), lambda z: np.cumsum(np.sin(z)) ** 2)


def test_operation_by_formula_with_a_rule(fresh_name: str) -> None:
    """A rule for vectors to numbers: the cotangent is a number."""
    f = sg.operation(fresh_name, formula=lambda a: sg.sqrt(sg.sum(a * a)), vjp=lambda g, y, a: g * a / y)
    x = sg.vector("x", "n")
    rule_is_right(f(sg.exp(x)) * x, x, RNG.uniform(-1, 1, 4), lambda z: np.linalg.norm(np.exp(z)) * z)


def test_operation_without_rule(fresh_name: str) -> None:
    f = sg.operation(fresh_name, np.round)
    x = sg.vector("x", "n")
    with pytest.raises(NotDifferentiable, match=f"^{fresh_name}: has no derivative"):
        jacobian(f(x), x)


def test_custom_gradient() -> None:
    """A rule that is right, with a value from outside, of a function of two operands."""
    x, w = sg.vector("x", "n"), sg.vector("w", "n")

    @F["custom_gradient"]
    def f(a: Expr, b: Expr) -> Any:
        return sg.sum(a * b) * w, lambda g: (sg.sum(g * w) * b, sg.sum(g * w) * a)

    y = f(sg.sin(x), x)
    value = [RNG.uniform(-1, 1, 4), RNG.uniform(-1, 1, 4)]
    direct = jacobian(sg.sum(sg.sin(x) * x) * w, x)
    close(*number([jacobian(y, x), direct], [x, w], value, SIZES), 1e-13)
    close(*number([jacobian(jacobian(y, x), x), jacobian(direct, x)], [x, w], value, SIZES), 1e-13)
    close(compiled_meaning(jacobian(y, x), [x, w], value, SIZES), number([direct], [x, w], value, SIZES)[0], 1e-13)


def test_custom_gradient_is_used() -> None:
    x = sg.vector("x", "n")
    f = F["custom_gradient"](lambda a: (1.0 * a, lambda g: sg.clip(g, -1, 1)))
    (found,) = number([jacobian((5 * f(x)).sum(), x)], [x], [np.ones(4)], SIZES)
    close(found, np.ones(4), 0)


def test_root() -> None:
    a = sg.scalar("a")
    rule_is_right(F["root"](lambda x: x**3 + x - a, 1.0), a, np.float64(3.0),
                  lambda v: scipy.optimize.brentq(lambda x: x**3 + x - v, -5, 5, xtol=1e-15), order=3)  # fmt: skip


def test_root_of_a_system() -> None:
    b = sg.vector("b", 2)
    m = np.array([[2.0, 0.3], [-0.4, 1.0]])
    x = F["root"](lambda v: m @ v + sg.tanh(v) - b, np.zeros(2))
    rule_is_right(x, b, np.array([0.5, -1.0]), lambda v: scipy.optimize.fsolve(lambda u: m @ u + np.tanh(u) - v, [0, 0], xtol=1e-14))


def test_minimizer() -> None:
    b = sg.vector("b", 2)
    x = F["minimizer"](lambda v: (v**4).sum() + 0.5 * sg.sum((v - b) ** 2), np.zeros(2))
    roots = lambda v: np.array([scipy.optimize.brentq(lambda u, c=c: 4 * u**3 + u - c, -5, 5, xtol=1e-15) for c in v])  # noqa: E731
    rule_is_right(x, b, np.array([0.5, -1.0]), roots)


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: sg.operation("sin", np.sin), ArgumentError, "operation: sin is an operation already"),
    (lambda: sg.operation("new_one"), ArgumentError, "operation new_one: give either a function on NumPy arrays or formula="),
    (lambda: sg.operation("new_one", lambda *a: a), ArgumentError, "must have a fixed number of operands"),
    (lambda: sg.operation("not a name", np.sin), ArgumentError, "cannot name a operation"),
    (lambda: F["custom_gradient"](lambda a: a)(sg.scalar("x")), ArgumentError, "custom_gradient: the function must return its value and"),
    (lambda: F["root"](lambda x: x.sum(), sg.vector("s", 3)), ShapeError, "root: the function of f64[3] must give as many values, got f64"),
    (lambda: F["minimizer"](lambda x: x, sg.vector("s", 3)), ShapeError, "minimizer: the function must give a scalar, got f64[3]"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[row[2][:40] for row in ERRORS])
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as found:
        call()
    assert text in str(found.value)


def test_a_jitted_function_inside_another() -> None:
    inner = sg.jit(lambda a, scale: (a**2).sum() * scale)
    outer = sg.jit(lambda x: inner(x, 3.0) + inner(2 * x, scale=1.0))
    x = np.array([1.0, -2.0])
    assert outer(x) == 3 * 5 + 4 * 5
    np.testing.assert_allclose(outer.grad(x), 14 * x)
    assert inner(x, 1.0) == 5.0

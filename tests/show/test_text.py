"""Formula text: how formulas are written, and that they read back as the same canonical node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from symgrad.compiler.types import evaluate

from symgrad.differentiation import jacobian
from symgrad.expression import FUNCTIONS, Expr, symbol_name
from symgrad.graph import Node
from symgrad.interpreter import run
from symgrad.parser import parse
from symgrad.rewrite.canonical import canonicalise
from symgrad.show.text import text
from tests.show.formulas import SHAPES, formulas


def canonical(e: Expr) -> Expr:
    (node,) = canonicalise([e.node])
    return Expr(node, e.declared)


def derivative(e: Expr, name: str) -> Expr:
    (x,) = [d for d in e.declared if symbol_name(d) == name]
    (canonical_node,) = canonicalise([e.node])
    return canonical(Expr(jacobian(canonical_node, [x])[0].node, e.declared))


# formula as written, shapes, its text as it stands (None: unchanged)
WRITTEN: list[tuple[str, dict[str, Any], str | None]] = [
    ("2*x*cos(x**2)", {}, None),
    ("1/(1 + exp(-x))", {}, None),
    ("x/3 - 0.75*x**2 + x/2", {}, None),
    ("0.5*x + 0.125*y", {}, "x/2 + y/8"),
    ("x^2 - -x", {}, "x**2 + x"),
    ("1 + x**2", {}, "x**2 + 1"),
    ("exp(x) + 1", {}, "1 + exp(x)"),
    ("-x + y", {}, "y - x"),
    ("b**2 - 2*a*b + a**2", {}, "a**2 - 2*a*b + b**2"),
    ("y*(-x)**2 - (x + y)**2 + x**-2", {}, None),
    ("(x**y)**z/x**(y**z)", {}, None),
    ("x/(y/z) + x/(y*z)", {}, None),
    ("x - (y - (z - w))", {}, "x - w - y + z"),
    ("y*log(p) + (1 - y)*log(1 - p)", {}, None),
    ("x @ A @ x", {"x": "n", "A": "n,n"}, None),
    ("sum(log(1 + exp(-y*(X @ w)))) + lam/2*norm(w)**2", {"X": "m,n", "y": "m", "w": "n"}, None),
    ("X.T @ (sigmoid(X @ w) - y) / m + lam*w", {"X": "m,n", "y": "m", "w": "n"}, None),
    ("X' @ diag(v) @ X", {"X": "m,n", "v": "m"}, "X.T @ diag(v) @ X"),
    ("v[:, None]*X + X*u", {"X": "m,n", "v": "m", "u": "n"}, "X*u + v[:, None]*X"),
    ("mean((x - mean(x))**2)", {"x": "n"}, None),
    ("X/sum(X, axis=1, keepdims=True)", {"X": "m,n"}, "X/sum(X, axis=1)[:, None]"),
    ("x[1:] - x[:-1]", {"x": "n"}, None),
    ("x[::2] + x[1:-1:3][0]", {"x": "2*n"}, None),
    ("x[::-1] + x[-1] + x[2]", {"x": "n"}, None),
    ("X[1:, 0] @ X[:-1, -2]", {"X": "m,n"}, None),
    ("x[k] @ X[:, k]'", {"x": "n", "X": "m,n", "k": "i64[p]"}, "X[:, k] @ x[k]"),
    ("where(x > 0, x, 0) + maximum(0, x)", {"x": "n"}, "where(x > 0, x, 0) + maximum(x, 0)"),
    ("x*(x > 0)", {"x": "n"}, None),
    ("where((x > 0) & (x < 1) | ~(x == 2), x, -x)", {"x": "n"}, None),
    ("where(x > 0, 1.0, 2.5) + where(x > 0, 1.0, 0)", {}, "where(x > 0, 1, 2.5) + where(x > 0, 1.0, 0.0)"),
    ("mask(x > 0, 1.0)", {}, None),
    ("n*x/sqrt(n)", {"x": "n"}, None),
    ("2*pi*x", {}, None),
    ("softmax(Z) - softmax(Z, axis=0)", {"Z": "m,n"}, None),
    ("reshape(x, (m, 2)) @ eye(2)", {"x": "2*m"}, None),
    ("ravel(outer(array([a, b]), x)) + concatenate([x, 2*x])", {"x": "n"}, None),
    ('einsum("ijk,k->ij", A, v)', {"A": "m,n,p", "v": "p"}, None),
    ("outer(a, b)'", {"a": "m", "b": "n"}, "outer(b, a)"),
    ("trace(A)*mean(X, axis=0)", {"X": "m,n", "A": "n,n"}, None),
    ("0.1*x", {"x": "f32[n]"}, None),
    ("floor(x) % 2 + x // 3", {}, None),
    ("a if a > b else b**2", {}, "where(a > b, a, b**2)"),
]


@pytest.mark.parametrize(("formula", "shapes", "expected"), WRITTEN, ids=[w[0] for w in WRITTEN])
def test_written_as_a_person_would(formula: str, shapes: dict[str, Any], expected: str | None) -> None:
    e = parse(formula, **shapes)
    shown = text(e)
    assert shown == (expected or formula)
    for version in (e, canonical(e)):
        assert canonicalise([parse(text(version), **shapes).node])[0] is canonicalise([e.node])[0]


# formula, variable, shapes, gradient, Hessian (None: not looked at)
DERIVED: list[tuple[str, str, dict[str, Any], str, str | None]] = [
    ("x' @ A @ x", "x", {"x": "n", "A": "n,n"}, "A @ x + A.T @ x", "A + A.T"),
    ("sin(x**2)", "x", {}, "2*x*cos(x**2)", "2*cos(x**2) - 4*x**2*sin(x**2)"),
    ("sum((A @ x - b)**2)", "x", {"A": "m,n", "x": "n", "b": "m"}, "2*A.T @ (A @ x - b)", "2*A.T @ A"),
    ("a @ X @ b", "X", {"a": "m", "X": "m,n", "b": "n"}, "outer(a, b)", None),
    ("trace(A @ X @ B)", "X", {"A": "m,n", "X": "n,p", "B": "p,m"}, "A.T @ B.T", None),
    ("trace(X @ X @ X @ X)", "X", {"X": "n,n"}, "4*(X @ X @ X).T", None),
    ("(B @ x + b) @ C @ (D @ x + d)", "x", {"B": "m,n", "x": "n", "b": "m", "C": "m,p", "D": "p,n", "d": "p"},
     "B.T @ C @ (D @ x + d) + D.T @ C.T @ (B @ x + b)", "B.T @ C @ D + D.T @ C.T @ B"),
    ("sum((W2 @ tanh(W1 @ x) - y)**2)", "W2", {"W2": "k,h", "W1": "h,n", "x": "n", "y": "k"},
     "2*outer(W2 @ tanh(W1 @ x) - y, tanh(W1 @ x))", None),
    ("sum((X + b)**2)", "b", {"X": "m,n", "b": "n"}, "2*sum(X + b, axis=0)", None),
    ("sum(diag(X)**3)", "X", {"X": "n,n"}, "3*diag(diag(X)**2)", None),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "wrt", "shapes", "gradient", "hessian"), DERIVED, ids=[d[0] for d in DERIVED])
def test_derivatives_in_matrix_notation(
    formula: str, wrt: str, shapes: dict[str, Any], gradient: str, hessian: str | None
) -> None:
    first = derivative(parse(formula, **shapes), wrt)
    assert text(first) == gradient
    if hessian is not None:
        assert text(derivative(first, wrt)) == hessian


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.0, "2.0"), (2, "2"), (0.1, "0.1"), (-0.0, "-0.0"), (1e22, "1e22"), (5e-324, "5e-324"), (np.pi, "pi"),
     (float("inf"), "inf"), (True, "True"), (np.float32(0.1), 'astype(0.1, "f32")'), (-3.5, "-3.5")],
)  # fmt: skip
def test_numbers_read_back(value: Any, shown: str) -> None:
    e = FUNCTIONS["array"](value)
    assert text(e) == shown
    assert parse(shown).node is e.node


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("log(2)*x/3", "x*log(2)/3"),
        ("sqrt(3)*x/2", "x*sqrt(3)/2"),
        ("x/(3*pi)", "x/(3*pi)"),
        ("x*pi/180", "pi*x/180"),
        ("180/pi*x", "180/pi*x"),
        ("4*pi/3*r**3", "4*pi/3*r**3"),
        ("4*pi*r**3/3", "4*pi*r**3/3"),
        ("exp(-x**2/2)/sqrt(2*pi)", "exp(-x**2/2)/sqrt(2*pi)"),
        ("log(x)/log(10)", "log(x)/log(10)"),
        ("x**log(2)", "x**log(2)"),
        ("x - log(2*pi)/2", "x - log(2*pi)/2"),
        ("0.3*x", "0.3*x"),
        ("2.3*x", "2.3*x"),
        ("x/1.1", "x/1.1"),
    ],
)
def test_numbers_with_names(formula: str, shown: str) -> None:
    e = parse(formula)
    assert text(e) == shown
    for version in (e, canonical(e)):
        assert canonicalise([parse(text(version)).node])[0] is canonicalise([e.node])[0]


def test_a_symbol_named_pi_is_not_the_number() -> None:
    e = FUNCTIONS["exp"](parse("pi", pi="") * np.pi)
    assert parse(text(e), pi="").canonical().node is e.canonical().node


def test_squares_of_roots_are_whole() -> None:
    assert str(canonical(parse("exp(-(x/sqrt(2))**2)"))) == "exp(-x**2/2)"
    assert str(canonical(parse("(sqrt(3)*x)**2"))) == "3*x**2"


@pytest.mark.parametrize(
    "array",
    [np.array([1.0, -0.5]), np.array([[1, 2], [3, 4]]), np.array([0.1, 2], np.float32), np.ones((1, 1))],
)
def test_constant_arrays_read_back(array: Any) -> None:
    e = FUNCTIONS["array"](array)
    assert canonicalise([parse(text(e)).node])[0] is canonicalise([e.node])[0]


def test_large_constant_arrays_are_abbreviated() -> None:
    assert text(FUNCTIONS["array"](np.ones((200, 3))) * parse("x")) == "x*constant(f64[200, 3])"


def test_names_of_shared_parts_avoid_those_of_the_formula() -> None:
    e = parse("s*t*exp(u + x)/(1 + exp(u + x)) + v*exp(u + x)")
    shown = text(e)
    body, _, tail = shown.partition(" where ")
    assert tail == "r = exp(u + x)"
    assert body == "s*t*r/(1 + r) + v*r"
    e = parse("sum(exp(x + 1))**2 + exp(sum(exp(x + 1)))", x="s")
    assert " where t = " in text(e)


def test_several_formulas_share_their_parts() -> None:
    x = parse("x")
    s = FUNCTIONS["exp"](x + 1) * 3 / 7
    assert text([s + 1, x**s]) == "1 + s\nx**s\nwhere s = 3*exp(x + 1)/7"


def values_of(symbols: tuple[Node, ...]) -> tuple[dict[Node, Any], dict[str, int]]:
    sizes = {"m": 3, "n": 4, "p": 2}
    random = np.random.default_rng(5)
    values: dict[Node, Any] = {}
    for x in symbols:
        shape = tuple(evaluate(n, sizes) for n in x.type.shape)
        values[x] = random.integers(0, 2, shape) if x.type.dtype == "i64" else random.uniform(0.2, 1.4, shape)
    return values, sizes


@given(formulas())
def test_any_formula_reads_back(e: Expr) -> None:
    """The text of a canonical formula stands for the same canonical node, that of any formula for the same numbers."""
    shapes = {symbol_name(d): SHAPES[symbol_name(d)] for d in e.declared}
    c = canonical(e)
    back = parse(text(c), **shapes)
    assert canonicalise([back.node])[0] is canonicalise([c.node])[0], text(c)
    raw = parse(text(e), **shapes)
    assert raw.type == e.type
    assert set(raw.declared) == set(e.declared)
    values, sizes = values_of(e.declared)
    first, second = run([e.node, raw.node], values, sizes)
    assert np.allclose(first, second, rtol=1e-9, atol=1e-9, equal_nan=True), text(e)


# ---- sizes of graphs

def test_a_deep_chain_is_written() -> None:
    e = x = parse("x")
    for _ in range(30_000):
        e = FUNCTIONS["sin"](e)
    assert text(e) == "sin(" * 30_000 + symbol_name(x.node) + ")" * 30_000


@pytest.mark.parametrize("name", ["add", "mul", "matmul", "div"])
def test_sharing_does_not_explode(name: str) -> None:
    e = parse("X", X="n,n")
    for _ in range(60):
        e = FUNCTIONS[name](e, FUNCTIONS["sin"](e) if name == "div" else e)
    assert len(text(e)) < 3000


@pytest.mark.parametrize("name", ["add", "mul"])
def test_long_sums_and_products_take_linear_time(name: str) -> None:
    x, y = parse("x"), parse("y")
    e = x
    for k in range(5_000):
        e = FUNCTIONS[name](e, y if k % 2 else x + k)
    assert len(text(e)) > 5_000


def test_sizes_as_numbers_keep_their_parentheses() -> None:
    assert text(parse("x/(m*n) + x*(n - 1)", x="m", y="n")) == "x/(m*n) + (n - 1)*x"

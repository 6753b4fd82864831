"""SymPy's expressions: the same canonical node as the text, the way back, and named errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.matrices.expressions import hadamard

import symgrad as sg
from symgrad.sympy_bridge import to_sympy

x, y, z, lam = sp.symbols("x y z lam")
n, m = sp.symbols("n m", integer=True)
i, j, k = sp.symbols("i j k", integer=True)
X, A, B = sp.MatrixSymbol("X", m, n), sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("B", n, n)
w, v, t = sp.MatrixSymbol("w", n, 1), sp.MatrixSymbol("v", m, 1), sp.MatrixSymbol("t", n, 1)
a, b = sp.IndexedBase("a", shape=(n,)), sp.IndexedBase("b")
SHAPES = {"X": "m,n", "A": "n,n", "B": "n,n", "w": "n", "v": "m", "t": "n", "a": "n", "b": "n"}

PAIRS: list[tuple[Any, str]] = [
    # scalars
    (x**2 + sp.sin(x) / x, "x**2 + sin(x)/x"),
    (sp.Rational(2, 3) * x / z, "2*x/(3*z)"),
    (x / 3 - z / 2, "x/3 - z/2"),
    (1 / x**2, "1/x**2"),
    (1 / sp.sqrt(x), "1/sqrt(x)"),
    (x ** sp.Rational(1, 3), "x**(1/3)"),
    (x**y, "x**y"),
    (2**x, "2**x"),
    (sp.pi * x + sp.E, "pi*x + e"),
    (sp.oo * x, "inf*x"),
    (sp.sqrt(x**2 + sp.exp(x**2)) + sp.cos(x**2 + sp.exp(x**2)), "sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))"),
    (1 / (1 + sp.exp(-(x * y + z))), "1/(1 + exp(-(x*y + z)))"),
    (sp.log(1 + sp.exp(x)), "log(1 + exp(x))"),
    (sp.Abs(x) + sp.sign(x), "abs(x) + sign(x)"),
    (sp.Max(x, 0) - sp.Min(x, y, evaluate=False), "maximum(x, 0) - minimum(x, y)"),
    (sp.atan2(y, x) + sp.asin(x) + sp.acosh(y), "arctan2(y, x) + arcsin(x) + arccosh(y)"),
    (sp.sec(x) + sp.cot(y), "1/cos(x) + 1/tan(y)"),
    (sp.floor(x) + sp.ceiling(y) + sp.Mod(x, y), "floor(x) + ceil(y) + mod(x, y)"),
    (sp.erf(x) + sp.gamma(x) + sp.loggamma(x), "erf(x) + gamma(x) + gammaln(x)"),
    (sp.Piecewise((x, x > 0), (z, True)), "x if x > 0 else z"),
    (sp.Piecewise((x, x > 0), (z, x < -1)), "x if x > 0 else z if x < -1 else nan"),
    (sp.And(x > 0, sp.Or(y < 1, sp.Ne(z, 0))), "x > 0 and (y < 1 or z != 0)"),
    (sp.KroneckerDelta(x, y), "where(x == y, 1.0, 0.0)"),
    # sums over indices
    (sp.Sum(a[i] ** 2, (i, 0, n - 1)), "sum(a**2)"),
    (sp.Sum(b[i] * a[i], (i, 0, n - 1)), "sum(b*a)"),
    (sp.Sum((a[i + 1] - a[i]) ** 2, (i, 0, n - 2)), "sum((a[1:] - a[:-1])**2)"),
    (sp.Sum(100 * (a[i + 1] - a[i] ** 2) ** 2 + (1 - a[i]) ** 2, (i, 0, n - 2)),
     "sum(100*(a[1:] - a[:-1]**2)**2 + (1 - a[:-1])**2)"),
    (sp.Sum(A[i, i], (i, 0, n - 1)), "trace(A)"),
    (sp.Sum(A[i, j] * A[j, i], (i, 0, n - 1), (j, 0, n - 1)), "trace(A @ A)"),
    (sp.Sum(sp.exp(sp.Sum(X[i, j] * w[j, 0], (j, 0, n - 1))), (i, 0, m - 1)), "sum(exp(X @ w))"),
    (sp.Sum(x, (i, 0, n - 1)), "x*n"),
    (sp.Sum(a[i] * sp.Sum(a[j], (j, 0, n - 1)), (i, 0, n - 1)), "sum(a)*sum(a)"),
    (sp.Sum(i * a[i], (i, 0, n - 1)), "sum(arange(n)*a)"),
    (a[0] - a[n - 1], "a[0] - a[n - 1]"),
    # matrices
    (w.T * A * w, "w @ A @ w"),
    ((w.T * A * w)[0, 0], "w @ A @ w"),
    (X * w - v, "X @ w - v"),
    (X.T * v, "X' @ v"),
    (w * w.T, "outer(w, w)"),
    (A * B + A.T, "A @ B + A'"),
    (2 * A - B / 3, "2*A - B/3"),
    (A**3, "A @ A @ A"),
    (sp.Identity(n) + A, "eye(n) + A"),
    (sp.Trace(A * B.T), "trace(A @ B')"),
    (sp.HadamardProduct(A, B), "A*B"),
    (hadamard.HadamardPower(A, 2), "A**2"),
    (A.applyfunc(sp.exp), "exp(A)"),
    (A.applyfunc(sp.Lambda(x, x**2 + y)), "A**2 + y"),
    (sp.DiagMatrix(w) * A, "diag(w) @ A"),
    (sp.OneMatrix(1, n) * w, "sum(w)"),
    (A * sp.OneMatrix(n, 1), "sum(A, 1)"),
    (A.I * w, "inv(A) @ w"),
    (sp.log(sp.Determinant(A)), "log(det(A))"),
    (sp.BlockMatrix([[A, B], [B, A]]), "concatenate([concatenate([A, B], 1), concatenate([B, A], 1)])"),
    (sp.Matrix([x, y]), "[x, y]"),
    (sp.Matrix([[x, y], [1, 2]]), "[[x, y], [1, 2]]"),
    (A[0, 1] + w[2, 0], "A[0, 1] + w[2]"),
    (A[0:2, 1:3], "A[0:2, 1:3]"),
    (sp.FunctionMatrix(n, n, sp.Lambda((i, j), A[j, i] * w[i, 0])), "A' * w[:, None]"),
    (sp.Sum(sp.log(1 + sp.exp(-v[i, 0] * (X * w)[i, 0])), (i, 0, m - 1)) + lam / 2 * (w.T * w)[0, 0],
     "sum(log(1 + exp(-v * (X @ w)))) + lam/2 * w @ w"),
]  # fmt: skip


@pytest.mark.parametrize(("expr", "text"), PAIRS, ids=[text for _, text in PAIRS])
def test_the_same_canonical_node_as_text(expr: Any, text: str) -> None:
    f = sg.from_sympy(expr, **SHAPES)
    assert f.canonical().node is sg.parse(text, **SHAPES).canonical().node


def test_shapes_follow_from_the_matrices() -> None:
    f = sg.from_sympy(w.T * A * w + sp.Symbol("c") * w.T * w)
    assert {name: shape.replace(" ", "") for name, shape in f.shapes.items()} == {"A": "n,n", "c": "", "w": "n"}
    assert sg.from_sympy(sp.Sum(b[i], (i, 0, n - 1))).shapes == {"b": "n"}
    assert list(sg.from_sympy(z + y + x, y="").shapes) == ["y", "x", "z"]
    assert list(sg.from_sympy(x * n, n="").shapes) == ["n", "x"]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (sp.I * x, sg.DTypeError, "I is a complex number"),
    (sp.zoo, sg.DTypeError, "complex"),
    (sp.Function("f")(x), sg.ArgumentError, "the function f has no counterpart"),
    (sp.Integral(sp.exp(-(x**2)), x), sg.ArgumentError, "Integral cannot be read"),
    (sp.Derivative(sp.Function("f")(x), x), sg.ArgumentError, "Derivative cannot be read"),
    (sp.Sum(x**k, (k, 0, sp.oo)), sg.ArgumentError, "needs finite bounds"),
    (sp.Sum(x**k, (k, 0, j), (j, 0, n)), sg.ArgumentError, "depend on another index"),
    (sp.Symbol("x", positive=True) + x, sg.ArgumentError, "two different symbols are called x"),
    (sp.Symbol("x y"), sg.ArgumentError, "cannot name a symbol"),
    (sp.Symbol("q", commutative=False), sg.DTypeError, "does not commute"),
    (sp.Integer(10) ** 400 * x, sg.DTypeError, "more than 300 digits"),
    (b[i + 1], sg.ArgumentError, 'declare it, from_sympy(…, b="n")'),
    (A**x, sg.ArgumentError, "only integers"),
    (sp.Symbol("A") + 1, sg.ArgumentError, "A SymPy Symbol is a scalar"),
    ("x + 1", sg.ArgumentError, "use parse for text"),
]


@pytest.mark.parametrize(("expr", "kind", "message"), ERRORS, ids=[message for _, _, message in ERRORS])
def test_errors(expr: Any, kind: type[Exception], message: str) -> None:
    shapes = {"A": "n,n"} if expr == sp.Symbol("A") + 1 else {}
    with pytest.raises(kind) as caught:
        sg.from_sympy(expr, **shapes)
    assert message.lower() in str(caught.value).lower()


def test_large_expressions() -> None:
    """SymPy's own functions recurse; reading does not."""
    deep: Any = x
    with sp.evaluate(False):
        for _ in range(5000):
            deep = sp.sin(deep)
    assert sg.from_sympy(deep).node.depth == 5001
    wide = sp.Add(*[x**p for p in range(1, 1001)])
    assert len(sg.from_sympy(wide).node.inputs) == 1000
    shared: Any = x
    with sp.evaluate(False):
        for _ in range(60):
            shared = sp.Mul(shared, shared)
    assert sg.from_sympy(shared).node.depth == 61


# ---- the way back

ROUND = [
    "sin(x)**2/2", "x/3 + 0.1", "1/(1 + x**2)", "x**2.5 + sqrt(x)", "where(x > 0, x, y)", "maximum(x, 0) + abs(y)",
    "log(1 + exp(x)) + exp(x) - 1", "gamma(x) + gammaln(x) + erf(x)", "x if x > 0 and y < 1 else 3", "2*pi*x + e",
    "w @ A @ w", "A @ w", "X.T @ v", "X.T @ X", "outer(w, w)", "A + A.T", "A*A", "exp(A)", "2*A", "w/2",
    "w**2", "trace(A)", "diag(A)", "diag(w)", "sum(w)", "sum(A, 0)", "sum(A, 1)", "X + w", "X*w", "w[1:]",
    "sum((w[1:] - w[:-1])**2)",
    "concatenate([w, w])", "norm(w)", "softmax(w)", "logsumexp(w)", "mean(w)", "A @ A @ w", "eye(n) + A", "w + 1",
    "1/w",
    "tanh(X @ w)", "maximum(w, 0)", "where(w > 0, w, 0)", "sum(X[:, None, :]*v[:, None, None])", "w @ w*A",
    "inv(A) @ w",
    "det(A)", "sum(log(1 + exp(-v*(X @ w)))) + lam/2*norm(w)**2", "array([1.0, 2.0]) @ array([3.0, x])", "m*sum(w)",
]  # fmt: skip


@pytest.mark.parametrize("text", ROUND)
def test_there_and_back(text: str) -> None:
    f = sg.parse(text, **SHAPES)
    back = sg.from_sympy(to_sympy(f), **SHAPES)
    assert back.canonical().node is f.canonical().node


@pytest.mark.parametrize("expr", [expr for expr, _ in PAIRS[:12]], ids=str)
def test_scalars_come_back_as_they_were(expr: Any) -> None:
    assert sp.simplify(to_sympy(sg.from_sympy(expr)) - expr) in (0, sp.nan)


def test_values_in_sympy() -> None:
    """A derivative of ours, evaluated by SymPy's own lambdify."""
    f = sg.parse("sin(x*exp(x)) + sigmoid(x)*softplus(x)").grad("x")
    expr = to_sympy(f)
    np.testing.assert_allclose(float(expr.subs(x, sp.Rational(3, 10)).evalf(30)), f(x=0.3), rtol=1e-14)
    g = sp.diff(sp.sin(x * sp.exp(x)) + sp.log(1 + sp.exp(x)) / (1 + sp.exp(-x)), x)
    assert abs(sp.N((expr - g).subs(x, sp.Rational(3, 10)), 30)) < 1e-13


@pytest.mark.parametrize(("text", "message"), [
    ("X[:, None, :] + v[:, None, None]", "3 axes"), ("max(w)", "no counterpart"), ("isnan(x)", "no counterpart"),
])  # fmt: skip
def test_what_sympy_cannot_say(text: str, message: str) -> None:
    with pytest.raises(sg.ArgumentError, match=message):
        to_sympy(sg.parse(text, **SHAPES))


def test_deep_expressions_are_written() -> None:
    f: Any = sg.scalar("x")
    for _ in range(2000):
        f = np.sin(f)
    assert sg.from_sympy(to_sympy(f)).node is f.node


a, q = sp.symbols("a q", positive=True)
SPECIAL = [
    sp.lowergamma(a, q), sp.uppergamma(a, q), sp.erfi(q), sp.li(a + 1), sp.Ei(q), sp.expint(1, q), sp.besselk(0, a),
    sp.binomial(a + 3, q), sp.rf(a, q), sp.ff(a + 3, q), sp.harmonic(a), sp.polylog(2, q), sp.besselk(1, q),
    sp.betainc_regularized(a, q + 1, 0, q), sp.besseli(2, q), sp.zeta(a + 1, q), sp.polygamma(1, q), sp.LambertW(q),
    sp.Derivative(sp.sin(a * q), q), sp.Subs(a**2, a, q + 1), sp.cbrt(q),
]  # fmt: skip


@pytest.mark.parametrize("expr", SPECIAL, ids=str)
def test_special_functions_both_ways(expr: Any) -> None:
    """SymPy's own value, here and after the way back."""
    f = sg.from_sympy(expr)
    at = {"a": 1.3, "q": 0.7}
    expected = float(sp.N(expr.doit().subs({a: sp.Float(1.3, 30), q: sp.Float(0.7, 30)}), 20))
    given = {name: at[name] for name in f.shapes}
    np.testing.assert_allclose(f(**given), expected, rtol=1e-12)
    back = to_sympy(f)
    again = back.subs({sp.Symbol(s.name, **s.assumptions0): at[str(s)] for s in back.free_symbols})
    np.testing.assert_allclose(float(sp.re(sp.N(again, 20))), expected, rtol=1e-12)


def test_error_functions_of_two_numbers_and_inverse() -> None:
    """SymPy has no numbers of its own for them."""
    assert sg.from_sympy(sp.erf2(a, q))(a=0.2, q=0.9) == pytest.approx(math.erf(0.9) - math.erf(0.2), rel=1e-14)
    assert math.erfc(sg.from_sympy(sp.erfcinv(q))(q=0.3)) == pytest.approx(0.3, rel=1e-14)
    assert to_sympy(sg.parse("erfcinv(q)")).func is sp.erfcinv


@pytest.mark.parametrize("text", [
    "dawsn(x)", "spence(x)", "gammainc(2.5, x)", "gammaincc(2.5, x)", "kve(1, x)", "ive(1, x)", "exp1(x)",
    "betainc(1.5, 2.5, x)", "expi(x)", "binom(3.5, x)", "log_ndtr(x)",
])  # fmt: skip
def test_special_functions_are_written(text: str) -> None:
    f = sg.parse(text, x="")
    expr = to_sympy(f)
    (symbol,) = expr.free_symbols
    np.testing.assert_allclose(float(sp.re(sp.N(expr.subs(symbol, sp.Float(0.7, 30)), 20))), f(x=0.7), rtol=1e-12)

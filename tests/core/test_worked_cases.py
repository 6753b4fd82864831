"""The worked cases of the textbooks: value, gradient and, where it is given, the formula.

MML is *Mathematics for Machine Learning* (Deisenroth, Faisal, Ong, 2020); expected numbers come from mpmath, from
complex step in NumPy, or from the closed forms of the texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import symgrad as sg

MML_5109 = "sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))"


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def complex_step(f: Callable[..., Any], values: dict[str, Any], name: str) -> Any:
    """The gradient of the real analytic function `f` by the array `name`."""
    x = np.asarray(values[name], float)
    found = np.zeros(x.size)
    for k in range(x.size):
        step = np.zeros(x.size, complex)
        step[k] = 1e-30j
        found[k] = f(**{**values, name: x + step.reshape(x.shape)}).imag / 1e-30
    return found.reshape(x.shape)


# ---- MML 5.109 and 5.110

@pytest.mark.parametrize("x", [-1.5, -0.3, 0.0, 1e-3, 0.7, 2.0])
def test_mml_5109_value_and_derivative(x: float) -> None:
    def reference(x: Any) -> Any:
        return mpmath.sqrt(x**2 + mpmath.exp(x**2)) + mpmath.cos(x**2 + mpmath.exp(x**2))

    f = sg.compile(sg.parse(MML_5109), wrt="x")
    with mpmath.workdps(40):
        value, slope = reference(mpmath.mpf(x)), mpmath.diff(reference, mpmath.mpf(x))
    assert f(x) == pytest.approx(float(value), rel=1e-14)
    assert f.grad(x) == pytest.approx(float(slope), rel=1e-12, abs=1e-15)


def test_mml_5110_evaluates_exp_once() -> None:
    """5.110 shares d = exp(x**2) and the sum between value and derivative: so does the program."""
    f = sg.compile(sg.parse(MML_5109), wrt="x")
    for g in (f.grad, f.value_and_grad):
        program = g.show("program")
        assert len(re.findall(r"\bexp\(", program)) == 1
        assert len(re.findall(r"\bsqrt\(", program)) == 1


# ---- circuits of gates

GATES = [
    ("(x + y)*z", {"x": -2.0, "y": 5.0, "z": -4.0},
     {"x": -4.0, "y": -4.0, "z": 3.0}, {"x": "z", "y": "z", "z": "x + y"}),
    ("1/(1 + exp(-(w0*x0 + w1*x1 + w2)))", {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0},
     {k: v * np.exp(-1) / (1 + np.exp(-1)) ** 2 for k, v in {"w0": -1, "x0": 2, "w1": -2, "x1": -3, "w2": 1}.items()},
     {}),
    ("softplus(x)", {"x": 0.5}, {"x": 1 / (1 + np.exp(-0.5))}, {"x": "sigmoid(x)"}),
    ("log(1 + exp(x))", {"x": 800.0}, {"x": 1.0}, {"x": "sigmoid(x)"}),
    ("maximum(x, y)", {"x": 2.0, "y": -1.0}, {"x": 1.0, "y": 0.0}, {}),
    ("maximum(x, y)", {"x": 1.0, "y": 1.0}, {"x": 0.5, "y": 0.5}, {}),
    ("maximum(x, 0)", {"x": 0.0}, {"x": 0.0}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values", "slopes", "formulas"), GATES)
def test_gates(text: str, values: dict[str, float], slopes: dict[str, float], formulas: dict[str, str]) -> None:
    f = sg.parse(text)
    names = tuple(values)
    compiled = sg.compile(f, wrt=names, inputs=names).grad(**values)
    for name, found in zip(names, compiled, strict=True):
        assert found == pytest.approx(slopes[name], rel=1e-14)
        assert f.grad(name)(**{k: v for k, v in values.items() if k in f.grad(name).symbols}) == pytest.approx(found)
        if name in formulas:
            assert str(f.grad(name)) == formulas[name]


# ---- networks

def test_gradient_of_a_layer_is_an_outer_product() -> None:
    f = sg.parse("sum((relu(W @ x + b) - z)**2)", W="m,n", x="n", b="m", z="m")
    r = rng()
    W, x, b, z = r.normal(size=(4, 3)), r.normal(size=3), r.normal(size=4), r.normal(size=4)
    h = W @ x + b
    delta = 2 * (np.maximum(h, 0) - z) * (h > 0)
    g = sg.compile(f, wrt=("W", "b")).grad(W, b, x, z)
    np.testing.assert_allclose(g[0], np.outer(delta, x), rtol=1e-13)
    np.testing.assert_allclose(g[1], delta, rtol=1e-13)
    assert str(f.grad("W")) == "2*outer(mask(W @ x + b > 0, relu(W @ x + b) - z), x)"


def deep_network(K: int) -> tuple[sg.Expr, dict[str, str]]:
    """MML 5.111 to 5.114: f_k = tanh(A_k f_(k-1) + b_k), squared loss; and the shapes of its symbols."""
    shapes = {"x": "n0", "y": f"n{K}"}
    text = "x"
    for k in range(1, K + 1):
        text = f"tanh(A{k} @ {text} + b{k})"
        shapes |= {f"A{k}": f"n{k}, n{k - 1}", f"b{k}": f"n{k}"}
    return sg.parse(f"sum((y - {text})**2)", **shapes), shapes


def numpy_network(x: Any, y: Any, **weights: Any) -> Any:
    for k in range(1, len(weights) // 2 + 1):
        x = np.tanh(weights[f"A{k}"] @ x + weights[f"b{k}"])
    return ((y - x) ** 2).sum()


@pytest.mark.parametrize("K", [1, 2, 5])
def test_gradients_of_a_deep_network(K: int) -> None:
    loss, shapes = deep_network(K)
    sizes = [3, 4, 2, 5, 3, 2]
    r = rng()
    values = {
        name: r.normal(size=[sizes[int(n.strip()[1:])] for n in shape.split(",")]) for name, shape in shapes.items()
    }
    weights = tuple(name for name in shapes if name[0] in "Ab")
    f = sg.compile(loss, wrt=weights)
    value, gradients = f.value_and_grad(**values)
    assert value == pytest.approx(numpy_network(**values), rel=1e-13)
    for name, g in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(g, complex_step(numpy_network, values, name), rtol=1e-11, atol=1e-14)


def test_backpropagation_shares_the_errors_of_the_layers() -> None:
    """5.115 to 5.118: the factors of one layer serve all layers below, so operations grow linearly with depth."""
    counts = []
    for K in (4, 8, 16):
        loss, shapes = deep_network(K)
        grads = loss.grad(tuple(name for name in shapes if name[0] == "A"))
        counts.append(len(sg.Graph(tuple(g.node for g in grads))))
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0])


def test_softmax_and_cross_entropy() -> None:
    """The gradient of logsumexp(z) - y'z is softmax(z) - y."""
    f = sg.parse("logsumexp(z) - sum(y*z)", z="n", y="n")
    assert str(f.grad("z")) == "softmax(z) - y"
    z, y = np.array([1.0, 2.0, 1000.0]), np.array([0.0, 1.0, 0.0])
    np.testing.assert_array_equal(sg.compile(f, wrt="z").grad(z, y), [0.0, -1.0, 1.0])
    g = sg.parse("-sum(y*log(softmax(z)))", z="n", y="n")
    assert sg.compile(g, wrt="z")(z, y) == 998.0
    np.testing.assert_array_equal(sg.compile(g, wrt="z").grad(z, y), [0.0, -1.0, 1.0])


# ---- matrices

QUADRATIC = [
    ("x' @ A @ x", "hessian", "A + A.T"),
    ("x' @ A @ x", "grad", "A @ x + A.T @ x"),
    ("b' @ x", "grad", "b"),
    ("sum((A @ x - b)**2)", "grad", "2*A.T @ (A @ x - b)"),
    ("sum((A @ x - b)**2)", "hessian", "2*A.T @ A"),
]


@pytest.mark.parametrize(("text", "derivative", "formula"), QUADRATIC)
def test_formulas_of_quadratic_forms(text: str, derivative: str, formula: str) -> None:
    f = sg.parse(text, A="n,n", x="n", b="n")
    assert str(getattr(f, derivative)("x")) == formula


def test_hessian_is_the_jacobian_of_the_gradient() -> None:
    f = sg.parse("sum(exp(A @ x)) + norm(x)**4", A="m,n", x="n")
    assert f.grad("x").jacobian("x").node is f.hessian("x").node
    third = f.hessian("x").jacobian("x")
    A, x = rng().normal(size=(3, 2)), np.array([0.3, -0.8])
    expected = np.einsum("m,mi,mj,mk->ijk", np.exp(A @ x), A, A, A)
    eye = np.eye(2)
    expected += 8 * sum(np.einsum("ij,k->" + "".join("ijk"[p.index(q)] for q in range(3)), eye, x)
                        for p in ([0, 1, 2], [0, 2, 1], [2, 1, 0]))  # fmt: skip
    np.testing.assert_allclose(third(A=A, x=x), expected, rtol=1e-12)


# ---- any order

@pytest.mark.parametrize("x", [-2.0, -0.5, 0.1, 1.0, 2.5])
def test_fifth_derivative(x: float) -> None:
    f = sg.parse("sin(x*exp(x))")
    for _ in range(5):
        f = f.grad()
    with mpmath.workdps(60):
        expected = mpmath.diff(lambda t: mpmath.sin(t * mpmath.exp(t)), mpmath.mpf(x), 5)
    for value in (f(x), sg.compile(f)(x)):
        assert abs(value - expected) <= 1e-12 * max(1, abs(expected))


@pytest.mark.parametrize(
    "text", ["exp(x*y)*sin(x + y**2)", "x**3*y**2/(1 + x**2 + y**2)", "log(x**2 + y**2)*atan(x/y)"]
)
def test_mixed_partials_commute(text: str) -> None:
    f = sg.parse(text)
    left, right = f.grad("x").grad("y"), f.grad("y").grad("x")
    x, y = 0.7, 1.3
    with mpmath.workdps(40):
        names = {"exp": mpmath.exp, "sin": mpmath.sin, "log": mpmath.log, "atan": mpmath.atan}
        expected = mpmath.diff(eval("lambda x, y: " + text, names), (mpmath.mpf(x), mpmath.mpf(y)), (1, 1))
    assert left(x=x, y=y) == pytest.approx(float(expected), rel=1e-12)
    assert right(x=x, y=y) == pytest.approx(float(expected), rel=1e-12)


# ---- the logistic loss of three doors

LOGISTIC = "sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2"
LOGISTIC_SHAPES = {"X": "m,n", "y": "m", "w": "n", "lam": ""}


def logistic(X: Any, y: Any, w: Any, lam: Any) -> Any:
    return np.log(1 + np.exp(-y * (X @ w))).sum() + lam / 2 * np.linalg.norm(w) ** 2


def logistic_from_sympy() -> sg.Expr:
    import sympy as sp

    m, n = sp.symbols("m n", integer=True, positive=True)
    X, y, w, lam = sp.MatrixSymbol("X", m, n), sp.MatrixSymbol("y", m, 1), sp.MatrixSymbol("w", n, 1), sp.Symbol("lam")
    i = sp.Symbol("i", integer=True)
    margins = X * w
    data = sp.Sum(sp.log(1 + sp.exp(-y[i, 0] * margins[i, 0])), (i, 0, m - 1))
    return sg.from_sympy(data + lam / 2 * (w.T * w)[0, 0])


def logistic_from_symbols() -> sg.Expr:
    X, y, w, lam = sg.matrix("X", "m,n"), sg.vector("y", "m"), sg.vector("w", "n"), sg.scalar("lam")
    return sg.sum(sg.log(1 + sg.exp(-y * (X @ w)))) + lam / 2 * sg.norm(w) ** 2


def test_logistic_loss_by_text_function_and_symbols_is_one_node() -> None:
    text = sg.parse(LOGISTIC, **LOGISTIC_SHAPES)
    traced = sg.from_function(logistic, **LOGISTIC_SHAPES)
    assert text.canonical().node is traced.canonical().node is logistic_from_symbols().canonical().node
    assert str(text.grad("w")) == "lam*w - X.T @ (y*sigmoid(-y*(X @ w)))"


def test_logistic_loss_by_sympy_is_the_same_node() -> None:
    text, sympy_loss = sg.parse(LOGISTIC, **LOGISTIC_SHAPES), logistic_from_sympy()
    assert sympy_loss.canonical().node is text.canonical().node
    assert sympy_loss.grad("w").node is text.grad("w").node


def test_logistic_loss_derivatives() -> None:
    f = sg.compile(sg.parse(LOGISTIC, **LOGISTIC_SHAPES), wrt="w")
    r = rng()
    X, y, w, lam = r.normal(size=(40, 5)), np.sign(r.normal(size=40)), r.normal(size=5), 0.3
    s = 1 / (1 + np.exp(y * (X @ w)))
    assert f(w, X, y, lam) == pytest.approx(logistic(X, y, w, lam), rel=1e-14)
    np.testing.assert_allclose(f.grad(w, X, y, lam), lam * w - X.T @ (y * s), rtol=1e-12)
    np.testing.assert_allclose(f.hessian(w, X, y, lam), (X.T * (s * (1 - s))) @ X + lam * np.eye(5), rtol=1e-12)

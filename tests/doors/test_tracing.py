"""Python functions of NumPy: what they become, and where errors point."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

import symgrad as sg

SHAPES = {"w": "n", "X": "m,n", "y": "m", "lam": ""}


def logistic(w: Any, X: Any, y: Any, lam: Any) -> Any:
    return np.log(1 + np.exp(-y * (X @ w))).sum() + lam / 2 * np.linalg.norm(w) ** 2


def test_the_same_node_as_text() -> None:
    f = sg.from_function(logistic, **SHAPES)
    g = sg.parse("sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2", **SHAPES)
    assert f.node is g.node
    assert f.declared == g.declared


def test_symbols_in_the_order_of_the_parameters() -> None:
    f = sg.from_function(logistic, y="m", lam="", X="m,n", w="n")
    assert list(f.shapes) == ["w", "X", "y", "lam"]


PAIRS = [
    (lambda x, A: x @ A @ x, "x @ A @ x"),
    (lambda x, A: (A.T @ x)[1:], "(A' @ x)[1:]"),
    (lambda x, A: np.where(x > 0, x, -x), "where(x > 0, x, -x)"),
    (lambda x, A: abs(x) + +x, "abs(x) + +x"),
    (lambda x, A: np.maximum(x, 0), "maximum(x, 0)"),
    (lambda x, A: np.sum(A, axis=0), "sum(A, axis=0)"),
    (lambda x, A: A.mean(axis=1), "A.mean(axis=1)"),
    (lambda x, A: np.einsum("ij,j->i", A, x), "einsum('ij,j->i', A, x)"),
    (lambda x, A: np.concatenate([x, x[::-1]]), "concatenate([x, x[::-1]])"),
    (lambda x, A: np.stack([x, 2 * x], axis=1), "stack([x, 2*x], axis=1)"),
    (lambda x, A: x[:, None] * x[None, :], "x[:, None] * x[None, :]"),
    (lambda x, A: np.trace(A) * np.eye(1), "trace(A)*array([[1.0]])"),
    (lambda x, A: np.outer(x, x) + A, "outer(x, x) + A"),
    (lambda x, A: x.sum() / x.shape[0], "sum(x)/n"),
    (lambda x, A: ~(x > 0) & (x < 1), "~(x > 0) & (x < 1)"),
    (lambda x, A: np.clip(x, -1, 1), "clip(x, -1, 1)"),
    (lambda x, A: [x[0], x[1]], "[x[0], x[1]]"),
    (lambda x, A: 2 ** (1 / 3 * x), "2^(1/3*x)"),
    (lambda x, A: 3, "3"),
    (lambda x, A: np.array([1.0, 2.0]), "array([1.0, 2.0])"),
]


@pytest.mark.parametrize(("function", "text"), PAIRS, ids=[text for _, text in PAIRS])
def test_spellings(function: Any, text: str) -> None:
    shapes = {"x": "n", "A": "n,n"}
    assert sg.from_function(function, **shapes).node is sg.parse(text, **shapes).node


def test_parameters_of_every_kind() -> None:
    def function(a: Any, /, b: Any, c: float = 2.0, *, d: Any, **rest: Any) -> Any:
        return a + b * c + d + rest["e"]

    f = sg.from_function(function, a="n", e="", b="")
    assert f.node is sg.parse("a + b*2.0 + d + e", a="n", e="", b="").node
    assert list(f.shapes) == ["a", "b", "d", "e"]
    assert list(sg.from_function(function, a="", c="", e="").shapes) == ["a", "b", "c", "d", "e"]
    assert sg.from_function(np.exp, x="n").node is sg.parse("exp(x)", x="n").node
    known = functools.partial(logistic, lam=0.5)
    assert list(sg.from_function(known, w="n", X="m,n", y="m").shapes) == ["w", "X", "y"]


def test_arrays_from_outside_are_copied() -> None:
    data = np.arange(6.0).reshape(2, 3)
    f = sg.from_function(lambda x: data @ x, x="3")
    data[:] = 0
    np.testing.assert_array_equal(f(x=[1.0, 1.0, 1.0]), [3.0, 12.0])


def test_nested_parameters() -> None:
    def net(params: Any, x: Any) -> Any:
        for layer in params["layers"]:
            x = np.tanh(layer["W"] @ x + layer["b"])
        return params["scale"] * x.sum()

    layers = [{"W": "h,n", "b": "h"}, {"W": "k,h", "b": "k"}]
    f = sg.from_function(net, params={"layers": layers, "scale": ""}, x="n")
    assert list(f.shapes) == [
        "params_layers_0_W", "params_layers_0_b", "params_layers_1_W", "params_layers_1_b", "scale", "x",
    ]  # fmt: skip
    g = sg.from_function(lambda p, x: p["W1"] @ x + p["b1"], p={"W1": ("h", "n"), "b1": "h"}, x="n")
    assert g.node is sg.parse("W1 @ x + b1", W1="h,n", b1="h", x="n").node


def branches(x: Any) -> Any:
    if x > 0:
        return x
    return -x


def assigns(x: Any) -> Any:
    x[0] = 1
    return x


def forgets(x: Any) -> None:
    x + 1


ERRORS = [
    (branches, {"x": ""}, sg.ArgumentError, "use where", "    if x > 0:\n       ^^^^^"),
    (assigns, {"x": "n"}, sg.ArgumentError, "not changed in place", "    x[0] = 1\n    ^^^^"),
    (forgets, {"x": ""}, sg.ArgumentError, "returned None", None),
    (lambda x: {"a": x}, {"x": ""}, sg.ArgumentError, "returned a dict", None),
    (lambda x: "x", {"x": ""}, sg.ArgumentError, "got the text 'x'", None),
    (lambda x: 1 + math.sin(x), {"x": ""}, sg.ArgumentError, "is not a number", "^^^^^^^^^^^"),
    (lambda x: 1 + np.modf(x), {"x": "n"}, sg.DTypeError, "modf: not an operation", "^^^^^^^^"),
    (lambda x: x * 1j, {"x": ""}, sg.DTypeError, "complex numbers are not supported", "^^^^^^"),
    (lambda x: x.foo, {"x": ""}, sg.ArgumentError, "no attribute 'foo'", "^^^^^"),
    (lambda x: x << 2, {"x": ""}, sg.ArgumentError, "unsupported operand", "^^^^^^"),
    (lambda x: np.array([x, x]), {"x": ""}, sg.ArgumentError, "sg.array", "^^^^^^^^^^^^^^^^"),
    (lambda x: 1 + sum(x), {"x": "n"}, sg.ShapeError, "no fixed size", "^^^^^^"),
    (lambda x, y: x @ y, {"x": "n", "y": "m"}, sg.ShapeError, "x is f64[n], y is f64[m]", "^^^^^"),
    (lambda x: x, {"y": ""}, sg.ArgumentError, "has no parameter y: it takes x", None),
    (lambda x: x, {"x": "a b"}, sg.ShapeError, "a b", None),
    (3, {}, sg.ArgumentError, "takes a function", None),
    (lambda p, p_a_b: 1, {"p": {"a": {"b": ""}, "c": {"b": ""}}}, sg.ArgumentError, "called alike", None),
]


@pytest.mark.parametrize(("function", "shapes", "kind", "message", "place"), ERRORS)
def test_errors(function: Any, shapes: dict[str, Any], kind: type[Exception], message: str, place: str | None) -> None:
    with pytest.raises(kind) as caught:
        sg.from_function(function, **shapes)
    assert message in str(caught.value)
    assert (place or "") in str(caught.value)
    assert ("^" in str(caught.value)) == (place is not None)


def test_other_errors_pass() -> None:
    """A mistake that has nothing to do with symbols is reported as Python does it."""
    with pytest.raises(ZeroDivisionError) as caught:
        sg.from_function(lambda x: x + 1 / 0, x="")
    assert any("symgrad traced" in note for note in caught.value.__notes__)

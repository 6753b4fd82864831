"""The gradient of every loss of the operation table prints in at most twice the characters of the shortest form."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy import special

import symgrad as sg
import symgrad.ops.costs as costs
from symgrad.expression import FUNCTIONS

VECTORS = {"p": "n", "y": "n"}
TABLES = {"P": "m,n", "Y": "m,n"}
CLASSES = {"P": "m,n", "k": "i64[m]"}
ONE_HOT = "(arange(n) == k[:, None])"

LOSSES = [
    ("mean_squared_error(p, y)", VECTORS, "p", "2*(p - y)/n", lambda p, y: 2 * (p - y) / p.size),
    ("mean_absolute_error(p, y)", VECTORS, "p", "sign(p - y)/n", lambda p, y: np.sign(p - y) / p.size),
    ("huber(p, y)", VECTORS, "p", "clip(p - y, -1, 1)", lambda p, y: np.clip(p - y, -1, 1)),
    ("huber(p, y, 0.3)", VECTORS, "p", "clip(p - y, -0.3, 0.3)", lambda p, y: np.clip(p - y, -0.3, 0.3)),
    ("binary_cross_entropy(p, y)", VECTORS, "p", "(p - y)/(p*(1 - p))", lambda p, y: (p - y) / (p * (1 - p))),
    ("binary_cross_entropy_with_logits(p, y)", VECTORS, "p", "sigmoid(p) - y", lambda p, y: special.expit(p) - y),
    ("nll(p, y)", VECTORS, "p", "-y", lambda p, y: -y),
    ("nll(P, k)", CLASSES, "P", f"-{ONE_HOT}", lambda P, k: -np.eye(P.shape[1])[k]),
    ("cross_entropy(p, y)", VECTORS, "p", "sum(y)*softmax(p) - y", lambda p, y: y.sum() * special.softmax(p) - y),
    ("cross_entropy(P, Y)", TABLES, "P", "sum(Y, axis=1)[:, None]*softmax(P) - Y",
     lambda P, Y: Y.sum(1, keepdims=True) * special.softmax(P, axis=1) - Y),
    ("cross_entropy(P, k)", CLASSES, "P", f"softmax(P) - {ONE_HOT}",
     lambda P, k: special.softmax(P, axis=1) - np.eye(P.shape[1])[k]),
    ("kl_divergence(p, y)", VECTORS, "p", "log(p/y) + 1", lambda p, y: np.log(p / y) + 1),
    ("kl_divergence(y, p)", VECTORS, "p", "-y/p", lambda p, y: -y / p),
    ("hinge(p, y)", VECTORS, "p", "-y*(y*p < 1)", lambda p, y: -y * (y * p < 1)),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "shapes", "wrt", "shortest", "value"), LOSSES, ids=[row[0] for row in LOSSES])
def test_gradients_are_short(loss, shapes, wrt, shortest, value) -> None:  # type: ignore[no-untyped-def]
    gradient = sg.parse(loss, **shapes).grad(wrt).simplify()
    assert len(str(gradient)) <= 2 * len(shortest), str(gradient)
    rng = np.random.default_rng(5)
    sizes = {"n": 4, "m": 3}
    shape_of = {name: [sizes.get(s, 3) for s in shape.split(",")] for name, shape in shapes.items()}
    values = {name: rng.uniform(0.1, 0.9, shape) for name, shape in shape_of.items()}
    if "k" in values:
        values["k"] = rng.integers(0, 4, 3)
    np.testing.assert_allclose(gradient(**values), value(**values), rtol=1e-12)


def test_every_loss_is_here() -> None:
    own = {name for name, f in FUNCTIONS.items() if inspect.getmodule(f) is costs}
    assert "hinge" in own
    shown = {row[0].partition("(")[0] for row in LOSSES}
    lost = {name for name in own if not any(FUNCTIONS[name] is FUNCTIONS[other] for other in shown)}
    assert not lost

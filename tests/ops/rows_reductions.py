"""Rows of reductions and of functions along axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from symgrad.expression import FUNCTIONS as F
from tests.ops.harness import Row

X, V = {"X": "m,n"}, {"x": "n"}
AWAY = {"X": (0.3, 2.0), "x": (0.3, 2.0)}



def log_softmax(x: Any, axis: int = -1) -> Any:
    return sp.log_softmax(x, axis=axis) if x.size else x


def softmax(x: Any, axis: int = -1) -> Any:
    return sp.softmax(x, axis=axis) if x.size else x


ROWS = [
    Row("sum", X, F["sum"], np.sum),
    Row("sum axis", X, lambda x: x.sum(axis=0), lambda x: x.sum(axis=0)),
    Row("sum keepdims", X, lambda x: x.sum(axis=-1, keepdims=True), lambda x: x.sum(axis=-1, keepdims=True)),
    Row("sum bool", {"x": "bool[n]"}, F["sum"], np.sum, orders=0),
    Row("mean", X, F["mean"], np.mean),
    Row("mean axis", X, lambda x: x.mean(axis=(0,), keepdims=True), lambda x: x.mean(axis=0, keepdims=True)),
    Row("max", X, F["max"], np.max),
    Row("max axis", X, lambda x: x.max(axis=1), lambda x: x.max(axis=1)),
    Row("min", X, lambda x: F["min"](x, axis=0, keepdims=True), lambda x: x.min(axis=0, keepdims=True)),
    Row("norm", X, F["norm"], np.linalg.norm, AWAY),
    Row("norm axis", X, lambda x: F["norm"](x, axis=1), lambda x: np.linalg.norm(x, axis=1), AWAY),
    Row("norm 1", V, lambda x: F["norm"](x, 1), lambda x: np.linalg.norm(x, 1), AWAY),
    Row("norm inf", V, lambda x: F["norm"](x, np.inf), lambda x: np.linalg.norm(x, np.inf), AWAY, empty=False),
    Row("norm p", V, lambda x: F["norm"](x, 3), lambda x: np.linalg.norm(x, 3), AWAY),
    Row("logsumexp", X, lambda x: F["logsumexp"](x, axis=-1), lambda x: sp.logsumexp(x, axis=-1)),
    Row("softmax", X, F["softmax"], softmax),
    Row("softmax axis", X, lambda x: F["softmax"](x, axis=0), lambda x: softmax(x, 0)),
    Row("log_softmax", X, F["log_softmax"], log_softmax),
    Row("any", X, lambda x: F["any"](x > 0, axis=0), lambda x: (x > 0).any(axis=0), orders=0),
    Row("all", X, lambda x: F["all"](x > 0, axis=1), lambda x: (x > 0).all(axis=1), orders=0),
]  # fmt: skip

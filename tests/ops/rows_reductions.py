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


def slope(x: Any) -> Any:
    p = softmax(x)
    return np.eye(x.shape[-1]) * p[..., None] - p[..., None] * p[..., None, :]


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Two elements 0, the others not."""
    x = rng.uniform(0.5, 2, shape)
    x[1:3] = 0
    return x


def recurrence(a: Any, b: Any) -> Any:
    a, b = np.broadcast_arrays(a, b)
    s = np.array(b)
    for i in range(1, s.shape[-1]):
        s[..., i] = a[..., i] * s[..., i - 1] + b[..., i]
    return s


def scattered_rows(x: Any, k: Any) -> Any:
    result = np.zeros((x.shape[0], 3), x.dtype)
    for i, j in np.ndindex(*x.shape):
        result[i, k[i, j]] += x[i, j]
    return result


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
    Row("logsumexp", X, lambda x: F["logsumexp"](x, axis=-1), lambda x: np.logaddexp.reduce(x, axis=-1)),
    Row("softmax", X, F["softmax"], softmax),
    Row("softmax axis", X, lambda x: F["softmax"](x, axis=0), lambda x: softmax(x, 0)),
    Row("log_softmax", X, F["log_softmax"], log_softmax),
    Row("log_softmax axis", X, lambda x: F["log_softmax"](x, axis=0), lambda x: log_softmax(x, 0)),
    Row("softmax_rest", X, F["softmax_rest"], lambda x: 1 - softmax(x)),
    Row("softmax_rest axis", X, lambda x: F["softmax_rest"](x, axis=0), lambda x: 1 - softmax(x, 0)),
    Row("softmax_slope", X, F["softmax_slope"], slope),
    Row("any", X, lambda x: F["any"](x > 0, axis=0), lambda x: (x > 0).any(axis=0), orders=0),
    Row("all", X, lambda x: F["all"](x > 0, axis=1), lambda x: (x > 0).all(axis=1), orders=0),
    *(Row(f"norm {o}", {"X": "m,n"}, lambda x, o=o: F["norm"](x, o), lambda x, o=o: np.linalg.norm(x, o), {"X": "away"}, empty=False)
      for o in (1, -1, 2, -2, np.inf, "nuc")),
    Row("norm axes", {"X": "m,n,k"}, lambda x: F["norm"](x, 1, axis=(2, 0), keepdims=True),
        lambda x: np.linalg.norm(x, 1, axis=(2, 0), keepdims=True), AWAY, empty=False),
    Row("prod", X, F["prod"], np.prod),
    Row("prod axis", {"X": "m,n,k"}, lambda x: x.prod(axis=(0, -1), keepdims=True), lambda x: x.prod(axis=(0, -1), keepdims=True)),
    Row("prod zeros", V, F["prod"], np.prod, {"x": zeros}, empty=False),
    Row("var", X, lambda x: F["var"](x, axis=1, ddof=1), lambda x: np.var(x, axis=1, ddof=1), empty=False),
    Row("std", X, lambda x: F["std"](x, keepdims=True), lambda x: np.std(x, keepdims=True), empty=False),
    Row("cov", X, F["cov"], np.cov, empty=False),
    Row("argmax", X, F["argmax"], np.argmax, orders=0),
    Row("argmax axis", X, lambda x: x.argmax(axis=0), lambda x: x.argmax(axis=0), orders=0),
    Row("argmin", X, lambda x: F["argmin"](x, axis=1, keepdims=True), lambda x: x.argmin(axis=1, keepdims=True), orders=0),
    Row("median", X, F["median"], np.median, empty=False),
    Row("median axis", X, lambda x: F["median"](x, axis=0, keepdims=True), lambda x: np.median(x, axis=0, keepdims=True), empty=False),
    Row("cumsum", X, lambda x: F["cumsum"](x, axis=0), lambda x: np.cumsum(x, axis=0)),
    Row("cumsum flat", X, F["cumsum"], np.cumsum),
    Row("cumsum reverse", V, lambda x: F["cumsum"](x, 0, reverse=True) ** 2, lambda x: np.cumsum(x[::-1])[::-1] ** 2),
    Row("cumprod", X, lambda x: x.cumprod(axis=-1), lambda x: np.cumprod(x, axis=-1)),
    Row("cumprod zeros", V, lambda x: x.cumprod(), np.cumprod, {"x": zeros}, empty=False),
    Row("cumprod reverse", V, lambda x: F["cumprod"](x, 0, reverse=True), lambda x: np.cumprod(x[::-1])[::-1]),
    Row("cummax", X, lambda x: F["cummax"](x, axis=1) ** 2, lambda x: np.maximum.accumulate(x, 1) ** 2),
    Row("cummin", X, lambda x: F["cummin"](x, axis=0, reverse=True), lambda x: np.minimum.accumulate(x[::-1], 0)[::-1]),
    Row("logcumsumexp", X, lambda x: F["logcumsumexp"](x, axis=1), lambda x: np.logaddexp.accumulate(x, 1)),
    Row("logcumsumexp reverse", V, lambda x: F["logcumsumexp"](x, reverse=True), lambda x: np.logaddexp.accumulate(x[::-1])[::-1]),
    Row("linear_recurrence", {"A": "m,n", "b": "n"}, F["linear_recurrence"], recurrence),
    Row("linear_recurrence reverse", {"a": "n", "B": "m,n"}, lambda a, b: F["linear_recurrence"](a, b, reverse=True),
        lambda a, b: recurrence(a[::-1], b[:, ::-1])[:, ::-1]),
    Row("shift", X, lambda x: F["shift"](x), lambda x: np.concatenate([0 * x[:, :1], x[:, :-1]], 1)),
    Row("shift reverse", X, lambda x: F["shift"](x, True) * x, lambda x: np.concatenate([x[:, 1:], 0 * x[:, :1]], 1) * x),
    Row("sort", X, lambda x: F["sort"](x, axis=0) ** 2, lambda x: np.sort(x, axis=0) ** 2),
    Row("sort flat", X, lambda x: F["sort"](x, axis=None), lambda x: np.sort(x, axis=None)),
    Row("argsort", X, F["argsort"], lambda x: np.argsort(x, kind="stable"), orders=0),
    Row("searchsorted", {"x": "n", "Y": "m,n"}, lambda x, y: F["searchsorted"](F["sort"](x), y),
        lambda x, y: np.searchsorted(np.sort(x), y), orders=0),
    Row("searchsorted right", {"x": "n"}, lambda x: F["searchsorted"](F["sort"](x), x, side="right"),
        lambda x: np.searchsorted(np.sort(x), x, side="right"), orders=0),
    Row("take_along_axis", {"X": "m,n", "I": "i64[k,n]"}, lambda x, i: F["take_along_axis"](x, i, axis=0) ** 2,
        lambda x, i: np.take_along_axis(x, i, 0) ** 2, {"I": "int"}, empty=False),
    Row("scatter_along", {"X": "m,n", "I": "i64[m,n]"}, lambda x, i: F["scatter_along"](x, i, 3), scattered_rows, {"I": "int"}, empty=False),
    Row("cumargmax", X, F["cumargmax"], lambda x: np.array([[np.argmax(r[: k + 1]) for k in range(len(r))] for r in x], int).reshape(x.shape),
        orders=0),
]  # fmt: skip

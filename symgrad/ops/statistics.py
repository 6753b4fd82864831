"""Variance, standard deviation, covariance, and what else is made of means and sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiler.types import product
from ..errors import ShapeError
from ..expression import FUNCTIONS, Expr, cast, dim, function, lift, size, unify
from .contraction import axes_from_right, broadcast_to, diagonal, mean, sum_, unit_axes
from .reductions import norm
from .shaping import concatenate


def _centred(x: Expr, axis: Any) -> Expr:
    return x - mean(x, axis, keepdims=True)


@function("var", numpy=[np.var], method=True)
def var(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Expr:
    """The variance over all axes, or over `axis`: the mean of the squared distances from the mean, in two passes.

    The sum is divided by the number of elements less `ddof`."""
    operand = unify([x], want_float=True)[0][0]
    axes = axes_from_right("var", operand, axis)
    count = size(product(tuple(operand.type.shape[a] for a in axes)))
    divisor: Expr = count - ddof
    return sum_(_centred(operand, axis) ** 2, axis, keepdims=keepdims) / divisor


@function("std", numpy=[np.std], method=True)
def std(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Expr:
    """The standard deviation over all axes, or over `axis`; its derivative where all elements are equal is 0."""
    operand = unify([x], want_float=True)[0][0]
    axes = axes_from_right("std", operand, axis)
    count = size(product(tuple(operand.type.shape[a] for a in axes)))
    length = norm(_centred(operand, axis), axis=tuple(axes), keepdims=keepdims)
    divisor: Expr = count - ddof
    return length / cast(divisor, operand.dtype) ** 0.5


@function("cov", numpy=[np.cov])
def cov(x: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Expr:
    """The covariance matrix of the rows of `x` (of its columns without `rowvar`), and of the rows of `y` behind them;
    of a vector, its variance.  Sums are divided by the number of observations less `ddof`: 1, or 0 with `bias`."""
    operand = _variables("cov", x, rowvar)
    if y is not None:
        operand = concatenate([operand, _variables("cov", y, rowvar)], 0)
    freedom = (0 if bias else 1) if ddof is None else ddof
    rows = _centred(operand, -1)
    result = rows @ rows.T / (size(operand.type.shape[-1]) - freedom)
    return result[0, 0] if result.type.shape == (1, 1) else result


def _variables(name: str, x: Any, rowvar: bool) -> Expr:
    """Observations of several variables as rows of a matrix."""
    operand = unify([x], want_float=True)[0][0]
    if operand.ndim not in (1, 2):
        raise ShapeError(f"{name}: needs a vector or a matrix, got {operand.type}")
    if operand.ndim == 1:
        return unit_axes(operand, [None, 0])
    return operand if rowvar else operand.T


@function("corrcoef", numpy=[np.corrcoef])
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Expr:
    """The matrix of Pearson's correlation coefficients of the rows of `x` (of its columns without `rowvar`), and of the
    rows of `y` behind them."""
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    scale = diagonal(c) ** 0.5
    return c / scale[:, None] / scale


@function("average", numpy=[np.average])
def average(x: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Expr:
    """The mean over all axes or `axis`, weighted by `weights`: an array of the shape of `x`, or a vector along the one
    axis."""
    if weights is None:
        return mean(x, axis, keepdims=keepdims)
    (operand, w), _ = unify([x, weights], want_float=True)
    if w.type.shape != operand.type.shape:
        axes = axes_from_right("average", operand, axis)
        if len(axes) != 1 or axis is None or w.type.shape != (operand.type.shape[axes[0]],):
            raise ShapeError(f"average: the weights {w.type} do not fit axis {axis} of {operand.type}")
        w = broadcast_to(unit_axes(w, [0, *[None] * (-axes[0] - 1)]), operand.type.shape)
    return sum_(operand * w, axis, keepdims=keepdims) / sum_(w, axis, keepdims=keepdims)


@function("count_nonzero", numpy=[np.count_nonzero])
def count_nonzero(x: Any, axis: Any = None, *, keepdims: bool = False) -> Expr:
    """The number of elements that are true or not zero, over all axes or `axis`."""
    operand = lift(x)
    return sum_(operand if operand.dtype == "bool" else operand != 0, axis, keepdims=keepdims)


@function("bincount", numpy=[np.bincount])
def bincount(x: Any, weights: Any = None, minlength: Any = 0) -> Expr:
    """How often each of the integers 0, 1, ..., minlength - 1 occurs in the vector `x`, or the sums of the `weights`
    of its occurrences.  `minlength` is the size of the result and must be given; larger integers are a DomainError."""
    k = lift(x)
    n = dim(minlength)
    if n == 0 or k.ndim != 1:
        raise ShapeError(f"bincount: needs a vector and minlength=, the number of bins, got {k.type} and {minlength}")
    counts: Expr = FUNCTIONS["scatter"](FUNCTIONS["ones_like"](k) if weights is None else lift(weights), k, n)
    return counts


@function("digitize", numpy=[np.digitize])
def digitize(x: Any, bins: Any, right: bool = False) -> Expr:
    """The number of the bin of each element: how many of the rising `bins` are at most as large (smaller, with
    `right`)."""
    result: Expr = FUNCTIONS["searchsorted"](bins, x, side="left" if right else "right")
    return result


__all__ = ["average", "cov", "std", "var"]

"""Variance, standard deviation, covariance, and what else is made of means and sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiler.types import product
from ..errors import ShapeError
from ..expression import Expr, cast, function, size, unify
from .contraction import axes_from_right, mean, sum_
from .reductions import norm


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
def cov(x: Any, ddof: int = 1) -> Expr:
    """The covariance matrix of the rows of `x` over its columns; of a vector, its variance."""
    operand = unify([x], want_float=True)[0][0]
    if operand.ndim == 1:
        return var(operand, ddof=ddof)
    if operand.ndim != 2:
        raise ShapeError(f"cov: needs a matrix, got {operand.type}")
    rows = _centred(operand, -1)
    return rows @ rows.T / (size(operand.type.shape[-1]) - ddof)


__all__ = ["cov", "std", "var"]

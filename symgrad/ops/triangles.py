"""The lower and upper triangle of matrices: selections, so that nothing flows through what is cut off."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..expression import Expr, function, lift
from ..graph import lookup, node
from .contraction import unit_axes
from .elementwise import mask


def _rows_minus_columns(x: Expr) -> Expr:
    if x.ndim < 2:
        raise ShapeError(f"tril, triu: need a matrix, got {x.type}")
    rows, columns = (Expr(node(lookup("iota"), (), (n,))) for n in x.type.shape[-2:])
    return unit_axes(rows, [0, None]) - columns


def _offset(k: Any) -> int:
    if not isinstance(k, int | np.integer) or isinstance(k, bool):
        raise ArgumentError(f"tril, triu: the diagonal must be an integer, got {k!r}")
    return int(k)


def lower_part(x: Expr, k: int = 0) -> Expr:
    """The last two axes of `x` with zeros above diagonal `k`."""
    return mask(_rows_minus_columns(x) >= -k, x)


def upper_part(x: Expr, k: int = 0) -> Expr:
    """The last two axes of `x` with zeros below diagonal `k`."""
    return mask(_rows_minus_columns(x) <= -k, x)


@function("tril", numpy=[np.tril], method=True)
def tril(x: Any, k: int = 0) -> Expr:
    """The lower triangle of matrices up to diagonal `k`, zeros elsewhere."""
    return lower_part(lift(x), _offset(k))


@function("triu", numpy=[np.triu], method=True)
def triu(x: Any, k: int = 0) -> Expr:
    """The upper triangle of matrices from diagonal `k` on, zeros elsewhere."""
    return upper_part(lift(x), _offset(k))


__all__ = ["lower_part", "tril", "triu", "upper_part"]

"""Polynomials by their coefficients, and the integral of sampled values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..expression import FUNCTIONS, Expr, dim, function, lift, unify
from .contraction import axes_from_right, broadcast_to, sum_, unit_axes
from .joining import one_axis, part


@function("polyval", numpy=[np.polyval])
def polyval(p: Any, x: Any) -> Expr:
    """The polynomial with the coefficients `p`, that of the highest power first, at `x`, by Horner's rule; the number
    of coefficients must be known."""
    (c, at), _ = unify([p, x])
    n = c.type.shape[0] if c.ndim == 1 else None
    if not isinstance(n, int):
        raise ShapeError(f"polyval: the coefficients must be a vector of known size, got {c.type}")
    result: Expr = FUNCTIONS["zeros_like"](at)
    for k in range(n):
        result = result * at + c[k] if k else broadcast_to(c[0], at.type.shape)
    return result


@function("vander", numpy=[np.vander])
def vander(x: Any, N: Any = None, increasing: bool = False) -> Expr:
    """The matrix of the powers 0 to N - 1 of a vector's elements as columns, the highest first, or last with
    `increasing`; by default as many columns as rows."""
    operand = lift(x)
    if operand.ndim != 1:
        raise ShapeError(f"vander: needs a vector, got {operand.type}")
    count = operand.type.shape[0] if N is None else dim(N)
    powers = FUNCTIONS["arange"](count)
    result: Expr = unit_axes(operand, [0, None]) ** (powers if increasing else powers[::-1])
    return result


@function("trapezoid", numpy=[np.trapezoid])
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Expr:
    """The integral of the values `y` along `axis` by the trapezoidal rule, at the places `x` (a vector, or of the shape
    of `y`) or at the distance `dx`."""
    operand = unify([y], want_float=True)[0][0]
    at = one_axis("trapezoid", operand, axis)
    n = operand.type.shape[at]
    means = (part(operand, at, 1, n - 1) + part(operand, at, 0, n - 1)) * 0.5
    if x is None:
        return sum_(means * lift(dx), at)
    places = lift(x)
    along = axes_from_right("trapezoid", places, -1)[0] if places.ndim == 1 else at
    m = places.type.shape[along]
    steps = part(places, along, 1, m - 1) - part(places, along, 0, m - 1)
    return sum_(means * (unit_axes(steps, [0, *[None] * (-at - 1)]) if places.ndim == 1 else steps), at)


__all__ = ["polyval", "trapezoid", "vander"]

"""Activations and output units of *Deep Learning* (Goodfellow, Bengio, Courville, 2016), sections 6.2 and 6.3.

At a kink the derivative is that of the side where the unit is constant or, where neither is, of the left side: 0 at the
kinks of relu, hard_tanh and of a constant, `slope` at 0 for leaky_relu and prelu.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..expression import FUNCTIONS, Expr, function, lift, unify
from .arithmetic import clip, where
from .reductions import max_
from .shaping import reshape

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def _float(x: Any) -> Expr:
    return unify([x], want_float=True)[0][0]


@function("prelu")
def prelu(x: Any, slope: Any) -> Expr:
    """`x` where it is positive and ``slope * x`` elsewhere; `slope` may be a variable, also one per unit."""
    (z, a), _ = unify([x, slope], want_float=True)
    return where(z > 0, z, a * z)


@function("leaky_relu")
def leaky_relu(x: Any, slope: float = 0.01) -> Expr:
    """`x` where it is positive and ``slope * x`` elsewhere."""
    return prelu(x, slope)


@function("elu")
def elu(x: Any, alpha: Any = 1.0) -> Expr:
    """`x` where it is positive and ``alpha * (exp(x) - 1)`` elsewhere, without overflow."""
    z = _float(x)
    return where(z > 0, z, alpha * _f("expm1", z))


@function("selu")
def selu(x: Any) -> Expr:
    """The self-normalising elu of Klambauer et al. (2017)."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


@function("gelu")
def gelu(x: Any, approximate: bool = False) -> Expr:
    """``x * ndtr(x)``; with `approximate`, its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    z = _float(x)
    if approximate:
        return 0.5 * z * (1 + _f("tanh", float(np.sqrt(2 / np.pi)) * (z + 0.044715 * z**3)))
    return z * _f("ndtr", z)


@function("silu", "swish")
def silu(x: Any) -> Expr:
    """``x * sigmoid(x)``."""
    z = _float(x)
    return z * _f("sigmoid", z)


@function("hard_tanh")
def hard_tanh(x: Any) -> Expr:
    """`x` limited to [-1, 1]."""
    return clip(_float(x), -1.0, 1.0)


@function("hard_sigmoid")
def hard_sigmoid(x: Any) -> Expr:
    """``clip(x/6 + 1/2, 0, 1)``."""
    return clip(_float(x) / 6 + 0.5, 0.0, 1.0)


@function("softsign")
def softsign(x: Any) -> Expr:
    """``x/(1 + abs(x))``."""
    z = _float(x)
    return z / (1 + _f("abs", z))


@function("maxout")
def maxout(x: Any, pieces: Any) -> Expr:
    """The largest of each `pieces` consecutive elements of the last axis, whose size must be a multiple of `pieces`."""
    z = lift(x)
    if not isinstance(pieces, int) or pieces < 1:
        raise ArgumentError(f"maxout: the number of pieces must be a positive integer, got {pieces!r}")
    if not z.ndim:
        raise ShapeError(f"maxout: needs at least one axis, got {z.type}")
    n = z.type.shape[-1]
    groups = n // pieces
    if groups * pieces != n:
        raise ShapeError(f"maxout: the last axis of {z.type} is not a multiple of {pieces}")
    return max_(reshape(z, (*z.type.shape[:-1], groups, pieces)), -1)


@function("linear")
def linear(x: Any, weights: Any, bias: Any = 0.0) -> Expr:
    """The affine map ``x @ weights + bias``: a linear output unit; under `softmax`, a softmax output unit."""
    return lift(x) @ lift(weights) + lift(bias)


__all__ = ["elu", "gelu", "linear", "maxout"]

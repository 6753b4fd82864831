"""Convolution and correlation along the last axis.

``c[i] = sum of x[i + k] * w[k]`` over the places where `w` lies within `x` is one bilinear operation whose two
derivatives are the same operation again, on padded or reversed arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Axis, AxisValue, Call, Load, Reduce
from ..compiler.types import ArrayType
from ..errors import ArgumentError, ShapeError
from ..expression import FUNCTIONS, Expr, apply, broadcast_shapes, function, unify
from ..graph import Node, Op, Params, register
from ..indexing import Element, Operand, axes_of, plus, values
from .elementwise import unbroadcast
from .shaping import flip, slice_axes


def _type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    x, w = types
    if not x.rank or not w.rank or x.dtype != w.dtype:
        raise ShapeError(f"correlate: needs two arrays of one element type with at least one axis, got {x} and {w}")
    n, k = x.shape[-1], w.shape[-1]
    if isinstance(n, int) and isinstance(k, int) and (k < 1 or n < k - 1):
        raise ShapeError(f"correlate: the window {w} is empty or longer than {x}")
    lead = broadcast_shapes("correlate", [ArrayType(t.dtype, t.shape[:-1]) for t in types])
    return ArrayType(x.dtype, (*lead, n - k + 1))


def _evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x, w = (np.asarray(a) for a in args)
    if not 1 <= w.shape[-1] <= x.shape[-1] + 1:
        raise ShapeError(f"correlate: a window of {w.shape[-1]} elements does not lie within {x.shape[-1]}")
    if w.shape[-1] == x.shape[-1] + 1:
        return np.zeros((*np.broadcast_shapes(x.shape[:-1], w.shape[:-1]), 0), x.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[-1], axis=-1)
    return np.einsum("...ik,...k->...i", windows, w)


def _lower(y: Node, operands: Sequence[Operand]) -> Element:
    x, w = operands
    axes = axes_of(y.type.shape)
    index = values(axes)
    k = AxisValue("k")
    body = Call("mul", (_at(x, [*index[:-1], plus(index[-1], k)]), _at(w, [*index[:-1], k])))
    return Element(axes, Reduce("add", (Axis("k", w.type.shape[-1]),), body))


def _at(a: Operand, index: Any) -> Any:
    """The element of `a` at the trailing part of `index`, whose last part is used even where the last axis has size
    1."""
    load = a.at(index)
    assert isinstance(load, Load)
    return Load(load.array, (*load.index[:-1], index[-1]))


def _vjp(g: Expr, y: Expr, x: Expr, w: Expr) -> list[Expr]:
    k = w.type.shape[-1]
    wide = FUNCTIONS["unslice"](g, g.type.shape[-1] + 2 * (k - 1), k - 1)
    to_x = apply("correlate_valid", [wide, flip(w, -1)])
    # The cotangent is the window: c[k] = sum of x[i + k] * g[i].
    to_w = apply("correlate_valid", [x, g])
    return [unbroadcast(to_x, y.ndim, x.type), unbroadcast(to_w, y.ndim, w.type)]


register(
    Op(
        "correlate_valid",
        _type,
        _evaluate,
        _lower,
        vjp=_vjp,
        doc="Sums of products of a window with each part of an array.",
    )
)


@function("correlate_valid")
def correlate_valid(x: Any, w: Any) -> Expr:
    """``sum of x[..., i + k] * w[..., k]`` over k, for every place i where `w` lies within `x`; further axes are
    broadcast."""
    return apply("correlate_valid", unify([x, w])[0])


def _full_length(name: str, x: Expr, w: Expr, mode: str) -> Expr:
    """The correlation of vectors by NumPy's modes."""
    if x.ndim != 1 or w.ndim != 1:
        raise ShapeError(f"{name}: needs two vectors, got {x.type} and {w.type}")
    m, n = x.type.shape[0], w.type.shape[0]
    if m == 0 or n == 0:
        raise ShapeError(f"{name}: of an empty vector ({x.type}, {w.type})")
    if mode == "valid":
        return apply("correlate_valid", [x, w])
    wide = FUNCTIONS["unslice"](x, m + 2 * (n - 1), n - 1)
    full = apply("correlate_valid", [wide, w])
    if mode == "full":
        return full
    if mode != "same":
        raise ArgumentError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}")
    return slice_axes(full, [((n - 1) // 2, m, 1)])


def _is_longer(a: Expr, b: Expr) -> bool:
    m, n = a.type.shape[0] if a.ndim else 0, b.type.shape[0] if b.ndim else 0
    return isinstance(m, int) and isinstance(n, int) and m > n


@function("convolve", numpy=[np.convolve])
def convolve(a: Any, v: Any, mode: str = "full") -> Expr:
    """The convolution of two vectors, ``sum of a[k] * v[i - k]``, by NumPy's modes "full", "same" and "valid".

    For "same" and "valid", sizes that are not known yet are taken to be rising or equal from `v` to `a`."""
    (x, w), _ = unify([a, v])
    if _is_longer(w, x):
        x, w = w, x
    return _full_length("convolve", x, flip(w), mode)


@function("correlate", numpy=[np.correlate])
def correlate(a: Any, v: Any, mode: str = "valid") -> Expr:
    """The correlation of two vectors, ``sum of a[i + k] * v[k]``, by NumPy's modes "valid", "same" and "full".

    Sizes that are not known yet are taken to be rising or equal from `v` to `a`."""
    (x, w), _ = unify([a, v])
    if _is_longer(w, x):
        return flip(_full_length("correlate", w, x, mode))
    return _full_length("correlate", x, w, mode)


__all__ = ["convolve", "correlate"]

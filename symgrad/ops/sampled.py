"""Functions of values at given places: gradients by differences, interpolation; and small relatives of NumPy's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..expression import FUNCTIONS, Expr, dim, function, lift, unify
from .arithmetic import where
from .contraction import axes_from_right, broadcast_to, unit_axes
from .joining import part
from .shaping import concatenate, reshape, take


@function("gradient", numpy=[np.gradient])
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """NumPy's gradient: central differences inside, one-sided ones at both ends, along every axis (a list) or `axis`.

    `varargs` are one distance for all axes, or one for each: a number, or a vector of places.  ArgumentError unless
    `edge_order` is 1; ShapeError for an axis of fewer than two elements."""
    operand = unify([f], want_float=True)[0][0]
    if edge_order != 1:
        raise ArgumentError(f"gradient: edge_order must be 1, got {edge_order!r}")
    axes = axes_from_right("gradient", operand, axis)
    if len(varargs) not in (0, 1, len(axes)):
        raise ArgumentError(f"gradient: takes one distance or one for each of {len(axes)} axes, got {len(varargs)}")
    steps: Sequence[Any] = varargs or (1.0,)
    steps = list(steps) * (len(axes) if len(steps) == 1 else 1)
    found = [_slopes(operand, at, lift(step)) for at, step in zip(axes, steps, strict=True)]
    alone = operand.ndim == 1 or (axis is not None and not isinstance(axis, tuple | list))
    return found[0] if alone else found


def _slopes(x: Expr, at: int, step: Expr) -> Expr:
    n = x.type.shape[at]
    if isinstance(n, int) and n < 2:
        raise ShapeError(f"gradient: needs at least two elements along an axis, got {x.type}")
    rises = part(x, at, 1, n - 1) - part(x, at, 0, n - 1)
    if step.ndim:
        gaps = part(step, -1, 1, n - 1) - part(step, -1, 0, n - 1)
        gaps = unit_axes(gaps, [0, *[None] * (-at - 1)])
        slopes = rises / gaps
        before, after = part(gaps, at, 0, n - 2), part(gaps, at, 1, n - 2)
        inner = (part(slopes, at, 0, n - 2) * after + part(slopes, at, 1, n - 2) * before) / (before + after)
    else:
        slopes = rises / step
        inner = (part(slopes, at, 0, n - 2) + part(slopes, at, 1, n - 2)) * 0.5
    return concatenate([part(slopes, at, 0, 1), inner, part(slopes, at, n - 2, 1)], at)


@function("interp", numpy=[np.interp])
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Expr:
    """The straight line between neighbours of the points (`xp` rising, `fp`) at the places `x`; before the first point
    `left` (its value) and behind the last one `right`.  Differentiable in all of them."""
    if period is not None:
        raise ArgumentError("interp: period= is not supported; take the places modulo the period")
    (at, places, values), _ = unify([x, xp, fp], want_float=True)
    if places.ndim != 1 or values.type.shape != places.type.shape:
        raise ShapeError(f"interp: needs two vectors of one size, got {places.type} and {values.type}")
    f = FUNCTIONS
    last = lift(places.shape[0]) - 1
    k = f["clip"](f["searchsorted"](places, at, side="right") - 1, 0, f["maximum"](last - 1, 0))
    after = f["minimum"](k + 1, last)
    x0, x1, y0, y1 = take(places, k), take(places, after), take(values, k), take(values, after)
    gap = x1 - x0
    inner = y0 + (y1 - y0) * ((at - x0) / where(gap == 0, 1, gap))
    low = values[0] if left is None else lift(left)
    high = values[-1] if right is None else lift(right)
    end = places[-1]
    return where(at < places[0], low, where(at > end, high, where(at == end, values[-1], inner)))


@function("ediff1d", numpy=[np.ediff1d])
def ediff1d(x: Any) -> Expr:
    """The differences of neighbours of all elements in row-major order."""
    result: Expr = FUNCTIONS["diff"](reshape(lift(x), (-1,)))
    return result


@function("nancumsum", numpy=[np.nancumsum])
def nancumsum(x: Any, axis: int | None = None) -> Expr:
    """Running sums in which NaN counts as 0."""
    return _running("cumsum", x, axis, 0)


@function("nancumprod", numpy=[np.nancumprod])
def nancumprod(x: Any, axis: int | None = None) -> Expr:
    """Running products in which NaN counts as 1."""
    return _running("cumprod", x, axis, 1)


def _running(name: str, x: Any, axis: int | None, instead: int) -> Expr:
    operand = unify([x], want_float=True)[0][0]
    result: Expr = FUNCTIONS[name](where(FUNCTIONS["isnan"](operand), instead, operand), axis=axis)
    return result


@function("nanvar", numpy=[np.nanvar])
def nanvar(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Expr:
    """The variance over all axes or `axis` of the elements that are not NaN."""
    f = FUNCTIONS
    operand = unify([x], want_float=True)[0][0]
    known = ~f["isnan"](operand)
    off = operand - f["mean"](operand, axis, keepdims=True, where=known)
    count = f["sum"](known, axis, keepdims=keepdims)
    total = f["sum"](off**2, axis, keepdims=keepdims, where=known)
    result: Expr = total / (count - ddof).astype(operand.dtype)
    return result


@function("nanstd", numpy=[np.nanstd])
def nanstd(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Expr:
    """The square root of `nanvar`."""
    result: Expr = FUNCTIONS["sqrt"](nanvar(x, axis, ddof=ddof, keepdims=keepdims))
    return result


@function("piecewise", numpy=[np.piecewise])
def piecewise(x: Any, condlist: Any, funclist: Any) -> Expr:
    """For each element what the last true condition chooses: a value, or a function of `x`; one more is for where none
    is true (0 without it)."""
    operand = lift(x)
    conditions = list(condlist) if isinstance(condlist, list | tuple) else [condlist]
    choices = list(funclist)
    if len(choices) not in (len(conditions), len(conditions) + 1):
        raise ArgumentError(f"piecewise: {len(conditions)} conditions need as many values or one more, got {len(choices)}")
    values = [lift(v(operand) if callable(v) else v).astype(operand.dtype) for v in choices]
    result = values[-1] if len(values) > len(conditions) else lift(0).astype(operand.dtype)
    for condition, value in zip(conditions, values, strict=False):
        result = where(lift(condition), value, result)
    return broadcast_to(result, operand.type.shape) if result.ndim < operand.ndim else result


@function("tri", numpy=[np.tri])
def tri(n: Any, m: Any = None, k: Any = 0) -> Expr:
    """A matrix of `n` rows and `m` columns (`n` without it) of ones up to the diagonal `k` and zeros above."""
    f = FUNCTIONS
    rows, columns = f["arange"](dim(n)), f["arange"](dim(n) if m is None else dim(m))
    result: Expr = (rows[:, None] + k >= columns).astype("f64")
    return result


@function("allclose", numpy=[np.allclose])
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8) -> Expr:
    """Whether all elements agree within ``atol + rtol*abs(b)``."""
    result: Expr = FUNCTIONS["all"](FUNCTIONS["isclose"](a, b, rtol, atol))
    return result


@function("block_diag")
def block_diag(*arrays: Any) -> Expr:
    """SciPy's block_diag: matrices along the diagonal of a matrix of zeros."""
    if not arrays:
        raise ArgumentError("block_diag: needs at least one matrix")
    f = FUNCTIONS
    blocks = [f["atleast_2d"](x) for x in arrays]
    for x in blocks:
        if x.ndim != 2:
            raise ShapeError(f"block_diag: needs matrices, got {x.type}")
    rows = []
    for i, x in enumerate(blocks):
        others = [f["zeros"]((x.type.shape[0], y.type.shape[1]), x.dtype) for y in blocks]
        rows.append(concatenate([*others[:i], x, *others[i + 1 :]], 1))
    return concatenate(rows, 0)


__all__ = ["gradient", "interp"]

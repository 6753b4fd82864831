"""Median, quantiles and range: what is read off the elements in rising order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..expression import FUNCTIONS, Expr, apply, constant_value, function, lift, size, unify
from .arithmetic import where
from .contraction import axes_from_right, sum_, unit_axes
from .reductions import max_, min_, restore
from .shaping import reshape, slice_axes, stack, take


def _as_rows(name: str, x: Any, axis: Any) -> tuple[Expr, Expr, tuple[int, ...]]:
    """`x` as floats, the same with the reduced axes as one last axis, and these axes."""
    operand = unify([x], want_float=True)[0][0]
    axes = tuple(axes_from_right(name, operand, axis))
    kept = [k for k in range(-operand.ndim, 0) if k not in axes]
    rows = FUNCTIONS["transpose"](operand, [*kept, *axes]) if operand.ndim else operand
    rows = rows if len(axes) == 1 else reshape(rows, (*(operand.type.shape[k] for k in kept), -1))
    if rows.type.shape[-1] == 0:
        raise ShapeError(f"{name}: of an empty axis ({operand.type})")
    return operand, rows, axes


def _unless_nan(ordered: Expr, found: Expr) -> Expr:
    """`found`, or NaN where a row, whose elements are given in rising order, holds one: it stands last."""
    last = _element(ordered, ordered.type.shape[-1] - 1)
    return where(FUNCTIONS["isnan"](last), last, found)


def _element(ordered: Expr, k: Any) -> Expr:
    return sum_(slice_axes(ordered, [(k, 1, 1)]), -1)


@function("median", numpy=[np.median])
def median(x: Any, axis: Any = None, *, keepdims: bool = False) -> Expr:
    """The middle element, or the mean of the two middle ones, of all elements or over `axis` (an integer or several);
    NaN if there is one."""
    operand, rows, axes = _as_rows("median", x, axis)
    n = rows.type.shape[-1]
    ordered = apply("sort", [rows])
    middle = _element(ordered, (n - 1) // 2) * 0.5 + _element(ordered, n // 2) * 0.5
    result = _unless_nan(ordered, middle)
    return restore(result, operand, axes) if keepdims else result


PLOTTING = {
    "linear": (1.0, 1.0), "hazen": (0.5, 0.5), "weibull": (0.0, 0.0), "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8), "interpolated_inverted_cdf": (0.0, 1.0),
}  # fmt: skip
"""Hyndman's and Fan's parameters alpha and beta of the methods that go on straight lines."""
NEIGHBOURS = {"lower": "floor", "higher": "ceil", "nearest": "rint", "midpoint": ""}


def _by_method(ordered: Expr, q: Expr, method: str) -> Expr:
    """The quantile of rows in rising order by one of NumPy's methods."""
    n = size(ordered.type.shape[-1])
    f = FUNCTIONS
    alpha, beta = PLOTTING.get(method, (1.0, 1.0))
    place = f["clip"](n * q + (alpha + q * (1 - alpha - beta)) - 1, 0.0, n - 1)
    if NEIGHBOURS.get(method):
        return _at(ordered, f[NEIGHBOURS[method]](place))
    low = f["floor"](place)
    below, above = _at(ordered, low), _at(ordered, f["minimum"](low + 1, n - 1))
    if method == "midpoint":
        return where(place == low, below, (below + above) * 0.5)
    between: Expr = below + (place - low) * (above - below)
    return between


def _at(ordered: Expr, place: Expr) -> Expr:
    found: Expr = take(ordered, unit_axes(place.astype("i64"), [None]), -1)[..., 0]
    return found


@function("quantile", numpy=[np.quantile])
def quantile(x: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Expr:
    """The value below which the part `q` (between 0 and 1) of the elements lies, over all elements or over `axis`;
    between two elements on the straight line through them, or by another of NumPy's methods but those of inverted
    distribution functions.  For a list of `q`, stacked along a first axis.  Differentiable in `x` and in `q`."""
    if method not in (*PLOTTING, *NEIGHBOURS):
        raise ArgumentError(f"quantile: method={method!r} is not supported; use {', '.join((*PLOTTING, *NEIGHBOURS))}")
    parts = lift(q)
    if parts.ndim > 1:
        raise ShapeError(f"quantile: q must be a number or a vector, got {parts.type}")
    if parts.ndim:
        n = parts.type.shape[0]
        if not isinstance(n, int) or n == 0:
            raise ShapeError(f"quantile: the number of quantiles must be known, got {parts.type}")
        return stack([quantile(x, parts[k], axis, method=method, keepdims=keepdims) for k in range(n)])
    operand, rows, axes = _as_rows("quantile", x, axis)
    ordered = apply("sort", [rows])
    last = rows.type.shape[-1] - 1
    if method != "linear":
        result = _unless_nan(ordered, _by_method(ordered, parts.astype(operand.dtype), method))
        return restore(result, operand, axes) if keepdims else result
    if isinstance(last, int) and parts.node.op.name == "constant":
        at = min(max(float(constant_value(parts.node)), 0.0), 1.0) * last
        below, above = _element(ordered, int(at)), _element(ordered, min(int(at) + 1, last))
        part: Any = at - int(at)
    else:
        place = parts.astype(operand.dtype) * size(last)
        low = FUNCTIONS["clip"](FUNCTIONS["floor"](place), 0.0, size(last)).astype("i64")
        high = FUNCTIONS["minimum"](low + 1, size(last))
        below, above = (take(ordered, unit_axes(k, [None]), -1)[..., 0] for k in (low, high))
        part = place - low
    result = _unless_nan(ordered, below + part * (above - below))
    return restore(result, operand, axes) if keepdims else result


@function("percentile", numpy=[np.percentile])
def percentile(x: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Expr:
    """``quantile(x, q/100)``."""
    return quantile(x, q / 100 if isinstance(q, Expr) else lift(np.asarray(q) / 100), axis, method=method, keepdims=keepdims)


@function("ptp", numpy=[np.ptp])
def ptp(x: Any, axis: Any = None, *, keepdims: bool = False) -> Expr:
    """The largest element less the smallest, over all axes or `axis`."""
    return max_(x, axis, keepdims=keepdims) - min_(x, axis, keepdims=keepdims)


# ---- reductions that leave NaN out

def _without_nan(name: str, numpy: Callable[..., Any], reduce: Callable[..., Expr], doc: str) -> None:
    def call(x: Any, axis: Any = None, *, keepdims: bool = False) -> Expr:
        operand = unify([x], want_float=True)[0][0]
        return reduce(operand, ~FUNCTIONS["isnan"](operand), axis, keepdims)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    function(name, numpy=[numpy])(call)


def _extreme_known(name: str, worst: float) -> Callable[..., Expr]:
    def reduce(x: Expr, known: Expr, axis: Any, keepdims: bool) -> Expr:
        found = FUNCTIONS[name](where(known, x, worst), axis, keepdims=keepdims)
        return where(FUNCTIONS["any"](known, axis, keepdims=keepdims), found, float("nan"))

    return reduce


_without_nan("nansum", np.nansum, lambda x, known, axis, keepdims: sum_(x, axis, keepdims=keepdims, where=known),
             "The sum over all axes or `axis` of the elements that are not NaN.")  # fmt: skip
_without_nan("nanprod", np.nanprod, lambda x, known, axis, keepdims: FUNCTIONS["prod"](x, axis, keepdims=keepdims, where=known),
             "The product over all axes or `axis` of the elements that are not NaN.")  # fmt: skip
_without_nan("nanmean", np.nanmean, lambda x, known, axis, keepdims: FUNCTIONS["mean"](x, axis, keepdims=keepdims, where=known),
             "The mean over all axes or `axis` of the elements that are not NaN.")  # fmt: skip
_without_nan("nanmax", np.nanmax, _extreme_known("max", -np.inf),
             "The largest element over all axes or `axis` of those that are not NaN.")  # fmt: skip
_without_nan("nanmin", np.nanmin, _extreme_known("min", np.inf),
             "The smallest element over all axes or `axis` of those that are not NaN.")  # fmt: skip

__all__ = ["median", "percentile", "ptp", "quantile"]

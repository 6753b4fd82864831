"""logsumexp and softmax along axes, without overflow or cancellation.

Parameters are the axes, counted from the right and sorted.  The largest element stands apart from the others, so that what
these add to it, what is left of 1 beside its share, and its logarithm keep their digits where they are near 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.types import ArrayType, is_float
from ..errors import DTypeError, ShapeError
from ..expression import Expr, apply, function, lift, unify
from ..graph import Op, Params, register
from .arithmetic import lookup_function, where
from .contraction import axes_from_right, einsum_labels, sum_, unit_axes
from .reductions import Axes, axes_param, reduction, reduction_type, restore


def _shifted(x: Any, axes: Axes) -> tuple[Any, Any]:
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, 0).astype(x.dtype), top


def _logsumexp_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x = np.asarray(args[0])
    axes = axes_param(params)
    with np.errstate(all="ignore"):
        shift, _ = _shifted(x, axes)
        top = x == shift
        others = np.sum(np.where(top, 0, np.exp(x - shift)), axis=axes)
        ties = np.sum(top, axis=axes).astype(x.dtype) - 1
        return np.log1p(ties + others) + np.squeeze(shift, axes)


def _softmax_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x = np.asarray(args[0])
    axes = axes_param(params)
    with np.errstate(all="ignore"):
        e = np.exp(x - _shifted(x, axes)[0])
        total = np.sum(e, axis=axes, keepdims=True)
        return np.where(total > 0, e / total, np.where(np.isnan(total), total, 0)).astype(x.dtype)


def _logsumexp_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    axes = axes_param(y.node.params)
    return [restore(g, x, axes) * apply("softmax", [x], (axes,))]


def _softmax_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    axes = axes_param(y.node.params)
    return [y * (g - sum_(g * y, axes, keepdims=True))]


def _softmax_jvp(t: Sequence[Expr | None], y: Expr, x: Expr) -> Expr | None:
    return None if t[0] is None else _softmax_vjp(t[0], y, x)[0]


def _log_softmax_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x = np.asarray(args[0])
    axes = axes_param(params)
    with np.errstate(all="ignore"):
        shift, _ = _shifted(x, axes)
        return (x - shift) - np.log1p(_others(x, shift, axes))


def _softmax_rest_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x = np.asarray(args[0])
    axes = axes_param(params)
    with np.errstate(all="ignore"):
        shift, _ = _shifted(x, axes)
        others = _others(x, shift, axes)
        rest = np.where(x == shift, others, 1 + (others - np.exp(x - shift))) / (1 + others)
        return np.where(others == -1, 1, rest).astype(x.dtype)


def _others(x: Any, shift: Any, axes: Axes) -> Any:
    """The sum of exponentials relative to the largest, less 1 for that."""
    top = x == shift
    ties = np.sum(top, axis=axes, keepdims=True).astype(x.dtype) - 1
    return ties + np.sum(np.where(top, 0, np.exp(x - shift)), axis=axes, keepdims=True)


def _log_softmax_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    axes = axes_param(y.node.params)
    return [g - apply("softmax", [x], (axes,)) * sum_(g, axes, keepdims=True)]


def _log_softmax_jvp(t: Sequence[Expr | None], y: Expr, x: Expr) -> Expr | None:
    if t[0] is None:
        return None
    axes = axes_param(y.node.params)
    return t[0] - sum_(apply("softmax", [x], (axes,)) * t[0], axes, keepdims=True)


def _softmax_rest_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    return [-z for z in _softmax_vjp(g, apply("softmax", [x], (axes_param(y.node.params),)), x)]


def _softmax_rest_jvp(t: Sequence[Expr | None], y: Expr, x: Expr) -> Expr | None:
    return None if t[0] is None else _softmax_rest_vjp(t[0], y, x)[0]


def _softmax_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    if not is_float(types[0].dtype):
        raise DTypeError(f"softmax: needs floating-point numbers, got {types[0]}")
    return types[0]


def _shift(x: Expr, axes: Axes) -> Expr:
    top = apply("max", [x], (axes,))
    return restore(where(lookup_function("isfinite")(top), top, 0.0), x, axes)


def _logsumexp_expand(y: Expr, x: Expr) -> Expr:
    """The largest element apart from the others, so that what they add to it is not lost where it is near 0."""
    axes = axes_param(y.node.params)
    shift = _shift(x, axes)
    top = x == shift
    others = sum_(where(top, 0.0, lookup_function("exp")(x - shift)), axes)
    ties = sum_(top.astype(x.dtype), axes) - 1
    total: Expr = lookup_function("log1p")(ties + others)
    return total + sum_(shift, axes)


def _kept_others(x: Expr, shift: Expr, axes: Axes) -> Expr:
    top = x == shift
    exponentials = where(top, 0.0, lookup_function("exp")(x - shift))
    return (sum_(top.astype(x.dtype), axes, keepdims=True) - 1) + sum_(exponentials, axes, keepdims=True)


def _log_softmax_expand(y: Expr, x: Expr) -> Expr:
    axes = axes_param(y.node.params)
    shift = _shift(x, axes)
    result: Expr = (x - shift) - lookup_function("log1p")(_kept_others(x, shift, axes))
    return result


def _softmax_rest_expand(y: Expr, x: Expr) -> Expr:
    axes = axes_param(y.node.params)
    shift = _shift(x, axes)
    others = _kept_others(x, shift, axes)
    rest = where(x == shift, others, 1 + (others - lookup_function("exp")(x - shift))) / (1 + others)
    return where(others == -1, 1.0, rest)


def _softmax_expand(y: Expr, x: Expr) -> Expr:
    axes = axes_param(y.node.params)
    e = lookup_function("exp")(x - _shift(x, axes))
    total = sum_(e, axes, keepdims=True)
    return where(total == 0, 0.0, e / total)


register(Op("logsumexp", reduction_type("logsumexp", float_only=True), _logsumexp_evaluate, expand=_logsumexp_expand, vjp=_logsumexp_vjp,
            domain=((-2, 2),), doc="log of the sum of exponentials over axes, without overflow."))  # fmt: skip
register(Op("softmax", _softmax_type, _softmax_evaluate, expand=_softmax_expand, vjp=_softmax_vjp, jvp=_softmax_jvp, domain=((-2, 2),),
            doc="Exponentials divided by their sum over axes, without overflow."))  # fmt: skip

register(Op("log_softmax", _softmax_type, _log_softmax_evaluate, expand=_log_softmax_expand, vjp=_log_softmax_vjp, jvp=_log_softmax_jvp,
            domain=((-2, 2),), doc="Logarithms of softmax, without cancellation where it is near 1."))  # fmt: skip
register(Op("softmax_rest", _softmax_type, _softmax_rest_evaluate, expand=_softmax_rest_expand, vjp=_softmax_rest_vjp,
            jvp=_softmax_rest_jvp, domain=((-2, 2),), doc="1 - softmax: the share of all others, without cancellation."))  # fmt: skip


@function("logsumexp")
def logsumexp(x: Any, axis: Any = None, b: Any = None, *, keepdims: bool = False) -> Expr:
    """``log(sum(b * exp(x)))`` over all axes or `axis`, without overflow, with factors `b` (1 by default) that are not
    negative; -inf where all terms are 0."""
    if b is not None:
        x = lift(x) + lookup_function("log")(b)
    return reduction("logsumexp", x, axis, keepdims, want_float=True)


@function("softmax")
def softmax(x: Any, axis: int = -1) -> Expr:
    """``exp(x)/sum(exp(x))`` along `axis` (the last by default), without overflow."""
    operand = unify([x], want_float=True)[0][0]
    return apply("softmax", [operand], (tuple(axes_from_right("softmax", operand, axis)),))


@function("log_softmax")
def log_softmax(x: Any, axis: int = -1) -> Expr:
    """``log(softmax(x))`` along `axis` (the last by default), without overflow or cancellation."""
    operand = unify([x], want_float=True)[0][0]
    return apply("log_softmax", [operand], (tuple(axes_from_right("log_softmax", operand, axis)),))


@function("softmax_rest")
def softmax_rest(x: Any, axis: int = -1) -> Expr:
    """``1 - softmax(x)`` along `axis` (the last by default), without cancellation where that is near 0."""
    operand = unify([x], want_float=True)[0][0]
    return apply("softmax_rest", [operand], (tuple(axes_from_right("softmax_rest", operand, axis)),))



# ---- the Jacobian of softmax

def _slope_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    (t,) = types
    if not is_float(t.dtype):
        raise DTypeError(f"softmax_slope: needs floating-point numbers, got {t}")
    if not t.shape:
        raise ShapeError(f"softmax_slope: needs at least one axis, got {t}")
    return ArrayType(t.dtype, (*t.shape, t.shape[-1]))


def _slope_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    share, rest = (f(args, ((-1,),), sizes) for f in (_softmax_evaluate, _softmax_rest_evaluate))
    columns = np.eye(share.shape[-1], dtype=bool)
    return np.where(columns, (share * rest)[..., None], -share[..., None] * share[..., None, :])


def _slope_expand(y: Expr, x: Expr) -> Expr:
    share, rest = (apply(name, [x], ((-1,),)) for name in ("softmax", "softmax_rest"))
    kept = list(range(x.ndim))
    column, row = unit_axes(share, [*kept, None]), unit_axes(share, [*kept[:-1], None, kept[-1]])
    return where(_identity(x) > 0, unit_axes(share * rest, [*kept, None]), -column * row)


def _identity(x: Expr) -> Expr:
    eye: Expr = lookup_function("eye")(x.shape[-1], dtype=x.dtype)
    return eye


def _slope_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    """By the cotangent of the shares, along any leading axes of `g`."""
    share = apply("softmax", [x], ((-1,),))
    lead = list(range(g.ndim - 2))
    i, j = g.ndim - 2, g.ndim - 1
    own = lead[len(lead) - (x.ndim - 1) :]
    diagonal = einsum_labels([g], [[*lead, i, i]], [*lead, i], {})
    down = einsum_labels([g, share], [[*lead, i, j], [*own, j]], [*lead, i], {})
    across = einsum_labels([g, share], [[*lead, j, i], [*own, j]], [*lead, i], {})
    return _softmax_vjp(diagonal - down - across, share, x)


def _slope_jvp(t: Sequence[Expr | None], y: Expr, x: Expr) -> Expr | None:
    """``diag(t) - t p' - p t'`` for the tangent t of the shares p."""
    if t[0] is None:
        return None
    share = apply("softmax", [x], ((-1,),))
    tangent = _softmax_vjp(t[0], share, x)[0]
    lead = list(range(tangent.ndim - 1))
    own = lead[len(lead) - (x.ndim - 1) :]
    i, j = tangent.ndim - 1, tangent.ndim
    diagonal = einsum_labels([tangent, _identity(x)], [[*lead, i], [i, j]], [*lead, i, j], {})
    outer = einsum_labels([tangent, share], [[*lead, i], [*own, j]], [*lead, i, j], {})
    other = einsum_labels([tangent, share], [[*lead, j], [*own, i]], [*lead, i, j], {})
    return diagonal - outer - other


register(Op("softmax_slope", _slope_type, _slope_evaluate, expand=_slope_expand, vjp=_slope_vjp, jvp=_slope_jvp, domain=((-2, 2),),
            doc="The Jacobian of softmax, diag(p) - outer(p, p), without cancellation where a share is near 1."))  # fmt: skip


@function("softmax_slope")
def softmax_slope(x: Any) -> Expr:
    """``diag(p) - outer(p, p)`` for the shares p = softmax(x) along the last axis: the Hessian of ``logsumexp(x)``, without
    cancellation where a share is near 1."""
    return apply("softmax_slope", [unify([x], want_float=True)[0][0]])


__all__ = ["logsumexp", "softmax"]

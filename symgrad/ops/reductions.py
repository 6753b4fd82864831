"""Reductions that are not sums: extrema, norm, prod, any, all.

Parameters are the reduced axes, counted from the right and sorted.  At a tie of a maximum all tied elements share the
derivative.  The norm at zero has the subgradient 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Axis, AxisValue, Reduce
from ..compiler.index import Expr as Element_
from ..compiler.types import ArrayType, Dim, Size, is_float
from ..errors import ArgumentError, DomainError, DTypeError, ShapeError
from ..expression import Expr, apply, function, lift, unify
from ..graph import Node, Op, Params, register
from ..indexing import Element, Operand
from .arithmetic import lookup_function, where
from .contraction import axes_from_right, broadcast_to, sum_, unit_axes
from .elementwise import mask

Axes = tuple[int, ...]


def axes_param(params: Params) -> Axes:
    """The reduced axes of a node with these parameters."""
    axes = params[0]
    assert isinstance(axes, tuple)
    return axes


def reduction_type(name: str, dtype: str | None = None, *, float_only: bool = False) -> Callable[..., ArrayType]:
    """The type rule of a reduction over the axes in the parameters."""

    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        (t,) = types
        if float_only and not is_float(t.dtype):
            raise DTypeError(f"{name}: needs floating-point numbers, got {t}")
        gone = {a + t.rank for a in axes_param(params)}
        return ArrayType(dtype or t.dtype, tuple(n for k, n in enumerate(t.shape) if k not in gone))

    return infer


def restore(g: Expr, x: Expr, axes: Axes) -> Expr:
    """`g`, whose trailing axes are those of `x` without `axes`, with unit axes put back in their places."""
    kept = x.ndim - len(axes)
    extra = g.ndim - kept
    gone = {a + x.ndim for a in axes}
    positions: list[int | None] = list(range(extra))
    k = extra
    for axis in range(x.ndim):
        if axis in gone:
            positions.append(None)
        else:
            positions.append(k)
            k += 1
    return unit_axes(g, positions)


def lower_reduction(op: str) -> Callable[[Node, Sequence[Operand]], Element]:
    """One element of a plain reduction of its only operand."""

    def lower(x: Node, operands: Sequence[Operand]) -> Element:
        axes, summed, index = reduction_axes(x, operands[0])
        return Element(axes, Reduce(op, summed, operands[0].at(index)))

    return lower


def reduction_axes(x: Node, operand: Operand) -> tuple[tuple[Axis, ...], tuple[Axis, ...], list[Element_]]:
    """Axes of the result, reduced axes, and the operand's index over both."""
    rank = len(operand.type.shape)
    gone = {a + rank for a in axes_param(x.params)}
    every = [Axis(f"{'r' if k in gone else 'i'}{k}", n) for k, n in enumerate(operand.type.shape)]
    kept = tuple(a for k, a in enumerate(every) if k not in gone)
    return kept, tuple(a for k, a in enumerate(every) if k in gone), [AxisValue(a.name) for a in every]


def reduction(name: str, x: Any, axis: Any, keepdims: bool, *, want_float: bool = False) -> Expr:
    """A reduction of `x` over `axis` by the operation `name`, with unit axes in place of the reduced ones if asked."""
    operand = unify([x], want_float=want_float)[0][0]
    axes = tuple(axes_from_right(name, operand, axis))
    if any(operand.type.shape[a] == 0 for a in axes) and name in ("max", "min", "argmax", "argmin"):
        raise ShapeError(f"{name}: of an empty axis ({operand.type})")
    result = apply(name, [operand], (axes,))
    return restore(result, operand, axes) if keepdims else result


def _extremum(name: str, numpy: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
        x = np.asarray(args[0])
        axes = axes_param(params)
        if any(x.shape[a] == 0 for a in axes):
            raise DomainError(f"{name}: of an empty axis (shape {x.shape})")
        return numpy(x, axis=axes) if axes else x

    return evaluate


def nonempty(x: Node, axes: Sequence[int]) -> list[tuple[Dim, str, type[Exception]]]:
    """What `Op.requires` says where there is no value over an empty axis, for the reduced `axes` of the input."""
    shape = x.inputs[0].type.shape
    unknown = dict.fromkeys(n for n in (shape[a] for a in axes) if isinstance(n, Size))
    return [(n - 1, f"{x.op.name}: of an empty axis", DomainError) for n in unknown]


def _extremum_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    axes = axes_param(y.node.params)
    chosen = x == restore(y, x, axes)
    count = restore(sum_(chosen.astype(x.dtype), axes), x, axes)
    return [mask(chosen, restore(g, x, axes) / count)]


for _name, _numpy in (("max", np.max), ("min", np.min)):
    register(Op(_name, reduction_type(_name), _extremum(_name, _numpy), lower_reduction(_name), vjp=_extremum_vjp,
                requires=lambda x: nonempty(x, axes_param(x.params)), domain=((-2, 2),), doc=f"The {_name}imum over axes; tied elements share the derivative."))  # fmt: skip


@function("max", "amax", numpy=[np.max, np.amax], method=True)
def max_(x: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None) -> Expr:
    """The largest element over all axes or `axis`, of those where `where` holds and `initial`; tied elements share the
    derivative.  ``max(a, b)`` of two values is `maximum`."""
    if (axis is not None and not isinstance(axis, int | np.integer | tuple | list)) or isinstance(axis, float):
        result: Expr = lookup_function("maximum")(x, axis)
        return result
    return _extreme("max", x, axis, keepdims, initial, where)


@function("min", "amin", numpy=[np.min, np.amin], method=True)
def min_(x: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None) -> Expr:
    """The smallest element over all axes or `axis`, of those where `where` holds and `initial`; tied elements share the
    derivative."""
    if (axis is not None and not isinstance(axis, int | np.integer | tuple | list)) or isinstance(axis, float):
        result: Expr = lookup_function("minimum")(x, axis)
        return result
    return _extreme("min", x, axis, keepdims, initial, where)


def _extreme(name: str, x: Any, axis: Any, keepdims: bool, initial: Any, chosen: Any) -> Expr:
    """The `name` of x over axes, where `chosen` holds, and of `initial`, which stands in for what is left out."""
    if initial is None:
        if chosen is not None:
            raise ArgumentError(f"{name}: where= needs initial=, the value if it holds nowhere")
        return reduction(name, x, axis, keepdims)
    (operand, start), _ = unify([x, initial])
    kept = operand if chosen is None else where(chosen, operand, start)
    axes = axes_from_right(name, kept, axis)
    if any(kept.type.shape[a] == 0 for a in axes):
        return broadcast_to(start, sum_(kept, axes, keepdims=keepdims).type.shape)
    result: Expr = lookup_function(f"{name}imum")(reduction(name, kept, axis, keepdims), start)
    return result


# ---- norm: the root of the sum of squares, scaled against overflow

def _norm_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x = np.asarray(args[0])
    axes = axes_param(params)
    if not axes:
        return np.abs(x)
    with np.errstate(all="ignore"):
        plain = np.sqrt(np.sum(x * x, axis=axes))
        scale = np.max(np.abs(x), axis=axes, initial=0)
        tiny, huge = (1e-140, 1e140) if x.dtype == np.float64 else (1e-16, 1e16)
        unsafe = (scale > 0) & np.isfinite(scale) & ((scale < tiny) | (scale > huge))
        if not unsafe.any():
            return plain
        safe = np.where(unsafe, scale, 1).astype(x.dtype)
        rescaled = safe * np.sqrt(np.sum((x / np.expand_dims(safe, axes)) ** 2, axis=axes))
        return np.where(unsafe, rescaled, plain).astype(x.dtype)


def _norm_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    axes = axes_param(y.node.params)
    length = restore(y, x, axes)
    return [mask(length != 0, restore(g, x, axes) * (x / length))]


def _norm_expand(y: Expr, x: Expr) -> Expr:
    """The root of the sum of squares; where that sum over- or underflows, of scaled squares summed in the same pass
    (Blue, *A Portable Fortran Program to Find the Euclidean Norm of a Vector*, ACM TOMS 4, 1978)."""
    axes = axes_param(y.node.params)
    sqrt = lookup_function("sqrt")
    if not axes:
        magnitude: Expr = lookup_function("abs")(x)
        return magnitude
    down, up, low = (2.0**-600, 2.0**600, 2.0**-900) if x.dtype == "f64" else (2.0**-80, 2.0**90, 2.0**-100)
    plain, big, small = (sum_(z * z, axes) for z in (x, x * down, x * up))
    rescued = where(plain < low, sqrt(small) * (1 / up), sqrt(big) * (1 / down))
    return where((plain >= low) & lookup_function("isfinite")(plain), sqrt(plain), rescued)


register(Op("norm", reduction_type("norm", float_only=True), _norm_evaluate, expand=_norm_expand, vjp=_norm_vjp, domain=((0.3, 2),),
            doc="Euclidean norm over axes; the derivative at 0 is 0."))  # fmt: skip


def _matrix_norm(x: Expr, ord: Any, axes: Axes, keepdims: bool) -> Expr:
    """Norms of matrices by singular values, or by sums of columns and rows."""
    kept = [k for k in range(-x.ndim, 0) if k not in axes]
    rows = lookup_function("transpose")(x, [*kept, *axes])
    if ord == "nuc":
        result = sum_(lookup_function("svdvals")(rows), -1)
    elif ord in (2, -2):
        result = (max_ if ord > 0 else min_)(lookup_function("svdvals")(rows), -1)
    elif ord in (1, -1, float("inf"), -float("inf")):
        sums = sum_(lookup_function("abs")(rows), -2 if abs(ord) == 1 else -1)
        result = (max_ if ord > 0 else min_)(sums, -1)
    else:
        raise DTypeError(
            f"norm: ord={ord!r} of a matrix is not supported; use 'fro', 'nuc', 1, 2, inf or their negatives"
        )
    return restore(result, x, tuple(sorted(axes))) if keepdims else result


@function("norm", numpy=[np.linalg.norm])
def norm(x: Any, ord: Any = None, axis: Any = None, *, keepdims: bool = False) -> Expr:
    """The norm of a vector or matrix: Euclidean or Frobenius by default; `ord` 1, 2, inf, -inf, any other number,
    "fro" and "nuc" as in NumPy.

    The derivative at 0 is 0."""
    operand = unify([x], want_float=True)[0][0]
    axes = axes_from_right("norm", operand, axis)
    if ord == "fro" and len(axes) != 2:
        raise DTypeError(f"norm: ord='fro' needs a matrix, got {operand.type}; give two axes")
    if ord in (None, "fro") or (ord == 2 and len(axes) == 1):
        result = apply("norm", [operand], (tuple(axes),))
        return restore(result, operand, tuple(axes)) if keepdims else result
    if len(axes) == 2:
        given = axes if axis is None else [a - operand.ndim if a >= 0 else a for a in axis]
        return _matrix_norm(operand, ord, tuple(given), keepdims)
    if len(axes) != 1:
        raise DTypeError(f"norm: ord={ord!r} needs a vector or a matrix, got {operand.type}; give one or two axes")
    return _vector_norm(operand, ord, tuple(axes), keepdims)


def _vector_norm(x: Expr, ord: Any, axes: Axes, keepdims: bool) -> Expr:
    """Norms of vectors that are not Euclidean, over several axes as one."""
    magnitude = lookup_function("abs")(x)
    if ord in (float("inf"), -float("inf")):
        return (max_ if ord > 0 else min_)(magnitude, axes, keepdims=keepdims)
    if ord == 1:
        return sum_(magnitude, axes, keepdims=keepdims)
    if not isinstance(ord, int | float):
        raise DTypeError(f"norm: ord={ord!r} is not supported for vectors; use a number, inf or -inf")
    if ord == 0:
        return sum_((x != 0).astype(x.dtype), axes, keepdims=keepdims)
    return sum_(magnitude**ord, axes, keepdims=keepdims) ** (1 / ord)


@function("vector_norm", numpy=[np.linalg.vector_norm])
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Expr:
    """The vector norm over all axes, or over `axis` (an integer or several), as one vector."""
    operand = unify([x], want_float=True)[0][0]
    axes = tuple(axes_from_right("vector_norm", operand, axis))
    return norm(operand, None, axes, keepdims=keepdims) if ord == 2 else _vector_norm(operand, ord, axes, keepdims)


@function("matrix_norm", numpy=[np.linalg.matrix_norm])
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Expr:
    """The matrix norm of the last two axes."""
    return norm(x, ord, (-2, -1), keepdims=keepdims)


# ---- any, all

def _boolean(name: str, numpy: Callable[..., Any], op: str) -> None:
    def evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
        return numpy(args[0], axis=axes_param(params))

    register(Op(name, reduction_type(name, "bool"), evaluate, lower_reduction(op), vjp=lambda g, y, x: [None],
                doc=f"Whether {name} element is true, over axes."))  # fmt: skip

    def call(x: Any, axis: Any = None, *, keepdims: bool = False) -> Expr:
        operand = lift(x)
        return reduction(name, operand if operand.dtype == "bool" else operand != 0, axis, keepdims)

    call.__doc__ = f"Whether {name} element is true over all axes or `axis`."
    function(name, numpy=[numpy], method=True)(call)


_boolean("any", np.any, "or")
_boolean("all", np.all, "and")


__all__ = ["axes_param", "norm", "reduction", "reduction_type", "restore"]

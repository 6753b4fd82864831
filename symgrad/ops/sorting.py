"""Sorting, and elements chosen along an axis by an array of indices for each row.

The operations act on the last axis.  Sorting is differentiated as the choice of elements that it makes; equal elements
keep their order, so that at a tie each result follows the element that NumPy's stable sort puts there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Load
from ..compiler.types import ArrayType, Size, evaluate
from ..errors import ArgumentError, DTypeError, ShapeError
from ..expression import FUNCTIONS, Expr, apply, broadcast_shapes, function, lift, unify
from ..graph import Node, Op, Params, register
from ..indexing import Element, Operand, Routine, axes_of, values
from .arithmetic import where
from .contraction import axes_from_right
from .elementwise import called_back, unbroadcast
from .reductions import nonempty, restore
from .shaping import checked_indices, reshape, take, wrapped


def along_last(f: Callable[[Expr], Expr], x: Expr, axis: int) -> Expr:
    """`f`, which acts on last axes, of `x` along the axis numbered from the right."""
    if axis == -1:
        return f(x)
    move = FUNCTIONS["moveaxis"]
    result: Expr = move(f(move(x, axis, -1)), -1, axis)
    return result


def _one_axis(name: str, x: Expr, axis: Any) -> int:
    if isinstance(axis, tuple | list):
        raise ArgumentError(f"{name}: takes one axis, got {axis}")
    (at,) = axes_from_right(name, x, axis)
    return at


# ---- take_along, scatter_along: params of the latter = (size of the last axis,)

def _lead(name: str, types: Sequence[ArrayType]) -> tuple[Any, ...]:
    x, k = types
    if k.dtype != "i64":
        raise DTypeError(f"{name}: indices must be integers, got {k}")
    if not x.rank or not k.rank:
        raise ShapeError(f"{name}: needs at least one axis, got {x} and {k}")
    return broadcast_shapes(name, [ArrayType(t.dtype, t.shape[:-1]) for t in types])


def _take_along_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    return ArrayType(types[0].dtype, (*_lead("take_along_axis", types), types[1].shape[-1]))


def _take_along_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x, k = (np.asarray(a) for a in args)
    k = checked_indices(k, x.shape[-1], "take_along_axis")
    lead = np.broadcast_shapes(x.shape[:-1], k.shape[:-1])
    return np.take_along_axis(np.broadcast_to(x, (*lead, x.shape[-1])), np.broadcast_to(k, (*lead, k.shape[-1])), -1)


def _take_along_lower(x: Node, operands: Sequence[Operand]) -> Element:
    source, indices = operands
    axes = axes_of(x.type.shape)
    index = values(axes)
    k = wrapped(indices.at(index), source.type.shape[-1])
    row = source.at([*index[:-1], k])
    assert isinstance(row, Load)
    return Element(axes, Load(source.name, (*row.index[:-1], k)))


def _take_along_vjp(g: Expr, y: Expr, x: Expr, k: Expr) -> list[Expr | None]:
    spread = apply("scatter_along", [g, k], (x.type.shape[-1],))
    return [unbroadcast(spread, y.ndim, x.type), None]


def _scatter_along_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    n = params[0]
    assert isinstance(n, int | Size)
    broadcast_shapes("scatter_along", types)
    return ArrayType(types[0].dtype, (*_lead("scatter_along", types), n))


def _scatter_along_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    g, k = np.broadcast_arrays(*args)
    n = evaluate(params[0], sizes)
    k = checked_indices(k, n, "scatter_along")
    result = np.zeros((*g.shape[:-1], n), g.dtype)
    if g.size:
        rows = np.arange(g.size // g.shape[-1]).reshape(*g.shape[:-1], 1)
        np.add.at(result.reshape(-1, n), (np.broadcast_to(rows, g.shape), k), g)
    return result


def _scatter_along_lower(x: Node, operands: Sequence[Operand]) -> Element:
    g, indices = operands
    n = x.params[0]
    assert isinstance(n, int | Size)
    last = g.type.shape[-1] if g.type.shape[-1] != 1 else indices.type.shape[-1]
    axes = axes_of((*x.type.shape[:-1], last))
    index = values(axes)
    return Element(axes, g.at(index), (*index[:-1], wrapped(indices.at(index), n)), "add")


def _scatter_along_vjp(g: Expr, y: Expr, x: Expr, k: Expr) -> list[Expr | None]:
    back = apply("take_along", [g, k])
    return [unbroadcast(back, y.ndim, x.type), None]


register(Op("take_along", _take_along_type, _take_along_evaluate, _take_along_lower, vjp=_take_along_vjp,
            text=lambda x: ("take_along_axis", {}),
            doc="Elements of the last axis at the indices of the same row."))  # fmt: skip
register(Op("scatter_along", _scatter_along_type, _scatter_along_evaluate, _scatter_along_lower, vjp=_scatter_along_vjp,
            doc="Sums of the elements of a row that share an index."))  # fmt: skip


@function("take_along_axis", numpy=[np.take_along_axis])
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Expr:
    """The elements of `x` along `axis` at `indices`, an integer array with as many axes (along the last axis also with
    fewer, for all rows alike); negative indices count from the end."""
    operand, k = lift(x), lift(indices)
    if axis is None:
        operand, axis = reshape(operand, (-1,)), -1
    at = _one_axis("take_along_axis", operand, axis)
    if at in (-1, operand.ndim - 1) and 0 < k.ndim <= operand.ndim:
        return apply("take_along", [operand, k])
    if operand.ndim != k.ndim:
        raise ShapeError(f"take_along_axis: the indices {k.type} must have as many axes as {operand.type}")
    move = FUNCTIONS["moveaxis"]
    result: Expr = move(apply("take_along", [move(operand, at, -1), move(k, at, -1)]), -1, at)
    return result


@function("scatter_along")
def scatter_along(x: Any, indices: Any, size: Any) -> Expr:
    """Sums of the elements of each row (last axis) of `x` that share an index, as rows of `size` elements: the adjoint
    of `take_along_axis`."""
    from ..expression import dim

    return apply("scatter_along", [lift(x), lift(indices)], (dim(size),))


# ---- sort, argsort

def _sort_type(dtype: str | None) -> Callable[[Sequence[ArrayType], Params], ArrayType]:
    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        if not types[0].rank:
            raise ShapeError(f"sort: needs at least one axis, got {types[0]}")
        return ArrayType(dtype or types[0].dtype, types[0].shape)

    return infer


def _sort_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    return [apply("scatter_along", [g, apply("argsort", [x])], (x.type.shape[-1],))]


def _sort_jvp(tangents: Sequence[Expr | None], y: Expr, x: Expr) -> Expr | None:
    return None if tangents[0] is None else apply("take_along", [tangents[0], apply("argsort", [x])])


register(Op("sort", _sort_type(None), lambda a, p, s: np.sort(np.asarray(a[0]), -1), lambda x, o: Routine("sort"), vjp=_sort_vjp,
            jvp=_sort_jvp, doc="Elements of the last axis in rising order, NaN last."))  # fmt: skip
register(Op("argsort", _sort_type("i64"), lambda a, p, s: np.argsort(np.asarray(a[0]), -1, kind="stable"),
            lambda x, o: Routine("argsort"), vjp=lambda g, y, x: [None], doc="Positions that sort the last axis."))  # fmt: skip


def _sorting(name: str, numpy: Any, doc: str) -> None:
    def call(x: Any, axis: int | None = -1, *, stable: bool = True, kind: Any = None) -> Expr:
        operand = lift(x)
        if axis is None:
            operand, axis = reshape(operand, (-1,)), -1
        return along_last(lambda z: apply(name, [z]), operand, _one_axis(name, operand, axis))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    function(name, numpy=[numpy], method=True)(call)


_sorting("sort", np.sort, "The elements along `axis` in rising order, NaN last; equal elements keep their order.")
_sorting(
    "argsort", np.argsort, "The positions that sort `axis`; equal elements keep their order, whatever `kind` says."
)


# ---- searchsorted, median, argmax

def _searchsorted_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    a, v = types
    if a.rank != 1 or a.dtype != v.dtype:
        raise ShapeError(f"searchsorted: needs a sorted vector and values of its element type, got {a} and {v}")
    return ArrayType("i64", v.shape)


def _searchsorted_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    return np.searchsorted(args[0], args[1], "right" if params[0] else "left")


register(Op("searchsorted", _searchsorted_type, _searchsorted_evaluate, called_back("searchsorted", _searchsorted_evaluate),
            vjp=lambda g, y, a, v: [None, None], doc="Where values belong in a sorted vector.",
            text=lambda x: ("searchsorted", {"side": "right" if x.params[0] else "left"})))  # fmt: skip


@function("searchsorted", numpy=[np.searchsorted])
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Expr:
    """The positions at which the values `v` belong in the sorted vector `a` (which `sorter` sorts, if given): before
    equal ones, or behind for ``side="right"``."""
    if sorter is not None:
        a = take(a, sorter)
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    return apply("searchsorted", unify([a, v])[0], (side == "right",))


def _arg_extremum(name: str, numpy: Any, extremum: str) -> None:
    def evaluate_op(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
        from ..errors import DomainError

        x = np.asarray(args[0])
        if not x.shape[-1]:
            raise DomainError(f"{name}: of an empty axis (shape {x.shape})")
        return numpy(x, axis=-1)

    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        return ArrayType("i64", types[0].shape[:-1])

    def expand(y: Expr, x: Expr) -> Expr:
        """The smallest position whose element is NaN or the extremum."""
        top = restore(apply(extremum, [x], ((-1,),)), x, (-1,))
        hit = x == top
        if x.dtype in ("f64", "f32"):
            hit = hit | FUNCTIONS["isnan"](x)
        return apply("min", [where(hit, FUNCTIONS["arange"](x.shape[-1]), x.shape[-1])], ((-1,),))

    register(Op(name, infer, evaluate_op, expand=expand, vjp=lambda g, y, x: [None], requires=lambda x: nonempty(x, (-1,)),
                doc=f"Position of the first {extremum}imum along the last axis.",
                text=lambda x: (name, {"axis": -1})))  # fmt: skip

    def call(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Expr:
        operand = lift(x)
        if operand.dtype == "bool":
            operand = operand.astype("i64")
        if axis is None:
            rows, axes = reshape(operand, (-1,)), tuple(range(-operand.ndim, 0))
        else:
            at = _one_axis(name, operand, axis)
            rows, axes = FUNCTIONS["moveaxis"](operand, at, -1), (at,)
        if rows.type.shape[-1] == 0:
            raise ShapeError(f"{name}: of an empty axis ({operand.type})")
        result = apply(name, [rows])
        return restore(result, operand, axes) if keepdims else result

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"The position of the first {extremum}imum of all elements (in row-major order) or along `axis`."
    function(name, numpy=[numpy], method=True)(call)


_arg_extremum("argmax", np.argmax, "max")
_arg_extremum("argmin", np.argmin, "min")

__all__ = ["along_last", "searchsorted", "take_along_axis"]

"""Elements chosen by several integer arrays at once, and by truth values.

`gather` and `scatter_at` are each other's adjoints.  ``x[mask]`` has as many elements as the mask has true ones, which
only a call tells: `nonzero` is the vector of their positions, whose size has a name of its own, made from the mask, so
that equal masks choose parts of equal size.  Their numbers are counted before the rest is computed.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Load
from ..compiler.types import ArrayType, Dim, Size, evaluate, named, product
from ..errors import ArgumentError, DomainError, DTypeError, ShapeError
from ..expression import Expr, apply, broadcast_shapes, dim, function, lift
from ..graph import Node, Op, Params, flatten, postorder, register
from ..indexing import Element, Operand, axes_of, values
from .contraction import broadcast_to
from .elementwise import called_back
from .shaping import checked_indices, reshape, take, wrapped

# ---- gather: x[..., i, j, :]; params = (how many axes are chosen from, rank of the index arrays, axes behind them)

def _ints(params: Params) -> tuple[int, int, int]:
    count, rank, rest = params[:3]
    assert isinstance(count, int) and isinstance(rank, int) and isinstance(rest, int)
    return count, rank, rest


def _index_shape(name: str, types: Sequence[ArrayType]) -> tuple[Dim, ...]:
    for t in types:
        if t.dtype != "i64":
            raise DTypeError(f"{name}: indices must be integers, got {t}")
        if t.shape != types[0].shape:
            raise ShapeError(f"{name}: index arrays of one shape are needed, got {' and '.join(map(str, types))}")
    return types[0].shape


def _gather_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    count, rank, rest = _ints(params)
    shape = types[0].shape
    end = len(shape) - rest
    index = _index_shape("gather", types[1:])
    return ArrayType(types[0].dtype, (*shape[: end - count], *index[len(index) - rank :], *shape[end:]))


def _positions(indices: Sequence[Any], shape: Sequence[int], name: str) -> tuple[Any, ...]:
    return tuple(checked_indices(k, n, name) for k, n in zip(indices, shape, strict=True))


def _gather_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    count, _, rest = _ints(params)
    x = np.asarray(args[0])
    end = x.ndim - rest
    return x[(*[slice(None)] * (end - count), *_positions(args[1:], x.shape[end - count : end], "indexing"))]


def _gather_lower(x: Node, operands: Sequence[Operand]) -> Element:
    count, rank, rest = _ints(x.params)
    source, *indices = operands
    axes = axes_of(x.type.shape)
    index = values(axes)
    at = len(source.type.shape) - rest - count
    own = index[at : at + rank]
    chosen = [wrapped(Load(k.name, tuple(own)), source.type.shape[at + i]) for i, k in enumerate(indices)]
    return Element(axes, Load(source.name, (*index[:at], *chosen, *index[at + rank :])))


def _gather_vjp(g: Expr, y: Expr, x: Expr, *indices: Expr) -> list[Expr | None]:
    count, rank, rest = _ints(y.node.params)
    end = x.ndim - rest
    target = x.type.shape[end - count : end]
    return [apply("scatter_at", [g, *indices], (count, rank, rest, target)), *[None] * count]


# ---- scatter_at: params = (the same three, sizes of the axes that are chosen from)

def _scatter_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    _, rank, rest = _ints(params)
    target: tuple[Dim, ...] = params[3]
    _index_shape("scatter_at", types[1:])
    shape = types[0].shape
    end = len(shape) - rest
    return ArrayType(types[0].dtype, (*shape[: end - rank], *target, *shape[end:]))


def _scatter_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    _, rank, rest = _ints(params)
    g = np.asarray(args[0])
    end = g.ndim - rest
    target = tuple(evaluate(n, sizes) for n in params[3])
    result = np.zeros((*g.shape[: end - rank], *target, *g.shape[end:]), g.dtype)
    np.add.at(result, (*[slice(None)] * (end - rank), *_positions(args[1:], target, "scatter_at")), g)
    return result


def _scatter_lower(x: Node, operands: Sequence[Operand]) -> Element:
    _, rank, rest = _ints(x.params)
    g, *indices = operands
    axes = axes_of(g.type.shape)
    index = values(axes)
    end = len(axes) - rest
    own = index[end - rank : end]
    chosen = [wrapped(Load(k.name, tuple(own)), n) for k, n in zip(indices, x.params[3], strict=True)]
    return Element(axes, Load(g.name, tuple(index)), (*index[: end - rank], *chosen, *index[end:]), "add")


def _scatter_vjp(g: Expr, y: Expr, x: Expr, *indices: Expr) -> list[Expr | None]:
    return [apply("gather", [g, *indices], y.node.params[:3]), *[None] * len(indices)]


register(Op("gather", _gather_type, _gather_evaluate, _gather_lower, vjp=_gather_vjp, linear=True,
            text=lambda x: ("gather", {"axis": -(x.params[0] + x.params[2])}),
            doc="Elements at indices along several axes at once."))  # fmt: skip
register(Op("scatter_at", _scatter_type, _scatter_evaluate, _scatter_lower, vjp=_scatter_vjp, linear=True,
            text=lambda x: ("scatter_at", {"shape": x.params[3], "axis": -(x.params[1] + x.params[2])}),
            doc="Sums of elements that share indices along several axes."))  # fmt: skip


def _together(name: str, indices: Sequence[Any]) -> list[Expr]:
    arrays = [lift(k) for k in indices]
    if not arrays:
        raise ArgumentError(f"{name}: give at least one array of indices")
    shape = broadcast_shapes("indexing", [k.type for k in arrays])
    return [k if k.type.shape == shape else broadcast_to(k, shape) for k in arrays]


@function("gather")
def gather(x: Any, *indices: Any, axis: int = 0) -> Expr:
    """The elements of `x` at integer arrays that broadcast together, one for each axis from `axis` on: the axes of the
    arrays stand in the place of those.  ``gather(x, i, j)`` is ``x[i, j]``; negative indices count from the end.

    Raises ShapeError, DTypeError; DomainError for an index that is out of range."""
    operand, arrays = lift(x), _together("gather", indices)
    start = axis + operand.ndim if axis < 0 else axis
    if not 0 <= start <= operand.ndim - len(arrays):
        raise ShapeError(f"gather: {operand.type} does not have {len(arrays)} axes from axis {axis} on")
    return apply("gather", [operand, *arrays], (len(arrays), arrays[0].ndim, operand.ndim - start - len(arrays)))


@function("scatter_at")
def scatter_at(x: Any, *indices: Any, shape: Any, axis: int = 0) -> Expr:
    """Zeros with the elements of `x` added at integer arrays of one shape, whose axes `x` has from `axis` on; sizes
    `shape` stand in their place.  The adjoint of `gather`.

    Raises ShapeError, DTypeError; DomainError for an index that is out of range."""
    operand, arrays = lift(x), _together("scatter_at", indices)
    target = tuple(dim(n) for n in shape)
    rank = arrays[0].ndim
    start = axis + operand.ndim if axis < 0 else axis
    if len(target) != len(arrays) or start < 0 or operand.type.shape[start : start + rank] != arrays[0].type.shape:
        raise ShapeError(f"scatter_at: {operand.type} does not fit {len(arrays)} indices {arrays[0].type} at axis {axis}")
    return apply("scatter_at", [operand, *arrays], (len(arrays), rank, operand.ndim - start - rank, target))


# ---- nonzero: params = (the size that a call tells,)

COUNT_NAME = re.compile(r"\btrue_[0-9a-f]{8}\b")
"""What such names look like in text."""
MASKS: weakref.WeakValueDictionary[str, Node] = weakref.WeakValueDictionary()
"""The masks that such sizes count, for derivatives in which the size occurs but the mask does not."""


def _nonzero_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    if types[0].dtype != "bool" or types[0].rank != 1:
        raise DTypeError(f"nonzero: needs a vector of truth values, got {types[0]}")
    n = params[0]
    assert isinstance(n, int | Size)
    return ArrayType("i64", (n,))


def _nonzero_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    found = np.flatnonzero(args[0])
    if sizes and found.size != evaluate(params[0], sizes):
        raise DomainError(f"x[mask]: {evaluate(params[0], sizes)} elements were counted, then {found.size} were found")
    return found


register(Op("nonzero", _nonzero_type, _nonzero_evaluate, called_back("nonzero", _nonzero_evaluate), vjp=lambda g, y, c: [None],
            text=lambda x: ("flatnonzero", {}), doc="The positions of the true elements of a vector."))  # fmt: skip


def true_positions(mask: Expr) -> Expr:
    """The positions of the true elements of a vector of truth values, a vector of a size that a call tells."""
    if any(x.op.name == "bound" for x in postorder([mask.node])):
        raise ArgumentError(
            "indexing: x[mask] inside a loop, scan or vmap has another size at each step; use where(mask, x, 0)"
        )
    from hashlib import blake2s

    name = f"true_{blake2s(repr(flatten([mask.node])).encode(), digest_size=4).hexdigest()}"
    MASKS[name] = mask.node
    return apply("nonzero", [mask], (named(name),))


@function("flatnonzero", numpy=[np.flatnonzero])
def flatnonzero(x: Any) -> Expr:
    """The positions, in row-major order, of the elements that are true or not zero: a vector of a size that only a
    call tells."""
    mask = lift(x)
    mask = mask if mask.dtype == "bool" else mask != 0
    return true_positions(mask if mask.ndim == 1 else reshape(mask, (-1,)))


@function("nonzero", numpy=[np.nonzero])
def nonzero(x: Any) -> tuple[Expr, ...]:
    """For each axis the indices of the elements that are true or not zero: vectors of a size that only a call tells."""
    operand = lift(x)
    if not operand.ndim:
        raise ShapeError("nonzero: a scalar has no axes")
    return _unravelled(flatnonzero(operand), operand.type.shape)


def _unravelled(flat: Expr, shape: Sequence[Dim]) -> tuple[Expr, ...]:
    """The indices of elements numbered in row-major order."""
    from ..expression import size

    if len(shape) == 1:
        return (flat,)
    found = [(flat // size(product(tuple(shape[k + 1 :])))) for k in range(len(shape))]
    return (found[0], *(k % size(n) for k, n in zip(found[1:], shape[1:], strict=True)))


def mask_indices(mask: Any, sizes: Sequence[Dim], where: ArrayType) -> tuple[Any, ...]:
    """The integer arrays that a mask stands for in an index, one for each of its axes, which have these sizes."""
    m = lift(mask)
    if m.type.shape != tuple(sizes):
        raise ShapeError(f"indexing: the mask {m.type} does not have the sizes of the axes that it chooses from in {where}")
    if m.node.op.name == "constant":
        return tuple(np.nonzero(np.asarray(mask)))
    return nonzero(m)


@function("compress", "extract", numpy=[np.compress, np.extract])
def compress(condition: Any, x: Any, axis: int | None = None) -> Expr:
    """The parts of `x` along `axis` (of the flattened array by default) where `condition` holds: as many as a call
    tells."""
    operand = lift(x)
    if axis is None:
        operand, axis = reshape(operand, (-1,)), 0
    c = lift(condition)
    return take(operand, flatnonzero(reshape(c, (-1,)) if c.ndim != 1 else c), axis)


__all__ = ["COUNT_NAME", "MASKS", "gather", "mask_indices", "nonzero"]

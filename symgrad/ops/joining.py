"""NumPy's functions that put arrays together and cut them apart, made of concatenations and slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..compiler.types import Dim
from ..errors import ArgumentError, ShapeError
from ..expression import FUNCTIONS, Expr, dim, function, lift
from .contraction import axes_from_right, broadcast_to, sum_, unit_axes
from .shaping import concatenate, reshape, slice_axes


def one_axis(name: str, x: Expr, axis: Any) -> int:
    """`axis` counted from the right.  Raises ShapeError, ArgumentError."""
    if isinstance(axis, tuple | list):
        raise ArgumentError(f"{name}: takes one axis, got {axis}")
    (at,) = axes_from_right(name, x, axis)
    return at


def part(x: Expr, axis: int, start: Dim, count: Dim) -> Expr:
    """`count` elements from `start` on along the axis, counted from the right."""
    return slice_axes(x, [(start, count, 1), *((0, n, 1) for n in x.type.shape[x.ndim + axis + 1 :])])


# ---- cutting

def _cut_at(x: Expr, bounds: Sequence[Any], at: int) -> list[Expr]:
    n = x.type.shape[at]
    edges: list[Dim] = [0, *(_within(dim(b), n) for b in bounds), n]
    lengths = [b - a for a, b in pairwise(edges)]
    if any(isinstance(n, int) and n < 0 for n in lengths):
        raise ShapeError(f"split: the positions {list(bounds)} do not rise")
    return [part(x, at, a, n) for a, n in zip(edges, lengths, strict=False)]


def _within(bound: Dim, n: Dim) -> Dim:
    """A position of a cut by NumPy's rules: negative ones count from the end, those beyond an end are the end."""
    if isinstance(bound, int) and bound < 0:
        bound = n + bound
    return max(0, min(bound, n)) if isinstance(bound, int) and isinstance(n, int) else bound


@function("split", numpy=[np.split])
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Expr]:
    """`x` cut along `axis` into so many equal parts, or before each of the positions in a list."""
    operand = lift(x)
    at = one_axis("split", operand, axis)
    n, count = operand.type.shape[at], indices_or_sections
    if not isinstance(count, int | np.integer):
        return _cut_at(operand, count, at)
    if count < 1 or n // int(count) * int(count) != n:
        raise ShapeError(f"split: axis {axis} of {operand.type} does not have {count} equal parts")
    return _cut_at(operand, [n // int(count) * k for k in range(1, int(count))], at)


@function("array_split", numpy=[np.array_split])
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Expr]:
    """`x` cut along `axis` into so many parts, the first ones longer by one where they cannot be equal, or before each
    of the positions in a list."""
    operand = lift(x)
    at = one_axis("array_split", operand, axis)
    n, count = operand.type.shape[at], indices_or_sections
    if not isinstance(count, int | np.integer) or not isinstance(n, int):
        return split(operand, count, axis)
    if count < 1:
        raise ShapeError(f"array_split: {count} is not a number of parts")
    longer, least = n % int(count), n // int(count)
    return _cut_at(operand, [least * k + min(k, longer) for k in range(1, int(count))], at)


@function("hsplit", numpy=[np.hsplit])
def hsplit(x: Any, indices_or_sections: Any) -> list[Expr]:
    """`x` cut along its second axis (a vector along its only one), like `split`."""
    return split(x, indices_or_sections, 1 if lift(x).ndim > 1 else 0)


@function("vsplit", numpy=[np.vsplit])
def vsplit(x: Any, indices_or_sections: Any) -> list[Expr]:
    """`x` cut along its first axis, like `split`."""
    if lift(x).ndim < 2:
        raise ShapeError(f"vsplit: needs at least two axes, got {lift(x).type}")
    return split(x, indices_or_sections, 0)


@function("unstack", numpy=["unstack"])
def unstack(x: Any, *, axis: int = 0) -> tuple[Expr, ...]:
    """The slices of `x` along `axis`, whose size must be known."""
    operand = lift(x)
    at = one_axis("unstack", operand, axis)
    n = operand.type.shape[at]
    if not isinstance(n, int):
        raise ShapeError(f"unstack: axis {axis} of {operand.type} has no fixed size")
    return tuple(sum_(part(operand, at, k, 1), at) for k in range(n))


# ---- joining

def _joined(name: str, arrays: Any, axis: int, least: int) -> Expr:
    if isinstance(arrays, Expr) or not len(arrays):
        raise ArgumentError(f"{name}: give a list of at least one array")
    xs = [lift(x) for x in arrays]
    front = [reshape(x, (*[1] * (least - x.ndim), *x.type.shape)) if x.ndim < least else x for x in xs]
    return concatenate(front, axis)


@function("hstack", numpy=[np.hstack])
def hstack(arrays: Any) -> Expr:
    """Vectors one behind the other, matrices side by side."""
    first = lift(arrays[0]) if not isinstance(arrays, Expr) and len(arrays) else None
    return _joined("hstack", arrays, 0 if first is not None and first.ndim <= 1 else 1, 1)


@function("vstack", numpy=[np.vstack])
def vstack(arrays: Any) -> Expr:
    """Rows, or matrices, one below the other."""
    return _joined("vstack", arrays, 0, 2)


@function("dstack", numpy=[np.dstack])
def dstack(arrays: Any) -> Expr:
    """Matrices one behind the other along a third axis; vectors as rows of matrices."""
    if isinstance(arrays, Expr) or not len(arrays):
        raise ArgumentError("dstack: give a list of at least one array")
    return concatenate([at_least(x, 3) for x in arrays], 2)


@function("column_stack", numpy=[np.column_stack])
def column_stack(arrays: Any) -> Expr:
    """Vectors as the columns of a matrix, matrices beside them."""
    return concatenate([unit_axes(x, [0, None]) if x.ndim == 1 else x for x in map(lift, arrays)], 1)


@function("append", numpy=[np.append])
def append(x: Any, values: Any, axis: int | None = None) -> Expr:
    """`x` with `values` behind it along `axis`; by default both as vectors."""
    return concatenate([lift(x), lift(values)], axis)


@function("block", numpy=[np.block])
def block(arrays: Any) -> Expr:
    """Nested lists of arrays as one array: the innermost lists are joined along the last axis, those that hold them
    along the axis before it, and so on."""
    return _assembled(arrays, _depth(arrays))


def _depth(arrays: Any) -> int:
    depth = 0
    while isinstance(arrays, list) and arrays:
        arrays, depth = arrays[0], depth + 1
        if depth > 32:
            raise ShapeError("block: lists nested more than 32 deep")
    return depth


def _assembled(arrays: Any, depth: int) -> Expr:
    if depth == 0:
        if isinstance(arrays, list):
            raise ArgumentError("block: lists must be nested to one depth")
        return lift(arrays)
    if not isinstance(arrays, list) or not arrays:
        raise ArgumentError("block: lists must be nested to one depth, and none may be empty")
    parts = [_assembled(a, depth - 1) for a in arrays]
    rank = max(depth, *(p.ndim for p in parts))
    return concatenate([reshape(p, (*[1] * (rank - p.ndim), *p.type.shape)) for p in parts], -depth)


def at_least(x: Any, rank: int) -> Expr:
    """`x` with at least `rank` axes, by the rules of ``np.atleast_1d``, ``2d`` and ``3d``."""
    operand = lift(x)
    if operand.ndim >= rank:
        return operand
    front = {0: rank, 1: 1, 2: 0}[operand.ndim]
    behind = rank - operand.ndim - front
    return unit_axes(operand, [*[None] * front, *range(operand.ndim), *[None] * behind])


def _at_least_function(rank: int, numpy: Any) -> None:
    def call(*arrays: Any) -> Any:
        found = tuple(at_least(x, rank) for x in arrays)
        return found[0] if len(found) == 1 else found

    call.__name__ = call.__qualname__ = f"atleast_{rank}d"
    call.__doc__ = f"Each array with at least {rank} {'axis' if rank == 1 else 'axes'}, new ones of size 1."
    function(call.__name__, numpy=[numpy])(call)


for _rank, _numpy in ((1, np.atleast_1d), (2, np.atleast_2d), (3, np.atleast_3d)):
    _at_least_function(_rank, _numpy)


@function("broadcast_arrays", numpy=[np.broadcast_arrays])
def broadcast_arrays(*arrays: Any) -> tuple[Expr, ...]:
    """All arrays in the shape that they broadcast to."""
    from ..expression import broadcast_shapes

    xs = [lift(x) for x in arrays]
    shape = broadcast_shapes("broadcast_arrays", [x.type for x in xs])
    return tuple(broadcast_to(x, shape) for x in xs)


@function("delete", numpy=[np.delete])
def delete(x: Any, obj: Any, axis: int | None = None) -> Expr:
    """`x` without the elements at the positions `obj` (integers or a slice) along `axis`, whose size must be known; of
    the flattened array by default."""
    operand = lift(x)
    if axis is None:
        operand, axis = reshape(operand, (-1,)), 0
    at = one_axis("delete", operand, axis)
    n = operand.type.shape[at]
    if not isinstance(n, int) or isinstance(obj, Expr):
        raise ShapeError(f"delete: needs an axis of known size and known positions, got {operand.type}")
    try:
        kept = np.delete(np.arange(n), obj)
    except IndexError as error:
        raise ShapeError(f"delete: {error}") from None
    result: Expr = FUNCTIONS["take"](operand, kept, at)
    return result


__all__ = ["append", "block", "one_axis", "part", "split"]

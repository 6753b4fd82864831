"""NumPy's functions that arrange elements, made of slices, gathers, selections, reshapes and concatenations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..compiler.types import Dim
from ..errors import ArgumentError, ShapeError
from ..expression import FUNCTIONS, Expr, dim, function, lift, size, unify
from ..graph import lookup, node
from .arithmetic import where
from .contraction import axes_from_right, broadcast_to, einsum_labels, swapaxes, unit_axes
from .elementwise import mask
from .shaping import concatenate, flip, reshape, slice_axes, stack, take


def positions(n: Dim) -> Expr:
    """0, 1, …, n - 1."""
    return Expr(node(lookup("iota"), (), (n,)))


def one_axis(name: str, x: Expr, axis: Any) -> int:
    """`axis` counted from the right.  Raises ShapeError, ArgumentError."""
    if isinstance(axis, tuple | list):
        raise ArgumentError(f"{name}: takes one axis, got {axis}")
    (at,) = axes_from_right(name, x, axis)
    return at


def part(x: Expr, axis: int, start: Dim, count: Dim) -> Expr:
    """`count` elements from `start` on along the axis, counted from the right."""
    return slice_axes(x, [(start, count, 1), *((0, n, 1) for n in x.type.shape[x.ndim + axis + 1 :])])


@function("split", "array_split", numpy=[np.split])
def split(x: Any, sections: Any, axis: int = 0) -> list[Expr]:
    """`x` cut along `axis` into `sections` equal parts, or before each of the positions in a list."""
    operand = lift(x)
    at = one_axis("split", operand, axis)
    n = operand.type.shape[at]
    if isinstance(sections, int | np.integer):
        if sections < 1 or n // int(sections) * int(sections) != n:
            raise ShapeError(f"split: axis {axis} of {operand.type} does not have {sections} equal parts")
        bounds: list[Dim] = [n // int(sections) * k for k in range(1, int(sections))]
    else:
        bounds = [dim(k) for k in sections]
    edges: list[Dim] = [0, *(n + b if isinstance(b, int) and b < 0 else b for b in bounds), n]
    return [part(operand, at, a, b - a) for a, b in pairwise(edges)]


@function("repeat", numpy=[np.repeat], method=True)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Expr:
    """Every element of `x` (flattened by default), or every part along `axis`, `repeats` times in a row."""
    operand = lift(x)
    if axis is None:
        operand, axis = reshape(operand, (-1,)), 0
    count, at = dim(repeats), one_axis("repeat", operand, axis) + operand.ndim
    shape = operand.type.shape
    wide = broadcast_to(
        unit_axes(operand, [*range(at + 1), None, *range(at + 1, operand.ndim)]),
        (*shape[: at + 1], count, *shape[at + 1 :]),
    )
    return reshape(wide, (*shape[:at], shape[at] * count, *shape[at + 1 :]))


@function("tile", numpy=[np.tile])
def tile(x: Any, reps: Any) -> Expr:
    """`x` put beside itself, so many times along each of its last axes as `reps` says."""
    operand = lift(x)
    counts: list[Dim] = [dim(k) for k in (reps if isinstance(reps, tuple | list) else (reps,))]
    rank = max(len(counts), operand.ndim)
    counts = [*[1] * (rank - len(counts)), *counts]
    operand = reshape(operand, (*[1] * (rank - operand.ndim), *operand.type.shape)) if operand.ndim < rank else operand
    shape = operand.type.shape
    pairs = [n for pair in zip(counts, shape, strict=True) for n in pair]
    spread: list[int | None] = [p for k in range(rank) for p in (None, k)]
    return reshape(broadcast_to(unit_axes(operand, spread), pairs), [c * n for c, n in zip(counts, shape, strict=True)])


@function("roll", numpy=[np.roll])
def roll(x: Any, shift: int, axis: int | None = None) -> Expr:
    """The elements of `x` moved on by `shift` places along `axis` (of the flattened array by default), around the
    end."""
    operand = lift(x)
    if not isinstance(shift, int | np.integer):
        raise ArgumentError(f"roll: the shift must be an integer, got {shift!r}")
    if axis is None:
        return reshape(roll(reshape(operand, (-1,)), shift, 0), operand.type.shape)
    at = one_axis("roll", operand, axis)
    n = operand.type.shape[at]
    if isinstance(n, int):
        if n == 0 or shift % n == 0:
            return operand
        return concatenate([part(operand, at, n - shift % n, shift % n), part(operand, at, 0, n - shift % n)], at)
    return take(operand, (positions(n) - int(shift)) % size(n), at)


@function("rot90", numpy=[np.rot90])
def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Expr:
    """`x` turned `k` times by 90 degrees in the plane of `axes`, from the first towards the second."""
    operand = lift(x)
    first, second = (one_axis("rot90", operand, a) for a in axes)
    if first == second:
        raise ArgumentError(f"rot90: the axes must differ, got {axes}")
    match k % 4:
        case 0:
            return operand
        case 2:
            return flip(operand, (first, second))
        case 1:
            return swapaxes(flip(operand, second), first, second)
        case _:
            return flip(swapaxes(operand, first, second), second)


# ---- pad

def _pad_widths(x: Expr, width: Any) -> list[tuple[Dim, Dim]]:
    if not isinstance(width, tuple | list):
        return [(dim(width), dim(width))] * x.ndim
    pairs = width if width and isinstance(width[0], tuple | list) else [width]
    both = [(dim(p[0]), dim(p[-1])) for p in pairs]
    if len(both) not in (1, x.ndim):
        raise ShapeError(f"pad: {len(both)} widths for the axes of {x.type}")
    return both * x.ndim if len(both) == 1 else both


@function("pad", numpy=[np.pad])
def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Expr:
    """`x` with `pad_width` more elements at both ends of every axis (a number, a pair, or one pair for each axis):
    constant ones, or by `mode` "edge", "reflect", "symmetric" or "wrap" from `x` itself."""
    operand = lift(x)
    widths = _pad_widths(operand, pad_width)
    result = operand
    for k, (before, after) in enumerate(widths):
        if not (isinstance(before, int) and isinstance(after, int) and before == after == 0):
            result = _padded(result, k - operand.ndim, before, after, mode, constant_values)
    return result


def _padded(x: Expr, axis: int, before: Dim, after: Dim, mode: str, fill: Any) -> Expr:
    n = x.type.shape[axis]
    total = n + before + after
    k = positions(total) - size(before)
    last = size(n - 1)
    minimum, maximum = FUNCTIONS["minimum"], FUNCTIONS["maximum"]
    if mode == "constant":
        wide: Expr = FUNCTIONS["unslice"](x, (total, *x.type.shape[x.ndim + axis + 1 :]), (before, *[0] * (-axis - 1)))
        if not isinstance(fill, Expr) and fill == 0:
            return wide
        inside = (k >= 0) & (k <= last)
        return where(unit_axes(inside, [0, *[None] * (-axis - 1)]), wide, lift(fill).astype(x.dtype))
    match mode:
        case "edge":
            source = minimum(maximum(k, 0), last)
        case "wrap":
            source = k % size(n)
        case "reflect":
            period = maximum(2 * last, 1)
            source = last - abs(k % period - last)
        case "symmetric":
            around = k % size(2 * n)
            source = minimum(around, size(2 * n - 1) - around)
        case _:
            raise ArgumentError(f"pad: mode {mode!r} is not supported; use constant, edge, reflect, symmetric or wrap")
    return take(x, source, axis)


# ---- grids

@function("linspace", numpy=[np.linspace])
def linspace(start: Any, stop: Any, num: Any = 50) -> Expr:
    """`num` numbers at equal distances from `start` to `stop`, both included."""
    (a, b), _ = unify([start, stop], want_float=True)
    if a.ndim or b.ndim:
        raise ShapeError(f"linspace: the ends must be numbers, got {a.type} and {b.type}")
    n = dim(num)
    if isinstance(n, int) and n <= 1:
        return broadcast_to(unit_axes(a, [None]), (n,))
    k = positions(n)
    return where(k == size(n - 1), b, a + k.astype(a.dtype) * ((b - a) / size(n - 1)))


@function("meshgrid", numpy=[np.meshgrid])
def meshgrid(*vectors: Any, indexing: str = "xy") -> list[Expr]:
    """For each vector an array of all combinations that varies with it alone; with "xy" the first two axes are
    interchanged."""
    xs = [reshape(lift(v), (-1,)) for v in vectors]
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    order = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        order[0], order[1] = 1, 0
    sizes: list[Dim] = [xs[k].type.shape[0] for k in order]
    spread: list[list[int | None]] = [[0 if k == j else None for j in order] for k in range(len(xs))]
    return [broadcast_to(unit_axes(x, p), sizes) for x, p in zip(xs, spread, strict=True)]


# ---- products

@function("kron", numpy=[np.kron])
def kron(a: Any, b: Any) -> Expr:
    """The Kronecker product: for each axis, blocks of `b` scaled by the elements of `a`."""
    (x, y), _ = unify([a, b])
    rank = max(x.ndim, y.ndim)
    x, y = (reshape(z, (*[1] * (rank - z.ndim), *z.type.shape)) for z in (x, y))
    labels = range(2 * rank)
    product = einsum_labels([x, y], [labels[::2], labels[1::2]], labels)
    return reshape(product, [m * n for m, n in zip(x.type.shape, y.type.shape, strict=True)])


@function("cross", numpy=[np.cross])
def cross(a: Any, b: Any, axis: int = -1) -> Expr:
    """The vector product along `axis`, which has three elements in both."""
    (x, y), _ = unify([a, b])
    move = FUNCTIONS["moveaxis"]
    x, y = (move(z, axis, -1) if z.ndim else z for z in (x, y))
    if any(not z.ndim or z.type.shape[-1] != 3 for z in (x, y)):
        raise ShapeError(f"cross: needs axes of 3 elements, got {x.type} and {y.type}")
    turned = [x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    result: Expr = move(stack(turned, -1), -1, axis)
    return result


# ---- joining

def _joined(name: str, arrays: Any, axis: int, least: int) -> Expr:
    if isinstance(arrays, Expr) or not arrays:
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


def columns_of(arrays: Sequence[Expr]) -> list[Expr]:
    """Vectors as matrices of one column."""
    return [unit_axes(x, [0, None]) if x.ndim == 1 else x for x in arrays]


@function("column_stack", numpy=[np.column_stack])
def column_stack(arrays: Any) -> Expr:
    """Vectors as the columns of a matrix."""
    return concatenate(columns_of([lift(x) for x in arrays]), 1)


HIGHEST_DIFFERENCE = 100
"""Of higher orders nothing is left in floating-point numbers, and a stranger's text must not ask for 10**9."""


@function("diff", numpy=[np.diff])
def diff(x: Any, n: Any = 1, axis: int = -1) -> Expr:
    """The differences of neighbours along `axis`, taken `n` times."""
    operand = lift(x)
    if not isinstance(n, int) or not 0 <= n <= HIGHEST_DIFFERENCE:
        raise ArgumentError(f"diff: the order must be an integer from 0 to {HIGHEST_DIFFERENCE}")
    at = one_axis("diff", operand, axis)
    for _ in range(n):
        length = operand.type.shape[at]
        operand = part(operand, at, 1, length - 1) - part(operand, at, 0, length - 1)
    return operand


@function("nan_to_num", numpy=[np.nan_to_num])
def nan_to_num(x: Any, nan: float = 0.0) -> Expr:
    """`x` with `nan` in place of NaN and the largest numbers in place of infinities; no derivative flows there."""
    operand = unify([x], want_float=True)[0][0]
    largest = float(np.finfo(np.float32 if operand.dtype == "f32" else np.float64).max)
    finite = mask(FUNCTIONS["isfinite"](operand), operand)
    known = where(operand == np.inf, largest, where(operand == -np.inf, -largest, finite))
    return where(FUNCTIONS["isnan"](operand), nan, known)


__all__ = ["kron", "pad", "split", "tile"]

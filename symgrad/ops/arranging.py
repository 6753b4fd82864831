"""NumPy's functions that arrange elements, made of slices, gathers, selections, reshapes and concatenations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compiler.types import Dim
from ..errors import ArgumentError, ShapeError
from ..expression import FUNCTIONS, Expr, broadcast_shapes, dim, function, lift, size, unify
from ..graph import lookup, node
from .arithmetic import where
from .contraction import broadcast_to, einsum_labels, swapaxes, unit_axes
from .elementwise import mask
from .joining import one_axis, part
from .shaping import concatenate, flip, reshape, stack, take


def positions(n: Dim) -> Expr:
    """0, 1, …, n - 1."""
    return Expr(node(lookup("iota"), (), (n,)))


@function("repeat", numpy=[np.repeat], method=True)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Expr:
    """Every element of `x` (flattened by default), or every part along `axis`, `repeats` times in a row; each its own
    number of times if `repeats` is a list of numbers as long as the axis, whose size is known then."""
    operand = lift(x)
    if axis is None:
        operand, axis = reshape(operand, (-1,)), 0
    at = one_axis("repeat", operand, axis) + operand.ndim
    shape = operand.type.shape
    if isinstance(repeats, tuple | list | np.ndarray) and np.ndim(repeats):
        times = np.asarray(repeats)
        if times.dtype.kind not in "iu" or times.shape not in ((1,), (shape[at],)) or (times < 0).any():
            raise ShapeError(f"repeat: needs a number of times for each part of axis {axis} of {operand.type}, got {repeats}")
        return take(operand, np.repeat(np.arange(times.size), times), at) if times.size > 1 else repeat(operand, times[0], at)
    count = dim(repeats)
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
def roll(x: Any, shift: Any, axis: Any = None) -> Expr:
    """The elements of `x` moved on by `shift` places along `axis` (of the flattened array by default), around the
    end; for several axes by one number or by one for each."""
    operand = lift(x)
    if isinstance(axis, tuple | list):
        shifts = shift if isinstance(shift, tuple | list) else [shift] * len(axis)
        if len(shifts) != len(axis):
            raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axis)} axes")
        for by, a in zip(shifts, axis, strict=True):
            operand = roll(operand, by, a)
        return operand
    if not isinstance(shift, int | np.integer):
        raise ArgumentError(f"roll: the shift must be an integer, got {shift!r}")
    if axis is None:
        return reshape(roll(reshape(operand, (-1,)), shift, 0), operand.type.shape)
    at = one_axis("roll", operand, axis)
    n = operand.type.shape[at]
    if isinstance(n, int):
        moved = int(shift) % n if n else 0
        if not moved:
            return operand
        return concatenate([part(operand, at, n - moved, moved), part(operand, at, 0, n - moved)], at)
    return take(operand, (positions(n) - int(shift)) % size(n), at)


@function("fliplr", numpy=[np.fliplr])
def fliplr(x: Any) -> Expr:
    """`x` with the order of its columns (second axis) reversed."""
    return flip(x, 1)


@function("flipud", numpy=[np.flipud])
def flipud(x: Any) -> Expr:
    """`x` with the order of its rows (first axis) reversed."""
    return flip(x, 0)


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
def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, end_values: Any = 0) -> Expr:
    """`x` with `pad_width` more elements at both ends of every axis (a number, a pair, or one pair for each axis):
    constant ones, or by `mode` "edge", "reflect", "symmetric" or "wrap" from `x` itself, its "mean", "median", "maximum"
    or "minimum" along the axis, or a "linear_ramp" from the edge to `end_values`."""
    if mode == "linear_ramp":
        constant_values = end_values
    operand = lift(x)
    widths = _pad_widths(operand, pad_width)
    result = operand
    for k, (before, after) in enumerate(widths):
        if not (isinstance(before, int) and isinstance(after, int) and before == after == 0):
            result = _padded(result, k - operand.ndim, before, after, mode, _ends(constant_values, k, operand.ndim))
    return result


def _ends(fill: Any, axis: int, rank: int) -> tuple[Any, Any]:
    """The constants before and behind an axis: from one number, a pair, or a pair for each axis."""
    if not isinstance(fill, tuple | list):
        return fill, fill
    own = fill[axis if len(fill) == rank else 0] if isinstance(fill[0], tuple | list) else fill
    return own[0], own[-1]


ALONG = {"mean": "mean", "median": "median", "maximum": "max", "minimum": "min"}


def _padded(x: Expr, axis: int, before: Dim, after: Dim, mode: str, fill: tuple[Any, Any]) -> Expr:
    n = x.type.shape[axis]
    total = n + before + after
    k = positions(total) - size(before)
    last = size(n - 1)
    minimum, maximum = FUNCTIONS["minimum"], FUNCTIONS["maximum"]
    if mode == "constant":
        wide: Expr = FUNCTIONS["unslice"](x, (total, *x.type.shape[x.ndim + axis + 1 :]), (before, *[0] * (-axis - 1)))
        if not any(isinstance(v, Expr) or v != 0 for v in fill):
            return wide
        low, high = (lift(v).astype(x.dtype) for v in fill)
        at = unit_axes(k, [0, *[None] * (-axis - 1)])
        return where(at < 0, low, where(at > last, high, wide))
    at = unit_axes(k, [0, *[None] * (-axis - 1)])
    if mode in ALONG:
        along = FUNCTIONS[ALONG[mode]](x, axis, keepdims=True)
        return where((at < 0) | (at > last), along, take(x, minimum(maximum(k, 0), last), axis))
    match mode:
        case "linear_ramp":
            edge, (low, high) = take(x, minimum(maximum(k, 0), last), axis), (lift(v).astype(x.dtype) for v in fill)
            out = maximum(-at, 0) / maximum(size(before), 1), maximum(at - last, 0) / maximum(size(after), 1)
            ramp: Expr = edge + (low - edge) * out[0].astype(x.dtype) + (high - edge) * out[1].astype(x.dtype)
            return ramp
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
            raise ArgumentError(f"pad: mode {mode!r} is not supported; use constant, edge, linear_ramp, maximum, "
                                "mean, median, minimum, reflect, symmetric or wrap")  # fmt: skip
    return take(x, source, axis)


# ---- grids

@function("linspace", numpy=[np.linspace])
def linspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True) -> Expr:
    """`num` numbers at equal distances from `start` to `stop`, which is left out if not `endpoint`; of arrays, along a
    new first axis."""
    (a, b), _ = unify([start, stop], want_float=True)
    n = dim(num)
    if isinstance(n, int) and n < (2 if endpoint else 1):
        return broadcast_to(a + 0 * b, (n, *broadcast_shapes("linspace", [a.type, b.type])))
    rank = max(a.ndim, b.ndim)
    k = unit_axes(positions(n), [0, *[None] * rank])
    steps = k.astype(a.dtype) * ((b - a) / size(n - 1 if endpoint else n))
    return where(k == size(n - 1), b, a + steps) if endpoint else a + steps


@function("logspace", numpy=[np.logspace])
def logspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0) -> Expr:
    """The powers of `base` whose exponents are ``linspace(start, stop, num, endpoint)``."""
    result: Expr = FUNCTIONS["power"](base, linspace(start, stop, num, endpoint))
    return result


@function("geomspace", numpy=[np.geomspace])
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True) -> Expr:
    """`num` positive numbers of equal ratios from `start` to `stop`."""
    first, last = (math.log(v) if isinstance(v, int | float) else FUNCTIONS["log"](v) for v in (start, stop))
    result: Expr = FUNCTIONS["exp"](linspace(first, last, num, endpoint))
    return result


@function("meshgrid", numpy=[np.meshgrid])
def meshgrid(*vectors: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> list[Expr]:
    """For each vector an array of all combinations that varies with it alone; with "xy" the first two axes are
    interchanged, with `sparse` the other axes have size 1."""
    xs = [reshape(lift(v), (-1,)) for v in vectors]
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    order = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        order[0], order[1] = 1, 0
    sizes: list[Dim] = [xs[k].type.shape[0] for k in order]
    spread: list[list[int | None]] = [[0 if k == j else None for j in order] for k in range(len(xs))]
    own = [unit_axes(x, p) for x, p in zip(xs, spread, strict=True)]
    return own if sparse else [broadcast_to(x, sizes) for x in own]


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


@function("cross", numpy=[np.cross, np.linalg.cross])
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Expr:
    """The vector product along axes of three elements: `axisa` of `a` and `axisb` of `b`, into `axisc`; `axis` names
    all three."""
    (x, y), _ = unify([a, b])
    if axis is not None:
        axisa = axisb = axisc = axis
    move = FUNCTIONS["moveaxis"]
    x, y = (move(z, k, -1) if z.ndim else z for z, k in ((x, axisa), (y, axisb)))
    if any(not z.ndim or z.type.shape[-1] != 3 for z in (x, y)):
        raise ShapeError(f"cross: needs axes of 3 elements, got {x.type} and {y.type}")
    turned = [x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    result: Expr = move(stack(turned, -1), -1, axisc)
    return result


# ---- differences

HIGHEST_DIFFERENCE = 100
"""Of higher orders nothing is left in floating-point numbers, and a stranger's text must not ask for 10**9."""


@function("diff", numpy=[np.diff])
def diff(x: Any, n: Any = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Expr:
    """The differences of neighbours along `axis`, taken `n` times; `prepend` and `append` are put at the ends first."""
    operand = lift(x)
    if not isinstance(n, int) or not 0 <= n <= HIGHEST_DIFFERENCE:
        raise ArgumentError(f"diff: the order must be an integer from 0 to {HIGHEST_DIFFERENCE}")
    at = one_axis("diff", operand, axis)
    if prepend is not None or append is not None:
        around = [None if v is None else _edge(lift(v), operand, at) for v in (prepend, append)]
        operand = concatenate([v for v in (around[0], operand, around[1]) if v is not None], at)
    for _ in range(n):
        length = operand.type.shape[at]
        operand = part(operand, at, 1, length - 1) - part(operand, at, 0, length - 1)
    return operand


def _edge(v: Expr, x: Expr, at: int) -> Expr:
    """What is put beside `x` along an axis: a number becomes one slice."""
    shape = x.type.shape
    return v if v.ndim else broadcast_to(v, (*shape[: x.ndim + at], 1, *shape[x.ndim + at + 1 :]))


@function("nan_to_num", numpy=[np.nan_to_num])
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Expr:
    """`x` with `nan` in place of NaN, and `posinf` and `neginf` (by default the largest numbers) in place of
    infinities; no derivative flows there."""
    operand = unify([x], want_float=True)[0][0]
    largest = float(np.finfo(np.float32 if operand.dtype == "f32" else np.float64).max)
    finite = mask(FUNCTIONS["isfinite"](operand), operand)
    high, low = largest if posinf is None else posinf, -largest if neginf is None else neginf
    known = where(operand == np.inf, high, where(operand == -np.inf, low, finite))
    return where(FUNCTIONS["isnan"](operand), nan, known)


__all__ = ["kron", "pad", "tile"]

"""Indexing and arranging: slices, gathers and scatters, reshape, concatenation.

Every operation acts on trailing axes, so that a cotangent with further axes on the left passes through unchanged.
`slice` and `unslice` are each other's adjoints, and so are `take` and `scatter`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Axis, AxisValue, Call, Const, Load
from ..compiler.index import Expr as Element_
from ..compiler.types import ArrayType, Dim, Size, evaluate, floordiv, max0, product
from ..errors import ArgumentError, DomainError, DTypeError, ShapeError
from ..expression import FUNCTIONS, Expr, apply, dim, function, holds_expressions, lift, unify
from ..graph import Node, Op, Params, register
from ..indexing import Element, Operand, axes_of, integer, number, plus, position, times, values
from .contraction import broadcast_to, einsum_labels, transpose, unit_axes

Cut = tuple[Dim, Dim, int]
"""One axis of a slice: first index, number of elements, step (never 0)."""


# ---- slice: params = (cuts of the trailing axes,)

def _cuts(params: Params) -> tuple[Cut, ...]:
    cuts: tuple[Cut, ...] = params[0]
    return cuts


def _slice_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    cuts = _cuts(params)
    shape = types[0].shape
    return ArrayType(types[0].dtype, (*shape[: len(shape) - len(cuts)], *(n for _, n, _ in cuts)))


def _slices(cuts: Sequence[Cut], sizes: Mapping[str, int]) -> tuple[Any, ...]:
    parts: list[Any] = [Ellipsis]
    for first, count, step in cuts:
        f, n = evaluate(first, sizes), evaluate(count, sizes)
        stop = f + n * step
        parts.append(slice(f, stop if stop >= 0 else None, step) if n else slice(0, 0))
    return tuple(parts)


def _slice_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    for (first, count, step), n in zip(_cuts(params), np.shape(args[0])[-len(_cuts(params)) :], strict=True):
        f, c = evaluate(first, sizes), evaluate(count, sizes)
        if c < 0 or (c and not (0 <= f < n and 0 <= f + (c - 1) * step < n)):
            raise ShapeError(f"slicing: {c} elements from index {f} on do not lie within an axis of size {n}")
    return np.asarray(args[0])[_slices(_cuts(params), sizes)]


def _slice_lower(x: Node, operands: Sequence[Operand]) -> Element:
    axes = axes_of(x.type.shape)
    index = values(axes)
    cuts = _cuts(x.params)
    for k, (first, _, step) in enumerate(cuts, len(index) - len(cuts)):
        index[k] = plus(times(index[k], integer(step)), number(first))
    return Element(axes, Load(operands[0].name, tuple(index)))


def _slice_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    cuts = _cuts(y.node.params)
    return [apply("unslice", [g], (cuts, x.type.shape[x.ndim - len(cuts) :]))]


# ---- unslice: params = (cuts, sizes of the trailing axes of the result)

def _unslice_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    target: tuple[Dim, ...] = params[1]
    shape = types[0].shape
    return ArrayType(types[0].dtype, (*shape[: len(shape) - len(target)], *target))


def _unslice_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    g = np.asarray(args[0])
    target: tuple[Dim, ...] = params[1]
    result = np.zeros((*g.shape[: g.ndim - len(target)], *(evaluate(n, sizes) for n in target)), g.dtype)
    result[_slices(_cuts(params), sizes)] = g
    return result


def _unslice_lower(x: Node, operands: Sequence[Operand]) -> Element:
    axes = axes_of(operands[0].type.shape)
    index = values(axes)
    at = list(index)
    cuts = _cuts(x.params)
    for k, (first, _, step) in enumerate(cuts, len(at) - len(cuts)):
        at[k] = plus(times(at[k], integer(step)), number(first))
    return Element(axes, Load(operands[0].name, tuple(index)), tuple(at), "add")


def _unslice_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    return [apply("slice", [g], (_cuts(y.node.params),))]


register(Op("slice", _slice_type, _slice_evaluate, _slice_lower, vjp=_slice_vjp, linear=True, requires=lambda x: requirements(x),
            doc="Part of an array at regular steps."))  # fmt: skip
register(Op("unslice", _unslice_type, _unslice_evaluate, _unslice_lower, vjp=_unslice_vjp, linear=True, requires=lambda x: requirements(x),
            doc="An array of zeros with its argument at a slice."))  # fmt: skip


def slice_axes(x: Expr, cuts: Sequence[Cut]) -> Expr:
    """The part of `x` that `cuts` of its trailing axes select; axes left of the first real cut are not mentioned."""
    sizes = x.type.shape[x.ndim - len(cuts) :]
    whole = [first == 0 and step == 1 and n == size for (first, n, step), size in zip(cuts, sizes, strict=True)]
    return x if all(whole) else apply("slice", [x], (tuple(cuts[whole.index(False) :]),))


# ---- take (gather along one axis) and scatter: params = (axis from the right of x, rank of the indices, size of the
# axis)

def _take_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    axis, rank = _ints(params)
    if types[1].dtype != "i64":
        raise DTypeError(f"take: indices must be integers, got {types[1]}")
    shape, index = types[0].shape, types[1].shape
    at = len(shape) + axis
    return ArrayType(types[0].dtype, (*shape[:at], *index[len(index) - rank :], *shape[at + 1 :]))


def _ints(params: Params) -> tuple[int, int]:
    axis, rank = params[0], params[1]
    assert isinstance(axis, int) and isinstance(rank, int)
    return axis, rank


def checked_indices(index: Any, n: int, name: str) -> Any:
    k = np.asarray(index)
    if k.size and not (-n <= k.min() and k.max() < n):
        worst = k.max() if k.max() >= n else k.min()
        raise DomainError(f"{name}: index {worst} is out of range for an axis of size {n}")
    return np.where(k < 0, k + n, k)


def _take_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    axis, _ = _ints(params)
    x = np.asarray(args[0])
    return np.take(x, checked_indices(args[1], x.shape[axis], "indexing"), axis=axis)


def wrapped(k: Element_, n: Dim) -> Element_:
    """An index by NumPy's rules: negative ones count from the end."""
    return Call("where", (Call("lt", (k, integer(0))), Call("add", (k, number(n))), k))


def _take_lower(x: Node, operands: Sequence[Operand]) -> Element:
    axis, rank = _ints(x.params)
    source, indices = operands
    axes = axes_of(x.type.shape)
    at = len(source.type.shape) + axis
    index = values(axes)
    k = Load(indices.name, tuple(index[at : at + rank]))
    return Element(axes, Load(source.name, (*index[:at], wrapped(k, source.type.shape[at]), *index[at + rank :])))


def _take_vjp(g: Expr, y: Expr, x: Expr, k: Expr) -> list[Expr | None]:
    axis, rank = _ints(y.node.params)
    return [apply("scatter", [g, k], (axis, rank, x.type.shape[axis])), None]


def _scatter_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    axis, rank = _ints(params)
    n = params[2]
    assert isinstance(n, int | Size)
    shape = types[0].shape
    end = len(shape) + axis + 1
    return ArrayType(types[0].dtype, (*shape[: end - rank], n, *shape[end:]))


def _scatter_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    axis, rank = _ints(params)
    n = evaluate(params[2], sizes)
    g = np.asarray(args[0])
    end = g.ndim + axis + 1
    count = int(np.prod(g.shape[end - rank : end]))
    moved = np.moveaxis(g.reshape(*g.shape[: end - rank], count, *g.shape[end:]), axis, 0)
    result = np.zeros((n, *moved.shape[1:]), g.dtype)
    np.add.at(result, checked_indices(args[1], n, "scatter").reshape(-1), moved)
    return np.moveaxis(result, 0, axis)


def _scatter_lower(x: Node, operands: Sequence[Operand]) -> Element:
    axis, rank = _ints(x.params)
    g, indices = operands
    axes = axes_of(g.type.shape)
    index = values(axes)
    end = len(axes) + axis + 1
    k = wrapped(Load(indices.name, tuple(index[end - rank : end])), x.params[2])
    return Element(axes, Load(g.name, tuple(index)), (*index[: end - rank], k, *index[end:]), "add")


def _scatter_vjp(g: Expr, y: Expr, x: Expr, k: Expr) -> list[Expr | None]:
    axis, rank = _ints(y.node.params)
    return [apply("take", [g, k], (axis, rank)), None]


register(
    Op(
        "take",
        _take_type,
        _take_evaluate,
        _take_lower,
        vjp=_take_vjp,
        linear=True,
        doc="Elements at given indices along an axis.",
    )
)
register(Op("scatter", _scatter_type, _scatter_evaluate, _scatter_lower, vjp=_scatter_vjp, linear=True,
            doc="Sums of elements that share an index along an axis."))  # fmt: skip


@function("take", numpy=[np.take], method=True)
def take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Expr:
    """The elements of `x` at integer `indices` along `axis` (of the flattened array by default); negative indices count
    from the end.  An index out of range is a DomainError, or by `mode` "wrap" counted around the end, or by "clip"
    taken as the nearest."""
    operand, k = lift(x), lift(indices)
    if axis is None:
        operand, axis = reshape(operand, (-1,)), 0
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(f"take: mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    if mode != "raise" and -operand.ndim <= axis < operand.ndim:
        n = operand.shape[axis]
        k = k % n if mode == "wrap" else FUNCTIONS["clip"](k, 0, n - 1)
    if not -operand.ndim <= axis < operand.ndim:
        raise ShapeError(f"take: axis {axis} is out of range for {operand.type}")
    return apply("take", [operand, k], (axis if axis < 0 else axis - operand.ndim, k.ndim))


@function("unslice")
def unslice(x: Any, shape: Any, start: Any = 0, step: Any = 1) -> Expr:
    """An array of zeros of sizes `shape` along its last axes, with `x` at the slice that begins at `start` and goes on
    at distance `step`: one value, or one for each of these axes.  The adjoint of slicing.

    ``unslice(x, n, 1)[1:]`` is `x` for an `x` of n - 1 elements.  Raises ShapeError."""
    operand = lift(x)
    target = tuple(dim(n) for n in (shape if isinstance(shape, tuple | list) else (shape,)))
    starts, steps = (tuple(v) if isinstance(v, tuple | list) else (v,) * len(target) for v in (start, step))
    if not 0 < len(target) <= operand.ndim or len(starts) != len(target) or len(steps) != len(target):
        given = f"{len(target)} sizes, {len(starts)} starts and {len(steps)} steps"
        raise ShapeError(f"unslice: {operand.type} does not fit {given}")
    if any(not isinstance(k, int) or k == 0 for k in steps):
        raise ArgumentError(f"unslice: steps must be integers other than 0, got {step!r}")
    counts = operand.type.shape[operand.ndim - len(target) :]
    cuts = tuple((dim(first), n, k) for first, n, k in zip(starts, counts, steps, strict=True))
    for (first, n, k), whole in zip(cuts, target, strict=True):
        ends = [first, first + (n - 1) * k, whole - 1 - first, whole - 1 - first - (n - 1) * k] if n != 0 else []
        if any(isinstance(end, int) and end < 0 for end in ends):
            raise ShapeError(f"unslice: {n} elements from index {first} on in steps of {k} do not lie within {whole}")
    return apply("unslice", [operand], (cuts, target))


@function("scatter")
def scatter(x: Any, indices: Any, size: Any, axis: int = 0) -> Expr:
    """Sums of the elements of `x` along `axis` that share an index, as an array of `size` elements along that axis.
    The adjoint of indexing with `indices`: several axes of indices count as one axis of `x` each, from `axis` on.

    Raises ShapeError; DomainError for an index that is out of range."""
    operand, k = lift(x), lift(indices)
    if k.dtype != "i64":
        raise DTypeError(f"scatter: indices must be integers, got {k.type}")
    rank = operand.ndim - k.ndim + 1
    if rank < 1 or not -rank <= axis < rank:
        raise ShapeError(f"scatter: axis {axis} is out of range for {operand.type} at indices {k.type}")
    at = axis % rank
    if operand.type.shape[at : at + k.ndim] != k.type.shape:
        raise ShapeError(f"scatter: {operand.type} has no elements for the indices {k.type} at axis {axis}")
    return apply("scatter", [operand, k], (at - rank, k.ndim, dim(size)))


# ---- reshape: params = (number of trailing axes taken, their new sizes)

def _reshape_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    rank, target = params
    assert isinstance(rank, int) and isinstance(target, tuple)
    shape = types[0].shape
    return ArrayType(types[0].dtype, (*shape[: len(shape) - rank], *target))


def _reshape_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    rank, target = params
    x = np.asarray(args[0])
    return x.reshape((*x.shape[: x.ndim - rank], *(evaluate(n, sizes) for n in target)))


def _reshape_lower(x: Node, operands: Sequence[Operand]) -> Element:
    rank = x.params[0]
    assert isinstance(rank, int)
    axes = axes_of(x.type.shape)
    source = operands[0].type.shape
    lead = len(source) - rank
    flat: Element_ = integer(0)
    for a in axes[lead:]:
        flat = plus(times(flat, number(a.size)), AxisValue(a.name))
    return Element(axes, Load(operands[0].name, (*values(axes[:lead]), *position(flat, source[lead:]))))


def _reshape_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    rank, target = y.node.params
    assert isinstance(rank, int) and isinstance(target, tuple)
    return [apply("reshape", [g], (len(target), x.type.shape[x.ndim - rank :]))]


register(Op("reshape", _reshape_type, _reshape_evaluate, _reshape_lower, vjp=_reshape_vjp, linear=True,
            doc="The same elements in row-major order under another shape."))  # fmt: skip


@function("reshape", numpy=[np.reshape], method=True)
def reshape(x: Any, *sizes: Any, shape: Any = None, order: str = "C") -> Expr:
    """`x` with its elements in row-major order under a new shape; one size may be -1.  In column-major order for
    `order` "F"."""
    operand = lift(x)
    given = list(sizes) if shape is None else [shape]
    if len(given) == 2 and isinstance(given[1], str):
        order = given.pop()
    given = list(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given
    if order not in ("C", "F", "A"):
        raise ArgumentError(f"reshape: order must be 'C' or 'F', got {order!r}")
    if order == "F":
        return transpose(reshape(transpose(operand), given[::-1]))
    target = [n if isinstance(n, int) and n == -1 else dim(n) for n in given]
    total = product(operand.type.shape)
    if target.count(-1) > 1:
        raise ShapeError(f"reshape: more than one -1 in {tuple(target)}")
    if -1 in target:
        known = product(tuple(n for n in target if n != -1))
        if known == 0:
            raise ShapeError(f"reshape: -1 cannot be found beside a size of 0 ({operand.type})")
        target[target.index(-1)] = floordiv(total, known)
    if product(tuple(target)) != total:
        raise ShapeError(f"reshape: {operand.type} has {total} elements, not {product(tuple(target))}")
    if tuple(target) == operand.type.shape:
        return operand
    same = 0  # leading axes that stay are not mentioned, so that a batch of reshapes is the same reshape
    while same < min(operand.ndim, len(target)) and operand.type.shape[same] == target[same] not in (0, 1):
        same += 1
    return apply("reshape", [operand], (operand.ndim - same, tuple(target[same:])))


@function("ravel", numpy=[np.ravel], method=True)
def ravel(x: Any, order: str = "C") -> Expr:
    """All elements of `x` in row-major order, or for `order` "F" in column-major order."""
    return reshape(x, (-1,), order=order)


METHOD_FLATTEN = function("flatten", method=True)(ravel)


# ---- concatenate: params = (axis from the right,)

def _concatenate_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    axis = params[0]
    assert isinstance(axis, int)
    first = types[0]
    total: Dim = 0
    for t in types:
        if t.dtype != first.dtype:
            raise DTypeError(f"concatenate: element types differ: {first} and {t}")
        rest = [n for k, n in enumerate(t.shape) if k != t.rank + axis]
        if t.rank != first.rank or rest != [n for k, n in enumerate(first.shape) if k != first.rank + axis]:
            raise ShapeError(f"concatenate: shapes differ beside axis {axis}: {first} and {t}")
        total = total + t.shape[axis]
    shape = list(first.shape)
    shape[axis] = total
    return ArrayType(first.dtype, tuple(shape))


def _concatenate_lower(x: Node, operands: Sequence[Operand]) -> Element:
    axis = x.params[0]
    assert isinstance(axis, int)
    axes = axes_of(x.type.shape)
    index = values(axes)
    at = len(axes) + axis
    start: Dim = 0
    starts = []
    for a in operands:
        starts.append(start)
        start = start + a.type.shape[axis]
    result: Element_ | None = None
    for a, begin in zip(reversed(operands), reversed(starts), strict=True):
        i = plus(index[at], times(integer(-1), number(begin))) if begin != 0 else index[at]
        bounded = _clamped(i, a.type.shape[axis])
        element = Load(a.name, (*index[:at], bounded, *index[at + 1 :]))
        if result is None:
            result = element if a.type.shape[axis] != 0 else zero_constant(x.type.dtype)
        elif a.type.shape[axis] != 0:
            result = Call("where", (Call("lt", (index[at], number(begin + a.type.shape[axis]))), element, result))
    assert result is not None
    return Element(axes, result)


def _clamped(i: Element_, n: Dim) -> Element_:
    """An index that is only used where it is in range, kept in range elsewhere."""
    if n == 1:
        return integer(0)
    return Call("max", (Call("min", (i, plus(number(n), integer(-1)))), integer(0)))


def zero_constant(dtype: str) -> Const:
    """The zero of an element type."""
    return Const(False if dtype == "bool" else 0 if dtype == "i64" else 0.0, dtype)


def _concatenate_vjp(g: Expr, y: Expr, *xs: Expr) -> list[Expr]:
    axis = y.node.params[0]
    assert isinstance(axis, int)
    parts = []
    start: Dim = 0
    for x in xs:
        n = x.type.shape[axis]
        rest: list[Cut] = [(0, m, 1) for m in x.type.shape[x.ndim + axis + 1 :]]
        parts.append(slice_axes(g, [(start, n, 1), *rest]))
        start = start + n
    return parts


def _concatenate_jvp(tangents: Sequence[Expr | None], y: Expr, *xs: Expr) -> Expr | None:
    extra = next((t.type.shape[: t.ndim - x.ndim] for t, x in zip(tangents, xs, strict=True) if t is not None), ())
    parts = [t if t is not None else broadcast_to(lift(0.0).astype(x.dtype), (*extra, *x.type.shape))
             for t, x in zip(tangents, xs, strict=True)]  # fmt: skip
    return apply("concatenate", parts, y.node.params)


register(Op("concatenate", _concatenate_type, lambda a, p, s: np.concatenate([np.asarray(x) for x in a], axis=p[0]),
            _concatenate_lower, vjp=_concatenate_vjp, jvp=_concatenate_jvp, doc="Arrays put one behind the other along an axis."))  # fmt: skip


@function("concatenate", "concat", numpy=[np.concatenate, np.concat])
def concatenate(arrays: Any, axis: int | None = 0) -> Expr:
    """Arrays put one behind the other along `axis`; all their elements, in row-major order, for None."""
    if isinstance(arrays, Expr) or not arrays:
        raise ArgumentError("concatenate: give a list of at least one array")
    operands, _ = unify(list(arrays))
    if axis is None:
        operands, axis = [reshape(x, (-1,)) for x in operands], 0
    first = operands[0]
    if not first.ndim:
        raise ShapeError("concatenate: scalars have no axis; use stack or array")
    if not -first.ndim <= axis < first.ndim:
        raise ShapeError(f"concatenate: axis {axis} is out of range for {first.type}")
    return (
        operands[0]
        if len(operands) == 1
        else apply("concatenate", operands, (axis if axis < 0 else axis - first.ndim,))
    )


@function("stack", numpy=[np.stack])
def stack(arrays: Any, axis: int = 0) -> Expr:
    """Arrays of one shape put together along a new axis."""
    operands, _ = unify(list(arrays))
    rank = operands[0].ndim + 1
    if not -rank <= axis < rank:
        raise ShapeError(f"stack: axis {axis} is out of range for {rank} axes")
    at = axis % rank
    positions: list[int | None] = [*range(at), None, *range(at, rank - 1)]
    return concatenate([unit_axes(x, positions) for x in operands], axis)


@function("copy", numpy=[np.copy], method=True)
def copy(x: Any) -> Expr:
    """`x`: symbolic values never change."""
    return lift(x)


@function("array", "asarray", numpy=[np.array, np.asarray])
def array(elements: Any, dtype: Any = None) -> Expr:
    """Nested lists of expressions and numbers as one array."""
    if isinstance(elements, list | tuple) and elements:
        depth_guard: list[Any] = [elements]
        for _ in range(33):
            if not isinstance(depth_guard[0], list | tuple) or not depth_guard[0]:
                break
            depth_guard = [depth_guard[0][0]]
        else:
            raise ShapeError("array: lists nested more than 32 deep")
        result = stack([array(e) for e in elements]) if holds_expressions(elements) else lift(list(elements))
    else:
        result = lift(elements)
    return result if dtype is None else result.astype(dtype)


# ---- indexing as users write it

@function("getitem")
def getitem(x: Any, index: Any) -> Expr:
    """``x[index]``, as in NumPy: integers, slices, None, ..., arrays of integers, and truth values, which choose as
    many elements as they hold true ones."""
    operand = lift(x)
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(_axes_used(i) for i in items)
    if used > operand.ndim:
        raise ShapeError(f"indexing: {used} indices for {operand.type}")
    dots = [k for k, i in enumerate(items) if i is Ellipsis]
    if len(dots) > 1:
        raise ArgumentError("indexing: only one ... is allowed")
    at = dots[0] if dots else len(items)
    items[at : at + 1] = [slice(None)] * (operand.ndim - used)
    return _index(operand, _without_masks(operand, items))


def _axes_used(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if _is_array(item):
        k = lift(item)
        return k.ndim if k.dtype == "bool" else 1
    return 1


def _is_array(item: Any) -> bool:
    return isinstance(item, list | np.ndarray) or (isinstance(item, Expr) and (item.ndim > 0 or item.dtype == "bool"))


def _without_masks(x: Expr, items: Sequence[Any]) -> list[Any]:
    """`items` with the integer arrays that masks stand for in their place."""
    from .gathering import mask_indices

    found: list[Any] = []
    axis = 0
    for item in items:
        if _is_array(item) and lift(item).dtype == "bool":
            rank = lift(item).ndim
            if not rank:
                raise DTypeError("indexing: a truth value is not an index")
            found += mask_indices(item, x.type.shape[axis : axis + rank], x.type)
            axis += rank
        else:
            found.append(item)
            axis += item is not None
    return found


def _index(x: Expr, items: list[Any]) -> Expr:
    cuts: list[Cut] = []
    positions: list[int | None] = []
    arrays: dict[int, Expr] = {}
    axis = 0
    for item in items:
        if item is None:
            positions.append(None)
            continue
        n = x.type.shape[axis]
        if isinstance(item, slice):
            cuts.append(_cut(item, n))
            positions.append(axis)
        elif (position := _integer_index(item)) is not None:
            cuts.append((_position(position, n, x.type), 1, 1))
        else:
            arrays[axis] = _index_array(item)
            cuts.append((0, n, 1))
            positions.append(axis)
        axis += 1
    front = bool(arrays) and _stand_apart(items)
    result = slice_axes(x, cuts)
    chosen = [p for p in positions if p in arrays]
    if len(chosen) > 1 or front:  # side by side, where the axes of the result will be
        start = 0 if front else positions.index(chosen[0])
        positions = [p for p in positions if p not in arrays]
        positions[start:start] = chosen
    if positions != list(range(x.ndim)):
        out = [p if p is not None else 100 + k for k, p in enumerate(positions)]
        result = einsum_labels([result], [range(x.ndim)], out, {k: 1 for k in out if k >= 100})
    if len(chosen) > 1:
        gathered: Expr = FUNCTIONS["gather"](result, *(arrays[p] for p in chosen), axis=positions.index(chosen[0]))
        return gathered
    return take(result, arrays[chosen[0]], positions.index(chosen[0])) if chosen else result


def _stand_apart(items: Sequence[Any]) -> bool:
    """Whether something stands between the integers and arrays of an index: then NumPy puts their axes first."""
    marks = [k for k, i in enumerate(items) if i is not None and not isinstance(i, slice)]
    return marks[-1] - marks[0] + 1 != len(marks)


def _index_array(item: Any) -> Expr:
    k = lift(item)
    if isinstance(item, list) and not item:
        k = lift(np.zeros(0, np.int64))
    if k.dtype != "i64":
        raise DTypeError(f"indexing: indices must be integers, got {k.type}")
    return k


def _integer_index(item: Any) -> Dim | None:
    if isinstance(item, bool | np.bool_):
        raise DTypeError("indexing: a bool is not an index")
    if isinstance(item, int | np.integer | Size):
        return int(item) if not isinstance(item, Size) else item
    if isinstance(item, Expr) and not item.ndim and item.dtype == "i64":
        from ..expression import dim_of_node

        return dim_of_node(item.node)
    if isinstance(item, float | str):
        raise DTypeError(f"indexing: {item!r} is not an index")
    return None


def _position(k: Dim, n: Dim, type_: ArrayType) -> Dim:
    if isinstance(k, int) and isinstance(n, int) and not -n <= k < n:
        raise ShapeError(f"indexing: {k} is out of range for an axis of size {n} of {type_}")
    return k + n if isinstance(k, int) and k < 0 else k


def _cut(item: slice, n: Dim) -> Cut:
    """The first index, number of elements and step of a slice of an axis of size `n`.

    Between integers Python's rules hold exactly.  A bound against a size that is not known yet is taken to lie within
    the axis, so that ``x[1:]`` has size ``n - 1``; `requirements` says so, and it is checked when the sizes are
    known."""
    step = 1 if item.step is None else item.step
    if not isinstance(step, int) or step == 0:
        raise ArgumentError(f"slicing: the step must be an integer other than 0, got {item.step!r}")
    if isinstance(n, int) and all(b is None or isinstance(b, int) for b in (item.start, item.stop)):
        chosen = range(n)[item]
        return (chosen.start if len(chosen) else 0), len(chosen), step
    if step > 0:
        first, stop = _bound(item.start, n, 0), _bound(item.stop, n, n)
        return first, _count(stop - first, step), step
    first, stop = _bound(item.start, n, n - 1), (-1 if item.stop is None else _bound(item.stop, n, n))
    return first, _count(first - stop, -step), step


def _count(length: Dim, step: int) -> Dim:
    count = floordiv(length + (step - 1), step)
    return max(count, 0) if isinstance(count, int) else count


def _bound(value: Any, n: Dim, default: Dim) -> Dim:
    """A bound of a slice; negative integers count from the end."""
    if value is None:
        return default
    bound = dim(value)
    return n + bound if isinstance(bound, int) and bound < 0 else bound


def requirements(x: Node) -> list[tuple[Dim, str, type[Exception]]]:
    """What must hold for a slice of unknown sizes to lie within its axes: sizes that must not be negative, and why."""
    cuts = _cuts(x.params)
    whole = (x.inputs[0].type if x.op.name == "slice" else x.type).shape
    found: list[tuple[Dim, str, type[Exception]]] = []
    for (first, count, step), n in zip(cuts, whole[len(whole) - len(cuts) :], strict=True):
        last = first + (count - 1) * step
        low, high = (first, last) if step > 0 else (last, first)
        text = f"slicing: a slice of {count} elements from index {first} on" + (
            f" in steps of {step}" if step != 1 else ""
        )
        for size in (count, low, n - 1 - high):
            if not isinstance(size, int) or size < 0:
                why = f"{text} does not lie within an axis of size {n}"
                found.append((size if size is count else size * count, why, ShapeError))
    return found


@function("flip", numpy=[np.flip])
def flip(x: Any, axis: Any = None) -> Expr:
    """`x` with the order of its elements reversed along all axes, or along `axis`."""
    from .contraction import axes_from_right

    operand = lift(x)
    axes = axes_from_right("flip", operand, axis)
    return getitem(
        operand, tuple(slice(None, None, -1 if k - operand.ndim in axes else None) for k in range(operand.ndim))
    )


def _filled(value: Any, shape: Any, dtype: str) -> Expr:
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    return broadcast_to(lift(value).astype(dtype), tuple(dim(n) for n in sizes))


@function("zeros")
def zeros(shape: Any, dtype: str = "f64") -> Expr:
    """An array of zeros."""
    return _filled(0, shape, dtype)


@function("ones")
def ones(shape: Any, dtype: str = "f64") -> Expr:
    """An array of ones."""
    return _filled(1, shape, dtype)


@function("full")
def full(shape: Any, value: Any) -> Expr:
    """An array of one value, which may be an expression."""
    return broadcast_to(value, shape)


@function("full_like", numpy=[np.full_like])
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Expr:
    """An array of the shape of `x`, and of its element type unless `dtype` is given, filled with one value, which may
    be an expression."""
    operand = lift(x)
    value = lift(fill_value)
    return broadcast_to(value.astype(operand.dtype if dtype is None else dtype), operand.type.shape)


@function("zeros_like", numpy=[np.zeros_like])
def zeros_like(x: Any, dtype: Any = None) -> Expr:
    """An array of zeros of the shape of `x`, and of its element type unless `dtype` is given."""
    return full_like(x, 0, dtype)


@function("ones_like", numpy=[np.ones_like])
def ones_like(x: Any, dtype: Any = None) -> Expr:
    """An array of ones of the shape of `x`, and of its element type unless `dtype` is given."""
    return full_like(x, 1, dtype)


# ---- iota: params = (n,)

register(Op("iota", lambda t, p: ArrayType("i64", (p[0],)), lambda a, p, s: np.arange(evaluate(p[0], s), dtype=np.int64),
            lambda x, o: Element((Axis("i0", x.type.shape[0]),), AxisValue("i0")), doc="0, 1, …, n - 1."))  # fmt: skip


@function("arange")
def arange(start: Any, stop: Any = None, step: Any = 1) -> Expr:
    """Integers from `start` (0 if only one bound is given) up to `stop`, exclusive, at distance `step`; of broken numbers,
    NumPy's."""
    from ..graph import lookup, node

    given = [v for v in (start, stop, step) if v is not None]
    if any(isinstance(v, float | np.floating) for v in given) and all(isinstance(v, int | float | np.number) for v in given):
        return lift(np.arange(start, stop, step) if stop is not None else np.arange(start, step=step))

    first, end = (0, dim(start)) if stop is None else (dim(start), dim(stop))
    if not isinstance(step, int) or step == 0:
        raise ArgumentError(f"arange: the step must be an integer other than 0, got {step!r}")
    count = max0(floordiv(end - first + (step - 1 if step > 0 else step + 1), step))
    steps = Expr(node(lookup("iota"), (), (count,)))
    from ..expression import size

    return steps if first == 0 and step == 1 else steps * step + size(first)


__all__ = ["DomainError", "getitem", "reshape", "slice_axes", "take"]

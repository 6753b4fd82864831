"""The one product of arrays: einsum, and its spellings.

matmul, dot, outer, transpose, sum, trace, diagonal, unit axes and broadcasting are einsums; an einsum's derivative is
an einsum, so derivatives of any order of tensor formulas are closed forms (Laue, Mitterreiter, Giesen, *Computing
Higher Order Derivatives of Matrix and Tensor Expressions*, NeurIPS 2018, and *A Simple and Efficient Tensor Calculus*,
AAAI 2020).  `delta` is the identity; it is never multiplied, only substituted.

Parameters of a node: the labels of each operand, the labels of the result, and the sizes of result labels that no
operand has (broadcasting).  Labels are small integers numbered in order of first appearance, operands first, so that
equal products are equal nodes.  A label that an operand repeats takes its diagonal; a label missing from the result is
summed.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Axis, AxisValue, Call, Const, Reduce, SizeValue
from ..compiler.index import Expr as Element_
from ..compiler.types import ArrayType, Dim, Size, evaluate, minimum
from ..element_types import element_type
from ..errors import ArgumentError, DTypeError, ShapeError
from ..expression import FUNCTIONS, Expr, apply, dim, function, lift, unify
from ..graph import Node, Op, Params, lookup, node, register
from ..indexing import Element, Operand, integer

Labels = tuple[int, ...]


def _label_sizes(types: Sequence[ArrayType], labels: Sequence[Labels]) -> dict[int, Dim]:
    sizes: dict[int, Dim] = {}
    for t, ls in zip(types, labels, strict=True):
        for label, n in zip(ls, t.shape, strict=True):
            if sizes.setdefault(label, n) != n:
                raise ShapeError(f"einsum: sizes differ: {' and '.join(map(str, types))} ({sizes[label]} against {n})")
    return sizes


def label_sizes(x: Node) -> dict[int, Dim]:
    """The size of every label of an einsum node."""
    labels, _, extra = x.params
    return {**_label_sizes([i.type for i in x.inputs], labels), **dict(extra)}


def _infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
    labels, out, extra = params
    dtypes = {t.dtype for t in types}
    if len(dtypes) > 1:
        raise DTypeError(f"einsum: operands have different element types: {', '.join(map(str, types))}")
    sizes = {**_label_sizes(types, labels), **dict(extra)}
    return ArrayType(types[0].dtype, tuple(sizes[k] for k in out))


def _evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    labels: tuple[Labels, ...]
    out: Labels
    labels, out, extra = params
    arrays = [np.asarray(a) for a in args]
    known = {label for ls in labels for label in ls}
    kept = [k for k in out if k in known]
    if not any(len(set(ls)) < len(ls) for ls in labels) and len(arrays) == 1 and set(kept) == known:
        result = arrays[0].transpose([labels[0].index(k) for k in kept])
    else:
        operands: list[Any] = []
        for a, ls in zip(arrays, labels, strict=True):
            operands += [a.astype(np.int64) if a.dtype == bool else a, list(ls)]
        with np.errstate(all="ignore"):
            result = np.einsum(*operands, kept, optimize=len(arrays) > 2)
        result = result.astype(bool) if all(a.dtype == bool for a in arrays) else result
    if len(kept) == len(out):
        return np.asarray(result)
    numbers = {k: evaluate(n, sizes) for k, n in extra}
    index = tuple(slice(None) if k in known else None for k in out)
    shape = [numbers[k] if k not in known else result.shape[kept.index(k)] for k in out]
    return np.broadcast_to(np.asarray(result)[index], shape)


def _lower(x: Node, operands: Sequence[Operand]) -> Element:
    labels: tuple[Labels, ...]
    out: Labels
    labels, out, _ = x.params
    sizes = label_sizes(x)
    axes = tuple(Axis(f"l{k}", sizes[k]) for k in out)
    summed = tuple(Axis(f"l{k}", n) for k, n in sizes.items() if k not in out)
    factors: list[Element_] = []
    conditions: list[Element_] = []
    for a, ls, source in zip(operands, labels, x.inputs, strict=True):
        if source.op.name == "delta":
            conditions.append(Call("eq", (AxisValue(f"l{ls[0]}"), AxisValue(f"l{ls[1]}"))))
        else:
            factors.append(a.at([integer(0) if sizes[k] == 1 else AxisValue(f"l{k}") for k in ls]))
    one = Const(1 if x.type.dtype == "i64" else 1.0, x.type.dtype)
    body = factors[0] if len(factors) == 1 else Call("mul", tuple(factors)) if factors else one
    for c in conditions:
        body = Call("mask", (c, body))
    return Element(axes, Reduce("or" if x.type.dtype == "bool" else "add", summed, body) if summed else body)


def _vjp(g: Expr, y: Expr, *xs: Expr) -> list[Expr | None]:
    return [_operand_cotangent(g, y, xs, k) for k in range(len(xs))]


def _operand_cotangent(g: Expr, y: Expr, xs: Sequence[Expr], k: int) -> Expr | None:
    if xs[k].node.op.name == "delta":
        return None
    labels, out, _ = y.node.params
    sizes = label_sizes(y.node)
    fresh = max((*sizes, -1), default=-1) + 1
    extra = list(range(fresh, fresh + g.ndim - len(out)))
    fresh += len(extra)
    target: list[int] = []
    deltas: list[tuple[int, int]] = []
    for label in labels[k]:
        if label in target:
            deltas.append((label, fresh))
            sizes[fresh] = sizes[label]
            label, fresh = fresh, fresh + 1
        target.append(label)
    operands = [g, *(x for i, x in enumerate(xs) if i != k), *(delta(sizes[a], g.dtype) for a, _ in deltas)]
    used = [extra + list(out), *(ls for i, ls in enumerate(labels) if i != k), *deltas]
    return einsum_labels(operands, used, extra + target, sizes)


def _jvp(tangents: Sequence[Expr | None], y: Expr, *xs: Expr) -> Expr | None:
    labels, out, _ = y.node.params
    sizes = label_sizes(y.node)
    fresh = max((*sizes, -1), default=-1) + 1
    total: Expr | None = None
    for k, t in enumerate(tangents):
        if t is not None and xs[k].node.op.name != "delta":
            extra = list(range(fresh, fresh + t.ndim - xs[k].ndim))
            operands = [t if i == k else x for i, x in enumerate(xs)]
            used = [extra + list(ls) if i == k else ls for i, ls in enumerate(labels)]
            term = einsum_labels(operands, used, extra + list(out), sizes)
            total = term if total is None else total + term
    return total


EINSUM = register(
    Op("einsum", _infer, _evaluate, _lower, vjp=_vjp, jvp=_jvp, doc="Sum over labels of a product of operands.")
)


def einsum_node(
    operands: Sequence[Node], labels: Sequence[Sequence[int]], out: Sequence[int], sizes: Mapping[int, Dim]
) -> Node:
    """The einsum node with labels renumbered in order of appearance; `sizes` gives those that no operand has."""
    number: dict[int, int] = {}
    for ls in (*labels, out):
        for k in ls:
            number.setdefault(k, len(number))
    known = {k for ls in labels for k in ls}
    params = (
        tuple(tuple(number[k] for k in ls) for ls in labels),
        tuple(number[k] for k in out),
        tuple((number[k], sizes[k]) for k in out if k not in known),
    )
    return node(EINSUM, tuple(operands), params)


def einsum_labels(
    operands: Sequence[Expr],
    labels: Sequence[Sequence[int]],
    out: Sequence[int],
    sizes: Mapping[int, Dim] | None = None,
) -> Expr:
    """The einsum of `operands` with integer labels; `sizes` for labels of the result that no operand has."""
    from ..expression import merge_declared, merge_source

    result = einsum_node([x.node for x in operands], labels, out, sizes or {})
    return Expr(result, merge_declared(operands), weak=False, source=merge_source(operands))


# ---- delta

def _evaluate_delta(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    from ..compiler.types import DTYPES

    n, dtype = params
    assert isinstance(n, int | Size) and isinstance(dtype, str)
    return np.eye(evaluate(n, sizes), dtype=DTYPES[dtype])


def _lower_delta(x: Node, operands: Sequence[Operand]) -> Element:
    n = x.type.shape[0]
    axes = (Axis("i0", n), Axis("i1", n))
    return Element(axes, Call(f"cast.{x.type.dtype}", (Call("eq", (AxisValue("i0"), AxisValue("i1"))),)))


def _delta_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    n, dtype = params
    assert isinstance(n, int | Size) and isinstance(dtype, str)
    return ArrayType(dtype, (n, n))


DELTA = register(Op("delta", _delta_type, _evaluate_delta, _lower_delta, doc="The identity matrix."))


def delta(n: Dim, dtype: str = "f64") -> Expr:
    """The identity of size `n`."""
    return Expr(node(DELTA, (), (n, dtype)))


@function("eye", "identity")
def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = "f64") -> Expr:
    """The identity matrix of size `n`; with `m` columns, or a diagonal `k` above the main one, zeros but for ones on that
    diagonal."""
    chosen = element_type(dtype, "eye")
    rows = dim(n)
    columns = rows if m is None else dim(m)
    if rows == columns and isinstance(k, int) and k == 0:
        return delta(rows, chosen)
    down, across = FUNCTIONS["arange"](rows), FUNCTIONS["arange"](columns)
    result: Expr = (down[:, None] + k == across).astype(chosen)
    return result


# ---- spellings

def axes_from_right(name: str, x: Expr, axis: Any) -> list[int]:
    """`axis` (None for all, an integer, or several) as sorted distinct negative axis numbers of `x`.  Raises
    ShapeError."""
    if axis is None:
        return list(range(-x.ndim, 0))
    chosen = []
    for a in axis if isinstance(axis, tuple | list) else [axis]:
        if not isinstance(a, int | np.integer) or isinstance(a, bool):
            raise ArgumentError(f"{name}: axis must be an integer or a tuple of integers, got {a!r}")
        if not -x.ndim <= a < x.ndim:
            raise ShapeError(f"{name}: axis {a} is out of range for {x.type}")
        chosen.append(int(a) - x.ndim if a >= 0 else int(a))
    if len(set(chosen)) < len(chosen):
        raise ShapeError(f"{name}: axis {axis} names an axis twice")
    return sorted(chosen)


def reduced_shape(x: Expr, axes: Sequence[int], keepdims: bool) -> tuple[list[int], list[int], dict[int, Dim]]:
    """Labels of `x`, of its reduction over `axes` and the sizes of the unit axes that `keepdims` puts in their
    place."""
    labels = list(range(x.ndim))
    gone = {a + x.ndim for a in axes}
    if not keepdims:
        return labels, [k for k in labels if k not in gone], {}
    return labels, [k + x.ndim if k in gone else k for k in labels], {k + x.ndim: 1 for k in gone}


@function("sum", numpy=[np.sum], method=True)
def sum_(
    x: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Expr:
    """The sum over all axes, or over `axis` (an integer or several), of the elements where `where` holds, and of
    `initial`."""
    operand = lift(x) if where is None else FUNCTIONS["mask"](where, x)
    if operand.dtype == "bool":
        operand = unify([operand, 1])[0][0]
    if dtype is not None:
        operand = operand.astype(dtype)
    axes = axes_from_right("sum", operand, axis)
    if axes:
        labels, out, sizes = reduced_shape(operand, axes, keepdims)
        operand = einsum_labels([operand], [labels], out, sizes)
    return operand if initial is None else operand + initial


@function("mean", numpy=[np.mean], method=True)
def mean(x: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = None) -> Expr:
    """The arithmetic mean over all axes, or over `axis`, of the elements where `where` holds."""
    from ..compiler.types import product
    from ..expression import size

    operand = unify([x], want_float=True)[0][0]
    if dtype is not None:
        operand = operand.astype(dtype)
    total = sum_(operand, axis, keepdims=keepdims, where=where)
    if where is not None:
        ones = FUNCTIONS["ones_like"](operand)
        return total / sum_(ones, axis, keepdims=keepdims, where=where)
    axes = axes_from_right("mean", operand, axis)
    return total / size(product(tuple(operand.type.shape[a] for a in axes)))


@function("transpose", "permute_dims", numpy=[np.transpose, np.permute_dims], method=True)
def transpose(x: Any, axes: Any = None, *more: int) -> Expr:
    """The axes of `x` reversed, or in the order `axes`; the transpose of a vector is the vector."""
    operand = lift(x)
    if isinstance(axes, int):
        axes = (axes, *more)
    if axes is None:
        order = list(range(operand.ndim))[::-1]
    else:
        order = [a % operand.ndim if -operand.ndim <= a < operand.ndim else -1 for a in axes]
        if sorted(order) != list(range(operand.ndim)):
            raise ShapeError(f"transpose: {axes} is not an order of the axes of {operand.type}")
    if order == list(range(operand.ndim)):
        return operand
    return einsum_labels([operand], [range(operand.ndim)], order)


@function("swapaxes", numpy=[np.swapaxes], method=True)
def swapaxes(x: Any, a: int, b: int) -> Expr:
    """`x` with two axes interchanged."""
    operand = lift(x)
    order = list(range(operand.ndim))
    (first,), (second,) = axes_from_right("swapaxes", operand, a), axes_from_right("swapaxes", operand, b)
    order[first], order[second] = order[second], order[first]
    return transpose(operand, order)


@function("matrix_transpose", numpy=[np.matrix_transpose, np.linalg.matrix_transpose])
def matrix_transpose(x: Any) -> Expr:
    """`x` with its last two axes interchanged."""
    return swapaxes(x, -1, -2)


@function("moveaxis", numpy=[np.moveaxis])
def moveaxis(x: Any, source: Any, destination: Any) -> Expr:
    """`x` with the axis `source` (or several) moved to `destination`."""
    operand = lift(x)
    pair = [list(a) if isinstance(a, tuple | list) else [a] for a in (source, destination)]
    if len(pair[0]) != len(pair[1]):
        raise ArgumentError(f"moveaxis: {len(pair[0])} axes for {len(pair[1])} destinations")
    first, second = ([axes_from_right("moveaxis", operand, a)[0] % operand.ndim for a in axes] for axes in pair)
    if len({*first}) < len(first) or len({*second}) < len(second):
        raise ShapeError(f"moveaxis: an axis is named twice in {source} or {destination}")
    order = [k for k in range(operand.ndim) if k not in first]
    for at, k in sorted(zip(second, first, strict=True)):
        order.insert(at, k)
    return transpose(operand, order)


@function("rollaxis", numpy=[np.rollaxis])
def rollaxis(x: Any, axis: int, start: int = 0) -> Expr:
    """`x` with `axis` moved back until it stands before `start`."""
    operand = lift(x)
    (at,) = axes_from_right("rollaxis", operand, axis)
    at, start = at % operand.ndim, start + operand.ndim if start < 0 else start
    return moveaxis(operand, at, start - 1 if at < start else start)


def _matmul_error(a: Expr, b: Expr, name: str = "matmul") -> ShapeError:
    left, right = (str(t.type) if t.node.op.name != "symbol" else f"{t.node.params[0]} is {t.type}" for t in (a, b))
    return ShapeError(f"{name}: inner sizes differ: {left}, {right}" if "is" in left + right else
                      f"{name}: inner sizes differ: {left} and {right}")  # fmt: skip


@function("matmul", numpy=[np.matmul, np.linalg.matmul])
def matmul(a: Any, b: Any) -> Expr:
    """The matrix product ``a @ b`` of vectors and matrices; further axes on the left are broadcast."""
    (x, y), _ = unify([a, b])
    if not x.ndim or not y.ndim:
        raise ShapeError(f"matmul: a scalar has no matrix product ({x.type} @ {y.type}); use *")
    inner = x.type.shape[-1], y.type.shape[-2 if y.ndim > 1 else -1]
    if inner[0] != inner[1]:
        raise _matmul_error(x, y)
    i, j, k = 1000, 1001, 1002
    batch = max(x.ndim, y.ndim) - 2
    left = [*_batch_labels(x, batch), *([i] if x.ndim > 1 else []), j]
    right = [*_batch_labels(y, batch), j, *([k] if y.ndim > 1 else [])]
    out = [*range(max(batch, 0)), *([i] if x.ndim > 1 else []), *([k] if y.ndim > 1 else [])]
    return _broadcast_product([x, y], [left, right], out)


def _batch_labels(x: Expr, batch: int) -> list[int]:
    own = max(x.ndim - 2, 0)
    return list(range(batch - own, batch))


def _broadcast_product(operands: list[Expr], labels: list[list[int]], out: list[int]) -> Expr:
    """An einsum in which an axis of size 1 meets longer ones of the same label."""
    sizes: dict[int, Dim] = {}
    for x, ls in zip(operands, labels, strict=True):
        for k, n in zip(ls, x.type.shape, strict=True):
            if sizes.get(k, 1) == 1:
                sizes[k] = n
    fresh = 2000
    for x, ls in zip(operands, labels, strict=True):
        for position, n in enumerate(x.type.shape):
            if n == 1 and sizes[ls[position]] != 1:
                ls[position], fresh = fresh, fresh + 1
    return einsum_labels(operands, labels, out, sizes)


@function("dot", numpy=[np.dot], method=True)
def dot(a: Any, b: Any) -> Expr:
    """NumPy's dot: the inner product of vectors, the matrix product, or a product with a scalar."""
    (x, y), _ = unify([a, b])
    if not x.ndim or not y.ndim:
        return x * y
    if y.ndim <= 2 and x.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, ([-1], [-2 if y.ndim > 1 else -1]))


@function("inner", numpy=[np.inner])
def inner(a: Any, b: Any) -> Expr:
    """The sum of products over the last axes."""
    (x, y), _ = unify([a, b])
    return x * y if not x.ndim or not y.ndim else tensordot(x, y, ([-1], [-1]))


@function("vdot", numpy=[np.vdot])
def vdot(a: Any, b: Any) -> Expr:
    """The sum of the products of all elements."""
    (x, y), _ = unify([a, b])
    if x.type.shape != y.type.shape:
        raise _matmul_error(x, y, "vdot")
    return einsum_labels([x, y], [range(x.ndim), range(y.ndim)], [])


@function("vecdot", numpy=[np.vecdot, np.linalg.vecdot])
def vecdot(a: Any, b: Any, axis: int = -1) -> Expr:
    """The inner products of the vectors along `axis`; further axes are broadcast."""
    (x, y), _ = unify([a, b])
    if not x.ndim or not y.ndim:
        raise ShapeError(f"vecdot: needs vectors, got {x.type} and {y.type}")
    return sum_(x * y, axis)


@function("matvec", numpy=["matvec"])
def matvec(a: Any, v: Any) -> Expr:
    """The products of matrices with vectors (last axes); further axes are broadcast."""
    x, y = lift(a), lift(v)
    return sum_(matmul(x, unit_axes(y, [*range(y.ndim), None])), -1)


@function("vecmat", numpy=["vecmat"])
def vecmat(v: Any, a: Any) -> Expr:
    """The products of vectors (last axes) with matrices; further axes are broadcast."""
    return matvec(matrix_transpose(a), v)


@function("outer", numpy=[np.outer, np.linalg.outer])
def outer(a: Any, b: Any) -> Expr:
    """The matrix of all products of the elements of two arrays, taken as vectors."""
    (x, y), _ = unify([a, b])
    x, y = (z if z.ndim == 1 else FUNCTIONS["ravel"](z) for z in (x, y))
    return einsum_labels([x, y], [[0], [1]], [0, 1])


@function("tensordot", numpy=[np.tensordot, np.linalg.tensordot])
def tensordot(a: Any, b: Any, axes: Any = 2) -> Expr:
    """The sum of products over the last `axes` axes of `a` and the first of `b`, or over the two listed tuples of
    axes."""
    (x, y), _ = unify([a, b])
    if isinstance(axes, int):
        first, second = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    else:
        first, second = (
            [k % max(t.ndim, 1) for k in ([ks] if isinstance(ks, int) else ks)]
            for t, ks in ((x, axes[0]), (y, axes[1]))
        )
    left, right = list(range(x.ndim)), list(range(x.ndim, x.ndim + y.ndim))
    for p, q in zip(first, second, strict=True):
        if x.type.shape[p] != y.type.shape[q]:
            raise _matmul_error(x, y, "tensordot")
        right[q] = left[p]
    out = [k for i, k in enumerate(left) if i not in first] + [k for i, k in enumerate(right) if i not in second]
    return einsum_labels([x, y], [left, right], out)


@function("trace", "tr", numpy=[np.linalg.trace, (np.trace, {"axis1": 0, "axis2": 1})], method=True)
def trace(x: Any, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Expr:
    """The sum of the diagonal of matrices (of the last two axes; ``np.trace`` takes the first two), or of the one
    `offset` columns above it."""
    return sum_(diagonal(x, offset, axis1, axis2), -1)


@function("diagonal", numpy=[np.linalg.diagonal, (np.diagonal, {"axis1": 0, "axis2": 1})], method=True)
def diagonal(x: Any, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Expr:
    """The diagonal of matrices (of the last two axes; ``np.diagonal`` takes the first two), or the one `offset`
    columns above it, as the last axis."""
    operand = lift(x)
    if operand.ndim < 2:
        raise ShapeError(f"diagonal: needs a matrix, got {operand.type}")
    (row,), (column,) = (axes_from_right("diagonal", operand, a) for a in (axis1, axis2))
    if row == column:
        raise ShapeError(f"diagonal: axis1 and axis2 are the same axis of {operand.type}")
    if (row, column) != (-2, -1):
        operand = transpose(operand, [*(k for k in range(-operand.ndim, 0) if k not in (row, column)), row, column])
    if offset or operand.type.shape[-1] != operand.type.shape[-2]:
        operand = _square_part(operand, offset)
    labels = [*range(operand.ndim - 1), operand.ndim - 2]
    return einsum_labels([operand], [labels], labels[:-1])


def _square_part(x: Expr, offset: Any) -> Expr:
    """The square part of matrices whose diagonal is the one `offset` columns above that of `x`."""
    from .shaping import slice_axes

    if isinstance(offset, bool) or not isinstance(offset, int | np.integer):
        raise ArgumentError(f"diagonal: the offset must be an integer, got {offset!r}")
    down, right = max(0, -int(offset)), max(0, int(offset))
    rows, columns = (n - k for n, k in zip(x.type.shape[-2:], (down, right), strict=True))
    if isinstance(rows, int) and isinstance(columns, int):
        count: Dim = max(0, min(rows, columns))
    else:
        count = rows if rows == columns else minimum(rows, columns)
    down, right = (0, 0) if count == 0 else (down, right)
    return slice_axes(x, [(down, count, 1), (right, count, 1)])


@function("diag", numpy=[np.diag])
def diag(x: Any, k: int = 0) -> Expr:
    """The matrix with a vector on its diagonal (or `k` columns above it), zeros elsewhere; of a matrix, that
    diagonal."""
    operand = lift(x)
    if operand.ndim != 1:
        return diagonal(operand, k)
    n = operand.type.shape[0]
    result = einsum_labels([operand, delta(n, operand.dtype)], [[0], [0, 1]], [0, 1])
    if k == 0:
        return result
    whole: Expr = FUNCTIONS["unslice"](result, (n + abs(k), n + abs(k)), (max(0, -k), max(0, k)))
    return whole


@function("diagflat", numpy=[np.diagflat])
def diagflat(x: Any, k: int = 0) -> Expr:
    """The matrix with all elements of `x` on its diagonal, or `k` columns above it."""
    return diag(FUNCTIONS["ravel"](x), k)


@function("broadcast_to", numpy=[np.broadcast_to])
def broadcast_to(x: Any, shape: Any) -> Expr:
    """`x` repeated to `shape` by NumPy's rules."""
    from ..expression import broadcast_shapes

    operand = lift(x)
    target = tuple(dim(n) for n in (shape if isinstance(shape, tuple | list) else (shape,)))
    if broadcast_shapes("broadcast_to", [operand.type, ArrayType(operand.dtype, target)]) != target:
        raise ShapeError(f"broadcast_to: {operand.type} does not broadcast to [{', '.join(map(str, target))}]")
    if operand.type.shape == target:
        return operand
    first = len(target) - operand.ndim
    labels = [k + 100 if n == 1 and target[k] != 1 else k for k, n in enumerate(operand.type.shape, first)]
    return einsum_labels([operand], [labels], range(len(target)), dict(enumerate(target)))


def unit_axes(x: Expr, positions: Sequence[int | None]) -> Expr:
    """The axes of `x` in the order of `positions`, with a new axis of size 1 for every None."""
    if list(positions) == list(range(x.ndim)):
        return x
    out = [k if k is not None else 100 + i for i, k in enumerate(positions)]
    return einsum_labels([x], [range(x.ndim)], out, {k: 1 for k in out if k >= 100})


@function("expand_dims", numpy=[np.expand_dims])
def expand_dims(x: Any, axis: Any) -> Expr:
    """`x` with new axes of size 1 at the positions `axis` of the result."""
    operand = lift(x)
    given = axis if isinstance(axis, tuple | list) else (axis,)
    rank = operand.ndim + len(given)
    if any(not isinstance(a, int | np.integer) or not -rank <= a < rank for a in given):
        raise ShapeError(f"expand_dims: axis {axis} is out of range for {operand.type}")
    new = {a % rank for a in given}
    if len(new) < len(given):
        raise ShapeError(f"expand_dims: axis {axis} names an axis twice")
    old = iter(range(operand.ndim))
    return unit_axes(operand, [None if k in new else next(old) for k in range(rank)])


@function("squeeze", numpy=[np.squeeze], method=True)
def squeeze(x: Any, axis: Any = None) -> Expr:
    """`x` without its axes of size 1 (all, or those in `axis`)."""
    operand = lift(x)
    axes = axes_from_right("squeeze", operand, axis)
    if axis is None:
        axes = [a for a in axes if operand.type.shape[a] == 1]
    if any(operand.type.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axis {axis} of {operand.type} is not of size 1")
    return sum_(operand, tuple(axes)) if axes else operand


@function("einsum", numpy=[np.einsum])
def einsum(subscripts: Any, *operands: Any, optimize: Any = True) -> Expr:
    """NumPy's einsum: letters for axes, ``->`` before those of the result, ``...`` for leading axes; or operands, each
    followed by the list of its axes.  The order of several products is always that of least cost, whatever `optimize`
    says.

    >>> import symgrad as sg
    >>> A, x = sg.matrix("A", "m,n"), sg.vector("x", "n")
    >>> sg.einsum("ij,j->i", A, x)
    A @ x
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _lettered(subscripts, *operands)
    exprs, _ = unify(operands)
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(exprs):
        raise ArgumentError(f"einsum: {subscripts!r} names {len(parts)} operands, got {len(exprs)}")
    labels = []
    for part, x in zip(parts, exprs, strict=True):
        ls = _spell(part, x, subscripts)
        if len(ls) != x.ndim:
            raise ShapeError(f"einsum: {part!r} names {len(ls)} axes, but the operand is {x.type}")
        labels.append(ls)
    flat = [k for ls in labels for k in ls]
    if not arrow:
        out = sorted(k for k in set(flat) if k < 0 or flat.count(k) == 1)
    else:
        batch = max((-min(ls, default=0) for ls in labels), default=0) if "..." in right else 0
        out = [*range(-batch, 0), *map(ord, right.replace("...", ""))]
    if len(set(out)) < len(out) or not set(out) <= set(flat):
        raise ArgumentError(f"einsum: the result's subscripts {right!r} must be distinct and occur among the operands'")
    return _broadcast_product(exprs, labels, out)


def _lettered(*given: Any) -> tuple[str, tuple[Any, ...]]:
    """Operands with lists of integers behind them, and perhaps a list for the result, as subscripts and operands."""
    lists, arrow = given[1::2], "->" if len(given) % 2 else ""
    numbers = [*lists, *(given[-1:] if arrow else [])]
    flat = [k for ls in numbers if isinstance(ls, tuple | list) for k in ls]
    known = range(len(string.ascii_letters))
    if len(lists) < 1 or any(not isinstance(ls, tuple | list) for ls in numbers) or any(
        k is not Ellipsis and k not in known for k in flat
    ):
        raise ArgumentError("einsum: the subscripts come first, as text, einsum('ij,jk->ik', A, B), or as lists of "
                            "integers behind each operand, einsum(A, [0, 1], B, [1, 2], [0, 2])")  # fmt: skip
    texts = ["".join("..." if k is Ellipsis else string.ascii_letters[k] for k in ls) for ls in numbers]
    return ",".join(texts[: len(lists)]) + arrow + "".join(texts[len(lists) :]), given[: 2 * len(lists) : 2]


def _spell(part: str, x: Expr, subscripts: str) -> list[int]:
    head, dots, tail = part.partition("...")
    if not all(c in string.ascii_letters for c in head + tail) or (dots and head):
        raise ArgumentError(f"einsum: cannot read {subscripts!r}: letters, commas, -> and a leading ... are allowed")
    batch = x.ndim - len(tail) if dots else 0
    return [*range(-batch, 0), *map(ord, head + tail)]


__all__ = [
    "EINSUM",
    "SizeValue",
    "apply",
    "delta",
    "einsum_labels",
    "einsum_node",
    "label_sizes",
    "lookup",
    "unit_axes",
]

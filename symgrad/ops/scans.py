"""Running sums, products, extrema and log-sum-exps along an axis, products, and the linear recurrence that
differentiates them.

The operations act on the last axis; their parameter says whether they run backwards.  ``s[i] = a[i]*s[i-1] + b[i]`` is
closed under differentiation, and with it the derivative of a cumulative product is exact where elements are zero, at
any order, in linear time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Call, Const, Load
from ..compiler.index import Expr as Element_
from ..compiler.scalars import neutral
from ..compiler.types import ArrayType, is_float
from ..errors import DTypeError, ShapeError
from ..expression import FUNCTIONS, Expr, apply, broadcast_shapes, function, lift, unify
from ..graph import Node, Op, Params, register
from ..indexing import Element, Operand, Running, Start, axes_of, integer, number, plus, values
from .arithmetic import where
from .contraction import axes_from_right
from .elementwise import mask, unbroadcast
from .reductions import lower_reduction, reduction_type, restore
from .shaping import reshape, zero_constant
from .sorting import along_last

Meaning = Callable[[Any], Any]


def running_type(name: str, *, float_only: bool = False) -> Callable[[Sequence[ArrayType], Params], ArrayType]:
    """The type rule of an operation that keeps its argument's type and needs at least one axis."""

    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        if not types[0].rank:
            raise ShapeError(f"{name}: needs at least one axis, got {types[0]}")
        if float_only and not is_float(types[0].dtype):
            raise DTypeError(f"{name}: needs floating-point numbers, got {types[0]}")
        return types[0]

    return infer


def _run(meaning: Meaning) -> Callable[[Sequence[Any], Params, Mapping[str, int]], Any]:
    """`meaning` of the last axis, or of the reversed one."""

    def evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
        x = np.asarray(args[0])
        with np.errstate(all="ignore"):
            return meaning(x[..., ::-1])[..., ::-1] if params[0] else meaning(x)

    return evaluate


def scan_op(
    name: str, meaning: Meaning, scalar: str, vjp: Any, doc: str, *, float_only: bool = False, **facts: Any
) -> Op:
    """Registers an operation that runs along the last axis and combines with the scalar instruction `scalar`."""

    def lower(x: Node, operands: Sequence[Operand]) -> Running:
        start = Start(_nothing(scalar, x.type.dtype), x.type.dtype)
        return Running((start,), lambda carried, given: [Call(scalar, (carried[0], given[0]))], bool(x.params[0]))

    return register(Op(name, running_type(name, float_only=float_only), _run(meaning), lower, vjp=vjp, doc=doc,
                       text=lambda x: (name, {"axis": -1, "reverse": x.params[0]}), **facts))  # fmt: skip


def _nothing(scalar: str, dtype: str) -> Const:
    """What leaves an element as it is (a sum that starts as 0 would lose the sign of -0)."""
    if scalar == "logaddexp":
        return Const(float("-inf"), dtype)
    if scalar == "add" and is_float(dtype):
        return Const(-0.0, dtype)
    return Const(False, dtype) if dtype == "bool" else Const(neutral(scalar, dtype), dtype)


def backwards(y: Expr) -> bool:
    """Whether the node of `y` runs from the end."""
    return bool(y.node.params[0])


# ---- shift: y[i] = x[i - 1], y[0] = 0

def _shift_meaning(x: Any) -> Any:
    result = np.zeros_like(x)
    result[..., 1:] = x[..., :-1]
    return result


def _shift_lower(x: Node, operands: Sequence[Operand]) -> Element:
    axes = axes_of(x.type.shape)
    index = values(axes)
    at = index[-1]
    first, step = (plus(number(x.type.shape[-1]), integer(-1)), 1) if x.params[0] else (integer(0), -1)
    source = Load(operands[0].name, (*index[:-1], plus(at, integer(step))))
    return Element(axes, Call("where", (Call("eq", (at, first)), zero_constant(x.type.dtype), source)))


register(Op("shift", running_type("shift"), _run(_shift_meaning), _shift_lower, linear=True,
            vjp=lambda g, y, x: [apply("shift", [g], (not backwards(y),))], doc="Elements moved on by one place, 0 before them."))  # fmt: skip


def shifted(x: Expr, reverse: bool = False) -> Expr:
    """`x` moved on by one place along its last axis, with 0 in front."""
    return apply("shift", [x], (reverse,))


@function("shift")
def shift(x: Any, reverse: bool = False) -> Expr:
    """The elements of `x` moved on by one place along the last axis (back with `reverse`), a 0 in the free place."""
    return shifted(lift(x), bool(reverse))


# ---- linear recurrence

def _recurrence_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    a, b = types
    if a.dtype != b.dtype or not a.rank or not b.rank or a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"linear_recurrence: needs two arrays with one last axis in common, got {a} and {b}")
    return ArrayType(a.dtype, broadcast_shapes("linear_recurrence", types))


def _recurrence_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    a, b = np.broadcast_arrays(*args)
    result = np.array(b)
    n = a.shape[-1]
    with np.errstate(all="ignore"):
        for i in range(n - 2, -1, -1) if params[0] else range(1, n):
            result[..., i] += a[..., i] * result[..., i + 1 if params[0] else i - 1]
    return result


def recurrence(a: Expr, b: Expr, reverse: bool = False) -> Expr:
    """``s[i] = a[i]*s[i-1] + b[i]`` along the last axis."""
    return apply("linear_recurrence", [a, b], (reverse,))


def _recurrence_vjp(g: Expr, y: Expr, a: Expr, b: Expr) -> list[Expr]:
    reverse = backwards(y)
    back = recurrence(shifted(a, not reverse), g, not reverse)
    return [unbroadcast(back * shifted(y, reverse), y.ndim, a.type), unbroadcast(back, y.ndim, b.type)]


def _recurrence_jvp(tangents: Sequence[Expr | None], y: Expr, a: Expr, b: Expr) -> Expr | None:
    reverse = backwards(y)
    ta, tb = tangents
    source = None if ta is None else ta * shifted(y, reverse)
    if tb is not None:
        source = tb if source is None else source + tb
    return None if source is None else recurrence(a, source, reverse)


def _recurrence_lower(x: Node, operands: Sequence[Operand]) -> Running:
    dtype = x.type.dtype

    def step(carried: Sequence[Element_], given: Sequence[Element_]) -> Sequence[Element_]:
        (s, begun), (a, b) = carried, given
        # The factor of the first element counts for nothing, whatever it is.
        return [Call("where", (begun, Call("add", (Call("mul", (a, s)), b)), b)), Const(True, "bool")]

    starts = Start(Const(0.0, dtype), dtype), Start(Const(False, "bool"), "bool", each=False)
    return Running(starts, step, bool(x.params[0]))


register(Op("linear_recurrence", _recurrence_type, _recurrence_evaluate, _recurrence_lower,
            vjp=_recurrence_vjp, doc="s[i] = a[i]*s[i-1] + b[i] along the last axis."))  # fmt: skip


@function("linear_recurrence")
def linear_recurrence(a: Any, b: Any, reverse: bool = False) -> Expr:
    """The s with ``s[0] = b[0]`` and ``s[i] = a[i]*s[i-1] + b[i]`` along the last axis; from the end with `reverse`."""
    (x, y), _ = unify([a, b], want_float=True)
    return recurrence(x, y, bool(reverse))


# ---- cumulative sum, product, extrema, logsumexp

def _cumsum_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    return [apply("cumsum", [g], (not backwards(y),))]


def _is_first(x: Expr, reverse: bool) -> Expr:
    """Whether a position of the last axis is the one where a scan begins."""
    k = FUNCTIONS["arange"](x.shape[-1])
    first: Expr = k == (x.shape[-1] - 1 if reverse else 0)
    return first


def product_before(y: Expr, reverse: bool) -> Expr:
    """From a cumulative product, the product of the elements before each: 1 at the beginning."""
    return where(_is_first(y, reverse), 1.0, shifted(y, reverse))


def _cumprod_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    """``sum over i >= j of g[i] * product of x[k], k <= i, k != j``, without division."""
    reverse = backwards(y)
    return [product_before(y, reverse) * recurrence(shifted(x, not reverse), g, not reverse)]


def _first_argmax(x: Any) -> Any:
    """The position of the first largest element up to each."""
    top = np.maximum.accumulate(x, -1)
    new = (
        np.concatenate([np.ones_like(x[..., :1], bool), top[..., 1:] > top[..., :-1]], -1)
        if x.shape[-1]
        else np.zeros_like(x, bool)
    )
    return np.maximum.accumulate(np.where(new, np.arange(x.shape[-1]), 0), -1)


def _positions_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    x = np.asarray(args[0])
    return x.shape[-1] - 1 - _first_argmax(x[..., ::-1])[..., ::-1] if params[0] else _first_argmax(x)


def _positions_lower(x: Node, operands: Sequence[Operand]) -> Running:
    dtype, reverse = operands[0].type.dtype, bool(x.params[0])
    first = plus(number(x.type.shape[-1]), integer(-1)) if reverse else integer(0)

    def step(carried: Sequence[Element_], given: Sequence[Element_]) -> Sequence[Element_]:
        found, top, at = carried
        now = Call("max", (top, given[0]))
        new = Call("or", (Call("eq", (at, first)), Call("gt", (now, top))))
        return [Call("where", (new, at, found)), now, plus(at, integer(-1 if reverse else 1))]

    starts = Start(integer(0), "i64"), Start(_nothing("max", dtype), dtype), Start(first, "i64", each=False)
    return Running(starts, step, reverse)


def _cummax_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    return [apply("scatter_along", [g, apply("cumargmax", [x], y.node.params)], (x.type.shape[-1],))]


def _logcumsumexp_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    """``sum over i >= j of g[i]*exp(x[j] - y[i])`` by factors exp(y[i] - y[i+1]) that are at most 1."""
    reverse = backwards(y)
    exp = FUNCTIONS["exp"]
    known = y > -np.inf
    ratio = mask(known, exp(y - apply("shift", [y], (not reverse,))))
    # The place behind the last one holds no value; nothing arrives there.
    ratio = mask(~_is_first(y, not reverse), ratio)
    return [mask(known, exp(x - y)) * recurrence(ratio, g, not reverse)]


scan_op("cumsum", lambda x: np.cumsum(x, -1), "add", _cumsum_vjp, "Running sum along the last axis.", linear=True)
scan_op("cumprod", lambda x: np.cumprod(x, -1), "mul", _cumprod_vjp, "Running product along the last axis.")
scan_op("cummax", lambda x: np.maximum.accumulate(x, -1), "max", _cummax_vjp, "Running maximum along the last axis.")
register(Op("cumargmax", lambda types, params: ArrayType("i64", running_type("cumargmax")(types, params).shape), _positions_evaluate,
            _positions_lower, vjp=lambda g, y, x: [None],
            doc="Position of the first running maximum along the last axis."))  # fmt: skip


@function("cumargmax")
def cumargmax(x: Any, reverse: bool = False) -> Expr:
    """The position of the first of the largest elements so far along the last axis; from the end with `reverse`."""
    return apply("cumargmax", [lift(x)], (bool(reverse),))


scan_op("logcumsumexp", lambda x: np.logaddexp.accumulate(x, -1), "logaddexp", _logcumsumexp_vjp, "Running logsumexp along the last axis.",
        float_only=True)  # fmt: skip


def _along_axis(name: str, x: Expr, axis: Any, params: Params) -> Expr:
    """The scan `name` of `x` along `axis`; of all elements in row-major order for None."""
    if axis is None:
        return apply(name, [reshape(x, (-1,))], params)
    (at,) = axes_from_right(name, x, axis)
    return along_last(lambda z: apply(name, [z], params), x, at)


def _scan_function(name: str, numpy: Any, doc: str, *, want_float: bool = False, method: bool = True) -> None:
    def call(x: Any, axis: int | None = None, dtype: Any = None, *, reverse: bool = False) -> Expr:
        operand = unify([x], want_float=want_float)[0][0]
        if dtype is not None:
            operand = operand.astype(dtype)
        if operand.dtype == "bool":
            operand = operand.astype("i64")
        return _along_axis(name, operand, axis, (bool(reverse),))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{doc} along `axis` (of all elements in row-major order by default), from the end with `reverse`."
    function(name, numpy=[numpy] if numpy else [], method=method)(call)


_scan_function("cumsum", np.cumsum, "Running sums")
_scan_function("cumprod", np.cumprod, "Running products")
_scan_function("cummax", None, "Running maxima; of equal elements the first has the derivative,", method=False)
_scan_function("logcumsumexp", None, "Running ``log(sum(exp(x)))``, without overflow,", want_float=True, method=False)


@function("cummin")
def cummin(x: Any, axis: int | None = None, *, reverse: bool = False) -> Expr:
    """Running minima along `axis` (of all elements by default); of equal elements the first has the derivative."""
    result: Expr = -FUNCTIONS["cummax"](-lift(x), axis, reverse=reverse)
    return result


# ---- prod: over the last axis

def _prod_vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
    """The product of the others, as the product of those before and of those behind: exact where elements are zero."""
    before = product_before(apply("cumprod", [x], (False,)), False)
    behind = product_before(apply("cumprod", [x], (True,)), True)
    return [restore(g, x, (-1,)) * (before * behind)]


register(Op("prod", reduction_type("prod"), lambda a, p, s: np.prod(np.asarray(a[0]), axis=p[0]), lower_reduction("mul"),
            vjp=_prod_vjp, doc="Product over the last axis."))  # fmt: skip


@function("prod", numpy=[np.prod], method=True)
def prod(
    x: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Expr:
    """The product over all axes, or over `axis` (an integer or several), of the elements where `where` holds, and of
    `initial`; its derivatives are exact where elements are zero."""
    operand = unify([x])[0][0] if where is None else FUNCTIONS["where"](where, x, 1)
    if dtype is not None:
        operand = operand.astype(dtype)
    if operand.dtype == "bool":
        operand = operand.astype("i64")
    axes = axes_from_right("prod", operand, axis)
    result = operand
    if len(axes) == operand.ndim and axes:
        result = apply("prod", [reshape(operand, (-1,))], ((-1,),))
    else:
        for a in axes:  # from the left, so that the numbers of the others, counted from the right, stay
            result = apply("prod", [swapped_to_last(result, a)], ((-1,),))
    result = restore(result, operand, tuple(axes)) if keepdims else result
    return result if initial is None else result * initial


def swapped_to_last(x: Expr, axis: int) -> Expr:
    """`x` with `axis` moved behind the others."""
    moved: Expr = FUNCTIONS["moveaxis"](x, axis, -1)
    return moved


__all__ = ["cummin", "prod"]

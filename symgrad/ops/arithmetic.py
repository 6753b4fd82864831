"""Arithmetic, comparisons, logic and selection.

`add` and `mul` take any number of operands: a canonical sum is one node.  `mask(c, x)` is the adjoint of a selection, a
structural zero where `c` does not hold.  Ties of maximum and minimum: a constant wins (so that relu'(0) = 0), two
variables share.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np

from ..compiler.index import Call, Const
from ..compiler.index import Expr as Element_
from ..compiler.types import ArrayType
from ..errors import ArgumentError, DTypeError
from ..expression import Expr, apply, broadcast_shapes, cast, constant_value, dim_of_node, function, lift, unify
from ..graph import Node, Op, Params, lookup, node, register
from .elementwise import SCALAR, binary, elementwise, lower_elementwise, masked, unary, unbroadcast, widen

LARGEST_UNROLLED_POWER = 16


def _mp() -> Any:
    import mpmath

    return mpmath


def _fold(f: Callable[[Any, Any], Any]) -> Any:
    return lambda *xs: reduce(f, xs)


def _others(xs: Sequence[Expr]) -> list[Any]:
    """For each operand the product of the others: of those before it, which its neighbours share, and those behind."""
    before = [*accumulate(xs, operator.mul)]
    behind = [*accumulate(reversed(xs), operator.mul)][::-1]
    middle = [a * b for a, b in zip(before, behind[2:], strict=False)]
    return [behind[1], *middle, before[-2]] if len(xs) > 1 else [1]


elementwise("add", _fold(np.add), lambda y, *xs: (1,) * len(xs), commutative=True, domain=((-2, 2), (-2, 2)),
            doc="Sum.", mpmath=_fold(operator.add))  # fmt: skip
elementwise("mul", _fold(np.multiply), lambda y, *xs: _others(xs), commutative=True,
            domain=((-2, 2), (-2, 2)), doc="Elementwise product.", mpmath=_fold(operator.mul))  # fmt: skip
elementwise(
    "sub", np.subtract, lambda y, a, b: (1, -1), domain=((-2, 2), (-2, 2)), doc="Difference.", mpmath=operator.sub
)
elementwise("neg", np.negative, lambda y, x: (-1,), domain=((-2, 2),), doc="Negative.", mpmath=operator.neg)
elementwise(
    "div",
    np.divide,
    lambda y, a, b: (1 / b, -y / b),
    domain=((-2, 2), (0.5, 2)),
    doc="Quotient.",
    mpmath=operator.truediv,
)
elementwise("floordiv", np.floor_divide, lambda y, a, b: (0, 0), domain=((-5, 5), (1, 3)), doc="Quotient rounded towards minus infinity.",
            mpmath=lambda a, b: _mp().floor(a / b))  # fmt: skip
elementwise("mod", np.mod, lambda y, a, b: (1, -(a // b)), domain=((0.1, 0.9), (1, 3)),
            doc="Remainder with the sign of the divisor.", mpmath=lambda a, b: a - b * _mp().floor(a / b))  # fmt: skip


def _same_type(xs: Sequence[Any]) -> tuple[list[Expr], bool]:
    """Operands in one element type, truth values as integers."""
    operands, weak = unify(xs)
    return [cast(x, "i64") for x in operands] if operands[0].dtype == "bool" else operands, weak


@function("add", numpy=[np.add])
def add(*terms: Any) -> Expr:
    """The sum of all `terms`."""
    operands, weak = _same_type(terms)
    return apply("add", operands, weak=weak)


@function("multiply", "mul", numpy=[np.multiply])
def multiply(*factors: Any) -> Expr:
    """The product of all `factors`, element by element."""
    operands, weak = _same_type(factors)
    return apply("mul", operands, weak=weak)


@function("subtract", "sub", numpy=[np.subtract])
def subtract(a: Any, b: Any) -> Expr:
    """``a - b``."""
    operands, weak = _same_type([a, b])
    return apply("sub", operands, weak=weak)


@function("mod", "remainder", numpy=[np.mod, np.remainder])
def mod(a: Any, b: Any) -> Expr:
    """The remainder of ``a / b`` with the sign of `b`."""
    operands, weak = _same_type([a, b])
    return apply("mod", operands, weak=weak)


@function("floor_divide", numpy=[np.floor_divide])
def floor_divide(a: Any, b: Any) -> Expr:
    """``a // b``, the quotient rounded towards minus infinity; the derivative is 0."""
    operands, weak = _same_type([a, b])
    return apply("floordiv", operands, weak=weak)


@function("divmod", numpy=[np.divmod])
def divmod_(a: Any, b: Any) -> tuple[Expr, Expr]:
    """The quotient rounded towards minus infinity, and the remainder."""
    return floor_divide(a, b), mod(a, b)


@function("fmod", numpy=[np.fmod])
def fmod(a: Any, b: Any) -> Expr:
    """The remainder with the sign of the dividend."""
    x, y = lift(a), lift(b)
    sizes = mod(lookup_function("abs")(x), lookup_function("abs")(y))
    return where(x < 0, -sizes, sizes)


@function("negative", "neg", numpy=[np.negative])
def negative(x: Any) -> Expr:
    """``-x``; a number stays a number."""
    operand = lift(x)
    if operand.dtype == "bool":
        raise DTypeError(f"negative: -x of a bool ({operand.type}); use logical_not")
    if operand.node.op.name == "constant" and operand.weak:
        from ..expression import constant

        return Expr(constant(-constant_value(operand.node), operand.dtype).node, weak=True)
    return apply("neg", [operand], weak=operand.weak)


@function("positive", numpy=[np.positive])
def positive(x: Any) -> Expr:
    """``+x``, which is `x`."""
    return lift(x)


@function("divide", "div", "true_divide", numpy=[np.divide])
def divide(a: Any, b: Any) -> Expr:
    """``a / b``; integers become floats."""
    operands, weak = unify([a, b], want_float=True)
    return apply("div", operands, weak=weak)


# ---- powers

def _power_partials(y: Expr, a: Expr, b: Expr) -> tuple[Any, Any]:
    if b.node.op.name == "constant":
        exponent = constant_value(b.node)
        if exponent.ndim == 0:
            p = float(exponent)
            base = 0 if p == 0 else (p if p == 1 else (p * a if p == 2 else p * a ** (p - 1)))
            return (base if p != 1 else 1), masked(a != 0, y * lookup_function("log")(a))
    return masked(b != 0, b * a ** (b - 1)), masked(a != 0, y * lookup_function("log")(a))


def lookup_function(name: str) -> Any:
    """The public function `name` (rules that use functions of later rows)."""
    from ..expression import FUNCTIONS

    return FUNCTIONS[name]


def _lower_power(args: tuple[Element_, ...], x: Node) -> Element_:
    exponent = x.inputs[1]
    base = args[0]
    if exponent.op.name == "constant" and not exponent.type.shape:
        p = constant_value(exponent).item()
        if p == int(p if abs(p) < 2**31 else 0) and 1 <= abs(p) <= LARGEST_UNROLLED_POWER:
            positive_power = _repeated(base, int(abs(p)), lambda a, b: Call("mul", (a, b)))
            return positive_power if p > 0 else Call("div", (Const(_one(x.type.dtype), x.type.dtype), positive_power))
    return Call("pow", args)


def _one(dtype: str) -> float | int:
    return 1 if dtype == "i64" else 1.0


def _evaluate_power(a: Any, b: Any) -> Any:
    if (
        np.ndim(b) == 0
        and np.asarray(b).dtype.kind == "f"
        and abs(b) <= LARGEST_UNROLLED_POWER
        and b == np.trunc(b)
        and b
    ):
        result = _repeated(a, int(abs(b)))
        return result if b > 0 else np.divide(np.asarray(1, np.asarray(b).dtype), result)
    return np.power(a, b)


def _repeated(base: Any, exponent: int, multiply: Callable[[Any, Any], Any] = np.multiply) -> Any:
    """``base**exponent`` by squaring."""
    result, square = None, base
    while True:
        if exponent & 1:
            result = square if result is None else multiply(result, square)
        exponent >>= 1
        if not exponent:
            return result
        square = multiply(square, square)


elementwise("pow", np.power, _power_partials, scalar=_lower_power, evaluate=_evaluate_power, domain=((0.5, 2), (0.5, 2)),
            doc="Power; 0**0 is 1.", mpmath=operator.pow)  # fmt: skip


@function("power", "pow", numpy=[np.power, np.float_power])
def power(a: Any, b: Any) -> Expr:
    """``a ** b``; integers to negative powers become floats."""
    exponent = lift(b)
    operands, weak = unify([a, exponent])
    integral = operands[0].dtype in ("i64", "bool")
    if integral and not (exponent.node.op.name == "constant" and (constant_value(exponent.node) >= 0).all()):
        known = dim_of_node(exponent.node)
        if known is None or isinstance(known, int):
            operands, weak = unify([a, exponent], want_float=True)
    return apply("pow", operands, weak=weak)


@function("square", numpy=[np.square])
def square(x: Any) -> Expr:
    """``x ** 2``."""
    return power(x, 2)


@function("reciprocal", numpy=[np.reciprocal])
def reciprocal(x: Any) -> Expr:
    """``1 / x``."""
    return divide(1, x)


# ---- extrema

def _constant_like(x: Expr) -> bool:
    return x.node.op.name == "constant" or (x.node.op.name in ("einsum", "cast") and len(x.node.inputs) == 1
                                            and x.node.inputs[0].op.name == "constant")  # fmt: skip


def _extremum(above: Any) -> Any:
    def partials(y: Expr, a: Expr, b: Expr) -> tuple[Any, Any]:
        if _constant_like(b):
            return masked(above(a, b)), masked(~above(a, b))
        if _constant_like(a):
            return masked(~above(b, a)), masked(above(b, a))
        share = where(a == b, 0.5, cast(lift(1.0), y.dtype))
        return masked(~above(b, a), share), masked(~above(a, b), share)

    return partials


binary("maximum", np.maximum, _extremum(lambda a, b: a > b), want_float=False, scalar="max", commutative=True,
       domain=((-2, 2), (-2, 2)), latex=r"\max", sympy="Max", mpmath=max,
       doc="The larger of two; at a tie with a constant no derivative flows, two variables share it.")  # fmt: skip
binary("minimum", np.minimum, _extremum(lambda a, b: a < b), want_float=False, scalar="min", commutative=True,
       domain=((-2, 2), (-2, 2)), latex=r"\min", sympy="Min", mpmath=min,
       doc="The smaller of two; at a tie with a constant no derivative flows, two variables share it.")  # fmt: skip


@function("clip", numpy=[np.clip], method=True)
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Expr:
    """`x` limited to [a_min, a_max] (or `min` and `max`), either of which may be None; the derivative at and outside
    the limits is 0."""
    result = lift(x)
    low, high = (b if a is None else a for a, b in ((a_min, min), (a_max, max)))
    if low is not None:
        result = lookup_function("maximum")(result, low)
    return lookup_function("minimum")(result, high) if high is not None else result


unary("abs", np.abs, lambda y, x: sign(x), "absolute", "fabs", also=[np.fabs], want_float=False, domain=((0.3, 2),), sympy="Abs", mpmath="fabs",
      doc="Absolute value; the derivative at 0 is 0.")  # fmt: skip
unary("sign", np.sign, lambda y, x: 0, want_float=False, domain=((0.3, 2),), sympy="sign", mpmath="sign",
      doc="-1, 0 or 1; the derivative is 0.")  # fmt: skip
_numpy: Any
_ROUNDING: dict[str, Any] = {
    "floor": "floor",
    "ceil": "ceil",
    "rint": "nint",
    "trunc": lambda x: _mp().sign(x) * _mp().floor(abs(x)),
}
for _name, _numpy in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc), ("rint", np.rint)):
    unary(_name, _numpy, lambda y, x: 0, also=[np.fix] if _name == "trunc" else [], domain=((0.1, 2.4),), mpmath=_ROUNDING[_name],
          doc="Rounding; the derivative is 0.")  # fmt: skip


@function("round", "around", numpy=[np.round, np.around], method=True)
def round_(x: Any, decimals: int = 0) -> Expr:
    """`x` rounded to `decimals` decimals (negative: to tens, hundreds, …), halves to even; the derivative is 0."""
    operand = lift(x)
    if not isinstance(decimals, int | np.integer):
        raise ArgumentError(f"round: decimals must be an integer, got {decimals!r}")
    if decimals == 0 or (decimals > 0 and operand.dtype in ("i64", "bool")):
        return operand if operand.dtype in ("i64", "bool") else apply("rint", [operand], weak=operand.weak)
    scale = 10.0 ** abs(int(decimals))
    rint = lookup_function("rint")
    rounded: Expr = rint(operand * scale) / scale if decimals > 0 else rint(operand / scale) * scale
    return rounded if operand.dtype in ("f64", "f32") else rounded.astype("i64")


def sign(x: Any) -> Expr:
    """The sign of `x`."""
    result: Expr = lookup_function("sign")(x)
    return result


# ---- comparisons and logic

for _name, _numpy, _scalar, _text in (
    ("less", np.less, "lt", "<"), ("less_equal", np.less_equal, "le", "<="), ("greater", np.greater, "gt", ">"),
    ("greater_equal", np.greater_equal, "ge", ">="), ("equal", np.equal, "eq", "=="),
    ("not_equal", np.not_equal, "ne", "!="),
):  # fmt: skip
    binary(_name, _numpy, lambda y, a, b: (None, None), want_float=False, scalar=_scalar, result="bool", text=_text,
           commutative=_scalar in ("eq", "ne"), domain=((-2, 2), (-2, 2)), mpmath=getattr(operator, _scalar), doc=f"``a {_text} b`` as a bool array.")  # fmt: skip


def _as_bool(x: Any) -> Expr:
    operand = lift(x)
    return operand if operand.dtype == "bool" else operand != 0


def _logical(name: str, sign: str, *numpy: Any) -> None:
    def call(a: Any, b: Any) -> Expr:
        return apply(name, [_as_bool(a), _as_bool(b)])

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``a {sign} b`` of truth values; numbers other than zero are true."
    function(name, numpy=numpy)(call)


for _name, _numpy, _scalar, _text in (
    ("logical_and", np.logical_and, "and", "&"), ("logical_or", np.logical_or, "or", "|"),
    ("logical_xor", np.logical_xor, "xor", "^"),
):  # fmt: skip
    elementwise(_name, _numpy, lambda y, a, b: (None, None), scalar=_scalar, result="bool", text=_text, commutative=True,
                doc=f"``a {_text} b`` of truth values.")  # fmt: skip
    _logical(_name, _text, _numpy, {"logical_and": np.bitwise_and, "logical_or": np.bitwise_or}.get(_name, np.bitwise_xor))
elementwise("logical_not", np.logical_not, lambda y, x: (None,), scalar="not", result="bool", text="~",
            doc="``~x`` of truth values.")  # fmt: skip


@function("logical_not", numpy=[np.logical_not, np.invert])
def logical_not(x: Any) -> Expr:
    """Whether `x` is false or zero, ``~x``."""
    return apply("logical_not", [_as_bool(x)])


for _name, _numpy in (("isnan", np.isnan), ("isfinite", np.isfinite), ("isinf", np.isinf)):
    unary(_name, _numpy, lambda y, x: None, result="bool", doc="A bool array.")


# ---- selection

def _where_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    if types[0].dtype != "bool":
        raise DTypeError(f"where: the condition must be bool, got {types[0]}")
    if len({t.dtype for t in types[1:]}) > 1:
        raise DTypeError(f"where: the branches have different element types: {types[1]} and {types[2]}")
    return ArrayType(types[1].dtype, broadcast_shapes("where", types))


def _where_vjp(g: Expr, y: Expr, c: Expr, a: Expr, b: Expr) -> list[Expr | None]:
    from .elementwise import mask

    return [None, unbroadcast(mask(c, g), y.ndim, a.type), unbroadcast(mask(~c, g), y.ndim, b.type)]


def _where_jvp(t: Sequence[Expr | None], y: Expr, c: Expr, a: Expr, b: Expr) -> Expr | None:
    from .elementwise import mask

    da, db = (None if d is None else widen(d, x.ndim, y.ndim) for d, x in ((t[1], a), (t[2], b)))
    if da is not None and db is not None:
        return where(c, da, db)
    return mask(c, da) if da is not None else None if db is None else mask(~c, db)


def _mask_vjp(g: Expr, y: Expr, c: Expr, x: Expr) -> list[Expr | None]:
    from .elementwise import mask

    return [None, unbroadcast(mask(c, g), y.ndim, x.type)]


def _mask_jvp(t: Sequence[Expr | None], y: Expr, c: Expr, x: Expr) -> Expr | None:
    from .elementwise import mask

    return None if t[1] is None else mask(c, widen(t[1], x.ndim, y.ndim))


def _zero_where_not(args: Sequence[Any], params: Params, sizes: Any) -> Any:
    x = np.asarray(args[1])
    return np.where(args[0], x, np.zeros((), x.dtype))


SCALAR["where"], SCALAR["mask"] = "where", "mask"
register(Op("where", _where_type, lambda a, p, s: np.where(*a), lower_elementwise, vjp=_where_vjp, jvp=_where_jvp,
            doc="`a` where the condition holds, `b` elsewhere; the derivative follows the branch taken."))  # fmt: skip
register(Op("mask", _where_type, _zero_where_not, lower_elementwise, vjp=_mask_vjp, jvp=_mask_jvp,
            doc="`x` where the condition holds, zero elsewhere, whatever x is there."))  # fmt: skip


@function("where", numpy=[np.where])
def where(condition: Any, a: Any, b: Any) -> Expr:
    """`a` where `condition` holds and `b` elsewhere; only the branch taken contributes to the derivative."""
    branches, weak = unify([a, b])
    return apply("where", [_as_bool(condition), *branches], weak=weak)


@function("mask")
def public_mask(condition: Any, x: Any) -> Expr:
    """`x` where `condition` holds and zero elsewhere, even where `x` is infinite or NaN."""
    operand = lift(x)
    return apply("mask", [_as_bool(condition), operand])


@function("select", numpy=[np.select])
def select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0) -> Expr:
    """The first of `choices` whose condition holds, `default` where none does."""
    if len(conditions) != len(choices):
        raise ArgumentError(f"select: {len(conditions)} conditions for {len(choices)} choices")
    result = lift(default)
    for c, x in zip(reversed(conditions), reversed(choices), strict=True):
        result = where(c, x, result)
    return result


@function("isclose", numpy=[np.isclose])
def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Expr:
    """Whether ``abs(a - b) <= atol + rtol*abs(b)``; equal infinities are close."""
    (x, y), _ = unify([a, b], want_float=True)
    near = lookup_function("abs")(x - y) <= atol + rtol * lookup_function("abs")(y)
    result: Expr = (x == y) | (near & lookup_function("isfinite")(y))
    return result


@function("stop_gradient")
def stop_gradient(x: Any) -> Expr:
    """`x`, as a constant for every derivative."""
    return apply("stop_gradient", [lift(x)])


elementwise(
    "stop_gradient",
    lambda x: x,
    lambda y, x: (None,),
    scalar=lambda args, x: args[0],
    doc="A constant for derivatives.",
)

__all__ = ["add", "clip", "divide", "floor_divide", "lookup", "mod", "multiply", "node", "positive", "square", "where"]

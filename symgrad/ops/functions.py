"""Elementary functions: one row each, with the derivative in terms of the result `y` and the operand `x`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expression import FUNCTIONS, Expr, constant_value, function, lift, unify
from .arithmetic import lookup_function, where
from .elementwise import binary, masked, unary


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def _special(name: str) -> Any:
    """A SciPy function, imported when it is first used."""

    def call(*args: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args)

    return call


def _softplus(x: Any) -> Any:
    x = np.asarray(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _sigmoid(x: Any) -> Any:
    """From the exponential of what is not positive, which does not overflow; SciPy's is lost below -708."""
    x = np.asarray(x)
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, np.ones_like(e), e) / (1 + e)


LN2, LN10, TWO_OVER_ROOT_PI = float(np.log(2)), float(np.log(10)), float(2 / np.sqrt(np.pi))

unary("sqrt", np.sqrt, lambda y, x: 1 / (2 * y), domain=((0.3, 3),), sympy="sqrt", mpmath="sqrt", doc="Square root.")
unary("cbrt", np.cbrt, lambda y, x: 1 / (3 * y**2), domain=((0.3, 3),), sympy="cbrt", mpmath="cbrt", doc="Cube root.")
unary("exp", np.exp, lambda y, x: y, domain=((-2, 2),), latex=r"\exp", sympy="exp", mpmath="exp", doc="Exponential.")
unary("exp2", np.exp2, lambda y, x: LN2 * y, domain=((-2, 2),), mpmath=lambda x: 2**x, doc="Power of two.")
unary("expm1", np.expm1, lambda y, x: _f("exp", x), domain=((-1, 1),), mpmath="expm1",
      doc="exp(x) - 1, accurate near 0.")  # fmt: skip
unary(
    "log",
    np.log,
    lambda y, x: 1 / x,
    "ln",
    domain=((0.3, 3),),
    latex=r"\log",
    sympy="log",
    mpmath="log",
    doc="Natural logarithm.",
)
unary(
    "log2",
    np.log2,
    lambda y, x: 1 / (LN2 * x),
    domain=((0.3, 3),),
    mpmath=lambda x: _mp().log(x, 2),
    doc="Logarithm to base 2.",
)
unary("log10", np.log10, lambda y, x: 1 / (LN10 * x), domain=((0.3, 3),), mpmath="log10", doc="Logarithm to base 10.")
unary(
    "log1p", np.log1p, lambda y, x: 1 / (1 + x), domain=((-0.5, 2),), mpmath="log1p", doc="log(1 + x), accurate near 0."
)
unary(
    "sin", np.sin, lambda y, x: _f("cos", x), domain=((-2, 2),), latex=r"\sin", sympy="sin", mpmath="sin", doc="Sine."
)
unary(
    "cos",
    np.cos,
    lambda y, x: -_f("sin", x),
    domain=((-2, 2),),
    latex=r"\cos",
    sympy="cos",
    mpmath="cos",
    doc="Cosine.",
)
unary("tan", np.tan, lambda y, x: 1 + y**2, domain=((-1, 1),), latex=r"\tan", sympy="tan", mpmath="tan", doc="Tangent.")
unary("arcsin", np.arcsin, lambda y, x: 1 / _f("sqrt", 1 - x**2), "asin", scalar="asin", domain=((-0.8, 0.8),),
      latex=r"\arcsin", sympy="asin", mpmath="asin", doc="Inverse sine.")  # fmt: skip
unary("arccos", np.arccos, lambda y, x: -1 / _f("sqrt", 1 - x**2), "acos", scalar="acos", domain=((-0.8, 0.8),),
      latex=r"\arccos", sympy="acos", mpmath="acos", doc="Inverse cosine.")  # fmt: skip
unary("arctan", np.arctan, lambda y, x: 1 / (1 + x**2), "atan", scalar="atan", domain=((-2, 2),), latex=r"\arctan",
      sympy="atan", mpmath="atan", doc="Inverse tangent.")  # fmt: skip
unary(
    "sinh",
    np.sinh,
    lambda y, x: _f("cosh", x),
    domain=((-2, 2),),
    latex=r"\sinh",
    sympy="sinh",
    mpmath="sinh",
    doc="Hyperbolic sine.",
)
unary(
    "cosh",
    np.cosh,
    lambda y, x: _f("sinh", x),
    domain=((-2, 2),),
    latex=r"\cosh",
    sympy="cosh",
    mpmath="cosh",
    doc="Hyperbolic cosine.",
)
unary(
    "tanh",
    np.tanh,
    lambda y, x: 1 / _f("cosh", x) ** 2,
    domain=((-2, 2),),
    latex=r"\tanh",
    sympy="tanh",
    mpmath="tanh",
    doc="Hyperbolic tangent.",
)
unary("arcsinh", np.arcsinh, lambda y, x: 1 / _f("hypot", x, 1), "asinh", scalar="asinh", domain=((-2, 2),),
      latex=r"\operatorname{arsinh}", sympy="asinh", mpmath="asinh", doc="Inverse hyperbolic sine.")  # fmt: skip
unary("arccosh", np.arccosh, lambda y, x: 1 / (_f("sqrt", x - 1) * _f("sqrt", x + 1)), "acosh", scalar="acosh", domain=((1.3, 3),),
      latex=r"\operatorname{arcosh}", sympy="acosh", mpmath="acosh", doc="Inverse hyperbolic cosine.")  # fmt: skip
unary("arctanh", np.arctanh, lambda y, x: 1 / (1 - x**2), "atanh", scalar="atanh", domain=((-0.8, 0.8),),
      latex=r"\operatorname{artanh}", sympy="atanh", mpmath="atanh", doc="Inverse hyperbolic tangent.")  # fmt: skip
unary("sigmoid", _sigmoid, lambda y, x: y * _f("sigmoid", -x), "expit", "logistic", domain=((-2, 2),), latex=r"\sigma",
      mpmath=lambda x: 1 / (1 + _mp().exp(-x)), doc="1/(1 + exp(-x)), the logistic function.")  # fmt: skip
unary("softplus", _softplus, lambda y, x: _f("sigmoid", x), domain=((-2, 2),), latex=r"\operatorname{softplus}",
      mpmath=lambda x: _mp().log1p(_mp().exp(x)), doc="log(1 + exp(x)) without overflow.")  # fmt: skip
unary("relu", lambda x: np.maximum(x, 0), lambda y, x: masked(x > 0), domain=((0.3, 2),),
      scalar=lambda args, x: _lower_relu(args, x), latex=r"\operatorname{relu}",
      mpmath=lambda x: max(x, _mp().mpf(0)), doc="max(x, 0); the derivative at 0 is 0.")  # fmt: skip
unary("erf", _special("erf"), lambda y, x: TWO_OVER_ROOT_PI * _f("exp", -(x**2)), domain=((-2, 2),),
      latex=r"\operatorname{erf}", sympy="erf", mpmath="erf", doc="Error function.")  # fmt: skip
unary("erfc", _special("erfc"), lambda y, x: -TWO_OVER_ROOT_PI * _f("exp", -(x**2)), domain=((-2, 2),),
      latex=r"\operatorname{erfc}", sympy="erfc", mpmath="erfc", doc="1 - erf(x) without cancellation.")  # fmt: skip


def _log1mexp(x: Any) -> Any:
    x = np.asarray(x)
    return np.where(x > -LN2, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


def _logcosh(x: Any) -> Any:
    a = np.abs(x)
    return np.where(a < 1, np.log1p(2 * np.sinh(a / 2) ** 2), a + np.log1p(np.exp(-2 * a)) - LN2)


def _scalar_log1mexp(args: Any, x: Any) -> Any:
    from ..compiler.index import Call, Const

    dtype, (z,) = x.type.dtype, args
    near = Call("log", (Call("neg", (Call("expm1", (z,)),)),))
    far = Call("log1p", (Call("neg", (Call("exp", (z,)),)),))
    return Call("where", (Call("gt", (z, Const(-LN2, dtype))), near, far))


def _scalar_logcosh(args: Any, x: Any) -> Any:
    from ..compiler.index import Call, Const

    dtype = x.type.dtype
    a = Call("abs", args)
    half = Call("sinh", (Call("mul", (a, Const(0.5, dtype))),))
    near = Call("log1p", (Call("mul", (Const(2.0, dtype), half, half)),))
    tail = Call("log1p", (Call("exp", (Call("mul", (Const(-2.0, dtype), a)),)),))
    far = Call("add", (a, Call("sub", (tail, Const(LN2, dtype)))))
    return Call("where", (Call("lt", (a, Const(1.0, dtype))), near, far))


unary("log1mexp", _log1mexp, lambda y, x: -1 / _f("expm1", -x), domain=((-3, -0.2),), scalar=_scalar_log1mexp,
      mpmath=lambda x: _mp().log(-_mp().expm1(x)), doc="log(1 - exp(x)) for x < 0 without cancellation.")  # fmt: skip
unary("logcosh", _logcosh, lambda y, x: _f("tanh", x), domain=((-3, 3),), scalar=_scalar_logcosh,
      mpmath=lambda x: _mp().log(_mp().cosh(x)), doc="log(cosh(x)) without overflow or cancellation.")  # fmt: skip


def _lower_relu(args: Any, x: Any) -> Any:
    from ..compiler.index import Call, Const

    return Call("max", (args[0], Const(0.0, x.type.dtype)))


def _mp() -> Any:
    import mpmath

    return mpmath


binary("arctan2", np.arctan2, lambda z, y, x: _arctan2_partials(y, x), "atan2", scalar="atan2", domain=((0.3, 2), (0.3, 2)),
       sympy="atan2", mpmath="atan2", latex=r"\operatorname{arctan2}",
       doc="Angle of the point (x, y); the derivative at the origin is 0.")  # fmt: skip
binary("hypot", np.hypot, lambda r, x, y: (masked(r != 0, x / r), masked(r != 0, y / r)), domain=((0.3, 2), (0.3, 2)),
       mpmath="hypot", doc="sqrt(x**2 + y**2) without overflow; the derivative at the origin is 0.", commutative=True)  # fmt: skip


def _logaddexp_partials(z: Expr, a: Expr, b: Expr) -> tuple[Any, Any]:
    """Nothing flows where both are -inf, as in `logsumexp`: the difference of the two says nothing there."""
    shares = _f("sigmoid", a - b), _f("sigmoid", b - a)
    if any(i.node.op.name == "constant" and np.isfinite(constant_value(i.node)).all() for i in (a, b)):
        return shares
    return masked(z != -np.inf, shares[0]), masked(z != -np.inf, shares[1])


binary("logaddexp", np.logaddexp, _logaddexp_partials, domain=((-2, 2), (-2, 2)),
       mpmath=lambda a, b: _mp().log(_mp().exp(a) + _mp().exp(b)), commutative=True,
       doc="log(exp(a) + exp(b)) without overflow; the derivatives where both are -inf are 0.")  # fmt: skip


binary("copysign", np.copysign, lambda z, x, y: (_f("copysign", 1.0, x) * _f("copysign", 1.0, y), 0),
       domain=((0.3, 2), (-2, -0.3)), mpmath=lambda x, y: abs(x) * (1 if y >= 0 else -1),
       doc="The size of x with the sign of y.")  # fmt: skip
binary("heaviside", np.heaviside, lambda z, x, h: (0, masked(x == 0)), domain=((0.3, 2), (-2, 2)),
       scalar=lambda args, x: _lower_heaviside(args, x), mpmath=lambda x, h: _mp().mpf(1 if x > 0 else 0),
       doc="0 below 0, 1 above, and h at 0.")  # fmt: skip


def _lower_heaviside(args: Any, x: Any) -> Any:
    from ..compiler.index import Call, Const

    zero, one = Const(0.0, x.type.dtype), Const(1.0, x.type.dtype)
    at_zero = Call("where", (Call("eq", (args[0], zero)), args[1], args[0]))
    return Call(
        "where", (Call("lt", (args[0], zero)), zero, Call("where", (Call("gt", (args[0], zero)), one, at_zero)))
    )


def _ignoring_nan(name: str, doc: str) -> None:
    def call(a: Any, b: Any) -> Expr:
        (x, y), _ = unify([a, b], want_float=True)
        return where(_f("isnan", x), y, where(_f("isnan", y), x, _f(name, x, y)))

    call.__doc__ = doc
    short = {"maximum": "fmax", "minimum": "fmin"}[name]
    function(short, numpy=[getattr(np, short)])(call)


_ignoring_nan("maximum", "The larger of two, ignoring NaN where the other is a number.")
_ignoring_nan("minimum", "The smaller of two, ignoring NaN where the other is a number.")


@function("signbit", numpy=[np.signbit])
def signbit(x: Any) -> Expr:
    """Whether `x` is negative, or a negative zero."""
    return _f("copysign", 1.0, x) < 0


def _arctan2_partials(y: Expr, x: Expr) -> tuple[Any, Any]:
    origin = (x == 0) & (y == 0)
    square = x**2 + y**2
    return masked(~origin, x / square), masked(~origin, -y / square)


@function("log_sigmoid")
def log_sigmoid(x: Any) -> Expr:
    """``log(sigmoid(x)) = -softplus(-x)``."""
    return -_f("softplus", -lift(x))


@function("deg2rad", "radians", numpy=[np.deg2rad, np.radians])
def deg2rad(x: Any) -> Expr:
    """Degrees to radians."""
    return lift(x) * (np.pi / 180)


@function("rad2deg", "degrees", numpy=[np.rad2deg, np.degrees])
def rad2deg(x: Any) -> Expr:
    """Radians to degrees."""
    return lift(x) * (180 / np.pi)


__all__ = ["lookup_function"]

"""What each operation is in SymPy, for scalars: its counterpart of the table, or a formula in SymPy's functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache, reduce
from operator import mul
from typing import Any

import numpy as np

from .compiler.types import Dim, FloorDiv, Max0
from .errors import ArgumentError
from .expression import constant_value
from .graph import Node

Form = Callable[..., Any]
"""From SymPy itself and SymPy's operands to a SymPy expression."""


def _selected(s: Any, condition: Any, yes: Any, no: Any) -> Any:
    return s.Piecewise((yes, condition), (no, True))


FORMS: dict[str, Form] = {
    "add": lambda s, *xs: s.Add(*xs),
    "mul": lambda s, *xs: s.Mul(*xs),
    "sub": lambda s, a, b: a - b,
    "neg": lambda s, x: -x,
    "div": lambda s, a, b: a / b,
    "pow": lambda s, a, b: a**b,
    "floordiv": lambda s, a, b: s.floor(a / b),
    "mod": lambda s, a, b: s.Mod(a, b),
    "square": lambda s, x: x**2,
    "exp2": lambda s, x: s.Integer(2) ** x,
    "expm1": lambda s, x: s.exp(x) - 1,
    "log1p": lambda s, x: s.log(1 + x),
    "log2": lambda s, x: s.log(x) / s.log(2),
    "log10": lambda s, x: s.log(x) / s.log(10),
    "sigmoid": lambda s, x: 1 / (1 + s.exp(-x)),
    "softplus": lambda s, x: s.log(1 + s.exp(x)),
    "relu": lambda s, x: s.Max(x, 0),
    "logaddexp": lambda s, a, b: s.log(s.exp(a) + s.exp(b)),
    "logcosh": lambda s, x: s.log(s.cosh(x)),
    "log1mexp": lambda s, x: s.log(1 - s.exp(x)),
    "logit": lambda s, x: s.log(x / (1 - x)),
    "hypot": lambda s, a, b: s.sqrt(a**2 + b**2),
    "ndtr": lambda s, x: (1 + s.erf(x / s.sqrt(2))) / 2,
    "ndtri": lambda s, x: s.sqrt(2) * s.erfinv(2 * x - 1),
    "log_ndtr": lambda s, x: s.log((1 + s.erf(x / s.sqrt(2))) / 2),
    "erfcx": lambda s, x: s.exp(x**2) * s.erfc(x),
    "betaln": lambda s, a, b: s.loggamma(a) + s.loggamma(b) - s.loggamma(a + b),
    "zeta": lambda s, a, b: s.zeta(a, b),
    "xlogy": lambda s, x, y: _selected(s, s.Eq(x, 0), s.Integer(0), x * s.log(y)),
    "xlog1py": lambda s, x, y: _selected(s, s.Eq(x, 0), s.Integer(0), x * s.log(1 + y)),
    "entr": lambda s, x: _selected(s, s.Eq(x, 0), s.Integer(0), -x * s.log(x)),
    "rel_entr": lambda s, x, y: _selected(s, s.Eq(x, 0), s.Integer(0), x * s.log(x / y)),
    "floor": lambda s, x: s.floor(x),
    "ceil": lambda s, x: s.ceiling(x),
    "trunc": lambda s, x: s.sign(x) * s.floor(s.Abs(x)),
    "copysign": lambda s, x, y: _selected(s, y >= 0, s.Abs(x), -s.Abs(x)),
    "heaviside": lambda s, x, h: s.Heaviside(x, h),
    "less": lambda s, a, b: s.Lt(a, b),
    "less_equal": lambda s, a, b: s.Le(a, b),
    "greater": lambda s, a, b: s.Gt(a, b),
    "greater_equal": lambda s, a, b: s.Ge(a, b),
    "equal": lambda s, a, b: s.Eq(a, b),
    "not_equal": lambda s, a, b: s.Ne(a, b),
    "exp1": lambda s, x: s.expint(1, x),
    "dawsn": lambda s, x: s.sqrt(s.pi) / 2 * s.exp(-(x**2)) * s.erfi(x),
    "spence": lambda s, x: s.polylog(2, 1 - x),
    "gammainc": lambda s, a, x: s.lowergamma(a, x) / s.gamma(a),
    "gammaincc": lambda s, a, x: s.uppergamma(a, x) / s.gamma(a),
    "betainc": lambda s, a, b, x: s.betainc_regularized(a, b, 0, x),
    "ive": lambda s, n, x: s.besseli(n, x) * s.exp(-s.Abs(x)),
    "kve": lambda s, n, x: s.besselk(n, x) * s.exp(x),
    "logical_and": lambda s, a, b: s.And(a, b),
    "logical_or": lambda s, a, b: s.Or(a, b),
    "logical_xor": lambda s, a, b: s.Xor(a, b),
    "logical_not": lambda s, a: s.Not(a),
    "where": _selected,
    "mask": lambda s, c, x: _selected(s, c, x, s.Integer(0)),
    "stop_gradient": lambda s, x: x,
}
SINGULAR: dict[str, Form] = {
    "sinxx": lambda s, x: s.sin(x) / x,
    "sinhxx": lambda s, x: s.sinh(x) / x,
    "tanhxx": lambda s, x: s.tanh(x) / x,
    "arctanxx": lambda s, x: s.atan(x) / x,
    "arcsinxx": lambda s, x: s.asin(x) / x,
    "expm1xx": lambda s, x: (s.exp(x) - 1) / x,
    "xexpm1": lambda s, x: x / (s.exp(x) - 1),
    "log1pxx": lambda s, x: s.log(1 + x) / x,
    "xmlog1pxx": lambda s, x: (x - s.log(1 + x)) / x**2,
    "xmsinxxx": lambda s, x: (x - s.sin(x)) / x**3,
}
"""Functions with a removable singularity at 0; their parameter is the order of the derivative."""


def scalar(x: Node, args: list[Any]) -> Any:
    """The operation of an elementwise node on SymPy's `args`.  ArgumentError if SymPy has nothing that says it."""
    import sympy

    if x.op.name == "cast":
        return sympy.Piecewise((1, args[0]), (0, True)) if x.inputs[0].type.dtype == "bool" else args[0]
    if x.op.name == "lambertw":
        return sympy.LambertW(args[0], x.params[0])
    if x.op.name in FORMS:
        orders = x.params if x.op.name in ("ive", "kve") else ()
        return FORMS[x.op.name](sympy, *orders, *args)
    if x.op.name in SINGULAR:
        return _singular(x.op.name, int(str(x.params[0])), args[0])
    if x.op.sympy is None or not hasattr(sympy, x.op.sympy):
        raise ArgumentError(f"sympy: {x.op.name} has no counterpart in SymPy")
    return getattr(sympy, x.op.sympy)(*x.params, *args)


def _singular(name: str, order: int, x: Any) -> Any:
    import sympy

    t = sympy.Dummy("t")
    f = sympy.diff(SINGULAR[name](sympy, t), t, order)
    return sympy.Piecewise((f.subs(t, x), sympy.Ne(x, 0)), (sympy.limit(f, t, 0), True))


# ---- numbers and sizes


def constant(x: Node) -> Any:
    """A constant as SymPy's number, exact where it is a small fraction or a small multiple of pi; as a matrix."""
    import sympy

    array = constant_value(x)
    if not array.ndim:
        return number(array.item())
    if array.ndim > 2:
        raise ArgumentError(f"sympy: a constant with {array.ndim} axes has no counterpart in SymPy")
    rows = array.reshape(len(array), -1)
    return sympy.ImmutableDenseMatrix(*rows.shape, [number(v) for v in np.ravel(rows).tolist()])


@cache
def number(value: float) -> Any:
    """A number of Python as one of SymPy."""
    import sympy

    if isinstance(value, bool):
        return sympy.true if value else sympy.false
    if isinstance(value, int):
        return sympy.Integer(value)
    if not math.isfinite(value):
        return sympy.nan if math.isnan(value) else sympy.oo * (1 if value > 0 else -1)
    for unit, symbolic in ((1.0, sympy.Integer(1)), (math.pi, sympy.pi)):
        near = Fraction(value / unit).limit_denominator(64)
        if near and abs(near) < 2**53 and near.numerator / near.denominator * unit == value:
            return sympy.Rational(near.numerator, near.denominator) * symbolic
    return sympy.E if value == math.e else sympy.Float(value) if value else sympy.Integer(0)


@cache
def dimension(n: Dim) -> Any:
    """A size as a SymPy integer expression."""
    import sympy

    if isinstance(n, int):
        return sympy.Integer(n)
    total = sympy.Integer(0)
    for monomial, c in n.terms:
        factors = [_atom(a) ** power for a, power in monomial]
        total += c * reduce(mul, factors, sympy.Integer(1))
    return total


def _atom(atom: str | FloorDiv | Max0) -> Any:
    import sympy

    if isinstance(atom, str):
        return sympy.Symbol(atom, integer=True)
    if isinstance(atom, FloorDiv):
        return sympy.floor(dimension(atom.numerator) / dimension(atom.denominator))
    return sympy.Max(0, dimension(atom.argument))


__all__ = ["constant", "dimension", "number", "scalar"]

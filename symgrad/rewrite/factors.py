"""Products by their factors: a canonical product as a number and rational powers of nodes, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from ..expression import FUNCTIONS, Expr
from ..graph import Node
from .terms import ONE, constant_node, number_of

Powers = dict[Node, Fraction]
POSITIVE = ("exp", "sigmoid", "cosh", "erfc", "ndtr", "softplus")
"""Functions with positive values."""
NEVER_ZERO = {"exp", "cosh", "sigmoid", "erfcx", "expm1xx", "sinhxx", "xexpm1"}
"""Functions without zeros: above and below the line they cancel, also where they over- or underflow; derivatives of
families of removable singularities may have zeros."""
GROWING = {"expm1", "sinh"}
"""Functions that overflow and have a zero: they cancel where they stay below the line, which is NaN at that zero and
beyond the range as it stands, and then has its pole and its limit."""


def function(name: str) -> Callable[..., Expr]:
    """The public function `name`, looked up when it is called."""
    return lambda *args: FUNCTIONS[name](*args)


def factors(x: Node) -> tuple[Fraction, Powers]:
    """The number and the factors of a canonical product, each with its positive rational power."""
    number, found = ONE, dict[Node, Fraction]()
    for g in x.inputs if x.op.name == "mul" else (x,):
        value = number_of(g)
        if value is not None:
            number *= value
            continue
        base, k = g, ONE
        if g.op.name == "pow" and (exponent := number_of(g.inputs[1])) is not None and exponent > 0:
            base, k = g.inputs[0], exponent
        elif g.op.name == "sqrt":
            base, k = g.inputs[0], Fraction(1, 2)
        found[base] = found.get(base, Fraction(0)) + k
    return number, found


def product(number: Fraction, powers: Mapping[Node, Fraction], dtype: str) -> Expr:
    """The number times the powers, as an expression that is not canonical."""
    total = Expr(constant_node(number, dtype))
    for base, k in powers.items():
        if k == Fraction(1, 2):
            total = total * FUNCTIONS["sqrt"](Expr(base))
        elif k:
            total = total * (Expr(base) if k == 1 else Expr(base) ** float(k))
    return total


def never_zero(x: Node) -> bool:
    """Whether `x` is a function without zeros."""
    return x.op.name in NEVER_ZERO and x.params in ((), (0,))


def lines(x: Node) -> tuple[Fraction, Powers]:
    """The number of a product or quotient and its factors, with negative powers below the line."""
    if x.op.name != "div":
        return factors(x)
    (p, above), (q, below) = factors(x.inputs[0]), factors(x.inputs[1])
    if not q:
        return p, {**above, constant_node(0, x.type.dtype): -ONE, **{y: -k for y, k in below.items()}}
    found = dict(above)
    for y, k in below.items():
        if y in found and not never_zero(y) and not (y.op.name in GROWING and k > found[y]):
            return ONE, {x: ONE}
        found[y] = found.get(y, Fraction(0)) - k
    return p / q, found


def whole(number: Fraction, powers: Powers, dtype: str) -> Expr:
    """The product with what has a negative power below the line."""
    above = product(number, {y: k for y, k in powers.items() if k > 0}, dtype)
    below = {y: -k for y, k in powers.items() if k < 0}
    return above / product(ONE, below, dtype) if below else above


__all__ = [
    "GROWING",
    "NEVER_ZERO",
    "POSITIVE",
    "Powers",
    "factors",
    "function",
    "lines",
    "never_zero",
    "product",
    "whole",
]

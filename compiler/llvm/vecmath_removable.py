"""Quotients with a removable singularity at 0, to full accuracy next to it: (exp x - 1)/x and its like.

Each is the quotient of a function as a sum of two floats by x, so that only the last rounding is felt.
"""

from __future__ import annotations

import math

from .vecmath_builder import Builder, Value
from .vecmath_exponential import exp_carefully, expm1_pair, outside
from .vecmath_inverse import ratio
from .vecmath_logarithm import HUGE, log1p_pair
from .vecmath_registry import function, slow_path
from .vecmath_trigonometric import finite, huge, reduce, reduce_huge, signed_sine, slow

Pair = tuple[Value, Value]


TINY = 2.0**-100


def over(b: Builder, pair: Pair, x: Value) -> Pair:
    """The pair divided by x, and 1 next to 0."""
    zero = b.abs(x) < TINY
    q, low = ratio(b, *pair, b.select(zero, 1.0, x), b.constant(0.0))
    return b.select(zero, 1.0, q), b.select(zero, 0.0, low)


@slow_path("expm1_over_x.careful")
def expm1_over_x_careful(b: Builder, x: Value) -> Value:
    """exp(x)/x or -1/x; exp x itself may overflow where the quotient does not."""
    above = exp_carefully(b, x, -16.0) / (b.at_most(x, 2.0**20) * 2.0**-16)
    return b.select(x < 0.0, -1.0 / x, above)


@function("expm1_over_x")
def expm1_over_x(b: Builder, x: Value) -> Value:
    """(exp x - 1)/x."""
    q, low = over(b, expm1_pair(b, x), x)
    return b.rare(outside(b, x), q + low, lambda: b.call("expm1_over_x.careful", x))


@slow_path("log1p_over_x.careful")
def log1p_over_x_careful(b: Builder, x: Value) -> Value:
    """Infinity at -1, NaN below, log(x)/x for huge x, 0 at infinity."""
    far = b.select(x.equals(math.inf), 0.0, b.call("log.careful", x) / x)
    return b.select(x.equals(-1.0), math.inf, far)


@function("log1p_over_x")
def log1p_over_x(b: Builder, x: Value) -> Value:
    """log(1 + x)/x."""
    q, low = over(b, log1p_pair(b, x), x)
    bad = ~((x > -1.0) & (x <= HUGE[b.dtype]))
    return b.rare(bad, q + low, lambda: b.call("log1p_over_x.careful", x))


@slow_path("sin_over_x.huge", wide=True)
def sin_over_x_huge(b: Builder, x: Value) -> Value:
    high, low = signed_sine(b, reduce_huge(b, finite(b, x)))
    return slow(b, x, (high + low) / x)


@function("sin_over_x")
def sin_over_x(b: Builder, x: Value) -> Value:
    """sin(x)/x; NaN at infinity, as sin is."""
    q, low = over(b, signed_sine(b, reduce(b, x)), x)
    return b.redo_lanes(huge(b, x), q + low, "sin_over_x.huge", x)


@slow_path("one_minus_cos_over_x2.huge", wide=True)
def one_minus_cos_over_x2_huge(b: Builder, x: Value) -> Value:
    half = finite(b, x * 0.5)
    high, low = signed_sine(b, reduce_huge(b, half))
    q = high / half
    rest = (b.fma(-q, half, high) + low) / half
    return slow(b, x, b.fma(q * 0.5, q, q * rest))


@function("one_minus_cos_over_x2")
def one_minus_cos_over_x2(b: Builder, x: Value) -> Value:
    """(1 - cos x)/x**2 = (sin h/h)**2 / 2 with h = x/2."""
    half = x * 0.5
    q, low = over(b, signed_sine(b, reduce(b, half)), half)
    square = b.fma(q * 0.5, q, q * low)
    return b.redo_lanes(huge(b, x), square, "one_minus_cos_over_x2.huge", x)

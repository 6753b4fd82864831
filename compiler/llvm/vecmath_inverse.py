"""asin, acos, atan, atan2 and asinh, acosh, atanh.

The circular ones reduce to a short interval by a half angle (asin, acos) or a subtracted multiple of pi/4 (atan), as in
Cody and Waite 1980, with the rounding errors of root, quotient and sum carried along; the hyperbolic ones are
logarithms of 1 + u with u as a sum of two floats (Kahan, *Branch Cuts for Complex Elementary Functions*, 1987).
"""

from __future__ import annotations

import math

from .vecmath_builder import Builder, Value
from .vecmath_coefficients import ASIN, ATAN, HALF_PI
from .vecmath_logarithm import log1p_of
from .vecmath_registry import function, slow_path

LARGE = {"f64": 2.0**500, "f32": 2.0**60}
"""The square of this and of its reciprocal are normal numbers."""
TAN_PI_8 = 0.41421356237309503


def root_error(b: Builder, square: Value, root: Value) -> Value:
    """sqrt(square) - root for the rounded root; 0 where both are 0."""
    return b.fma(-root, root, square) / b.at_least(root + root, 1.0 / LARGE[b.dtype])


def half_angle(b: Builder, magnitude: Value) -> tuple[Value, Value, Value]:
    """a and its tail with asin |x| = a + tail up to 1/2 and acos |x| = 2 (a + tail) beyond, and where that is."""
    far = magnitude > 0.5
    z = b.select(far, (1.0 - magnitude) * 0.5, magnitude * magnitude)
    root = b.sqrt(z)
    a = b.select(far, root, magnitude)
    error = b.select(far, root_error(b, z, root), 0.0)
    return a, b.fma(a * z, b.polynomial(z, ASIN[b.dtype], z * z), error), far


@function("asin")
def asin(b: Builder, x: Value) -> Value:
    a, tail, far = half_angle(b, b.abs(x))
    high, low = b.fast_two_sum(HALF_PI[b.dtype][0], a * -2.0)
    beyond = high + (low + b.fma(tail, -2.0, HALF_PI[b.dtype][1]))
    return b.copysign(b.select(far, beyond, a + tail), x)


@function("acos")
def acos(b: Builder, x: Value) -> Value:
    """2 a near 1, pi - 2 a near -1, pi/2 - a between."""
    a, tail, far = half_angle(b, b.abs(x))
    negative = x < 0.0
    turns = b.select(far, b.select(negative, b.constant(2.0), 0.0), 1.0)
    factor = b.select(far, b.constant(2.0), 1.0)
    sign = b.select(far ^ negative, factor, -factor)
    high, low = b.fast_two_sum(turns * HALF_PI[b.dtype][0], a * sign)
    return high + (low + b.fma(tail, sign, turns * HALF_PI[b.dtype][1]))


def atan_tail(b: Builder, y: Value, y_low: Value) -> Value:
    """atan(y + y_low) - y for |y| <= tan(pi/8)."""
    z = y * y
    return b.fma(y * z, b.polynomial(z, ATAN[b.dtype], z * z), y_low)


def ratio(b: Builder, x: Value, x_low: Value, y: Value, y_low: Value) -> tuple[Value, Value]:
    """(x + x_low) / (y + y_low) as a sum of two floats."""
    inverse = 1.0 / y
    q = x * inverse
    return q, b.fma(-q, y_low, b.fma(-q, y, x) + x_low) * inverse


@function("atan")
def atan(b: Builder, x: Value) -> Value:
    """atan t, pi/4 + atan((t - 1)/(t + 1)) or pi/2 - atan(1/t) for t = |x|."""
    t = b.at_most(b.abs(x), 2.0**80)  # atan rounds to pi/2 long before
    small, large = t < TAN_PI_8, t > 1.0 / TAN_PI_8
    difference, difference_low = b.two_sum(-1.0, t)
    total, total_low = b.two_sum(1.0, t)
    middle = ~(small | large)
    x_high = b.select(small, t, b.select(large, b.constant(-1.0), difference))
    y_high = b.select(small, b.constant(1.0), b.select(large, t, total))
    y, y_low = ratio(b, x_high, b.select(middle, difference_low, 0.0), y_high, b.select(middle, total_low, 0.0))
    eighths = b.select(small, b.constant(0.0), b.select(large, b.constant(1.0), 0.5))
    high, low = b.fast_two_sum(eighths * HALF_PI[b.dtype][0], y)
    rest = b.fma(eighths, HALF_PI[b.dtype][1], atan_tail(b, y, y_low))
    return b.copysign(high + (low + rest), x)


@function("atan2", 2)
def atan2(b: Builder, y: Value, x: Value) -> Value:
    """m pi/4 +- atan(q) with |q| <= tan(pi/8), by the octant of the point (x, y)."""
    infinity, large = math.inf, LARGE[b.dtype]
    up, along = b.abs(y), b.abs(x)
    steep = up > along
    long, short = b.select(steep, up, along), b.select(steep, along, up)
    short = b.select(long.equals(infinity), b.select(short.equals(infinity), b.constant(1.0), 0.0), short)
    long = b.select(long.equals(infinity) | long.equals(0.0), 1.0, long)
    factor = b.select(long > large, b.constant(1.0 / large), b.select(long < 1.0 / large, b.constant(large), 1.0))
    long, short = long * factor, short * factor
    diagonal = short > long * TAN_PI_8
    difference, difference_low = b.two_sum(short, -long)
    total, total_low = b.fast_two_sum(long, short)
    q, q_low = ratio(
        b,
        b.select(diagonal, difference, short),
        b.select(diagonal, difference_low, 0.0),
        b.select(diagonal, total, long),
        b.select(diagonal, total_low, 0.0),
    )
    behind = x.bits() < 0
    turns = b.select(diagonal, b.constant(0.5), 0.0)
    turns = b.select(steep, 1.0 - turns, turns)
    turns = b.select(behind, 2.0 - turns, turns)
    sign = b.select(steep ^ behind, b.constant(-1.0), 1.0)
    base, base_low = b.two_product(turns, HALF_PI[b.dtype][0])
    high, low = b.fast_two_sum(base, q * sign)
    tail = atan_tail(b, q, q_low) * sign + b.fma(turns, HALF_PI[b.dtype][1], base_low)
    result = b.copysign(high + (low + tail), y)
    return b.select(b.unordered(x, y), math.nan, result)


@slow_path("asinh.careful")
def asinh_careful(b: Builder, x: Value) -> Value:
    """log 2|x| where x**2 would overflow; infinity and NaN."""
    return b.copysign(b.call("log.careful", b.abs(x)) + math.log(2.0), x)


@function("asinh")
def asinh(b: Builder, x: Value) -> Value:
    """log1p(t + t**2 / (1 + sqrt(1 + t**2))) for t = |x|."""
    t = b.abs(x)
    square = t * t
    u, u_low = b.two_sum(t, square / (b.sqrt(square + 1.0) + 1.0))
    usual = b.copysign(log1p_of(b, u, u_low), x)
    return b.rare(~(t <= LARGE[b.dtype]), usual, lambda: b.call("asinh.careful", x))


@slow_path("acosh.careful")
def acosh_careful(b: Builder, x: Value) -> Value:
    """log 2x where x**2 would overflow; NaN below 1."""
    return b.select(x >= 1.0, b.call("log.careful", x) + math.log(2.0), math.nan)


@function("acosh")
def acosh(b: Builder, x: Value) -> Value:
    """log1p(t + sqrt(t (x + 1))) for t = x - 1."""
    t, t_low = b.fast_two_sum(x, b.constant(-1.0))
    v, v_low = b.fast_two_sum(x, b.constant(1.0))
    product, error = b.two_product(t, v)
    root = b.sqrt(product)
    root_low = (b.fma(-root, root, product) + b.fma(t, v_low, error)) / b.at_least(root + root, 1.0 / LARGE[b.dtype])
    u, u_low = b.fast_two_sum(root, t)
    usual = log1p_of(b, u, u_low + (root_low + (t_low + t_low)))
    return b.rare(~((x >= 1.0) & (x <= LARGE[b.dtype])), usual, lambda: b.call("acosh.careful", x))


@slow_path("atanh.careful")
def atanh_careful(b: Builder, x: Value) -> Value:
    """Infinity at +-1, NaN beyond."""
    return b.select(b.abs(x).equals(1.0), b.copysign(math.inf, x), math.nan)


@function("atanh")
def atanh(b: Builder, x: Value) -> Value:
    """log1p(2 t / (1 - t)) / 2 for t = |x|."""
    t = b.abs(x)
    below, below_low = b.fast_two_sum(1.0, -t)
    u, u_low = ratio(b, t + t, b.constant(0.0), below, below_low)
    usual = b.copysign(log1p_of(b, u, u_low) * 0.5, x)
    return b.rare(~(t < 1.0), usual, lambda: b.call("atanh.careful", x))

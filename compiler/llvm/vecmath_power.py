"""pow, cbrt, hypot, logaddexp."""

from __future__ import annotations

import math

from .vecmath_builder import Builder, Value
from .vecmath_coefficients import INVERSE_CBRT, LOG2, LOG_FINE, TWO_THIRDS
from .vecmath_exponential import (
    SAFE,
    exp_minus_abs,
    exp_reduced,
    reduce,
    scale,
    scaled_carefully,
)
from .vecmath_inverse import LARGE
from .vecmath_logarithm import Split, add_log1p, lifted, log_of, not_normal, split
from .vecmath_registry import function, slow_path

EXPONENT_LIMIT = 800.0
"""exp of this overflows, of its negative vanishes, even in two steps."""


def fine_log(b: Builder, parts: Split) -> tuple[Value, Value]:
    """log(2**k (1 + f)) as a sum of two floats, to about 2**-64 of its size (f64).

    s + s_low = f/(2 + f), z = s**2; log m = s (2 + z (2/3 + z q(z))), the leading terms with their errors.
    """
    f = parts.f
    y, y_low = b.fast_two_sum(2.0, f)
    inverse = 1.0 / y
    s = f * inverse
    s_low = b.fma(-s, y_low, b.fma(-s, y, f)) * inverse
    z, z_error = b.two_product(s, s)
    z_low = b.fma(s + s, s_low, z_error)
    third, third_low = TWO_THIRDS[b.dtype][:2]
    w, w_low = b.fast_two_sum(third, z * b.polynomial(z, LOG_FINE[b.dtype], z * z))
    w_low = w_low + third_low
    t, t_error = b.two_product(z, w)
    t_low = b.fma(z, w_low, b.fma(z_low, w, t_error))
    p, p_error = b.two_product(s, t)
    p_low = b.fma(s, t_low, b.fma(s_low, t, p_error))
    high, low = b.fast_two_sum(s + s, p)
    low = low + b.fma(s_low, 2.0, p_low)
    shift, shift_error = b.two_product(parts.k, LOG2[b.dtype][0])
    total, lost = b.fast_two_sum(shift, high)
    return total, lost + (low + b.fma(parts.k, LOG2[b.dtype][1], shift_error))


def exponent_of(b: Builder, parts: Split, y: Value) -> tuple[Value, Value]:
    """y log x as a sum of two floats."""
    high, low = fine_log(b, parts)
    product, error = b.two_product(high, y)
    return product, b.fma(low, y, error)


@function("pow", 2)
def pow_(b: Builder, x: Value, y: Value) -> Value:
    """exp(y log x), the logarithm with ten and more bits to spare; f32 in f64 arithmetic."""
    if b.dtype == "f32":
        return single_pow(b, x, y)
    product, low = exponent_of(b, split(b, x), y)
    at = reduce(b, product, low)
    bad = not_normal(b, x) | ~(b.abs(product) <= SAFE[b.dtype])
    return b.rare(bad, scale(b, exp_reduced(b, at), at.t), lambda: b.call("pow.careful", x, y))


def single_pow(b: Builder, x: Value, y: Value) -> Value:
    wide = b.widened()
    wide_x, wide_y = x.convert("fpext", "double"), y.convert("fpext", "double")
    parts = split(wide, wide_x)
    product = log_of(wide, parts.k, parts.f) * wide_y
    at = reduce(wide, product)
    bad = not_normal(wide, wide_x) | ~(wide.abs(product) <= SAFE["f64"])
    usual = scale(wide, exp_reduced(wide, at), at.t).convert("fptrunc", "float")
    return b.rare(bad, usual, lambda: b.call("pow.careful", x, y))


@slow_path("pow.careful", 2, wide=True)
def pow_careful(b: Builder, x: Value, y: Value) -> Value:
    """Every case of C99 (annex F.9.4.4)."""
    magnitude = b.abs(x)
    normal, offset = lifted(b, magnitude)
    parts = split(b, normal)
    product, low = exponent_of(b, Split(parts.k + offset, parts.f, parts.biased), y)
    log_is_infinite = magnitude.equals(0.0) | magnitude.equals(math.inf)
    extreme = y * b.select(magnitude.equals(0.0), -math.inf, magnitude)
    product = b.select(log_is_infinite, extreme, product)
    clamped = b.at_most(b.at_least(product, -EXPONENT_LIMIT), EXPONENT_LIMIT)
    at = reduce(b, clamped, b.select(b.abs(product) < EXPONENT_LIMIT, low, 0.0))
    size = scaled_carefully(b, exp_reduced(b, at), at.t - b.rounder)
    size = b.select(b.unordered(x, y), math.nan, size)
    size = b.select((magnitude.equals(1.0) & b.abs(y).equals(math.inf)) | y.equals(0.0), 1.0, size)
    whole = b.truncated(y).equals(y)
    half = y * 0.5
    odd = whole & b.truncated(half).differs(half)
    negative = x.bits() < 0
    size = b.select((x < 0.0) & (magnitude < math.inf) & (b.abs(y) < math.inf) & ~whole, math.nan, size)
    return b.select(x.equals(1.0), 1.0, b.select(negative & odd, -size, size))


def cbrt_of(b: Builder, x: Value, offset: Value | float) -> Value:
    """The cube root of x 2**offset for normal x, `offset` a multiple of 3.

    A cubic polynomial for m**(-1/3), iterated without division, then one residual in twice the precision.
    """
    parts = split(b, b.abs(x))
    k = parts.k + offset
    third = b.fma(k, 1.0 / 3.0, b.rounder)
    rest = b.fma(third - b.rounder, -3.0, k)
    m = (parts.f + 1.0) * b.select(rest < 0.0, b.constant(0.5), b.select(rest > 0.0, b.constant(2.0), 1.0))
    step = b.select(rest < 0.0, b.constant(2.0 ** (1 / 3)), b.select(rest > 0.0, b.constant(0.5 ** (1 / 3)), 1.0))
    r = b.polynomial(parts.f + 1.0, INVERSE_CBRT[b.dtype]) * step
    for _ in range(2 if b.dtype == "f64" else 1):
        e = b.fma(-(m * r), r * r, 1.0)
        r = b.fma(r * e, b.fma(e, 2.0 / 9.0, 1.0 / 3.0), r)
    c = m * r * r
    square, square_low = b.two_product(c, c)
    residual = b.fma(-square_low, c, b.fma(-square, c, m))
    c = b.fma(residual, r * r * (1.0 / 3.0), c)
    return b.copysign(scale(b, c, third), x)


@slow_path("cbrt.careful")
def cbrt_careful(b: Builder, x: Value) -> Value:
    """Subnormal numbers; 0, infinity and NaN are their own cube roots."""
    normal, offset = lifted(b, b.abs(x))
    root = cbrt_of(b, b.copysign(normal, x), offset)
    return b.select(x.equals(0.0) | ~(b.abs(x) < math.inf), x + x, root)


@function("cbrt")
def cbrt(b: Builder, x: Value) -> Value:
    return b.rare(not_normal(b, b.abs(x)), cbrt_of(b, x, 0.0), lambda: b.call("cbrt.careful", x))


def hypot_of(b: Builder, long: Value, short: Value) -> Value:
    """sqrt(long**2 + short**2), the sum and the root corrected by their errors."""
    square, square_error = b.two_product(long, long)
    other, other_error = b.two_product(short, short)
    total, lost = b.fast_two_sum(square, other)
    root = b.sqrt(total)
    residual = b.fma(-root, root, total) + (lost + (square_error + other_error))
    return root + residual / b.at_least(root + root, 1.0 / LARGE[b.dtype])


@slow_path("hypot.careful", 2)
def hypot_careful(b: Builder, x: Value, y: Value) -> Value:
    """Scaled by a power of 2; infinite if one is, even beside NaN."""
    x, y = b.abs(x), b.abs(y)
    long, short = b.at_least(x, y), b.at_most(y, x)
    up, down = b.constant(LARGE[b.dtype] ** 2), b.constant(LARGE[b.dtype] ** -2)
    factor, back = b.select(long > 1.0, down, up), b.select(long > 1.0, up, down)
    result = hypot_of(b, long * factor, short * factor) * back
    result = b.select(b.unordered(x, y), math.nan, result)
    return b.select(x.equals(math.inf) | y.equals(math.inf), math.inf, result)


@function("hypot", 2)
def hypot(b: Builder, x: Value, y: Value) -> Value:
    x, y = b.abs(x), b.abs(y)
    steep = y > x
    long, short = b.select(steep, y, x), b.select(steep, x, y)
    bad = ~((long <= LARGE[b.dtype]) & (short >= 0.0)) | ((long < 1.0 / LARGE[b.dtype]) & (long > 0.0))
    return b.rare(bad, hypot_of(b, long, short), lambda: b.call("hypot.careful", x, y))


@slow_path("logaddexp.careful", 2)
def logaddexp_careful(b: Builder, x: Value, y: Value) -> Value:
    """Far apart, infinite or NaN."""
    far = b.at_least(x, y) + b.call("exp.careful", -b.abs(x - y))
    return b.select(b.unordered(x, y), math.nan, b.select(x.equals(y), x, far))


@function("logaddexp", 2)
def logaddexp(b: Builder, x: Value, y: Value) -> Value:
    """max(x, y) + log(1 + exp -|x - y|)."""
    difference, error = b.two_sum(x, -y)
    usual = add_log1p(b, b.at_least(x, y), *exp_minus_abs(b, difference, error))
    bad = ~(b.abs(difference) <= SAFE[b.dtype])
    return b.rare(bad, usual, lambda: b.call("logaddexp.careful", x, y))

"""erfcx, the normal distribution function, its logarithm, and the inverses of erf, erfc and ndtr, computed in f64.

The inverses start from a short minimax approximation and take one step of Halley's iteration: on erf near 0, on log
erfc in the tail, where it is nearly a parabola.
"""

from __future__ import annotations

import math

from .vecmath_builder import Builder, Value
from .vecmath_coefficients import ERFCINV_START, ERFINV_START, SQRT_2, SQRT_HALF
from .vecmath_error import NEAR, Tail, erf_tail, scaled_tail
from .vecmath_exponential import (
    exp_pair,
    power_of_two,
    reduce,
    scaled_carefully,
)
from .vecmath_logarithm import lifted, log_of, split, split_one_plus
from .vecmath_registry import function, slow_path

INVERSE_SQRT_PI, HALF_SQRT_PI = 0.5641895835477563, 0.8862269254527580
MIDDLE = 0.75
"""Up to here erfinv is solved on erf, beyond on log erfc."""
ASYMPTOTIC = 1e8
"""From here on erfcx x = 1/(x sqrt pi)."""
NORMAL_NDTR = 37.5
"""ndtr -x is a normal number up to here."""


def exp_of_square(b: Builder, x: Value, factor: float) -> tuple[Value, Value, Value]:
    """exp(factor x**2) as (p + p_low) 2**n, n in the low bits of the third value."""
    square, low = b.two_product(x, x)
    at = reduce(b, square * factor, low * factor)
    return *exp_pair(b, at), at.t


@slow_path("erfcx.careful", wide=True, seldom=False)
def erfcx_careful(b: Builder, x: Value) -> Value:
    """1/(x sqrt pi), or 2 exp(x**2), which may overflow."""
    bounded = b.at_least(x, -27.5)
    at = reduce(b, *b.two_product(bounded, bounded))
    growing = scaled_carefully(b, sum_of(b, exp_pair(b, at)), at.t - b.rounder + 1.0)
    return b.select(x > 0.0, INVERSE_SQRT_PI / x, growing)


def sum_of(b: Builder, pair: tuple[Value, Value]) -> Value:
    return pair[0] + pair[1]


@function("erfcx", wide=True)
def erfcx(b: Builder, x: Value) -> Value:
    """exp(x**2) erfc x."""
    size = b.abs(x)
    far = scaled_tail(b, b.at_least(size, NEAR)).value(b)
    p, low, t = exp_of_square(b, b.at_most(size, 27.0), 1.0)
    power = power_of_two(b, t)
    e, e_low = p * power, low * power
    behind = b.fma(e, 2.0, b.fma(e_low, 2.0, -far))
    one_minus, lost = b.fast_two_sum(1.0, -x)
    complement, complement_low = b.fast_two_sum(one_minus, lost - erf_tail(b, x))
    near = b.fma(e, complement, b.fma(e, complement_low, e_low * complement))
    usual = b.select(size < NEAR, near, b.select(x < 0.0, behind, far))
    return b.rare(~((x >= -26.0) & (x <= ASYMPTOTIC)), usual, lambda: b.call("erfcx.careful", x))


def half_erfc(b: Builder, size: Value) -> tuple[Tail, Value, Value]:
    """erfc(size/sqrt 2)/2 = p 2**n: its scaled tail, p, and n in the low bits of the last; size/sqrt 2 >= NEAR."""
    y, y_low = over_sqrt_2(b, size)
    tail = scaled_tail(b, y, y_low)
    p, low, t = exp_of_square(b, size, -0.5)
    return tail, tail.times(b, p, low), t


def over_sqrt_2(b: Builder, x: Value) -> tuple[Value, Value]:
    """x/sqrt 2 as a sum of two floats."""
    y, error = b.two_product(x, b.constant(SQRT_HALF["f64"][0]))
    return y, b.fma(x, SQRT_HALF["f64"][1], error)


def ndtr_of(b: Builder, x: Value) -> Value:
    """For |x| <= NORMAL_NDTR."""
    _, p, t = half_erfc(b, b.abs(x))
    far = p * power_of_two(b, t, -1)
    far = b.select(x > 0.0, 1.0 - far, far)
    y, y_low = over_sqrt_2(b, x)
    high, low = b.fast_two_sum(1.0, y)
    near = (high + (low + (erf_tail(b, y) + y_low))) * 0.5
    return b.select(b.abs(y) < NEAR, near, far)


@slow_path("ndtr.careful", wide=True, seldom=False)
def ndtr_careful(b: Builder, x: Value) -> Value:
    """Subnormal or 0, or 1."""
    _, p, t = half_erfc(b, b.at_most(b.abs(x), 40.0))
    return b.select(x > 0.0, 1.0, scaled_carefully(b, p, t - b.rounder - 1.0))


@function("ndtr", wide=True)
def ndtr(b: Builder, x: Value) -> Value:
    """The normal distribution function, erfc(-x/sqrt 2)/2."""
    return b.rare(~(b.abs(x) <= NORMAL_NDTR), ndtr_of(b, x), lambda: b.call("ndtr.careful", x))


@slow_path("log_ndtr.careful", wide=True, seldom=False)
def log_ndtr_careful(b: Builder, x: Value) -> Value:
    """-ndtr(-x), or -x**2/2 where the rest does not count."""
    return b.select(x > 0.0, -b.call("ndtr.careful", -x), x * -0.5 * x)


@function("log_ndtr", wide=True)
def log_ndtr(b: Builder, x: Value) -> Value:
    """log ndtr x: log(erfcx(-x/sqrt 2)/2) - x**2/2, log ndtr x or log1p(-ndtr(-x)), by the sign and size of x."""
    size = b.abs(x)
    left, right = x < -1.0, x > 0.0
    scaled = scaled_tail(b, b.at_least(size, 0.75) * SQRT_HALF["f64"][0])
    value = ndtr_of(b, b.at_most(-size, 0.0))
    parts = split(b, b.select(left, scaled.value(b) * 0.5, value))
    k, f, _ = split_one_plus(b, -value)
    square, low = b.two_product(size, size)
    log = log_of(b, b.select(right, k, parts.k), b.select(right, f, parts.f))
    usual = b.select(left, square * -0.5 + b.fma(low, -0.5, log), log)
    return b.rare(~((x <= NORMAL_NDTR) & (x >= -1e10)), usual, lambda: b.call("log_ndtr.careful", x))


def erfinv_near(b: Builder, x: Value, low: Value | None = None) -> tuple[Value, Value]:
    """erfinv(x + low) as a first value and a correction, for |x| <= MIDDLE."""
    y = x * b.polynomial(x * x, ERFINV_START["f64"])
    z = y * y
    exp_z = b.polynomial(z, [1.0 / math.factorial(k) for k in range(13)])
    residual = (x - y) - erf_tail(b, y)
    newton = (residual if low is None else residual + low) * (exp_z * HALF_SQRT_PI)
    return y, newton * b.fma(newton, y, 1.0)


def erfcinv_far(b: Builder, q: Value) -> tuple[Value, Value]:
    """y and a correction with erfc(y + correction) = q, for 0 < q <= 1 - MIDDLE, also subnormal."""
    normal, offset = lifted(b, q)
    parts = split(b, normal)
    k = parts.k + offset
    s = b.sqrt(-log_of(b, k, parts.f))
    y = s + b.polynomial(1.0 / (s + 2.0), ERFCINV_START["f64"])
    tail = scaled_tail(b, y)
    e, e_low, t = exp_of_square(b, y, -1.0)
    p = tail.times(b, e, e_low)
    m = parts.f + 1.0
    unit = power_of_two(b, (t - b.rounder) - k + b.rounder)
    excess = b.fma(p, unit, -m) / m
    log = excess * b.polynomial(excess, [(-1.0) ** k / (k + 1) for k in range(7)])
    slope = -2.0 * INVERSE_SQRT_PI / tail.value(b)
    newton = -log / slope
    return y, newton / b.fma(newton, b.fma(y, -1.0, slope * -0.5), 1.0)


@function("erfinv", wide=True)
def erfinv(b: Builder, x: Value) -> Value:
    """y with erf y = x."""
    size = b.abs(x)
    near = erfinv_near(b, b.at_most(size, MIDDLE))
    far = erfcinv_far(b, b.at_most(b.at_least(1.0 - size, 2.0**-60), 1.0 - MIDDLE))
    inner = b.select(size < MIDDLE, near[0] + near[1], far[0] + far[1])
    result = b.select(size.equals(1.0), math.inf, b.select(size <= 1.0, inner, math.nan))
    return b.copysign(result, x)


def erfcinv_pair(b: Builder, q: Value) -> tuple[Value, Value]:
    """erfcinv q and a correction for 0 < q < 2."""
    upper = q > 1.0
    small = b.select(upper, 2.0 - q, q)
    far = erfcinv_far(b, b.at_most(small, 1.0 - MIDDLE))
    complement, lost = b.fast_two_sum(1.0, -small)
    y, low = erfinv_near(b, b.at_most(complement, MIDDLE), lost)
    y, low = b.select(upper, -y, y), b.select(upper, -low, low)
    near = small > 1.0 - MIDDLE
    far_high, far_low = b.select(upper, -far[0], far[0]), b.select(upper, -far[1], far[1])
    return b.select(near, y, far_high), b.select(near, low, far_low)


def at_ends(b: Builder, x: Value, end: float, result: Value) -> Value:
    """The result inside 0 < x < end, infinite at the ends, NaN outside; `end` negative swaps the signs."""
    infinity = math.inf if end > 0 else -math.inf
    result = b.select((x > 0.0) & (x < abs(end)), result, math.nan)
    return b.select(x.equals(0.0), infinity, b.select(x.equals(abs(end)), -infinity, result))


@function("erfcinv", wide=True)
def erfcinv(b: Builder, x: Value) -> Value:
    """y with erfc y = x."""
    y, low = erfcinv_pair(b, b.at_most(b.at_least(x, 5e-324), 2.0 - 2.0**-52))
    return at_ends(b, x, 2.0, y + low)


@function("ndtri", wide=True)
def ndtri(b: Builder, x: Value) -> Value:
    """y with ndtr y = x: -sqrt(2) erfcinv(2 x)."""
    y, low = erfcinv_pair(b, b.at_most(b.at_least(x, 5e-324), 1.0 - 2.0**-53) * 2.0)
    root, root_low = SQRT_2["f64"][:2]
    high, error = b.two_product(y, b.constant(-root))
    return at_ends(b, x, -1.0, high + (error - b.fma(low, root, y * root_low)))

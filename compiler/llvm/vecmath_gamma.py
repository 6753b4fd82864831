"""gammaln (log |gamma x|) and digamma, computed in f64.

Small arguments are shifted by the recurrence to an interval where one polynomial has the zero as a factor, large ones
use Stirling's series (Abramowitz and Stegun 6.1.15, 6.1.41, 6.3.5, 6.3.18, with minimax coefficients); negative ones
the reflection formula.  Next to the zeros on the negative axis the error is small beside 1, not beside the result.
"""

from __future__ import annotations

import math

from .vecmath_builder import Builder, Value
from .vecmath_coefficients import (
    DIGAMMA,
    DIGAMMA_AT_2,
    DIGAMMA_SERIES,
    DIGAMMA_ZERO,
    HALF_LOG_2PI,
    HALF_PI,
    LOG_GAMMA,
    LOG_PI,
    STIRLING,
    TRIGAMMA_AT_ZERO,
)
from .vecmath_inverse import ratio
from .vecmath_logarithm import split
from .vecmath_power import fine_log
from .vecmath_registry import function, slow_path
from .vecmath_trigonometric import Reduced, cosine, sine

Pair = tuple[Value, Value]
LARGE = 8.5
"""From here on Stirling's series is used."""
TINY, HUGE = 2.0**-60, 1e300


def descend(b: Builder, x: Value, bound: float, steps: int) -> tuple[Value, Value, Value]:
    """x - n <= bound for the least n <= steps, and (x - 1)(x - 2)...(x - n) as a sum of two floats."""
    product, low = b.constant(1.0), b.constant(0.0)
    for _ in range(steps):
        down = x > bound
        below = x - 1.0
        longer, error = b.two_product(below, product)
        low = b.select(down, b.fma(low, below, error), low)
        product, x = b.select(down, longer, product), b.select(down, below, x)
    return x, product, low


def log_gamma_below(b: Builder, x: Value, log: Pair, v: Value) -> Pair:
    """log gamma(2 + v), and the logarithm of the factors between: subtracted below 3/2, added above."""
    high, low = log
    middle, middle_low = DIGAMMA_AT_2["f64"][:2]
    q = b.polynomial(v, LOG_GAMMA["f64"], v * v)
    slope = b.fma(v, q, middle)
    slope_low = b.fma(v, q, middle - slope) + middle_low
    g, g_error = b.two_product(v, slope)
    g_low = b.fma(v, slope_low, g_error)
    shrink = x < 1.5
    total, lost = b.two_sum(b.select(shrink, -high, high), g)
    return total, lost + (g_low + b.select(shrink, -low, low))


def log_gamma_above(b: Builder, x: Value, log: Pair) -> Pair:
    """Stirling's series."""
    high, low = log
    factor = x - 0.5
    product, error = b.two_product(factor, high)
    inverse = 1.0 / x
    z = inverse * inverse
    rest = b.fma(factor, low, error) + b.fma(inverse, b.polynomial(z, STIRLING["f64"], z * z), HALF_LOG_2PI["f64"][1])
    total, lost = b.fast_two_sum(product, -x)
    total, lost_too = b.fast_two_sum(total, b.constant(HALF_LOG_2PI["f64"][0]))
    return total, lost + lost_too + rest


def log_gamma_of(b: Builder, x: Value) -> Pair:
    """log gamma x as a sum of two floats, for TINY <= x <= HUGE."""
    large, small, tiny = x >= LARGE, x < 1.5, x < 0.5
    shifted, product, product_low = descend(b, x, 2.5, 6)
    quadratic = b.fma(x, x, x)
    product = b.select(tiny, quadratic, b.select(small | large, x, product))
    product_low = b.select(tiny, b.fma(x, x, x - quadratic), b.select(small | large, 0.0, product_low))
    v = b.select(tiny, x, b.select(small, x - 1.0, shifted - 2.0))
    log, log_low = fine_log(b, split(b, product))
    fine = log, log_low + product_low / product
    above, below = log_gamma_above(b, x, fine), log_gamma_below(b, x, fine, v)
    return b.select(large, above[0], below[0]), b.select(large, above[1], below[1])


def sin_and_cos_of_pi(b: Builder, offset: Value) -> tuple[Pair, Pair]:
    """|sin pi x| and cos pi x, each as a sum of two floats, by x's distance from the nearest integer."""
    size = b.abs(offset)
    swap = size > 0.25
    part = b.select(swap, 0.5 - size, size)
    angle, error = b.two_product(part, b.constant(2.0 * HALF_PI["f64"][0]))
    at = Reduced(b.constant(0, "i64"), angle, b.fma(part, 2.0 * HALF_PI["f64"][1], error))
    s, c = b.fast_two_sum(*sine(b, at)), b.fast_two_sum(*cosine(b, at))
    sin = b.select(swap, c[0], s[0]), b.select(swap, c[1], s[1])
    cos = b.select(swap, s[0], c[0]), b.select(swap, s[1], c[1])
    return sin, cos


def from_nearest_integer(b: Builder, x: Value) -> Value:
    """x minus the integer nearest to it, exactly."""
    return x - b.intrinsic("rint", x)


@slow_path("gammaln.careful", wide=True, seldom=False)
def gammaln_careful(b: Builder, x: Value) -> Value:
    """log(pi/(t |sin pi t|)) - log gamma t for x = -t; poles; tiny and huge arguments."""
    t = b.abs(x)
    inside = b.at_most(b.at_least(t, TINY), HUGE)
    offset = from_nearest_integer(b, inside)
    (sin, sin_low), _ = sin_and_cos_of_pi(b, offset)
    product, error = b.two_product(inside, b.at_least(sin, TINY))
    log, log_low = fine_log(b, split(b, product))
    log_low = log_low + b.fma(inside, sin_low, error) / product
    gamma, gamma_low = log_gamma_of(b, inside)
    total, lost = b.two_sum(LOG_PI["f64"][0], -log)
    total, lost_too = b.two_sum(total, -gamma)
    reflected = total + (lost + lost_too + (LOG_PI["f64"][1] - log_low - gamma_low))
    log = b.call("log.careful", t)
    result = b.select(x < 0.0, reflected, (log - 1.0) * x)
    result = b.select((x <= 0.0) & offset.equals(0.0), math.inf, result)
    result = b.select(t < TINY, -log, result)
    return b.select(t.equals(math.inf), math.inf, result)


@function("gammaln", wide=True)
def gammaln(b: Builder, x: Value) -> Value:
    high, low = log_gamma_of(b, x)
    return b.rare(~((x >= TINY) & (x <= HUGE)), high + low, lambda: b.call("gammaln.careful", x))


def sum_of_inverses(b: Builder, x: Value) -> tuple[Value, Value, Value, Value, Value]:
    """x - n <= 2 for the least n <= 7, and 1/(x - 1) + ... + 1/(x - n) as top and bottom with their errors."""
    top, top_low, bottom, bottom_low = b.constant(0.0), b.constant(0.0), b.constant(1.0), b.constant(0.0)
    for _ in range(7):
        down = x > 2.0
        below = x - 1.0
        product, product_error = b.two_product(top, below)
        longer, error = b.two_sum(product, bottom)
        longer_low = b.fma(top_low, below, product_error + error) + bottom_low
        deeper, deeper_error = b.two_product(bottom, below)
        top, top_low = b.select(down, longer, top), b.select(down, longer_low, top_low)
        bottom_low = b.select(down, b.fma(bottom_low, below, deeper_error), bottom_low)
        bottom, x = b.select(down, deeper, bottom), b.select(down, below, x)
    return x, top, top_low, bottom, bottom_low


def digamma_of(b: Builder, x: Value) -> Pair:
    """For x >= TINY, as a sum of two floats: psi(x) = psi(x + 1) - 1/x = psi(x - 1) + 1/(x - 1)."""
    large, small = x >= LARGE, x < 1.0
    shifted, top, top_low, bottom, bottom_low = sum_of_inverses(b, x)
    top, top_low = b.select(small, b.constant(-1.0), top), b.select(small | large, 0.0, top_low)
    top = b.select(large, b.constant(-0.5), top)
    bottom, bottom_low = b.select(small | large, x, bottom), b.select(small | large, 0.0, bottom_low)
    inverses, inverses_low = ratio(b, top, top_low, bottom, bottom_low)
    zero, zero_low = DIGAMMA_ZERO["f64"][:2]
    slope, slope_low = TRIGAMMA_AT_ZERO["f64"][:2]
    v = b.select(small, x - (zero - 1.0), shifted - zero)
    g, g_error = b.two_product(v, b.constant(slope))
    q = b.polynomial(v, DIGAMMA["f64"], v * v)
    slope_at_v = b.fma(v + v, q, slope)  # of which the lower part of the zero needs few digits
    rest = b.fma(v * v, q, g_error) + (v * slope_low - slope_at_v * zero_low)
    inverse = 1.0 / x
    z = inverse * inverse
    log, log_low = fine_log(b, split(b, x))
    main = b.select(large, log, g)
    rest = b.select(large, b.fma(-z, b.polynomial(z, DIGAMMA_SERIES["f64"], z * z), log_low), rest)
    total, lost = b.two_sum(inverses, main)
    return total, lost + (inverses_low + rest)


@slow_path("digamma.careful", wide=True, seldom=False)
def digamma_careful(b: Builder, x: Value) -> Value:
    """psi(t) + 1/t + pi cot(pi t) for x = -t; poles are NaN, or infinite with the sign of -x at 0."""
    t = b.at_most(b.at_least(b.abs(x), TINY), 2.0**100)
    offset = from_nearest_integer(b, t)
    (sin, sin_low), (cos, cos_low) = sin_and_cos_of_pi(b, offset)
    cot, cot_low = ratio(b, cos, cos_low, b.at_least(sin, TINY), sin_low)
    pi, pi_low = 2.0 * HALF_PI["f64"][0], 2.0 * HALF_PI["f64"][1]
    turn, error = b.two_product(cot, b.constant(pi))
    turn_low = b.fma(cot, pi_low, b.fma(cot_low, pi, error))
    turn, turn_low = b.copysign(turn, offset), b.select(offset < 0.0, -turn_low, turn_low)
    psi, psi_low = digamma_of(b, t)
    inverse, inverse_low = ratio(b, b.constant(1.0), b.constant(0.0), t, b.constant(0.0))
    total, lost = b.two_sum(psi, inverse)
    total, lost_too = b.two_sum(total, turn)
    reflected = total + (lost + lost_too + (psi_low + inverse_low + turn_low))
    result = b.select(offset.equals(0.0), math.nan, reflected)
    result = b.select(x > 1.0, b.call("log.careful", x), result)
    return b.select(b.abs(x) < TINY, -1.0 / x, result)


@function("digamma", wide=True)
def digamma(b: Builder, x: Value) -> Value:
    high, low = digamma_of(b, x)
    return b.rare(~((x >= TINY) & (x <= HUGE)), high + low, lambda: b.call("digamma.careful", x))

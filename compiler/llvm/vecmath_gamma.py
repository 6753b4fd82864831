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
    LOG_GAMMA,
    LOG_PI,
    STIRLING,
    TRIGAMMA_AT_ZERO,
)
from .vecmath_inverse import ratio
from .vecmath_logarithm import log_of, split
from .vecmath_power import fine_log
from .vecmath_registry import function, slow_path
from .vecmath_trigonometric import cos_from, sin_from
from .vecmath_trigonometric import reduce as reduce_angle

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


def log_gamma_below(b: Builder, x: Value, log: tuple[Value, Value], v: Value) -> Value:
    """log gamma(2 + v), and the logarithm of the factors between: subtracted below 3/2, added above."""
    high, low = log
    slope, slope_low = DIGAMMA_AT_2["f64"][:2]
    g, g_error = b.two_product(v, b.constant(slope))
    g_low = b.fma(v * v, b.polynomial(v, LOG_GAMMA["f64"], v * v), b.fma(v, slope_low, g_error))
    shrink = x < 1.5
    total, lost = b.two_sum(b.select(shrink, -high, high), g)
    return total + (lost + (g_low + b.select(shrink, -low, low)))


def log_gamma_above(b: Builder, x: Value, log: tuple[Value, Value]) -> Value:
    """Stirling's series."""
    high, low = log
    factor = x - 0.5
    product, error = b.two_product(factor, high)
    inverse = 1.0 / x
    z = inverse * inverse
    rest = b.fma(factor, low, error) + b.fma(inverse, b.polynomial(z, STIRLING["f64"], z * z), HALF_LOG_2PI["f64"][1])
    total, lost = b.fast_two_sum(product, -x)
    total, lost_too = b.fast_two_sum(total, b.constant(HALF_LOG_2PI["f64"][0]))
    return total + (lost + lost_too + rest)


def log_gamma_of(b: Builder, x: Value) -> Value:
    """For TINY <= x <= HUGE."""
    large, small, tiny = x >= LARGE, x < 1.5, x < 0.5
    shifted, product, product_low = descend(b, x, 2.5, 6)
    quadratic = b.fma(x, x, x)
    product = b.select(tiny, quadratic, b.select(small | large, x, product))
    product_low = b.select(tiny, b.fma(x, x, x - quadratic), b.select(small | large, 0.0, product_low))
    v = b.select(tiny, x, b.select(small, x - 1.0, shifted - 2.0))
    log, log_low = fine_log(b, split(b, product))
    fine = log, log_low + product_low / product
    return b.select(large, log_gamma_above(b, x, fine), log_gamma_below(b, x, fine, v))


def from_nearest_integer(b: Builder, x: Value) -> Value:
    """x minus the integer nearest to it, exactly."""
    return x - b.intrinsic("rint", x)


@slow_path("gammaln.careful", wide=True)
def gammaln_careful(b: Builder, x: Value) -> Value:
    """log(pi/(t |sin pi t|)) - log gamma t for x = -t; poles; tiny and huge arguments."""
    t = b.abs(x)
    inside = b.at_most(b.at_least(t, TINY), HUGE)
    offset = from_nearest_integer(b, inside)
    sine = b.abs(sin_from(b, reduce_angle(b, offset * math.pi)))
    parts = split(b, inside * b.at_least(sine, TINY))
    reflected = LOG_PI["f64"][0] - log_of(b, parts.k, parts.f) - log_gamma_of(b, inside)
    log = b.call("log.careful", t)
    result = b.select(x < 0.0, reflected, (log - 1.0) * x)
    result = b.select((x <= 0.0) & offset.equals(0.0), math.inf, result)
    result = b.select(t < TINY, -log, result)
    return b.select(t.equals(math.inf), math.inf, result)


@function("gammaln", wide=True)
def gammaln(b: Builder, x: Value) -> Value:
    return b.rare(~((x >= TINY) & (x <= HUGE)), log_gamma_of(b, x), lambda: b.call("gammaln.careful", x))


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


def digamma_of(b: Builder, x: Value) -> Value:
    """For x >= TINY: psi(x) = psi(x + 1) - 1/x = psi(x - 1) + 1/(x - 1)."""
    large, small = x >= LARGE, x < 1.0
    shifted, top, top_low, bottom, bottom_low = sum_of_inverses(b, x)
    top, top_low = b.select(small, b.constant(-1.0), top), b.select(small | large, 0.0, top_low)
    top = b.select(large, b.constant(-0.5), top)
    bottom, bottom_low = b.select(small | large, x, bottom), b.select(small | large, 0.0, bottom_low)
    inverses, inverses_low = ratio(b, top, top_low, bottom, bottom_low)
    zero, zero_low = DIGAMMA_ZERO["f64"][:2]
    v = b.select(small, x - (zero - 1.0), shifted - zero)
    slope, slope_low = TRIGAMMA_AT_ZERO["f64"][:2]
    g, g_error = b.two_product(v, b.constant(slope))
    q = b.polynomial(v, DIGAMMA["f64"], v * v)
    slope_at_v = b.fma(v + v, q, slope)  # of which the lower part of the zero needs few digits
    rest = b.fma(v * v, q, g_error) + (v * slope_low - slope_at_v * zero_low)
    total, lost = b.two_sum(inverses, g)
    below_large = total + (lost + (inverses_low + rest))
    inverse = 1.0 / x
    z = inverse * inverse
    parts = split(b, x)
    series = b.fma(-z, b.polynomial(z, DIGAMMA_SERIES["f64"], z * z), inverses)
    return b.select(large, log_of(b, parts.k, parts.f) + series, below_large)


@slow_path("digamma.careful", wide=True)
def digamma_careful(b: Builder, x: Value) -> Value:
    """psi(1 - x) - pi cot(pi x); poles are NaN, or infinite with the sign of -x at 0."""
    offset = from_nearest_integer(b, b.at_least(x, -(2.0**60)))
    angle = reduce_angle(b, offset * math.pi)
    cotangent = cos_from(b, angle) / sin_from(b, angle)
    reflected = digamma_of(b, b.at_most(1.0 - x, 2.0**1000)) - cotangent * math.pi
    result = b.select(offset.equals(0.0), math.nan, reflected)
    result = b.select(b.abs(x) < TINY, -1.0 / x, result)
    return b.select(x > 0.0, b.select(x < 1.0, result, b.call("log.careful", x)), result)


@function("digamma", wide=True)
def digamma(b: Builder, x: Value) -> Value:
    return b.rare(~((x >= TINY) & (x <= HUGE)), digamma_of(b, x), lambda: b.call("digamma.careful", x))

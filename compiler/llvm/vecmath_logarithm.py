"""log, log1p, log2, log10 and what is a short formula in them: softplus, logaddexp, the inverse hyperbolics.

x = 2**k m with sqrt(1/2) <= m < sqrt 2, f = m - 1, s = f/(2 + f):
log m = f - f**2/2 + s (f**2/2 + s**2 q(s**2)), which loses nothing where f is small (the arrangement of FreeBSD's
`e_log.c`, after K. C. Ng; q is our own minimax polynomial).
"""

from __future__ import annotations

from ..records import record
from .vecmath_builder import Builder, Value
from .vecmath_coefficients import LOG, LOG2, LOG2_E, LOG10_2, LOG10_E, LOG_WIDE, Coefficients
from .vecmath_exponential import exp_carefully, exp_reduced, outside, reduce, scale
from .vecmath_registry import function, slow_path

TINY = {"f64": 2.0**-1022, "f32": 2.0**-126}
LIFT = {"f64": 54, "f32": 24}
"""Subnormal numbers times 2**LIFT are normal; a multiple of 3, for the cube root."""
HUGE = {"f64": 2.0**1000, "f32": 2.0**120}
"""Beyond this 2**-k is no normal number."""
BIAS = {"f64": 1023, "f32": 127}
SQRT_HALF_BITS = {"f64": 0x3FE6A09E667F3BCD, "f32": 0x3F3504F3}


@record(frozen=True, slots=True)
class Split:
    """x = 2**k (1 + f), k as a float; `biased` holds k + bias in the exponent bits."""

    k: Value
    f: Value
    biased: Value


def split(b: Builder, x: Value) -> Split:
    """For a positive normal x."""
    root, bias = SQRT_HALF_BITS[b.dtype], BIAS[b.dtype]
    shifted = x.bits() + ((bias << b.mantissa) - root)
    mask = (1 << b.mantissa) - 1
    m = ((shifted & mask) + root).as_float()
    whole = 2.0**b.mantissa
    whole_bits = (BIAS[b.dtype] + b.mantissa) << b.mantissa
    k = ((shifted >> b.mantissa) | whole_bits).as_float() - (whole + bias)
    return Split(k, m - 1.0, shifted)


def log_of_significand(b: Builder, f: Value, extra: Value | None = None, coefficients: Coefficients = LOG) -> Value:
    """log(1 + f) - f (+ extra)."""
    s = f / (f + 2.0)
    z = s * s
    half = f * 0.5
    long = coefficients is LOG_WIDE  # a short chain hides its latency, a long one is cut in two
    tail = b.polynomial(z, coefficients[b.dtype], z * z if long else None)
    inner = b.fma(z, tail, half * f)
    rest = s * inner if extra is None else b.fma(s, inner, extra)
    return b.fma(-half, f, rest)


def log_of(b: Builder, k: Value, f: Value, extra: Value | None = None) -> Value:
    """log(2**k (1 + f)) + extra, for a small extra."""
    high, low = LOG2[b.dtype][:2]
    low_part = k * low if extra is None else b.fma(k, low, extra)
    return b.fma(k, high, f + log_of_significand(b, f, low_part))


def not_normal(b: Builder, x: Value) -> Value:
    """Lanes that hold no positive normal number; one integer comparison."""
    lowest, beyond = 1 << b.mantissa, (2 * BIAS[b.dtype] + 1) << b.mantissa
    sign = 1 << (63 if b.dtype == "f64" else 31)
    return ~((x.bits() + (sign - lowest)) < (beyond - lowest - sign))


def lifted(b: Builder, x: Value) -> tuple[Value, Value]:
    """A normal number and the exponent to add, for a positive x that may be subnormal."""
    small = x < TINY[b.dtype]
    return b.select(small, x * 2.0 ** LIFT[b.dtype], x), b.select(small, -float(LIFT[b.dtype]), 0.0)


def at_special_points(b: Builder, x: Value, result: Value) -> Value:
    """What a logarithm gives at 0 (-inf), at infinity, and below 0 (NaN)."""
    infinity = float("inf")
    result = b.select(x.equals(0.0), -infinity, result)
    result = b.select(x >= 0.0, result, float("nan"))
    return b.select(x.equals(infinity), infinity, result)


@slow_path("log.careful")
def log_careful(b: Builder, x: Value) -> Value:
    normal, offset = lifted(b, x)
    parts = split(b, normal)
    return at_special_points(b, x, log_of(b, parts.k + offset, parts.f))


@function("log")
def log(b: Builder, x: Value) -> Value:
    parts = split(b, x)
    return b.rare(not_normal(b, x), log_of(b, parts.k, parts.f), lambda: b.call("log.careful", x))


def split_one_plus(b: Builder, x: Value, low: Value | None = None) -> tuple[Value, Value, Value | None]:
    """k, f and a small extra with log(1 + x + low) = log(2**k (1 + f)) + extra.

    For -1 < x <= HUGE and |low| below an ulp of x.
    """
    u, c = b.two_sum(1.0, x)
    if low is not None:
        c = c + low
    parts = split(b, u)
    exponent = (2 * BIAS[b.dtype] + 1) << b.mantissa
    inverse = ((2 * BIAS[b.dtype] << b.mantissa) - (parts.biased & exponent)).as_float()
    if low is None:
        return parts.k, b.fma(c, inverse, parts.f), None
    f, f_low = b.fast_two_sum(parts.f, c * inverse)
    return parts.k, f, f_low * (b.fma(f, f, 1.0) - f)


def log1p_of(b: Builder, x: Value, low: Value | None = None) -> Value:
    """log(1 + x + low), arguments as for `split_one_plus`."""
    return log_of(b, *split_one_plus(b, x, low))


def log1p_pair(b: Builder, x: Value, low: Value | None = None) -> tuple[Value, Value]:
    """log(1 + x + low) as a sum of two floats, the second small but not below the first's rounding."""
    k, f, extra = split_one_plus(b, x, low)
    shift, error = b.two_product(k, b.constant(LOG2[b.dtype][0]))
    rest = b.fma(k, LOG2[b.dtype][1], error if extra is None else error + extra)
    high, lost = b.fast_two_sum(shift, f)
    return high, lost + log_of_significand(b, f, rest)


def add_log1p(b: Builder, base: Value, x: Value, low: Value) -> Value:
    """base + log(1 + x + low) with little more than the rounding of the sum."""
    high, tail = log1p_pair(b, x, low)
    total, lost = b.two_sum(base, high)
    return total + (lost + tail)


@slow_path("log1p.careful")
def log1p_careful(b: Builder, x: Value) -> Value:
    """What is left: x <= -1, NaN, and x so large that it is log x."""
    return b.select(x.equals(-1.0), -float("inf"), b.call("log.careful", x))


@function("log1p")
def log1p(b: Builder, x: Value) -> Value:
    usual = b.copysign(log1p_of(b, x), x)  # keeps log1p(-0.0) = -0.0
    bad = ~((x > -1.0) & (x <= HUGE[b.dtype]))
    return b.rare(bad, usual, lambda: b.call("log1p.careful", x))


def log2_of(b: Builder, k: Value, f: Value) -> Value:
    """k + log(1 + f) log2(e), the products with their errors."""
    high, low = LOG2_E[b.dtype][:2]
    product, error = b.two_product(f, high)
    rest = b.fma(log_of_significand(b, f), high, b.fma(f, low, error))
    total, lost = b.fast_two_sum(k, product)
    return total + (lost + rest)


def log10_of(b: Builder, k: Value, f: Value) -> Value:
    """k log10(2) + log(1 + f) log10(e), the products with their errors."""
    high, low = LOG10_E[b.dtype][:2]
    product, error = b.two_product(f, high)
    rest = b.fma(log_of_significand(b, f), high, b.fma(f, low, error))
    shift, shift_error = b.two_product(k, LOG10_2[b.dtype][0])
    total, lost = b.fast_two_sum(shift, product)
    return total + (lost + (rest + b.fma(k, LOG10_2[b.dtype][1], shift_error)))


@slow_path("log2.careful")
def log2_careful(b: Builder, x: Value) -> Value:
    normal, offset = lifted(b, x)
    parts = split(b, normal)
    return at_special_points(b, x, log2_of(b, parts.k + offset, parts.f))


@function("log2")
def log2(b: Builder, x: Value) -> Value:
    parts = split(b, x)
    return b.rare(not_normal(b, x), log2_of(b, parts.k, parts.f), lambda: b.call("log2.careful", x))


@slow_path("log10.careful")
def log10_careful(b: Builder, x: Value) -> Value:
    normal, offset = lifted(b, x)
    parts = split(b, normal)
    return at_special_points(b, x, log10_of(b, parts.k + offset, parts.f))


@function("log10")
def log10(b: Builder, x: Value) -> Value:
    parts = split(b, x)
    return b.rare(not_normal(b, x), log10_of(b, parts.k, parts.f), lambda: b.call("log10.careful", x))


@slow_path("softplus.careful")
def softplus_careful(b: Builder, x: Value) -> Value:
    return b.select(x > 0.0, x, exp_carefully(b, x))


@function("softplus")
def softplus(b: Builder, x: Value) -> Value:
    """log(1 + exp x) = max(x, 0) + log(1 + e), e = exp -|x|; as e <= 1 the logarithm needs no reduction."""
    at = reduce(b, -b.abs(x))
    e = scale(b, exp_reduced(b, at), at.t)
    usual = e + (b.at_least(x, 0.0) + log_of_significand(b, e, None, LOG_WIDE))
    return b.rare(outside(b, x), usual, lambda: b.call("softplus.careful", x))


@function("logsigmoid")
def logsigmoid(b: Builder, x: Value) -> Value:
    """-softplus(-x)."""
    return -b.call("softplus", -x)

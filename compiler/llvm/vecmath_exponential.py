"""exp, exp2, expm1 and what is a short formula in them: sinh, cosh, tanh, 1/cosh**2, sigmoid.

exp x = 2**n exp r with n = rint(x / log 2), |r| <= log(2)/2, log 2 in two parts (Cody and Waite, *Software Manual for
the Elementary Functions*, 1980; the product is fused, so the first difference is exact) and exp r = 1 + r + r**2 q(r),
q minimax.  2**n is put into the exponent bits.  Where a sum's rounding matters its error is carried along (Dekker
1971), so that formulas in exp keep within an ulp or two.
"""

from __future__ import annotations

from ..records import record
from .vecmath_builder import Builder, Value
from .vecmath_coefficients import EXP, EXP2, LOG2, LOG2_E, SINH
from .vecmath_registry import function, slow_path

SAFE = {"f64": 708.0, "f32": 87.0}
"""Up to this |x| neither exp x nor exp -x leaves the normal numbers."""
OVERFLOW = {"f64": 740.0, "f32": 108.0}
"""Here exp overflows even after a scaling by 2**-16."""
VANISHING = {"f64": -746.0, "f32": -105.0}


@record(frozen=True, slots=True)
class Reduced:
    """x = n log 2 + r + c, r exact and c small; n stands in the low bits of `t`."""

    t: Value
    r: Value
    c: Value


def reduce(b: Builder, x: Value, low: Value | None = None) -> Reduced:
    """For x + low, up to the overflow of exp."""
    t = b.fma(x, LOG2_E[b.dtype][0], b.rounder)
    n = t - b.rounder
    r = b.fma(n, -LOG2[b.dtype][0], x)
    return Reduced(t, r, b.fma(n, -LOG2[b.dtype][1], low) if low is not None else n * -LOG2[b.dtype][1])


def minus_one(b: Builder, at: Reduced) -> tuple[Value, Value]:
    """exp(r + c) - 1 and the error of its last rounding."""
    argument = at.r + at.c
    square = argument * argument
    tail = b.fma(b.polynomial(argument, EXP[b.dtype], square), square, at.c)
    return b.fast_two_sum(at.r, tail)


def exp_reduced(b: Builder, at: Reduced) -> Value:
    """exp(r + c)."""
    return 1.0 + minus_one(b, at)[0]


def exp_pair(b: Builder, at: Reduced) -> tuple[Value, Value]:
    """exp(r + c) and the error of its last rounding."""
    return b.fast_two_sum(1.0, minus_one(b, at)[0])


def power_of_two(b: Builder, t: Value, offset: int = 0) -> Value:
    """2**(n + offset) for n in the low bits of t; the result must be normal."""
    one = b.constant(1.0).bits() if offset == 0 else b.constant(2.0**offset).bits()
    return ((t.bits() << b.mantissa) + one).as_float()


def scale(b: Builder, p: Value, t: Value) -> Value:
    """p * 2**n; p and the result must be normal."""
    return (p.bits() + (t.bits() << b.mantissa)).as_float()


def outside(b: Builder, x: Value) -> Value:
    """Lanes where exp of +-x may leave the normal numbers, or x is NaN."""
    return ~(b.abs(x) <= SAFE[b.dtype])


def scaled_carefully(b: Builder, p: Value, n: Value) -> Value:
    """p * 2**n for |n| below twice the exponent range: in two steps, of which only the second rounds."""
    half = b.fma(n, 0.5, b.rounder)
    rest = n - (half - b.rounder) + b.rounder
    return p * power_of_two(b, half) * power_of_two(b, rest)


def exp_carefully(b: Builder, x: Value, offset: float = 0.0) -> Value:
    """2**offset exp x for every x, subnormal results, infinities and NaN included."""
    x = b.at_most(b.at_least(x, VANISHING[b.dtype] - offset), OVERFLOW[b.dtype])
    at = reduce(b, x)
    return scaled_carefully(b, exp_reduced(b, at), at.t - b.rounder + offset)


@slow_path("exp.careful")
def exp_careful(b: Builder, x: Value) -> Value:
    return exp_carefully(b, x)


@slow_path("exp.half")
def exp_half(b: Builder, x: Value) -> Value:
    return exp_carefully(b, x, -1.0)


@function("exp")
def exp(b: Builder, x: Value) -> Value:
    at = reduce(b, x)
    usual = scale(b, exp_reduced(b, at), at.t)
    return b.rare(outside(b, x), usual, lambda: b.call("exp.careful", x))


def exp2_reduced(b: Builder, x: Value) -> tuple[Value, Value]:
    """t and p with 2**x = p 2**n, n in the low bits of t; 2**r = 1 + r log 2 + r**2 q(r)."""
    t = x + b.rounder
    r = x - (t - b.rounder)
    square = r * r
    w = b.fma(b.polynomial(r, EXP2[b.dtype], square), square, r * LOG2[b.dtype][1])
    return t, 1.0 + b.fma(r, LOG2[b.dtype][0], w)


@slow_path("exp2.careful")
def exp2_careful(b: Builder, x: Value) -> Value:
    low, high = (-1080.0, 1030.0) if b.dtype == "f64" else (-155.0, 130.0)
    t, p = exp2_reduced(b, b.at_most(b.at_least(x, low), high))
    return scaled_carefully(b, p, t - b.rounder)


@function("exp2")
def exp2(b: Builder, x: Value) -> Value:
    t, p = exp2_reduced(b, x)
    bad = ~(b.abs(x) <= (1021.0 if b.dtype == "f64" else 125.0))
    return b.rare(bad, scale(b, p, t), lambda: b.call("exp2.careful", x))


def expm1_pair(b: Builder, x: Value) -> tuple[Value, Value]:
    """exp(x) - 1 and the error of its last rounding, for |x| <= SAFE."""
    at = reduce(b, x)
    w, w_low = minus_one(b, at)
    power = power_of_two(b, at.t)
    high, low = b.fast_two_sum(power - 1.0, power * w)
    return high, b.fma(power, w_low, low)


@slow_path("expm1.careful")
def expm1_careful(b: Builder, x: Value) -> Value:
    return exp_carefully(b, x) - 1.0


@function("expm1")
def expm1(b: Builder, x: Value) -> Value:
    high, low = expm1_pair(b, x)
    usual = b.copysign(high + low, x)  # keeps expm1(-0.0) = -0.0
    return b.rare(outside(b, x), usual, lambda: b.call("expm1.careful", x))


def quotient(b: Builder, x: Value | float, x_low: Value | None, y: Value, y_low: Value) -> Value:
    """(x + x_low) / (y + y_low) to little more than half an ulp, for y away from the ends of the range."""
    inverse = 1.0 / y
    q = inverse * x
    rest = b.fma(-q, y, x)
    if x_low is not None:
        rest = rest + x_low
    return b.fma(b.fma(-q, y_low, rest), inverse, q)


def minus_twice(b: Builder, x: Value) -> Value:
    """-2 |x|, not below -SAFE: where tanh and 1/cosh**2 start, so that they have one exponential in common."""
    return b.at_most(b.abs(x), 0.5 * SAFE[b.dtype]) * -2.0


@function("tanh")
def tanh(b: Builder, x: Value) -> Value:
    """-e / (2 + e) with e = expm1(-2 |x|)."""
    e, e_low = expm1_pair(b, minus_twice(b, x))
    denominator, low = b.fast_two_sum(b.constant(2.0), e)
    return b.copysign(quotient(b, e, e_low, denominator, low + e_low), x)


@slow_path("sech_squared.careful")
def sech_squared_careful(b: Builder, x: Value) -> Value:
    return exp_carefully(b, b.abs(x) * -2.0, 2.0)


@function("sech_squared")
def sech_squared(b: Builder, x: Value) -> Value:
    """1/cosh(x)**2 = 4 p/(2 + e)**2 with p = exp(-2 |x|), e = p - 1: the exponential and the division of tanh."""
    argument = minus_twice(b, x)
    e, e_low = expm1_pair(b, argument)
    denominator, low = b.fast_two_sum(b.constant(2.0), e)
    inverse = 1.0 / denominator
    square, inverse = denominator * denominator, inverse * inverse
    square_low = b.fma(denominator, denominator, -square) + 2.0 * denominator * (low + e_low)
    at = reduce(b, argument)
    p, p_low = exp_pair(b, at)
    q = inverse * p
    rest = b.fma(-q, square_low, b.fma(-q, square, p) + p_low)
    usual = b.fma(rest, inverse, q) * power_of_two(b, at.t, 2)
    bad = ~(b.abs(x) <= 0.5 * SAFE[b.dtype])
    return b.rare(bad, usual, lambda: b.call("sech_squared.careful", x))


def half_exp(b: Builder, x: Value) -> tuple[Value, Value]:
    """exp(|x|)/2 and the error of its last rounding, for |x| <= SAFE."""
    at = reduce(b, b.abs(x))
    p, low = exp_pair(b, at)
    power = power_of_two(b, at.t, -1)
    return p * power, low * power


@function("cosh")
def cosh(b: Builder, x: Value) -> Value:
    """a + 1/(4 a) with a = exp(|x|)/2."""
    a, low = half_exp(b, x)
    return b.rare(outside(b, x), a + (0.25 / a + low), lambda: b.call("exp.half", b.abs(x)))


@function("sinh")
def sinh(b: Builder, x: Value) -> Value:
    """sign(x) (a - 1/(4 a)) with a = exp(|x|)/2; x + x**3 q(x**2) where |x| < 1."""
    a, low = half_exp(b, x)
    square = x * x
    near = b.fma(x * square, b.polynomial(square, SINH[b.dtype]), x)
    far = a - (0.25 / a - low)
    usual = b.copysign(b.select(b.abs(x) < 1.0, near, far), x)
    return b.rare(outside(b, x), usual, lambda: b.copysign(b.call("exp.half", b.abs(x)), x))


def exp_minus_abs(b: Builder, x: Value, low: Value | None = None) -> tuple[Value, Value]:
    """exp -|x + low| and the error of its last rounding, for |x| <= SAFE."""
    at = reduce(b, -b.abs(x), b.select(x > 0.0, -low, low) if low is not None else None)
    p, low = exp_pair(b, at)
    power = power_of_two(b, at.t)
    return p * power, low * power


@slow_path("sigmoid.careful")
def sigmoid_careful(b: Builder, x: Value) -> Value:
    return exp_carefully(b, b.at_most(x, 0.0))


@function("sigmoid")
def sigmoid(b: Builder, x: Value) -> Value:
    """1/(1 + exp -x), as e/(1 + e) or 1/(1 + e) with e = exp -|x|."""
    e, e_low = exp_minus_abs(b, x)
    denominator, rest = b.fast_two_sum(1.0, e)
    negative = x < 0.0
    numerator, numerator_low = b.select(negative, e, 1.0), b.select(negative, e_low, 0.0)
    usual = quotient(b, numerator, numerator_low, denominator, rest + e_low)
    return b.rare(outside(b, x), usual, lambda: b.call("sigmoid.careful", x))

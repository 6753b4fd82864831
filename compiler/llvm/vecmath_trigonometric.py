"""sin, cos, tan.

x = n pi/2 + r with n = rint(2 x/pi), r as an unevaluated sum of two floats from three parts of pi/2 (Cody and Waite
1980, with fused products), enough up to LIMIT even where x is closest to a multiple of pi/2; then minimax polynomials
for sin r and cos r, of which the quadrant chooses.  Both are always computed: sin and cos of one argument share
everything.  Beyond LIMIT single lanes are reduced with 192 bits of 2/pi (Payne and Hanek, SIGNUM Newsletter 1983).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from ..records import record
from .vecmath_builder import Builder, Value
from .vecmath_coefficients import COS, HALF_PI, SIN, TWO_OVER_PI, TWO_OVER_PI_BITS
from .vecmath_exponential import quotient
from .vecmath_registry import CONSTANTS, function, slow_path

LIMIT = {"f64": 2.0**30, "f32": 2.0**16}
TABLE = "@vm.two_over_pi"
WORDS = [(int(TWO_OVER_PI_BITS, 16) >> (64 * k)) & (2**64 - 1) for k in reversed(range(21))]
CONSTANTS[TABLE] = f"{TABLE} = internal constant [21 x i64] [{', '.join(f'i64 {word}' for word in WORDS)}]"


@record(frozen=True, slots=True)
class Reduced:
    """x = n pi/2 + r + low with |r| <= pi/4; n mod 4 stands in the low bits of `quadrant`."""

    quadrant: Value
    r: Value
    low: Value


def reduce(b: Builder, x: Value) -> Reduced:
    """For |x| <= LIMIT."""
    first, second, third, _ = HALF_PI[b.dtype]
    t = b.fma(x, TWO_OVER_PI[b.dtype][0], b.rounder)
    n = t - b.rounder
    exact = b.fma(n, -first, x)
    product, error = b.two_product(n, second)
    r, lost = b.fast_two_sum(exact, -product)
    return Reduced(t.bits(), r, b.fma(n, -third, lost - error))


def sine(b: Builder, at: Reduced) -> tuple[Value, Value]:
    """sin(r + low) = r + the second value."""
    r, z = at.r, at.r * at.r
    scaled = at.low * b.fma(z, -0.5, 1.0)
    return r, b.fma(r * z, b.polynomial(z, SIN[b.dtype]), scaled)


def cosine(b: Builder, at: Reduced) -> tuple[Value, Value]:
    """cos(r + low), the leading 1 - r**2/2 and what it lacks."""
    z = at.r * at.r
    head = b.fma(z, -0.5, 1.0)
    lost = b.fma(z, -0.5, 1.0 - head)
    return head, b.fma(z * z, b.polynomial(z, COS[b.dtype]), b.fma(-at.r, at.low, lost))


def top_bit(b: Builder) -> int:
    return 63 if b.dtype == "f64" else 31


def odd(b: Builder, quadrant: Value) -> Value:
    return (quadrant << top_bit(b)) < 0


def negated_in_upper_half(b: Builder, y: Value, quadrant: Value) -> Value:
    """y, or -y where the quadrant is 2 or 3."""
    sign = (quadrant << (top_bit(b) - 1)) & (-1 << top_bit(b))
    return (y.bits() ^ sign).as_float()


def sin_from(b: Builder, at: Reduced) -> Value:
    r, r_tail = sine(b, at)
    head, head_tail = cosine(b, at)
    return negated_in_upper_half(b, b.select(odd(b, at.quadrant), head + head_tail, r + r_tail), at.quadrant)


def signed_sine(b: Builder, at: Reduced) -> tuple[Value, Value]:
    """The sine as a sum of two floats."""
    r, r_tail = b.fast_two_sum(*sine(b, at))
    c, c_tail = b.fast_two_sum(*cosine(b, at))
    swap = odd(b, at.quadrant)
    high = negated_in_upper_half(b, b.select(swap, c, r), at.quadrant)
    return high, negated_in_upper_half(b, b.select(swap, c_tail, r_tail), at.quadrant)


def cos_from(b: Builder, at: Reduced) -> Value:
    r, r_tail = sine(b, at)
    head, head_tail = cosine(b, at)
    chosen = b.select(odd(b, at.quadrant), r + r_tail, head + head_tail)
    return negated_in_upper_half(b, chosen, at.quadrant + 1)


def tan_from(b: Builder, at: Reduced) -> Value:
    """sin/cos or -cos/sin."""
    r, r_tail = sine(b, at)
    c, c_tail = b.fast_two_sum(*cosine(b, at))
    s, s_tail = b.fast_two_sum(r, r_tail)
    swap = odd(b, at.quadrant)
    top, top_tail = b.select(swap, -c, s), b.select(swap, -c_tail, s_tail)
    bottom, bottom_tail = b.select(swap, s, c), b.select(swap, s_tail, c_tail)
    return quotient(b, top, top_tail, bottom, bottom_tail)


def reduce_huge(b: Builder, x: Value) -> Reduced:
    """For one |x| >= 1 of any size (f64): x 2/pi mod 4 as a fixed-point number with 190 bits after the point.

    x = m 2**e; the bits of 2/pi in front of position e - 2 give multiples of 4, those 192 further on nothing.  The
    first word of 64 bits is never 0: no double is nearer to a multiple of pi/2 than 2**-62 times that (the nearest is
    6381956970095103 * 2**797; Muller, *Elementary Functions*).
    """
    magnitude = b.abs(x)
    bits = magnitude.bits()
    m = ((bits & (2**52 - 1)) | 2**52).convert("zext", "i192")
    start = (bits >> 52) - (1075 + 2 - 64)  # the table begins with 64 zeros
    window = load_window(b, start)
    product = m * window
    fraction = product << 2
    negative = fraction < 0
    size = b.select(negative, -fraction, fraction)
    top, middle, low = ((size >> k).convert("trunc", "i64") for k in (128, 64, 0))
    zeros = b.emit("i64", f"call i64 @llvm.ctlz.i64(i64 {top.text}, i1 true)")
    top, middle = funnel(b, top, middle, zeros), funnel(b, middle, low, zeros)
    first = (top >> 11).convert("uitofp", "double")
    second = (funnel(b, top, middle, b.constant(42, "i64")) & (2**53 - 1)).convert("uitofp", "double")
    unit = ((1023 - 53 - zeros) << 52).as_float()
    unit = (unit.bits() ^ ((negative.convert("zext", "i64") << 63) ^ (x.bits() & (-1 << 63)))).as_float()
    first, second = first * unit, second * (unit * 2.0**-53)
    r, error = b.two_product(first, HALF_PI["f64"][0])
    r, low = b.fast_two_sum(r, b.fma(second, HALF_PI["f64"][0], b.fma(first, HALF_PI["f64"][1], error)))
    rounded = (product >> 190).convert("trunc", "i64") + negative.convert("zext", "i64")
    return Reduced(b.select(x < 0.0, -rounded, rounded), r, low)


def load_window(b: Builder, start: Value) -> Value:
    """192 bits of the table of 2/pi from bit `start` on."""
    word = start >> 6
    parts = []
    for k in range(4):
        index = word + k
        address = b.emit("ptr", f"getelementptr [21 x i64], ptr {TABLE}, i64 0, i64 {index.text}")
        parts.append(b.emit("i64", f"load i64, ptr {address.text}"))
    window = b.constant(0, "i192")
    for high, low in pairwise(parts):
        window = (window << 64) | funnel(b, high, low, start).convert("zext", "i192")
    return window


def funnel(b: Builder, high: Value, low: Value, count: Value) -> Value:
    """The upper word of two, shifted to the left by `count` modulo 64."""
    return b.emit("i64", f"call i64 @llvm.fshl.i64(i64 {high.text}, i64 {low.text}, i64 {count.text})")


def finite(b: Builder, x: Value) -> Value:
    """x, or 2**1000 in place of infinity and NaN, whose exponent would lead beyond the table."""
    return b.select(b.abs(x) <= 1.7976931348623157e308, x, 2.0**1000)


def slow(b: Builder, x: Value, result: Value) -> Value:
    return b.select(b.abs(x) <= 1.7976931348623157e308, result, x - x)


@slow_path("sin.huge", arity=2, wide=True)
def sin_huge(b: Builder, x: Value, turns: Value) -> Value:
    """sin(x + turns pi/2) for turns 0 and 1: a sine and a cosine share this long code."""
    at = reduce_huge(b, finite(b, x))
    return slow(b, x, sin_from(b, replace(at, quadrant=at.quadrant + turns.convert("fptosi", "i64"))))


@slow_path("tan.huge", wide=True)
def tan_huge(b: Builder, x: Value) -> Value:
    return slow(b, x, tan_from(b, reduce_huge(b, finite(b, x))))


def huge(b: Builder, x: Value) -> Value:
    return ~(b.abs(x) <= LIMIT[b.dtype])


def keeping_zero(b: Builder, x: Value, result: Value) -> Value:
    """The result, with f(-0.0) = -0.0."""
    return b.select(x.equals(0.0), x, result)


@function("sin")
def sin(b: Builder, x: Value) -> Value:
    return b.redo_lanes(huge(b, x), keeping_zero(b, x, sin_from(b, reduce(b, x))), "sin.huge", x, b.constant(0.0))


@function("cos")
def cos(b: Builder, x: Value) -> Value:
    return b.redo_lanes(huge(b, x), cos_from(b, reduce(b, x)), "sin.huge", x, b.constant(1.0))


@function("tan")
def tan(b: Builder, x: Value) -> Value:
    return b.redo_lanes(huge(b, x), keeping_zero(b, x, tan_from(b, reduce(b, x))), "tan.huge", x)

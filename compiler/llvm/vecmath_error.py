"""erf and erfc.

erf x = x + x q(x**2) up to 1, then 1 - exp(-x**2) p(1/(x + 2)).  erfc needs all its digits in the tail:
erfc x = exp(-x**2) w(t)/(1 + 2 x) with t = (x - 3)/(x + 3), which one polynomial covers for all x (Schonfelder, *Math.
Comp.* 32, 1978), and x**2, w and the quotient carry their errors.
"""

from __future__ import annotations

from ..records import record
from .vecmath_builder import Builder, Value
from .vecmath_coefficients import ERF, ERF_TAIL, ERFC, ERFC_AT_3
from .vecmath_exponential import (
    Reduced,
    exp_pair,
    exp_reduced,
    power_of_two,
    reduce,
    scale,
    scaled_carefully,
)
from .vecmath_registry import function, slow_path

ERF_SATURATION = {"f64": 6.0, "f32": 4.0}
"""From here on erf rounds to 1."""
NORMAL_TAIL = {"f64": 26.5, "f32": 9.1}
"""Up to here erfc is a normal number."""
VANISHING_TAIL = {"f64": 28.0, "f32": 11.0}
NEAR = 0.5
"""From here on erfc is computed by its tail."""


@record(frozen=True, slots=True)
class Tail:
    """erfcx x = exp(x**2) erfc x as the fraction (top + top_low) / (bottom + bottom_low), and about 1/bottom."""

    top: Value
    top_low: Value
    bottom: Value
    bottom_low: Value
    reciprocal: Value

    def times(self, b: Builder, factor: Value, factor_low: Value) -> Value:
        """The fraction times (factor + factor_low)."""
        top, top_low = b.two_product(factor, self.top)
        top_low = b.fma(factor, self.top_low, b.fma(factor_low, self.top, top_low))
        return self.quotient(b, top, top_low)

    def value(self, b: Builder) -> Value:
        return self.quotient(b, self.top, self.top_low)

    def quotient(self, b: Builder, top: Value, top_low: Value) -> Value:
        q = top * self.reciprocal
        rest = b.fma(-q, self.bottom_low, b.fma(-q, self.bottom, top) + top_low)
        return b.fma(rest, self.reciprocal, q)


def scaled_tail(b: Builder, x: Value, low: Value | None = None) -> Tail:
    """For x + low >= NEAR."""
    bottom, bottom_low = b.fast_two_sum(1.0, x + x)
    if low is not None:
        bottom_low = bottom_low + (low + low)
    shifted = x + 3.0
    inverse = 1.0 / (shifted * bottom)
    t = (x - 3.0) * (inverse * bottom)
    middle, middle_low = ERFC_AT_3[b.dtype][:2]
    slope = b.polynomial(t, ERFC[b.dtype], t * t)
    top = b.fma(slope, t, middle)
    return Tail(top, b.fma(slope, t, middle - top) + middle_low, bottom, bottom_low, shifted * inverse)


def tail(b: Builder, x: Value) -> tuple[Reduced, Value]:
    """p with erfc x = p 2**n, for NEAR <= x <= VANISHING_TAIL; n in the low bits of the first value's t."""
    square, square_low = b.two_product(x, x)
    at = reduce(b, -square, -square_low)
    return at, scaled_tail(b, x).times(b, *exp_pair(b, at))


def erf_tail(b: Builder, x: Value) -> Value:
    """erf x - x for |x| <= 1."""
    z = x * x
    return x * b.polynomial(z, ERF[b.dtype], z * z)


@function("erf")
def erf(b: Builder, x: Value) -> Value:
    size = b.at_most(b.abs(x), ERF_SATURATION[b.dtype])
    t = 1.0 / (size + 2.0)
    at = reduce(b, -(size * size))
    far = 1.0 - scale(b, exp_reduced(b, at), at.t) * b.polynomial(t, ERF_TAIL[b.dtype], t * t)
    return b.copysign(b.select(size < 1.0, size + erf_tail(b, size), far), x)


@slow_path("erfc.careful", seldom=False)
def erfc_careful(b: Builder, x: Value) -> Value:
    """Results that may be subnormal or 0, and those next to 2."""
    at, p = tail(b, b.at_most(b.abs(x), VANISHING_TAIL[b.dtype]))
    return b.select(x < 0.0, 2.0, scaled_carefully(b, p, at.t - b.rounder))


@function("erfc")
def erfc(b: Builder, x: Value) -> Value:
    size = b.abs(x)
    at, p = tail(b, size)
    far = p * power_of_two(b, at.t)
    far = b.select(x < 0.0, 2.0 - far, far)
    high, low = b.fast_two_sum(1.0, -x)
    near = high + (low - erf_tail(b, x))
    usual = b.select(size < NEAR, near, far)
    return b.rare(~(size <= NORMAL_TAIL[b.dtype]), usual, lambda: b.call("erfc.careful", x))

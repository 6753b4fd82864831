"""exp(-|x|) I0(x) and exp(-|x|) I1(x), the modified Bessel functions, computed in f64.

Up to 8 their power series in (x/2)**2 (minimax, all terms positive), beyond sqrt(x) times them in 16/x - 1 (Clenshaw,
*Mathematical Tables* 5, 1962, with expansions of our own).
"""

from __future__ import annotations

from collections.abc import Sequence

from .vecmath_builder import Builder, Value
from .vecmath_coefficients import I0, I0_AT_16, I0_FAR, I1, I1_AT_16, I1_FAR
from .vecmath_exponential import exp_pair, quotient, reduce, scale
from .vecmath_inverse import root_error
from .vecmath_registry import function

NEAR = 8.0
LARGEST = 1.7976931348623157e308


def near(b: Builder, size: Value, order: int, coefficients: Sequence[float]) -> Value:
    """exp(-x) (x/2)**order (1 + z q(z)), z = (x/2)**2, for x <= NEAR and order 0 or 1.

    What z lost in rounding enters by the logarithmic derivative, to a few digits (Amos, *Math. Comp.* 28, 1974).
    """
    half = size * 0.5
    z, z_low = b.two_product(half, half)
    growth = 2.0 / (b.sqrt(b.fma(z, 4.0, (order + 1.5) ** 2)) + (order + 0.5))
    at = reduce(b, -size)
    p, low = exp_pair(b, at)
    series, series_low = b.compensated_polynomial(z, (1.0, *coefficients))
    series_low = b.fma(series * growth, z_low, series_low)
    top, error = b.two_product(p, series)
    rest = b.fma(p, series_low, b.fma(low, series, error))
    if order == 1:
        top, error = b.two_product(top, half)
        rest = b.fma(rest, half, error)
    return scale(b, top + rest, at.t)


def far(b: Builder, size: Value, middle: Sequence[float], coefficients: Sequence[float]) -> Value:
    """(middle + t q(t)) / sqrt x, t = 16/x - 1, for x >= NEAR."""
    t = 16.0 / size - 1.0
    slope = b.polynomial(t, coefficients, t * t)
    top = b.fma(slope, t, middle[0])
    top_low = b.fma(slope, t, middle[0] - top) + middle[1]
    root = b.sqrt(size)
    return quotient(b, top, top_low, root, root_error(b, size, root))


@function("i0e", wide=True)
def i0e(b: Builder, x: Value) -> Value:
    """exp(-|x|) I0(x)."""
    size = b.abs(x)
    inner, outer = b.at_most(size, NEAR), b.at_least(size, NEAR)
    beyond = at_infinity(b, outer, I0_AT_16["f64"], I0_FAR["f64"])
    return b.select(size < NEAR, near(b, inner, 0, I0["f64"]), beyond)


@function("i1e", wide=True)
def i1e(b: Builder, x: Value) -> Value:
    """exp(-|x|) I1(x)."""
    size = b.abs(x)
    inner, outer = b.at_most(size, NEAR), b.at_least(size, NEAR)
    return b.copysign(
        b.select(size < NEAR, near(b, inner, 1, I1["f64"]), at_infinity(b, outer, I1_AT_16["f64"], I1_FAR["f64"])), x
    )


def at_infinity(b: Builder, size: Value, middle: Sequence[float], coefficients: Sequence[float]) -> Value:
    """The far expansion, and 0 at infinity."""
    finite = b.at_most(size, LARGEST)
    return b.select(size > LARGEST, 0.0, far(b, finite, middle, coefficients))

"""Hurwitz's zeta function, of which polygamma is a multiple, and the derivatives of erfcx, computed in f64.

zeta(s, q), the sum of (q + k)**-s: terms are added until q + k reaches s + 8, or are nothing beside the sum; the rest
is Euler's and Maclaurin's formula (NIST Digital Library of Mathematical Functions, 25.11.5 and 2.10.1).
"""

from __future__ import annotations

import math
from fractions import Fraction

from .vecmath_builder import Builder, Value
from .vecmath_coefficients import HALF_PI
from .vecmath_registry import function

BERNOULLI = [Fraction(*pair) for pair in (
    (1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510), (43867, 798), (-174611, 330),
)]  # fmt: skip
CORRECTIONS = [float(b / math.factorial(2 * k)) for k, b in enumerate(BERNOULLI, 1)]
NOTHING = 2.0**-62
MOST = 1e4
"""No derivative of such an order is asked for."""
NEAR, FEW, LEAST = 0.5, 200.0, 24.0
"""Where the continued fraction of erfcx begins to serve, and its terms at 1; elsewhere as the inverse square."""


@function("zeta", 2, wide=True)
def zeta(b: Builder, s: Value, q: Value) -> Value:
    """NaN for s < 1, and for a negative q and a broken s; infinite at s = 1 and where q is 0 or a negative integer."""
    zero, whole = b.constant(0.0), b.intrinsic("floor", q)
    pole = (q <= 0.0) & whole.equals(q)
    enough = s + 8.0
    start = b.select(pole, 1e15, q)

    def going(state: list[Value]) -> Value:
        k, total, _, term = state
        return (start + k < enough) & (b.abs(term) > b.abs(total) * NOTHING)

    def step(state: list[Value]) -> list[Value]:
        """What rounding takes from q + k is made good by the slope: it counts s times."""
        k, total, low, _ = state
        at, lost = b.two_sum(start, k)
        term = b.call("pow", at, -s)
        more, error = b.two_sum(total, term)
        error = error - term * (s * lost / at)
        return [k + 1.0, more, b.select(b.abs(more) < math.inf, low + error, low), term]

    k, total, low, _ = b.repeated([zero, zero, zero, b.constant(1.0)], going, step)
    at = start + k
    rest = b.call("pow", at, -s)
    ratio, inverse = s / at, 1.0 / (at * at)
    series = zero
    for j, c in enumerate(CORRECTIONS):
        series = b.fma(ratio, c, series)
        ratio = ratio * (s + (2.0 * j + 1.0)) * (s + (2.0 * j + 2.0)) * inverse
    counts = b.abs(rest) > b.abs(total) * NOTHING
    tail = rest * (at / (s - 1.0) + (series + 0.5))
    value = total + b.select(counts, low + tail, low)
    value = b.select(s.equals(1.0) | pole, math.inf, value)
    outside = (s < 1.0) | s.equals(math.inf) | ((q < 0.0) & b.intrinsic("floor", s).differs(s))
    value = b.select(q.equals(math.inf), 0.0, value)
    return b.select(b.unordered(s, q) | outside, math.nan, value)


@function("erfcx_derivative", 2, wide=True)
def erfcx_derivative(b: Builder, n: Value, x: Value) -> Value:
    """The derivative of order n >= 1 of exp(x**2) erfc(x) = 2/sqrt(pi) * integral of exp(-t**2 - 2*x*t), t > 0:
    below 1/2 by its recurrence; above, where that cancels, by the ratios of consecutive integrals as a continued
    fraction."""
    first = b.call("erfcx", x)
    slope = 2.0 / math.sqrt(2.0 * HALF_PI["f64"][0])
    one, zero = b.constant(1.0), b.constant(0.0)

    def forward(state: list[Value]) -> list[Value]:
        k, before, last = state
        return [k + 1.0, last, 2.0 * (x * last + k * before)]

    start = [one, first, 2.0 * x * first - slope]
    _, _, low = b.repeated(start, lambda state: (state[0] < n) & (state[0] < MOST), forward)
    z = b.at_least(x, NEAR)

    def backward(state: list[Value]) -> list[Value]:
        k, ratio, product = state
        ratio = k / (2.0 * (z + ratio))
        return [k - 1.0, ratio, b.select(k <= n, product * (-2.0 * ratio), product)]

    steps = n + b.intrinsic("ceil", FEW / (z * z) + LEAST)
    _, _, high = b.repeated([steps, zero, one], lambda state: (state[0] > 0.0) & (state[0] < MOST), backward)
    return b.select(x < NEAR, low, first * high)

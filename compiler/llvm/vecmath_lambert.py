"""The two real branches of Lambert's W, the solution w of w*exp(w) = x, computed in f64.

Near -1/e, where the branches meet, the series in sqrt(2(e x + 1)) (Corless, Gonnet, Hare, Jeffrey and Knuth, *On the
Lambert W function*, 1996, section 4); elsewhere steps of fourth order from a crude beginning (Fritsch, Shafer and
Crowley, *Algorithm 443*, 1973).
"""

from __future__ import annotations

import math

from .vecmath_builder import Builder, Value
from .vecmath_registry import function

NEAR, TERMS, STEPS = 0.45, 36, 4
E_HIGH, E_LOW = math.e, 1.4456468917292502e-16
"""Euler's number as a sum of two floats."""


def _series(count: int) -> list[float]:
    """The coefficients of W in p = sqrt(2(e x + 1)), by their recurrence."""
    mu, alpha = [-1.0, 1.0], [2.0, -1.0]
    for k in range(2, count):
        alpha.append(sum(mu[j] * mu[k + 1 - j] for j in range(2, k)))
        mu.append((k - 1) / (k + 1) * (mu[k - 2] / 2 + alpha[k - 2] / 4) - alpha[k] / 2 - mu[k - 1] / (k + 1))
    return mu


SERIES = _series(TERMS)


def _from_branch_point(b: Builder, x: Value) -> Value:
    """e x + 1 without loss; the float nearest to -1/e counts as -1/e."""
    above = b.fma(x, E_HIGH, 1.0) + x * E_LOW
    return b.select((above < 0.0) & (above > -1e-16), 0.0, above)


def _refined(b: Builder, x: Value, w: Value) -> Value:
    def step(state: list[Value]) -> list[Value]:
        k, w = state
        z = b.call("log", x / w) - w
        one = w + 1.0
        q = 2.0 * one * (one + z * (2.0 / 3.0))
        return [k + 1.0, w * (z / one * ((q - z) / (q - 2.0 * z)) + 1.0)]

    return b.repeated([b.constant(0.0), w], lambda state: state[0] < float(STEPS), step)[1]


@function("lambertw0", wide=True)
def lambertw0(b: Builder, x: Value) -> Value:
    """The branch w >= -1, for x >= -1/e; NaN below."""
    above = _from_branch_point(b, x)
    p = b.sqrt(2.0 * b.at_least(above, 0.0))
    near, tiny = p < NEAR, b.abs(x) < 2.0**-30
    safe = b.select(near | tiny | (x >= math.inf), 1.0, x)
    log = b.call("log", b.at_least(safe, 1.0) + 1.0)
    far = log - b.call("log", log + 1.0) * log / (log + 2.0)
    middle = p * (1.0 - p / 3.0) - 1.0
    w = b.select(safe < 0.5, b.select(safe < -0.1, middle, safe / (safe + 1.0)), far)
    w = _refined(b, safe, w)
    w = b.select(near, b.polynomial(p, SERIES), b.select(tiny, x - x * x, w))
    w = b.select(x >= math.inf, x, w)
    return b.select(above < 0.0, math.nan, b.select(b.unordered(x, x), x, w))


@function("lambertw1", wide=True)
def lambertw1(b: Builder, x: Value) -> Value:
    """The branch w <= -1, for -1/e <= x < 0; infinite at 0, NaN elsewhere."""
    above = _from_branch_point(b, x)
    p = -b.sqrt(2.0 * b.at_least(above, 0.0))
    near = p > -NEAR
    outside = (above < 0.0) | (x > 0.0)
    safe = b.select(near | outside | x.equals(0.0), -0.1, x)
    log = b.call("log", -safe)
    second = b.call("log", -log)
    far = log - second + second / log
    w = _refined(b, safe, b.select(safe < -0.25, p * (1.0 - p / 3.0) - 1.0, far))
    w = b.select(near, b.polynomial(p, SERIES), w)
    w = b.select(x.equals(0.0), -math.inf, w)
    return b.select(outside, math.nan, b.select(b.unordered(x, x), x, w))

"""Functions with a removable singularity whose Taylor series converges only near 0: tanh(x)/x, arctan(x)/x, arcsin(x)/x,
x/expm1(x).

Near 0 each is its Taylor series; away from 0 Leibniz's rule with derivatives of the numerator that are sums without
cancellation, or vanish before they cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial
from typing import Any

from ..expression import FUNCTIONS, Expr, lift
from .removable import Formula, by_leibniz, continued, derivative_in_mpmath, family, horner


def _f(name: str, *args: Expr) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def _mp() -> Any:
    import mpmath

    return mpmath


def by_power_series(coefficient: Callable[[int], Fraction], radius: float) -> Formula:
    """Order n by the series of ``sum of coefficient(k) * x**(2*k)`` for |x| up to `radius`, to its last digit."""

    def order(n: int, x: Expr) -> Expr:
        k = -(-n // 2)
        terms: list[Fraction] = []
        while True:
            c = coefficient(k) * factorial(2 * k) / factorial(2 * k - n)
            if terms and abs(c) * Fraction(radius) ** (2 * len(terms)) < abs(terms[0]) * Fraction(1, 10**18):
                break
            terms.append(c)
            k += 1
        series = horner(x**2, terms)
        return series * x if n % 2 else series

    return order


def _within(radius: float) -> Callable[[int, Expr], Expr]:
    return lambda n, x: _f("abs", x) < radius


# ---- tanh

@lru_cache(maxsize=256)
def _bernoulli(m: int) -> Fraction:
    total = Fraction(0)
    for k in range(m):
        total += comb(m + 1, k) * _bernoulli(k)
    return -total / (m + 1) if m else Fraction(1)


def _tanh_coefficient(k: int) -> Fraction:
    """Of x**(2*k) in tanh(x)/x."""
    j = k + 1
    return Fraction(4**j * (4**j - 1)) * _bernoulli(2 * j) / factorial(2 * j)


def _tanh_derivative(n: int, x: Expr) -> Expr:
    """Of order n >= 1: ``p(t)/cosh(x)**2`` with t = tanh(x) and p by ``p' * (1 - t**2) - 2*t*p`` from 1."""
    p = [1]
    for _ in range(n - 1):
        following = [0] * (len(p) + 1)
        for k, c in enumerate(p):
            following[k + 1] -= (k + 2) * c
            if k:
                following[k - 1] += k * c
        p = following
    return horner(_f("tanh", x), p) / _f("cosh", x) ** 2


family("tanhxx", by_power_series(_tanh_coefficient, 0.8), by_leibniz(1, lambda x: _f("tanh", x) / x, _tanh_derivative),
       _within(0.8), "tanh(x)/x, 1 at 0.", mpmath=derivative_in_mpmath(continued("tanh", 1)))  # fmt: skip


# ---- arctan

def _arctan_derivative(n: int, x: Expr) -> Expr:
    """Of order n >= 1: the imaginary part of ``1/(x - i)`` derived n - 1 times, over its size."""
    p = [Fraction((-1) ** k * comb(n, 2 * k + 1)) for k in range((n - 1) // 2 + 1)]
    sign = (-1) ** (n - 1) * factorial(n - 1)
    u = 1 / (1 + x**2)
    top = n - 1
    # x**(top - 2k) * u**n in powers of x*u and u, which do not overflow.
    total = lift(0.0)
    for k, c in enumerate(p):
        total = total + float(sign * c) * (x * u) ** (top - 2 * k) * u ** (1 + 2 * k)
    return total


family("arctanxx", by_power_series(lambda k: Fraction((-1) ** k, 2 * k + 1), 0.6),
       by_leibniz(1, lambda x: _f("arctan", x) / x, _arctan_derivative), _within(0.6), "arctan(x)/x, 1 at 0.",
       mpmath=derivative_in_mpmath(continued("atan", 1)))  # fmt: skip


# ---- arcsin

def _arcsin_derivative(n: int, x: Expr) -> Expr:
    """Of order n >= 1, by ``(1 - x**2)*f'' = x*f'``, derived: all terms have the sign of x or are positive."""
    rest = (1 - x) * (1 + x)
    before, last = lift(0.0), 1 / _f("sqrt", rest)
    for m in range(n - 1):
        before, last = last, ((2 * m + 1) * x * last + m**2 * before) / rest
    return last


family("arcsinxx", by_power_series(lambda k: Fraction(comb(2 * k, k), 4**k * (2 * k + 1)), 0.6),
       by_leibniz(1, lambda x: _f("arcsin", x) / x, _arcsin_derivative), _within(0.6), domain=((-0.9, 0.9),),
       doc="arcsin(x)/x, 1 at 0.", mpmath=derivative_in_mpmath(continued("asin", 1)))  # fmt: skip



# ---- x over expm1

def _over_expm1_near(n: int, x: Expr) -> Expr:
    """The series of Bernoulli's numbers: even but for -x/2."""
    even = by_power_series(lambda k: _bernoulli(2 * k) / factorial(2 * k), 3.0)(n, x)
    return even - (x / 2 if n == 0 else lift(0.5)) if n < 2 else even


def _over_expm1_far(n: int, x: Expr) -> Expr:
    """``x*a`` derived n times, for a = 1/expm1(x) with ``a' = a*b`` and b = 1/expm1(-x) with ``b' = -a*b``: sums of terms
    of one sign that do not overflow."""
    if n == 0:
        return x / _f("expm1", x)
    a, b = 1 / _f("expm1", x), 1 / _f("expm1", -x)
    terms = {(1, 0): 1}
    derivatives = []
    for _ in range(n + 1):
        derivatives.append(sum((c * a**i * b**j for (i, j), c in terms.items()), lift(0.0)))
        following: dict[tuple[int, int], int] = {}
        for (i, j), c in terms.items():
            for key, more in (((i, j + 1), i * c), ((i + 1, j), -j * c)):
                following[key] = following.get(key, 0) + more
        terms = {key: c for key, c in following.items() if c}
    return x * derivatives[n] + n * derivatives[n - 1]


family("xexpm1", _over_expm1_near, _over_expm1_far, _within(3.0), "x/expm1(x), 1 at 0, without overflow.",
       mpmath=derivative_in_mpmath(lambda x: x / _mp().expm1(x) if x else _mp().mpf(1)))  # fmt: skip

__all__ = ["by_power_series"]

"""Computes the polynomials of the vector mathematics: `python -m tests.compiler.minimax [name ...]` prints them.

Weighted minimax approximation by Remez's exchange on a fine Chebyshev grid in multiple precision (Muller, *Elementary
Functions*, 3rd ed., chapter 3), with the coefficients rounded one by one, lowest order first, and the others fitted
again after each rounding, which loses less than rounding all at the end (Brisebarre and Chevillard, ARITH 2007).
Without names it prints the whole of `compiler/llvm/vecmath_coefficients.py`.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mpf

Real = Any  # mpmath is untyped
Func = Callable[[Real], Real]


@dataclass(frozen=True)
class Fit:
    """f(x) ~ sum c[k] x**k on [low, high], least maximum of |f - p| * weight, c rounded to f64 (or f32)."""

    f: Func
    low: Real
    high: Real
    count: int
    weight: Func = lambda x: mpf(1)
    single: bool = False


def rounded(value: Real, single: bool) -> float:
    """The nearest f64 or f32."""
    number = float(value)
    return float(struct.unpack("<f", struct.pack("<f", number))[0]) if single else number


def remez(target: Sequence[Real], weight: Sequence[Real], basis: Sequence[Sequence[Real]]) -> list[Real]:
    """Coefficients of the discrete minimax approximation of `target` by `basis`, all sampled on one grid."""
    n, m = len(basis), len(target)
    nodes = [round(i * (m - 1) / n) for i in range(n + 1)]
    for _ in range(30):
        a = mpmath.matrix(n + 1, n + 1)
        for i, at in enumerate(nodes):
            for k in range(n):
                a[i, k] = basis[k][at]
            a[i, n] = (-1) ** i / weight[at]
        solution = mpmath.lu_solve(a, mpmath.matrix([target[i] for i in nodes]))
        c = [solution[k] for k in range(n)]
        error = [(target[i] - mpmath.fdot(c, [p[i] for p in basis])) * weight[i] for i in range(m)]
        if max(abs(e) for e in error) <= abs(solution[n]) * mpf("1.01"):
            break
        nodes = alternation(error, n + 1)
    return c


def alternation(error: Sequence[Real], count: int) -> list[int]:
    """Indices of `count` extrema of alternating sign, the largest ones."""
    extrema: list[int] = []
    for i, e in enumerate(error):
        if extrema and (e > 0) == (error[extrema[-1]] > 0):
            if abs(e) > abs(error[extrema[-1]]):
                extrema[-1] = i
        else:
            extrema.append(i)
    while len(extrema) > count:
        if len(extrema) == count + 1:
            extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
        else:
            least = min(range(len(extrema) - 1), key=lambda i: max(abs(error[extrema[i]]), abs(error[extrema[i + 1]])))
            del extrema[least : least + 2]
    assert len(extrema) == count, "too few sign changes: raise the precision or lower the degree"
    return extrema


def least_squares(target: Sequence[Real], weight: Sequence[Real], basis: Sequence[Sequence[Real]]) -> list[Real]:
    """Coefficients of the weighted least squares approximation of `target` by `basis`."""
    n = len(basis)
    scaled = [[v * w for v, w in zip(p, weight, strict=True)] for p in basis]
    right = [t * w for t, w in zip(target, weight, strict=True)]
    a = mpmath.matrix(n, n)
    for i in range(n):
        for k in range(n):
            a[i, k] = mpmath.fdot(scaled[i], scaled[k])
    solution = mpmath.lu_solve(a, mpmath.matrix([mpmath.fdot(p, right) for p in scaled]))
    return [solution[k] for k in range(n)]


def fit(spec: Fit) -> tuple[list[float], Real]:
    """The rounded coefficients, and the weighted error that they reach."""
    m = 24 * (spec.count + 1)
    middle, half = (mpf(spec.low) + spec.high) / 2, (mpf(spec.high) - spec.low) / 2
    grid = [middle - half * mpmath.cos(mpmath.pi * (i + mpf("0.5")) / m) for i in range(m)]
    target, weight = [spec.f(x) for x in grid], [spec.weight(x) for x in grid]
    powers = [[x**k for x in grid] for k in range(spec.count)]
    c = remez(target, weight, powers)
    for k in range(spec.count):
        exact, c[k] = c[k], rounded(c[k], spec.single)
        if k + 1 < spec.count:
            lost = [(exact - c[k]) * p for p in powers[k]]
            for j, change in enumerate(least_squares(lost, weight, powers[k + 1 :])):
                c[k + 1 + j] += change
    values = [mpmath.fdot(c, row) for row in zip(*powers, strict=True)]
    error = max(abs((t - v) * w) for t, v, w in zip(target, values, weight, strict=True))
    return [float(v) for v in c], error


@dataclass(frozen=True)
class Pair:
    """The same polynomial for f64 and f32, with their numbers of coefficients."""

    f: Func
    low: Real
    high: Real
    counts: tuple[int, int]
    weight: Func

    def fits(self) -> dict[str, tuple[list[float], Real]]:
        return {
            dtype: fit(Fit(self.f, self.low, self.high, count, self.weight, single=dtype == "f32"))
            for dtype, count in zip(("f64", "f32"), self.counts, strict=True)
            if count
        }


def specifications() -> dict[str, Pair]:
    """Every polynomial by the name it has in `vecmath_coefficients.py`."""
    mp = mpmath.mp
    root, zero = mp.sqrt, digamma_zero()
    half_log2, quarter_pi = mp.log(2) / 2 * mpf("1.0001"), mp.pi / 4 * mpf("1.0001")
    s_max = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    return {
        # exp r = 1 + r + r**2 q(r)
        "EXP": Pair(lambda r: (mp.expm1(r) - r) / r**2, -half_log2, half_log2, (10, 6), lambda r: r**2),
        # 2**r = 1 + r log 2 + r**2 q(r)
        "EXP2": Pair(lambda r: (2**r - 1 - r * mp.log(2)) / r**2, -0.5, 0.5, (10, 6), lambda r: r**2),
        # sinh x = x + x z q(z), z = x**2
        "SINH": Pair(lambda z: (mp.sinh(root(z)) / root(z) - 1) / z, 0, 1, (7, 4), lambda z: z),
        # log((1 + s)/(1 - s)) = 2 s + s z q(z), z = s**2
        "LOG": Pair(lambda z: (2 * mp.atanh(root(z)) / root(z) - 2) / z, 0, s_max**2, (7, 4), lambda z: z),
        # the same for s <= 1/3, where log(1 + e) with e <= 1 needs no reduction
        "LOG_WIDE": Pair(lambda z: (2 * mp.atanh(root(z)) / root(z) - 2) / z, 0, mpf(1) / 9, (10, 5), lambda z: z),
        # sin r = r + r z q(z), cos r = 1 - z/2 + z**2 q(z), z = r**2
        "SIN": Pair(lambda z: (mp.sin(root(z)) / root(z) - 1) / z, 0, quarter_pi**2, (6, 4), lambda z: z),
        "COS": Pair(lambda z: (mp.cos(root(z)) - 1 + z / 2) / z**2, 0, quarter_pi**2, (6, 3), lambda z: z**2),
        # asin x = x + x z q(z), atan x = x + x z q(z), z = x**2
        "ASIN": Pair(lambda z: (mp.asin(root(z)) / root(z) - 1) / z, 0, mpf("0.25"), (13, 6), lambda z: z),
        "ATAN": Pair(lambda z: (mp.atan(root(z)) / root(z) - 1) / z, 0, mp.tan(mp.pi / 8) ** 2, (11, 5), lambda z: z),
        # m**(-1/3), to start an iteration
        "INVERSE_CBRT": Pair(
            lambda m: m ** (-mpf(1) / 3), root(mpf("0.5")), root(2), (4, 4), lambda m: m ** (mpf(1) / 3)
        ),
        # log((1 + s)/(1 - s)) = 2 s + s z (2/3 + z q(z)), z = s**2
        "LOG_FINE": Pair(
            lambda z: ((2 * mp.atanh(root(z)) / root(z) - 2) / z - mpf(2) / 3) / z, 0, s_max**2, (8, 0), lambda z: z**2
        ),
        # erf x = x + x q(x**2)
        "ERF": Pair(lambda z: mp.erf(root(z)) / root(z) - 1, 0, mpf("1.0001"), (15, 8), lambda z: mpf(1)),
        # exp(x**2) erfc x, in t = 1/(x + 2), for 1 <= x <= 6 and to the digits that 1 - erfc x needs
        "ERF_TAIL": Pair(
            lambda t: mp.exp((1 / t - 2) ** 2) * mp.erfc(1 / t - 2),
            mpf(1) / 8,
            mpf(1) / 3,
            (13, 7),
            lambda t: mp.exp(-((1 / t - 2) ** 2)),
        ),
        # exp(x**2) erfc x (1 + 2 x) = ERFC_AT_3 + t q(t), t = (x - 3)/(x + 3)
        "ERFC": Pair(
            lambda t: (erfc_shape(t) - erfc_shape(mpf(0))) / t, mpf("-2.52") / mpf("3.48"), mpf(1), (24, 13), abs
        ),
        # log gamma(2 + v) = v (DIGAMMA_AT_2 + v q(v))
        "LOG_GAMMA": Pair(
            lambda v: (mp.loggamma(2 + v) / v - mp.digamma(2)) / v,
            mpf("-0.5"),
            mpf("0.5"),
            (19, 0),
            lambda v: 2 * abs(v),
        ),
        # log gamma x = (x - 1/2) log x - x + log(2 pi)/2 + q(1/x**2)/x
        "STIRLING": Pair(stirling, mpf(10) ** -8, mpf("8.4") ** -2, (9, 0), lambda z: mpf(1)),
        # digamma(zero + v) = v (TRIGAMMA_AT_ZERO + v q(v))
        "DIGAMMA": Pair(lambda v: (mp.digamma(zero + v) / v - mp.psi(1, zero)) / v, 1 - zero, 2 - zero, (21, 0), abs),
        # digamma x = log x - 1/(2 x) - z q(z), z = 1/x**2
        "DIGAMMA_SERIES": Pair(digamma_series, mpf(10) ** -8, mpf("8.4") ** -2, (9, 0), lambda z: z),
        # erfinv x = x q(x**2), to start an iteration
        "ERFINV_START": Pair(lambda z: mp.erfinv(root(z)) / root(z), 0, mpf("0.5626"), (7, 0), lambda z: mpf(1)),
        # erfcinv(exp(-s**2)) = s + q(1/(s + 2)), to start an iteration
        "ERFCINV_START": Pair(
            lambda u: erfcinv(mp.exp(-((1 / u - 2) ** 2))) - (1 / u - 2),
            1 / mpf("29.3"),
            1 / mpf("2.83"),
            (9, 0),
            lambda u: 1 / (1 / u - 2),
        ),
        # I0(x) = 1 + z q(z), I1(x) = x/2 (1 + z q(z)), z = (x/2)**2
        "I0": Pair(
            lambda z: (mp.besseli(0, 2 * root(z)) - 1) / z, 0, 16, (15, 0), lambda z: z / mp.besseli(0, 2 * root(z))
        ),
        "I1": Pair(
            lambda z: (mp.besseli(1, 2 * root(z)) / root(z) - 1) / z,
            0,
            16,
            (15, 0),
            lambda z: z * root(z) / mp.besseli(1, 2 * root(z)),
        ),
        # sqrt(x) exp(-x) I(x) = I_AT_16 + t q(t), t = 16/x - 1
        "I0_FAR": Pair(lambda t: (far_bessel(0, t) - far_bessel(0, 0)) / t, ALMOST_MINUS_ONE, 1, (24, 0), scale_of_far),
        "I1_FAR": Pair(lambda t: (far_bessel(1, t) - far_bessel(1, 0)) / t, ALMOST_MINUS_ONE, 1, (24, 0), scale_of_far),
    }


ALMOST_MINUS_ONE = mpf("-0.9999999")


def far_bessel(order: int, t: Real) -> Real:
    x = 16 / (1 + mpf(t))
    return mpmath.sqrt(x) * mpmath.exp(-x) * mpmath.besseli(order, x)


def scale_of_far(t: Real) -> Real:
    return abs(t) * mpf("2.5")


def erfcinv(q: Real) -> Real:
    """By Newton's iteration on log erfc, which is concave."""
    y = mpmath.sqrt(-mpmath.log(q))
    for _ in range(200):
        tail = mpmath.erfc(y)
        step = mpmath.log(tail / q) * tail * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y)
        y += step
        if abs(step) < mpf(10) ** -50:
            break
    return y


def digamma_series(z: Real) -> Real:
    x = 1 / mpmath.sqrt(z)
    return (mpmath.log(x) - 1 / (2 * x) - mpmath.digamma(x)) / z


def digamma_zero() -> Real:
    return mpmath.findroot(mpmath.digamma, mpf("1.4616321449683623"))


def erfc_shape(t: Real) -> Real:
    x = 3 * (1 + t) / (1 - t)
    return mpmath.exp(x * x) * mpmath.erfc(x) * (1 + 2 * x)


def stirling(z: Real) -> Real:
    x = 1 / mpmath.sqrt(z)
    return (mpmath.loggamma(x) - (x - mpf("0.5")) * mpmath.log(x) + x - mpmath.log(2 * mpmath.pi) / 2) * x


def expansions() -> dict[str, Real]:
    """Constants that are given as unevaluated sums of floats."""
    mp = mpmath.mp
    return {
        "LOG2": mp.log(2),
        "LOG2_E": 1 / mp.log(2),
        "LOG10_2": mp.log10(2),
        "LOG10_E": 1 / mp.log(10),
        "HALF_PI": mp.pi / 2,
        "TWO_OVER_PI": 2 / mp.pi,
        "TWO_THIRDS": mpf(2) / 3,
        "HALF_LOG_2PI": mp.log(2 * mp.pi) / 2,
        "LOG_PI": mp.log(mp.pi),
        "DIGAMMA_AT_2": mp.digamma(2),
        "ERFC_AT_3": erfc_shape(mpf(0)),
        "I0_AT_16": far_bessel(0, 0),
        "I1_AT_16": far_bessel(1, 0),
        "SQRT_HALF": mp.sqrt(mpf("0.5")),
        "SQRT_2": mp.sqrt(2),
        "DIGAMMA_ZERO": digamma_zero(),
        "TRIGAMMA_AT_ZERO": mp.psi(1, digamma_zero()),
    }


def expansion(value: Real, single: bool) -> list[float]:
    """Four floats, each the nearest to what the ones before leave."""
    parts: list[float] = []
    for _ in range(4):
        parts.append(rounded(value, single))
        value = value - parts[-1]
    return parts


def two_over_pi_bits() -> int:
    """The first 1280 bits of 2/pi after the point."""
    with mpmath.workprec(1400):
        return int(mpmath.floor(mpmath.ldexp(2 / mpmath.pi, 1280)))


HEADER = '''"""Polynomials and constants of the vector mathematics, by element type, lowest order first.

Written by `python -m tests.compiler.minimax`, which says what each one approximates; not edited by hand.
"""

Coefficients = dict[str, tuple[float, ...]]'''


def entry(name: str, rows: dict[str, list[float]], notes: dict[str, str]) -> str:
    """One constant of the coefficient file."""
    lines = [f"{name}: Coefficients = {{"]
    for dtype, numbers in rows.items():
        lines += [f'    "{dtype}": (  # {notes[dtype]}', *(f"        {c!r}," for c in numbers), "    ),"]
    return "\n".join([*lines, "}"])


def main(names: Sequence[str]) -> None:
    mpmath.mp.dps = 60
    if not names:
        print(HEADER)
        digits = f"{two_over_pi_bits():0320x}"
        print("TWO_OVER_PI_BITS = (", *(f'    "{digits[i : i + 80]}"' for i in range(0, 320, 80)), ")", sep="\n")
    for name, value in expansions().items():
        if not names or name in names:
            print(entry(name, {d: expansion(value, d == "f32") for d in ("f64", "f32")}, {"f64": "sum", "f32": "sum"}))
    for name, pair in specifications().items():
        if not names or name in names:
            fits = pair.fits()
            notes = {d: f"error 2**{mpmath.nstr(mpmath.log(e, 2), 4)}" for d, (_, e) in fits.items()}
            print(entry(name, {d: c for d, (c, _) in fits.items()}, notes))


if __name__ == "__main__":
    main(sys.argv[1:])

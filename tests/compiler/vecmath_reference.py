"""What the vector mathematics is measured against: exact values, quick screens, and where to sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Points = tuple[Array, ...]
QUICK = {True: 4000, False: 150}
"""Points per batch in the test suite: with a screen in long double, or by mpmath alone."""
DTYPES: dict[str, type[np.floating[Any]]] = {"f64": np.float64, "f32": np.float32}
HARD_ANGLES = [6381956970095103 * 2.0**797, 5261692873635770 * 2.0**499, 16367173 * 2.0**72, 2.0**1000, 1e22]
"""Floats very close to multiples of pi/2 (Muller, *Elementary Functions*, table 11.1), and two well-known ones."""


@dataclass(frozen=True)
class Row:
    """One function: `exact` on mpmath numbers, `screen` on long doubles (None: only `exact`, on fewer points)."""

    exact: Callable[..., Any]
    screen: Callable[..., Array] | None
    spans: tuple[tuple[float, float], ...] = ((-1, 1), (-20, 20), (-750, 750))
    sample: Callable[[str, int, np.random.Generator], Points] | None = None
    size: Callable[..., Array] | None = None
    """Of what magnitude one ulp is meant; by default of the result's."""
    extra: tuple[float, ...] = field(default=())


def gammaln(x: Any) -> Any:
    return mpmath.loggamma(x) if x > 0 else mpmath.log(abs(mpmath.gamma(x)))


def sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    y: Array = np.where(x < 0, e, 1) / (1 + e)
    return y


def sech_squared(x: Array) -> Array:
    e = np.exp(-2 * np.abs(x))
    y: Array = 4 * e / (1 + e) ** 2
    return y


def softplus(x: Array) -> Array:
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


def or_one_if_negative(y: Array, x: Array) -> Array:
    """Next to their zeros on the negative axis gammaln and digamma are exact beside 1, not beside themselves."""
    return np.where(x < 0, np.maximum(np.abs(y), 1), y)


def or_argument(z: Array, x: Array, y: Array) -> Array:
    """log(exp x + exp y) has a zero where the larger argument cancels: the error is measured beside that argument."""
    return np.maximum(np.abs(z), np.abs(np.maximum(x, y)))


def powers(dtype: str, n: int, rng: np.random.Generator) -> Points:
    """Bases of all sizes and next to 1, exponents that lead all over the range of results; some small integers."""
    x = np.abs(bit_patterns(dtype, n, rng))
    x[::2] = 1 + rng.uniform(-1, 1, x[::2].size) * 2.0 ** -rng.integers(0, 50 if dtype == "f64" else 20, x[::2].size)
    with np.errstate(all="ignore"):
        y = rng.uniform(-1, 1, n) * (745 if dtype == "f64" else 103) / np.log(x.astype(np.longdouble))
    y[~np.isfinite(y)] = 1
    y[3::16] = rng.integers(-5, 6, y[3::16].size)
    x[5::32] *= -1
    y[5::32] = np.rint(y[5::32])
    return x.astype(DTYPES[dtype]), y.astype(DTYPES[dtype])


def pairs(dtype: str, n: int, rng: np.random.Generator) -> Points:
    """Independent arguments of all sizes, and arguments of about equal size."""
    x, y = bit_patterns(dtype, n, rng), bit_patterns(dtype, n, rng)
    with np.errstate(over="ignore"):
        y[::2] = (x[::2].astype(np.longdouble) * rng.uniform(-3, 3, x[::2].size)).astype(DTYPES[dtype])
    x[1::4], y[1::4] = rng.uniform(-30, 30, x[1::4].size), rng.uniform(-30, 30, y[1::4].size)
    return x, y


def near_multiples_of_half_pi(dtype: str, n: int, rng: np.random.Generator) -> Points:
    k = rng.integers(1, 2 ** rng.integers(2, 32 if dtype == "f64" else 18, n))
    half_pi = np.longdouble(1.5707963267948966) + np.longdouble(6.123233995736766e-17)
    return ((k * half_pi).astype(DTYPES[dtype]),)


def bit_patterns(dtype: str, n: int, rng: np.random.Generator) -> Array:
    """Finite numbers with random bits: all exponents alike, subnormal numbers among them."""
    bits = rng.integers(0, 2**64 if dtype == "f64" else 2**32, n, dtype=np.uint64 if dtype == "f64" else np.uint32)
    values: Array = bits.view(DTYPES[dtype])
    values[~np.isfinite(values)] = 0.75
    return values


def points(row: Row, arity: int, dtype: str, n: int, seed: int) -> Iterator[Points]:
    """Some batches of about n points each."""
    rng = np.random.default_rng(seed)
    kind = DTYPES[dtype]
    if arity == 2:
        yield (row.sample or pairs)(dtype, n, rng)
        return
    yield (bit_patterns(dtype, n, rng),)
    for low, high in row.spans:
        yield (rng.uniform(low, high, n).astype(kind),)
    yield ((rng.uniform(-1, 1, n) * 2.0 ** -rng.integers(0, 60, n)).astype(kind),)
    yield ((1 + rng.uniform(-1, 1, n) * 2.0 ** -rng.integers(0, 52, n)).astype(kind),)
    if row.sample:
        yield row.sample(dtype, n, rng)
    if row.extra:
        with np.errstate(over="ignore"):
            yield (np.array(row.extra).astype(kind),)


def over(y: Array, x: Array) -> Array:
    return np.where(np.abs(x) < 1e-25, 1, y / x)


def versine(x: Any) -> Any:
    return (mpmath.sin(x / 2) / x) ** 2 * 2 if x else mpmath.mpf("0.5")


def erfcx_far(x: Any) -> Any:
    return sum((-1) ** k * mpmath.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(12)) / (x * mpmath.sqrt(mpmath.pi))


def log_ndtr(x: Any) -> Any:
    tail = mpmath.erfc(abs(x) / mpmath.sqrt(2)) / 2
    return mpmath.log(tail) if x < 0 else mpmath.log1p(-tail)


def erfcinv(q: Any) -> Any:
    """By bisection and Newton's iteration on log erfc."""
    if not 0 < q < 2:
        return None
    if q > 1:
        return -erfcinv(2 - q)
    y = mpmath.sqrt(-mpmath.log(q / 2)) - mpmath.mpf("0.5") if q < 0.5 else 1 - q
    for _ in range(100):
        tail = mpmath.erfc(y)
        step = mpmath.log(tail / q) * tail * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y)
        y += step
        if abs(step) < abs(y) * mpmath.mpf(10) ** -40:
            break
    return y


def ndtri(p: Any) -> Any:
    return -mpmath.sqrt(2) * erfcinv(2 * p) if 0 < p < 1 else None


def erfcx(x: Any) -> Any:
    return mpmath.exp(x * x) * mpmath.erfc(x) if x < 1e5 else erfcx_far(x)


def bessel(order: int, x: Any) -> Any:
    if abs(x) < 1e5:
        return mpmath.exp(-abs(x)) * mpmath.besseli(order, x)
    mu = 4 * order * order
    terms, term = mpmath.mpf(1), mpmath.mpf(1)
    for k in range(1, 12):
        term *= -(mu - (2 * k - 1) ** 2) / (k * 8 * abs(x))
        terms += term
    return mpmath.sign(x) ** order * terms / mpmath.sqrt(2 * mpmath.pi * abs(x))


MP, NP = mpmath.mp, np
ANGLES: dict[str, Any] = {"sample": near_multiples_of_half_pi, "extra": tuple(HARD_ANGLES)}
OPEN, HALF = ((-1, 1), (-0.5, 0.5)), ((0, 1), (0, 3), (0, 100))
def zeta(s: Any, q: Any) -> Any:
    """mpmath's own loses half of its digits for large broken s."""
    with mpmath.workprec(6 * mpmath.mp.prec):
        return mpmath.zeta(s, q)


def zeta_arguments(dtype: str, n: int, rng: np.random.Generator) -> Points:
    n //= 5  # mpmath takes its time
    s, q = rng.uniform(1.01, 20, n), 10 ** rng.uniform(-1, 1.5, n)
    s[::3] = np.rint(s[::3]) + 1
    return s.astype(DTYPES[dtype]), q.astype(DTYPES[dtype])


def lambertw(x: Any, branch: int) -> Any:
    w = mpmath.lambertw(x, branch)
    return w.real if not w.imag else mpmath.nan


def erfcx_slope(n: Any, x: Any) -> Any:
    """By the recurrence, with digits to spare."""
    with mpmath.workprec(8 * mpmath.mp.prec):
        before = mpmath.exp(x * x) * mpmath.erfc(x)
        last = 2 * x * before - 2 / mpmath.sqrt(mpmath.pi)
        for k in range(1, int(n)):
            before, last = last, 2 * (x * last + k * before)
        return last


def orders_of_erfcx(dtype: str, n: int, rng: np.random.Generator) -> Points:
    order, x = rng.integers(1, 7, n), rng.uniform(-3, 8, n)
    return order.astype(DTYPES[dtype]), x.astype(DTYPES[dtype])


ROWS: dict[str, Row] = {
    "exp": Row(MP.exp, NP.exp, extra=(709.78, -745.13, -708.39, 88.72, -103.97)),
    "exp2": Row(lambda x: MP.mpf(2) ** x, NP.exp2, ((-1, 1), (-1080, 1024), (-150, 128))),
    "expm1": Row(MP.expm1, NP.expm1),
    "log": Row(MP.log, NP.log, HALF),
    "log2": Row(lambda x: MP.log(x, 2), NP.log2, HALF),
    "log10": Row(MP.log10, NP.log10, HALF),
    "log1p": Row(MP.log1p, NP.log1p, ((-1, 1), (-1, 10))),
    "sin": Row(MP.sin, NP.sin, **ANGLES),
    "cos": Row(MP.cos, NP.cos, **ANGLES),
    "tan": Row(MP.tan, NP.tan, **ANGLES),
    "asin": Row(MP.asin, NP.arcsin, OPEN),
    "acos": Row(MP.acos, NP.arccos, OPEN),
    "atan": Row(MP.atan, NP.arctan, ((-1, 1), (-4, 4))),
    "atan2": Row(MP.atan2, NP.arctan2),
    "sinh": Row(MP.sinh, NP.sinh),
    "cosh": Row(MP.cosh, NP.cosh),
    "tanh": Row(MP.tanh, NP.tanh),
    "sech_squared": Row(lambda x: MP.sech(x) ** 2, sech_squared, ((-1, 1), (-20, 20), (-372, 372))),
    "asinh": Row(MP.asinh, NP.arcsinh),
    "acosh": Row(MP.acosh, NP.arccosh, ((1, 2), (1, 100))),
    "atanh": Row(MP.atanh, NP.arctanh, OPEN),
    "sigmoid": Row(lambda x: MP.exp(x) / (1 + MP.exp(x)) if x < 0 else 1 / (1 + MP.exp(-x)), sigmoid),
    "softplus": Row(lambda x: max(x, 0) + MP.log1p(MP.exp(-abs(x))), softplus),
    "logsigmoid": Row(lambda x: min(x, 0) - MP.log1p(MP.exp(-abs(x))), lambda x: -softplus(-x)),
    "logaddexp": Row(lambda x, y: max(x, y) + MP.log1p(MP.exp(-abs(x - y))), NP.logaddexp, size=or_argument),
    "pow": Row(MP.power, NP.power, sample=powers),
    "cbrt": Row(lambda x: MP.sign(x) * MP.cbrt(abs(x)), NP.cbrt),
    "hypot": Row(MP.hypot, NP.hypot),
    "erf": Row(MP.erf, None, ((-1, 1), (-6, 6))),
    "erfc": Row(MP.erfc, None, ((-1, 1), (0, 10), (0, 27.3))),
    "gammaln": Row(gammaln, None, ((0, 1), (1, 3), (0, 12), (-20, 0)), size=or_one_if_negative),
    "digamma": Row(MP.digamma, None, ((0, 1), (1, 3), (0, 12), (-20, 0)), size=or_one_if_negative),
    "expm1_over_x": Row(lambda x: MP.expm1(x) / x if x else MP.mpf(1), lambda x: over(NP.expm1(x), x)),
    "log1p_over_x": Row(
        lambda x: MP.log1p(x) / x if x else MP.mpf(1), lambda x: over(NP.log1p(x), x), ((-1, 1), (-1, 10))
    ),
    "sin_over_x": Row(lambda x: MP.sin(x) / x if x else MP.mpf(1), lambda x: over(NP.sin(x), x), **ANGLES),
    "one_minus_cos_over_x2": Row(versine, lambda x: over(NP.sin(x / 2), x / 2) ** 2 / 2, **ANGLES),
    "zeta": Row(zeta, None, sample=zeta_arguments),
    "lambertw0": Row(lambda x: lambertw(x, 0), None, ((-0.36, 1), (0, 20), (0, 1e6)), extra=(-0.367, -0.36787, 1e300)),
    "lambertw1": Row(lambda x: lambertw(x, -1), None, ((-0.36, 0), (-0.05, 0)), extra=(-0.367, -0.36787, -1e-300)),
    "erfcx_derivative": Row(erfcx_slope, None, sample=orders_of_erfcx),
    "erfcx": Row(
        lambda x: MP.exp(x * x) * MP.erfc(x) if x < 1e5 else erfcx_far(x), None, ((-1, 1), (-26, 5), (0, 100))
    ),
    "ndtr": Row(lambda x: MP.erfc(-x / MP.sqrt(2)) / 2, None, ((-1, 1), (-6, 6), (-38.5, 0))),
    "log_ndtr": Row(log_ndtr, None, ((-1, 1), (-6, 6), (-100, 38))),
    "erfinv": Row(MP.erfinv, None, OPEN),
    "erfcinv": Row(erfcinv, None, ((0, 2), (0.4, 0.6), (0, 0.01))),
    "ndtri": Row(ndtri, None, ((0, 1), (0.2, 0.3), (0, 0.01))),
    "i0e": Row(lambda x: bessel(0, x), None, ((-1, 1), (-10, 10), (0, 100))),
    "i1e": Row(lambda x: bessel(1, x), None, ((-1, 1), (-10, 10), (0, 100))),
}

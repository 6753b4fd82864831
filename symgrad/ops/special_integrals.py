"""Special functions that are integrals of elementary ones: exponential integrals, Dawson's function, the incomplete
gamma and beta functions, the dilogarithm, modified Bessel functions of the second kind.

Their derivatives are closed; where one by a parameter is not, asking for it raises NotDifferentiable.  Compiled code
calls SciPy's C functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, NotDifferentiable
from ..expression import FUNCTIONS, Expr, apply, function, unify
from .elementwise import elementwise, unary
from .special import bessel, member, order_of, scipy_special


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def _mp() -> Any:
    import mpmath

    return mpmath


unary("expi", scipy_special("expi"), lambda y, x: _f("exp", x) / x, domain=((0.3, 3),), sympy="Ei", mpmath="ei",
      latex=r"\operatorname{Ei}", doc="Exponential integral, of exp(t)/t up to x (its principal value).")  # fmt: skip
unary("exp1", scipy_special("exp1"), lambda y, x: -_f("exp", -x) / x, domain=((0.3, 3),), mpmath="e1",
      latex=r"\operatorname{E}_1", doc="Exponential integral of exp(-t)/t from x on.")  # fmt: skip
unary("dawsn", scipy_special("dawsn"), lambda y, x: 1 - 2 * x * y, domain=((-2, 2),), latex="F",
      mpmath=lambda x: _mp().sqrt(_mp().pi) / 2 * _mp().exp(-x * x) * _mp().erfi(x),
      doc="Dawson's function, exp(-x**2) times the integral of exp(t**2) from 0 to x.")  # fmt: skip
unary("erfi", scipy_special("erfi"), lambda y, x: 2 / math.sqrt(math.pi) * _f("exp", x**2), domain=((-1, 1),), sympy="erfi",
      mpmath="erfi", latex=r"\operatorname{erfi}", doc="Imaginary error function, -i*erf(i*x).")  # fmt: skip
unary("erfcinv", scipy_special("erfcinv"), lambda y, x: -math.sqrt(math.pi) / 2 * _f("exp", y**2), domain=((0.2, 1.8),),
      sympy="erfcinv", mpmath=lambda x: _mp().erfinv(1 - x), latex=r"\operatorname{erfc}^{-1}",
      doc="Inverse of the complementary error function.")  # fmt: skip
unary("spence", scipy_special("spence"), lambda y, x: -_f("log1pxx", x - 1), domain=((0.3, 2),),
      mpmath=lambda x: _mp().polylog(2, 1 - x).real, doc="Dilogarithm of 1 - x: the integral of log(t)/(1 - t) from 1 to x.")  # fmt: skip


# ---- incomplete functions

def _incomplete(
    name: str, arity: int, slope: Callable[..., Expr], domain: tuple[tuple[float, float], ...], mpmath: Any, doc: str
) -> None:
    """Registers a function whose last argument alone has a closed derivative."""

    def partials(y: Expr, *xs: Expr) -> tuple[Any, ...]:
        refused = NotDifferentiable(f"{name}: has no closed derivative by its parameters, only by its last argument")
        return (*[refused] * (arity - 1), slope(*xs))

    elementwise(name, scipy_special(name), partials, domain=domain, mpmath=mpmath, doc=doc)

    def call(*args: Any) -> Expr:
        operands, weak = unify(args, want_float=True)
        return apply(name, operands, weak=weak)

    two: Callable[..., Expr] = lambda a, x: call(a, x)  # noqa: E731
    three: Callable[..., Expr] = lambda a, b, x: call(a, b, x)  # noqa: E731
    public = two if arity == 2 else three
    public.__name__ = public.__qualname__ = name
    public.__doc__ = f"{doc}  Differentiable in `x`; by the parameters NotDifferentiable is raised."
    function(name)(public)


def _gamma_density(a: Expr, x: Expr) -> Expr:
    return _f("exp", _f("xlogy", a - 1, x) - x - _f("gammaln", a))


def _beta_density(a: Expr, b: Expr, x: Expr) -> Expr:
    return _f("exp", _f("xlogy", a - 1, x) + _f("xlog1py", b - 1, -x) - _f("betaln", a, b))


_incomplete("gammainc", 2, _gamma_density, ((0.5, 3), (0.3, 3)), lambda a, x: _mp().gammainc(a, 0, x, regularized=True),
            "Regularised lower incomplete gamma function: the distribution function of the gamma distribution.")  # fmt: skip
_incomplete("gammaincc", 2, lambda a, x: -_gamma_density(a, x), ((0.5, 3), (0.3, 3)),
            lambda a, x: _mp().gammainc(a, x, _mp().inf, regularized=True),
            "Regularised upper incomplete gamma function, 1 - gammainc.")  # fmt: skip
_incomplete("betainc", 3, _beta_density, ((0.5, 3), (0.5, 3), (0.2, 0.8)),
            lambda a, b, x: _mp().betainc(a, b, 0, x, regularized=True),
            "Regularised incomplete beta function: the distribution function of the beta distribution.")  # fmt: skip


# ---- modified Bessel functions of the second kind

def _falling(y: Expr, x: Expr) -> Expr:
    n = order_of(y)
    return -(member("kv", n - 1, x) + member("kv", n + 1, x)) / 2 if n else -member("kv", 1, x)


def _falling_scaled(y: Expr, x: Expr) -> Expr:
    n = order_of(y)
    return y - ((member("kve", n - 1, x) + member("kve", n + 1, x)) / 2 if n else member("kve", 1, x))


bessel("kv", _falling, {0: "k0", 1: "k1"}, "Modified Bessel function of the second kind", domain=((0.4, 3),),
       mpmath=lambda n, x: _mp().besselk(n, x), sympy="besselk")  # fmt: skip
bessel("kve", _falling_scaled, {0: "k0e", 1: "k1e"}, "Modified Bessel function of the second kind times exp(x)",
       domain=((0.4, 3),), mpmath=lambda n, x: _mp().besselk(n, x) * _mp().exp(x))  # fmt: skip


# ---- formulas of others

@function("log_expit")
def log_expit(x: Any) -> Expr:
    """``log(sigmoid(x))``, accurate everywhere."""
    return _f("log_sigmoid", x)


@function("exprel")
def exprel(x: Any) -> Expr:
    """``(exp(x) - 1)/x``, 1 at 0, with accurate derivatives of every order."""
    return _f("expm1xx", x)


@function("exp10")
def exp10(x: Any) -> Expr:
    """``10**x``."""
    return _f("power", 10.0, x)


@function("logaddexp2", numpy=[np.logaddexp2])
def logaddexp2(x: Any, y: Any) -> Expr:
    """``log2(2**x + 2**y)`` without overflow."""
    (a, b), _ = unify([x, y], want_float=True)
    scaled: Expr = _f("logaddexp", a * math.log(2), b * math.log(2)) * (1 / math.log(2))
    return scaled


@function("powm1")
def powm1(x: Any, y: Any) -> Expr:
    """``x**y - 1`` for positive x, accurate where the power is near 1."""
    return _f("expm1", _f("xlogy", y, x))


@function("boxcox")
def boxcox(x: Any, lmbda: Any) -> Expr:
    """Box's and Cox's transformation ``(x**lmbda - 1)/lmbda``, log(x) for lmbda 0; smooth there."""
    (a, k), _ = unify([x, lmbda], want_float=True)
    log = _f("log", a)
    result: Expr = log * exprel(k * log)
    return result


@function("boxcox1p")
def boxcox1p(x: Any, lmbda: Any) -> Expr:
    """``boxcox(1 + x, lmbda)``, accurate near 0."""
    (a, k), _ = unify([x, lmbda], want_float=True)
    log = _f("log1p", a)
    result: Expr = log * exprel(k * log)
    return result


@function("inv_boxcox")
def inv_boxcox(y: Any, lmbda: Any) -> Expr:
    """The x with ``boxcox(x, lmbda) = y``."""
    (a, k), _ = unify([y, lmbda], want_float=True)
    return _f("exp", a * _f("log1pxx", k * a))


@function("inv_boxcox1p")
def inv_boxcox1p(y: Any, lmbda: Any) -> Expr:
    """The x with ``boxcox1p(x, lmbda) = y``."""
    (a, k), _ = unify([y, lmbda], want_float=True)
    return _f("expm1", a * _f("log1pxx", k * a))


@function("pseudo_huber")
def pseudo_huber(delta: Any, r: Any) -> Expr:
    """``delta**2*(sqrt(1 + (r/delta)**2) - 1)``, accurate for small r: SciPy's smooth form of Huber's loss."""
    (d, x), _ = unify([delta, r], want_float=True)
    ratio = (x / d) ** 2
    result: Expr = d**2 * ratio / (_f("sqrt", 1 + ratio) + 1)
    return result


@function("binom", "comb")
def binom(n: Any, k: Any) -> Expr:
    """The binomial coefficient n over k, also of broken numbers, by the beta function."""
    (a, b), _ = unify([n, k], want_float=True)
    result: Expr = 1 / ((a + 1) * _f("beta", a - b + 1, b + 1))
    return result


@function("factorial")
def factorial(n: Any) -> Expr:
    """``gamma(n + 1)``."""
    (x,), _ = unify([n], want_float=True)
    return _f("gamma", x + 1)


@function("poch")
def poch(z: Any, m: Any) -> Expr:
    """The rising factorial ``gamma(z + m)/gamma(z)``, for positive z and z + m."""
    (a, b), _ = unify([z, m], want_float=True)
    return _f("exp", _f("gammaln", a + b) - _f("gammaln", a))


@function("multigammaln")
def multigammaln(a: Any, d: Any) -> Expr:
    """The logarithm of the gamma function of `d` dimensions, for a > (d - 1)/2."""
    if not isinstance(d, int | np.integer) or isinstance(d, bool) or not 1 <= d <= 1000:
        raise ArgumentError(f"multigammaln: the dimension must be an integer from 1 to 1000, got {d!r}")
    (x,), _ = unify([a], want_float=True)
    result: Expr = _f("gammaln", x) + 0.0
    for j in range(1, int(d)):
        result = result + _f("gammaln", x - j / 2)
    return result + d * (d - 1) / 4 * math.log(math.pi)


__all__ = ["binom", "boxcox", "exprel"]

"""Functions with a removable singularity at 0, as families closed under differentiation: no order loses digits near 0.

A member of order n is the n-th derivative of f(x) = N(x)/x**p.  Away from 0 it follows from the derivatives of x**p * f(x) = N(x)
by Leibniz's rule, a recurrence over the orders that cancels only for |x| well below n + 1; nearer to 0 it is a sum of terms that do
not cancel: Taylor's series (sin, sinh), Kummer's (exp: ``exp(x) * sum of (-x)**j n!/(n+1+j)!`` for x < 0), or, for the
logarithm, whose series converges too slowly, Gauss-Legendre quadrature of ``log1p(x)/x = integral of 1/(1 + x*t)``.

The formula is written once, in symgrad's own functions: compiled code inlines it, the interpreter evaluates it node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial
from typing import Any

import numpy as np

from ..compiler.types import ArrayType
from ..errors import ArgumentError
from ..expression import FUNCTIONS, Expr, apply, function, lift, unify
from ..graph import Node, Op, lookup, node, postorder, register
from .arithmetic import where
from .elementwise import chain, elementwise_type

HIGHEST_ORDER = 30

Formula = Callable[[int, Expr], Expr]


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def horner(x: Expr, coefficients: Sequence[Fraction | int]) -> Expr:
    """The polynomial with these coefficients, lowest power first."""
    total: Expr = lift(float(coefficients[-1]))
    for c in reversed(coefficients[:-1]):
        total = total * x + float(c)
    return total


def by_leibniz(power: int, first: Callable[[Expr], Expr], numerator: Callable[[int, Expr], Expr]) -> Formula:
    """Order n of N(x)/x**power from the orders below: `first` is order 0, `numerator` gives the derivatives of N."""

    def order(n: int, x: Expr) -> Expr:
        members = [first(x)]
        for m in range(1, n + 1):
            total = numerator(m, x)
            for k in range(1, min(power, m) + 1):
                factor = comb(m, k) * factorial(power) // factorial(power - k)
                total = total - factor * x ** (power - k) * members[m - k] if power > k else total - factor * members[m - k]
            members.append(total / x**power)
        return members[n]

    return order


def by_series(coefficient: Callable[[int], Fraction], step: int) -> Formula:
    """Order n by Taylor's series of a function with these coefficients, nonzero at multiples of `step`, up to |x| = n + 2."""

    def order(n: int, x: Expr) -> Expr:
        start = -(-n // step) * step
        terms = [coefficient(j) * factorial(j) / factorial(j - n) for j in range(start, start + 30 + 4 * n, step)]
        smallest = abs(terms[0]) * Fraction(1, 10**19)
        while abs(terms[-1]) * (n + 2) ** (step * (len(terms) - 1)) < smallest:
            terms.pop()
        series = horner(x**step, terms)
        return series if start == n else series * x ** (start - n)

    return order


def _kummer(n: int, x: Expr) -> Expr:
    """Order n of expm1(x)/x, the integral of t**n * exp(x*t): both series have only positive terms."""
    count = 34 + 3 * n
    size = _f("abs", x)
    rising = horner(size, [Fraction(1, factorial(j) * (n + 1 + j)) for j in range(count)])
    falling = horner(size, [Fraction(factorial(n), factorial(n + 1 + j)) for j in range(count)])
    return where(x < 0, _f("exp", x) * falling, rising)


@lru_cache(maxsize=1)
def _rule() -> tuple[tuple[float, float], ...]:
    """The nodes and weights of Gauss and Legendre on [0, 1], computed when they are first used."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    return tuple(zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


def _log_quadrature(power: int) -> Formula:
    """Order n of the integral of t**power/(1 + x*t) over [0, 1]."""

    def order(n: int, x: Expr) -> Expr:
        total: Any = 0
        for t, w in _rule():
            total = total + w * (-1) ** n * factorial(n) * t ** (n + power) / (1 + t * x) ** (n + 1)
        result: Expr = total
        return result

    return order


def _log_derivative(n: int, x: Expr) -> Expr:
    """The derivative of order n >= 1 of log1p."""
    return lift((-1.0) ** (n - 1) * factorial(n - 1)) / (1 + x) ** n


# ---- making a family

def family(name: str, near: Formula, far: Formula, inside: Callable[[int, Expr], Expr], doc: str, **facts: Any) -> Op:
    """Registers the operation `name` with the order as its parameter, and its public function ``name(x, order=0)``.

    `near` and `far` are its formulas where `inside` holds and where it does not."""

    def formula(n: int, x: Expr) -> Expr:
        return where(inside(n, x), near(n, x), far(n, x))

    @lru_cache(maxsize=64)
    def program(n: int, dtype: str) -> tuple[list[Node], Node]:
        x = node(lookup("symbol"), (), ("x", ArrayType(dtype)))
        return postorder([formula(n, Expr(x)).node]), x

    def evaluate(args: Sequence[Any], params: Any, sizes: Any) -> Any:
        z = np.asarray(args[0])
        order, x = program(params[0], "f32" if z.dtype == np.float32 else "f64")
        known: dict[Node, Any] = {x: z}
        for step in order:
            if step is not x:
                known[step] = step.op.evaluate([known[i] for i in step.inputs], step.params, sizes)
        return known[order[-1]]

    def slope(y: Expr, x: Expr) -> tuple[Expr]:
        return (apply(name, [x], (_order(y) + 1,)),)

    def vjp(g: Expr, y: Expr, x: Expr) -> list[Expr]:
        return [chain(g, slope(y, x)[0])]

    def jvp(tangents: Sequence[Expr | None], y: Expr, x: Expr) -> Expr | None:
        return None if tangents[0] is None else chain(tangents[0], slope(y, x)[0])

    op = register(Op(name, elementwise_type(name), evaluate, expand=lambda y, x: formula(_order(y), x), vjp=vjp, jvp=jvp,
                     partials=slope, domain=facts.pop("domain", ((-2, 2),)), doc=doc, **facts))  # fmt: skip

    def call(x: Any, order: Any = 0) -> Expr:
        if not isinstance(order, int) or not 0 <= order <= HIGHEST_ORDER:
            raise ArgumentError(f"{name}: the order must be an integer from 0 to {HIGHEST_ORDER}, got {order!r}")
        operands, weak = unify([x], want_float=True)
        return apply(op, operands, (order,), weak=weak)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{doc}  Its derivative of any `order` is as accurate near 0 as elsewhere."
    function(name)(call)
    return op


def _order(y: Expr) -> int:
    n = y.node.params[0]
    assert isinstance(n, int)
    return n


def _near(n: int, x: Expr) -> Expr:
    return _f("abs", x) < n + 1.5


def _unit_near(n: int, x: Expr) -> Expr:
    return (x > -0.6) & (x < 2.0)


def _cycle(*names: tuple[str, int]) -> Callable[[int, Expr], Expr]:
    """The derivatives of a function that come back to it: names and signs in turn."""
    return lambda n, x: _f(names[n % len(names)][0], x) * names[n % len(names)][1]


_SINES = _cycle(("sin", 1), ("cos", 1), ("sin", -1), ("cos", -1))
_SINHS = _cycle(("sinh", 1), ("cosh", 1))


def _sine_defect(n: int, x: Expr) -> Expr:
    """The derivatives of x - sin(x)."""
    return (1 - _f("cos", x)) if n == 1 else -_SINES(n, x)


def _diff(f: Callable[[Any], Any]) -> Callable[[int, Any], Any]:
    """The derivative of order n in mpmath of a function that is continued to 0."""

    def derivative(n: int, x: Any) -> Any:
        import mpmath

        return mpmath.diff(f, x, n) if n else f(x)

    return derivative


def _mp() -> Any:
    import mpmath

    return mpmath


def _continued(f: Callable[[Any], Any], at_zero: Any) -> Callable[[Any], Any]:
    return lambda x: f(x) if x else _mp().mpf(at_zero)


family("sinxx", by_series(lambda j: Fraction((-1) ** (j // 2), factorial(j + 1)), 2),
       by_leibniz(1, lambda x: _f("sin", x) / x, _SINES), _near, "sin(x)/x, 1 at 0.", mpmath=_diff(lambda x: _mp().sinc(x)))
family("sinhxx", by_series(lambda j: Fraction(1, factorial(j + 1)), 2), by_leibniz(1, lambda x: _f("sinh", x) / x, _SINHS), _near,
       "sinh(x)/x, 1 at 0.", mpmath=_diff(_continued(lambda x: _mp().sinh(x) / x, 1)))  # fmt: skip
family("xmsinxxx", by_series(lambda j: Fraction((-1) ** (j // 2), factorial(j + 3)), 2),
       by_leibniz(3, lambda x: (x - _f("sin", x)) / x**3, _sine_defect), lambda n, x: _f("abs", x) < n + 2,
       "(x - sin(x))/x**3, 1/6 at 0.", mpmath=_diff(_continued(lambda x: (x - _mp().sin(x)) / x**3, "1") ))  # fmt: skip
def _without_one(numerator: Callable[[int, Expr], Expr], sign: int) -> Callable[[int, Expr], Expr]:
    """The derivatives of ``sign*(f(x) - x*f'(x))`` for a function whose derivatives are `numerator`."""
    return lambda m, x: sign * ((1 - m) * numerator(m, x) - x * numerator(m + 1, x))


family("sinhmxxx", by_series(lambda j: Fraction(1, factorial(j + 3)), 2),
       by_leibniz(3, lambda x: _f("sinhmx", x) / x**3, lambda n, x: _f("cosh", x) - 1 if n == 1 else _SINHS(n, x)),
       lambda n, x: _f("abs", x) < n + 2, "(sinh(x) - x)/x**3, 1/6 at 0.",
       mpmath=_diff(_continued(lambda x: (_mp().sinh(x) - x) / x**3, 1 / 6)))  # fmt: skip
family("sinmxcosxxx", by_series(lambda j: Fraction((-1) ** (j // 2) * (j + 2), factorial(j + 3)), 2),
       by_leibniz(3, lambda x: _f("sinmxcos", x) / x**3, _without_one(_SINES, 1)), lambda n, x: _f("abs", x) < n + 2,
       "(sin(x) - x*cos(x))/x**3, 1/3 at 0.",
       mpmath=_diff(_continued(lambda x: (_mp().sin(x) - x * _mp().cos(x)) / x**3, 1 / 3)))  # fmt: skip
family("xcoshmsinhxxx", by_series(lambda j: Fraction(j + 2, factorial(j + 3)), 2),
       by_leibniz(3, lambda x: _f("xcoshmsinh", x) / x**3, _without_one(_SINHS, -1)), lambda n, x: _f("abs", x) < n + 2,
       "(x*cosh(x) - sinh(x))/x**3, 1/3 at 0.",
       mpmath=_diff(_continued(lambda x: (x * _mp().cosh(x) - _mp().sinh(x)) / x**3, 1 / 3)))  # fmt: skip


def _kummer_twice(n: int, x: Expr) -> Expr:
    """Order n of (expm1(x) - x)/x**2, the integral of t**n * (1 - t) * exp(x*t)."""
    count = 34 + 3 * n
    size = _f("abs", x)
    rising = horner(size, [Fraction(1, factorial(j) * (n + 1 + j) * (n + 2 + j)) for j in range(count)])
    falling = horner(size, [Fraction((j + 1) * factorial(n), factorial(n + 2 + j)) for j in range(count)])
    return where(x < 0, _f("exp", x) * falling, rising)


family("expm1mxxx", _kummer_twice,
       by_leibniz(2, lambda x: _f("expm1mx", x) / x**2, lambda n, x: _f("expm1", x) if n == 1 else _f("exp", x)), _near,
       "(exp(x) - 1 - x)/x**2, 1/2 at 0.", mpmath=_diff(_continued(lambda x: (_mp().expm1(x) - x) / x**2, 0.5)))  # fmt: skip
family("expm1xx", _kummer, by_leibniz(1, lambda x: _f("expm1", x) / x, lambda n, x: _f("exp", x)), _near,
       "expm1(x)/x, 1 at 0.", mpmath=_diff(_continued(lambda x: _mp().expm1(x) / x, 1)))  # fmt: skip
family("log1pxx", _log_quadrature(0), by_leibniz(1, lambda x: _f("log1p", x) / x, _log_derivative), _unit_near,
       domain=((-0.5, 2),), doc="log1p(x)/x, 1 at 0.", mpmath=_diff(_continued(lambda x: _mp().log1p(x) / x, 1)))  # fmt: skip
family("xmlog1pxx", _log_quadrature(1),
       by_leibniz(2, lambda x: (x - _f("log1p", x)) / x**2, lambda n, x: (1 if n == 1 else 0) - _log_derivative(n, x)), _unit_near,
       domain=((-0.5, 2),), doc="(x - log1p(x))/x**2, 1/2 at 0.", mpmath=_diff(_continued(lambda x: (x - _mp().log1p(x)) / x**2, 0.5)))  # fmt: skip


# ---- what is made of them

@function("cosxx")
def cosxx(x: Any) -> Expr:
    """``(1 - cos(x))/x**2``, 1/2 at 0."""
    return _f("sinxx", lift(x) * 0.5) ** 2 * 0.5


@function("cosm1")
def cosm1(x: Any) -> Expr:
    """``cos(x) - 1`` without cancellation near 0."""
    return -2 * _f("sin", lift(x) * 0.5) ** 2


@function("coshxx")
def coshxx(x: Any) -> Expr:
    """``(cosh(x) - 1)/x**2``, 1/2 at 0."""
    return _f("sinhxx", lift(x) * 0.5) ** 2 * 0.5


@function("tanxx")
def tanxx(x: Any) -> Expr:
    """``tan(x)/x``, 1 at 0."""
    z = lift(x)
    return _f("sinxx", z) / _f("cos", z)


@function("sinc", numpy=[np.sinc])
def sinc(x: Any) -> Expr:
    """``sin(pi x)/(pi x)``, 1 at 0."""
    return _f("sinxx", np.pi * lift(x))


def continued(numerator: str, at_zero: float) -> Callable[[Any], Any]:
    """mpmath's function of this name over x, continued to 0."""
    return _continued(lambda x: getattr(_mp(), numerator)(x) / x, at_zero)


derivative_in_mpmath = _diff

__all__ = ["by_leibniz", "continued", "derivative_in_mpmath", "family", "horner"]

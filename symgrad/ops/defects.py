"""What is left of a function when its leading terms are taken away: x - sin(x), exp(x) - 1 - x, and their like.

Near 0 they are sums of Taylor's series, which does not cancel; elsewhere the difference itself, which loses at most a
digit.  Derivatives are elementary or are such functions again, so that no order loses digits.  `log1p_ratio` is the
logarithm of a ratio by what its numerator is longer than its denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from math import factorial
from typing import Any

import numpy as np

from ..compiler.types import ArrayType
from ..expression import FUNCTIONS, Expr, apply, function, unify
from ..graph import Node, Op, lookup, node, postorder, register
from .arithmetic import where
from .elementwise import chain, elementwise_type, masked, unbroadcast, widen
from .removable import horner

Formula = Callable[..., Expr]


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def _mp() -> Any:
    import mpmath

    return mpmath


def formula_row(name: str, count: int, formula: Formula, partials: Callable[..., Sequence[Any]], **facts: Any) -> Op:
    """Registers an elementwise operation of `count` operands whose meaning is a formula of others, compiled and interpreted
    alike, and its public function."""

    @lru_cache(maxsize=8)
    def program(dtype: str) -> tuple[list[Node], list[Node]]:
        xs = [node(lookup("symbol"), (), (f"x{k}", ArrayType(dtype))) for k in range(count)]
        return postorder([formula(*map(Expr, xs)).node]), xs

    def evaluate(args: Sequence[Any], params: Any, sizes: Any) -> Any:
        arrays = [np.asarray(a) for a in args]
        order, xs = program("f32" if arrays[0].dtype == np.float32 else "f64")
        known: dict[Node, Any] = dict(zip(xs, arrays, strict=True))
        with np.errstate(all="ignore"):
            for step in order:
                if step not in known:
                    known[step] = step.op.evaluate([known[i] for i in step.inputs], step.params, sizes)
        return known[order[-1]]

    def vjp(g: Expr, y: Expr, *xs: Expr) -> list[Expr]:
        return [unbroadcast(chain(g, p), y.ndim, x.type) for p, x in zip(partials(y, *xs), xs, strict=True)]

    def jvp(tangents: Sequence[Expr | None], y: Expr, *xs: Expr) -> Expr | None:
        terms = [
            chain(widen(t, x.ndim, y.ndim), p)
            for p, t, x in zip(partials(y, *xs), tangents, xs, strict=True)
            if t is not None
        ]
        return sum(terms[1:], terms[0]) if terms else None

    op = register(
        Op(
            name,
            elementwise_type(name),
            evaluate,
            expand=lambda y, *xs: formula(*xs),
            vjp=vjp,
            jvp=jvp,
            partials=partials,
            **facts,
        )
    )

    def call(*args: Any) -> Expr:
        operands, weak = unify(args, want_float=True)
        return apply(op, operands, weak=weak)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = op.doc
    function(name)((_of_one, _of_two, _of_three)[count - 1](call))
    return op


def _of_one(call: Callable[..., Expr]) -> Callable[..., Expr]:
    def one(x: Any) -> Expr:
        return call(x)

    one.__name__, one.__qualname__, one.__doc__ = call.__name__, call.__name__, call.__doc__
    return one


def _of_two(call: Callable[..., Expr]) -> Callable[..., Expr]:
    def two(x: Any, y: Any) -> Expr:
        return call(x, y)

    two.__name__, two.__qualname__, two.__doc__ = call.__name__, call.__name__, call.__doc__
    return two


def _of_three(call: Callable[..., Expr]) -> Callable[..., Expr]:
    def three(x: Any, y: Any, z: Any) -> Expr:
        return call(x, y, z)

    three.__name__, three.__qualname__, three.__doc__ = call.__name__, call.__name__, call.__doc__
    return three


def defect(
    name: str,
    power: int,
    step: int,
    coefficients: Sequence[Fraction],
    inside: float,
    far: Formula,
    slope: Formula,
    mpmath: Callable[[Any], Any],
    doc: str,
    domain: tuple[float, float] = (-2, 2),
) -> Op:
    """Registers ``x**power * (c0 + c1*x**step + …)`` for |x| < `inside` and `far` elsewhere, with derivative `slope`."""

    def formula(x: Expr) -> Expr:
        near = _f("abs", x) < inside
        series = x**power * horner(x**step, coefficients)
        return where(near, series, far(x))

    return formula_row(name, 1, formula, lambda y, x: (slope(x),), mpmath=mpmath, doc=doc, domain=(domain,))


def _tangent(count: int, sign: int) -> list[Fraction]:
    """Taylor coefficients of tan (sign 1) and tanh (sign -1) from y' = 1 + sign*y**2."""
    t = [Fraction(0), Fraction(1)]
    for n in range(1, 2 * count + 4):
        t.append(sign * sum((t[i] * t[n - i] for i in range(n + 1)), Fraction(0)) / (n + 1))
    return [t[2 * k + 3] for k in range(count)]


def _signs(k: int) -> int:
    return -1 if k % 2 else 1


defect(
    "xmsin",
    3,
    2,
    [Fraction(_signs(k), factorial(2 * k + 3)) for k in range(9)],
    1.0,
    lambda x: x - _f("sin", x),
    lambda x: 2 * _f("sin", x / 2) ** 2,
    lambda x: x - _mp().sin(x),
    "x - sin(x) without cancellation near 0.",
)
defect(
    "sinhmx",
    3,
    2,
    [Fraction(1, factorial(2 * k + 3)) for k in range(9)],
    1.0,
    lambda x: _f("sinh", x) - x,
    lambda x: 2 * _f("sinh", x / 2) ** 2,
    lambda x: _mp().sinh(x) - x,
    "sinh(x) - x without cancellation near 0.",
)
defect(
    "tanmx",
    3,
    2,
    _tangent(16, 1),
    0.5,
    lambda x: _f("tan", x) - x,
    lambda x: _f("tan", x) ** 2,
    lambda x: _mp().tan(x) - x,
    "tan(x) - x without cancellation near 0.",
    (-1, 1),
)
defect(
    "xmtanh",
    3,
    2,
    [-c for c in _tangent(16, -1)],
    0.5,
    lambda x: x - _f("tanh", x),
    lambda x: _f("tanh", x) ** 2,
    lambda x: x - _mp().tanh(x),
    "x - tanh(x) without cancellation near 0.",
)
defect(
    "xmarctan",
    3,
    2,
    [Fraction(_signs(k), 2 * k + 3) for k in range(17)],
    0.3,
    lambda x: x - _f("arctan", x),
    lambda x: x**2 / (1 + x**2),
    lambda x: x - _mp().atan(x),
    "x - arctan(x) without cancellation near 0.",
)
defect(
    "sinmxcos",
    3,
    2,
    [Fraction(_signs(k) * (2 * k + 2), factorial(2 * k + 3)) for k in range(9)],
    1.0,
    lambda x: _f("sin", x) - x * _f("cos", x),
    lambda x: x * _f("sin", x),
    lambda x: _mp().sin(x) - x * _mp().cos(x),
    "sin(x) - x*cos(x) without cancellation near 0.",
)
defect(
    "xcoshmsinh",
    3,
    2,
    [Fraction(2 * k + 2, factorial(2 * k + 3)) for k in range(9)],
    1.0,
    lambda x: x * _f("cosh", x) - _f("sinh", x),
    lambda x: x * _f("sinh", x),
    lambda x: x * _mp().cosh(x) - _mp().sinh(x),
    "x*cosh(x) - sinh(x) without cancellation near 0.",
)
defect(
    "expm1mx",
    2,
    1,
    [Fraction(1, factorial(k + 2)) for k in range(13)],
    0.5,
    lambda x: _f("expm1", x) - x,
    lambda x: _f("expm1", x),
    lambda x: _mp().expm1(x) - x,
    "exp(x) - 1 - x without cancellation near 0.",
)
defect(
    "expm1mxexp",
    2,
    1,
    [Fraction(-(k + 1), factorial(k + 2)) for k in range(14)],
    0.5,
    lambda x: _f("expm1", x) - x * _f("exp", x),
    lambda x: -x * _f("exp", x),
    lambda x: _mp().expm1(x) - x * _mp().exp(x),
    "exp(x) - 1 - x*exp(x) without cancellation near 0.",
)
defect(
    "xmlog1p",
    2,
    1,
    [Fraction(_signs(k), k + 2) for k in range(26)],
    0.25,
    lambda x: x - _f("log1p", x),
    lambda x: x / (1 + x),
    lambda x: x - _mp().log1p(x),
    "x - log1p(x) without cancellation near 0.",
    (-0.5, 2),
)
defect(
    "xlog1pmx",
    2,
    1,
    [Fraction(_signs(k), (k + 1) * (k + 2)) for k in range(26)],
    0.25,
    lambda x: (1 + x) * _f("log1p", x) - x,
    lambda x: _f("log1p", x),
    lambda x: (1 + x) * _mp().log1p(x) - x,
    "(1 + x)*log1p(x) - x without cancellation near 0.",
    (-0.5, 2),
)
defect(
    "cosm1pxx",
    4,
    2,
    [Fraction(_signs(k), factorial(2 * k + 4)) for k in range(9)],
    1.0,
    lambda x: x**2 / 2 - 2 * _f("sin", x / 2) ** 2,
    lambda x: _f("xmsin", x),
    lambda x: _mp().cos(x) - 1 + x**2 / 2,
    "cos(x) - 1 + x**2/2 without cancellation near 0.",
)


# ---- logarithms of ratios


def _log1p_ratio(d: Expr, b: Expr) -> Expr:
    """Near each other by log1p; else by two logarithms, where the ratio might overflow."""
    near = _f("abs", d) < 2 * _f("abs", b)
    total = b + d
    far = where((total < 0) & (b < 0), _f("log", -total) - _f("log", -b), _f("log", total) - _f("log", b))
    return where(near, _f("log1p", d / b), far)


formula_row(
    "log1p_ratio",
    2,
    _log1p_ratio,
    lambda y, d, b: (1 / (b + d), -d / (b * (b + d))),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda d, b: _mp().log1p(d / b),
    doc="log(1 + x/y) = log((x + y)/y) without overflow or cancellation.",
)

formula_row(
    "kl_div",
    2,
    lambda a, b: where(
        (a == 0) & (b >= 0), b, where(_f("abs", b - a) * 2 < _f("abs", a), a * _f("xm1mlog", b / a), a * _f("log", a / b) - a + b)
    ),
    lambda y, a, b: (_f("log", a / b), 1 - a / b),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda a, b: a * _mp().log(a / b) - a + b if a else b,
    doc="a*log(a/b) - a + b without cancellation where a is near b, as in SciPy.",
)

# ---- differences of roots and powers


def _root(x: Expr, d: Expr) -> Expr:
    """``sqrt(x**2 + d)``, without overflow where d is not negative."""
    return where(d >= 0, _f("hypot", x, _f("sqrt", _f("abs", d))), _f("sqrt", x**2 + d))


def _plain_root(x: Expr, d: Expr) -> Expr:
    root: Expr = _f("sqrt", x**2 + d)
    return root


formula_row(
    "root_ratio",
    2,
    lambda x, d: _f("root_difference", x, d) / _root(x, d),
    lambda y, x, d: (-d / _plain_root(x, d) ** 3, x / (2 * _plain_root(x, d) ** 3)),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda x, d: 1 - x / _mp().sqrt(x * x + d),
    doc="1 - x/sqrt(x**2 + d) without cancellation.",
)
formula_row(
    "root_difference",
    2,
    lambda x, d: where(x > 0, d / (_root(x, d) + x), _root(x, d) - x),
    lambda y, x, d: (-_f("root_ratio", x, d), 1 / (2 * _plain_root(x, d))),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda x, d: _mp().sqrt(x * x + d) - x,
    doc="sqrt(x**2 + d) - x without cancellation.",
)
formula_row(
    "root_sum",
    2,
    lambda x, d: _root(x, d) + x,
    lambda y, x, d: (_f("root_ratio", -x, d), 1 / (2 * _plain_root(x, d))),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda x, d: _mp().sqrt(x * x + d) + x,
    doc="sqrt(x**2 + d) + x.",
)


def _nonzero_hypot(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """The hypotenuse, and where it is not 0: there its slopes count as 0, as those of `hypot` itself do."""
    h = _f("hypot", x, y)
    return h, h != 0


def _hypot_difference_slopes(x: Expr, y: Expr) -> tuple[Any, Any]:
    h, nonzero = _nonzero_hypot(x, y)
    return -_f("hypot_ratio", x, y), masked(nonzero, y / h)


def _hypot_ratio_slopes(x: Expr, y: Expr) -> tuple[Any, Any]:
    h, nonzero = _nonzero_hypot(x, y)
    return masked(nonzero, -(y**2) / h**3), masked(nonzero, x * y / h**3)


def _hypot_ratio(x: Expr, y: Expr) -> Expr:
    h, nonzero = _nonzero_hypot(x, y)
    return where(nonzero, _f("hypot_difference", x, y) / h, 1.0)


formula_row(
    "hypot_ratio",
    2,
    _hypot_ratio,
    lambda z, x, y: _hypot_ratio_slopes(x, y),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda x, y: 1 - x / _mp().hypot(x, y),
    doc="1 - x/hypot(x, y) without cancellation; 1 at the origin.",
)
formula_row(
    "hypot_difference",
    2,
    lambda x, y: where(x > 0, y * (y / (_f("hypot", x, y) + x)), _f("hypot", x, y) - x),
    lambda z, x, y: _hypot_difference_slopes(x, y),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda x, y: _mp().hypot(x, y) - x,
    doc="hypot(x, y) - x without cancellation.",
)
formula_row(
    "power_difference",
    3,
    lambda x, d, p: where(
        _f("abs", d) < 0.5 * _f("abs", x), x**p * _f("expm1", p * _f("log1p", d / x)), (x + d) ** p - x**p
    ),
    lambda y, x, d, p: (
        p * _f("power_difference", x, d, p - 1),
        p * (x + d) ** (p - 1),
        y * _f("log", x + d) + x**p * _f("log1p_ratio", d, x),
    ),
    domain=((0.5, 2), (0.3, 2), (0.3, 2)),
    mpmath=lambda x, d, p: (x + d) ** p - x**p,
    doc="(x + d)**p - x**p without cancellation.",
)

formula_row(
    "pow1p",
    2,
    lambda x, p: where(_f("abs", x) < 0.5, _f("exp", p * _f("log1p", x)), (1 + x) ** p),
    lambda y, x, p: (p * _f("pow1p", x, p - 1), y * _f("log1p", x)),
    domain=((-0.8, 2), (0.3, 2)),
    mpmath=lambda x, p: (1 + x) ** p,
    doc="(1 + x)**p without losing digits of a small x.",
)


def growing_difference(name: str, near: Formula, slopes: Callable[[Expr, Expr, Expr], Sequence[Any]]) -> None:
    """Registers ``f(x + d) - f(x)`` for a function f that overflows: `near` where d is small."""
    formula_row(
        f"{name}_difference",
        2,
        lambda x, d: where(_f("abs", d) < 1, near(x, d), _f(name, x + d) - _f(name, x)),
        slopes,
        domain=((-1, 1), (-2, 2)),
        mpmath=lambda x, d: getattr(_mp(), name)(x + d) - getattr(_mp(), name)(x),
        doc=f"{name}(x + d) - {name}(x) without cancellation.",
    )


growing_difference("exp", lambda x, d: _f("exp", x) * _f("expm1", d), lambda y, x, d: (y, _f("exp", x + d)))
growing_difference(
    "sinh",
    lambda x, d: 2 * _f("cosh", x + d / 2) * _f("sinh", d / 2),
    lambda y, x, d: (_f("cosh_difference", x, d), _f("cosh", x + d)),
)
growing_difference(
    "cosh",
    lambda x, d: 2 * _f("sinh", x + d / 2) * _f("sinh", d / 2),
    lambda y, x, d: (_f("sinh_difference", x, d), _f("sinh", x + d)),
)
growing_difference(
    "tanh",
    lambda x, d: _f("sinh", d) / (_f("cosh", x) * _f("cosh", x + d)),
    lambda y, x, d: (-y * (_f("tanh", x) + _f("tanh", x + d)), 1 / _f("cosh", x + d) ** 2),
)
formula_row(
    "xm1mlog",
    1,
    lambda x: where(_f("abs", x - 1) < 0.5, _f("xmlog1p", x - 1), x - 1 - _f("log", x)),
    lambda y, x: ((x - 1) / x,),
    domain=((0.3, 3),),
    mpmath=lambda x: x - 1 - _mp().log(x),
    doc="x - 1 - log(x) without cancellation near 1.",
)
formula_row(
    "xlogxmx",
    1,
    lambda x: where(_f("abs", x - 1) < 0.5, _f("xlog1pmx", x - 1), x * _f("log", x) - x + 1),
    lambda y, x: (_f("log", x),),
    domain=((0.3, 3),),
    mpmath=lambda x: x * _mp().log(x) - x + 1,
    doc="x*log(x) - x + 1 without cancellation near 1.",
)
formula_row(
    "direction",
    2,
    lambda x, y: where(_f("hypot", x, y) > 0, x / _f("hypot", x, y), 0.0 * (x + y)),
    lambda z, x, y: (_f("direction", y, x) ** 2 / _f("hypot", x, y), -z * _f("direction", y, x) / _f("hypot", x, y)),
    domain=((0.3, 2), (0.3, 2)),
    mpmath=lambda x, y: x / _mp().hypot(x, y),
    doc="x/hypot(x, y), the cosine of the angle of (x, y); 0 at the origin.",
)

__all__ = ["defect", "formula_row"]

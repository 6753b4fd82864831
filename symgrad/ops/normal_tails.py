"""The inverse of Mills' ratio of the normal distribution and what it exceeds its argument by, in either tail.

They are the slope of the logarithm of the distribution function and, negated and multiplied, its curvature: below 0 by the
scaled complementary error function and its derivative, which do not underflow; above 0 by the functions as they stand,
where those would overflow.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from ..expression import FUNCTIONS, Expr
from .arithmetic import where
from .defects import formula_row

ROOT_TWO = sqrt(2.0)


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def _mp() -> Any:
    import mpmath

    return mpmath


def _inverse_mills(x: Expr) -> Expr:
    low = sqrt(2 / pi) / _f("erfcx", _f("maximum", x / -ROOT_TWO, 0.0))
    return where(x < 0, low, _f("exp", x**2 / -2) * (1 / sqrt(2 * pi)) / _f("ndtr", x))


def _mills_excess(x: Expr) -> Expr:
    u = _f("maximum", x / -ROOT_TWO, 0.0)
    low = _f("erfcx_derivative", 1, u) / (_f("erfcx", u) * -ROOT_TWO)
    return where(x < 0, low, x + _f("inverse_mills", x))


def _exact(x: Any) -> Any:
    return _mp().npdf(x) / _mp().ncdf(x)


formula_row("inverse_mills", 1, _inverse_mills, lambda y, x: (-y * _f("mills_excess", x),), mpmath=_exact,
            domain=((-6, 2),), doc="The normal density over the distribution function, accurate in both tails.")  # fmt: skip
formula_row("mills_excess", 1, _mills_excess, lambda y, x: (1 - _f("inverse_mills", x) * y,), mpmath=lambda x: x + _exact(x),
            domain=((-6, 2),), doc="x + inverse_mills(x), accurate in both tails.")  # fmt: skip

__all__ = ["ROOT_TWO"]

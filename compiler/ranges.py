"""Proofs that an index is within its array, by interval arithmetic on sizes.

Sizes are polynomials in names that are never negative, so a polynomial without negative coefficients is not negative;
that is all the prover there is.  What it cannot prove is checked at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .index import AxisValue, Call, Const, Expr, SizeValue
from .types import Dim, FloorDiv, floordiv


class Range(NamedTuple):
    """All values lie between `low` and `high`, both included."""

    low: Dim
    high: Dim


def never_negative(size: Dim) -> bool:
    """Whether `size` is provably at least 0."""
    if isinstance(size, int):
        return size >= 0
    return all(c >= 0 and not any(isinstance(atom, FloorDiv) for atom, _ in monomial) for monomial, c in size.terms)


def within(expr: Expr, size: Dim, axes: Mapping[str, Dim]) -> bool:
    """Whether 0 <= expr < size for all values of `axes` (name -> size)."""
    found = range_of(expr, axes)
    return found is not None and never_negative(found.low) and never_negative(size - 1 - found.high)


def range_of(expr: Expr, axes: Mapping[str, Dim]) -> Range | None:
    """Bounds of an index expression, None where nothing is known."""
    match expr:
        case Const(value, "i64"):
            return Range(int(value), int(value))
        case SizeValue(size):
            return Range(size, size)
        case AxisValue(name):
            return Range(0, axes[name] - 1) if name in axes else None
        case Call(op, args):
            ranges = [range_of(arg, axes) for arg in args]
            known = [found for found in ranges if found is not None]
            return _call(op, known) if len(known) == len(ranges) else None
        case _:
            return None


def _call(op: str, args: list[Range]) -> Range | None:
    match op, args:
        case "neg", [x]:
            return Range(-1 * x.high, -1 * x.low)
        case "add", _:
            total = args[0]
            for x in args[1:]:
                total = Range(total.low + x.low, total.high + x.high)
            return total
        case "sub", [x, y]:
            return Range(x.low - y.high, x.high - y.low)
        case "mul", _:
            if not all(never_negative(x.low) for x in args):
                return None
            total = args[0]
            for x in args[1:]:
                total = Range(total.low * x.low, total.high * x.high)
            return total
        case "floordiv", [x, Range(low, high)] if low == high and never_negative(x.low):
            return _quotient(x, low)
        case "mod", [x, Range(low, high)] if low == high:
            positive = never_negative(low - 1) or _quotient(x, low) is not None
            return Range(0, low - 1) if positive else None
        case _:
            return None


def _quotient(x: Range, divisor: Dim) -> Range | None:
    """The range of x // divisor where the bound on x is the last element before a multiple of the divisor.

    Then the divisor is not 0 wherever there is an x at all; in general it may be, and what is divided by 0 is 0.
    """
    count = floordiv(x.high + 1, divisor)
    if isinstance(count, int) or not any(isinstance(atom, FloorDiv) for term, _ in count.terms for atom, _ in term):
        return Range(0, count - 1) if count * divisor == x.high + 1 else None
    return None

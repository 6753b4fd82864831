"""Differences of terms with a common factor: ``r*f - r*g`` is ``r*(f - g)`` where that difference has a form that does
not cancel, and ``r/f - r/g`` is ``r*(g - f)/(f*g)`` alike.  The rules for that need not know of factors."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations

from ..expression import Expr
from ..graph import Node
from .engine import RuleSet
from .factors import Powers, lines, whole
from .settling import canonical, fitting
from .terms import split

Rebuild = Callable[[Node], Node]
TERMS = 5
FUNCTIONS = frozenset({
    "exp", "expm1", "log1p", "softplus", "sigmoid", "cos", "sin", "tan", "cosh", "sinh", "tanh", "arctan", "erf",
    "erfc", "ndtr", "expm1xx", "sinxx", "sinhxx", "log1pxx", "xexpm1",
})  # fmt: skip
"""Functions that a rule for a difference of two terms knows."""
ROOTS = frozenset({"sqrt", "hypot"})


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("common factor", "add", near=FUNCTIONS | ROOTS | {"mul", "div"}, slow=True)(common_factor)


def common_factor(x: Node, rebuild: Rebuild) -> Node | None:
    """Two terms of a sum that have a factor in common."""
    if not 2 <= len(x.inputs) <= TERMS or x.type.dtype not in ("f64", "f32"):
        return None
    parts = [(t, *lines(t)) for t in x.inputs]
    for (s, c, p), (t, d, q) in combinations(parts, 2):
        if not c or not d:
            continue
        found = _without_factor(c, p, d, q, x.type.dtype)
        found = _of_reciprocals(c, p, d, q, x.type.dtype) if found is None else found
        if found is not None and found.type == x.type:
            for r in x.inputs:
                if r is not s and r is not t:
                    found = found + Expr(r)
            return fitting(x, found)
    return None


def _without_factor(c: Fraction, p: Powers, d: Fraction, q: Powers, dtype: str) -> Expr | None:
    shared = {y: k for y, k in p.items() if q.get(y) == k}
    u = {y: k for y, k in p.items() if y not in shared}
    v = {y: k for y, k in q.items() if y not in shared}
    if not _names(u, FUNCTIONS) and not _names(v, FUNCTIONS):
        return None
    number = abs(c) if abs(c) == abs(d) else Fraction(1)
    if number == 1 and not shared:
        return None
    made = canonical(whole(c / number, u, dtype) + whole(d / number, v, dtype))
    return whole(number, shared, dtype) * Expr(made) if _is_no_sum(made) else None


def _of_reciprocals(c: Fraction, p: Powers, d: Fraction, q: Powers, dtype: str) -> Expr | None:
    """``c*r/f + d*r/g`` for a root f or g."""
    u = {y: k for y, k in p.items() if q.get(y) != k}
    v = {y: k for y, k in q.items() if p.get(y) != k}
    if (
        c != -d
        or list(u.values()) not in ([-1], [Fraction(-1, 2)])
        or list(v.values()) not in ([-1], [Fraction(-1, 2)])
    ):
        return None
    if not _names(u, ROOTS) and not _names(v, ROOTS) and -1 in u.values() and -1 in v.values():
        return None
    f, g = (whole(Fraction(1), {y: -k for y, k in w.items()}, dtype) for w in (u, v))
    made = canonical(g - f)
    if not _is_no_sum(made):
        return None
    shared = {y: k for y, k in p.items() if y not in u}
    return whole(c, shared, dtype) * Expr(made) / (f * g)


def _names(powers: Powers, wanted: frozenset[str]) -> bool:
    return any(y.op.name in wanted for y in powers)


def _is_no_sum(x: Node) -> bool:
    base = split(x)[1]
    return base is not None and base.op.name != "add"

"""Differences whose leading terms cancel: of roots, logarithms, sines, reciprocals, at arguments that differ by little.

``f(a) - f(b)`` is rewritten by the addition theorem of f where ``a - b`` is known exactly because terms that
both have cancel; where it is not, nothing is gained and nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations

from ..expression import Expr
from ..graph import Node, lookup, node
from .engine import RuleSet
from .factors import factors, function, product
from .pattern import Rule
from .polynomials import (
    Polynomial,
    Quotient,
    TooLarge,
    combined,
    expression,
    plus,
    polynomial,
    quotient,
    raised,
    square,
    well_conditioned,
)
from .settling import canonical
from .terms import ONE, constant_node, number_of

TERMS = 5
Rebuild = Callable[[Node], Node]
Term = tuple[Fraction, Node | None]

sin, cos, tan, sinh, cosh, exp, expm1 = (function(n) for n in ("sin", "cos", "tan", "sinh", "cosh", "exp", "expm1"))
sqrt, cbrt, mask, arctan2 = (function(n) for n in ("sqrt", "cbrt", "mask", "arctan2"))
log, log1p, log1p_ratio, arcsinh = (function(n) for n in ("log", "log1p", "log1p_ratio", "arcsinh"))
root_difference, power_difference = function("root_difference"), function("power_difference")

RULES = [
    Rule(
        "arsinh",
        lambda x: (log(root_difference(x, 1)), -arcsinh(x)),
        why="the argument of the logarithm is near 1 for small x",
        at="log root_difference",
    ),
    Rule(
        "log1p of a ratio",
        lambda x, y: (log1p(x / y), log1p_ratio(x, y)),
        why="x/y overflows, and its derivative earlier",
        at="log1p div",
    ),
]


def _difference_of_roots(a: Expr, b: Expr, d: Expr) -> Expr:
    return _safe_ratio(d, sqrt(a) + sqrt(b))


def _safe_ratio(d: Expr, total: Expr) -> Expr:
    """``d/total`` for a sum of roots, 0 where both are 0."""
    ratio: Expr = d / total if number_of(canonical(d)) else mask(total != 0, d / total)
    return ratio


DIFFERENCES: dict[str, Callable[[Expr, Expr, Expr], Expr]] = {
    "sqrt": _difference_of_roots,
    "sin": lambda a, b, d: 2 * cos((a + b) / 2) * sin(d / 2),
    "cos": lambda a, b, d: -2 * sin((a + b) / 2) * sin(d / 2),
    "tan": lambda a, b, d: sin(d) / (cos(a) * cos(b)),
    "exp": lambda a, b, d: exp(b) * expm1(d),
    "arctan": lambda a, b, d: arctan2(d, 1 + a * b),
    "sinh": lambda a, b, d: 2 * cosh((a + b) / 2) * sinh(d / 2),
    "cosh": lambda a, b, d: 2 * sinh((a + b) / 2) * sinh(d / 2),
    "tanh": lambda a, b, d: sinh(d) / (cosh(a) * cosh(b)),
    "cbrt": lambda a, b, d: d / (cbrt(a) ** 2 + cbrt(a) * cbrt(b) + cbrt(b) ** 2),
}
"""f(a) - f(b) by a, b and the exact difference d = a - b."""
LEVEL = {"cos", "cosh", "exp"}
"""Functions that do not vanish at 0, where their values at any two multiples of a small argument are close."""
GROWING = {name: function(f"{name}_difference") for name in ("exp", "sinh", "cosh", "tanh")}
"""Functions whose addition theorem overflows where d is large, and the functions of (b, d) that know this."""


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.add(RULES)
    rules.procedure("common denominator", "add", slow=True)(common_denominator)
    rules.procedure("difference of functions", "add", slow=True)(difference)


def small(x: Node) -> bool:
    return x.op.name == "add" and 2 <= len(x.inputs) <= TERMS and x.type.dtype in ("f64", "f32")


def finish(x: Node, found: Expr, rest: list[Node]) -> Node | None:
    """`found` plus the terms of `x` that are left over, if that is of the type of `x`."""
    for r in rest:
        found = found + Expr(r)
    return canonical(found) if found.type == x.type else None


# ---- over one denominator


def common_denominator(x: Node, rebuild: Rebuild) -> Node | None:
    """Some terms of a sum over their common denominator, where that makes products cancel."""
    if not small(x) or not any(_expands(t) for t in x.inputs):
        return None
    try:
        parts = [(t, quotient(t)) for t in x.inputs]
    except TooLarge:
        return None
    for chosen in _subsets(parts):
        if not any(_expands(t) for t, _ in chosen):
            continue
        try:
            (above, below), cancels = combined([q for _, q in chosen])
        except TooLarge:
            continue
        if not cancels or not above or not well_conditioned(above):
            continue
        lower = product(ONE, {y: Fraction(k) for y, k in below.items()}, x.type.dtype)
        used = [t for t, _ in chosen]
        result = finish(x, expression(above, x.type.dtype) / lower, [t for t in x.inputs if t not in used])
        if result is not None and result is not x:
            return result
    return None


def _subsets(terms: list[tuple[Node, Quotient]]) -> Iterator[tuple[tuple[Node, Quotient], ...]]:
    for size in range(2, len(terms) + 1):
        yield from combinations(terms, size)


def _expands(t: Node) -> bool:
    """Whether a term is a quotient by something or has a sum as a factor."""
    if t.op.name == "div":
        return number_of(t.inputs[1]) is None
    return any(base.op.name == "add" for base in factors(t)[1])


# ---- one function at two arguments


def exact_difference(a: Node, b: Node, *, alike: bool = False) -> Polynomial | None:
    """``a - b`` if terms that both have cancel in it, or, with `alike`, if both are multiples of the same products."""
    try:
        p, q = polynomial(a), polynomial(b)
    except TooLarge:
        return None
    d = plus(p, q, Fraction(-1))
    gains = len(d) <= (len(p) + len(q)) / 2 and (alike or set(d) != set(p) | set(q))
    return d if d and gains and well_conditioned(d) else None


def difference(x: Node, rebuild: Rebuild) -> Node | None:
    """``c*f(a) - c*f(b)`` with a common factor c, for the functions of `DIFFERENCES`, logarithms and powers."""
    if not small(x):
        return None
    for s, t in combinations(x.inputs, 2):
        found = _pair(s, t, x.type.dtype)
        if found is not None:
            result = finish(x, found, [r for r in x.inputs if r is not s and r is not t])
            if result is not None:
                return result
    return None


def _pair(s: Node, t: Node, dtype: str) -> Expr | None:
    (c, first), (d, second) = _line(s), _line(t)
    for f in [*first]:
        for g in [*second]:
            if f[1] != g[1] or not _alike(f[0], g[0], f[1]):
                continue
            one, other = dict(first), dict(second)
            side = one.pop(f)
            if other.pop(g) != side or one != other:
                continue
            value = _by_function(f[0], f[1], g[0], c, d, dtype) if side > 0 else _reciprocals(f, g[0], c, d, dtype)
            if value is not None:
                rest = product(ONE, {y: k for (y, k), side in one.items() if side > 0}, dtype)
                lower = product(ONE, {y: k for (y, k), side in one.items() if side < 0}, dtype)
                return value * rest / lower
    return None


def _alike(f: Node, g: Node, k: Fraction) -> bool:
    return f is not g and (k != 1 or f.op is g.op or {f.op.name, g.op.name} == LOGARITHMS)


LOGARITHMS = {"log", "log1p"}
Side = dict[tuple[Node, Fraction], int]


def _line(t: Node) -> tuple[Fraction, Side]:
    """The number of a term and its factors with their powers, 1 above the line and -1 below."""
    above, below = (t.inputs[0], t.inputs[1]) if t.op.name == "div" else (t, None)
    number, upper = factors(above)
    sides: Side = dict.fromkeys(_with_roots(upper), 1)
    if below is not None:
        q, lower = factors(below)
        if not q:
            return ONE, {(t, ONE): 1}
        number /= q
        sides |= dict.fromkeys(_with_roots(lower), -1)
    return number, sides


def _with_roots(powers: dict[Node, Fraction]) -> Iterator[tuple[Node, Fraction]]:
    for y, k in powers.items():
        if k == Fraction(1, 2):
            yield node(lookup("sqrt"), (y,)), ONE
        else:
            yield y, k


def _by_function(f: Node, k: Fraction, g: Node, c: Fraction, d: Fraction, dtype: str) -> Expr | None:
    name = f.op.name
    if name in LOGARITHMS and k == 1:
        return _logarithms(_argument(f), _argument(g), c, d, dtype)
    if c != -d:
        return None
    if k != 1:
        return None if k.denominator == 1 else _powers(f, g, Expr(constant_node(k, dtype)), c, dtype)
    if name == "pow":
        return _powers(f.inputs[0], g.inputs[0], Expr(f.inputs[1]), c, dtype) if f.inputs[1] is g.inputs[1] else None
    if name == "hypot":
        return _hypotenuses(f, g, c, dtype)
    if name not in DIFFERENCES:
        return None
    gap = exact_difference(f.inputs[0], g.inputs[0], alike=name in LEVEL)
    if gap is None or canonical(-Expr(g.inputs[0])) is f.inputs[0]:
        return None
    if 2 * sum(v < 0 for v in gap.values()) > len(gap):
        f, g, c, gap = g, f, -c, {m: -v for m, v in gap.items()}
    e = Expr(canonical(expression(gap, dtype)))
    known = number_of(e.node)
    if name in GROWING and (known is None or abs(known) > 1):
        return Expr(constant_node(c, dtype)) * GROWING[name](Expr(g.inputs[0]), e)
    return Expr(constant_node(c, dtype)) * DIFFERENCES[name](Expr(f.inputs[0]), Expr(g.inputs[0]), e)


def _argument(x: Node) -> Node:
    """What the logarithm is taken of."""
    return x.inputs[0] if x.op.name == "log" else canonical(1 + Expr(x.inputs[0]))


def _reciprocals(f: tuple[Node, Fraction], g: Node, c: Fraction, d: Fraction, dtype: str) -> Expr | None:
    """``c/f + d/g``."""
    if c != -d:
        return None
    above = _by_function(g, f[1], f[0], c, d, dtype)
    return None if above is None else above / (product(ONE, {f[0]: f[1]}, dtype) * product(ONE, {g: f[1]}, dtype))


def _powers(a: Node, b: Node, k: Expr, c: Fraction, dtype: str) -> Expr | None:
    gap = exact_difference(a, b)
    if gap is None:
        return None
    if 2 * sum(v < 0 for v in gap.values()) > len(gap):
        a, b, c, gap = b, a, -c, {m: -v for m, v in gap.items()}
    return Expr(constant_node(c, dtype)) * power_difference(Expr(b), expression(gap, dtype), k)


def _hypotenuses(f: Node, g: Node, c: Fraction, dtype: str) -> Expr | None:
    try:
        p, q = square(f), square(g)
    except TooLarge:
        return None
    assert p is not None and q is not None
    d = plus(p, q, Fraction(-1))
    if not d or len(d) > (len(p) + len(q)) / 2 or not well_conditioned(d):
        return None
    return Expr(constant_node(c, dtype)) * _safe_ratio(expression(d, dtype), Expr(f) + Expr(g))


def _logarithms(a: Node, b: Node, c: Fraction, d: Fraction, dtype: str) -> Expr | None:
    """``c*log(a) + d*log(b)`` with c*d < 0 and one a whole multiple of the other."""
    if c * d > 0:
        return None
    if abs(c) > abs(d):
        a, b, c, d = b, a, d, c
    ratio = -d / c
    if ratio.denominator != 1 or ratio > 4:
        return None
    try:
        p, q = polynomial(a), raised(polynomial(b), int(ratio))
    except TooLarge:
        return None
    gap = plus(p, q, Fraction(-1))
    if not gap or len(gap) > (len(p) + len(q)) / 2 or not well_conditioned(gap):
        return None
    if ratio == 1 and 2 * sum(v < 0 for v in gap.values()) > len(gap):
        b, c, gap = a, -c, {m: -v for m, v in gap.items()}
    base = Expr(b) ** float(ratio) if ratio != 1 else Expr(b)
    return Expr(constant_node(c, dtype)) * log1p_ratio(expression(gap, dtype), base)

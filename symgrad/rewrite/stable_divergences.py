"""Divergences: sums of terms ``a*log(a/b)``, which are near a - b where a is near b, with these differences cancelling.

``a*log(a/b)`` is ``kl_div(a, b) + a - b``; the first part is of second order in a - b and has a function of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from itertools import combinations

from ..expression import Expr
from ..graph import Node
from .engine import RuleSet
from .factors import function, lines, product
from .polynomials import Polynomial, TooLarge, expression, plus, polynomial
from .settling import canonical, fitting
from .terms import ONE, constant_node, split

Rebuild = Callable[[Node], Node]
TERMS = 6
kl_div = function("kl_div")
Parts = tuple[Polynomial, Polynomial, Expr]
"""a and b of a term that is a multiple of ``a*log(a/b)`` as the multiples that they enter with, and its stable part."""


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("divergence", "add", near=("log", "log1p_ratio", "mul", "div"), slow=True)(divergence)


def divergence(x: Node, rebuild: Rebuild) -> Node | None:
    """Some terms ``a*log(a/b)`` whose differences a - b cancel one another or the other terms."""
    if not 2 <= len(x.inputs) <= TERMS or x.type.dtype not in ("f64", "f32"):
        return None
    try:
        found = {t: p for t in x.inputs if (p := _parts(t)) is not None}
        for size in range(len(found), 0, -1):
            for chosen in combinations(found, size):
                first = reduce(plus, (plus(found[t][0], found[t][1], -ONE) for t in chosen))
                others = [t for t in x.inputs if t not in chosen]
                kept = others if not first else [] if not reduce(plus, map(polynomial, others), first) else None
                if kept is not None and (size > 1 or others):
                    return fitting(x, reduce(lambda a, b: a + b, [*(found[t][2] for t in chosen), *map(Expr, kept)]))
    except TooLarge:
        return None
    return None


def _parts(t: Node) -> Parts | None:
    number, powers = lines(t)
    if any(k < 0 for k in powers.values()):
        return None
    for y, k in powers.items():
        ratio = _ratio(y) if k == 1 else None
        if ratio is None:
            continue
        a = polynomial(canonical(product(ONE, {z: j for z, j in powers.items() if z is not y}, t.type.dtype)))
        upper, lower = ratio
        scale = _multiple(a, upper)
        if scale is None:
            continue
        c = number * scale
        n, d = (expression(p, t.type.dtype) for p in (upper, lower))
        stable = Expr(constant_node(c, t.type.dtype)) * kl_div(n, d)
        return {m: c * v for m, v in upper.items()}, {m: c * v for m, v in lower.items()}, stable
    return None


def _ratio(y: Node) -> tuple[Polynomial, Polynomial] | None:
    """Numerator and denominator of what the logarithm `y` is taken of."""
    if y.op.name == "log" and y.inputs[0].op.name == "div":
        upper, lower = (polynomial(i) for i in y.inputs[0].inputs)
        return upper, lower
    if y.op.name == "log1p_ratio":
        more, lower = (polynomial(i) for i in y.inputs)
        return plus(lower, more), lower
    if y.op.name == "add" and len(y.inputs) == 2:
        (c, f), (d, g) = (split(i) for i in y.inputs)
        if f is not None and g is not None and f.op.name == g.op.name == "log" and {c, d} == {ONE, -ONE}:
            above, below = (f, g) if c == 1 else (g, f)
            return polynomial(above.inputs[0]), polynomial(below.inputs[0])
    return None


def _multiple(a: Polynomial, b: Polynomial) -> Fraction | None:
    """c where a is ``c*b``."""
    if not b or a.keys() != b.keys():
        return None
    m = next(iter(b))
    c = a[m] / b[m]
    return c if all(a[k] == c * v for k, v in b.items()) else None

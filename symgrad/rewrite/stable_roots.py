"""Roots and what they are near to: ``sqrt(r) - b`` where ``r - b**2`` is known exactly, and such differences over their
factors."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any

from ..expression import Expr
from ..graph import Node
from .engine import RuleSet
from .factors import factors, function, product
from .polynomials import Polynomial, TooLarge, expression, plus, polynomial, square, times, well_conditioned
from .settling import canonical
from .stable_differences import finish, small
from .terms import ONE, constant_node, number_of, split

Rebuild = Callable[[Node], Node]
NONNEGATIVE = {"sqrt", "hypot", "abs", "exp", "norm", "cosh", "sigmoid", "softplus", "relu", "root_sum"}
where, root_difference, hypot_difference, root_sum = (
    function(n) for n in ("where", "root_difference", "hypot_difference", "root_sum")
)


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("root less a square", "add", slow=True)(root_less)
    rules.procedure("factor of a root difference", "div", slow=True)(factor_of_difference)
    rules.procedure("root difference by its factor", "div", near=("mul", "add", "pow"), slow=True)(by_its_factor)


def root_less(x: Node, rebuild: Rebuild) -> Node | None:
    """``c*(sqrt(r) - b)`` where r - b**2 is known exactly."""
    if not small(x):
        return None
    for s in x.inputs:
        c, root = split(s)
        if c == 0 or root is None or root.op.name not in ("sqrt", "hypot"):
            continue
        for t in x.inputs:
            if t is s:
                continue
            found = _root_and(c, root, t, x.type.dtype)
            if found is not None:
                return finish(x, found, [r for r in x.inputs if r is not s and r is not t])
    return None


def _root_and(c: Fraction, root: Node, t: Node, dtype: str) -> Expr | None:
    try:
        inside, b = square(root), {m: -v / c for m, v in polynomial(t).items()}
        assert inside is not None
        d = plus(inside, times(b, b), Fraction(-1))
        total = len(inside) + len(times(b, b))
    except TooLarge:
        return None
    if not d or len(d) > total / 2 or not well_conditioned(d):
        return None
    base, scale = expression(b, dtype), Expr(constant_node(c, dtype))
    if len(b) == 1 and all(k % 2 == 0 or y.op.name in NONNEGATIVE for y, k in next(iter(b))):
        if next(iter(b.values())) < 0:
            return None
        return scale * expression(d, dtype) / (Expr(root) + base)
    side = _side(d) if root.op.name == "hypot" else None
    if side is not None:
        return scale * hypot_difference(base, expression(side, dtype))
    return scale * root_difference(base, expression(d, dtype))


def _side(d: Polynomial) -> Polynomial | None:
    """The root of a product of even powers that may be 0."""
    ((monomial, c),) = d.items() if len(d) == 1 else (((), Fraction(-1)),)
    root = Fraction(isqrt(max(c.numerator, 0)), isqrt(c.denominator))
    if not monomial or root**2 != c or any(k % 2 for _, k in monomial):
        return None
    return {tuple((y, k // 2) for y, k in monomial): root}


def by_its_factor(x: Node, rebuild: Rebuild) -> Node | None:
    """``y/(y*(b + sqrt(b**2 + c*y)))`` without y: so looks ``(sqrt(b**2 + c*y) - b)/(c*y)``, whose singularity at
    y = 0 is removable."""
    if x.op.name != "div":
        return None
    (p, above), (q, below) = factors(x.inputs[0]), factors(x.inputs[1])
    for y in above:
        if y not in below or not q:
            continue
        for f in (*above, *below):
            if f.op.name == "add" and len(f.inputs) == 2 and _is_root_sum(f, y):
                shared = min(above[y], below[y])
                for side in (above, below):
                    side[y] -= shared
                result = product(p / q, above, x.type.dtype) / product(ONE, below, x.type.dtype)
                return canonical(result) if result.type == x.type else None
    return None


def _is_root_sum(f: Node, y: Node) -> bool:
    """Whether f is ``b + sqrt(b**2 + c*y)`` for a number b and a polynomial c."""
    b = next((v for t in f.inputs if (v := number_of(t)) is not None), None)
    root = next((t for t in f.inputs if t.op.name in ("sqrt", "hypot")), None)
    try:
        inside = None if b is None or root is None else square(root)
    except TooLarge:
        return False
    if inside is None or b is None:
        return False
    left = plus(inside, {(): b * b}, -ONE)
    return bool(left) and all(any(z is y for z, _ in m) for m in left)


def factor_of_difference(x: Node, rebuild: Rebuild) -> Node | None:
    """``root_difference(b, d)/a`` where a is a factor of d: the factor cancels on the side where b is positive."""
    dtype, (p, above), (q, below) = x.type.dtype, factors(x.inputs[0]), factors(x.inputs[1])
    for upper, lower, sign in ((above, below, 1), (below, above, -1)):
        for g, k in upper.items():
            if g.op.name != "root_difference" or k != 1:
                continue
            b, d = map(Expr, g.inputs)
            n, inside = factors(d.node)
            shared = {y: min(j, lower.get(y, 0)) for y, j in inside.items() if lower.get(y)}
            if not shared:
                continue
            others = {y: j for y, j in upper.items() if y is not g}
            kept = {y: j - shared.get(y, 0) for y, j in lower.items()}
            left = {y: j - shared.get(y, 0) for y, j in inside.items()}
            number = p / q
            near = _quotient(sign, product(n, left, dtype), root_sum(b, d))
            positive = _combine(number * 1, sign, others, kept, near, dtype)
            negative = _combine(
                number * 1, sign, others, lower, root_sum(-b, d) if sign == 1 else 1 / root_sum(-b, d), dtype
            )
            result = where(b > 0, positive, negative)
            return canonical(result) if result.type == x.type else None
    return None


def _quotient(sign: int, a: Expr, b: Expr) -> Expr:
    return a / b if sign == 1 else b / a


def _combine(number: Fraction, sign: int, upper: Any, lower: Any, middle: Expr, dtype: str) -> Expr:
    above, below = (upper, lower) if sign == 1 else (lower, upper)
    return product(number, above, dtype) * middle / product(ONE, below, dtype)

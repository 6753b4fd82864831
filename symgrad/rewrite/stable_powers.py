"""Squares that over- or underflow where what is made of them does not: roots of sums of squares by their spellings, and
quotients by powers of a hypotenuse.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import permutations

from ..expression import Expr, constant_value
from ..graph import Node
from .engine import RuleSet
from .factors import Powers, function, lines, whole
from .pattern import Rule
from .settling import canonical, fitting
from .terms import number_of, split

Rebuild = Callable[[Node], Node]
absolute, sqrt, direction, root_difference, expm1, exp = (
    function(n) for n in ("abs", "sqrt", "direction", "root_difference", "expm1", "exp")
)

RULES = [
    Rule(
        "reciprocal of a root difference",
        lambda x, d: (1 / root_difference(x, d), root_difference(-x, d) / d),
        lambda x, d: bool(number_of(d.node)),
        why="the difference and its powers underflow",
        at="div root_difference",
    ),
    Rule("expm1 of the double", lambda x: (expm1(x) * (1 + exp(x)), expm1(2 * x)), at="mul add exp expm1"),
]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("root of a sum of squares", "pow")(root_as_power)
    rules.procedure("power of an even power", "pow")(power_of_even_power)
    rules.procedure("root of a mean of squares", "sqrt", near=("einsum",))(root_of_mean)
    rules.procedure("powers of a hypotenuse", "div", near=("hypot",))(legs_over_hypot)
    rules.procedure("squares of cosines of a direction", "add", near=("hypot",))(complement_of_cosine)
    rules.add(RULES)


def is_square(x: Node) -> bool:
    """Whether the values of `x` are sums of even powers, so that none is negative."""
    if x.op.name == "constant":
        return bool((constant_value(x) >= 0).all())
    if x.op.name == "add":
        return all(is_square(t) for t in x.inputs)
    if x.op.name == "einsum" and len(x.inputs) == 1:
        return is_square(x.inputs[0])
    c, base = split(x)
    if c < 0 or base is None:
        return False
    if base.op.name == "einsum" and base is not x:
        return is_square(base)
    k = number_of(base.inputs[1]) if base.op.name == "pow" else None
    return k is not None and k.denominator == 1 and k % 2 == 0


def root_as_power(x: Node, rebuild: Rebuild) -> Node | None:
    """``(x**2 + y**2)**0.5`` is the root."""
    base, k = x.inputs
    if number_of(k) != Fraction(1, 2) or base.op.name == "pow" or not is_square(base):
        return None
    return fitting(x, sqrt(Expr(base)))


def power_of_even_power(x: Node, rebuild: Rebuild) -> Node | None:
    """``(x**2)**0.25`` is abs(x)**0.5."""
    base, exponent = x.inputs
    k = number_of(exponent)
    if k is None or k.denominator == 1 or base.op.name != "pow" or not is_square(base):
        return None
    inner = number_of(base.inputs[1])
    if inner is None:
        return None
    size, power = absolute(Expr(base.inputs[0])), inner * k
    return fitting(x, size if power == 1 else size ** float(power))


def root_of_mean(x: Node, rebuild: Rebuild) -> Node | None:
    """``sqrt(sum(x**2)/n)`` for a number or size n."""
    (inside,) = x.inputs
    if inside.op.name != "div" or inside.inputs[0].op.name != "einsum" or not is_square(inside.inputs[0]):
        return None
    above, below = inside.inputs
    count = number_of(below)
    if below.op.name != "size" and (count is None or count <= 0):
        return None
    root = canonical(sqrt(Expr(above)))
    return fitting(x, Expr(root) / sqrt(Expr(below))) if root.op.name == "norm" else None


def legs_over_hypot(x: Node, rebuild: Rebuild) -> Node | None:
    """``x*y/hypot(x, y)**3`` by the cosines of the direction of (x, y)."""
    number, powers = lines(x)
    for h, k in powers.items():
        if h.op.name != "hypot" or k > -2 or k.denominator != 1:
            continue
        left, rest, taken = -k, dict(powers), Fraction(0)
        cosines: Expr | None = None
        for leg, other in (h.inputs, h.inputs[::-1]):
            n = min(powers.get(leg, Fraction(0)), left)
            if n <= 0 or n.denominator != 1 or leg.type != h.type:
                continue
            c = direction(Expr(leg), Expr(other))
            c = c if n == 1 else c ** float(n)
            cosines = c if cosines is None else cosines * c
            rest[leg], left, taken = powers[leg] - n, left - n, taken + n
        if cosines is not None:
            rest[h] = k + taken
            return fitting(x, whole(number, {y: j for y, j in rest.items() if j}, x.type.dtype) * cosines)
    return None


def _unmasked(t: Node) -> tuple[Fraction, Powers]:
    """The factors of a term, or of what it masks where a hypotenuse is 0."""
    c, base = split(t)
    if base is None or base.op.name != "mask":
        return lines(t)
    condition, value = base.inputs
    if condition.op.name != "not_equal" or not any(i.op.name == "hypot" for i in condition.inputs):
        return lines(t)
    number, powers = lines(value)
    return c * number, powers


def complement_of_cosine(x: Node, rebuild: Rebuild) -> Node | None:
    """``f/h - f*direction(x, y)**2/h`` is ``f*direction(y, x)**2/h`` for the hypotenuse h of x and y; where that is 0
    both are infinite or NaN."""
    if len(x.inputs) > 8:
        return None
    parts = [(t, *_unmasked(t)) for t in x.inputs]
    for (s, c, p), (t, d, q) in permutations(parts, 2):
        extra = {y: k - p.get(y, 0) for y, k in q.items() if k != p.get(y, 0)}
        if c != -d or len(extra) != 1 or not p.keys() <= q.keys():
            continue
        ((cosine, k),) = extra.items()
        if cosine.op.name != "direction" or k != 2:
            continue
        a, b = cosine.inputs
        if not any(y.op.name == "hypot" and set(y.inputs) == {a, b} and p[y] < 0 for y in p):
            continue
        found = whole(c, p, x.type.dtype) * direction(Expr(b), Expr(a)) ** 2
        for r in x.inputs:
            if r is not s and r is not t:
                found = found + Expr(r)
        return fitting(x, found)
    return None

"""Angles and lengths: trigonometric functions near their extrema, roots of squares, signs, ratios of lengths."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import pi

from ..expression import Expr
from ..graph import Node, lookup, node
from .engine import RuleSet
from .factors import POSITIVE, function, lines, whole
from .pattern import Rule
from .settling import fitting
from .terms import number_of, split

Rebuild = Callable[[Node], Node]

sin, cos, tan, sqrt, absolute, direction, hypot, log = (
    function(n) for n in ("sin", "cos", "tan", "sqrt", "abs", "direction", "hypot", "log")
)
arcsin, arccos, arctan, arctan2 = (function(n) for n in ("arcsin", "arccos", "arctan", "arctan2"))

RULES = [
    Rule(
        "log of a sum of squares",
        lambda x, y: (log(x**2 + y**2), 2 * log(hypot(x, y))),
        why="squares over- and underflow",
        at="log add pow",
    ),
    Rule("cosine - 1", lambda x: (cos(x) - 1, -2 * sin(x / 2) ** 2), at="add cos"),
    Rule(
        "1 + cosine",
        lambda x: (1 + cos(x), 2 * cos(x / 2) ** 2),
        why="cos(x) is near -1 at odd multiples of pi",
        at="add cos",
    ),
    Rule("1 - sine", lambda x: (1 - sin(x), 2 * sin(pi / 4 - x / 2) ** 2), at="add mul sin"),
    Rule("1 + sine", lambda x: (1 + sin(x), 2 * sin(pi / 4 + x / 2) ** 2), at="add sin"),
    Rule("sine - 1", lambda x: (sin(x) - 1, -2 * sin(pi / 4 - x / 2) ** 2), at="add sin"),
    Rule("sin**2 - 1", lambda x: (sin(x) ** 2 - 1, -(cos(x) ** 2)), at="add pow sin"),
    Rule("arctan less its limit", lambda x: (arctan(x) - pi / 2, -arctan2(1, x)), at="add arctan"),
    Rule("double cosine", lambda x: (1 - 2 * sin(x) ** 2, cos(2 * x)), at="add mul pow"),
    Rule("1 - cos**2", lambda x: (1 - cos(x) ** 2, sin(x) ** 2), at="add mul pow"),
    Rule("cos**2 - 1", lambda x: (cos(x) ** 2 - 1, -(sin(x) ** 2)), at="add cos pow"),
    Rule("1 - sin**2", lambda x: (1 - sin(x) ** 2, cos(x) ** 2), at="add mul pow"),
    Rule(
        "sin of a double less two",
        lambda x: (sin(2 * x) - 2 * sin(x), -4 * sin(x) * sin(x / 2) ** 2),
        at="add mul sin",
    ),
    Rule("tan - sin", lambda x: (tan(x) - sin(x), 2 * tan(x) * sin(x / 2) ** 2), at="add mul sin tan"),
    Rule("sin - tan", lambda x: (sin(x) - tan(x), -2 * tan(x) * sin(x / 2) ** 2), at="add mul sin tan"),
    Rule(
        "arccos near 1",
        lambda x: (arccos(1 - x), 2 * arcsin(sqrt(x / 2))),
        why="1 - x loses a small x",
        at="arccos add",
    ),
    Rule("complement of arctan", lambda x: (pi / 2 - arctan(x), arctan2(1, x)), at="add arctan mul"),
    Rule("complement of arcsin", lambda x: (pi / 2 - arcsin(x), arccos(x)), at="add arcsin mul"),
    Rule("arcsin less its limit", lambda x: (arcsin(x) - pi / 2, -arccos(x)), at="add arcsin"),
    Rule("complement of arccos", lambda x: (pi / 2 - arccos(x), arcsin(x)), at="add arccos mul"),
    Rule("cofunction", lambda x: (sin(pi / 2 - x), cos(x)), at="sin add"),
]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("root of a scaled square", "sqrt")(root_of_scaled_square)
    rules.procedure("sign over abs", "div", near=("sign",))(sign_over_abs)
    rules.procedure("abs of what is not negative", "abs")(abs_of_nonnegative)
    rules.procedure("scale-free ratio", "div")(scale_free)
    rules.add(RULES)


def scale_free(x: Node, rebuild: Rebuild) -> Node | None:
    """``x**2/(x**2 + y**2)``, ``x*y/(x**2 + y**2)`` and ``x/(x**2 + y**2)`` by the cosines of the direction: squares
    over- and underflow."""
    number, powers = lines(x)
    for q, k in powers.items():
        sides = _legs(q) if k == -1 else None
        if sides is None:
            continue
        a, b = sides
        taken = {a: min(powers.get(a, Fraction(0)), Fraction(2))}
        taken[b] = min(powers.get(b, Fraction(0)), 2 - taken[a])
        if min(taken.values()) < 0 or sum(taken.values()) not in (1, 2):
            continue
        result = whole(number, {y: j - taken.get(y, 0) for y, j in powers.items() if y is not q}, x.type.dtype)
        for leg, other in ((a, b), (b, a)):
            if taken[leg]:
                result = result * direction(Expr(leg), Expr(other)) ** float(taken[leg])
        if sum(taken.values()) == 1:
            result = result / hypot(Expr(a), Expr(b))
        return fitting(x, result)
    return None


def _legs(q: Node) -> tuple[Node, Node] | None:
    """a and b where q is ``a**2 + b**2``."""
    if q.op.name != "add" or len(q.inputs) != 2:
        return None
    if any(t.op.name != "pow" or number_of(t.inputs[1]) != 2 or t.type != q.type for t in q.inputs):
        return None
    return q.inputs[0].inputs[0], q.inputs[1].inputs[0]


def root_of_scaled_square(x: Node, rebuild: Rebuild) -> Node | None:
    """``sqrt(c*y**2)`` is ``sqrt(c)*abs(y)``."""
    c, base = split(x.inputs[0])
    if c <= 0 or c == 1 or base is None or base.op.name != "pow" or number_of(base.inputs[1]) != 2:
        return None
    return fitting(x, float(c) ** 0.5 * absolute(Expr(base.inputs[0])))


def sign_over_abs(x: Node, rebuild: Rebuild) -> Node | None:
    """``sign(y)/abs(y)`` is 1/y."""
    number, powers = lines(x)
    for s, j in powers.items():
        a = node(lookup("abs"), s.inputs) if s.op.name == "sign" else s
        if a is not s and j == 1 and powers.get(a, Fraction(0)) <= -1:
            rest = {**powers, a: powers[a] + 1}
            del rest[s]
            return fitting(x, whole(number, rest, x.type.dtype) / Expr(s.inputs[0]))
    return None


def abs_of_nonnegative(x: Node, rebuild: Rebuild) -> Node | None:
    """Functions whose values are not negative."""
    return x.inputs[0] if x.inputs[0].op.name in (*POSITIVE, "sqrt", "hypot", "norm", "abs") else None

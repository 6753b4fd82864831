"""Angles and lengths: trigonometric functions near their extrema, roots of squares, signs.
"""

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

sin, cos, tan, sqrt, absolute = (function(n) for n in ("sin", "cos", "tan", "sqrt", "abs"))
arcsin, arccos, arctan, arctan2 = (function(n) for n in ("arcsin", "arccos", "arctan", "arctan2"))

RULES = [
    Rule("cosine - 1", lambda x: (cos(x) - 1, -2 * sin(x / 2) ** 2)),
    Rule("double cosine", lambda x: (1 - 2 * sin(x) ** 2, cos(2 * x))),
    Rule("1 - cos**2", lambda x: (1 - cos(x) ** 2, sin(x) ** 2)),
    Rule("cos**2 - 1", lambda x: (cos(x) ** 2 - 1, -(sin(x) ** 2))),
    Rule("1 - sin**2", lambda x: (1 - sin(x) ** 2, cos(x) ** 2)),
    Rule("sin of a double less two", lambda x: (sin(2 * x) - 2 * sin(x), -4 * sin(x) * sin(x / 2) ** 2)),
    Rule("tan - sin", lambda x: (tan(x) - sin(x), 2 * tan(x) * sin(x / 2) ** 2)),
    Rule("sin - tan", lambda x: (sin(x) - tan(x), -2 * tan(x) * sin(x / 2) ** 2)),
    Rule("arccos near 1", lambda x: (arccos(1 - x), 2 * arcsin(sqrt(x / 2))), why="1 - x loses a small x"),
    Rule("complement of arctan", lambda x: (pi / 2 - arctan(x), arctan2(1, x))),
    Rule("complement of arcsin", lambda x: (pi / 2 - arcsin(x), arccos(x))),
    Rule("arcsin less its limit", lambda x: (arcsin(x) - pi / 2, -arccos(x))),
    Rule("complement of arccos", lambda x: (pi / 2 - arccos(x), arcsin(x))),
    Rule("cofunction", lambda x: (sin(pi / 2 - x), cos(x))),
]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("root of a scaled square", "sqrt")(root_of_scaled_square)
    rules.procedure("sign over abs", "div", near=("sign",))(sign_over_abs)
    rules.procedure("abs of what is not negative", "abs")(abs_of_nonnegative)
    rules.add(RULES)


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

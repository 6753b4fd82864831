"""Sums that cancel: a multiple of a function less the number it is near to, and variances by mean squares."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from ..expression import FUNCTIONS, Expr
from ..graph import Node, node
from .engine import RuleSet
from .factors import factors, product
from .polynomials import DEGREE
from .settling import canonical
from .terms import ONE, constant_node, number_of, split

Rebuild = Callable[[Node], Node]
NEAR_ONE = {"exp", "cos", "cosh", "sigmoid", "erf", "erfc", "tanh", "ndtr", "sin"}


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("multiple less the multiple", "add")(less_number)
    rules.procedure("quotient less a number", "add")(quotient_less_number)
    rules.procedure("variance", "add")(variance)
    rules.procedure("sum of placed elements", "einsum", near=("unslice",))(sum_of_placed)


def _others(x: Node, gone: tuple[Node, Node]) -> list[Expr]:
    return [Expr(t) for t in x.inputs if t not in gone]


def less_number(x: Node, rebuild: Rebuild) -> Node | None:
    """``c*f(u) - c`` is ``c*(f(u) - 1)`` for functions that have a rule for the latter, and ``f(u)**p - 1`` alike."""
    number = next((t for t in x.inputs if number_of(t) is not None), None)
    if number is None or len(x.inputs) > 6:
        return None
    c = number_of(number)
    for t in x.inputs:
        d, base = split(t)
        found = _logarithm_of_one(d, base, c)
        if found is not None:
            return _with(x, found, (t, number))
        if base is None or not c or abs(d) != abs(c) or abs(d) == 1 or base.op.name not in NEAR_ONE:
            continue
        made = canonical(Expr(base) + float(c / d))
        if made.op.name != "add":
            return _with(x, Expr(constant_node(d, x.type.dtype)) * Expr(made), (t, number))
    for t in x.inputs:
        d, base = split(t)
        if (
            base is not None
            and c
            and d == -c
            and base.op.name == "pow"
            and base.inputs[0].op.name == "add"
            and not (_whole(base.inputs[1]) and abs(number_of(base.inputs[1]) or Fraction(0)) <= DEGREE)
        ):
            less = _power_less_one(base)
            if less is not None:
                return _with(x, Expr(constant_node(d, x.type.dtype)) * less, (t, number))
        if (
            base is not None
            and c
            and d > 0
            and d * c < 0
            and base.op.name == "sqrt"
            and base.inputs[0].op.name == "div"
        ):
            made = canonical(Expr(base.inputs[0]) - float((c / d) ** 2))
            if _base(made) != "add":
                less = Expr(made) / (Expr(base) - float(c / d))
                return _with(x, Expr(constant_node(d, x.type.dtype)) * less, (t, number))
        if base is not None and c and d == -c and base.op.name == "pow" and (number_of(base.inputs[0]) or 0) > 0:
            rate = math.log(float(number_of(base.inputs[0]) or 1))
            return _with(
                x, Expr(constant_node(d, x.type.dtype)) * FUNCTIONS["expm1"](rate * Expr(base.inputs[1])), (t, number)
            )
        if base is not None and c and d == -c and base.op.name == "pow1p":
            u, p = map(Expr, base.inputs)
            made = FUNCTIONS["power_difference"](1.0, u, p)
            return _with(x, Expr(constant_node(d, x.type.dtype)) * made, (t, number))
    return None


def _logarithm_of_one(d: Fraction, base: Node | None, c: Fraction | None) -> Expr | None:
    """``d*log(a + u) + c`` where c is -d*log(a) for the number a, as rounded."""
    if base is None or base.op.name != "log" or base.inputs[0].op.name != "add" or not c or not d:
        return None
    a = next((n for t in base.inputs[0].inputs if (n := number_of(t)) is not None), None)
    if a is None or a <= 0 or Fraction(math.log(float(a))) * -d != c:
        return None
    u = canonical(Expr(base.inputs[0]) - float(a))
    result: Expr = float(d) * FUNCTIONS["log1p_ratio"](Expr(u), float(a))
    return result


def _whole(exponent: Node) -> bool:
    k = number_of(exponent)
    return k is not None and k.denominator == 1


def _power_less_one(base: Node) -> Expr | None:
    """``(1 + u)**p - 1``."""
    u = canonical(Expr(base.inputs[0]) - 1.0)
    before = base.inputs[0]
    if not any(number_of(t) == 1 for t in before.inputs):
        return None
    result: Expr = FUNCTIONS["power_difference"](1.0, Expr(u), Expr(base.inputs[1]))
    return result


def _with(x: Node, found: Expr, gone: tuple[Node, Node]) -> Node | None:
    for r in _others(x, gone):
        found = found + r
    return canonical(found) if found.type == x.type else None


def quotient_less_number(x: Node, rebuild: Rebuild) -> Node | None:
    """``a/f - c`` is ``(a - c*f)/f`` where the difference above has a form that does not cancel."""
    number = next((t for t in x.inputs if number_of(t) is not None), None)
    if number is None or len(x.inputs) > 6:
        return None
    for t in x.inputs:
        if t.op.name != "div":
            continue
        p, above = factors(t.inputs[0])
        q, below = factors(t.inputs[1])
        if not q or len(below) != 1:
            continue
        numerator = product(p / q, above, x.type.dtype)
        denominator = product(ONE, below, x.type.dtype)
        made = canonical(numerator + Expr(number) * denominator)
        if (_base(made) != "add" and made.op.name != "mul") or _is_product(made):
            return _with(x, Expr(made) / denominator, (t, number))
    return None


def _base(x: Node) -> str:
    base = split(x)[1]
    return "constant" if base is None else base.op.name


def _is_product(x: Node) -> bool:
    """Whether a sum became a product: no factor is a sum with terms of both signs."""
    return x.op.name == "mul" and not any(y.op.name == "add" for y in factors(x)[1])


# ---- variances


def variance(x: Node, rebuild: Rebuild) -> Node | None:
    """``sum(y**2)/n - (sum(y)/n)**2`` and its multiples, over all elements of y, by the squares of the deviations."""
    for t in x.inputs:
        c, base = split(t)
        if base is None:
            continue
        inside, size = _sum_of(base)
        if inside is None or inside.op.name != "pow" or number_of(inside.inputs[1]) != 2:
            continue
        y = inside.inputs[0]
        n = _count(y)
        if n is None or y.type != inside.type:
            continue
        for s in x.inputs:
            d, square = split(s)
            if s is t or square is None or square.op.name != "pow" or number_of(square.inputs[1]) != 2:
                continue
            e, mean = split(square.inputs[0])
            total, _ = _sum_of(square.inputs[0] if mean is None else mean)
            if total is not y or d * e**2 * n != -c or size is not None:
                continue
            deviation = Expr(y) - FUNCTIONS["sum"](Expr(y)) / float(n)
            return _with(x, Expr(constant_node(c, x.type.dtype)) * FUNCTIONS["sum"](deviation**2), (t, s))
    return None


def sum_of_placed(x: Node, rebuild: Rebuild) -> Node | None:
    """The sum over axes along which elements were placed among zeros is that of the elements."""
    if len(x.inputs) != 1 or x.inputs[0].op.name != "unslice":
        return None
    (labels,), out, extra = x.params
    placed = labels[len(labels) - len(x.inputs[0].params[0]) :]
    if extra or len(set(labels)) < len(labels) or any(k in out for k in placed):
        return None
    return rebuild(node(x.op, x.inputs[0].inputs, x.params))


def _sum_of(x: Node) -> tuple[Node | None, Node | None]:
    """What a scalar is the plain sum of, and what it is divided by."""
    size = None
    if x.op.name == "div" and not x.inputs[1].type.shape:
        x, size = x.inputs
    if (
        x.op.name == "einsum"
        and len(x.inputs) == 1
        and not x.type.shape
        and len(set(x.params[0][0])) == len(x.params[0][0])
    ):
        return x.inputs[0], size
    return None, None


def _count(y: Node) -> Fraction | None:
    total = ONE
    for n in y.type.shape:
        if not isinstance(n, int):
            return None
        total *= n
    return total

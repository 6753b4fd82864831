"""Comparisons of numbers, and what is selected by them: rewriting makes them when it puts numbers for operands."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce

import numpy as np

from ..expression import Expr, apply, constant, constant_value
from ..graph import Node, lookup, node
from .engine import RuleSet
from .settling import fitting
from .terms import constant_node, number_of, split

COMPARISONS = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}
OPPOSITE = {"less": "greater", "greater": "less", "less_equal": "greater_equal", "greater_equal": "less_equal"}
"""What holds of two operands when they change places."""
Rebuild = Callable[[Node], Node]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("comparison of numbers", *COMPARISONS)(compare)
    rules.procedure("logic of constants", "logical_and", "logical_or", "logical_not")(logic)
    rules.procedure("mask of a constant", "mask")(mask)
    rules.procedure("mask outwards", "mul", "div")(mask_outwards)


def _truth(x: Node) -> bool | None:
    return bool(constant_value(x)) if x.op.name == "constant" and x.type.dtype == "bool" and not x.type.shape else None


def _constant(value: bool) -> Node:
    return constant(np.asarray(value), "bool").node


def compare(x: Node, rebuild: Rebuild) -> Node | None:
    """Two finite numbers compared; of one number and something else the number stands right, as in Python, which reads
    ``1 > x`` as ``x < 1``."""
    a, b = (number_of(i) for i in x.inputs)
    if a is not None and b is not None:
        return _constant(COMPARISONS[x.op.name](a, b))
    return node(lookup(OPPOSITE[x.op.name]), x.inputs[::-1]) if a is not None and x.op.name in OPPOSITE else None


def logic(x: Node, rebuild: Rebuild) -> Node | None:
    """And, or, not of a constant, and, or of one condition twice."""
    if len(x.inputs) == 2 and x.inputs[0] is x.inputs[1]:
        return x.inputs[0]
    values = [_truth(i) for i in x.inputs]
    if x.op.name == "logical_not":
        return None if values[0] is None else _constant(not values[0])
    stop = x.op.name == "logical_or"
    a, b = x.inputs
    if not x.type.shape and any(p.op.name == "logical_not" and p.inputs[0] is q for p, q in ((a, b), (b, a))):
        return _constant(stop)
    for k, value in enumerate(values):
        if value is stop and not x.type.shape:
            return _constant(stop)
        if value is (not stop) and x.inputs[1 - k].type == x.type:
            return x.inputs[1 - k]
    return None


def mask(x: Node, rebuild: Rebuild) -> Node | None:
    """A scalar that is never selected."""
    return constant_node(0, x.type.dtype) if _truth(x.inputs[0]) is False and not x.type.shape else None


def mask_outwards(x: Node, rebuild: Rebuild) -> Node | None:
    """``mask(c, v)*p/q`` is ``mask(c, v*p/q)``: where nothing flows, nothing multiplies, so that ``0*inf`` does not
    occur."""
    above, below = (x.inputs[0], x.inputs[1]) if x.op.name == "div" else (x, None)
    parts = above.inputs if above.op.name == "mul" else (above,)
    masked = next((p for p in parts if p.type == x.type and all(_is_masked(t) for t in _terms(p))), None)
    if masked is None:
        return None
    others = [p for p in parts if p is not masked] + ([] if below is None else [below])
    if all(number_of(p) is not None for p in others):
        return None  # a finite number times zero is zero; numbers stand in front
    factor = reduce(
        lambda a, b: a * b, [Expr(p) for p in parts if p is not masked], Expr(constant_node(1, x.type.dtype))
    )
    if below is not None:
        factor = factor / Expr(below)
    total: Expr | None = None
    for t in _terms(masked):
        c, base = split(t)
        assert base is not None
        condition, value = map(Expr, base.inputs)
        term = apply("mask", [condition, Expr(constant_node(c, x.type.dtype)) * value * factor])
        total = term if total is None else total + term
    assert total is not None
    return fitting(x, total)


def _terms(p: Node) -> tuple[Node, ...]:
    return p.inputs if p.op.name == "add" else (p,)


def _is_masked(t: Node) -> bool:
    base = split(t)[1]
    return base is not None and base.op.name == "mask"

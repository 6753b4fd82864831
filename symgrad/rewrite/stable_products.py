"""Hyperbolic functions in products of arrays: above the line they stand as factors of an einsum, below it as a power,
and both overflow where their quotient does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..expression import Expr
from ..graph import Node
from ..ops.contraction import einsum_labels
from .engine import RuleSet
from .factors import factors, function, lines, product, whole
from .settling import canonical, fitting
from .terms import constant_node, split

Rebuild = Callable[[Node], Node]
ABOVE = ("cosh", "sinh")
tanh = function("tanh")


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("hyperbolic functions of an array product", "div", near=("cosh",))(hyperbolic_factors)
    rules.procedure("hyperbolic factors of an array product", "einsum", near=("cosh",))(hyperbolic_operands)


def hyperbolic_factors(x: Node, rebuild: Rebuild) -> Node | None:
    """``einsum(…, sinh(u), …)/cosh(u)**k`` with the quotient of the two as one factor."""
    c, above = split(x.inputs[0])
    if above is None or above.op.name != "einsum" or above.type != x.type:
        return None
    number, below = factors(x.inputs[1])
    for h, k in below.items():
        if h.op.name != "cosh" or k.denominator != 1 or not h.type.shape:
            continue
        labels = _aligned(h, above)
        chosen = [] if labels is None else _factors_of(h, above, labels)
        if not chosen:
            continue
        rest = {y: j for y, j in below.items() if y is not h}
        left = k - len(chosen)
        if left < 0:
            continue
        sines = sum(above.inputs[n].op.name == "sinh" for n in chosen)
        merged = canonical(_power(tanh(Expr(h.inputs[0])), sines) / _power(Expr(h), int(left)))
        result = _replaced(above, chosen, merged) * Expr(constant_node(c, x.type.dtype))
        return fitting(x, result / product(number, rest, x.type.dtype))
    return None


def hyperbolic_operands(x: Node, rebuild: Rebuild) -> Node | None:
    """``einsum(…, 1/cosh(u)**k, sinh(u), …)`` with the two operands as one factor."""
    for n, (y, own) in enumerate(zip(x.inputs, x.params[0], strict=True)):
        if y.op.name != "div":
            continue
        number, powers = lines(y)
        for h, k in powers.items():
            if h.op.name != "cosh" or k > -1 or k.denominator != 1 or h.type != y.type:
                continue
            chosen = [m for m in _factors_of(h, x, own) if m != n][: int(-k)]
            if not chosen:
                continue
            sines = sum(x.inputs[m].op.name == "sinh" for m in chosen)
            rest = {**powers, h: k + len(chosen)}
            merged = whole(number, {z: j for z, j in rest.items() if j}, x.type.dtype)
            if sines:
                merged = merged * _power(tanh(Expr(h.inputs[0])), sines)
            return fitting(x, _replaced(x, [n, *chosen], canonical(merged)))
    return None


def _aligned(h: Node, above: Node) -> tuple[int, ...] | None:
    """The labels of the result's axes that `h` divides along; None where `h` is broadcast."""
    rank = len(h.type.shape)
    if rank > len(above.type.shape) or above.type.shape[-rank:] != h.type.shape:
        return None
    out: tuple[int, ...] = above.params[1]
    return out[-rank:]


def _factors_of(h: Node, above: Node, labels: tuple[int, ...]) -> list[int]:
    """The operands that are hyperbolic functions of the argument of `h` along the same axes."""
    same = _tied(above)
    wanted = [same.get(k, k) for k in labels]
    return [
        n
        for n, (y, own) in enumerate(zip(above.inputs, above.params[0], strict=True))
        if y.op.name in ABOVE and y.inputs == h.inputs and [same.get(k, k) for k in own] == wanted
    ]


def _tied(above: Node) -> dict[int, int]:
    """Labels that an identity makes equal, each with the one that stands for it."""
    same: dict[int, int] = {}
    for y, own in zip(above.inputs, above.params[0], strict=True):
        if y.op.name == "delta":
            a, b = (same.get(k, k) for k in own)
            same = {**{k: a if v == b else v for k, v in same.items()}, b: a, a: a}
    return same


def _power(x: Expr, k: int) -> Expr:
    return x if k == 1 else x ** float(k)


def _replaced(above: Node, chosen: Sequence[int], merged: Node) -> Expr:
    """The array product with one operand for the chosen ones."""
    labels, out, extra = above.params
    kept = [n for n in range(len(above.inputs)) if n not in chosen]
    operands = [Expr(merged), *(Expr(above.inputs[n]) for n in kept)]
    return einsum_labels(operands, [labels[chosen[0]], *(labels[n] for n in kept)], out, dict(extra))

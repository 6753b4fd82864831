"""Rules of `simplify` for a mask around what is finite anyway, which a person writes as a factor 0 or 1, and for how
derivatives of largest elements and sizes are put.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from fractions import Fraction

from ..graph import Node, lookup, node
from .assumptions import unvisited
from .engine import Assumed
from .short import SHORT, powers_of
from .short_selections import difference, negated, unshared
from .stable_conditions import OPPOSITE
from .terms import constant_node, number_of

Found = Node | tuple[Node, Assumed] | None
Rebuild = Callable[[Node], Node]
TOTAL = frozenset({
    "symbol", "constant", "size", "delta", "add", "mul", "einsum", "exp", "sin", "cos", "sinh", "cosh", "tanh",
    "arctan", "sigmoid", "softplus", "relu", "maximum", "minimum", "abs", "sign", "erf", "ndtr", "softmax",
    "logsumexp", "mask", "where", "cast", "greater", "less", "greater_equal", "less_equal", "equal", "not_equal",
    "logical_not", "logical_and", "logical_or", "max", "min", "norm", "slice", "unslice", "reshape", "concatenate",
    "cumsum",
})  # fmt: skip
"""Operations that are finite wherever their operands are."""
_total: weakref.WeakKeyDictionary[Node, bool] = weakref.WeakKeyDictionary()


def is_total(x: Node) -> bool:
    """Whether `x` is finite, but for overflow, where its symbols are."""
    for n in unvisited([x], _total):
        whole = n.op.name == "pow" and (k := number_of(n.inputs[1])) is not None and k > 0 and k.denominator == 1
        divided = n.op.name == "div" and all(number_of(i) or i.op.name == "size" for i in n.inputs[1:])
        _total[n] = (whole or divided or n.op.name in TOTAL) and all(_total[i] for i in n.inputs)
    return _total[x]


@SHORT.procedure("larger of the two", "mask")
def _larger_alone(x: Node, rebuild: Rebuild) -> Found:
    """One side of the derivative of a maximum: ``mask(~(b > a), u*where(a == b, 0.5, 1))`` is ``mask(a > b, u)``."""
    condition, value = x.inputs
    inner, share = negated(condition), unshared(value, rebuild)
    if inner is None or share is None or inner.op.name not in ("greater", "less"):
        return None
    turned = node(inner.op, inner.inputs[::-1])
    if number_of(turned.inputs[0]) is not None:
        turned = node(lookup(OPPOSITE[inner.op.name]), inner.inputs)
    return rebuild(node(x.op, (turned, share))), [("not zero", difference(inner, rebuild))]


@SHORT.procedure("mask as a factor", "mask")
def _as_factor(x: Node, rebuild: Rebuild) -> Found:
    """``mask(c, v)`` as ``c*v`` where v is finite: a polynomial, a bounded function, a quotient by the count of c."""
    condition, value = x.inputs
    if _vanishes_outside(value, condition) and value.type == x.type:
        return value, [("finite", value)]
    top, bottom = value.inputs if value.op.name == "div" else (value, None)
    if bottom is not None:
        below = _factors(bottom)
        counts = [f for f in below if _counts(f, condition)]
        if not counts or any(f not in counts and number_of(f) is None and f.op.name != "size" for f in below):
            return None
    if number_of(value) is not None or not is_total(top) or _of_rows(condition, value):
        return None
    if not value.type.shape and value in condition.inputs:
        return None  # mask(x > 0, x) has a name
    chosen = node(lookup("cast"), (condition,), (x.type.dtype,))
    product = rebuild(node(lookup("mul"), (chosen, value)))
    return (product, [("finite", top)]) if product.type == x.type else None


def _factors(x: Node) -> tuple[Node, ...]:
    return x.inputs if x.op.name == "mul" else (x,)


def _vanishes_outside(value: Node, condition: Node) -> bool:
    """Whether ``max(u, 0)`` is a factor of what ``u > 0`` masks, and the rest is finite."""
    if condition.op.name != "greater" or number_of(condition.inputs[1]) != 0:
        return False
    u = condition.inputs[0]
    parts = [f.op.name == "relu" or any(number_of(i) == 0 for i in f.inputs) for f in _factors(value)
             if f.op.name in ("relu", "maximum") and u in f.inputs]  # fmt: skip
    return any(parts) and is_total(value)


def _of_rows(condition: Node, value: Node) -> bool:
    """Whether rows of a matrix are chosen, which is a product with a diagonal matrix."""
    return condition.op.name == "einsum" and condition.type.shape[-1:] == (1,) and len(value.type.shape) == 2


def _counts(x: Node, condition: Node) -> bool:
    """Whether `x` is the number of times that `condition` holds, along some axes."""
    while x.op.name in ("einsum", "cast") and len(x.inputs) == 1 and x.inputs[0] is not condition:
        (x,) = x.inputs
    return x.op.name == "cast" and x.inputs[0] is condition


@SHORT.procedure("count", "einsum")
def _count(x: Node, rebuild: Rebuild) -> Found:
    """A sum of truth values is a whole number, and needs no word about types."""
    (labels, *others), out, extra = x.params
    (chosen, *_), dtype = x.inputs, x.type.dtype
    if others or extra or chosen.op.name != "cast" or chosen.inputs[0].type.dtype != "bool" or dtype == "i64":
        return None
    if len(out) == len(labels):
        return None
    whole = node(lookup("cast"), chosen.inputs, ("i64",))
    return node(lookup("cast"), (node(x.op, (whole,), x.params),), (dtype,))


@SHORT.procedure("power times sign", "mul")
def _power_times_sign(x: Node, rebuild: Rebuild) -> Found:
    """``u**2*sign(u)`` as ``u*abs(u)``."""
    powers = powers_of(x)
    for f, k in powers.items():
        if f.op.name == "sign" and k == 1 and powers.get(f.inputs[0], 0) > 1:
            (u,) = f.inputs
            rest = [g for g in x.inputs if g is not f and g is not u and not (g.op.name == "pow" and g.inputs[0] is u)]
            lower = rebuild(node(lookup("pow"), (u, constant_node(Fraction(powers[u] - 1), u.type.dtype))))
            return rebuild(node(x.op, (*rest, lower, node(lookup("abs"), (u,)))))
    return None

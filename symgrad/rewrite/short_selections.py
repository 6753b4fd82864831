"""Rules of `simplify` for truth values, comparisons, `mask` and `where`: what back-propagation writes of a selection,
as a person would say it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ..expression import FUNCTIONS, Expr, constant_value
from ..graph import Node, lookup, node
from .engine import Assumed
from .pattern import Rule
from .short import SHORT, function
from .stable_conditions import OPPOSITE
from .terms import constant_node, number_of, split

logical_not, where, mask, relu, maximum, absolute, sign = (
    function(n) for n in ("logical_not", "where", "mask", "relu", "maximum", "abs", "sign")
)
Found = Node | tuple[Node, Assumed] | None
Rebuild = Callable[[Node], Node]

SHORT.add([
    Rule("size times sign", lambda x: (absolute(x) * sign(x), x), at="mul abs sign"),
    Rule("size", lambda x: (x * sign(x), absolute(x)), at="mul sign"),
    Rule("square of a size", lambda x: (absolute(x) ** 2, x**2), at="pow abs"),
    Rule("by its size", lambda x: (x / absolute(x), sign(x)), assumes=("not zero", "x"), at="div abs"),
    Rule("positive part", lambda x: (mask(x > 0, x), relu(x)), at="mask greater"),
])  # fmt: skip


@SHORT.procedure("branches of one condition", "add")
def _branches(x: Node, rebuild: Rebuild) -> Found:
    """``mask(c, a) + mask(~c, b)`` as ``where(c, a, b)``, or as a if both are a; the truth of c is a mask of 1."""
    found = [(i, k, m) for i in x.inputs for k, m in [_masked(i)] if m is not None]
    for n, (i, k, m) in enumerate(found):
        for j, h, o in found[n + 1 :]:
            for (c, a, first), (d, b, second) in (((m.inputs[0], m, k), (o.inputs[0], o, h)),
                                                  ((o.inputs[0], o, h), (m.inputs[0], m, k))):  # fmt: skip
                apart = _sides(c) is not None and _sides(c) == (_sides(d) or ())[::-1]
                if _opposite(c) is not d and not apart:
                    continue
                values = [times_number(first, a.inputs[1], rebuild), times_number(second, b.inputs[1], rebuild)]
                made = values[0] if values[0] is values[1] else rebuild(node(lookup("where"), (c, *values)))
                rest = [y for y in x.inputs if y is not i and y is not j]
                assumed = [("not zero", difference(c, rebuild))] if apart else []
                return rebuild(node(x.op, (*rest, made))) if rest else made, assumed
    return None


def _sides(c: Node) -> tuple[Node, ...] | None:
    """The larger and the smaller side of a strict comparison."""
    return {"greater": c.inputs, "less": c.inputs[::-1]}.get(c.op.name)


def difference(c: Node, rebuild: Rebuild) -> Node:
    """The difference of the sides of a comparison."""
    return rebuild(node(lookup("sub"), c.inputs))


def _masked(x: Node) -> tuple[Fraction, Node | None]:
    """The number and the mask whose product `x` is, None if there is no mask."""
    k, m = split(x)
    if m is None or m.op.name == "mask":
        return k, m
    factors = m.inputs if m.op.name == "mul" else (m,)
    chosen = [f for f in factors if f.op.name == "cast" and f.inputs[0].type.dtype == "bool"]
    if len(chosen) != 1:
        return k, None
    rest = [f for f in factors if f is not chosen[0]] or [constant_node(1, m.type.dtype)]
    value = rest[0] if len(rest) == 1 else node(m.op, tuple(rest))
    made = node(lookup("mask"), (chosen[0].inputs[0], value))
    return k, made if made.type == m.type else None


def times_number(c: Fraction, x: Node, rebuild: Rebuild) -> Node:
    """The canonical form of ``c*x``."""
    return x if c == 1 else rebuild(node(lookup("mul"), (constant_node(c, x.type.dtype), x)))


def _opposite(c: Node) -> Node | None:
    """The condition that holds where `c` does not."""
    if c.op.name in ("equal", "not_equal"):
        return node(lookup("not_equal" if c.op.name == "equal" else "equal"), c.inputs)
    return c.inputs[0] if c.op.name == "logical_not" else node(lookup("logical_not"), (c,))


@SHORT.procedure("where of a zero", "where")
def _where_zero(x: Node, rebuild: Rebuild) -> Found:
    condition, a, b = x.inputs
    if condition.op.name == "logical_not":
        return rebuild(node(x.op, (condition.inputs[0], b, a)))
    return rebuild(node(lookup("mask"), (condition, a))) if number_of(b) == 0 and b.type.shape == () else None


@SHORT.procedure("one of two truths", "logical_or", "logical_and")
def _twice(x: Node, rebuild: Rebuild) -> Found:
    """A condition beside what always holds or never."""
    a, b = x.inputs
    for c, other in ((a, b), (b, a)):
        if c.op.name == "constant" and not c.type.shape and other.type == x.type:
            return other if _true(c) == (x.op.name == "logical_and") else _truth(x.op.name == "logical_or", x)
    return None


def _always(x: Node) -> bool:
    """Whether the truth of `x` is certain: ``c | ~c``, and ``~(a > b) | ~(b > a)``."""
    if x.op.name != "logical_or":
        return False
    a, b = x.inputs
    return _opposite(a) is b or _opposite(b) is a or _fails_with(a, b) or _never_both_zero(a, b)


def _never_both_zero(a: Node, b: Node) -> bool:
    """Whether ``a`` and ``b`` say ``y != 0`` and ``1 - y != 0``."""
    if a.op.name != "not_equal" or b.op.name != "not_equal":
        return False
    tested = [[i for i in c.inputs if number_of(i) != 0] for c in (a, b)]
    if [len(t) for t in tested] != [1, 1]:
        return False
    total = (Expr(tested[0][0]) + Expr(tested[1][0])).canonical().node
    value = number_of(total)
    zero = total.op.name == "add" and [split(t)[0] for t in total.inputs if number_of(t) is None] == [Fraction(0)]
    return bool(value) or zero


def negated(x: Node) -> Node | None:
    return x.inputs[0] if x.op.name == "logical_not" else None


def _fails_with(a: Node, b: Node) -> bool:
    """Whether both negate strict comparisons that exclude each other."""
    inner = [negated(c) for c in (a, b)]
    if inner[0] is None or inner[1] is None or {i.op.name for i in inner if i is not None} - {"greater", "less"}:
        return False
    first, second = (i.inputs if i.op.name == "greater" else i.inputs[::-1] for i in inner if i is not None)
    return first == second[::-1]


def _true(c: Node) -> bool:
    return bool(np.frombuffer(c.params[2], np.bool_)[0])


def _truth(value: bool, x: Node) -> Node | None:
    return None if x.type.shape else node(lookup("constant"), (), ("bool", (), np.asarray(value).tobytes()))


@SHORT.procedure("not twice", "logical_not")
def _not(x: Node, rebuild: Rebuild) -> Found:
    inner = negated(x.inputs[0])
    if inner is not None:
        return inner
    if x.inputs[0].op.name in ("equal", "not_equal"):
        opposite = "not_equal" if x.inputs[0].op.name == "equal" else "equal"
        return rebuild(node(lookup(opposite), x.inputs[0].inputs))
    return None


@SHORT.procedure("mask that covers", "mask")
def _covered(x: Node, rebuild: Rebuild) -> Found:
    """A mask around branches each of which is masked: outside all of them they are 0 already."""
    condition, value = x.inputs
    if _always(condition) and value.type.shape == x.type.shape:
        return value
    if condition.op.name != "logical_or" or value.type.shape != x.type.shape:
        return None
    pending, covered = [condition], set[Node]()
    while pending:
        c = pending.pop()
        covered.add(c)
        if c.op.name == "logical_or":
            pending += c.inputs
    terms = value.inputs if value.op.name == "add" else (value,)
    bases = [split(t)[1] for t in terms]
    if all(b is not None and b.op.name == "mask" and b.inputs[0] in covered for b in bases):
        return value
    if value.op.name == "where" and {value.inputs[0], node(lookup("logical_not"), (value.inputs[0],))} <= covered:
        return value
    return None


@SHORT.procedure("mask of one", "mask")
def _indicator(x: Node, rebuild: Rebuild) -> Found:
    """``mask(c, 1)`` is the truth value as a number."""
    condition, value = x.inputs
    c = number_of(value)
    if c is None or not c or condition.type.shape != x.type.shape:
        return None
    counted = node(lookup("cast"), (condition,), (x.type.dtype,))
    return counted if c == 1 else rebuild(node(lookup("mul"), (constant_node(c, x.type.dtype), counted)))


@SHORT.procedure("what a norm keeps out", "mask")
def _unmask(x: Node, rebuild: Rebuild) -> Found:
    """The mask that keeps the derivative at one exceptional point is not written: ``b != 0``, ``b != -inf``."""
    condition, value = x.inputs
    if value.type.shape != x.type.shape:
        return None
    if (origin := _not_both_zero(condition)) is not None:
        return value, [("not zero", origin)]
    pending, assumed = [condition], []
    while pending:
        c = pending.pop()
        if c.op.name in ("logical_or", "logical_and"):
            pending += c.inputs
            continue
        tested = [i for i in c.inputs if not _is_exceptional(i)]
        if c.op.name != "not_equal" or len(tested) != 1:
            return None
        infinite = split(next(i for i in c.inputs if i is not tested[0])) != (Fraction(0), None)
        assumed.append(("finite" if infinite else "not zero", tested[0]))
    return value, assumed


def _is_exceptional(x: Node) -> bool:
    """Whether `x` is 0 or minus infinity."""
    if x.op.name == "constant" and not x.type.shape and x.type.dtype != "bool":
        return float(constant_value(x)) in (0.0, -float("inf"))
    return split(x) == (Fraction(0), None)


def _not_both_zero(condition: Node) -> Node | None:
    """Of ``~((x == 0) & (y == 0))`` the distance that is not 0."""
    both = negated(condition)
    if both is None or both.op.name != "logical_and" or any(c.op.name != "equal" for c in both.inputs):
        return None
    tested = [[i for i in c.inputs if number_of(i) != 0] for c in both.inputs]
    if any(len(t) != 1 for t in tested):
        return None
    found: Expr = FUNCTIONS["hypot"](Expr(tested[0][0]), Expr(tested[1][0]))
    return found.node


@SHORT.procedure("larger of two", "add")
def _larger(x: Node, rebuild: Rebuild) -> Found:
    """The derivative of a maximum, which two variables share where they tie:
    ``mask(~(b > a), u*t) + mask(~(a > b), v*t)`` with ``t = where(a == b, 0.5, 1)`` is ``where(a > b, u, v)``."""
    masks = [(i, split(i)) for i in x.inputs]
    found = [(i, c, m) for i, (c, m) in masks if m is not None and m.op.name == "mask"]
    for k, (i, c, m) in enumerate(found):
        for j, d, n in found[k + 1 :]:
            if c != d or not _fails_with(m.inputs[0], n.inputs[0]):
                continue
            inner = negated(n.inputs[0])
            assert inner is not None
            shares = [unshared(v.inputs[1], rebuild) for v in (m, n)]
            if None in shares:
                continue
            # m holds where n's comparison does: it is the branch of that side.
            result: Expr = FUNCTIONS["where"](Expr(inner), *(Expr(s) for s in shares if s is not None))
            result = result if c == 1 else float(c) * result
            rest = [y for y in x.inputs if y is not i and y is not j]
            made = rebuild(result.node) if c == 1 else result.canonical().node
            whole = rebuild(node(x.op, (*rest, made))) if rest else made
            return whole, [("not zero", rebuild((Expr(inner.inputs[0]) - Expr(inner.inputs[1])).node))]
    return None


def unshared(x: Node, rebuild: Rebuild) -> Node | None:
    """A product without its factor ``where(a == b, 0.5, 1)``; None if it has none."""
    factors = list(x.inputs) if x.op.name == "mul" else [x]
    for k, f in enumerate(factors):
        shared = f.op.name == "where" and f.inputs[0].op.name == "equal"
        if shared and [number_of(i) for i in f.inputs[1:]] == [Fraction(1, 2), 1]:
            rest = factors[:k] + factors[k + 1 :]
            if not rest:
                return constant_node(1, x.type.dtype)
            return rest[0] if len(rest) == 1 else rebuild(node(x.op, tuple(rest)))
    return None


@SHORT.procedure("difference compared", "greater", "less", "greater_equal", "less_equal")
def _compared(x: Node, rebuild: Rebuild) -> Found:
    """``1 - u > 0`` as ``u < 1``."""
    a, b = x.inputs
    if number_of(b) == 0 and split(a)[0] < 0 and number_of(a) is None:
        return rebuild(node(lookup(OPPOSITE[x.op.name]), (rebuild(node(lookup("neg"), (a,))), b)))
    if number_of(b) == 0 and a.op.name == "add" and len(a.inputs) == 2:
        first, second = a.inputs
        for kept, moved in ((first, second), (second, first)):
            c, base = split(moved)
            d, _ = split(kept)
            if (d == 1 or number_of(kept) is not None) and c < 0:
                return rebuild(node(x.op, (kept, rebuild(node(lookup("neg"), (moved,))))))
            if number_of(kept) is not None and c < 0 and base is not None:
                return rebuild(node(lookup(OPPOSITE[x.op.name]), (rebuild(node(lookup("neg"), (moved,))), kept)))
    return None


@SHORT.procedure("clip", "where")
def _clip(x: Node, rebuild: Rebuild) -> Found:
    """``where(abs(d) <= k, d, k*sign(d))`` as ``clip(d, -k, k)``."""
    condition, inner, outer = x.inputs
    if condition.op.name not in ("less", "less_equal") or condition.inputs[0].op.name != "abs":
        return None
    (d,), k = condition.inputs[0].inputs, condition.inputs[1]
    value = number_of(k)
    if value is None or value < 0 or inner is not d:
        return None
    edge = rebuild(node(lookup("mul"), (k, rebuild(node(lookup("sign"), (d,))))))
    if outer is not edge:
        return None
    return rebuild(FUNCTIONS["clip"](Expr(d), -float(value), float(value)).node)

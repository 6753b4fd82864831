"""Forms of array products that `simplify` tries: sums multiplied out where terms then meet, numbers and signs taken out
of the factors of a product, quotients term by term, inverses beside what they undo.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from fractions import Fraction
from functools import reduce
from math import gcd

from ..expression import Expr
from ..graph import Node, lookup, node
from ..ops.contraction import einsum_node
from .canonical import build_sum, rebuild
from .engine import Assumed
from .factoring import expanded
from .fractions import filled
from .symmetry import transposed
from .terms import ONE, constant_node, split

MOST = 8
Form = tuple[Node, Assumed]
FORMS: dict[str, list[tuple[str, Callable[[Node], Iterator[Form]]]]] = {}
"""What makes other forms of a node, with its name, by the operation of the node."""


def form(name: str, *roots: str) -> Callable[[Callable[[Node], Iterator[Form]]], Callable[[Node], Iterator[Form]]]:
    """Registers what makes other forms of canonical nodes of the operations `roots`."""

    def register(f: Callable[[Node], Iterator[Form]]) -> Callable[[Node], Iterator[Form]]:
        for root in roots:
            FORMS.setdefault(root, []).append((name, f))
        return f

    return register


def forms(x: Node, omitted: Container[str] = ()) -> Iterator[tuple[str, Node, Assumed]]:
    """Other forms of the canonical node `x` by name, with what they assume, but for those `omitted`."""
    for name, made in FORMS.get(x.op.name, ()):
        if name not in omitted:
            for result, assumed in made(x):
                yield name, result, assumed


@form("sum taken apart", "einsum")
def _multiplied_out(x: Node) -> Iterator[Form]:
    labels, out, extra = x.params
    for k, operand in enumerate(x.inputs):
        if operand.op.name != "add" or len(operand.inputs) > MOST:
            continue
        terms: list[tuple[Fraction, Node | None]] = []
        for t in operand.inputs:
            own = labels[k][len(labels[k]) - len(t.type.shape) :]
            sizes = {label: n for label, n in zip(labels[k], operand.type.shape, strict=True) if label not in own}
            c, base = split(t)
            lost = [label for label in sizes if not any(label in ls for j, ls in enumerate(labels) if j != k)]
            if base is None or lost or t.type.shape != operand.type.shape[len(operand.type.shape) - len(own) :]:
                whole = reduce_over(x, k, t)
                if whole is None:
                    break
                terms.append(split(whole))
                continue
            inputs = (*x.inputs[:k], base, *x.inputs[k + 1 :])
            part = rebuild(einsum_node(list(inputs), [*labels[:k], own, *labels[k + 1 :]], out, dict(extra)))
            d, rest = split(part)
            terms.append((c * d, rest))
        else:
            yield build_sum(terms, x.type), []


def reduce_over(x: Node, k: int, t: Node) -> Node | None:
    """The einsum `x` with the term `t`, which has fewer axes, repeated along the others of operand `k`."""
    labels, out, extra = x.params
    full = filled(t, x.inputs[k].type)
    if full.type.shape != x.inputs[k].type.shape:
        return None
    return rebuild(einsum_node([*x.inputs[:k], full, *x.inputs[k + 1 :]], labels, out, dict(extra)))


def content(x: Node) -> Fraction:
    """The largest number that all terms of a sum are whole multiples of, negative if all terms are."""
    coefficients = [split(t)[0] for t in x.inputs]
    if not all(coefficients):
        return ONE
    top = reduce(gcd, (c.numerator for c in coefficients))
    bottom = reduce(lambda a, b: a * b // gcd(a, b), (c.denominator for c in coefficients))
    found = Fraction(top, bottom)
    return -found if all(c < 0 for c in coefficients) else found


def _divided(x: Node, number: Fraction) -> Node:
    return build_sum([(c / number, base) for c, base in map(split, x.inputs)], x.type)


def _times(number: Fraction, x: Node) -> Node:
    dtype = x.type.dtype
    scaled = x
    if number.numerator != 1:
        scaled = rebuild(node(lookup("mul"), (constant_node(number.numerator, dtype), scaled)))
    if number.denominator != 1:
        scaled = rebuild(node(lookup("div"), (scaled, constant_node(number.denominator, dtype))))
    return scaled


def _remade(x: Node, inputs: tuple[Node, ...]) -> Node:
    if x.op.name == "einsum":
        labels, out, extra = x.params
        return rebuild(einsum_node(list(inputs), labels, out, dict(extra)))
    return rebuild(node(x.op, inputs, x.params))


@form("term by term", "div")
def _term_by_term(x: Node) -> Iterator[Form]:
    top, bottom = x.inputs
    if top.op.name == "add" and len(top.inputs) <= MOST:
        terms = [split(rebuild(node(x.op, (t, bottom)))) for t in top.inputs]
        yield build_sum(terms, x.type), []


@form("sign into a difference", "mul", "div")
def _sign_into(x: Node) -> Iterator[Form]:
    """``-c*(a - b)`` as ``c*(b - a)``, also where the difference is a factor of an array product."""
    number, base = split(x)
    if number >= 0 or base is None:
        return
    turned = _negated(base, 3)
    if turned is not None:
        yield _times(-number, turned), []


def _negated(x: Node, levels: int) -> Node | None:
    """The negative of a product by the sign of a difference in it, None if there is none."""
    if x.op.name == "add":
        signs = {split(t)[0] > 0 for t in x.inputs}
        return _divided(x, -ONE) if len(signs) == 2 else None
    if x.op.name not in ("mul", "div", "einsum") or not levels:
        return None
    for k, factor in enumerate(x.inputs):
        inner = _negated(factor, levels - 1)
        if inner is not None:
            return _remade(x, (*x.inputs[:k], inner, *x.inputs[k + 1 :]))
    return None


@form("common number", "add")
def _content_out(x: Node) -> Iterator[Form]:
    number = content(x)
    if number not in (1, -1):
        inner = _divided(x, number)
        if inner.op.name == "add" and len(inner.inputs) == len(x.inputs):
            yield _times(number, inner), []


@form("common number", "einsum", "mul", "div")
def _number_out(x: Node) -> Iterator[Form]:
    """What multiplies all terms of a sum that is a factor stands in front."""
    for k, factor in enumerate(x.inputs):
        if factor.op.name == "add" and (number := content(factor)) != 1 and factor.type.dtype != "i64":
            inputs = (*x.inputs[:k], _divided(factor, number), *x.inputs[k + 1 :])
            below = x.op.name == "div" and k == 1
            yield _times(1 / number if below else number, _remade(x, inputs)), []


# ---- inverses

@form("inverse of a product", "einsum")
def _inverse(x: Node) -> Iterator[Form]:
    """``A.T @ inv(A @ X).T`` is ``inv(X).T``, and ``A.T @ cofactor(A @ X)`` is ``det(A @ X)*inv(X).T``."""
    labels, _, extra = x.params
    if extra or any(len(ls) > 2 for ls in labels):
        return
    for k, whole in enumerate(x.inputs):
        if whole.op.name not in ("inv", "cofactor"):
            continue
        product = whole.inputs[0]
        parts = whole_chain(product)
        if parts is None:
            continue
        # inv maps columns to rows: along the labels (i, j) of a cofactor stands the transpose of the inverse.
        i, j = labels[k] if whole.op.name == "cofactor" else labels[k][::-1]
        yield from _undone(x, k, parts, (i, j))


def _undone(x: Node, k: int, parts: list[tuple[Node, bool]], ends: tuple[int, int]) -> Iterator[Form]:
    labels, out, _ = x.params
    whole = x.inputs[k]
    i, j = ends
    operands = [(y, ls) for n, (y, ls) in enumerate(zip(x.inputs, labels, strict=True)) if n != k]
    left, right = list(parts), []
    for end, place in ((i, 0), (j, -1)):
        while len(left) > 1:
            factor, turned = left[place]
            meeting = next((o for o in operands if o[0] is factor and end in o[1]), None)
            if meeting is None or end in out or sum(end in ls for _, ls in operands) != 1:
                break
            rows, columns = meeting[1][::-1] if turned else meeting[1]
            if end != (rows if place == 0 else columns):
                break
            operands.remove(meeting)
            end = columns if place == 0 else rows
            left = left[1:] if place == 0 else left[:-1]
            right.append(factor)
        i, j = (end, j) if place == 0 else (i, end)
    if not right or any(p.type.shape[0] != p.type.shape[1] for p, _ in parts):
        return
    inner = Expr(parts_product(left))
    inverse = rebuild(node(lookup("inv"), (inner.node,)))
    made = rebuild(einsum_node([*(y for y, _ in operands), inverse], [*(ls for _, ls in operands), (j, i)], out, {}))
    if whole.op.name == "cofactor":
        det = rebuild(node(lookup("det"), (whole.inputs[0],)))
        made = rebuild(node(lookup("mul"), (det, made)))
    yield made, [("invertible", p) for p, _ in parts]


def parts_product(parts: list[tuple[Node, bool]]) -> Node:
    """The matrix product of factors, each of which may be transposed."""
    labels = [(n + 1, n) if turned else (n, n + 1) for n, (_, turned) in enumerate(parts)]
    if len(parts) == 1:
        return transposed(parts[0][0]) if parts[0][1] else parts[0][0]
    return rebuild(einsum_node([y for y, _ in parts], labels, (0, len(parts)), {}))


def whole_chain(x: Node) -> list[tuple[Node, bool]] | None:
    """The factors of a product of matrices from left to right, with whether each is transposed."""
    if x.op.name != "einsum" or len(x.type.shape) != 2:
        return None
    labels, out, extra = x.params
    if extra or any(len(ls) != 2 for ls in labels):
        return None
    found: list[tuple[Node, bool]] = []
    at, end = out
    left = list(zip(x.inputs, labels, strict=True))
    while left:
        step = next(((y, ls) for y, ls in left if at in ls), None)
        if step is None:
            return None
        left.remove(step)
        y, (a, b) = step
        found.append((y, a != at))
        at = b if a == at else a
    return _flattened(found) if at == end else None


def _flattened(parts: list[tuple[Node, bool]]) -> list[tuple[Node, bool]]:
    found: list[tuple[Node, bool]] = []
    for y, turned in parts:
        inner = whole_chain(y) if y.op.name == "einsum" else None
        if inner is None:
            found.append((y, turned))
        else:
            found += [(z, t != turned) for z, t in (inner[::-1] if turned else inner)]
    return found


# ---- sums that are known

@form("one class", "einsum")
def _one_hot(x: Node) -> Iterator[Form]:
    """The sum over classes of ``arange(n) == k`` is 1 where k is an index."""
    labels, out, extra = x.params
    for j, operand in enumerate(x.inputs):
        chosen = _index_of_one_hot(operand)
        if chosen is None or len(x.inputs) == 1:
            continue
        own = labels[j]
        others = {label for i, ls in enumerate(labels) if i != j for label in ls}
        if own[-1] in others or own[-1] in out or not set(own[:-1]) <= others:
            continue
        inputs = [y for i, y in enumerate(x.inputs) if i != j]
        rest = [ls for i, ls in enumerate(labels) if i != j]
        yield rebuild(einsum_node(inputs, rest, out, dict(extra))), [("an index", chosen)]


def _index_of_one_hot(x: Node) -> Node | None:
    if x.op.name != "cast" or x.inputs[0].op.name != "equal":
        return None
    for a, b in (x.inputs[0].inputs, x.inputs[0].inputs[::-1]):
        if a.op.name == "iota" and b.type.shape[-1:] == (1,) and len(b.type.shape) == len(x.type.shape):
            return b.inputs[0] if b.op.name == "einsum" else b
    return None


@form("complement of sigmoid", "add")
def _complements(x: Node) -> Iterator[Form]:
    """``sigmoid(-u)`` as ``1 - sigmoid(u)`` where both stand in a sum."""
    found = {f: None for t in x.inputs for f in _factors(t) if f.op.name == "sigmoid"}
    for f in found:
        mirrored = node(f.op, (_times(-ONE, f.inputs[0]),))
        if mirrored in found and split(f.inputs[0])[0] < 0:
            other = rebuild(node(lookup("sub"), (constant_node(1, x.type.dtype), mirrored)))
            terms = [_with_factor(t, f, other) for t in x.inputs]
            total = rebuild(node(lookup("add"), tuple(terms)))
            yield expanded(total) or total if total.op.name == "add" else total, []


def _factors(x: Node) -> tuple[Node, ...]:
    return x.inputs if x.op.name == "mul" else (x,)


def _with_factor(x: Node, old: Node, new: Node) -> Node:
    if x is old:
        return new
    if x.op.name != "mul" or old not in x.inputs:
        return x
    return rebuild(node(x.op, tuple(new if f is old else f for f in x.inputs)))

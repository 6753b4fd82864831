"""Sums made shorter: common factors taken out, small products multiplied out where terms then cancel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product as every_choice

from ..graph import Node, lookup, node
from ..ops.contraction import einsum_node, label_sizes
from .canonical import Product, build_sum, rebuild
from .products import reduce_einsum
from .terms import ONE, number_of, split

Term = tuple[Fraction, Node | None]
MOST_TERMS = 60


def factored(x: Node) -> Iterator[Node]:
    """The sum `x` with a common factor of some of its terms taken out, once for each such factor."""
    terms = [split(t) for t in x.inputs]
    if len(terms) > MOST_TERMS:
        return
    uses: dict[tuple[str, object], list[int]] = {}
    for k, (_, base) in enumerate(terms):
        for how in dict.fromkeys(reversed(_handles(base))):
            uses.setdefault(how, []).append(k)
    for how, where in uses.items():
        if len(where) > 1:
            result = _take_out(x, terms, how, where)
            if result is not None and result.type == x.type:
                yield result


def _handles(base: Node | None) -> list[tuple[str, object]]:
    """The factors of a term that could be taken out: of products and quotients, and operands of two-factor einsums."""
    if base is None:
        return []
    if base.op.name == "einsum" and len(base.inputs) >= 2:
        return [("einsum", (i, _connection(base, k))) for k, i in enumerate(base.inputs) if i.op.name != "delta"]
    above = base.inputs[0] if base.op.name == "div" else base
    found: list[tuple[str, object]] = [("above", _base(f)[0]) for f in _factors(above) if number_of(f) is None]
    if base.op.name == "div":
        found += [("below", f) for f in _factors(base.inputs[1]) if number_of(f) is None]
    return found


def _factors(x: Node) -> tuple[Node, ...]:
    return x.inputs if x.op.name == "mul" else (x,)


def _base(f: Node) -> tuple[Node, int]:
    if f.op.name == "pow" and (k := number_of(f.inputs[1])) is not None and k.denominator == 1 and k > 0:
        return f.inputs[0], int(k)
    return f, 1


def _connection(x: Node, k: int) -> tuple[object, ...]:
    """How operand `k` of an einsum is tied to the result: for each of its axes the axis of the result, or None."""
    labels, out, _ = x.params
    place = {label: p for p, label in enumerate(out)}
    own = labels[k]
    return (*(place.get(label) for label in own), len(place), len(set(own)) == len(own))


def _take_out(x: Node, terms: Sequence[Term], how: tuple[str, object], where: Sequence[int]) -> Node | None:
    kind, what = how
    others: list[Term] = [t for k, t in enumerate(terms) if k not in where]
    chosen = [terms[k] for k in where]
    if kind == "einsum":
        inner = _einsum_out(chosen, what)  # type: ignore[arg-type]
        return None if inner is None else build_sum([*others, inner], x.type)
    assert isinstance(what, Node)
    rests = []
    for c, base in chosen:
        assert base is not None
        p = Product()
        p.number = c
        p.take(base, 1, True)
        p.take(what, -1 if kind == "above" else 1, True)
        for side, opposite in ((p.above, p.below), (p.below, p.above)):
            if what in side and what in opposite:
                least = min(side[what], opposite[what])
                for s in (side, opposite):
                    s[what] -= least
                    if not s[what]:
                        del s[what]
        rests.append(p.build(base.type))
    total = rebuild(node(lookup("add"), tuple(rests)))
    whole = rebuild(node(lookup("mul" if kind == "above" else "div"), (total, what)))
    return build_sum([*others, split(whole)], x.type)


def _einsum_out(chosen: Sequence[Term], what: tuple[Node, tuple[object, ...]]) -> Term | None:
    """Einsums that share an operand as the einsum of that operand and the sum of the rests, times their number."""
    shared, connection = what
    sizes_of_numbers = {abs(c) for c, _ in chosen}
    number = sizes_of_numbers.pop() if len(sizes_of_numbers) == 1 else ONE
    rests: list[Node] = []
    first: tuple[list[int], list[int], list[int], dict[int, object]] | None = None
    for c, base in chosen:
        assert base is not None
        labels, out, extra = base.params
        k = next(k for k, i in enumerate(base.inputs) if i is shared and _connection(base, k) == connection)
        if extra or not connection[-1]:
            return None
        own = list(labels[k])
        sizes = label_sizes(base)
        used = {label for i, ls in enumerate(labels) if i != k for label in ls}
        order = [label for label in [*(q for q in own if q not in out), *out] if label in used]
        if any(label not in used and label not in own for label in out):
            return None
        operands = [i for n, i in enumerate(base.inputs) if n != k]
        rest = reduce_einsum(operands, [ls for n, ls in enumerate(labels) if n != k], order, {}, base.type.dtype,
                             [True] * len(operands))  # fmt: skip
        if rest.type.shape != tuple(sizes[label] for label in order):
            return None
        d, r = split(rest)
        rests.append(build_sum([(c * d / number, r)], rest.type))
        place = {label: p for p, label in enumerate(out)}
        signature = [place[label] if label in place else -1 - own.index(label) for label in order]
        if first is None:
            first = (own, order, list(out), {"signature": signature, **sizes})  # type: ignore[dict-item]
        elif first[3]["signature"] != signature:  # type: ignore[index]
            return None
    assert first is not None
    own, order, out, _ = first
    total = rebuild(node(lookup("add"), tuple(rests)))
    c, base = split(rebuild(einsum_node([shared, total], [own, order], out, {})))
    return c * number, base


def expanded(x: Node) -> Node | None:
    """The sum `x` with small products of sums multiplied out, or None if it has none."""
    terms: list[Term] = []
    changed = False
    for t in x.inputs:
        c, base = split(t)
        parts = None if base is None else _multiplied_out(base)
        if parts is None:
            terms.append((c, base))
        else:
            changed = True
            terms += [(c * d, b) for d, b in parts]
    return build_sum(terms, x.type) if changed and len(terms) <= MOST_TERMS else None


def _multiplied_out(x: Node) -> list[Term] | None:
    """The terms of a product of sums, elementwise."""
    if x.op.name not in ("mul", "pow", "add"):
        return None
    factors: list[Node] = []
    for f in _factors(x):
        base, k = _base(f)
        factors += [base] * k if k <= 3 and base.op.name == "add" else [f]
    if not any(f.op.name == "add" and f.type.shape == x.type.shape for f in factors):
        return None
    sums = [f.inputs if f.op.name == "add" else (f,) for f in factors]
    count = 1
    for s in sums:
        count *= len(s)
    if count > 24:
        return None
    return [
        split(rebuild(node(lookup("mul"), choice)) if len(choice) > 1 else choice[0]) for choice in every_choice(*sums)
    ]

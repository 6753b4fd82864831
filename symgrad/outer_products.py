"""Outer products are formed last: a pass from graph to graph before products are re-associated.

The second derivative of a network with respect to its first layer is ``x[j] * x[l] * H[i, k]``: the input is an outer
factor that differentiation brings in first, at the innermost of a chain of products and masks (``W @ mask(c, V * x)``).
Carried along, it would make every product of the chain longer by its size.  A factor whose axes nothing else has
passes through masks, quotients and sums that are alike along those axes, and through products, until something else
reads them.

It passes a mask only where a contraction follows: there the elements that a mask sets to zero are summed with others
anyway, as wherever products are re-associated; a masked outer product itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compiler.records import record
from .compiler.types import Dim
from .graph import Node, node, postorder
from .ops.contraction import einsum_node, label_sizes

Labels = tuple[int, ...]


@record(frozen=True, slots=True)
class Outer:
    """An array as the outer product of `core` and `factor`; `axes` are those of the factor in the array, counted from
    the right as negative numbers, the core has the others in order; `contracted` is the number of contractions on the
    way."""

    core: Node
    factor: Node
    axes: Labels
    contracted: bool


def pull_outer_factors(roots: Sequence[Node]) -> list[Node]:
    """`roots` with outer factors taken out of chains of products, masks and sums."""
    new, _ = _pulled(roots)
    return [new[root] for root in roots]


def outer_product(x: Node) -> Outer | None:
    """How `x` is an outer product of two arrays, None if it is not seen to be one."""
    _, outer = _pulled([x])
    return outer.get(x)


def _pulled(roots: Sequence[Node]) -> tuple[dict[Node, Node], dict[Node, Outer]]:
    """What every node becomes, and those that are outer products."""
    new: dict[Node, Node] = {}
    outer: dict[Node, Outer] = {}
    for x in postorder(roots):
        found = _outer(x, new, outer)
        if found is not None:
            outer[x] = found
        if found is not None and found.contracted:
            new[x] = _whole(x, found)
        else:
            inputs = tuple(new[i] for i in x.inputs)
            same = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
            new[x] = x if same else node(x.op, inputs, x.params)
    return new, outer


def _outer(x: Node, new: dict[Node, Node], outer: dict[Node, Outer]) -> Outer | None:
    """How `x` is an outer product, None if it is none."""
    if x.op.name == "einsum":
        return _of_einsum(x, new, outer)
    if x.op.name == "mask" and x.inputs[1] in outer and x.inputs[1].type.shape == x.type.shape:
        return _elementwise(x, new, outer, [x.inputs[1]])
    if x.op.name == "add" and all(i in outer for i in x.inputs):
        return _elementwise(x, new, outer, x.inputs)
    if x.op.name == "div" and x.inputs[0] in outer and x.inputs[0].type.shape == x.type.shape:
        return _elementwise(x, new, outer, [x.inputs[0]])
    if x.op.name == "mul" and sum(i in outer for i in x.inputs) == 1:
        return _elementwise(x, new, outer, [i for i in x.inputs if i in outer])
    return None


def _elementwise(x: Node, new: dict[Node, Node], outer: dict[Node, Outer], holders: Sequence[Node]) -> Outer | None:
    """The operation on cores, if all `holders` have one factor at one place and the other operands do not vary
    there."""
    for first in _turns(holders[0], outer):
        alike: dict[Node, Outer] = {}
        for i in holders:
            for turned in _turns(i, outer):
                if (turned.factor, turned.axes) == (first.factor, first.axes):
                    alike[i] = turned
        others = [i for i in x.inputs if i not in holders]
        if len(alike) == len({*holders}) and not any(_varies(i, first.axes) for i in others):
            inputs = tuple(alike[i].core if i in alike else _reduced(i, new[i], first.axes) for i in x.inputs)
            core = node(x.op, inputs, x.params)
            if core.type.shape == _rest(x, first.axes):
                return Outer(core, first.factor, first.axes, all(part.contracted for part in alike.values()))
    return None


def _turns(x: Node, outer: dict[Node, Outer]) -> list[Outer]:
    """The outer product with the one part or the other as its factor."""
    found = outer[x]
    rest = tuple(a for a in range(-len(x.type.shape), 0) if a not in found.axes)
    if found.axes != tuple(sorted(found.axes)):
        return [found]
    return [found, Outer(found.factor, found.core, rest, found.contracted)]


def _varies(x: Node, axes: Labels) -> bool:
    return any(-a <= len(x.type.shape) and x.type.shape[a] != 1 for a in axes)


def _rest(x: Node, axes: Labels) -> tuple[Dim, ...]:
    return tuple(n for a, n in zip(range(-len(x.type.shape), 0), x.type.shape, strict=True) if a not in axes)


def _reduced(x: Node, planned: Node, axes: Labels) -> Node:
    """`planned`, which stands for `x`, without its unit axes at `axes`."""
    rank = len(x.type.shape)
    kept = [a for a in range(-rank, 0) if a not in axes]
    return planned if len(kept) == rank else einsum_node([planned], [range(-rank, 0)], kept, {})


def _of_einsum(x: Node, new: dict[Node, Node], outer: dict[Node, Outer]) -> Outer | None:
    """An outer factor among the operands, or one of an operand whose axes the others do not have."""
    labels, out, _ = x.params
    used = [k for ls in labels for k in ls]
    summed = any(k not in out for k in used)
    for p, (i, ls) in enumerate(zip(x.inputs, labels, strict=True)):
        if i.op.name == "delta":
            continue
        others = [(new[j], ms) for q, (j, ms) in enumerate(zip(x.inputs, labels, strict=True)) if q != p]
        turns: list[Outer | None] = [*_turns(i, outer)] if i in outer else [None]
        for found in turns:
            own = ls if found is None else tuple(ls[a] for a in found.axes)
            pairs = others if found is None else [*others, (found.core, _without(ls, found.axes))]
            if not own or any(k not in out or used.count(k) != 1 for k in own) or not any(ms for _, ms in pairs):
                continue
            kept = tuple(k for k in out if k not in own)
            nodes, places = [y for y, _ in pairs], [ms for _, ms in pairs]
            body = (
                nodes[0] if len(nodes) == 1 and places[0] == kept else einsum_node(nodes, places, kept, label_sizes(x))
            )
            axes = tuple(out.index(k) - len(out) for k in own)
            factor = new[i] if found is None else found.factor
            return Outer(body, factor, axes, found is not None and (found.contracted or summed))
    return None


def _without(labels: Labels, axes: Labels) -> Labels:
    return tuple(k for a, k in zip(range(-len(labels), 0), labels, strict=True) if a not in axes)


def _whole(x: Node, found: Outer) -> Node:
    """The outer product itself."""
    rank = len(x.type.shape)
    own = [a + rank for a in found.axes]
    return einsum_node([found.core, found.factor], [[k for k in range(rank) if k not in own], own], range(rank), {})


__all__ = ["Outer", "outer_product", "pull_outer_factors"]

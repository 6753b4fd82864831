"""Very large graphs: they stay as they were written but for the stable forms of functions and for long chains.

What has tens of thousands of operations was written by a program, which shares what it computes; collecting like terms
there takes long, and multiplies shared products out into what uses them.  The compiler's tapes do the rest.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from ..graph import Node, consumer_counts, node
from .canonical import STEPS, chain, rebuild
from .chains import operands, whole_chains
from .pattern import Part, parts_of, reachable
from .settling import remembering, settle
from .stable import STABLE


def settled_functions(order: Sequence[Node], roots: Sequence[Node]) -> list[Node]:
    """`roots` with the stable forms of functions; of arithmetic only long chains are gathered."""
    if all(root in _settled for root in roots):
        return list(roots)
    counts = consumer_counts(order)
    links = whole_chains(order, counts, roots)
    new: dict[Node, Node] = {}
    with remembering() as remember:
        for x in order:
            if x in links:
                continue
            if not links.isdisjoint(x.inputs):
                new[x] = remember(chain(x, [(new[i], False, sign) for i, sign in operands(x, links)]))
                continue
            inputs = tuple([new[i] for i in x.inputs])
            y = x if inputs == x.inputs else node(x.op, inputs, x.params)
            new[x] = remember(y if x.op.name in STEPS or not inputs else _settled_function(y))
    results = [new[root] for root in roots]
    _settled.update(results)
    return results


_settled: weakref.WeakSet[Node] = weakref.WeakSet()
"""Results of `settled_functions`, which it would give back as they are."""


def _settled_function(x: Node) -> Node:
    """`x`, a function of what need not be canonical, in its stable form; `x` itself where no rule fires."""
    reach = reachable(x)
    reach |= {"add", "mul"} if "sub" in reach else {"mul"} if "neg" in reach else set()
    tried = STABLE.tried(x.op.name, frozenset(reach), True)
    if not any(e.near for e in tried):
        parts = _written(parts_of(x))
        if not any(e.rule is not None and e.rule.parts() <= parts for e in tried):
            return x
    inputs = [rebuild(node(i.op, tuple(map(rebuild, i.inputs)), i.params)) if i.inputs else i for i in x.inputs]
    local = rebuild(node(x.op, tuple(inputs), x.params))
    result = STABLE.normalise(local, rebuild, quick=True)
    return x if result is local else settle(result)


def _written(parts: set[Part]) -> set[Part]:
    """The parts that a node has when its differences and negatives are sums and products."""
    found = set(parts)
    for part in parts:
        if not isinstance(part, tuple):
            found.update(SUMS_AND_PRODUCTS.get(part, ()))
            continue
        above, below = part
        for one in SUMS_AND_PRODUCTS.get(above, (above,)):
            found.update((one, other) for other in SUMS_AND_PRODUCTS.get(below, (below,)))
        if above == "sub":
            found.add(("add", "mul"))
    if "neg" in parts:
        found.add(("mul", -1.0))
    return found


SUMS_AND_PRODUCTS: dict[str | float, tuple[str, ...]] = {"sub": ("add",), "neg": ("mul",)}

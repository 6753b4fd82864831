"""Long chains of sums, or of products and quotients, of which each link is used by the next alone.

Step by step every link would copy all operands below it, which is quadratic in the length; 5000 terms written with +
and the derivative of a function applied 100 000 times to itself are such chains.  So their upper links are taken
together: the last one gathers the operands of all.  Only upper links: each of what is left has at most LINK operands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..graph import Node

LINK = 32
FAMILIES: dict[str, tuple[str, tuple[int, ...]]] = {
    "add": ("sum", (1,)), "sub": ("sum", (1, -1)), "neg": ("sum", (-1,)),
    "mul": ("product", (1,)), "div": ("product", (1, -1)),
}  # fmt: skip
"""The operations that form chains with one another, and how each operand enters: by its sign or power."""


def upper_links(order: Sequence[Node], counts: Mapping[Node, int], roots: Iterable[Node]) -> set[Node]:
    """The nodes that their one consumer, of the same family, takes with it."""
    consumer = {i: x for x in order for i in x.inputs if counts[i] == 1}
    kept = set(roots)
    width: dict[Node, int] = {}
    links: set[Node] = set()
    for x in order:
        family = _family(x)
        if family is None:
            continue
        width[x] = sum(width[i] if counts[i] == 1 and _family(i) == family else 1 for i in x.inputs)
        if width[x] > LINK and x not in kept and counts.get(x) == 1 and _family(consumer[x]) == family:
            links.add(x)
    return links


def whole_chains(order: Sequence[Node], counts: Mapping[Node, int], roots: Iterable[Node]) -> set[Node]:
    """The links of all chains that have upper links, down to their first ones."""
    links = upper_links(order, counts, roots)
    kept = set(roots)
    for x in reversed(order) if links else ():
        family = _family(x)
        if x in links or not links.isdisjoint(x.inputs):
            links.update(i for i in x.inputs if counts[i] == 1 and i not in kept and _family(i) == family)
    return links


def _family(x: Node) -> str | None:
    found = FAMILIES.get(x.op.name)
    return None if found is None or x.type.dtype == "bool" else found[0]


def operands(x: Node, links: set[Node]) -> list[tuple[Node, int]]:
    """The operands of `x` and of the links below it, left to right, with their signs or powers."""
    found: list[tuple[Node, int]] = []
    pending = [(x, 1)]
    while pending:
        y, sign = pending.pop()
        if y is not x and y not in links:
            found.append((y, sign))
            continue
        signs = FAMILIES[y.op.name][1]
        pending += [(i, sign * signs[min(k, len(signs) - 1)]) for k, i in reversed(list(enumerate(y.inputs)))]
    return found


__all__ = ["FAMILIES", "LINK", "operands", "upper_links", "whole_chains"]

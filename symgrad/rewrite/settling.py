"""Bringing what a rule built to stable canonical form, at a cost of what it built alone.

Every input of a node at which a rule fires is canonical and stable already and is remembered as such; only the nodes
that the rule made are visited.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..expression import Expr
from ..graph import Node


class Settled:
    """A set of nodes that does not keep them, and as long as `remembering` lasts one that does."""

    def __init__(self) -> None:
        self._lasting: weakref.WeakSet[Node] = weakref.WeakSet()
        self._passing: tuple[set[Node], ...] = ()

    def __contains__(self, x: object) -> bool:
        for known in self._passing:  # a generator would take three times as long
            if x in known:
                return True
        return x in self._lasting

    def add(self, x: Node) -> None:
        """Takes `x` for settled from now on."""
        self._lasting.add(x)

    @contextmanager
    def remembering(self) -> Iterator[Callable[[Node], Node]]:
        """Within, the nodes that the given function gets (and gives back) are taken for settled.

        What is left out for the size of a graph must not be left out of what is canonicalised after it."""
        known: set[Node] = set()

        def remember(x: Node) -> Node:
            known.add(x)
            return x

        self._passing = (*self._passing, known)
        try:
            yield remember
        finally:
            self._passing = tuple(s for s in self._passing if s is not known)


SETTLED = Settled()
remembering = SETTLED.remembering


def canonical(x: Expr) -> Node:
    """The stable canonical form of what a rule built."""
    return settle(x.node)


def fitting(x: Node, result: Expr) -> Node | None:
    """The stable canonical form of `result` if it is of the type of `x`."""
    return settle(result.node) if result.type == x.type else None


def settle(root: Node) -> Node:
    """The stable canonical form of `root`, whose settled inputs are taken as they are."""
    from .canonical import canonical_node, rebuild
    from .stable import stabilise

    new: dict[Node, Node] = {}
    for x in _unsettled(root):
        made = canonical_node(x, tuple(new.get(i, i) for i in x.inputs), [True] * len(x.inputs))
        new[x] = stabilise(made, rebuild)
    return new.get(root, root)


def with_settled_inputs(x: Node) -> Node:
    """`x` on the stable forms of those inputs that its canonical form made anew, as the sum inside merged masks."""
    from .canonical import canonical_node

    if all(i in SETTLED or not i.inputs for i in x.inputs):
        return x
    inputs = tuple(settle(i) for i in x.inputs)
    return x if inputs == x.inputs else canonical_node(x, inputs, [True] * len(inputs))


def _unsettled(root: Node) -> list[Node]:
    order: list[Node] = []
    seen = {root}
    stack: list[tuple[Node, Iterator[Node]]] = [] if root in SETTLED else [(root, iter(root.inputs))]
    while stack:
        current, rest = stack[-1]
        for x in rest:
            if x not in seen and x not in SETTLED:
                seen.add(x)
                stack.append((x, iter(x.inputs)))
                break
        else:
            stack.pop()
            order.append(current)
    return order

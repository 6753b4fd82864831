"""The order of the operands of commutative operations: by structure alone.

Two nodes are compared by rank, depth, operation and parameters, then by their inputs from left to right.  Nodes
are interned, so the comparison follows one path down, the first pair of inputs that are not the same object, and needs
neither recursion nor a table; no address, hash or serial number takes part.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key
from operator import attrgetter

from ..graph import Node


def compare(a: Node, b: Node) -> int:
    """Negative, zero or positive as `a` stands before, is, or stands after `b`."""
    while a is not b:
        if a.depth != b.depth:
            return a.depth - b.depth
        ranks = len(a.type.shape), len(b.type.shape)
        if ranks[0] != ranks[1]:
            return ranks[0] - ranks[1]
        if a.op is not b.op:
            return -1 if a.op.name < b.op.name else 1
        if a.params != b.params:
            first, second = repr(a.params), repr(b.params)
            if first != second:
                return -1 if first < second else 1
        if len(a.inputs) != len(b.inputs):
            return len(a.inputs) - len(b.inputs)
        pair = next(((x, y) for x, y in zip(a.inputs, b.inputs, strict=True) if x is not y), None)
        if pair is None:
            return -1 if str(a.type) < str(b.type) else 1
        a, b = pair
    return 0


key = cmp_to_key(compare)


_depth = attrgetter("depth")


def ordered(nodes: Iterable[Node]) -> list[Node]:
    """`nodes` in structural order."""
    found = sorted(nodes, key=_depth)
    start = 0
    while start < len(found):
        stop = start + 1
        while stop < len(found) and found[stop].depth == found[start].depth:
            stop += 1
        if stop - start > 1:
            found[start:stop] = sorted(found[start:stop], key=key)
        start = stop
    return found

"""The reference meaning of a graph: numbers in NumPy, node by node, in the order of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import OutOfMemory
from .expression import symbol_name
from .graph import Node, postorder


def run(roots: Sequence[Node], values: Mapping[Node, Any], sizes: Mapping[str, int]) -> list[Any]:
    """The values of `roots` where `values` are those of the symbols and `sizes` the numbers of the size names.

    Intermediate arrays are freed after their last use.  Raises KeyError for a symbol without value."""
    order = postorder(roots)
    last: dict[Node, int] = {}
    for k, x in enumerate(order):
        for i in x.inputs:
            last[i] = k
    kept = set(roots)
    known: dict[Node, Any] = {}
    for k, x in enumerate(order):
        if x.op.name == "symbol":
            if x not in values:
                raise KeyError(symbol_name(x))
            known[x] = values[x]
        else:
            try:
                known[x] = x.op.evaluate([known[i] for i in x.inputs], x.params, sizes)
            except MemoryError as error:
                raise OutOfMemory(f"{x.op.name}: {x.type} does not fit into memory: {error}") from None
        for i in x.inputs:
            if last[i] == k and i not in kept:
                known.pop(i, None)
    return [np.asarray(known[root]) for root in roots]

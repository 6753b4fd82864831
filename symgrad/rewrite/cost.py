"""What a formula costs to read: the length it prints at, estimated node by node.

The estimate counts characters of the formula written out, without names for shared parts; it is a sum over inputs, so it is known for
every node of a graph in linear time and is compared where two forms of one node are weighed.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import Node, postorder
from .terms import number_of

OPERATOR = {"add": 3, "mul": 1, "div": 1, "pow": 2, "neg": 1, "less": 3, "greater": 3, "equal": 4, "not_equal": 4}
TIGHT = {"mul": ("add",), "div": ("add", "div", "mul"), "pow": ("add", "mul", "div", "pow")}


class Lengths:
    """The estimated lengths of nodes, each found once."""

    def __init__(self) -> None:
        self._known: dict[Node, int] = {}

    def __call__(self, x: Node) -> int:
        if x not in self._known:
            for n in postorder([x]):
                if n not in self._known:
                    self._known[n] = own_length(n, self._known)
        return self._known[x]


def own_length(x: Node, known: Mapping[Node, int]) -> int:
    """The length of `x` when the lengths of its inputs are known."""
    name = x.op.name
    if name == "symbol":
        return len(str(x.params[0]))
    if name == "constant":
        value = number_of(x)
        return len(f"{float(value):g}") if value is not None else 8
    if name == "size":
        return len(str(x.params[0]))
    total = sum(known[i] for i in x.inputs)
    if name in OPERATOR:
        gaps = OPERATOR[name] * (len(x.inputs) - 1)
        brackets = 2 * sum(i.op.name in TIGHT.get(name, ()) for i in x.inputs)
        signs = sum(name == "mul" and number_of(i) == -1 for i in x.inputs) * -2
        return total + gaps + brackets + signs
    if name == "einsum":
        return total + 3 * len(x.inputs) + 2 * sum(len(i.inputs) > 1 for i in x.inputs)
    if name == "delta":
        return 6
    if name in ("slice", "unslice"):
        return total + 4 * len(x.params[0])  # type: ignore[arg-type]
    return total + len(name) + 2 * max(len(x.inputs), 1)

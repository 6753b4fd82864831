"""What a formula costs to read: the length it prints at, estimated node by node, and among equals its operations.

The estimate counts characters of the formula written out, without names for shared parts; it is a sum over inputs, so
it is known for every node of a graph in linear time and is compared where two forms of one node are weighed.
"""

from __future__ import annotations

from ..graph import Node, postorder
from .terms import number_of

CHARACTER = 64
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
                    self._known[n] = CHARACTER * own_length(n) + bool(n.inputs) + sum(self._known[i] for i in n.inputs)
        return self._known[x]


def own_length(x: Node) -> int:
    """The characters that `x` adds to those of its inputs."""
    name = x.op.name
    if name in ("symbol", "size"):
        return len(str(x.params[0]))
    if name == "constant":
        value = number_of(x)
        return len(f"{float(value):g}") if value is not None else 8
    if name in OPERATOR:
        gaps = OPERATOR[name] * (len(x.inputs) - 1)
        brackets = 2 * sum(i.op.name in TIGHT.get(name, ()) for i in x.inputs)
        signs = sum(name == "mul" and number_of(i) == -1 for i in x.inputs) * -2
        return gaps + brackets + signs
    if name == "einsum":
        return 3 * len(x.inputs) + 2 * sum(len(i.inputs) > 1 for i in x.inputs)
    if name == "delta":
        return 6
    if name in ("slice", "unslice"):
        return 4 * len(x.params[0])
    return len(name) + 2 * max(len(x.inputs), 1)

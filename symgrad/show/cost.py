"""What a formula costs to read: the length it prints at, estimated node by node, and among equals its operations.

The estimate counts characters of the formula written out, without names for shared parts; it is a sum over inputs, so
it is known for every node of a graph in linear time and is compared where two forms of one node are weighed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..build import symbol
from ..compiler.types import ArrayType
from ..graph import Node, Params, postorder
from ..ops.contraction import einsum_node
from ..rewrite.assumptions import unvisited
from ..rewrite.ordinary import is_ordinary
from ..rewrite.short_matrices import is_entangled, is_quotient_by_rows
from ..rewrite.terms import ONE, number_of, split
from .text import text

CHARACTER = 64
STRANGE, KNOWN = 60, 6
"""What the name of an operation that stands for another formula costs a reader, if few or some know it."""
ENTANGLED = 200
"""What a product costs a reader that is better multiplied out, such as ``(eye(n) - s[:, None])*s``."""
OPERATOR = {"add": 3, "mul": 1, "div": 1, "pow": 2, "neg": 1, "less": 3, "greater": 3, "equal": 4, "not_equal": 4}
TIGHT = {"mul": ("add",), "div": ("add", "div", "mul"), "pow": ("add", "mul", "div", "pow")}


class Lengths:
    """The estimated lengths of nodes, each found once."""

    def __init__(self) -> None:
        self._known: dict[Node, int] = {}

    def __call__(self, x: Node) -> int:
        for n in unvisited([x], self._known):
            self._known[n] = CHARACTER * own_length(n) + bool(n.inputs) + sum(self._known[i] for i in n.inputs)
        return self._known[x]


def own_length(x: Node) -> int:
    """The characters that `x` adds to those of its inputs; names that no reader knows count as long ones."""
    return _characters(x) + strangeness(x)


def strangeness(x: Node) -> int:
    """What reading `x` costs beside its characters, in characters."""
    if not is_ordinary(x):
        order = x.params[0] if x.params else 0
        times = 1 + 2 * max(order, 0) if isinstance(order, int) else 1
        return KNOWN if x.op.name in ("expm1", "log1p") else STRANGE * times
    if x.op.name in ("mul", "div", "einsum") and len(x.type.shape) > 1:
        odd = any(is_entangled(x, k) for k in range(len(x.inputs)))
        return ENTANGLED * (odd or (x.op.name == "einsum" and any(map(is_quotient_by_rows, x.inputs))))
    return 0


def _characters(x: Node) -> int:
    name = x.op.name
    if not is_ordinary(x):
        return len(name)
    if name in ("symbol", "size"):
        return len(str(x.params[0]))
    if name == "constant":
        value = number_of(x)
        return len(f"{float(value):g}") if value is not None else 8
    if name in OPERATOR:
        gaps = OPERATOR[name] * (len(x.inputs) - 1)
        if name == "add" and any(_is_negative(i) for i in x.inputs):
            # The sign between two terms is that of the second; one in front stands alone.
            gaps -= sum(map(_is_negative, x.inputs)) - all(map(_is_negative, x.inputs))
        if name == "pow" and (number_of(x.inputs[1]) or ONE).denominator > 1:
            gaps += 2  # sqrt(x) is read more easily than x**0.5
        brackets = 2 * sum(i.op.name in TIGHT.get(name, ()) for i in x.inputs)
        signs = sum(name == "mul" and number_of(i) == -1 for i in x.inputs) * -2
        if name == "div" and x.inputs[1].op.name == "size" and _is_total(x.inputs[0]):
            gaps -= 2  # sum(x)/n is written mean(x)
        return gaps + brackets + signs
    if name == "einsum":
        if len(x.inputs) == 1 and x.inputs[0].op.name == "solve" and x.inputs[0].type.shape[-1] == 1:
            return -len("[:, None]")  # the solution for a vector is written without the axis of columns
        if len(x.inputs) == 1 and x.inputs[0].op.name == "cast" and x.inputs[0].inputs[0].type.dtype == "bool":
            return len("sum()") if x.type.dtype == "i64" else len('sum(astype(, "f64"))')
        loose = sum(i.op.name == "add" for i in x.inputs) if len(x.inputs) > 1 or _keeps_axes(x.params) else 0
        return _signs_of_einsum(x.params, tuple(i.type for i in x.inputs)) + 2 * loose
    if name == "delta":
        return 6
    if name == "cast":
        return 2
    if name in ("slice", "unslice"):
        return 4 * len(x.params[0])
    return len(name) + 2 * max(len(x.inputs), 1)


def _keeps_axes(params: Params) -> bool:
    """Whether an array product sums over nothing: a transpose is written behind parentheses, a sum within its own."""
    labels: Any
    out: Any
    labels, out, _ = params
    return {label for ls in labels for label in ls} <= set(out)


def _is_negative(x: Node) -> bool:
    return split(x)[0] < 0


@lru_cache(maxsize=4096)
def _signs_of_einsum(params: Params, types: tuple[ArrayType, ...]) -> int:
    """The characters of an array product of operands with names of one letter, without these."""
    operands = [symbol(chr(ord("A") + k % 26), t).node for k, t in enumerate(types)]
    labels, out, extra = params
    shown = text(einsum_node(operands, labels, out, dict(extra)))
    return len(shown) - sum(shown.count(str(x.params[0])) for x in operands)


def _is_total(x: Node) -> bool:
    """Whether a product has a factor that is a sum over axes."""
    factors = x.inputs if x.op.name == "mul" else (x,)
    return any(f.op.name == "einsum" and len(f.inputs) == 1 and len(f.params[1]) < len(f.params[0][0]) for f in factors)


def operations(x: Node) -> int:
    """How many operations the formula applies, each distinct one once."""
    return sum(bool(n.inputs) for n in postorder([x]))


COSTS: dict[str, Callable[[], Callable[[Node], int]]] = {"length": Lengths, "operations": lambda: operations}
"""The costs that `simplify` may be asked to lower, by name."""


def reading(nodes: Sequence[Node], length: int) -> int:
    """The cost of a text of `length` characters: these and the strange names in it."""
    return length + sum(strange for n in postorder(nodes) if (strange := strangeness(n)) > KNOWN)

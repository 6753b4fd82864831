"""What a formula costs to compute: operations and memory as polynomials in its sizes.

Products of arrays are counted in the order in which they are planned; an elementwise function counts as one operation
per element, a sum of products as a multiplication and an addition per term.  Memory counts the results of all
operations at eight bytes (four for f32), as if nothing were fused: an upper bound that shows what grows with what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .compiler.types import DTYPES, ArrayType, Dim, evaluate, product
from .graph import Node, postorder
from .lowering import expand
from .ops.contraction import label_sizes
from .planning import plan
from .rewrite.canonical import canonicalise

FREE = ("symbol", "constant", "size", "slice", "reshape", "delta", "iota", "stop_gradient")
"""Operations that compute nothing: leaves, and those that only say where elements are."""


@dataclass(frozen=True)
class Cost:
    """Operations, bytes read (the symbols) and bytes of results, as polynomials in the sizes."""

    operations: Dim
    inputs: Dim
    results: Dim

    def __str__(self) -> str:
        return f"{self.operations} operations, {self.inputs} bytes of inputs, {self.results} bytes of results"

    __repr__ = __str__

    def at(self, **sizes: int) -> tuple[int, int, int]:
        """The numbers for given sizes."""
        return evaluate(self.operations, sizes), evaluate(self.inputs, sizes), evaluate(self.results, sizes)


def cost(roots: Sequence[Node], sizes: Mapping[str, int] | None = None) -> Cost:
    """The cost of computing `roots` together; `sizes` are likely numbers by which products are ordered."""
    planned = plan(expand(canonicalise(roots)), sizes)
    operations: Dim = 0
    inputs: Dim = 0
    results: Dim = 0
    for x in postorder(planned):
        operations = operations + _operations(x)
        if x.op.name == "symbol":
            inputs = inputs + _bytes(x.type)
        elif x.op.name not in FREE:
            results = results + _bytes(x.type)
    return Cost(operations, inputs, results)


def _bytes(type_: ArrayType) -> Dim:
    return DTYPES[type_.dtype].itemsize * product(type_.shape)


def _operations(x: Node) -> Dim:
    if x.op.name in FREE:
        return 0
    if x.op.name == "einsum":
        sizes = label_sizes(x)
        factors = sum(i.op.name != "delta" for i in x.inputs)
        summed = any(k not in x.params[1] for k in sizes)
        return product(tuple(sizes.values())) * (factors - 1 + summed)
    count = max(1, len(x.inputs) - 1) if x.op.name in ("add", "mul") else 1
    largest = max((i.type for i in (x, *x.inputs)), key=lambda t: t.rank)
    return product(largest.shape) * count

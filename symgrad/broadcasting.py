"""Formulas of scalars over arrays, like NumPy's ufuncs: arguments broadcast against one another, and the formula is
computed for all points along one more axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from .arguments import Array, describe
from .compiler.records import record
from .compiler.types import ArrayType, Dim, named
from .errors import ArgumentError, SymgradError
from .expression import Expr
from .graph import Node, node, postorder
from .ops.contraction import broadcast_to, einsum_node, label_sizes
from .ops.elementwise import lower_elementwise, widen

POINTS = named("points")
Ranks = tuple[int, ...]


@record(frozen=True, slots=True)
class Points:
    """Arguments broadcast against one another: one axis of all points, or a number that is the same at every point."""

    shape: tuple[int, ...]
    arrays: tuple[Array, ...]
    many: tuple[bool, ...]

    @property
    def count(self) -> int:
        """The number of points."""
        return prod(self.shape)


def spread(labels: Sequence[str], arrays: Sequence[Array]) -> Points:
    """`arrays` broadcast by NumPy's rules.  Raises ArgumentError for shapes that do not fit."""
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        shown = ", ".join(f"{label} is {describe(a)}" for label, a in zip(labels, arrays, strict=True) if a.ndim)
        raise ArgumentError(f"the arguments do not broadcast: {shown}") from None
    many = tuple(a.ndim > 0 and (a.size != 1 or prod(shape) == 1) for a in arrays)
    flat = [
        np.ascontiguousarray(np.broadcast_to(a, shape)).reshape(-1) if varies else a.reshape(())
        for a, varies in zip(arrays, many, strict=True)
    ]
    return Points(shape, tuple(flat), many)


def ranks_of(values: Sequence[Any]) -> Ranks:
    """The number of axes of each argument: none for all that is no array."""
    return tuple([v.ndim if isinstance(v, np.ndarray) else 0 for v in values])


def alike(points: Points, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether every argument is a number or an array of the shape of the result, so that nothing is broadcast."""
    return all(
        shape == points.shape if varies else shape == () for shape, varies in zip(shapes, points.many, strict=True)
    )


def over_points(roots: Sequence[Node], symbols: Sequence[Node], many: Sequence[bool]) -> tuple[list[Node], list[Node]]:
    """`roots` over points along one leading axis, where only the symbols marked in `many` differ from point to point;
    also the new symbols.  Raises ArgumentError for an operation that cannot be done for all points at once."""
    varying = [x for x, varies in zip(symbols, many, strict=True) if varies]
    new = {x: node(x.op, (), (x.params[0], _at_points(x.type))) for x in varying}
    found = [_repeated(y, root.type, POINTS) for y, root in zip(batched(roots, new, POINTS), roots, strict=True)]
    return found, [new.get(x, x) for x in symbols]


def _at_points(type_: ArrayType) -> ArrayType:
    return ArrayType(type_.dtype, (POINTS, *type_.shape))


def batched(roots: Sequence[Node], replaced: Mapping[Node, Node], size: Dim) -> list[Node]:
    """`roots` with nodes replaced by others that have one more leading axis, of the given size: the same graph for
    every position along it.  What does not depend on them stays as it is.

    Operations act on trailing axes and broadcast over leading ones, so most nodes are made again as they were."""
    new = dict(replaced)
    for x in postorder(roots):
        if x not in new:
            inputs = [new[i] for i in x.inputs]
            same = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
            new[x] = x if same else _batched_node(x, inputs, size)
    return [new[root] for root in roots]


def _batched_node(x: Node, inputs: Sequence[Node], size: Dim) -> Node:
    varies = [i is not old for i, old in zip(inputs, x.inputs, strict=True)]
    if x.op.name == "einsum":
        return _batched_einsum(x, inputs, varies, size)
    if x.op.lower is lower_elementwise or x.op.name == "cast":
        rank = x.type.rank
        aligned = [
            widen(Expr(i), old.type.rank, rank).node if v else i
            for i, old, v in zip(inputs, x.inputs, varies, strict=True)
        ]
        return _repeated(node(x.op, tuple(aligned), x.params), x.type, size)
    repeated = [_repeated(i, old.type, size) for i, old in zip(inputs, x.inputs, strict=True)]
    for chosen in (repeated,) if any(varies[1:]) else (inputs, repeated):
        with suppress(SymgradError):
            result = node(x.op, tuple(chosen), x.params)
            if result.type.shape == (size, *x.type.shape):
                return result
    raise ArgumentError(f"{x.op.name}: cannot be computed for many points at once; call it point by point")


def _batched_einsum(x: Node, inputs: Sequence[Node], varies: Sequence[bool], size: Dim) -> Node:
    labels, out, _ = x.params
    sizes = label_sizes(x)
    new = max(sizes, default=-1) + 1
    used = [(new, *ls) if v else ls for ls, v in zip(labels, varies, strict=True)]
    return einsum_node(inputs, used, (new, *out), {**sizes, new: size})


def _repeated(x: Node, core: ArrayType, size: Dim) -> Node:
    """`x` with the leading axis, if it does not have it yet."""
    return x if x.type.rank > core.rank else broadcast_to(Expr(x), (size, *core.shape)).node


__all__ = ["Points", "Ranks", "alike", "batched", "over_points", "ranks_of", "spread"]

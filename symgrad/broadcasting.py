"""Formulas of scalars over arrays, like NumPy's ufuncs: each scalar argument becomes an axis of points, or stays
one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from .arguments import Array, describe
from .compiler.types import ArrayType, named
from .errors import ArgumentError
from .expression import Expr
from .graph import Node, lookup, node, postorder
from .ops.contraction import broadcast_to

POINTS = named("points")


@dataclass(frozen=True, slots=True)
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


def elementwise(roots: Sequence[Node]) -> bool:
    """Whether every value on the way to `roots` is a scalar, so that points may stand along a leading axis."""
    return all(not x.type.shape for x in postorder(roots))


def over_points(roots: Sequence[Node], symbols: Sequence[Node], many: Sequence[bool]) -> tuple[list[Node], list[Node]]:
    """`roots`, scalars made of scalars, over points along one axis; only the symbols marked in `many` differ from point
    to point.  Also gives the new symbols.

    Operations act on trailing axes and broadcast over leading ones, so the graph is the same but for its types; an
    einsum, whose labels say every axis, is a product here."""
    new: dict[Node, Node] = {}
    for x, varies in zip(symbols, many, strict=True):
        new[x] = node(x.op, (), (x.params[0], ArrayType(x.type.dtype, (POINTS,)))) if varies else x
    fresh = [new[x] for x in symbols]
    for x in postorder(roots):
        if x not in new:
            inputs = tuple(new[i] for i in x.inputs)
            if all(a is b for a, b in zip(inputs, x.inputs, strict=True)):
                new[x] = x
            elif x.op.name == "einsum":
                new[x] = _product(inputs)
            else:
                new[x] = node(x.op, inputs, x.params)
    return [broadcast_to(Expr(new[root]), (POINTS,)).node for root in roots], fresh


def _product(factors: Sequence[Node]) -> Node:
    return factors[0] if len(factors) == 1 else node(lookup("mul"), tuple(factors))


__all__ = ["Points", "elementwise", "over_points", "spread"]

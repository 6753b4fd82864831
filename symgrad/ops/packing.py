"""Several results of one operation in one array: each flattened, one behind the other along the last axis.

A factorisation is one operation, so that it is computed once, and its factors are slices of its result.  Its rule gets
one cotangent, a sum of such slices put back into zeros, and takes it apart again without making the zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compiler.types import Dim, product
from ..expression import Expr, apply
from .shaping import reshape, slice_axes

Shape = tuple[Dim, ...]


def packed_size(shapes: Sequence[Shape]) -> Dim:
    """The number of elements of arrays of these shapes."""
    total: Dim = 0
    for shape in shapes:
        total = total + product(shape)
    return total


def pack(parts: Sequence[Any], rank: int) -> Any:
    """NumPy arrays with `rank` leading axes in common, each flattened behind them, put one behind the other."""
    return np.concatenate([p.reshape(*p.shape[:rank], int(np.prod(p.shape[rank:]))) for p in parts], -1)


def _cuts(shapes: Sequence[Shape]) -> list[tuple[Dim, Dim, int]]:
    return [(packed_size(shapes[:k]), product(shape), 1) for k, shape in enumerate(shapes)]


def unpack(x: Expr, shapes: Sequence[Shape]) -> list[Expr]:
    """The parts of these shapes of a packed result."""
    parts = [slice_axes(x, [cut]) for cut in _cuts(shapes)]
    return [p if len(s) == 1 else reshape(p, (*x.type.shape[:-1], *s)) for p, s in zip(parts, shapes, strict=True)]


def unpack_cotangent(g: Expr, shapes: Sequence[Shape]) -> list[Expr | None]:
    """The cotangents of the parts of a packed result, None for parts that have none."""
    found: list[Expr | None] = []
    for cut, shape in zip(_cuts(shapes), shapes, strict=True):
        part = _section(g, cut)
        if part is not None and len(shape) != 1:
            part = _reshaped(part, shape)
        found.append(part)
    return found


def _section(g: Expr, cut: tuple[Dim, Dim, int]) -> Expr | None:
    """The elements of `g` at one part; None if `g` is made of other parts alone."""
    terms = [Expr(x) for x in g.node.inputs] if g.node.op.name == "add" else [g]
    kept = []
    for term in terms:
        if term.node.op.name == "unslice" and len(term.node.params[0]) == 1:
            (own,) = term.node.params[0]
            if own == cut:
                kept.append(Expr(term.node.inputs[0]))
                continue
            if own[0] != cut[0]:  # the parts of one packing do not overlap
                continue
        kept.append(slice_axes(term, [cut]))
    if not kept:
        return None
    return kept[0] if len(kept) == 1 else apply("add", kept)


def _reshaped(part: Expr, shape: Shape) -> Expr:
    source = part.node
    if source.op.name == "reshape" and source.inputs[0].type.shape == (*part.type.shape[:-1], *shape):
        return Expr(source.inputs[0])
    return reshape(part, (*part.type.shape[:-1], *shape))


__all__ = ["pack", "packed_size", "unpack", "unpack_cotangent"]

"""Band matrices: values written straight to where a compressed matrix has them, without an index array.

Every contribution to a band matrix runs along a diagonal: its value number i stands in column ``first + i``.  In
columns that all contributions reach, the entries of a column are a row of a table, the diagonals in order, and the
rows of the table lie one behind the other in the data.  So one loop computes the table, its formulas being those of
the entries with the selections moved down to the symbols.  The few values in the columns at both ends are computed
apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .assembly import Array, Contribution, Pattern
from .compiler.types import Dim, product
from .expression import FUNCTIONS, Expr
from .graph import Node
from .ops.elementwise import total
from .ops.shaping import slice_axes
from .rewrite.canonical import canonicalise
from .selections import push_down
from .sparsity import Structure

WIDEST = 32
"""The most diagonals of a band; the values at the ends grow with the square of it."""


@dataclass(frozen=True)
class Diagonal:
    """A contribution: its entry, the column of its value number 0, and which of the diagonals it is.

    So many of the first and last values stand nowhere."""

    entry: int
    first: int
    place: int
    skipped: int
    dropped: int


@dataclass(frozen=True)
class Shape:
    """What the formulas of a band matrix depend on: not its size.

    The first `head` and the last `tail` columns are not reached by all `diagonals`; `width` is their number."""

    diagonals: tuple[Diagonal, ...]
    width: int
    head: int
    tail: int


@dataclass(frozen=True)
class Band:
    """The pattern of a band matrix, where the table is in its data, and the slots of the values at the ends.

    Slots of the ends that several values share are in `slots` once; `inverse` says to which each value goes."""

    shape: Shape
    pattern: Pattern
    table: slice
    slots: Array
    inverse: Array

    def close(self, data: Array, ends: Array) -> None:
        """Writes the values at the ends to the data, which hold the table."""
        data[self.slots] = np.bincount(self.inverse, weights=ends, minlength=self.slots.size)


def band(shape: tuple[int, int], parts: Sequence[Contribution]) -> Band | None:
    """The parts as a band; None if they are none, or too few columns are reached by all."""
    spans = [_span(p) for p in parts]
    if not parts or any(span is None for span in spans):
        return None
    runs = [span for span in spans if span is not None]
    firsts = [int(p.columns[a]) - a for p, (a, _) in zip(parts, runs, strict=True)]
    shifts = [int(p.rows[a] - p.columns[a]) for p, (a, _) in zip(parts, runs, strict=True)]
    offsets = sorted(set(shifts))
    head = max(first + a for first, (a, _) in zip(firsts, runs, strict=True))
    stop = min(first + b for first, (_, b) in zip(firsts, runs, strict=True))
    if len(offsets) > WIDEST or stop - head < len(offsets) or shape[1] - stop + head > 4 * WIDEST:
        return None
    diagonals = tuple(
        Diagonal(p.entry, first, offsets.index(shift), a, p.rows.size - b)
        for p, first, shift, (a, b) in zip(parts, firsts, shifts, runs, strict=True)
    )
    found = Shape(diagonals, len(offsets), head, shape[1] - stop)
    reached = [range(first + a, first + b) for first, (a, b) in zip(firsts, runs, strict=True)]
    present = np.zeros((shape[1], len(offsets)), bool)
    for d, columns in zip(diagonals, reached, strict=True):
        present[columns.start : columns.stop, d.place] = True
    indptr = np.zeros(shape[1] + 1, np.int32)
    np.cumsum(present.sum(1), out=indptr[1:])
    rows = np.arange(shape[1], dtype=np.int32)[:, None] + np.array(offsets, np.int32)
    ends = [_ends(d, columns, head, stop, present, indptr) for d, columns in zip(diagonals, reached, strict=True)]
    slots, inverse = np.unique(np.concatenate(ends), return_inverse=True)
    table = slice(int(indptr[head]), int(indptr[stop]))
    return Band(found, Pattern(shape, rows[present], indptr), table, slots, inverse)


def _span(p: Contribution) -> tuple[int, int] | None:
    """The first of the values that stand somewhere and the one behind the last, if these run along a diagonal."""
    if p.rows.ndim != 1:
        return None
    somewhere = np.flatnonzero((p.rows >= 0) & (p.columns >= 0))
    if not somewhere.size:
        return None
    a, b = int(somewhere[0]), int(somewhere[-1]) + 1
    count = np.arange(b - a)
    along = (p.rows[a:b] - p.rows[a] == count).all() and (p.columns[a:b] - p.columns[a] == count).all()
    return (a, b) if along and somewhere.size == b - a else None


def _ends(d: Diagonal, reached: range, head: int, stop: int, present: Array, indptr: Array) -> Array:
    """The slots of the values of a diagonal that are not in the table, in their order."""
    columns = np.array([*range(reached.start, head), *range(stop, reached.stop)], np.int64)
    before = present[columns, : d.place].sum(1)
    return np.asarray(indptr[columns] + before, np.int64)


def formulas(structure: Structure, shape: Shape) -> list[Node]:
    """The table, a row for each column that all diagonals reach, and the values at the ends, one behind the other (as
    many as `Band.inverse`; none if there are none)."""
    columns: Dim = 0
    for variable in structure.variables:
        columns = columns + product(variable.type.shape)
    reached = columns - shape.head - shape.tail
    phases: list[list[Expr]] = [[] for _ in range(shape.width)]
    pieces: list[Expr] = []
    for d in shape.diagonals:
        v = Expr(structure.entries[d.entry].piece.values)
        phases[d.place].append(_cut(v, shape.head - d.first, reached))
        before, behind = shape.head - d.first, shape.head - d.first + reached
        pieces += [_cut(v, d.skipped, before - d.skipped), _cut(v, behind, v.type.shape[0] - d.dropped - behind)]
    table = FUNCTIONS["stack"]([total(p) for p in phases], axis=1)
    some = [e for e in pieces if e.type.shape[0] != 0]
    outputs = [table, FUNCTIONS["concatenate"](some)] if some else [table]
    nodes = [x.node for x in outputs]
    return canonicalise(push_down(nodes))


def _cut(v: Expr, first: Dim, count: Dim) -> Expr:
    return slice_axes(v, [(first, count, 1)])

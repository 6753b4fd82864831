"""Where the entries of a sparse matrix stand in its compressed columns, and how values get there.

A matrix is the sum of contributions, each a grid of values with a row and a column number for every one of them.  The
general way: all values one behind the other, and for each slot of the data the values that it adds up.  A band matrix
needs no index arrays for its values; see `bands`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from .compiler.types import ArrayType, evaluate
from .graph import Node
from .sparsity import Structure, distinct

if TYPE_CHECKING:
    import scipy.sparse

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Contribution:
    """The values of entry number `entry` of a structure, at these rows and columns: arrays over the grid of values; a
    negative number says that a value stands nowhere."""

    entry: int
    rows: Array
    columns: Array


def contributions(
    structure: Structure, values: dict[Node, Array], numbers: dict[str, int]
) -> tuple[tuple[int, int], list[Contribution]]:
    """The shape of the matrix for these values of all symbols, and what it is the sum of."""
    offsets, columns = {}, 0
    for v in structure.variables:
        offsets[v] = columns
        columns += values[v].size
    rows = columns if structure.square else _count(structure.root.type, numbers)

    def shape_of(x: Node) -> tuple[int, ...]:
        return values[x].shape if x in values else tuple(evaluate(n, numbers) for n in x.type.shape)

    found = []
    for k, e in enumerate(structure.entries):
        row, column = (
            _shifted(s.positions(values, numbers, shape_of(s.variable)), offsets.get(s.variable, 0))
            for s in (e.row, e.column)
        )
        r, c = _grid(e.piece.labels, row, column)
        found.append(Contribution(k, r, c))
        if e.mirrored:
            found.append(Contribution(k, c, r))
    return (rows, columns), found


def _shifted(positions: Array, offset: int) -> Array:
    return np.where(positions < 0, -1, positions + offset) if offset else positions


def _count(type_: ArrayType, numbers: Mapping[str, int]) -> int:
    return int(np.prod([evaluate(n, numbers) for n in type_.shape], dtype=np.int64))


def _grid(labels: Sequence[int], row: Array, column: Array) -> tuple[Array, Array]:
    """Row and column numbers of every value of a piece, on the grid of its distinct labels."""
    lengths = dict(zip(labels, (*row.shape, *column.shape), strict=True))
    every = distinct(labels)
    axes = {
        k: np.arange(lengths[k]).reshape([-1 if q == p else 1 for q in range(len(every))]) for p, k in enumerate(every)
    }
    shape = [lengths[k] for k in every]
    rank = row.ndim
    r = row[tuple(axes[k] for k in labels[:rank])] if rank else row
    c = column[tuple(axes[k] for k in labels[rank:])] if column.ndim else column
    return np.broadcast_to(r, shape), np.broadcast_to(c, shape)


@dataclass(frozen=True)
class Pattern:
    """Where a matrix in compressed columns has entries."""

    shape: tuple[int, int]
    indices: Array
    indptr: Array

    @cached_property
    def empty(self) -> scipy.sparse.csc_array:
        """A matrix of the pattern, checked once, whose copies take the data of each call."""
        import scipy.sparse

        data = np.broadcast_to(np.float64(0), self.indices.size)
        found = scipy.sparse.csc_array((data, self.indices, self.indptr), shape=self.shape, copy=False)
        found.has_canonical_format = True
        return found


@dataclass(frozen=True)
class Assembly:
    """A pattern, the shapes of the values of all entries, and for each value of each contribution its number among
    those of all entries and its slot."""

    pattern: Pattern
    shapes: tuple[tuple[int, ...], ...]
    sources: Array
    slots: Array

    @cached_property
    def ends(self) -> list[int]:
        """Where the values of each entry begin among all, and where the last ones end."""
        return [0, *accumulate(map(math.prod, self.shapes))]

    def data(self, values: Array) -> Array:
        """The data of the matrix from the values of all entries, one behind the other."""
        if isinstance(self._sum, np.ndarray):
            return values[self._sum]
        found: Array = self._sum.astype(values.dtype, copy=False) @ values
        return found

    @cached_property
    def _sum(self) -> Array | scipy.sparse.csr_array:
        """The number of the value for each slot; where slots add values up, the matrix that does so."""
        count = self.pattern.indices.size
        if self.slots.size == count:
            order = np.empty(count, np.int64)
            order[self.slots] = self.sources
            return order
        import scipy.sparse

        ones = np.ones(self.slots.size)
        return scipy.sparse.csr_array((ones, (self.slots, self.sources)), shape=(count, self.ends[-1]))


def assembly(
    shape: tuple[int, int], parts: Sequence[Contribution], shapes: Sequence[tuple[int, ...]]
) -> Assembly:
    """The assembly of `parts`, the values of all entries having these `shapes`."""
    starts = [0, *accumulate(map(math.prod, shapes))]
    somewhere = [np.flatnonzero((p.rows >= 0) & (p.columns >= 0)) for p in parts]
    keys = [(p.columns * shape[0] + p.rows).ravel()[k] for p, k in zip(parts, somewhere, strict=True)]
    sources = [starts[p.entry] + k for p, k in zip(parts, somewhere, strict=True)]
    every = np.concatenate(keys) if keys else np.empty(0, np.int64)
    places, slots = np.unique(every, return_inverse=True)
    columns, rows = np.divmod(places, max(shape[0], 1))
    indptr = np.searchsorted(columns, np.arange(shape[1] + 1)).astype(np.int32)
    pattern = Pattern(shape, rows.astype(np.int32), indptr)
    return Assembly(pattern, tuple(shapes), np.concatenate(sources) if sources else np.empty(0, np.int64), slots)

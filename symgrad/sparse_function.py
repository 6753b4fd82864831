"""Sparse matrices as expressions and as compiled functions with `scipy.sparse` results.

The pattern is found once for given sizes (and given integer arrays that formulas index by) and kept; a call computes
the values of its entries in the order in which the compressed matrix stores them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import interpreter
from .arguments import Array, Signature, parameters_of
from .calculus import Variables, all_symbols, variables
from .compiler.types import ArrayType, evaluate, named
from .conditions import conditions
from .expression import Expr, symbol_name
from .graph import Node, lookup, node, postorder
from .machine import Machine, Options
from .ops.shaping import reshape
from .rewrite.canonical import canonicalise
from .sparsity import Entry, Structure, distinct, sparse_hessian, sparse_jacobian
from .specialise import size_names

if TYPE_CHECKING:
    import scipy.sparse

Slots = tuple[int, int, int]
"""Equally spaced places: first, count, step."""


class SparseMatrix:
    """A sparse Jacobian or Hessian as an expression: call it with values, or `compile` it.

    `entries` are the values as expressions with the statement which axes run together: the compressed form.  Made by
    ``L.hessian("x", sparse=True)`` and ``r.jacobian("x", sparse=True)``."""

    def __init__(self, structure: Structure, symbols: Sequence[Node]) -> None:
        self.structure, self.symbols = structure, tuple(symbols)

    @property
    def values(self) -> list[Expr]:
        """The values of each entry: a vector for a band, an array of blocks for a block-diagonal matrix."""
        return [Expr(v, self.symbols) for v in self.structure.values]

    def __repr__(self) -> str:
        kind = "Hessian" if self.structure.square else "Jacobian"
        names = ", ".join(map(symbol_name, self.structure.variables))
        lines = [f"  {_pattern(e)}: {Expr(e.piece.values, self.symbols)!r}" for e in self.structure.entries]
        return "\n".join([f"sparse {kind} with respect to {names}, the sum of", *lines])

    def __call__(self, *args: Any, **values: Any) -> scipy.sparse.csc_array:
        """The matrix for values of the symbols, by name or in the order of declaration, computed by NumPy."""
        return SparseFunction(self, None)(*args, **values)


def sparse_derivative(x: Expr, wrt: Variables, kind: str) -> SparseMatrix:
    """The sparse "jacobian" or "hessian" of an expression.  Raises ArgumentError, ShapeError, NotDifferentiable."""
    nodes, _ = variables(x, wrt, kind)
    found = sparse_jacobian(x.node, nodes) if kind == "jacobian" else sparse_hessian(x.node, nodes)
    return SparseMatrix(found, all_symbols(x))


def _pattern(e: Entry) -> str:
    letters = "ijklmnpqrstuv"
    rank = len(e.piece.labels) - len(e.column.source.type.shape)
    rows = "".join(letters[k] for k in e.piece.labels[:rank])
    columns = "".join(letters[k] for k in e.piece.labels[rank:])
    sources = [Expr(s.source) if s is not None else "output" for s in (e.row, e.column)]
    return f"[{rows},{columns}] at ({sources[0]!r}, {sources[1]!r})" + (" and transposed" if e.mirrored else "")


@dataclass(frozen=True)
class Pattern:
    """Where a compressed matrix has entries, and in which slots of its data the values of each entry go."""

    shape: tuple[int, int]
    indices: Array
    indptr: Array
    slots: tuple[Array, ...]

    def spacing(self) -> tuple[Slots | None, ...]:
        """For each entry its slots as (first, count, step) where they are equally spaced."""
        return tuple(map(_spaced, self.slots))


def _spaced(slots: Array) -> Slots | None:
    if slots.size < 2:
        return (int(slots[0]), 1, 1) if slots.size else None
    step = int(slots[1] - slots[0])
    return (int(slots[0]), slots.size, step) if step > 0 and bool((np.diff(slots) == step).all()) else None


class SparseFunction:
    """A compiled sparse matrix: called like the functions that `compile` makes, gives a `scipy.sparse.csc_array`."""

    def __init__(self, matrix: SparseMatrix, options: Options | None) -> None:
        self.matrix, self.options = matrix, options
        structure = matrix.structure
        order = tuple(dict.fromkeys((*structure.variables, *matrix.symbols)))
        roots = [*structure.values, structure.root]
        self.signature = Signature(parameters_of(order), conditions(roots), tuple(size_names([*roots, *order])))
        used = {x for e in structure.entries for s in (e.row, e.column) if s is not None for x in postorder([s.source])}
        self._readers = tuple(k for k, x in enumerate(order) if x in used and x not in structure.variables)
        self._lock = threading.RLock()
        self._patterns: dict[tuple[Any, ...], Pattern] = {}
        self._machines: dict[tuple[Any, ...], Machine] = {}

    def __call__(self, *args: Any, **keywords: Any) -> scipy.sparse.csc_array:
        import scipy.sparse

        arrays = self.signature.arrays(self.signature.values(args, keywords))
        numbers = self.signature.sizes(arrays)
        pattern = self.pattern(arrays, numbers)
        data = self._data(arrays, numbers, pattern)
        result = scipy.sparse.csc_array((data, pattern.indices, pattern.indptr), shape=pattern.shape, copy=False)
        result.has_canonical_format = True
        return result

    def pattern(self, arrays: Sequence[Array], numbers: Mapping[str, int]) -> Pattern:
        """The pattern for arguments of these sizes (and contents, where the formula indexes by them)."""
        key = (tuple(sorted(numbers.items())), tuple(arrays[k].tobytes() for k in self._readers))
        with self._lock:
            if key not in self._patterns:
                if len(self._patterns) > 8:
                    self._patterns.clear()
                self._patterns[key] = self._find(arrays, dict(numbers))
            return self._patterns[key]

    def _find(self, arrays: Sequence[Array], numbers: dict[str, int]) -> Pattern:
        structure = self.matrix.structure
        values = dict(zip(self.signature.symbols, arrays, strict=True))
        offsets, total = {}, 0
        for v in structure.variables:
            offsets[v] = total
            total += values[v].size
        rows_total = total if structure.square else _count(structure.root.type, numbers)
        keys: list[Array] = []
        for e in structure.entries:
            column = e.column.positions(values, numbers, values[e.column.variable].shape) + offsets[e.column.variable]
            if e.row is None:
                row = np.arange(rows_total).reshape([evaluate(n, numbers) for n in structure.root.type.shape])
            else:
                row = e.row.positions(values, numbers, values[e.row.variable].shape) + offsets[e.row.variable]
            r, c = _grid(e.piece.labels, row, column)
            keys.append((c * rows_total + r).ravel())
            if e.mirrored:
                keys.append((r * rows_total + c).ravel())
        every = np.concatenate(keys) if keys else np.empty(0, np.int64)
        places, inverse = np.unique(every, return_inverse=True)
        slots = np.split(inverse, np.cumsum([k.size for k in keys])[:-1]) if keys else []
        columns, rows = np.divmod(places, max(rows_total, 1))
        indptr = np.searchsorted(columns, np.arange(total + 1)).astype(np.int32)
        return Pattern((rows_total, total), rows.astype(np.int32), indptr, tuple(slots))

    def _data(self, arrays: Sequence[Array], numbers: dict[str, int], pattern: Pattern) -> Array:
        spacing = pattern.spacing()
        machine = self._machine(spacing)
        if self.options is None:
            values = dict(zip(machine.symbols, [*arrays, *self._places(pattern, spacing)], strict=True))
            return np.array(interpreter.run(machine.canonical, values, {**numbers, "entries": pattern.indices.size})[0])
        (data,) = machine.run([*arrays, *self._places(pattern, spacing)], {**numbers, "entries": pattern.indices.size})
        return data

    def _places(self, pattern: Pattern, spacing: Sequence[Slots | None]) -> list[Array]:
        return [
            np.ascontiguousarray(s, np.int64) for s, even in zip(pattern.slots, spacing, strict=True) if even is None
        ]

    def _machine(self, spacing: tuple[Slots | None, ...]) -> Machine:
        """Computes the data of the compressed matrix, the slots given as slices where they are equally spaced."""
        key = tuple(None if s is None else (s[0], s[2]) for s in spacing)
        with self._lock:
            if key not in self._machines:
                root, places = self._formula(key)
                self._machines[key] = Machine([root], [*self.signature.symbols, *places], self.options or Options())
            return self._machines[key]

    def _formula(self, key: Sequence[tuple[int, int] | None]) -> tuple[Node, list[Node]]:
        structure = self.matrix.structure
        entries = named("entries")
        values = [
            v for e in structure.entries for v in [reshape(Expr(e.piece.values), (-1,))] * (2 if e.mirrored else 1)
        ]
        terms, places = [], []
        for k, (v, even) in enumerate(zip(values, key, strict=True)):
            n = v.type.shape[0]
            if even is not None:
                terms.append(node(lookup("unslice"), (v.node,), (((even[0], n, even[1]),), (entries,))))
            else:
                place = node(lookup("symbol"), (), (f"place{k}_", ArrayType("i64", (n,))))
                places.append(place)
                terms.append(node(lookup("scatter"), (v.node, place), (-1, 1, entries)))
        if not terms:
            from .differentiation import zeros

            return zeros((entries,), structure.root.type.dtype).node, []
        (total,) = canonicalise([terms[0] if len(terms) == 1 else node(lookup("add"), tuple(terms))])
        return total, places


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

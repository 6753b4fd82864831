"""Sparse matrices as expressions and as compiled functions with `scipy.sparse` results.

Where the values go is found once for given sizes (and given integer arrays that formulas index by) and kept; a call
computes the values of the entries and puts them in the order in which the compressed matrix stores them: a band as a
table in one loop, other entries through an index, and those of a formula that hides its structure from products of
the matrix with the seeds of a colouring.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import interpreter
from .arguments import Array, Parameter, Signature, parameters_of
from .assembly import Assembly, assembly, contributions
from .bands import Band, Shape, band, formulas
from .calculus import Variables, all_symbols, variables
from .coloured import Coloured, coloured, products
from .compiler.types import DTYPES, evaluate
from .conditions import conditions, counted
from .derivatives import weighted
from .expression import Expr, symbol_name
from .formula import Formula
from .function import Function
from .graph import Node, postorder
from .machine import Options
from .rewrite.canonical import canonicalise
from .sparsity import Entry, Structure, sparse_hessian, sparse_jacobian
from .specialise import size_names

if TYPE_CHECKING:
    import scipy.sparse

MOST_PLANS = 8
"""For so many sizes (and contents of index arrays) it is known where the values go."""

Plan = Band | Assembly | Coloured


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


def sparse_of(function: Function, kind: str) -> SparseFunction:
    """The derivative `kind` ("sparse_hessian", "sparse_jacobian", "sparse_weighted_hessian") of a compiled function.

    Raises ArgumentError, ShapeError, NotDifferentiable."""
    f = function.formula
    nodes = [x for p in f.variables(kind) for x in p.symbols]
    parameters = f.parameters
    if kind == "sparse_weighted_hessian":
        parameters, weights = f.with_weights(kind)
        found = sparse_hessian(weighted(f.nodes, weights), nodes)
    else:
        found = (sparse_jacobian if kind == "sparse_jacobian" else sparse_hessian)(f.output(kind), nodes)
    matrix = SparseMatrix(found, [x for p in parameters for x in p.symbols])
    return SparseFunction(matrix, function.options, parameters, (function, kind))


def _pattern(e: Entry) -> str:
    letters = "ijklmnpqrstuv"
    rank = len(e.piece.labels) - len(e.column.source.type.shape)
    rows = "".join(letters[k] for k in e.piece.labels[:rank])
    columns = "".join(letters[k] for k in e.piece.labels[rank:])
    place = f"[{rows},{columns}] at ({Expr(e.row.source)!r}, {Expr(e.column.source)!r})"
    return place + " and transposed" * e.mirrored


class SparseFunction:
    """A compiled sparse matrix: called like the functions that `compile` makes, gives a `scipy.sparse.csc_array`.

    Results of one pattern share its index arrays.  By default the arguments are the variables and then the other
    symbols; without `options` nothing is compiled, NumPy computes the values."""

    def __init__(
        self, matrix: SparseMatrix, options: Options | None, parameters: Sequence[Parameter] | None = None,
        owner: tuple[Function, str] | None = None,
    ) -> None:  # fmt: skip
        self.matrix, self.options, self._owner = matrix, options, owner
        structure = matrix.structure
        given = tuple(dict.fromkeys((*structure.variables, *matrix.symbols)))
        known = tuple(parameters_of(given) if parameters is None else parameters)
        order = [x for p in known for x in p.symbols]
        roots = [*structure.values, structure.root]
        names = tuple(size_names([*roots, *order]))
        self.signature = Signature(known, conditions(roots), names, counted(roots))
        used = {x for e in structure.entries for s in (e.row, e.column) for x in postorder([s.places])}
        self._readers = tuple(k for k, x in enumerate(order) if x in used and x not in structure.variables)
        self._lock = threading.RLock()
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._known: dict[tuple[tuple[int, ...], ...], Plan] = {}
        self._bands: dict[Shape, Function] = {}
        self._products: dict[bool, Function] = {}

    def __call__(self, *args: Any, **keywords: Any) -> scipy.sparse.csc_array:
        if self._owner is not None:
            args = self._owner[0].apart(args, keywords)
        plan = self._known.get(tuple([a.shape if type(a) is np.ndarray else () for a in args]))
        if plan is None or keywords:
            args = tuple(self.signature.arrays(self.signature.values(args, keywords)))
            plan = self.plan(args)
            if not self._readers and not self.signature.counted:
                self._known[tuple(a.shape for a in args)] = plan
        match plan:
            case Band():
                data = self._band_data(plan, args)
            case Assembly():
                data = self._assembled_data(plan, args)
            case Coloured():
                data = self._coloured_data(plan, args)
        result = copy(plan.pattern.empty)
        result.data = data
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        if self._owner is not None:
            return getattr, self._owner
        return SparseFunction, (self.matrix, self.options, self.signature.parameters)

    def plan(self, arrays: Sequence[Array]) -> Plan:
        """Where the values go, for arguments of these sizes (and contents, where the formula indexes by them)."""
        numbers = self.signature.sizes(arrays)
        key = (tuple(sorted(numbers.items())), tuple(arrays[k].tobytes() for k in self._readers))
        with self._lock:
            if key not in self._plans:
                if len(self._plans) >= MOST_PLANS:
                    self._plans.clear()
                    self._known.clear()
                self._plans[key] = self._find(arrays, dict(numbers))
            return self._plans[key]

    def _find(self, arrays: Sequence[Array], numbers: dict[str, int]) -> Plan:
        structure = self.matrix.structure
        values = dict(zip(self.signature.symbols, arrays, strict=True))
        compressed = coloured(structure, values, numbers)
        if compressed is not None:
            return compressed
        shape, parts = contributions(structure, values, numbers)
        found = band(shape, parts) if self.options is not None else None
        if found is not None:
            return found
        return assembly(shape, parts, [tuple(evaluate(n, numbers) for n in v.type.shape) for v in structure.values])

    def _band_data(self, plan: Band, args: Sequence[Any]) -> Array:
        if plan.shape not in self._bands:
            with self._lock:
                self._bands[plan.shape] = self._function(formulas(self.matrix.structure, plan.shape))
        data = np.empty(plan.pattern.indices.size, self._dtype)
        ends = np.empty(plan.inverse.size, self._dtype)
        targets = (data[plan.table].reshape(-1, plan.shape.width), ends)
        self._bands[plan.shape](*args, out=targets if ends.size else targets[:1])
        plan.close(data, ends)
        return data

    def _assembled_data(self, plan: Assembly, args: Sequence[Any]) -> Array:
        flat = np.empty(plan.ends[-1], self._dtype)
        parts = zip(plan.ends[1:], plan.shapes, strict=True)
        targets = tuple([flat[end - math.prod(shape) : end].reshape(shape) for end, shape in parts])
        if self.options is not None and targets:
            self._entries(*args, out=targets)
        elif targets:
            arrays = dict(zip(self.signature.symbols, self.signature.arrays(args), strict=True))
            numbers = self.signature.sizes(list(arrays.values()))
            for target, found in zip(targets, interpreter.run(self._stable, arrays, numbers), strict=True):
                target[...] = found
        return plan.data(flat)

    def _coloured_data(self, plan: Coloured, args: Sequence[Any]) -> Array:
        reverse = plan.compression.reverse
        with self._lock:
            if reverse not in self._products:
                formulas_, seeds = products(self.matrix.structure, self.signature.symbols, reverse)
                parameters = (*self.signature.parameters, *parameters_of(seeds))
                self._products[reverse] = Function(Formula(tuple(formulas_), parameters), self.options or Options())
        found = plan.data(self._products[reverse](*args, *(s.astype(self._dtype) for s in plan.seeds)))
        return found.astype(self._dtype, copy=False)

    @property
    def _dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = DTYPES[self.matrix.structure.root.type.dtype]
        return found

    @cached_property
    def _entries(self) -> Function:
        """The values of all entries."""
        return self._function(self.matrix.structure.values)

    @cached_property
    def _stable(self) -> list[Node]:
        return canonicalise(self.matrix.structure.values)

    def _function(self, nodes: Sequence[Node]) -> Function:
        return Function(Formula(tuple(nodes), self.signature.parameters), self.options or Options())

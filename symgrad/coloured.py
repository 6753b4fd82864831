"""Sparse matrices of formulas whose structure the derivative does not show: pattern from the graph, values from a few
products, one for each colour.

Where an entry of the structure (see `sparsity`) is dense, a loop, a sort or a convolution may hide zeros.  Then the
pattern is propagated for the sizes at hand (see `patterns`), and if it is much sparser than what would be computed
directly, the matrix is multiplied by the seeds of a colouring, all of them in one call of a compiled function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .assembly import Array, Pattern
from .batching import batched
from .colouring import Compression, compress_hessian, compress_jacobian
from .compiler.types import ArrayType, Dim, evaluate, named
from .derivatives import gradients, hessian_products, pullbacks, pushforwards
from .expression import Expr, symbol_name
from .formula import fresh
from .graph import Node, lookup, node
from .patterns import TooDense, pattern
from .rewrite.canonical import canonicalise
from .sparsity import Structure, distinct

SMALL = 256
"""An array of so many values is computed whole."""
WORTH = 2
"""Products are taken where the pattern has so many times fewer entries than the direct way would compute."""
LARGEST = 10**7
"""A pattern on the way may have so many entries before it is given up."""


@dataclass(frozen=True)
class Coloured:
    """The pattern of a matrix, and the seeds of its products as arrays like those they stand for, colour by colour."""

    pattern: Pattern
    compression: Compression
    seeds: tuple[Array, ...]

    def data(self, products: Sequence[Array]) -> Array:
        """The data of the matrix from its products."""
        colours = len(self.compression.seeds)
        joined = np.concatenate([p.reshape(colours, -1) for p in products], axis=1)
        found: Array = joined.ravel()[self.compression.sources]
        return found


def coloured(
    structure: Structure, values: Mapping[Node, Array], numbers: Mapping[str, int]
) -> Coloured | None:
    """The matrix by products for arguments of these sizes; None where the direct way is as good."""
    direct = _values_of_dense_entries(structure, values, numbers)
    if direct <= SMALL:
        return None
    (root,) = canonicalise([structure.root])
    try:
        if structure.square:
            parts = [
                pattern(g, structure.variables, values, numbers, max(LARGEST, direct))
                for g in gradients(root, structure.variables)
            ]
        else:
            parts = [pattern(root, structure.variables, values, numbers, max(LARGEST, direct))]
    except TooDense:
        return None
    import scipy.sparse

    whole = scipy.sparse.vstack(parts, format="csc")
    if structure.square:
        whole = (whole + whole.T).tocsc()
    if whole.nnz * WORTH > direct:
        return None
    whole.sort_indices()
    compression = (compress_hessian if structure.square else compress_jacobian)(whole)
    if compression.reverse:
        shapes = [tuple(evaluate(n, numbers) for n in root.type.shape)]
    else:
        shapes = [values[v].shape for v in structure.variables]
    ends = np.cumsum([math.prod(s) for s in shapes])[:-1]
    count = len(compression.seeds)
    seeds = [
        np.ascontiguousarray(a).reshape(count, *s)
        for a, s in zip(np.split(compression.seeds, ends, axis=1), shapes, strict=True)
    ]
    found = Pattern(whole.shape, whole.indices.astype(np.int32), whole.indptr.astype(np.int32))
    return Coloured(found, compression, tuple(seeds))


def _values_of_dense_entries(
    structure: Structure, values: Mapping[Node, Array], numbers: Mapping[str, int]
) -> int:
    """How many values the entries have in which no axes run together."""
    total = 0
    for e in structure.entries:
        if e.piece.dense:
            sizes = dict(zip(distinct(e.piece.labels), e.piece.values.type.shape, strict=True))
            total += math.prod(evaluate(n, numbers) for n in sizes.values())
    return total


def products(structure: Structure, taken: Sequence[Node], reverse: bool) -> tuple[list[Node], list[Node]]:
    """The products of the matrix with seeds for every colour, as formulas, and the symbols of the seeds; `taken` are
    the symbols that the formulas have otherwise."""
    names = {symbol_name(x) for x in taken}
    sizes: set[str] = set()
    for x in taken:
        sizes.update(str(n) for n in x.type.shape)
    colours = named(fresh("colours", sizes))
    root = structure.root
    if reverse:
        (u,) = seeds = [_symbol("u", names, root.type)]
        found = pullbacks([root], [u], structure.variables)
    else:
        seeds = [_symbol(f"{symbol_name(v)}_", names, v.type) for v in structure.variables]
        tangents = dict(zip(structure.variables, seeds, strict=True))
        found = hessian_products(root, tangents) if structure.square else pushforwards([root], tangents)
    several = [_symbol(symbol_name(s), names, _times(colours, s.type)) for s in seeds]
    every = batched(found, dict(zip(seeds, map(Expr, several), strict=True)), colours)
    return canonicalise([e.node for e in every]), several


def _times(colours: Dim, type_: ArrayType) -> ArrayType:
    return ArrayType(type_.dtype, (colours, *type_.shape))


def _symbol(name: str, taken: set[str], type_: ArrayType) -> Node:
    return node(lookup("symbol"), (), (fresh(name, taken), type_))


__all__ = ["Coloured", "coloured", "products"]

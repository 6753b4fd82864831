"""Compression by colouring: a sparse matrix from a few products with it.

Columns of one colour are added up in one product.  For a Jacobian, columns of one colour have no row in common
(distance-2 colouring: each product holds the entries as they are); rows likewise, for products from the left.  A
symmetric Hessian needs fewer colours: a star colouring, found greedily, lets each entry be read in its own place or in
that of its mirror image.  (Gebremedhin, Manne, Pothen, *What Color Is Your Jacobian?*, SIAM Review 47, 2005, sections 3
and 4; the condition used is that of restricted star colouring, which follows from looking at two neighbours.)

Rows and columns with many entries are coloured first, so that an arrow needs two colours.  All that is here depends on
the pattern alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Compression:
    """What to multiply by, and where the entries are in the products.

    `seeds` has a row for each colour.  `reverse` says that seeds are multiplied from the left.  Of entry number k of
    the pattern, in the order of compressed columns, the value is number `sources[k]` of all products, colour after
    colour."""

    seeds: Array
    reverse: bool
    sources: Array


def compress_jacobian(pattern: scipy.sparse.csc_array) -> Compression:
    """Products for a matrix of this pattern: from the right or from the left, whichever needs fewer colours."""
    rows, columns = pattern.indices, _columns(pattern)
    forward = _apart(pattern.tocsr(), pattern)
    backward = _apart(pattern, pattern.tocsr())
    if len(backward) and backward.max() < forward.max(initial=0):
        return Compression(_seeds(backward), True, backward[rows].astype(np.int64) * pattern.shape[1] + columns)
    return Compression(_seeds(forward), False, forward[columns].astype(np.int64) * pattern.shape[0] + rows)


def compress_hessian(pattern: scipy.sparse.csc_array) -> Compression:
    """Products for a symmetric matrix of this symmetric pattern."""
    n = pattern.shape[0]
    colours = _stars(pattern)
    rows, columns = pattern.indices.astype(np.int64), _columns(pattern).astype(np.int64)
    own, mirror = colours[columns] * n + rows, colours[rows] * n + columns
    alone = np.bincount(own, minlength=n * (int(colours.max(initial=0)) + 1)) == 1
    assert (alone[own] | alone[mirror]).all()
    return Compression(_seeds(colours), False, np.where(alone[own], own, mirror))


def _columns(pattern: scipy.sparse.csc_array) -> Array:
    """The column of every entry."""
    return np.repeat(np.arange(pattern.shape[1]), np.diff(pattern.indptr))


def _seeds(colours: Array) -> Array:
    seeds = np.zeros((int(colours.max(initial=-1)) + 1, colours.size))
    seeds[colours, np.arange(colours.size)] = 1
    return seeds


def _lists(compressed: scipy.sparse.csc_array | scipy.sparse.csr_array) -> list[list[int]]:
    """The places of the entries of each column (or row)."""
    ends, places = compressed.indptr.tolist(), compressed.indices.tolist()
    return [places[a:b] for a, b in pairwise(ends)]


def _apart(across: Any, along: Any) -> Array:
    """Colours for the columns of `along` such that no row of `across`, the same matrix compressed the other way, has
    two entries of one colour."""
    others, own = _lists(across), _lists(along)
    colours = [-1] * len(own)
    forbidden: list[int] = []
    for j in sorted(range(len(own)), key=lambda j: -len(own[j])):
        for i in own[j]:
            for k in others[i]:
                if colours[k] >= 0:
                    forbidden[colours[k]] = j
        _choose(colours, j, forbidden)
    return np.array(colours, np.int64)


def _stars(pattern: scipy.sparse.csc_array) -> Array:
    """Colours such that neighbours differ, and two neighbours of one vertex are alike only if its own colour is
    lower."""
    neighbours = _lists(pattern)
    colours = [-1] * len(neighbours)
    forbidden: list[int] = []
    for v in sorted(range(len(neighbours)), key=lambda v: -len(neighbours[v])):
        for w in neighbours[v]:
            if w == v:
                continue
            if colours[w] >= 0:
                forbidden[colours[w]] = v
            for x in neighbours[w]:
                if x not in (v, w) and colours[x] >= 0 and (colours[w] < 0 or colours[x] < colours[w]):
                    forbidden[colours[x]] = v
        _choose(colours, v, forbidden)
    return np.array(colours, np.int64)


def _choose(colours: list[int], v: int, forbidden: list[int]) -> None:
    """Gives `v` the first colour that is not forbidden to it."""
    for colour, by in enumerate(forbidden):
        if by != v:
            colours[v] = colour
            return
    colours[v] = len(forbidden)
    forbidden.append(-1)


__all__ = ["Compression", "compress_hessian", "compress_jacobian"]

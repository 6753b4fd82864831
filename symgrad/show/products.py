"""An einsum in matrix notation: matrix products, transposes, diag, elementwise products, sums, traces, outer products.

The operands of an einsum form a graph: a label is a vertex, a matrix is an edge between its two labels, a vector hangs
on its label, a scalar stands alone.  Four steps, each of which is one notation, reduce it as one reduces resistors:

- a **leaf**, a summed label with one edge, is a matrix-vector product (or a sum over an axis);
- a **series**, a summed label between two edges, is a matrix product, with ``diag(v)`` between them for a vector there;
- **parallel** edges are an elementwise product, or the trace or diagonal of a matrix product;
- a closed label with vectors only is an inner product.

What is left when no step applies is a vector, a matrix with vectors at its ends, or two vectors: an outer product.
Graphs that are not series-parallel, and arrays of more than two axes, have no matrix notation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..compiler.types import Dim
from .terms import Term, Terms

Chain = tuple[Term, ...]
"""The factors of a matrix product, of matrices and with a vector at an end."""


@dataclass(frozen=True, slots=True)
class _Edge:
    """A matrix whose rows are labelled `i` and whose columns `j`."""

    i: int
    j: int
    chain: Chain


@dataclass(slots=True)
class Network:
    """The operands of one einsum, reduced step by step; `sizes` are those of the labels, `out` the result's labels."""

    terms: Terms
    sizes: dict[int, Dim]
    out: tuple[int, ...]
    scalars: list[Term] = field(default_factory=list)
    vectors: dict[int, list[Chain]] = field(default_factory=dict)
    edges: list[_Edge] = field(default_factory=list)

    def add(self, chain: Chain, labels: Sequence[int]) -> bool:
        """Adds an operand with these labels; False if it has more than two."""
        match labels:
            case []:
                self.scalars.append(self.terms.chain(chain))
            case [i]:
                self.vectors.setdefault(i, []).append(chain)
            case [i, j] if i == j:
                self.vectors.setdefault(i, []).append((self._diagonal(chain),))
            case [i, j]:
                self.edges.append(_Edge(i, j, chain))
            case _:
                return False
        return True

    def result(self) -> Term | None:
        """The einsum as a term, or None if it has no matrix notation."""
        while self._leaf() or self._parallel() or self._series() or self._closed():
            pass
        body = self._remaining()
        return None if body is None else self.terms.product([*self.scalars, *body])

    # ---- what a label is tied to

    def _at(self, k: int) -> list[_Edge]:
        return [e for e in self.edges if k in (e.i, e.j)]

    def _summed(self) -> list[int]:
        """The labels that are summed, last ones first, so that chains are read from left to right."""
        used = dict.fromkeys([*self.vectors, *(k for e in self.edges for k in (e.i, e.j))])
        return sorted((k for k in used if k not in self.out), reverse=True)

    # ---- steps

    def _leaf(self) -> bool:
        for k in self._summed():
            at = self._at(k)
            if len(at) == 1:
                self._contract(at[0], k)
                return True
        return False

    def _contract(self, e: _Edge, k: int) -> None:
        self.edges.remove(e)
        other, chain = (e.i, e.chain) if k == e.j else (e.j, self.terms.reversed_chain(e.chain))
        lone = other not in self.out and not self._at(other)
        ends = self.vectors.pop(k, [])
        if lone:
            self.scalars.append(self._bilinear(self.vectors.pop(other, []), chain, ends, (other, k)))
        elif ends:
            self.vectors.setdefault(other, []).append((*chain, *self._tail(ends)))
        else:
            self.vectors.setdefault(other, []).append((self._axis_sum(chain, 1, self.sizes[k]),))

    def _series(self) -> bool:
        for k in self._summed():
            at = self._at(k)
            if len(at) == 2 and {at[0].i, at[0].j} != {at[1].i, at[1].j}:
                a, left = self._towards(at[0], k)
                b, right = self._towards(at[1], k)
                middle = [self._diag(self.vectors.pop(k))] if k in self.vectors else []
                chain = (*left, *middle, *self.terms.reversed_chain(right))
                self.edges = [e for e in self.edges if e not in at]
                self.edges.append(self._oriented(a, b, chain))
                return True
        return False

    def _towards(self, e: _Edge, k: int) -> tuple[int, Chain]:
        """The other label of an edge and its chain from there to `k`."""
        return (e.i, e.chain) if e.j == k else (e.j, self.terms.reversed_chain(e.chain))

    def _oriented(self, a: int, b: int, chain: Chain) -> _Edge:
        """The edge whose chain holds fewer transposes."""
        back = self.terms.reversed_chain(chain)
        return _Edge(b, a, back) if _transposes(back) < _transposes(chain) else _Edge(a, b, chain)

    def _parallel(self) -> bool:
        for n, e in enumerate(self.edges):
            for f in self.edges[n + 1 :]:
                if {e.i, e.j} == {f.i, f.j}:
                    self.edges = [x for x in self.edges if x is not e and x is not f]
                    self._merge(e, f)
                    return True
        return False

    def _merge(self, e: _Edge, f: _Edge) -> None:
        """Two matrices over the same labels: tr(AB), diag(AB) or an elementwise product."""
        opposite = (e.i, e.j) == (f.j, f.i)
        product = opposite or len(e.chain) > 1 or len(f.chain) > 1
        closed = [k for k in (e.i, e.j) if k not in self.out and k not in self.vectors and not self._at(k)]
        if not closed or not product or (not opposite and e.chain == f.chain):
            second = self.terms.reversed_chain(f.chain) if opposite else f.chain
            factors = [self.terms.chain(e.chain), self.terms.chain(second)]
            self.edges.append(_Edge(e.i, e.j, (self.terms.product(factors),)))
            return
        start = e.i if e.j in closed else e.j
        chain = self._cycle(e, f, start)
        if len(closed) == 2:
            self.scalars.append(self.terms.call("trace", [self.terms.chain(chain)], 0))
        else:
            self.vectors.setdefault(start, []).append((self.terms.call("diag", [self.terms.chain(chain)], 1),))

    def _cycle(self, e: _Edge, f: _Edge, start: int) -> Chain:
        """The way from `start` and back along two edges, in the direction of fewer transposes."""
        end = e.j if e.i == start else e.i
        there, back = self._towards(e, end)[1], self._towards(f, start)[1]
        turned = self.terms.reversed_chain((*there, *back))
        return turned if _transposes(turned) < _transposes((*there, *back)) else (*there, *back)

    def _closed(self) -> bool:
        for k in self._summed():
            if not self._at(k):
                self.scalars.append(self._inner(self.vectors.pop(k), self.sizes[k]))
                return True
        return False

    # ---- notations

    def _vector(self, factors: Sequence[Chain]) -> Term:
        """The elementwise product of the vectors on one label."""
        return self.terms.product([self.terms.chain(c) for c in factors])

    def _tail(self, factors: Sequence[Chain]) -> Chain:
        return factors[0] if len(factors) == 1 else (self._vector(factors),)

    def _inner(self, factors: list[Chain], size: Dim) -> Term:
        vectors = [self.terms.chain(c) for c in factors]
        if len(factors) == 2 and vectors[0] is not vectors[1]:
            first, second = sorted(factors, key=len)
            return self._scalar((*self.terms.reversed_chain(first), *second))
        return self._total(self.terms.product(vectors), size)

    def _bilinear(self, left: list[Chain], chain: Chain, right: list[Chain], labels: tuple[int, int]) -> Term:
        if left and right:
            start = self.terms.reversed_chain(self._tail(left))
            return self._scalar((*start, *chain, *self._tail(right)))
        if not left and not right:
            return self._total(self.terms.chain(chain), self.sizes[labels[0]] * self.sizes[labels[1]])
        if right:
            return self._total(self.terms.chain((*chain, *self._tail(right))), self.sizes[labels[0]])
        product = (*self.terms.reversed_chain(chain), *self._tail(left))
        return self._total(self.terms.chain(product), self.sizes[labels[1]])

    def _scalar(self, chain: Chain) -> Term:
        """A chain that begins and ends with a vector, in the direction of fewer transposes."""
        turned = self.terms.reversed_chain(chain)
        return self.terms.chain(turned if _transposes(turned) < _transposes(chain) else chain)

    def _total(self, t: Term, size: Dim) -> Term:
        """``sum(t)`` over everything."""
        total = self.terms.call("sum", [t], 0)
        self.terms.counts[total] = size
        return total

    def _axis_sum(self, chain: Chain, axis: int, size: Dim) -> Term:
        """The sum of a matrix along an axis, as a vector."""
        t = self.terms.chain(chain)
        if t.form == "transpose":
            t, axis = t.parts[0], 1 - axis
        total = self.terms.call("sum", [t], 1, axis=str(axis))
        self.terms.counts[total] = size
        return total

    def _diagonal(self, chain: Chain) -> Term:
        return self.terms.call("diag", [self.terms.chain(chain)], 1)

    def _diag(self, factors: Sequence[Chain]) -> Term:
        return self.terms.call("diag", [self._vector(factors)], 2)

    # ---- the end

    def _remaining(self) -> list[Term] | None:
        """The factors of the result besides the scalars, or None if there is no notation for them."""
        match self.out:
            case ():
                return [] if not self.edges else None
            case (i,) if i in self.vectors and not self.edges:
                return [self._vector(self.vectors[i])]
            case (i, j) if len(self.edges) == 1:
                return [self._matrix(i, j)]
            case (i, j) if not self.edges and i in self.vectors and j in self.vectors:
                return [self.terms.call("outer", [self._vector(self.vectors[i]), self._vector(self.vectors[j])], 2)]
        return None

    def _matrix(self, i: int, j: int) -> Term:
        (edge,) = self.edges
        chain = edge.chain if edge.i == i else self.terms.reversed_chain(edge.chain)
        rows, columns = self.vectors.get(i, []), self.vectors.get(j, [])
        if len(chain) == 1 and chain[0].form == "call" and chain[0].data[0] == "eye" and (rows or columns):
            return self._diag([*rows, *columns])
        if rows or len(chain) > 1:
            left, right = ([self._diag(v)] if v else [] for v in (rows, columns))
            return self.terms.chain((*left, *chain, *right))
        return self.terms.product([*chain, self._vector(columns)] if columns else chain)


def _transposes(chain: Chain) -> int:
    return sum(t.form == "transpose" for t in chain)

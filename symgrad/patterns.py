"""Which elements of an array depend on which elements of the variables: for given sizes, from the graph, for every
formula.

Node by node, the pattern of a value is a matrix of truth values, a row for each of its elements and a column for each
element of the variables.  What an operation does to it follows from what the operation is: elementwise ones unite the
rows of their operands, those that move elements select rows (found by moving numbers of rows instead), a product of
arrays unites those that it sums over.  Of any other operation nothing is taken for granted but that it acts on trailing
axes alike for every index of the leading ones: all that it makes of one example depends on all of that example.  So a
pattern may have too many entries and never too few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .batching import LOOPED
from .compiler.types import DTYPES, evaluate
from .differentiation import active_nodes
from .graph import Node, lookup, postorder
from .interpreter import run
from .ops.contraction import label_sizes

if TYPE_CHECKING:
    import scipy.sparse

Array = np.ndarray[Any, Any]
MOVING = ("slice", "unslice", "take", "gather", "reshape", "concatenate")
ADJOINT = {"scatter": "take", "scatter_at": "gather"}


class TooDense(Exception):
    """A pattern has more entries than are worth while."""


def pattern(
    root: Node, variables: Sequence[Node], values: Mapping[Node, Array], sizes: Mapping[str, int], most: int
) -> scipy.sparse.csr_array:
    """The pattern of the derivatives of `root`, its elements in row-major order as rows, those of `variables` as
    columns.  Raises TooDense if some value on the way has more than `most` entries."""
    order = postorder([root])
    active = active_nodes(order, variables)
    indices = list(dict.fromkeys(i for x in order if x in active and x not in variables for i in _indices(x)))
    known = dict(zip(indices, run(indices, dict(values), dict(sizes)), strict=True))
    return _Propagation(variables, known, sizes, most).of(root, [x for x in order if x in active])


def _indices(x: Node) -> tuple[Node, ...]:
    """The operands of which the numbers matter."""
    return tuple(i for i in x.inputs[1:] if i.type.dtype == "i64") if x.op.name in (*MOVING, *ADJOINT) else ()


class _Propagation:
    def __init__(
        self, variables: Sequence[Node], indices: Mapping[Node, Array], sizes: Mapping[str, int], most: int
    ) -> None:
        self.indices, self.sizes, self.most = indices, sizes, most
        counts = [math.prod(self.shape(v)) for v in variables]
        self.columns = sum(counts)
        starts = np.cumsum([0, *counts])
        self.known = {
            v: self.matrix(np.arange(n), np.arange(n) + start, n)
            for v, n, start in zip(variables, counts, starts[:-1], strict=True)
        }

    def shape(self, x: Node) -> tuple[int, ...]:
        return tuple(evaluate(n, self.sizes) for n in x.type.shape)

    def matrix(self, rows: Array, columns: Array, count: int, width: int | None = None) -> scipy.sparse.csr_array:
        """The truth at these places of a matrix of `count` rows."""
        import scipy.sparse

        shape = (count, self.columns if width is None else width)
        return scipy.sparse.csr_array((np.ones(rows.size, bool), (rows.ravel(), columns.ravel())), shape=shape)

    def of(self, root: Node, order: Sequence[Node]) -> scipy.sparse.csr_array:
        """The pattern of `root`, of whose nodes `order` are active."""
        last = {i: k for k, x in enumerate(order) for i in x.inputs}
        for k, x in enumerate(order):
            if x not in self.known:
                found = self.known[x] = self._of(x)
                if found.nnz > self.most:
                    raise TooDense
            for i in x.inputs:
                if last[i] == k and i is not root:
                    self.known.pop(i, None)
        return self.known[root] if root in self.known else self.matrix(np.empty(0), np.empty(0), self._count(root))

    def _count(self, x: Node) -> int:
        return math.prod(self.shape(x))

    def _of(self, x: Node) -> scipy.sparse.csr_array:
        name = x.op.name
        if name not in LOOPED and (x.op.partials is not None or name in ("where", "mask", "cast")):
            return self._union([self._rows(i, self._broadcast(i, x)) for i in x.inputs if i in self.known], x)
        if name in MOVING:
            return self._moved(x)
        if name in ADJOINT:
            return self._scattered(x)
        if name == "einsum":
            return self._union([self._of_factor(x, k) for k, i in enumerate(x.inputs) if i in self.known], x)
        if name == "correlate_valid":
            return self._union([self._of_windows(x, k) for k, i in enumerate(x.inputs) if i in self.known], x)
        return self._whole_examples(x)

    def _union(self, parts: Sequence[scipy.sparse.csr_array], x: Node) -> scipy.sparse.csr_array:
        total = self.matrix(np.empty(0), np.empty(0), self._count(x))
        for part in parts:
            total = total + part
        return total

    def _broadcast(self, operand: Node, x: Node) -> Array:
        every = np.arange(self._count(operand)).reshape(self.shape(operand))
        return np.broadcast_to(every, self.shape(x)).ravel()

    def _rows(self, x: Node, rows: Array) -> scipy.sparse.csr_array:
        """These rows of the pattern of `x`."""
        source = self.known[x]
        count = np.diff(source.indptr)[rows].sum()
        if count > self.most:
            raise TooDense
        return source[rows]

    def _moved(self, x: Node) -> scipy.sparse.csr_array:
        """The operation on numbers of rows, from 1 on; 0 is what depends on nothing."""
        import scipy.sparse

        stacked = [self.matrix(np.empty(0), np.empty(0), 1)]
        start, args = 1, []
        for i in x.inputs:
            if i in self.indices:
                args.append(self.indices[i])
            elif i in self.known:
                n = self._count(i)
                args.append(np.arange(start, start + n).reshape(self.shape(i)))
                stacked.append(self.known[i])
                start += n
            else:
                args.append(np.zeros(self.shape(i), np.int64))
        rows = np.asarray(x.op.evaluate(args, x.params, self.sizes)).ravel()
        whole = scipy.sparse.vstack(stacked, format="csr")
        if np.diff(whole.indptr)[rows].sum() > self.most:
            raise TooDense
        return whole[rows]

    def _scattered(self, x: Node) -> scipy.sparse.csr_array:
        """Sums of elements with one target, which the adjoint, a gather, finds among numbers of targets."""
        (g, *index) = x.inputs
        if g not in self.known or any(i not in self.indices for i in index):
            return self._whole_examples(x)
        every = np.arange(self._count(x)).reshape(self.shape(x))
        adjoint = lookup(ADJOINT[x.op.name])
        target = np.asarray(adjoint.evaluate([every, *(self.indices[i] for i in index)], x.params, self.sizes))
        n = self._count(g)
        if target.size != n:
            return self._whole_examples(x)
        sums = self.matrix(target, np.arange(n), self._count(x), n)
        return sums @ self.known[g]

    def _of_factor(self, x: Node, k: int) -> scipy.sparse.csr_array:
        """What the result of a product has from its operand number `k`: identities tie labels."""
        labels, out, _ = x.params
        lengths = {label: evaluate(n, self.sizes) for label, n in label_sizes(x).items()}
        same = {label: label for label in lengths}
        for i, ls in zip(x.inputs, labels, strict=True):
            if i.op.name == "delta":
                old, new = same[ls[1]], same[ls[0]]
                same = {label: new if kept == old else kept for label, kept in same.items()}
        own = [same[label] for label in labels[k]]
        every = list(dict.fromkeys([*own, *(same[label] for label in out)]))
        grid = [lengths[label] for label in every]
        if math.prod(grid) > self.most:
            raise TooDense
        axes = dict(zip(every, np.indices(grid, sparse=True), strict=True))
        source = self._place(own, [lengths[label] for label in labels[k]], axes, grid)
        target = self._place([same[label] for label in out], [lengths[label] for label in out], axes, grid)
        for i, ls in zip(x.inputs, labels, strict=True):
            if i.op.name == "constant" and all(same[label] in axes for label in ls):
                place = self._place([same[label] for label in ls], [lengths[label] for label in ls], axes, grid)
                there = np.asarray(i.op.evaluate([], i.params, self.sizes)).ravel()[place] != 0
                source, target = source[there], target[there]
                axes = {label: np.broadcast_to(a, grid).ravel()[there] for label, a in axes.items()}
                grid = [source.size]
        sums = self.matrix(target, source, self._count(x), self._count(x.inputs[k]))
        return sums @ self.known[x.inputs[k]]

    def _place(
        self, labels: Sequence[int], lengths: Sequence[int], axes: Mapping[int, Array], grid: Sequence[int]
    ) -> Array:
        """The place in an array with these labels for every point of the grid."""
        place = np.zeros((), np.int64)
        for label, n in zip(labels, lengths, strict=True):
            place = place * n + axes[label]
        return np.broadcast_to(place, grid).ravel()

    def _of_windows(self, x: Node, k: int) -> scipy.sparse.csr_array:
        """What sums of products of a window with a kernel have from the one or the other."""
        operand, width = x.inputs[k], self.shape(x.inputs[1])[-1]
        if not self._count(x):
            return self._union([], x)
        every = np.arange(self._count(operand)).reshape(self.shape(operand))
        windows = np.lib.stride_tricks.sliding_window_view(every, width, axis=-1)  # for the kernel: all of it, once
        source = np.broadcast_to(windows, (*self.shape(x), width)).ravel()
        target = np.arange(self._count(x)).repeat(width)
        return self.matrix(target, source, self._count(x), self._count(operand)) @ self.known[operand]

    def _whole_examples(self, x: Node) -> scipy.sparse.csr_array:
        """All that `x` makes of one example depends on all of that example."""
        lead = self._leading_axes(x)
        examples = math.prod(self.shape(x)[:lead])
        total = self.matrix(np.empty(0), np.empty(0), examples)
        for i in x.inputs:
            if i in self.known:
                n = self._count(i)
                each = np.arange(n) // max(n // max(examples, 1), 1)
                total = total + self.matrix(each, np.arange(n), examples, n) @ self.known[i]
        rows = np.arange(self._count(x)) // max(self._count(x) // max(examples, 1), 1)
        if np.diff(total.indptr)[rows].sum() > self.most:
            raise TooDense
        return total[rows]

    def _leading_axes(self, x: Node) -> int:
        """Over how many leading axes the operation acts example by example.

        As every operation broadcasts its first operand over further leading axes, these are the axes without which it
        makes of the first operand what it is to make of one example."""
        if x.op.name in LOOPED or any(i in self.known for i in x.inputs[1:]) or not x.inputs:
            return 0
        first, result = self.shape(x.inputs[0]), self.shape(x)
        others = [np.zeros(self.shape(i), DTYPES[i.type.dtype]) for i in x.inputs[1:]]
        for lead in range(min(len(first), len(result)), 0, -1):
            if first[:lead] == result[:lead]:
                example = np.ones(first[lead:], DTYPES[x.inputs[0].type.dtype])
                try:
                    with np.errstate(all="ignore"):
                        made = np.shape(x.op.evaluate([example, *others], x.params, self.sizes))
                except Exception:
                    continue
                if made == result[lead:]:
                    return lead
        return 0


__all__ = ["TooDense", "pattern"]

"""Sparse Jacobians and Hessians: their structure from the graph, their values in closed form, nothing else computed.

Derivatives with respect to selections of the variables (`selections`) are canonical expressions in which what is known
to be zero stands as an identity (`delta`) between axes.  `pieces` takes such an expression apart into a sum of terms,
each a dense array of values with the statement which axes run together.  A band matrix is a few vectors, a
block-diagonal one an array of blocks.  The structure does not depend on the sizes, so preparation does not either;
positions are numbers only once arrays arrive.  No compression by colouring is needed: every value computed is an entry.

Values that fall on equally spaced places of the result are written there as a slice, others through an index array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .derivatives import gradients, jacobians
from .graph import Node, lookup, node, substitute
from .ops.contraction import delta, einsum_node, label_sizes
from .rewrite.canonical import canonicalise
from .rewrite.terms import constant_node, split
from .selections import Selection, separate

Labels = tuple[int, ...]


@dataclass(frozen=True)
class Piece:
    """A term of an array that is zero unless axes with equal labels have equal indices.

    `labels` has one label per axis of the whole array; `values` has one axis per distinct label, in order of
    appearance."""

    labels: Labels
    values: Node

    @property
    def dense(self) -> bool:
        """Whether every entry of the whole array belongs to the piece."""
        return len(set(self.labels)) == len(self.labels)


def distinct(labels: Sequence[int]) -> Labels:
    """The labels in order of first appearance."""
    return tuple(dict.fromkeys(labels))


def pieces(x: Node) -> list[Piece]:
    """`x`, a canonical node, as a sum of pieces; pieces of equal structure are added up."""
    found: dict[Labels, list[Node]] = {}
    pending = [x]
    while pending:
        term = pending.pop()
        if term.op.name == "add" and all(i.type.shape == x.type.shape for i in term.inputs):
            pending += reversed(term.inputs)
            continue
        piece = _piece(term)
        found.setdefault(piece.labels, []).append(piece.values)
    summed = [(labels, _sum(values)) for labels, values in found.items()]
    return [Piece(labels, canonicalise([v])[0]) for labels, v in summed]


def _sum(values: list[Node]) -> Node:
    return values[0] if len(values) == 1 else node(lookup("add"), tuple(values))


def _piece(x: Node) -> Piece:
    """One term: operations that keep zeros are applied to the values of a piece instead of the whole."""
    wrappers: list[tuple[Node, int]] = []
    current = x
    while True:
        k = _carrier(current)
        if k is None:
            break
        wrappers.append((current, k))
        current = current.inputs[k]
    piece = _leaf(current)
    for outer, k in reversed(wrappers):
        values = [piece.values if i == k else restrict(y, piece.labels) for i, y in enumerate(outer.inputs)]
        piece = Piece(piece.labels, node(outer.op, tuple(values), outer.params))
    return piece


def _carrier(x: Node) -> int | None:
    """The input whose zeros are zeros of `x`, if it has the shape of `x` and may have a structure."""
    candidates = {"div": [0], "mask": [1], "mul": range(len(x.inputs))}.get(x.op.name, [])
    for k in candidates:
        i = x.inputs[k]
        if i.type.shape == x.type.shape and i.op.name in ("delta", "einsum", "div", "mask", "mul") and _structured(i):
            return k
    return None


def _structured(x: Node) -> bool:
    while (k := _inner(x)) is not None:
        x = x.inputs[k]
    return x.op.name == "delta" or (x.op.name == "einsum" and any(i.op.name == "delta" for i in x.inputs))


def _inner(x: Node) -> int | None:
    if x.op.name == "mul":
        same = [
            k
            for k, i in enumerate(x.inputs)
            if i.type.shape == x.type.shape and i.op.name in ("delta", "einsum", "div", "mask")
        ]
        return same[-1] if same else None
    return {"div": 0, "mask": 1}.get(x.op.name)


def _leaf(x: Node) -> Piece:
    rank = len(x.type.shape)
    if x.op.name == "delta":
        one = constant_node(1, x.type.dtype)
        return Piece((0, 0), einsum_node([one], [()], [0], {0: x.type.shape[0]}))
    if x.op.name != "einsum" or not any(i.op.name == "delta" for i in x.inputs):
        return Piece(tuple(range(rank)), x)
    labels, out, _ = x.params
    sizes = label_sizes(x)
    parts = list(zip(x.inputs, labels, strict=True))
    same = {k: k for k in sizes}
    for i, ls in parts:
        if i.op.name == "delta":
            a, b = (_find(same, k) for k in ls)
            same[max(a, b)] = min(a, b)
    merged = tuple(_find(same, k) for k in out)
    rest = [(i, [_find(same, k) for k in ls]) for i, ls in parts if i.op.name != "delta"]
    if not rest:
        rest = [(constant_node(1, x.type.dtype), [])]
    values = einsum_node([i for i, _ in rest], [ls for _, ls in rest], distinct(merged), sizes)
    number = {k: p for p, k in enumerate(distinct(merged))}
    return Piece(tuple(number[k] for k in merged), values)


def _find(same: dict[int, int], k: int) -> int:
    while same[k] != k:
        k = same[k]
    return k


def restrict(x: Node, labels: Labels) -> Node:
    """The entries of `x`, broadcast to axes with these labels, where axes of equal labels have equal indices."""
    own = labels[len(labels) - len(x.type.shape) :]
    used = [100 + k if n == 1 else label for k, (label, n) in enumerate(zip(own, x.type.shape, strict=True))]
    every = distinct(labels)
    out = [k for k in every if k in used]
    reduced = einsum_node([x], [used], out, {})
    if out == list(every[len(every) - len(out) :]):
        return reduced
    positions = [k if k in out else 200 + k for k in every]
    return einsum_node([reduced], [out], positions, {k: 1 for k in positions if k >= 200})


@dataclass(frozen=True)
class Entry:
    """A piece of a sparse matrix: rows from the selection `row` (None: elements of the output), columns from `column`;
    `mirrored` pieces stand for their transpose too."""

    row: Selection | None
    column: Selection
    piece: Piece
    mirrored: bool = False


@dataclass(frozen=True)
class Structure:
    """A sparse Jacobian or Hessian of `root`: the sum of its entries, columns (and for Hessians rows) along
    `variables`."""

    root: Node
    variables: tuple[Node, ...]
    entries: tuple[Entry, ...]
    square: bool

    @property
    def values(self) -> list[Node]:
        """The values of each entry as formulas of the original symbols."""
        return [e.piece.values for e in self.entries]


def sparse_hessian(root: Node, variables: Sequence[Node]) -> Structure:
    """The Hessian of the scalar `root`; of blocks that are each other's transposes one is computed."""
    body, selections = separate(canonicalise([root])[0], variables)
    slopes = gradients(body, [s.symbol for s in selections])
    entries: list[Entry] = []
    for k, g in enumerate(slopes):
        later = selections[k:]
        for s, block in zip(later, jacobians([g], [s.symbol for s in later]), strict=True):
            entries += _entries(selections[k], s, block, s is not selections[k])
    return Structure(root, tuple(variables), _in_terms_of_variables(entries, selections), True)


def sparse_jacobian(root: Node, variables: Sequence[Node]) -> Structure:
    """The Jacobian of `root`, its elements in row-major order as rows."""
    body, selections = separate(canonicalise([root])[0], variables)
    entries: list[Entry] = []
    for s, block in zip(selections, jacobians([body], [s.symbol for s in selections]), strict=True):
        entries += _entries(None, s, block, False)
    return Structure(root, tuple(variables), _in_terms_of_variables(entries, selections), False)


def _entries(row: Selection | None, column: Selection, block: Node, mirrored: bool) -> list[Entry]:
    return [Entry(row, column, p, mirrored) for p in pieces(block) if not is_zero(p.values)]


def is_zero(x: Node) -> bool:
    """Whether `x` is a structural zero: a constant 0, broadcast or not."""
    while x.op.name == "einsum" and len(x.inputs) == 1:
        (x,) = x.inputs
    return split(x) == (Fraction(0), None)


def _in_terms_of_variables(entries: Sequence[Entry], selections: Sequence[Selection]) -> tuple[Entry, ...]:
    back = {s.symbol: s.source for s in selections}
    values = canonicalise(substitute([e.piece.values for e in entries], back)) if entries else []
    return tuple(
        Entry(e.row, e.column, Piece(e.piece.labels, v), e.mirrored) for e, v in zip(entries, values, strict=True)
    )


def diagonal(root: Node, variable: Node) -> Node:
    """The diagonal of the Hessian of the scalar `root`, in the shape of `variable`; nothing off the diagonal is
    computed."""
    (block,) = jacobians(gradients(root, [variable]), [variable])
    rank = len(variable.type.shape)
    terms = []
    for p in pieces(block):
        same = {k: k for k in p.labels}
        for a, b in zip(p.labels[:rank], p.labels[rank:], strict=True):
            a, b = _find(same, a), _find(same, b)
            same[max(a, b)] = min(a, b)
        own = [_find(same, k) for k in distinct(p.labels)]
        terms.append(_spread(p.values, own, [_find(same, k) for k in p.labels[:rank]], variable))
    total = terms[0] if len(terms) == 1 else node(lookup("add"), tuple(terms))
    return canonicalise([total])[0]


def _spread(values: Node, labels: Sequence[int], out: Sequence[int], variable: Node) -> Node:
    """The diagonal that `values` with these labels have along the axes `out`; repeated labels stand on a diagonal."""
    if len(set(out)) == len(out):
        return einsum_node([values], [labels], out, {})
    fresh, deltas, target = max(out) + 1, [], []
    for k, n in zip(out, variable.type.shape, strict=True):
        if k in target:
            deltas.append((delta(n, variable.type.dtype).node, (k, fresh)))
            k, fresh = fresh, fresh + 1
        target.append(k)
    return einsum_node([values, *(d for d, _ in deltas)], [labels, *(ls for _, ls in deltas)], target, {})

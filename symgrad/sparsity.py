"""Sparse Jacobians and Hessians: their structure from the graph, their values in closed form, nothing else computed.

Derivatives with respect to selections of the variables (`selections`) are canonical expressions in which what is known
to be zero stands as an identity (`delta`) between axes.  `pieces` takes such an expression apart into a sum of terms,
each a dense array of values with the statement which axes run together.  A band matrix is a few vectors, a
block-diagonal one an array of blocks.  The structure does not depend on the sizes, so preparation does not either;
positions are numbers only once arrays arrive.  Every value computed is an entry; compression by colouring (`coloured`)
is for formulas that hide their structure.

Values that fall on equally spaced places of the result are written there as a slice, others through an index array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from .build import symbol
from .compiler.types import Dim
from .derivatives import gradients, jacobians
from .expression import Expr
from .graph import Node, lookup, node, postorder, substitute
from .ops.contraction import delta, einsum_node, label_sizes
from .ops.shaping import reshape, slice_axes
from .rewrite.canonical import canonicalise
from .rewrite.terms import constant_node, split
from .selections import Selection, is_move, separate

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
    known: dict[Node, dict[Labels, Node]] = {}
    for n in postorder([x]):
        known[n] = _structure(n, known)
    return [Piece(labels, canonicalise([v])[0]) for labels, v in known[x].items()]


def _structure(x: Node, known: Mapping[Node, dict[Labels, Node]]) -> dict[Labels, Node]:
    """The values of the pieces that `x` is the sum of, by labels; operations that keep zeros act on the values only."""
    dense = {_every(x): x}
    match x.op.name:
        case "delta":
            return {(0, 0): einsum_node([constant_node(1, x.type.dtype)], [()], [0], {0: x.type.shape[0]})}
        case "einsum":
            return _product(x, known)
        case "add":
            found: dict[Labels, list[Node]] = {}
            for i in x.inputs:
                for own, part in known[i].items():
                    labels, values = _broadcast(own, part, i, x)
                    found.setdefault(labels, []).append(values)
            return {labels: _sum(v) for labels, v in found.items()} if list(found) != [_every(x)] else dense
        case "mul" | "div" | "mask":
            carriers = {"mul": range(len(x.inputs)), "div": [0], "mask": [1]}[x.op.name]
            return _elementwise(x, [k for k in carriers if _is_sparse(x.inputs[k], x, known)], known) or dense
        case _:
            return dense


def _broadcast(labels: Labels, values: Node, x: Node, whole: Node) -> tuple[Labels, Node]:
    """A piece of `x` as a piece of the larger `whole` that `x` broadcasts to."""
    own, all_ = x.type.shape, whole.type.shape
    if own == all_:
        return labels, values
    lead = len(all_) - len(own)
    every = [100 + k if k < lead or own[k - lead] != n else labels[k - lead] for k, n in enumerate(all_)]
    places = distinct(labels)
    used = [k for k in places if k in every]
    reduced = einsum_node([values], [places], used, {})
    target = distinct(every)
    sizes = {k: all_[k - 100] for k in target if k >= 100}
    return _numbered(every), einsum_node([reduced], [used], target, sizes)


def _every(x: Node) -> Labels:
    return tuple(range(len(x.type.shape)))


def _is_sparse(x: Node, whole: Node, known: Mapping[Node, dict[Labels, Node]]) -> bool:
    """Whether zeros of `x` are known that are zeros of `whole` too."""
    return x.type.shape == whole.type.shape and list(known[x]) != [_every(x)]


def _elementwise(
    x: Node, carriers: Sequence[int], known: Mapping[Node, dict[Labels, Node]]
) -> dict[Labels, Node]:
    """The pieces of an elementwise operation whose operands at `carriers` are sparse."""
    found: dict[Labels, list[Node]] = {}
    if carriers:
        for chosen in product(*(known[x.inputs[k]].items() for k in carriers)):
            own = dict(zip(carriers, chosen, strict=True))
            labels = _merged([part for part, _ in chosen])
            values = [
                _onto(own[k][1], own[k][0], labels) if k in own else restrict(i, labels) for k, i in enumerate(x.inputs)
            ]
            found.setdefault(labels, []).append(node(x.op, tuple(values), x.params))
    return {labels: _sum(v) for labels, v in found.items()}


def _merged(parts: Sequence[Labels]) -> Labels:
    """The labels of what is zero wherever an array with any of these labels is."""
    same: dict[int, int] = {k: k for k in range(len(parts[0]))}
    for labels in parts:
        for position, label in enumerate(labels):
            _tie(same, position, labels.index(label))
    return _numbered([_find(same, k) for k in range(len(parts[0]))])


def _numbered(labels: Sequence[int]) -> Labels:
    number = {k: p for p, k in enumerate(distinct(labels))}
    return tuple(number[k] for k in labels)


def _onto(values: Node, labels: Labels, merged: Labels) -> Node:
    """The values of a piece where more of its axes have equal indices."""
    if labels == merged:
        return values
    own = [merged[labels.index(k)] for k in distinct(labels)]
    return einsum_node([values], [own], distinct(merged), {})


def _product(x: Node, known: Mapping[Node, dict[Labels, Node]]) -> dict[Labels, Node]:
    """The pieces of a product of arrays: of each sparse factor one piece, in all combinations."""
    labels, out, _ = x.params
    sizes = label_sizes(x)
    sparse = [k for k, i in enumerate(x.inputs) if _is_sparse(i, i, known)]
    found: dict[Labels, list[Node]] = {}
    for chosen in product(*(known[x.inputs[k]].items() for k in sparse)):
        own = dict(zip(sparse, chosen, strict=True))
        same = {k: k for k in sizes}
        for k, (parts, _) in own.items():
            for position, label in enumerate(parts):
                _tie(same, labels[k][position], labels[k][parts.index(label)])
        factors: list[tuple[Node, list[int]]] = []
        for k, (i, ls) in enumerate(zip(x.inputs, labels, strict=True)):
            if i.op.name != "delta":
                value = own[k][1] if k in own else i
                used = ls if k not in own else [ls[own[k][0].index(label)] for label in distinct(own[k][0])]
                factors.append((value, [_find(same, label) for label in used]))
        merged = [_find(same, k) for k in out]
        factors = factors or [(constant_node(1, x.type.dtype), [])]
        values = einsum_node([f for f, _ in factors], [ls for _, ls in factors], distinct(merged), sizes)
        found.setdefault(_numbered(merged), []).append(values if sparse else x)
    return {ls: _sum(v) for ls, v in found.items()}


def _tie(same: dict[int, int], a: int, b: int) -> None:
    a, b = _find(same, a), _find(same, b)
    same[max(a, b)] = min(a, b)


def _sum(values: list[Node]) -> Node:
    return values[0] if len(values) == 1 else node(lookup("add"), tuple(values))


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
    """A piece of a sparse matrix: rows from the selection `row` (of the output, for a Jacobian), columns from `column`;
    `mirrored` pieces stand for their transpose too."""

    row: Selection
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
    for part, row in output_parts(body):
        for s, block in zip(selections, jacobians([part], [s.symbol for s in selections]), strict=True):
            entries += _entries(row, s, block, False)
    return Structure(root, tuple(variables), _in_terms_of_variables(entries, selections), False)


def output_parts(root: Node) -> list[tuple[Node, Selection]]:
    """What `root` is put together from by concatenating and moving, and which elements of the output each part is."""
    output = symbol("output", root.type).node
    found: list[tuple[Node, Selection]] = []
    pending = [(root, Expr(output))]
    while pending:
        x, place = pending.pop()
        if x.op.name == "concatenate":
            (axis,) = x.params
            assert isinstance(axis, int)
            start: Dim = 0
            parts = []
            for i in x.inputs:
                behind = [(0, n, 1) for n in i.type.shape[len(i.type.shape) + axis + 1 :]]
                parts.append((i, slice_axes(place, [(start, i.type.shape[axis], 1), *behind])))
                start = start + i.type.shape[axis]
            pending += reversed(parts)
        elif x.op.name == "reshape":
            pending.append((x.inputs[0], reshape(place, x.inputs[0].type.shape)))
        elif x.op.name == "einsum" and is_move(x):
            (own,), out, _ = x.params
            units = {k: n for k, n in zip(own, x.inputs[0].type.shape, strict=True) if k not in out}
            pending.append((x.inputs[0], Expr(einsum_node([place.node], [out], own, units))))
        else:
            own = tuple(range(len(x.type.shape)))
            long = tuple(k for k in own if x.type.shape[k] != 1)
            if long != own:
                (x,) = canonicalise([einsum_node([x], [own], long, {})])
                place = Expr(einsum_node([place.node], [own], long, {}))
            found.append((x, Selection(output, place.node, symbol(f"part{len(found)}_", x.type).node, place.node)))
    return found


def _entries(row: Selection, column: Selection, block: Node, mirrored: bool) -> list[Entry]:
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
            _tie(same, a, b)
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

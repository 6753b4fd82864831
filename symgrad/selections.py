"""Which entries of its variables a formula reads where: selections, pushed down to the variables.

``x[1:] - x[:-1]`` reads x through two selections.  Seen as independent variables u and v they make the formula a
function of u and v in which derivatives are local: its Jacobian is that with respect to u, put at the columns that u
selects, plus that with respect to v.  To see more such formulas, selections of elementwise results are first moved onto
their operands: ``(x**2)[1:]`` is ``x[1:]**2``.

A selection may hold elements of no variable too: the boundary around a padded array (``pad(x, 1)[2:]``, or ``x``
between given values by ``concatenate``).  They have no column, and what would stand there is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .build import symbol
from .compiler.types import ArrayType, Dim, max0
from .differentiation import active_nodes, zeros
from .expression import Expr, apply, cast, lift
from .graph import Node, lookup, node, postorder, substitute
from .interpreter import run
from .ops.contraction import broadcast_to
from .ops.shaping import reshape, slice_axes

MOVES = ("slice", "take", "reshape", "einsum")
"""Operations that only move elements (an einsum of one operand when it neither sums, repeats nor broadcasts)."""

PUSHED = ("slice", "take", "unslice", "reshape")
"""Operations that are moved from elementwise results onto the operands."""


@dataclass(frozen=True)
class Selection:
    """Elements of the variable `variable` in the order of `source`, an expression of it that only moves elements;
    `symbol` stands for them in the formula.  `places` is `source` with zeros for all that is no element of the
    variable."""

    variable: Node
    source: Node
    symbol: Node
    places: Node

    def positions(self, values: dict[Node, Any], sizes: dict[str, int], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """For each selected element, its place in the raveled variable of `shape`; -1 for what is none."""
        every = np.arange(1, int(np.prod(shape)) + 1, dtype=np.int64).reshape(shape)
        (found,) = run([self.places], {**values, self.variable: every}, sizes)
        return np.asarray(found).astype(np.int64) - 1


def is_move(x: Node) -> bool:
    """Whether `x` consists of elements of its first input, each at most once."""
    if x.op.name != "einsum":
        return x.op.name in MOVES
    labels, out, extra = x.params
    if len(x.inputs) != 1:
        return False
    (own,) = labels
    unit = {k for k, n in extra if n == 1}
    gone = [n for k, n in zip(own, x.inputs[0].type.shape, strict=True) if k not in out]
    return len(set(own)) == len(own) and len(unit) == len(extra) and all(n == 1 for n in gone)


def push_down(roots: Sequence[Node], variables: Sequence[Node] | None = None) -> list[Node]:
    """`roots` with slices, gathers, paddings and reshapes of elementwise results moved onto the operands, repeatedly:
    of those that depend on `variables`, by default of all."""
    current = list(roots)
    for _ in range(20):
        order = postorder(current)
        active = set(order) if variables is None else active_nodes(order, variables)
        replacements = {
            x: moved for x in order
            if x.op.name in PUSHED and x.inputs[0] in active and (moved := _pushed(x)) is not None
        }  # fmt: skip
        if not replacements:
            break
        current = substitute(current, replacements)
    return current


def _pushed(x: Node) -> Node | None:
    """A slice or gather of an elementwise operation as the operation of slices or gathers; padding alike."""
    inner = x.inputs[0]
    if x.op.name == "slice" and inner.op.name in _SLICED:
        return _SLICED[inner.op.name](x, inner)
    if inner.op.partials is None and inner.op.name not in ("where", "mask"):
        return None
    if x.op.name == "reshape":
        return _reshaped(x, inner)
    operands = [_selected(x, i, inner.type) for i in inner.inputs]
    if any(i is None for i in operands):
        return None
    result = node(inner.op, tuple(i for i in operands if i is not None), inner.params)
    if x.op.name == "unslice" and result.type == x.type:
        inside = _padded(x, broadcast_to(lift(True), inner.type.shape).node)
        return node(lookup("mask"), (inside, result))
    return result if result.type == x.type else None


def _padded(x: Node, operand: Node) -> Node:
    """The padding `x` of another operand; of truth values by way of numbers, as padding is a sum."""
    if operand.type.dtype != "bool":
        return node(x.op, (operand,), x.params)
    return (apply("unslice", [cast(Expr(operand), "f64")], x.params) != 0.0).node


def _reshaped(x: Node, inner: Node) -> Node | None:
    """A reshape of an elementwise operation of arrays of one shape (and scalars) as the operation of reshaped ones."""
    if any(i.type.shape not in ((), inner.type.shape) for i in inner.inputs):
        return None
    operands = [reshape(Expr(i), x.type.shape).node if i.type.shape else i for i in inner.inputs]
    return node(inner.op, tuple(operands), inner.params)


def _slice_of_slice(x: Node, inner: Node) -> Node:
    """One slice in the place of two."""
    outer: tuple[Any, ...] = x.params[0]
    own: tuple[Any, ...] = inner.params[0]
    sizes = inner.inputs[0].type.shape
    rank = max(len(outer), len(own))
    first = [(0, n, 1) for n in sizes[len(sizes) - rank : len(sizes) - len(own)]] + list(own)
    second = [(0, n, 1) for _, n, _ in first[: rank - len(outer)]] + list(outer)
    cuts = tuple((a + s * b, n, s * t) for (a, _, s), (b, n, t) in zip(first, second, strict=True))
    return node(x.op, (inner.inputs[0],), (cuts,))


def _slice_of_unslice(x: Node, inner: Node) -> Node | None:
    """A slice of a padded array as a slice of the array, where it is seen to lie within."""
    outer, own = x.params[0], inner.params[0]
    if len(outer) > len(own) or any(step != 1 for _, _, step in own):
        return None
    sizes = inner.params[1]
    outer = (*((0, n, 1) for n in sizes[: len(sizes) - len(outer)]), *outer)
    cuts = [(a - first, n, step) for (a, n, step), (first, _, _) in zip(outer, own, strict=True)]
    return _part(x, inner.inputs[0], cuts, [n for _, n, _ in own])


def _slice_of_concatenation(x: Node, inner: Node) -> Node | None:
    """A slice of parts put behind each other as a slice of one of them, where it is seen to lie within."""
    axis: int = inner.params[0]
    cuts = list(x.params[0])
    if -axis > len(cuts):
        return None
    start, count, step = cuts[axis]
    for part in inner.inputs:
        size = part.type.shape[axis]
        cuts[axis] = start, count, step
        sizes = part.type.shape[len(part.type.shape) - len(cuts) :]
        found = _part(x, part, cuts, sizes)
        if found is not None:
            return found
        start = start - size
    return None


def _part(x: Node, whole: Node, cuts: Sequence[tuple[Dim, Dim, int]], sizes: Sequence[Dim]) -> Node | None:
    """The slice `cuts` of `whole`, whose trailing axes have these sizes; None unless it is known to lie within."""
    for (first, n, step), size in zip(cuts, sizes, strict=True):
        last = first + (n - 1) * step
        ends = (first, last, size - 1 - first, size - 1 - last)
        if any(max0(end) != end for end in ends):
            return None
    result = slice_axes(Expr(whole), cuts).node
    return result if result.type == x.type else None


def _slice_of_product(x: Node, inner: Node) -> Node | None:
    """A slice of a product of arrays that sums nothing, as the product of slices."""
    labels, out, extra = inner.params
    if any(k not in out for own in labels for k in own) or any(i.op.name == "delta" for i in inner.inputs):
        return None
    cuts: tuple[Any, ...] = x.params[0]
    cut = dict(zip(out[len(out) - len(cuts) :], cuts, strict=True))
    operands = []
    for i, own in zip(inner.inputs, labels, strict=True):
        parts = [cut.get(k, (0, n, 1)) for k, n in zip(own, i.type.shape, strict=True)]
        whole = all(p == (0, n, 1) for p, n in zip(parts, i.type.shape, strict=True))
        operands.append(i if whole else node(x.op, (i,), (tuple(parts),)))
    sizes = tuple((k, cut[k][1] if k in cut else n) for k, n in extra)
    return node(inner.op, tuple(operands), (labels, out, sizes))


_SLICED = {
    "slice": _slice_of_slice, "einsum": _slice_of_product, "unslice": _slice_of_unslice,
    "concatenate": _slice_of_concatenation,
}  # fmt: skip
"""Slices of these operations, with a slice as the first argument."""


def _selected(x: Node, operand: Node, whole: ArrayType) -> Node | None:
    """What remains of an operand that broadcasts to `whole` under the selection `x` of the result."""
    rank = len(operand.type.shape)
    if x.op.name == "unslice":
        return operand if not rank else _padded(x, operand) if operand.type.shape == whole.shape else None
    if x.op.name == "slice":
        cuts: tuple[Any, ...] = x.params[0]
        used = cuts[len(cuts) - rank :] if rank < len(cuts) else cuts
        first = rank - len(used)
        own = tuple(
            (0, 1, 1) if n == 1 and whole.shape[len(whole.shape) - rank + first + k] != 1 else cut
            for k, (cut, n) in enumerate(zip(used, operand.type.shape[first:], strict=True))
        )
        return node(x.op, (operand,), (own,)) if own else operand
    axis, index_rank = x.params[0], x.params[1]
    assert isinstance(axis, int)
    if -axis > rank:
        return operand if index_rank == 1 or axis == -len(whole.shape) else None
    if operand.type.shape[axis] == 1 and whole.shape[axis] != 1:
        return operand if index_rank == 1 else None
    return node(x.op, (operand, x.inputs[1]), x.params)


def separate(root: Node, variables: Sequence[Node]) -> tuple[Node, list[Selection]]:
    """`root` as a formula of independent selections of `variables`, which may not overlap for what follows to be local.

    A use of a variable that is not through a selection is the selection of everything."""
    (pushed,) = push_down([root], variables)
    order = postorder([pushed])
    active = active_nodes(order, variables)
    origin: dict[Node, Node] = {v: v for v in variables}
    places: dict[Node, Node] = {v: v for v in variables}
    for x in order:
        if x not in origin and (moved := _moved(x, active)) and all(i in origin for i in moved):
            sources = {origin[i] for i in moved}
            if len(sources) == 1:
                (origin[x],) = sources
                places[x] = _of_places(x, places)
    ends: dict[Node, None] = {}
    for x in order:
        for i in x.inputs:
            if i in origin and x not in origin:
                ends[i] = None
    if pushed in origin:
        ends[pushed] = None
    found = [
        Selection(origin[end], end, symbol(f"u{k}_", end.type).node, places[end]) for k, end in enumerate(ends)
    ]
    (result,) = substitute([pushed], {s.source: s.symbol for s in found})
    assert not {*variables} & set(postorder([result]))
    return result, found


def _moved(x: Node, active: set[Node]) -> list[Node]:
    """The inputs whose elements `x` consists of, each at most once, and of nothing else that is active."""
    if x.op.name == "concatenate":
        return [i for i in x.inputs if i in active]
    return [x.inputs[0]] if x.inputs and (x.op.name == "unslice" or is_move(x)) else []


def _of_places(x: Node, places: dict[Node, Node]) -> Node:
    """`x` on the places of its inputs, zeros standing for values that a concatenation puts between them."""
    if x.op.name == "concatenate":
        return node(x.op, tuple(places.get(i) or zeros(i.type.shape, i.type.dtype).node for i in x.inputs), x.params)
    return node(x.op, (places[x.inputs[0]], *x.inputs[1:]), x.params)

"""Which entries of its variables a formula reads where: selections, pushed down to the variables.

``x[1:] - x[:-1]`` reads x through two selections.  Seen as independent variables u and v they make the formula a
function of u and v in which derivatives are local: its Jacobian is that with respect to u, put at the columns that u
selects, plus that with respect to v.  To see more such formulas, selections of elementwise results are first moved onto
their operands: ``(x**2)[1:]`` is ``x[1:]**2``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .build import symbol
from .compiler.types import ArrayType
from .differentiation import active_nodes
from .graph import Node, node, postorder, substitute
from .interpreter import run

MOVES = ("slice", "take", "reshape", "einsum")
"""Operations that only move elements (an einsum of one operand when it neither sums, repeats nor broadcasts)."""


@dataclass(frozen=True)
class Selection:
    """Elements of the variable `variable` in the order of `source`, an expression of it that only moves elements;
    `symbol` stands for them in the formula."""

    variable: Node
    source: Node
    symbol: Node

    def positions(self, values: dict[Node, Any], sizes: dict[str, int], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """For each selected element, its place in the raveled variable of `shape`."""
        every = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
        (found,) = run([self.source], {**values, self.variable: every}, sizes)
        return np.asarray(found)


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
    """`roots` with slices and gathers of elementwise results moved onto the operands, repeatedly: of those that depend
    on `variables`, by default of all."""
    current = list(roots)
    for _ in range(20):
        order = postorder(current)
        active = set(order) if variables is None else active_nodes(order, variables)
        replacements = {
            x: moved for x in order
            if x.op.name in ("slice", "take") and x.inputs[0] in active and (moved := _pushed(x)) is not None
        }  # fmt: skip
        if not replacements:
            break
        current = substitute(current, replacements)
    return current


def _pushed(x: Node) -> Node | None:
    """A slice or gather of an elementwise operation as the operation of slices or gathers."""
    inner = x.inputs[0]
    if x.op.name == "slice" and inner.op.name == "slice":
        return _slice_of_slice(x, inner)
    if x.op.name == "slice" and inner.op.name == "einsum":
        return _slice_of_product(x, inner)
    if inner.op.partials is None and inner.op.name not in ("where", "mask"):
        return None
    operands = [_selected(x, i, inner.type) for i in inner.inputs]
    if any(i is None for i in operands):
        return None
    result = node(inner.op, tuple(i for i in operands if i is not None), inner.params)
    return result if result.type == x.type else None


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


def _selected(x: Node, operand: Node, whole: ArrayType) -> Node | None:
    """What remains of an operand that broadcasts to `whole` under the selection `x` of the result."""
    rank = len(operand.type.shape)
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
    chosen = set(variables)
    origin: dict[Node, Node] = {v: v for v in variables}
    for x in order:
        if x not in origin and x.inputs and x.inputs[0] in origin and is_move(x):
            origin[x] = origin[x.inputs[0]]
    ends: dict[Node, None] = {}
    for x in order:
        for i in x.inputs:
            if i in origin and x not in origin:
                ends[i] = None
    if pushed in origin:
        ends[pushed] = None
    found = [
        Selection(origin[end], end, symbol(f"u{k}_", end.type).node) for k, end in enumerate(ends)
    ]
    (result,) = substitute([pushed], {s.source: s.symbol for s in found})
    assert not chosen & set(postorder([result]))
    return result, found

"""`vmap`: a formula of one example made a formula of a batch, by adding an axis in front of every value that depends
on it.

Operations act on trailing axes and broadcast over leading ones, so most of them take the new axis as they are;
elementwise ones and those of several operands need their operands aligned; the few that do not fit are mapped by a
loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .compiler.types import ArrayType, Dim
from .control import Level
from .errors import ArgumentError, ShapeError
from .expression import FUNCTIONS, Expr, apply, function, lift
from .graph import Node, node, postorder
from .loops import bound, make_scan
from .ops.contraction import axes_from_right, broadcast_to, einsum_labels, label_sizes
from .ops.elementwise import widen
from .trees import mapped

CORE: dict[str, tuple[int, ...]] = {
    "solve": (2, 2), "solve_triangular": (2, 2), "cofactor_slope": (2, 2), "spectral": (1, 2),
    "linear_recurrence": (1, 1), "take_along": (1, 1), "scatter_along": (1, 1), "correlate_valid": (1, 1),
}  # fmt: skip
"""Operations of several operands that broadcast over leading axes: how many trailing axes of each are their own."""
LOOPED = {"scan", "while", "implicit_root", "custom"}


def batched(roots: Sequence[Node], replaced: Mapping[Node, Expr], n: Dim) -> list[Expr]:
    """`roots` with some nodes replaced by values that have one more axis, of size `n`, in front; every result has
    it."""
    new: dict[Node, Expr] = dict(replaced)
    for x in postorder(roots):
        if x not in new and any(i in new for i in x.inputs):
            new[x] = _rebuilt(x, new, n)
    return [new[r] if r in new else broadcast_to(Expr(r), (n, *r.type.shape)) for r in roots]


def _rebuilt(x: Node, new: Mapping[Node, Expr], n: Dim) -> Expr:
    rank = len(x.type.shape)
    if x.op.name not in LOOPED and (x.op.partials is not None or x.op.name in ("where", "mask", "cast")):
        return apply(
            x.op, [widen(new[i], len(i.type.shape), rank) if i in new else Expr(i) for i in x.inputs], x.params
        )
    if x.op.name == "einsum":
        return _einsum(x, new, n)
    if x.op.name == "concatenate":
        return apply(
            x.op, [new[i] if i in new else broadcast_to(Expr(i), (n, *i.type.shape)) for i in x.inputs], x.params
        )
    own = _core_axes(x)
    if own is not None:
        lead = max(len(i.type.shape) - c for i, c in zip(x.inputs, own, strict=True))
        aligned = [
            widen(new[i], len(i.type.shape), lead + c) if i in new else Expr(i)
            for i, c in zip(x.inputs, own, strict=True)
        ]
        return apply(x.op, aligned, x.params)
    if x.op.name not in LOOPED and x.inputs[0] in new and not any(i in new for i in x.inputs[1:]):
        return apply(x.op, [new[x.inputs[0]], *map(Expr, x.inputs[1:])], x.params)
    return _looped(x, new, n)


def _core_axes(x: Node) -> tuple[int, ...] | None:
    """How many trailing axes of each operand are the operation's own, if it broadcasts over leading ones."""
    if x.op.name == "matrix_function":  # a matrix, numbers, matrices
        order: int = x.params[1]
        return (2, *[0] * (len(x.inputs) - 1 - order), *[2] * order)
    return CORE.get(x.op.name)


def _einsum(x: Node, new: Mapping[Node, Expr], n: Dim) -> Expr:
    labels, out, _ = x.params
    sizes = dict(label_sizes(x))
    front = max(sizes, default=0) + 1
    used = [[front, *ls] if i in new else list(ls) for i, ls in zip(x.inputs, labels, strict=True)]
    return einsum_labels([new.get(i, Expr(i)) for i in x.inputs], used, [front, *out], {**sizes, front: n})


def _looped(x: Node, new: Mapping[Node, Expr], n: Dim) -> Expr:
    """One operation, example by example."""
    inside = {i: bound("slice" if i in new else "outside", k, i.type) for k, i in enumerate(dict.fromkeys(x.inputs))}
    one = Expr(node(x.op, tuple(inside[i] for i in x.inputs), x.params))
    _, (stacked,) = make_scan([], [(b, new[i]) for i, b in inside.items() if i in new],
                              [(b, Expr(i)) for i, b in inside.items() if i not in new], [one], n, False)  # fmt: skip
    return stacked


@function("vmap")
def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """The function that applies `f` to every slice of its arguments along `in_axes` (an integer, or one or None for
    each argument) and stacks the results along `out_axes`.

    >>> import symgrad as sg
    >>> X = sg.matrix("X", "m,n")
    >>> sg.vmap(sg.norm)(X).type
    f64[m]
    """

    def call(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ArgumentError(f"vmap: {len(axes)} in_axes for {len(args)} arguments")
        front = [lift(a) if k is None else _to_front(lift(a), k) for a, k in zip(args, axes, strict=True)]
        sizes = {x.type.shape[0] for x, k in zip(front, axes, strict=True) if k is not None}
        if len(sizes) != 1:
            shown = ", ".join(map(str, sorted(sizes, key=str))) or "none"
            raise ShapeError(f"vmap: the mapped axes must have one size in common, got {shown}")
        (n,) = sizes
        with Level() as level:
            own = [x if k is None else Expr(bound("mapped", i, ArrayType(x.dtype, x.type.shape[1:]), level))
                   for i, (x, k) in enumerate(zip(front, axes, strict=True))]  # fmt: skip
            result = f(*own)
        replaced = {o.node: x for o, x, k in zip(own, front, axes, strict=True) if k is not None}

        def whole(leaf: Any) -> Expr:
            (found,) = batched([lift(leaf).node], replaced, n)
            moved: Expr = found if out_axes == 0 else FUNCTIONS["moveaxis"](found, 0, out_axes)
            return moved

        return mapped(whole, result)

    return call


def _to_front(x: Expr, axis: int) -> Expr:
    (at,) = axes_from_right("vmap", x, axis)
    moved: Expr = FUNCTIONS["moveaxis"](x, at, 0)
    return moved


__all__ = ["batched", "vmap"]

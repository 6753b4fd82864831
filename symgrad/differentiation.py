"""The sweeps of differentiation: reverse, forward, and what follows from them.  No rule of any operation stands here.

Reverse mode is symbol-to-symbol back-propagation as in *Deep Learning* (Goodfellow, Bengio, Courville, 2016), section
6.5: `vjp` is algorithm 6.5, it prunes to the nodes between the variables and the output and then asks for the cotangent
of each; `_cotangents` is algorithm 6.6, `build_grad`, unrolled into one pass in reverse topological order so that
nothing recurses, with `table` as its grad_table and each operation's `vjp` as its bprop.  Algorithms 6.1 and 6.2
(forward and backward through scalar nodes) are the special case of scalars, where every bprop multiplies by a partial
derivative.

A Jacobian is one reverse sweep whose cotangent carries the output's axes as extra leading axes, seeded with identities
(`delta`): every operation acts on trailing axes, so the rules need not know.  Forward mode is the same graph walked the
other way; an operation without a forward rule gets one by transposing its vjp, which is linear in the cotangent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .compiler.types import ArrayType, is_float
from .errors import NotDifferentiable, ShapeError
from .expression import Expr, apply, cast, lift
from .graph import Node, Op, lookup, node, postorder
from .ops.contraction import broadcast_to, delta, einsum_labels
from .ops.elementwise import total
from .origins import listening
from .scalar_pullbacks import pullback


def active_nodes(order: Sequence[Node], wrt: Sequence[Node]) -> set[Node]:
    """The nodes of `order` that depend on `wrt` through operations that can carry a derivative."""
    active = set(wrt)
    for x in order:
        if (
            x not in active
            and any(i in active for i in x.inputs)
            and is_float(x.type.dtype)
            and x.op.name != "stop_gradient"
        ):
            active.add(x)
    return active


def vjp(outputs: Sequence[Node], cotangents: Sequence[Expr], wrt: Sequence[Node]) -> list[Expr | None]:
    """The cotangents of `wrt` when those of `outputs` are given (algorithm 6.5); None where nothing flows.

    A cotangent's trailing axes are those of its node; further axes on the left pass through.  Raises NotDifferentiable
    when an operation on the way has no derivative."""
    order = postorder(outputs)
    table = _cotangents(order, active_nodes(order, wrt), outputs, cotangents)
    return [_total(table.get(x, [])) for x in wrt]


def _cotangents(
    order: Sequence[Node], active: set[Node], outputs: Sequence[Node], cotangents: Sequence[Expr]
) -> dict[Node, list[Expr]]:
    """The grad table: for each active node the contributions of its consumers to its cotangent (algorithm 6.6)."""
    table: dict[Node, list[Expr]] = {}
    origins = listening()
    if origins is not None:
        origins.begin(order)
    for y, g in zip(outputs, cotangents, strict=True):
        if y in active:
            table.setdefault(y, []).append(g)
    for y in reversed(order):
        if y not in table or not any(x in active for x in y.inputs) or y.op.name == "stop_gradient":
            continue
        g = total(table[y])
        table[y] = [g]
        for x, contribution in zip(y.inputs, _bprop(y, g), strict=True):
            if x in active and (flowing := _wanted(contribution)) is not None:
                table.setdefault(x, []).append(flowing)
                if origins is not None:
                    origins.note(y, [g.node, flowing.node])
    return table


def _bprop(y: Node, g: Expr) -> Sequence[Expr | NotDifferentiable | None]:
    if y.op.vjp is None:
        raise NotDifferentiable(f"{y.op.name}: has no derivative ({y.op.doc.rstrip('.')})")
    alike = pullback(y, g.node)
    if alike is not None:
        return alike
    contributions: Sequence[Expr | NotDifferentiable | None] = y.op.vjp(g, Expr(y), *map(Expr, y.inputs))
    return contributions


def _wanted(contribution: Expr | NotDifferentiable | None) -> Expr | None:
    """What a rule gives for an operand that matters; raises what it gives for one that it cannot differentiate by."""
    if isinstance(contribution, NotDifferentiable):
        raise contribution
    return contribution


def _total(contributions: Sequence[Expr]) -> Expr | None:
    return total(contributions) if contributions else None


def seed(type_: ArrayType) -> Expr:
    """The identity map on values of a type, with the type's axes twice: ``delta`` for each axis; 1 for a scalar."""
    if not type_.shape:
        return cast(lift(1.0), type_.dtype)
    rank = type_.rank
    if rank == 1:
        return delta(type_.shape[0], type_.dtype)
    deltas = [delta(n, type_.dtype) for n in type_.shape]
    return einsum_labels(deltas, [(k, rank + k) for k in range(rank)], range(2 * rank))


def zeros(shape: Sequence[Any], dtype: str) -> Expr:
    """An array of structural zeros."""
    return broadcast_to(lift(0.0).astype(dtype), tuple(shape))


def require_differentiable(x: Node, what: str = "derivative") -> None:
    """Raises NotDifferentiable unless `x` has floating-point elements."""
    if not is_float(x.type.dtype):
        name = f"{x.params[0]} is " if x.op.name == "symbol" else ""
        raise NotDifferentiable(f"{what}: {name}{x.type}; only floating-point values have derivatives")


def jacobian(y: Node, wrt: Sequence[Node]) -> list[Expr]:
    """d y / d x for each x of `wrt`: the axes of y, then the axes of x."""
    for x in (y, *wrt):
        require_differentiable(x)
    found = vjp([y], [seed(y.type)], wrt)
    return [
        g if g is not None else zeros((*y.type.shape, *x.type.shape), y.type.dtype)
        for g, x in zip(found, wrt, strict=True)
    ]


def gradient(y: Node, wrt: Sequence[Node]) -> list[Expr]:
    """The gradient of a scalar `y` with the shape of each x.  Raises ShapeError if `y` is not a scalar."""
    if y.type.shape:
        raise ShapeError(
            f"grad: needs a scalar, got {y.type}; use sum(...) for a loss or .jacobian(...) for all derivatives"
        )
    return jacobian(y, wrt)


def jvp(outputs: Sequence[Node], tangents: Mapping[Node, Expr]) -> list[Expr | None]:
    """The directional derivatives of `outputs` along `tangents` of some nodes; None where nothing flows."""
    order = postorder(outputs)
    active = active_nodes(order, list(tangents))
    table: dict[Node, Expr | None] = dict(tangents)
    needed = _leading_to(outputs, order, active)
    origins = listening()
    if origins is not None:
        origins.begin(order)
    for y in order:
        if y in needed and y not in table:
            found = table[y] = _pushforward(y, [table.get(x) if x in active else None for x in y.inputs])
            if origins is not None and found is not None:
                origins.note(y, [found.node])
    return [table.get(y) for y in outputs]


def _leading_to(outputs: Sequence[Node], order: Sequence[Node], active: set[Node]) -> set[Node]:
    """The active nodes from which a derivative flows into `outputs`."""
    needed = {y for y in outputs if y in active}
    for y in reversed(order):
        if y in needed:
            needed.update(x for x in y.inputs if x in active)
    return needed


def _pushforward(y: Node, tangents: Sequence[Expr | None]) -> Expr | None:
    if all(t is None for t in tangents):
        return None
    if y.op.jvp is not None:
        result: Expr | None = y.op.jvp(tangents, Expr(y), *map(Expr, y.inputs))
    elif y.op.linear:
        first = tangents[0]
        result = None if first is None else apply(y.op, [first, *map(Expr, y.inputs[1:])], y.params)
    else:
        result = _transposed(y, tangents)
    return None if result is None else _widened(result, y, tangents)


def _widened(result: Expr, y: Node, tangents: Sequence[Expr | None]) -> Expr:
    """`result` broadcast to the shape of `y` behind the extra axes that the tangents carry."""
    extra: tuple[Any, ...] = ()
    for t, x in zip(tangents, y.inputs, strict=True):
        if t is not None and t.ndim > len(x.type.shape):
            extra = t.type.shape[: t.ndim - len(x.type.shape)]
    return broadcast_to(result, (*extra, *y.type.shape))


_DUMMY = Op("cotangent", lambda types, params: params[0], lambda *_: None)


def _transposed(y: Node, tangents: Sequence[Expr | None]) -> Expr | None:
    """The pushforward as the transpose of the pullback: the derivative of ``u -> vjp(u)``, which is linear in u."""
    dummy = node(_DUMMY, (), (y.type, y.depth))
    pulled = _bprop(y, Expr(dummy))
    pairs = [(p, t) for q, t in zip(pulled, tangents, strict=True) if t is not None and (p := _wanted(q)) is not None]
    if not pairs:
        return None
    return vjp([p.node for p, _ in pairs], [t for _, t in pairs], [dummy])[0]


__all__ = ["gradient", "jacobian", "jvp", "lookup", "require_differentiable", "seed", "vjp", "zeros"]

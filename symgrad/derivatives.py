"""Derivatives of outputs as canonical nodes: what expressions print and compiled functions compute."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence

from .differentiation import gradient, jacobian, jvp, require_differentiable, vjp, zeros
from .expression import Expr
from .graph import Node, collector_paused, orders_kept
from .ops.contraction import einsum_node
from .ops.elementwise import total
from .origins import listening
from .rewrite.canonical import canonicalise
from .rewrite.stable_jacobians import finished


def gradients(y: Node, wrt: Sequence[Node]) -> list[Node]:
    """The gradient of the scalar `y` with the shape of each of `wrt`.  Raises ShapeError, NotDifferentiable."""
    with collector_paused(), orders_kept():
        return [finished(g) for g in _slopes(y, wrt)]


def _slopes(y: Node, wrt: Sequence[Node]) -> list[Node]:
    """The gradient as it is differentiated again; the one that was found last if somebody still has it."""
    if y in _found and listening() is None:
        variables, slopes = _found[y]
        known = [x for slope in slopes if (x := slope()) is not None]
        if variables == tuple(wrt) and len(known) == len(slopes):
            return known
    (value,) = canonicalise([y])
    found = canonicalise([value, *[g.node for g in gradient(value, wrt)]])[1:]
    if y not in wrt:
        _found[y] = tuple(wrt), tuple(map(weakref.ref, found))
    return found


_found: weakref.WeakKeyDictionary[Node, tuple[tuple[Node, ...], tuple[weakref.ref[Node], ...]]] = (
    weakref.WeakKeyDictionary()
)
"""For values their last gradient, and with respect to what."""


def jacobians(outputs: Sequence[Node], wrt: Sequence[Node]) -> list[Node]:
    """The Jacobians of each output with respect to each of `wrt`, row by row: the output's axes, then the
    variable's."""
    with collector_paused():
        values = canonicalise(outputs)
        blocks = [block.node for y in values for block in jacobian(y, wrt)]
        return [finished(x) for x in canonicalise([*values, *blocks])[len(values) :]]


def hessians(y: Node, wrt: Sequence[Node]) -> list[Node]:
    """The blocks of the Hessian of the scalar `y`, row by row.

    Of scalar variables those above the diagonal are taken for those below it too."""
    with collector_paused(), orders_kept():
        slopes = _slopes(y, wrt)
        if any(x.type.shape for x in (y, *wrt)):
            return jacobians(slopes, wrt)
        blocks = [block.node for k, g in enumerate(slopes) for block in jacobian(g, wrt[k:])]
        upper = iter(canonicalise([*slopes, *blocks])[len(slopes) :])
    n = len(wrt)
    found = {(i, j): next(upper) for i in range(n) for j in range(i, n)}
    return [found[min(i, j), max(i, j)] for i in range(n) for j in range(n)]


def pushforwards(outputs: Sequence[Node], tangents: Mapping[Node, Node]) -> list[Node]:
    """The directional derivatives of `outputs` along the tangents of some symbols."""
    for x in (*outputs, *tangents):
        require_differentiable(x)
    found = jvp(canonicalise(outputs), {x: Expr(t) for x, t in tangents.items()})
    return canonicalise([_or_zeros(d, y) for d, y in zip(found, outputs, strict=True)])


def pullbacks(outputs: Sequence[Node], cotangents: Sequence[Node], wrt: Sequence[Node]) -> list[Node]:
    """The cotangents of `wrt` that those of `outputs` give."""
    for x in (*outputs, *wrt):
        require_differentiable(x)
    found = vjp(canonicalise(outputs), list(map(Expr, cotangents)), wrt)
    return canonicalise([_or_zeros(d, x) for d, x in zip(found, wrt, strict=True)])


def hessian_products(y: Node, tangents: Mapping[Node, Node]) -> list[Node]:
    """The products of the Hessian of the scalar `y` with the tangents of some symbols, one for each: forward over
    reverse."""
    return pushforwards(_slopes(y, list(tangents)), tangents)


def gauss_newton_products(outputs: Sequence[Node], tangents: Mapping[Node, Node]) -> list[Node]:
    """The products of J'J, J being the Jacobian of all outputs, with the tangents of some symbols, one for each."""
    return pullbacks(outputs, pushforwards(outputs, tangents), list(tangents))


def weighted_hessians(outputs: Sequence[Node], weights: Sequence[Node], wrt: Sequence[Node]) -> list[Node]:
    """The blocks of the sum of the Hessians of all elements of `outputs`, each times its weight, row by row."""
    for x in (*outputs, *wrt):
        require_differentiable(x)
    return hessians(weighted(outputs, weights), wrt)


def weighted(outputs: Sequence[Node], weights: Sequence[Node]) -> Node:
    """The sum of all elements of `outputs`, each times its weight."""
    axes = [range(len(y.type.shape)) for y in outputs]
    terms = [Expr(einsum_node([u, y], [k, k], [], {})) for u, y, k in zip(weights, outputs, axes, strict=True)]
    return total(terms).node


def _or_zeros(found: Expr | None, x: Node) -> Node:
    return (found if found is not None else zeros(x.type.shape, x.type.dtype)).node


__all__ = [
    "gauss_newton_products", "gradients", "hessian_products", "hessians", "jacobians", "pullbacks", "pushforwards",
    "weighted", "weighted_hessians",
]  # fmt: skip

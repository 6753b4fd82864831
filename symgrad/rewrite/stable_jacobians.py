"""Stable forms of whole gradients and Jacobians.

They stand at the end: ``(I - p)*p`` inside a larger product is taken apart again to remove the identity, which is how a
Hessian becomes a product of small matrices, and what cancels on its diagonal is then only a part of a sum.  And the
derivative of ``softmax(z) - e`` is that of softmax(z), which a selection would hide.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

from ..expression import Expr
from ..graph import Node, lookup, node
from .factors import function, lines, whole
from .settling import canonical, fitting
from .terms import constant_node, number_of, split

where = function("where")


def finished(root: Node) -> Node:
    """A gradient or Jacobian: a softmax less 1 without cancellation, multiples of the slope of a softmax as that."""
    if root.op.name == "add":
        root = _less_selection(root) or root
    terms = root.inputs if root.op.name == "add" else (root,)
    made = [_slope(t) for t in terms]
    if all(m is None for m in made):
        return root
    parts = [Expr(t) if m is None else m for t, m in zip(terms, made, strict=True)]
    result = canonical(reduce(lambda a, b: a + b, parts))
    return result if result.type == root.type else root


def _slope(x: Node) -> Expr | None:
    """``c*(I - p[:, None])*p`` for p = softmax(z) of a vector z, by its slope."""
    if len(x.type.shape) != 2:
        return None
    number, powers = lines(x)
    for p in powers:
        if powers[p] != 1 or p.op.name != "softmax" or len(p.type.shape) != 1:
            continue
        for d, k in powers.items():
            if k == 1 and d.op.name == "add" and _is_identity_less(d, p):
                rest = {y: j for y, j in powers.items() if y is not p and y is not d}
                slope = Expr(node(lookup("softmax_slope"), p.inputs))
                return whole(number, rest, x.type.dtype) * slope
    return None


def _is_identity_less(d: Node, p: Node) -> bool:
    """Whether `d` is the identity less the column of `p`."""
    parts = [split(t) for t in d.inputs]
    if len(parts) != 2 or {c for c, _ in parts} != {1, -1}:
        return False
    (eye, column) = (parts[0], parts[1]) if parts[0][0] == 1 else (parts[1], parts[0])
    e, s = eye[1], column[1]
    return e is not None and s is not None and e.op.name == "delta" and s.op.name == "einsum" and s.inputs == (p,)


def _less_selection(x: Node) -> Node | None:
    """``softmax(z) - e`` for an array e of zeros and a few ones, as in the slope of a cross-entropy: there it is
    ``-softmax_rest(z)``."""
    for t in x.inputs:
        c, s = split(t)
        if s is None or s.op.name != "softmax" or not c:
            continue
        for u in x.inputs:
            d, base = split(u)
            if base is None or base.op.name != "unslice":
                continue
            ones = _repeated_number(base.inputs[0])
            if ones is None or d * ones != -c or base.type != s.type:
                continue
            at = Expr(base) != 0
            rest = Expr(node(lookup("softmax_rest"), s.inputs, s.params))
            found = Expr(constant_node(c, x.type.dtype)) * where(at, -rest, Expr(s))
            for r in x.inputs:
                if r is not t and r is not u:
                    found = found + Expr(r)
            return fitting(x, found)
    return None


def _repeated_number(x: Node) -> Fraction | None:
    while x.op.name == "einsum" and len(x.inputs) == 1:
        (x,) = x.inputs
    return number_of(x)

"""Which matrices equal their transposes by their form: ``A + A.T``, ``X.T @ diag(d) @ X``, functions of such."""

from __future__ import annotations

import weakref

from ..graph import Node, postorder
from ..ops.contraction import einsum_node

_known: weakref.WeakKeyDictionary[Node, bool] = weakref.WeakKeyDictionary()
ELEMENTWISE = ("where", "mask")


def is_symmetric(x: Node) -> bool:
    """Whether the canonical matrix `x` (its last two axes) is its own transpose whatever its symbols are."""
    if len(x.type.shape) != 2 or x.type.shape[0] != x.type.shape[1]:
        return False
    if x not in _known:
        for n in postorder([x]):
            if n not in _known:
                _known[n] = _symmetric(n)
    return _known[x]


def _symmetric(x: Node) -> bool:
    if len(x.type.shape) != 2 or x.type.shape[0] != x.type.shape[1]:
        return False
    if x.op.name == "delta":
        return True
    if x.op.name == "einsum":
        return len(x.inputs) > 1 and transposed(x) is x
    if x.op.name == "matrix_function":
        return bool(x.params[1] == 0)
    if x.op.name == "add":
        return _sum_is_symmetric(x)
    if x.op.partials is not None or x.op.name in ELEMENTWISE or x.op.name in ("inv", "cofactor"):
        return all(not i.type.shape or _known.get(i, False) for i in x.inputs)
    return False


def _sum_is_symmetric(x: Node) -> bool:
    terms = set(x.inputs)
    return all(
        not t.type.shape or _known.get(t, False) or (t.type.shape == x.type.shape and transposed(t) in terms)
        for t in x.inputs
    )


def transposed(x: Node) -> Node:
    """The canonical transpose of a canonical matrix."""
    from .canonical import rebuild
    from .terms import split

    c, base = split(x)
    assert base is not None
    turned = rebuild(einsum_node([base], [(0, 1)], (1, 0), {}))
    if c == 1:
        return turned
    from .canonical import scaled

    return scaled(c, turned)


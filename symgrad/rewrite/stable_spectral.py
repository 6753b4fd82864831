"""The derivative of a function of a symmetric matrix along the identity is that of its formula at the eigenvalues,
without eigenvectors twice."""

from __future__ import annotations

from collections.abc import Callable

from ..expression import Expr
from ..graph import Node
from ..ops.contraction import einsum_labels
from ..ops.linear_algebra import columns
from ..ops.matrix_functions import along_identity
from .engine import RuleSet
from .factors import lines, whole
from .settling import fitting

Rebuild = Callable[[Node], Node]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("matrix function along an identity", "matrix_function")(identity_direction)


def identity_direction(x: Node, rebuild: Rebuild) -> Node | None:
    """``T(A; c*I)`` as ``c*f'(A)``."""
    if x.params[1] != 1:
        return None
    found = multiple_of_identity(x.inputs[-1])
    return None if found is None else fitting(x, found * along_identity(Expr(x)))


def multiple_of_identity(x: Node) -> Expr | None:
    """The numbers c (with two unit axes behind, if there are several) where `x` is ``c*I``; None where it is not."""
    number, powers = lines(x)
    rest = {y: k for y, k in powers.items() if y.type.shape}
    if len(rest) != 1 or list(rest.values()) != [1]:
        return None
    (base,) = rest
    c = whole(number, {y: k for y, k in powers.items() if y is not base}, x.type.dtype)
    if base.op.name == "delta":
        return c
    return None if base.op.name != "einsum" else _batched(c, base)


def _batched(c: Expr, base: Node) -> Expr | None:
    """``c*k`` for the array product ``k[b]*I[i, j]``."""
    labels, out, extra = base.params
    for k, (i, own) in enumerate(zip(base.inputs, labels, strict=True)):
        others = [ls for j, ls in enumerate(labels) if j != k]
        if i.op.name == "delta" and set(own) == set(out[-2:]) and not any(set(own) & set(ls) for ls in others):
            rest = [Expr(j) for n, j in enumerate(base.inputs) if n != k]
            return c * columns(einsum_labels(rest, others, out[:-2], dict(extra))) if rest else None
    return None

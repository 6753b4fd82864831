"""Forms of formulas of matrices that `simplify` tries: broadcasting that happens by itself, identities multiplied out,
transposes of sums, inverses instead of equations for every unit vector.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..expression import broadcast_shapes
from ..graph import Node, lookup, node
from ..ops.contraction import einsum_node
from .canonical import build_sum, rebuild
from .short_arrays import MOST, Form, form
from .symmetry import transposed
from .terms import constant_node, split

LEVELS = 4
"""Through how many products, quotients and powers a broadcast array is looked for."""


# ---- broadcasting

@form("broadcasting by itself", "add", "mul", "div", "where", "mask")
def _by_itself(x: Node) -> Iterator[Form]:
    """``eye(n) - broadcast_to(s, (n, n))`` as ``eye(n) - s``."""
    if len(x.type.shape) < 2:
        return
    slim = tuple(_thinned(i, LEVELS) or i for i in x.inputs)
    if slim != x.inputs and broadcast_shapes(x.op.name, [i.type for i in slim]) == x.type.shape:
        yield rebuild(node(x.op, slim, x.params)), []


def _thinned(x: Node, levels: int) -> Node | None:
    """An array of fewer elements that broadcasts to `x`, None if there is none."""
    if x.op.name == "einsum" and len(x.inputs) == 1 and x.params[2]:
        return _unrepeated(x)
    if x.op.name not in ("mul", "div", "pow") or not levels:
        return None
    inputs = [i if i.type.shape != x.type.shape else _thinned(i, levels - 1) for i in x.inputs]
    kept = [i for i in inputs if i is not None]
    return rebuild(node(x.op, tuple(kept), x.params)) if len(kept) == len(inputs) and x.type.shape else None


def _unrepeated(x: Node) -> Node | None:
    """The array that an einsum only repeats, with axes of size 1 where it is repeated between others."""
    (labels,), out, extra = x.params
    sizes = dict(extra)
    first = next((k for k, label in enumerate(out) if label not in sizes), len(out))
    if first == 0 and all(n == 1 for n in sizes.values()):
        return None
    kept = out[first:]
    units = {label: 1 for label in kept if label in sizes}
    return rebuild(einsum_node(list(x.inputs), [labels], kept, units))


# ---- identities

@form("identity multiplied out", "mul")
def _identity_out(x: Node) -> Iterator[Form]:
    """``(eye(n) - s[:, None])*s`` as ``diag(s) - outer(s, s)``."""
    for k, factor in enumerate(x.inputs):
        if is_entangled(x, k):
            others = (*x.inputs[:k], *x.inputs[k + 1 :])
            terms = [split(rebuild(node(x.op, (*others, t)))) for t in factor.inputs]
            yield build_sum(terms, x.type), []


def is_entangled(x: Node, k: int) -> bool:
    """Whether operand `k` of a product is a sum that nobody leaves so: with an identity in an elementwise product, or
    with rows made of a vector that is a factor too."""
    factor = x.inputs[k]
    if factor.op.name != "add" or len(factor.inputs) > MOST:
        return False
    bases = [split(t)[1] for t in factor.inputs]
    if x.op.name in ("mul", "div") and any(_is_identity(b) for b in bases if b is not None):
        return True
    vectors = {i for j, i in enumerate(x.inputs) if j != k and len(i.type.shape) == 1}
    return any(
        b is not None and b.op.name == "einsum" and b.params[2] and not vectors.isdisjoint(b.inputs) for b in bases
    )


def _is_identity(x: Node) -> bool:
    return x.op.name == "delta" or (x.op.name in ("mul", "div") and any(i.op.name == "delta" for i in x.inputs))


@form("selected rows", "mask")
def _selected_rows(x: Node) -> Iterator[Form]:
    """``mask(c[:, None], W)`` as ``diag(c) @ W``."""
    condition, value = x.inputs
    if condition.op.name != "einsum" or len(condition.inputs) != 1 or len(x.type.shape) != 2:
        return
    (labels,), out, extra = condition.params
    if len(labels) != 1 or value.type.shape != x.type.shape or out[-2:-1] != labels or not extra:
        return
    chosen = node(lookup("cast"), condition.inputs, (x.type.dtype,))
    yield rebuild(einsum_node([chosen, value], [(0,), (0, 1)], (0, 1), {})), [("finite", value)]


@form("quotient by rows", "einsum")
def _quotient_by_rows(x: Node) -> Iterator[Form]:
    """``(A.T/v) @ B`` as ``A.T @ diag(1/v) @ B``."""
    labels, out, extra = x.params
    for k, factor in enumerate(x.inputs):
        if is_quotient_by_rows(factor):
            top, bottom = factor.inputs
            below = rebuild(node(factor.op, (constant_node(1, factor.type.dtype), bottom)))
            operands = [*x.inputs[:k], top, below, *x.inputs[k + 1 :]]
            yield rebuild(einsum_node(operands, [*labels[:k], labels[k], labels[k][1:], *labels[k + 1 :]], out,
                                      dict(extra))), []  # fmt: skip


def is_quotient_by_rows(x: Node) -> bool:
    """Whether a matrix is divided by a vector."""
    return x.op.name == "div" and [len(i.type.shape) for i in x.inputs] == [2, 1] and (
        x.inputs[0].type.shape[1] == x.inputs[1].type.shape[0]
    )


# ---- transposes

@form("transpose of a sum", "add")
def _transposed_sum(x: Node) -> Iterator[Form]:
    """``(A @ X).T + (X @ A).T`` as ``(A @ X + X @ A).T``."""
    bases = [split(t)[1] for t in x.inputs[:MOST]]
    if len(bases) < len(x.inputs) or any(b is None or b.op.name != "einsum" or len(b.params[1]) != 2 for b in bases):
        return
    inner = rebuild(node(x.op, tuple(transposed(t) for t in x.inputs)))
    if inner.op.name == "add":
        yield rebuild(einsum_node([inner], [(0, 1)], (1, 0), {})), []


# ---- equations

@form("inverse for all unit vectors", "einsum")
def _inverse_for_units(x: Node) -> Iterator[Form]:
    """``solve(A, eye(n)[:, :, None])[:, :, 0]`` is ``inv(A).T``."""
    if len(x.inputs) != 1 or x.inputs[0].op.name != "solve" or len(x.type.shape) != 2:
        return
    (labels,), out, _ = x.params
    a, b = x.inputs[0].inputs
    unit = b.op.name == "einsum" and b.inputs[0].op.name == "delta" and len(b.inputs) == 1
    if unit and b.type.shape[-1] == 1 and len(a.type.shape) == 2 and set(out) == set(labels[:2]):
        inverse = rebuild(node(lookup("inv"), (transposed(a) if _is_transpose(a) else a,)))
        straight = (out == labels[:2]) == _is_transpose(a)
        yield inverse if straight else transposed(inverse), [("invertible", a)]


def _is_transpose(x: Node) -> bool:
    return x.op.name == "einsum" and len(x.inputs) == 1

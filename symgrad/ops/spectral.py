"""Eigenvalues and eigenvectors of symmetric matrices, and functions of matrices made of them.

`eigh` and `svd` are one operation each whose result packs all parts, so that they are computed once.  Rules take the
symmetric part.

Where eigenvalues coincide, eigenvectors have no derivative, but what does not depend on the choice of a basis has one.
Reciprocal gaps are masked to 0 there, which makes such a derivative right at first order.  Sums of f(eigenvalue) stay
right at second order: their gradient ``V diag(f'(w)) V.T`` is the operation `spectral`, whose own rule uses divided
differences of f', taken as quadratures of f'' over the gap where that is small (Daleckii and Krein's formula; Higham,
*Functions of Matrices*, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from ..compiler.types import ArrayType
from ..errors import ArgumentError
from ..expression import FUNCTIONS, Expr, apply, function, lift
from ..graph import Node, Params, node, postorder
from .arithmetic import where
from .contraction import diagonal, unit_axes
from .elementwise import mask, unbroadcast
from .linear_algebra import linalg_op, matrix_operand, require_matrix, square_type, symmetric, t
from .packing import Shape, pack, packed_size, unpack, unpack_cotangent

NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)
NEAR = 0.05
"""Relative gap below which a divided difference is taken by quadrature."""


def _symmetrised(a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2)) / 2


def _eigh_shapes(type_: ArrayType) -> list[Shape]:
    n = type_.shape[-1]
    return [(n,), (n, n)]


def _eigh_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    require_matrix("eigh", types[0], square=True)
    return ArrayType(types[0].dtype, (*types[0].shape[:-2], packed_size(_eigh_shapes(types[0]))))


def _eigh_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    return pack(np.linalg.eigh(_symmetrised(args[0])), args[0].ndim - 2)


def eigenpairs(a: Expr) -> tuple[Expr, Expr]:
    """The eigenvalues of the symmetric part of `a`, rising, and the eigenvectors as columns, computed together."""
    values, vectors = unpack(apply("eigh", [a]), _eigh_shapes(a.type))
    return values, vectors


def gaps(w: Expr) -> Expr:
    """``w[j] - w[i]`` at row i and column j."""
    return unit_axes(w, [*range(w.ndim - 1), None, w.ndim - 1]) - unit_axes(w, [*range(w.ndim), None])


def reciprocal_gaps(w: Expr) -> Expr:
    """``1/(w[j] - w[i])``, 0 on the diagonal and where the two agree to rounding."""
    gap = gaps(w)
    largest = FUNCTIONS["max"](FUNCTIONS["abs"](w), axis=-1, keepdims=True)
    eps = float(np.finfo(np.float32 if w.dtype == "f32" else np.float64).eps)
    apart = FUNCTIONS["abs"](gap) > 32 * eps * unit_axes(largest, [*range(largest.ndim), None])
    return mask(apart, 1 / where(apart, gap, 1.0))


def _rotated(v: Expr, inner: Expr) -> Expr:
    """``v @ inner @ v.T``."""
    return v @ inner @ t(v)


def scaled(v: Expr, w: Expr) -> Expr:
    """``v @ diag(w)``."""
    return v * unit_axes(w, [*range(w.ndim - 1), None, w.ndim - 1])


def _eigh_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    by_values, by_vectors = unpack_cotangent(g, _eigh_shapes(a.type))
    w, v = eigenpairs(a)
    terms = [] if by_values is None else [apply("spectral", [by_values, a])]
    if by_vectors is not None:
        terms.append(symmetric(_rotated(v, reciprocal_gaps(w) * (t(v) @ by_vectors))))
    return [reduce(add, terms)]


def _eigvalsh_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    return [apply("spectral", [g, a])]


# ---- spectral(g, A) = V diag(g) V.T

def _spectral_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    g, a = types
    square_type("spectral")([a], params)
    return ArrayType(a.dtype, (*g.shape, g.shape[-1]))


def _spectral_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    g, a = args
    v = np.linalg.eigh(_symmetrised(a))[1]
    return (v * g[..., None, :]) @ np.swapaxes(v, -1, -2)


def _spectral_vjp(g: Expr, y: Expr, s: Expr, a: Expr) -> list[Expr]:
    w, v = eigenpairs(a)
    inner = t(v) @ symmetric(g) @ v
    slope = _rotated(v, _divided_differences(s, w, a) * inner)
    return [unbroadcast(diagonal(inner), s.ndim, s.type), unbroadcast(slope, y.ndim, a.type)]


def _divided_differences(s: Expr, w: Expr, a: Expr) -> Expr:
    """``(s[j] - s[i])/(w[j] - w[i])`` off the diagonal; where the gap is small and `s` is an elementwise function of
    the eigenvalues, the mean of its derivative over the gap; 0 on the diagonal."""
    plain = gaps(s) * reciprocal_gaps(w)
    slope = _elementwise_slope(s, a)
    if slope is None:
        return plain
    gap = gaps(w)
    start = unit_axes(w, [*range(w.ndim), None])
    mean: Any = 0
    for z, c in zip(NODES, WEIGHTS, strict=True):
        mean = mean + float(c / 2) * _at(slope, a, start + gap * float((z + 1) / 2))
    size = FUNCTIONS["maximum"](FUNCTIONS["abs"](start), FUNCTIONS["abs"](start + gap))
    near = FUNCTIONS["abs"](gap) <= NEAR * FUNCTIONS["minimum"](size, 1.0)
    off = ~(FUNCTIONS["arange"](w.shape[-1])[:, None] == FUNCTIONS["arange"](w.shape[-1]))
    return mask(off, where(near, mean, plain))


def _is_eigenvalues(x: Node, a: Node) -> bool:
    """Whether `x` is the vector of eigenvalues of `a`, from either operation."""
    return x is apply("eigvalsh", [Expr(a)]).node or x is eigenpairs(Expr(a))[0].node


def _is_constant_along(x: Node) -> bool:
    """Whether `x` has the same value all along its last axis, as a number or a product spread along it."""
    if not x.type.shape or x.type.shape[-1] == 1:
        return True
    if x.op.name != "einsum":
        return False
    labels, out, _ = x.params
    return not any(out[-1] in ls for ls in labels)


def _elementwise_slope(s: Expr, a: Expr) -> Expr | None:
    """The derivative of `s` by the eigenvalues of `a`, if `s` is an elementwise function of them, by the forward
    rules."""
    tangents: dict[Node, Expr | None] = {}
    constant: dict[Node, bool] = {}
    for x in postorder([s.node]):
        constant[x] = _is_constant_along(x) or (x.op.partials is not None and all(constant[i] for i in x.inputs))
        varying = [i for i in x.inputs if tangents[i] is not None]
        if _is_eigenvalues(x, a.node):
            tangents[x] = FUNCTIONS["ones_like"](Expr(x))
        elif not varying:
            tangents[x] = None
        elif x.op.partials is None or x.op.jvp is None or not all(constant[i] or i in varying for i in x.inputs):
            return None
        else:
            tangents[x] = x.op.jvp([tangents[i] for i in x.inputs], Expr(x), *map(Expr, x.inputs))
    if not (constant[s.node] or tangents[s.node] is not None):
        return None
    found = tangents[s.node]
    return found if found is not None else FUNCTIONS["zeros_like"](s)


def _at(s: Expr, a: Expr, z: Expr) -> Expr:
    """`s`, an elementwise function of the eigenvalues of `a`, with the matrix `z` in their place."""
    new: dict[Node, Expr] = {}
    for x in postorder([s.node]):
        if _is_eigenvalues(x, a.node):
            new[x] = z
        elif any(i in new for i in x.inputs):
            new[x] = Expr(node(x.op, tuple((new[i] if i in new else _row(i)).node for i in x.inputs), x.params))
    return new[s.node] if s.node in new else _row(s.node)


def _row(x: Node) -> Expr:
    """A value that does not depend on the eigenvalues, with an axis put before its last."""
    rank = len(x.type.shape)
    return unit_axes(Expr(x), [*range(rank - 1), None, rank - 1]) if rank else Expr(x)


linalg_op("eigvalsh", square_type("eigvalsh", 1), lambda a, p, s: np.linalg.eigvalsh(_symmetrised(a[0])), _eigvalsh_vjp,
          "Eigenvalues of a symmetric matrix, rising.")  # fmt: skip
linalg_op("eigh", _eigh_type, _eigh_evaluate, _eigh_vjp, "Eigenvalues and eigenvectors of a symmetric matrix.")
linalg_op("spectral", _spectral_type, _spectral_evaluate, _spectral_vjp, "V diag(g) V.T with the eigenvectors V of A.")


@function("eigvalsh", numpy=[np.linalg.eigvalsh])
def eigvalsh(a: Any) -> Expr:
    """The eigenvalues, rising, of a symmetric matrix (its symmetric part is taken).

    Where some coincide, the derivatives of sums of a function of them are right at orders 1 and 2."""
    return apply("eigvalsh", [matrix_operand("eigvalsh", a, square=True)])


@function("eigh", numpy=[np.linalg.eigh])
def eigh(a: Any) -> tuple[Expr, Expr]:
    """The eigenvalues, rising, and the eigenvectors (columns) of a symmetric matrix (its symmetric part is taken).

    The sign of eigenvectors, and a basis where eigenvalues coincide, are LAPACK's choice: differentiate what does not
    depend on it."""
    return eigenpairs(matrix_operand("eigh", a, square=True))


def matrix_function(name: str, scalar: str, doc: str) -> None:
    """Registers the function of symmetric matrices that applies `scalar` to the eigenvalues."""

    def call(a: Any) -> Expr:
        x = matrix_operand(name, a, square=True)
        return apply("spectral", [FUNCTIONS[scalar](apply("eigvalsh", [x])), x])

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    function(name)(call)


matrix_function(
    "logm", "log", "The matrix logarithm of a symmetric positive-definite matrix (its symmetric part is taken)."
)
matrix_function(
    "sqrtm", "sqrt", "The square root of a symmetric positive-definite matrix (its symmetric part is taken)."
)


@function("spectral")
def spectral(g: Any, a: Any) -> Expr:
    """``V @ diag(g) @ V.T`` with the eigenvectors V of the symmetric part of `a`: for ``g = f(eigvalsh(a))``, f of the
    matrix."""
    x = matrix_operand("spectral", a, square=True)
    values = lift(g).astype(x.dtype)
    if values.ndim < 1 or values.type.shape[-1] != x.type.shape[-1]:
        raise ArgumentError(f"spectral: {values.type} does not have one value for each eigenvalue of {x.type}")
    return apply("spectral", [values, x])


__all__ = ["eigenpairs", "eigh", "eigvalsh"]

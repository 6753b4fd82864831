"""Eigenvalues and eigenvectors of symmetric matrices, and functions of matrices made of them.

`eigh` and `svd` are one operation each whose result packs all parts, so that they are computed once.  Rules take the
symmetric part.

Where eigenvalues coincide, eigenvectors have no derivative, but what does not depend on the choice of a basis has one.
Reciprocal gaps are masked to 0 there, which makes such a derivative right at first order.  Sums of f(eigenvalue) are
right at every order: their gradient ``V diag(f'(w)) V.T`` is a function of the matrix (see `matrix_functions`).  For
what is no function of each eigenvalue by itself it is the operation `spectral`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from ..compiler.types import ArrayType
from ..errors import ArgumentError
from ..expression import FUNCTIONS, Expr, apply, function, lift
from ..graph import Node, Params
from .arithmetic import where
from .contraction import diagonal, unit_axes
from .elementwise import mask, unbroadcast
from .linear_algebra import linalg_op, matrix_operand, require_matrix, square_type, symmetric, t
from .matrix_functions import of_eigenvalues
from .packing import Shape, pack, packed_size, unpack, unpack_cotangent
from .triangles import lower_part, upper_part


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
    terms = [] if by_values is None else [with_eigenvalues(by_values, a)]
    if by_vectors is not None:
        terms.append(symmetric(_rotated(v, reciprocal_gaps(w) * (t(v) @ by_vectors))))
    return [reduce(add, terms)]


def _eigvalsh_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    return [with_eigenvalues(g, a)]


# ---- spectral(g, A) = V diag(g) V.T

def _spectral_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    g, a = types
    square_type("spectral")([a], params)
    return ArrayType(a.dtype, (*g.shape, g.shape[-1]))


def _spectral_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    g, a = args
    v = np.linalg.eigh(_symmetrised(a))[1]
    return (v * g[..., None, :]) @ np.swapaxes(v, -1, -2)


def _spectral_expand(y: Expr, g: Expr, a: Expr) -> Expr:
    v = eigenpairs(a)[1]
    return scaled(v, g) @ t(v)


def _spectral_vjp(g: Expr, y: Expr, s: Expr, a: Expr) -> list[Expr]:
    w, v = eigenpairs(a)
    inner = t(v) @ symmetric(g) @ v
    slope = _rotated(v, gaps(s) * reciprocal_gaps(w) * inner)
    return [unbroadcast(diagonal(inner), s.ndim, s.type), unbroadcast(slope, y.ndim, a.type)]


def is_eigenvalues(x: Node, a: Node) -> bool:
    """Whether `x` is the vector of eigenvalues of `a`, from either operation."""
    return x is apply("eigvalsh", [Expr(a)]).node or x is eigenpairs(Expr(a))[0].node


def matrix_of_vectors(x: Node) -> Node | None:
    """The matrix whose eigenvectors from `eigh` are `x`; None if it is not that."""
    y = x
    for name in ("reshape", "slice"):
        if y.op.name != name:
            return None
        y = y.inputs[0]
    return y.inputs[0] if y.op.name == "eigh" and x is eigenpairs(Expr(y.inputs[0]))[1].node else None


def with_eigenvalues(s: Expr, a: Expr) -> Expr:
    """``V diag(s) V.T`` with the eigenvectors V of `a`; where `s` is a function of each eigenvalue, with derivatives of
    any order whether they coincide or not."""
    found = of_eigenvalues(s, a, is_eigenvalues)
    return found if found is not None else apply("spectral", [s, a])


linalg_op("eigvalsh", square_type("eigvalsh", 1), lambda a, p, s: np.linalg.eigvalsh(_symmetrised(a[0])), _eigvalsh_vjp,
          "Eigenvalues of a symmetric matrix, rising.")  # fmt: skip
linalg_op("eigh", _eigh_type, _eigh_evaluate, _eigh_vjp, "Eigenvalues and eigenvectors of a symmetric matrix.")
linalg_op("spectral", _spectral_type, _spectral_evaluate, _spectral_vjp, "V diag(g) V.T with the eigenvectors V of A.",
          expand=_spectral_expand)  # fmt: skip


def _one_triangle(name: str, a: Any, uplo: str | None) -> Expr:
    """The matrix, or the symmetric one that has the chosen triangle."""
    x = matrix_operand(name, a, square=True)
    match uplo:
        case None:
            return x
        case "L" | "l":
            return lower_part(x) + t(lower_part(x, -1))
        case "U" | "u":
            return upper_part(x) + t(upper_part(x, 1))
    raise ArgumentError(f"{name}: UPLO must be 'L' or 'U', got {uplo!r}")


@function("eigvalsh", numpy=[np.linalg.eigvalsh])
def eigvalsh(a: Any, UPLO: str | None = None) -> Expr:
    """The eigenvalues, rising, of a symmetric matrix: its symmetric part is taken, or with `UPLO` "L" or "U" the lower or
    upper triangle alone is read.

    Where some coincide, the derivatives of sums of a function of each are right at every order.  With weights that
    differ from one to the next there is no second derivative: the first is that of the eigenvectors found, and in
    higher ones nothing flows between the eigenvectors of one eigenvalue (0, never NaN)."""
    return apply("eigvalsh", [_one_triangle("eigvalsh", a, UPLO)])


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Expr
    eigenvectors: Expr


@function("eigh", numpy=[np.linalg.eigh])
def eigh(a: Any, UPLO: str | None = None) -> tuple[Expr, Expr]:
    """The eigenvalues, rising, and the eigenvectors (columns) of a symmetric matrix: its symmetric part is taken, or with
    `UPLO` "L" or "U" the lower or upper triangle alone is read.

    The sign of eigenvectors, and a basis where eigenvalues coincide, are LAPACK's choice: differentiate what does not
    depend on it.  At coinciding eigenvalues such a derivative is right at first order, and for functions of the matrix
    (`logm`, `spectral` of a function of each eigenvalue) at every order; otherwise nothing flows between the
    eigenvectors of one eigenvalue (0, never NaN)."""
    return EighResult(*eigenpairs(_one_triangle("eigh", a, UPLO)))


def matrix_function(name: str, scalar: str, doc: str) -> None:
    """Registers the function of symmetric matrices that applies `scalar` to the eigenvalues."""

    def call(a: Any) -> Expr:
        x = matrix_operand(name, a, square=True)
        return with_eigenvalues(FUNCTIONS[scalar](apply("eigvalsh", [x])), x)

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
    return with_eigenvalues(values, x)


__all__ = ["eigenpairs", "eigh", "eigvalsh", "is_eigenvalues", "matrix_of_vectors"]

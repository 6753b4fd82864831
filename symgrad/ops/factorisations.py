"""Singular values and the QR factorisation.

`svd` and `qr` are one operation each whose result packs all factors into its last axis, so that they are computed once.
Reciprocal gaps between equal singular values, and reciprocals of zero ones, are masked to 0: what does not depend on
the choice of the singular vectors has the right first derivative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler.types import ArrayType, Dim, minimum
from ..errors import ArgumentError, NotDifferentiable
from ..expression import Expr, apply, function, lift
from ..graph import Params
from .arithmetic import where
from .contraction import broadcast_to, unit_axes
from .elementwise import mask
from .linear_algebra import linalg_op, matrix_operand, require_matrix, t
from .packing import Shape, pack, packed_size, unpack, unpack_cotangent
from .spectral import reciprocal_gaps, scaled
from .triangles import lower_part


def _smaller(m: Dim, n: Dim) -> Dim:
    return min(m, n) if isinstance(m, int) and isinstance(n, int) else minimum(m, n)


def zero_where_none(parts: Sequence[Expr | None], like: Sequence[Expr], g: Expr, rank: int) -> list[Expr]:
    """Cotangents of the parts, zeros in place of None; further axes of the cotangent `g` stand before the `rank` ones
    of the whole."""
    extra = g.type.shape[: g.ndim - rank]
    return [broadcast_to(lift(0.0).astype(x.dtype), (*extra, *x.type.shape)) if p is None else p
            for p, x in zip(parts, like, strict=True)]  # fmt: skip


# ---- svd

def _svd_shapes(type_: ArrayType) -> list[Shape]:
    m, n = type_.shape[-2:]
    k = _smaller(m, n)
    return [(m, k), (k,), (k, n)]


def _svd_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    require_matrix("svd", types[0], square=False)
    return ArrayType(types[0].dtype, (*types[0].shape[:-2], packed_size(_svd_shapes(types[0]))))


def _svd_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    return pack(np.linalg.svd(args[0], full_matrices=False), args[0].ndim - 2)


def _reciprocal(s: Expr) -> Expr:
    return mask(s > 0, 1 / where(s > 0, s, 1.0))


def _svd_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    """Townsend, *Differentiating the singular value decomposition*, 2016."""
    shapes = _svd_shapes(a.type)
    u, s, vt = unpack(y, shapes)
    gu, gs, gvt = zero_where_none(unpack_cotangent(g, shapes), (u, s, vt), g, y.ndim)
    v, gv = t(vt), t(gvt)
    f = reciprocal_gaps(s**2)
    down = unit_axes(s, [*range(s.ndim), None])
    left, right = t(u) @ gu, t(v) @ gv
    inner = scaled(f * (left - t(left)), s) + down * (f * (right - t(right)))
    middle = u @ inner @ vt + scaled(u, gs) @ vt
    inverse = _reciprocal(s)
    beside = scaled(gu - u @ left, inverse) @ vt + scaled(u, inverse) @ t(gv - v @ right)
    return [middle + beside]


def _svdvals_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    require_matrix("svdvals", types[0], square=False)
    return ArrayType(types[0].dtype, (*types[0].shape[:-2], _smaller(*types[0].shape[-2:])))


def _svdvals_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    u, _, vt = unpack(apply("svd", [a]), _svd_shapes(a.type))
    return [scaled(u, g) @ vt]


linalg_op("svd", _svd_type, _svd_evaluate, _svd_vjp, "Singular value decomposition, reduced.")
linalg_op("svdvals", _svdvals_type, lambda a, p, s: np.linalg.svd(a[0], compute_uv=False), _svdvals_vjp,
          "Singular values, falling.")  # fmt: skip


@function("svd", numpy=[np.linalg.svd])
def svd(a: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """The reduced singular value decomposition U, s, Vh; with ``compute_uv=False`` the singular values alone.

    Signs, and bases where singular values coincide, are LAPACK's choice: differentiate what does not depend on them."""
    x = matrix_operand("svd", a)
    if not compute_uv:
        return apply("svdvals", [x])
    if full_matrices and x.type.shape[-1] != x.type.shape[-2]:
        raise ArgumentError("svd: full_matrices=True is not supported: the added vectors have no derivative")
    return tuple(unpack(apply("svd", [x]), _svd_shapes(x.type)))


@function("svdvals", numpy=[np.linalg.svdvals])
def svdvals(a: Any) -> Expr:
    """The singular values of matrices, falling.  Sums of them have their derivative where some coincide, too."""
    return apply("svdvals", [matrix_operand("svdvals", a)])


# ---- qr

def _qr_shapes(type_: ArrayType) -> list[Shape]:
    m, n = type_.shape[-2:]
    wide = isinstance(m, int) and isinstance(n, int) and m < n
    return [(m, m), (m, n)] if wide else [(m, n), (n, n)]


def _qr_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    require_matrix("qr", types[0], square=False)
    return ArrayType(types[0].dtype, (*types[0].shape[:-2], packed_size(_qr_shapes(types[0]))))


def _qr_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    return pack(np.linalg.qr(args[0]), args[0].ndim - 2)


def _qr_vjp(g: Expr, y: Expr, a: Expr) -> list[Any]:
    """Walter and Lehmann, *Algorithmic differentiation of linear algebra functions*, 2012 (full column rank)."""
    shapes = _qr_shapes(a.type)
    if shapes[1][0] != shapes[1][1]:
        return [NotDifferentiable(f"qr: has a derivative for at least as many rows as columns, got {a.type}")]
    q, r = unpack(y, shapes)
    gq, gr = zero_where_none(unpack_cotangent(g, shapes), (q, r), g, y.ndim)
    m = r @ t(gr) - t(gq) @ q
    copied = lower_part(m) + t(lower_part(m, -1))
    return [t(apply("solve_triangular", [r, t(gq + q @ copied)], (False, False, False)))]


linalg_op("qr", _qr_type, _qr_evaluate, _qr_vjp, "QR factorisation, reduced.")


@function("qr", numpy=[np.linalg.qr])
def qr(a: Any, mode: str = "reduced") -> tuple[Expr, Expr]:
    """The reduced factorisation ``a = q @ r`` with orthonormal columns of q and upper triangular r.

    Sizes that are not known yet are taken to be at least as many rows as columns.  Differentiable at full column
    rank."""
    if mode != "reduced":
        raise ArgumentError(f"qr: only mode='reduced' is supported, got {mode!r}")
    x = matrix_operand("qr", a)
    q, r = unpack(apply("qr", [x]), _qr_shapes(x.type))
    return q, r


__all__ = ["qr", "svd", "svdvals"]

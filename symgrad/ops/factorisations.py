"""Singular values and the QR factorisation.

`svd` and `qr` are one operation each whose result packs all factors into its last axis, so that they are computed once.
Reciprocal gaps between equal singular values, and reciprocals of zero ones, are masked to 0: what does not depend on
the choice of the singular vectors has the right first derivative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compiler.types import ArrayType, Dim, minimum
from ..errors import ArgumentError, NotDifferentiable
from ..expression import FUNCTIONS, Expr, apply, function, lift
from ..graph import Params
from .arithmetic import where
from .contraction import broadcast_to, sum_, unit_axes
from .elementwise import mask
from .linear_algebra import linalg_op, matrix_operand, require_matrix, t
from .packing import Shape, pack, packed_size, unpack, unpack_cotangent
from .shaping import slice_axes
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


def _svd_slope(parts: Sequence[Expr], cotangents: Sequence[Expr]) -> Expr:
    """Townsend, *Differentiating the singular value decomposition*, 2016, with ``s[j]/(s[j]**2 - s[i]**2)`` as half of
    ``1/(s[j] - s[i]) + 1/(s[j] + s[i])``: where singular values coincide only the first has no value, and is not needed
    for what does not depend on the choice of a basis."""
    (u, s, vt), (gu, gs, gvt) = parts, cotangents
    v, gv = t(vt), t(gvt)
    across, down = unit_axes(s, [*range(s.ndim - 1), None, s.ndim - 1]), unit_axes(s, [*range(s.ndim), None])
    left, right = t(u) @ gu, t(v) @ gv
    turn, other = left - t(left), right - t(right)
    inner = turn * ((reciprocal_gaps(s) + _reciprocal(across + down)) / 2) + other * ((reciprocal_gaps(s) - _reciprocal(across + down)) / 2)
    middle = u @ inner @ vt + scaled(u, gs) @ vt
    inverse = _reciprocal(s)
    beside = scaled(gu - u @ left, inverse) @ vt + scaled(u, inverse) @ t(gv - v @ right)
    return middle + beside


def _svd_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    shapes = _svd_shapes(a.type)
    parts = unpack(y, shapes)
    return [_svd_slope(parts, zero_where_none(unpack_cotangent(g, shapes), parts, g, y.ndim))]


# ---- full: U and V are square

def _full_shapes(type_: ArrayType) -> list[Shape]:
    m, n = type_.shape[-2:]
    return [(m, m), (_smaller(m, n),), (n, n)]


def _full_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    require_matrix("svd", types[0], square=False)
    return ArrayType(types[0].dtype, (*types[0].shape[:-2], packed_size(_full_shapes(types[0]))))


def _full_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    return pack(np.linalg.svd(args[0], full_matrices=True), args[0].ndim - 2)


def _columns(x: Expr, start: Dim, count: Dim) -> Expr:
    return slice_axes(x, [(start, count, 1)])


def _rows(x: Expr, start: Dim, count: Dim) -> Expr:
    return slice_axes(x, [(start, count, 1), (0, x.type.shape[-1], 1)])


def _full_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    """As for the reduced one; the added vectors U2 turn as little as they can: ``U2.T @ dU2 = 0`` and
    ``U1.T @ dU2 = -(U2.T @ dU1).T``, and so do those of V."""
    shapes = _full_shapes(a.type)
    parts = unpack(y, shapes)
    gu, gs, gvt = zero_where_none(unpack_cotangent(g, shapes), parts, g, y.ndim)
    u, s, vt = parts
    (m, _), (k,), (n, _) = shapes
    u1, u2, vt1, vt2 = _columns(u, 0, k), _columns(u, k, m - k), _rows(vt, 0, k), _rows(vt, k, n - k)
    result = _svd_slope((u1, s, vt1), (_columns(gu, 0, k), gs, _rows(gvt, 0, k)))
    inverse = scaled(u1, _reciprocal(s)) @ vt1
    if m != k:
        result = result - u2 @ t(_columns(gu, k, m - k)) @ inverse
    if n != k:
        result = result - inverse @ t(_rows(gvt, k, n - k)) @ vt2
    return [result]


def _svdvals_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    require_matrix("svdvals", types[0], square=False)
    return ArrayType(types[0].dtype, (*types[0].shape[:-2], _smaller(*types[0].shape[-2:])))


def _svdvals_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    u, _, vt = unpack(apply("svd", [a]), _svd_shapes(a.type))
    return [scaled(u, g) @ vt]


linalg_op("svd", _svd_type, _svd_evaluate, _svd_vjp, "Singular value decomposition, reduced.",
          text=lambda x: ("svd", {"full_matrices": False}))  # fmt: skip
linalg_op("full_svd", _full_type, _full_evaluate, _full_vjp, "Singular value decomposition with square U and V.",
          text=lambda x: ("svd", {}))  # fmt: skip
linalg_op("svdvals", _svdvals_type, lambda a, p, s: np.linalg.svd(a[0], compute_uv=False), _svdvals_vjp,
          "Singular values, falling.")  # fmt: skip


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Expr
    S: Expr
    Vh: Expr


@function("svd", numpy=[np.linalg.svd])
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition U, S, Vh, with square U and Vh or, without `full_matrices`, as many columns of U
    and rows of Vh as singular values; with ``compute_uv=False`` the singular values alone.

    Signs, bases where singular values coincide, and the vectors added to make U or Vh square are LAPACK's choice:
    differentiate what does not depend on them.  Added vectors turn no more than they must."""
    x = matrix_operand("svd", a)
    if not compute_uv:
        return apply("svdvals", [x])
    if full_matrices and x.type.shape[-1] != x.type.shape[-2]:
        return SVDResult(*unpack(apply("full_svd", [x]), _full_shapes(x.type)))
    return SVDResult(*unpack(apply("svd", [x]), _svd_shapes(x.type)))


@function("condition_number", numpy=[np.linalg.cond])
def condition_number(x: Any, p: Any = None) -> Expr:
    """The condition number of matrices: the largest singular value by the smallest (the other way for `p` -2), or
    ``norm(x, p)*norm(inv(x), p)``."""
    operand = matrix_operand("cond", x)
    if p in (None, 2, -2):
        s = apply("svdvals", [operand])
        last = s.type.shape[-1] - 1
        ends = [sum_(slice_axes(s, [(k, 1, 1)]), -1) for k in (0, last)]
        return ends[0] / ends[1] if p != -2 else ends[1] / ends[0]
    norm: Any = FUNCTIONS["norm"]
    result: Expr = norm(operand, p, (-2, -1)) * norm(FUNCTIONS["inv"](operand), p, (-2, -1))
    return result


@function("matrix_rank", numpy=[np.linalg.matrix_rank])
def matrix_rank(a: Any, tol: Any = None) -> Expr:
    """The number of singular values above `tol`, by default eps*max(m, n) times the largest."""
    x = matrix_operand("matrix_rank", a)
    s = apply("svdvals", [x])
    if tol is None:
        eps = float(np.finfo(np.float32 if x.dtype == "f32" else np.float64).eps)
        longest = FUNCTIONS["maximum"](lift(x.shape[-2]), lift(x.shape[-1])).astype(x.dtype)
        tol = FUNCTIONS["max"](s, axis=-1, keepdims=True) * eps * longest
    return sum_(s > tol, -1)


@function("svdvals", numpy=[np.linalg.svdvals])
def svdvals(a: Any) -> Expr:
    """The singular values of matrices, falling.

    Where some coincide, sums of a function of each have their first derivative, too, and their plain sum, the nuclear
    norm, its second; otherwise nothing flows in higher ones between the singular vectors of one value (0, never NaN).
    For derivatives of every order there, take eigenvalues: ``sum(f(sqrt(eigvalsh(a.T @ a))))``."""
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


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Expr
    R: Expr


@function("qr", numpy=[np.linalg.qr])
def qr(a: Any, mode: str = "reduced") -> Any:
    """The reduced factorisation ``a = Q @ R`` with orthonormal columns of Q and upper triangular R; R alone for `mode`
    "r".

    Sizes that are not known yet are taken to be at least as many rows as columns.  Differentiable at full column
    rank."""
    if mode not in ("reduced", "r"):
        raise ArgumentError(f"qr: mode must be 'reduced' or 'r', got {mode!r}")
    x = matrix_operand("qr", a)
    result = QRResult(*unpack(apply("qr", [x]), _qr_shapes(x.type)))
    return result.R if mode == "r" else result


__all__ = ["qr", "svd", "svdvals"]

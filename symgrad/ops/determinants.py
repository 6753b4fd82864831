"""Determinants and their derivatives: the cofactor matrix and its derivative are operations evaluated by singular
values, so that first and second derivatives of `det` are exact at singular matrices too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compiler.types import ArrayType
from ..expression import FUNCTIONS, Expr, apply, function
from ..graph import Params
from .contraction import broadcast_to, trace, unit_axes
from .elementwise import unbroadcast
from .linear_algebra import columns, linalg_op, matrix_operand, square_type, t
from .shaping import slice_axes


def _products_of_others(s: Any) -> Any:
    """For each position of the last axis the product of all other elements."""
    ones = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([ones, s], -1), -1)[..., :-1]
    after = np.cumprod(np.concatenate([ones, s[..., ::-1]], -1), -1)[..., :-1][..., ::-1]
    return before * after


def _signed_svd(a: Any) -> tuple[Any, Any, Any, Any]:
    u, s, v = np.linalg.svd(a)
    return (np.linalg.det(u) * np.linalg.det(v))[..., None, None], u, s, v


def _cofactor_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    sign, u, s, v = _signed_svd(args[0])
    return (sign * ((u * _products_of_others(s)[..., None, :]) @ v)).astype(args[0].dtype, copy=False)


def _cofactor_slope_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    """The derivative of the cofactor matrix of the first argument along the second, in the basis of singular
    vectors."""
    a, e = args
    sign, u, s, v = _signed_svd(a)
    n = s.shape[-1]
    off = ~np.eye(n, dtype=bool)
    others = np.where(off, np.broadcast_to(s[..., None, :], (*s.shape, n)), 1)
    pairs = np.where(off, _products_of_others(others), 0)
    b = np.swapaxes(u, -1, -2) @ e @ np.swapaxes(v, -1, -2)
    diagonal = np.einsum("...ij,...jj->...i", pairs, b)
    inner = np.where(off, -pairs * np.swapaxes(b, -1, -2), diagonal[..., None])
    return (sign * (u @ inner @ v)).astype(a.dtype, copy=False)


def _products(s: Expr) -> Expr:
    """`_products_of_others` as a formula."""
    n = s.type.shape[-1]
    f = FUNCTIONS
    one = f["ones"]((*s.type.shape[:-1], 1), s.dtype)
    before = f["cumprod"](f["concatenate"]([one, slice_axes(s, [(0, n - 1, 1)])], -1), axis=-1)
    after = f["cumprod"](f["concatenate"]([slice_axes(s, [(1, n - 1, 1)]), one], -1), axis=-1, reverse=True)
    found: Expr = before * after
    return found


def _signed_parts(a: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    u, s, vt = FUNCTIONS["svd"](a, full_matrices=False)
    return columns(apply("detsign", [u]) * apply("detsign", [vt])), u, s, vt


def _row(s: Expr) -> Expr:
    return unit_axes(s, [*range(s.ndim - 1), None, s.ndim - 1])


def _cofactor_expand(y: Expr, a: Expr) -> Expr:
    sign, u, s, vt = _signed_parts(a)
    return sign * ((u * _row(_products(s))) @ vt)


def _cofactor_slope_expand(y: Expr, a: Expr, e: Expr) -> Expr:
    f = FUNCTIONS
    sign, u, s, vt = _signed_parts(a)
    n = s.type.shape[-1]
    off = ~f["eye"](n, dtype="bool")
    others = f["where"](off, broadcast_to(_row(s), (*s.type.shape, n)), 1)
    pairs = f["where"](off, _products(others), 0)
    b = t(u) @ e @ t(vt)
    diagonal = f["einsum"]("...ij,...jj->...i", pairs, b)
    inner = f["where"](off, -pairs * t(b), unit_axes(diagonal, [*range(diagonal.ndim), None]))
    slope: Expr = sign * (u @ inner @ vt)
    return slope


def _slope_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    square_type("cofactor_slope")(types, params)
    return types[1]


def _slope_vjp(g: Expr, y: Expr, a: Expr, e: Expr) -> list[Expr]:
    """From ``det(A) * (tr(P) tr(Q) - tr(P Q))`` with P = inv(A) @ E, Q = inv(A) @ G (order 3: for regular matrices)."""
    inverse = apply("inv", [a])
    p, q = inverse @ e, inverse @ g
    tp, tq = columns(trace(p)), columns(trace(q))
    first = (tp * tq - columns(trace(p @ q))) * inverse
    second = tq * (p @ inverse) + tp * (q @ inverse) - p @ q @ inverse - q @ p @ inverse
    slope = columns(apply("det", [a])) * t(first - second)
    return [unbroadcast(slope, y.ndim, a.type), apply("cofactor_slope", [a, g])]


def _det_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    return [columns(g) * apply("cofactor", [a])]


def _logdet_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    return [columns(g) * t(apply("inv", [a]))]


linalg_op(
    "det", square_type("det", 2), lambda a, p, s: np.linalg.det(a[0]), _det_vjp, "Determinant.", sympy="Determinant"
)
linalg_op("logdet", square_type("logdet", 2), lambda a, p, s: np.linalg.slogdet(a[0])[1], _logdet_vjp,
          "Logarithm of the absolute value of the determinant.")  # fmt: skip
linalg_op("detsign", square_type("detsign", 2), lambda a, p, s: np.linalg.slogdet(a[0])[0], lambda g, y, a: [None],
          "Sign of the determinant.", text=lambda x: ("slogdet", {}))  # fmt: skip
linalg_op("cofactor", square_type("cofactor"), _cofactor_evaluate, lambda g, y, a: [apply("cofactor_slope", [a, g])],
          "Matrix of cofactors, det(A) * inv(A).T, also where A is singular.", expand=_cofactor_expand)  # fmt: skip
linalg_op(
    "cofactor_slope",
    _slope_type,
    _cofactor_slope_evaluate,
    _slope_vjp,
    "Derivative of the cofactor matrix along a matrix.",
    expand=_cofactor_slope_expand,
)


@function("det", numpy=[np.linalg.det])
def det(a: Any) -> Expr:
    """The determinant of square matrices.  Its derivative is the cofactor matrix, ``det(a) * inv(a).T`` where `a` is
    regular."""
    return apply("det", [matrix_operand("det", a, square=True)])


@function("logdet")
def logdet(a: Any) -> Expr:
    """``log(abs(det(a)))`` without overflow; -inf for singular matrices, whose derivative is a DomainError."""
    return apply("logdet", [matrix_operand("logdet", a, square=True)])


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Expr
    logabsdet: Expr


@function("slogdet", numpy=[np.linalg.slogdet])
def slogdet(a: Any) -> tuple[Expr, Expr]:
    """The sign of the determinant and the logarithm of its absolute value."""
    x = matrix_operand("slogdet", a, square=True)
    return SlogdetResult(apply("detsign", [x]), apply("logdet", [x]))


@function("cofactor")
def cofactor(a: Any) -> Expr:
    """The matrix of cofactors of square matrices, the transpose of the adjugate."""
    return apply("cofactor", [matrix_operand("cofactor", a, square=True)])


@function("cofactor_slope")
def cofactor_slope(a: Any, e: Any) -> Expr:
    """The derivative of ``cofactor(a)`` in the direction of the matrix `e`."""
    return apply(
        "cofactor_slope", [matrix_operand("cofactor_slope", a, square=True), matrix_operand("cofactor_slope", e)]
    )


__all__ = ["det", "logdet", "slogdet"]

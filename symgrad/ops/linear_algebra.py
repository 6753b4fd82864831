"""Linear algebra on the last two axes, batched over leading ones: solve, inv, det, cholesky, pinv, lstsq, expm, and
what is made of them.  Compiled code calls LAPACK through SciPy's pointers.

A matrix is differentiated without assuming structure, except that `cholesky` (like `eigh`) takes the symmetric part of
its argument, so its derivative is symmetric and agrees with differences in single elements.  The derivatives of the
determinant are exact at singular matrices up to order 2.  A singular matrix where an inverse is needed is a
DomainError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..compiler.types import ArrayType, Dim, is_float
from ..errors import ArgumentError, DomainError, DTypeError, ShapeError
from ..expression import FUNCTIONS, Expr, apply, broadcast_shapes, function, lift, unify
from ..graph import Op, Params, register
from .contraction import broadcast_to, delta, matmul, swapaxes, unit_axes
from .elementwise import called_back, unbroadcast
from .shaping import slice_axes
from .triangles import lower_part, upper_part

Evaluate = Callable[[Sequence[Any], Params, Mapping[str, int]], Any]


def t(x: Expr) -> Expr:
    """`x` with its last two axes interchanged."""
    return swapaxes(x, -1, -2)


def symmetric(x: Expr) -> Expr:
    """The symmetric part of the last two axes."""
    return (x + t(x)) * 0.5


def columns(v: Expr) -> Expr:
    """`v` with two unit axes behind: a number for every matrix of a batch."""
    return unit_axes(v, [*range(v.ndim), None, None])


def matrix_operand(name: str, x: Any, *, square: bool = False) -> Expr:
    """`x` as floating-point matrices; ShapeError if it has fewer than two axes or, with `square`, unequal ones."""
    operand = unify([x], want_float=True)[0][0]
    require_matrix(name, operand.type, square)
    return operand


def require_matrix(name: str, type_: ArrayType, square: bool) -> None:
    """Raises ShapeError or DTypeError unless a value of this type is a matrix, square if asked, of floats."""
    if not is_float(type_.dtype):
        raise DTypeError(f"{name}: needs floating-point numbers, got {type_}")
    if type_.rank < 2 or (square and type_.shape[-1] != type_.shape[-2]):
        raise ShapeError(f"{name}: needs a {'square ' if square else ''}matrix, got {type_}")


def square_type(name: str, drop: int = 0) -> Callable[[Sequence[ArrayType], Params], ArrayType]:
    """The type rule of a function of square matrices whose result lacks the last `drop` axes."""

    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        require_matrix(name, types[0], square=True)
        return ArrayType(types[0].dtype, types[0].shape[: types[0].rank - drop])

    return infer


def linalg(name: str, evaluate: Evaluate) -> Evaluate:
    """`evaluate` with NumPy's failures as a DomainError that names the operation."""

    def run(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
        try:
            with np.errstate(all="ignore"):
                return evaluate([np.asarray(a) for a in args], params, sizes)
        except np.linalg.LinAlgError as error:
            raise DomainError(f"{name}: {str(error).lower()}") from None

    return run


def linalg_op(
    name: str, infer: Any, evaluate: Evaluate, vjp: Any, doc: str, *, expand: Any = None, **facts: Any
) -> Op:
    """Registers an operation that NumPy or SciPy evaluates, in compiled code LAPACK or a formula of other operations."""
    run = linalg(name, evaluate)
    return register(
        Op(name, infer, run, None if expand else called_back(name, run), expand=expand, vjp=vjp, doc=doc, **facts)
    )


# ---- inv, solve

def _inv_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    return [-(t(y) @ g @ t(y))]


linalg_op("inv", square_type("inv"), lambda a, p, s: np.linalg.inv(a[0]), _inv_vjp, "Inverse of a matrix.",
          sympy="Inverse", latex="inv")  # fmt: skip


@function("inv", numpy=[np.linalg.inv])
def inv(a: Any) -> Expr:
    """The inverse of square matrices.  DomainError where one is singular."""
    return apply("inv", [matrix_operand("inv", a, square=True)])


def _solve_type(name: str) -> Callable[[Sequence[ArrayType], Params], ArrayType]:
    def infer(types: Sequence[ArrayType], params: Params) -> ArrayType:
        a, b = types
        require_matrix(name, a, square=True)
        require_matrix(name, b, square=False)
        if a.shape[-1] != b.shape[-2]:
            raise ShapeError(f"{name}: sizes differ: {a} and {b}")
        lead = broadcast_shapes(name, [ArrayType(u.dtype, u.shape[:-2]) for u in types])
        return ArrayType(a.dtype, (*lead, *b.shape[-2:]))

    return infer


def with_one_matrix(solve_one: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """``solve_one(a, b)`` for one matrix `a` and any leading axes of `b`, all columns at once."""
    n, k = b.shape[-2:]
    flat = np.moveaxis(b, -2, 0).reshape(n, b.size // n if n else 0)
    return np.moveaxis(solve_one(a, flat).reshape(n, *b.shape[:-2], k), 0, -2)


def _solve_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    a, b = args
    return with_one_matrix(np.linalg.solve, a, b) if a.ndim == 2 else np.linalg.solve(a, b)


def _solve_vjp(g: Expr, y: Expr, a: Expr, b: Expr) -> list[Expr]:
    back = apply("solve", [t(a), g])
    return [unbroadcast(-(back @ t(y)), y.ndim, a.type), unbroadcast(back, y.ndim, b.type)]


linalg_op("solve", _solve_type("solve"), _solve_evaluate, _solve_vjp, "Solution X of A @ X = B.")


def _with_columns(
    name: str, a: Any, b: Any, solve_columns: Callable[[Expr, Expr], Expr], *, square: bool = True
) -> Expr:
    (left, right), _ = unify([a, b], want_float=True)
    require_matrix(name, left.type, square)
    if right.ndim == 0:
        raise ShapeError(f"{name}: the right side must be a vector or matrices, got {right.type}")
    if right.ndim > 1:
        return solve_columns(left, right)
    result: Expr = FUNCTIONS["squeeze"](solve_columns(left, unit_axes(right, [0, None])), -1)
    return result


@function("solve", numpy=[np.linalg.solve])
def solve(a: Any, b: Any) -> Expr:
    """The solution x of ``a @ x = b`` for a vector or matrices `b`, as in NumPy.  DomainError where `a` is singular."""
    return _with_columns("solve", a, b, lambda u, v: apply("solve", [u, v]))


# ---- triangular systems: params = (lower, transposed, unit diagonal)

def _triangular_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    import scipy.linalg

    lower, transposed, unit = params

    def one(a: Any, b: Any) -> Any:
        if not a.size or not b.size:
            return np.zeros_like(b)
        return scipy.linalg.solve_triangular(
            a, b, trans=int(bool(transposed)), lower=bool(lower), unit_diagonal=bool(unit), check_finite=False
        )

    a, b = args
    if a.ndim == 2:
        return with_one_matrix(one, a, b)
    batch = a.shape[:-2]
    b = np.broadcast_to(b, np.broadcast_shapes(b.shape, (*batch, 1, 1)))
    result = np.empty_like(b, order="C")
    for k in np.ndindex(*batch):
        at = (..., *(i if n > 1 else slice(None) for i, n in zip(k, batch, strict=True)), slice(None), slice(None))
        result[at] = with_one_matrix(one, a[k], b[at])
    return result


def _triangular_vjp(g: Expr, y: Expr, a: Expr, b: Expr) -> list[Expr]:
    lower, transposed, unit = y.node.params
    back = apply("solve_triangular", [a, g], (lower, not transposed, unit))
    outer = -(y @ t(back)) if transposed else -(back @ t(y))
    shift = 1 if unit else 0
    part = lower_part(outer, -shift) if lower else upper_part(outer, shift)
    return [unbroadcast(part, y.ndim, a.type), unbroadcast(back, y.ndim, b.type)]


linalg_op("solve_triangular", _solve_type("solve_triangular"), _triangular_evaluate, _triangular_vjp,
          "Solution X of A @ X = B for triangular A.",
          text=lambda x: ("solve_triangular", dict(zip(("lower", "trans", "unit_diagonal"), x.params, strict=True))))  # fmt: skip


@function("solve_triangular")
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False) -> Expr:
    """The solution x of ``a @ x = b`` (of ``a.T @ x = b`` for `trans` 1 or "T") that reads one triangle of `a`, as in
    SciPy."""
    if trans not in (0, 1, "N", "T"):
        raise ArgumentError(f"solve_triangular: trans must be 0, 1, 'N' or 'T', got {trans!r}")
    params = (bool(lower), trans in (1, "T"), bool(unit_diagonal))
    return _with_columns("solve_triangular", a, b, lambda u, v: apply("solve_triangular", [u, v], params))


# ---- cholesky

def _cholesky_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    (a,) = args
    return np.linalg.cholesky((a + np.swapaxes(a, -1, -2)) / 2)


def _cholesky_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    """Murray, *Differentiation of the Cholesky decomposition*, 2016: L^-T tril(L.T @ g, diagonal halved) L^-1,
    symmetrised."""
    inner = t(y) @ g
    halved = lower_part(inner) - 0.5 * lower_part(upper_part(inner))
    left = apply("solve_triangular", [y, halved], (True, True, False))
    return [symmetric(t(apply("solve_triangular", [y, t(left)], (True, True, False))))]


linalg_op("cholesky", square_type("cholesky"), _cholesky_evaluate, _cholesky_vjp,
          "Lower triangular L with L @ L.T the symmetric part of the argument.")  # fmt: skip


@function("cholesky", numpy=[np.linalg.cholesky])
def cholesky(a: Any, *, upper: bool = False) -> Expr:
    """The lower triangular L with ``L @ L.T = a`` for a symmetric positive-definite `a` (its symmetric part is taken);
    with `upper`, its transpose.

    DomainError where `a` is not positive definite."""
    lower = apply("cholesky", [matrix_operand("cholesky", a, square=True)])
    return t(lower) if upper else lower


# ---- pinv, lstsq

def _pinv_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    require_matrix("pinv", types[0], square=False)
    *lead, m, n = types[0].shape
    return ArrayType(types[0].dtype, (*lead, n, m))


def _identity_minus(x: Expr) -> Expr:
    return delta(x.type.shape[-1], x.dtype) - x


def _pinv_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    """Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973: the derivative where the rank does not change."""
    p = t(y)
    return [-(p @ g @ p) + _identity_minus(a @ y) @ t(g) @ (y @ p) + (p @ y) @ t(g) @ _identity_minus(y @ a)]


def _pinv_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    return np.linalg.pinv(args[0], *params)


def _rounding(a: Expr) -> Expr:
    """eps*max(m, n): what NumPy takes for the relative error of singular values."""
    eps = float(np.finfo(np.float32 if a.dtype == "f32" else np.float64).eps)
    longest: Expr = FUNCTIONS["maximum"](lift(a.shape[-2]), lift(a.shape[-1]))
    bound: Expr = longest.astype(a.dtype) * eps
    return bound


def _reciprocal_svd(a: Expr, rcond: Any) -> tuple[Expr, Expr, Expr]:
    """U, the reciprocals of the singular values above `rcond` of the largest (0 for the others) as a column, and V."""
    u, s, vt = FUNCTIONS["svd"](a, full_matrices=False)
    largest = unit_axes(apply("max", [s], ((-1,),)), [*range(s.ndim - 1), None])
    counts = s > largest * rcond
    inverse = FUNCTIONS["mask"](counts, 1 / FUNCTIONS["where"](counts, s, 1))
    return u, unit_axes(inverse, [*range(s.ndim), None]), t(vt)


def _pinv_expand(y: Expr, a: Expr) -> Expr:
    u, inverse, v = _reciprocal_svd(a, *(y.node.params or (1e-15,)))
    return v @ (inverse * t(u))


linalg_op("pinv", _pinv_type, _pinv_evaluate, _pinv_vjp, "Moore-Penrose inverse.", expand=_pinv_expand,
          text=lambda x: ("pinv", {"rcond": x.params[0]} if x.params else {}))  # fmt: skip


@function("pinv", numpy=[np.linalg.pinv])
def pinv(a: Any, rcond: float | None = None, hermitian: bool = False, *, rtol: float | None = None) -> Expr:
    """The Moore-Penrose inverse of matrices, in which singular values up to `rcond`, also called `rtol` (1e-15 by
    default), of the largest count as 0; its derivative is that at constant rank.  With `hermitian` the symmetric part
    is inverted."""
    if rcond is not None and rtol is not None:
        raise ArgumentError("pinv: rcond= and rtol= are the same; give one")
    rcond = rtol if rcond is None else rcond
    if hermitian:
        a = symmetric(matrix_operand("pinv", a, square=True))
    return apply("pinv", [matrix_operand("pinv", a)], () if rcond is None else (float(rcond),))


def _lstsq_type(types: Sequence[ArrayType], params: Params) -> ArrayType:
    a, b = types
    require_matrix("lstsq", a, square=False)
    if a.rank != 2 or b.rank < 2 or a.shape[0] != b.shape[-2]:
        raise ShapeError(f"lstsq: needs one matrix and a right side of as many rows, got {a} and {b}")
    return ArrayType(a.dtype, (*b.shape[:-2], a.shape[1], b.shape[-1]))


def _lstsq_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    a, b = args
    lead, (m, k) = b.shape[:-2], b.shape[-2:]
    flat = np.moveaxis(b, -2, 0).reshape(m, -1)
    x = np.linalg.lstsq(a, flat, rcond=None)[0]
    return np.moveaxis(x.reshape(a.shape[1], *lead, k), 0, -2)


def _lstsq_vjp(g: Expr, y: Expr, a: Expr, b: Expr) -> list[Expr]:
    p = apply("pinv", [a])
    back = t(p) @ g
    matrix = -(back @ t(y)) + (b - a @ y) @ t(p @ back) + (t(p) @ y) @ t(g - p @ (a @ g))
    return [unbroadcast(matrix, y.ndim, a.type), back]


def _lstsq_expand(y: Expr, a: Expr, b: Expr) -> Expr:
    u, inverse, v = _reciprocal_svd(a, _rounding(a))
    return v @ (inverse * (t(u) @ b))


linalg_op("lstsq", _lstsq_type, _lstsq_evaluate, _lstsq_vjp, "Least-squares solution of least norm.",
          expand=_lstsq_expand)  # fmt: skip


@function("lstsq", numpy=[np.linalg.lstsq])
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Expr, Expr, Expr, Expr]:
    """NumPy's lstsq: the solution of least norm, the squared residuals, the rank, and the singular values of `a`.

    The residuals are given for every right side, also where NumPy leaves them out.  Differentiable at constant rank."""
    if rcond is not None:
        raise ArgumentError(
            "lstsq: rcond is not supported; singular values below eps*max(m, n) of the largest count as 0"
        )
    (left, right), _ = unify([a, b], want_float=True)
    x = _with_columns("lstsq", left, right, lambda u, v: apply("lstsq", [u, v]), square=False)
    s = FUNCTIONS["svdvals"](left)
    rank = (s > FUNCTIONS["max"](s) * _rounding(left)).sum()
    misses = (right - left @ x) ** 2
    return x, misses.sum(axis=0, keepdims=right.ndim == 1), rank, s


# ---- expm

def _expm_evaluate(args: Sequence[Any], params: Params, sizes: Mapping[str, int]) -> Any:
    import scipy.linalg

    (a,) = args
    return scipy.linalg.expm(a).astype(a.dtype, copy=False) if a.size else np.zeros_like(a)


def _expm_along(a: Expr, e: Expr) -> Expr:
    """The derivative of expm at `a` along `e`: the upper right block of expm([[A, E], [0, A]]) (Higham, *Functions of
    Matrices*, section 3.2).  It is an expm again, so it holds at every order."""
    n: Dim = a.type.shape[-1]
    block = broadcast_to(a, e.type.shape)
    join = FUNCTIONS["concatenate"]
    zero = FUNCTIONS["zeros_like"](e)
    whole = apply("expm", [join([join([block, e], -1), join([zero, block], -1)], -2)])
    return slice_axes(whole, [(0, n, 1), (n, n, 1)])


def _expm_vjp(g: Expr, y: Expr, a: Expr) -> list[Expr]:
    return [_expm_along(t(a), g)]


def _expm_jvp(tangents: Sequence[Expr | None], y: Expr, a: Expr) -> Expr | None:
    return None if tangents[0] is None else _expm_along(a, tangents[0])


linalg_op("expm", square_type("expm"), _expm_evaluate, _expm_vjp, "Matrix exponential.", jvp=_expm_jvp)


@function("expm")
def expm(a: Any) -> Expr:
    """The matrix exponential."""
    return apply("expm", [matrix_operand("expm", a, square=True)])


# ---- what is made of products

@function("matrix_power", numpy=[np.linalg.matrix_power])
def matrix_power(a: Any, n: Any) -> Expr:
    """The square matrix `a` multiplied `n` times with itself; negative powers invert it first."""
    x = matrix_operand("matrix_power", a, square=True)
    if not isinstance(n, int | np.integer) or isinstance(n, bool):
        raise ArgumentError(f"matrix_power: the power must be an integer, got {n!r}")
    if n == 0:
        return broadcast_to(delta(x.type.shape[-1], x.dtype), x.type.shape)
    result, square, rest = None, x if n > 0 else inv(x), abs(int(n))
    while rest:
        if rest & 1:
            result = square if result is None else result @ square
        rest >>= 1
        square = square @ square if rest else square
    assert result is not None
    return result


@function("multi_dot", numpy=[np.linalg.multi_dot])
def multi_dot(arrays: Any) -> Expr:
    """The matrix product of a list of arrays; compiled in the order of least cost."""
    factors = [lift(x) for x in arrays]
    if len(factors) < 2:
        raise ArgumentError(f"multi_dot: needs at least two arrays, got {len(factors)}")
    return reduce(matmul, factors)


__all__ = ["cholesky", "expm", "inv", "linalg_op", "lstsq", "matrix_power", "pinv", "solve"]

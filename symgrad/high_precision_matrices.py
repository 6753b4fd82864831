"""Factorisations and what is made of them in high precision, by mpmath.

Where vectors are known up to their sign only, they have the signs that LAPACK gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

from .graph import Node
from .ops.packing import pack

Array = np.ndarray[Any, np.dtype[Any]]
Sizes = Mapping[str, int]
Meaning = Callable[[Sequence[Array], Node, Sizes], Any]
MEANINGS: dict[str, Meaning] = {}


def _means(*names: str) -> Callable[[Meaning], Meaning]:
    def add(f: Meaning) -> Meaning:
        MEANINGS.update(dict.fromkeys(names, f))
        return f

    return add


def _stacked(f: Callable[..., tuple[Array, ...]], *arrays: Array) -> list[Array]:
    """What `f` gives of each matrix, stacked as the matrices are."""
    lead = np.broadcast_shapes(*(a.shape[:-2] for a in arrays))
    wide = [np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in arrays]
    found = [f(*(a[index] for a in wide)) for index in np.ndindex(lead)]
    if not found:
        samples = f(*(np.vectorize(mpmath.mpf, otypes=[object])(np.eye(*a.shape[-2:])) for a in arrays))
        return [np.empty((*lead, *s.shape), dtype=object) for s in samples]
    return [_objects([row[k] for row in found]).reshape((*lead, *found[0][k].shape)) for k in range(len(found[0]))]


def _objects(arrays: Sequence[Array]) -> Array:
    result = np.empty((len(arrays), *arrays[0].shape), dtype=object)
    for k, a in enumerate(arrays):
        result[k] = a
    return result


def _array(a: Any) -> Array:
    result = np.empty((a.rows, a.cols), dtype=object)
    for i, j in np.ndindex(result.shape):
        result[i, j] = a[i, j]
    return result


def _matrix(a: Array) -> Any:
    return mpmath.matrix(a.tolist())


def _floats(a: Array) -> Array:
    return a.astype(np.float64)


def _signs(v: Array, like: Array) -> Array:
    """1 or -1 for each column, so that the columns point to where those of `like` do."""
    return np.where(np.sum(_floats(v) * like, axis=0) < 0, -1, 1)


# ---- symmetric matrices

def _eigh_one(a: Array) -> tuple[Array, Array]:
    w, v = mpmath.eigsy(_matrix((a + a.T) / 2))
    values, vectors = np.array(list(w), dtype=object), _array(v)
    order = np.argsort(_floats(values), kind="stable")
    values, vectors = values[order], vectors[:, order]
    return values, vectors * _signs(vectors, np.linalg.eigh((_floats(a) + _floats(a).T) / 2)[1])


@_means("eigh")
def _eigh(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return pack(_stacked(_eigh_one, args[0]), args[0].ndim - 2)


@_means("eigvalsh")
def _eigvalsh(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return _stacked(_eigh_one, args[0])[0]


@_means("spectral")
def _spectral(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    g, a = args
    v = _stacked(_eigh_one, a)[1]
    return (v * g[..., None, :]) @ np.swapaxes(v, -1, -2)


# ---- singular values

def _svd_one(a: Array) -> tuple[Array, Array, Array]:
    if a.shape[0] < a.shape[1]:
        u, s, v = _svd_one(a.T)
        turned = v.T, s, u.T
    else:
        u, s, v = mpmath.svd_r(_matrix(a), full_matrices=False)
        turned = _array(u), np.array(list(s), dtype=object), _array(v)
    left, singular, right = turned
    signs = _signs(left, np.linalg.svd(_floats(a), full_matrices=False)[0])
    return left * signs, singular, right * signs[:, None]


@_means("svd")
def _svd(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return pack(_stacked(_svd_one, args[0]), args[0].ndim - 2)


@_means("svdvals")
def _svdvals(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return _stacked(_svd_one, args[0])[1]


def _pinv_one(rcond: float) -> Callable[[Array], tuple[Array]]:
    def inverse(a: Array) -> tuple[Array]:
        u, s, v = _svd_one(a)
        low = max(s, default=mpmath.mpf(0)) * rcond
        reciprocal = np.array([1 / k if k > low else mpmath.mpf(0) for k in s], dtype=object)
        return ((v.T * reciprocal) @ u.T,)

    return inverse


@_means("pinv")
def _pinv(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return _stacked(_pinv_one(*(x.params or (1e-15,))), args[0])[0]


@_means("lstsq")
def _lstsq(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    a, b = args
    (inverse,) = _pinv_one(float(np.finfo(np.float64).eps) * max(a.shape))(a)
    return np.einsum("nm,...mk->...nk", inverse, b)


# ---- triangles

def _qr_one(a: Array) -> tuple[Array, Array]:
    q, r = mpmath.qr(_matrix(a), mode="skinny")
    left, right = _array(q), _array(r)
    signs = _signs(left, np.linalg.qr(_floats(a))[0])
    return left * signs, right * signs[:, None]


@_means("qr")
def _qr(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return pack(_stacked(_qr_one, args[0]), args[0].ndim - 2)


@_means("solve_triangular")
def _solve_triangular(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    lower, transposed, unit = x.params

    def inverse(a: Array) -> tuple[Array]:
        kept = np.tril(a, -1 if unit else 0) if lower else np.triu(a, 1 if unit else 0)
        kept = kept + np.eye(len(a), dtype=int) if unit else kept
        return (_array(mpmath.inverse(_matrix(kept.T if transposed else kept))),)

    return _stacked(inverse, args[0])[0] @ args[1]


# ---- determinants

def determinant(a: Any) -> Any:
    """By elimination with the largest pivots; mpmath's own takes matrices that are nearly singular for singular."""
    rows, found = a.tolist(), mpmath.mpf(1)
    for k in range(len(rows)):
        pivot = max(range(k, len(rows)), key=lambda i: abs(rows[i][k]))
        if rows[pivot][k] == 0:
            return mpmath.mpf(0)
        if pivot != k:
            rows[k], rows[pivot], found = rows[pivot], rows[k], -found
        found *= rows[k][k]
        for row in rows[k + 1 :]:
            factor = row[k] / rows[k][k]
            row[k:] = [v - factor * u for u, v in zip(rows[k][k:], row[k:], strict=True)]
    return found


def _cofactor_one(a: Array) -> Array:
    result = np.empty(a.shape, dtype=object)
    for i, j in np.ndindex(a.shape):
        minor = np.delete(np.delete(a, i, 0), j, 1)
        result[i, j] = (-1) ** (i + j) * determinant(minor)
    return result


@_means("cofactor")
def _cofactor(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return _stacked(lambda a: (_cofactor_one(a),), args[0])[0]


@_means("cofactor_slope")
def _cofactor_slope(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    """By differences: cofactors are polynomials, and a small step costs nothing in high precision."""
    with mpmath.workdps(3 * mpmath.mp.dps):
        step = mpmath.mpf(10) ** (-mpmath.mp.dps // 3)

        def slope(a: Array, g: Array) -> tuple[Array]:
            return ((_cofactor_one(a + step * g) - _cofactor_one(a - step * g)) / (2 * step),)

        return _stacked(slope, *args)[0]


@_means("detsign")
def _detsign(args: Sequence[Array], x: Node, sizes: Sizes) -> Any:
    return _stacked(lambda a: (np.array(mpmath.sign(determinant(a)), dtype=object),), args[0])[0]


__all__ = ["MEANINGS", "determinant"]

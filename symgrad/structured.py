"""Structured symmetric matrices as numbers: what a compressed Hessian gives at a point.

Each takes vectors in the shape of the variable or flat, gives results alike, and never forms the whole matrix unless
asked to (`dense`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError

if TYPE_CHECKING:
    import scipy.sparse.linalg

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Structured:
    """A symmetric matrix that acts on arrays of the shape `like`.

    ``H @ v`` and `matvec` multiply, `solve` divides, `dense` is the matrix with the axes of `like` twice, as `hessian`
    gives it, `operator` a SciPy operator on flat vectors."""

    like: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the matrix on flat vectors."""
        n = math.prod(self.like)
        return n, n

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type."""
        raise NotImplementedError

    def matvec(self, v: Any) -> Array:
        """The product with `v`."""
        return self._alike("matvec", v, self._multiply)

    __matmul__ = matvec

    def solve(self, g: Any, damping: float = 0.0) -> Array:
        """The `x` with ``H @ x + damping * x = g``.  Raises numpy.linalg.LinAlgError where there is none."""
        return self._alike("solve", g, lambda a: self._divide(a, damping))

    def dense(self) -> Array:
        """The whole matrix, the axes of the variable twice."""
        n = self.shape[0]
        columns = [self._multiply(e.reshape(self.like)).ravel() for e in np.eye(n, dtype=self.dtype)]
        return np.stack(columns, axis=1).reshape(*self.like, *self.like) if n else np.zeros((*self.like, *self.like))

    def operator(self) -> scipy.sparse.linalg.LinearOperator:
        """The matrix as a SciPy operator on flat vectors, for Krylov methods."""
        import scipy.sparse.linalg

        return scipy.sparse.linalg.LinearOperator(self.shape, self.matvec, self.matvec, dtype=self.dtype)

    def _alike(self, what: str, v: Any, function: Any) -> Array:
        given = np.asarray(v, self.dtype)
        if given.shape not in (self.like, (self.shape[0],), (self.shape[0], 1)):
            expected = f"{self.like} or {self.shape[:1]}"
            raise ArgumentError(f"{what}: expected an array of shape {expected}, got {given.shape}")
        found: Array = function(given.reshape(self.like))
        return found.reshape(given.shape)

    def _multiply(self, v: Array) -> Array:
        raise NotImplementedError

    def _divide(self, g: Array, damping: float) -> Array:
        raise NotImplementedError


@dataclass(frozen=True)
class Diagonal(Structured):
    """A diagonal matrix; `values` has the shape of the variable."""

    values: Array

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.values.dtype)

    def _multiply(self, v: Array) -> Array:
        return self.values * v

    def _divide(self, g: Array, damping: float) -> Array:
        below = self.values + damping
        if not below.all():
            raise np.linalg.LinAlgError("solve: the diagonal has a zero; give a damping")
        return np.asarray(g / below)


@dataclass(frozen=True)
class BlockDiagonal(Structured):
    """A block for every index of the axes `apart` of the variable, zeros between different ones.

    `blocks` has the axes `apart`, then the other axes of the variable twice."""

    blocks: Array
    apart: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.blocks.dtype)

    def matrices(self) -> Array:
        """The blocks as square matrices, one behind the other."""
        count = math.prod(self.like[k] for k in self.apart)
        width = math.prod(self.like) // max(count, 1)
        return self.blocks.reshape(count, width, width)

    def _order(self) -> list[int]:
        return [*self.apart, *(k for k in range(len(self.like)) if k not in self.apart)]

    def _by_blocks(self, v: Array, function: Any) -> Array:
        turned = v.transpose(self._order())
        matrices = self.matrices()
        found = function(matrices, turned.reshape(*matrices.shape[:2], 1))
        return np.asarray(found.reshape(turned.shape).transpose(np.argsort(self._order())))

    def _multiply(self, v: Array) -> Array:
        return self._by_blocks(v, np.matmul)

    def _divide(self, g: Array, damping: float) -> Array:
        def divide(matrices: Array, right: Array) -> Array:
            damped = matrices + damping * np.eye(matrices.shape[1], dtype=self.dtype) if damping else matrices
            return np.linalg.solve(damped, right)

        return self._by_blocks(g, divide)


@dataclass(frozen=True)
class Kronecker(Structured):
    """A Kronecker product plus a multiple of the identity.

    Each factor acts along some axes of the variable: a pair of these axes and its matrix, which has them twice.  Along
    axes that no factor names, the product is the identity.  `shift` times the identity is added, and the product is
    multiplied by `scale`."""

    factors: tuple[tuple[tuple[int, ...], Array], ...]
    scale: float
    shift: float

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(a for _, a in self.factors))

    def _multiply(self, v: Array) -> Array:
        found = v * self.scale
        for axes, a in self.factors:
            found = _along(self._square(axes, a), found, axes)
        return np.asarray(found + self.shift * v)

    def _divide(self, g: Array, damping: float) -> Array:
        """By the eigenvectors of the factors, in which the whole matrix is diagonal."""
        spectra = [(axes, *np.linalg.eigh(self._square(axes, a))) for axes, a in self.factors]
        values = np.full(self.like, self.scale, self.dtype)
        for axes, eigenvalues, vectors in spectra:
            order = [*axes, *(k for k in range(len(self.like)) if k not in axes)]
            own = eigenvalues.reshape([self.like[k] for k in axes] + [1] * (len(self.like) - len(axes)))
            values = values * own.transpose(np.argsort(order))
            g = _along(vectors.T, g, axes)
        below = values + (self.shift + damping)
        if np.abs(below).min(initial=np.inf) <= np.finfo(self.dtype).eps * below.size * np.abs(below).max(initial=0):
            raise np.linalg.LinAlgError("solve: the matrix is singular; give a damping")
        found = g / below
        for axes, _, vectors in spectra:
            found = _along(vectors, found, axes)
        return np.asarray(found)

    def _square(self, axes: Sequence[int], a: Array) -> Array:
        n = math.prod(self.like[k] for k in axes)
        return a.reshape(n, n)


def _along(matrix: Array, v: Array, axes: Sequence[int]) -> Array:
    """`matrix` applied along some axes of `v`."""
    order = [*axes, *(k for k in range(v.ndim) if k not in axes)]
    turned = v.transpose(order)
    found = (matrix @ turned.reshape(matrix.shape[1], -1)).reshape(turned.shape)
    return np.asarray(found.transpose(np.argsort(order)))


@dataclass(frozen=True)
class Dense(Structured):
    """A matrix without a structure that was seen; `values` has the axes of the variable twice."""

    values: Array

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.values.dtype)

    def dense(self) -> Array:
        return self.values

    def _multiply(self, v: Array) -> Array:
        return np.asarray(self.values.reshape(self.shape) @ v.ravel()).reshape(self.like)

    def _divide(self, g: Array, damping: float) -> Array:
        damped = self.values.reshape(self.shape) + damping * np.eye(self.shape[0], dtype=self.dtype)
        return np.linalg.solve(damped, g.ravel()).reshape(self.like)


__all__ = ["BlockDiagonal", "Dense", "Diagonal", "Kronecker", "Structured"]

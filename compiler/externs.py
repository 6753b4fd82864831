"""Routines that are not written in loops, one row each: sorting, linear algebra, callbacks.

A row is a Python function ``function(params, arrays) -> tuple of results``; kernels call it back with the arrays of the
call, wrapped and not copied, and store what it returns.  symgrad registers the routines of its operations here.

A routine that is in `NATIVE` too has machine code (`llvm.routines`), and its row is only what happens where that gives
up: a singular matrix, an empty one, sizes beyond 32 bits.  So both fail with the same error, said in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .types import ArrayType, Dim, minimum, product

Routine = Callable[[tuple[object, ...], tuple[np.ndarray[Any, Any], ...]], tuple[Any, ...]]
EXTERNS: dict[str, Routine] = {}
Memory = Callable[[Sequence[ArrayType]], Sequence[ArrayType]]
"""From the types of a routine's inputs to those of the temporaries that its machine code works in."""
NATIVE: dict[str, Memory] = {}


def extern(name: str) -> Callable[[Routine], Routine]:
    """Registers the decorated function as the extern routine `name`; arrays it gets must not be written."""

    def register(routine: Routine) -> Routine:
        EXTERNS[name] = routine
        return routine

    return register


@extern("sort")
def _sort(params: tuple[object, ...], arrays: tuple[np.ndarray[Any, Any], ...]) -> tuple[Any, ...]:
    """The last axis in rising order, NaN last."""
    return (np.sort(arrays[0], axis=-1),)


@extern("argsort")
def _argsort(params: tuple[object, ...], arrays: tuple[np.ndarray[Any, Any], ...]) -> tuple[Any, ...]:
    """The positions that sort the last axis, equal elements in their order."""
    return (np.argsort(arrays[0], axis=-1, kind="stable"),)


# ---- memory of the routines that have machine code; LAPACK's 32-bit integers stand in i64 arrays

def _memory(*names: str) -> Callable[[Memory], Memory]:
    def register(memory: Memory) -> Memory:
        NATIVE.update(dict.fromkeys(names, memory))
        return memory

    return register


def _core(x: ArrayType) -> tuple[Dim, Dim]:
    return x.shape[-2], x.shape[-1]


def smaller(m: Dim, n: Dim) -> Dim:
    """The smaller of two sizes."""
    return min(m, n) if isinstance(m, int) and isinstance(n, int) else minimum(m, n)


@_memory("inv")
def _two_matrices(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    dtype, (n, _) = types[0].dtype, _core(types[0])
    return ArrayType(dtype, (n, n)), ArrayType(dtype, (n, n)), ArrayType("i64", (n,))


@_memory("det", "logdet", "detsign")
def _one_matrix(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    n = types[0].shape[-1]
    return ArrayType(types[0].dtype, (n, n)), ArrayType("i64", (n,))


@_memory("solve")
def _right_sides(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    """A factorisation serves all right sides of one matrix together."""
    a, b = types
    count = product(b.shape) if a.rank == 2 else product(_core(b))
    n = a.shape[-1]
    return ArrayType(a.dtype, (n, n)), ArrayType(a.dtype, (count,)), ArrayType("i64", (n,))


@_memory("solve_triangular")
def _columns(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    return _right_sides(types)[1:2]


@_memory("cholesky", "nonzero", "searchsorted")
def _none(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    return ()


@_memory("eigh", "eigvalsh")
def _divide_and_conquer(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    dtype, n = types[0].dtype, types[0].shape[-1]
    sizes = (n * n, 2 * n * n + 6 * n + 1)
    return (*(ArrayType(dtype, (size,)) for size in sizes), ArrayType("i64", (5 * n + 3,)))


def _singular_values(square: bool) -> Memory:
    def memory(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
        """The matrix, U, Vh, what LAPACK works in."""
        dtype, (m, n) = types[0].dtype, _core(types[0])
        k = smaller(m, n)
        u, vh = (m * m, n * n) if square else (m * k, k * n)
        sizes = (m * n, u, vh, 4 * k * k + 10 * (m + n))
        return (*(ArrayType(dtype, (size,)) for size in sizes), ArrayType("i64", (4 * k,)))

    return memory


_memory("svd", "svdvals")(_singular_values(False))
_memory("full_svd")(_singular_values(True))


@_memory("qr")
def _reflections(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    dtype, (m, n) = types[0].dtype, _core(types[0])
    return tuple(ArrayType(dtype, (size,)) for size in (m * n, smaller(m, n), 32 * n))


@_memory("expm")
def _powers(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
    dtype, n = types[0].dtype, types[0].shape[-1]
    return (*[ArrayType(dtype, (n, n))] * 7, ArrayType(dtype, (n,)), ArrayType(dtype, (n,)), ArrayType("i64", (n,)))


def _rows(count: int) -> Memory:
    def memory(types: Sequence[ArrayType]) -> Sequence[ArrayType]:
        """Keys, rows to spare, counts of the values of each byte."""
        return *[ArrayType("i64", types[0].shape[-1:])] * count, ArrayType("i64", (8 * 256,))

    return memory


_memory("sort")(_rows(2))
_memory("argsort")(_rows(3))

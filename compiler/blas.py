"""Matrix products in programs, and the BLAS routines that large ones are given to.

``C[i, j] = sum_k A[i, k] B[k, j]`` with the axes of each array in any order is one call of gemm: transposes become
arguments, a product that is added to what stands in C becomes ``beta = 1``.  SciPy's pointers are used, with 32-bit
integers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .alignment import all_axes
from .index import Assign, AxisValue, Call, Expr, Load, Reduce
from .scalars import Extern
from .types import ArrayType, is_float

GEMM = {dtype: Extern("scipy.linalg.cython_blas", name, 13) for dtype, name in (("f64", "dgemm"), ("f32", "sgemm"))}
SMALLEST_PRODUCT, SMALLEST_GEMM = 20_000, 1_000_000
"""Multiplications from which packed panels are quicker than a loop, and a call of gemm than those (measured)."""


@dataclass(frozen=True, slots=True)
class MatrixProduct:
    """The axes of a product by their roles; `left` and `right` are the loads with the row and the column axis.

    The result is `symmetric` where the left matrix is the right one, or is it scaled along the inner axis (``X.T @
    diag(d) @ X``).
    """

    row: str
    column: str
    inner: str
    left: Load
    right: Load
    symmetric: bool = False


def matrix_product(statement: Assign, arrays: dict[str, ArrayType], unrolled: frozenset[str]) -> MatrixProduct | None:
    """How `statement` is a product of two matrices, None if it is none."""
    value = statement.value
    if (
        not isinstance(value, Reduce)
        or value.op != "add"
        or statement.at is not None
        or not is_float(statement.type.dtype)
    ):
        return None
    if len(statement.axes) != 2 or len(value.axes) != 1 or any(axis.name in unrolled for axis in all_axes(statement)):
        return None
    match value.body:
        case Call("mul", (Load() as left, Load() as right)):
            pass
        case _:
            return None
    row, column, inner = statement.axes[0].name, statement.axes[1].name, value.axes[0].name
    if _axes(left) == {column, inner}:
        left, right = right, left
    whole = all(_covers(load, statement, arrays) for load in (left, right))
    fits = _axes(left) == {row, inner} and _axes(right) == {inner, column} and whole
    return MatrixProduct(row, column, inner, left, right) if fits else None


def is_symmetric(product: MatrixProduct, makers: Mapping[str, Assign]) -> bool:
    """Whether the product equals its transpose; `makers` are the statements that define arrays."""
    for one, other in ((product.left, product.right), (product.right, product.left)):
        axis = product.row if one is product.left else product.column
        side = product.column if one is product.left else product.row
        turned = tuple(AxisValue(axis) if part == AxisValue(side) else part for part in other.index)
        if one == Load(other.array, turned):
            return True
        match makers.get(one.array):
            case Assign(axes=axes, value=Call("mul", factors)):
                names = dict(zip((own.name for own in axes), one.index, strict=True))
                moved = [_substituted(factor, names) for factor in factors]
                if moved.count(Load(other.array, turned)) == 1 and all(
                    factor == Load(other.array, turned) or not _mentions(factor, axis) for factor in moved
                ):
                    return True
            case _:
                pass
    return False


def _substituted(expr: Expr, names: Mapping[str, Expr]) -> Expr:
    match expr:
        case AxisValue(name):
            return names.get(name, expr)
        case Load(array, index):
            return Load(array, tuple(_substituted(part, names) for part in index))
        case Call(op, args):
            return Call(op, tuple(_substituted(arg, names) for arg in args))
        case _:
            return expr


def _mentions(expr: Expr, axis: str) -> bool:
    match expr:
        case AxisValue(name):
            return name == axis
        case Load(_, parts) | Call(_, parts):
            return any(_mentions(part, axis) for part in parts)
        case _:
            return False


def _axes(load: Load) -> set[str]:
    return {part.name if isinstance(part, AxisValue) else "" for part in load.index}


def _covers(load: Load, statement: Assign, arrays: dict[str, ArrayType]) -> bool:
    """Whether the load runs over a whole matrix of the target's element type."""
    sizes = {axis.name: axis.size for axis in all_axes(statement)}
    type_ = arrays[load.array]
    own = tuple(sizes.get(part.name) if isinstance(part, AxisValue) else None for part in load.index)
    return own == type_.shape and len(own) == 2 and type_.dtype == statement.type.dtype


@lru_cache(maxsize=1)
def _library() -> Any:
    """SciPy's own OpenBLAS, if that is what it has."""
    import scipy

    folder = Path(scipy.__file__).parent
    for place in (folder.parent / "scipy.libs", folder / ".dylibs"):
        for path in sorted(place.glob("*openblas*")):
            library = ctypes.CDLL(str(path))
            if hasattr(library, "openblas_set_num_threads_local"):
                return library
    return None


def thread_setter() -> int:
    """The address of the function that sets on how many threads SciPy's BLAS works for the calling thread, and gives
    the number before; 0 where there is none."""
    library = _library()
    return 0 if library is None else ctypes.cast(library.openblas_set_num_threads_local, ctypes.c_void_p).value or 0


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within, SciPy's BLAS uses the calling thread only."""
    library = _library()
    before = library.openblas_set_num_threads_local(1) if library else 0
    try:
        yield
    finally:
        if library and before != 1:
            library.openblas_set_num_threads_local(before)

"""The BLAS and LAPACK routines that matrices are given to, by SciPy's pointers, with 32-bit integers."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from .scalars import Extern

GEMM = {dtype: Extern("scipy.linalg.cython_blas", name, 13) for dtype, name in (("f64", "dgemm"), ("f32", "sgemm"))}
_LAPACK = "scipy.linalg.cython_lapack"
ROUTINES = {
    "gesv": 8, "getrf": 6, "getrs": 9, "trtrs": 10, "potrf": 5, "syevd": 11, "gesdd": 14, "geqrf": 8, "orgqr": 9
}  # fmt: skip
"""LAPACK's routines without the letter of their type, and how many arguments they take."""
SMALLEST_PRODUCT, SMALLEST_GEMM = 20_000, 1_000_000
"""Multiplications from which packed panels are quicker than a loop, and a call of gemm than those (measured)."""


def lapack(name: str, dtype: str) -> Extern:
    """LAPACK's routine `name` for a floating-point type."""
    return Extern(_LAPACK, {"f64": "d", "f32": "s"}[dtype] + name, ROUTINES[name])


def is_library(row: Extern) -> bool:
    """Whether a C function is one of BLAS or LAPACK, which take pointers and return nothing."""
    return row.module in (_LAPACK, GEMM["f64"].module)


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

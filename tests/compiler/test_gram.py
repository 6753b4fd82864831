"""``X.T @ diag(s) @ X`` by halves against NumPy: every width of vectors, every rest of rows, columns and lines."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import pytest
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.llvm import products
from symgrad.compiler.llvm.gram import gram_name, gram_product
from symgrad.compiler.llvm.jit import Code, host, object_code
from symgrad.compiler.reader import read_program
from symgrad.compiler.types import DTYPES

BOUND = {"f64": 1e-12, "f32": 2e-4}
POINTER, LONG = ctypes.c_void_p, ctypes.c_int64
CALL = ctypes.CFUNCTYPE(None, POINTER, LONG, POINTER, LONG, POINTER, LONG, LONG, LONG, ctypes.c_bool)


@cache
def gram(dtype: str, lanes: int) -> tuple[Code, Any]:
    """The code and the function for vectors of `lanes`, which may be narrower or wider than this machine's."""
    code = Code(object_code(gram_product(dtype, lanes, ""), host()), {})
    return code, CALL(code.address(gram_name(dtype, lanes)))


WIDTHS = [("f64", 2), ("f64", 4), ("f64", 8), ("f32", 4), ("f32", 8), ("f32", 16)]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("dtype", "lanes"), WIDTHS)
def test_every_width(dtype: str, lanes: int, scaled: bool) -> None:
    rng = np.random.default_rng(lanes)
    _, call = gram(dtype, lanes)
    for m in (*range(lanes, lanes + 30), 50, 97):
        for k, wider in ((0, 0), (1, 3), (3, 0), (64, 0), (67, 5), (200, 0)):
            X = rng.standard_normal((k, m + wider)).astype(DTYPES[dtype])
            s = rng.standard_normal((k, 2)).astype(DTYPES[dtype])
            frame = np.full((m + 2, m + 3), 7.0, DTYPES[dtype])
            C, start = frame[1:-1, 1:-2], rng.standard_normal((m, m))
            C[...] = start
            for add in (True, False):
                scale = s.ctypes.data if scaled else None
                call(C.ctypes.data, m + 3, X.ctypes.data, m + wider, scale, 2, m, k, add)
                lines = X[:, :m].astype(float)
                expected = (lines.T * (s[:, 0] if scaled else 1)) @ lines + (start.astype(DTYPES[dtype]) if add else 0)
                np.testing.assert_allclose(np.tril(C), np.tril(expected), rtol=BOUND[dtype], atol=50 * BOUND[dtype])
            assert (frame[0] == 7).all() and (frame[-1] == 7).all() and (frame[:, 0] == 7).all()
            assert (frame[:, -2:] == 7).all()


@pytest.mark.parametrize("way", ["loops", "where it stands", "panels"])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("scale", ["", "s[k], "])
@pytest.mark.parametrize(("m", "n"), [(5, 3), (40, 16), (300, 17), (700, 64), (130, 50), (90, 128)])
def test_programs(m: int, n: int, scale: str, dtype: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "SMALLEST_PRODUCT", 2**60 if way == "loops" else 0)
    monkeypatch.setattr(products, "SAME_PLACE", 1 if way == "panels" else 2**40)
    body = f"mul(X[k, i], {scale}X[k, j])"
    text = f"program(X: {dtype}[m, n], s: {dtype}[m])\n  C: {dtype}[i < n, j < n] = add[k < m] {body}\n  return C\n"
    kernel = compile_program(read_program(text))
    assert ("diag(s)" in kernel.loops) == bool(scale) and "halves" in kernel.loops
    rng = np.random.default_rng(m)
    X, s = rng.standard_normal((m, n)).astype(DTYPES[dtype]), rng.standard_normal(m).astype(DTYPES[dtype])
    X[m // 2, n // 2] = np.nan  # one row and one column of the result are not numbers, the others are
    Y = X.astype(float)
    expected = (Y.T * (s if scale else 1)) @ Y
    (found,) = kernel(X, s)
    np.testing.assert_allclose(found, expected, rtol=BOUND[dtype], atol=50 * BOUND[dtype])
    np.testing.assert_array_equal(found, found.T)


def test_what_else_reads_the_scaled_matrix_keeps_it() -> None:
    text = """
program(X: f64[m, n], s: f64[m])
  Y: f64[k < m, i < n] = mul(s[k], X[k, i])
  C: f64[i < n, j < n] = add[k < m] mul(Y[k, i], X[k, j])
  return C, Y
"""
    kernel = compile_program(read_program(text))
    assert "diag" not in kernel.loops
    rng = np.random.default_rng(0)
    X, s = rng.standard_normal((300, 20)), rng.standard_normal(300)
    C, Y = kernel(X, s)
    np.testing.assert_array_equal(Y, s[:, None] * X)
    np.testing.assert_allclose(C, Y.T @ X, rtol=1e-12, atol=1e-12)

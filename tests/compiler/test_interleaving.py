"""Rows of several elements, computed side by side and stored at once, stand in memory in their order."""

from __future__ import annotations

import numpy as np
import pytest
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.reader import read_program

ROWS = """program(x: {t}[n])
  a: {t}[i < n] = mul(x[i], x[i])
  b: {t}[i < n] = neg(x[i])
  rows: {t}[i < n, k < {k}] = where(lt(k, 1), a[i], where(lt(k, 2), b[i], x[i]))
  return rows
"""
BLOCKS = """program(x: f64[n])
  a: f64[i < n] = mul(x[i], x[i])
  blocks: f64[i < n, j < 2, k < 3] = where(lt(j, 1), where(lt(k, 2), a[i], x[i]), where(lt(k, 1), x[i], a[i]))
  return blocks
"""


@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 16, 33])
@pytest.mark.parametrize("k", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_rows(n: int, k: int, dtype: str) -> None:
    x = np.random.default_rng(n).normal(size=n).astype({"f64": np.float64, "f32": np.float32}[dtype])
    (found,) = compile_program(read_program(ROWS.format(t=dtype, k=k)))(x)
    np.testing.assert_array_equal(found, np.stack([x * x, -x, *[x] * (k - 2)], axis=1))


@pytest.mark.parametrize("n", [0, 1, 4, 9])
def test_blocks(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    (found,) = compile_program(read_program(BLOCKS))(x)
    a = x * x
    np.testing.assert_array_equal(found, np.stack([np.stack([a, a, x], 1), np.stack([x, a, a], 1)], 1))


def test_rows_take_no_scattered_stores() -> None:
    kernel = compile_program(read_program(ROWS.format(t="f64", k=3)))
    body = kernel.llvm.split("masked.scatter")[0]
    assert "shufflevector" in body

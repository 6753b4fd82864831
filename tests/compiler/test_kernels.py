"""Kernels against NumPy: derivatives as they are really computed, at sizes on both sides of every decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler import tiles
from symgrad.compiler.kernel import Kernel, compile_program
from symgrad.compiler.llvm import products
from symgrad.compiler.reader import read_program
from symgrad.compiler.types import DTYPES

from tests.compiler.programs import HESSIAN, LOGISTIC, NETWORK

Array = np.ndarray[Any, Any]


def kernel_of(text: str, **options: Any) -> Kernel:
    return compile_program(read_program(text), **options)


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def logistic(w: Array, X: Array, y: Array, lam: Array) -> tuple[Array, Array]:
    margin = -y * (X @ w)
    return np.logaddexp(0, margin).sum() + lam / 2 * (w @ w), lam * w - X.T @ (y * sigmoid(margin))


def data(m: int, n: int) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(m + 1000 * n)
    return rng.standard_normal(n), rng.standard_normal((m, n)), np.sign(rng.standard_normal(m)), np.array(0.3)


@pytest.mark.parametrize("m", [0, 1, 3, 31, 32, 33, 100, 1000])
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 50])
def test_logistic_gradient(m: int, n: int, logistic_kernel: Kernel) -> None:
    arguments = data(m, n)
    loss, gradient = logistic_kernel(*arguments)
    expected_loss, expected_gradient = logistic(*arguments)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


@pytest.fixture(scope="module")
def logistic_kernel() -> Kernel:
    return kernel_of(LOGISTIC)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "PARALLEL", 0)
    monkeypatch.setattr(tiles, "second_level_cache", lambda: 0)
    arguments = data(5000, 3)
    loss, gradient = kernel_of(LOGISTIC)(*arguments)
    np.testing.assert_allclose(gradient, logistic(*arguments)[1], rtol=1e-10, atol=1e-11)
    for threads in (2, 3, 7):
        same_loss, same_gradient = kernel_of(LOGISTIC, threads=threads)(*arguments)
        assert same_loss == loss
        assert np.array_equal(same_gradient, gradient)


def test_no_temporary_of_the_length_of_the_data(logistic_kernel: Kernel) -> None:
    few, many = (logistic_kernel.workspace(m=m, n=10) for m in (10**5, 10**7))
    assert many <= 1.2 * few
    assert many < 2**20


@pytest.mark.parametrize(("m", "n"), [(1, 1), (40, 3), (300, 24), (700, 25), (2000, 57)])
def test_symmetric_hessian(m: int, n: int) -> None:
    w, X, _, _ = data(m, n)
    s = sigmoid(X @ w)
    (hessian,) = kernel_of(HESSIAN)(w, X)
    np.testing.assert_allclose(hessian, X.T @ ((s * (1 - s))[:, None] * X), rtol=1e-10, atol=1e-12)


def test_hessian_is_computed_by_half() -> None:
    assert "packed halves" in kernel_of(HESSIAN).loops


@pytest.mark.parametrize("sizes", [(7, 4, 5, 3), (150, 4, 16, 3), (128, 70, 40, 10), (600, 30, 20, 11)])
def test_network(sizes: tuple[int, int, int, int]) -> None:
    m, n, h, o = sizes
    rng = np.random.default_rng(m)
    X, T, W, b, V = (rng.standard_normal(s) for s in ((m, n), (m, o), (n, h), (h,), (h, o)))
    r = np.maximum(X @ W + b, 0)
    e = r @ V - T
    ea = np.where(r > 0, 2 * e @ V.T, 0)
    expected = (e**2).sum(), X.T @ ea, ea.sum(0), r.T @ (2 * e)
    for got, want in zip(kernel_of(NETWORK)(X, T, W, b, V), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("transposes", range(8))
@pytest.mark.parametrize("sizes", [(3, 5, 7), (33, 29, 41), (64, 40, 20), (1, 70, 600), (50, 1, 900)])
def test_matrix_products(transposes: int, sizes: tuple[int, int, int]) -> None:
    m, n, q = sizes
    left, right, turned = (bool(transposes & bit) for bit in (1, 2, 4))
    types = f"A: f64[{'q, m' if left else 'm, q'}], B: f64[{'n, q' if right else 'q, n'}]"
    body = f"mul({'A[k, i]' if left else 'A[i, k]'}, {'B[j, k]' if right else 'B[k, j]'})"
    target = f"C: f64[{'j < n, i < m' if turned else 'i < m, j < n'}]"
    kernel = kernel_of(f"program({types})\n  {target} = add[k < q] {body}\n  return C\n")
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((m, q)), rng.standard_normal((q, n))
    arguments = np.ascontiguousarray(A.T if left else A), np.ascontiguousarray(B.T if right else B)
    np.testing.assert_allclose(kernel(*arguments)[0], (A @ B).T if turned else A @ B, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("transposes", range(8))
@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 9, 0), (13, 3, 20), (100, 70, 5), (30, 150, 200), (97, 65, 400)])
def test_packed_products(
    transposes: int, sizes: tuple[int, int, int], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "SMALLEST_PRODUCT", 0)
    monkeypatch.setattr(products, "SMALLEST_GEMM", 2**60)
    m, n, q = sizes
    left, right, turned = (bool(transposes & bit) for bit in (1, 2, 4))
    types = f"A: {dtype}[{'q, m' if left else 'm, q'}], B: {dtype}[{'n, q' if right else 'q, n'}]"
    body = f"mul({'A[k, i]' if left else 'A[i, k]'}, {'B[j, k]' if right else 'B[k, j]'})"
    target = f"C: {dtype}[{'j < n, i < m' if turned else 'i < m, j < n'}]"
    kernel = kernel_of(f"program({types})\n  {target} = add[k < q] {body}\n  return C\n")
    rng = np.random.default_rng(1)
    A, B = rng.standard_normal((m, q)).astype(DTYPES[dtype]), rng.standard_normal((q, n)).astype(DTYPES[dtype])
    A[-1, :1] = np.nan  # a row that is not a number must not reach its neighbours
    arguments = np.ascontiguousarray(A.T if left else A), np.ascontiguousarray(B.T if right else B)
    exact = A.astype(float) @ B.astype(float)
    bound = {"f64": 1e-11, "f32": 1e-4}[dtype]
    np.testing.assert_allclose(kernel(*arguments)[0], exact.T if turned else exact, rtol=bound, atol=bound)


PRODUCTS = {
    # shapes of A and B, what is loaded from them, the axes of the result, and the same by NumPy
    "batch in the middle": ("m, b, q", "b, n, q", "A[i, e, k]", "B[e, j, k]", "iej", "iek,ejk->iej", ()),
    "batch in front": ("b, m, q", "b, q, n", "A[e, i, k]", "B[e, k, j]", "eij", "eik,ekj->eij", ()),
    "batch on one side": ("b, m, q", "q, n", "A[e, i, k]", "B[k, j]", "eij", "eik,kj->eij", ()),
    "batch last in the factors": ("m, q, b", "q, n, b", "A[i, k, e]", "B[k, j, e]", "eij", "ike,kje->eij", ()),
    "turned result": ("b, m, q", "b, n, q", "A[e, i, k]", "B[e, j, k]", "eji", "eik,ejk->eji", ()),
    "part of a matrix": ("m, q + 2", "q, n", "A[i, add(k, 1)]", "B[k, j]", "ij", "ik,kj->ij", np.s_[:, 1:-1]),
    "several columns": ("m, q", "q, b, n", "A[i, k]", "B[k, e, j]", "iej", "ik,kej->iej", ()),
    "several columns, parted in B": ("m, q", "b, q, n", "A[i, k]", "B[e, k, j]", "iej", "ik,ekj->iej", ()),
    "several columns, turned": ("m, q", "q, b, n", "A[i, k]", "B[k, e, j]", "eji", "ik,kej->eji", ()),
    "several rows, part of A": (
        "b, m, q + 2",
        "q, n",
        "A[e, i, add(k, 1)]",
        "B[k, j]",
        "eij",
        "eik,kj->eij",
        np.s_[..., 1:-1],
    ),
    "rows of a part do not run on": (
        "b, m + 2, q",
        "q, n",
        "A[e, i, k]",
        "B[k, j]",
        "eij",
        "eik,kj->eij",
        np.s_[:, :13],
    ),
    "one row of many": ("3, m, q", "q, n", "A[1, i, k]", "B[k, j]", "ij", "ik,kj->ij", (1,)),
}


@pytest.mark.parametrize("way", ["loops", "panels", "gemm"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_parts_and_batches(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "SMALLEST_PRODUCT", 2**60 if way == "loops" else 0)
    monkeypatch.setattr(products, "SMALLEST_GEMM", 2**60 if way == "panels" else 0)
    a, b, left, right, out, formula, part = PRODUCTS[name]
    sizes = {"m": 13, "n": 9, "q": 21, "b": 4, "q + 2": 23, "m + 2": 15, "3": 3}
    extents = {"i": "m", "j": "n", "e": "b"}
    axes = ", ".join(f"{axis} < {extents[axis]}" for axis in out)
    kernel = kernel_of(
        f"program(A: f64[{a}], B: f64[{b}]) sizes(m, n, q, b)\n"
        f"  C: f64[{axes}] = add[k < q] mul({left}, {right})\n  return C\n"
    )
    assert " @ " in kernel.loops
    rng = np.random.default_rng(6)
    A, B = (rng.standard_normal([sizes[size] for size in shape.split(", ")]) for shape in (a, b))
    (found,) = kernel(A, B, sizes={name: sizes[name] for name in kernel.schedule.named})
    np.testing.assert_allclose(found, np.einsum(formula, A[part], B), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "load", "out", "products"),
    [
        ("m, q", "q, p, n", "mul(A[i, k], B[k, e, j])", "i < m, e < p, j < n", 1),
        ("m, q", "p, q, n", "mul(A[i, k], B[e, k, j])", "i < m, e < p, j < n", "p"),
        ("p, m, q", "q, n", "mul(A[e, i, k], B[k, j])", "e < p, i < m, j < n", 1),
        ("p, m, q", "p, q, n", "mul(A[e, i, k], B[e, k, j])", "e < p, i < m, j < n", "p"),
    ],
)
def test_axes_that_run_on_are_one_axis_of_one_product(a: str, b: str, load: str, out: str, products: object) -> None:
    kernel = kernel_of(f"program(A: f64[{a}], B: f64[{b}])\n  C: f64[{out}] = add[k < q] {load}\n  return C\n")
    (line,) = (line for line in kernel.loops.splitlines() if " @ " in line)
    assert (" for 0 <= " in line) == (products != 1), line


def test_products_out_of_range_are_errors() -> None:
    kernel = kernel_of("""
program(A: f64[m, p], B: f64[q, n])
  C: f64[i < m, j < n] = add[k < q] mul(A[i, k], B[k, j])
  return C
""")
    A, B = np.ones((50, 40)), np.ones((40, 50))
    assert np.array_equal(kernel(A, B)[0], A @ B)
    with pytest.raises(IndexError):
        kernel(A[:, :-1].copy(), B)


@pytest.mark.parametrize("sizes", [(3, 2, 4), (5, 9, 6), (1, 1, 1), (40, 33, 7)])
def test_sums_over_loops_on_both_sides_of_another(sizes: tuple[int, int, int]) -> None:
    """One of the two results is summed over the outermost and the innermost loop of their nest."""
    kernel = kernel_of("""
program(A: f64[m, n], V: f64[m, k, n], B: f64[k, 2])
  a: f64[i < m, j < n] = add[l < k, c < 2] mul(V[i, l, j], B[l, c])
  b: f64[l < k, c < 2] = add[i < m, j < n] mul(A[i, j], V[i, l, j])
  return a, b
""")
    m, n, k = sizes
    rng = np.random.default_rng(4)
    A, V, B = rng.standard_normal((m, n)), rng.standard_normal((m, k, n)), rng.standard_normal((k, 2))
    a, b = kernel(A, V, B)
    np.testing.assert_allclose(a, np.einsum("ilj,lc->ij", V, B), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(b, np.repeat(np.einsum("ij,ilj->l", A, V)[:, None], 2, 1), rtol=1e-12, atol=1e-12)


def test_sums_are_pairwise() -> None:
    """A million times 0.1: summed one after the other in single precision the error would be about 1 per cent."""
    kernel = kernel_of("program(x: f32[n])\n  s: f32 = add[i < n] x[i]\n  return s\n")
    x = np.full(10**6, 0.1, np.float32)
    assert abs(float(kernel(x)[0]) - float(x.astype(np.float64).sum())) < 1.0


def test_out_of_range_is_an_index_error() -> None:
    kernel = kernel_of("program(x: f64[n], k: i64[m])\n  t: f64[i < m] = x[k[i]]\n  return t\n")
    x = np.arange(5.0)
    assert np.array_equal(kernel(x, np.array([4, 0, 2]))[0], [4, 0, 2])
    for bad in ([0, 5], [-1] * 9, [2**62]):
        with pytest.raises(IndexError):
            kernel(x, np.array(bad))


def test_what_is_not_selected_is_not_read() -> None:
    kernel = kernel_of("""
program(x: f64[n], y: f64[p])
  t: f64[i < n + p] = where(lt(i, size(n)), x[i], y[sub(i, size(n))])
  u: f64[i < n] = mask(gt(i, 0), x[sub(i, 1)])
  return t, u
""")
    for n, p in ((3, 4), (0, 5), (9, 0), (40, 30)):
        x, y = np.arange(n) + 1.0, -np.arange(p) - 1.0
        joined, shifted = kernel(x, y)
        assert np.array_equal(joined, np.concatenate([x, y]))
        assert np.array_equal(shifted, np.concatenate([[0.0], x[:-1]])[:n])


def test_scatter_adds_in_any_collision() -> None:
    kernel = kernel_of("""
program(x: f64[n], k: i64[n]) sizes(p)
  t: f64[p] = scatter add[i < n] at [k[i]] of x[i]
  return t
""")
    rng = np.random.default_rng(1)
    x, k = rng.standard_normal(1000), rng.integers(0, 7, 1000)
    np.testing.assert_allclose(kernel(x, k, sizes={"p": 7})[0], np.bincount(k, x, 7), rtol=1e-12)


WRITES = """
program(x: f64[n], k: i64[n]) sizes(p)
  t: f64[p] = scatter add[i < n] at [add(i, 2)] of x[i]
  u: f64[p] = scatter add[i < n] at [i] of mul(x[i], x[i])
  v: f64[p, n] = scatter add[i < n, j < n] at [add(i, 1), j] of mul(x[i], x[j])
  w: f64[p, n] = scatter add[i < n, j < n] at [k[i], j] of mul(x[i], x[j])
  return t, u, v, w
"""


@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 40])
def test_parts_are_written_with_neighbours_side_by_side(n: int) -> None:
    kernel = kernel_of(WRITES)
    assert "scatter" not in str(kernel.program.statements[0]) and kernel.loops.count("lanes 4") >= 4
    x, k = np.random.default_rng(n).standard_normal(n), np.random.default_rng(n).integers(0, 3, n)
    t, u, v, w = kernel(x, k, sizes={"p": n + 3})
    assert np.array_equal(t, [0.0, 0.0, *x, 0.0]) and np.array_equal(u, [*x**2, 0.0, 0.0, 0.0])
    assert np.array_equal(v, np.concatenate([np.zeros((1, n)), np.outer(x, x), np.zeros((2, n))]))
    expected = np.zeros((n + 3, n))
    np.add.at(expected, k, np.outer(x, x))
    np.testing.assert_allclose(w, expected, rtol=1e-13, atol=1e-15)


def test_small_constant_axes_are_unrolled() -> None:
    kernel = kernel_of("""
program(a: f64[n, 3], R: f64[3, 3])
  b: f64[i < n, r < 3] = add[c < 3] mul(R[r, c], a[i, c])
  s: f64[i < n] = mul(b[i, 0], b[i, 2])
  return s, b
""")
    assert "b.sum" not in kernel.loops
    rng = np.random.default_rng(2)
    a, R = rng.standard_normal((13, 3)), rng.standard_normal((3, 3))
    s, b = kernel(a, R)
    np.testing.assert_allclose(b, a @ R.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(s, b[:, 0] * b[:, 2], rtol=1e-12)

"""Matrices recovered from few products; patterns of formulas that hide their structure."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import symgrad as sg
from symgrad.colouring import compress_hessian, compress_jacobian


@pytest.mark.parametrize("seed", range(40))
def test_matrices_are_recovered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n, density = int(rng.integers(1, 25)), int(rng.integers(1, 25)), rng.uniform(0, 0.4)
    pattern = sp.csc_array(rng.random((m, n)) < density)
    full = np.where(pattern.toarray(), rng.normal(size=(m, n)), 0)
    found = compress_jacobian(pattern)
    products = found.seeds @ (full if found.reverse else full.T)
    np.testing.assert_allclose(products.ravel()[found.sources], _data(full, pattern))

    square = rng.random((n, n)) < density
    pattern = sp.csc_array(square | square.T)
    full = np.where(pattern.toarray(), 1 + rng.random((n, n)), 0)
    full = full + full.T
    found = compress_hessian(pattern)
    np.testing.assert_allclose((found.seeds @ full).ravel()[found.sources], _data(full, pattern))


def _data(full: np.ndarray, pattern: sp.csc_array) -> np.ndarray:
    columns = np.repeat(np.arange(pattern.shape[1]), np.diff(pattern.indptr))
    return np.asarray(full[pattern.indices, columns])


def _band(n: int, width: int) -> sp.csc_array:
    return sp.csc_array(np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= width)


def test_known_numbers_of_colours() -> None:
    arrow = np.eye(20, dtype=bool)
    arrow[-1] = arrow[:, -1] = True
    assert len(compress_hessian(sp.csc_array(arrow)).seeds) == 2
    assert len(compress_hessian(_band(20, 1)).seeds) == 3
    assert len(compress_jacobian(_band(20, 2)).seeds) == 5
    row = np.eye(20, dtype=bool)
    row[0] = True
    assert [compress_jacobian(sp.csc_array(a)).reverse for a in (row, row.T)] == [True, False]


def smooth(x: np.ndarray) -> np.ndarray:
    window = np.convolve(x, np.array([0.25, 0.5, 0.25]))
    return np.max(window[2:-2].reshape(-1, 4) ** 2, axis=1)  # type: ignore[no-any-return]


def test_structure_behind_a_convolution_and_a_maximum() -> None:
    x = np.random.default_rng(0).uniform(0.5, 1.5, 46)
    r = sg.from_function(smooth, x="46")
    J = sg.compile(r.jacobian("x", sparse=True))(x)
    exact = np.stack([(smooth(x + h) - smooth(x - h)) / 2e-6 for h in 1e-6 * np.eye(46)], axis=1)
    np.testing.assert_allclose(J.toarray(), exact, atol=1e-8)
    assert J.nnz <= 6 * 11
    H = sg.compile(sg.sum(r**2).hessian("x", sparse=True))(x)
    gradient = sg.compile(sg.sum(r**2)).grad
    rows = [(gradient(x + h) - gradient(x - h)) / 2e-6 for h in 1e-6 * np.eye(46)]
    np.testing.assert_allclose(H.toarray(), np.stack(rows), atol=1e-7)
    assert H.nnz <= 10 * 46


def test_a_dense_row_is_computed_from_the_left() -> None:
    """A product of all, and running sums of three each: one row has all columns."""

    def both(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.cumprod(1 + x / 9)[-1:], np.cumsum(x.reshape(20, 3), axis=1).ravel()])

    x = np.random.default_rng(1).normal(size=60)
    r = sg.from_function(both, x="60")
    J = sg.compile(r.jacobian("x", sparse=True))(x)
    expected = np.zeros((61, 60))
    expected[0] = np.prod(1 + x / 9) / (9 + x)
    expected[1:] = np.kron(np.eye(20), np.tril(np.ones((3, 3))))
    np.testing.assert_allclose(J.toarray(), expected, rtol=1e-10)
    assert J.nnz <= 60 + 20 * 9

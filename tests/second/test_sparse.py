"""Sparse Hessians and Jacobians equal the dense ones, have no entry too many, and say their structure."""

from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg

RNG = np.random.default_rng(7)


def _values(f: sg.Expr, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    from symgrad.compiler.types import evaluate

    found = {}
    for name, s in f.symbols.items():
        shape = tuple(evaluate(n, sizes) for n in s.type.shape)
        found[name] = RNG.integers(0, min(sizes.values()), shape) if s.dtype == "i64" else RNG.uniform(0.5, 1.5, shape)
    return found


HESSIANS = [
    ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", {"x": "n"}, "x", {"n": 7}, 7 + 2 * 6),
    ("sum((x[2:] - 2*x[1:-1] + x[:-2])**4)", {"x": "n"}, "x", {"n": 8}, 8 + 2 * 7 + 2 * 6),
    ("sum(exp(x)*c)", {"x": "n", "c": "n"}, "x", {"n": 5}, 5),
    ("sum((X[1:,:] - X[:-1,:])**2) + sum((X[:,1:] - X[:,:-1])**4)", {"X": "m,n"}, "X", {"m": 4, "n": 3},
     12 + 2 * 9 + 2 * 8),
    ("sum(O*(T - U @ V.T)**2)", {"O": "m,n", "T": "m,n", "U": "m,k", "V": "n,k"}, "U", {"m": 4, "n": 3, "k": 2}, 4 * 4),
    ("sum(sin(x[k])*y)", {"x": "n", "k": "i64[o]", "y": "o"}, "x", {"n": 4, "o": 9}, None),
    ("sum((x**2)[1:]*(x**2)[:-1])", {"x": "n"}, "x", {"n": 6}, 6 + 2 * 5),
    ("sum(where(x > 1, x**3, 0)*c)", {"x": "n", "c": "n"}, "x", {"n": 6}, 6),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shapes", "wrt", "sizes", "entries"), HESSIANS)
def test_sparse_hessian_equals_the_dense_one(
    text: str, shapes: dict[str, str], wrt: str, sizes: dict[str, int], entries: int | None
) -> None:
    f = sg.parse(text, **shapes)
    values = _values(f, sizes)
    size = values[wrt].size
    dense = f.hessian(wrt)(**values).reshape(size, size)
    sparse = f.hessian(wrt, sparse=True)
    compiled = sg.compile(sparse)
    for found in (sparse(**values), compiled(**values), compiled(**values)):
        np.testing.assert_allclose(found.toarray(), dense, rtol=1e-13, atol=1e-13)
    if entries is not None:
        assert compiled(**values).nnz == entries


def test_sparse_jacobian_of_gathered_rows() -> None:
    r = sg.parse("sum(cams[ci]*sin(pts[pj]), axis=1)", cams="c,3", pts="p,3", ci="i64[o]", pj="i64[o]")
    values = {
        "cams": RNG.normal(size=(2, 3)),
        "pts": RNG.normal(size=(4, 3)),
        "ci": np.array([0, 1, 1, 0, 1]),
        "pj": np.array([3, 2, 1, 0, 0]),
    }
    sparse = sg.compile(r.jacobian(("cams", "pts"), sparse=True))(**values)
    dense = np.hstack([r.jacobian(name)(**values).reshape(5, -1) for name in ("cams", "pts")])
    assert sparse.shape == (5, 18) and sparse.nnz == 5 * 6
    np.testing.assert_allclose(sparse.toarray(), dense, atol=1e-14)


def test_pattern_follows_index_arrays() -> None:
    f = sg.parse("sum(x[k]**2)", x="n", k="i64[o]")
    h = sg.compile(f.hessian("x", sparse=True))
    x = np.arange(4.0)
    assert h(x, np.array([0, 0])).toarray().diagonal().tolist() == [4, 0, 0, 0]
    assert h(x, np.array([3, 1])).toarray().diagonal().tolist() == [0, 2, 0, 2]


def test_the_compressed_form_of_the_factorisation_is_its_blocks() -> None:
    f = sg.parse("sum(O*(T - U @ V.T)**2)", O="m,n", T="m,n", U="m,k", V="n,k")
    (blocks,) = f.hessian("U", sparse=True).values
    assert str(blocks.type) == "f64[m, k, k]"


@pytest.mark.parametrize(
    ("text", "shapes", "wrt"),
    [("sum(log(1 + exp(-y*(X @ w)))) + lam/2*norm(w)**2", {"X": "m,n", "y": "m", "w": "n", "lam": ""}, "w"),
     ("x' @ A @ x", {"A": "n,n", "x": "n"}, "x"),
     ("sum(O*(T - U @ V.T)**2)", {"O": "m,n", "T": "m,n", "U": "m,k", "V": "n,k"}, "U"),
     ("sum(x[1:]*x[:-1]**2)", {"x": "n"}, "x"), ("exp(x)*x", {"x": ""}, "x")],
)  # fmt: skip
def test_hessian_diagonal(text: str, shapes: dict[str, str], wrt: str) -> None:
    f = sg.parse(text, **shapes)
    values = _values(f, {"m": 5, "n": 4, "k": 2})
    size = np.size(values[wrt])
    dense = np.reshape(f.hessian(wrt)(**values), (size, size))
    np.testing.assert_allclose(np.reshape(f.hessian_diagonal(wrt)(**values), size), dense.diagonal(), rtol=1e-12)


BANDS = [
    ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", {"x": "n"}),
    ("sum((x[2:] - 2*x[1:-1] + x[:-2])**4) + sum(exp(x))", {"x": "n"}),
    ("sum(c[1:]*cos(x[:-1])*sin(x[1:])) + sum(x[3:]**2*x[:-3])", {"x": "n", "c": "n"}),
    ("sum((3 - 2*x[1:-1])*x[1:-1] - x[:-2] - 2*x[2:] + 1)**2 + sum(x**4)", {"x": "n"}),
]


@pytest.mark.parametrize(("text", "shapes"), BANDS)
@pytest.mark.parametrize("n", [4, 5, 6, 7, 8, 12, 41])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_bands_of_all_sizes(text: str, shapes: dict[str, str], n: int, dtype: str) -> None:
    f = sg.parse(text, **{name: f"{dtype}[{shape}]" for name, shape in shapes.items()})
    values = {name: RNG.uniform(0.5, 1.5, n).astype(np.float32 if dtype == "f32" else float) for name in shapes}
    dense, tolerance = f.hessian("x")(**values), 1e-12 if dtype == "f64" else 1e-4
    sparse = f.hessian("x", sparse=True)
    compiled = sg.compile(sparse)
    for found in (sparse(**values), compiled(**values), compiled(*values.values())):
        assert found.dtype == dense.dtype and found.has_sorted_indices
        np.testing.assert_allclose(found.toarray(), dense, rtol=tolerance, atol=tolerance)


def test_a_band_that_is_no_hessian() -> None:
    r = sg.parse("(3 - 2*x[1:-1])*x[1:-1] - x[:-2] - 2*x[2:] + 1", x="n")
    jacobian = sg.compile(r.jacobian("x", sparse=True))
    for n in (4, 30, 31, 30):
        x = RNG.normal(size=n)
        found = jacobian(x)
        assert found.shape == (n - 2, n) and found.nnz == 3 * (n - 2)
        np.testing.assert_allclose(found.toarray(), r.jacobian("x")(x), rtol=1e-14)


def test_results_do_not_share_their_values() -> None:
    h = sg.compile(sg.parse("sum(x[1:]**2*x[:-1])", x="n").hessian("x", sparse=True))
    first, second = h(np.ones(9)), h(np.zeros(9))
    assert first.nnz == second.nnz and first.data.any() and not second.data.any()


def test_no_value_outside_its_selection_spoils_a_band() -> None:
    h = sg.compile(sg.parse("sum(log(x[1:])*x[:-1])", x="n").hessian("x", sparse=True))
    x = np.array([0.0, 1, 2, 3, 4, 5, 6, 7])
    dense = np.diag(1 / x[1:], 1) + np.diag(1 / x[1:], -1) - np.diag([0, *(x[:-1] / x[1:] ** 2)])
    np.testing.assert_allclose(h(x).toarray(), dense, rtol=1e-15)


def test_a_band_inside_a_matrix_of_several_variables() -> None:
    f = sg.parse("sum(X[0,1:]**2*X[0,:-1]) + sum(X[0,:]*z)", X="m,n", z="n")
    h = f.hessian(("X", "z"), sparse=True)
    X, z = RNG.normal(size=(3, 8)), RNG.normal(size=8)
    blocks = [[np.reshape(f.hessian(a, b)(X, z), (p.size, q.size)) for b, q in (("X", X), ("z", z))]
              for a, p in (("X", X), ("z", z))]  # fmt: skip
    np.testing.assert_allclose(sg.compile(h)(X, z).toarray(), np.block(blocks), rtol=1e-13)


def test_hessian_diagonal_of_several_variables_and_compiled() -> None:
    f = sg.parse("sum((tanh(X @ w + b) - y)**2)", X="m,n", w="n", b="", y="m")
    rng = np.random.default_rng(5)
    X, w, y = rng.standard_normal((6, 3)), rng.standard_normal(3), rng.standard_normal(6)
    t = np.tanh(X @ w + 0.3)
    second = 2 * ((1 - t**2) ** 2 - 2 * (t - y) * t * (1 - t**2))
    of_w, of_b = (d(X=X, w=w, b=0.3, y=y) for d in f.hessian_diagonal(("w", "b")))
    np.testing.assert_allclose(of_w, second @ X**2, rtol=1e-12)
    np.testing.assert_allclose(of_b, second.sum(), rtol=1e-12)
    compiled = sg.compile(f, wrt=("w", "b"))
    of_w, of_b = compiled.hessian_diagonal(w, 0.3, X, y)
    np.testing.assert_allclose(of_w, second @ X**2, rtol=1e-12)
    np.testing.assert_allclose(of_b, second.sum(), rtol=1e-12)
    ((ww, wb), (bw, bb)) = compiled.hessian(w, 0.3, X, y)
    np.testing.assert_allclose(ww, X.T @ (second[:, None] * X), rtol=1e-12)
    np.testing.assert_allclose(wb, second @ X, rtol=1e-12)
    np.testing.assert_allclose(bw, wb, rtol=1e-12)
    np.testing.assert_allclose(bb, second.sum(), rtol=1e-12)
    np.testing.assert_allclose(f.hessian("b", "w")(X=X, w=w, b=0.3, y=y), second @ X, rtol=1e-12)

"""Rows that are one text, evaluated with NumPy's own functions on symbols and on arrays: the calls of NumPy's users,
with the keywords that they give."""

from __future__ import annotations

import re

import numpy as np

from tests.ops.harness import Row, Sample

SHAPES = {
    "x": "n", "y": "n", "r": "3", "q": "3", "w": "6", "s": "", "X": "m,n", "Y": "m,n", "Z": "3,4", "T": "k,m,n", "A": "n,n",
    "i": "i64[5]", "j": "i64[5]", "c": "bool[n]", "C": "bool[m,n]",
}  # fmt: skip
SAMPLES: dict[str, Sample] = {
    "x": (0.2, 0.8), "y": (0.2, 0.8), "s": (0.4, 0.9), "i": "int", "j": "int", "A": (-2.0, 2.0),
}  # fmt: skip
DIFFERENTIABLE = """
np.clip(x, a_min=0.3, a_max=0.5) | np.clip(x, y, None) | x.clip(min=0.4)
np.divmod(x, y)[1] | np.fmod(x - 0.5, y)
np.select([x > 0.6, x > 0.4], [x**2, 3*x], 0.5)
np.sum(X, axis=(0, 1)) | np.sum(X, axis=0, initial=2.0) | np.sum(X, where=C) | np.sum(T, axis=(0, -1), keepdims=True)
np.mean(X, axis=1, where=C[:, :1] | True) | np.prod(X, axis=0, initial=2.0) | np.prod(X, where=C) | np.sum(X, dtype=np.float64)
np.max(X, axis=1, initial=0.5) | np.min(X, axis=0, initial=0.5, where=C) | np.var(X, ddof=1) | np.var(X, axis=0, ddof=1, keepdims=True)
np.std(X, axis=(0, 1), ddof=1) | np.median(T, axis=(0, 2)) | np.median(X, axis=0, keepdims=True)
np.quantile(w, 0.3) | np.quantile(Z, [0.25, 0.6], axis=1) | np.quantile(Z, 0.3, axis=0, keepdims=True) | np.percentile(w, 30)
np.ptp(X, axis=1) | np.average(X, axis=1, weights=x) | np.average(x, weights=y) | np.average(X, axis=0)
np.nansum(X, axis=0) | np.nanprod(X) | np.nanmean(X, axis=1, keepdims=True) | np.nanmax(X, axis=1) | np.nanmin(X)
np.cov(X) | np.cov(X, rowvar=False, bias=True) | np.cov(x, y) | np.corrcoef(X) | np.corrcoef(x, y) | np.cumsum(X, axis=1, dtype=float)
np.linalg.norm(x, 0.5) | np.linalg.norm(x, -1) | np.linalg.norm(T, axis=(1, 2)) | np.linalg.norm(X, ord=-np.inf, axis=1, keepdims=True)
np.linalg.vector_norm(X, axis=0, ord=1) | np.linalg.vector_norm(X, axis=(0, 1), ord=3, keepdims=True) | np.linalg.matrix_norm(T)
np.linalg.norm(Z, 'nuc') | np.linalg.norm(Z, 2) | np.linalg.norm(Z, -1) | np.linalg.norm(T, ord=1, axis=(0, 1), keepdims=True)
np.add.reduce(X, axis=1) | np.multiply.reduce(X) | np.maximum.reduce(X, axis=None) | np.add.accumulate(x) | np.minimum.accumulate(x)
np.logaddexp.reduce(x) | np.subtract.outer(x, y) | np.multiply.outer(X, s) | np.maximum.outer(x, r)
Z.reshape(4, 3, order='F') | np.reshape(Z, shape=(2, -1)) | np.ravel(X, order='F')
np.moveaxis(T, (0, 1), (2, 0)) | np.moveaxis(T, [0, 1], [-1, -2]) | np.rollaxis(T, 2) | np.rollaxis(T, 0, 3) | np.permute_dims(T, (1, 0, 2))
np.matrix_transpose(T) | T.mT | np.expand_dims(X, (0, 2)) | np.squeeze(X[None, :, None], axis=(0, 2)) | np.atleast_1d(s)
np.atleast_2d(x) | np.atleast_3d(x) | np.atleast_3d(X) | np.broadcast_arrays(x, X)[0] * X
np.concatenate([X, Y], axis=None) | np.concat([x, y]) | np.append(x, y) | np.append(X, Y, axis=0) | np.append(x, 1.0) | np.delete(Z, [0, 2], axis=1)
np.dstack([X, Y]) | np.dstack([x, y]) | np.block([[X, Y], [Y, X]]) | np.block([x, s, y]) | np.array_split(w, 4)[1] | np.array_split(w, [1, 3])[1]
np.hsplit(Z, 2)[1] | np.vsplit(Z, 3)[2] | np.unstack(Z, axis=1)[2] | np.split(w, 3)[1] | np.split(Z, [1, 3], axis=1)[1]
np.repeat(Z, [1, 2, 0], axis=0) | np.repeat(X, 2, axis=1) | np.fliplr(X) | np.flipud(X) | np.flip(T, (0, 2)) | np.roll(Z, (1, 2), axis=(0, 1))
np.roll(X, -3) | np.rot90(T, 1, (1, 2)) | np.pad(x, (1, 2), constant_values=(3.0, 4.0)) | np.pad(X, ((1, 1), (2, 0)), mode='constant', constant_values=((1.0, 2.0), (3.0, 4.0)))
np.diag(x, 1) | np.diag(x, k=-2) | np.diag(Z, 1) | np.diag(Z, -1) | np.diagonal(T, axis1=1, axis2=2) | np.diagonal(T) | np.diagonal(Z, offset=2)
np.linalg.diagonal(T, offset=1) | np.diagflat(X, 1) | np.trace(Z) | np.trace(T) | np.trace(T, axis1=1, axis2=2) | np.linalg.trace(T) | np.trace(A, offset=1)
np.outer(X, x) | np.tensordot(X, Y) | np.tensordot(x, y, 0) | np.vecdot(X, Y) | np.vecdot(X, Y, axis=0) | np.matvec(T, x) | np.vecmat(x, A)
np.cross(r, q) | np.cross(np.stack([r, q], 1), np.stack([q, q + r], 1), axisa=0, axisb=0) | np.cross(np.stack([r, q], 1), np.stack([q, q + r], 1), axis=0)
np.einsum('ij,jk', X, A, optimize=True) | np.einsum(X, [0, 1], A, [1, 2], [0, 2]) | np.einsum(A, [0, 0]) | np.einsum('...ij,jk->...ik', T, A)
np.diff(x, prepend=0.0) | np.diff(x, prepend=y, append=s) | np.diff(X, n=2, axis=0) | np.full_like(x, 2.0)*x | np.copy(x)
np.linspace(0.0, s, 5, endpoint=False) | np.linspace(x, y, 3) | np.linspace(s, 2.0, 1) | np.geomspace(s, 2.0, 4)
np.meshgrid(r, q, sparse=True)[0] | np.nan_to_num(X, nan=1.0, posinf=2.0) | np.polyval(r, x) | np.polyval([2.0, 1.0, 3.0], X) | np.vander(x, 3) | np.vander(x)
np.vander(x, 4, increasing=True) | np.trapezoid(w) | np.trapezoid(X, axis=0) | np.trapezoid(x, y, dx=2.0) | np.trapezoid(X, x)
np.linalg.cross(r, q) | np.linalg.vecdot(x, y) | np.linalg.outer(x, y) | np.linalg.matmul(X, A) | np.linalg.matrix_transpose(X)
X[i, j] | Z[np.array([[0], [2]]), np.array([1, -1])] | Z[np.ix_([0, 2], [1, 3])] | Z[[0, 2], [1, 3]] | T[:, i, j] | T[i[:2] % 2, :, j[:2]]
T[0, :, i[:2]] | T[0, i] | T[i % 2, 0] | T[..., i, None] | T[i % 2, j, i] | Z[np.array([True, False, True])] | Z[:, [True, False, True, True]] | Z[[0, 2]]
x[c] | X[C] | X[C[:, 0]] | X[:, c] | x[y > 0.5] | X[X > 0].sum() | T[:, C] | T[0, :, c] | np.extract(c, x) | np.compress(c, X, axis=1) | x[np.flatnonzero(c)] | X[np.nonzero(C)]
np.gradient(w) | np.gradient(w, 0.5) | np.gradient(Z, axis=1) | np.gradient(Z, 0.5, s, axis=(0, 1))[0] | np.gradient(w, np.cumsum(w**2 + 1)) | np.gradient(Z)[1]
np.interp(x, np.cumsum(r**2 + 0.1), q) | np.interp(X, np.array([-3.0, 0.1, 4.0]), r, left=s) | np.ediff1d(Z) | np.nancumsum(X, axis=0) | np.nancumprod(x)
np.nanstd(X, keepdims=True) | np.piecewise(x, [x < 0.4, x >= 0.6], [lambda v: v**2, lambda v: 3*v, 0.5]) | np.logaddexp2(x, y)
np.quantile(w, 0.3, method='lower') | np.quantile(w, 0.3, method='higher') | np.quantile(w, 0.3, method='nearest') | np.quantile(w, [0.3, 0.55], method='midpoint')
np.quantile(w, 0.3, method='hazen') | np.quantile(Z, 0.3, axis=1, method='weibull') | np.percentile(w, 61, method='median_unbiased') | np.quantile(w, 0.99, method='normal_unbiased')
np.quantile(w, 0.3, method='interpolated_inverted_cdf') | np.pad(w, (2, 1), mode='linear_ramp', end_values=(1.0, 2.0)) | np.pad(Z, 2, mode='mean') | np.pad(w, 1, mode='median')
np.pad(Z, (1, 2), mode='maximum') | np.pad(Z, ((1, 0), (2, 1)), mode='minimum') | np.linalg.eigvalsh(A, UPLO='U') | np.linalg.eigvalsh(A, 'L')
np.linalg.pinv(A + A.T, hermitian=True) | np.linalg.pinv(Z, rcond=1e-9) | np.i0(x)
np.sort(X, axis=0, kind='stable') | np.take_along_axis(X, np.argsort(X, axis=0), 0) | np.take(X, i, axis=-1, mode='wrap')
"""
OTHERS = """
np.clip(x, min=0.3, max=0.5) | np.round(x, 2) | np.around(12.3*x, decimals=1) | np.round(1000*x, -2) | x.round(1) | np.fix(3*x) | np.median(X) | np.sort(X, axis=None)
np.isclose(x, x + 1e-9) | np.logspace(s, 2.0, 4, base=2.0) | np.logical_and.reduce(C) | np.logical_or.reduce(C, axis=1) | np.count_nonzero(C, axis=1) | np.count_nonzero(X, keepdims=True)
np.bincount(i, minlength=4) | np.bincount(i, weights=w[:5], minlength=3) | np.digitize(x, np.array([0.3, 0.5])) | np.digitize(x, r[:0], right=True)
C[:, 0] | np.flatnonzero(c) | np.nonzero(C)[1] | np.argsort(X, axis=None) | np.linalg.norm(x, 0) | np.searchsorted(np.array([0.3, 0.5]), x, side='right')
np.searchsorted(np.array([0.5, 0.3]), x, sorter=np.array([1, 0])) | np.allclose(x, x + 1e-9) | np.allclose(x, y, rtol=1e-3)
"""
SINCE_2_1 = ("np.reshape(Z, shape=(2, -1))", "np.clip(x, min=0.3, max=0.5)")
OLD = np.lib.NumpyVersion(np.__version__) < "2.1.0"


def _rows(texts: str, orders: int) -> list[Row]:
    found = []
    for text in re.split(r" \| (?!True)|\n", texts.strip()):
        if not all(hasattr(np, n) for n in re.findall(r"np\.(\w+)", text)) or (text in SINCE_2_1 and OLD):
            continue  # a newer NumPy has it
        names = [n for n in SHAPES if re.search(rf"(?<![\w.'\"]){n}(?![\w'\"(=])", text)]
        call = eval(f"lambda {', '.join(names)}: {text}", {"np": np})
        used = tuple(re.findall(r"np\.(?:linalg\.)?(\w+)\(", text))
        found.append(Row(text, {n: SHAPES[n] for n in names}, call, call, SAMPLES, orders=orders, empty=False,
                         f32=not re.search("float|quantile|percentile|polyval|vander|prepend=0|interp", text), tolerance=1e-11, covers=used))  # fmt: skip
    return found


ROWS = [*_rows(DIFFERENTIABLE, 2), *_rows(OTHERS, 0)]

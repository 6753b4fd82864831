"""Rows of linear algebra, single and batched."""

from __future__ import annotations

import numpy as np
import scipy.linalg as sl

from symgrad.expression import FUNCTIONS as F
from tests.ops.harness import Row

A, BATCH = {"A": "n,n"}, {"A": "b,n,n"}
SQUARE, SPD = {"A": "square"}, {"A": "spd"}
SMALL = {"n": 3, "m": 4, "k": 2, "b": 2}


def row(*args, **kwargs):  # type: ignore[no-untyped-def]
    """A row of small matrices, with the accuracy of their factorisations."""
    return Row(*args, **{"sizes": SMALL, "tolerance": 1e-11, "empty": False, **kwargs})


def symmetric(a):  # type: ignore[no-untyped-def]
    return (a + np.swapaxes(a, -1, -2)) / 2


ROWS = [
    row("inv", A, F["inv"], np.linalg.inv, SQUARE, empty=True),
    row("inv batched", BATCH, F["inv"], np.linalg.inv, SQUARE),
    row("solve", {"A": "n,n", "B": "n,k"}, F["solve"], np.linalg.solve, SQUARE, empty=True),
    row("solve vector", {"A": "n,n", "x": "n"}, F["solve"], np.linalg.solve, SQUARE),
    row("solve batched", {"A": "b,n,n", "B": "n,k"}, F["solve"], np.linalg.solve, SQUARE),
    row("solve batch of sides", {"A": "n,n", "B": "b,n,k"}, F["solve"], np.linalg.solve, SQUARE),
    *(row(f"solve_triangular {lower} {trans}", {"A": "n,n", "B": "n,k"},
          lambda a, b, lower=lower, trans=trans: F["solve_triangular"](a, b, trans=trans, lower=lower),
          lambda a, b, lower=lower, trans=trans: sl.solve_triangular(a, b, trans=trans, lower=lower), SQUARE)
      for lower in (False, True) for trans in (0, 1)),
    row("solve_triangular unit", {"A": "n,n", "x": "n"}, lambda a, b: F["solve_triangular"](a, b, lower=True, unit_diagonal=True),
        lambda a, b: sl.solve_triangular(a, b, lower=True, unit_diagonal=True), SQUARE),
    row("solve_triangular batched", {"A": "b,n,n", "B": "b,n,k"}, lambda a, b: F["solve_triangular"](a, b, lower=True),
        lambda a, b: np.stack([sl.solve_triangular(u, v, lower=True) for u, v in zip(a, b, strict=True)]), SQUARE),
    row("cholesky", A, F["cholesky"], lambda a: np.linalg.cholesky(symmetric(a)), SPD, empty=True),
    row("cholesky batched", BATCH, F["cholesky"], lambda a: np.linalg.cholesky(symmetric(a)), SPD),
    row("pinv", {"A": "m,n"}, F["pinv"], np.linalg.pinv),
    row("pinv wide", {"A": "n,m"}, F["pinv"], np.linalg.pinv),
    row("lstsq", {"A": "m,n", "B": "m,k"}, lambda a, b: F["lstsq"](a, b)[0], lambda a, b: np.linalg.lstsq(a, b)[0]),
    row("lstsq wide", {"A": "n,m", "x": "n"}, lambda a, b: F["lstsq"](a, b)[0], lambda a, b: np.linalg.lstsq(a, b)[0]),
    row("lstsq residuals", {"A": "m,n", "x": "m"}, lambda a, b: F["lstsq"](a, b)[1], lambda a, b: np.linalg.lstsq(a, b)[1]),
    row("lstsq rank", {"A": "m,n", "x": "m"}, lambda a, b: F["lstsq"](a, b)[2], lambda a, b: np.linalg.lstsq(a, b)[2], orders=0),
    row("expm", A, F["expm"], sl.expm, {"A": (-0.5, 0.5)}, sizes={"n": 2}),
    row("expm batched", {"A": "b,2,2"}, F["expm"], sl.expm, {"A": (-0.5, 0.5)}, orders=1),
    row("matrix_power", A, lambda a: F["matrix_power"](a, 5), lambda a: np.linalg.matrix_power(a, 5), {"A": (-0.5, 0.5)}),
    row("matrix_power negative", A, lambda a: F["matrix_power"](a, -2), lambda a: np.linalg.matrix_power(a, -2), SQUARE),
    row("matrix_power zero", A, lambda a: F["matrix_power"](a, 0) @ a, lambda a: a),
    row("multi_dot", {"A": "m,n", "B": "n,k", "x": "k"}, lambda a, b, x: F["multi_dot"]([a, b, x]),
        lambda a, b, x: np.linalg.multi_dot([a, b, x])),
    row("det", A, F["det"], np.linalg.det, SQUARE, empty=True),
    row("det batched", BATCH, F["det"], np.linalg.det, SQUARE),
    row("cofactor", A, F["cofactor"], lambda a: np.linalg.det(a) * np.linalg.inv(a).T, SQUARE),
    row("cofactor_slope", {"A": "n,n", "E": "n,n"}, F["cofactor_slope"],
        lambda a, e: np.linalg.det(a) * (np.trace(np.linalg.solve(a, e)) * np.linalg.inv(a).T
                                         - np.linalg.inv(a).T @ e.T @ np.linalg.inv(a).T), SQUARE),
    row("logdet", A, F["logdet"], lambda a: np.linalg.slogdet(a)[1], SQUARE),
    row("logdet batched", BATCH, F["logdet"], lambda a: np.linalg.slogdet(a)[1], SQUARE),
    row("slogdet", A, lambda a: F["slogdet"](a)[0] * F["slogdet"](a)[1], lambda a: np.prod(np.linalg.slogdet(a)), SQUARE),
    row("eigvalsh", A, F["eigvalsh"], lambda a: np.linalg.eigvalsh(symmetric(a))),
    row("eigvalsh batched", BATCH, lambda a: F["exp"](F["eigvalsh"](a)), lambda a: np.exp(np.linalg.eigvalsh(symmetric(a)))),
    row("eigh", A, lambda a: F["eigh"](a)[0] ** 2, lambda a: np.linalg.eigh(symmetric(a))[0] ** 2),
    row("eigh vectors", A, lambda a: F["eigh"](a)[1] ** 2, lambda a: np.linalg.eigh(symmetric(a))[1] ** 2, f32=False),
    row("logm", A, F["logm"], lambda a: sl.logm(symmetric(a)), SPD, f32=False),
    row("sqrtm", BATCH, F["sqrtm"], lambda a: np.stack([sl.sqrtm(symmetric(x)) for x in a]), SPD),
    row("spectral", {"g": "n", "A": "n,n"}, F["spectral"],
        lambda g, a: (lambda v: v @ np.diag(g) @ v.T)(np.linalg.eigh(symmetric(a))[1])),
    row("svdvals", {"A": "m,n"}, F["svdvals"], lambda a: np.linalg.svd(a, compute_uv=False)),
    row("svdvals batched", {"A": "b,n,m"}, F["svdvals"], lambda a: np.linalg.svd(a, compute_uv=False)),
    row("svd", {"A": "m,n"}, lambda a: F["svd"](a, False)[0] @ F["svd"](a, False)[2], lambda a: (lambda u: u[0] @ u[2])(
        np.linalg.svd(a, full_matrices=False))),
    row("svd vectors", {"A": "n,m"}, lambda a: F["svd"](a, False)[0] ** 2 @ F["svd"](a, False)[2] ** 2, lambda a: (lambda u: u[0]**2 @ u[2]**2)(
        np.linalg.svd(a, full_matrices=False)), f32=False),
    row("svd full", {"A": "m,n"}, lambda a: (lambda r: r.U[:, 3:] @ r.U[:, 3:].T)(F["svd"](a)), lambda a: (lambda u: u[:, 3:] @ u[:, 3:].T)(
        np.linalg.svd(a)[0]), sizes={"m": 5, "n": 3}),
    row("svd full wide", {"A": "3,5"}, lambda a: (lambda r: r.Vh[3:].T @ r.Vh[3:] * r.S[0])(F["svd"](a)),
        lambda a: (lambda s, v: v[3:].T @ v[3:] * s[0])(*np.linalg.svd(a)[1:])),
    row("svd square", A, lambda a: F["svd"](a)[0] @ F["svd"](a)[2], lambda a: (lambda u: u[0] @ u[2])(np.linalg.svd(a))),
    row("condition_number", A, F["condition_number"], np.linalg.cond, SQUARE),
    row("condition_number 1", A, lambda a: F["condition_number"](a, 1), lambda a: np.linalg.cond(a, 1), SQUARE),
    row("condition_number -2", A, lambda a: F["condition_number"](a, -2), lambda a: np.linalg.cond(a, -2), SQUARE),
    row("matrix_rank", {"A": "m,n"}, F["matrix_rank"], np.linalg.matrix_rank, orders=0),
    row("cholesky upper", A, lambda a: F["cholesky"](a, upper=True), lambda a: np.linalg.cholesky(symmetric(a)).T, SPD),
    row("pinv rcond", {"A": "m,n"}, lambda a: F["pinv"](a, 1e-9), lambda a: np.linalg.pinv(a, 1e-9)),
    row("slogdet names", A, lambda a: F["slogdet"](a).logabsdet, lambda a: np.linalg.slogdet(a).logabsdet, SQUARE),
    row("eigh names", A, lambda a: F["eigh"](a).eigenvalues, lambda a: np.linalg.eigh(symmetric(a)).eigenvalues),
    row("qr names", {"A": "m,n"}, lambda a: F["qr"](a, mode="r") * F["qr"](a).R, lambda a: np.linalg.qr(a).R ** 2),
    row("matrix_function", {"A": "b,n,n", "s": ""}, lambda a, s: F["matrix_function"](a, s, f=lambda z, c: F["sin"](c * z)),
        lambda a, s: np.stack([sl.funm(symmetric(x), lambda z: np.sin(s * z)) for x in a]), f32=False),
    row("matrix_function along", {"A": "n,n", "E": "n,n"}, lambda a, e: F["matrix_function"](a, e, f="exp(z)", order=1),
        lambda a, e: sl.expm_frechet(symmetric(a), e, compute_expm=False), f32=False),
    row("qr", {"A": "m,n"}, lambda a: F["qr"](a)[0] ** 2, lambda a: np.linalg.qr(a)[0] ** 2),
    row("qr r", {"A": "b,m,n"}, lambda a: F["qr"](a)[1] ** 2, lambda a: np.linalg.qr(a)[1] ** 2),
    row("tril", {"X": "m,n"}, lambda x: F["tril"](x, -1), lambda x: np.tril(x, -1), empty=True),
    row("triu", {"X": "b,m,n"}, F["triu"], np.triu, empty=True),
]  # fmt: skip

"""Rows of activations, costs, and functions made of others."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.special as sp
import scipy.stats as st

from symgrad.expression import FUNCTIONS as F
from tests.ops.harness import Row

V, VW, P = {"x": "n"}, {"x": "n", "y": "n"}, {"x": (0.1, 0.9), "y": (0.1, 0.9)}
LABELS = {"Z": "m,n", "c": "i64[m]"}


def softmax_nll(z, c):  # type: ignore[no-untyped-def]
    return -np.sum(sp.log_softmax(z, axis=-1)[np.arange(len(c)), c])


SPECIAL = [
    *(Row(name, V, F[name], getattr(sp, name)) for name in ("j0", "j1", "i0", "i1")),
    *(Row(name, V, F[name], getattr(sp, name), {"x": (0.3, 2)}) for name in ("y0", "y1", "i0e", "i1e")),
    Row(
        "lambertw -1",
        V,
        lambda x: F["lambertw"](x, -1),
        lambda x: sp.lambertw(x, -1).real,
        {"x": (-0.3, -0.1)},
        orders=1,
    ),
    *(Row(name, V, F[name], getattr(sp, name), {"x": (0.3, 2)}) for name in ("k0", "k1", "k0e", "k1e")),
    *(Row(name, VW, F[name], getattr(sp, name), P) for name in ("boxcox", "boxcox1p")),
    *(Row(name, VW, F[name], getattr(sp, name), P, wrt=("y",)) for name in ("gammainc", "gammaincc")),
    *(Row(name, VW, F[name], getattr(sp, name), P) for name in ("inv_boxcox", "inv_boxcox1p", "pseudo_huber", "powm1")),
    *(Row(name, V, F[name], getattr(sp, name), {"x": (0.2, 2)}) for name in ("log_expit", "exprel", "exp10", "factorial")),
    *(Row(name, VW, F[name], getattr(sp, name), {"x": (3, 5), "y": (0.2, 2)}) for name in ("binom", "poch")),
    Row("nanvar", {"X": "m,n"}, lambda x: F["nanvar"](x, axis=1, ddof=1), lambda x: np.nanvar(x, axis=1, ddof=1), orders=1,
        empty=False),
    Row("boxcox at 0", V, lambda x: F["boxcox"](x, 0.0), np.log, {"x": (0.2, 2)}),
    Row("betainc", {**VW, "z": "n"}, F["betainc"], sp.betainc, {"x": (1.2, 3), "y": (1.2, 3), "z": (0.2, 0.8)}, wrt=("z",)),
    Row("multigammaln", V, lambda x: F["multigammaln"](x, 3), np.vectorize(lambda x: sp.multigammaln(x, 3), [float]),
        {"x": (2, 4)}, empty=False),
    Row("tri", {"x": "4,3"}, lambda x: x * F["tri"](4, 3, k=1), lambda x: x * np.tri(4, 3, 1), f32=False),
    Row("eye 3 4", {"x": "3,4"}, lambda x: x * F["eye"](3, 4, k=1), lambda x: x * np.eye(3, 4, 1), f32=False),
    Row("arange of broken numbers", {"x": "4"}, lambda x: x * F["arange"](1.0, 3.0, 0.5), lambda x: x * np.arange(1, 3, 0.5),
        f32=False),
    Row("block_diag", {"x": "2,3", "y": "3,1"}, F["block_diag"], scipy.linalg.block_diag),
    Row("eigh of a triangle", {"A": "4,4"}, lambda a: F["eigh"](a, "U")[0], lambda a: np.linalg.eigh(a, "U")[0]),
    Row("cosm1", V, F["cosm1"], sp.cosm1),
    Row("cosxx", V, F["cosxx"], lambda x: (1 - np.cos(x)) / x**2, {"x": (0.5, 2)}),
    Row("coshxx", V, F["coshxx"], lambda x: (np.cosh(x) - 1) / x**2, {"x": (0.5, 2)}),
    Row("tanxx", V, F["tanxx"], lambda x: np.tan(x) / x, {"x": (0.5, 1.2)}, tolerance=1e-11),
    Row("tanhxx", V, F["tanhxx"], lambda x: np.tanh(x) / x, {"x": (0.5, 0.9)}),
    Row("tanhxx far", V, F["tanhxx"], lambda x: np.tanh(x) / x, {"x": (1.5, 900)}, orders=1),
    Row("xexpm1", V, F["xexpm1"], lambda x: x / np.expm1(x), {"x": (0.5, 2.5)}),
    Row("xexpm1 far", V, F["xexpm1"], lambda x: x / np.expm1(x), {"x": (3.5, 30)}),
    Row("xexpm1 below", V, F["xexpm1"], lambda x: x / np.expm1(x), {"x": (-30, -3.5)}),
    Row("fmax", VW, F["fmax"], np.fmax),
    Row("fmin", VW, F["fmin"], np.fmin),
    Row("signbit", V, F["signbit"], np.signbit, orders=0),
]

ACTIVATIONS = [
    Row("prelu", {"x": "m,n", "a": "n"}, F["prelu"], lambda x, a: np.where(x > 0, x, a * x), {"x": "away"}),
    Row("leaky_relu", V, F["leaky_relu"], lambda x: np.where(x > 0, x, 0.01 * x)),
    Row("elu", {"x": "n", "a": ""}, F["elu"], lambda x, a: np.where(x > 0, x, a * np.expm1(x)),
        {"x": "away"}),
    Row("selu", V, F["selu"], lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    Row("gelu", V, F["gelu"], lambda x: x * st.norm.cdf(x)),
    Row("gelu tanh", V, lambda x: F["gelu"](x, approximate=True),
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    Row("silu", V, F["silu"], lambda x: x / (1 + np.exp(-x))),
    Row("hard_tanh", V, F["hard_tanh"], lambda x: np.clip(x, -1, 1)),
    Row("hard_sigmoid", V, F["hard_sigmoid"], lambda x: np.clip(x / 6 + 0.5, 0, 1), {"x": (-5, 5)}),
    Row("softsign", V, F["softsign"], lambda x: x / (1 + np.abs(x))),
    Row("maxout", {"X": "m,2*n"}, lambda x: F["maxout"](x, 2), lambda x: np.maximum(x[:, ::2], x[:, 1::2])),
    Row("linear", {"X": "m,n", "W": "n,k", "b": "k"}, F["linear"], lambda x, w, b: x @ w + b),
]  # fmt: skip

COSTS = [
    Row("mean_squared_error", VW, F["mse"], lambda x, y: np.mean((x - y) ** 2)),
    Row("mean_absolute_error", VW, F["mae"], lambda x, y: np.mean(np.abs(x - y))),
    Row("huber", VW, lambda x, y: F["huber"](x, y, 0.7), lambda x, y: np.sum(sp.huber(0.7, x - y))),
    Row("binary_cross_entropy", VW, F["binary_cross_entropy"],
        lambda p, y: -np.sum(y * np.log(p) + (1 - y) * np.log1p(-p)), P),
    Row("binary_cross_entropy_with_logits", VW, F["binary_cross_entropy_with_logits"],
        lambda z, y: -np.sum(y * sp.log_expit(z) + (1 - y) * sp.log_expit(-z)), {"y": (0, 1)}),
    Row("nll", LABELS, F["nll"], lambda z, c: -np.sum(z[np.arange(len(c)), c]), empty=False),
    Row("cross_entropy", {"Z": "m,n", "P": "m,n"}, F["cross_entropy"],
        lambda z, p: -np.sum(p * sp.log_softmax(z, axis=-1)), {"P": (0.1, 1)}, empty=False),
    Row("cross_entropy labels", LABELS, F["cross_entropy"], softmax_nll, empty=False),
    Row("kl_divergence", VW, F["kl_divergence"], lambda p, q: np.sum(p * np.log(p / q)), P),
    Row("hinge", VW, F["hinge"], lambda s, y: np.sum(np.maximum(0, 1 - y * s))),
]  # fmt: skip

ROWS = [*SPECIAL, *ACTIVATIONS, *COSTS]

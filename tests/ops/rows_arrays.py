"""Rows of products of arrays, of indexing and of arranging."""

from __future__ import annotations

import numpy as np

from symgrad.expression import FUNCTIONS as F
from tests.ops.harness import Row

X, V, VW = {"X": "m,n"}, {"x": "n"}, {"x": "n", "y": "n"}
SQUARE = {"A": "n,n"}
FIXED = {"n": 4, "m": 3}



def scattered(x, i):  # type: ignore[no-untyped-def]
    result = np.zeros((3, x.shape[1]), x.dtype)
    np.add.at(result, i, x)
    return result


def scattered_at(x, i, j):  # type: ignore[no-untyped-def]
    result = np.zeros((3, 4), x.dtype)
    np.add.at(result, (i, j), x)
    return result


def spread(x):  # type: ignore[no-untyped-def]
    result = np.zeros((x.shape[0], 2 * x.shape[1] + 1), x.dtype)
    result[:, 1::2] = x
    return result


def added(x, y, i):  # type: ignore[no-untyped-def]
    result = x.copy()
    np.add.at(result, i, y)
    return result


def replaced(x, i, y):  # type: ignore[no-untyped-def]
    result = x.copy()
    result[i] = y
    return result


ROWS = [
    Row("einsum", {"A": "m,n", "x": "n"}, lambda a, x: F["einsum"]("ij,j->i", a, x), lambda a, x: np.einsum("ij,j->i", a, x)),
    Row("einsum three", {"A": "m,n", "B": "n,k", "C": "k,m"}, lambda a, b, c: F["einsum"]("ij,jk,ki->i", a, b, c),
        lambda a, b, c: np.einsum("ij,jk,ki->i", a, b, c)),
    Row("einsum diagonal", SQUARE, lambda a: F["einsum"]("ii->i", a), lambda a: np.einsum("ii->i", a)),
    Row("matmul", {"A": "m,n", "B": "n,k"}, lambda a, b: a @ b, np.matmul),
    Row("matmul vector", {"x": "n", "A": "n,k"}, lambda x, a: x @ a, np.matmul),
    Row("matmul batched", {"A": "b,m,n", "B": "n,k"}, lambda a, b: a @ b, np.matmul),
    Row("matvec", {"T": "k,m,n", "x": "n"}, F["matvec"], lambda t, x: t @ x),
    Row("vecmat", {"x": "m", "A": "m,n"}, F["vecmat"], lambda x, a: x @ a),
    Row("unstack", {"X": "3,n"}, lambda x: F["unstack"](x)[1], lambda x: x[1]),
    Row("dot", VW, F["dot"], np.dot),
    Row("inner", {"A": "m,n", "B": "k,n"}, F["inner"], np.inner),
    Row("vdot", {"A": "m,n", "B": "m,n"}, F["vdot"], np.vdot),
    Row("outer", {"x": "m", "y": "n"}, F["outer"], np.outer),
    Row("tensordot", {"A": "m,n", "B": "n,m,k"}, lambda a, b: F["tensordot"](a, b, ([0, 1], [1, 0])),
        lambda a, b: np.tensordot(a, b, ([0, 1], [1, 0]))),
    Row("trace", SQUARE, F["trace"], np.trace),
    Row("diagonal", SQUARE, F["diagonal"], np.diagonal),
    Row("diag", V, F["diag"], np.diag),
    Row("transpose", X, lambda x: x.T, np.transpose),
    Row("transpose axes", {"X": "m,n,k"}, lambda x: F["transpose"](x, (1, 2, 0)), lambda x: np.transpose(x, (1, 2, 0))),
    Row("swapaxes", {"X": "m,n,k"}, lambda x: F["swapaxes"](x, 0, -1), lambda x: np.swapaxes(x, 0, -1)),
    Row("moveaxis", {"X": "m,n,k"}, lambda x: F["moveaxis"](x, 0, -1), lambda x: np.moveaxis(x, 0, -1)),
    Row("expand_dims", X, lambda x: F["expand_dims"](x, 1), lambda x: np.expand_dims(x, 1)),
    Row("squeeze", {"X": "m,1"}, F["squeeze"], lambda x: np.squeeze(x, 1)),
    Row("broadcast_to", {"x": "n"}, lambda x: F["broadcast_to"](x, (3, x.shape[0])), lambda x: np.broadcast_to(x, (3, len(x)))),
    Row("eye", X, lambda x: F["eye"](x.shape[0]) @ x, lambda x: x, f32=False),
    Row("getitem", X, lambda x: x[0, 1:], lambda x: x[0, 1:], empty=False),
    Row("getitem steps", {"x": "7"}, lambda x: x[5:0:-2], lambda x: x[5:0:-2]),
    Row("getitem None", V, lambda x: x[:, None] * x[None, :], lambda x: np.outer(x, x)),
    Row("getitem integers", {"X": "m,n", "i": "i64[k]"}, lambda x, i: x[:, i], lambda x, i: x[:, i], {"i": "int"}, empty=False),
    Row("take", {"X": "m,n", "i": "i64[k,2]"}, lambda x, i: F["take"](x, i, axis=0), lambda x, i: np.take(x, i, axis=0), {"i": "int"},
        empty=False),
    Row("take flat", {"X": "m,n", "i": "i64[5]"}, F["take"], np.take, {"i": "int"}, empty=False),
    Row("scatter", {"X": "k,n", "i": "i64[k]"}, lambda x, i: F["scatter"](x, i, 3), scattered, {"i": "int"}, empty=False),
    Row("gather", {"T": "k,m,n", "i": "i64[2,1]", "j": "i64[3]"}, lambda x, i, j: F["gather"](x, i, j, axis=1), lambda x, i, j: x[:, i, j],
        {"i": "int", "j": "int"}, empty=False),
    Row("scatter_at", {"x": "5", "i": "i64[5]", "j": "i64[5]"}, lambda x, i, j: F["scatter_at"](x, i, j, shape=(3, 4)),
        lambda x, i, j: scattered_at(x, i, j), {"i": "int", "j": "int"}, empty=False),
    Row("unslice", X, lambda x: F["unslice"](x, 2 * x.shape[1] + 1, 1, 2), spread, empty=False),
    Row("reshape", {"X": "m,n"}, lambda x: F["reshape"](x, (x.shape[1], -1)), lambda x: x.reshape(x.shape[1], x.shape[0])),
    Row("ravel", X, F["ravel"], np.ravel, covers=("flatten",)),
    Row("concatenate", {"A": "m,n", "B": "m,k"}, lambda a, b: F["concatenate"]([a, b, a], axis=1),
        lambda a, b: np.concatenate([a, b, a], axis=1)),
    Row("stack", VW, lambda x, y: F["stack"]([x, y], axis=-1), lambda x, y: np.stack([x, y], axis=-1)),
    Row("array", {"x": "", "y": ""}, lambda x, y: F["array"]([[x, 1.0], [y, x * y]]), lambda x, y: np.array([[x, 1.0], [y, x * y]])),
    Row("flip", X, lambda x: F["flip"](x, axis=1), lambda x: np.flip(x, axis=1)),
    Row("zeros", X, lambda x: x + F["zeros"](x.shape[1]), lambda x: x, f32=False),
    Row("ones", X, lambda x: x * F["ones"]((x.shape[1],)), lambda x: x, f32=False),
    Row("full", {"x": "n", "c": ""}, lambda x, c: F["full"](x.shape[0], c) * x, lambda x, c: c * x),
    Row("zeros_like", V, F["zeros_like"], np.zeros_like),
    Row("ones_like", V, lambda x: F["ones_like"](x) * x, lambda x: x),
    Row("arange", V, lambda x: F["arange"](x.shape[0]) * x, lambda x: np.arange(len(x)) * x, f32=False),
    Row("arange steps", {}, lambda: F["arange"](7, 1, -2), lambda: np.arange(7, 1, -2), orders=0),
    Row("astype", {"x": "i64[n]"}, lambda x: F["astype"](x, "f64") / 2, lambda x: x / 2, orders=0, f32=False),
    Row("astype f32", V, lambda x: x.astype("f32") * 2, lambda x: (2 * x.astype(np.float32)), orders=0),
    Row("where", VW, lambda x, y: F["where"](x > y, x**2, y), lambda x, y: np.where(x > y, x**2, y)),
    Row("mask", VW, lambda x, y: F["mask"](x > 0, y), lambda x, y: np.where(x > 0, y, 0), covers=("logical_and",)),
    Row("clip", V, lambda x: F["clip"](x, -1, 1), lambda x: np.clip(x, -1, 1)),
    Row("logical_and", VW, lambda x, y: (x > 0) & (y > 0), lambda x, y: (x > 0) & (y > 0), orders=0),
    Row("logical_or", VW, lambda x, y: (x > 0) | (y > 0), lambda x, y: (x > 0) | (y > 0), orders=0),
    Row("logical_xor", VW, lambda x, y: (x > 0) ^ (y > 0), lambda x, y: (x > 0) ^ (y > 0), orders=0),
    Row("logical_not", V, lambda x: ~(x > 0), lambda x: ~(x > 0), orders=0),
    Row("isnan", V, F["isnan"], np.isnan, orders=0),
    Row("isfinite", V, F["isfinite"], np.isfinite, orders=0),
    Row("isinf", V, F["isinf"], np.isinf, orders=0),
    Row("stop_gradient", V, lambda x: F["stop_gradient"](x) * 1.0, lambda x: x, orders=0),
    Row("sinc", V, F["sinc"], np.sinc),
    Row("deg2rad", V, F["deg2rad"], np.deg2rad),
    Row("rad2deg", V, F["rad2deg"], np.rad2deg),
    Row("log_sigmoid", V, F["log_sigmoid"], lambda x: -np.logaddexp(0, -x)),
    Row("positive", V, lambda x: +x * 1.0, lambda x: x),
    Row("multiply", VW, lambda x, y: x * y, np.multiply),
    Row("subtract", VW, lambda x, y: x - y, np.subtract),
    Row("divide", VW, lambda x, y: x / y, np.divide, {"y": (0.5, 2)}),
    Row("floor_divide", VW, lambda x, y: x // y, np.floor_divide, {"y": (0.5, 2)}, orders=0),
    Row("negative", V, lambda x: -x, np.negative),
    Row("power", V, lambda x: x**3, lambda x: x**3),
    Row("square", V, F["square"], np.square),
    Row("reciprocal", V, F["reciprocal"], np.reciprocal, {"x": (0.5, 2)}),
    Row("slice of slice", {"x": "n"}, lambda x: (x[1:] - x[:-1]) ** 2, lambda x: (x[1:] - x[:-1]) ** 2, empty=False),
    Row("split", {"X": "m,6"}, lambda x: F["split"](x, 3, axis=1)[1] * 2, lambda x: np.split(x, 3, axis=1)[1] * 2),
    Row("split at", {"x": "7"}, lambda x: F["split"](x, [2, 5])[1], lambda x: np.split(x, [2, 5])[1]),
    Row("repeat", X, lambda x: F["repeat"](x, 3, axis=0), lambda x: np.repeat(x, 3, axis=0)),
    Row("repeat flat", X, lambda x: F["repeat"](x, 2), lambda x: np.repeat(x, 2)),
    Row("tile", X, lambda x: F["tile"](x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3))),
    Row("roll", X, lambda x: F["roll"](x, 5, axis=1), lambda x: np.roll(x, 5, axis=1)),
    Row("roll fixed", {"X": "3,4"}, lambda x: F["roll"](x, -1), lambda x: np.roll(x, -1)),
    *(Row(f"rot90 {k}", X, lambda x, k=k: F["rot90"](x, k), lambda x, k=k: np.rot90(x, k)) for k in range(4)),
    Row("pad", X, lambda x: F["pad"](x, ((1, 2), (0, 1))), lambda x: np.pad(x, ((1, 2), (0, 1)))),
    Row("pad value", V, lambda x: F["pad"](x, (1, 2), constant_values=3.0), lambda x: np.pad(x, (1, 2), constant_values=3.0)),
    *(Row(f"pad {mode}", {"X": "m,n"}, lambda x, mode=mode: F["pad"](x, ((0, 0), (5, 3)), mode), lambda x, mode=mode: np.pad(
        x, ((0, 0), (5, 3)), mode), empty=False) for mode in ("edge", "reflect", "symmetric", "wrap")),
    Row("linspace", {"x": "", "y": ""}, lambda x, y: F["linspace"](x, y, 5), lambda x, y: np.linspace(x, y, 5)),
    Row("meshgrid", {"x": "m", "y": "n"}, lambda x, y: F["meshgrid"](x, y)[0] ** F["meshgrid"](x, y)[1],
        lambda x, y: np.meshgrid(x, y)[0] ** np.meshgrid(x, y)[1], {"x": (0.5, 2)}),
    Row("meshgrid ij", {"x": "m", "y": "n"}, lambda x, y: F["meshgrid"](x, y, indexing="ij")[1],
        lambda x, y: np.meshgrid(x, y, indexing="ij")[1]),
    Row("kron", {"A": "m,n", "B": "k,2"}, lambda a, b: F["kron"](a, b), np.kron),
    Row("cross", {"A": "m,3", "b": "3"}, lambda a, b: F["cross"](a, b), np.cross),
    Row("hstack", {"A": "m,n", "B": "m,k"}, lambda a, b: F["hstack"]([a, b]), lambda a, b: np.hstack([a, b])),
    Row("vstack", {"A": "m,n", "b": "n"}, lambda a, b: F["vstack"]([a, b]), lambda a, b: np.vstack([a, b])),
    Row("column_stack", VW, lambda x, y: F["column_stack"]([x, y]), lambda x, y: np.column_stack([x, y])),
    Row("diff", X, lambda x: F["diff"](x, 2), lambda x: np.diff(x, 2), empty=False),
    Row("nan_to_num", V, lambda x: F["nan_to_num"](x), np.nan_to_num),
    Row("convolve", {"x": "n", "y": "k"}, lambda x, y: F["convolve"](x, y), np.convolve, empty=False),
    Row("convolve same", {"x": "n", "y": "k"}, lambda x, y: F["convolve"](x, y, "same"), lambda x, y: np.convolve(x, y, "same"), empty=False),
    Row("convolve valid", {"x": "2", "y": "5"}, lambda x, y: F["convolve"](x, y, "valid"), lambda x, y: np.convolve(x, y, "valid")),
    Row("correlate", {"x": "n", "y": "k"}, lambda x, y: F["correlate"](x, y), np.correlate, empty=False),
    Row("correlate full", {"x": "3", "y": "4"}, lambda x, y: F["correlate"](x, y, "full"), lambda x, y: np.correlate(x, y, "full")),
    Row("correlate same", {"x": "n", "y": "k"}, lambda x, y: F["correlate"](x, y, "same"), lambda x, y: np.correlate(x, y, "same"),
        empty=False),
    Row("correlate_valid", {"X": "m,n", "W": "m,k"}, lambda x, w: F["correlate_valid"](x, w),
        lambda x, w: np.stack([np.correlate(u, v) for u, v in zip(x, w, strict=True)]), empty=False),
    Row("index_add", {"X": "m,n", "y": "n"}, lambda x, y: x.at[1].add(y), lambda x, y: x + np.outer(np.arange(len(x)) == 1, y), empty=False),
    Row("index_add twice", {"x": "3", "y": "k", "i": "i64[k]"}, lambda x, y, i: x.at[i].add(y), added, {"i": "int"}, empty=False),
    Row("index_set", {"x": "5", "y": "2"}, lambda x, y: x.at[1:4:2].set(y), lambda x, y: replaced(x, slice(1, 4, 2), y)),
    Row("index_set last", {"X": "3,n", "Y": "k,n", "i": "i64[k]"}, lambda x, y, i: x.at[i].set(y), lambda x, y, i: replaced(x, i, y),
        {"i": "int"}, empty=False, sizes={"n": 2, "k": 5}),
]  # fmt: skip

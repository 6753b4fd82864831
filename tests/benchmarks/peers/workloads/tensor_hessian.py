"""Hessians of vector and matrix expressions after Laue, Mitterreiter, Giesen (NeurIPS 2018, AAAI 2020).

logreg/n: sum_i log(exp(-y_i x_i.w) + 1), X of 2n x n, Hessian n x n.
mf/n:     sum_ij Omega_ij (T - U V^T)_ij^2 in U (n x 5): Hessian n x 5 x n x 5, block diagonal in n.
net/n:    10 layers of n ReLU units, one sample, softmax cross-entropy; Hessian in the first weight matrix:
          n x n x n x n = H_z (x) x x^T with H_z of n x n.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Stages

SIZES = ["logreg/10", "logreg/100", "logreg/1000", "mf/10", "mf/100", "mf/1000", "net/10", "net/30", "net/60"]
TOLERANCE = 1e-9
K, LAYERS = 5, 10


def skips(peer: str, case: str, threads: int) -> bool:
    big = {"autograd": ("logreg/1000", "mf/1000", "net/60"), "pytensor": ("logreg/1000", "mf/1000", "net/60"),
           "torch": ("mf/1000",), "jax": ("mf/1000",), "numpy_compressed": ("logreg/",), "symgrad_compressed": ("logreg/",)}
    return any(b in case for b in big.get(peer, ()))


def make_inputs(size: str, seed: int) -> Inputs:
    kind, n = size.split("/")
    n = int(n)
    rng = np.random.default_rng(seed)
    if kind == "logreg":
        X = rng.standard_normal((2 * n, n))
        return {"kind": kind, "n": n, "X": X, "y": np.sign(rng.standard_normal(2 * n)), "w": rng.standard_normal(n) / np.sqrt(n)}
    if kind == "mf":
        return {"kind": kind, "n": n, "T": rng.standard_normal((n, n)), "O": (rng.random((n, n)) < 0.5) * 1.0,
                    "V": rng.standard_normal((n, K)), "w": rng.standard_normal((n, K))}
    W = rng.standard_normal((LAYERS, n, n)) * np.sqrt(2 / n)
    return {"kind": kind, "n": n, "W": W[1:], "x": rng.standard_normal(n), "target": np.eye(n)[1], "w": W[0]}


def hessian(inp, w, compressed=False):
    """By hand, from the closed forms; compressed keeps mf's n blocks and net's (H_z, x)."""
    n = inp["n"]
    if inp["kind"] == "logreg":
        s = 1 / (1 + np.exp(inp["X"] @ w))
        A = inp["X"] * np.sqrt(s * (1 - s))[:, None]
        return A.T @ A
    if inp["kind"] == "mf":
        V = inp["V"]
        blocks = (2 * inp["O"] @ (V[:, :, None] * V[:, None, :]).reshape(n, K * K)).reshape(n, K, K)
        if compressed:
            return blocks
        H = np.zeros((n, K, n, K))
        H[np.arange(n), :, np.arange(n), :] = blocks
        return H
    x = inp["x"]
    a, on = x, []
    z = w @ x
    for W in inp["W"]:
        on.append(z > 0)
        a = np.where(on[-1], z, 0)
        z = W @ a
    p = np.exp(z - z.max())
    p /= p.sum()
    J = inp["W"][-1] * on[-1]
    for W, d in zip(inp["W"][-2::-1], on[-2::-1], strict=False):
        J = (J @ W) * d
    Hz = (J.T * p) @ J
    Jp = J.T @ p
    Hz -= np.outer(Jp, Jp)
    if compressed:
        return Hz, x
    return np.einsum("ik,j,l->ijkl", Hz, x, x)


def reference(inp: Inputs) -> Any:
    return hessian(inp, inp["w"])


def check_output(out: Any, inp: Inputs) -> Any:
    """Unpack a compressed result, so that it can be compared with the full one."""
    if hasattr(out, "dense"):
        return out.dense()
    if inp["kind"] == "net" and isinstance(out, tuple):
        return np.einsum("ik,j,l->ijkl", out[0], out[1], out[1])
    if inp["kind"] == "mf" and getattr(out, "shape", ())[1:] == (K, K):
        n = inp["n"]
        H = np.zeros((n, K, n, K))
        H[np.arange(n), :, np.arange(n), :] = out
        return H
    return out


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    n = inp["n"]
    flops = {"logreg": 2 * n * n * (n + 1), "mf": 2 * n * n * K * (K + 1) / 2, "net": 2 * n**3 * LAYERS}[inp["kind"]]
    rate = limits["1"]["fma_f64_1core_GFs"] * threads
    return flops / rate * 1e-9, f"{flops:.3g} flops of the compressed closed form at {rate:.0f} GF/s"


def loss(inp, w, m, c, softplus):
    """The three objectives over module m; c holds the constants in the peer's type."""
    if inp["kind"] == "logreg":
        return softplus(-c["y"] * (c["X"] @ w)).sum()
    if inp["kind"] == "mf":
        r = c["T"] - w @ c["V"].T
        return (c["O"] * r * r).sum()
    z = w @ c["x"]
    for i in range(LAYERS - 1):
        z = c["W"][i] @ m.maximum(z, 0 * z)
    return m.log(m.exp(z).sum()) - (c["target"] * z).sum()


def constants(inp, convert):
    return {k: convert(v) for k, v in inp.items() if isinstance(v, np.ndarray) and k != "w"}


def peer_numpy(inp: Inputs) -> Prepared:
    return Stages().done(lambda w: hessian(inp, w), "hand-written closed form, full tensor", (inp["w"],))


def peer_numpy_compressed(inp: Inputs) -> Prepared:
    return Stages().done(lambda w: hessian(inp, w, True), "hand-written closed form, compressed", (inp["w"],))


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    c, w = constants(inp, jnp.asarray), jnp.asarray(inp["w"])
    st = Stages()
    f = jax.jit(jax.hessian(lambda w, c: loss(inp, w, jnp, c, lambda z: jnp.log(jnp.exp(z) + 1))))
    return st.done(lambda w: f(w, c).block_until_ready(), "jit(hessian)", (w,))


def peer_torch(inp: Inputs) -> Prepared:
    import torch
    c, w = constants(inp, torch.from_numpy), torch.from_numpy(inp["w"])
    st = Stages()
    f = torch.func.hessian(lambda w: loss(inp, w, torch, c, lambda z: torch.log(torch.exp(z) + 1)))
    return st.done(f, "func.hessian, eager", (w,))


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    c = constants(inp, lambda a: a)
    st = Stages()
    f = autograd.hessian(lambda w: loss(inp, w, anp, c, lambda z: anp.log(anp.exp(z) + 1)))
    return st.done(f, "hessian", (inp["w"],))


def peer_pytensor(inp: Inputs) -> Prepared:
    import pytensor
    import pytensor.tensor as pt
    c = constants(inp, pytensor.shared)
    st = Stages()
    w = pt.dvector("w")
    f = loss(inp, w.reshape(inp["w"].shape), pt, c, pt.softplus)
    g = pytensor.function([w], pytensor.gradient.hessian(f, w), trust_input=True)
    return st.done(g, "gradient.hessian (scan)", (inp["w"].ravel(),))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    f, data = symgrad_function(inp, sg)
    return st.done(f.hessian, "hessian, full tensor; sizes are names", (inp["w"], *data))


def peer_symgrad_compressed(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    f, data = symgrad_function(inp, sg)
    return st.done(f.compressed_hessian, "compressed_hessian: blocks, or Kronecker factors", (inp["w"], *data))


def symgrad_function(inp: Inputs, sg: Any) -> tuple[Any, list[Any]]:
    """The compiled objective and the values of the symbols behind w."""
    if inp["kind"] == "logreg":
        L = sg.parse("sum(log(exp(-y*(X @ w)) + 1))", w="n", X="m,n", y="m")
        return sg.compile(L, wrt="w"), [inp["X"], inp["y"]]
    if inp["kind"] == "mf":
        L = sg.parse("sum(O*(T - w @ V')**2)", w="n,k", O="n,m", T="n,m", V="m,k")
        return sg.compile(L, wrt="w"), [inp["O"], inp["T"], inp["V"]]
    w, x, target = sg.matrix("w", "n,n"), sg.vector("x", "n"), sg.vector("target", "n")
    layers = [sg.matrix(f"W{k}", "n,n") for k in range(LAYERS - 1)]
    z = w @ x
    for W in layers:
        z = W @ sg.relu(z)
    L = sg.logsumexp(z) - target @ z
    return sg.compile(L, wrt="w", inputs=[w, x, target, *layers]), [inp["x"], inp["target"], *inp["W"]]

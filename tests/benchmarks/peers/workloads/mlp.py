"""Minibatch network with ReLU layers: mean softmax cross-entropy + lam * sum |W|^2; value and gradient in all W, b."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Skip, Stages

CONFIG = {  # layer widths, batch
    "iris": ((4, 16, 3), 150),
    "mnist": ((784, 256, 128, 10), 128),
    "mnist_f32": ((784, 256, 128, 10), 128),
    "wide": ((1024, 1024, 1024, 10), 512),
}
SIZES = list(CONFIG)
TOLERANCE = {"mnist_f32": 2e-5}
LAM = 1e-4


def make_inputs(size: str, seed: int) -> Inputs:
    widths, batch = CONFIG[size]
    rng = np.random.default_rng(seed)
    dtype = np.float32 if size.endswith("f32") else np.float64
    params = []
    for a, b in itertools.pairwise(widths):
        params += [rng.standard_normal((a, b)) * np.sqrt(2 / a), rng.standard_normal(b) * 0.1]
    X = rng.standard_normal((batch, widths[0]))
    Y = np.eye(widths[-1])[rng.integers(widths[-1], size=batch)]
    return {"size": size, "widths": widths, "params": [p.astype(dtype) for p in params], "X": X.astype(dtype),
                "Y": Y.astype(dtype), "dtype": dtype}


def value_and_grads(X, Y, params):
    """By hand; also the `numpy` peer."""
    acts = [X]
    for W, b in zip(params[:-2:2], params[1:-2:2], strict=False):
        z = acts[-1] @ W
        z += b
        acts.append(np.maximum(z, 0, out=z))
    z = acts[-1] @ params[-2] + params[-1]
    z -= z.max(1, keepdims=True)
    e = np.exp(z)
    total = e.sum(1, keepdims=True)
    n = len(X)
    value = (np.sum(np.log(total)) - np.vdot(z, Y)) / n + LAM * sum(np.vdot(W, W) for W in params[::2])
    delta = (e / total - Y) / n
    grads = []
    for k in range(len(acts) - 1, -1, -1):
        g = acts[k].T @ delta
        g += 2 * LAM * params[2 * k]
        grads += [delta.sum(0), g]
        if k:
            delta = delta @ params[2 * k].T
            delta *= acts[k] > 0
    return value, grads[::-1]


def reference(inp: Inputs) -> Any:
    return value_and_grads(*(np.float64(inp[k]) for k in "XY"), [np.float64(p) for p in inp["params"]])


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    widths, batch = inp["widths"], len(inp["X"])
    forward = sum(2 * batch * a * b for a, b in itertools.pairwise(widths))
    flops = 3 * forward - 2 * batch * widths[0] * widths[1]  # no gradient in X
    peak = limits["1"]["fma_f64_1core_GFs"] * threads * (2 if inp["dtype"] == np.float32 else 1)
    return flops / peak / 1e9, f"{flops / 1e6:.3g} Mflop of GEMM at the {peak:.0f} GF/s FMA peak"


def peer_numpy(inp: Inputs) -> Prepared:
    return Stages().done(value_and_grads, "hand-written backprop, OpenBLAS", (inp["X"], inp["Y"], inp["params"]))


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    X, Y, params = jax.tree.map(jnp.asarray, (inp["X"], inp["Y"], inp["params"]))
    st = Stages()

    def loss(params, X, Y):
        a = X
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=False):
            a = jax.nn.relu(a @ W + b)
        z = a @ params[-2] + params[-1]
        return -jnp.mean(jnp.sum(Y * jax.nn.log_softmax(z), 1)) + LAM * sum(jnp.vdot(W, W) for W in params[::2])
    f = jax.jit(jax.value_and_grad(loss))
    return st.done(lambda params: jax.block_until_ready(f(params, X, Y)), "jit(value_and_grad)", (params,))


def torch_loss(inp):
    import torch
    import torch.nn.functional as F
    X, Y = torch.from_numpy(inp["X"]), torch.from_numpy(inp["Y"])
    params = [torch.from_numpy(p).requires_grad_() for p in inp["params"]]

    def loss(params, X, Y):
        a = X
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=False):
            a = F.relu(torch.addmm(b, a, W))
        z = torch.addmm(params[-1], a, params[-2])
        return F.cross_entropy(z, Y) + LAM * sum((W * W).sum() for W in params[::2])
    return loss, params, X, Y


def peer_torch(inp: Inputs) -> Prepared:
    import torch
    loss, params, X, Y = torch_loss(inp)
    st = Stages()

    def call(params):
        value = loss(params, X, Y)
        return value, torch.autograd.grad(value, params)
    return st.done(call, "eager", (params,))


def peer_torch_compile(inp: Inputs) -> Prepared:
    import torch
    loss, params, X, Y = torch_loss(inp)
    st = Stages()
    compiled = torch.compile(loss, fullgraph=True)

    def call(params):
        value = compiled(params, X, Y)
        return value, torch.autograd.grad(value, params)
    return st.done(call, "torch.compile (forward and backward graphs)", (params,))


def peer_pytensor(inp: Inputs) -> Prepared:
    import pytensor
    import pytensor.tensor as pt
    X, Y = pytensor.shared(inp["X"]), pytensor.shared(inp["Y"])
    st = Stages()
    params = [pt.tensor(dtype=p.dtype, shape=p.shape) for p in inp["params"]]
    a = X
    for W, b in zip(params[:-2:2], params[1:-2:2], strict=False):
        a = pt.maximum(a @ W + b, 0)
    z = a @ params[-2] + params[-1]
    lam = np.asarray(LAM, inp["dtype"])
    loss = -pt.mean(pt.sum(Y * pt.special.log_softmax(z, axis=1), 1)) + lam * sum((W * W).sum() for W in params[::2])
    st("build")
    out = [loss, *pytensor.grad(loss, params)]
    st("grad")
    f = pytensor.function(params, out, trust_input=True)
    st("compile")
    return st.done(f, "function()", tuple(inp["params"]))


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    X, Y = inp["X"], inp["Y"]
    st = Stages()

    def loss(params):
        a = X
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=False):
            a = anp.maximum(anp.dot(a, W) + b, 0)
        z = anp.dot(a, params[-2]) + params[-1]
        z = z - anp.max(z, 1, keepdims=True)
        logp = z - anp.log(anp.sum(anp.exp(z), 1, keepdims=True))
        return -anp.mean(anp.sum(Y * logp, 1)) + LAM * sum(anp.sum(W * W) for W in params[::2])
    return st.done(autograd.value_and_grad(loss), "tape", (inp["params"],))


def peer_casadi(inp: Inputs) -> Prepared:
    import casadi as ca
    if inp["size"] != "iris":
        raise Skip("matrix products without BLAS: iris only")
    X, Y = ca.DM(inp["X"]), ca.DM(inp["Y"])
    st = Stages()
    params = [ca.MX.sym("p", *np.atleast_2d(p).shape) for p in inp["params"]]
    n = X.shape[0]
    a = X
    for W, b in zip(params[:-2:2], params[1:-2:2], strict=False):
        a = ca.fmax(ca.mtimes(a, W) + ca.repmat(b, n, 1), 0)
    z = ca.mtimes(a, params[-2]) + ca.repmat(params[-1], n, 1)
    logsum = ca.log(ca.sum2(ca.exp(z)))
    loss = ca.sum1(logsum - ca.sum2(z * Y)) / n + LAM * sum(ca.dot(W, W) for W in params[::2])
    f = ca.Function("f", params, [loss, *(ca.gradient(loss, p) for p in params)])
    return st.done(f, "MX virtual machine, NumPy in, DM out", tuple(np.atleast_2d(p) for p in inp["params"]))


def peer_numba(inp: Inputs) -> Prepared:
    import numba
    if inp["size"] != "iris":
        raise Skip("iris only: GEMM-bound otherwise")
    st = Stages()

    @numba.njit(fastmath=True)
    def f(X, Y, W1, b1, W2, b2):
        n, d = X.shape
        h, k = W2.shape
        value = 0.0
        gW1, gb1, gW2, gb2 = 2 * LAM * W1, np.zeros(h), 2 * LAM * W2, np.zeros(k)
        a, da, z = np.empty(h), np.empty(h), np.empty(k)
        for i in range(n):
            a[:] = b1
            for p in range(d):
                for j in range(h):
                    a[j] += X[i, p] * W1[p, j]
            z[:] = b2
            for j in range(h):
                a[j] = max(a[j], 0.0)
                for c in range(k):
                    z[c] += a[j] * W2[j, c]
            top = z.max()
            total = 0.0
            for c in range(k):
                value -= Y[i, c] * (z[c] - top) / n
                z[c] = np.exp(z[c] - top)
                total += z[c]
            value += np.log(total) / n
            for c in range(k):
                z[c] = (z[c] / total - Y[i, c]) / n
                gb2[c] += z[c]
            for j in range(h):
                da[j] = 0.0
                for c in range(k):
                    gW2[j, c] += a[j] * z[c]
                    da[j] += W2[j, c] * z[c]
                if a[j] <= 0:
                    da[j] = 0.0
                gb1[j] += da[j]
            for p in range(d):
                for j in range(h):
                    gW1[p, j] += X[i, p] * da[j]
        value += LAM * ((W1 * W1).sum() + (W2 * W2).sum())
        return value, gW1, gb1, gW2, gb2
    return st.done(f, "hand-written row loop, serial", (inp["X"], inp["Y"], *inp["params"]))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    layers = len(inp["widths"]) - 1

    def loss(*params_and_data: Any) -> Any:
        *params, X, Y = params_and_data
        a = X
        for W, b in zip(params[:-2:2], params[1:-2:2], strict=False):
            a = sg.relu(a @ W + b)
        z = a @ params[-2] + params[-1]
        misfit = sg.mean(sg.logsumexp(z, axis=1) - sg.sum(Y * z, axis=1))
        return misfit + LAM * sum(sg.sum(W * W) for W in params[::2])
    dtype = "f32" if inp["dtype"] == np.float32 else "f64"
    names = [f"{letter}{k}" for k in range(layers) for letter in "Wb"]
    sizes = [f"d{k}" for k in range(layers + 1)]
    shapes = [s for k in range(layers) for s in (f"{dtype}[{sizes[k]},{sizes[k + 1]}]", f"{dtype}[{sizes[k + 1]}]")]
    shapes += [f"{dtype}[m,{sizes[0]}]", f"{dtype}[m,{sizes[-1]}]"]
    arguments = [sg.tensor(name, shape) for name, shape in zip([*names, "X", "Y"], shapes, strict=False)]
    f = sg.compile(loss(*arguments), wrt=tuple(names)).value_and_grad
    return st.done(f, "value_and_grad with respect to all W, b", (*inp["params"], inp["X"], inp["Y"]))

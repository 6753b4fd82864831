"""ADBench GMM: log-likelihood of a Gaussian mixture with Wishart prior; value and gradient in alphas, means, icf.

Synthetic data in ADBench's shapes. icf[k] holds d log-diagonals q, then the strict lower triangle by columns.
"""

from __future__ import annotations

from math import lgamma, log, pi
from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Stages

SHAPES = {"small": (2, 5, 1000), "medium": (10, 25, 10000), "large": (32, 50, 10000)}  # d, k, n
SIZES = list(SHAPES)
TOLERANCE = 1e-9
GAMMA, M = 1.0, 0


def skips(peer: str, case: str, threads: int) -> bool:
    return (peer == "casadi" and case == "large") or (peer == "autograd" and case == "large")


def make_inputs(size: str, seed: int) -> Inputs:
    d, k, n = SHAPES[size]
    rng = np.random.default_rng(seed)
    rows = [i for j in range(d) for i in range(j + 1, d)]
    cols = [j for j in range(d) for i in range(j + 1, d)]
    place = np.zeros((d, d), int)  # 0: no entry, else 1 + position in icf[:, d:]
    place[rows, cols] = 1 + np.arange(len(rows))
    return {"d": d, "k": k, "n": n, "place": place, "rows": rows, "cols": cols, "x": rng.standard_normal((n, d)),
                "params": [rng.standard_normal(k), rng.random((k, d)), 0.3 * rng.standard_normal((k, d * (d + 1) // 2))]}


def constant(inp):
    d, nu = inp["d"], inp["d"] + M + 1
    multigamma = 0.25 * d * (d - 1) * log(pi) + sum(lgamma(0.5 * nu + 0.5 * (1 - j)) for j in range(1, d + 1))
    return -0.5 * inp["n"] * d * log(2 * pi) - inp["k"] * (nu * d * (log(GAMMA) - 0.5 * log(2)) - multigamma)


def objective(inp, m, alphas, means, icf, x, eye, zero, cat):
    """Array form shared by the NumPy-like peers m; cat joins on axis 1, zero is a k x 1 block."""
    d = inp["d"]
    q = icf[:, :d]
    expq = m.exp(q)
    Q = cat([zero, icf[:, d:]])[:, inp["place"]] + expq[:, :, None] * eye
    z = m.einsum("kij,nkj->nki", Q, x[:, None, :] - means[None])
    inner = alphas[None] + q.sum(1)[None] - 0.5 * (z * z).sum(2)
    lse = lambda a, axis: m.logsumexp(a, axis)
    fit = lse(inner, 1).sum() - inp["n"] * lse(alphas, 0)
    return fit + 0.5 * GAMMA**2 * ((expq * expq).sum() + (icf[:, d:] ** 2).sum()) - M * q.sum() + constant(inp)


def value_and_gradient(inp, alphas, means, icf):
    """By hand; loops over components so that every product is a GEMM and nothing of size n k d is kept."""
    d, k, n, x, rows, cols = (inp[key] for key in ("d", "k", "n", "x", "rows", "cols"))
    q, expq = icf[:, :d], np.exp(icf[:, :d])
    Q = np.zeros((k, d, d))
    Q[:, rows, cols] = icf[:, d:]
    Q[:, np.arange(d), np.arange(d)] = expq
    inner = np.empty((k, n))
    for c in range(k):
        z = (x - means[c]) @ Q[c].T
        inner[c] = alphas[c] + q[c].sum() - 0.5 * np.einsum("nd,nd->n", z, z)
    top = inner.max(0)
    r = np.exp(inner - top)
    total = r.sum(0)
    r /= total
    atop = alphas.max()
    ea = np.exp(alphas - atop)
    value = (top + np.log(total)).sum() - n * (atop + np.log(ea.sum())) + constant(inp) \
        + 0.5 * GAMMA**2 * ((expq * expq).sum() + (icf[:, d:] ** 2).sum()) - M * q.sum()
    mass = r.sum(1)
    gmeans, gicf = np.empty_like(means), np.empty_like(icf)
    for c in range(k):
        diff = x - means[c]
        weighted = diff * r[c][:, None]
        gQ = -(Q[c] @ (diff.T @ weighted))
        gmeans[c] = Q[c].T @ (Q[c] @ weighted.sum(0))
        gicf[c, :d] = np.diag(gQ) * expq[c] + mass[c] + GAMMA**2 * expq[c] ** 2 - M
        gicf[c, d:] = gQ[rows, cols] + GAMMA**2 * icf[c, d:]
    return value, mass - n * ea / ea.sum(), gmeans, gicf


class Plain:
    """NumPy with a complex-safe logsumexp."""
    exp, einsum = np.exp, np.einsum

    @staticmethod
    def logsumexp(a, axis):
        top = a.real.max(axis, keepdims=True)
        return np.squeeze(top, axis) + np.log(np.exp(a - top).sum(axis))


def reference(inp: Inputs) -> Any:
    """The hand-written gradient, checked by complex-step derivatives along two random directions on 200 points."""
    part = dict(inp, n=200, x=inp["x"][:200])
    got = value_and_gradient(part, *inp["params"])
    rng = np.random.default_rng(0)
    for _ in range(2):
        v = [rng.standard_normal(p.shape) for p in inp["params"]]
        f = objective(part, Plain, *(p + 1e-30j * w for p, w in zip(inp["params"], v, strict=False)), part["x"], np.eye(inp["d"]),
                      np.zeros((inp["k"], 1)), lambda a: np.concatenate(a, 1))
        slope = sum((g * w).sum() for g, w in zip(got[1:], v, strict=False))
        assert abs(f.real / got[0] - 1) < 1e-12 and abs(f.imag * 1e30 / slope - 1) < 1e-9
    return value_and_gradient(inp, *inp["params"])


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    d, k, n = inp["d"], inp["k"], inp["n"]
    flops = n * k * (d * (d + 1) + 2 * d + d * (d + 1) + 2 * d)
    rate = limits["1"]["fma_f64_1core_GFs"] * threads
    exp = n * k / limits["1"]["svml_exp_Geps"] * 1e-9 / threads
    return flops / rate * 1e-9 + exp, \
        f"{flops:.3g} flops (z and the weighted second moments, triangles only) at {rate:.0f} GF/s + n k exp"


def peer_numpy(inp: Inputs) -> Prepared:
    return Stages().done(lambda *p: value_and_gradient(inp, *p), "hand-written, GEMM per component", tuple(inp["params"]))


def peer_numba(inp: Inputs) -> Prepared:
    import numba
    st = Stages()
    const = constant(inp)

    @numba.njit(fastmath=True)
    def f(x, alphas, means, icf, rows, cols):
        n, d = x.shape
        k, s = alphas.size, icf.shape[1] - d
        expq = np.exp(icf[:, :d])
        base = alphas + icf[:, :d].sum(1)
        ga, gm, gi = np.zeros(k), np.zeros((k, d)), np.zeros(icf.shape)
        z, diff, inner, gz = np.empty((k, d)), np.empty((k, d)), np.empty(k), np.empty(d)
        value = const + 0.5 * GAMMA**2 * ((expq * expq).sum() + (icf[:, d:] ** 2).sum()) - M * icf[:, :d].sum()
        for i in range(n):
            for c in range(k):
                for j in range(d):
                    diff[c, j] = x[i, j] - means[c, j]
                    z[c, j] = expq[c, j] * diff[c, j]
                at = d
                for j in range(d):
                    t = diff[c, j]
                    for r in range(j + 1, d):
                        z[c, r] += icf[c, at + r - j - 1] * t
                    at += d - j - 1
                acc = 0.0
                for j in range(d):
                    acc += z[c, j] * z[c, j]
                inner[c] = base[c] - 0.5 * acc
            top = inner.max()
            total = 0.0
            for c in range(k):
                inner[c] = np.exp(inner[c] - top)
                total += inner[c]
            value += top + np.log(total)
            for c in range(k):
                w = inner[c] / total
                ga[c] += w
                for j in range(d):
                    gz[j] = w * z[c, j]
                    gm[c, j] += gz[j] * expq[c, j]
                    gi[c, j] -= gz[j] * diff[c, j] * expq[c, j]
                at = d
                for j in range(d):
                    t, acc = diff[c, j], 0.0
                    for r in range(j + 1, d):
                        gi[c, at + r - j - 1] -= gz[r] * t
                        acc += icf[c, at + r - j - 1] * gz[r]
                    gm[c, j] += acc
                    at += d - j - 1
        for c in range(k):
            for j in range(d):
                gi[c, j] += ga[c] + GAMMA**2 * expq[c, j] ** 2 - M
            for j in range(s):
                gi[c, d + j] += GAMMA**2 * icf[c, d + j]
        top = alphas.max()
        ea = np.exp(alphas - top)
        value -= n * (top + np.log(ea.sum()))
        return value, ga - n * ea / ea.sum(), gm, gi
    return st.done(f, "hand-written fused loop over points, serial",
                   (inp["x"], *inp["params"], np.array(inp["rows"] or [0]), np.array(inp["cols"] or [0])))


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp

    class Jax:
        exp, einsum = jnp.exp, jnp.einsum
        logsumexp = staticmethod(lambda a, axis: jax.scipy.special.logsumexp(a, axis))
    x, params = jnp.asarray(inp["x"]), tuple(map(jnp.asarray, inp["params"]))
    st = Stages()
    f = jax.jit(jax.value_and_grad(lambda p, x: objective(inp, Jax, *p, x, jnp.eye(inp["d"]), jnp.zeros((inp["k"], 1)),
                                                          lambda a: jnp.concatenate(a, 1))))
    return st.done(lambda p: jax.block_until_ready(f(p, x)), "jit(value_and_grad)", (params,))


def torch_gmm(inp, compiled):
    import torch
    x, eye, zero = torch.from_numpy(inp["x"]), torch.eye(inp["d"]), torch.zeros(inp["k"], 1)
    params = [torch.from_numpy(p).requires_grad_() for p in inp["params"]]
    inp = dict(inp, place=torch.from_numpy(inp["place"]))
    st = Stages()
    loss = lambda *p: objective(inp, torch, *p, x, eye, zero, lambda a: torch.cat(a, 1))
    if compiled:
        loss = torch.compile(loss)

    def call(params):
        v = loss(*params)
        return v, torch.autograd.grad(v, params)
    return st.done(call, "torch.compile" if compiled else "eager", (params,))


def peer_torch(inp: Inputs) -> Prepared:
    return torch_gmm(inp, False)


def peer_torch_compile(inp: Inputs) -> Prepared:
    return torch_gmm(inp, True)


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    class Auto:
        exp, einsum = anp.exp, anp.einsum
        logsumexp = staticmethod(lambda a, axis: logsumexp(a, axis=axis))
    st = Stages()
    f = autograd.value_and_grad(lambda p: objective(inp, Auto, *p, inp["x"], np.eye(inp["d"]), np.zeros((inp["k"], 1)),
                                                    lambda a: anp.concatenate(a, 1)))
    return st.done(f, "tape", (tuple(inp["params"]),))


def peer_casadi(inp: Inputs) -> Prepared:
    import casadi as ca
    d, k, n = inp["d"], inp["k"], inp["n"]
    s = d * (d - 1) // 2
    st = Stages()
    a, mu, ic, x = ca.SX.sym("a", k), ca.SX.sym("m", d, k), ca.SX.sym("i", d + s, k), ca.SX.sym("x", d)
    inner = []
    for c in range(k):
        Q = ca.diag(ca.exp(ic[:d, c]))
        for e, (i, j) in enumerate(zip(inp["rows"], inp["cols"], strict=False)):
            Q[i, j] = ic[d + e, c]
        z = Q @ (x - mu[:, c])
        inner.append(a[c] + ca.sum1(ic[:d, c]) - 0.5 * ca.dot(z, z))
    one = ca.Function("one", [x, a, mu, ic], [ca.logsumexp(ca.vertcat(*inner))])
    A, MU, IC = ca.MX.sym("a", k), ca.MX.sym("m", d, k), ca.MX.sym("i", d + s, k)
    fit = ca.sum2(one.map(n)(ca.DM(inp["x"].T), A, MU, IC))
    f = fit - n * ca.logsumexp(A) + 0.5 * GAMMA**2 * (ca.sumsqr(ca.exp(IC[:d, :])) + ca.sumsqr(IC[d:, :])) \
        - M * ca.sum1(ca.sum2(IC[:d, :])) + constant(inp)
    g = ca.Function("g", [A, MU, IC], [f, ca.gradient(f, A), ca.gradient(f, MU).T, ca.gradient(f, IC).T])
    return st.done(g, "SX per point, map, reverse; NumPy in, DM out", (inp["params"][0], inp["params"][1].T,
                                                                       inp["params"][2].T))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    d = inp["d"]
    size = f"k,{d * (d + 1) // 2}"
    alphas, means, icf, x = (
        sg.tensor(name, shape) for name, shape in zip(("alphas", "means", "icf", "x"), ("k", f"k,{d}", size, f"n,{d}"), strict=False)
    )
    zero = sg.zeros(("k", 1))
    fit = objective(inp, sg, alphas, means, icf, x, np.eye(d), zero, lambda a: sg.concatenate(a, 1))
    st("build")
    f = sg.compile(fit, wrt=("alphas", "means", "icf")).value_and_grad
    return st.done(f, "value_and_grad", (*inp["params"], inp["x"]))

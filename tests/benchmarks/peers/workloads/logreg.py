"""L2-regularised logistic regression: loss = sum_i log(1 + exp(-y_i x_i.w)) + lam/2 |w|^2.

grad/*: value and gradient; hess/*: Hessian; hvp/*: Hessian times a vector (with fresh w: sigmoids are recomputed).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Skip, Stages

SHAPES = {"small": (1000, 10), "medium": (100000, 50), "large": (20000, 500)}
SIZES = [f"{what}/{size}" for what in ("grad", "hess", "hvp") for size in SHAPES]
TOLERANCE = 1e-10
LAM = 1e-2
NOTE = "X, y are bound in the peer's own type beforehand; w (and v) go in and results come out in that type."


def skips(peer: str, case: str, threads: int) -> bool:
    slow = {"autograd": "hess/", "pytensor": "hess/large", "casadi": "medium|large", "torch_compile": "hess/"}
    return any(part in case for part in slow.get(peer, "").split("|") if part)


def make_inputs(size: str, seed: int) -> Inputs:
    what, shape = size.split("/")
    n, d = SHAPES[shape]
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    w, v = rng.standard_normal((2, d)) / np.sqrt(d)
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-X @ w)), 1.0, -1.0)
    return {"what": what, "X": X, "y": y, "w": w, "v": v}


def sigmoid(z):
    from scipy.special import expit
    return expit(z)


def reference(inp: Inputs) -> Any:
    X, y, w, v = (inp[k].astype(np.longdouble) for k in "Xywv") if inp["X"].size < 1e5 else (inp[k] for k in "Xywv")
    m = y * (X @ w)
    s = 1 / (1 + np.exp(m))
    if inp["what"] == "grad":
        return np.float64(np.sum(np.logaddexp(0, -m)) + LAM / 2 * (w @ w)), np.float64(LAM * w - X.T @ (y * s))
    d = s * (1 - s)
    if inp["what"] == "hess":
        return np.float64((X.T * d) @ X + LAM * np.eye(len(w)))
    return np.float64(X.T @ (d * (X @ v)) + LAM * v)


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    n, d = inp["X"].shape
    facts = limits[str(threads)]
    if inp["what"] == "hess":
        peak = limits["1"]["fma_f64_1core_GFs"] * threads * 1e9
        return n * d * (d + 1) / peak, f"N d (d+1) flops (symmetric rank-N update) at {peak / 1e9:.0f} GF/s FMA peak"
    mb = inp["X"].nbytes / 1e6
    level = next((k for top, k in ((0.04, "l1"), (1, "l2"), (6, "4mb"), (12, "8mb"), (24, "16mb"), (60, "40mb"))
                  if mb < top), "80mb")
    rate = facts[f"read_{level}_GBs"]
    memory = mb * 1e-3 / rate
    one = limits["1"]
    math = n * (1 / one["svml_exp_Geps"] + (inp["what"] == "grad") / one["svml_log_Geps"]) * 1e-9 / threads
    if math > memory:
        return math, f"{n} exp (and log1p for grad) at the best vector-math rate (reading X once: {memory * 1e6:.1f} us)"
    return memory, f"{mb:.3g} MB of X read once at {rate:.0f} GB/s (this size's rate); two passes = 2.0"


# ---- NumPy and Numba, by hand

def peer_numpy(inp: Inputs) -> Prepared:
    X, y, v, what = inp["X"], inp["y"], inp["v"], inp["what"]
    XT = X.T
    st = Stages()

    def grad(w):
        m = y * (X @ w)
        e = np.exp(-np.abs(m))
        value = np.sum(np.log1p(e) + np.maximum(-m, 0)) + LAM / 2 * (w @ w)
        s = np.where(m > 0, e, 1.0) / (1 + e)  # sigmoid(-m)
        return value, LAM * w - XT @ (y * s)

    def hess(w):
        s = sigmoid(X @ w)
        A = X * np.sqrt(s * (1 - s))[:, None]
        H = A.T @ A  # NumPy calls dsyrk for this
        H[np.diag_indices_from(H)] += LAM
        return H

    def hvp(w):
        s = sigmoid(X @ w)
        return XT @ (s * (1 - s) * (X @ v)) + LAM * v
    return st.done({"grad": grad, "hess": hess, "hvp": hvp}[what], "hand-written, OpenBLAS, X swept 2x (grad)",
                   (inp["w"],))


def peer_numpy_blocked(inp: Inputs) -> Prepared:
    """The same in row blocks that stay in L2, so that X crosses the memory bus once."""
    X, y, v, what = inp["X"], inp["y"], inp["v"], inp["what"]
    n, d = X.shape
    step = max(64, 2**19 // (8 * d))
    if n <= step:
        raise Skip("fits one block")
    st = Stages()
    blocks = [(X[i:i + step], y[i:i + step]) for i in range(0, n, step)]

    def grad(w):
        value, g = LAM / 2 * (w @ w), LAM * w
        for Xb, yb in blocks:
            m = yb * (Xb @ w)
            e = np.exp(-np.abs(m))
            value += np.sum(np.log1p(e) + np.maximum(-m, 0))
            g -= Xb.T @ (yb * (np.where(m > 0, e, 1.0) / (1 + e)))
        return value, g

    def hess(w):
        H = LAM * np.eye(d)
        for Xb, _yb in blocks:
            s = sigmoid(Xb @ w)
            A = Xb * np.sqrt(s * (1 - s))[:, None]
            H += A.T @ A
        return H

    def hvp(w):
        g = LAM * v
        W = np.stack([w, v], 1)
        for Xb, _yb in blocks:
            p = Xb @ W
            s = sigmoid(p[:, 0])
            g += Xb.T @ (s * (1 - s) * p[:, 1])
        return g
    return st.done({"grad": grad, "hess": hess, "hvp": hvp}[what], f"hand-written, {step}-row blocks, one DRAM pass",
                   (inp["w"],))


def peer_numba(inp: Inputs) -> Prepared:
    """Row-wise fused loops: each row is used twice while it is in L1."""
    import numba
    X, y, v, what = inp["X"], inp["y"], inp["v"], inp["what"]
    if what == "hess":
        raise Skip("BLAS work: see numpy")
    st = Stages()

    @numba.njit(fastmath=True)
    def grad(X, y, w):
        n, d = X.shape
        value, g = 0.0, LAM * w
        for j in range(d):
            value += LAM / 2 * w[j] * w[j]
        for i in range(n):
            m = 0.0
            for j in range(d):
                m += X[i, j] * w[j]
            m *= y[i]
            e = np.exp(-abs(m))
            value += np.log1p(e) + max(-m, 0.0)
            c = -y[i] * (e if m > 0 else 1.0) / (1 + e)
            for j in range(d):
                g[j] += c * X[i, j]
        return value, g

    @numba.njit(fastmath=True)
    def hvp(X, v, w):
        n, d = X.shape
        g = LAM * v
        for i in range(n):
            m, p = 0.0, 0.0
            for j in range(d):
                m += X[i, j] * w[j]
                p += X[i, j] * v[j]
            s = 1 / (1 + np.exp(-m))
            c = s * (1 - s) * p
            for j in range(d):
                g[j] += c * X[i, j]
        return g
    f, second = (grad, y) if what == "grad" else (hvp, v)
    return st.done(f, "hand-written fused row loop, serial", (X, second, inp["w"]))


def peer_c_fused(inp: Inputs) -> Prepared:
    import ctypes

    from ..native import build
    if inp["what"] != "grad":
        raise Skip("grad only")
    n, d = inp["X"].shape
    st = Stages()
    f = ctypes.CDLL(build("logreg")).value_and_gradient
    f.restype = ctypes.c_double
    f.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_long] * 2 + [ctypes.c_double]
    w, g = inp["w"].copy(), np.empty(d)
    args = [a.ctypes.data for a in (inp["X"], inp["y"], w, g)] + [n, d, LAM]

    def call(v):
        w[:] = v
        return f(*args), g
    return st.done(call, "hand-written C, one pass over X (practical floor)", (inp["w"],))


# ---- automatic differentiation

def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    X, y, w, v = (jnp.asarray(inp[k]) for k in "Xywv")
    st = Stages()

    def loss(w, X, y):
        return jnp.sum(jnp.logaddexp(0.0, -y * (X @ w))) + LAM / 2 * jnp.dot(w, w)
    if inp["what"] == "grad":
        f = jax.jit(jax.value_and_grad(loss))
    elif inp["what"] == "hess":
        f = jax.jit(jax.hessian(loss))
    else:
        f = jax.jit(lambda w, X, y: jax.jvp(lambda w: jax.grad(loss)(w, X, y), (w,), (v,))[1])
    return st.done(lambda w: jax.block_until_ready(f(w, X, y)), "jit", (w,))


def peer_jax_numpy(inp: Inputs) -> Prepared:
    """What scipy.optimize would see: a NumPy w in, float and NumPy gradient out."""
    if inp["what"] != "grad":
        raise Skip("grad only")
    p = peer_jax(inp)

    def call(w):
        value, g = p.call(w)
        return float(value), np.asarray(g)
    return p._replace(call=call, args=(inp["w"],), desc="jit, NumPy in and out")


def torch_functions(inp, compiled):
    import torch
    import torch.nn.functional as F
    X, y, w, v = (torch.from_numpy(inp[k]) for k in "Xywv")
    st = Stages()

    def loss(w):
        return F.softplus(-y * (X @ w), threshold=50).sum() + LAM / 2 * (w @ w)
    if inp["what"] == "grad":
        def f(w):
            w = w.detach().requires_grad_()
            value = loss(w)
            return value.detach(), torch.autograd.grad(value, w)[0]
        if compiled:
            g = torch.compile(torch.func.grad_and_value(loss), fullgraph=True)
            f = lambda w: g(w)[::-1]
    elif inp["what"] == "hess":
        f = torch.func.hessian(loss)
    else:
        f = lambda w: torch.func.jvp(torch.func.grad(loss), (w,), (v,))[1]
        if compiled:
            f = torch.compile(f)
    return st.done(f, "torch.compile" if compiled else "eager", (w,))


def peer_torch(inp: Inputs) -> Prepared:
    return torch_functions(inp, False)


def peer_torch_compile(inp: Inputs) -> Prepared:
    return torch_functions(inp, True)


def peer_pytensor(inp: Inputs) -> Prepared:
    import pytensor
    import pytensor.tensor as pt
    X, y, v0 = (pytensor.shared(inp[k], borrow=True) for k in "Xyv")
    st = Stages()
    w = pt.dvector("w")
    loss = pt.sum(pt.softplus(-y * (X @ w))) + LAM / 2 * pt.dot(w, w)
    g = pytensor.grad(loss, w)
    if inp["what"] == "grad":
        out = [loss, g]
    elif inp["what"] == "hess":
        out = pytensor.gradient.hessian(loss, w)
    else:
        out = pytensor.grad(pt.dot(g, v0), w)
    return st.done(pytensor.function([w], out, trust_input=True), "function()", (inp["w"],))


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    X, y, v = inp["X"], inp["y"], inp["v"]
    st = Stages()

    def loss(w):
        return anp.sum(anp.logaddexp(0.0, -y * anp.dot(X, w))) + LAM / 2 * anp.dot(w, w)
    if inp["what"] == "grad":
        f = autograd.value_and_grad(loss)
    else:
        h = autograd.hessian_vector_product(loss)
        f = lambda w: h(w, v)
    return st.done(f, "tape", (inp["w"],))


def peer_casadi(inp: Inputs) -> Prepared:
    import casadi as ca
    X, y, v = inp["X"], inp["y"], inp["v"]
    st = Stages()
    w = ca.MX.sym("w", X.shape[1])
    loss = ca.sum1(ca.log1p(ca.exp(-y * ca.mtimes(ca.DM(X), w)))) + LAM / 2 * ca.dot(w, w)
    g = ca.gradient(loss, w)
    out = {"grad": [loss, g], "hess": [ca.hessian(loss, w)[0]], "hvp": [ca.jtimes(g, w, ca.DM(v))]}[inp["what"]]
    return st.done(ca.Function("f", [w], out), "MX virtual machine, NumPy in, DM out", (inp["w"],))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    text = "sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2"
    f = sg.compile(sg.parse(text, X="m,n", y="m", w="n", lam=""), wrt="w")
    data = inp["X"], inp["y"], LAM
    if inp["what"] == "hvp":
        return st.done(f.hvp, "hvp of the text formula", (inp["w"], inp["v"], *data))
    call = f.value_and_grad if inp["what"] == "grad" else f.hessian
    return st.done(call, f"{'value_and_grad' if inp['what'] == 'grad' else 'hessian'} of the text formula", (inp["w"], *data))

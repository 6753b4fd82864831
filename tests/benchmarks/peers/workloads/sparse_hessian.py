"""Chained Rosenbrock f(x) = sum_i 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2: its sparse (tridiagonal) Hessian.

The result is the 3n-2 values of the full symmetric matrix in compressed-column order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Stages

SIZES = ["1e3", "1e4", "1e5"]
TOLERANCE = 1e-11


def skips(peer: str, case: str, threads: int) -> bool:
    small = {"jax_dense": "1e3", "torch_dense": "1e3", "symengine": "1e3", "heyoka": "1e3", "casadi_c": "1e3 1e4"}
    return peer in small and case not in small[peer]


def make_inputs(size: str, seed: int) -> Inputs:
    n = int(float(size))
    return {"n": n, "x": np.random.default_rng(seed).uniform(-1.5, 1.5, n)}


def f(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def bands(x):
    """Values in compressed-column order: column j holds (j-1,j), (j,j), (j+1,j) at 3j-1, 3j, 3j+1."""
    v = np.empty(3 * len(x) - 2)
    off = -400 * x[:-1]
    v[1::3] = off
    v[2::3] = off
    d = v[0::3]
    d[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    d[-1] = 200
    d[1:-1] += 200
    return v


def reference(inp: Inputs) -> Any:
    """The closed form, itself checked at a few entries by differences in 40 digits."""
    import mpmath
    x = inp["x"]
    v = bands(x)
    with mpmath.workdps(40):
        for i in (0, 1, len(x) // 2, len(x) - 2):
            lo, hi = max(0, i - 1), min(len(x), i + 3)
            part = lambda a, b: sum(100 * (z[k + 1] - z[k] ** 2) ** 2 + (1 - z[k]) ** 2
                                    for z in [[mpmath.mpf(t) for t in x[lo:i]] + [a, b]
                                              + [mpmath.mpf(t) for t in x[i + 2:hi]]] for k in range(len(z) - 1))
            at = mpmath.mpf(x[i]), mpmath.mpf(x[i + 1])
            assert abs(mpmath.diff(part, at, (2, 0)) - v[3 * i]) < 1e-9
            assert abs(mpmath.diff(part, at, (1, 1)) - v[3 * i + 1]) < 1e-9
    return v


def check_output(out: Any, inp: Inputs) -> Any:
    if hasattr(out, "tocsc"):
        return out.tocsc().data
    a = np.asarray(out)
    if a.ndim == 2 and a.shape[0] == a.shape[1]:
        i, j = np.nonzero(np.abs(np.subtract.outer(np.arange(len(a)), np.arange(len(a)))) <= 1)
        rest = a.copy()
        rest[i, j] = 0
        assert not rest.any()
        return a[i, j]  # symmetric: rows are columns
    return out


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    n = inp["n"]
    rate = limits["1"]["read_l2_GBs" if n < 3e4 else "read_4mb_GBs"]
    return 32 * n / rate * 1e-9, f"8 B read + 24 B written per variable at this size's cache rate {rate:.0f} GB/s"


def peer_numpy(inp: Inputs) -> Prepared:
    return Stages().done(bands, "hand-written, values only", (inp["x"],))


def peer_scipy_sparse(inp: Inputs) -> Prepared:
    import scipy.sparse as sp
    n = inp["n"]
    st = Stages()
    rows = np.concatenate([[0, 1], np.add.outer(np.arange(1, n), [-1, 0, 1]).ravel()])[:3 * n - 2]
    rows[-1] = n - 1
    ptr = np.concatenate([[0, 2], 2 + 3 * np.arange(1, n)])
    ptr[-1] = 3 * n - 2

    def call(x):
        return sp.csc_matrix((bands(x), rows, ptr), shape=(n, n), copy=False).data
    return st.done(call, "hand-written values wrapped as a csc_matrix each call", (inp["x"],))


def peer_numba(inp: Inputs) -> Prepared:
    import numba
    st = Stages()

    @numba.njit("f8[::1](f8[::1])", fastmath=True)
    def g(x):
        n = x.size
        v = np.empty(3 * n - 2)
        for i in range(n - 1):
            off = -400 * x[i]
            v[3 * i] = 1200 * x[i] * x[i] - 400 * x[i + 1] + (202 if i else 2)
            v[3 * i + 1] = off
            v[3 * i + 2] = off
        v[3 * n - 3] = 200
        return v
    return st.done(g, "hand-written loop", (inp["x"],))


def casadi_hessian(inp, options, text):
    import casadi as ca
    n = inp["n"]
    st = Stages()
    x = ca.SX.sym("x", n)
    a, b = x[:-1], x[1:]
    y = ca.sum1(100 * (b - a**2) ** 2 + (1 - a) ** 2)
    st("build")
    H = ca.hessian(y, x)[0]
    st("hessian")
    g = ca.Function("g", [x], [H], options)
    st("compile")
    buf, run = g.buffer()
    arg, out = inp["x"].copy(), np.empty(H.nnz())
    buf.set_arg(0, memoryview(arg))
    buf.set_res(0, memoryview(out))

    def call(keep=(g, buf, arg)):
        run()
        return out
    return st.done(call, text)


def peer_casadi(inp: Inputs) -> Prepared:
    return casadi_hessian(inp, {}, "SX hessian (colouring), VM, values through buffer()")


def peer_casadi_c(inp: Inputs) -> Prepared:
    return casadi_hessian(inp, {"jit": True, "compiler": "shell",
                                "jit_options": {"compiler": "gcc", "flags": ["-O1 -march=native"]}},
                          "the same, C via gcc -O1")


def peer_jax_dense(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    x = jnp.asarray(inp["x"])
    st = Stages()
    g = jax.jit(jax.hessian(f))
    return st.done(lambda x: g(x).block_until_ready(), "jit(hessian), dense", (x,))


def peer_jax_colored(inp: Inputs) -> Prepared:
    """What an expert writes: 3 Hessian-vector products with the known colouring, then picking the bands."""
    import jax
    import jax.numpy as jnp
    n = inp["n"]
    x = jnp.asarray(inp["x"])
    st = Stages()
    seeds = jnp.stack([(jnp.arange(n) % 3 == c) * 1.0 for c in range(3)])

    def values(x):
        rows = jax.vmap(lambda s: jax.jvp(jax.grad(f), (x,), (s,))[1])(seeds)  # rows[c, i] = H[i, j], j = c mod 3
        i = jnp.arange(n)
        pick = lambda j: rows[j % 3, i]
        return jnp.stack([pick(i - 1), pick(i), pick(i + 1)], 1).reshape(-1)[1:-1]
    g = jax.jit(values)
    return st.done(lambda x: g(x).block_until_ready(), "3 coloured HVPs, hand-made, values only", (x,))


def peer_torch_dense(inp: Inputs) -> Prepared:
    import torch
    x = torch.from_numpy(inp["x"])
    return Stages().done(torch.func.hessian(f), "func.hessian, dense", (x,))


def peer_symengine(inp: Inputs) -> Prepared:
    import symengine as se
    n = inp["n"]
    st = Stages()
    x = [se.Symbol(f"x{i}") for i in range(n)]
    y = se.Add(*(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(n - 1)))
    st("build")
    g = [y.diff(v) for v in x]
    st("gradient")
    h = [g[j].diff(x[i]) for j in range(n) for i in (j - 1, j, j + 1) if 0 <= i < n]
    st("hessian, known pattern")
    call = se.Lambdify(x, h, backend="llvm", cse=True)
    st("compile")
    return st.done(call, "symbolic diff of the known pattern, LLVM", (inp["x"],))


def peer_heyoka(inp: Inputs) -> Prepared:
    import heyoka as hy
    n = inp["n"]
    st = Stages()
    x = hy.make_vars(*(f"x{i}" for i in range(n)))
    y = hy.sum([100.0 * (x[i + 1] - x[i] ** 2.0) ** 2.0 + (1.0 - x[i]) ** 2.0 for i in range(n - 1)])
    st("build")
    g = hy.diff_tensors([y], x, diff_order=1).gradient
    st("gradient")
    h = [hy.diff(g[j], x[i]) for j in range(n) for i in (j - 1, j, j + 1) if 0 <= i < n]
    st("hessian, known pattern")
    call = hy.cfunc(h, x)
    st("compile")
    out = np.empty(3 * n - 2)
    return st.done(lambda a: call(a, out), "diff_tensors + diff of the known pattern, LLVM", (inp["x"],))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    H = sg.from_function(f, x="n").hessian("x", sparse=True)
    st("hessian")
    call = sg.compile(H)
    return st.done(call, "hessian(sparse=True): a csc_array in each call, size a name", (inp["x"],))

"""A scalar function and its derivative at 10^4 / 10^7 points.

mml:   f(x) = sqrt(s) + cos(s), s = x^2 + exp(x^2)
chain: f(x) = sin(tanh(x) + log1p(exp(x)) * sigmoid(x))
"""

from __future__ import annotations

import ctypes
import math
import subprocess
from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Skip, Stages

SIZES = [f"{f}/{n}" for f in ("mml", "chain") for n in ("1e4", "1e7")]
TOLERANCE = 1e-12


def skips(peer: str, case: str, threads: int) -> bool:
    if threads == 1:
        return peer == "numba_prange"
    return peer in ("numpy", "numpy_blocked", "heyoka", "symengine", "autograd", "casadi", "casadi_c")  # serial


def make_inputs(size: str, seed: int) -> Inputs:
    name, n = size.split("/")
    return {"name": name, "n": int(float(n)), "x": np.random.default_rng(seed).uniform(-1.5, 1.5, int(float(n)))}


def expression(name, x, m, log1p=None):
    """The function in the vocabulary of module m; peers differentiate it."""
    if name == "mml":
        s = x * x + m.exp(x * x)
        return m.sqrt(s) + m.cos(s)
    e = m.exp(x)
    return m.sin(m.tanh(x) + (log1p or m.log1p)(e) * e / (1 + e))


def by_hand(name, x, m):
    """(f, f') for arrays or scalars."""
    if name == "mml":
        e = m.exp(x * x)
        s = x * x + e
        r = m.sqrt(s)
        return r + m.cos(s), 2 * x * (1 + e) * (0.5 / r - m.sin(s))
    e = m.exp(x)
    g, t, lg = e / (1 + e), m.tanh(x), m.log1p(e)
    u = t + lg * g
    return m.sin(u), m.cos(u) * (1 - t * t + g * g + lg * g * (1 - g))


def reference(inp: Inputs) -> Any:
    """NumPy by hand; its first points are themselves checked against 30-digit arithmetic and numeric derivatives."""
    import mpmath
    v, d = by_hand(inp["name"], inp["x"], np)
    with mpmath.workdps(30):
        for i in range(5):
            f = lambda t: expression(inp["name"], t, mpmath, lambda z: mpmath.log(1 + z))
            x = mpmath.mpf(inp["x"][i])
            assert abs(f(x) - v[i]) < 1e-14 and abs(mpmath.diff(f, x) - d[i]) < 1e-12
    return v, d


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    one, n = limits["1"], inp["n"]
    best = lambda f: max(v for k, v in one.items() if k.endswith(f"_{f}_Geps"))
    if inp["name"] == "mml":
        ns, text = 1 / best("exp") + 2 / best("sin") + 1 / one["sqrt_rate_Geps"] + 1 / one["div_rate_Geps"], \
            "exp + sin + cos + sqrt + div"
    else:
        ns, text = 1 / best("exp") + 1 / best("tanh") + 1 / best("log") + 2 / best("sin") + 1 / one["div_rate_Geps"], \
            "exp + tanh + log1p + sin + cos + div"
    math_s = n * ns * 1e-9 / threads
    memory = 24 * n / limits[str(threads)]["copy_stream_GBs"] * 1e-9 if n > 10**6 else 0
    if memory > math_s:
        return memory, "8 B read + 16 B written per point at streaming-copy bandwidth"
    return math_s, f"{text} at the best vector-math rates, {ns:.2f} ns/point (memory: {memory / n * 1e9:.2f} ns/point)"


def peer_numpy(inp: Inputs) -> Prepared:
    return Stages().done(lambda x: by_hand(inp["name"], x, np), "hand-written f'", (inp["x"],))


def peer_numpy_blocked(inp: Inputs) -> Prepared:
    x, n, step = inp["x"], inp["n"], 4096

    def call(x):
        v, d = np.empty_like(x), np.empty_like(x)
        for i in range(0, n, step):
            v[i:i + step], d[i:i + step] = by_hand(inp["name"], x[i:i + step], np)
        return v, d
    return Stages().done(call, f"hand-written f', blocks of {step}", (x,))


def peer_c_gcc(inp: Inputs) -> Prepared:
    """Practical floor: by_hand in C, gcc -Ofast with libmvec, results into reused buffers.

    -fno-builtin-cos stops gcc from merging sin and cos into cexpi, which it cannot vectorise.
    """
    body = {"mml": """double e = exp(x * x), s = x * x + e, r = sqrt(s);
                      v[i] = r + cos(s); d[i] = 2 * x * (1 + e) * (0.5 / r - sin(s));""",
            "chain": """double e = exp(x), g = e / (1 + e), t = tanh(x), lg = log1p(e), u = t + lg * g;
                        v[i] = sin(u); d[i] = cos(u) * (1 - t * t + g * g + lg * g * (1 - g));"""}[inp["name"]]
    src = f"""#include <math.h>
    void f(const double *restrict in, double *restrict v, double *restrict d, long n) {{
    #pragma omp parallel for simd
    for (long i = 0; i < n; i++) {{ double x = in[i]; {body} }} }}"""
    st = Stages()
    subprocess.run(["gcc", "-x", "c", "-Ofast", "-march=native", "-mprefer-vector-width=512", "-fno-builtin-cos", "-fopenmp", "-shared", "-fPIC", "-", "-o", "./f.so", "-lm"],
                   input=src, text=True, check=True)
    f = ctypes.CDLL("./f.so").f
    x, v, d = inp["x"], np.empty(inp["n"]), np.empty(inp["n"])
    args = [ctypes.c_void_p(a.ctypes.data) for a in (x, v, d)] + [ctypes.c_long(inp["n"])]

    def call():
        f(*args)
        return v, d
    return st.done(call, "hand-written C, gcc -Ofast + libmvec, reused output (practical floor)")


def peer_c_gcc_fresh(inp: Inputs) -> Prepared:
    """The same with outputs allocated in every call, as most peers do: at 1e7 points this adds page faults."""
    p = peer_c_gcc(inp)
    f, n, x = ctypes.CDLL("./f.so").f, ctypes.c_long(inp["n"]), inp["x"]

    def call():
        v, d = np.empty_like(x), np.empty_like(x)
        f(*(ctypes.c_void_p(a.ctypes.data) for a in (x, v, d)), n)
        return v, d
    return p._replace(call=call, desc="the same C, fresh output arrays in every call")


def peer_numexpr(inp: Inputs) -> Prepared:
    import numexpr as ne
    x = inp["x"]
    if inp["name"] == "mml":
        texts = ("sqrt(x*x + exp(x*x)) + cos(x*x + exp(x*x))",
                 "2*x*(1 + exp(x*x))*(0.5/sqrt(x*x + exp(x*x)) - sin(x*x + exp(x*x)))")
    else:
        g, lg = "(exp(x)/(1 + exp(x)))", "log1p(exp(x))"
        u = f"(tanh(x) + {lg}*{g})"
        texts = f"sin{u}", f"cos{u}*(1 - tanh(x)**2 + {g}*{g} + {lg}*{g}*(1 - {g}))"
    st = Stages()
    return st.done(lambda: tuple(ne.evaluate(t, {"x": x}) for t in texts), "hand-written f', two expressions")


def numba_loop(inp, parallel):
    import numba
    name = inp["name"]
    st = Stages()

    def mml(x, v, d):
        for i in numba.prange(x.size):
            e = math.exp(x[i] * x[i])
            s = x[i] * x[i] + e
            r = math.sqrt(s)
            v[i] = r + math.cos(s)
            d[i] = 2 * x[i] * (1 + e) * (0.5 / r - math.sin(s))

    def chain(x, v, d):
        for i in numba.prange(x.size):
            e = math.exp(x[i])
            g, t, lg = e / (1 + e), math.tanh(x[i]), math.log1p(e)
            u = t + lg * g
            v[i] = math.sin(u)
            d[i] = math.cos(u) * (1 - t * t + g * g + lg * g * (1 - g))
    f = numba.njit("void(f8[::1],f8[::1],f8[::1])", fastmath=True, parallel=parallel)({"mml": mml, "chain": chain}[name])

    def call(x):
        v, d = np.empty_like(x), np.empty_like(x)
        f(x, v, d)
        return v, d
    return st.done(call, "hand-written f', njit(fastmath); pip's Numba has no SVML", (inp["x"],))


def peer_numba(inp: Inputs) -> Prepared:
    return numba_loop(inp, False)


def peer_numba_prange(inp: Inputs) -> Prepared:
    return numba_loop(inp, True)


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    x = jnp.asarray(inp["x"])
    st = Stages()
    f = jax.jit(jax.vmap(jax.value_and_grad(lambda x: expression(inp["name"], x, jnp))))
    return st.done(lambda x: jax.block_until_ready(f(x)), "jit(vmap(value_and_grad))", (x,))


def torch_pair(inp, compile):
    import torch
    st = Stages()
    f = compile(lambda x: expression(inp["name"], x, torch))

    def pair(x):
        v = f(x)
        return v.detach(), torch.autograd.grad(v, x, torch.ones_like(v))[0]
    x = torch.from_numpy(inp["x"]).requires_grad_()
    return st.done(pair, "eager tape" if compile is not torch.compile else "torch.compile", (x,))


def peer_torch(inp: Inputs) -> Prepared:
    return torch_pair(inp, lambda f: f)


def peer_torch_compile(inp: Inputs) -> Prepared:
    import torch
    return torch_pair(inp, torch.compile)


def peer_heyoka(inp: Inputs) -> Prepared:
    import heyoka as hy
    st = Stages()
    x = hy.make_vars("x")
    f = expression(inp["name"], x, hy, lambda z: hy.log(1.0 + z))
    g = hy.cfunc([f, hy.diff(f, x)], [x])
    a, out = inp["x"].reshape(1, -1), np.empty((2, inp["n"]))
    return st.done(lambda a: g(a, out), "cfunc, batch over columns, reused output; no log1p: log(1+z)", (a,))


def peer_symengine(inp: Inputs) -> Prepared:
    import symengine as se
    st = Stages()
    x = se.Symbol("x")
    f = expression(inp["name"], x, se, lambda z: se.log(1 + z))
    g = se.Lambdify([x], [f, f.diff(x)], backend="llvm", cse=True)
    return st.done(lambda x: g(x).T, "LLVM Lambdify, broadcasting; no log1p: log(1+z)", (inp["x"].reshape(-1, 1),))


def casadi_map(inp, options):
    import casadi as ca
    if inp["n"] > 10**6 and options:
        raise Skip("same code as 1e4")
    st = Stages()
    x = ca.SX.sym("x")
    f = expression(inp["name"], x, ca)
    g = ca.Function("g", [x], [f, ca.jacobian(f, x)]).map(inp["n"])
    if options:
        g = ca.Function("m", [y := ca.MX.sym("y", 1, inp["n"])], g(y), options)
    buf, run = g.buffer()
    a, v, d = inp["x"].copy(), np.empty(inp["n"]), np.empty(inp["n"])
    buf.set_arg(0, memoryview(a))
    buf.set_res(0, memoryview(v))
    buf.set_res(1, memoryview(d))

    def call(keep=(g, buf, a)):  # run() does not keep them alive
        run()
        return v, d
    return st.done(call, "SX map through buffer()" + (", C via gcc -O3" if options else ", VM"))


def peer_casadi(inp: Inputs) -> Prepared:
    return casadi_map(inp, {})


def peer_casadi_c(inp: Inputs) -> Prepared:
    return casadi_map(inp, {"jit": True, "compiler": "shell",
                            "jit_options": {"compiler": "gcc", "flags": ["-O3 -march=native -ffast-math"]}})


def peer_pytensor(inp: Inputs) -> Prepared:
    import pytensor
    import pytensor.tensor as pt
    st = Stages()
    x = pt.dvector("x")
    f = expression(inp["name"], x, pt)
    return st.done(pytensor.function([x], [f, pytensor.grad(f.sum(), x)], trust_input=True), "function()", (inp["x"],))


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    f = autograd.elementwise_grad(lambda x: expression(inp["name"], x, anp))
    return Stages().done(lambda x: (expression(inp["name"], x, np), f(x)), "tape, value computed apart", (inp["x"],))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    f = sg.compile(expression(inp["name"], sg.scalar("x"), sg), wrt="x").value_and_grad
    return st.done(f, "formula of a scalar, value_and_grad broadcast over x", (inp["x"],))

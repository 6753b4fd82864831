"""f(x) = sqrt(s) + cos(s), s = x^2 + exp(x^2) (MML eq. 5.109): f and f' at one point; cost of one Python call."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Stages

SIZES = ["scalar"]
TOLERANCE = 1e-12
NOTE = "A Python float goes in; (f, f') in the peer's own type comes out."


def make_inputs(size: str, seed: int) -> Inputs:
    return {"x": 1.1 + 0.01 * np.random.default_rng(seed).random()}


def reference(inp: Inputs) -> Any:
    import mpmath
    mpmath.mp.dps = 40
    f = lambda x: mpmath.sqrt(x**2 + mpmath.exp(x**2)) + mpmath.cos(x**2 + mpmath.exp(x**2))
    return float(f(mpmath.mpf(inp["x"]))), float(mpmath.diff(f, mpmath.mpf(inp["x"])))


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    ns = limits["1"]["call_fastcall_f_and_df_ns"]
    return ns * 1e-9, "hand-written METH_FASTCALL C function computing both (also measured below as c_fastcall)"


def symbolic(x, m):
    """f written with the functions of module m; the peers differentiate it."""
    s = x * x + m.exp(x * x)
    return m.sqrt(s) + m.cos(s)


def peer_c_fastcall(inp: Inputs) -> Prepared:
    from ..native import callcost
    st = Stages()
    return st.done(callcost().value_and_derivative, "hand-written C extension (floor)", (inp["x"],))


def peer_c_ctypes(inp: Inputs) -> Prepared:
    import ctypes

    from ..native import build
    st = Stages()
    g = ctypes.CDLL(build("callcost")).plain_vd
    g.argtypes = [ctypes.c_double, ctypes.c_void_p]
    buf = (ctypes.c_double * 2)()

    def call(x):
        g(x, buf)
        return buf[0], buf[1]
    return st.done(call, "the same C through ctypes, out-pointer", (inp["x"],))


def hand_written(x, exp=math.exp, sqrt=math.sqrt, cos=math.cos, sin=math.sin):
    e = exp(x * x)
    s = x * x + e
    r = sqrt(s)
    return r + cos(s), 2 * x * (1 + e) * (0.5 / r - sin(s))


def peer_python(inp: Inputs) -> Prepared:
    return Stages().done(hand_written, "hand-written f', math module", (inp["x"],))


def peer_numba(inp: Inputs) -> Prepared:
    import numba
    st = Stages()

    @numba.njit("Tuple((f8,f8))(f8)", fastmath=True)
    def f(x):
        e = math.exp(x * x)
        s = x * x + e
        r = math.sqrt(s)
        return r + math.cos(s), 2 * x * (1 + e) * (0.5 / r - math.sin(s))
    return st.done(f, "njit(fastmath), hand-written f', eager signature", (inp["x"],))


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    st = Stages()
    f = jax.jit(jax.value_and_grad(lambda x: symbolic(x, jnp)))

    def call(x):
        v = f(x)
        v[1].block_until_ready()
        return v
    return st.done(call, "jit(value_and_grad), result left as jax arrays", (inp["x"],))


def peer_jax_floats(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    st = Stages()
    f = jax.jit(jax.value_and_grad(lambda x: symbolic(x, jnp)))

    def call(x):
        v, d = f(x)
        return float(v), float(d)
    return st.done(call, "the same, converted to floats", (inp["x"],))


def peer_torch(inp: Inputs) -> Prepared:
    import torch
    st = Stages()

    def call(x):
        x = torch.tensor(x, requires_grad=True)
        v = symbolic(x, torch)
        v.backward()
        return v.item(), x.grad.item()
    return st.done(call, "eager tape, float in and out", (inp["x"],))


def peer_torch_compile(inp: Inputs) -> Prepared:
    import torch
    st = Stages()
    g = torch.compile(torch.func.grad_and_value(lambda x: symbolic(x, torch)), fullgraph=True)

    def call(x):
        d, v = g(torch.tensor(x))
        return v.item(), d.item()
    return st.done(call, "torch.compile(func.grad_and_value), float in and out", (inp["x"],))


def casadi_function(options):
    import casadi as ca
    x = ca.SX.sym("x")
    f = symbolic(x, ca)
    return ca.Function("f", [x], [f, ca.jacobian(f, x)], options)


C_JIT = {"jit": True, "compiler": "shell", "jit_options": {"compiler": "gcc", "flags": ["-O3 -march=native"]}}


def peer_casadi(inp: Inputs) -> Prepared:
    st = Stages()
    return st.done(casadi_function({}), "SX virtual machine, float in, DM out", (inp["x"],))


def peer_casadi_c(inp: Inputs) -> Prepared:
    st = Stages()
    return st.done(casadi_function(C_JIT), "SX -> C -> gcc -O3, float in, DM out", (inp["x"],))


def buffered(options, text, inp):
    st = Stages()
    f = casadi_function(options)
    buf, run = f.buffer()
    a, v, d = np.zeros(1), np.zeros(1), np.zeros(1)
    buf.set_arg(0, memoryview(a))
    buf.set_res(0, memoryview(v))
    buf.set_res(1, memoryview(d))

    def call(x, keep=(f, buf)):  # run() does not keep them alive
        a[0] = x
        run()
        return v[0], d[0]
    return st.done(call, text, (inp["x"],))


def peer_casadi_buffer(inp: Inputs) -> Prepared:
    return buffered({}, "SX virtual machine through buffer()", inp)


def peer_casadi_c_buffer(inp: Inputs) -> Prepared:
    return buffered(C_JIT, "SX -> C -> gcc -O3 through buffer()", inp)


def peer_sympy(inp: Inputs) -> Prepared:
    import sympy as sp
    st = Stages()
    x = sp.Symbol("x", real=True)
    f = symbolic(x, sp)
    df = sp.diff(f, x)
    st("build+diff")
    return st.done(sp.lambdify(x, (f, df), modules="math", cse=True), "lambdify(math, cse=True)", (inp["x"],))


def peer_symengine_llvm(inp: Inputs) -> Prepared:
    import symengine as se
    st = Stages()
    x = se.Symbol("x")
    f = symbolic(x, se)
    g = se.Lambdify([x], [f, f.diff(x)], backend="llvm", cse=True)
    return st.done(g, "LLVM Lambdify(cse), list in, array out", ([inp["x"]],))


def peer_symengine_unsafe(inp: Inputs) -> Prepared:
    import symengine as se
    st = Stages()
    x = se.Symbol("x")
    f = symbolic(x, se)
    g = se.Lambdify([x], [f, f.diff(x)], backend="llvm", cse=True)
    a, out = np.zeros(1), np.zeros(2)

    def call(v):
        a[0] = v
        g.unsafe_real(a, out)
        return out[0], out[1]
    return st.done(call, "LLVM Lambdify, unsafe_real with own buffers", (inp["x"],))


def peer_heyoka(inp: Inputs) -> Prepared:
    import heyoka as hy
    st = Stages()
    x = hy.make_vars("x")
    f = symbolic(x, hy)
    st("build")
    df = hy.diff(f, x)
    st("diff")
    g = hy.cfunc([f, df], [x])
    a, out = np.zeros(1), np.zeros(2)

    def call(v):
        a[0] = v
        g(a, out)
        return out[0], out[1]
    return st.done(call, "cfunc (LLVM) with own buffers", (inp["x"],))


def peer_pytensor(inp: Inputs) -> Prepared:
    import pytensor
    import pytensor.tensor as pt
    st = Stages()
    x = pt.dscalar("x")
    f = symbolic(x, pt)
    g = pytensor.function([x], [f, pytensor.grad(f, x)])
    return st.done(g, f"function(), linker {pytensor.config.linker}, mode {pytensor.config.mode}", (inp["x"],))


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    st = Stages()
    return st.done(autograd.value_and_grad(lambda x: symbolic(x, anp)), "tape", (inp["x"],))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    f = sg.compile(symbolic(sg.scalar("x"), sg), wrt="x").value_and_grad
    return st.done(f, "value_and_grad, float in, floats out", (inp["x"],))

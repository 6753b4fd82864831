"""Large straight-line scalar expressions.

nbody/N: potential energy -sum_{i<j} m_i m_j / sqrt(|p_i - p_j|^2 + eps) of N bodies; value, gradient (3N) and
         Hessian (3N x 3N).
dag/N:   a random DAG of N nodes (0.5(a+b), a*b, sin a, 0.3 exp a) over 20 variables, much shared; f = sum of all
         nodes nobody uses; value and gradient.
"""

from __future__ import annotations

import ctypes
import math
import subprocess
from typing import Any

import numpy as np

from ..workload import Inputs, Prepared, Stages

SIZES = ["nbody/20", "nbody/60", "dag/1e3", "dag/1e4", "dag/1e5", "dag/1e6"]
TOLERANCE = 1e-9
EPS = 1e-2
INPUTS = 20
AVG, MUL, SIN, EXP = range(4)


def skips(peer: str, case: str, threads: int) -> bool:
    only = {"sympy": "nbody/20 dag/1e3", "symengine": "nbody/20 nbody/60 dag/1e3 dag/1e4",
            "jax": "nbody/20 nbody/60 dag/1e3", "torch": "nbody/20 nbody/60 dag/1e3 dag/1e4",
            "autograd": "nbody/20 dag/1e3 dag/1e4", "pytensor": "nbody/20", "numpy": "nbody/20 nbody/60",
            "heyoka": "nbody/20 nbody/60 dag/1e3 dag/1e4 dag/1e5", "casadi_c": "nbody/20 nbody/60 dag/1e3 dag/1e4 dag/1e5",
            "casadi_c_O3": "nbody/20 dag/1e3 dag/1e4", "numba": "nbody/20 nbody/60 dag/1e3 dag/1e4 dag/1e5 dag/1e6",
            "c_gcc": "dag/1e3 dag/1e4 dag/1e5"}
    return peer in only and case not in only[peer].split()


def make_inputs(size: str, seed: int) -> Inputs:
    kind, n = size.split("/")
    n = int(float(n))
    rng = np.random.default_rng(seed)
    if kind == "nbody":
        return {"kind": kind, "n": n, "x": rng.standard_normal(3 * n), "m": rng.uniform(0.5, 1.5, n)}
    total = INPUTS + n  # node numbers below INPUTS are the variables
    op = rng.choice(4, size=n, p=[0.4, 0.35, 0.15, 0.1]).astype(np.int64)
    a, b = ((rng.random(n) * np.arange(INPUTS, total)).astype(np.int64) for _ in "ab")
    used = np.zeros(total, bool)
    used[a] = True
    used[b[op <= MUL]] = True
    return {"kind": kind, "n": n, "x": rng.uniform(-1, 1, INPUTS), "op": op, "a": a, "b": b, "sinks": np.flatnonzero(~used)}


def dag_sweeps(op, a, b, sinks, x):
    """Forward and reverse sweep over the tape: the reference, and (compiled) the `numba` peer."""
    k, n = x.size, op.size
    v, bar = np.empty(k + n), np.zeros(k + n)
    v[:k] = x
    for i in range(n):
        p, q = v[a[i]], v[b[i]]
        if op[i] == 0:
            v[k + i] = 0.5 * (p + q)
        elif op[i] == 1:
            v[k + i] = p * q
        elif op[i] == 2:
            v[k + i] = math.sin(p)
        else:
            v[k + i] = 0.3 * math.exp(p)
    total = 0.0
    for s in sinks:
        total += v[s]
        bar[s] = 1.0
    for i in range(n - 1, -1, -1):
        g = bar[k + i]
        if op[i] == 0:
            bar[a[i]] += 0.5 * g
            bar[b[i]] += 0.5 * g
        elif op[i] == 1:
            bar[a[i]] += g * v[b[i]]
            bar[b[i]] += g * v[a[i]]
        elif op[i] == 2:
            bar[a[i]] += g * math.cos(v[a[i]])
        else:
            bar[a[i]] += g * v[k + i]
    return total, bar[:k]


def nbody_by_hand(x, m):
    n = len(m)
    p = x.reshape(n, 3)
    d = p[:, None] - p[None]
    mm = np.outer(m, m) * (1 - np.eye(n))
    r2 = (d * d).sum(2) + EPS
    inv3 = mm * r2**-1.5
    value = -0.5 * (mm / np.sqrt(r2)).sum()
    grad = (inv3[:, :, None] * d).sum(1)
    off = -(inv3[:, :, None, None] * np.eye(3) - 3 * (inv3 / r2)[:, :, None, None] * d[:, :, :, None] * d[:, :, None, :])
    H = off.transpose(0, 2, 1, 3).copy()
    i = np.arange(n)
    H[i, :, i, :] = -off.sum(1)
    return value, grad.ravel(), H.reshape(3 * n, 3 * n)


def reference(inp: Inputs) -> Any:
    if inp["kind"] == "nbody":
        return nbody_by_hand(inp["x"], inp["m"])
    return dag_sweeps(inp["op"], inp["a"], inp["b"], inp["sinks"], inp["x"])


def build(inp, x, m):
    """The expression in a symbolic library: x its symbols, m its functions."""
    if inp["kind"] == "nbody":
        total, mass = 0, [float(t) for t in inp["m"]]
        for i in range(inp["n"]):
            for j in range(i):
                d = [x[3 * i + c] - x[3 * j + c] for c in range(3)]
                total = total - mass[i] * mass[j] / m.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + EPS)
        return total
    v = list(x)
    for op, a, b in zip(inp["op"].tolist(), inp["a"].tolist(), inp["b"].tolist(), strict=False):
        v.append(0.5 * (v[a] + v[b]) if op == AVG else v[a] * v[b] if op == MUL else
                 m.sin(v[a]) if op == SIN else 0.3 * m.exp(v[a]))
    terms = [v[s] for s in inp["sinks"].tolist()]
    while len(terms) > 1:  # balanced: some peers recurse over the expression
        terms = [terms[i] + terms[i + 1] if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)]
    return terms[0]


def peer_numpy(inp: Inputs) -> Prepared:
    return Stages().done(lambda x: nbody_by_hand(x, inp["m"]), "hand-written, vectorised over pairs", (inp["x"],))


def peer_numba(inp: Inputs) -> Prepared:
    import numba
    st = Stages()
    if inp["kind"] == "dag":
        f = numba.njit(fastmath=True)(dag_sweeps)
        return st.done(f, "hand-written interpreter of the tape (forward + reverse)",
                       (inp["op"], inp["a"], inp["b"], inp["sinks"], inp["x"]))

    @numba.njit(fastmath=True)
    def f(x, m):
        n = m.size
        value, grad, H = 0.0, np.zeros(3 * n), np.zeros((3 * n, 3 * n))
        d = np.empty(3)
        for i in range(n):
            for j in range(i):
                r2 = EPS
                for c in range(3):
                    d[c] = x[3 * i + c] - x[3 * j + c]
                    r2 += d[c] * d[c]
                inv = m[i] * m[j] / math.sqrt(r2)
                value -= inv
                inv3 = inv / r2
                q = 3 * inv3 / r2
                for c in range(3):
                    grad[3 * i + c] += inv3 * d[c]
                    grad[3 * j + c] -= inv3 * d[c]
                    for e in range(3):
                        h = -q * d[c] * d[e] + (inv3 if c == e else 0.0)
                        H[3 * i + c, 3 * i + e] += h
                        H[3 * j + c, 3 * j + e] += h
                        H[3 * i + c, 3 * j + e] = -h
                        H[3 * j + c, 3 * i + e] = -h
        return value, grad, H
    return st.done(f, "hand-written loop over pairs", (inp["x"], inp["m"]))


def peer_c_gcc(inp: Inputs) -> Prepared:
    """Practical target for (b): the tape printed as straight-line C with its reverse sweep."""
    st = Stages()
    k, lines = INPUTS, []
    ops = list(zip(inp["op"].tolist(), inp["a"].tolist(), inp["b"].tolist(), strict=False))
    for i, (op, a, b) in enumerate(ops, k):
        lines.append(f"v[{i}]=" + (f"0.5*(v[{a}]+v[{b}]);", f"v[{a}]*v[{b}];", f"sin(v[{a}]);", f"0.3*exp(v[{a}]);")[op])
    lines += ["double t=0;"] + [f"t+=v[{s}];g[{s}]=1;" for s in inp["sinks"].tolist()]
    for i, (op, a, b) in reversed(list(enumerate(ops, k))):
        lines.append((f"g[{a}]+=0.5*g[{i}];g[{b}]+=0.5*g[{i}];", f"g[{a}]+=g[{i}]*v[{b}];g[{b}]+=g[{i}]*v[{a}];",
                      f"g[{a}]+=g[{i}]*cos(v[{a}]);", f"g[{a}]+=g[{i}]*v[{i}];")[op])
    size = 1000  # statements per function: one huge function makes gcc quadratic
    lines.remove("double t=0;")
    parts = [lines[i:i + size] for i in range(0, len(lines), size)]
    src = "#include <math.h>\n#include <string.h>\nstatic double t;\n"
    src += "".join(f"static __attribute__((noinline)) void p{i}(double*restrict v,double*restrict g){{{''.join(p)}}}\n"
                   for i, p in enumerate(parts))
    src += f"double f(double*v,double*g){{t=0;memset(g,0,8*{k + len(ops)});" + \
        "".join(f"p{i}(v,g);" for i in range(len(parts))) + "return t;}"
    st("print")
    subprocess.run(["gcc", "-x", "c", "-O1", "-march=native", "-shared", "-fPIC", "-", "-o", "./dag.so", "-lm"], input=src, text=True, check=True)
    st("gcc")
    f = ctypes.CDLL("./dag.so").f
    f.restype = ctypes.c_double
    v, g = np.zeros(k + len(ops)), np.zeros(k + len(ops))
    pv, pg = ctypes.c_void_p(v.ctypes.data), ctypes.c_void_p(g.ctypes.data)

    def call(x):
        v[:k] = x
        return f(pv, pg), g[:k]
    return st.done(call, "tape printed as C (forward + reverse), 1000 statements a function, gcc -O1", (inp["x"],))


def casadi_function(inp, options, text):
    import casadi as ca
    st = Stages()
    x = ca.SX.sym("x", len(inp["x"]))
    y = build(inp, [x[i] for i in range(len(inp["x"]))], ca)
    st("build")
    out = [y, ca.gradient(y, x)]
    if inp["kind"] == "nbody":
        out.append(ca.hessian(y, x)[0])
    st("diff")
    f = ca.Function("f", [x], out, options)
    st("compile")
    buf, run = f.buffer()
    arg, res = inp["x"].copy(), [np.zeros(o.nnz()) for o in out]
    dense = len(out) < 3 or out[2].is_dense()
    buf.set_arg(0, memoryview(arg))
    for i, r in enumerate(res):
        buf.set_res(i, memoryview(r))
    assert dense

    def call(keep=(f, buf, arg)):
        run()
        return res
    return st.done(call, f"{text}, {f.n_instructions()} instructions" if not options else text)


def gcc(flag):
    return {"jit": True, "compiler": "shell", "jit_options": {"compiler": "gcc", "flags": [f"{flag} -march=native"]}}


def peer_casadi(inp: Inputs) -> Prepared:
    return casadi_function(inp, {}, "SX virtual machine through buffer()")


def peer_casadi_c(inp: Inputs) -> Prepared:
    return casadi_function(inp, gcc("-O1"), "SX -> C -> gcc -O1")


def peer_casadi_c_O3(inp: Inputs) -> Prepared:
    return casadi_function(inp, gcc("-O3"), "SX -> C -> gcc -O3")


def peer_symengine(inp: Inputs) -> Prepared:
    import symengine as se
    st = Stages()
    x = [se.Symbol(f"x{i}") for i in range(len(inp["x"]))]
    y = build(inp, x, se)
    st("build")
    out = [y] + [y.diff(v) for v in x]
    if inp["kind"] == "nbody":
        out += [g.diff(v) for g in out[1:] for v in x]
    st("diff")
    f = se.Lambdify(x, out, backend="llvm", cse=True)
    st("compile")
    return st.done(f, "diff + LLVM Lambdify(cse)", (inp["x"],))


def peer_heyoka(inp: Inputs) -> Prepared:
    import heyoka as hy
    st = Stages()
    x = hy.make_vars(*(f"x{i:03}" for i in range(len(inp["x"]))))
    y = build(inp, x, hy)
    st("build")
    nbody = inp["kind"] == "nbody"
    dt = hy.diff_tensors([y], x, diff_order=2 if nbody else 1)
    out = [y, *dt.gradient]
    if nbody:
        H = np.array(dt.hessian(0), dtype=object)
        out += list(H.ravel())
    st("diff")
    f = hy.cfunc(out, x)
    st("compile")
    res = np.empty(len(out))
    return st.done(lambda a: f(a, res), "diff_tensors + cfunc (LLVM)", (inp["x"],))


def peer_sympy(inp: Inputs) -> Prepared:
    import sympy as sp
    st = Stages()
    x = sp.symbols(f"x:{len(inp['x'])}")
    y = build(inp, x, sp)
    st("build")
    out = [y] + [y.diff(v) for v in x]
    if inp["kind"] == "nbody":
        out += [g.diff(v) for g in out[1:] for v in x]
    st("diff")
    f = sp.lambdify(x, out, modules="math", cse=True)
    st("compile")
    return st.done(lambda a: f(*a), "diff + lambdify(math, cse=True)", (inp["x"].tolist(),))


def array_energy(x, m, mass, i, j):
    """nbody as an array program would write it."""
    d = x.reshape(-1, 3)[i] - x.reshape(-1, 3)[j]
    return -(mass[i] * mass[j] / m.sqrt((d * d).sum(1) + EPS)).sum()


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    x = jnp.asarray(inp["x"])
    st = Stages()
    if inp["kind"] == "nbody":
        i, j = np.tril_indices(inp["n"], -1)
        energy = lambda x: array_energy(x, jnp, jnp.asarray(inp["m"]), i, j)
        f = jax.jit(lambda x: (*jax.value_and_grad(energy)(x), jax.hessian(energy)(x)))
    else:
        f = jax.jit(jax.value_and_grad(lambda x: build(inp, [x[i] for i in range(INPUTS)], jnp)))
    return st.done(lambda x: jax.block_until_ready(f(x)), "jit" + (", array form" if inp["kind"] == "nbody" else ""), (x,))


def peer_torch(inp: Inputs) -> Prepared:
    import torch
    x = torch.from_numpy(inp["x"])
    st = Stages()
    if inp["kind"] == "nbody":
        i, j = map(torch.from_numpy, np.tril_indices(inp["n"], -1))
        energy = lambda x: array_energy(x, torch, torch.from_numpy(inp["m"]), i, j)

        def f(x):
            g, v = torch.func.grad_and_value(energy)(x)
            return v, g, torch.func.hessian(energy)(x)
    else:
        def f(x):
            v = [t.detach().requires_grad_() for t in x]
            y = build(inp, v, torch)
            return y.detach(), torch.stack(torch.autograd.grad(y, v))
    return st.done(f, "eager" + (", array form" if inp["kind"] == "nbody" else ", tape of scalars"), (x,))


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    st = Stages()
    if inp["kind"] == "nbody":
        i, j = np.tril_indices(inp["n"], -1)

        def energy(x):
            p = anp.reshape(x, (-1, 3))
            d = p[i] - p[j]
            return -anp.sum(inp["m"][i] * inp["m"][j] / anp.sqrt(anp.sum(d * d, 1) + EPS))
        g, h = autograd.value_and_grad(energy), autograd.hessian(energy)
        return st.done(lambda x: (*g(x), h(x)), "array form", (inp["x"],))
    return st.done(autograd.value_and_grad(lambda x: build(inp, [x[i] for i in range(INPUTS)], anp)), "tape of scalars",
                   (inp["x"],))


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    if inp["kind"] == "nbody":
        x, m = sg.vector("x", "3*n"), sg.vector("m", "n")
        energy = array_energy(sg.reshape(x, ("n", 3)), sg, m, *np.tril_indices(inp["n"], -1))
        call = sg.compile([energy, energy.grad(x), energy.hessian(x)], inputs=[x, m])
        return st.done(call, "value, gradient, Hessian; array form, the number of bodies is a name", (inp["x"], inp["m"]))
    symbols = [sg.scalar(f"x{k:02}") for k in range(INPUTS)]
    y = build(inp, symbols, sg)
    st("build")
    f = sg.compile(y, wrt=tuple(symbols)).value_and_grad
    st("diff")
    return st.done(f, "value_and_grad of 20 scalars", tuple(map(float, inp["x"])))

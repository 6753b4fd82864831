"""ADBench BA: bundle-adjustment reprojection errors with radial distortion and their sparse Jacobian.

Per observation: camera (rotation vector r, centre C, focal f, principal point u0, radial k1 k2: 11), point (3),
weight (1) -> 2 errors and a 2 x 15 Jacobian block. Synthetic cameras and points in ADBench's shapes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Stages

SHAPES = {"small": (10, 200, 1000), "medium": (49, 7776, 31843), "large": (161, 48126, 182072)}  # cameras, points, obs
SIZES = list(SHAPES)
TOLERANCE = 1e-9


def make_inputs(size: str, seed: int) -> Inputs:
    n, m, p = SHAPES[size]
    rng = np.random.default_rng(seed)
    cams = np.concatenate([0.5 * rng.standard_normal((n, 3)), 0.3 * rng.standard_normal((n, 3)) - [0, 0, 5],
                           rng.uniform(300, 500, (n, 1)), rng.uniform(-5, 5, (n, 2)), 0.01 * rng.standard_normal((n, 2))], 1)
    X = rng.uniform(-1, 1, (m, 3))
    w = rng.uniform(0.5, 1.5, p)
    feats = rng.uniform(-100, 100, (p, 2))
    ic, ix = rng.integers(n, size=p), rng.integers(m, size=p)
    flat = np.concatenate([cams[ic], X[ix], w[:, None], feats], 1)  # what one observation sees: 15 variables + 2 data
    return {"p": p, "cams": cams, "X": X, "w": w, "feats": feats, "ic": ic, "ix": ix, "flat": np.ascontiguousarray(flat.T)}


def residual(v, m):
    """Both errors of one observation from its 17 numbers (or of all from 17 rows)."""
    r, C, f, u0, k1, k2 = v[0:3], v[3:6], v[6], v[7:9], v[9], v[10]
    X = [v[11 + i] - C[i] for i in range(3)]
    th2 = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
    th = m.sqrt(th2)
    c, s = m.cos(th), m.sin(th)
    w = [r[i] / th for i in range(3)]
    dot = (w[0] * X[0] + w[1] * X[1] + w[2] * X[2]) * (1 - c)
    cross = [w[1] * X[2] - w[2] * X[1], w[2] * X[0] - w[0] * X[2], w[0] * X[1] - w[1] * X[0]]
    P = [X[i] * c + cross[i] * s + w[i] * dot for i in range(3)]
    e = [P[0] / P[2], P[1] / P[2]]
    r2 = e[0] * e[0] + e[1] * e[1]
    L = 1 + k1 * r2 + k2 * r2 * r2
    return [v[14] * (e[i] * L * f + u0[i] - v[15 + i]) for i in range(2)]


def reference(inp: Inputs) -> Any:
    """Errors (2, p) and Jacobian (2, 15, p) by complex steps: exact to rounding, and no derivative is written down."""
    flat = inp["flat"]
    J = np.empty((2, 15, inp["p"]))
    for j in range(15):
        z = flat.astype(complex)
        z[j] += 1e-30j
        J[:, j] = np.imag(residual(z, np)) * 1e30
    return np.array(residual(flat, np)), J


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    rate = limits[str(threads)]["read_l2_GBs" if inp["p"] < 3000 else "copy_stream_GBs"]
    return inp["p"] * 8 * (17 + 32) / rate * 1e-9, f"17 numbers read + 32 written per observation at {rate:.0f} GB/s"


def peer_numpy(inp: Inputs) -> Prepared:
    """Hand-written Jacobian, vectorised over observations; d(R X)/dr from Gallego and Yezzi (2015)."""
    def call(v):
        r, C, f, k1, k2, wt = v[0:3], v[3:6], v[6], v[9], v[10], v[14]
        X = v[11:14] - C
        th2 = (r * r).sum(0)
        th = np.sqrt(th2)
        c, s = np.cos(th), np.sin(th)
        w = r / th
        skew = lambda a: np.array([[0 * a[0], -a[2], a[1]], [a[2], 0 * a[0], -a[0]], [-a[1], a[0], 0 * a[0]]])
        K, eye = skew(w), np.eye(3)[:, :, None]
        R = c * eye + s * K + (1 - c) * (w[:, None] * w[None])
        P = np.einsum("ijp,jp->ip", R, X)
        # d(R X)/dr = -R [X]x (r r^T + (R^T - I)[r]x) / |r|^2
        inner = (r[:, None] * r[None] + np.einsum("jip,jkp->ikp", R - eye, skew(r))) / th2
        dr = -np.einsum("ijp,jkp,klp->ilp", R, skew(X), inner, optimize=True)
        e = P[:2] / P[2]
        r2 = (e * e).sum(0)
        L = 1 + k1 * r2 + k2 * r2 * r2
        dL = 2 * (k1 + 2 * k2 * r2)
        de = np.array([[e[i] * dL * e[j] + (L if i == j else 0) for j in range(2)] for i in range(2)]) * (f * wt)
        dP = np.empty((2, 3, v.shape[1]))
        dP[:, :2] = de / P[2]
        dP[:, 2] = -(de * e[None]).sum(1) / P[2]
        err = e * L * f + v[7:9] - v[15:17]
        J = np.empty((2, 15, v.shape[1]))
        J[:, 0:3] = np.einsum("ijp,jkp->ikp", dP, dr)
        J[:, 11:14] = np.einsum("ijp,jkp->ikp", dP, R)
        J[:, 3:6] = -J[:, 11:14]
        J[:, 6] = e * L * wt
        J[0, 7], J[1, 7], J[0, 8], J[1, 8] = wt, 0, 0, wt
        J[:, 9] = e * r2 * (f * wt)
        J[:, 10] = e * r2 * r2 * (f * wt)
        J[:, 14] = err
        return err * wt, J
    return Stages().done(call, "hand-written Jacobian, vectorised over observations", (inp["flat"],))


def peer_numba(inp: Inputs) -> Prepared:
    import numba
    st = Stages()

    @numba.njit(fastmath=True, error_model="numpy")
    def f(cams, X, w, feats, ic, ix):
        p = w.size
        E, J = np.empty((2, p)), np.empty((2, 15, p))
        R, A, B, dP = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 3))
        for o in range(p):
            c = cams[ic[o]]
            x, y, z = X[ix[o], 0] - c[3], X[ix[o], 1] - c[4], X[ix[o], 2] - c[5]
            r0, r1, r2_ = c[0], c[1], c[2]
            th2 = r0 * r0 + r1 * r1 + r2_ * r2_
            th = math.sqrt(th2)
            co, s = math.cos(th), math.sin(th)
            a, b, g = r0 / th, r1 / th, r2_ / th
            k = 1 - co
            R[0, 0], R[0, 1], R[0, 2] = co + k * a * a, k * a * b - s * g, k * a * g + s * b
            R[1, 0], R[1, 1], R[1, 2] = k * a * b + s * g, co + k * b * b, k * b * g - s * a
            R[2, 0], R[2, 1], R[2, 2] = k * a * g - s * b, k * b * g + s * a, co + k * g * g
            P0 = R[0, 0] * x + R[0, 1] * y + R[0, 2] * z
            P1 = R[1, 0] * x + R[1, 1] * y + R[1, 2] * z
            P2 = R[2, 0] * x + R[2, 1] * y + R[2, 2] * z
            for i in range(3):  # A = (r r^T + (R^T - I)[r]x) / th2
                t0 = R[0, i] - (i == 0)
                t1 = R[1, i] - (i == 1)
                t2 = R[2, i] - (i == 2)
                A[i, 0] = (c[i] * r0 + t1 * r2_ - t2 * r1) / th2
                A[i, 1] = (c[i] * r1 - t0 * r2_ + t2 * r0) / th2
                A[i, 2] = (c[i] * r2_ + t0 * r1 - t1 * r0) / th2
            for i in range(3):  # B = -R [X]x
                B[i, 0] = -(R[i, 1] * z - R[i, 2] * y)
                B[i, 1] = -(-R[i, 0] * z + R[i, 2] * x)
                B[i, 2] = -(R[i, 0] * y - R[i, 1] * x)
            inv = 1 / P2
            e0, e1 = P0 * inv, P1 * inv
            q = e0 * e0 + e1 * e1
            L = 1 + c[9] * q + c[10] * q * q
            dL = 2 * (c[9] + 2 * c[10] * q)
            fw = c[6] * w[o]
            d00, d01, d11 = fw * (L + e0 * dL * e0), fw * e0 * dL * e1, fw * (L + e1 * dL * e1)
            dP[0, 0], dP[0, 1], dP[0, 2] = d00 * inv, d01 * inv, -(d00 * e0 + d01 * e1) * inv
            dP[1, 0], dP[1, 1], dP[1, 2] = d01 * inv, d11 * inv, -(d01 * e0 + d11 * e1) * inv
            for i in range(2):
                m0 = dP[i, 0] * B[0, 0] + dP[i, 1] * B[1, 0] + dP[i, 2] * B[2, 0]
                m1 = dP[i, 0] * B[0, 1] + dP[i, 1] * B[1, 1] + dP[i, 2] * B[2, 1]
                m2 = dP[i, 0] * B[0, 2] + dP[i, 1] * B[1, 2] + dP[i, 2] * B[2, 2]
                for j in range(3):
                    J[i, j, o] = m0 * A[0, j] + m1 * A[1, j] + m2 * A[2, j]
                    t = dP[i, 0] * R[0, j] + dP[i, 1] * R[1, j] + dP[i, 2] * R[2, j]
                    J[i, 11 + j, o] = t
                    J[i, 3 + j, o] = -t
                e = e0 if i == 0 else e1
                err = e * L * c[6] + c[7 + i] - feats[o, i]
                J[i, 6, o] = e * L * w[o]
                J[i, 7, o] = w[o] if i == 0 else 0.0
                J[i, 8, o] = w[o] if i == 1 else 0.0
                J[i, 9, o] = e * q * fw
                J[i, 10, o] = e * q * q * fw
                J[i, 14, o] = err
                E[i, o] = err * w[o]
        return E, J
    return st.done(f, "hand-written loop, gathers cameras and points itself",
                   tuple(inp[k] for k in ("cams", "X", "w", "feats", "ic", "ix")))


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    flat = jnp.asarray(inp["flat"])
    st = Stages()

    def one(v, data):
        both = lambda v: jnp.stack(residual(jnp.concatenate([v, data]), jnp))
        return both(v), jax.jacrev(both)(v)
    f = jax.jit(lambda a: jax.vmap(one, (1, 1), (1, 2))(a[:15], a[15:]))
    return st.done(lambda a: jax.block_until_ready(f(a)), "jit(vmap(jacrev))", (flat,))


def peer_torch(inp: Inputs) -> Prepared:
    import torch
    flat = torch.from_numpy(inp["flat"])
    st = Stages()

    def f(a):
        v = a[:15].detach().requires_grad_()
        e = residual([*v, *a[15:]], torch)
        return torch.stack(e).detach(), torch.stack([torch.autograd.grad(t.sum(), v, retain_graph=True)[0] for t in e])
    return st.done(f, "eager, one reverse pass per error component", (flat,))


def symbols_and_outputs(lib, variables, diff):
    e = residual(variables, lib)
    return e + [diff(t, v) for t in e for v in variables[:15]]


def unpack(out, p):
    return out[:2], out[2:].reshape(2, 15, p)


def peer_heyoka(inp: Inputs) -> Prepared:
    import heyoka as hy
    st = Stages()
    v = list(hy.make_vars(*(f"v{i:02}" for i in range(17))))
    e = residual(v, hy)
    dt = hy.diff_tensors(e, v[:15], diff_order=1)
    f = hy.cfunc(e + list(np.array(dt.jacobian, dtype=object).ravel()), v)
    out = np.empty((32, inp["p"]))
    return st.done(lambda a: unpack(f(a, out), inp["p"]), "diff_tensors + cfunc, batch over observations, reused output",
                   (inp["flat"],))


def peer_symengine(inp: Inputs) -> Prepared:
    import symengine as se
    st = Stages()
    v = [se.Symbol(f"v{i}") for i in range(17)]
    f = se.Lambdify(v, symbols_and_outputs(se, v, lambda t, x: t.diff(x)), backend="llvm", cse=True)
    rows = np.ascontiguousarray(inp["flat"].T)
    return st.done(lambda a: unpack(f(a).T, inp["p"]), "diff + LLVM Lambdify, broadcasting", (rows,))


def casadi_ba(inp, options, text):
    import casadi as ca
    st = Stages()
    v = ca.SX.sym("v", 17)
    e = ca.vertcat(*residual([v[i] for i in range(17)], ca))
    J = ca.densify(ca.jacobian(e, v)[:, :15])
    one = ca.Function("one", [v], [ca.vertcat(e, ca.vec(J.T))])
    f = one.map(inp["p"])
    if options:
        f = ca.Function("f", [a := ca.MX.sym("a", 17, inp["p"])], [f(a)], options)
    buf, run = f.buffer()
    arg, out = np.asfortranarray(inp["flat"]), np.empty((32, inp["p"]), order="F")
    buf.set_arg(0, memoryview(arg.T.reshape(-1)))
    buf.set_res(0, memoryview(out.T.reshape(-1)))

    def call(keep=(f, buf, arg)):
        run()
        return unpack(out, inp["p"])
    return st.done(call, text)


def peer_casadi(inp: Inputs) -> Prepared:
    return casadi_ba(inp, {}, "SX jacobian, map, VM")


def peer_casadi_c(inp: Inputs) -> Prepared:
    return casadi_ba(inp, {"jit": True, "compiler": "shell", "jit_options": {"compiler": "gcc", "flags": [
        "-O3 -march=native -ffast-math"]}}, "SX jacobian, map, C via gcc -O3 -ffast-math")


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    v = [sg.scalar(f"v{k:02}") for k in range(17)]
    f = sg.compile(symbols_and_outputs(sg, v, lambda t, x: t.grad(x)), inputs=v)

    def call(*rows: Any) -> Any:
        found = f(*rows)
        return found[:2], [found[2:17], found[17:]]
    return st.done(call, "formulas of 17 scalars, broadcast over observations", tuple(inp["flat"]))

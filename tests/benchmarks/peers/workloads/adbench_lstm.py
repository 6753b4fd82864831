"""ADBench LSTM (all products elementwise): loss of a character model; value and gradient in main and extra."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..workload import Inputs, Limit, Limits, Prepared, Stages

SIZES = ["l2_c1024", "l4_c1024"]
TOLERANCE = 1e-9
B = 14


def skips(peer: str, case: str, threads: int) -> bool:
    return peer in ("autograd",) and case != "l2_c1024"


def make_inputs(size: str, seed: int) -> Inputs:
    l, c = (int(s[1:]) for s in size.split("_"))
    rng = np.random.default_rng(seed)
    seq = np.zeros((c, B))
    seq[np.arange(c), rng.integers(B, size=c)] = 1
    return {"l": l, "c": c, "main": rng.uniform(-1, 1, (2 * l, 4 * B)), "extra": rng.uniform(-1, 1, (3, B)),
                "state": rng.uniform(-1, 1, (2 * l, B)), "seq": seq}


def step(m, x, states, main, extra):
    """One character through the layers; states is a list [h0, c0, h1, c1, ...]; arrays may carry leading axes."""
    sig = lambda t: 1 / (1 + m.exp(-t))
    x = x * extra[0]
    out = []
    for i in range(0, len(states), 2):
        W, b, h, cell = main[i], main[i + 1], states[i], states[i + 1]
        part = lambda a, k: a[..., k * B:(k + 1) * B]
        forget, inn = sig(x * part(W, 0) + part(b, 0)), sig(h * part(W, 1) + part(b, 1))
        outg, change = sig(x * part(W, 2) + part(b, 2)), m.tanh(h * part(W, 3) + part(b, 3))
        cell = cell * forget + inn * change
        x = outg * m.tanh(cell)
        out += [x, cell]
    y = x * extra[1] + extra[2]
    return out, y


def total_loss(m, main, extra, state, seq, last):
    """last(a) sums over the final axis."""
    states, total = [state[i] for i in range(len(state))], 0.0
    for t in range(len(seq) - 1):
        states, y = step(m, seq[t], states, main, extra)
        total = total + last(seq[t + 1] * y) - last(seq[t + 1]) * m.log(2 + last(m.exp(y)))
    return -total / (B * (len(seq) - 1))


def reference(inp: Inputs) -> Any:
    """Complex step in every parameter at once (a leading axis of perturbations): exact to rounding."""
    main, extra = inp["main"], inp["extra"]
    n1, n = main.size, main.size + extra.size
    pm = np.broadcast_to(main, (n, *main.shape)).astype(complex).reshape(n, -1)
    pe = np.broadcast_to(extra, (n, *extra.shape)).astype(complex).reshape(n, -1)
    pm[np.arange(n1), np.arange(n1)] += 1e-30j
    pe[np.arange(n1, n), np.arange(n - n1)] += 1e-30j
    move = lambda a, s: a.reshape(n, *s).swapaxes(0, 1)
    f = total_loss(np, move(pm, main.shape), move(pe, extra.shape), inp["state"], inp["seq"], lambda a: a.sum(-1))
    g = f.imag * 1e30
    return f.real[0], g[:n1].reshape(main.shape), g[n1:].reshape(extra.shape)


def limit(inp: Inputs, limits: Limits, threads: int) -> Limit:
    count = (5 * inp["l"] + 1) * B * inp["c"]
    return count / limits["1"]["svml_exp_Geps"] * 1e-9, f"{count} exp/tanh at the vector exp rate, 1 core"


def peer_numba(inp: Inputs) -> Prepared:
    """Hand-written back-propagation through time."""
    import numba
    st = Stages()

    @numba.njit(fastmath=True)
    def f(main, extra, state, seq):
        L, C = state.shape[0] // 2, seq.shape[0]
        tape = np.empty((6, C, L, B))
        X, F, I, O, G, T = tape[0], tape[1], tape[2], tape[3], tape[4], tape[5]
        H, S = np.empty((C, L, B)), np.empty((C, L, B))
        for i in range(L):
            H[0, i] = state[2 * i]
            S[0, i] = state[2 * i + 1]
        Y = np.empty((C, B))
        loss = 0.0
        for t in range(C - 1):
            for k in range(B):
                x = seq[t, k] * extra[0, k]
                for i in range(L):
                    W, b = main[2 * i], main[2 * i + 1]
                    X[t, i, k] = x
                    h = H[t, i, k]
                    F[t, i, k] = 1 / (1 + np.exp(-(x * W[k] + b[k])))
                    I[t, i, k] = 1 / (1 + np.exp(-(h * W[B + k] + b[B + k])))
                    O[t, i, k] = 1 / (1 + np.exp(-(x * W[2 * B + k] + b[2 * B + k])))
                    G[t, i, k] = np.tanh(h * W[3 * B + k] + b[3 * B + k])
                    S[t + 1, i, k] = S[t, i, k] * F[t, i, k] + I[t, i, k] * G[t, i, k]
                    T[t, i, k] = np.tanh(S[t + 1, i, k])
                    x = O[t, i, k] * T[t, i, k]
                    H[t + 1, i, k] = x
                Y[t, k] = x * extra[1, k] + extra[2, k]
            z, m = 2.0, 0.0
            for k in range(B):
                loss += seq[t + 1, k] * Y[t, k]
                m += seq[t + 1, k]
                Y[t, k] = np.exp(Y[t, k])
                z += Y[t, k]
            loss -= m * np.log(z)
            for k in range(B):
                Y[t, k] = seq[t + 1, k] - m * Y[t, k] / z
        gm, ge = np.zeros(main.shape), np.zeros(extra.shape)
        dH, dS = np.zeros((L, B)), np.zeros((L, B))
        for t in range(C - 2, -1, -1):
            for k in range(B):
                dy = Y[t, k]
                ge[1, k] += dy * H[t + 1, L - 1, k]
                ge[2, k] += dy
                dx = dy * extra[1, k]
                for i in range(L - 1, -1, -1):
                    W = main[2 * i]
                    gW, gb = gm[2 * i], gm[2 * i + 1]
                    x, h = X[t, i, k], H[t, i, k]
                    Fv, Iv, Ov, Gv, Tv = F[t, i, k], I[t, i, k], O[t, i, k], G[t, i, k], T[t, i, k]
                    dh = dx + dH[i, k]
                    ds = dS[i, k] + dh * Ov * (1 - Tv * Tv)
                    zO = dh * Tv * Ov * (1 - Ov)
                    zF = ds * S[t, i, k] * Fv * (1 - Fv)
                    zI = ds * Gv * Iv * (1 - Iv)
                    zG = ds * Iv * (1 - Gv * Gv)
                    gW[k] += zF * x
                    gb[k] += zF
                    gW[B + k] += zI * h
                    gb[B + k] += zI
                    gW[2 * B + k] += zO * x
                    gb[2 * B + k] += zO
                    gW[3 * B + k] += zG * h
                    gb[3 * B + k] += zG
                    dS[i, k] = ds * Fv
                    dH[i, k] = zI * W[B + k] + zG * W[3 * B + k]
                    dx = zF * W[k] + zO * W[2 * B + k]
                ge[0, k] += dx * seq[t, k]
        scale = -1.0 / (B * (C - 1))
        return loss * scale, gm * scale, ge * scale
    return st.done(f, "hand-written BPTT loop", tuple(inp[k] for k in ("main", "extra", "state", "seq")))


def peer_jax(inp: Inputs) -> Prepared:
    import jax
    import jax.numpy as jnp
    main, extra, state, seq = (jnp.asarray(inp[k]) for k in ("main", "extra", "state", "seq"))
    st = Stages()

    def loss(main, extra, state, seq):
        def body(states, xy):
            states, y = step(jnp, xy[0], states, main, extra)
            return states, jnp.sum(xy[1] * y) - jnp.sum(xy[1]) * jnp.log(2 + jnp.sum(jnp.exp(y)))
        _, terms = jax.lax.scan(body, list(state), (seq[:-1], seq[1:]))
        return -jnp.sum(terms) / (B * (seq.shape[0] - 1))
    f = jax.jit(jax.value_and_grad(loss, (0, 1)))
    return st.done(lambda m, e: jax.block_until_ready(f(m, e, state, seq)), "jit(value_and_grad), lax.scan", (main, extra))


def peer_torch(inp: Inputs) -> Prepared:
    import torch
    main, extra, state, seq = (torch.from_numpy(inp[k]) for k in ("main", "extra", "state", "seq"))
    main.requires_grad_(), extra.requires_grad_()
    st = Stages()

    def call(main, extra):
        v = total_loss(torch, main, extra, state, seq, lambda a: a.sum(-1))
        return v, *torch.autograd.grad(v, (main, extra))
    return st.done(call, "eager, Python loop over characters", (main, extra))


def peer_autograd(inp: Inputs) -> Prepared:
    import autograd
    import autograd.numpy as anp
    st = Stages()
    f = autograd.value_and_grad(lambda p: total_loss(anp, *p, inp["state"], inp["seq"], lambda a: anp.sum(a, -1)))
    return st.done(f, "tape, Python loop over characters", ((inp["main"], inp["extra"]),))


def casadi_lstm(inp, options, text):
    import casadi as ca
    l, c = inp["l"], inp["c"]
    st = Stages()
    main, extra = ca.SX.sym("m", 4 * B, 2 * l), ca.SX.sym("e", B, 3)
    s, xy = ca.SX.sym("s", B, 2 * l), ca.SX.sym("xy", B, 2)
    sig = lambda t: 1 / (1 + ca.exp(-t))
    x, new = xy[:, 0] * extra[:, 0], []
    for i in range(0, 2 * l, 2):
        part = lambda j, k: main[k * B:(k + 1) * B, j]
        h, cell = s[:, i], s[:, i + 1]
        cell = cell * sig(x * part(i, 0) + part(i + 1, 0)) + \
            sig(h * part(i, 1) + part(i + 1, 1)) * ca.tanh(h * part(i, 3) + part(i + 1, 3))
        x = sig(x * part(i, 2) + part(i + 1, 2)) * ca.tanh(cell)
        new += [x, cell]
    y = x * extra[:, 1] + extra[:, 2]
    term = ca.dot(xy[:, 1], y) - ca.sum1(xy[:, 1]) * ca.log(2 + ca.sum1(ca.exp(y)))
    one = ca.Function("one", [s, xy, main, extra], [ca.horzcat(*new), term])
    M, E = ca.MX.sym("m", 4 * B, 2 * l), ca.MX.sym("e", B, 3)
    pairs = np.stack([inp["seq"][:-1], inp["seq"][1:]], 2).transpose(1, 0, 2).reshape(B, -1)
    _, terms = one.mapaccum(c - 1)(ca.DM(inp["state"].T), ca.DM(pairs), ca.repmat(M, 1, c - 1), ca.repmat(E, 1, c - 1))
    loss = -ca.sum2(terms) / (B * (c - 1))
    f = ca.Function("f", [M, E], [loss, ca.gradient(loss, M).T, ca.gradient(loss, E).T], options)
    return st.done(f, text, (np.ascontiguousarray(inp["main"].T), np.ascontiguousarray(inp["extra"].T)))


def peer_casadi(inp: Inputs) -> Prepared:
    return casadi_lstm(inp, {}, "SX step, mapaccum, reverse, VM; NumPy in, DM out")


def peer_casadi_c(inp: Inputs) -> Prepared:
    return casadi_lstm(inp, {"jit": True, "compiler": "shell", "jit_options": {"compiler": "gcc", "flags": [
        "-O1 -march=native"]}}, "the same, C via gcc -O1")


def peer_symgrad(inp: Inputs) -> Prepared:
    import symgrad as sg

    st = Stages()
    layers = inp["l"]
    main, extra = sg.tensor("main", f"{2 * layers},{4 * B}"), sg.tensor("extra", f"3,{B}")
    state, seq = sg.tensor("state", f"{2 * layers},{B}"), sg.tensor("seq", f"c,{B}")

    def body(states: Any, pair: Any) -> Any:
        states, y = step(sg, pair[0], states, main, extra)
        return states, sg.sum(pair[1] * y) - sg.sum(pair[1]) * sg.log(2 + sg.sum(sg.exp(y)))
    _, terms = sg.scan(body, [state[i] for i in range(2 * layers)], (seq[:-1], seq[1:]))
    f = sg.compile(-sg.mean(terms) / B, wrt=("main", "extra")).value_and_grad
    return st.done(f, "value_and_grad through scan", tuple(inp[k] for k in ("main", "extra", "state", "seq")))

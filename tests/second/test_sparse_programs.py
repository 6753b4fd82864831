"""Sparse derivatives of programs put together at random from what moves, mixes and cuts arrays: no entry is missing.

Values and patterns are compared with derivatives that NumPy computes of the same program by complex steps (their
differences, for second derivatives)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg

N = 24
Step = Callable[[Any, Any, np.random.Generator], Any]


def _row_sums(m: Any, a: Any, rng: np.random.Generator) -> Any:
    width = int(rng.choice([2, 3, 4]))
    return m.exp(a[: len(a) // width * width].reshape(-1, width) / 3).sum(axis=1)


def _soft_rows(m: Any, a: Any, rng: np.random.Generator) -> Any:
    e = m.exp(a[: len(a) // 2 * 2].reshape(-1, 2))
    return (e / e.sum(axis=1)[:, None]).reshape(-1)


def _picked(m: Any, a: Any, rng: np.random.Generator) -> Any:
    return a[rng.integers(0, len(a), int(rng.integers(4, 20)))]


def _mixed(m: Any, a: Any, rng: np.random.Generator) -> Any:
    matrix = np.round(rng.normal(size=(int(rng.integers(3, 15)), len(a)))) * (rng.random((1, len(a))) < 0.3)
    return matrix @ a


def _between(m: Any, a: Any, rng: np.random.Generator) -> Any:
    return m.concatenate([np.full(2, 0.3), a, np.full(1, 0.7)])


def _grid(m: Any, a: Any, rng: np.random.Generator) -> Any:
    u = a[: len(a) // 4 * 4].reshape(-1, 4)
    return (u[:, 1:] * u[:, :-1]).reshape(-1)


def _columns(m: Any, a: Any, rng: np.random.Generator) -> Any:
    u = a[: len(a) // 3 * 3].reshape(3, -1)
    return (u[0] * u[1] - u[2][::-1]) if rng.random() < 0.5 else u.T.reshape(-1)


STEPS: list[Step] = [
    lambda m, a, rng: m.sin(a) + a**2,
    lambda m, a, rng: a[1:] * a[:-1],
    lambda m, a, rng: a[2:] - 2 * a[1:-1] + a[:-2],
    lambda m, a, rng: a[::2],
    lambda m, a, rng: a[::-1] + 0.5 * a,
    lambda m, a, rng: m.cumsum(a[:6]) * a[:6],
    lambda m, a, rng: m.convolve(a, np.array([1.0, -2.0, 0.5])),
    lambda m, a, rng: m.pad(a * a, 2)[1:-2],
    lambda m, a, rng: m.roll(a, 3) * a,
    lambda m, a, rng: a * a.sum() if len(a) < 9 else a[:5] * a[5:10].sum(),
    lambda m, a, rng: m.stack([a, m.cos(a)], axis=1).reshape(-1),
    lambda m, a, rng: m.where(np.arange(len(a)) % 3 == 0, a, a**2),
    _row_sums, _soft_rows, _picked, _mixed, _between, _grid, _columns,
]  # fmt: skip


def program(m: Any, x: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    kept = [x]
    for _ in range(int(rng.integers(2, 5))):
        a = kept[int(rng.integers(len(kept)))] if rng.random() < 0.4 else kept[-1]
        step = STEPS[int(rng.integers(len(STEPS)))]
        if len(a) >= 6:
            kept.append(step(m, a, rng) / 2)
    return m.concatenate([kept[-1], kept[len(kept) // 2] ** 2 / 2])


def slopes(x: np.ndarray, seed: int) -> np.ndarray:
    columns = [program(np, x + 1e-30j * e, seed).imag * 1e30 for e in np.eye(N)]
    return np.stack(columns, axis=1)


def check(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.8, 0.8, N)
    r = sg.from_function(lambda x: program(np, x, seed), x=str(N))
    exact = slopes(x, seed)
    for found in (r.jacobian("x", sparse=True)(x), sg.compile(r.jacobian("x", sparse=True))(x)):
        np.testing.assert_allclose(found.toarray(), exact, rtol=1e-9, atol=1e-10)
    u = rng.normal(size=exact.shape[0])
    hessian = sg.compile(sg.sum(u * r).hessian("x", sparse=True))(x)
    rows = [u @ (slopes(x + h, seed) - slopes(x - h, seed)) / 2e-5 for h in 1e-5 * np.eye(N)]
    np.testing.assert_allclose(hessian.toarray(), np.stack(rows), rtol=1e-5, atol=1e-6 * (1 + np.abs(rows).max()))


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_more_random_programs(seed: int) -> None:
    check(seed)

"""`init`: shapes, spreads, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad import schedules

SPREADS = [
    ("glorot", -2, (200, 300), np.sqrt(2 / 500)), ("glorot", -1, (200, 300), np.sqrt(2 / 500)),
    ("he", -2, (200, 300), np.sqrt(2 / 200)), ("he", -1, (200, 300), np.sqrt(2 / 300)),
    ("lecun", -2, (200, 300), np.sqrt(1 / 200)), ("he", -2, (7, 50, 200), np.sqrt(2 / 50)),
]  # fmt: skip


@pytest.mark.parametrize(("method", "axis", "shape", "spread"), SPREADS)
def test_spreads(method: str, axis: int, shape: tuple[int, ...], spread: float) -> None:
    """The standard deviation of n entries is known to about 1/sqrt(2n)."""
    W = sg.init({"W": shape}, method, axis=axis)["W"]
    assert W.shape == shape
    assert W.std() == pytest.approx(spread, rel=0.02)
    assert abs(W.mean()) < 5 * spread / np.sqrt(W.size)


def test_glorot_is_bounded() -> None:
    W = sg.init({"W": (30, 70)})["W"]
    assert 0.9 * np.sqrt(6 / 100) < abs(W).max() <= np.sqrt(6 / 100)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 5)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    W = sg.init(shape, "orthogonal")
    tall = W if shape[-2] >= shape[-1] else W.swapaxes(-1, -2)
    eyes = np.broadcast_to(np.eye(min(shape[-2:])), (*shape[:-2], *[min(shape[-2:])] * 2))
    np.testing.assert_allclose(tall.swapaxes(-1, -2) @ tall, eyes, atol=1e-14)


def test_structures_types_and_names() -> None:
    params = sg.init([{"W": "n,2*h", "b": "f32[h]"}, {"W": ("h", 3), "c": ""}], n=4, h=5)
    assert [[(a.shape, a.dtype) for a in layer.values()] for layer in params] == [
        [((4, 10), np.float64), ((5,), np.float32)], [((5, 3), np.float64), ((), np.float64)],
    ]  # fmt: skip
    assert params[0]["W"].any() and not params[0]["b"].any() and params[1]["c"] == 0


def test_fills_and_seeds() -> None:
    shapes = {"W": (3, 4), "b": 4}
    assert not any(a.any() for a in sg.init(shapes, "zeros").values())
    assert all((a == 1).all() for a in sg.init(shapes, "ones").values())
    np.testing.assert_array_equal(sg.init(shapes, seed=1)["W"], sg.init(shapes, seed=1)["W"])
    assert (sg.init(shapes, seed=1)["W"] != sg.init(shapes, seed=2)["W"]).all()


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    ({"W": (3, 4)}, {"method": "hee"}, "unknown method 'hee', did you mean he?"),
    ({"W": (3, 4)}, {"axis": 0}, "axis is -2 .* or -1"),
    ({"W": "n,4"}, {}, r"\['W'\] is f64\[n, 4\]: say how large n is"),
    ({"W": "n,4"}, {"n": 3, "m": 2}, "no shape has a size m"),
    ({"k": "i64[3]"}, {}, r"\['k'\] is i64\[3\]; parameters are f64 or f32"),
]


@pytest.mark.parametrize(("shapes", "how", "message"), WRONG)
def test_mistakes(shapes: Any, how: dict[str, Any], message: str) -> None:
    with pytest.raises(sg.ArgumentError, match=message):
        sg.init(shapes, **how)


def test_schedules() -> None:
    cosine = schedules.cosine(0.4, epochs=8, floor=0.1)
    assert [cosine(t) for t in (0, 8, 100)] == pytest.approx([0.4, 0.1, 0.1])
    assert cosine(2) == pytest.approx(0.25 + 0.15 * np.cos(np.pi / 4))
    assert schedules.steps(0.8, every=3, factor=0.25)(6.5) == pytest.approx(0.05)
    warm = schedules.warmup(2, schedules.steps(1.0, every=2, factor=0.5))
    assert [warm(t) for t in (0, 1, 2, 4)] == pytest.approx([0, 0.25, 0.5, 0.25])

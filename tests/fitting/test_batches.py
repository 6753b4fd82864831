"""What a step sees: every sample once in an epoch, files read batch by batch, streams as they come."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.arguments import Signature
from symgrad.fitting_data import Cut

rng = np.random.default_rng(2)
X = rng.normal(size=(50, 3))
y = X @ [1.0, -2.0, 0.5]
SQUARES = sg.parse("mean((X @ w - y)**2)", w="n", X="m,n", y="m")
DATA = Signature(sg.compile(SQUARES, wrt="w").formula.parameters[1:])
START = {"w": np.zeros(3)}


def batches() -> Iterator[dict[str, Any]]:
    for k in range(0, 50, 20):
        yield {"y": y[k : k + 20], "X": X[k : k + 20]}


@pytest.mark.parametrize("order", [True, "batches", False])
@pytest.mark.parametrize("size", [1, 7, 25, 50, 80])
def test_every_sample_is_seen_once(order: bool | str, size: int) -> None:
    cut = Cut(DATA, [X, y], size, order, np.random.default_rng(0))
    for _ in range(2):
        found = list(cut.epoch())
        assert sorted(n for n, _ in found) == sorted(len(y[k : k + size]) for k in range(0, 50, size))
        assert len(found) == cut.total
        rows = np.concatenate([arrays[0] for _, arrays in found])
        targets = np.concatenate([arrays[1] for _, arrays in found])
        np.testing.assert_allclose(rows @ [1.0, -2.0, 0.5], targets, rtol=1e-12)
        np.testing.assert_array_equal(np.sort(targets), np.sort(y))
        if order is False:
            np.testing.assert_array_equal(rows, X)


def test_epochs_are_shuffled_anew() -> None:
    cut = Cut(DATA, [X, y], 10, True, np.random.default_rng(0))
    first, second = (np.concatenate([arrays[1] for _, arrays in cut.epoch()]) for _ in range(2))
    assert (first != second).any() and (first != y).any()


# ---- memory-mapped files

@pytest.fixture
def mapped(tmp_path: Path) -> Any:
    """A file of bytes, mapped; as float64 it would be 48 MB."""
    found = np.memmap(tmp_path / "X.bin", dtype=np.uint8, mode="w+", shape=(100_000, 60))
    found[:] = rng.integers(0, 9, size=found.shape, dtype=np.uint8)
    found.flush()
    return np.memmap(tmp_path / "X.bin", dtype=np.uint8, mode="r", shape=(100_000, 60))


@pytest.mark.parametrize("order", [True, "batches", False])
def test_mapped_files_are_read_batch_by_batch(mapped: Any, order: bool | str) -> None:
    target = mapped @ np.full(60, 0.01) + 1.0
    how: dict[str, Any] = {"batch": 500, "epochs": 1, "method": "sgd", "rate": 1e-4, "shuffle": order}
    sg.fit(SQUARES, {"w": np.zeros(60)}, (mapped[:500], target[:500]), **how)
    tracemalloc.start()
    found = sg.fit(SQUARES, {"w": np.zeros(60)}, {"X": mapped, "y": target}, **how)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6, "some batches of 240 kB and the order of the samples, not the file"
    in_memory = sg.fit(SQUARES, {"w": np.zeros(60)}, {"X": np.array(mapped), "y": target}, **how)
    np.testing.assert_array_equal(found.params["w"], in_memory.params["w"])
    assert found.steps == 200


def test_mapped_floats_serve_methods_that_use_all_data(tmp_path: Path) -> None:
    """They are read where they are, without a copy."""
    stored = np.memmap(tmp_path / "X.bin", dtype=np.float64, mode="w+", shape=(40_000, 30))
    stored[:] = rng.normal(size=stored.shape)
    truth = np.linspace(-1, 1, 30)
    target = stored @ truth
    how: dict[str, Any] = {"method": "l-bfgs", "epochs": 100, "tolerance": 1e-10}
    sg.fit(SQUARES, {"w": np.zeros(30)}, {"X": stored[:100], "y": target[:100]}, **how)
    tracemalloc.start()
    found = sg.fit(SQUARES, {"w": np.zeros(30)}, {"X": stored, "y": target}, **how)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < stored.nbytes / 4
    np.testing.assert_allclose(found.params["w"], truth, atol=1e-8)


# ---- streams

def steps_by_hand(given: Iterator[dict[str, Any]], w: Any) -> Any:
    for batch in given:
        w = w - 0.1 * 2 * batch["X"].T @ (batch["X"] @ w - batch["y"]) / len(batch["y"])
    return w


def test_a_function_is_called_for_every_epoch() -> None:
    found = sg.fit(SQUARES, START, batches, method="sgd", rate=0.1, epochs=2)
    expected = steps_by_hand(batches(), steps_by_hand(batches(), np.zeros(3)))
    np.testing.assert_allclose(found.params["w"], expected, rtol=1e-12)
    assert (found.steps, found.reason) == (6, "all epochs done")
    again = sg.fit(SQUARES, START, list(batches()), method="sgd", rate=0.1, epochs=2)
    np.testing.assert_array_equal(again.params["w"], found.params["w"])


def test_a_fit_ends_with_its_iterator() -> None:
    found = sg.fit(SQUARES, START, batches(), method="sgd", rate=0.1, epochs=9)
    np.testing.assert_allclose(found.params["w"], steps_by_hand(batches(), np.zeros(3)), rtol=1e-12)
    assert (found.steps, len(found.history), found.reason) == (3, 1, "the batches ended")


def test_epochs_of_an_endless_iterator() -> None:
    def endless() -> Iterator[tuple[Any, Any]]:
        while True:
            for batch in batches():
                yield batch["X"], batch["y"]

    found = sg.fit(SQUARES, START, endless(), method="sgd", rate=0.1, epochs=3, steps=2)
    expected = steps_by_hand(batches(), steps_by_hand(batches(), np.zeros(3)))
    np.testing.assert_allclose(found.params["w"], expected, rtol=1e-12)
    assert (found.steps, len(found.history)) == (6, 3)


def test_the_loss_of_an_epoch_counts_samples() -> None:
    """Batches of 20, 20 and 10: at rate 0 the mean over them is the mean over the samples."""
    found = sg.fit(SQUARES, START, (X, y), batch=20, epochs=1, rate=0.0, validation=(X[:30], y[:30]))
    assert found.history.loss[0] == pytest.approx((y**2).mean(), rel=1e-13)
    assert found.history.validation[0] == pytest.approx((y[:30] ** 2).mean(), rel=1e-13)


def test_some_steps_of_arrays() -> None:
    assert sg.fit(SQUARES, START, (X, y), batch=10, epochs=3, steps=2).steps == 6
    assert sg.fit(SQUARES, START, (X, y), batch=10, epochs=3, steps=20).steps == 15


def test_whole_numbers_and_classes() -> None:
    """Labels stay integers, and a traced function sees the shapes of the first batch."""
    labels = (y > 0).astype(np.uint8)

    def loss(params: Any, X: Any, labels: Any) -> Any:
        return sg.cross_entropy(X @ params["W"], labels) / X.shape[0]

    start = {"W": np.zeros((3, 2))}
    found = sg.fit(loss, start, {"X": X, "labels": labels}, method="l-bfgs", epochs=3)
    scores = X @ found.params["W"]
    picked = scores[np.arange(50), labels]
    assert found.loss == pytest.approx((np.log(np.exp(scores).sum(axis=1)) - picked).mean(), rel=1e-12)
    streamed = sg.fit(loss, start, lambda: ((X[k : k + 25], labels[k : k + 25]) for k in (0, 25)), epochs=2)
    cut = sg.fit(loss, start, (X, labels), batch=25, epochs=2, shuffle=False)
    np.testing.assert_array_equal(streamed.params["W"], cut.params["W"])

"""Two small classical data sets for examples and tests; `PROVENANCE.md` beside them says where they come from."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Iris(NamedTuple):
    """Fisher's flowers, sorted by species: four lengths in centimetres and the index of the species in `names`."""

    features: NDArray[np.float64]  # (150, 4): sepal length, sepal width, petal length, petal width
    species: NDArray[np.int64]  # (150,)
    names: tuple[str, ...]


class Digits(NamedTuple):
    """Handwritten digits: 8 × 8 pixels in rows, each from 0 to 16, and the digit that was written."""

    features: NDArray[np.float64]  # (1797, 64)
    labels: NDArray[np.int64]  # (1797,)


def load_iris() -> Iris:
    """150 flowers of three species, in fresh arrays."""
    _, *rows = csv.reader((files(__name__) / "iris.csv").read_text(encoding="utf-8").splitlines())
    names = tuple(dict.fromkeys(row[-1] for row in rows))
    features = np.array([row[:-1] for row in rows], dtype=np.float64)
    return Iris(features, np.array([names.index(row[-1]) for row in rows], dtype=np.int64), names)


def load_digits() -> Digits:
    """1797 images of ten digits, in fresh arrays."""
    with (files(__name__) / "digits.npz").open("rb") as stored, np.load(stored) as arrays:
        return Digits(arrays["images"].astype(np.float64), arrays["labels"].astype(np.int64))

"""The data are the published ones: their known statistics, each copy fresh."""

from __future__ import annotations

import numpy as np

from symgrad.data import load_digits, load_iris


def test_iris_has_the_published_statistics() -> None:
    features, species, names = load_iris()
    assert features.shape == (150, 4)
    assert features.dtype == np.float64
    assert species.dtype == np.int64
    assert names == ("setosa", "versicolor", "virginica")
    np.testing.assert_array_equal(np.bincount(species), [50, 50, 50])
    np.testing.assert_allclose(features.mean(axis=0), [5.843333, 3.057333, 3.758, 1.199333], atol=5e-7)
    # The two rows in which the UCI copy differs from Fisher's paper.
    np.testing.assert_array_equal(features[[34, 37]], [[4.9, 3.1, 1.5, 0.2], [4.9, 3.6, 1.4, 0.1]])


def test_digits_have_the_published_counts() -> None:
    features, labels = load_digits()
    assert features.shape == (1797, 64)
    assert features.dtype == np.float64
    assert labels.dtype == np.int64
    assert (features.min(), features.max()) == (0, 16)
    np.testing.assert_array_equal(np.bincount(labels), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_every_load_is_a_copy() -> None:
    load_iris().features[:] = 0
    load_digits().features[:] = 0
    assert load_iris().features.all()
    assert load_digits().features.any()

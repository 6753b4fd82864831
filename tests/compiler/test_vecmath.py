"""The vector mathematics: accuracy, one set of bits for every lane count, special values, the text itself."""

from __future__ import annotations

import numpy as np
import pytest
from symgrad.compiler.llvm.vecmath import FUNCTIONS
from symgrad.compiler.llvm.vecmath_accuracy import MEASURED

from tests.compiler.vecmath_harness import Worst, apply, worst
from tests.compiler.vecmath_reference import QUICK, ROWS, points


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error(name: str, dtype: str) -> None:
    row = ROWS[name]
    found = Worst(0.0)
    for xs in points(row, FUNCTIONS[name], dtype, QUICK[row.screen is not None], seed=1):
        y = apply(name, dtype, 8, *xs)
        np.testing.assert_array_equal(y, apply(name, dtype, 1, *xs))
        found = max(found, worst(name, dtype, xs, y), key=lambda w: w.ulps)
    assert found.ulps <= MEASURED[name][dtype == "f32"], found

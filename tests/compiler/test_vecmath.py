"""The vector mathematics: accuracy, one set of bits for every lane count, special values, the text itself."""

from __future__ import annotations

import numpy as np
import pytest
from symgrad.compiler.llvm.vecmath import FUNCTIONS

from tests.compiler.vecmath_harness import Worst, apply, worst
from tests.compiler.vecmath_reference import ROWS, points

COUNT = {True: 4000, False: 150}
"""Points per batch: with a screen in long double, or by mpmath alone."""


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error(name: str, dtype: str) -> None:
    row = ROWS[name]
    found = Worst(0.0)
    for xs in points(row, FUNCTIONS[name], dtype, COUNT[row.screen is not None], seed=1):
        y = apply(name, dtype, 8, *xs)
        np.testing.assert_array_equal(y, apply(name, dtype, 1, *xs))
        found = max(found, worst(name, dtype, xs, y), key=lambda w: w.ulps)
    print(name, dtype, found)
    assert found.ulps <= (1.0 if name in ("exp", "log", "sin", "cos") else 2.0), found

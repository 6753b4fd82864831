"""The rows of `test_rows.py`, by theme."""

from __future__ import annotations

from tests.ops.harness import Row
from tests.ops.rows_arrays import ROWS as ARRAYS
from tests.ops.rows_functions import ROWS as MADE_OF_OTHERS
from tests.ops.rows_linear_algebra import ROWS as LINEAR_ALGEBRA
from tests.ops.rows_numpy import ROWS as NUMPY
from tests.ops.rows_reductions import ROWS as REDUCTIONS

ROWS: list[Row] = [*ARRAYS, *REDUCTIONS, *MADE_OF_OTHERS, *LINEAR_ALGEBRA, *NUMPY]

"""Every row as machine code: value and gradient of compiled functions against NumPy's value and the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg
from tests.ops.harness import Row, close, jacobian, number, values
from tests.ops.rows import ROWS
from tests.ops.test_elementwise import BY_THE_LAST, ELEMENTWISE, applied, points


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_values(row: Row) -> None:
    xs = row.symbols()
    arrays = values(row, xs)
    f = sg.compile(row.build(*xs), inputs=xs)
    with np.errstate(all="ignore"):
        expected = row.numpy(*arrays)
        close(np.asarray(f(*arrays)), expected, max(row.tolerance, 1e-13))
        backwards = [np.flip(np.flip(a).copy()) for a in arrays]  # the same values with negative strides
        close(np.asarray(f(*backwards)), expected, max(row.tolerance, 1e-13))


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.orders and row.differentiable()], ids=lambda row: row.name)
def test_gradients(row: Row) -> None:
    """The derivatives of the sum of all elements by every variable."""
    xs = row.symbols()
    y = row.build(*xs).sum()
    roots = [jacobian(y, xs[list(row.shapes).index(name)]) for name in row.differentiable()]
    arrays = values(row, xs)
    for a, b in zip(sg.compile(roots, inputs=xs)(*arrays), number(roots, xs, arrays, row.sizes), strict=True):
        close(np.asarray(a), b, max(row.tolerance, 1e-12))


def test_elementwise() -> None:
    """All elementwise rows in one function, on arrays, with their first derivatives."""
    roots, xs, arrays = [], [], []
    for op in ELEMENTWISE:
        drawn = points(op, 17)
        own: list[Any] = [sg.tensor(f"{op.name}_{k}", str(len(drawn))) for k in range(len(op.domain))]
        arrays += [np.array([p[k] for p in drawn]) for k in range(len(own))]
        y = applied(op, own)
        roots.append(y)
        if op.partials is not None and y.dtype == "f64" and op.name not in BY_THE_LAST:
            roots += [jacobian(y.sum(), x) for x in own]
        xs += own
    found = sg.compile(roots, inputs=xs)(*arrays)
    for r, a, b in zip(roots, found, number(roots, xs, arrays, {}), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-13, atol=1e-15, err_msg=str(r.node.op))



"""Every row: value against NumPy or SciPy, derivatives of order 1 and 2 against differences, both sweeps, compiled
meaning, float32, sizes 0 and 1.  A public function or an operation without a row fails."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from symgrad.errors import SymgradError
from symgrad.expression import FUNCTIONS, NUMPY
from symgrad.graph import OPS, postorder
from tests.ops.harness import (
    Row,
    close,
    compiled_meaning,
    contracted,
    differences,
    forward_jacobian,
    jacobian,
    number,
    sampled,
    values,
)
from tests.ops.rows import ROWS

# What takes functions has tests of its own.
LOOPS = {"bound", "scan", "while", "fori_loop", "while_loop", "cond"}  # test_control.py
DECLARED = {"vmap", "custom", "custom_gradient", "implicit_root", "root", "minimizer"}  # test_custom.py
DIFFERENTIABLE = [(row, name) for row in ROWS for name in row.differentiable() if row.orders]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_value(row: Row) -> None:
    xs = row.symbols()
    y = row.build(*xs)
    arrays = values(row, xs)
    (found,) = number([y], xs, arrays, row.sizes)
    with np.errstate(all="ignore"):
        expected = np.asarray(row.numpy(*arrays))
    assert found.dtype.kind == expected.dtype.kind
    assert found.shape == tuple(n if isinstance(n, int) else found.shape[k] for k, n in enumerate(y.type.shape))
    close(found, expected, row.tolerance)
    close(compiled_meaning(y, xs, arrays, row.sizes), expected, row.tolerance)


@pytest.mark.parametrize(("row", "name"), DIFFERENTIABLE, ids=[f"{row.name}-{name}" for row, name in DIFFERENTIABLE])
def test_derivatives(row: Row, name: str) -> None:
    xs = row.symbols()
    y = row.build(*xs)
    arrays = values(row, xs)
    k = list(row.shapes).index(name)
    first = jacobian(y, xs[k])

    def at(root: Any) -> Any:
        return lambda z: number([root], xs, [*arrays[:k], z, *arrays[k + 1 :]], row.sizes)[0]

    tolerance = max(1e-9, 100 * row.tolerance)
    (found,) = number([first], xs, arrays, row.sizes)
    directions = np.random.default_rng(1).uniform(-1, 1, (3, *arrays[k].shape))
    for along in directions[:2]:
        close(contracted(found, along), differences(at(y), arrays[k], along), tolerance)
    forward = forward_jacobian(y, xs[k])
    transposed = np.zeros((*arrays[k].shape, *found.shape[: found.ndim - arrays[k].ndim])) if forward is None else number(
        [forward], xs, arrays, row.sizes)[0]  # fmt: skip
    close(np.moveaxis(transposed, range(arrays[k].ndim), range(-arrays[k].ndim, 0)), found, tolerance)
    close(compiled_meaning(first, xs, arrays, row.sizes), found, tolerance)
    if row.orders < 2 or found.size > 300:
        return
    for j, other in enumerate(row.differentiable()):
        if other < name and j:
            continue
        i = list(row.shapes).index(other)
        second = jacobian(first, xs[i])
        (hessian,) = number([second], xs, arrays, row.sizes)
        along = np.random.default_rng(2).uniform(-1, 1, arrays[i].shape)

        def moved(z: Any, i: int = i) -> Any:
            return number([first], xs, [*arrays[:i], z, *arrays[i + 1 :]], row.sizes)[0]

        close(contracted(hessian, along), differences(moved, arrays[i], along), tolerance)


@pytest.mark.parametrize("row", [row for row in ROWS if row.f32], ids=lambda row: row.name)
def test_float32(row: Row) -> None:
    xs = row.symbols("f32")
    y = row.build(*xs)
    arrays = values(row, xs)
    (found,) = number([y], xs, arrays, row.sizes)
    with np.errstate(all="ignore"):
        expected = np.asarray(row.numpy(*arrays))
    assert found.dtype == {"f": np.float32, "i": np.int64, "b": np.bool_}[expected.dtype.kind]
    close(found.astype(float), expected.astype(float), 1e-4)


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("row", [row for row in ROWS if row.empty], ids=lambda row: row.name)
def test_small_sizes(row: Row, size: int) -> None:
    """Sizes 0 and 1: NumPy's value, or one of our errors where NumPy has none; derivatives of the right shape."""
    sizes = dict.fromkeys(row.sizes, size)
    xs = row.symbols()
    y = row.build(*xs)
    rng = np.random.default_rng(0)
    arrays = [
        sampled(x, row.samples.get(name, (-2.0, 2.0)), rng, sizes) for name, x in zip(row.shapes, xs, strict=True)
    ]
    if size:
        arrays = [np.zeros_like(a) if a.dtype == np.int64 else a for a in arrays]
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            expected = np.asarray(row.numpy(*arrays))
    except (ValueError, IndexError):
        with pytest.raises(SymgradError):
            number([y], xs, arrays, sizes)
        return
    (found,) = number([y], xs, arrays, sizes)
    close(found, expected, row.tolerance)
    for name in row.differentiable() if row.orders else ():
        k = list(row.shapes).index(name)
        (g,) = number([jacobian(y, xs[k])], xs, arrays, sizes)
        assert g.shape == (*expected.shape, *arrays[k].shape)


def test_every_operation_has_a_row() -> None:
    seen = {x.op.name for row in ROWS for x in postorder([row.build(*row.symbols()).node])}
    for row in ROWS:
        for name in row.differentiable() if row.orders else ():
            xs = row.symbols()
            seen |= {x.op.name for x in postorder([jacobian(row.build(*xs), xs[list(row.shapes).index(name)]).node])}
    internal = {"symbol", "cotangent"} | LOOPS | DECLARED
    missing = [op.name for op in OPS.values() if op.mpmath is None and op.name not in seen | internal]
    assert not missing, "add a row to tests/ops/rows.py"


def test_every_function_has_a_row() -> None:
    named = {f.split(" ")[0] for row in ROWS for f in (row.name, *row.covers)} | LOOPS | DECLARED
    named |= {op.name for op in OPS.values() if op.mpmath is not None}
    covered = {id(FUNCTIONS[name]) for name in named if name in FUNCTIONS}
    missing = [name for name, f in FUNCTIONS.items() if id(f) not in covered]
    assert not missing, "add a row to tests/ops/rows.py"


def test_numpy_names_resolve() -> None:
    assert not [name for name in NUMPY.values() if name not in FUNCTIONS]

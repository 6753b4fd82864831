"""The high-precision meaning of operations agrees with NumPy's, for values and for first derivatives."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from symgrad import high_precision, interpreter, loops_in_high_precision  # noqa: F401  (knows loops)
from symgrad.errors import ArgumentError
from symgrad.expression import FUNCTIONS, Expr, symbols_of
from symgrad.graph import OPS, postorder
from tests.ops.harness import Row, close, generator, jacobian, sampled, values
from tests.ops.rows import ROWS

WITHOUT = {"custom", "implicit_root", "searchsorted", "matrix_function", "full_svd", "nonzero"}
"""Operations that have no meaning in high precision: a certificate says so."""
OTHERWISE = {"np.quantile(w, 0.3, method='nearest')"}
"""A tie in floating point that is none in exact arithmetic."""


def without(roots: list[Expr]) -> bool:
    return any(x.op.name in WITHOUT for x in postorder([r.node for r in roots]))


def in_high_precision(roots: list[Expr], row: Row, arrays: list[Any], symbols: list[Expr]) -> list[Any]:
    known = {x.node: high_precision.exactly(a) for x, a in zip(symbols, arrays, strict=True)}
    with mpmath.workdps(30):
        found = high_precision.run([r.node for r in roots], known, row.sizes)
    return [a.astype(np.float64) if a.dtype == object else a for a in found]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_rows(row: Row) -> None:
    symbols = row.symbols()
    arrays = values(row, symbols)
    y = row.build(*symbols)
    roots = [y]
    if row.orders and y.dtype == "f64":
        roots += [jacobian(y, x) for name, x in zip(row.shapes, symbols, strict=True) if name in row.differentiable()]
    if without(roots[:1]) or row.name in OTHERWISE or y.dtype == "f32":  # which rounds
        return
    roots = [r for r in roots if not without([r])]
    expected = [np.asarray(row.numpy(*arrays))]
    known = {x.node: a for x, a in zip(symbols, arrays, strict=True)}
    expected += interpreter.run([r.node for r in roots[1:]], known, row.sizes)
    for a, b in zip(in_high_precision(roots, row, arrays, symbols), expected, strict=True):
        close(a, b, max(row.tolerance, 1e-11))


PARAMETRIC = {"polygamma", "jv", "yv", "iv", "ive", "kv", "kve", "erfcx_derivative", "heaviside"}
ELEMENTWISE = [
    op for op in OPS.values()
    if op.partials is not None and op.mpmath is not None and op.domain and op.name in FUNCTIONS.keys() - PARAMETRIC
]  # fmt: skip


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_elementwise(op: Any) -> None:
    rng = generator(op.name)
    symbols = Row(op.name, {f"x{k}": "n" for k in range(len(op.domain))}, FUNCTIONS[op.name], np.add).symbols()
    y = FUNCTIONS[op.name](*symbols)
    arrays = [sampled(x, d, rng, {"n": 5}) for x, d in zip(symbols, op.domain, strict=True)]
    row = Row(op.name, {}, FUNCTIONS[op.name], np.add, sizes={"n": 5})
    (found,) = in_high_precision([y], row, arrays, symbols)
    close(found, y.node.op.evaluate(arrays, y.node.params, {"n": 5}), 1e-13)


def test_what_has_no_meaning_says_so() -> None:
    a = Row("svd", {"A": "m,n"}, lambda a: a, lambda a: a).symbols()[0]
    root = FUNCTIONS["svd"](a)[0]
    (x,) = symbols_of([root.node])
    with pytest.raises(ArgumentError, match="no meaning in high precision"):
        high_precision.run([root.node], {x: high_precision.exactly(np.eye(2))}, {"m": 2, "n": 2})

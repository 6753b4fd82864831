"""Functions as formulas call them, compiled, are the vector mathematics that was surveyed: within their promise."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from symgrad.compiler.llvm.vecmath_accuracy import MEASURED, PROMISED

import symgrad as sg
from symgrad.expression import FUNCTIONS
from symgrad.graph import OPS

RELATIVE = {"logaddexp"}
"""Measured in ulps of the larger operand too."""
OURS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
        "atanh": "arctanh", "atan2": "arctan2"}  # fmt: skip
NAMES = [
    name
    for name in (OURS.get(n, n) for n in MEASURED)
    if name in FUNCTIONS and name in OPS and OPS[name].mpmath and name != "erfcx_derivative"  # which takes an order too
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_accuracy_of_calls(name: str) -> None:
    op = OPS[name]
    rng = np.random.default_rng(len(name))
    arrays = [rng.uniform(low, high, 40) for low, high in op.domain]
    symbols = [sg.vector(f"x{k}", "n") for k in range(len(arrays))]
    found = sg.compile(FUNCTIONS[name](*symbols), inputs=symbols)(*arrays)
    exact = getattr(mpmath, op.mpmath) if isinstance(op.mpmath, str) else op.mpmath
    for y, *xs in zip(found, *arrays, strict=True):
        with mpmath.workdps(50):
            reference = exact(*map(mpmath.mpf, map(float, xs)))
            size = max(abs(float(reference)), max(map(abs, map(float, xs))) if name in RELATIVE else 0.0)
            error = abs(mpmath.mpf(float(y)) - reference) / mpmath.mpf(float(np.spacing(size)))
        assert error <= PROMISED.get(name, 2.0), xs


def test_most_functions_are_here() -> None:
    assert len(NAMES) >= 35

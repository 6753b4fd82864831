"""Every formula of the external cases through the three doors: text, a NumPy-style function, SymPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from tests.doors.cases import Case, edges, matrices, scalars, vectors

EPS = np.finfo(float).eps

# Values that lose digits, or all of them, to cancellation, overflow or underflow in formulas that no rule rewrites
# (yet).  What is reached there is measured by the tests of stability; here these formulas are only read.
DELICATE = {
    "cancellation": ["fp060", "fp098", "fp099", "fp106", "fp107", "fp174", "fp243", "fp248", "fp264"],
    "overflow or underflow of an intermediate value": ["fp065", "fp209", "fp244", "ratio_underflow"],
    "three digits lost where the canonical form brings a sum over one denominator and multiplies out": [
        "go_Pathological"
    ],
}
SKIPPED = {case for cases in DELICATE.values() for case in cases}

SCALARS = list(scalars())
ARRAYS = [*vectors(), *matrices(), *edges()]


def each(cases: list[Case]) -> Callable[..., Any]:
    """Runs a test for each case."""
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.id)


@each([c for c in SCALARS + ARRAYS if c.id not in SKIPPED])
def test_value_of_text(case: Case) -> None:
    f = sg.parse(case.text, **case.shapes)
    for values, expected, condition in case.points:
        np.testing.assert_allclose(f(**values), expected, rtol=max(1e-13, 8 * EPS * condition), atol=1e-15)


@each([c for c in SCALARS if c.id in SKIPPED])
def test_delicate_formulas_are_read(case: Case) -> None:
    f = sg.parse(case.text, **case.shapes)
    assert list(f.shapes) == list(case.shapes)


NUMPY = {
    **{
        name: getattr(np, name)
        for name in [
            "exp",
            "log",
            "log1p",
            "sqrt",
            "cbrt",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sinh",
            "cosh",
            "arcsin",
            "arccos",
            "arctan",
            "arctan2",
            "where",
            "maximum",
            "minimum",
            "pi",
            "inf",
            "sum",
            "mean",
            "max",
            "prod",
            "cumprod",
            "concatenate",
            "outer",
            "diag",
            "trace",
            "sinc",
        ]
    },
    "abs": abs,
    "norm": np.linalg.norm,
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "tr": np.trace,
    "array": sg.array,
}


def python_function(case: Case) -> Callable[..., Any]:
    """The case's text as Python sees it, a function of its symbols that calls NumPy."""
    function: Callable[..., Any] = eval(f"lambda {', '.join(case.shapes)}: {case.text}", dict(NUMPY))
    return function


@each([c for c in SCALARS + ARRAYS if "logdet" not in c.text and "eye" not in c.text])
def test_text_and_traced_function_are_the_same_node(case: Case) -> None:
    text = sg.parse(case.text, **case.shapes)
    traced = sg.from_function(python_function(case), **case.shapes)
    assert traced.node is text.node
    assert traced.declared == text.declared


@each([c for c in SCALARS if c.id.startswith(("I.", "II.", "III.", "mgh"))])
def test_value_from_sympy(case: Case) -> None:
    sympy = pytest.importorskip("sympy")
    names = {name: sympy.Symbol(name) for name in case.shapes}
    renamed = {"abs": "Abs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2"}
    functions = {name: getattr(sympy, renamed.get(name, name), None) for name in NUMPY}
    f = sg.from_sympy(eval(case.text, {**functions, **names}), **case.shapes)
    assert list(f.shapes) == list(case.shapes)
    for values, expected, condition in case.points:
        np.testing.assert_allclose(f(**values), expected, rtol=max(1e-12, 64 * EPS * condition), atol=1e-15)

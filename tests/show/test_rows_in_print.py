"""Every operation and its Jacobians in LaTeX, MathML and SymPy: set without error, back from SymPy with its value."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from symgrad.errors import ArgumentError
from symgrad.expression import Expr
from symgrad.sympy_bridge import from_sympy, to_sympy
from tests.ops.harness import Row, number, values
from tests.ops.rows import ROWS


def formula(row: Row) -> Expr:
    symbols = row.symbols()
    return Expr(row.build(*symbols).node, tuple(x.node for x in symbols))


def twice(latex: str) -> bool:
    """Whether something has two subscripts or two superscripts, which TeX refuses."""
    before = ""
    while latex != before:
        before, latex = latex, re.sub(r"\{[^{}]*\}", "@", latex)
    return bool(re.search(r"_@(\^@)?_|\^@(_@)?\^", latex))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_latex_and_mathml(row: Row) -> None:
    e = formula(row)
    for shown in (e, *(e.jacobian(name) for name in row.differentiable() if row.orders)):
        latex = re.sub(r"\\[{}]", "", shown.latex())
        assert latex.count("{") == latex.count("}")
        assert latex.count(r"\left") == latex.count(r"\right")
        assert "None" not in latex
        assert not twice(latex), latex
        assert "".join(ElementTree.fromstring(shown.mathml()).itertext()).strip()


def test_there_and_back_through_sympy() -> None:
    """What SymPy can say comes back with the same value; the rest is refused by name."""
    refused, returned = [], []
    for row in ROWS:
        e = formula(row)
        try:
            written = to_sympy(e)
        except ArgumentError as error:
            refused.append(str(error))
            continue
        back = from_sympy(written, **e.shapes)
        arrays = values(row, row.symbols())
        known = dict(row.sizes)
        (found,) = number([back], [Expr(x) for x in back.declared], arrays, known)
        expected = row.numpy(*arrays)
        rtol = 1e-9 if e.dtype != "f32" and "f32" not in row.name else 1e-6  # SymPy's numbers have no element type
        # a column or a row of SymPy is a vector here
        assert np.squeeze(found).shape == np.squeeze(expected).shape, row.name
        assert np.allclose(np.squeeze(found), np.squeeze(expected), rtol=rtol, atol=1e-11, equal_nan=True), row.name
        returned.append(row.name)
    assert all(re.match(r"sympy: .* has no counterpart in SymPy$", message) for message in refused)
    assert len(returned) > 230

"""The gallery: derivatives print as a textbook prints them, and have the textbook's values.

The golden files are `tests/golden/gallery.md` and the notebook `notebooks/10_gallery.ipynb`; `make golden` rewrites
both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import symgrad as sg
from tests.gallery.formulas import GALLERY, Formula

SIZES = {"n": 4, "m": 5, "p": 3, "q": 2, "k": 2, "h": 3}
MOST_DEBTS = 6
NUMPY: dict[str, Any] = {
    **{name: getattr(np, name) for name in (
        "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "abs", "sign",
        "sum", "mean", "prod", "outer", "diag", "trace", "where", "maximum", "eye", "concatenate", "array", "pi")},
    "inv": np.linalg.inv, "det": np.linalg.det, "norm": np.linalg.norm, "tr": np.trace,
    "logdet": lambda x: np.linalg.slogdet(x)[1], "sigmoid": special.expit, "digamma": special.digamma,
    "gammaln": special.gammaln, "ndtr": special.ndtr, "erf": special.erf, "logsumexp": special.logsumexp,
    "softmax": special.softmax, "relu": lambda x: np.maximum(x, 0),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
}  # fmt: skip
NUMPY["softmax"] = lambda x: special.softmax(x, axis=-1)


_known: dict[str, sg.Expr] = {}


def derivative(f: Formula) -> sg.Expr:
    """What symgrad prints for the entry."""
    name = f"{label(f)} {f.shapes}"
    if name not in _known:
        _known[name] = getattr(sg.parse(f.formula, **f.shapes), f.kind)(f.wrt).simplify(assume=f.assumed)
    return _known[name]


def point(f: Formula) -> dict[str, Any]:
    """Values of the symbols: the source's, otherwise positive random numbers."""
    if f.point:
        return {name: np.asarray(v) for name, v in f.point.items()}
    rng = np.random.default_rng(7)
    symbols = sg.parse(f.formula, **f.shapes).symbols
    return {
        name: rng.uniform(0.2, 0.9, [SIZES.get(str(n)) or int(str(n)) for n in s.type.shape])
        for name, s in symbols.items()
    }


def in_numpy(text: str, values: dict[str, Any], f: Formula) -> Any:
    """The value of a formula as NumPy and SciPy compute it, with size names as numbers."""
    sizes = dict(SIZES)
    for name, shape in f.shapes.items():
        sizes.update(zip(shape.split(",") if shape else [], np.shape(values[name]), strict=True))
    return eval(text, {"__builtins__": {}}, {**NUMPY, **sizes, **values})  # the texts stand in this folder


def label(f: Formula) -> str:
    return f"{f.kind} {f.formula} by {f.wrt}"


@pytest.mark.parametrize("f", GALLERY, ids=label)
def test_values(f: Formula) -> None:
    values = point(f)
    expected = f.value if f.value is not None else in_numpy(f.textbook, values, f)
    found = derivative(f)(**values)
    np.testing.assert_allclose(found, np.broadcast_to(expected, np.shape(found)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("f", [f for f in GALLERY if f.kind == "grad"], ids=label)
def test_textbook_is_the_derivative(f: Formula) -> None:
    """The textbook's formula against differences of the formula itself, both in NumPy."""
    values = point(f)
    x = np.asarray(values[f.wrt], dtype=float)
    expected = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        step = np.zeros(x.shape)
        step[at] = 1e-6 * max(1.0, abs(x[at]))
        sides = [in_numpy(f.formula, {**values, f.wrt: x + s * step}, f) for s in (1, -1)]
        expected[at] = (sides[0] - sides[1]) / (2 * step[at])
    found = np.broadcast_to(in_numpy(f.textbook, values, f), x.shape)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-7)


def test_gallery(golden: Callable[[str, str], None]) -> None:
    shown = [(f, str(derivative(f))) for f in GALLERY]
    debts = [(f, text) for f, text in shown if len(text) > len(f.textbook)]
    lines = ["# Gallery", "", f"{len(GALLERY)} derivatives as symgrad prints them.  Where a textbook's form differs it "
             "stands beside; where it is shorter, that is a debt.", ""]  # fmt: skip
    lines += [f"Debts: {len(debts)}", ""]
    lines += [f"- `{f.formula}` by `{f.wrt}`: {len(text)} characters against {len(f.textbook)}" for f, text in debts]
    for group in dict.fromkeys(f.group for f in GALLERY):
        lines += ["", f"## {group}"]
        for f, text in shown:
            if f.group == group:
                lines += ["", heading(f), "", f"    {text}"]
                if text.replace(" ", "") != f.textbook.replace(" ", ""):
                    lines.append(f"    {f.textbook}    (textbook)")
    golden("gallery.md", "\n".join(lines))
    assert len(debts) <= MOST_DEBTS


def heading(f: Formula) -> str:
    """What is derived, by what, with the shapes and what is assumed."""
    order = {"grad": "", "hessian": ", second derivative", "jacobian": ", Jacobian"}[f.kind]
    shapes = ", ".join(f"{name}: {shape}" for name, shape in f.shapes.items() if shape)
    given = ", ".join(f"{name} {what}" for name, what in f.assumed.items())
    notes = "; ".join(part for part in (shapes, given) if part)
    return f"`{f.formula}` by `{f.wrt}`{order}{f' ({notes})' if notes else ''}"


def test_notebook(golden: Callable[[str, str], None]) -> None:
    cells = [markdown("# Gallery\n\nDerivatives as symgrad prints them, generated from the table of the tests."),
             code(0, "import symgrad as sg", None)]  # fmt: skip
    for group in dict.fromkeys(f.group for f in GALLERY):
        cells.append(markdown(f"## {group}"))
        for f in GALLERY:
            if f.group == group:
                cells.append(code(len(cells), call(f), derivative(f)))
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                     "language_info": {"name": "python"}},
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    golden("../../notebooks/10_gallery.ipynb", json.dumps(notebook, indent=1, ensure_ascii=False))


def call(f: Formula) -> str:
    """The line of Python that makes the derivative."""
    shapes = "".join(f', {name}="{shape}"' for name, shape in f.shapes.items())
    given = f"assume={f.assumed!r}" if f.assumed else ""
    return f'sg.parse("{f.formula}"{shapes}).{f.kind}("{f.wrt}").simplify({given})'


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": f"text-{hash_of(text)}", "metadata": {}, "source": lines_of(text)}


def code(number: int, source: str, value: sg.Expr | None) -> dict[str, Any]:
    outputs = [] if value is None else [{
        "data": {"text/latex": lines_of(value._repr_latex_() or ""), "text/plain": lines_of(str(value))},
        "execution_count": number, "metadata": {}, "output_type": "execute_result",
    }]  # fmt: skip
    return {"cell_type": "code", "execution_count": number, "id": f"code-{number}", "metadata": {}, "outputs": outputs,
            "source": lines_of(source)}  # fmt: skip


def lines_of(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return math.prod(ord(c) for c in text) % (10**9 + 7)

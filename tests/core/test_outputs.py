"""The forms in which an expression can be had: each method gives what its module gives, and runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import symgrad as sg

LOGISTIC = sg.parse("sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2", X="m,n", y="m", w="n", lam="")


def test_latex_and_notebooks() -> None:
    assert sg.parse("sin(x)/x**2").latex() == r"\frac{\sin\left(x\right)}{x^{2}}"
    shown = LOGISTIC.grad("w")._repr_latex_()
    assert shown is not None and shown.startswith("$") and r"\mathbf{X}^{\top}" in shown


def test_python_runs() -> None:
    namespace: dict[str, Any] = {}
    exec(LOGISTIC.grad("w").python("slope"), namespace)
    rng = np.random.default_rng(1)
    X, y, w = rng.normal(size=(6, 3)), np.sign(rng.normal(size=6)), rng.normal(size=3)
    np.testing.assert_allclose(namespace["slope"](X, y, w, 0.2), LOGISTIC.grad("w")(X, y, w, 0.2), rtol=1e-13)


def test_c_is_a_function_of_the_formula() -> None:
    assert "double" in sg.parse("x*exp(x)").c("area") and "area(" in sg.parse("x*exp(x)").c("area")


def test_sympy_and_back() -> None:
    formula = sg.parse("sin(x)**2/2")
    assert float(formula.sympy().subs("x", 0.3)) == math.sin(0.3) ** 2 / 2
    assert sg.from_sympy(formula.sympy()).canonical().node is formula.canonical().node


def test_a_gradient_is_drawn_with_its_formula() -> None:
    assert LOGISTIC.grad("w").draw().svg.startswith("<svg")

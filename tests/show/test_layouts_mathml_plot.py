"""Layouts of derivatives, MathML that is well formed for the whole operation table, and plots."""

from __future__ import annotations

import importlib.util
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given

import symgrad as sg
from symgrad.show.mathml import mathml
from tests.show.formulas import formulas

QUADRATIC = sg.parse("x @ A @ x", x="n", A="n,n")
LINEAR = sg.parse("A @ x", A="m,n", x="n")

LAYOUTS = [
    (QUADRATIC.grad("x").simplify(), "numerator", "((A + A.T) @ x).T"),
    (QUADRATIC.grad("x").simplify(), "denominator", "(A + A.T) @ x"),
    (sg.parse("a @ X @ b", a="m", X="m,n", b="n").grad("X"), "numerator", "outer(b, a)"),
    (LINEAR.jacobian("x"), "numerator", "A"), (LINEAR.jacobian("x"), "denominator", "A.T"),
    (sg.parse("x**2", x="").grad("x"), "numerator", "2*x"),
]  # fmt: skip


@pytest.mark.parametrize(("derivative", "layout", "expected"), LAYOUTS)
def test_layouts(derivative: sg.Expr, layout: str, expected: str) -> None:
    assert derivative.text(layout=layout) == expected


def test_layout_in_latex() -> None:
    assert LINEAR.jacobian("x").latex(layout="denominator") == r"\mathbf{A}^{\top}"
    assert LINEAR.jacobian("x").latex(layout="denominator", transpose="T", bold=False) == "A^{T}"


@pytest.mark.parametrize(("x", "layout", "part"), [
    (LINEAR.jacobian("x"), "sideways", "no layout 'sideways'"), (LINEAR, "numerator", "not a derivative"),
    (LINEAR.jacobian("A"), "numerator", "no matrix layout"),
])  # fmt: skip
def test_layouts_that_mean_nothing(x: sg.Expr, layout: str, part: str) -> None:
    with pytest.raises(sg.ArgumentError, match=part):
        x.text(layout=layout)


MATHML = [
    ("x**2/2", {}, "<mfrac><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow><mrow><mn>2</mn></mrow></mfrac>"),
    ("sqrt(alpha_1)", {}, "<msqrt><mrow><msub><mi>α</mi><mtext>1</mtext></msub></mrow></msqrt>"),
    ("A.T", {"A": "m,n"}, '<msup><mrow><mi mathvariant="bold">A</mi></mrow><mo>⊤</mo></msup>'),
    ("a*(b + c)", {}, "<mi>a</mi><mo>&#x2062;</mo><mrow><mo>(</mo><mi>b</mi><mo>+</mo><mi>c</mi><mo>)</mo></mrow>"),
    ("where(x > 0, x, y)", {}, "<mtext>otherwise</mtext>"), ("norm(x)", {"x": "n"}, "<mo>‖</mo>"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shapes", "part"), MATHML)
def test_mathml(text: str, shapes: dict[str, str], part: str) -> None:
    shown = sg.parse(text, **shapes).mathml()
    ElementTree.fromstring(shown)
    assert part in shown


@pytest.mark.hypothesis
@given(formulas(5))
def test_mathml_is_well_formed(f: sg.Expr) -> None:
    root = ElementTree.fromstring(mathml(f))
    counts = {"mfrac": 2, "msup": 2, "msub": 2}
    for element in root.iter():
        assert len(element) == counts.get(element.tag, len(element)), ElementTree.tostring(element)


class _Axes:
    """Stands for matplotlib's axes: remembers what is drawn."""

    def __init__(self) -> None:
        self.curves: list[tuple[Any, Any, str]] = []
        self.label = ""

    def plot(self, x: Any, y: Any, label: str) -> None:
        self.curves.append((x, y, label))

    def set_xlabel(self, label: str) -> None:
        self.label = label

    def legend(self) -> None:
        self.label += "!"


def test_plot_draws_the_formula_and_its_derivatives() -> None:
    axes = _Axes()
    assert sg.parse("sin(a*x)").plot("x", 0, 1, order=2, axes=axes, a=2.0) is axes
    assert axes.label == "x!"
    for (x, y, _), expected in zip(axes.curves, (np.sin, np.cos, lambda t: -np.sin(t)), strict=True):
        k = [c[1] for c in axes.curves].index(y)
        np.testing.assert_allclose(y, 2.0**k * expected(2 * x), atol=1e-12)
    assert "\\cos" in axes.curves[1][2]


@pytest.mark.parametrize(("text", "arguments", "part"), [
    ("x*y", {}, "name the variable"), ("x*y", {"wrt": "x"}, "give values to y"),
    ("x", {"start": 2, "stop": 1}, "start"),
])  # fmt: skip
def test_plots_that_mean_nothing(text: str, arguments: dict[str, Any], part: str) -> None:
    with pytest.raises(sg.ArgumentError, match=part):
        sg.parse(text).plot(axes=_Axes(), **arguments)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is not None, reason="matplotlib is installed")
def test_plot_without_matplotlib_says_what_to_install() -> None:
    with pytest.raises(sg.ArgumentError, match=r"symgrad\[plot\]"):
        sg.parse("x**2").plot()

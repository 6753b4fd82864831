"""LaTeX: what a textbook prints, balanced and linear for any formula."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given

from symgrad.expression import FUNCTIONS, Expr
from symgrad.parser import parse
from symgrad.show.latex import Style, latex
from tests.show.formulas import formulas

SET: list[tuple[str, dict[str, Any], str]] = [
    ("2*x*cos(x**2)", {}, r"2 x \cos\left(x^{2}\right)"),
    ("x' @ A @ x", {"x": "n", "A": "n,n"}, r"\mathbf{x}^{\top} \mathbf{A} \mathbf{x}"),
    ("X.T @ (sigmoid(X @ w) - y)/m + lam*w", {"X": "m,n", "y": "m", "w": "n"},
     r"\frac{\mathbf{X}^{\top} \left(\sigma\left(\mathbf{X} \mathbf{w}\right) - \mathbf{y}\right)}{m}"
     r" + \lambda \mathbf{w}"),
    ("sum(log(1 + exp(-y*(X @ w))))", {"X": "m,n", "y": "m", "w": "n"},
     r"\sum_{i} \log\left(1 + \exp\left(-y_{i} \left(\mathbf{X} \mathbf{w}\right)_{i}\right)\right)"),
    ("x*y", {"x": "n", "y": "n"}, r"\mathbf{x} \odot \mathbf{y}"),
    ("x*y", {"x": "n"}, r"y \mathbf{x}"),
    ("v[:, None]*X*u", {"X": "m,n", "v": "m", "u": "n"},
     r"\operatorname{diag}\left(\mathbf{v}\right) \mathbf{X} \operatorname{diag}\left(\mathbf{u}\right)"),
    ("X.T @ diag(v) @ X", {"X": "m,n", "v": "m"},
     r"\mathbf{X}^{\top} \operatorname{diag}\left(\mathbf{v}\right) \mathbf{X}"),
    ("eye(n)/norm(x) - outer(x, x)/norm(x)**3", {"x": "n"},
     r"\frac{\mathbf{I}_{n}}{\left\lVert \mathbf{x}\right\rVert} - "
     r"\frac{\mathbf{x} \mathbf{x}^{\top}}{\left\lVert \mathbf{x}\right\rVert^{3}}"),
    ('einsum("ijk,k->ij", A, v)', {"A": "m,n,p", "v": "p"},
     r"\left[\sum_{k} \mathbf{A}_{ijk} \mathbf{v}_{k} \right]_{ij}"),
    ("sum(sum(x*y[0]) + exp(y))", {"x": "m", "y": "n"},
     r"\sum_{j} \left(\left(\sum_{i} \mathbf{y}_{\left[0\right]} x_{i}\right) + \exp\left(y_{j}\right)\right)"),
    ("where(x > 0, x, -x)**2", {},
     r"\left(\begin{cases} x & \text{if } x > 0 \\ -x & \text{otherwise} \end{cases}\right)^{2}"),
    ("exp(x + 1)*y + exp(x + 1)/(1 + exp(x + 1))", {},
     r"y s + \frac{s}{1 + s} \quad\text{where}\quad s = \exp\left(x + 1\right)"),
    ("theta_1*x0 + sqrt(speed)*1e-30", {}, r"\theta_{1} x_{0} + 1 \cdot 10^{-30} \sqrt{\mathrm{speed}}"),
    ("inv(A)' @ A", {"A": "n,n"}, r"\left(\mathbf{A}^{-1}\right)^{\top} \mathbf{A}"),
    ("2*pi*x*3**y", {}, r"2 \pi x \cdot 3^{y}"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "shapes", "expected"), SET, ids=[row[0] for row in SET])
def test_set_as_in_a_textbook(formula: str, shapes: dict[str, Any], expected: str) -> None:
    assert latex(parse(formula, **shapes)) == expected


def test_style() -> None:
    e = parse("sum(exp(x + 1)*y) + sum(exp(x + 1)) + x' @ y", x="n", y="n")
    plain = latex(e, Style(bold=False, transpose="T", elementwise=r"\circ", sums=False, named=False))
    assert r"\mathbf{x}" not in plain
    assert r"\sum" not in plain
    assert "where" not in plain
    assert "x^{T} y" in plain
    assert latex(parse("x*y", x="n", y="n"), Style(elementwise=r"\circ")) == r"\mathbf{x} \circ \mathbf{y}"


def test_several_formulas_are_aligned() -> None:
    assert latex([parse("x"), parse("2*x")]) == r"\begin{aligned}&x \\ &2 x\end{aligned}"


@given(formulas())
def test_every_formula_is_balanced(e: Expr) -> None:
    shown = latex(e)
    assert shown.count(r"\left") - shown.count(r"\leftarrow") == shown.count(r"\right")
    assert len(re.findall(r"\\begin", shown)) == len(re.findall(r"\\end", shown))
    depth = 0
    for c in re.sub(r"\\[{}]", "", shown):
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"[\^_]\{[^{}]*\}[\^_]\{[^{}]*\}\^", shown)


def test_deep_and_shared_formulas() -> None:
    e = parse("x", x="n")
    for k in range(2000):
        e = FUNCTIONS["sin"](e) if k % 2 else e * FUNCTIONS["sum"](e)
    assert len(latex(e)) < 200_000

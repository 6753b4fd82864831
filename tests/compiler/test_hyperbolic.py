"""Quotients by the square of a hyperbolic cosine: what they become, and that the value is that of NumPy's formula."""

from __future__ import annotations

import numpy as np
import pytest
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.passes.dead import drop_dead
from symgrad.compiler.passes.hyperbolic import share_hyperbolic
from symgrad.compiler.reader import read_program
from symgrad.compiler.text import print_program

PROGRAM = """program(x: f64[n], a: f64[m, n])
  c: f64[i < n] = cosh(x[i])
  s: f64[i < n] = mul(c[i], c[i])
  y: f64[i < m, j < n] = div(a[i, j], s[j])
  z: f64[i < n] = div(1.0, s[i])
  return y, z
"""


def test_both_quotients_share_one_function() -> None:
    text = print_program(drop_dead(share_hyperbolic(read_program(PROGRAM))))
    assert "cosh" not in text and "div" not in text
    assert text.count("sech_squared") == 1
    assert "z: f64[i < n] = c.sech[i]" in text


@pytest.mark.parametrize(
    ("old", "new"),
    [("mul(c[i], c[i])", "mul(c[i], x[i])"), ("div(1.0, s[i])", "div(s[i], 1.0)"), ("cosh", "sinh")],
)
def test_other_products_and_quotients_stay(old: str, new: str) -> None:
    program = read_program(PROGRAM.replace(old, new).replace("div(a[i, j], s[j])", "mul(a[i, j], s[j])"))
    assert share_hyperbolic(program) == program


def test_values_beyond_the_range_of_the_square() -> None:
    x = np.array([0.0, -0.5, 3.0, 355.5, -350.0, 800.0, np.inf, np.nan])
    a = np.array([[1.0] * 8, [-2.0] * 8])
    y, z = compile_program(read_program(PROGRAM))(x, a)
    e = np.exp(-2 * np.abs(x))
    np.testing.assert_allclose(z, 4 * e / (1 + e) ** 2, rtol=5e-15)
    np.testing.assert_allclose(y, a * (4 * e / (1 + e) ** 2), rtol=5e-15)

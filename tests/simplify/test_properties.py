"""Whatever the formula, `simplify` keeps its values, settles, gives the same twice, and never prints more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import symgrad as sg
from symgrad.errors import SymgradError
from tests.show.formulas import SHAPES, formulas

SIZES = {"n": 3, "m": 4, "p": 2}

ATOMS = ["x", "y", "z", "2", "3", "1", "0.5"]
FORMS = ["({} + {})", "({} - {})", "({} * {})", "({} / {})", "({})**2", "({})**3", "sqrt({})", "exp({})", "log({})",
         "sin({})", "cos({})", "tan({})", "tanh({})", "sigmoid({})", "abs({})", "1/({})", "sinh({})", "cosh({})",
         "where({} > {}, {}, {})", "maximum({}, {})", "({})**({})"]  # fmt: skip


@st.composite
def scalar_formulas(draw: st.DrawFn) -> str:
    """A formula in x, y, z as text."""
    pool = [draw(st.sampled_from(ATOMS)) for _ in range(4)]
    for _ in range(draw(st.integers(1, 6))):
        form = draw(st.sampled_from(FORMS))
        pool.append(form.format(*(draw(st.sampled_from(pool)) for _ in range(form.count("{}")))))
    return pool[-1]


def values_of(f: sg.Expr, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for name, s in f.symbols.items():
        shape = [SIZES.get(str(n)) or int(str(n)) for n in s.type.shape]
        found[name] = rng.integers(0, 2, shape) if s.dtype == "i64" else rng.uniform(0.3, 1.7, shape)
    return found


def close(a: Any, b: Any) -> bool:
    """Whether two values agree where the first is a finite number, up to a loss of half the digits."""
    a, b = np.broadcast_arrays(a, b)
    with np.errstate(all="ignore"):
        usable = np.isfinite(a) & (np.abs(a) < 1e12)
        return bool(np.all(np.abs(a - b)[usable] <= 1e-7 * np.maximum(1, np.abs(a))[usable]))


def check(f: sg.Expr) -> None:
    simple = f.simplify()
    assert simple.type == f.type
    for seed in range(3):
        values = values_of(f, seed)
        with np.errstate(all="ignore"):
            assert close(f(**values), simple(**values)), f"{f}  →  {simple}"
    assert len(str(simple)) <= len(str(f.canonical()))
    assert simple.simplify().node is simple.node
    assert f.simplify().node is simple.node


@pytest.mark.hypothesis
@given(scalar_formulas())
def test_scalar_derivatives(text: str) -> None:
    try:
        g = sg.parse(text, x="", y="", z="").grad("x")
    except SymgradError:
        assume(False)
    assume(len(str(g)) < 600)
    check(g)


@pytest.mark.hypothesis
@given(formulas(5))
def test_array_formulas(f: sg.Expr) -> None:
    check(f)


def test_the_table_of_symbols_has_sizes() -> None:
    names = {part.strip() for shape in SHAPES.values() for part in shape.replace("i64[p]", "p").split(",")}
    assert names <= {*SIZES, "2", ""}

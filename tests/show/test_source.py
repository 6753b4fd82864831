"""Python source: it runs by itself and computes what NumPy computes, for the whole operation table."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy
from hypothesis import given

from symgrad.differentiation import jacobian
from symgrad.errors import ArgumentError, SymgradError
from symgrad.expression import FUNCTIONS, Expr
from symgrad.graph import postorder
from symgrad.interpreter import run
from symgrad.parser import parse
from symgrad.show.source import python
from tests.ops.harness import values
from tests.ops.rows import ROWS
from tests.show.formulas import formulas
from tests.show.test_text import values_of

NOT_IN_NUMPY = {
    "linear_recurrence", "scatter_along", "cumargmax", "bound", "scan", "while", "implicit_root", "custom"
}  # fmt: skip


def function(e: Expr | list[Expr], name: str = "f") -> Any:
    namespace: dict[str, Any] = {}
    exec(python(e, name), namespace)
    return namespace[name]


def test_a_loss_and_its_gradient() -> None:
    shapes = {"X": "m,n", "y": "m", "w": "n", "lam": ""}
    loss = parse("sum(log(1 + exp(-y*(X @ w)))) + lam/2*(w @ w)", **shapes)
    (gradient,) = jacobian(loss.node, [loss.declared[2]])
    source = python([loss, Expr(gradient.node, loss.declared)], "value_and_gradient")
    head, formula = source.splitlines()[:2]
    assert head == "def value_and_gradient(X, y, w, lam):"
    assert formula.strip() == 'r"""sum(log(1 + s)) + lam/2*sum(w**2)'
    assert source.count("np.exp") <= 2
    assert "symgrad" not in source
    random = np.random.default_rng(0)
    X, y, w = random.normal(size=(5, 3)), np.sign(random.normal(size=5)), random.normal(size=3)
    value, slope = function([loss, Expr(gradient.node, loss.declared)])(X, y, w, 0.5)
    z = y * (X @ w)
    assert np.isclose(value, np.sum(np.log1p(np.exp(-z))) + 0.25 * w @ w)
    assert np.allclose(slope, -X.T @ (y / (1 + np.exp(z))) + 0.5 * w)


def test_it_runs_without_symgrad() -> None:
    source = python(parse("softplus(x)*m + unslice(x, m + 2, 1)[1]", x="m"), "f")
    program = f"{source}\nimport sys\nprint(f([0.0, 0.0]).tolist(), 'symgrad' in sys.modules)"
    printed = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["[1.3862943611198906,", "1.3862943611198906]", "False"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_operation(row: Any) -> None:
    if row.name == "solve_triangular batched" and np.lib.NumpyVersion(scipy.__version__) < "1.15.0":
        pytest.skip("SciPy solves batches of triangular systems from 1.15 on")
    symbols = row.symbols()
    arrays = values(row, symbols)
    built = row.build(*symbols)
    expected = row.numpy(*arrays)
    e = Expr(built.node, tuple(s.node for s in symbols))
    lost = NOT_IN_NUMPY & {x.op.name for x in postorder([e.node])}
    if lost:
        with pytest.raises(SymgradError, match=f"python: ({'|'.join(lost)}) is not"):
            python(e)
        return
    f = function(e)
    with np.errstate(all="ignore"):
        found = f(*arrays)
    assert np.shape(found) == np.shape(expected)
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-11, equal_nan=True)


@given(formulas())
def test_any_formula(e: Expr) -> None:
    given_values, sizes = values_of(e.declared)
    with np.errstate(all="ignore"):
        found = function(e)(*(given_values[x] for x in e.declared))
    (expected,) = run([e.node], given_values, sizes)
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_deep_formulas_are_cut_into_statements() -> None:
    e = x = parse("x")
    for k in range(3000):
        e = FUNCTIONS["sin"](e) + x if k % 3 else FUNCTIONS["cos"](e)
    assert -2 < function(e)(0.5) < 2


def test_sizes_come_from_the_arguments() -> None:
    assert function(parse("x[:m]/m", x="2*m + 1"))(np.arange(7.0)).tolist() == [0, 1 / 3, 2 / 3]


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="reserved word"):
        python(parse("x"), "class")
    with pytest.raises(SymgradError, match="cumargmax is not an operation of NumPy"):
        python(FUNCTIONS["cumargmax"](parse("x", x="n")))

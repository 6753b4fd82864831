"""C source: compiled by the C compiler of the machine and compared with NumPy, for the whole operation table."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from symgrad.compiler.types import DTYPES, evaluate, names

from symgrad.differentiation import jacobian
from symgrad.errors import SymgradError
from symgrad.expression import FUNCTIONS, Expr, symbol_name
from symgrad.parser import parse
from symgrad.show.c_source import c, literal
from tests.ops.harness import values
from tests.ops.rows import ROWS

COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")
CTYPES = {"f64": ctypes.c_double, "f32": ctypes.c_float, "i64": ctypes.c_int64, "bool": ctypes.c_bool}


def library(source: str, folder: Path) -> ctypes.CDLL:
    assert COMPILER is not None
    file, target = folder / "formulas.c", folder / "formulas.so"
    file.write_text(source, encoding="utf-8")
    flags = ["-std=c99", "-O0", "-Wall", "-Werror", "-Wno-unused", "-Wno-maybe-uninitialized", "-shared", "-fPIC"]
    command = [COMPILER, *flags, str(file), "-lm", "-o", str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000] + source[:3000]
    return ctypes.CDLL(str(target))


def call(f: Any, e: Expr, arrays: Sequence[Any], sizes: dict[str, int]) -> Any:
    """The value that the C function computes for an expression that is no scalar formula of scalars."""
    given = [np.array(a, DTYPES[x.type.dtype], order="C") for x, a in zip(e.declared, arrays, strict=True)]
    out = np.empty([evaluate(n, sizes) for n in e.type.shape], DTYPES[e.dtype])
    used = sorted({name for x in e.declared for n in x.type.shape for name in names(n)})
    arguments: list[Any] = [ctypes.c_int64(sizes[name]) for name in used]
    arguments += [a.ctypes.data_as(ctypes.c_void_p) if a.shape else CTYPES[x.type.dtype](a.item())
                  for x, a in zip(e.declared, given, strict=True)]  # fmt: skip
    assert f(*arguments, out.ctypes.data_as(ctypes.c_void_p)) == 0
    return out


@needs_compiler
def test_scalar_formulas(tmp_path: Path) -> None:
    formula = parse("sqrt(x**2 + exp(x**2)) + cos(x**2 + exp(x**2))*maximum(y, 0)")
    (slope,) = jacobian(formula.node, [formula.declared[0]])
    source = c(formula, "value") + c(Expr(slope.node, formula.declared), "slope")
    assert "double value(double x, double y) {" in source
    built = library(source, tmp_path)
    for f in (built.value, built.slope):
        f.restype, f.argtypes = ctypes.c_double, [ctypes.c_double] * 2
    x, y = 0.7, 0.3
    z = x**2 + np.exp(x**2)
    dz = 2 * x + 2 * x * np.exp(x**2)
    assert np.isclose(built.value(x, y), np.sqrt(z) + np.cos(z) * y, rtol=1e-14)
    assert np.isclose(built.slope(x, y), dz / (2 * np.sqrt(z)) - dz * np.sin(z) * y, rtol=1e-13)


@needs_compiler
def test_the_whole_operation_table(tmp_path: Path) -> None:
    """Every row that C99 can compute, in one library; the others say what they lack."""
    sources, rows, refused = [], [], []
    for k, row in enumerate(ROWS):
        symbols = row.symbols()
        e = row.build(*symbols)
        e = Expr(e.node, tuple(s.node for s in symbols))
        try:
            sources.append(c(e, f"row{k}"))
        except SymgradError as error:
            refused.append(str(error))
        else:
            rows.append((k, row, e, symbols))
    assert all(message.startswith("c: ") for message in refused)
    assert len(rows) > 130
    everything = library("\n".join(sources), tmp_path)
    for k, row, e, symbols in rows:
        if not e.ndim and not any(x.type.shape for x in e.declared):
            continue
        arrays = values(row, symbols)
        expected = row.numpy(*arrays)
        found = call(everything[f"row{k}"], e, arrays, dict(row.sizes))
        assert np.shape(found) == np.shape(expected), row.name
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-11, equal_nan=True), row.name


@needs_compiler
def test_a_gradient_with_unknown_sizes(tmp_path: Path) -> None:
    loss = parse("sum(log(1 + exp(-y*(X @ w))))", X="m,n", y="m", w="n")
    gradient = Expr(jacobian(loss.node, [loss.declared[2]])[0].node, loss.declared)
    built = library(c(gradient, "gradient"), tmp_path)
    random = np.random.default_rng(1)
    for m, n in ((5, 3), (1, 1), (0, 4), (200, 7)):
        X, y, w = random.normal(size=(m, n)), np.sign(random.normal(size=m)), random.normal(size=n)
        found = call(built.gradient, gradient, [X, y, w], {"m": m, "n": n})
        assert np.allclose(found, -X.T @ (y / (1 + np.exp(y * (X @ w)))))


@needs_compiler
def test_names_that_mean_something_in_c(tmp_path: Path) -> None:
    e = parse("exp*double + out*i + sin(γ)", exp="", double="n", out="", i="n", γ="")
    built = library(c(e, "f"), tmp_path)
    arrays = [2.0, np.arange(3.0), 5.0, np.ones(3), 0.5]
    assert np.allclose(call(built.f, e, arrays, {"n": 3}), 2 * np.arange(3.0) + 5 + np.sin(0.5))
    assert [symbol_name(x) for x in e.declared] == ["exp", "double", "out", "i", "γ"]


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [(0.1, "f64", "0.1"), (-2.0, "f64", "(-2.0)"), (float("-inf"), "f64", "(-INFINITY)"), (5e-324, "f64", "5e-324"),
     (2**40, "i64", f"INT64_C({2**40})"), (-(2**63), "i64", "INT64_MIN"), (True, "bool", "true")],
)  # fmt: skip
def test_literals(value: Any, dtype: str, shown: str) -> None:
    assert literal(value, dtype) == shown


def test_what_c_cannot_do_is_said() -> None:
    with pytest.raises(SymgradError, match="c: sort has no equivalent in plain C"):
        c(FUNCTIONS["sort"](parse("x", x="n")))

"""Graphs to programs: valid, in numbered names, and with the meaning of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.text import print_program
from symgrad.compiler.verify import verify

import symgrad as sg
from symgrad.expression import Expr, symbol_name, symbols_of
from symgrad.graph import postorder
from symgrad.interpreter import run
from symgrad.lowering import Lowered, expand, lower
from symgrad.planning import plan
from symgrad.specialise import numbered, retyped

SIZES = {"m": 5, "n": 3, "k": 2}


def program_of(*exprs: Expr) -> tuple[Lowered, list[Any]]:
    """The verified program of some expressions, and the symbols in the order of its inputs."""
    symbols = symbols_of([e.node for e in exprs])
    roots, inputs, _ = numbered([e.node for e in exprs], symbols)
    lowered = lower(plan(expand(roots)), inputs)
    verify(lowered.program)
    return lowered, symbols


def draw(symbols: list[Any], seed: int = 0) -> dict[Any, Any]:
    rng = np.random.default_rng(seed)
    values = {}
    for x in symbols:
        shape = [n if isinstance(n, int) else SIZES[str(n)] for n in x.type.shape]
        values[x] = rng.integers(0, 3, shape) if x.type.dtype == "i64" else rng.uniform(0.5, 2, shape)
    return values


SHAPES = {"X": "m,n", "A": "n,n", "w": "n", "v": "n", "y": "m", "s": "", "t": "", "j": "i64[k]"}
FORMULAS = [
    "X @ w", "w' @ A @ w", "sum(exp(-y * (X @ w))) + s", "X.T @ (y * (X @ w))", "trace(A) + norm(w)", "diag(w) + A",
    "concatenate([w, v, w])", "w[1:] - w[:-1]", "w[::-1]", "X[0]", "X[:, 1] * y", "reshape(X, (n*m,))", "w[j]", "A[j]",
    "where(X > 1, X, 0)", "max(X, axis=1)", "min(w)", "softmax(X, axis=1)", "logsumexp(X)", "mean(X, axis=0)",
    "norm(X)", "outer(y, w)", "einsum('ij,j,j->i', X, w, v)", "s*t*w", "w / s", "maximum(w, 1)", "eye(n)",
    "ones((m, n))", "stack([w, v])", "array([s, t, 2])", "s", "w", "3.5", "n * s", "sum(w * w * w)", "relu(X - 1)",
    "abs(X - 1)**3",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_program_means_what_the_graph_means(text: str) -> None:
    expr = sg.parse(text, **SHAPES)
    lowered, symbols = program_of(expr)
    values = draw(symbols)
    (expected,) = run([expr.node], values, SIZES)
    results = interpret(lowered.program, *values.values(), *lowered.constants, sizes=_numbered_sizes(expr, symbols))
    np.testing.assert_allclose(results[lowered.positions[0]], expected, rtol=1e-13, atol=1e-14)


def _numbered_sizes(expr: Expr, symbols: list[Any]) -> dict[str, int]:
    return {new: SIZES[old] for old, new in numbered([expr.node], symbols)[2].items()}


def test_constants_become_inputs_and_results_are_never_inputs() -> None:
    table = np.arange(6.0).reshape(2, 3)
    w = sg.vector("w", 3)
    lowered, symbols = program_of(w, table @ w, w)
    assert [t.shape for _, t in lowered.program.inputs] == [(3,), (2, 3)]
    assert lowered.positions == (0, 1, 0)
    np.testing.assert_array_equal(lowered.constants[0], table)
    assert not set(lowered.program.outputs) & {name for name, _ in lowered.program.inputs}
    assert [symbol_name(x) for x in symbols] == ["w"]


def test_formulas_that_differ_in_names_are_one_program() -> None:
    first = sg.parse("sum(exp(X @ w)) + length * b", X="rows,length", w="length", b="")
    second = sg.parse("sum(exp(v1 @ v0)) + x1 * n0", v1="n1,x1", v0="x1", n0="")
    texts = {print_program(program_of(e)[0].program) for e in (first, second)}
    assert len(texts) == 1


def test_user_names_never_reach_the_program() -> None:
    x = sg.vector("define", "ret")
    text = print_program(program_of(sg.sum(x * sg.vector("x0", "ret")))[0].program)
    assert "define" not in text and "ret\n" not in text and "< n0" in text


def test_identities_are_conditions() -> None:
    lowered, _ = program_of(sg.parse("diag(w) @ A", w="n", A="n,n"))
    text = print_program(lowered.program)
    assert "cast.f64(eq(" not in text, "no identity matrix is computed"


def test_retyped_computes_in_single_precision() -> None:
    expr = sg.parse("sum(X @ w) * 0.1 + mean(w) + trace(eye(n))", X="m,n", w="n")
    (root,) = retyped([expr.node], "f32")
    assert {x.type.dtype for x in postorder([root])} <= {"f32", "i64"}
    assert retyped([root], "f64")[0] is not expr.node, "0.1 was rounded to f32"
    values = {x: np.ones([SIZES[str(n)] for n in x.type.shape], np.float32) for x in symbols_of([root])}
    (result,) = run([root], values, SIZES)
    assert result.dtype == np.float32 and abs(float(result) - 5.5) < 1e-5

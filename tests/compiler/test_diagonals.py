"""Results that are zero but on a diagonal: zeros and one write for each element of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler.index import Assign
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.loops import print_schedule
from symgrad.compiler.passes.dead import drop_dead
from symgrad.compiler.passes.diagonals import scatter_diagonals
from symgrad.compiler.reader import read_program
from symgrad.compiler.verify import verify

import symgrad as sg

Array = np.ndarray[Any, Any]


def _blocks(v: Array) -> Array:
    out = np.zeros((v.shape[0], v.shape[1], v.shape[0], v.shape[2]))
    for i, block in enumerate(v):
        out[i, :, i, :] = block
    return out


# name: (program, whether the result is scattered, what it computes from its arguments)
CASES = {
    "diagonal": ("program(x: f64[n])\n  d: f64[i < n, j < n] = mask(eq(i, j), x[i])\n  return d\n", True, np.diag),
    "column's name": ("program(x: f64[n])\n  d: f64[i < n, j < n] = mask(eq(i, j), x[j])\n  return d\n", True, np.diag),
    "with a factor": (
        "program(x: f64[n])\n  d: f64[i < n, j < n] = mask(eq(j, i), sin(x[i]))\n"
        "  s: f64[k < n, l < n] = mul(2.0, d[k, l])\n  return s\n",
        True,
        lambda x: 2 * np.diag(np.sin(x)),
    ),
    "an infinite factor makes NaN": (
        "program(x: f64[n])\n  d: f64[i < n, j < n] = mask(eq(i, j), x[i])\n"
        "  s: f64[k < n, l < n] = mul(inf, d[k, l])\n  return s\n",
        False,
        lambda x: np.inf * np.diag(x),
    ),
    "identity": (
        "program(x: f64[n])\n  d: f64[i < n, j < n] = cast.f64(eq(i, j))\n"
        "  s: f64[k < n, l < n] = mul(d[k, l], -3.0)\n  return s\n",
        True,
        lambda x: -3 * np.eye(len(x)),
    ),
    "blocks": (
        "program(v: f64[n, 2, 3])\n  d: f64[i < n, a < 2, j < n, b < 3] = mask(eq(i, j), v[i, a, b])\n  return d\n",
        True,
        _blocks,
    ),
    "two pairs": (
        "program(A: f64[m, n])\n"
        "  d: f64[i < m, j < n, k < m, l < n] = mask(eq(i, k), mask(eq(j, l), A[i, j]))\n  return d\n",
        True,
        lambda A: np.diag(A.ravel()).reshape(A.shape * 2),
    ),
    "three axes alike": (
        "program(x: f64[n])\n  d: f64[i < n, j < n, k < n] = mask(eq(i, j), mask(eq(j, k), x[k]))\n  return d\n",
        True,
        lambda x: np.einsum("i,ij,jk->ijk", x, np.eye(len(x)), np.eye(len(x))),
    ),
    "read again": (
        "program(x: f64[n])\n  d: f64[i < n, j < n] = mask(eq(i, j), x[i])\n"
        "  s: f64[i < n, j < n] = add(d[i, j], x[j])\n  return s, d\n",
        False,
        lambda x: np.diag(x) + x,
    ),
    "transposed in between": (
        "program(A: f64[n, n])\n  d: f64[i < n, j < n] = mask(eq(i, j), A[i, j])\n"
        "  s: f64[i < n, j < n] = mul(2.0, d[j, i])\n  return s\n",
        False,
        lambda A: 2 * np.diag(np.diag(A)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_zeros_are_filled_and_the_diagonal_written(name: str) -> None:
    text, scattered, function = CASES[name]
    before = read_program(text)
    program = drop_dead(scatter_diagonals(before))
    verify(program)
    last = next(s for s in program.statements if isinstance(s, Assign) and s.target == program.outputs[0])
    assert (last.at is not None) == scattered
    for n in (0, 1, 6):
        rng = np.random.default_rng(n)
        sizes = {"m": n + 1, "n": n, "2": 2, "3": 3}
        given = [rng.standard_normal(tuple(sizes[str(k)] for k in t.shape)) for _, t in before.inputs]
        with np.errstate(invalid="ignore"):
            expected = function(*given)
        np.testing.assert_allclose(interpret(program, *given)[0], expected, rtol=1e-14)
        np.testing.assert_allclose(compile_program(before)(*given)[0], expected, rtol=1e-14)


def test_where_the_diagonal_is_not_finite_the_rest_is_zero() -> None:
    kernel = compile_program(read_program(CASES["with a factor"][0]))
    (out,) = kernel(np.array([np.inf, 0.5, np.nan]))
    assert np.array_equal(np.isnan(out), np.diag([True, False, True]))
    assert np.array_equal(out == 0, ~np.eye(3, dtype=bool))


def test_the_hessian_of_a_factorisation_is_written_in_its_blocks() -> None:
    kernel = compile_program(read_program(CASES["blocks"][0]))
    text = print_schedule(kernel.schedule)
    assert "fill d" in text
    assert "mask" not in text
    L = sg.parse("sum(O*(T - U @ V')**2)", U="n,k", O="n,m", T="n,m", V="m,k")
    rng = np.random.default_rng(0)
    U, mask, T, V = (rng.standard_normal(s) for s in ((7, 3), (7, 5), (7, 5), (5, 3)))
    found = sg.compile(L, wrt="U").hessian(U, mask, T, V)
    np.testing.assert_allclose(found, _blocks(2 * np.einsum("ij,jk,jl->ikl", mask, V, V)), rtol=1e-13, atol=1e-13)

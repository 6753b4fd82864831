"""Views: what is only moved is read where it is, and rows of a stack are computed in their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.passes.dead import drop_dead
from symgrad.compiler.passes.views import forward_views
from symgrad.compiler.reader import read_program
from symgrad.compiler.text import print_program
from symgrad.compiler.verify import verify

Array = np.ndarray[Any, Any]

# name: (program, the statements that are left, what it computes from its arguments)
CASES = {
    "slice of a slice": (
        "program(x: f64[n])\n  t: f64[i < n - 1] = x[add(i, 1)]\n  u: f64[i < n - 3] = t[add(i, 2)]\n"
        "  s: f64[i < n - 3] = sin(u[i])\n  return s\n",
        1,
        lambda x: np.sin(x[3:]),
    ),
    "column": (
        "program(A: f64[m, n])\n  t: f64[i < m, j < 1] = A[i, add(j, 1)]\n  u: f64[i < m] = add[j < 1] t[i, 0]\n"
        "  s: f64[i < m] = exp(u[i])\n  return s\n",
        1,
        lambda A: np.exp(A[:, 1]),
    ),
    "reshaped and back": (
        "program(A: f64[m, 3])\n  t: f64[k < 3*m] = A[floordiv(k, 3), mod(k, 3)]\n"
        "  u: f64[i < m, j < 3] = t[add(mul(i, 3), j)]\n  s: f64[i < m, j < 3] = neg(u[i, j])\n  return s\n",
        1,
        lambda A: -A,
    ),
    "part of a concatenation": (
        "program(x: f64[m], y: f64[n])\n  t: f64[i < m + n] = where(lt(i, size(m)), x[i], y[sub(i, size(m))])\n"
        "  u: f64[i < n] = t[add(i, size(m))]\n  s: f64[i < n] = abs(u[i])\n  return s\n",
        1,
        lambda x, y: np.abs(y),
    ),
    "turned around": (
        "program(x: f64[n])\n  t: f64[i < n] = x[sub(size(n - 1), i)]\n  u: f64[i < n] = t[sub(size(n - 1), i)]\n"
        "  s: f64[i < n] = add(u[i], t[i])\n  return s\n",
        1,
        lambda x: x + x[::-1],
    ),
    "gathered column": (
        "program(A: f64[m, n], k: i64[p])\n  t: f64[i < m] = A[i, 2]\n  u: f64[i < p] = t[k[i]]\n  return u\n",
        1,
        lambda A, k: A[k, 2],
    ),
    "gathered slice": (
        "program(x: f64[n], k: i64[p])\n  t: f64[i < n - 1] = x[i]\n  u: f64[i < p] = t[k[i]]\n  return u\n",
        2,
        lambda x, k: x[:-1][k],
    ),
}


def arguments(text: str) -> list[Array]:
    rng = np.random.default_rng(0)
    sizes = {"m": 6, "n": 7, "p": 9, "3": 3}
    inputs = read_program(text).inputs
    shapes = [tuple(sizes[str(size)] for size in type_.shape) for _, type_ in inputs]
    pairs = zip(inputs, shapes, strict=True)
    return [rng.standard_normal(s) if t.dtype == "f64" else rng.integers(0, 6, s) for (_, t), s in pairs]


@pytest.mark.parametrize("name", CASES)
def test_views_are_read_where_they_are(name: str) -> None:
    text, left, function = CASES[name]
    program = drop_dead(forward_views(read_program(text)))
    verify(program)
    assert len(program.statements) == left, print_program(program)
    given = arguments(text)
    np.testing.assert_allclose(interpret(program, *given)[0], function(*given), rtol=1e-14)
    np.testing.assert_allclose(compile_program(read_program(text))(*given)[0], function(*given), rtol=1e-14)


def test_an_index_out_of_a_slice_is_an_error() -> None:
    kernel = compile_program(read_program(CASES["gathered slice"][0]))
    with pytest.raises(IndexError):
        kernel(np.arange(7.0), np.array([6]))


STACK = """
program(x: f64[n])
  a: f64[i < n] = sin(x[i])
  b: f64[i < n] = mul(a[i], x[i])
  s: f64[k < 4, i < n] = where(lt(k, 1), a[i], where(lt(k, 2), x[i], where(lt(k, 3), b[i], b[i])))
  return s
"""


def test_rows_are_computed_in_their_places() -> None:
    kernel = compile_program(read_program(STACK))
    assert set(kernel.schedule.arrays) == {"x", "s"}
    for n in (0, 1, 7, 100):
        x = np.linspace(-1, 1, n)
        np.testing.assert_allclose(kernel(x)[0], [np.sin(x), x, x * np.sin(x), x * np.sin(x)], rtol=1e-14)


def test_rows_that_are_results_too_are_copied() -> None:
    kernel = compile_program(read_program(STACK.replace("return s", "return a, s, b")))
    x = np.linspace(-1, 1, 50)
    a, s, b = kernel(x)
    np.testing.assert_allclose(s, [np.sin(x), x, x * np.sin(x), x * np.sin(x)], rtol=1e-14)
    assert np.array_equal(a, s[0])
    assert np.array_equal(b, s[2])


OUTSIDE = """
program(w: f64[n], x: f64[m])
  zero: f64 = 0.0
  loop m
    carry c: f64 from zero to total next d
    slice e: f64 of x
    stack y to ys
    d: f64 = add(c[], e[])
    y: f64[i < n] = w[i]
  end
  return ys, total
"""


def test_a_loop_may_collect_what_stands_outside_of_it() -> None:
    program = read_program(OUTSIDE)
    w, x = np.arange(3.0), np.arange(5.0)
    for found in (interpret(forward_views(program), w, x), compile_program(program)(w, x)):
        assert np.array_equal(found[0], np.broadcast_to(w, (5, 3))) and found[1] == 10.0

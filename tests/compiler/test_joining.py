"""Loops that have values in common are one loop; a later loop reads what an earlier one has computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler.index import Loop, Program
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.passes import PIPELINE
from symgrad.compiler.passes.joining import join_loops
from symgrad.compiler.reader import read_program
from symgrad.compiler.text import print_program
from symgrad.compiler.verify import verify

TWO_SWEEPS = """
program(a: f64[n], x: f64[m, n], z: f64[n])
  loop m
    carry h: f64[n] from a to last next h2
    slice r: f64[n] of x
    stack s to total
    t: f64[i < n] = mul(h[i], r[i])
    h2: f64[j < n] = tanh(t[j])
    s: f64 = add[i < n] h2[i]
  end
  loop m
    carry k: f64[n] from a to end next k2
    carry c: f64[n] from z to other next c2
    slice q: f64[n] of x
    stack k to kept
    u: f64[j < n] = mul(k[j], q[j])
    k2: f64[i < n] = tanh(u[i])
    c2: f64[i < n] = add(c[i], u[i])
  end
  e: f64[i < n] = sub(end[i], last[i])
  loop m reverse
    carry g: f64[n] from z to gradient next g2
    slice b: f64[n] of kept
    slice d: f64[n] of x
    p: f64[i < n] = mul(b[i], d[i])
    v: f64[i < n] = tanh(p[i])
    w: f64[i < n] = sub(1.0, v[i])
    g2: f64[i < n] = add(g[i], w[i])
  end
  return total, kept, end, other, e, gradient
"""

APART = """
program(a: f64[n], x: f64[m, n])
  loop m
    carry h: f64[n] from a to last next h2
    slice r: f64[n] of x
    h2: f64[i < n] = tanh(h[i])
  end
  loop m
    carry k: f64[n] from {start} to end next k2
    slice q: f64[n] of x
    k2: f64[i < n] = {value}
  end
  return last, end
"""


def loops(program: Program) -> list[Loop]:
    return [s for s in program.statements if isinstance(s, Loop)]


def arguments(m: int, n: int, count: int) -> list[Any]:
    rng = np.random.default_rng(m)
    return [rng.standard_normal(n), rng.standard_normal((m, n)), rng.standard_normal(n)][:count]


def test_sweeps_with_common_values_are_one() -> None:
    before = read_program(TWO_SWEEPS)
    after = before
    for run in PIPELINE:
        after = run(after)
        verify(after)
    forward, backward = loops(after)
    assert [name for name, _, _ in forward.carried] == ["h", "c"]
    assert "tanh" not in print_program(Program((), (backward,), ()))
    for m, n in ((0, 3), (1, 1), (5, 9)):
        given = arguments(m, n, 3)
        kernel = compile_program(before)
        wanted, found = interpret(before, *given), interpret(after, *given)
        for want, reference, got in zip(wanted, found, kernel(*given), strict=True):
            np.testing.assert_allclose(reference, want, rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("start", "value", "count"),
    [
        ("a", "tanh(k[i])", 1),  # the same
        ("a", "tanh(q[i])", 2),  # nothing in common
        ("last", "tanh(k[i])", 2),  # needs the first one's result
        ("a", "sin(k[i])", 2),  # starts alike and goes on otherwise
    ],
)
def test_only_equal_values_are_shared(start: str, value: str, count: int) -> None:
    before = read_program(APART.format(start=start, value=value))
    after = join_loops(before)
    verify(after)
    assert len(loops(after)) == count
    given = arguments(4, 6, 2)
    for want, got in zip(interpret(before, *given), interpret(after, *given), strict=True):
        np.testing.assert_array_equal(got, want)

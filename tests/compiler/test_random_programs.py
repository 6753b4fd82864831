"""On random programs: the text reads back, passes keep the meaning, kernels compute what the interpreter does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler import tiles
from symgrad.compiler.index import Program
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.passes import PIPELINE
from symgrad.compiler.reader import read_program
from symgrad.compiler.scalars import SCALARS
from symgrad.compiler.text import print_program
from symgrad.compiler.types import DTYPES
from symgrad.compiler.verify import verify

from tests.compiler.random_programs import random_inputs, random_program

SHAPES: tuple[dict[str, int], ...] = ({"m": 5, "n": 3}, {"m": 19, "n": 33}, {"m": 1, "n": 1}, {"m": 0, "n": 4})


def assert_close(got: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(150))
def test_text_reads_back(seed: int) -> None:
    program = random_program(seed)
    verify(program)
    assert read_program(print_program(program)) == program


def expected(program: Program, inputs: list[Any], sizes: dict[str, int]) -> tuple[Any, ...] | None:
    """What the interpreter says; None if an index is out of range."""
    try:
        return interpret(program, *inputs, sizes=sizes)
    except IndexError:
        return None


@pytest.mark.parametrize("seed", range(60))
def test_passes_keep_the_meaning(seed: int) -> None:
    program = random_program(seed)
    inputs = random_inputs(program, seed, SHAPES[0])
    want = expected(program, inputs, SHAPES[0])
    for run in PIPELINE:
        program = run(program)
        verify(program)
        if want is not None:
            assert_close(interpret(program, *inputs, sizes=SHAPES[0]), want)


@pytest.mark.parametrize("seed", range(36))
def test_kernel_is_the_interpreter(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with tiles of a few rows, so that small arrays take the paths of large ones."""
    monkeypatch.setattr(tiles, "MOST", 3 + 2 * (seed % 4))
    kernel = compile_program(random_program(seed))
    for sizes in SHAPES:
        inputs = random_inputs(kernel.program, seed, sizes)
        want = expected(kernel.program, inputs, sizes)
        if want is None:
            with pytest.raises(IndexError):
                kernel(*inputs, sizes=sizes)
        else:
            assert_close(kernel(*inputs, sizes=sizes), want)


@pytest.mark.parametrize("seed", range(5))
def test_quickly_made_code_gives_the_same_bits(seed: int) -> None:
    program = random_program(seed)
    quick = compile_program(program, first=SHAPES[0])
    better = quick.improved()
    assert quick.quick and not better.quick
    for sizes in SHAPES:
        inputs = random_inputs(program, seed, sizes)
        if expected(program, inputs, sizes) is not None:
            assert_same_bits(quick(*inputs, sizes=sizes), better(*inputs, sizes=sizes))


def assert_same_bits(got: tuple[Any, ...], wanted: tuple[Any, ...]) -> None:
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)  # NaN is NaN, whatever its sign
        np.testing.assert_array_equal(np.signbit(a)[a == 0], np.signbit(b)[b == 0])


OF_FLOATS = sorted(op for op, row in SCALARS.items() if {*row.args} == {"T"} and row.result == "T" and "f" in row.emit)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_quickly_made_mathematics_gives_the_same_bits(dtype: str) -> None:
    """Every function of floats, on ordinary and special values, in vectors and in what is left over."""
    given = [f"x{k}" for k in range(max(len(SCALARS[op].args) for op in OF_FLOATS))]
    lines = [
        f"  {op}.y: {dtype}[i0 < n] = {op}({', '.join(f'{x}[i0]' for x in given[: len(SCALARS[op].args)])})"
        for op in OF_FLOATS
    ]
    inputs = ", ".join(f"{x}: {dtype}[n]" for x in given)
    outputs = ", ".join(f"{op}.y" for op in OF_FLOATS)
    program = read_program("\n".join([f"program({inputs}) sizes(n)", *lines, f"  return {outputs}"]))
    quick = compile_program(program, first={"n": 1})
    values = np.array([*np.linspace(-30, 30, 41), *np.geomspace(1e-30, 1e30, 43), 0.0, -0.0, np.inf, -np.inf, np.nan])
    arrays = [np.roll(values, 7 * k).astype(DTYPES[dtype]) for k in range(len(given))]
    assert_same_bits(quick(*arrays), quick.improved()(*arrays))

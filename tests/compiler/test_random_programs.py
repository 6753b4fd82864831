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
from symgrad.compiler.text import print_program
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

"""On random programs: the text reads back, passes keep the meaning, kernels compute what the interpreter does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.passes import PIPELINE
from symgrad.compiler.reader import read_program
from symgrad.compiler.text import print_program
from symgrad.compiler.verify import verify

from tests.compiler.random_programs import random_inputs, random_program

SHAPES = ({"m": 5, "n": 3}, {"m": 19, "n": 33}, {"m": 1, "n": 1}, {"m": 0, "n": 4})


def assert_close(got: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(150))
def test_text_reads_back(seed: int) -> None:
    program = random_program(seed)
    verify(program)
    assert read_program(print_program(program)) == program


@pytest.mark.parametrize("seed", range(60))
def test_passes_keep_the_meaning(seed: int) -> None:
    program = random_program(seed)
    inputs = random_inputs(program, seed, SHAPES[0])
    expected = interpret(program, *inputs, sizes=SHAPES[0])
    for run in PIPELINE:
        program = run(program)
        verify(program)
        assert_close(interpret(program, *inputs, sizes=SHAPES[0]), expected)


@pytest.mark.parametrize("seed", range(120))
def test_kernel_is_the_interpreter(seed: int) -> None:
    program = random_program(seed)
    kernel = compile_program(program)
    for sizes in SHAPES:
        inputs = random_inputs(program, seed, sizes)
        assert_close(kernel(*inputs, sizes=sizes), interpret(program, *inputs, sizes=sizes))

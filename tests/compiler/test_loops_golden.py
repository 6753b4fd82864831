"""The loops of a few programs as they are meant to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from symgrad.compiler.loops import print_schedule
from symgrad.compiler.passes import PIPELINE
from symgrad.compiler.reader import read_program
from symgrad.compiler.schedule import schedule

from tests.compiler.programs import HESSIAN, LOGISTIC, NETWORK

PROGRAMS = {"logistic": LOGISTIC, "hessian": HESSIAN, "network": NETWORK}


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops(name: str, golden: Callable[[str, str], None]) -> None:
    program = read_program(PROGRAMS[name])
    for run in PIPELINE:
        program = run(program)
    golden(f"loops/{name}.txt", print_schedule(schedule(program, vector_bytes=32)))

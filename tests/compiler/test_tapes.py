"""Tapes: their order, their pieces and their machine code, beside Python's own arithmetic."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from symgrad.compiler.running import overlap
from symgrad.compiler.tape import NONE, Opcode, Tape, batches, evaluate, print_tape
from symgrad.compiler.tape_kernel import QUICK_PIECE, SHORT, compile_tape

import symgrad as sg

MEANINGS: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "sub": lambda a, b: a - b,
    "sin": math.sin,
    "cos": math.cos,
    "atan2": math.atan2,
    "lt": lambda a, b: a < b,
    "where": lambda c, a, b: a if c else b,
}
TYPES = {"sin": ("f64",), "cos": ("f64",), "where": ("bool", "f64", "f64")}
TABLE = tuple(Opcode(name, TYPES.get(name, ("f64", "f64"))) for name in MEANINGS)
NAMES = [op.name for op in TABLE]


def random_tape(count: int, seed: int) -> Tape:
    """A tape of `count` instructions on 5 inputs and 2 constants with values of moderate size."""
    choose = random.Random(seed)
    opcodes: list[int] = []
    operands: list[list[int]] = []
    numbers, truths = list(range(7)), list[int]()
    for value in range(7, 7 + count):
        name = choose.choice(NAMES)
        name = "lt" if name == "where" and not truths else "sin" if name == "mul" and value % 3 else name
        recent = numbers[-40:] + numbers[:7]
        row = [choose.choice(recent) for _ in TABLE[NAMES.index(name)].types]
        if name == "where":
            row[0] = choose.choice(truths[-10:])
        (truths if name == "lt" else numbers).append(value)
        opcodes.append(NAMES.index(name))
        operands.append(row + [NONE] * (3 - len(row)))
    outputs = [*choose.choices(numbers, k=12), numbers[-1], numbers[-1], 0, 5]
    rows = np.array(operands, np.int64).reshape(count, 3)
    return Tape(5, np.array([0.5, -1.25]), TABLE, np.array(opcodes, np.int64), rows, np.array(outputs))


def expected(tape: Tape, values: list[float]) -> list[float]:
    known = [*values, *tape.constants.tolist()]
    for code, row in zip(tape.opcodes.tolist(), tape.operands.tolist(), strict=True):
        known.append(MEANINGS[tape.table[code].name](*[known[i] for i in row if i != NONE]))
    return [known[v] for v in tape.outputs.tolist()]


@pytest.mark.parametrize("count", [0, 1, 150, QUICK_PIECE + 1, SHORT, SHORT + 500])
@pytest.mark.parametrize("seed", [0, 1])
def test_machine_code_and_numpy_agree_with_python(count: int, seed: int) -> None:
    tape = random_tape(count, seed)
    at = np.random.default_rng(seed).uniform(-0.3, 0.3, 5)
    want = expected(tape, at.tolist())
    np.testing.assert_allclose(evaluate(tape, at), want, rtol=1e-9, atol=1e-9)
    found = compile_tape(tape)(*[np.array(x) for x in at])
    np.testing.assert_allclose(np.array(found), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("lanes", [2, 4, 8])
def test_batches_do_each_instruction_once_and_behind_what_it_reads(lanes: int) -> None:
    tape = random_tape(1000, 3)
    together = frozenset({NAMES.index("sin"), NAMES.index("cos"), NAMES.index("atan2")})
    groups = list(batches(tape, 200, 700, together, lanes))
    assert sorted(k for group in groups for k in group) == list(range(200, 700))
    done = set(range(7 + 200))
    for group in groups:
        assert {int(i) for k in group for i in tape.operands[k] if i != NONE} <= done
        assert len(group) == 1 or {tape.opcodes[k] for k in group} <= together
        assert len(group) <= lanes and len({tape.opcodes[k] for k in group}) == 1
        done.update(k + 7 for k in group)
    calls = [len(group) for group in groups if tape.opcodes[group[0]] in together]
    assert len(calls) < sum(calls)


def test_printing() -> None:
    tape = Tape(1, np.array([0.5]), TABLE, np.array([NAMES.index("mul")]), np.array([[0, 1, NONE]]), np.array([2]))
    assert print_tape(tape) == "v2 = mul x0, 0.5\nreturn v2\n"


@pytest.mark.parametrize(
    ("written", "read", "shared"),
    [
        ([(0, 4), (4, 8)], [(8, 12)], False),
        ([(0, 4), (3, 8)], [], True),
        ([(0, 4)], [(2, 3)], True),
        ([(2, 3)], [(0, 4)], True),
        ([(6, 8)], [(0, 4), (0, 4), (2, 6)], False),
        ([(5, 8)], [(0, 4), (2, 6), (3, 4)], True),
        ([(0, 0), (0, 4)], [(4, 4)], False),
    ],
)
def test_memory_that_is_written_is_nobody_elses(
    written: list[tuple[int, int]], read: list[tuple[int, int]], shared: bool
) -> None:
    memory = np.zeros(12)
    assert overlap([memory[a:b] for a, b in written], [memory[a:b] for a, b in read]) is shared


@pytest.mark.parametrize("count", [10, 450, 700, 2000])
def test_functions_of_many_results_answer_every_call_alike(count: int) -> None:
    x, y = sg.scalar("x"), sg.scalar("y")
    f = sg.compile([x * k + y for k in range(count)])
    for at in (1.5, -2.0, 3.0, 0.0):
        assert f(at, 2.0) == [at * k + 2.0 for k in range(count)]

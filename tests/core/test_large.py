"""Formulas written out in thousands of operations: tapes, their code, and what is made of them, against NumPy."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from symgrad.compiler.tape import ARITY, NONE, Opcode, Tape, check, cut, evaluate, levels, print_tape
from symgrad.compiler.tape_kernel import compile_tape

import symgrad as sg
from symgrad.graph import postorder
from symgrad.rewrite.canonical import canonicalise

NAMES = [f"x{k}" for k in range(20)]


def web(n: int, sin: Callable[[Any], Any], given: Sequence[Any]) -> Any:
    """A sum over a random graph of `n` operations of which every result is used, the same for symbols and numbers."""
    choose = random.Random(n)
    known, unused = list(given), list(range(len(given)))
    for k in range(n):
        i = unused.pop(choose.randrange(len(unused))) if len(unused) > 20 else choose.randrange(len(known))
        a, b = known[i], known[choose.randrange(len(known))]
        operation = k % 4
        mixed = a - b if operation == 2 else 0.5 * a + b * 0.25
        known.append(sin(a if operation == 0 else a * b) if operation < 2 else mixed)
        unused.append(len(known) - 1)
    return sum([sin(known[u]) for u in unused])


class Dual:
    """A number and its derivatives, by the rules of calculus alone."""

    def __init__(self, value: float, slopes: np.ndarray[Any, Any]) -> None:
        self.value, self.slopes = value, slopes

    def __add__(self, other: Any) -> Dual:
        return Dual(self.value + other.value, self.slopes + other.slopes) if isinstance(other, Dual) else self

    __radd__ = __add__

    def __sub__(self, other: Dual) -> Dual:
        return Dual(self.value - other.value, self.slopes - other.slopes)

    def __mul__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value * other, self.slopes * other)
        return Dual(self.value * other.value, self.slopes * other.value + other.slopes * self.value)

    __rmul__ = __mul__


def dual_sin(x: Dual) -> Dual:
    return Dual(math.sin(x.value), x.slopes * math.cos(x.value))


@pytest.mark.parametrize("n", [600, 1_500, pytest.param(30_000, marks=pytest.mark.slow)])
def test_value_and_gradient_of_a_random_graph(n: int) -> None:
    symbols = [sg.scalar(name) for name in NAMES]
    at = np.random.default_rng(0).uniform(-1, 1, len(NAMES))
    f = sg.compile(web(n, sg.sin, symbols), wrt=tuple(NAMES))
    value, slopes = f.value_and_grad(*at.tolist())
    wanted = web(n, dual_sin, [Dual(x, row) for x, row in zip(at.tolist(), np.eye(len(at)), strict=True)])
    assert value == pytest.approx(wanted.value, rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(slopes, wanted.slopes, rtol=1e-8, atol=1e-8 * abs(wanted.slopes).max())
    assert "= sin " in f.show("program")


@pytest.mark.parametrize("bodies", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_energy_gradient_and_hessian_of_bodies(bodies: int) -> None:
    names = [f"{c}{k}" for k in range(bodies) for c in "xyz"]
    s = [sg.scalar(name) for name in names]
    pairs = [(i, j) for i in range(bodies) for j in range(i)]
    distances = [sg.sqrt(sum([(s[3 * i + c] - s[3 * j + c]) ** 2 for c in range(3)])) for i, j in pairs]
    energy = -sum([1 / d for d in distances])
    blocks = energy.hessian(tuple(names))
    f = sg.compile([energy, *energy.grad(tuple(names)), *[h for row in blocks for h in row]], inputs=s)
    x = np.random.default_rng(1).normal(size=3 * bodies)
    value, *rest = f(*x.tolist())
    gradient, hessian = np.array(rest[: 3 * bodies]), np.array(rest[3 * bodies :]).reshape(3 * bodies, -1)
    q, wanted, curvature = x.reshape(-1, 3), np.zeros((bodies, 3)), np.zeros((3 * bodies, 3 * bodies))
    total = 0.0
    for i, j in pairs:
        d = q[i] - q[j]
        r = np.linalg.norm(d)
        total -= 1 / r
        wanted[i] += d / r**3
        wanted[j] -= d / r**3
        block = np.eye(3) / r**3 - 3 * np.outer(d, d) / r**5
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            curvature[3 * a : 3 * a + 3, 3 * b : 3 * b + 3] += sign * block
    assert value == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(gradient, wanted.ravel(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(hessian, curvature, rtol=1e-8, atol=1e-8)


def test_choices_and_truth_values_on_a_tape() -> None:
    x, y = sg.scalar("x"), sg.scalar("y")
    total, wanted = x, 0.3
    for k in range(200):
        shift = k / 25 - 4
        total = total + sg.where((x > shift) & ~(y > shift), sg.exp(-x) * shift, sg.maximum(y, shift) / (k + 1))
        chosen = -0.7 <= shift < 0.3
        wanted += math.exp(-0.3) * shift if chosen else max(-0.7, shift) / (k + 1)
    f = sg.compile(total, inputs=[x, y])
    assert f(0.3, -0.7) == pytest.approx(wanted, rel=1e-12)
    assert f(0.3, -0.7) == pytest.approx(float(total(x=0.3, y=-0.7)), rel=1e-12)
    assert "where" in f.show("program")


@pytest.mark.slow
def test_large_formulas_over_arrays_of_points() -> None:
    x = sg.scalar("x")
    y = x
    for _ in range(300):
        y = sg.sin(y) + 0.5
    points, wanted = np.linspace(-1, 1, 7), np.linspace(-1, 1, 7)
    for _ in range(300):
        wanted = np.sin(wanted) + 0.5
    np.testing.assert_allclose(sg.compile(y, inputs=[x])(points), wanted, rtol=1e-12)


def test_functions_keep_their_digits_in_very_large_graphs() -> None:
    x = sg.scalar("x")
    terms = [x * (k + 0.5) - sg.sin(x * (k + 0.25)) for k in range(4_000)]
    (made,) = canonicalise([sg.sum(sg.stack([sg.log(1 + sg.exp(x)), *terms])).node])
    names = {n.op.name for n in postorder([made])}
    assert "softplus" in names
    assert "log" not in names


# ---- the tape itself


def random_tape(n: int, seed: int) -> Tape:
    choose = random.Random(seed)
    table = (
        Opcode("add", ("f64", "f64")), Opcode("mul", ("f64", "f64")), Opcode("sin", ("f64",)),
        Opcode("lt", ("f64", "f64")), Opcode("where", ("bool", "f64", "f64")), Opcode("neg", ("f64",)),
    )  # fmt: skip
    constants = np.array([0.5, -0.25, 1.5])
    types, codes, rows = ["f64"] * 8, [], []
    for _ in range(n):
        code = choose.randrange(len(table) if "bool" in types else 4)
        values = [choose.choice([k for k, t in enumerate(types[-60:], max(0, len(types) - 60)) if t == dtype] or [
            types.index(dtype)]) for dtype in table[code].types]  # fmt: skip
        codes.append(code)
        rows.append([*values, *[NONE] * (ARITY - len(values))])
        types.append(table[code].result)
    outputs = [0, 6, *[k for k, t in enumerate(types) if t == "f64"][-5:]]
    operands = np.array(rows, np.int64).reshape(-1, ARITY)
    return Tape(5, constants, table, np.array(codes, np.int64), operands, np.array(outputs))


def computed(tape: Tape, given: Sequence[float]) -> list[float]:
    """The outputs, one instruction after the other."""
    meaning: dict[str, Callable[..., Any]] = {
        "add": lambda a, b: a + b, "mul": lambda a, b: a * b, "sin": math.sin, "lt": lambda a, b: a < b,
        "where": lambda c, a, b: a if c else b, "neg": lambda a: -a,
    }  # fmt: skip
    values: list[Any] = [*given, *tape.constants.tolist()]
    for code, row in zip(tape.opcodes.tolist(), tape.operands.tolist(), strict=True):
        values.append(meaning[tape.table[code].name](*[values[i] for i in row if i != NONE]))
    return [values[k] for k in tape.outputs.tolist()]


@pytest.mark.parametrize("n", [0, 1, 40, 900, 5_000])
def test_a_tape_means_its_instructions_one_after_the_other(n: int) -> None:
    tape = random_tape(n, n)
    given = [0.1, -0.7, 0.9, 0.3, -0.2]
    wanted = computed(tape, given)
    np.testing.assert_allclose(evaluate(tape, given), wanted, rtol=1e-12, atol=1e-300)
    found = compile_tape(tape)(*map(np.array, given))
    np.testing.assert_allclose([a.item() for a in found], wanted, rtol=1e-11, atol=1e-300)
    assert len(print_tape(tape).splitlines()) == n + 1


@pytest.mark.parametrize("length", [1, 7, 64, 10_000])
def test_values_that_live_at_once_have_different_places(length: int) -> None:
    tape = random_tape(700, 3)
    pieces = cut(tape, length)
    assert pieces.starts[0] == 0
    assert pieces.starts[-1] == 700
    assert (np.diff(pieces.starts) <= length).all()
    memory: dict[int, int] = {k: k for k in range(tape.inputs)}
    for begin, end in zip(pieces.starts[:-1].tolist(), pieces.starts[1:].tolist(), strict=True):
        for row in tape.operands[begin:end].tolist():
            for v in row:
                if v != NONE and (v < tape.inputs or tape.first <= v < tape.first + begin):
                    assert memory[int(pieces.slots[v])] == v
        memory.update((int(pieces.slots[tape.first + k]), tape.first + k) for k in range(begin, end)
                      if pieces.slots[tape.first + k] != NONE)  # fmt: skip


def test_levels_are_the_longest_ways() -> None:
    add = (Opcode("add", ("f64", "f64")),)
    rows = np.array([[0, 1, NONE], [2, 0, NONE], [0, 0, NONE]])
    tape = Tape(2, np.zeros(0), add, np.zeros(3, int), rows, np.array([3]))
    assert levels(tape).tolist() == [1, 2, 1]


@pytest.mark.parametrize("row", [[2, 0, NONE], [0, NONE, NONE], [0, 1, 1]], ids=["itself", "too few", "too many"])
def test_what_is_no_tape_is_refused(row: list[int]) -> None:
    add = (Opcode("add", ("f64", "f64")),)
    with pytest.raises(ValueError, match="tape"):
        check(Tape(2, np.zeros(0), add, np.zeros(1, int), np.array([row]), np.array([2])))

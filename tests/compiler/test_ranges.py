"""Which indices are proven to be within their array: never one that can be outside, whatever the sizes."""

from __future__ import annotations

from itertools import product

import pytest
from symgrad.compiler.index import Const, Load
from symgrad.compiler.ranges import within
from symgrad.compiler.reader import read_program
from symgrad.compiler.types import Dim, evaluate

# index expression, size of the indexed axis, sizes of i and j, whether it can be proven
CASES = [
    ("i", "n", "n", True),
    ("add(i, 1)", "n", "n - 1", True),
    ("add(i, 1)", "n", "n", False),
    ("sub(i, 1)", "n", "n", False),
    ("sub(size(n - 1), i)", "n", "n", True),
    ("add(mul(i, size(n)), j)", "m*n", "m", True),
    ("floordiv(i, size(n))", "m", "m*n", True),
    ("mod(i, size(n))", "n", "m*n", True),
    ("mod(i, size(n))", "n", "m", False),  # n may be 0, and i % 0 is 0
    ("mod(i, 3)", "3", "m", True),
    ("mod(i, size(n + 1))", "n + 1", "m", True),
    ("2", "3", "m", True),
    ("0", "n", "m", False),
    ("size(n - 1)", "n", "m", False),
]


@pytest.mark.parametrize(("index", "size", "axis", "proven"), CASES)
def test_within(index: str, size: str, axis: str, proven: bool) -> None:
    program = read_program(f"program(x: f64[{size}])\n  t: f64[i < {axis}, j < n] = x[{index}]\n  return t\n")
    statement = program.statements[0]
    (_, type_), (load, axes) = program.inputs[0], (statement.value, statement.axes)  # type: ignore[union-attr]
    assert isinstance(load, Load)
    sizes: dict[str, Dim] = {own.name: own.size for own in axes}
    assert within(load.index[0], type_.shape[0], sizes) == proven
    if proven and not isinstance(load.index[0], Const):
        check_all(f"x[{index}]", program.inputs[0][1].shape[0], sizes, load)


def check_all(text: str, size: Dim, axes: dict[str, Dim], load: Load) -> None:
    """Every value of the index, for all small sizes."""
    names = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}
    names |= {"floordiv": lambda a, b: a // b if b else 0, "mod": lambda a, b: a % b if b else 0}

    def value(expr: object, at: dict[str, int], numbers: dict[str, int]) -> int:
        match expr:
            case Const(number, _):
                return int(number)
            case _ if hasattr(expr, "op"):
                return names[expr.op](*(value(arg, at, numbers) for arg in expr.args))  # type: ignore[attr-defined]
            case _ if hasattr(expr, "size"):
                return evaluate(expr.size, numbers)
            case _:
                return at[expr.name]  # type: ignore[attr-defined]

    for m, n in product(range(4), repeat=2):
        numbers = {"m": m, "n": n}
        ranges = [range(max(0, evaluate(own, numbers))) for own in axes.values()]
        for place in product(*ranges):
            found = value(load.index[0], dict(zip(axes, place, strict=True)), numbers)
            assert 0 <= found < evaluate(size, numbers), (text, numbers, place)

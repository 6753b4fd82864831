"""Random formulas on random arrays: compiled, interpreted, rewritten, derived in both modes, simplified, read back.

`make fuzz` tries many more; ``python -m tests.fuzz.campaign`` as many as there is time for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.compare import Point, Ways, check_batch, compiled, made
from tests.fuzz.generate import Formula, arrays, sizes


def chooser(data: st.DataObject) -> Callable[[int], int]:
    return lambda n: data.draw(st.integers(0, n - 1))


def points(choose: Callable[[int], int], formula: Formula, ways: Ways, seed: int, count: int) -> list[Point]:
    rng = np.random.default_rng(seed)
    found = [made(ways, arrays(choose, sizes(choose, formula.not_empty), rng), rng) for _ in range(count)]
    return [p for p in found if p is not None]


@given(st.data(), st.integers(0, 1000))
def test_interpreted(data: st.DataObject, seed: int) -> None:
    choose = chooser(data)
    formula = Formula(choose)
    ways = Ways(formula.text)
    roots = ways.canonical()
    again = [ways.read_back(), *roots[1:]]
    for p in points(choose, formula, ways, seed, 3):
        p.check_interpreted(roots, "canonical")
        p.check_interpreted(again, "read back")


@given(st.data(), st.integers(0, 1000))
def test_compiled(data: st.DataObject, seed: int) -> None:
    choose = chooser(data)
    formula = Formula(choose, 3)
    ways = Ways(formula.text)
    found = points(choose, formula, ways, seed, 4)
    if found and ways.symbols:
        function = compiled(ways)
        for p in found:
            p.check_compiled(function)


@given(st.data(), st.integers(0, 1000))
def test_compiled_in_single_precision(data: st.DataObject, seed: int) -> None:
    choose = chooser(data)
    formula = Formula(choose, 3)
    ways = Ways(formula.text)
    found = points(choose, formula, ways, seed, 4)
    if found and ways.symbols:
        function = compiled(ways, "f32")
        for p in found:
            p.check_single(function)


@given(st.data(), st.integers(0, 1000))
def test_batched(data: st.DataObject, seed: int) -> None:
    choose = chooser(data)
    formula = Formula(choose, 3)
    ways, rng = Ways(formula.text), np.random.default_rng(seed)
    shape = sizes(choose, formula.not_empty)
    found = [made(ways, arrays(choose, shape, rng), rng) for _ in range(3)]
    same = [p for p in found if p is not None]
    if same and ways.symbols:
        check_batch(ways, same)
